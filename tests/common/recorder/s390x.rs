//! s390x.

use std::mem::offset_of;

use super::{Check, POISON, low_bits, poisoned};
use vmtrampoline::ValType;

pub(super) const REGISTERS: &[&str] = &[
    "r2", "r3", "r4", "r5", "r6", "f0", "f2", "f4", "f6", "v24", "v25", "v26", "v27", "v28", "v29",
    "v30", "v31",
];
pub(super) const RESULTS: &[&str] = &["r2", "f0", "v24"];
pub(super) const KEPT: &[&str] = &[
    "fpc", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "r13", "f8", "f9", "f10", "f11", "f12",
    "f13", "f14", "f15", "r15",
];
pub(super) const CONTROLS: usize = 1;
/// fpc rounds toward zero, which no code here notices; r6 is the fifth argument.
pub(super) const GIVEN: [u64; 18] = [
    1,
    0,
    0x0707_0707_7070_7070,
    0x0808_0808_8080_8080,
    0x0909_0909_9090_9090,
    0x1010_1010_0101_0101,
    0x1111_1111_4444_4444,
    0x1212_1212_2121_2121,
    0x1313_1313_3131_3131,
    0x1818_1818_8181_8181,
    0x1919_1919_9191_9191,
    0x1a1a_1a1a_a1a1_a1a1,
    0x1b1b_1b1b_b1b1_b1b1,
    0x1c1c_1c1c_c1c1_c1c1,
    0x1d1d_1d1d_d1d1_d1d1,
    0x1e1e_1e1e_e1e1_e1e1,
    0x1f1f_1f1f_f1f1_f1f1,
    0,
];
/// The condition code, with a program mask of zeros.
pub(super) const FLAGS: [u64; 2] = [0, 0x3000_0000];
/// It is in r14.
pub(super) const RETURN_ADDRESS: usize = 0;

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

