//! Panics and backtraces through every body.

#![cfg(vmtrampoline_port)]

mod common;

use std::ptr::null_mut;

use common::{
    case::signature,
    native,
    panics::{throw, thrown},
};
use vmtrampoline::{
    CTrampoline, Trampoline, VMContext, VMOpaqueContext, ValRaw,
    private::{Convention, Shape},
};

native! {
    fn c_callee() {
        throw();
    }
}

native! {
    fn vm_callee(_: *mut VMOpaqueContext, _: *mut VMContext) {
        c_callee();
    }
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

#[test]
fn panics_cross_every_body() {
    let slot = ValRaw::v128(0x1234_5678_9abc_def0 << 40);
    for text in SIGNATURES {
        let vm = signature(Convention::Vm, text);
        let c = signature(Convention::C, text);
        for shape in Shape::ALL {
            let name = format!("{text} {shape:?}");
            let mut slots = [slot; 16];
            let trampoline = Trampoline::with_shape(&vm, shape).unwrap();
            thrown(&name, || {
                // SAFETY: the callee takes no notice of its parameters, never
                // returns a result, and is a C-unwind function.
                unsafe {
                    trampoline.call(null_mut(), null_mut(), vm_callee as *const _, &mut slots)
                }
                .unwrap();
            });
            assert!(slots.iter().all(|s| s.get_v128() == slot.get_v128()), "{name}");
            if c.results().len() < 2 {
                let trampoline = CTrampoline::with_shape(&c, shape).unwrap();
                thrown(&name, || {
                    // SAFETY: as above.
                    unsafe { trampoline.call(c_callee as *const _, &mut slots) }.unwrap()
                });
            }
        }
    }
}

/// Calls of plain C that Rust prepares: variadic functions, and results in several
/// registers, in memory and in x87 registers.
const PREPARED: [&str; 10] = [
    "(...)",
    "(ptr, ...f64) -> i32",
    "(f64, ...i64, i64, i64, i64, i64, i64, i64, i64, f64)",
    "(v128, ...f64) -> {i64, f64}",
    "() -> {f64, f64}",
    "({i64, i64}) -> {[i64; 3]}",
    "(i64, i64, i64, i64, i64, i64, i64, i64, i64, {[i64; 3]}) -> {[i64; 3]}",
    "(i64) -> longdouble",
    "(longdouble) -> clongdouble",
    "(i64, ...f64, longdouble) -> longdouble",
];

#[test]
fn panics_cross_calls_that_are_prepared() {
    let slot = ValRaw::v128(0x1234_5678_9abc_def0 << 40);
    for text in PREPARED {
        let signature = text.parse().unwrap();
        for shape in Shape::ALL {
            let name = format!("{text} {shape:?}");
            let Ok(trampoline) = CTrampoline::with_shape(&signature, shape) else {
                assert!(cfg!(target_arch = "riscv64") && text.contains("v128"), "{name}");
                continue;
            };
            let mut slots = vec![slot; trampoline.slots()];
            thrown(&name, || {
                // SAFETY: the callee takes no notice of its parameters, and never returns.
                unsafe { trampoline.call(c_callee as *const _, &mut slots) }.unwrap()
            });
            // Arguments stay, whatever becomes of scratch slots.
            let values = trampoline.argument(signature.params().len());
            assert!(slots[..values].iter().all(|s| s.get_v128() == slot.get_v128()), "{name}");
        }
    }
}

#[test]
fn backtraces_cross_calls_that_are_prepared() {
    thread_local! {
        static SEEN: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    }
    native! {
        #[inline(never)]
        fn callee() {
            let backtrace = std::backtrace::Backtrace::force_capture().to_string();
            SEEN.set(backtrace.contains("backtraces_cross_calls_that_are_prepared"));
        }
    }
    for text in ["(...)", "() -> {[i64; 3]}", "() -> {f64, f64}"] {
        for shape in Shape::ALL {
            let trampoline = CTrampoline::with_shape(&text.parse().unwrap(), shape).unwrap();
            let mut slots = vec![ValRaw::default(); trampoline.slots()];
            SEEN.set(false);
            // SAFETY: any bytes are a result.
            unsafe { trampoline.call(callee as *const _, &mut slots).unwrap() };
            assert!(SEEN.get(), "{text} {shape:?}");
        }
    }
}

#[test]
fn backtraces_cross_every_body() {
    native! {
        #[inline(never)]
        fn callee(seen: *mut VMOpaqueContext, _: *mut VMContext) {
            let backtrace = std::backtrace::Backtrace::force_capture().to_string();
            // SAFETY: the callee context is this flag.
            unsafe { *seen.cast::<bool>() = backtrace.contains("backtraces_cross_every_body") };
        }
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

/// What the unwinder makes of a body's frame, where it is one that goes by DWARF.
#[cfg(unix)]
mod frames {
    use std::{
        ffi::{c_int, c_void},
        ptr::null_mut,
    };

    use vmtrampoline::{Trampoline, VMContext, VMOpaqueContext, ValRaw, private::Shape};

    use crate::common::{native, port};

    /// A frame as the unwinder sees it: its stack pointer and frame pointer.
    type Frame = (usize, usize);

    unsafe extern "C" {
        fn _Unwind_Backtrace(
            visit: extern "C" fn(*mut c_void, *mut c_void) -> c_int,
            frames: *mut c_void,
        ) -> c_int;
        fn _Unwind_GetGR(context: *mut c_void, register: c_int) -> usize;
        fn _Unwind_GetCFA(context: *mut c_void) -> usize;
    }

    extern "C" fn visit(context: *mut c_void, frames: *mut c_void) -> c_int {
        // SAFETY: the unwinder's own context.
        let frame =
            unsafe { (_Unwind_GetCFA(context), _Unwind_GetGR(context, port::FRAME_POINTER)) };
        // SAFETY: the vector that `callee` passes.
        unsafe { &mut *frames.cast::<Vec<Frame>>() }.push(frame);
        0
    }

    /// The unwinder finds the caller's frame pointer where a body with a frame has saved it,
    /// and the caller's stack pointer above the return address.
    #[test]
    fn the_unwinder_restores_the_callers_frame_pointer() {
        native! {
            #[inline(never)]
            fn callee(frames: *mut VMOpaqueContext, _: *mut VMContext) {
                const END_OF_STACK: c_int = 5;
                // SAFETY: the callee context is the vector.
                let end = unsafe { _Unwind_Backtrace(visit, frames.cast()) };
                assert_eq!(end, END_OF_STACK); // and no tail call
            }
        }
        for shape in [Shape::Fixed, Shape::Variable] {
            let trampoline = Trampoline::with_shape(&"(i32)".parse().unwrap(), shape).unwrap();
            assert_eq!(trampoline.shape(), shape);
            let mut frames: Vec<Frame> = Vec::new();
            let context = (&raw mut frames).cast();
            let mut slots = [ValRaw::default()];
            // SAFETY: `callee` ignores its parameter; its context is the vector.
            unsafe {
                trampoline.call(context, null_mut(), callee as *const _, &mut slots).unwrap()
            };
            // As the unwinder counts: the callee's frame, the body's, its caller's.
            let [_, (_, record), (stack, pointer), ..] = frames[..] else { panic!("{frames:x?}") };
            let above = port::ABOVE_FRAME_POINTER;
            assert_eq!(stack, record + above, "{shape:?}: the caller's stack pointer");
            assert_ne!(pointer, record, "{shape:?}: not the body's own, {frames:x?}");
        }
    }
}
