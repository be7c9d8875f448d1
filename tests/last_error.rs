//! What the system says of a failure, `errno` or `GetLastError`, survives the way to a target
//! and back, and to the host and back.

#![cfg(all(
    vmtrampoline_port,
    any(target_os = "linux", windows),
    not(all(vmtrampoline_windows, not(windows)))
))]

mod common;

use std::{
    cell::Cell,
    ffi::c_void,
    mem::transmute,
    ptr::null_mut,
    sync::atomic::{AtomicPtr, Ordering::Relaxed},
};

use common::native;
use vmtrampoline::{
    CTrampoline, Callback, HostFunc, Landing, LocalCallback, Outcome, Signature, Trampoline,
    VMContext, VMOpaqueContext, ValRaw,
};

/// Where this thread has `errno`.
fn errno() -> *mut i32 {
    // SAFETY: it only says where.
    #[cfg(unix)]
    unsafe {
        libc::__errno_location()
    }
    #[cfg(windows)]
    {
        use std::sync::LazyLock;

        static LIBRARY: LazyLock<libloading::Library> = LazyLock::new(|| {
            // SAFETY: the system's C library.
            unsafe { libloading::Library::new("msvcrt.dll") }.expect("the C library")
        });
        // SAFETY: the function has this type, and only says where.
        unsafe { LIBRARY.get::<extern "C" fn() -> *mut i32>(b"_errno").expect("errno")() }
    }
}

#[cfg(windows)]
#[link(name = "kernel32")]
unsafe extern "system" {
    fn GetLastError() -> u32;
    fn SetLastError(error: u32);
}

/// All numbers that are kept for this thread.
fn errors() -> Vec<i32> {
    vec![
        // SAFETY: no arguments.
        #[cfg(windows)]
        unsafe {
            GetLastError() as i32
        },
        // SAFETY: this thread's.
        unsafe { *errno() },
    ]
}

fn set_errors(error: i32) {
    // SAFETY: this thread's, which may be any number.
    unsafe { *errno() = error };
    #[cfg(windows)]
    // SAFETY: it takes any number.
    unsafe {
        SetLastError(error as u32)
    };
}

const BEFORE: i32 = 11;
const AFTER: i32 = 22;

thread_local! {
    /// What the function that is called has found.
    static FOUND: Cell<bool> = const { Cell::new(false) };
}

fn all(error: i32) -> bool {
    errors().iter().all(|one| *one == error)
}

/// Whether the function that is called finds BEFORE, and leaves AFTER to its caller.
fn survive(call: impl FnOnce()) -> bool {
    FOUND.set(false);
    set_errors(BEFORE);
    call();
    let after = all(AFTER);
    FOUND.get() && after
}

/// What each function that is called does.
fn fail() {
    FOUND.set(all(BEFORE));
    set_errors(AFTER);
}

#[derive(Clone, Copy)]
#[repr(C)]
struct Large([i64; 6]);

native! {
    fn fails(x: i32) -> i32 {
        fail();
        x
    }
}

native! {
    fn vm_fails(_: *mut VMOpaqueContext, _: *mut VMContext, x: i32) -> i32 {
        fail();
        x
    }
}

native! {
    fn large_fails(x: Large, _: f64) -> Large {
        fail();
        x
    }
}

/// One test alone uses it. It is not a thread's own, as Windows' look-up of such clears the error.
static LANDING: AtomicPtr<Landing> = AtomicPtr::new(null_mut());

native! {
    fn fails_and_leaves(_: i32) -> i32 {
        fail();
        // SAFETY: the test calls this under that landing.
        unsafe { (*LANDING.load(Relaxed)).leave(1) }
    }
}

native! { type Fails = fn(i32) -> i32; }
native! { type LargeFails = fn(Large, f64) -> Large; }

fn parse(text: &str) -> Signature {
    text.parse().expect(text)
}

#[test]
fn calls_keep_the_last_error() {
    let (small, large) = (parse("(i32) -> i32"), parse("({[i64; 6]}, f64) -> {[i64; 6]}"));
    let mut slots = [ValRaw::i32(1); 8];

    let trampoline = CTrampoline::new(&small).unwrap();
    let target = fails as *const c_void;
    // SAFETY: the function has this signature.
    assert!(survive(|| unsafe { trampoline.call(target, &mut slots) }.unwrap()));

    let landing = Landing::new();
    LANDING.store((&raw const landing).cast_mut(), Relaxed);
    for (target, outcome) in
        [(target, Outcome::Returned), (fails_and_leaves as *const c_void, Outcome::Left(1))]
    {
        // SAFETY: the functions have this signature; what is left has nothing to drop.
        let mut call = || unsafe { trampoline.call_leavable(target, &mut slots, &landing) };
        assert!(survive(|| assert_eq!(call(), Ok(outcome))));
    }

    let trampoline = CTrampoline::new(&large).unwrap();
    let mut large_slots = vec![ValRaw::i64(2); trampoline.slots()];
    // SAFETY: the function has this signature.
    let mut call = || unsafe { trampoline.call(large_fails as *const c_void, &mut large_slots) };
    assert!(survive(|| call().unwrap()));

    let trampoline = Trampoline::new(&small).unwrap();
    let pointer = trampoline.pointer().unwrap();
    let target = (vm_fails as *const c_void).cast();
    // SAFETY: the function has this signature.
    let mut call = || unsafe { trampoline.call(null_mut(), null_mut(), target, &mut slots) };
    assert!(survive(|| call().unwrap()));
    // SAFETY: the function has this signature.
    assert!(survive(|| unsafe { pointer(null_mut(), null_mut(), target, slots.as_mut_ptr()) }));
}

#[test]
fn the_host_keeps_the_last_error() {
    let (small, large) = (parse("(i32) -> i32"), parse("({[i64; 6]}, f64) -> {[i64; 6]}"));
    let callback = Callback::new(&small, |_| fail()).unwrap();
    let local = LocalCallback::new(&small, |_| fail()).unwrap();
    for code in [callback.code(), local.code()] {
        // SAFETY: a function of this signature.
        let function = unsafe { transmute::<*const c_void, Fails>(code) };
        assert!(survive(|| assert_eq!(function(7), 7)));
    }
    let callback = Callback::new(&large, |_| fail()).unwrap();
    // SAFETY: a function of this signature.
    let function = unsafe { transmute::<*const c_void, LargeFails>(callback.code()) };
    assert!(survive(|| _ = function(Large([3; 6]), 0.5)));

    let host = HostFunc::new(&small, |_, _| fail()).unwrap();
    let trampoline = Trampoline::new(&small).unwrap();
    let mut slots = [ValRaw::i32(1)];
    // SAFETY: the host function has this signature, and is given its context.
    let mut call =
        || unsafe { trampoline.call(host.context(), null_mut(), host.code(), &mut slots) };
    assert!(survive(|| call().unwrap()));
}

/// A number that is lost on either way is noticed.
#[test]
fn a_lost_error_is_noticed() {
    assert!(survive(fail));
    assert!(!survive(|| {
        set_errors(0);
        fail();
    }));
    assert!(!survive(|| {
        fail();
        set_errors(0);
    }));
}
