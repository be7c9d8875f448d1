//! Why a signature does not fit a convention.

use super::places::Unfit;
use crate::{
    abi::{Abi, Aggregates, Vector},
    error::{Error, ValueIndex},
    signature::SignatureRef,
    types::{Head, Type, after, head},
    valtype::ValType,
};

/// Why a signature does not fit a convention; [`Error`] without what it owns,
/// so that `const` code can drop it.
#[derive(Clone, Copy)]
pub(crate) enum Misfit {
    Unfit(Unfit, Index),
    Slot(Index),
    Unpromoted(u16),
    Variadic,
    VariadicCallback,
    Results,
    /// All arguments together are too large.
    Area,
}

/// [`ValueIndex`], small: a `Misfit` goes in a register.
#[derive(Clone, Copy)]
pub(crate) enum Index {
    Param(u16),
    Result(u16),
}

impl From<Index> for ValueIndex {
    fn from(index: Index) -> ValueIndex {
        match index {
            Index::Param(i) => ValueIndex::Param(i.into()),
            Index::Result(i) => ValueIndex::Result(i.into()),
        }
    }
}

impl Misfit {
    pub(crate) fn error(self, abi: &Abi, signature: SignatureRef<'_>) -> Error {
        let abi_name = abi.name;
        let ty = |value| {
            let (words, mut i) = match value {
                Index::Param(i) => (signature.params, i),
                Index::Result(i) => (signature.results, i),
            };
            let mut at = 0;
            while i > 0 {
                at = after(words, at);
                i -= 1;
            }
            Type::lent(&words[at..after(words, at)]).into_owned()
        };
        match self {
            Misfit::Unfit(Unfit::Type, value) => {
                Error::TypeNotInAbi { abi: abi_name, ty: ty(value), value: value.into() }
            }
            Misfit::Unfit(Unfit::Alignment, value) => {
                let align = ty(value).align(abi);
                Error::AlignmentNotInAbi { abi: abi_name, align, value: value.into() }
            }
            Misfit::Unfit(Unfit::Size, value) => Error::TooLarge { value: Some(value.into()) },
            Misfit::Slot(value) => Error::TypeNotInSlot { value: value.into() },
            Misfit::Unpromoted(i) => {
                let ty = ty(Index::Param(i)).scalar().expect("a scalar");
                let promoted = ty.promoted(abi).expect("what is promoted");
                Error::Unpromoted { param: i.into(), ty, promoted }
            }
            Misfit::Variadic => Error::VariadicNotInAbi { abi: abi_name },
            Misfit::VariadicCallback => Error::VariadicCallback,
            Misfit::Results => Error::ResultsNotInAbi {
                abi: abi_name,
                results: signature.counts.results,
                limit: abi.results.limit,
            },
            Misfit::Area => Error::TooLarge { value: None },
        }
    }

    /// For messages of the compiler.
    pub(crate) const fn message(self) -> &'static str {
        match self {
            Misfit::Unfit(Unfit::Type, _) => {
                "the calling convention cannot pass one of these types"
            }
            Misfit::Unfit(Unfit::Alignment, _) => {
                "the calling convention cannot align one of these values"
            }
            Misfit::Unfit(Unfit::Size, _) | Misfit::Area => "the values are too large",
            Misfit::Slot(_) => "a v128 does not fit the value slot",
            Misfit::Unpromoted(_) => {
                "C promotes an argument of the variable part: write f64 for f32, i32 for smaller integers"
            }
            Misfit::Variadic | Misfit::VariadicCallback => {
                "the calling convention has no variadic functions"
            }
            Misfit::Results => "the calling convention has at most one result",
        }
    }
}

/// Whether a signature fits a convention, as far as its types alone say.
#[inline(always)]
pub(crate) const fn check(signature: &SignatureRef<'_>, abi: &Abi) -> Result<(), Misfit> {
    let counts = &signature.counts;
    if counts.results > abi.results.limit {
        return Err(Misfit::Results);
    }
    // C passes all types, and promotes some where there is a variable part.
    match (&abi.aggregates, counts.named) {
        (Aggregates::None, Some(_)) => Err(Misfit::Variadic),
        (Aggregates::None, None) => check_types(signature, abi),
        (_, Some(named)) => check_variable(signature.params, named, abi),
        (_, None) => Ok(()),
    }
}

/// Whether Wasmtime's convention has all types.
const fn check_types(signature: &SignatureRef<'_>, abi: &Abi) -> Result<(), Misfit> {
    if let Some(i) = refused(signature.params, abi) {
        return Err(Misfit::Unfit(Unfit::Type, Index::Param(i)));
    }
    match refused(signature.results, abi) {
        Some(i) => Err(Misfit::Unfit(Unfit::Type, Index::Result(i))),
        None => Ok(()),
    }
}

/// The index of the first type that it does not have. All before are scalars, of a word each.
const fn refused(types: &[u16], abi: &Abi) -> Option<u16> {
    let mut i = 0;
    while i < types.len() {
        match head(types, i) {
            Head::Scalar(
                ValType::I32
                | ValType::I64
                | ValType::U64
                | ValType::F32
                | ValType::F64
                | ValType::FuncRef
                | ValType::ExternRef
                | ValType::Ptr,
            ) => {}
            Head::Scalar(ValType::V128) if !matches!(abi.vector, Vector::Unsupported) => {}
            _ => return Some(i as u16),
        }
        i += 1;
    }
    None
}

/// Whether no type of the variable part is one that C promotes.
const fn check_variable(params: &[u16], named: usize, abi: &Abi) -> Result<(), Misfit> {
    let (mut i, mut at) = (0, 0);
    while at < params.len() {
        if let Head::Scalar(ty) = head(params, at) {
            if i as usize >= named && ty.promoted(abi).is_some() {
                return Err(Misfit::Unpromoted(i));
            }
        }
        at = after(params, at);
        i += 1;
    }
    Ok(())
}
