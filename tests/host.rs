//! Native code calls the host: every value from where the layout says, by every
//! function of the assembly for this, in both conventions.

#![cfg(vmtrampoline_port)]

mod common;

use std::{
    cell::Cell,
    ffi::c_void,
    iter::repeat_n,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    ptr::null_mut,
    sync::atomic::{AtomicUsize, Ordering},
};

use common::{
    case::{Case, abi, cases, signature},
    every_path::wide,
    host_calls::{EitherHost, kept},
    native,
    recorder::{Unused, checked, record},
    scalars,
    strategies::{passes, signatures},
};
use proptest::prelude::*;
use vmtrampoline::{
    ArrayCall, Error, HostFunc, Layout, Signature, Trampoline, VMContext, VMOpaqueContext, ValRaw,
    ValType,
    private::{Convention, Shape},
};

fn parse(text: &str) -> Signature {
    text.parse().expect(text)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn vm_convention(case in cases(Convention::Vm, 14, 5)) {
        case.round_trips().map_err(TestCaseError::fail)?;
    }

    #[test]
    fn vm_convention_large(case in cases(Convention::Vm, 60, 40)) {
        case.round_trips().map_err(TestCaseError::fail)?;
    }

    #[test]
    fn c_convention(case in cases(Convention::C, 18, 1)) {
        case.round_trips().map_err(TestCaseError::fail)?;
    }
}

/// Every list of up to three parameters by every list of up to two results.
#[test]
fn small_signatures() {
    for (convention, results) in [(Convention::Vm, 2), (Convention::C, 1)] {
        for signature in signatures(abi(convention), 3, results) {
            Case::new(convention, signature, 7).round_trips().unwrap();
        }
    }
}

/// Only integers, and only floats, up to where the small frame ends and beyond.
#[test]
fn values_of_one_class() {
    for ty in ValType::WASM {
        for params in 0..24 {
            for results in [&[][..], &[ValType::I32], &[ValType::F64], &[ValType::V128]] {
                let signature =
                    Signature::new(repeat_n(ty, params), results.iter().copied()).unwrap();
                for convention in [Convention::Vm, Convention::C] {
                    // Windows' C has vectors by reference, which callbacks do not take.
                    let mut types =
                        scalars::params(&signature).into_iter().chain(results.iter().copied());
                    let passed = types.all(|ty| passes(abi(convention), ty));
                    if passed && Layout::new(&signature, abi(convention)).is_ok() {
                        Case::new(convention, signature.clone(), 5).round_trips().unwrap();
                    }
                }
            }
        }
    }
}

#[test]
fn a_thousand_values() {
    for ty in ValType::WASM {
        for (params, results) in [(1000, 0), (1000, 1), (0, 1000), (1000, 1000), (999, 2)] {
            let types = |n| repeat_n(ty, n);
            let signature = Signature::new(types(params), types(results)).unwrap();
            if passes(abi(Convention::Vm), ty) {
                Case::new(Convention::Vm, signature, 9).round_trips().unwrap();
            }
        }
        let signature = Signature::new(repeat_n(ty, 1000), [ty]).unwrap();
        if passes(abi(Convention::C), ty) {
            Case::new(Convention::C, signature, 9).round_trips().unwrap();
        }
    }
}

/// A host function of another signature is found out.
#[test]
fn the_judge_can_say_no() {
    let found = |called: &str, judged: &str| {
        let case = Case::new(Convention::Vm, parse(judged), 3);
        let trampoline = Trampoline::new(&parse(called)).unwrap();
        let mut slots = [ValRaw::i64(-1); 8];
        case.judged(Shape::Bare, |[callee, caller], code| {
            // SAFETY: a wrong signature, but one with room for all results.
            let called =
                unsafe { trampoline.call(callee as _, caller as _, code.cast(), &mut slots) };
            called.unwrap();
        })
        .expect_err(called)
    };
    let contains = |text: String, part: &str| assert!(text.contains(part), "{text}");
    contains(found("(i64, f64)", "(f64, i64)"), "parameter 0");
    contains(found("(i64)", "(i64)"), "parameter 0");
    contains(found("(i32, i64)", "(i64, i32)"), "parameter 1");
    let case = Case::new(Convention::Vm, parse("()"), 3);
    contains(case.judged(Shape::Bare, |_, _| {}).unwrap_err(), "called 0 times");
}

