//! `vmtrampoline.h` for C. That header is the documentation; this file says why
//! each function is sound when its conditions hold.

use std::{
    cell::RefCell,
    ffi::{CStr, CString, c_char, c_void},
    fmt::Display,
    ptr::null_mut,
};

use trampoline::{
    CTrampoline, Error, Signature, Trampoline, VMContext, VMFunctionBody, VMOpaqueContext, ValRaw,
};

thread_local! {
    static ERROR: RefCell<CString> = RefCell::default();
}

/// What goes wrong, as the text that `vmt_error` gives.
fn set_error(error: impl Display) {
    let text = CString::new(error.to_string()).expect("error texts escape what they quote");
    ERROR.with(|last| *last.borrow_mut() = text);
}

/// A pointer to the value, which is C's to free, or null and the error's text.
fn give<T>(value: Result<T, impl Display>) -> *mut T {
    match value {
        Ok(value) => Box::into_raw(Box::new(value)),
        Err(error) => {
            set_error(error);
            null_mut()
        }
    }
}

/// Takes back what `give` gave.
///
/// # Safety
///
/// The value is from `give`, and nobody uses it any more; or null.
unsafe fn take_back<T>(value: *mut T) {
    if !value.is_null() {
        // SAFETY: `give` made it of a box, which is taken back once.
        drop(unsafe { Box::from_raw(value) });
    }
}

/// The text of the last error of this thread.
#[unsafe(no_mangle)]
pub extern "C" fn vmt_error() -> *const c_char {
    ERROR.with(|last| last.borrow().as_ptr())
}

/// The signature with this text.
///
/// # Safety
///
/// The text is a C string, or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vmt_signature_parse(text: *const c_char) -> *mut Signature {
    if text.is_null() {
        return give(Err("no text of a signature"));
    }
    // SAFETY: a C string, says the caller, who does not change it meanwhile.
    let text = unsafe { CStr::from_ptr(text) };
    match text.to_str() {
        Ok(text) => give(text.parse::<Signature>()),
        Err(error) => give(Err(format!("signature: {error}"))),
    }
}

/// # Safety
///
/// The signature is from [`vmt_signature_parse`], and nobody uses it any more; or
/// null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vmt_signature_free(signature: *mut Signature) {
    // SAFETY: our own conditions.
    unsafe { take_back(signature) }
}

/// One of the two trampolines, for slots of the size that C chose.
pub enum BySize<Eight, Sixteen> {
    /// For slots of 8 bytes.
    Eight(Eight),
    /// For slots of 16 bytes.
    Sixteen(Sixteen),
}

use BySize::{Eight, Sixteen};

/// `vmt_trampoline`.
pub type AnyC = BySize<CTrampoline<u64>, CTrampoline<ValRaw>>;

/// `vmt_vm_trampoline`.
pub type AnyVm = BySize<Trampoline<u64>, Trampoline<ValRaw>>;

/// A trampoline for this signature and slots of this size. No signature is no
/// trampoline, and the error that there was no signature stays.
///
/// # Safety
///
/// The signature is from [`vmt_signature_parse`], or null.
unsafe fn trampoline<E, S>(
    signature: *const Signature,
    slot_size: usize,
    eight: fn(&Signature) -> Result<E, Error>,
    sixteen: fn(&Signature) -> Result<S, Error>,
) -> *mut BySize<E, S> {
    // SAFETY: signatures do not change, and this one is not freed meanwhile.
    let Some(signature) = (unsafe { signature.as_ref() }) else { return null_mut() };
    match slot_size {
        8 => give(eight(signature).map(Eight)),
        16 => give(sixteen(signature).map(Sixteen)),
        _ => give(Err(format!("a value slot has 8 or 16 bytes, not {slot_size}"))),
    }
}

/// A call that is not made, as there are too few slots.
#[cold]
fn too_few(given: usize, needed: usize) -> bool {
    set_error(Error::TooFewSlots { given, needed });
    false
}

