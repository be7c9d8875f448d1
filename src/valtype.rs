//! The scalar types of values.

use core::fmt;

use crate::{
    abi::{Abi, CTypes, LongDouble},
    types::Measure,
};

/// A scalar type: the type of a parameter or result that is no structure or union.
///
/// C passes all of them. The VM convention passes those of WebAssembly (`i32`, `i64`, `f32`,
/// `f64`, `v128`, `funcref` and `externref`), and also `u64` and `ptr`, which go where an
/// `i64` goes.
///
/// | C | here | where it differs |
/// |---|---|---|
/// | `_Bool` | `bool` | |
/// | `signed char`, `short`, `int`, `long long` | `i8`, `i16`, `i32`, `i64` | |
/// | `unsigned char`, … `unsigned long long` | `u8`, `u16`, `u32`, `u64` | |
/// | `char` | `char` | unsigned on aarch64 Linux, riscv64 and s390x |
/// | `long`, `unsigned long` | `long`, `ulong` | 32 bits on Windows |
/// | `size_t`, `ssize_t` | `size_t`, `ssize_t` | 64 bits in every convention so far |
/// | `wchar_t` | `wchar_t` | 16 bits on Windows, unsigned on aarch64 Linux |
/// | `__int128`, `unsigned __int128` | `i128`, `u128` | |
/// | `float`, `double` | `f32`, `f64` | |
/// | `long double` | `longdouble` | x87, 128 bits, or `double` |
/// | `float _Complex`, `double _Complex` | `c32`, `c64` | |
/// | `long double _Complex` | `clongdouble` | two of `longdouble` |
/// | a vector of 16 bytes | `v128` | |
/// | any pointer | `ptr` | |
///
/// An `enum` is an `i32` or `u32`. The crate does not pass bit-fields, `_Float16`, `_BitInt`,
/// `_Decimal64`, vectors of other sizes, or classes of C++.
///
/// ```
/// use vmtrampoline::ValType;
/// assert_eq!(ValType::from_name("f64"), Some(ValType::F64));
/// assert_eq!(ValType::from_name("double"), Some(ValType::F64));
/// assert_eq!(ValType::V128.to_string(), "v128");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum ValType {
    /// A signed 32-bit integer; WebAssembly's has no sign.
    I32,
    /// A signed 64-bit integer; WebAssembly's has no sign.
    I64,
    /// A 32-bit float.
    F32,
    /// A 64-bit float.
    F64,
    /// A 128-bit vector.
    V128,
    /// A reference to a function, as one pointer-sized word.
    FuncRef,
    /// A reference to a host object, as one pointer-sized word.
    ExternRef,
    /// A pointer.
    Ptr,
    /// `_Bool`: a byte that is 0 or 1.
    Bool,
    /// A signed 8-bit integer.
    I8,
    /// An unsigned 8-bit integer.
    U8,
    /// A signed 16-bit integer.
    I16,
    /// An unsigned 16-bit integer.
    U16,
    /// An unsigned 32-bit integer.
    U32,
    /// An unsigned 64-bit integer.
    U64,
    /// A signed 128-bit integer.
    I128,
    /// An unsigned 128-bit integer.
    U128,
    /// `long double`.
    LongDouble,
    /// `float _Complex`.
    C32,
    /// `double _Complex`.
    C64,
    /// `long double _Complex`.
    CLongDouble,
    /// `char`.
    Char,
    /// `long`.
    Long,
    /// `unsigned long`.
    ULong,
    /// `size_t`.
    Size,
    /// `ssize_t`.
    SSize,
    /// `wchar_t`.
    WChar,
}

/// What kind of scalar a type is in a convention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Signed,
    Unsigned,
    Pointer,
    /// `f32` or `f64`.
    Float,
    /// The 80 bits of the x87, in 16 bytes.
    X87,
    /// A float of 128 bits.
    Quad,
    Vector,
}

