//! Calling conventions, as data.
//!
//! An [`Abi`] is a row of this file: which registers carry arguments, how the
//! argument area on the stack is cut into stack slots, where results come back.
//! [`layout`](crate::layout) reads the rows and knows no architecture.
//!
//! Each architecture has two conventions. *VM* is what Cranelift compiled for
//! Wasmtime 0.38 to 8.0.1 (`CallConv::WasmtimeSystemV`, `WasmtimeAppleAarch64`
//! and `WasmtimeFastcall`): the callee context and the caller context come
//! first, and a function has any number of results. *C* is the platform's own: it has no
//! contexts, at most one result, structures and variadic functions. Where the two
//! place a parameter differently, the row of *VM* says so.
//!
//! What a convention does with structures is a [rule](Aggregates) with a name.
//! [`layout`](crate::layout) has a short function for each rule.

use core::fmt;

use crate::valtype::{Scalar, ValType};

/// A calling convention: a row of data that says where values go.
///
/// Every convention exists on every machine, so a program can make and print layouts of
/// all of them.
///
/// ```
/// use vmtrampoline::Abi;
/// assert_eq!(Abi::X86_64_SYSV_VM.name(), "x86_64-sysv-vm");
/// assert_eq!(Abi::from_name("x86_64-sysv-c"), Some(&Abi::X86_64_SYSV_C));
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Abi {
    pub(crate) name: &'static str,
    /// How many contexts precede the parameters.
    pub(crate) contexts: usize,
    /// Integer argument registers, in order.
    pub(crate) integer: &'static [&'static str],
    /// Registers for `f32` and `f64` arguments, in order.
    pub(crate) float: &'static [&'static str],
    pub(crate) vector: Vector,
    pub(crate) counting: Counting,
    pub(crate) float_overflow: FloatOverflow,
    pub(crate) extension: Extension,
    pub(crate) aggregates: Aggregates,
    pub(crate) variadic: Variadic,
    pub(crate) stack: Stack,
    pub(crate) results: Results,
    /// What each scalar type is, in the order of [`ValType::ALL`].
    pub(crate) scalars: [Scalar; ValType::ALL.len()],
    pub(crate) short_cut: ShortCut,
}

/// The argument registers that the body `short_cut` serves: the first so many of each
/// class.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ShortCut {
    pub(crate) integers: u32,
    pub(crate) floats: u32,
}

/// Which registers carry `v128` arguments.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Vector {
    /// The float registers.
    Float,
    /// Registers of their own. Arguments take them in this order of indices.
    Own { registers: &'static [&'static str], order: &'static [u32] },
    /// A vector goes where a structure of its size goes.
    Aggregate,
    /// The convention cannot pass vectors.
    Unsupported,
}

/// How far the caller extends an integer that is smaller than its register or stack
/// slot. The bits above may be anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extension {
    /// Not at all.
    None,
    /// To 32 bits, by its sign.
    Word,
    /// To 64 bits, by its sign. The assembly fits an `f32` to its register, too.
    Full,
    /// The same, but an unsigned integer of 32 bits is extended like a signed one.
    FullSigned,
}

/// Where structures, unions, complex numbers and integers of 128 bits go.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Aggregates {
    /// Nowhere: Wasmtime's conventions have none.
    None,
    /// System V: each eight bytes in a register of the class that their scalars merge
    /// to, or all of them on the stack.
    Eightbytes,
    /// Windows: like an integer, if the size is 1, 2, 4 or 8; otherwise by reference.
    BySize,
    /// 64-bit Arm: up to four floats or vectors of one type in a register each; otherwise
    /// up to 16 bytes in integer registers; otherwise by reference.
    Homogeneous {
        /// Whether a value that is aligned to 16 begins with an even register.
        even: bool,
    },
    /// Windows on Arm, variadic: up to 16 bytes in integer registers, then on the stack, as if
    /// the registers were the stack's first words; by reference.
    Words,
    /// RISC-V: flattened, one or two floats, or a float and an integer, in a register
    /// each; otherwise up to 16 bytes in integer registers; otherwise by reference.
    Flattened,
    /// s390x: like the float or vector that it wraps; otherwise like an integer, if the
    /// size is 1, 2, 4 or 8; otherwise by reference.
    Wrapped,
}