/// A trampoline for plain C.
///
/// # Safety
///
/// The signature is from [`vmt_signature_parse`], or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vmt_trampoline_new(
    signature: *const Signature,
    slot_size: usize,
) -> *mut AnyC {
    // SAFETY: our own conditions.
    unsafe { trampoline(signature, slot_size, CTrampoline::for_slots, CTrampoline::new) }
}

/// # Safety
///
/// The trampoline is from [`vmt_trampoline_new`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vmt_trampoline_slots(trampoline: *const AnyC) -> usize {
    // SAFETY: trampolines do not change, and this one is not freed meanwhile.
    match unsafe { &*trampoline } {
        Eight(trampoline) => trampoline.slots(),
        Sixteen(trampoline) => trampoline.slots(),
    }
}

/// # Safety
///
/// The trampoline is from [`vmt_trampoline_new`]; the rest is as for
/// [`CTrampoline::call_unchecked`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vmt_call(
    trampoline: *const AnyC,
    target: *const c_void,
    slots: *mut c_void,
    count: usize,
) -> bool {
    // SAFETY: the trampoline is from there.
    let needed = unsafe { vmt_trampoline_slots(trampoline) };
    if count < needed {
        return too_few(count, needed);
    }
    // SAFETY: trampolines do not change, and this one is not freed meanwhile.
    match unsafe { &*trampoline } {
        // SAFETY: the caller answers for the target and says that there are as
        // many slots of this trampoline's size, which are enough.
        Eight(trampoline) => unsafe { trampoline.call_unchecked(target, slots.cast()) },
        // SAFETY: likewise.
        Sixteen(trampoline) => unsafe { trampoline.call_unchecked(target, slots.cast()) },
    }
    true
}

/// # Safety
///
/// The trampoline is from [`vmt_trampoline_new`], and nobody uses it any more; or
/// null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vmt_trampoline_free(trampoline: *mut AnyC) {
    // SAFETY: our own conditions.
    unsafe { take_back(trampoline) }
}

/// A trampoline for the VM convention.
///
/// # Safety
///
/// The signature is from [`vmt_signature_parse`], or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vmt_vm_trampoline_new(
    signature: *const Signature,
    slot_size: usize,
) -> *mut AnyVm {
    // SAFETY: our own conditions.
    unsafe { trampoline(signature, slot_size, Trampoline::for_slots, Trampoline::new) }
}

/// # Safety
///
/// The trampoline is from [`vmt_vm_trampoline_new`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vmt_vm_trampoline_slots(trampoline: *const AnyVm) -> usize {
    // SAFETY: trampolines do not change, and this one is not freed meanwhile.
    match unsafe { &*trampoline } {
        Eight(trampoline) => trampoline.slots(),
        Sixteen(trampoline) => trampoline.slots(),
    }
}

/// # Safety
///
/// The trampoline is from [`vmt_vm_trampoline_new`]; the rest is as for
/// [`Trampoline::call_unchecked`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vmt_vm_call(
    trampoline: *const AnyVm,
    callee: *mut VMOpaqueContext,
    caller: *mut VMContext,
    target: *const VMFunctionBody,
    slots: *mut c_void,
    count: usize,
) -> bool {
    // SAFETY: the trampoline is from there.
    let needed = unsafe { vmt_vm_trampoline_slots(trampoline) };
    if count < needed {
        return too_few(count, needed);
    }
    // SAFETY: trampolines do not change, and this one is not freed meanwhile.
    match unsafe { &*trampoline } {
        // SAFETY: the caller answers for the target and says that there are as
        // many slots of this trampoline's size, which are enough.
        Eight(trampoline) => unsafe {
            trampoline.call_unchecked(callee, caller, target, slots.cast());
        },
        // SAFETY: likewise.
        Sixteen(trampoline) => unsafe {
            trampoline.call_unchecked(callee, caller, target, slots.cast());
        },
    }
    true
}

/// # Safety
///
/// The trampoline is from [`vmt_vm_trampoline_new`], and nobody uses it any more;
/// or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vmt_vm_trampoline_free(trampoline: *mut AnyVm) {
    // SAFETY: our own conditions.
    unsafe { take_back(trampoline) }
}
