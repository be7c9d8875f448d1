//! Calls that a signal handler leaves: by a trap of the callee, and at every instruction of
//! one that is stepped. The signal mask and the alternate stack are as before.

#![cfg(all(vmtrampoline_port, not(vmtrampoline_windows), target_os = "linux"))]

mod common;

use std::{
    cell::Cell,
    ffi::{c_int, c_void},
    mem::{MaybeUninit, zeroed},
    ptr::{null, null_mut},
    thread,
};

use common::port::signals;
use vmtrampoline::{CTrampoline, Landing, Outcome, ValRaw, c_trampoline};

thread_local! {
    static LANDING: Cell<*const Landing> = const { Cell::new(null()) };
}

/// Has the interrupted code go on there.
///
/// # Safety
///
/// The context is a signal handler's, and its code may be abandoned.
unsafe fn go_on(context: *mut c_void, to: [usize; 2]) {
    // SAFETY: our own condition.
    let registers = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext };
    signals::go_on(registers, to);
}

extern "C" fn trap(signal: c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: null, or the landing of this thread's call.
    let landing = unsafe { LANDING.get().as_ref() };
    let to = landing.and_then(|landing| landing.destination(signal as usize)).expect("a call");
    // SAFETY: the kernel's context, and code of this test.
    unsafe { go_on(context, [to.pc, to.sp]) };
}

/// Handles a signal on the alternate stack, with all others blocked.
fn handle(signal: c_int, handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void)) {
    // SAFETY: the handler does nothing that it may not.
    unsafe {
        let mut action: libc::sigaction = zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigfillset(&mut action.sa_mask);
        assert_eq!(libc::sigaction(signal, &action, null_mut()), 0);
    }
}

/// Runs this on a thread with an alternate stack of its own.
fn with_alternate_stack(run: impl FnOnce()) {
    let mut memory = vec![MaybeUninit::<u8>::uninit(); 1 << 16];
    let stack =
        libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: memory.len() };
    // SAFETY: nothing but numbers and an address.
    let mut before: libc::stack_t = unsafe { zeroed() };
    // SAFETY: the memory lives until the old stack is back.
    assert_eq!(unsafe { libc::sigaltstack(&stack, &mut before) }, 0);
    run();
    // SAFETY: the stack that there was.
    assert_eq!(unsafe { libc::sigaltstack(&before, null_mut()) }, 0);
}

/// The signals that are blocked, and whether this runs on the alternate stack.
fn mask() -> (Vec<bool>, bool) {
    // SAFETY: asks, and changes nothing.
    unsafe {
        let mut set: libc::sigset_t = zeroed();
        assert_eq!(libc::pthread_sigmask(libc::SIG_BLOCK, null(), &mut set), 0);
        let mut stack: libc::stack_t = zeroed();
        assert_eq!(libc::sigaltstack(null(), &mut stack), 0);
        let blocked = (1..32).map(|signal| libc::sigismember(&set, signal) == 1).collect();
        (blocked, stack.ss_flags & libc::SS_ONSTACK != 0)
    }
}

/// An instruction that is none.
extern "C" fn undefined() {
    signals::undefined();
}

/// A load from nowhere, in a frame with something in it.
extern "C" fn load() {
    let nowhere = std::hint::black_box([8_usize; 100])[50];
    // SAFETY: a trap.
    unsafe { signals::load(nowhere) };
}

/// A signal that another function sends.
extern "C" fn raise() {
    // SAFETY: it is handled.
    unsafe { libc::raise(libc::SIGUSR1) };
}

const TRAPS: [(extern "C" fn(), c_int); 3] =
    [(undefined, libc::SIGILL), (load, libc::SIGSEGV), (raise, libc::SIGUSR1)];

fn call_and_trap(trampoline: &CTrampoline, rounds: usize) {
    let before = mask();
    assert!(!before.1);
    for _ in 0..rounds {
        for (function, signal) in TRAPS {
            let landing = Landing::new();
            let outer = LANDING.replace(&landing);
            let mut slots = vec![ValRaw::default(); trampoline.slots()];
            // SAFETY: the callee takes no notice of its parameters and does not return.
            let outcome = unsafe {
                trampoline.call_leavable(function as *const c_void, &mut slots, &landing)
            };
            LANDING.set(outer);
            assert_eq!(outcome, Ok(Outcome::Left(signal as usize)));
            assert_eq!(mask(), before);
        }
    }
}

/// A handler for each of TRAPS.
fn handle_traps() {
    TRAPS.iter().for_each(|(_, signal)| handle(*signal, trap));
}

#[test]
fn traps_leave_calls_of_every_kind() {
    handle_traps();
    with_alternate_stack(|| {
        for text in [
            "()",
            "(i32, f64) -> i64",
            "(i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64)",
            "(i64, i64, i64, i64, i64, i64, i64, i64, f64, f64, f64, f64, f64, f64, f64, f64, f64, \
             f64, f64, f64, f64, f64, f64, f64, f64, f64, f64) -> f64",
            "({i64, f64}) -> {[i64; 3]}",
            "(ptr, ...f64) -> {f64, f64}",
            "(longdouble) -> longdouble",
        ] {
            call_and_trap(&CTrampoline::new(&text.parse().unwrap()).unwrap(), 20);
        }
    });
}

