//! Callers that the C compiler made, of host functions.

#![cfg(all(vmtrampoline_port, unix))]

mod common;

use std::{ffi::c_void, mem::transmute};

use common::{
    c::{Compiled, caller},
    c_cases::drawn,
    case::{Case, abi, signature, value},
    host_calls::EitherHost,
    native,
    recorder::{from_native, native},
    scalars,
};
use vmtrampoline::{ValType, private::Convention};

/// How many callers are compiled for a convention.
const CALLERS: usize = 500;

native! { type Caller = fn(*const c_void); }

/// Has caller `f{index}` call host functions of this case; says what was wrong.
fn check(case: &Case, library: &Compiled, index: usize) -> Result<(), String> {
    let f = library.symbol(&format!("f{index}")).cast::<c_void>();
    // SAFETY: this is how the text declares it.
    let f = unsafe { transmute::<*mut c_void, Caller>(f) };
    let signature = &case.signature;
    let contexts = case.layout().contexts().len();
    for shape in EitherHost::SHAPES {
        *library.values("results") = [[0xa5; 16]; 100];
        case.judged(shape, |given, code| {
            let params =
                scalars::params(signature).into_iter().zip(case.slots(scalars::slots(signature)));
            let params = params.map(|(ty, slot)| (ty, value(slot, ty)));
            let given = given[..contexts].iter().map(|&context| (ValType::I64, context as u128));
            for (to, (ty, value)) in library.values("arguments").iter_mut().zip(given.chain(params))
            {
                to[..scalars::size(ty)].copy_from_slice(&native(value, scalars::size(ty)));
            }
            f(code);
        })?;
        let results = case.results().into_iter().zip(scalars::results(signature));
        for (i, ((must, ty), is)) in results.zip(library.values("results")).enumerate() {
            let is = from_native(&is[..scalars::size(ty)]);
            if is != must {
                return Err(format!("{signature}, {shape:?}: result {i}: {is:#x}, not {must:#x}"));
            }
        }
    }
    Ok(())
}

/// The callers of these cases: `f0`, `f1`, …
fn compile(name: &str, cases: &[Case]) -> Compiled {
    let callers = cases.iter().enumerate();
    let callers = callers.map(|(i, case)| caller(i, case.convention, &case.signature));
    Compiled::new(name, &callers.collect::<Vec<_>>())
}

fn all(convention: Convention, results: usize) {
    let cases = drawn(convention, results, CALLERS);
    let library = compile(&format!("callers-{}", abi(convention)), &cases);
    for (i, case) in cases.iter().enumerate() {
        check(case, &library, i).unwrap();
    }
}

#[test]
fn vm_callers() {
    all(Convention::Vm, 6);
}

#[test]
fn c_callers() {
    all(Convention::C, 1);
}

/// A caller of another signature is found out. One float is not enough for that: to copy
/// an integer, C may use the very register.
#[test]
fn the_check_can_fail() {
    let case = |text: &str| Case::new(Convention::Vm, signature(Convention::Vm, text), 1);
    let called =
        ["(i64, f64, f32)", "(i64, i64, i64) -> i64", "(i32) -> (i64, i32, i64)"].map(case);
    let judged =
        ["(i64, f32, f64)", "(f64, f64, f64) -> i64", "(i32) -> (i64, f32, i32)"].map(case);
    let library = compile("other-callers", &called);
    for (i, case) in judged.iter().enumerate() {
        assert!(check(case, &library, i).is_err(), "{}", case.signature);
    }
}
