//! Are the callee-saved registers of x86-64 System V what they were?

use std::{arch::naked_asm, ffi::c_void, mem::offset_of};

/// A function with one argument.
pub type Function = unsafe extern "C" fn(*mut c_void);

/// Calls `function(data)`; whether it has kept every callee-saved register.
///
/// # Safety
///
/// `function` may be called with `data`.
pub unsafe fn kept_by(function: Function, data: *mut c_void) -> bool {
    // SAFETY: the caller's word.
    unsafe { lost_by(function, data) == 0 }
}

/// Gives every callee-saved register a pattern of its own, calls, and returns
/// the bits that have changed in any of them.
#[unsafe(naked)]
unsafe extern "C" fn lost_by(function: Function, data: *mut c_void) -> u64 {
    naked_asm!(
        "push rbx",
        "push rbp",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "sub rsp, 8", // the call needs rsp aligned to 16
        "mov rax, rdi",
        "mov rdi, rsi",
        "mov rbx, 0x1b1b1b1b",
        "mov rbp, 0x2b2b2b2b",
        "mov r12, 0x12121212",
        "mov r13, 0x13131313",
        "mov r14, 0x14141414",
        "mov r15, 0x15151515",
        "call rax",
        "xor rbx, 0x1b1b1b1b",
        "xor rbp, 0x2b2b2b2b",
        "xor r12, 0x12121212",
        "xor r13, 0x13131313",
        "xor r14, 0x14141414",
        "xor r15, 0x15151515",
        "mov rax, rbx",
        "or rax, rbp",
        "or rax, r12",
        "or rax, r13",
        "or rax, r14",
        "or rax, r15",
        "add rsp, 8",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbp",
        "pop rbx",
        "ret",
    )
}

/// A function and its argument, for [`lose_r15`].
#[repr(C)]
pub struct Call {
    pub function: Function,
    pub data: *mut c_void,
}

/// Makes a [`Call`] and loses r15 on the way back, as a broken trampoline would:
/// the negative control of [`kept_by`].
///
/// # Safety
///
/// `call` points to a `Call`, whose function may be called with its data.
#[unsafe(naked)]
pub unsafe extern "C" fn lose_r15(call: *mut c_void) {
    naked_asm!(
        "sub rsp, 8",
        "mov rax, [rdi + {function}]",
        "mov rdi, [rdi + {data}]",
        "call rax",
        "add rsp, 8",
        "xor r15d, r15d",
        "ret",
        function = const offset_of!(Call, function),
        data = const offset_of!(Call, data),
    )
}
