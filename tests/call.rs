//! Calls: every value where the layout says, in every shape.

#![cfg(vmtrampoline_port)]

mod common;

use std::{ffi::c_void, iter::repeat_n, ptr::null_mut};

use common::{
    c_cases::c_agrees,
    case::{Case, EitherTrampoline, Ground, Route, abi, cases, signature},
    every_path::{every_hidden_path, every_path},
    guard_pages::Edge,
    host_calls::every_host_path,
    leavable::{self, Exit},
    native, port,
    recorder::{Unused, checked},
    scalars,
    strategies::{passes, signatures},
};
use proptest::prelude::*;
use vmtrampoline::{
    CTrampoline, Error, Landing, Outcome, Signature, Trampoline, VMContext, VMOpaqueContext,
    ValRaw, ValType, ValueIndex, c_trampoline,
    private::{Convention, Shape},
    trampoline,
};

fn parse(text: &str) -> Signature {
    text.parse().expect(text)
}

/// Calls by this signature in every shape that can take it, and returns these.
#[track_caller]
fn check(convention: Convention, signature: &Signature) -> Vec<Shape> {
    Case::new(convention, signature.clone(), 3).check().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn vm_convention(case in cases(Convention::Vm, 14, 5)) {
        case.check().map_err(TestCaseError::fail)?;
    }

    #[test]
    fn vm_convention_large(case in cases(Convention::Vm, 60, 40)) {
        case.check().map_err(TestCaseError::fail)?;
    }

    #[test]
    fn c_convention(case in cases(Convention::C, 18, 1)) {
        case.check().map_err(TestCaseError::fail)?;
    }
}

/// Every list of up to two parameters by every list of up to two results.
#[test]
fn small_signatures() {
    for (convention, results) in [(Convention::Vm, 2), (Convention::C, 1)] {
        for signature in signatures(abi(convention), 2, results) {
            check(convention, &signature);
        }
    }
}

/// How much each body can do.
#[test]
fn shapes() {
    let shapes = |text: &str| check(Convention::Vm, &signature(Convention::Vm, text));
    assert_eq!(shapes("()"), [Shape::Bare, Shape::Variable]);
    assert_eq!(shapes("(i32) -> i32"), Shape::ALL[1..]);
    if passes(abi(Convention::Vm), ValType::V128) {
        assert_eq!(shapes("() -> v128"), Shape::ALL[if port::LEAVES_VECTORS { 1.. } else { 3.. }]);
    }
    assert_eq!(shapes("() -> (i32, i32)"), [Shape::Variable]);
    // Registers that the contexts leave over, and how many of them the short cut loads; stack
    // words that an i64 takes.
    let words = if cfg!(any(target_vendor = "apple", vmtrampoline_apple)) { 2 } else { 1 };
    let (registers, few) = (port::REGISTERS_LEFT, port::SHORT_CUT_LOADS);
    let shapes = |integers| {
        check(
            Convention::Vm,
            &Signature::new(repeat_n(ValType::I64, integers), ValType::NONE).unwrap(),
        )
    };
    assert_eq!(shapes(few), Shape::ALL[1..]);
    assert_eq!(shapes(registers), Shape::ALL[if few == registers { 1.. } else { 2.. }]);
    assert_eq!(shapes(registers + 1), Shape::ALL[2..]);
    assert_eq!(shapes(registers + 8 / words), Shape::ALL[2..]);
    assert_eq!(shapes(registers + 8 / words + 1), [Shape::Variable]);
}

#[test]
fn edge_cases() {
    for text in [
        "(i64, i64, i64) -> (i32, i64)",
        "(i64, i64, i64, i64) -> (i32, i64)",
        "(i64, i64, i64, i64, i64) -> (i32, i64, v128, f32)",
        "(v128, v128, v128, v128, v128, v128, v128, v128, i64, i64, i64, i64, i64, v128, i32)",
        "() -> (v128, i32, i32, f32, f64, i64, v128, i32)",
    ] {
        check(Convention::Vm, &signature(Convention::Vm, text));
    }
}

#[test]
fn a_thousand_values() {
    for ty in ValType::WASM {
        for (params, results) in [(1000, 0), (1000, 1), (0, 1000), (1000, 1000), (999, 2)] {
            let types = |n| repeat_n(ty, n);
            if passes(abi(Convention::Vm), ty) {
                let signature = Signature::new(types(params), types(results)).unwrap();
                check(Convention::Vm, &signature);
            }
        }
        if passes(abi(Convention::C), ty) {
            let signature = Signature::new(repeat_n(ty, 1000), [ty]).unwrap();
            check(Convention::C, &signature);
        }
    }
}

