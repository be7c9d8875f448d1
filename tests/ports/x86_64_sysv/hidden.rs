//! The callee of `common/hidden.rs`, and what else it calls.

use std::{arch::global_asm, mem::offset_of};

use crate::common::{
    hidden::{HEARD, Heard, hears},
    recorder::POISON,
};

pub(crate) const SIGNATURES: [&str; 18] = [
    "(...)",
    "(ptr, ...) -> i32",
    "(ptr, ...f64) -> f64",
    "(f64, f64, ...f64, f64, f64, f64, f64, f64, f64) -> i64",
    "(v128, ...i32, v128)",
    "(v128, i64, i64, i64, i64, i64, i64, i64, ...f64)",
    "(i32, ...i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64)",
    "(ptr, ...f64) -> {i64, i64}",
    "(ptr, ...f64) -> {f64, i64}",
    "(ptr, ...f64) -> {f64, f64}",
    "(ptr, ...f64) -> v128",
    "() -> longdouble",
    "(i64, f64) -> longdouble",
    "(longdouble, i64, f64, longdouble) -> longdouble",
    "(i64, ...f64, f64, f64) -> longdouble",
    "() -> clongdouble",
    "(clongdouble, v128, clongdouble, f64) -> clongdouble",
    "(i64, ...v128, f64, longdouble) -> clongdouble",
];

symbols! { x87 }

/// The function that takes the place of `hidden` for some results.
pub(crate) use x87 as special;

global_asm!(
    ".globl {hears}",
    "{hears}:",
    "endbr64",
    "lea r11, [rip + {heard}]",
    "inc qword ptr [r11 + {calls}]",
    "mov [r11 + {hidden}], rax",
    "mov [r11 + {integers} + 8 * 0], rdi",
    "mov [r11 + {integers} + 8 * 1], rsi",
    "mov [r11 + {integers} + 8 * 2], rdx",
    "mov [r11 + {integers} + 8 * 3], rcx",
    "mov [r11 + {integers} + 8 * 4], r8",
    "mov [r11 + {integers} + 8 * 5], r9",
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7",
    "movups [r11 + {floats} + 16 * \\n], xmm\\n",
    "movups xmm\\n, [rip + {heard} + {stack}]", // anything else
    ".endr",
    "lea rdi, [r11 + {stack}]",
    "lea rsi, [rsp + 8]",
    "mov ecx, 24",
    "rep movsq",
    "fnstenv [r11 + {x87}]",
    "fldenv [r11 + {x87}]",
    "cmp qword ptr [r11 + {st_count}], 1",
    "jb 3f",
    "je 2f",
    "fld tbyte ptr [r11 + {st} + 16]",
    "2:",
    "fld tbyte ptr [r11 + {st}]",
    "3:",
    "mov rax, [r11 + {integer_results}]",
    "mov rdx, [r11 + {integer_results} + 8]",
    "movups xmm0, [r11 + {float_results}]",
    "movups xmm1, [r11 + {float_results} + 16]",
    ".irp reg, rcx, rsi, rdi, r8, r9, r10, r11",
    "mov \\reg, {poison}",
    ".endr",
    "ret",
    hears = sym hears,
    heard = sym HEARD,
    calls = const offset_of!(Heard, calls),
    hidden = const offset_of!(Heard, hidden),
    integers = const offset_of!(Heard, integers),
    floats = const offset_of!(Heard, floats),
    stack = const offset_of!(Heard, stack),
    x87 = const offset_of!(Heard, x87),
    st_count = const offset_of!(Heard, st_count),
    st = const offset_of!(Heard, st),
    integer_results = const offset_of!(Heard, integer_results),
    float_results = const offset_of!(Heard, float_results),
    poison = const POISON,
);
