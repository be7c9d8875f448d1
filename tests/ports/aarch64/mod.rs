//! 64-bit Arm: AAPCS64, and Apple's variant.

#[cfg(unix)]
mod frames;
#[cfg(not(target_vendor = "apple"))]
pub(crate) mod hidden;
mod recorder;
#[cfg(target_os = "linux")]
pub(crate) mod signals;

use vmtrampoline::ValType;

pub(crate) const REGISTERS: &[&str] = &[
    "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7",
];
pub(crate) const RESULTS: &[&str] = &["x0", "v0"];
/// fpcr rounds toward zero and flushes, which no code here notices.
pub(crate) const CONTROLS: &[(&str, u64)] = &[("fpcr", 0x01c0_0000)];
pub(crate) const KEPT: &[&str] = &[
    "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x29", "d8", "d9", "d10",
    "d11", "d12", "d13", "d14", "d15", "sp",
];
/// N, Z, C and V.
pub(crate) const FLAGS: [u64; 2] = [0, 0xf000_0000];
/// It is in x30.
pub(crate) const RETURN_ADDRESS: usize = 0;

/// Integers and floats begin at bit 0; the convention defines no bit above them.
pub(crate) use crate::common::recorder::{low_bits as value, poisoned as register};

pub(crate) const STACK_ALIGNMENT: usize = 16;
pub(crate) const EXTENDS: bool = false;
pub(crate) const VARIABLE_STORES: bool = false;
pub(crate) const LEAVES_VECTORS: bool = true;
pub(crate) type Largest = u128;
pub(crate) const LARGEST: ValType = ValType::V128;
pub(crate) const REGISTERS_LEFT: usize = 6;
pub(crate) const SHORT_CUT_LOADS: usize = 6;
pub(crate) const POINTERS_HAVE_FRAMES: bool = false;
pub(crate) const TYPED_HAVE_RECORDS: bool = cfg!(target_vendor = "apple");
/// x29: DWARF for the Arm 64-bit Architecture, section 4.1.
pub(crate) const FRAME_POINTER: i32 = 29;
pub(crate) const ABOVE_FRAME_POINTER: usize = 16;
pub(crate) const CALLBACK_SIGNATURES: &[&str] = &["(i64) -> {i64, i64}"];
