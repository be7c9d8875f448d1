//! What the crate refuses, a variant for each cause.

use alloc::string::String;
use core::fmt;

use crate::{types::Type, valtype::ValType};

/// Everything that the safe functions of this crate refuse.
///
/// Each variant says what is wrong and where. A function that returns an error has
/// called nothing, written nothing and reserved nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Error {
    /// The text of a signature is not of the form
    /// `(type, …) -> (type, …)`.
    Syntax {
        /// Byte offset in the text.
        position: usize,
        /// What the parser expected there.
        expected: &'static str,
        /// The character found instead; `None` at the end of the text.
        found: Option<char>,
    },
    /// The text of a signature names a type that does not exist.
    UnknownType {
        /// Byte offset of the name in the text.
        position: usize,
        /// The name.
        name: String,
    },
    /// More than [`Signature::MAX_PARAMS`](crate::Signature::MAX_PARAMS)
    /// parameters.
    TooManyParams,
    /// More than [`Signature::MAX_RESULTS`](crate::Signature::MAX_RESULTS)
    /// results.
    TooManyResults,
    /// More results than a function of this convention can have, which is one in plain C.
    ResultsNotInAbi {
        /// The convention.
        abi: &'static str,
        /// How many results the signature has.
        results: usize,
        /// How many the convention allows.
        limit: usize,
    },
    /// A type that this convention cannot pass.
    TypeNotInAbi {
        /// The convention.
        abi: &'static str,
        /// The type.
        ty: Type<'static>,
        /// Which value of the signature has it.
        value: ValueIndex,
    },
    /// A variadic signature for a convention that has no variadic functions.
    VariadicNotInAbi {
        /// The convention.
        abi: &'static str,
    },
    /// A variadic signature for a [`Callback`](crate::Callback), which cannot be variadic.
    VariadicCallback,
    /// A parameter on the stack whose alignment is more than a call can give.
    AlignmentNotInAbi {
        /// The convention.
        abi: &'static str,
        /// The alignment of its type.
        align: usize,
        /// Which value of the signature has it.
        value: ValueIndex,
    },
    /// A type that C promotes in the variable part of a call, and so never passes there.
    Unpromoted {
        /// The index of the parameter.
        param: usize,
        /// Its type.
        ty: ValType,
        /// The type that C passes, and that the signature should have.
        promoted: ValType,
    },
    /// The values of a call, with the copies and addresses that the crate prepares for it,
    /// take more slots or stack than [`CTrampoline::MAX_BYTES`](crate::CTrampoline::MAX_BYTES).
    /// Or a type has more parts than the crate can count.
    TooLarge {
        /// The value that is too large by itself; `None` if all of them together are.
        value: Option<ValueIndex>,
    },
    /// Structures, unions and arrays nested deeper than
    /// [`Type::MAX_DEPTH`](crate::Type::MAX_DEPTH).
    TooDeep {
        /// Byte offset in the text; `None` if the type was not parsed.
        position: Option<usize>,
    },
    /// An array as a parameter or result. C passes the address of its first element
    /// instead, which is a `ptr`.
    ArrayByValue,
    /// A packed or aligned type that is neither a structure nor a union.
    NotAStructure,
    /// An array of no elements, or of more than 65 535. Compilers disagree about arrays
    /// without elements.
    BadLength {
        /// The wanted number of elements.
        count: usize,
    },
    /// An alignment that is not a power of two up to
    /// [`Type::MAX_ALIGN`](crate::Type::MAX_ALIGN).
    BadAlignment {
        /// The wanted alignment.
        align: usize,
    },
    /// A `v128` for value slots of eight bytes.
    TypeNotInSlot {
        /// Which value of the signature is a `v128`.
        value: ValueIndex,
    },
    /// This crate has no assembly for the machine it was compiled for.
    /// Only layouts can be made there.
    UnsupportedTarget,
    /// The [`Pool`](crate::Pool) has too few thunks left. Pointers made before stay good.
    PoolExhausted {
        /// How many thunks were wanted.
        wanted: usize,
        /// How many thunks are left.
        left: usize,
    },
    /// There are as many [`Callback`](crate::Callback)s as there can be at one time.
    /// Dropping one makes room.
    CallbacksExhausted {
        /// How many there are.
        capacity: usize,
        /// Why there cannot be more.
        limit: &'static str,
    },
    /// The slice of value slots is shorter than a call needs.
    TooFewSlots {
        /// How many slots were given.
        given: usize,
        /// How many slots the call needs.
        needed: usize,
    },
    /// Another call uses this [`Landing`](crate::Landing), or a call that used it was abandoned:
    /// see [`is_live`](crate::Landing::is_live).
    LandingInUse,
}

