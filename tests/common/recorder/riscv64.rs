//! 64-bit RISC-V, LP64D.

use super::{POISON, low_bits};
use vmtrampoline::ValType;

pub(super) const REGISTERS: &[&str] = &[
    "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "fa0", "fa1", "fa2", "fa3", "fa4", "fa5",
    "fa6", "fa7",
];
pub(super) const RESULTS: &[&str] = &["a0", "fa0"];
pub(super) const KEPT: &[&str] = &[
    "frm", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "fs0", "fs1",
    "fs2", "fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9", "fs10", "fs11", "sp",
];
pub(super) const CONTROLS: usize = 1;
/// frm rounds toward zero, which no code here notices.
pub(super) const GIVEN: [u64; 26] = [
    1,
    0x1010_1010_0101_0101,
    0x1111_1111_4444_4444,
    0x1212_1212_2121_2121,
    0x1313_1313_3131_3131,
    0x1414_1414_4141_4141,
    0x1515_1515_5151_5151,
    0x1616_1616_6161_6161,
    0x1717_1717_7171_7171,
    0x1818_1818_8181_8181,
    0x1919_1919_9191_9191,
    0x1a1a_1a1a_a1a1_a1a1,
    0x1b1b_1b1b_b1b1_b1b1,
    0x2020_2020_0202_0202,
    0x2121_2121_1212_1212,
    0x2222_2222_3333_3333,
    0x2323_2323_3232_3232,
    0x2424_2424_4242_4242,
    0x2525_2525_5252_5252,
    0x2626_2626_6262_6262,
    0x2727_2727_7272_7272,
    0x2828_2828_8282_8282,
    0x2929_2929_9292_9292,
    0x2a2a_2a2a_a2a2_a2a2,
    0x2b2b_2b2b_b2b2_b2b2,
    0,
];
/// There are none.
pub(super) const FLAGS: [u64; 2] = [0; 2];
/// It is in ra.
pub(super) const RETURN_ADDRESS: usize = 0;

pub(crate) use super::poisoned as register;

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

// Among what the recorder overwrites is fs1, which Cranelift's functions do not
// keep.
functions! {{
    ".option push",
    ".option arch, +d", // which the compiler does not always say
    ".globl {recorder}",
    "{recorder}:",
    "lla t0, {tape}",
    "li t1, -1",
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7",
    "sd a\\n, {registers} + 16 * \\n(t0)",
    "fsd fa\\n, {registers} + 16 * (8 + \\n)(t0)",
    "sd t1, {registers} + 16 * (8 + \\n) + 8(t0)",
    ".endr",
    "sd sp, {sp}(t0)",
    "frrm t1",
    "sd t1, {controls}(t0)",
    "mv t1, sp",
    "andi sp, sp, -16", // whatever the caller has done
    "addi sp, sp, -16",
    "sd t1, 0(sp)",
    "sd ra, 8(sp)",
    "call {listen}",
    "ld ra, 8(sp)",
    "ld sp, 0(sp)",

    "li t1, {poison}",
    "addi t0, sp, -{red_zone}",
    "2:",
    "sd t1, 0(t0)",
    "addi t0, t0, 8",
    "bne t0, sp, 2b",
    ".irp reg, fa1, fa2, fa3, fa4, fa5, fa6, fa7, ft0, ft1, ft2, ft3, ft4, ft5, ft6, ft7, ft8, ft9, ft10, ft11, fs1",
    "fmv.d.x \\reg, t1",
    ".endr",
    "lla t0, {tape}",
    "ld a0, {results}(t0)",
    "fld fa0, {results} + 16(t0)",
    ".irp reg, a1, a2, a3, a4, a5, a6, a7, t0, t2, t3, t4, t5, t6",
    "mv \\reg, t1",
    ".endr",
    "ret",

    ".globl {checker}",
    "{checker}:",
    "addi sp, sp, -224",
    "sd ra, 0(sp)",
    "frrm t1",
    "sd t1, 8(sp)",
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11",
    "sd s\\n, 16 + 8 * \\n(sp)",
    "fsd fs\\n, 112 + 8 * \\n(sp)",
    ".endr",
    "lla t0, {check}",
    "sd sp, {saved_sp}(t0)",
    "mv t2, sp",
    "addi sp, sp, -{above}",
    "sd sp, {given} + 8 * 25(t0)",
    "li t1, {poison}",
    "li t3, {below}",
    "sub t3, sp, t3",
    "2:",
    "sd t1, 0(t3)",
    "addi t3, t3, 8",
    "bne t3, t2, 2b",
    "ld t1, {given}(t0)",
    "fsrm t1",
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11",
    "ld s\\n, {given} + 8 * (1 + \\n)(t0)",
    "fld fs\\n, {given} + 8 * (13 + \\n)(t0)",
    ".endr",
    ".irp n, 0, 1, 2, 3, 4, 5",
    "ld a\\n, {arguments} + 8 * \\n(t0)",
    ".endr",
    "ld t1, {unused}(t0)",
    ".irp reg, ft0, ft1, ft2, ft3, ft4, ft5, ft6, ft7, ft8, ft9, ft10, ft11, fa0, fa1, fa2, fa3, fa4, fa5, fa6, fa7",
    "fmv.d.x \\reg, t1",
    ".endr",
    ".irp reg, t2, t3, t4, t5, t6, a6, a7",
    "mv \\reg, t1",
    ".endr",
    "ld t0, {function}(t0)",
    "jalr t0",

    "lla t0, {check}",
    "sd sp, {found} + 8 * 25(t0)",
    "ld sp, {saved_sp}(t0)",
    "sd a0, {check_results}(t0)",
    "fsd fa0, {check_results} + 16(t0)",
    "frrm t1",
    "sd t1, {found}(t0)",
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11",
    "sd s\\n, {found} + 8 * (1 + \\n)(t0)",
    "fsd fs\\n, {found} + 8 * (13 + \\n)(t0)",
    "ld s\\n, 16 + 8 * \\n(sp)",
    "fld fs\\n, 112 + 8 * \\n(sp)",
    ".endr",
    "addi t1, sp, -{above}",
    "addi t0, t0, {copy}",
    "2:",
    "ld t2, 0(t1)",
    "sd t2, 0(t0)",
    "addi t0, t0, 8",
    "addi t1, t1, 8",
    "bne t1, sp, 2b",
    "ld t1, 8(sp)",
    "fsrm t1",
    "ld ra, 0(sp)",
    "addi sp, sp, 224",
    "ret",

    ".globl {spoiler}",
    "{spoiler}:",
    "lla t0, {spoil}",
    "ld a0, {spoil_sp}(t0)",
    "ld a0, 0(a0)",
    "ld t1, {moves}(t0)",
    "beqz t1, 2f",
    "mv sp, a0",
    "2:",
    "fsrm zero",
    "ld t0, {exit}(t0)",
    "li t1, {poison}",
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11",
    "mv s\\n, t1",
    "fmv.d.x fs\\n, t1",
    "fmv.d.x ft\\n, t1",
    ".endr",
    ".irp reg, fa0, fa1, fa2, fa3, fa4, fa5, fa6, fa7",
    "fmv.d.x \\reg, t1",
    ".endr",
    ".irp reg, ra, a1, a2, a3, a4, a5, a6, a7, t2, t3, t4, t5, t6",
    "mv \\reg, t1",
    ".endr",
    "jr t0",
    ".option pop",
}
    poison = const POISON,
}
