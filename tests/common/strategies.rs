//! What proptest draws signatures from, and all there are of some size.

use proptest::{collection::vec, prelude::*, sample::select};
use vmtrampoline::{Abi, Layout, Signature, ValType};

pub(crate) fn types(most: usize) -> impl Strategy<Value = Vec<ValType>> {
    vec(select(&ValType::WASM[..]), 0..=most)
}

/// Shrinks to fewer and simpler types.
pub(crate) fn signature(params: usize, results: usize) -> impl Strategy<Value = Signature> {
    (types(params), types(results)).prop_map(|(p, r)| Signature::new(p, r).unwrap())
}

/// Whether functions of this convention can have values of this type.
pub(crate) fn passes(abi: &'static Abi, ty: ValType) -> bool {
    Layout::new(&Signature::new([ty], ValType::NONE).unwrap(), abi)
        .is_ok_and(|layout| layout.params()[0].location().is_some())
}

/// Those types that functions of this convention can have.
pub(crate) fn types_of(abi: &'static Abi, most: usize) -> impl Strategy<Value = Vec<ValType>> {
    let types = ValType::WASM.into_iter().filter(|ty| passes(abi, *ty));
    vec(select(types.collect::<Vec<_>>()), 0..=most)
}

/// Every signature of up to so many parameters and results that functions of this
/// convention can have, shortest first. References are integers like any other.
pub(crate) fn signatures(
    abi: &'static Abi,
    params: u32,
    results: u32,
) -> impl Iterator<Item = Signature> {
    lists(abi, results).flat_map(move |results| {
        lists(abi, params).map(move |params| {
            Signature::new(params, results.iter().copied()).expect("within the limits")
        })
    })
}

fn lists(abi: &'static Abi, most: u32) -> impl Iterator<Item = Vec<ValType>> {
    let kinds = [ValType::I32, ValType::I64, ValType::F32, ValType::F64, ValType::V128];
    let kinds: Vec<_> = kinds.into_iter().filter(|ty| passes(abi, *ty)).collect();
    assert!(kinds.len() >= 4, "all conventions pass scalars");
    (0..=most).flat_map(move |len| {
        let (kinds, count) = (kinds.clone(), kinds.len());
        (0..count.pow(len))
            .map(move |n| (0..len).map(|i| kinds[n / count.pow(i) % count]).collect())
    })
}
