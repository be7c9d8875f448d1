//! Calls of native code: trampolines, and the function pointers that they make.

use std::{
    ffi::{c_int, c_void},
    ptr::null_mut,
};

use trampoline::{
    CTrampoline, Error, Landing, Outcome, Pool, Signature, Trampoline, VMContext, VMFunctionBody,
    VMOpaqueContext, VMTrampolineUnwind, ValRaw,
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

/// How a call ended that could be left; the word goes to `word`, if that is not null.
///
/// # Safety
///
/// See [`crate`].
unsafe fn ended(outcome: Outcome, word: *mut usize) -> c_int {
    let Outcome::Left(with) = outcome else { return 1 };
    if !word.is_null() {
        // SAFETY: our own conditions.
        unsafe { word.write(with) };
    }
    2
}

/// The functions of one convention, whose calls take these contexts, too.
macro_rules! functions {
    ($any:ident: $trampoline:ident, $target:ty, ($($context:ident: $context_type:ty),*);
        $new:ident, $signature:ident, $slots:ident, $argument:ident, $call:ident,
        $call_leavable:ident, $free:ident) => {
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $new(signature: *const CSignature, slot_size: usize) -> *mut $any {
            // SAFETY: our own conditions.
            unsafe { trampoline(signature, slot_size, $trampoline::for_slots, $trampoline::new) }
        }

        #[unsafe(no_mangle)]
        unsafe extern "C" fn $signature(trampoline: *const $any) -> *mut CSignature {
            // SAFETY: our own conditions.
            let Some(made) = (unsafe { get(trampoline) }) else { return null_mut() };
            let signature = either!(&made.by_size, trampoline => trampoline.signature());
            give(Ok::<CSignature, Error>(signature.into()))
        }

        #[unsafe(no_mangle)]
        unsafe extern "C" fn $slots(trampoline: *const $any) -> usize {
            // SAFETY: our own conditions.
            let made = unsafe { get(trampoline) };
            made.map_or(NONE, |made| either!(&made.by_size, trampoline => trampoline.slots()))
        }

        #[unsafe(no_mangle)]
        unsafe extern "C" fn $argument(trampoline: *const $any, index: usize) -> usize {
            // SAFETY: our own conditions.
            let Some(Made { by_size, params }) = (unsafe { get(trampoline) }) else { return NONE };
            if index > *params {
                return fail(no_such("parameter", index, *params), NONE);
            }
            either!(by_size, trampoline => trampoline.argument(index))
        }

        #[unsafe(no_mangle)]
        unsafe extern "C-unwind" fn $call(
            trampoline: *const $any,
            $($context: $context_type,)*
            target: $target,
            slots: *mut c_void,
            count: usize,
        ) -> c_int {
            // SAFETY: our own conditions.
            let Some(Made { by_size, .. }) = (unsafe { get(trampoline) }) else { return 0 };
            either!(by_size, trampoline => {
                if !callable(target, slots, count, trampoline.slots()) {
                    return 0;
                }
                // SAFETY: C answers for the target and says that there are as many slots of
                // this trampoline's size, which are enough.
                unsafe { trampoline.call_unchecked($($context,)* target, slots.cast()) }
            });
            1
        }

        #[unsafe(no_mangle)]
        unsafe extern "C-unwind" fn $call_leavable(
            trampoline: *const $any,
            $($context: $context_type,)*
            target: $target,
            slots: *mut c_void,
            count: usize,
            landing: *const Landing,
            word: *mut usize,
        ) -> c_int {
            // SAFETY: our own conditions.
            let Some(Made { by_size, .. }) = (unsafe { get(trampoline) }) else { return 0 };
            // SAFETY: our own conditions.
            let Some(landing) = (unsafe { get(landing) }) else { return 0 };
            either!(by_size, trampoline => {
                if !callable(target, slots, count, trampoline.slots()) {
                    return 0;
                }
                if landing.is_live() {
                    return fail(Error::LandingInUse, 0);
                }
                let slots = slots.cast();
                // SAFETY: as for the call above, and no call uses the landing.
                let outcome = unsafe {
                    trampoline.call_leavable_unchecked($($context,)* target, slots, landing)
                };
                // SAFETY: our own conditions.
                unsafe { ended(outcome, word) }
            })
        }

        #[unsafe(no_mangle)]
        unsafe extern "C" fn $free(trampoline: *mut $any) {
            // SAFETY: our own conditions.
            unsafe { free(trampoline) }
        }
    };
}

functions! {
    AnyC: CTrampoline, *const c_void, ();
    vmt_trampoline_new, vmt_trampoline_signature, vmt_trampoline_slots, vmt_trampoline_argument,
    vmt_call, vmt_call_leavable, vmt_trampoline_free
}

functions! {
    AnyVm: Trampoline, *const VMFunctionBody,
        (callee: *mut VMOpaqueContext, caller: *mut VMContext);
    vmt_vm_trampoline_new, vmt_vm_trampoline_signature, vmt_vm_trampoline_slots,
    vmt_vm_trampoline_argument, vmt_vm_call, vmt_vm_call_leavable, vmt_vm_trampoline_free
}

#[unsafe(no_mangle)]
extern "C" fn vmt_landing_new() -> *mut Landing {
    give(Ok::<Landing, Error>(Landing::new()))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_landing_free(landing: *mut Landing) {
    // SAFETY: our own conditions.
    unsafe { free(landing) }
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn vmt_leave(landing: *const Landing, word: usize) -> ! {
    // SAFETY: our own conditions.
    let landing = unsafe { landing.as_ref() };
    // Null is as good as a landing that no call uses.
    let none = Landing::new();
    // SAFETY: if a call uses it, C says that this is its thread, and that the frames between
    // may be abandoned. Otherwise this aborts.
    unsafe { landing.unwrap_or(&none).leave(word) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_landing_destination(
    landing: *const Landing,
    word: usize,
    pc: *mut usize,
    sp: *mut usize,
) -> c_int {
    // SAFETY: our own conditions. This is for signal handlers, which note no error.
    let landing = unsafe { landing.as_ref() };
    let Some(to) = landing.and_then(|landing| landing.destination(word)) else { return 0 };
    // SAFETY: our own conditions.
    unsafe { (pc.write(to.pc), sp.write(to.sp)) };
    1
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
