#![doc = include_str!("../README.md")]
#![no_std]
#![deny(unsafe_code)]
#![warn(clippy::multiple_unsafe_ops_per_block)]

extern crate alloc;

mod abi;
mod descriptor;
mod error;
mod layout;
mod macros;
mod native;
mod scatter;
mod signature;
mod valraw;
mod valtype;

pub use abi::Abi;
pub use descriptor::Descriptor;
pub use error::{Error, Value};
pub use layout::{Layout, Location};
pub use native::{
    CTrampoline, Callback, HostFunc, HostFunction, Pool, Slot, Trampoline, TypedResults,
    TypedSignature, TypedValue, VMContext, VMFunctionBody, VMOpaqueContext, VMTrampoline,
    VMTrampolineUnwind, pointer, pointer_unwind,
};
pub use signature::Signature;
pub use valraw::ValRaw;
pub use valtype::ValType;

#[doc = include_str!("guide.md")]
pub mod guide {}

/// For the macros and the tests of this crate alone; no part of its interface.
#[doc(hidden)]
pub mod private {
    pub use crate::{
        descriptor::{Convention, Shape, describe, list_len},
        macros::val_type,
        scatter::scatter,
    };
}