/// These are also the calls that ci/step.py steps through.
#[test]
fn every_path_is_a_call() {
    let ground = Ground::new();
    every_path(|case, trampoline, route| {
        case.call(&case.layout(), trampoline, route, Edge::End, &ground).unwrap();
        if let Route::Body = route {
            let route = Route::Leavable(leavable::address());
            case.call(&case.layout(), trampoline, route, Edge::End, &ground).unwrap();
        }
    });
    every_hidden_path().unwrap();
    leave_once();
    native! {
        unsafe fn host(
            _: *mut VMOpaqueContext,
            _: *mut VMContext,
            _: *mut ValRaw,
            _: usize,
        ) {
        }
    }
    every_host_path(host, |name, code, arguments| {
        for unused in Unused::BOTH {
            // SAFETY: the arguments of its signature; `host` ignores its slots.
            let left = unsafe { checked(code, &arguments, unused) };
            assert_eq!(left.lost, [""; 0], "{name}, {unused:?}");
        }
    });
}

/// Leaves a call, by `leave` and as a signal handler does.
fn leave_once() {
    let case = Case::new(Convention::Vm, parse("()"), 1);
    let trampoline = EitherTrampoline::new(Convention::Vm, &case.signature, Shape::Bare).unwrap();
    leavable::left(&case, &trampoline, leavable::address(), Exit::Landed).unwrap();
    native! {
        fn leaves(landing: *mut VMOpaqueContext, _: *mut VMContext) {
            // SAFETY: the landing of the call below.
            unsafe { (*landing.cast::<Landing>()).leave(1) }
        }
    }
    let landing = Landing::new();
    let (callee, caller) = ((&raw const landing).cast_mut().cast(), null_mut());
    // SAFETY: the callee leaves by its callee context.
    let outcome = unsafe {
        trampoline!(()).call_leavable(callee, caller, leaves as *const _, &mut [], &landing)
    };
    assert_eq!(outcome, Ok(Outcome::Left(1)));
}

/// The calls whose instructions ci/instructions counts: those of the signatures that the
/// environment names.
#[test]
fn counted() {
    let texts = std::env::var("COUNTED").unwrap_or_default();
    for text in texts.split_terminator(';') {
        let case = Case::new(Convention::Vm, parse(text), 1);
        let trampoline: &EitherTrampoline =
            &EitherTrampoline::all(Convention::Vm, &case.signature)[0];
        case.call(&case.layout(), trampoline, Route::Body, Edge::End, &Ground::new()).unwrap();
    }
}

/// Calls that are not what the layout says are found out.
#[test]
fn the_judge_can_say_no() {
    let found = |called: &str, judged: &str| {
        let case = Case::new(Convention::Vm, parse(judged), 3);
        let trampoline =
            EitherTrampoline::new(Convention::Vm, &parse(called), Shape::Bare).unwrap();
        let error =
            case.call(&case.layout(), &trampoline, Route::Method, Edge::End, &Ground::new());
        error.expect_err(called)
    };
    let contains = |text: String, part: &str| assert!(text.contains(part), "{text}");
    contains(found("(i64, f64)", "(f64, i64)"), "in ");
    contains(found("(i64, i64)", "(i64, i64, i64)"), "p2 in");
    contains(found("() -> i64", "() -> f64"), "slot 0 afterwards");
    contains(found("() -> i64", "() -> i32"), "slot 0 afterwards");
    contains(found("(i64, i64)", "(i64) -> (i64, i64)"), "return pointer");
}

#[test]
fn slots_beyond_the_needed_stay() {
    native! {
        fn seven(_: *mut VMOpaqueContext, _: *mut VMContext, x: i32) -> i32 {
            x + 7
        }
    }
    let trampoline = Trampoline::new(&parse("(i32) -> i32")).unwrap();
    let rest = ValRaw::v128(u128::MAX / 3);
    let mut slots = [ValRaw::i32(-8), rest, rest];
    // SAFETY: the signature of `seven`.
    unsafe { trampoline.call(null_mut(), null_mut(), seven as *const _, &mut slots).unwrap() };
    assert_eq!(slots[0].get_u64(), 0xffff_ffff);
    assert_eq!(slots[1..].iter().map(|s| s.get_v128()).collect::<Vec<_>>(), [u128::MAX / 3; 2]);
}

/// A small stack does for a trampoline of a short signature.
#[test]
fn making_one_takes_little_stack() {
    let make = || Trampoline::new(&parse("(i32) -> i32")).unwrap().clone();
    let thread = std::thread::Builder::new().stack_size(64 << 10).spawn(make).unwrap();
    assert_eq!(thread.join().unwrap().slots(), 1);
}

