//! More and more parameters, up to WebAssembly's limit; the slots are written once.

use oracle::{cranelift::Compiled, guest::Target};
use vmtrampoline::{Signature, Trampoline, ValType};

use crate::{
    callees,
    clock::race,
    methods::{Pointer, Unchecked},
    records::{record, record_race},
    site::lane,
};

pub const COUNTS: [usize; 4] = [8, 256, 504, 1000];
const ROUNDS: usize = 101;

pub fn run() {
    for count in COUNTS {
        let row = count.to_string();
        let signature = Signature::new(vec![ValType::I64; count], [ValType::I64]).unwrap();
        let (store, funcs) = callees::instantiate(std::slice::from_ref(&signature));
        let target = Target::of(&funcs[0], &store);
        let trampoline = Trampoline::new(&signature).expect("a supported target");
        let compiled = Compiled::new([&signature]);
        let mut lanes = [
            lane::<0, _>("call_unchecked", count, Unchecked(trampoline, target)),
            lane::<0, _>("Cranelift", count, Pointer(compiled.trampoline(0), target)),
        ];
        for lane in &mut lanes {
            let instructions = lane.steps().instructions as f64;
            record("growth", &row, &instructions_of(lane.name), instructions);
        }
        record_race("growth", &row, &race(&mut lanes, ROUNDS, 20_000 / count));
    }
}

/// The column of instructions per call.
pub fn instructions_of(lane: &str) -> String {
    format!("{lane}, instructions")
}
