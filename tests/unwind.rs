//! Panics and backtraces through every body.

#![cfg(all(target_arch = "x86_64", unix))]

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    ptr::null_mut,
    sync::atomic::{AtomicUsize, Ordering},
};

use vmtrampoline::{
    CTrampoline, Signature, Trampoline, VMContext, VMOpaqueContext, ValRaw, private::Shape,
};

static DROPPED: AtomicUsize = AtomicUsize::new(0);

struct Counted;

impl Drop for Counted {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

extern "C-unwind" fn c_callee() {
    let _counted = Counted;
    // No hook: its message would only be noise.
    resume_unwind(Box::new("thrown"));
}

extern "C-unwind" fn vm_callee(_: *mut VMOpaqueContext, _: *mut VMContext) {
    c_callee();
}

/// A callee ignores the parameters it is given, so that one serves all.
const SIGNATURES: [&str; 6] = [
    "()",
    "(i32) -> i32",
    "(f64, v128) -> f32",
    "(i64, i64, i64, i64, i64, i64, i64) -> i64",
    "(i32) -> (i32, i64, v128)",
    "(v128, v128, v128, v128, v128, v128, v128, v128, v128, v128, v128, v128, v128) -> v128",
];

fn thrown(call: impl FnOnce()) {
    let before = DROPPED.load(Ordering::Relaxed);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let _counted = Counted;
        call();
    }));
    assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "thrown");
    assert_eq!(DROPPED.load(Ordering::Relaxed), before + 2);
}

#[test]
fn panics_cross_every_body() {
    let slot = ValRaw::v128(0x1234_5678_9abc_def0 << 40);
    for text in SIGNATURES {
        let signature: Signature = text.parse().unwrap();
        for shape in Shape::ALL {
            let mut slots = [slot; 16];
            let trampoline = Trampoline::with_shape(&signature, shape).unwrap();
            thrown(|| {
                // SAFETY: the callee takes no notice of its parameters, never
                // returns a result, and is a C-unwind function.
                unsafe {
                    trampoline.call(null_mut(), null_mut(), vm_callee as *const _, &mut slots)
                }
                .unwrap();
            });
            assert!(slots.iter().all(|s| s.get_v128() == slot.get_v128()), "{text} {shape:?}");
            if signature.results().len() < 2 {
                let trampoline = CTrampoline::with_shape(&signature, shape).unwrap();
                // SAFETY: likewise.
                thrown(|| unsafe { trampoline.call(c_callee as *const _, &mut slots) }.unwrap());
            }
        }
    }
}

#[test]
fn backtraces_cross_every_body() {
    #[inline(never)]
    extern "C-unwind" fn callee(seen: *mut VMOpaqueContext, _: *mut VMContext) {
        let backtrace = std::backtrace::Backtrace::force_capture().to_string();
        // SAFETY: the callee context is this flag.
        unsafe { *seen.cast::<bool>() = backtrace.contains("backtraces_cross_every_body") };
    }
    for shape in Shape::ALL {
        let trampoline = Trampoline::with_shape(&"()".parse().unwrap(), shape).unwrap();
        let mut seen = false;
        let context = (&raw mut seen).cast();
        // SAFETY: the signature of `callee`, whose context is the flag.
        unsafe { trampoline.call(context, null_mut(), callee as *const _, &mut []).unwrap() };
        assert!(seen, "{shape:?}");
    }
}