#[test]
fn too_few_slots_call_nothing() {
    let signature = parse("(i32) -> (i32, i32)");
    let trampoline = Trampoline::new(&signature).unwrap();
    assert_eq!(trampoline.slots(), 2);
    let error = Error::TooFewSlots { given: 1, needed: 2 };
    let mut slots = [ValRaw::i32(1)];
    // SAFETY: a null target is not called, as the slots are too few.
    let result = unsafe { trampoline.call(null_mut(), null_mut(), null_mut(), &mut slots) };
    assert_eq!(result, Err(error.clone()));
    assert_eq!(slots[0].get_u64(), 1);
    let trampoline = CTrampoline::new(&parse("(i32, i32)")).unwrap();
    // SAFETY: as above.
    assert_eq!(unsafe { trampoline.call(null_mut(), &mut slots) }, Err(error));
}

#[test]
fn a_vector_does_not_fit_eight_bytes() {
    if !passes(abi(Convention::Vm), ValType::V128) {
        return; // it does not fit the convention in the first place
    }
    let error = |text| Trampoline::<u64>::for_slots(&parse(text)).expect_err(text);
    assert_eq!(error("(i32, v128)"), Error::TypeNotInSlot { value: ValueIndex::Param(1) });
    assert_eq!(error("(i32) -> v128"), Error::TypeNotInSlot { value: ValueIndex::Result(0) });
    assert_eq!(
        error("() -> (i32, i64, v128)"),
        Error::TypeNotInSlot { value: ValueIndex::Result(2) }
    );
    // In C it takes two slots.
    let c = CTrampoline::<u64>::for_slots(&parse("(v128, i32)")).unwrap();
    assert_eq!([0, 1, 2].map(|i| c.argument(i)), [0, 2, 3]);
    let fits = "(i32, i64, f32, f64, funcref, externref) -> (f64, f32, i64, i32)";
    let small = Trampoline::<u64>::for_slots(&parse(fits)).unwrap();
    assert_eq!((small.signature(), small.slots()), (parse(fits), 6));
}

#[test]
fn no_slots_may_be_null() {
    native! { fn nothing() {} }
    for shape in Shape::ALL {
        let trampoline = CTrampoline::with_shape(&parse("()"), shape).unwrap();
        // SAFETY: the signature of `nothing`, which needs no slots.
        unsafe { trampoline.call_unchecked(nothing as *const c_void, null_mut()) };
        let trampoline = Trampoline::with_shape(&parse("()"), shape).unwrap();
        let target = nothing as *const _;
        // SAFETY: as above; it ignores the contexts.
        unsafe { trampoline.call_unchecked(null_mut(), null_mut(), target, null_mut()) };
    }
}

#[test]
fn constants_equal_what_is_made_at_run_time() {
    static VM: Trampoline =
        trampoline!((i32, f64, f32, i64, i64, i64, i64, i64) -> (i32, i64, f32));
    const C: CTrampoline = c_trampoline!((ptr, f32) -> f32);
    let vm = Trampoline::new(&VM.signature()).unwrap();
    let text = "(i32, f64, f32, i64, i64, i64, i64, i64) -> (i32, i64, f32)";
    assert_eq!(vm.signature(), parse(text));
    assert_eq!(vm, VM);
    assert_eq!(vm.clone(), VM.clone());
    assert_eq!(CTrampoline::new(&parse("(ptr, f32) -> f32")).unwrap(), C);
    assert_eq!(format!("{VM:?}"), format!("Trampoline({})", vm.signature()));
    assert_ne!(C, c_trampoline!((i64, f64) -> f32));
    assert_eq!(trampoline!((i32,) -> ()).signature(), parse("(i32)"));
}

/// Callees that rustc compiled: weighted sums, so that no two arguments can be
/// exchanged unnoticed.
macro_rules! rustc {
    ($($test:ident($($p:ident: $ty:ident),*) -> $r:ident;)*) => {$(
        #[test]
        fn $test() {
            fn sum(values: &[f64]) -> f64 {
                values.iter().enumerate().map(|(i, v)| v * (i + 1) as f64).sum()
            }
            native! { fn c($($p: $ty),*) -> $r {
                sum(&[$($p as f64),*]) as $r
            } }
            native! { fn vm(_: *mut VMOpaqueContext, _: *mut VMContext $(, $p: $ty)*) -> $r {
                c($($p),*)
            } }
            let signature = parse(concat!("(", $(stringify!($ty), ", ",)* "i32) -> ", stringify!($r)));
            // The text has one parameter more than the callees, for its commas.
            let params = &scalars::params(&signature)[..signature.params().len() - 1];
            let signature = Signature::new(params.to_vec(), scalars::results(&signature).to_vec()).unwrap();
            #[allow(unused_mut, unused_variables)] // there may be no parameter
            let mut next = 0;
            $(next += 3; let $p = next as $ty;)*
            let expected = c($($p),*);
            let arguments: Vec<ValRaw> = vec![$(ValRaw::from($p)),*];
            let agrees = c_agrees(&Case::new(Convention::Vm, signature.clone(), 0));
            for shape in Shape::ALL {
                if agrees {
                    let mut slots = arguments.clone();
                    slots.resize(arguments.len().max(1), ValRaw::default());
                    let trampoline = Trampoline::with_shape(&signature, shape).unwrap();
                    // SAFETY: the signature of `vm`, which ignores the contexts.
                    unsafe { trampoline.call(null_mut(), null_mut(), vm as *const _, &mut slots).unwrap() };
                    assert_eq!(slots[0].get_u64(), ValRaw::from(expected).get_u64());
                }
                let mut slots = arguments.clone();
                slots.resize(arguments.len().max(1), ValRaw::default());
                let trampoline = CTrampoline::with_shape(&signature, shape).unwrap();
                // SAFETY: the signature of `c`.
                unsafe { trampoline.call(c as *const c_void, &mut slots).unwrap() };
                assert_eq!(slots[0].get_u64(), ValRaw::from(expected).get_u64());
            }
        }
    )*};
}

