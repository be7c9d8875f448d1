//! Windows: calls that a handler of vectored exceptions leaves. It sets two registers and lets
//! the execution go on, so the system looks for no handler of a frame.

#![cfg(all(vmtrampoline_port, windows, target_arch = "x86_64"))]

use std::{arch::asm, cell::Cell, ffi::c_void, ptr::null, thread};

use vmtrampoline::{CTrampoline, Landing, Outcome, ValRaw};

/// EXCEPTION_POINTERS; of the record, the code comes first.
#[repr(C)]
struct Exception {
    code: *const u32,
    context: *mut u8,
}

/// Offsets of registers in CONTEXT.
const RSP: usize = 0x98;
const RIP: usize = 0xf8;

const CONTINUE_EXECUTION: i32 = -1;
const CONTINUE_SEARCH: i32 = 0;
const ACCESS_VIOLATION: u32 = 0xc000_0005;
const ILLEGAL_INSTRUCTION: u32 = 0xc000_001d;
const DIVIDE_BY_ZERO: u32 = 0xc000_0094;

#[link(name = "kernel32")]
unsafe extern "system" {
    fn AddVectoredExceptionHandler(
        first: u32,
        handler: extern "system" fn(&Exception) -> i32,
    ) -> *mut c_void;
    fn RemoveVectoredExceptionHandler(handler: *mut c_void) -> u32;
}

thread_local! {
    static LANDING: Cell<*const Landing> = const { Cell::new(null()) };
}

extern "system" fn trap(exception: &Exception) -> i32 {
    // SAFETY: null, or the landing of this thread's call.
    let landing = unsafe { LANDING.get().as_ref() };
    // SAFETY: the system's record.
    let code = unsafe { *exception.code };
    let Some(to) = landing.and_then(|landing| landing.destination(code as usize)) else {
        return CONTINUE_SEARCH;
    };
    for (register, value) in [(RSP, to.sp), (RIP, to.pc)] {
        // SAFETY: the system's context, and code of this test, which may be abandoned.
        unsafe { exception.context.add(register).cast::<usize>().write(value) };
    }
    CONTINUE_EXECUTION
}

extern "C" fn undefined() {
    // SAFETY: a trap.
    unsafe { asm!("ud2") };
}

extern "C" fn load() {
    // SAFETY: a trap.
    unsafe { asm!("mov {0}, [{0}]", inout(reg) 8_usize => _) };
}

extern "C" fn divide() {
    // SAFETY: a trap.
    unsafe {
        asm!("div {0:r}", in(reg) 0_usize, inout("rax") 1_usize => _, inout("rdx") 0_usize => _)
    };
}

const TRAPS: [(extern "C" fn(), u32); 3] =
    [(undefined, ILLEGAL_INSTRUCTION), (load, ACCESS_VIOLATION), (divide, DIVIDE_BY_ZERO)];

fn call_and_trap(text: &str) {
    let trampoline = CTrampoline::new(&text.parse().expect(text)).expect(text);
    for (function, code) in TRAPS {
        let landing = Landing::new();
        LANDING.set(&landing);
        let mut slots = vec![ValRaw::default(); trampoline.slots()];
        // SAFETY: the callee takes no notice of its parameters and does not return.
        let outcome =
            unsafe { trampoline.call_leavable(function as *const c_void, &mut slots, &landing) };
        LANDING.set(null());
        assert_eq!(outcome, Ok(Outcome::Left(code as usize)), "{text}");
    }
}

#[test]
fn traps_leave_calls() {
    // SAFETY: the handler is as the system wants it.
    let handler = unsafe { AddVectoredExceptionHandler(1, trap) };
    assert!(!handler.is_null());
    for text in ["()", "(i32, f64) -> i64", "({i64, f64}) -> {[i64; 3]}", "(longdouble) -> f64"] {
        (0..20).for_each(|_| call_and_trap(text));
    }
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..50).for_each(|_| call_and_trap("(i32) -> f64")));
        }
    });
    // SAFETY: our own handler.
    assert_ne!(unsafe { RemoveVectoredExceptionHandler(handler) }, 0);
}