#[test]
fn the_abi_is_kept() {
    for shape in EitherHost::SHAPES {
        for text in [
            "()",
            "(i64) -> i64",
            "(i64, i64) -> i32",
            "(i64, i64, i64) -> i64",
            "(i64, i64, i64, i64) -> i64",
            "(i64) -> f64",
            "(i64, i64) -> (i64, i64)",
            "(i64, i64) -> (f32, i32)",
            "(i64, i64, i64) -> (i64, i32, i64)",
            "(i64, i64, i64) -> (i64, i64, f32)",
            "(i64, i64, i64) -> (f64, i32, v128)",
        ] {
            kept(Convention::Vm, text, shape, None).unwrap();
        }
        keeps_wide(&wide(), shape);
        for text in ["()", "(i64) -> i64", "(i64, i64) -> f64", "(i64, i64, i64, i64, i64) -> i32"]
        {
            kept(Convention::C, text, shape, None).unwrap();
        }
    }
}

/// Results that have no parameter to come from.
fn keeps_wide(text: &str, shape: Shape) {
    let case = Case::new(Convention::Vm, signature(Convention::Vm, text), 1);
    let given = Layout::new(&parse("(i64, i64, i64, i64)"), abi(Convention::C)).unwrap();
    let area = vec![0u128; case.signature.results().len()];
    for unused in Unused::BOTH {
        let mut left = None;
        record(&given, &[], |recorder| {
            // SAFETY: the recorder fits every signature; it never uses its data.
            let function = unsafe { std::mem::transmute::<*const c_void, ArrayCall>(recorder) };
            // SAFETY: as above.
            let host = unsafe {
                EitherHost::raw(Convention::Vm, &case.signature, shape, function, null_mut())
            };
            let arguments = [host.context() as usize, 0, area.as_ptr() as usize];
            // SAFETY: no parameters, and a return area that is large enough.
            left = Some(unsafe { checked(host.code(), &arguments, unused) });
        });
        assert_eq!(left.unwrap().lost, [""; 0]);
    }
}

#[test]
fn the_context_begins_as_wasmtimes() {
    let host = HostFunc::new(&parse("()"), |_, _| ()).unwrap();
    let context = host.context();
    // SAFETY: the context is alive and at least this long.
    let (magic, code) = unsafe { (*context.cast::<u32>(), *context.cast::<usize>().add(1)) };
    assert_eq!((&magic.to_le_bytes(), code), (b"host", host.code() as usize));
}

#[test]
fn many_closures_have_one_signature() {
    let signature = parse("(i32) -> i32");
    let trampoline = Trampoline::new(&signature).unwrap();
    let add = |n: i32| {
        let closure = move |_: *mut VMContext, slots: &mut [ValRaw]| {
            slots[0] = ValRaw::i32(slots[0].get_i32() + n);
        };
        HostFunc::new(&signature, closure).unwrap()
    };
    let hosts: Vec<_> = (0..10_000).map(add).collect();
    for (i, host) in hosts.iter().enumerate() {
        let mut slots = [ValRaw::i32(100)];
        // SAFETY: the host function's signature.
        unsafe { trampoline.call(host.context(), null_mut(), host.code(), &mut slots).unwrap() };
        assert_eq!(slots[0].get_i32(), 100 + i as i32);
    }
    let codes: std::collections::HashSet<_> = hosts.iter().map(HostFunc::code).collect();
    assert_eq!(codes.len(), 1);
}

/// A closure that is called again while it runs, by native code that it calls.
#[test]
fn closures_may_be_reentered() {
    thread_local! { static SELF: Cell<(usize, usize)> = const { Cell::new((0, 0)) } }
    let signature = parse("(i64) -> i64");
    let trampoline = Trampoline::new(&signature).unwrap();
    let call = |n: i64| {
        let (context, code) = SELF.get();
        let mut slots = [ValRaw::i64(n)];
        // SAFETY: the code and context of the host function below, which lives.
        let called =
            unsafe { trampoline.call(context as *mut _, null_mut(), code as *const _, &mut slots) };
        called.unwrap();
        slots[0].get_i64()
    };
    let fibonacci = HostFunc::new(&signature, |_, slots| {
        let n = slots[0].get_i64();
        slots[0] = ValRaw::i64(if n < 2 { n } else { call(n - 1) + call(n - 2) });
    })
    .unwrap();
    SELF.set((fibonacci.context() as usize, fibonacci.code() as usize));
    assert_eq!(call(20), 6765);
}

