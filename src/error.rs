//! What can go wrong, one variant per cause.

use alloc::string::String;
use core::fmt;

use crate::ValType;

/// Everything that the safe functions of this crate refuse.
///
/// Each variant says what was wrong and where. No function of this crate
/// reports an error after it has called, written or reserved anything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Error {
    /// The text of a signature is not of the form
    /// `(type, …) -> (type, …)`.
    Syntax {
        /// Byte offset in the text.
        position: usize,
        /// What would have been right there.
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
    /// More results than functions of this convention can have (plain C: one).
    ResultsNotInAbi {
        /// The convention.
        abi: &'static str,
        /// How many results the signature has.
        results: usize,
        /// How many the convention allows.
        limit: usize,
    },
    /// A type that this convention has no place for.
    TypeNotInAbi {
        /// The convention.
        abi: &'static str,
        /// The type.
        ty: ValType,
        /// Which value of the signature has it.
        value: Value,
    },
    /// A `v128` does not fit a value slot of eight bytes.
    TypeNotInSlot {
        /// Which value of the signature is a `v128`.
        value: Value,
    },
    /// This crate has no assembly for the machine it was compiled for.
    /// Layouts can be made there, trampolines cannot.
    UnsupportedTarget,
    /// No function pointer for one more signature: of the thunks that a
    /// [`Pool`](crate::Pool) may use, not so many are left. Pointers made before
    /// are not affected.
    PoolExhausted {
        /// Thunks wanted.
        wanted: usize,
        /// Thunks left.
        left: usize,
    },
    /// As many [`Callback`](crate::Callback)s as there can be at one time exist
    /// already. One that is dropped makes room.
    CallbacksExhausted {
        /// How many there can be.
        capacity: usize,
    },
    /// The slice of value slots is shorter than max(parameters, results).
    TooFewSlots {
        /// Slots given.
        given: usize,
        /// Slots needed.
        needed: usize,
    },
}

/// A value of a signature: the parameter or the result with this index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// A parameter, counted from 0.
    Param(usize),
    /// A result, counted from 0.
    Result(usize),
}

/// The targets that have assembly, for the message and the documentation.
pub(crate) const SUPPORTED_TARGETS: &str = "\
x86-64, aarch64, riscv64 (LP64D) and s390x with Unix, x86-64 with Windows (GNU toolchain)";

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Param(i) => write!(f, "parameter {i}"),
            Value::Result(i) => write!(f, "result {i}"),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use crate::Signature;
        match self {
            Error::Syntax { position, expected, found: Some(found) } => {
                write!(f, "signature, at byte {position}: expected {expected}, found {found:?}")
            }
            Error::Syntax { position, expected, found: None } => {
                write!(f, "signature, at byte {position}: expected {expected}, found the end")
            }
            Error::UnknownType { position, name } => {
                write!(f, "signature, at byte {position}: {name:?} is not a value type (")?;
                for ty in ValType::ALL {
                    write!(f, "{ty}, ")?;
                }
                write!(f, "or ptr for i64)")
            }
            Error::TooManyParams => {
                write!(f, "a signature has at most {} parameters", Signature::MAX_PARAMS)
            }
            Error::TooManyResults => {
                write!(f, "a signature has at most {} results", Signature::MAX_RESULTS)
            }
            Error::ResultsNotInAbi { abi, results, limit } => {
                write!(
                    f,
                    "a function of the {abi} convention has at most {limit} result, not {results}"
                )
            }
            Error::TypeNotInAbi { abi, ty, value } => {
                write!(f, "{value} is a {ty}, which the {abi} convention cannot pass")
            }
            Error::TypeNotInSlot { value } => {
                write!(f, "{value} is a v128, which does not fit a value slot of 8 bytes")
            }
            Error::UnsupportedTarget => {
                write!(f, "no trampoline for this target; supported: {SUPPORTED_TARGETS}")
            }
            Error::PoolExhausted { wanted, left } => {
                write!(f, "{wanted} function pointers wanted, {left} left in the pool")
            }
            Error::CallbacksExhausted { capacity } => {
                write!(f, "no room for another callback: {capacity} exist already")
            }
            Error::TooFewSlots { given, needed } => {
                write!(f, "{given} value slots given, {needed} needed")
            }
        }
    }
}

impl core::error::Error for Error {}
