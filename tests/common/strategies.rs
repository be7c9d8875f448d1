//! What proptest draws signatures from.

use proptest::{collection::vec, prelude::*, sample::select};
use vmtrampoline::{Abi, Layout, Signature, ValType};

pub(crate) fn types(most: usize) -> impl Strategy<Value = Vec<ValType>> {
    vec(select(&ValType::ALL[..]), 0..=most)
}

/// Shrinks to fewer and simpler types.
pub(crate) fn signature(params: usize, results: usize) -> impl Strategy<Value = Signature> {
    (types(params), types(results)).prop_map(|(p, r)| Signature::new(p, r).unwrap())
}

/// Whether functions of this convention can have values of this type.
pub(crate) fn passes(abi: &'static Abi, ty: ValType) -> bool {
    Layout::new(&Signature::new([ty], []).unwrap(), abi).is_ok()
}

/// Those types that functions of this convention can have.
pub(crate) fn types_of(abi: &'static Abi, most: usize) -> impl Strategy<Value = Vec<ValType>> {
    let types = ValType::ALL.into_iter().filter(|ty| passes(abi, *ty));
    vec(select(types.collect::<Vec<_>>()), 0..=most)
}
