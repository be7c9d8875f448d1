//! What the tests share: strategies, layouts by hand, and the recording callee.

#![allow(dead_code)] // no test uses all of it

use proptest::{collection::vec, prelude::*, sample::select};
use vmtrampoline::{Signature, ValType};

pub(crate) mod golden;
#[cfg(all(target_arch = "x86_64", unix))]
pub(crate) mod recorder;

pub(crate) fn types(most: usize) -> impl Strategy<Value = Vec<ValType>> {
    vec(select(&ValType::ALL[..]), 0..=most)
}

/// Shrinks to fewer and simpler types.
pub(crate) fn signature(params: usize, results: usize) -> impl Strategy<Value = Signature> {
    (types(params), types(results)).prop_map(|(p, r)| Signature::new(p, r).unwrap())
}
