//! Areas larger than a page touch the stack in order, so that none of them
//! jumps over a guard page.
//!
//! The pages below the caller's are taken away before the call. The handler of
//! the fault notes each page and gives it back: they must come one after the
//! other.

#![cfg(all(vmtrampoline_port, target_os = "linux"))]

mod common;

use std::{
    ffi::{c_int, c_void},
    iter::repeat_n,
    mem::zeroed,
    ptr::null_mut,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use common::{frames::lower, native, port::LARGEST, scalars};
use vmtrampoline::{
    Callback, HostFunc, Signature, Trampoline, VMContext, VMFunctionBody, VMOpaqueContext, ValRaw,
    ValType,
};

const PAGE: usize = 4096;
const STACK: usize = 64 * PAGE;

/// The pages that faulted, in order.
static FAULTS: [AtomicUsize; 64] = [const { AtomicUsize::new(0) }; 64];
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// The lowest page taken away and the end of those taken away.
static LOW: AtomicUsize = AtomicUsize::new(0);
static HIGH: AtomicUsize = AtomicUsize::new(0);

extern "C" fn fault(_: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    // SAFETY: the kernel's own information.
    let page = unsafe { (*info).si_addr() } as usize & !(PAGE - 1);
    let ours = LOW.load(Ordering::Relaxed)..HIGH.load(Ordering::Relaxed);
    if !ours.contains(&page) {
        // SAFETY: no way to go on.
        unsafe { libc::abort() };
    }
    FAULTS[COUNT.fetch_add(1, Ordering::Relaxed)].store(page, Ordering::Relaxed);
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a page of the mapping that `touched` has made.
    unsafe { libc::mprotect(page as *mut c_void, PAGE, access) };
}

extern "C" fn nothing() {}

/// A target that skips pages of the stack.
extern "C" fn skip() {
    let here = 0u8;
    let below = (&raw const here) as usize - 4 * PAGE;
    // SAFETY: memory of the stack that is not in use.
    unsafe { (below as *const u8).read_volatile() };
}

native! {
    unsafe fn host_nothing(
        _: *mut VMOpaqueContext,
        _: *mut VMContext,
        _: *mut ValRaw,
        _: usize,
    ) {
    }
}

/// Makes this call, the pages below taken away.
extern "C" fn run(call: *const c_void) {
    let mut slots = vec![ValRaw::default(); 1000];
    // What the call itself needs on its way to the body may lie below this, and
    // is noted, too.
    let high = (&raw const slots) as usize & !(PAGE - 1);
    HIGH.store(high, Ordering::Relaxed);
    let low = LOW.load(Ordering::Relaxed);
    // SAFETY: `alternate` passes a call; the pages are this stack's; the target takes no notice of parameters,
    // and whatever its results are, only slots receive them.
    unsafe {
        assert_eq!(libc::mprotect(low as *mut c_void, high - low, libc::PROT_NONE), 0);
        let Call { trampoline, context, target, .. } = &*call.cast::<Call>();
        trampoline.call_unchecked(*context, null_mut(), *target, slots.as_mut_ptr());
    }
}

/// The pages that a call of this signature touches, counted down from the first,
/// if the stack begins so many bytes further up than usually.
fn touched(
    signature: &Signature,
    up: usize,
    context: *mut VMOpaqueContext,
    target: *const VMFunctionBody,
) -> Vec<usize> {
    static LOCK: Mutex<()> = Mutex::new(());
    let _lock = LOCK.lock().unwrap();
    let mut call = Call {
        trampoline: Trampoline::new(signature).unwrap(),
        context,
        target,
        down: 64 - up % 64,
    };
    // SAFETY: a thread of our own on a stack of our own, with a handler that
    // touches only pages of that stack; all of it is undone.
    unsafe {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let stack = libc::mmap(null_mut(), STACK, access, flags, -1, 0);
        assert_ne!(stack, libc::MAP_FAILED);
        LOW.store(stack as usize, Ordering::Relaxed);
        COUNT.store(0, Ordering::Relaxed);
        let mut action: libc::sigaction = zeroed();
        let mut before: libc::sigaction = zeroed();
        action.sa_sigaction = fault as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        assert_eq!(libc::sigaction(libc::SIGSEGV, &action, &mut before), 0);
        let start = stack.byte_add(up / 64 * 64); // as threads have their stacks aligned
        let mut attributes: libc::pthread_attr_t = zeroed();
        assert_eq!(libc::pthread_attr_init(&mut attributes), 0);
        assert_eq!(libc::pthread_attr_setstack(&mut attributes, start, STACK - PAGE), 0);
        let mut thread = 0;
        let argument = (&raw mut call).cast();
        assert_eq!(libc::pthread_create(&mut thread, &attributes, alternate, argument), 0);
        assert_eq!(libc::pthread_join(thread, null_mut()), 0);
        libc::sigaction(libc::SIGSEGV, &before, null_mut());
        libc::munmap(stack, STACK);
    }
    let high = HIGH.load(Ordering::Relaxed);
    let faults = FAULTS[..COUNT.load(Ordering::Relaxed)].iter();
    faults.map(|page| (high - page.load(Ordering::Relaxed)) / PAGE).collect()
}

/// What a thread is told.
struct Call {
    trampoline: Trampoline,
    context: *mut VMOpaqueContext,
    target: *const VMFunctionBody,
    /// How many bytes further down the stack it is made.
    down: usize,
}

/// [`run`] with a stack for signals.
extern "C" fn alternate(call: *mut c_void) -> *mut c_void {
    let mut memory = vec![0u8; 16 * PAGE];
    let stack =
        libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: memory.len() };
    // SAFETY: the memory outlives the call, and is given up after it.
    assert_eq!(unsafe { libc::sigaltstack(&stack, null_mut()) }, 0);
    // SAFETY: `touched` passes it, and waits for us.
    let call = unsafe { &*call.cast::<Call>() };
    // SAFETY: `run` takes the call.
    unsafe { lower((&raw const *call).cast(), call.down, run) };
    let none = libc::stack_t { ss_flags: libc::SS_DISABLE, ..stack };
    // SAFETY: as above.
    assert_eq!(unsafe { libc::sigaltstack(&none, null_mut()) }, 0);
    null_mut()
}

