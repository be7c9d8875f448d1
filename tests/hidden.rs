//! What plain C needs beyond a body: `al` and x8, which are no arguments, and results in x87
//! registers.

#![cfg(all(
    vmtrampoline_port,
    not(vmtrampoline_windows),
    any(target_arch = "x86_64", all(target_arch = "aarch64", not(target_vendor = "apple")))
))]

mod common;

use common::hidden::{SIGNATURES, check};

/// The registers arrive, and results come back to the byte; all else is as it was, and
/// the x87 registers are empty before and after.
#[test]
fn every_signature_is_a_call() {
    for text in SIGNATURES {
        check(text).unwrap();
    }
}

/// The eight registers of x87 would be full after eight calls that leave one.
#[test]
#[cfg(target_arch = "x86_64")]
fn x87_registers_do_not_fill_up() {
    for _ in 0..100 {
        check("() -> longdouble").unwrap();
        check("() -> clongdouble").unwrap();
    }
}
