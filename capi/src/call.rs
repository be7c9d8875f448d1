//! Calls of native code: trampolines, and the function pointers that they make.

use std::{
    ffi::{c_int, c_void},
    ptr::null_mut,
};

use trampoline::{
    CTrampoline, Error, Pool, Signature, Trampoline, VMContext, VMFunctionBody, VMOpaqueContext,
    VMTrampolineUnwind, ValRaw,
};

use crate::{
    NONE,
    error::{Code, Failure, fail},
    free, get, give,
    types::{CSignature, no_such},
};

/// One of the two trampolines, for slots of the size that C chose.
enum BySize<Eight, Sixteen> {
    Eight(Eight),
    Sixteen(Sixteen),
}

use BySize::{Eight, Sixteen};

/// Does the same with either of them.
macro_rules! either {
    ($either:expr, $trampoline:ident => $body:expr) => {
        match $either {
            Eight($trampoline) => $body,
            Sixteen($trampoline) => $body,
        }
    };
}

/// A trampoline, and how many parameters it has.
struct Made<E, S> {
    by_size: BySize<E, S>,
    params: usize,
}

/// `vmt_trampoline`.
type AnyC = Made<CTrampoline<u64>, CTrampoline<ValRaw>>;

/// `vmt_vm_trampoline`.
type AnyVm = Made<Trampoline<u64>, Trampoline<ValRaw>>;

/// A trampoline for this signature and slots of this size.
///
/// # Safety
///
/// See [`crate`].
unsafe fn trampoline<E, S>(
    signature: *const CSignature,
    slot_size: usize,
    eight: fn(&Signature) -> Result<E, Error>,
    sixteen: fn(&Signature) -> Result<S, Error>,
) -> *mut Made<E, S> {
    // SAFETY: our own conditions.
    let Some(CSignature { signature, .. }) = (unsafe { get(signature) }) else {
        return null_mut();
    };
    let by_size = match slot_size {
        8 => eight(signature).map(Eight),
        16 => sixteen(signature).map(Sixteen),
        _ => {
            let text = format!("a value slot has 8 or 16 bytes, not {slot_size}");
            return fail(Failure::new(Code::Argument, text), null_mut());
        }
    };
    let params = signature.params().len();
    give(by_size.map(|by_size| Made { by_size, params }))
}

/// Whether a call can be made: there is a target, and there are enough slots, aligned.
#[inline(always)]
fn callable<T>(target: *const T, slots: *mut c_void, given: usize, needed: usize) -> bool {
    if target.is_null() {
        fail(Failure::null("the target"), false)
    } else if given < needed {
        fail(Error::TooFewSlots { given, needed }, false)
    } else if needed > 0 && (slots.is_null() || slots.addr() % 8 != 0) {
        fail(Failure::new(Code::Argument, "the slots are NULL or not aligned to 8"), false)
    } else {
        true
    }
}

