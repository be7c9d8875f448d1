//! Panics and backtraces cross every function pointer.

#![cfg(vmtrampoline_port)]

mod common;

use std::{
    backtrace::Backtrace,
    ffi::c_void,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    ptr::null_mut,
    sync::atomic::{AtomicUsize, Ordering},
};

use common::{
    case::Vector,
    native,
    pointers::{NOBODY, Pointer, of_the_pool, typed},
};
use vmtrampoline::{VMContext, VMOpaqueContext};

static DROPPED: AtomicUsize = AtomicUsize::new(0);

struct Counted;

impl Drop for Counted {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

/// Throws, over a destructor on either side of the pointer.
fn thrown(pointer: &Pointer, target: *const c_void) {
    let before = DROPPED.load(Ordering::Relaxed);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let _counted = Counted;
        // SAFETY: the target never looks at its arguments and never returns.
        unsafe { pointer.call(NOBODY, target) }
    }));
    assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "thrown", "{}", pointer.name);
    assert_eq!(DROPPED.load(Ordering::Relaxed), before + 2, "{}", pointer.name);
}

fn throw() -> ! {
    let _counted = Counted;
    // No hook: its message would only be noise.
    resume_unwind(Box::new("thrown"))
}

#[test]
fn panics_cross_every_pointer() {
    type Callee = *mut VMOpaqueContext;
    type Caller = *mut VMContext;
    native! {
        fn nothing(_: Callee, _: Caller) {
            throw()
        }
    }
    native! {
        fn one(_: Callee, _: Caller, _: i32) -> i32 {
            throw()
        }
    }
    native! {
        fn two(_: Callee, _: Caller, _: f32, _: f64, _: *mut f32) -> i64 {
            throw()
        }
    }
    for pointer in of_the_pool() {
        thrown(&pointer, nothing as *const c_void);
    }
    thrown(&typed::<fn()>(), nothing as *const c_void);
    thrown(&typed::<fn(i32) -> i32>(), one as *const c_void);
    thrown(&typed::<fn(f32, f64) -> (i64, f32)>(), two as *const c_void);
    thrown(&typed::<fn(Vector) -> Vector>(), nothing as *const c_void);
}

#[test]
fn backtraces_cross_every_pointer() {
    native! {
        fn target(seen: *mut VMOpaqueContext, _: *mut VMContext) {
            let backtrace = Backtrace::force_capture().to_string();
            // SAFETY: the callee context is this flag.
            unsafe { *seen.cast::<bool>() = backtrace.contains("backtraces_cross_every_pointer") };
        }
    }
    for pointer in of_the_pool().chain([typed::<fn()>(), typed::<fn(Vector)>()]) {
        let mut seen = false;
        let contexts = ((&raw mut seen).cast(), null_mut());
        // SAFETY: the target takes no notice of parameters. Of results, which it does
        // not have, any bits are good.
        unsafe { pointer.call(contexts, target as *const c_void) };
        assert!(seen, "{}", pointer.name);
    }
}
