//! The callee of `common/hidden.rs`, and what else it calls.

use std::{arch::global_asm, mem::offset_of};

use crate::common::{
    hidden::{HEARD, Heard, hears},
    recorder::POISON,
};

pub(crate) const SIGNATURES: [&str; 9] = [
    "() -> {v128, v128}",
    "(i64, f64) -> {v128, v128, v128}",
    "(i64, i64, i64, i64, i64, i64, i64, i64, v128, i64) -> {[v128; 4]}",
    "() -> {[i64; 3]}",
    "(i64, f64) -> {[u8; 17]}",
    "(i64, i64, i64, i64, i64, i64, i64, i64, i64) -> {[i64; 3]}",
    "(v128, f64, f64, f64, f64, f64, f64, f64, f64) -> {[i64; 4]}",
    "(i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64) -> \
     {[i64; 3]}",
    "({f32, f32}, {f64, f64, f64}, {i64, i64}) -> {i32, {[i64; 2]}}",
];

symbols! { vectors }

/// The function that takes the place of `hidden` for some results.
pub(crate) use vectors as special;

global_asm!(
    ".globl {hears}",
    "{hears}:",
    "hint #34", // bti c
    "adrp x9, {heard}",
    "add x9, x9, :lo12:{heard}",
    "ldr x10, [x9, #{calls}]",
    "add x10, x10, #1",
    "str x10, [x9, #{calls}]",
    "str x8, [x9, #{hidden}]",
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7",
    "str x\\n, [x9, #{integers} + 8 * \\n]",
    "str q\\n, [x9, #{floats} + 16 * \\n]",
    ".endr",
    "add x10, x9, #{stack}",
    "mov x11, sp",
    "mov x12, #24",
    "2:",
    "ldr x13, [x11], #8",
    "str x13, [x10], #8",
    "subs x12, x12, #1",
    "b.ne 2b",
    "add x10, x9, #{in_memory}",
    "ldr x10, [x10]",
    "cbz x10, 3f",
    "add x12, x9, #{memory}",
    "ldp x10, x11, [x12]",
    "stp x10, x11, [x8]",
    "ldr x10, [x12, #16]",
    "str x10, [x8, #16]",
    "3:",
    "ldr x0, [x9, #{integer_results}]",
    "ldr x1, [x9, #{integer_results} + 8]",
    "ldr q0, [x9, #{float_results}]",
    "ldr q1, [x9, #{float_results} + 16]",
    "ldr q2, [x9, #{float_results} + 32]",
    "ldr q3, [x9, #{float_results} + 48]",
    "ldr x2, ={poison}",
    ".irp n, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17",
    "mov x\\n, x2",
    ".endr",
    "ret",
    ".ltorg",
    hears = sym hears,
    heard = sym HEARD,
    calls = const offset_of!(Heard, calls),
    hidden = const offset_of!(Heard, hidden),
    integers = const offset_of!(Heard, integers),
    floats = const offset_of!(Heard, floats),
    stack = const offset_of!(Heard, stack),
    memory = const offset_of!(Heard, memory),
    in_memory = const offset_of!(Heard, in_memory),
    integer_results = const offset_of!(Heard, integer_results),
    float_results = const offset_of!(Heard, float_results),
    poison = const POISON,
);
