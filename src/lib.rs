//! placeholder
#![no_std]
extern crate alloc;

mod abi;
mod descriptor;
mod error;
mod layout;
mod native;
mod signature;
mod valraw;
mod valtype;

pub use abi::Abi;
#[doc(hidden)]
pub use descriptor::Shape;
pub use descriptor::Descriptor;
pub use error::{Error, Value};
pub use layout::{Layout, Location};
pub use native::{CTrampoline, Trampoline, VMContext, VMFunctionBody, VMOpaqueContext, VMTrampoline};
pub use signature::Signature;
pub use valraw::ValRaw;
pub use valtype::ValType;

#[doc(hidden)]
pub mod __private {
    pub use crate::descriptor::list_len;
}