/// The largest type that the convention can pass.
/// Asserts that a call of so many of them touches at least so many pages, one
/// after the other.
#[track_caller]
fn in_order(params: usize, results: usize, up: usize, at_least: usize) {
    let types = |n| repeat_n(LARGEST, n);
    let signature = Signature::new(types(params), types(results)).unwrap();
    let pages = touched(&signature, up, null_mut(), nothing as *const _);
    assert!(pages.len() >= at_least, "{pages:?}");
    assert_eq!(pages, (1..=pages.len()).collect::<Vec<_>>());
}

/// The same if the target is a host function, which has a frame of its own for so
/// many values.
#[track_caller]
fn host_in_order(params: usize, results: usize, up: usize, at_least: usize) {
    let types = |n| repeat_n(ValType::I64, n);
    let signature = Signature::new(types(params), types(results)).unwrap();
    // SAFETY: it takes no notice of its slots.
    let host = unsafe { HostFunc::from_raw(&signature, host_nothing, null_mut()).unwrap() };
    let pages = touched(&signature, up, host.context(), host.code());
    assert!(pages.len() >= at_least, "{pages:?}");
    assert_eq!(pages, (1..=pages.len()).collect::<Vec<_>>());
}

/// The same if the target is a callback, which takes the contexts for parameters.
#[track_caller]
fn callback_in_order(params: usize, up: usize, at_least: usize) {
    let called = Signature::new(repeat_n(ValType::I64, params), ValType::NONE).unwrap();
    let types = repeat_n(ValType::I64, 2 + params);
    let signature = Signature::new(types, ValType::NONE).unwrap();
    // SAFETY: it takes no notice of its slots.
    let callback = unsafe { Callback::from_raw(&signature, host_nothing, null_mut()).unwrap() };
    let pages = touched(&called, up, null_mut(), callback.code().cast());
    assert!(pages.len() >= at_least, "{pages:?}");
    assert_eq!(pages, (1..=pages.len()).collect::<Vec<_>>());
}

#[test]
fn large_areas_touch_the_stack_in_order() {
    for (params, results, at_least) in [(0, 1000, 3), (1000, 0, 3), (1000, 1000, 7)] {
        in_order(
            params,
            results,
            0,
            at_least * scalars::size(LARGEST) / scalars::size(ValType::V128),
        );
        host_in_order(params, results, 0, at_least);
        callback_in_order(params.min(998), 0, at_least.min(params / 250));
    }
}

/// Areas of just a page, wherever in a page they begin.
#[test]
fn no_page_is_skipped() {
    for up in (0..PAGE).step_by(16) {
        in_order(0, 1 + PAGE / scalars::size(LARGEST), up, 1);
        in_order(8 + PAGE / scalars::size(LARGEST), 0, up, 1);
        host_in_order(0, PAGE / 16 - 1, up, 1); // and the scratch bytes
        callback_in_order(PAGE / 16 - 3, up, 1);
        in_order(8 + 4, 1 + PAGE / scalars::size(LARGEST), up, 1);
    }
}

#[test]
fn a_skipped_page_is_noticed() {
    let none = Signature::new(ValType::NONE, ValType::NONE).unwrap();
    let pages = touched(&none, 0, null_mut(), skip as *const _);
    assert_ne!(pages, (1..=pages.len()).collect::<Vec<_>>());
}
