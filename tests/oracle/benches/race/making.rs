//! Making a trampoline from a signature known at run time.

use std::hint::black_box;

use oracle::cranelift::Compiled;
use vmtrampoline::{Signature, Trampoline, trampoline};

use crate::{
    allocations,
    clock::{Lane, race},
    records::record,
};

const SIGNATURES: [&str; 4] = [
    "()",
    "(i32, i32) -> i32",
    "(i32, i64, f32, f64) -> f64",
    "(i64, i64, i64, i64, f64, f64, f64, f64) -> i64",
];

pub fn run() {
    for text in SIGNATURES {
        let signature: Signature = text.parse().expect("a signature");
        let new = || drop(black_box(Trampoline::new(black_box(&signature))));
        let compile = || drop(black_box(Compiled::new([black_box(&signature)])));
        // They differ too much for the same number of calls.
        let time = |rounds, calls, make: &dyn Fn()| {
            let lane = Lane::new("", |calls| (0..calls).for_each(|_| make()));
            race(&mut [lane], rounds, calls)[0].median()
        };
        let ours = time(101, 500, &new);
        let compiled = time(9, 3, &compile);
        record("making", text, "Trampoline::new", ours);
        record("making", text, "Cranelift", compiled);
        record("making", text, "Cranelift / Trampoline::new", compiled / ours);
        record("making", text, "allocations", allocations::during(new) as f64);
    }
    // A constant, so nothing is left to be done when this runs.
    let constant = || drop(black_box(trampoline!((i32, i32) -> i32)));
    record("making", "trampoline!", "allocations", allocations::during(constant) as f64);
}
