//! 64-bit Arm: AAPCS64, and Apple's variant.

use std::mem::offset_of;

use super::{Check, POISON};

pub(super) const REGISTERS: &[&str] = &[
    "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7",
];
pub(super) const RESULTS: &[&str] = &["x0", "v0"];
pub(super) const KEPT: &[&str] = &[
    "fpcr", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x29", "d8",
    "d9", "d10", "d11", "d12", "d13", "d14", "d15", "sp",
];
pub(super) const CONTROLS: usize = 1;
/// fpcr rounds toward zero and flushes, which no code here notices.
pub(super) const GIVEN: [u64; 21] = [
    0x01c0_0000,
    0x1919_1919_9191_9191,
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
    0x0808_0808_8080_8080,
    0x0909_0909_9090_9090,
    0x1010_1010_0101_0101,
    0x1111_1111_4444_4444,
    0x1212_1212_2121_2121,
    0x1313_1313_3131_3131,
    0x1414_1414_4141_4141,
    0x1515_1515_5151_5151,
    0,
];
/// N, Z, C and V.
pub(super) const FLAGS: [u64; 2] = [0, 0xf000_0000];
/// It is in x30.
pub(super) const RETURN_ADDRESS: usize = 0;

/// Integers and floats begin at bit 0; the convention defines no bit above them.
pub(crate) use super::{low_bits as value, poisoned as register};

/// Loads the address of a symbol into x9.
#[cfg(not(target_vendor = "apple"))]
macro_rules! address {
    ($symbol:literal) => {
        concat!("adrp x9, ", $symbol, "\nadd x9, x9, :lo12:", $symbol)
    };
}

/// Loads the address of a symbol into x9.
#[cfg(target_vendor = "apple")]
macro_rules! address {
    ($symbol:literal) => {
        concat!("adrp x9, ", $symbol, "@PAGE\nadd x9, x9, ", $symbol, "@PAGEOFF")
    };
}

