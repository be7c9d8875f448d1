//! Functions that move and walk the stack, which `common/frames.rs` describes.

use crate::common::frames::frames;

frames! {
    ".globl {lower}, {enter}, {look}",
    "{lower}:",
    "stp x29, x30, [sp, #-16]!",
    "mov x29, sp",
    "sub sp, sp, x1",
    "blr x2",
    "mov sp, x29",
    "ldp x29, x30, [sp], #16",
    "ret",

    "{enter}:",
    "stp x29, x30, [sp, #-16]!",
    "mov x29, sp",
    "mov x9, x0",
    "mov x0, x1",
    "mov x1, x29",
    "blr x9",
    "mov x0, x29",
    "ldp x29, x30, [sp], #16",
    "ret",
    "{look}:",
    "hint #34", // bti c
    "mov x9, x29",
    "mov w10, #4",
    "2:",
    "str x9, [x0], #8",
    "cmp x9, x1",
    "b.eq 3f",
    "ldr x9, [x9]",
    "subs w10, w10, #1",
    "b.ne 2b",
    "3:",
    "ret",
}
