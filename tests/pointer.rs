//! Function pointers made at run time: called like a trampoline, and interned.

#![cfg(vmtrampoline_port)]

mod common;

use std::iter::repeat_n;

use common::{
    case::{Case, EitherTrampoline, Ground, Route, abi, cases, signature},
    guard_pages::Edge,
    strategies::passes,
};
use proptest::prelude::*;
use vmtrampoline::{Signature, Trampoline, VMTrampoline, ValType, private::Convention};

fn trampoline(text: &str) -> Trampoline {
    Trampoline::new(&text.parse().expect(text)).unwrap()
}

fn pointer(text: &str) -> VMTrampoline {
    trampoline(text).pointer().unwrap()
}

/// `(i64)` and `(funcref)` move the same bytes; an `i32` result is not an `i64`.
#[test]
fn one_pointer_for_signatures_that_move_the_same_bytes() {
    assert!(std::ptr::fn_addr_eq(pointer("(i64)"), pointer("(i64)")));
    assert!(std::ptr::fn_addr_eq(pointer("(i64)"), pointer("(funcref)")));
    assert!(std::ptr::fn_addr_eq(pointer("() -> externref"), pointer("() -> i64")));
    for (one, other) in [
        ("()", "(i64)"),
        ("() -> i32", "() -> i64"),
        ("(i64, f64)", "(f64, i64)"),
        ("(i64, i64)", "(i64) -> i64"),
    ] {
        assert!(!std::ptr::fn_addr_eq(pointer(one), pointer(other)), "{one}, {other}");
    }
    let trampoline = trampoline("(i64)");
    assert_eq!(
        trampoline.pointer().unwrap() as usize,
        trampoline.pointer_unwind().unwrap() as usize
    );
}

/// Calls by function pointers of every shape that can take the signature, with
/// the slots at both edges of the memory.
fn check(case: &Case) -> Result<(), String> {
    let (layout, ground) = (case.layout(), Ground::new());
    for trampoline in EitherTrampoline::all(Convention::Vm, &case.signature) {
        let EitherTrampoline::Vm(vm) = &trampoline else { unreachable!("that was the convention") };
        let route = Route::Pointer(vm.pointer().unwrap());
        for edge in Edge::BOTH {
            case.call(&layout, &trampoline, route, edge, &ground)?;
        }
    }
    Ok(())
}

proptest! {
    // Every signature takes as many thunks as it has shapes.
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn short_signatures(case in cases(Convention::Vm, 6, 1)) {
        check(&case).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn long_signatures(case in cases(Convention::Vm, 30, 8)) {
        check(&case).map_err(TestCaseError::fail)?;
    }
}

#[test]
fn edge_cases() {
    let check = |signature| check(&Case::new(Convention::Vm, signature, 3)).unwrap();
    for text in [
        "()",
        "() -> i32",
        "() -> f32",
        "() -> v128",
        "(i32)",
        "(i64, i64, i64, i64) -> (i32, i64)",
        "(v128, i64, i64, i64, i64, i64, v128, i32) -> f64",
        "(i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64) -> f32",
    ] {
        check(signature(Convention::Vm, text));
    }
    for ty in ValType::WASM.into_iter().filter(|ty| passes(abi(Convention::Vm), *ty)) {
        check(Signature::new(repeat_n(ty, 1000), repeat_n(ty, 1000)).unwrap());
    }
}