/// What is different for the variable part of a call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Variadic {
    /// The convention has no variadic functions.
    None,
    /// Nothing, but `al` says how many vector registers carry arguments.
    Counted,
    /// A float in a register is also in the integer register of its position.
    Doubled,
    /// Nothing.
    AsNamed,
    /// The named part, too: all arguments go as in this row.
    All(&'static Abi),
    /// All of it is on the stack.
    Stack,
    /// All of it goes where integers go, in an even register if it is aligned to 16.
    Integers,
    /// Its vectors are on the stack.
    VectorsOnStack,
}

/// Facts of C's own types, from which the [scalars](Abi::scalars) follow.
pub(crate) struct CTypes {
    /// Size of `long`.
    pub(crate) long: u8,
    pub(crate) char_signed: bool,
    pub(crate) wchar: ValType,
    pub(crate) long_double: LongDouble,
    /// Alignment of scalars of 16 bytes.
    pub(crate) wide_align: u8,
}

/// What `long double` is.
pub(crate) enum LongDouble {
    X87,
    Quad,
    Double,
}

impl CTypes {
    const X86_64_SYSV: CTypes = CTypes {
        long: 8,
        char_signed: true,
        wchar: ValType::I32,
        long_double: LongDouble::X87,
        wide_align: 16,
    };
    const X86_64_WINDOWS: CTypes = CTypes { long: 4, wchar: ValType::U16, ..CTypes::X86_64_SYSV };
    const X86_64_MSVC: CTypes =
        CTypes { long_double: LongDouble::Double, ..CTypes::X86_64_WINDOWS };
    const AARCH64: CTypes = CTypes {
        char_signed: false,
        wchar: ValType::U32,
        long_double: LongDouble::Quad,
        ..CTypes::X86_64_SYSV
    };
    const AARCH64_APPLE: CTypes = CTypes { long_double: LongDouble::Double, ..CTypes::X86_64_SYSV };
    const AARCH64_WINDOWS: CTypes = CTypes::X86_64_MSVC;
    const RISCV64: CTypes = CTypes { wchar: ValType::I32, ..CTypes::AARCH64 };
    const S390X: CTypes = CTypes { wide_align: 8, ..CTypes::RISCV64 };

    /// All scalar types, in the order of [`ValType::ALL`].
    const fn scalars(&self) -> [Scalar; ValType::ALL.len()] {
        let (mut scalars, mut i) = ([Scalar::new(ValType::I32, self); ValType::ALL.len()], 0);
        while i < scalars.len() {
            scalars[i] = Scalar::new(ValType::ALL[i], self);
            i += 1;
        }
        scalars
    }
}

/// What picks the register of an argument.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Counting {
    /// How many arguments of its class precede it.
    PerClass,
    /// How many arguments precede it.
    Positional,
}

/// Where a float goes when the float registers are used up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FloatOverflow {
    Stack,
    /// To the next integer register, then to the stack.
    Integer,
}

/// How the argument area is laid out. Offsets count from the stack pointer at
/// the call instruction.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stack {
    /// Offset of the first stack slot.
    pub(crate) start: u32,
    /// Size of the smallest stack slot, which is the stack word of a descriptor. A larger
    /// value takes its own size.
    pub(crate) slot: u32,
    /// The largest alignment that a stack slot has.
    pub(crate) max_align: u32,
    /// Whether a value smaller than its slot lies at the slot's end, and the upper half
    /// of a vector comes first.
    pub(crate) big_endian: bool,
    /// Whether a return pointer on the stack is aligned like other words.
    pub(crate) aligned_return_pointer: bool,
    /// Whether a value smaller than a slot takes only its own size.
    pub(crate) packed: bool,
    /// The area's size is a multiple of this.
    pub(crate) area_align: u32,
}

impl Stack {
    /// How many stack words so many bytes are, which fill them.
    pub(crate) const fn words(&self, bytes: u32) -> u32 {
        bytes >> self.slot.trailing_zeros() // a power of two
    }
}

/// Where results come back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Results {
    /// The most results a function can have.
    pub(crate) limit: usize,
    /// Registers of result 0, by class, in the order in which a structure takes them.
    pub(crate) integer: &'static [&'static str],
    pub(crate) float: &'static [&'static str],
    pub(crate) vector: &'static str,
    pub(crate) pointer: ReturnPointer,
    /// The largest alignment of a result in the return area.
    pub(crate) max_align: u32,
    /// The return area's size is a multiple of this.
    pub(crate) area_align: u32,
}

