//! Panics and backtraces cross every function pointer.

#![cfg(vmtrampoline_port)]

mod common;

use std::{backtrace::Backtrace, ffi::c_void, ptr::null_mut};

use common::{
    native,
    panics::{throw, thrown},
    pointers::{NO_CONTEXTS, Pointer, of_the_pool, typed},
    port::Largest,
};
use vmtrampoline::{VMContext, VMOpaqueContext};

/// The pointer is crossed by what its target throws.
fn crossed(pointer: &Pointer, target: *const c_void) {
    // SAFETY: the target never looks at its arguments and never returns.
    thrown(&pointer.name, || unsafe { pointer.call(NO_CONTEXTS, target) });
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
        crossed(&pointer, nothing as *const c_void);
    }
    crossed(&typed::<fn()>(), nothing as *const c_void);
    crossed(&typed::<fn(i32) -> i32>(), one as *const c_void);
    crossed(&typed::<fn(f32, f64) -> (i64, f32)>(), two as *const c_void);
    crossed(&typed::<fn(Largest) -> Largest>(), nothing as *const c_void);
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
    for pointer in of_the_pool().chain([typed::<fn()>(), typed::<fn(Largest)>()]) {
        let mut seen = false;
        let contexts = ((&raw mut seen).cast(), null_mut());
        // SAFETY: the target takes no notice of parameters. Of results, which it does
        // not have, any bits are good.
        unsafe { pointer.call(contexts, target as *const c_void) };
        assert!(seen, "{}", pointer.name);
    }
}
