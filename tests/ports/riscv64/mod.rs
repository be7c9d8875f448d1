//! 64-bit RISC-V, LP64D.

#[cfg(unix)]
mod frames;
mod recorder;
#[cfg(target_os = "linux")]
pub(crate) mod signals;

use vmtrampoline::ValType;

use crate::common::recorder::low_bits;

pub(crate) const REGISTERS: &[&str] = &[
    "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "fa0", "fa1", "fa2", "fa3", "fa4", "fa5",
    "fa6", "fa7",
];
pub(crate) const RESULTS: &[&str] = &["a0", "fa0"];
/// frm rounds toward zero, which no code here notices.
pub(crate) const CONTROLS: &[(&str, u64)] = &[("frm", 1)];
pub(crate) const KEPT: &[&str] = &[
    "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "fs0", "fs1", "fs2",
    "fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9", "fs10", "fs11", "sp",
];
/// There are none.
pub(crate) const FLAGS: [u64; 2] = [0; 2];
/// It is in ra.
pub(crate) const RETURN_ADDRESS: usize = 0;

pub(crate) use crate::common::recorder::poisoned as register;

/// A float register, which the recorder stores as if it had 128 bits, has ones
/// above the float; an integer of 32 bits is sign-extended, and above a float in an
/// integer register there may be anything. What is otherwise is no such value.
pub(crate) fn value(register: u128, ty: ValType) -> u128 {
    let value = low_bits(register, ty);
    let above = register >> 32 << 32 | low_bits(u128::MAX, ty);
    let good = match ty {
        _ if register >> 64 != 0 => above == u128::MAX,
        ValType::I32 => register == value as u32 as i32 as u64 as u128,
        _ => true,
    };
    if good { value } else { !value }
}

pub(crate) const STACK_ALIGNMENT: usize = 16;
pub(crate) const EXTENDS: bool = true;
pub(crate) const VARIABLE_STORES: bool = false;
pub(crate) const LEAVES_VECTORS: bool = false;
pub(crate) type Largest = i64;
pub(crate) const LARGEST: ValType = ValType::I64;
pub(crate) const REGISTERS_LEFT: usize = 6;
pub(crate) const SHORT_CUT_LOADS: usize = 2;
// `bare` and `short_cut` have none.
pub(crate) const POINTERS_HAVE_FRAMES: bool = false;
pub(crate) const TYPED_HAVE_RECORDS: bool = false;
/// s0: RISC-V ABIs Specification, section 12.
pub(crate) const FRAME_POINTER: i32 = 8;
pub(crate) const ABOVE_FRAME_POINTER: usize = 16;
pub(crate) const CALLBACK_SIGNATURES: &[&str] = &["(i64) -> {i64, i64}", "(i64) -> {i64, f64}"];
