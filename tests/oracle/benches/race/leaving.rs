//! Calls that can be left at once, beside the same calls after `sigsetjmp` and inside
//! `catch_unwind`; and what it takes to come back by each.

use std::{
    arch::naked_asm,
    ffi::{c_int, c_void},
    hint::black_box,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    slice,
};

use vmtrampoline::{CTrampoline, Landing, Outcome, ValRaw};

use crate::{
    clock::{Lane, race},
    methods::Method,
    records::{record, record_race},
    site::lane,
};

/// Calls per lane and round.
const CALLS: usize = 2000;
const ROUNDS: usize = 301;

/// Races all ways.
pub fn run() {
    extern "C" fn nothing() {}
    extern "C" fn two(_: i32, y: i32) -> i32 {
        y
    }
    #[rustfmt::skip]
    extern "C" fn eight(_: i64, _: i64, _: i64, _: i64, _: i64, _: i64, _: i64, y: i64) -> i64 {
        y
    }
    returning::<0>("()", nothing as *const _);
    returning::<2>("(i32, i32) -> i32", two as *const _);
    returning::<8>("(i64, i64, i64, i64, i64, i64, i64, i64) -> i64", eight as *const _);
    coming_back();
}

/// Races calls that return, of a function with so many parameters.
fn returning<const WRITTEN: usize>(signature: &str, code: *const c_void) {
    let call = Call::new(signature, code);
    let mut buffer = [0; 64];
    let mut lanes = [
        lane::<WRITTEN, _>("call", WRITTEN, By(move |slots| call.make(slots))),
        lane::<WRITTEN, _>(
            "call_leavable",
            WRITTEN,
            By(move |slots| {
                assert_eq!(call.leavable(slots, &Landing::new()), Outcome::Returned);
            }),
        ),
        lane::<WRITTEN, _>(
            "sigsetjmp",
            WRITTEN,
            By(move |slots| assert_eq!(call.after_setjmp(slots, &mut buffer), 0)),
        ),
        lane::<WRITTEN, _>("catch_unwind", WRITTEN, By(move |slots| assert!(call.caught(slots)))),
    ];
    for lane in &mut lanes {
        let steps = lane.steps();
        record("leavable calls' instructions", signature, lane.name, steps.instructions as f64);
        record("leavable calls' allocations", signature, lane.name, lane.allocations(CALLS) as f64);
    }
    let times = race(&mut lanes, ROUNDS, CALLS);
    record_race("leavable calls", signature, &times);
    let [plain, leavable, ..] = &times[..] else { unreachable!("four lanes") };
    record("leavable calls", signature, "over call", leavable.median() - plain.median());
}

/// Races calls that are left.
fn coming_back() {
    extern "C-unwind" fn leaves(landing: &Landing) {
        // SAFETY: it is called under this landing, and nothing lies between.
        unsafe { landing.leave(1) }
    }
    extern "C-unwind" fn jumps(buffer: &mut Buffer) {
        // SAFETY: it is called after `sigsetjmp`, and nothing lies between.
        unsafe { siglongjmp(buffer, 1) }
    }
    extern "C-unwind" fn unwinds(_: usize) {
        resume_unwind(Box::new(()));
    }
    let [leaves, jumps, unwinds] =
        [leaves as *const c_void, jumps as *const c_void, unwinds as *const c_void]
            .map(|code| Call::new("(ptr)", code));
    let mut buffer = [0; 64];
    let mut lanes = [
        left("leave", move || {
            let landing = Landing::new();
            let mut slot = [ValRaw::ptr((&raw const landing).cast_mut())];
            leaves.leavable(slot.as_mut_ptr(), &landing) == Outcome::Left(1)
        }),
        left("siglongjmp", move || {
            let mut slot = [ValRaw::ptr(&raw mut buffer)];
            jumps.after_setjmp(slot.as_mut_ptr(), &mut buffer) == 1
        }),
        left("resume_unwind", move || !unwinds.caught([ValRaw::default()].as_mut_ptr())),
    ];
    record_race("calls that are left", "(ptr)", &race(&mut lanes, ROUNDS / 3, CALLS / 10));
}

