//! Functions that move and walk the stack, which `common/frames.rs` describes.

use crate::common::frames::frames;

frames! {
    ".globl {lower}, {enter}, {look}",
    "{lower}:",
    "push rbp",
    "mov rbp, rsp",
    "sub rsp, rsi",
    "call rdx",
    "leave",
    "ret",

    "{enter}:",
    "push rbp",
    "mov rbp, rsp",
    "mov rax, rdi",
    "mov rdi, rsi",
    "mov rsi, rbp",
    "call rax",
    "mov rax, rbp",
    "pop rbp",
    "ret",
    "{look}:",
    "mov rax, rbp",
    "mov ecx, 4",
    "2:",
    "mov [rdi], rax",
    "add rdi, 8",
    "cmp rax, rsi",
    "je 3f",
    "mov rax, [rax]",
    "dec ecx",
    "jnz 2b",
    "3:",
    "ret",
}