/// Where parameter `index` begins.
///
/// # Safety
///
/// See [`crate`].
unsafe fn argument<E, S>(
    trampoline: *const Made<E, S>,
    index: usize,
    begins: impl Fn(&BySize<E, S>) -> usize,
) -> usize {
    // SAFETY: our own conditions.
    let Some(Made { by_size, params }) = (unsafe { get(trampoline) }) else { return NONE };
    if index > *params {
        return fail(no_such("parameter", index, *params), NONE);
    }
    begins(by_size)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_trampoline_new(
    signature: *const CSignature,
    slot_size: usize,
) -> *mut AnyC {
    // SAFETY: our own conditions.
    unsafe { trampoline(signature, slot_size, CTrampoline::for_slots, CTrampoline::new) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_trampoline_signature(trampoline: *const AnyC) -> *mut CSignature {
    // SAFETY: our own conditions.
    let Some(made) = (unsafe { get(trampoline) }) else { return null_mut() };
    let signature = either!(&made.by_size, trampoline => trampoline.signature());
    give(Ok::<CSignature, Error>(signature.into()))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_trampoline_slots(trampoline: *const AnyC) -> usize {
    // SAFETY: our own conditions.
    let trampoline = unsafe { get(trampoline) };
    trampoline.map_or(NONE, |made| either!(&made.by_size, trampoline => trampoline.slots()))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_trampoline_argument(trampoline: *const AnyC, index: usize) -> usize {
    // SAFETY: our own conditions.
    unsafe { argument(trampoline, index, |any| either!(any, made => made.argument(index))) }
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn vmt_call(
    trampoline: *const AnyC,
    target: *const c_void,
    slots: *mut c_void,
    count: usize,
) -> c_int {
    // SAFETY: our own conditions.
    let Some(Made { by_size, .. }) = (unsafe { get(trampoline) }) else { return 0 };
    either!(by_size, trampoline => {
        if !callable(target, slots, count, trampoline.slots()) {
            return 0;
        }
        // SAFETY: C answers for the target and says that there are as many slots of this
        // trampoline's size, which are enough.
        unsafe { trampoline.call_unchecked(target, slots.cast()) }
    });
    1
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_trampoline_free(trampoline: *mut AnyC) {
    // SAFETY: our own conditions.
    unsafe { free(trampoline) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_vm_trampoline_new(
    signature: *const CSignature,
    slot_size: usize,
) -> *mut AnyVm {
    // SAFETY: our own conditions.
    unsafe { trampoline(signature, slot_size, Trampoline::for_slots, Trampoline::new) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_vm_trampoline_signature(trampoline: *const AnyVm) -> *mut CSignature {
    // SAFETY: our own conditions.
    let Some(made) = (unsafe { get(trampoline) }) else { return null_mut() };
    let signature = either!(&made.by_size, trampoline => trampoline.signature());
    give(Ok::<CSignature, Error>(signature.into()))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_vm_trampoline_slots(trampoline: *const AnyVm) -> usize {
    // SAFETY: our own conditions.
    let trampoline = unsafe { get(trampoline) };
    trampoline.map_or(NONE, |made| either!(&made.by_size, trampoline => trampoline.slots()))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_vm_trampoline_argument(trampoline: *const AnyVm, index: usize) -> usize {
    // SAFETY: our own conditions.
    unsafe { argument(trampoline, index, |any| either!(any, made => made.argument(index))) }
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn vmt_vm_call(
    trampoline: *const AnyVm,
    callee: *mut VMOpaqueContext,
    caller: *mut VMContext,
    target: *const VMFunctionBody,
    slots: *mut c_void,
    count: usize,
) -> c_int {
    // SAFETY: our own conditions.
    let Some(Made { by_size, .. }) = (unsafe { get(trampoline) }) else { return 0 };
    either!(by_size, trampoline => {
        if !callable(target, slots, count, trampoline.slots()) {
            return 0;
        }
        // SAFETY: C answers for the target and says that there are as many slots of this
        // trampoline's size, which are enough.
        unsafe { trampoline.call_unchecked(callee, caller, target, slots.cast()) }
    });
    1
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_vm_trampoline_free(trampoline: *mut AnyVm) {
    // SAFETY: our own conditions.
    unsafe { free(trampoline) }
}

/// The pool that C means.
///
/// # Safety
///
/// See [`crate`].
unsafe fn pool<'a>(pool: *const Pool) -> &'a Pool {
    // SAFETY: our own conditions; only atomics of it change.
    unsafe { pool.as_ref() }.unwrap_or(Pool::shared())
}

#[unsafe(no_mangle)]
extern "C" fn vmt_pool_reserve(pointers: usize) -> *mut Pool {
    give(Pool::reserve(pointers))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_pool_free(pool: *mut Pool) {
    // SAFETY: our own conditions.
    unsafe { free(pool) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_pool_left(pool: *const Pool) -> usize {
    // SAFETY: our own conditions.
    unsafe { self::pool(pool) }.left()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_vm_trampoline_pointer(
    trampoline: *const AnyVm,
    pool: *const Pool,
) -> Option<VMTrampolineUnwind> {
    // SAFETY: our own conditions.
    match &unsafe { get(trampoline) }?.by_size {
        // SAFETY: our own conditions.
        Sixteen(trampoline) => match unsafe { self::pool(pool) }.pointer_unwind(trampoline) {
            Ok(pointer) => Some(pointer),
            Err(error) => fail(error, None),
        },
        Eight(_) => {
            fail(Failure::new(Code::Argument, "function pointers have slots of 16 bytes"), None)
        }
    }
}