rustc! {
    rustc_0() -> i32;
    rustc_0l() -> i64;
    rustc_0f() -> f32;
    rustc_0d() -> f64;
    rustc_i(a: i32) -> i32;
    rustc_l(a: i64) -> i64;
    rustc_f(a: f32) -> f32;
    rustc_d(a: f64) -> f64;
    rustc_ii(a: i32, b: i32) -> i32;
    rustc_il(a: i32, b: i64) -> i64;
    rustc_li(a: i64, b: i32) -> f64;
    rustc_fd(a: f32, b: f64) -> f64;
    rustc_df(a: f64, b: f32) -> f32;
    rustc_ilfd(a: i32, b: i64, c: f32, d: f64) -> f64;
    rustc_dfli(a: f64, b: f32, c: i64, d: i32) -> i64;
    rustc_l4(a: i64, b: i64, c: i64, d: i64) -> i64;
    rustc_l5(a: i64, b: i64, c: i64, d: i64, e: i64) -> i64;
    rustc_l6(a: i64, b: i64, c: i64, d: i64, e: i64, f: i64) -> i64;
    rustc_l7(a: i64, b: i64, c: i64, d: i64, e: i64, f: i64, g: i64) -> i64;
    rustc_i8(a: i32, b: i32, c: i32, d: i32, e: i32, f: i32, g: i32, h: i32) -> i32;
    rustc_d8(a: f64, b: f64, c: f64, d: f64, e: f64, f: f64, g: f64, h: f64) -> f64;
    rustc_f9(a: f32, b: f32, c: f32, d: f32, e: f32, f: f32, g: f32, h: f32, i: f32) -> f32;
    rustc_d3(a: f64, b: f64, c: f64) -> i32;
    rustc_d5(a: f64, b: f64, c: f64, d: f64, e: f64) -> i64;
    rustc_path_open(a: i32, b: i32, c: i32, d: i32, e: i32, f: i64, g: i64, h: i32, i: i32) -> i32;
    rustc_mixed(
        a: i32, b: f64, c: i64, d: f32, e: i32, f: f64, g: i64, h: f32,
        i: i32, j: f64, k: i64, l: f32, m: i32, n: f64, o: i64, p: f32
    ) -> i64;
    rustc_l14(
        a: i64, b: i64, c: i64, d: i64, e: i64, f: i64, g: i64,
        h: i64, i: i64, j: i64, k: i64, l: i64, m: i64, n: i64
    ) -> i64;
    rustc_d12(
        a: f64, b: f64, c: f64, d: f64, e: f64, f: f64, g: f64, h: f64, i: f64, j: f64, k: f64, l: f64
    ) -> f64;
}

/// Many results from rustc: a structure after the first, by hidden pointer.
#[test]
fn rustc_many_results() {
    #[repr(C)]
    struct Rest(i32, f64, i64);
    native! {
        fn divide(
            _: *mut VMOpaqueContext,
            _: *mut VMContext,
            n: i32,
            d: i32,
            rest: &mut Rest,
        ) -> i32 {
            *rest = Rest(n % d, f64::from(n) / f64::from(d), i64::from(n) << 32);
            n / d
        }
    }
    let trampoline = Trampoline::new(&parse("(i32, i32) -> (i32, i32, f64, i64)")).unwrap();
    let mut slots = [ValRaw::i32(-17), ValRaw::i32(5), ValRaw::default(), ValRaw::default()];
    // SAFETY: the signature of `divide`.
    unsafe { trampoline.call(null_mut(), null_mut(), divide as *const _, &mut slots).unwrap() };
    assert_eq!((slots[0].get_i32(), slots[1].get_i32()), (-3, -2));
    assert_eq!(slots[2].get_f64(), -3.4);
    assert_eq!(slots[3].get_i64(), -17 << 32);
}
