//! How large this crate is in the program.

use object::{Object, ObjectSymbol};
use vmtrampoline::{Signature, Trampoline};

use crate::records::record;

/// What all symbols of the assembly begin with; Rust's own are mangled.
const PREFIX: &str = "vmtrampoline_";

/// What the pools of function pointers and callbacks are called: no bodies.
const POOLS: [&str; 3] = ["_thunks", "_table", "_block"];

pub fn run() {
    let program = std::env::current_exe().expect("the path of this program");
    let program = std::fs::read(program).expect("this program");
    let program = object::File::parse(&*program).expect("an object file");
    let bodies = program.symbols().filter(|symbol| {
        symbol.name().is_ok_and(|name| {
            name.starts_with(PREFIX) && !POOLS.iter().any(|pool| name.ends_with(pool))
        })
    });
    record("size", "machine code", "bytes", bodies.map(|body| body.size()).sum::<u64>() as f64);

    let signature: Signature = "(i64, i64, i64, i64, f64, f64, f64, f64) -> i64".parse().unwrap();
    let trampoline = Trampoline::new(&signature).expect("a supported target");
    // What a call reads: behind it are four counts and the types, for Rust alone.
    let entries = 4 + signature.params().len() + signature.results().len();
    let bytes = size_of_val(trampoline.descriptor()) - 2 * entries.next_multiple_of(4);
    record("size", "descriptor", "bytes", bytes as f64);
}
