//! x86-64, System V.

use std::mem::offset_of;

use super::{Check, POISON};

pub(super) const REGISTERS: &[&str] = &[
    "rdi", "rsi", "rdx", "rcx", "r8", "r9", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
    "xmm7",
];
pub(super) const RESULTS: &[&str] = &["rax", "xmm0"];
pub(super) const KEPT: &[&str] = &[
    "the direction flag",
    "mxcsr",
    "the x87 control word",
    "rbx",
    "rbp",
    "r12",
    "r13",
    "r14",
    "r15",
    "rsp",
];
pub(super) const CONTROLS: usize = 3;
/// The direction flag is clear at every call; mxcsr rounds toward zero and
/// flushes, the x87 rounds toward zero in single precision, which no code here
/// notices.
pub(super) const GIVEN: [u64; 10] = [
    0,
    0xff80,
    0x0c7f,
    0x1b1b_1b1b_b1b1_b1b1,
    0x2b2b_2b2b_b2b2_b2b2,
    0x1212_1212_2121_2121,
    0x1313_1313_3131_3131,
    0x1414_1414_4141_4141,
    0x1515_1515_5151_5151,
    0,
];
/// Carry, parity, adjust, zero, sign and overflow, but not the direction flag.
pub(super) const FLAGS: [u64; 2] = [0, 0x8d5];
/// The call has pushed it.
pub(super) const RETURN_ADDRESS: usize = 8;

/// Integers and floats begin at bit 0; the convention defines no bit above them.
pub(crate) use super::{low_bits as value, poisoned as register};

