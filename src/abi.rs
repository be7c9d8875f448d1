//! Calling conventions, as data.
//!
//! An [`Abi`] is a row of this file: which registers carry arguments, how the
//! argument area on the stack is cut into stack slots, where results come back.
//! [`layout`](crate::layout) reads the rows and knows no architecture.
//!
//! Each architecture has two conventions. *VM* is what Cranelift compiled for
//! Wasmtime 0.38 to 8.0.1 (`CallConv::WasmtimeSystemV`, `WasmtimeAppleAarch64`
//! and `WasmtimeFastcall`): the callee context and the caller context come
//! first, any number of results comes back. *C* is the platform's own: no
//! contexts, at most one result. Where the two place a parameter differently,
//! the row says so.

use core::fmt;

/// A calling convention: a row of data that says where values go.
///
/// All conventions exist on every host, so layouts can be made and looked at
/// anywhere.
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
    /// Whether a value of four bytes has to be fitted to its register or stack
    /// slot: an `i32` sign-extended, an `f32` as the registers hold it. If not,
    /// the bits above it may be anything.
    pub(crate) extends: bool,
    pub(crate) stack: Stack,
    pub(crate) results: Results,
}

/// Which registers carry `v128` arguments.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Vector {
    /// The float registers.
    Float,
    /// Registers of their own, in the order in which these indices name them.
    Own { registers: &'static [&'static str], order: &'static [usize] },
    /// The convention cannot pass vectors by value.
    Unsupported,
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
    /// Size of the smallest stack slot, which is the unit in which a descriptor
    /// counts stack words; a larger value takes its own size.
    pub(crate) slot: u32,
    /// The largest alignment that a stack slot has.
    pub(crate) max_align: u32,
    /// A value smaller than its slot lies at the slot's end, and the upper half of
    /// a vector comes first.
    pub(crate) big_endian: bool,
    /// Whether a return pointer on the stack is aligned like other words.
    pub(crate) aligned_return_pointer: bool,
    /// The area's size is a multiple of this.
    pub(crate) area_align: u32,
}

/// Where results come back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Results {
    /// The most results a function can have.
    pub(crate) limit: usize,
    /// Registers of result 0, by class.
    pub(crate) integer: &'static str,
    pub(crate) float: &'static str,
    pub(crate) vector: &'static str,
    /// The largest alignment of a result in the return area.
    pub(crate) max_align: u32,
    /// The return area's size is a multiple of this.
    pub(crate) area_align: u32,
}

/// What VM rows add to the C row of their architecture.
macro_rules! vm {
    ($name:literal, $c:ident $(, $field:ident: $value:expr)*) => {
        Abi {
            name: $name,
            contexts: 2,
            results: Results { limit: usize::MAX, ..Abi::$c.results },
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
        extends: false,
        stack: Stack {
            start: 0,
            slot: 8,
            max_align: 16,
            big_endian: false,
            aligned_return_pointer: true,
            area_align: 16,
        },
        results: Results {
            limit: 1,
            integer: "rax",
            float: "xmm0",
            vector: "xmm0",
            max_align: 16,
            area_align: 16,
        },
    };

    /// Wasmtime's convention on x86-64 System V.
    pub const X86_64_SYSV_VM: Abi = vm!("x86_64-sysv-vm", X86_64_SYSV_C);

    /// Plain C on Windows x64 ("x64 calling convention"): registers go by
    /// position, and 32 bytes of shadow space precede the stack slots. Vectors
    /// are passed by reference there, which this crate does not do.
    pub const X86_64_WINDOWS_C: Abi = Abi {
        name: "x86_64-windows-c",
        integer: &["rcx", "rdx", "r8", "r9"],
        float: &["xmm0", "xmm1", "xmm2", "xmm3"],
        vector: Vector::Unsupported,
        counting: Counting::Positional,
        stack: Stack { start: 32, ..Abi::X86_64_SYSV_C.stack },
        ..Abi::X86_64_SYSV_C
    };

    /// Wasmtime's convention on Windows x64: vectors by value.
    pub const X86_64_WINDOWS_VM: Abi =
        vm!("x86_64-windows-vm", X86_64_WINDOWS_C, vector: Vector::Float);

    /// Plain C on 64-bit Arm: AAPCS64, section 6.8.2.
    pub const AARCH64_C: Abi = Abi {
        name: "aarch64-c",
        integer: &["x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7"],
        float: &["v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7"],
        results: Results { integer: "x0", float: "v0", vector: "v0", ..Abi::X86_64_SYSV_C.results },
        ..Abi::X86_64_SYSV_C
    };

    /// Wasmtime's convention on 64-bit Arm.
    pub const AARCH64_VM: Abi = vm!("aarch64-vm", AARCH64_C);

    /// Plain C on Apple's 64-bit Arm: a value on the stack takes its own size,
    /// at its own alignment.
    pub const AARCH64_APPLE_C: Abi = Abi {
        name: "aarch64-apple-c",
        stack: Stack { slot: 4, ..Abi::AARCH64_C.stack },
        ..Abi::AARCH64_C
    };

    /// Wasmtime's convention on Apple's 64-bit Arm: a return pointer on the
    /// stack follows the last parameter without being aligned.
    pub const AARCH64_APPLE_VM: Abi = vm!(
        "aarch64-apple-vm",
        AARCH64_APPLE_C,
        stack: Stack { aligned_return_pointer: false, ..Abi::AARCH64_APPLE_C.stack }
    );

    /// Plain C on 64-bit RISC-V: LP64D, RISC-V Calling Conventions, sections
    /// "Integer" and "Hardware Floating-Point Calling Convention". A float that
    /// finds no float register is passed like an integer.
    pub const RISCV64_C: Abi = Abi {
        name: "riscv64-c",
        integer: &["a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7"],
        float: &["fa0", "fa1", "fa2", "fa3", "fa4", "fa5", "fa6", "fa7"],
        vector: Vector::Unsupported,
        float_overflow: FloatOverflow::Integer,
        extends: true,
        results: Results { integer: "a0", float: "fa0", ..Abi::X86_64_SYSV_C.results },
        ..Abi::X86_64_SYSV_C
    };

    /// Wasmtime's convention on 64-bit RISC-V: floats never use integer
    /// registers.
    pub const RISCV64_VM: Abi = vm!("riscv64-vm", RISCV64_C, float_overflow: FloatOverflow::Stack);

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
        extends: true,
        stack: Stack {
            start: 160,
            max_align: 8,
            big_endian: true,
            area_align: 8,
            ..Abi::X86_64_SYSV_C.stack
        },
        results: Results {
            limit: 1,
            integer: "r2",
            float: "f0",
            vector: "v24",
            max_align: 8,
            area_align: 8,
        },
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
        Abi::AARCH64_VM,
        Abi::AARCH64_C,
        Abi::AARCH64_APPLE_VM,
        Abi::AARCH64_APPLE_C,
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
        let (vm, c): (&'static Abi, &'static Abi) =
            if cfg!(target_arch = "x86_64") && cfg!(any(windows, vmtrampoline_windows)) {
                (&Abi::X86_64_WINDOWS_VM, &Abi::X86_64_WINDOWS_C)
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
