//! The unsafe core.
#![allow(unsafe_code)]

mod entry;
mod trampoline;

use core::marker::{PhantomData, PhantomPinned};
pub use trampoline::{CTrampoline, Trampoline};

macro_rules! opaque { ($($(#[$m:meta])* $n:ident)*) => {$(
    $(#[$m])*
    #[repr(C)]
    #[derive(Debug)]
    pub struct $n { _bytes: [u8; 0], _opaque: PhantomData<(*mut u8, PhantomPinned)> }
)*} }
opaque! {
    /// a
    VMOpaqueContext
    /// b
    VMContext
    /// c
    VMFunctionBody
}
/// d
pub type VMTrampoline = unsafe extern "C" fn(*mut VMOpaqueContext, *mut VMContext, *const VMFunctionBody, *mut crate::ValRaw);
