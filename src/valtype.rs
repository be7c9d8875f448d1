//! The types of values.

use core::fmt;

/// The type of a parameter or result: the value types of WebAssembly.
///
/// ```
/// use vmtrampoline::ValType;
/// assert_eq!(ValType::from_name("f64"), Some(ValType::F64));
/// assert_eq!(ValType::from_name("ptr"), Some(ValType::I64)); // a C pointer
/// assert_eq!(ValType::V128.to_string(), "v128");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ValType {
    /// A 32-bit integer.
    I32,
    /// A 64-bit integer, or a C pointer.
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
}

/// Which kind of register carries a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Integer,
    Float,
    Vector,
}

impl ValType {
    /// All value types, in the order of their declaration.
    pub const ALL: [ValType; 7] = [
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
        }
    }

    /// The type of this name; `ptr` is another name of `i64`.
    pub const fn from_name(name: &str) -> Option<ValType> {
        if equal(name, "ptr") {
            return Some(ValType::I64);
        }
        let mut i = 0;
        while i < Self::ALL.len() {
            if equal(name, Self::ALL[i].name()) {
                return Some(Self::ALL[i]);
            }
            i += 1;
        }
        None
    }

    /// Size of a value in bytes: 4, 8 or 16.
    pub const fn size(self) -> usize {
        match self {
            ValType::I32 | ValType::F32 => 4,
            ValType::V128 => 16,
            _ => 8,
        }
    }

    pub(crate) const fn class(self) -> Class {
        match self {
            ValType::F32 | ValType::F64 => Class::Float,
            ValType::V128 => Class::Vector,
            _ => Class::Integer,
        }
    }
}

/// `a == b`, in `const`.
const fn equal(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
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
