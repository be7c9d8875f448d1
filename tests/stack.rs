//! Areas larger than a page touch the stack in order, so that none of them
//! jumps over a guard page.
//!
//! The pages below the caller's are taken away before the call. The handler of
//! the fault notes each page and gives it back: they must come one after the
//! other.

#![cfg(all(vmtrampoline_port, target_os = "linux"))]

use std::{
    ffi::{c_int, c_void},
    hint::black_box,
    iter::repeat_n,
    mem::zeroed,
    ptr::null_mut,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use vmtrampoline::{Signature, Trampoline, ValRaw, ValType};

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

/// Calls through this trampoline, the pages below taken away.
fn run(trampoline: &Trampoline) {
    let mut slots = vec![ValRaw::default(); 1000];
    // What the call itself needs on its way to the body may lie below this, and
    // is noted, too.
    let high = (&raw const slots) as usize & !(PAGE - 1);
    HIGH.store(high, Ordering::Relaxed);
    let low = LOW.load(Ordering::Relaxed);
    // SAFETY: the pages are this stack's; `nothing` takes no notice of parameters,
    // and whatever its results are, only slots receive them.
    unsafe {
        assert_eq!(libc::mprotect(low as *mut c_void, high - low, libc::PROT_NONE), 0);
        let target = nothing as *const _;
        trampoline.call_unchecked(null_mut(), null_mut(), target, slots.as_mut_ptr());
    }
}

/// [`run`], some bytes further down the stack.
fn lower<const BYTES: usize>(trampoline: &Trampoline) {
    let bytes = black_box([0u8; BYTES]);
    run(trampoline);
    black_box(bytes);
}

/// The pages that a call of this signature touches, counted down from the first,
/// if the stack begins so many bytes further up than usually.
fn touched(signature: &Signature, up: usize) -> Vec<usize> {
    static LOCK: Mutex<()> = Mutex::new(());
    let _lock = LOCK.lock().unwrap();
    let mut call = Call { trampoline: Trampoline::new(signature).unwrap(), down: up % 64 };
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
    /// How many bytes further down the stack: 0, 16, 32 or 48.
    down: usize,
}

/// [`run`] with a stack for signals.
extern "C" fn alternate(call: *mut c_void) -> *mut c_void {
    let mut memory = vec![0u8; 16 * PAGE];
    let stack =
        libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: memory.len() };
    // SAFETY: the memory outlives the call, and is given up after it.
    assert_eq!(unsafe { libc::sigaltstack(&stack, null_mut()) }, 0);
    // SAFETY: `touched` passes it, and waits.
    let call = unsafe { &*call.cast::<Call>() };
    [lower::<0>, lower::<16>, lower::<32>, lower::<48>][call.down / 16](&call.trampoline);
    let none = libc::stack_t { ss_flags: libc::SS_DISABLE, ..stack };
    // SAFETY: likewise.
    assert_eq!(unsafe { libc::sigaltstack(&none, null_mut()) }, 0);
    null_mut()
}

/// Asserts that a call of so many vectors touches at least so many pages, one
/// after the other.
#[track_caller]
fn in_order(params: usize, results: usize, up: usize, at_least: usize) {
    let types = |n| repeat_n(ValType::V128, n);
    let pages = touched(&Signature::new(types(params), types(results)).unwrap(), up);
    assert!(pages.len() >= at_least, "{pages:?}");
    assert_eq!(pages, (1..=pages.len()).collect::<Vec<_>>());
}

#[test]
fn large_areas_touch_the_stack_in_order() {
    for (params, results, at_least) in [(0, 1000, 3), (1000, 0, 3), (1000, 1000, 7)] {
        in_order(params, results, 0, at_least);
    }
}

/// Areas of just a page, wherever in a page they begin.
#[test]
fn no_page_is_skipped() {
    for up in (0..PAGE).step_by(16) {
        in_order(0, 1 + PAGE / 16, up, 1);
        in_order(8 + PAGE / 16, 0, up, 1);
    }
}
