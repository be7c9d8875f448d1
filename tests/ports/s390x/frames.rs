//! Functions that move and walk the stack, which `common/frames.rs` describes.

use crate::common::frames::frames;

// The chain is that of backchains: a frame is its stack pointer at entry, and
// Wasmtime's walker looks for the one at entry of the pointer.
frames! {
    ".globl {lower}, {enter}, {look}",
    "{lower}:",
    "stmg %r11, %r15, 88(%r15)",
    "lgr %r11, %r15",
    "sgr %r15, %r3",
    "aghi %r15, -160",
    "basr %r14, %r4",
    "lmg %r11, %r15, 88(%r11)",
    "br %r14",

    "{enter}:",
    "stmg %r6, %r15, 48(%r15)",
    "lgr %r1, %r15",
    "aghi %r15, -176",
    "stg %r1, 0(%r15)",
    "lgr %r1, %r2",
    "lgr %r2, %r3",
    "lgr %r3, %r15",
    "basr %r14, %r1",
    "lgr %r2, %r15",
    "lmg %r6, %r15, 224(%r15)",
    "br %r14",
    "{look}:",
    "lgr %r1, %r15",
    "lhi %r0, 4",
    "2:",
    "stg %r1, 0(%r2)",
    "aghi %r2, 8",
    "cgr %r1, %r3",
    "je 3f",
    "lg %r1, 0(%r1)",
    "brct %r0, 2b",
    "3:",
    "br %r14",
}