/// Where the return pointer goes, if there is one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ReturnPointer {
    /// Where one more integer parameter would go, before all others.
    First,
    /// Where one more integer parameter would go, after all others.
    Last,
    /// To a register that carries nothing else.
    Register(&'static str),
}

/// What VM rows add to the C row of their architecture.
macro_rules! vm {
    ($name:literal, $c:ident $(, $field:ident: $value:expr)*) => {
        Abi {
            name: $name,
            contexts: 2,
            aggregates: Aggregates::None,
            variadic: Variadic::None,
            results: Results {
                limit: usize::MAX,
                pointer: ReturnPointer::Last,
                ..Abi::$c.results
            },
            $($field: $value,)*
            ..Abi::$c
        }
    };
}

impl Abi {
    /// Plain C on x86-64: System V ABI, AMD64 supplement, section 3.2.3.
    pub const X86_64_SYSV_C: Abi = Abi {
        name: "x86_64-sysv-c",
        contexts: 0,
        integer: &["rdi", "rsi", "rdx", "rcx", "r8", "r9"],
        float: &["xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7"],
        vector: Vector::Float,
        counting: Counting::PerClass,
        float_overflow: FloatOverflow::Stack,
        extension: Extension::Word,
        aggregates: Aggregates::Eightbytes,
        variadic: Variadic::Counted,
        stack: Stack {
            start: 0,
            slot: 8,
            max_align: 16,
            big_endian: false,
            aligned_return_pointer: true,
            packed: false,
            area_align: 16,
        },
        results: Results {
            limit: 1,
            integer: &["rax", "rdx"],
            float: &["xmm0", "xmm1"],
            vector: "xmm0",
            pointer: ReturnPointer::First,
            max_align: 16,
            area_align: 16,
        },
        scalars: CTypes::X86_64_SYSV.scalars(),
        short_cut: ShortCut { integers: 8, floats: 8 }, // all
    };

    /// Wasmtime's convention on x86-64 System V.
    pub const X86_64_SYSV_VM: Abi = vm!("x86_64-sysv-vm", X86_64_SYSV_C);

    /// Plain C on Windows x64 ("x64 calling convention"): registers go by
    /// position, and 32 bytes of shadow space precede the stack slots. `long double`
    /// is that of the GNU toolchain. On 64 bits, `__cdecl`, `__stdcall` and `__fastcall` all mean
    /// this convention. `__vectorcall` is another one, which has no row, so
    /// [`from_name`](Self::from_name) does not find it.
    pub const X86_64_WINDOWS_C: Abi = Abi {
        name: "x86_64-windows-c",
        integer: &["rcx", "rdx", "r8", "r9"],
        float: &["xmm0", "xmm1", "xmm2", "xmm3"],
        vector: Vector::Aggregate,
        counting: Counting::Positional,
        extension: Extension::None,
        aggregates: Aggregates::BySize,
        variadic: Variadic::Doubled,
        stack: Stack { start: 32, ..Abi::X86_64_SYSV_C.stack },
        results: Results { integer: &["rax"], float: &["xmm0"], ..Abi::X86_64_SYSV_C.results },
        scalars: CTypes::X86_64_WINDOWS.scalars(),
        ..Abi::X86_64_SYSV_C
    };

    /// The same with MSVC's types: `long double` is `double`.
    pub const X86_64_MSVC_C: Abi = Abi {
        name: "x86_64-msvc-c",
        scalars: CTypes::X86_64_MSVC.scalars(),
        ..Abi::X86_64_WINDOWS_C
    };

    /// Wasmtime's convention on Windows x64: vectors by value.
    pub const X86_64_WINDOWS_VM: Abi =
        vm!("x86_64-windows-vm", X86_64_WINDOWS_C, vector: Vector::Float);

    /// Plain C on 64-bit Arm: AAPCS64, section 6.8.2.
    pub const AARCH64_C: Abi = Abi {
        name: "aarch64-c",
        integer: &["x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7"],
        float: &["v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7"],
        extension: Extension::None,
        aggregates: Aggregates::Homogeneous { even: true },
        variadic: Variadic::AsNamed,
        results: Results {
            integer: &["x0", "x1"],
            float: &["v0", "v1", "v2", "v3"],
            vector: "v0",
            pointer: ReturnPointer::Register("x8"),
            ..Abi::X86_64_SYSV_C.results
        },
        scalars: CTypes::AARCH64.scalars(),
        ..Abi::X86_64_SYSV_C
    };