// A general or float register is the lower half of its 16 bytes, which come last.
// The space for the callee's registers, which listen overwrites with the argument
// area, is ours as any callee's: what we save lies below it.
functions! {{
    ".machine push",
    ".machine z13",
    ".globl {recorder}",
    "{recorder}:",
    "larl %r1, {tape}",
    ".irp n, 2, 3, 4, 5, 6",
    "stg %r\\n, {registers} + 16 * (\\n - 2) + 8(%r1)",
    ".endr",
    ".irp n, 0, 2, 4, 6",
    "std %f\\n, {registers} + 16 * 5 + 8 * \\n + 8(%r1)",
    ".endr",
    ".irp n, 24, 25, 26, 27, 28, 29, 30, 31",
    "vst %v\\n, {registers} + 16 * (\\n - 15)(%r1)",
    ".endr",
    "stg %r15, {sp}(%r1)",
    "efpc %r0",
    "llgfr %r0, %r0",
    "stg %r0, {controls}(%r1)",
    "lgr %r0, %r15",
    "nill %r15, 0xfff8", // whatever the caller has done
    "aghi %r15, -176",
    "stg %r0, 160(%r15)",
    "stg %r14, 168(%r15)",
    "brasl %r14, {listen}",
    "lg %r14, 168(%r15)",
    "lg %r15, 160(%r15)",

    "llihf %r0, {poison_high}",
    "oilf %r0, {poison_low}",
    "lghi %r1, -{red_zone}",
    "2:",
    "stg %r0, 0(%r1, %r15)",
    "aghi %r1, 8",
    "jne 2b",
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31",
    "vlvgp %v\\n, %r0, %r0",
    ".endr",
    ".irp n, 8, 9, 10, 11, 12, 13, 14, 15", // the upper half is callee-saved
    "vlvgg %v\\n, %r0, 1",
    ".endr",
    "larl %r1, {tape}",
    "lg %r2, {results} + 8(%r1)",
    "ld %f0, {results} + 24(%r1)",
    "vl %v24, {results} + 32(%r1)",
    ".irp n, 1, 3, 4, 5",
    "lgr %r\\n, %r0",
    ".endr",
    "ltgr %r0, %r0",
    "br %r14",

    ".globl {checker}",
    "{checker}:",
    "stmg %r6, %r15, 48(%r15)",
    "aghi %r15, -240",
    "efpc %r0",
    "st %r0, 160(%r15)",
    ".irp n, 8, 9, 10, 11, 12, 13, 14, 15",
    "std %f\\n, 104 + 8 * \\n(%r15)",
    ".endr",
    "larl %r1, {check}",
    "stg %r15, {saved_sp}(%r1)",
    "lgr %r2, %r15",
    "aghi %r15, -({above} + 168)", // with space for the callee's registers and a sixth argument
    "stg %r15, {given} + 8 * 17(%r1)",
    "lgr %r3, %r15",
    "aghi %r3, -{below}",
    "llihf %r0, {poison_high}",
    "oilf %r0, {poison_low}",
    "2:",
    "stg %r0, 0(%r3)",
    "aghi %r3, 8",
    "cgr %r3, %r2",
    "jne 2b",
    "lg %r0, {given}(%r1)",
    "sfpc %r0",
    ".irp n, 2, 3, 4, 5, 6",
    "lg %r\\n, {arguments} + 8 * (\\n - 2)(%r1)",
    ".endr",
    "stg %r6, {given} + 8 * 1(%r1)",
    "lg %r0, {arguments} + 8 * 5(%r1)",
    "stg %r0, 160(%r15)",
    ".irp n, 7, 8, 9, 10, 11, 12, 13",
    "lg %r\\n, {given} + 8 * (\\n - 5)(%r1)",
    ".endr",
    ".irp n, 8, 9, 10, 11, 12, 13, 14, 15",
    "ld %f\\n, {given} + 8 * (\\n + 1)(%r1)",
    ".endr",
    "lg %r0, {unused}(%r1)",
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31",
    "vlvgp %v\\n, %r0, %r0",
    ".endr",
    "lg %r14, {flags}(%r1)",
    "spm %r14",
    "lg %r1, {function}(%r1)",
    "basr %r14, %r1",

    "larl %r1, {check}",
    "stg %r15, {found} + 8 * 17(%r1)",
    "lg %r15, {saved_sp}(%r1)",
    "stg %r2, {check_results} + 8(%r1)",
    "std %f0, {check_results} + 24(%r1)",
    "vst %v24, {check_results} + 32(%r1)",
    "efpc %r0",
    "llgfr %r0, %r0",
    "stg %r0, {found}(%r1)",
    ".irp n, 6, 7, 8, 9, 10, 11, 12, 13",
    "stg %r\\n, {found} + 8 * (\\n - 5)(%r1)",
    ".endr",
    ".irp n, 8, 9, 10, 11, 12, 13, 14, 15",
    "std %f\\n, {found} + 8 * (\\n + 1)(%r1)",
    "ld %f\\n, 104 + 8 * \\n(%r15)",
    ".endr",
    "lgr %r2, %r15",
    "aghi %r2, -{above}",
    "mvc {copy}({above}, %r1), 0(%r2)",
    "l %r0, 160(%r15)",
    "sfpc %r0",
    "lmg %r6, %r15, 288(%r15)",
    "br %r14",

    ".globl {spoiler}",
    "{spoiler}:",
    "larl %r1, {spoil}",
    "lg %r2, {spoil_sp}(%r1)",
    "lg %r2, 0(%r2)",
    "lg %r0, {moves}(%r1)",
    "ltgr %r0, %r0",
    "je 2f",
    "lgr %r15, %r2",
    "2:",
    "lghi %r0, 0",
    "sfpc %r0",
    "llihf %r0, {poison_high}",
    "oilf %r0, {poison_low}",
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31",
    "vlvgp %v\\n, %r0, %r0",
    ".endr",
    "lg %r1, {exit}(%r1)",
    ".irp n, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14",
    "lgr %r\\n, %r0",
    ".endr",
    "ltgr %r0, %r0",
    "br %r1",
    ".machine pop",
}
    flags = const offset_of!(Check, flags),
    poison_high = const POISON >> 32,
    poison_low = const POISON & 0xffff_ffff,
}
