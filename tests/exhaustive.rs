//! Every signature of up to eight parameters and two results, in every shape
//! that can take it. With a number in the environment variable SAMPLE, one in so many of
//! those of up to eight parameters.

#![cfg(vmtrampoline_port)]

mod common;

use std::{env, time::Instant};

use common::{
    case::{Case, EitherTrampoline, Ground, Route, SlotBits, abi},
    guard_pages::Edge,
    scalars,
    strategies::signatures,
};
use vmtrampoline::{
    Signature, ValType,
    private::{Convention, Shape},
};

/// Calls by these, and counts the calls by shape.
fn call<S: SlotBits>(
    case: &Case,
    trampolines: &[EitherTrampoline<S>],
    edge: Edge,
    ground: &Ground,
    calls: &mut [u64],
) {
    let layout = case.layout();
    for trampoline in trampolines {
        if let Err(error) = case.call(&layout, trampoline, Route::Body, edge, ground) {
            panic!("{error}");
        }
        calls[trampoline.shape() as usize] += 1;
    }
}

/// With one in so many signatures.
fn run(convention: Convention, most: u32, sample: usize) {
    let (start, ground) = (Instant::now(), Ground::new());
    let (mut count, mut calls) = (0u64, [0u64; Shape::ALL.len()]);
    let results = if convention == Convention::C { 1 } else { 2 };
    for signature in signatures(abi(convention), most, results).step_by(sample) {
        count += 1;
        let case = Case::new(convention, signature, count);
        let edge = Edge::BOTH[count as usize % 2];
        call(&case, &EitherTrampoline::all(convention, &case.signature), edge, &ground, &mut calls);
        call(
            &case,
            &EitherTrampoline::small(convention, &case.signature),
            edge,
            &ground,
            &mut calls,
        );
    }
    println!(
        "{convention:?}: {count} signatures, {} calls {calls:?}, one signature in {sample}, in {:.0} s",
        calls.iter().sum::<u64>(),
        start.elapsed().as_secs_f64()
    );
}

#[test]
fn up_to_three_parameters() {
    run(Convention::Vm, 3, 1);
    run(Convention::C, 3, 1);
}

/// Each of these is noticed if its parameters are handed over in reverse order.
#[test]
fn the_judge_can_say_no() {
    let (ground, mut wrong) = (Ground::new(), 0);
    for signature in signatures(abi(Convention::Vm), 3, 0) {
        let params = scalars::params(&signature);
        let integers = |ty: &ValType| matches!(ty, ValType::I32 | ValType::I64);
        let integers = params.iter().map(integers);
        // On Windows the second of two registers decides: the first may hold its copy
        // of slot 0, and a third parameter is on the stack.
        let hidden = cfg!(vmtrampoline_windows) && integers.len() != 2;
        if hidden || integers.clone().eq(integers.rev()) {
            continue; // the same bytes in the same registers, perhaps
        }
        let reversed = params.iter().rev().copied().collect::<Vec<_>>();
        let reversed = Signature::new(reversed, ValType::NONE).unwrap();
        let case = Case::new(Convention::Vm, signature, 1);
        for trampoline in EitherTrampoline::all(Convention::Vm, &reversed) {
            let verdict = case.call(&case.layout(), &trampoline, Route::Body, Edge::End, &ground);
            assert!(verdict.is_err(), "{reversed} as {}", case.signature);
            wrong += 1;
        }
    }
    assert_ne!(wrong, 0);
    println!("{wrong} wrong calls, all noticed");
}

#[test]
#[ignore = "thirty million calls: a minute or two in release mode"]
fn up_to_eight_parameters() {
    let sample = env::var("SAMPLE").map_or(1, |text| text.parse().expect("SAMPLE"));
    run(Convention::Vm, 8, sample);
    run(Convention::C, 8, sample);
}