#[test]
fn threads_share_a_closure() {
    let calls = AtomicUsize::new(0);
    let signature = parse("(i32, f64) -> f64");
    let host = HostFunc::new(&signature, |_, slots| {
        calls.fetch_add(1, Ordering::Relaxed);
        slots[0] = ValRaw::from(f64::from(slots[0].get_i32()) * slots[1].get_f64());
    })
    .unwrap();
    std::thread::scope(|scope| {
        for n in 0..4 {
            let host = host.clone();
            let trampoline = Trampoline::new(&signature).unwrap();
            scope.spawn(move || {
                for _ in 0..1000 {
                    let mut slots = [ValRaw::i32(n), ValRaw::from(0.5)];
                    let (code, context) = (host.code(), host.context());
                    // SAFETY: the host function's signature.
                    unsafe { trampoline.call(context, null_mut(), code, &mut slots).unwrap() };
                    assert_eq!(slots[0].get_f64(), f64::from(n) * 0.5);
                }
            });
        }
    });
    assert_eq!(calls.load(Ordering::Relaxed), 4000);
}

#[test]
fn dropping_frees_the_closure() {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    struct Counted;
    impl Drop for Counted {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }
    let counted = Counted;
    let host = HostFunc::new(&parse("()"), move |_, _| _ = &counted).unwrap();
    let clone = host.clone();
    assert_eq!(clone.context(), host.context());
    drop(host);
    assert_eq!(DROPPED.load(Ordering::Relaxed), 0);
    drop(clone);
    assert_eq!(DROPPED.load(Ordering::Relaxed), 1);
}

/// A panic crosses every entry and the trampoline above it, and what is on the way
/// is dropped.
#[test]
fn panics_cross_every_entry() {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    struct Counted;
    impl Drop for Counted {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }
    native! {
        unsafe fn throw(
            _: *mut VMOpaqueContext,
            _: *mut VMContext,
            _: *mut ValRaw,
            _: usize,
        ) {
            let _counted = Counted;
            // No hook: its message would only be noise.
            resume_unwind(Box::new("thrown"));
        }
    }
    for text in common::every_path::HOST_SIGNATURES {
        let signature = signature(Convention::Vm, text);
        let trampoline = Trampoline::new(&signature).unwrap();
        for shape in EitherHost::SHAPES {
            // SAFETY: `throw` fits every signature.
            let host =
                unsafe { HostFunc::with_shape(&signature, shape, throw, null_mut()).unwrap() };
            let mut slots = vec![ValRaw::i64(7); scalars::slots(&signature)];
            let before = DROPPED.load(Ordering::Relaxed);
            let caught = catch_unwind(AssertUnwindSafe(|| {
                let _counted = Counted;
                let (code, context) = (host.code(), host.context());
                // SAFETY: the host function's signature.
                unsafe { trampoline.call(context, null_mut(), code, &mut slots).unwrap() };
            }));
            assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "thrown", "{text}");
            assert_eq!(DROPPED.load(Ordering::Relaxed), before + 2, "{text}");
            assert!(slots.iter().all(|slot| slot.get_u64() == 7), "{text}");
        }
    }
}

#[test]
fn a_closures_panic_arrives() {
    let signature = parse("(i32) -> i32");
    let host =
        HostFunc::new(&signature, |_, slots| resume_unwind(Box::new(slots[0].get_i32()))).unwrap();
    let mut slots = [ValRaw::i32(42)];
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let trampoline = Trampoline::new(&signature).unwrap();
        // SAFETY: the host function's signature.
        unsafe { trampoline.call(host.context(), null_mut(), host.code(), &mut slots) }
    }));
    assert_eq!(*caught.unwrap_err().downcast::<i32>().unwrap(), 42);
}

#[test]
fn errors_are_values() {
    let wide = Signature::new(ValType::NONE, [ValType::I32; 2]).unwrap();
    let error = vmtrampoline::Callback::new(&wide, |_| ()).unwrap_err();
    assert!(matches!(error, Error::ResultsNotInAbi { results: 2, limit: 1, .. }), "{error}");
}