/// A scalar type in a convention. It is small and has no padding, so that copies are plain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scalar {
    pub(crate) kind: Kind,
    /// Size and alignment of one part.
    pub(crate) size: u8,
    pub(crate) align: u8,
    /// 2 for complex numbers, 1 for all others.
    pub(crate) parts: u8,
}

impl Scalar {
    /// Whether the value is one integer, pointer or float of at most eight bytes.
    pub(crate) const fn is_word(self) -> bool {
        self.size <= 8 && self.parts == 1
    }

    /// How large the value is.
    #[inline]
    pub(crate) const fn measure(self) -> Measure {
        Measure { size: self.size as u32 * self.parts as u32, align: self.align as u32 }
    }

    /// What this type is where C's own types are these.
    pub(crate) const fn new(ty: ValType, c: &CTypes) -> Scalar {
        let (kind, size) = match ty {
            ValType::I8 => (Kind::Signed, 1),
            ValType::I16 => (Kind::Signed, 2),
            ValType::I32 => (Kind::Signed, 4),
            ValType::I64 | ValType::SSize => (Kind::Signed, 8),
            ValType::I128 => (Kind::Signed, 16),
            ValType::Bool | ValType::U8 => (Kind::Unsigned, 1),
            ValType::U16 => (Kind::Unsigned, 2),
            ValType::U32 => (Kind::Unsigned, 4),
            ValType::U64 | ValType::Size => (Kind::Unsigned, 8),
            ValType::U128 => (Kind::Unsigned, 16),
            ValType::Ptr | ValType::FuncRef | ValType::ExternRef => (Kind::Pointer, 8),
            ValType::F32 | ValType::C32 => (Kind::Float, 4),
            ValType::F64 | ValType::C64 => (Kind::Float, 8),
            ValType::V128 => (Kind::Vector, 16),
            ValType::LongDouble | ValType::CLongDouble => match c.long_double {
                LongDouble::X87 => (Kind::X87, 16),
                LongDouble::Quad => (Kind::Quad, 16),
                LongDouble::Double => (Kind::Float, 8),
            },
            ValType::Char if c.char_signed => (Kind::Signed, 1),
            ValType::Char => (Kind::Unsigned, 1),
            ValType::Long => (Kind::Signed, c.long),
            ValType::ULong => (Kind::Unsigned, c.long),
            ValType::WChar => return Scalar::new(c.wchar, c),
        };
        let align = if size == 16 { c.wide_align } else { size };
        let complex = matches!(ty, ValType::C32 | ValType::C64 | ValType::CLongDouble);
        Scalar { kind, size, align, parts: if complex { 2 } else { 1 } }
    }
}

/// C's names for types that are the same everywhere.
const ALIASES: [(&str, ValType); 13] = [
    ("schar", ValType::I8),
    ("uchar", ValType::U8),
    ("short", ValType::I16),
    ("ushort", ValType::U16),
    ("int", ValType::I32),
    ("uint", ValType::U32),
    ("longlong", ValType::I64),
    ("ulonglong", ValType::U64),
    ("float", ValType::F32),
    ("double", ValType::F64),
    ("ptrdiff_t", ValType::SSize),
    ("intptr_t", ValType::SSize),
    ("uintptr_t", ValType::Size),
];

impl ValType {
    /// All scalar types, in the order of their declaration.
    pub const ALL: [ValType; 27] = [
        ValType::I32,
        ValType::I64,
        ValType::F32,
        ValType::F64,
        ValType::V128,
        ValType::FuncRef,
        ValType::ExternRef,
        ValType::Ptr,
        ValType::Bool,
        ValType::I8,
        ValType::U8,
        ValType::I16,
        ValType::U16,
        ValType::U32,
        ValType::U64,
        ValType::I128,
        ValType::U128,
        ValType::LongDouble,
        ValType::C32,
        ValType::C64,
        ValType::CLongDouble,
        ValType::Char,
        ValType::Long,
        ValType::ULong,
        ValType::Size,
        ValType::SSize,
        ValType::WChar,
    ];

