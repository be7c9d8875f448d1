//! s390x.

#[cfg(unix)]
mod frames;
mod recorder;
#[cfg(target_os = "linux")]
pub(crate) mod signals;

use vmtrampoline::ValType;

use crate::common::recorder::{POISON, low_bits, poisoned};

pub(crate) const REGISTERS: &[&str] = &[
    "r2", "r3", "r4", "r5", "r6", "f0", "f2", "f4", "f6", "v24", "v25", "v26", "v27", "v28", "v29",
    "v30", "v31",
];
pub(crate) const RESULTS: &[&str] = &["r2", "f0", "v24"];
/// fpc rounds toward zero, which no code here notices.
pub(crate) const CONTROLS: &[(&str, u64)] = &[("fpc", 1)];
/// r6 is the fifth argument, too.
pub(crate) const KEPT: &[&str] = &[
    "r6", "r7", "r8", "r9", "r10", "r11", "r12", "r13", "f8", "f9", "f10", "f11", "f12", "f13",
    "f14", "f15", "r15",
];
/// The condition code, with a program mask of zeros.
pub(crate) const FLAGS: [u64; 2] = [0, 0x3000_0000];
/// It is in r14.
pub(crate) const RETURN_ADDRESS: usize = 0;

/// An integer of 32 bits comes sign-extended, a float of 32 bits in the upper half
/// of its register. (What comes otherwise is no such value.)
pub(crate) fn value(register: u128, ty: ValType) -> u128 {
    match ty {
        ValType::F32 => register >> 32 & 0xffff_ffff,
        ValType::I32 if register != register as u32 as i32 as u64 as u128 => !register,
        _ => low_bits(register, ty),
    }
}

/// The same in a result register, but an integer's upper bits may be anything.
pub(crate) fn register(value: u128, ty: ValType) -> u128 {
    match ty {
        ValType::F32 => poisoned(value << 32 | u128::from(POISON as u32), ValType::F64),
        _ => poisoned(value, ty),
    }
}

pub(crate) const STACK_ALIGNMENT: usize = 8;
pub(crate) const EXTENDS: bool = true;
pub(crate) const VARIABLE_STORES: bool = false;
pub(crate) const LEAVES_VECTORS: bool = false;
pub(crate) type Largest = u128;
pub(crate) const LARGEST: ValType = ValType::V128;
pub(crate) const REGISTERS_LEFT: usize = 3;
pub(crate) const SHORT_CUT_LOADS: usize = 2;
pub(crate) const POINTERS_HAVE_FRAMES: bool = true;
pub(crate) const TYPED_HAVE_RECORDS: bool = false;
/// r11: ELF Application Binary Interface, s390x Supplement, section 1.6. It is the stack pointer at
/// entry, below what the caller saves.
pub(crate) const FRAME_POINTER: i32 = 11;
pub(crate) const ABOVE_FRAME_POINTER: usize = 160;
pub(crate) const CALLBACK_SIGNATURES: &[&str] = &[];