functions! {{
    ".globl {recorder}",
    "{recorder}:",
    "lea r11, [rip + {tape}]",
    "mov [r11 + {registers} + 16 * 0], rdi",
    "mov [r11 + {registers} + 16 * 1], rsi",
    "mov [r11 + {registers} + 16 * 2], rdx",
    "mov [r11 + {registers} + 16 * 3], rcx",
    "mov [r11 + {registers} + 16 * 4], r8",
    "mov [r11 + {registers} + 16 * 5], r9",
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7",
    "movups [r11 + {registers} + 16 * (6 + \\n)], xmm\\n",
    ".endr",
    "mov [r11 + {sp}], rsp",
    "pushfq",
    "pop rax",
    "and eax, 0x400", // the direction flag
    "mov [r11 + {controls}], rax",
    "cld",
    "stmxcsr [r11 + {controls} + 8]",
    "fnstcw [r11 + {controls} + 16]",
    "push rbp",
    "mov rbp, rsp",
    "and rsp, -16", // whatever the caller has done
    "call {listen}",
    "mov rsp, rbp",
    "pop rbp",

    "mov rax, {poison}",
    "lea rdi, [rsp - {red_zone}]",
    "mov ecx, {red_zone} / 8",
    "rep stosq",
    "movq xmm1, rax",
    "punpcklqdq xmm1, xmm1",
    ".irp n, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15",
    "movaps xmm\\n, xmm1",
    ".endr",
    ".irp reg, rcx, rdx, rsi, rdi, r8, r9, r10, r11",
    "mov \\reg, rax",
    ".endr",
    "push 0x8d7", // all condition flags set, the direction flag clear
    "popfq",
    "mov rax, [rip + {tape} + {results}]",
    "movups xmm0, [rip + {tape} + {results} + 16]",
    "ret",

    ".globl {checker}",
    "{checker}:",
    ".irp reg, rbx, rbp, r12, r13, r14, r15",
    "push \\reg",
    ".endr",
    "sub rsp, 8", // mxcsr and the x87 control word; now rsp is a multiple of 16
    "stmxcsr [rsp]",
    "fnstcw [rsp + 4]",
    "lea r11, [rip + {check}]",
    "mov [r11 + {saved_sp}], rsp",
    "sub rsp, {above}",
    "mov [r11 + {given} + 8 * 9], rsp",
    "lea rdi, [rsp - {below}]",
    "mov ecx, ({below} + {above}) / 8",
    "mov rax, {poison}",
    "rep stosq",
    "ldmxcsr [r11 + {given} + 8 * 1]",
    "fldcw [r11 + {given} + 8 * 2]",
    "mov rbx, [r11 + {given} + 8 * 3]",
    "mov rbp, [r11 + {given} + 8 * 4]",
    "mov r12, [r11 + {given} + 8 * 5]",
    "mov r13, [r11 + {given} + 8 * 6]",
    "mov r14, [r11 + {given} + 8 * 7]",
    "mov r15, [r11 + {given} + 8 * 8]",
    "mov rdi, [r11 + {arguments} + 8 * 0]",
    "mov rsi, [r11 + {arguments} + 8 * 1]",
    "mov rdx, [r11 + {arguments} + 8 * 2]",
    "mov rcx, [r11 + {arguments} + 8 * 3]",
    "mov r8, [r11 + {arguments} + 8 * 4]",
    "mov r9, [r11 + {arguments} + 8 * 5]",
    "mov rax, [r11 + {unused}]",
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15",
    "movq xmm\\n, rax",
    ".endr",
    "mov r10, rax",
    "push qword ptr [r11 + {flags}]",
    "mov r11, rax",
    "popfq",
    "call [rip + {check} + {function}]",

    "mov [rip + {check} + {found} + 8 * 9], rsp",
    "mov rsp, [rip + {check} + {given} + 8 * 9]", // what is above is evidence
    "mov [rip + {check} + {check_results}], rax",
    "movups [rip + {check} + {check_results} + 16], xmm0",
    "pushfq",
    "pop rax",
    "and eax, 0x400",
    "cld",
    "lea r11, [rip + {check}]",
    "mov [r11 + {found} + 8 * 0], rax",
    "stmxcsr [r11 + {found} + 8 * 1]",
    "and dword ptr [r11 + {found} + 8 * 1], -64", // without the status flags
    "fnstcw [r11 + {found} + 8 * 2]",
    "mov [r11 + {found} + 8 * 3], rbx",
    "mov [r11 + {found} + 8 * 4], rbp",
    "mov [r11 + {found} + 8 * 5], r12",
    "mov [r11 + {found} + 8 * 6], r13",
    "mov [r11 + {found} + 8 * 7], r14",
    "mov [r11 + {found} + 8 * 8], r15",
    "mov rsi, rsp",
    "lea rdi, [r11 + {copy}]",
    "mov ecx, {above} / 8",
    "rep movsq",
    "mov rsp, [r11 + {saved_sp}]",
    "ldmxcsr [rsp]",
    "fldcw [rsp + 4]",
    "add rsp, 8",
    ".irp reg, r15, r14, r13, r12, rbp, rbx",
    "pop \\reg",
    ".endr",
    "ret",

    ".globl {spoiler}",
    "{spoiler}:",
    "endbr64",
    "lea r11, [rip + {spoil}]",
    "mov rdi, [r11 + {spoil_sp}]",
    "mov rdi, [rdi]",
    "mov r10, [r11 + {exit}]",
    "cmp qword ptr [r11 + {moves}], 0",
    "cmovne rsp, rdi",
    ".rept 6",
    "fldz",
    ".endr",
    "fld1",
    "fldz",
    "push 0x007b", // a division by zero is not masked
    "fldcw [rsp]",
    "fdivp", // an exception is pending
    "mov dword ptr [rsp], 0x1f80",
    "ldmxcsr [rsp]",
    "push 0xcd7", // all condition flags and the direction flag set
    "popfq",
    "lea rsp, [rsp + 8]",
    "mov rax, {poison}",
    "movq xmm0, rax",
    "punpcklqdq xmm0, xmm0",
    ".irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15",
    "movaps xmm\\n, xmm0",
    ".endr",
    ".irp reg, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r11, r12, r13, r14, r15",
    ".ifnc \\reg, rdi",
    "mov \\reg, rax",
    ".endif",
    ".endr",
    "jmp r10",
}
    flags = const offset_of!(Check, flags),
    poison = const POISON,
}