    /// No types, for a [`Signature`](crate::Signature) without parameters or results.
    pub const NONE: [ValType; 0] = [];

    /// The types of WebAssembly, which both conventions pass.
    pub const WASM: [ValType; 7] = [
        ValType::I32,
        ValType::I64,
        ValType::F32,
        ValType::F64,
        ValType::V128,
        ValType::FuncRef,
        ValType::ExternRef,
    ];

    /// The type's name in the text of a [`Signature`](crate::Signature).
    pub const fn name(self) -> &'static str {
        match self {
            ValType::I32 => "i32",
            ValType::I64 => "i64",
            ValType::F32 => "f32",
            ValType::F64 => "f64",
            ValType::V128 => "v128",
            ValType::FuncRef => "funcref",
            ValType::ExternRef => "externref",
            ValType::Ptr => "ptr",
            ValType::Bool => "bool",
            ValType::I8 => "i8",
            ValType::U8 => "u8",
            ValType::I16 => "i16",
            ValType::U16 => "u16",
            ValType::U32 => "u32",
            ValType::U64 => "u64",
            ValType::I128 => "i128",
            ValType::U128 => "u128",
            ValType::LongDouble => "longdouble",
            ValType::C32 => "c32",
            ValType::C64 => "c64",
            ValType::CLongDouble => "clongdouble",
            ValType::Char => "char",
            ValType::Long => "long",
            ValType::ULong => "ulong",
            ValType::Size => "size_t",
            ValType::SSize => "ssize_t",
            ValType::WChar => "wchar_t",
        }
    }

    /// The type with this name. Types that are the same everywhere also have C's names:
    /// `schar`, `uchar`, `short`, `ushort`, `int`, `uint`, `longlong`, `ulonglong`, `float`,
    /// `double`, `ptrdiff_t`, `intptr_t`, `uintptr_t`.
    pub const fn from_name(name: &str) -> Option<ValType> {
        Self::from_bytes(name.as_bytes())
    }

    pub(crate) const fn from_bytes(name: &[u8]) -> Option<ValType> {
        let mut i = 0;
        while i < Self::ALL.len() {
            if equal(name, Self::ALL[i].name()) {
                return Some(Self::ALL[i]);
            }
            i += 1;
        }
        i = 0;
        while i < ALIASES.len() {
            if equal(name, ALIASES[i].0) {
                return Some(ALIASES[i].1);
            }
            i += 1;
        }
        None
    }

    /// Size of a value in bytes under this convention.
    ///
    /// ```
    /// use vmtrampoline::{Abi, ValType};
    /// assert_eq!(ValType::Long.size(&Abi::X86_64_SYSV_C), 8);
    /// assert_eq!(ValType::Long.size(&Abi::X86_64_WINDOWS_C), 4);
    /// ```
    #[inline]
    pub const fn size(self, abi: &Abi) -> usize {
        let scalar = self.scalar(abi);
        scalar.measure().size as usize
    }

    /// Alignment in bytes of a field of this type.
    pub const fn align(self, abi: &Abi) -> usize {
        self.scalar(abi).align as usize
    }

    /// What the type is in this convention.
    #[inline]
    pub(crate) const fn scalar(self, abi: &Abi) -> Scalar {
        abi.scalars[self as usize]
    }

    /// The type to which C promotes this one in the variable part of a call; `None` if C
    /// does not promote it.
    pub(crate) const fn promoted(self, abi: &Abi) -> Option<ValType> {
        let scalar = self.scalar(abi);
        match scalar.kind {
            Kind::Float if scalar.size == 4 && scalar.parts == 1 => Some(ValType::F64),
            Kind::Signed | Kind::Unsigned if scalar.size < 4 => Some(ValType::I32),
            _ => None,
        }
    }
}

/// `a == b`, in `const`.
const fn equal(a: &[u8], b: &str) -> bool {
    let b = b.as_bytes();
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

impl fmt::Display for ValType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