    /// Wasmtime's convention on 64-bit Arm.
    pub const AARCH64_VM: Abi = vm!("aarch64-vm", AARCH64_C);

    /// Plain C on Apple's 64-bit Arm: a value on the stack takes its own size,
    /// at its own alignment.
    pub const AARCH64_APPLE_C: Abi = Abi {
        name: "aarch64-apple-c",
        extension: Extension::Word,
        aggregates: Aggregates::Homogeneous { even: false },
        variadic: Variadic::Stack,
        stack: Stack { slot: 4, packed: true, ..Abi::AARCH64_C.stack },
        scalars: CTypes::AARCH64_APPLE.scalars(),
        ..Abi::AARCH64_C
    };

    /// Wasmtime's convention on Apple's 64-bit Arm: a return pointer on the
    /// stack follows the last parameter without being aligned.
    pub const AARCH64_APPLE_VM: Abi = vm!(
        "aarch64-apple-vm",
        AARCH64_APPLE_C,
        stack: Stack { aligned_return_pointer: false, ..Abi::AARCH64_APPLE_C.stack }
    );

    /// Plain C on 64-bit Arm Windows ("Overview of ARM64 ABI conventions"), for GNU's toolchain
    /// and for MSVC: AAPCS64, but for variadic functions. Its VM convention is
    /// [`AARCH64_VM`](Self::AARCH64_VM).
    pub const AARCH64_WINDOWS_C: Abi = Abi {
        name: "aarch64-windows-c",
        variadic: Variadic::All(&Abi::AARCH64_WINDOWS_VARIADIC),
        scalars: CTypes::AARCH64_WINDOWS.scalars(),
        ..Abi::AARCH64_C
    };

    /// Arguments of its variadic functions: no float registers.
    const AARCH64_WINDOWS_VARIADIC: Abi = Abi {
        float: &[],
        vector: Vector::Aggregate,
        float_overflow: FloatOverflow::Integer,
        aggregates: Aggregates::Words,
        scalars: CTypes::AARCH64_WINDOWS.scalars(),
        ..Abi::AARCH64_C
    };

    /// Plain C on 64-bit RISC-V: LP64D, RISC-V Calling Conventions, sections
    /// "Integer" and "Hardware Floating-Point Calling Convention". A float that
    /// finds no float register is passed like an integer.
    pub const RISCV64_C: Abi = Abi {
        name: "riscv64-c",
        integer: &["a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7"],
        float: &["fa0", "fa1", "fa2", "fa3", "fa4", "fa5", "fa6", "fa7"],
        vector: Vector::Aggregate,
        float_overflow: FloatOverflow::Integer,
        extension: Extension::FullSigned,
        aggregates: Aggregates::Flattened,
        variadic: Variadic::Integers,
        results: Results {
            integer: &["a0", "a1"],
            float: &["fa0", "fa1"],
            ..Abi::X86_64_SYSV_C.results
        },
        scalars: CTypes::RISCV64.scalars(),
        short_cut: ShortCut { integers: 4, floats: 2 },
        ..Abi::X86_64_SYSV_C
    };

    /// Wasmtime's convention on 64-bit RISC-V: floats never use integer
    /// registers.
    pub const RISCV64_VM: Abi = vm!(
        "riscv64-vm",
        RISCV64_C,
        vector: Vector::Unsupported,
        float_overflow: FloatOverflow::Stack
    );

    /// Plain C on s390x: ELF Application Binary Interface, s390x supplement,
    /// section 1.2.3.
    pub const S390X_C: Abi = Abi {
        name: "s390x-c",
        integer: &["r2", "r3", "r4", "r5", "r6"],
        float: &["f0", "f2", "f4", "f6"],
        vector: Vector::Own {
            registers: &["v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31"],
            order: &[0, 2, 4, 6, 1, 3, 5, 7],
        },
        extension: Extension::Full,
        aggregates: Aggregates::Wrapped,
        variadic: Variadic::VectorsOnStack,
        stack: Stack {
            start: 160,
            max_align: 8,
            big_endian: true,
            area_align: 8,
            ..Abi::X86_64_SYSV_C.stack
        },
        results: Results {
            integer: &["r2"],
            float: &["f0"],
            vector: "v24",
            max_align: 8,
            area_align: 8,
            ..Abi::X86_64_SYSV_C.results
        },
        scalars: CTypes::S390X.scalars(),
        short_cut: ShortCut { integers: 4, floats: 2 },
        ..Abi::X86_64_SYSV_C
    };