/// Which value of a signature: a parameter or a result, by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ValueIndex {
    /// A parameter, counted from 0.
    Param(usize),
    /// A result, counted from 0.
    Result(usize),
}

/// The most parameters that a signature can have.
pub(crate) const MAX_PARAMS: usize = 1024;
/// The most results that a signature can have.
pub(crate) const MAX_RESULTS: usize = 1000;
/// The most bytes that the slots of a call may have, and so may its argument area.
pub(crate) const MAX_BYTES: usize = 65520;

/// The targets that have assembly, for the message and the documentation.
pub(crate) const SUPPORTED_TARGETS: &str = "\
x86-64, aarch64, riscv64 (LP64D) and s390x with Unix, x86-64 and aarch64 with Windows";

/// `?`, in `const`.
macro_rules! attempt {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return Err(error),
        }
    };
}

pub(crate) use attempt;

impl fmt::Display for ValueIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValueIndex::Param(i) => write!(f, "parameter {i}"),
            ValueIndex::Result(i) => write!(f, "result {i}"),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Syntax { position, expected, found: Some(found) } => {
                write!(f, "signature, at byte {position}: expected {expected}, found {found:?}")
            }
            Error::Syntax { position, expected, found: None } => {
                write!(f, "signature, at byte {position}: expected {expected}, found the end")
            }
            Error::UnknownType { position, name } => {
                write!(f, "signature, at byte {position}: {name:?} is not a type (")?;
                for ty in ValType::ALL {
                    write!(f, "{ty}, ")?;
                }
                write!(f, "or a structure {{…}})")
            }
            Error::TooManyParams => {
                write!(f, "a signature has at most {} parameters", MAX_PARAMS)
            }
            Error::TooManyResults => {
                write!(f, "a signature has at most {} results", MAX_RESULTS)
            }
            Error::ResultsNotInAbi { abi, results, limit } => {
                write!(
                    f,
                    "a function of the {abi} convention has at most {limit} result, not {results}"
                )
            }
            Error::TypeNotInAbi { abi, ty, value } => {
                write!(f, "{value} has type {ty}, which the {abi} convention cannot pass")
            }
            Error::VariadicNotInAbi { abi } => {
                write!(f, "the {abi} convention has no variadic functions")
            }
            Error::VariadicCallback => write!(f, "a callback cannot be variadic"),
            Error::AlignmentNotInAbi { abi, align, value } => {
                write!(
                    f,
                    "{value} wants the stack aligned to {align}, which a call in the {abi} convention cannot give"
                )
            }
            Error::Unpromoted { param, ty, promoted } => {
                write!(
                    f,
                    "parameter {param} has type {ty} in the variable part, where C passes {promoted}: write {promoted}"
                )
            }
            Error::TooLarge { value: Some(value) } => {
                write!(f, "{value} is too large: all values take at most {MAX_BYTES} bytes")
            }
            Error::TooLarge { value: None } => {
                write!(f, "the signature is too large: all values take at most {MAX_BYTES} bytes")
            }
            Error::TooDeep { position: Some(position) } => {
                write!(
                    f,
                    "signature, at byte {position}: types are nested at most {} deep",
                    Type::MAX_DEPTH
                )
            }
            Error::TooDeep { position: None } => {
                write!(f, "types are nested at most {} deep", Type::MAX_DEPTH)
            }
            Error::ArrayByValue => {
                write!(f, "an array can only be a field; C passes its address, a ptr")
            }
            Error::NotAStructure => {
                write!(f, "only a structure or union can be packed or aligned")
            }
            Error::BadLength { count } => {
                write!(f, "an array has 1 to 65535 elements, not {count}")
            }
            Error::BadAlignment { align } => {
                write!(f, "an alignment is a power of two up to {}, not {align}", Type::MAX_ALIGN)
            }
            Error::TypeNotInSlot { value } => {
                write!(f, "{value} is a v128, which does not fit a value slot of 8 bytes")
            }
            Error::UnsupportedTarget => {
                write!(f, "no trampoline for this target; supported: {SUPPORTED_TARGETS}")
            }
            Error::PoolExhausted { wanted, left } => {
                write!(f, "too few function pointers: the pool has {left} left, {wanted} wanted")
            }
            Error::CallbacksExhausted { capacity, limit } => {
                write!(f, "no room for another callback: {capacity} exist already, and {limit}")
            }
            Error::TooFewSlots { given, needed } => {
                write!(f, "too few value slots: {given} given, {needed} needed")
            }
            Error::LandingInUse => write!(f, "another call uses this landing"),
        }
    }
}

impl core::error::Error for Error {}
