//! Which thread this is, without the standard library.

use core::arch::asm;

/// The thread pointer: no two threads that run have the same, and a thread keeps its own.
pub(super) fn current_thread() -> usize {
    let thread: usize;
    // Not `pure`: what switches stacks may go on in another thread.
    // SAFETY: each reads a register that the system reserves for this, or the word that the
    // system keeps there; see the ABIs of thread-local storage.
    unsafe {
        #[cfg(all(target_arch = "x86_64", not(any(windows, target_vendor = "apple"))))]
        asm!("mov {}, fs:[0]", out(reg) thread, options(nostack, preserves_flags, readonly));
        #[cfg(all(target_arch = "x86_64", target_vendor = "apple"))]
        asm!("mov {}, gs:[0]", out(reg) thread, options(nostack, preserves_flags, readonly));
        #[cfg(all(target_arch = "x86_64", windows))]
        asm!("mov {}, gs:[0x30]", out(reg) thread, options(nostack, preserves_flags, readonly));
        #[cfg(all(target_arch = "aarch64", windows))]
        asm!("mov {}, x18", out(reg) thread, options(nostack, preserves_flags, nomem));
        #[cfg(all(target_arch = "aarch64", not(any(windows, target_vendor = "apple"))))]
        asm!("mrs {}, tpidr_el0", out(reg) thread, options(nostack, preserves_flags, nomem));
        // The lowest bits are the processor's number.
        #[cfg(all(target_arch = "aarch64", target_vendor = "apple"))]
        asm!(
            "mrs {thread}, tpidrro_el0",
            "and {thread}, {thread}, #~7",
            thread = out(reg) thread,
            options(nostack, preserves_flags, nomem),
        );
        #[cfg(target_arch = "riscv64")]
        asm!("mv {}, tp", out(reg) thread, options(nostack, preserves_flags, nomem));
        #[cfg(target_arch = "s390x")]
        asm!(
            "ear {thread}, %a0",
            "sllg {thread}, {thread}, 32",
            "ear {thread}, %a1",
            thread = out(reg) thread,
            options(nostack, preserves_flags, nomem),
        );
    }
    thread
}
