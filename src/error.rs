//! What can go wrong, one variant per cause.

use alloc::string::String;
use core::fmt;

use crate::{Type, ValType};

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
        ty: Type<'static>,
        /// Which value of the signature has it.
        value: ValueIndex,
    },
    /// A variadic signature, and the convention has no variadic functions.
    VariadicNotInAbi {
        /// The convention.
        abi: &'static str,
    },
    /// A variadic signature of a [`Callback`](crate::Callback).
    VariadicCallback,
    /// A parameter that would have to be aligned on the stack to more than a call can
    /// give.
    AlignmentNotInAbi {
        /// The convention.
        abi: &'static str,
        /// The alignment of its type.
        align: usize,
        /// Which value of the signature has it.
        value: ValueIndex,
    },
    /// A type in the variable part of a call that C never passes there, as it promotes
    /// it.
    Unpromoted {
        /// The index of the parameter.
        param: usize,
        /// Its type.
        ty: ValType,
        /// The type that C passes: what to write.
        promoted: ValType,
    },
    /// The values of a call, with what is prepared for it, take more than
    /// [`CTrampoline::MAX_BYTES`](crate::CTrampoline::MAX_BYTES) of slots or stack, or
    /// a type has more parts than can be counted.
    TooLarge {
        /// Which value of the signature alone is too large; `None` if it is all of them
        /// together.
        value: Option<ValueIndex>,
    },
    /// Structures, unions and arrays that are nested deeper than
    /// [`Type::MAX_DEPTH`](crate::Type::MAX_DEPTH).
    TooDeep {
        /// Byte offset in the text, if there is one.
        position: Option<usize>,
    },
    /// An array as a parameter or result: C passes the address of its first element, a
    /// `ptr`.
    ArrayByValue,
    /// What a structure or union can be, and this type is none: packed, aligned.
    NotAStructure,
    /// An array of no elements, which compilers treat in different ways, or of more than
    /// 65 535.
    BadLength {
        /// The number of elements asked for.
        count: usize,
    },
    /// An alignment that is not a power of two up to
    /// [`Type::MAX_ALIGN`](crate::Type::MAX_ALIGN).
    BadAlignment {
        /// The alignment asked for.
        align: usize,
    },
    /// A `v128` does not fit a value slot of eight bytes.
    TypeNotInSlot {
        /// Which value of the signature is a `v128`.
        value: ValueIndex,
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
        /// Why there cannot be more.
        limit: &'static str,
    },
    /// The slice of value slots is shorter than a call needs.
    TooFewSlots {
        /// Slots given.
        given: usize,
        /// Slots needed.
        needed: usize,
    },
    /// A [`Landing`](crate::Landing) serves one call at a time, and another call uses this
    /// one, or a panic has gone through the call that did.
    LandingInUse,
}

/// A value of a signature: the parameter or the result with this index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ValueIndex {
    /// A parameter, counted from 0.
    Param(usize),
    /// A result, counted from 0.
    Result(usize),
}

/// The most bytes that the slots of a call or its argument area have.
pub(crate) const MAX_BYTES: usize = 65520;

/// The targets that have assembly, for the message and the documentation.
pub(crate) const SUPPORTED_TARGETS: &str = "\
x86-64, aarch64, riscv64 (LP64D) and s390x with Unix, x86-64 with Windows";

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
        use crate::Signature;
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
                write!(f, "an array is the type of a field; C passes its address, a ptr")
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
                write!(f, "{wanted} function pointers wanted, {left} left in the pool")
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