/// Calls that are left, which this says.
fn left(name: &'static str, mut call: impl FnMut() -> bool + 'static) -> Lane<'static> {
    Lane::new(name, move |calls| (0..calls).for_each(|_| assert!(call(), "{name}")))
}

/// A way to make a call.
struct By<F>(F);

impl<F: FnMut(*mut ValRaw)> Method for By<F> {
    #[inline(always)]
    unsafe fn call(&mut self, slots: *mut ValRaw) {
        (self.0)(slots);
    }
}

/// A function, and its caller.
#[derive(Clone, Copy)]
struct Call {
    trampoline: &'static CTrampoline,
    code: *const c_void,
}

impl Call {
    fn new(signature: &str, code: *const c_void) -> Call {
        let signature = signature.parse().expect("a signature");
        let trampoline = CTrampoline::new(&signature).expect("a supported target");
        Call { trampoline: Box::leak(Box::new(trampoline)), code: black_box(code) }
    }

    /// All slots, which are where this points to.
    #[inline(always)]
    fn slots<'a>(&self, slots: *mut ValRaw) -> &'a mut [ValRaw] {
        // SAFETY: the lanes' vectors and arrays.
        unsafe { slice::from_raw_parts_mut(slots, self.trampoline.slots()) }
    }

    #[inline(always)]
    fn make(&self, slots: *mut ValRaw) {
        // SAFETY: the function has this signature.
        unsafe { self.trampoline.call(self.code, self.slots(slots)) }.expect("enough slots");
    }

    #[inline(always)]
    fn leavable(&self, slots: *mut ValRaw, landing: &Landing) -> Outcome {
        // SAFETY: the function has this signature.
        unsafe { self.trampoline.call_leavable(self.code, self.slots(slots), landing) }
            .expect("enough slots, and no other call")
    }

    /// Whether it has returned.
    #[inline(always)]
    fn caught(&self, slots: *mut ValRaw) -> bool {
        catch_unwind(AssertUnwindSafe(|| self.make(slots))).is_ok()
    }

    /// What `sigsetjmp` has returned last.
    #[inline(always)]
    fn after_setjmp(&self, slots: *mut ValRaw, buffer: &mut Buffer) -> c_int {
        // SAFETY: `make` may be called with these.
        unsafe { set_and_make(buffer, self, slots) }
    }
}

/// More than a `sigjmp_buf`.
type Buffer = [u64; 64];

unsafe extern "C" {
    #[link_name = "__sigsetjmp"]
    fn sigsetjmp(buffer: *mut Buffer, save_mask: c_int) -> c_int;
    fn siglongjmp(buffer: *mut Buffer, value: c_int) -> !;
}

/// `sigsetjmp(…, 0)`, and `make` if that returns 0; what it has returned last. Rust cannot call
/// a function that returns twice.
///
/// # Safety
///
/// `make` may be called with these.
#[unsafe(naked)]
unsafe extern "C" fn set_and_make(
    buffer: *mut Buffer,
    call: *const Call,
    slots: *mut ValRaw,
) -> c_int {
    naked_asm!(
        "push rbx",
        "push rbp",
        "sub rsp, 8",
        "mov rbx, rsi",
        "mov rbp, rdx",
        "xor esi, esi",
        "call qword ptr [rip + {sigsetjmp}@GOTPCREL]",
        "test eax, eax",
        "jnz 2f",
        "mov rdi, rbx",
        "mov rsi, rbp",
        "call {make}",
        "xor eax, eax",
        "2:",
        "add rsp, 8",
        "pop rbp",
        "pop rbx",
        "ret",
        sigsetjmp = sym sigsetjmp,
        make = sym make,
    )
}

extern "C" fn make(call: &Call, slots: *mut ValRaw) {
    call.make(slots);
}
