//! Executes code one instruction at a time, by the trap flag of x86-64.

use std::{
    arch::asm,
    ffi::{c_int, c_void},
    ops::Sub,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

/// What has been executed.
#[derive(Clone, Copy)]
pub struct Steps {
    pub instructions: usize,
    /// Instructions that lock a cache line.
    pub atomics: usize,
    pub system_calls: usize,
}

static INSTRUCTIONS: AtomicUsize = AtomicUsize::new(0);
static ATOMICS: AtomicUsize = AtomicUsize::new(0);
static SYSTEM_CALLS: AtomicUsize = AtomicUsize::new(0);

/// The steps of `f`, and a few constant ones of our own.
pub fn during(f: impl FnOnce()) -> Steps {
    let mut action = libc::sigaction {
        sa_sigaction: step as *const () as usize,
        sa_flags: libc::SA_SIGINFO,
        // SAFETY: a set of signals is an array of integers.
        sa_mask: unsafe { std::mem::zeroed() },
        sa_restorer: None,
    };
    // SAFETY: the handler only counts, and no other code uses this signal.
    unsafe { libc::sigaction(libc::SIGTRAP, &raw const action, &raw mut action) };
    let counters = [&INSTRUCTIONS, &ATOMICS, &SYSTEM_CALLS];
    counters.iter().for_each(|counter| counter.store(0, Relaxed));
    // SAFETY: from here on every instruction calls the handler, no more.
    unsafe { asm!("pushfq", "or qword ptr [rsp], 0x100", "popfq") };
    f();
    // SAFETY: undoes the above.
    unsafe { asm!("pushfq", "and qword ptr [rsp], ~0x100", "popfq") };
    let [instructions, atomics, system_calls] = counters.map(|counter| counter.load(Relaxed));
    // SAFETY: the handler was another one before.
    unsafe { libc::sigaction(libc::SIGTRAP, &raw const action, std::ptr::null_mut()) };
    Steps { instructions, atomics, system_calls }
}

/// The handler: counts the instruction that comes next.
extern "C" fn step(_: c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes the context of the interrupted thread.
    let registers = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let code = registers[libc::REG_RIP as usize] as *const u8;
    // SAFETY: an instruction is readable, and neither of these first bytes is a
    // whole one.
    let two_bytes = |first, second| unsafe { code.read() == first && code.add(1).read() == second };
    // SAFETY: an instruction is readable.
    let locked = unsafe { code.read() } == 0xf0;
    INSTRUCTIONS.fetch_add(1, Relaxed);
    ATOMICS.fetch_add(usize::from(locked), Relaxed);
    SYSTEM_CALLS.fetch_add(usize::from(two_bytes(0x0f, 0x05)), Relaxed);
}

impl Sub for Steps {
    type Output = Steps;

    fn sub(self, other: Steps) -> Steps {
        Steps {
            instructions: self.instructions - other.instructions,
            atomics: self.atomics - other.atomics,
            system_calls: self.system_calls - other.system_calls,
        }
    }
}
