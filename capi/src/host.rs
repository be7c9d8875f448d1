//! What native code calls: callbacks in plain C, host functions in the VM convention.

use std::{
    ffi::c_void,
    ptr::{null, null_mut},
};

use trampoline::{
    Callback, Error, HostFunc, LocalCallback, VMContext, VMFunctionBody, VMOpaqueContext, ValRaw,
};

use crate::{
    NONE,
    error::{Failure, fail},
    free, get, give,
    types::{C, CSignature, no_such},
};

/// `vmt_function`.
type Function = unsafe extern "C-unwind" fn(*mut c_void, *mut ValRaw, usize);

/// `vmt_vm_function`.
type VMFunction = unsafe extern "C-unwind" fn(*mut c_void, *mut VMContext, *mut ValRaw, usize);

/// A function of C with its data.
struct Bound<F> {
    function: F,
    data: *mut c_void,
}

// SAFETY: the header says that any thread may call the function with its data.
unsafe impl<F> Send for Bound<F> {}
// SAFETY: as above.
unsafe impl<F> Sync for Bound<F> {}

/// `vmt_callback`.
enum CCallback {
    Of(Callback<'static>),
    OfThread(LocalCallback<'static>),
}

/// `vmt_host`.
type CHost = HostFunc<'static>;

/// The signature and the function, if there are both.
///
/// # Safety
///
/// See [`crate`].
unsafe fn bound<'a, F>(
    signature: *const CSignature,
    function: Option<F>,
    data: *mut c_void,
) -> Option<(&'a CSignature, Bound<F>)> {
    // SAFETY: our own conditions.
    let signature = unsafe { get(signature) }?;
    let Some(function) = function else { return fail(Failure::null("the function"), None) };
    Some((signature, Bound { function, data }))
}

impl CSignature {
    /// A callback of this signature.
    fn callback(&self, bound: Bound<Function>, local: bool) -> Result<CCallback, Error> {
        let prototype = self.prototype()?;
        let call = move |slots: &mut [ValRaw]| {
            let Bound { function, data } = &bound;
            // SAFETY: C answers for the function, and these are the slots of its signature.
            unsafe { function(*data, slots.as_mut_ptr(), slots.len()) }
        };
        if local {
            prototype.local_callback_unwind(call).map(CCallback::OfThread)
        } else {
            prototype.callback_unwind(call).map(CCallback::Of)
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_callback_new(
    signature: *const CSignature,
    function: Option<Function>,
    data: *mut c_void,
) -> *mut CCallback {
    // SAFETY: our own conditions.
    let Some((signature, bound)) = (unsafe { bound(signature, function, data) }) else {
        return null_mut();
    };
    give(signature.callback(bound, false))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_callback_new_local(
    signature: *const CSignature,
    function: Option<Function>,
    data: *mut c_void,
) -> *mut CCallback {
    // SAFETY: our own conditions.
    let Some((signature, bound)) = (unsafe { bound(signature, function, data) }) else {
        return null_mut();
    };
    give(signature.callback(bound, true))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_callback_argument(signature: *const CSignature, index: usize) -> usize {
    // SAFETY: our own conditions.
    let Some(CSignature { signature, .. }) = (unsafe { get(signature) }) else { return NONE };
    let params = signature.params();
    if index > params.len() {
        return fail(no_such("parameter", index, params.len()), NONE);
    }
    params.iter().take(index).map(|ty| ty.size(C).div_ceil(size_of::<ValRaw>())).sum()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_callback_code(callback: *const CCallback) -> *const c_void {
    // SAFETY: our own conditions.
    match unsafe { get(callback) } {
        Some(CCallback::Of(callback)) => callback.code(),
        Some(CCallback::OfThread(callback)) => callback.code(),
        None => null(),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_callback_free(callback: *mut CCallback) {
    // SAFETY: our own conditions.
    unsafe { free(callback) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_host_new(
    signature: *const CSignature,
    function: Option<VMFunction>,
    data: *mut c_void,
) -> *mut CHost {
    // SAFETY: our own conditions.
    let Some((signature, bound)) = (unsafe { bound(signature, function, data) }) else {
        return null_mut();
    };
    give(HostFunc::new(&signature.signature, move |caller, slots| {
        let Bound { function, data } = &bound;
        // SAFETY: C answers for the function, and these are the slots of its signature.
        unsafe { function(*data, caller, slots.as_mut_ptr(), slots.len()) }
    }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_host_code(host: *const CHost) -> *const VMFunctionBody {
    // SAFETY: our own conditions.
    unsafe { get(host) }.map_or(null(), HostFunc::code)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_host_context(host: *const CHost) -> *mut VMOpaqueContext {
    // SAFETY: our own conditions.
    unsafe { get(host) }.map_or(null_mut(), HostFunc::context)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_host_free(host: *mut CHost) {
    // SAFETY: our own conditions.
    unsafe { free(host) }
}
