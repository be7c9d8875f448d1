//! x86-64, System V.

#[cfg(unix)]
mod frames;
pub(crate) mod hidden;
mod recorder;
#[cfg(target_os = "linux")]
pub(crate) mod signals;

use vmtrampoline::ValType;

pub(crate) const REGISTERS: &[&str] = &[
    "rdi", "rsi", "rdx", "rcx", "r8", "r9", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
    "xmm7",
];
pub(crate) const RESULTS: &[&str] = &["rax", "xmm0"];
/// The direction flag is clear at every call; mxcsr rounds toward zero and flushes, the x87
/// rounds toward zero in single precision, which no code here notices.
pub(crate) const CONTROLS: &[(&str, u64)] =
    &[("the direction flag", 0), ("mxcsr", 0xff80), ("the x87 control word", 0x0c7f)];
pub(crate) const KEPT: &[&str] = &["rbx", "rbp", "r12", "r13", "r14", "r15", "rsp"];
/// Carry, parity, adjust, zero, sign and overflow, but not the direction flag.
pub(crate) const FLAGS: [u64; 2] = [0, 0x8d5];
/// The call has pushed it.
pub(crate) const RETURN_ADDRESS: usize = 8;

/// Integers and floats begin at bit 0; the convention defines no bit above them.
pub(crate) use crate::common::recorder::{low_bits as value, poisoned as register};

pub(crate) const STACK_ALIGNMENT: usize = 16;
pub(crate) const EXTENDS: bool = false;
pub(crate) const VARIABLE_STORES: bool = true;
pub(crate) const LEAVES_VECTORS: bool = true;
pub(crate) type Largest = u128;
pub(crate) const LARGEST: ValType = ValType::V128;
pub(crate) const REGISTERS_LEFT: usize = 4;
pub(crate) const SHORT_CUT_LOADS: usize = 4;
pub(crate) const POINTERS_HAVE_FRAMES: bool = false;
pub(crate) const TYPED_HAVE_RECORDS: bool = true;
/// rbp: System V ABI, AMD64 supplement, figure 3.36.
pub(crate) const FRAME_POINTER: i32 = 6;
pub(crate) const ABOVE_FRAME_POINTER: usize = 16;
pub(crate) const CALLBACK_SIGNATURES: &[&str] = &[
    "(i32)",
    "(i64) -> {i64, i64}",
    "(i64) -> {f64, f64}",
    "(i64) -> {i64, f64}",
    "() -> longdouble",
    "() -> clongdouble",
];