    /// Wasmtime's convention on s390x: vector registers in ascending order.
    pub const S390X_VM: Abi = vm!(
        "s390x-vm",
        S390X_C,
        vector: Vector::Own {
            registers: &["v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31"],
            order: &[0, 1, 2, 3, 4, 5, 6, 7],
        }
    );

    /// All conventions, VM before C.
    pub const ALL: &'static [Abi] = &[
        Abi::X86_64_SYSV_VM,
        Abi::X86_64_SYSV_C,
        Abi::X86_64_WINDOWS_VM,
        Abi::X86_64_WINDOWS_C,
        Abi::X86_64_MSVC_C,
        Abi::AARCH64_VM,
        Abi::AARCH64_C,
        Abi::AARCH64_APPLE_VM,
        Abi::AARCH64_APPLE_C,
        Abi::AARCH64_WINDOWS_C,
        Abi::RISCV64_VM,
        Abi::RISCV64_C,
        Abi::S390X_VM,
        Abi::S390X_C,
    ];

    /// The VM convention of the machine that this is compiled for; `None` if
    /// the crate knows none.
    pub const HOST_VM: Option<&'static Abi> = Self::host().0;

    /// The C convention of the machine that this is compiled for; `None` if the
    /// crate knows none.
    pub const HOST_C: Option<&'static Abi> = Self::host().1;

    const fn host() -> (Option<&'static Abi>, Option<&'static Abi>) {
        // As in build.rs.
        let unix = cfg!(all(unix, target_pointer_width = "64", not(target_os = "cygwin")));
        let (vm, c): (&'static Abi, &'static Abi) = if cfg!(target_arch = "x86_64")
            && cfg!(any(windows, vmtrampoline_windows))
        {
            let msvc = cfg!(target_env = "msvc");
            let c = if msvc { &Abi::X86_64_MSVC_C } else { &Abi::X86_64_WINDOWS_C };
            (&Abi::X86_64_WINDOWS_VM, c)
        } else if cfg!(target_arch = "aarch64") && cfg!(any(windows, vmtrampoline_arm_windows)) {
            (&Abi::AARCH64_VM, &Abi::AARCH64_WINDOWS_C)
        } else if !unix {
            return (None, None);
        } else if cfg!(target_arch = "x86_64") {
            (&Abi::X86_64_SYSV_VM, &Abi::X86_64_SYSV_C)
        } else if cfg!(all(
            target_arch = "aarch64",
            any(target_vendor = "apple", vmtrampoline_apple)
        )) {
            (&Abi::AARCH64_APPLE_VM, &Abi::AARCH64_APPLE_C)
        } else if cfg!(all(target_arch = "aarch64", target_endian = "little")) {
            (&Abi::AARCH64_VM, &Abi::AARCH64_C)
        } else if cfg!(all(target_arch = "riscv64", not(target_os = "nuttx"))) {
            (&Abi::RISCV64_VM, &Abi::RISCV64_C)
        } else if cfg!(target_arch = "s390x") {
            (&Abi::S390X_VM, &Abi::S390X_C)
        } else {
            return (None, None);
        };
        (Some(vm), Some(c))
    }

    /// The row of the arguments of a function that is variadic or not.
    pub(crate) const fn arguments(&self, variadic: bool) -> &Abi {
        match self.variadic {
            Variadic::All(abi) if variadic => abi,
            _ => self,
        }
    }

    /// The convention's name, such as `x86_64-sysv-vm`.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The convention of this name.
    pub fn from_name(name: &str) -> Option<&'static Abi> {
        Abi::ALL.iter().find(|abi| abi.name == name)
    }
}

/// Prints the convention's name.
impl fmt::Display for Abi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name)
    }
}

/// One of the two conventions of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub enum Convention {
    /// Contexts first, any number of results.
    Vm,
    /// Plain C.
    C,
}

impl Convention {
    /// The convention's row; `None` if the crate knows none for this machine.
    pub(crate) const fn abi(self) -> Option<&'static Abi> {
        match self {
            Convention::Vm => Abi::HOST_VM,
            Convention::C => Abi::HOST_C,
        }
    }
}