#[test]
fn traps_leave_calls_in_every_thread() {
    handle_traps();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                with_alternate_stack(|| call_and_trap(&c_trampoline!((i32) -> f64), 200));
            });
        }
    });
}

/// The processor's trap flag stops after each instruction of the callee and what comes after
/// it, as long as the call can be left; and at one after the other it is left.
#[cfg(target_arch = "x86_64")]
mod stepped {
    use std::{arch::global_asm, sync::Mutex};

    use super::common::{
        case::{Case, EitherTrampoline, LandingPlace, signature},
        leavable::{address, destination},
        recorder::{Unused, checked},
        scalars,
    };
    use super::*;
    use vmtrampoline::private::Convention;

    const TRAP_FLAG: i64 = 0x100;

    /// What the handler works with.
    struct Steps {
        place: *const LandingPlace,
        /// How many to let pass.
        pass: usize,
    }

    // SAFETY: one test uses it.
    unsafe impl Send for Steps {}

    static STEPS: Mutex<Steps> = Mutex::new(Steps { place: null(), pass: 0 });

    unsafe extern "C" {
        #[link_name = "vmtrampoline_test_busy"]
        fn busy();
    }

    // A callee with frames, that uses what it must keep, and begins to be stepped.
    global_asm!(
        ".globl {busy}",
        "{busy}:",
        "endbr64",
        "pushfq",
        "or qword ptr [rsp], 0x100",
        "popfq",
        ".irp reg, rbx, rbp, r12, r13, r14, r15",
        "push \\reg",
        "not \\reg",
        ".endr",
        "sub rsp, 200",
        "stmxcsr [rsp]",
        "fnstcw [rsp + 4]",
        "mov dword ptr [rsp + 8], 0x1f80",
        "ldmxcsr [rsp + 8]",
        "mov word ptr [rsp + 8], 0x37f",
        "fldcw [rsp + 8]",
        "fld1",
        "std",
        "call 2f",
        "cld",
        "fstp st(0)",
        "ldmxcsr [rsp]",
        "fldcw [rsp + 4]",
        "add rsp, 200",
        ".irp reg, r15, r14, r13, r12, rbp, rbx",
        "pop \\reg",
        ".endr",
        "ret",
        "2:",
        "push rbp",
        "xor ebp, ebp",
        "pop rbp",
        "ret",
        busy = sym busy,
    );

    extern "C" fn step(_: c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
        let mut steps = STEPS.try_lock().expect("the test waits");
        // SAFETY: the kernel's context.
        let flags = unsafe {
            &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs[libc::REG_EFL as usize]
        };
        // SAFETY: the place of the call that is stepped.
        let sp = unsafe { (*steps.place).sp };
        if sp == 0 {
            *flags &= !TRAP_FLAG;
        } else if steps.pass > 0 {
            steps.pass -= 1;
        } else {
            *flags &= !TRAP_FLAG;
            // SAFETY: the kernel's context, and a callee that may be abandoned.
            unsafe { go_on(context, destination(sp)) };
        }
    }

    #[test]
    fn a_call_can_be_left_at_every_instruction() {
        handle(libc::SIGTRAP, step);
        let mut instructions = 0;
        with_alternate_stack(|| {
            for text in [
                "()",
                "(i64, f64)",
                "(i64, i64, i64, i64, i64, i64, i64, i64)",
                "(i64) -> (i32, v128, i32, i64)",
            ] {
                let case = Case::new(Convention::Vm, signature(Convention::Vm, text), 1);
                let trampoline = EitherTrampoline::all(Convention::Vm, &case.signature).remove(0);
                let before = mask();
                for pass in 0.. {
                    let mut slots = vec![ValRaw::default(); scalars::slots(&case.signature)];
                    let descriptor = (&raw const *trampoline.descriptor()).cast::<u8>() as usize;
                    let mut place = LandingPlace::new(trampoline.body());
                    let arguments = [
                        0x1111,
                        0x2222,
                        busy as *const () as usize,
                        slots.as_mut_ptr() as usize,
                        descriptor,
                        (&raw mut place) as usize,
                    ];
                    *STEPS.lock().unwrap() = Steps { place: &raw const place, pass };
                    // SAFETY: the callee takes no notice of its parameters.
                    let after = unsafe { checked(address(), &arguments, Unused::Set) };
                    assert_eq!(after.lost, [""; 0], "{text}, left after {pass} instructions");
                    assert_eq!(mask(), before);
                    if place.sp == 0 {
                        assert!(pass > 30, "{text}: {pass} instructions");
                        instructions += pass;
                        break;
                    }
                }
            }
        });
        println!("left at {instructions} instructions");
    }
}