// x18 is the platform's: it is not touched.
functions! {{
    ".globl {recorder}",
    "{recorder}:",
    "hint #34", // bti c
    address!("{tape}"),
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7",
    "str x\\n, [x9, #{registers} + 16 * \\n]",
    "str q\\n, [x9, #{registers} + 16 * (8 + \\n)]",
    ".endr",
    "mov x10, sp",
    "str x10, [x9, #{sp}]",
    "mrs x11, fpcr",
    "str x11, [x9, #{controls}]",
    "and sp, x10, #-16", // whatever the caller has done
    "stp x10, x30, [sp, #-32]!",
    "str x29, [sp, #16]",
    "bl {listen}",
    "ldr x29, [sp, #16]",
    "ldp x10, x30, [sp]",
    "mov sp, x10",

    "ldr x11, ={poison}",
    "sub x10, sp, #{red_zone}",
    "2:",
    "stp x11, x11, [x10], #16",
    "cmp sp, x10",
    "b.ne 2b",
    ".irp n, 8, 9, 10, 11, 12, 13, 14, 15",
    "mov v\\n\\().d[1], x11", // the lower half is callee-saved
    ".endr",
    ".irp n, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31",
    "dup v\\n\\().2d, x11",
    ".endr",
    address!("{tape}"),
    "ldr x0, [x9, #{results}]",
    "ldr q0, [x9, #{results} + 16]",
    ".irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16, 17",
    "mov x\\n, x11",
    ".endr",
    "msr nzcv, x11",
    "ret",

    ".globl {checker}",
    "{checker}:",
    "stp x29, x30, [sp, #-176]!",
    "mrs x10, fpcr",
    "str x10, [sp, #16]",
    "stp x19, x20, [sp, #32]",
    "stp x21, x22, [sp, #48]",
    "stp x23, x24, [sp, #64]",
    "stp x25, x26, [sp, #80]",
    "stp x27, x28, [sp, #96]",
    "stp d8, d9, [sp, #112]",
    "stp d10, d11, [sp, #128]",
    "stp d12, d13, [sp, #144]",
    "stp d14, d15, [sp, #160]",
    address!("{check}"),
    "mov x12, sp",
    "str x12, [x9, #{saved_sp}]",
    "sub sp, sp, #{above}",
    "mov x10, sp",
    "str x10, [x9, #{given} + 8 * 20]",
    "ldr x11, ={poison}",
    "sub x10, sp, #{below}",
    "2:",
    "stp x11, x11, [x10], #16",
    "cmp x10, x12",
    "b.ne 2b",
    "ldr x10, [x9, #{given}]",
    "msr fpcr, x10",
    ".irp n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29",
    "ldr x\\n, [x9, #{given} + 8 * (\\n - 18)]",
    ".endr",
    ".irp n, 8, 9, 10, 11, 12, 13, 14, 15",
    "ldr d\\n, [x9, #{given} + 8 * (\\n + 4)]",
    ".endr",
    ".irp n, 0, 1, 2, 3, 4, 5, 6",
    "ldr x\\n, [x9, #{arguments} + 8 * \\n]",
    ".endr",
    "ldr x16, [x9, #{function}]",
    "ldr x10, [x9, #{flags}]",
    "msr nzcv, x10",
    "ldr x11, [x9, #{unused}]",
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31",
    "dup v\\n\\().2d, x11",
    ".endr",
    ".irp n, 7, 8, 9, 10, 12, 13, 14, 15, 17",
    "mov x\\n, x11",
    ".endr",
    "blr x16",

    address!("{check}"),
    "mov x10, sp",
    "str x10, [x9, #{found} + 8 * 20]",
    "ldr x10, [x9, #{saved_sp}]",
    "mov sp, x10",
    "str x0, [x9, #{check_results}]",
    "str q0, [x9, #{check_results} + 16]",
    "mrs x10, fpcr",
    "str x10, [x9, #{found}]",
    ".irp n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29",
    "str x\\n, [x9, #{found} + 8 * (\\n - 18)]",
    ".endr",
    ".irp n, 8, 9, 10, 11, 12, 13, 14, 15",
    "str d\\n, [x9, #{found} + 8 * (\\n + 4)]",
    ".endr",
    "sub x10, sp, #{above}",
    "add x11, x9, #{copy}",
    "2:",
    "ldp x12, x13, [x10], #16",
    "stp x12, x13, [x11], #16",
    "cmp sp, x10",
    "b.ne 2b",
    "ldr x10, [sp, #16]",
    "msr fpcr, x10",
    "ldp x19, x20, [sp, #32]",
    "ldp x21, x22, [sp, #48]",
    "ldp x23, x24, [sp, #64]",
    "ldp x25, x26, [sp, #80]",
    "ldp x27, x28, [sp, #96]",
    "ldp d8, d9, [sp, #112]",
    "ldp d10, d11, [sp, #128]",
    "ldp d12, d13, [sp, #144]",
    "ldp d14, d15, [sp, #160]",
    "ldp x29, x30, [sp], #176",
    "ret",

    ".globl {spoiler}",
    "{spoiler}:",
    "hint #34", // bti c
    address!("{spoil}"),
    "ldr x10, [x9, #{spoil_sp}]",
    "ldr x0, [x10]",
    "ldr x17, [x9, #{exit}]",
    "ldr x10, [x9, #{moves}]",
    "cbz x10, 2f",
    "mov sp, x0",
    "2:",
    "msr fpcr, xzr",
    "ldr x11, ={poison}",
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31",
    "dup v\\n\\().2d, x11",
    ".endr",
    ".irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30",
    "mov x\\n, x11",
    ".endr",
    "msr nzcv, x11",
    "br x17",
    ".ltorg",
}
    flags = const offset_of!(Check, flags),
    poison = const POISON,
}
