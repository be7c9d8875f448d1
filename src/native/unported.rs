//! What stands in the place of the assembly on a target without a port. No code calls these
//! functions but the makers at the end, which return errors: what would call the others cannot be
//! made.

use core::ffi::c_void;

use super::{
    VMOpaqueContext,
    host::Code,
    landing::{Landing, Outcome},
    pool::Pool,
    port::ArrayCall,
};
use crate::{
    abi::Convention,
    encode::{descriptor::Descriptor, header::Header, scatter::Entry},
    error::Error,
    valraw::ValRaw,
};

const NOTHING: &str = "there is no trampoline on a target without a port";

/// No function makes calls on this target.
pub(super) enum EntryFunction {}

/// No trampoline can be made on this target, so no descriptor has a function.
pub(super) const fn entry_function(_: &Header) -> &'static EntryFunction {
    panic!("{}", NOTHING)
}

/// There is no trampoline to enter.
///
/// # Safety
///
/// Always safe, as all functions here.
pub(super) unsafe fn enter(_: &Descriptor, _: &EntryFunction, _: ArrayCall) {
    unreachable!("{NOTHING}")
}

/// The same for a call that can be left.
///
/// # Safety
///
/// Always safe.
pub(super) unsafe fn enter_leavable(
    _: &Descriptor,
    _: &EntryFunction,
    _: ArrayCall,
    _: &Landing,
) -> Outcome {
    unreachable!("{NOTHING}")
}

/// There is no call whose arguments this could read.
///
/// # Safety
///
/// Always safe.
pub(super) unsafe fn c_call(_: &Header, _: *const c_void, _: *mut ValRaw) -> ArrayCall {
    unreachable!("{NOTHING}")
}

/// No call is running, so there is none to leave.
///
/// # Safety
///
/// Always safe.
pub(super) unsafe fn leave(_: *mut c_void) -> ! {
    unreachable!("{NOTHING}")
}

/// No call is left, so none goes on here.
pub(super) fn landed() -> usize {
    unreachable!("{NOTHING}")
}

/// There are no function pointers on this target.
pub(super) fn thunk(_: &Pool, _: &Descriptor) -> Result<*const c_void, Error> {
    Err(Error::UnsupportedTarget)
}

/// Nothing can call the host on this target.
pub(super) fn host_code(_: Convention, _: Entry) -> Result<Code, Error> {
    Err(Error::UnsupportedTarget)
}

/// There are no thunks of callbacks on this target.
pub(super) enum Thunk {}

impl Thunk {
    pub(super) fn take(_: *mut VMOpaqueContext) -> Result<Thunk, Error> {
        Err(Error::UnsupportedTarget)
    }

    pub(super) fn set(&self, _: *mut VMOpaqueContext) {
        match *self {}
    }

    pub(super) fn code(&self) -> *const c_void {
        match *self {}
    }
}

/// There are no callbacks that belong to a thread.
pub(super) fn current_thread() -> usize {
    0
}
