//! The first call after other work: descriptor, slots and code are no longer in
//! the caches of the core.

use std::{hint::black_box, time::Instant};

use oracle::{cranelift::Compiled, guest::Target, scalars};
use vmtrampoline::{Signature, Trampoline, ValRaw};

use crate::{
    callees,
    clock::median,
    methods::{Libffi, Method, Nothing, Pointer, Unchecked},
    records::record,
};

const SIGNATURES: [&str; 3] = [
    "(i32, i32) -> i32",
    "(i64, f64, i32) -> f64",
    "(i32, i32, i32, i32, i32, i64, i64, i32, i32) -> i32",
];
const SAMPLES: usize = 101;
/// More than a second-level cache holds.
const ELSEWHERE: usize = 4 << 20;

pub fn run() {
    let mut elsewhere = vec![0u8; ELSEWHERE];
    for text in SIGNATURES {
        let signature: Signature = text.parse().expect("a signature");
        let (store, funcs) = callees::instantiate(std::slice::from_ref(&signature));
        let target = Target::of(&funcs[0], &store);
        let compiled = Compiled::new([&signature]);
        let trampoline = Trampoline::new(&signature).expect("a supported target");
        let libffi = Libffi::new(&signature, target).expect("scalars");
        let mut methods: [(&str, Box<dyn Method>); 4] = [
            ("the clock alone", Box::new(Nothing)),
            ("call_unchecked", Box::new(Unchecked(trampoline, target))),
            ("Cranelift", Box::new(Pointer(compiled.trampoline(0), target))),
            ("libffi", Box::new(libffi)),
        ];
        let mut samples = vec![Vec::new(); methods.len()];
        let mut slots = vec![ValRaw::i64(0); scalars::slots(&signature)];
        for _ in 0..SAMPLES {
            for ((_, method), samples) in methods.iter_mut().zip(&mut samples) {
                elsewhere.iter_mut().step_by(64).for_each(|byte| *byte = byte.wrapping_add(1));
                black_box(&mut elsewhere);
                let start = Instant::now();
                // SAFETY: these are all slots of the signature.
                unsafe { method.call(slots.as_mut_ptr()) };
                samples.push(start.elapsed().as_nanos() as f64);
            }
        }
        for ((name, _), samples) in methods.iter().zip(samples) {
            record("cold", text, name, median(samples.into_iter()));
        }
    }
}
