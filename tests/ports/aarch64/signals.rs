//! What a handler of a signal changes to leave a call, and functions that trap.

use std::arch::asm;

/// Has the interrupted code go on at `pc`.
pub(crate) fn go_on(registers: &mut libc::mcontext_t, [pc, sp]: [usize; 2]) {
    (registers.pc, registers.sp) = (pc as u64, sp as u64);
}

/// Runs an instruction that is none.
pub(crate) fn undefined() {
    // SAFETY: a trap.
    unsafe { asm!("udf #0") };
}

/// Loads from this address.
///
/// # Safety
///
/// There may be nothing: then it is a trap.
pub(crate) unsafe fn load(nowhere: usize) {
    // SAFETY: our own condition.
    unsafe { asm!("ldr {0}, [{0}]", inout(reg) nowhere => _) };
}
