// Where the README's links lead from here. Of two definitions the first counts.
#![cfg_attr(all(doc, not(doctest)), doc = concat!(
    "[capi]: ", env!("CARGO_PKG_REPOSITORY"), "/blob/HEAD/capi/README.md\n",
    "[contributing]: ", env!("CARGO_PKG_REPOSITORY"), "/blob/HEAD/CONTRIBUTING.md\n",
    "[evidence]: ", env!("CARGO_PKG_REPOSITORY"), "/blob/HEAD/tests/README.md\n",
    "[explorer]: ", env!("CARGO_PKG_REPOSITORY"), "/blob/HEAD/explorer/README.md\n",
    "[interpreter]: ", env!("CARGO_PKG_REPOSITORY"), "/blob/HEAD/interpreter/README.md\n",
    "[libffi]: ", env!("CARGO_PKG_REPOSITORY"), "/blob/HEAD/libffi/README.md\n",
    "[race]: ", env!("CARGO_PKG_REPOSITORY"), "/blob/HEAD/benches/race.md\n",
    "[security]: ", env!("CARGO_PKG_REPOSITORY"), "/blob/HEAD/SECURITY.md\n",
    "[picture]: ", env!("CARGO_PKG_REPOSITORY"), "/raw/HEAD/benches/race.svg\n",
))]
#![doc = include_str!("../README.md")]
#![no_std]
#![deny(unsafe_code)]
#![warn(clippy::multiple_unsafe_ops_per_block)]
// Without a port there are layouts, and no calls.
#![cfg_attr(not(vmtrampoline_port), allow(dead_code))]

extern crate alloc;

mod abi;
mod encode;
mod error;
mod layout;
mod macros;
mod native;
mod signature;
mod text;
mod types;
mod valraw;
mod valtype;

pub use abi::Abi;
pub use encode::descriptor::Descriptor;
pub use error::{Error, ValueIndex};
pub use layout::{Layout, Location, Piece, Placement};
pub use native::{
    ArrayCall, CTrampoline, Callback, Destination, HostFunc, Landing, LocalCallback, Outcome, Pool,
    Prototype, ScalarResults, ScalarSignature, Slot, Trampoline, TypedResults, TypedScalar,
    TypedSignature, TypedValue, VMContext, VMFunctionBody, VMOpaqueContext, VMTrampoline,
    VMTrampolineUnwind, pointer, pointer_unwind,
};
pub use signature::Signature;
pub use types::{Type, Types, TypesIter};
pub use valraw::ValRaw;
pub use valtype::ValType;

#[doc = include_str!("guide.md")]
pub mod guide {}

/// For the macros and the tests of this crate alone; no part of its interface.
#[doc(hidden)]
pub mod private {
    pub use crate::{
        abi::Convention,
        encode::{
            descriptor::{describe, list_len, words_len},
            header::Shape,
            scatter::scatter,
        },
    };
}
