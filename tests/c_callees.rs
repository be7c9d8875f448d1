//! Callees that the C compiler made.

#![cfg(all(vmtrampoline_port, unix))]

mod common;

use std::ffi::c_void;

use common::{
    c::{Compiled, callee},
    c_cases::drawn,
    case::{Case, EitherTrampoline, abi, value},
    recorder::{from_native, native},
    scalars,
};
use vmtrampoline::{ValRaw, ValType, private::Convention};

/// How many callees are compiled for a convention.
const CALLEES: usize = 500;

/// The callees of these cases: `f0`, `f1`, …
fn compile(name: &str, cases: &[Case]) -> Compiled {
    let callees = cases.iter().enumerate();
    let callees = callees.map(|(i, case)| callee(i, case.convention, &case.signature));
    Compiled::new(name, &callees.collect::<Vec<_>>())
}

/// Calls callee `f{index}` in every shape; says what was wrong.
fn check(case: &Case, library: &Compiled, index: usize) -> Result<(), String> {
    let target = library.symbol(&format!("f{index}")).cast::<c_void>();
    let signature = &case.signature;
    for ((to, result), ty) in
        library.values("results").iter_mut().zip(case.results()).zip(scalars::results(signature))
    {
        to[..scalars::size(ty)].copy_from_slice(&native(result, scalars::size(ty)));
    }

    let slots = case.slots(scalars::slots(signature));
    let contexts = case.contexts().map(|context| (ValType::I64, context as u128));
    let params =
        scalars::params(signature).into_iter().zip(&slots).map(|(ty, &slot)| (ty, value(slot, ty)));
    let contexts = &contexts[..case.layout().contexts().len()];
    let expected: Vec<_> = contexts.iter().copied().chain(params).collect();
    for trampoline in EitherTrampoline::all(case.convention, signature) {
        let wrong = |what: &str| {
            Err(format!("{signature}, {:?}, {:?}: {what}", case.convention, trampoline.shape()))
        };
        *library.values("arguments") = [[0xa5; 16]; 100];
        let mut slots: Vec<_> = slots.iter().copied().map(ValRaw::v128).collect();
        // SAFETY: the callee is of this signature.
        unsafe { trampoline.call(case.contexts(), target, &mut slots) }.expect("enough slots");
        for (i, (&(ty, must), found)) in
            expected.iter().zip(library.values("arguments")).enumerate()
        {
            let is = from_native(&found[..scalars::size(ty)]);
            if is != must {
                return wrong(&format!("argument {i}: {is:#x}, not {must:#x}"));
            }
        }
        for (i, (slot, must)) in slots.iter().zip(case.slots_after(slots.len())).enumerate() {
            let is = slot.get_v128();
            if is != must {
                return wrong(&format!("slot {i} afterwards: {is:#x}, not {must:#x}"));
            }
        }
    }
    Ok(())
}

fn all(convention: Convention, results: usize) {
    let cases = drawn(convention, results, CALLEES);
    let library = compile(&format!("callees-{}", abi(convention)), &cases);
    for (i, case) in cases.iter().enumerate() {
        check(case, &library, i).unwrap();
    }
}

#[test]
fn vm_callees() {
    all(Convention::Vm, 6);
}

#[test]
fn c_callees() {
    all(Convention::C, 1);
}

/// A callee of another signature is found out.
#[test]
fn the_check_can_fail() {
    let case = |text: &str| Case::new(Convention::Vm, text.parse().unwrap(), 1);
    let called = ["(i64, f64, f32)", "() -> i64", "(i32) -> (i64, i32, i64)"].map(case);
    let judged = ["(i64, f32, f64)", "() -> f64", "(i32) -> (i64, i64, i64)"].map(case);
    let library = compile("other", &called);
    for (i, case) in judged.iter().enumerate() {
        assert!(check(case, &library, i).is_err(), "{}", case.signature);
    }
}
