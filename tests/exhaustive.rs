//! Every signature of up to eight parameters and two results, in every shape
//! that can take it.

#![cfg(vmtrampoline_port)]

mod common;

use std::time::Instant;

use common::{
    case::{Bytes, Case, Ground, Route, Subject, abi},
    guarded::Edge,
};
use vmtrampoline::{
    Layout, Signature, ValType,
    private::{Convention, Shape},
};

/// References are integers like any other.
const KINDS: [ValType; 5] = [ValType::I32, ValType::I64, ValType::F32, ValType::F64, ValType::V128];

/// Every list of up to `most` of the kinds, shortest first.
fn lists(most: u32) -> impl Iterator<Item = Vec<ValType>> {
    (0..=most).flat_map(|len| {
        (0..5usize.pow(len))
            .map(move |n| (0..len).map(|i| KINDS[n / 5usize.pow(i) % 5]).collect::<Vec<_>>())
    })
}

/// Calls by these, and counts the calls by shape.
fn call<S: Bytes>(
    case: &Case,
    subjects: &[Subject<S>],
    edge: Edge,
    ground: &Ground,
    calls: &mut [u64],
) {
    let layout = case.layout();
    for subject in subjects {
        if let Err(error) = case.call(&layout, subject, Route::Body, edge, ground) {
            panic!("{error}");
        }
        calls[subject.shape() as usize] += 1;
    }
}

fn run(convention: Convention, most: u32) {
    let (start, ground) = (Instant::now(), Ground::new());
    let (mut signatures, mut calls) = (0u64, [0u64; Shape::ALL.len()]);
    for results in lists(2) {
        for params in lists(most) {
            let signature = Signature::new(params, results.iter().copied()).unwrap();
            if Layout::new(&signature, abi(convention)).is_err() {
                continue; // a type or number of results that the convention lacks
            }
            signatures += 1;
            let case = Case::new(convention, signature, signatures);
            let edge = Edge::BOTH[signatures as usize % 2];
            call(&case, &Subject::all(convention, &case.signature), edge, &ground, &mut calls);
            call(&case, &Subject::small(convention, &case.signature), edge, &ground, &mut calls);
        }
    }
    println!(
        "{convention:?}: {signatures} signatures, {} calls {calls:?} in {:.0} s",
        calls.iter().sum::<u64>(),
        start.elapsed().as_secs_f64()
    );
}

#[test]
fn up_to_three_parameters() {
    run(Convention::Vm, 3);
    run(Convention::C, 3);
}

/// Each of these is noticed if its parameters are handed over in reverse order.
#[test]
fn the_judge_can_say_no() {
    let (ground, mut wrong) = (Ground::new(), 0);
    for params in lists(3) {
        let integers = params.iter().map(|ty| matches!(ty, ValType::I32 | ValType::I64));
        // On Windows the second of two registers decides: the first may hold its copy
        // of slot 0, and a third parameter is on the stack.
        let hidden = cfg!(vmtrampoline_windows) && params.len() != 2;
        if hidden || integers.clone().eq(integers.rev()) {
            continue; // the same bytes in the same registers, perhaps
        }
        let signature = |params| Signature::new(params, []).unwrap();
        let reversed = signature(params.iter().copied().rev().collect::<Vec<_>>());
        let Ok(layout) = Layout::new(&signature(params.clone()), abi(Convention::Vm)) else {
            continue; // a type that the convention lacks
        };
        let case = Case::new(Convention::Vm, signature(params), 1);
        for subject in Subject::all(Convention::Vm, &reversed) {
            let verdict = case.call(&layout, &subject, Route::Body, Edge::End, &ground);
            assert!(verdict.is_err(), "{reversed} as {}", case.signature);
            wrong += 1;
        }
    }
    println!("{wrong} wrong calls, all noticed");
}

#[test]
#[ignore = "thirty million calls: a minute or two in release mode"]
fn up_to_eight_parameters() {
    run(Convention::Vm, 8);
    run(Convention::C, 8);
}
