//! Calls that can be left at once: [`Landing`].
//!
//! `leavable` of the assembly makes the call. `leave` or a signal handler goes back to it, and
//! abandons the frames between. None of this crate's frames there has a destructor.

use core::{
    cell::Cell,
    ffi::c_void,
    fmt,
    ptr::{null, null_mut},
};

use static_assertions::{assert_impl_all, assert_not_impl_any};

use super::port::{landed, leave};
use crate::error::Error;

/// A place to which code deep below a call can go back at once, without returning through
/// the frames between. The call is then *left*.
///
/// Traps, errors in host functions and exits need this. The call is made by
/// [`Trampoline::call_leavable`] or [`CTrampoline::call_leavable`]. The code below leaves it
/// by [`leave`](Self::leave), or a signal handler by [`destination`](Self::destination).
/// The crate allocates nothing and uses no thread-local variable: the program passes the
/// landing's address down, for example in the callee context.
///
/// [`Trampoline::call_leavable`]: crate::Trampoline::call_leavable
/// [`CTrampoline::call_leavable`]: crate::CTrampoline::call_leavable
///
/// ```
/// use std::ffi::c_void;
/// use vmtrampoline::{CTrampoline, Landing, Outcome, ValRaw};
///
/// /// Checks a number, deep in native code.
/// extern "C" fn check(landing: *const Landing, n: i32) -> i32 {
///     if n < 0 {
///         // SAFETY: the call below is running, in this thread, and no frame between has
///         // anything to drop.
///         unsafe { (*landing).leave(7) }
///     }
///     n
/// }
///
/// let trampoline = CTrampoline::new(&"(ptr, i32) -> i32".parse()?)?;
/// let landing = Landing::new();
/// let run = |n| {
///     let mut slots = [ValRaw::ptr((&raw const landing).cast_mut()), ValRaw::i32(n)];
///     // SAFETY: `check` has this signature.
///     let outcome =
///         unsafe { trampoline.call_leavable(check as *const c_void, &mut slots, &landing)? };
///     Ok::<_, vmtrampoline::Error>((outcome, slots[0].get_i32()))
/// };
/// assert_eq!(run(3)?, (Outcome::Returned, 3));
/// assert_eq!(run(-3)?.0, Outcome::Left(7));
/// # Ok::<(), vmtrampoline::Error>(())
/// ```
///
/// A landing serves one call at a time, and then the next. An inner call that can be left
/// has a landing of its own. Leaving an outer call abandons the inner calls.
///
/// # Which frames may be abandoned
///
/// All frames between the call and the code that leaves it vanish, as by `longjmp`: no
/// destructor runs, no lock is released, no memory is freed. These frames may be abandoned:
///
/// - code that a compiler made for a runtime, without cleanup of its own;
/// - C functions that hold nothing. `qsort` may hold memory, and `printf` holds a lock;
/// - functions and closures of Rust without a value that has a destructor, or whose
///   destructor need not run;
/// - frames of this crate: trampolines of every kind, function pointers, host functions and
///   callbacks hold nothing.
///
/// Registers that a function need not keep hold anything. The control words of floating point
/// are as they were at the call. The direction flag and the x87 registers are clear.
#[repr(C)]
pub struct Landing {
    /// The stack pointer of the call that can be left, or null.
    sp: Cell<*mut c_void>,
    /// What makes the call.
    body: Cell<*const c_void>,
    word: Cell<usize>,
}

assert_impl_all!(Landing: Unpin);
assert_not_impl_any!(Landing: Send, Sync);

#[cfg(target_pointer_width = "64")] // no others are entered
crate::encode::constants::assert_layout!(Landing, 0, {
    sp @ "L_SP",
    body @ "L_BODY",
    word @ "L_WORD",
});

/// How a call that can be left came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub enum Outcome {
    /// It returned, with its results in the slots.
    Returned,
    /// It was left, with this word. The slots hold the parameters, and what the call wrote
    /// before it was left.
    Left(usize),
}

/// Where a thread goes on to leave a call: what a signal handler puts in the context that
/// it has interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Destination {
    /// The program counter.
    pub pc: usize,
    /// The stack pointer.
    pub sp: usize,
}

impl Default for Landing {
    fn default() -> Landing {
        Landing::new()
    }
}

impl Landing {
    /// A landing that no call uses.
    pub const fn new() -> Landing {
        Landing { sp: Cell::new(null_mut()), body: Cell::new(null()), word: Cell::new(0) }
    }

    /// Whether a call is running that this landing can leave.
    ///
    /// It stays true if the call was abandoned: if a panic or a `longjmp` has gone through it, or
    /// an outer call was left. The landing then serves no further call.
    #[inline]
    pub fn is_live(&self) -> bool {
        !self.sp.get().is_null()
    }

    /// Leaves the call: it gives [`Outcome::Left`] with this word.
    ///
    /// Aborts with a message if no call is running that this landing can leave.
    ///
    /// # Safety
    ///
    /// - The call is running in this thread. It has not been abandoned: no panic or `longjmp` has
    ///   gone through it, and no outer call has been left.
    /// - All frames between may be [abandoned](Self#which-frames-may-be-abandoned).
    /// - The stack of the call is where it was.
    /// - Where the machine keeps a shadow stack, the call and the code that leaves it are on
    ///   the same stack. Elsewhere, a coroutine with a stack of its own may leave the call.
    pub unsafe fn leave(&self, word: usize) -> ! {
        if !self.is_live() {
            dead();
        }
        self.word.set(word);
        // SAFETY: R11 is our own condition: this is live, so the stack pointer is its own.
        unsafe { leave(self.sp.get()) }
    }

    /// Where a signal handler lets the interrupted code go on, to leave the call with this
    /// word; `None` if no call is running that this landing can leave.
    ///
    /// The handler writes both registers to the context that it was given, and returns. So
    /// the kernel restores the signal mask and the alternate stack, as after any signal.
    /// On Windows, a handler of vectored exceptions writes `Rip` and `Rsp` and continues the
    /// execution. That neither searches for other handlers nor runs those of the frames
    /// between.
    ///
    /// Ask only to leave the call, as the landing notes the word at once. Going there is
    /// unsafe, under the conditions of [`leave`](Self::leave). The interrupted frame may be at
    /// any instruction. So a signal that comes at any time needs frames that may be abandoned
    /// at any time.
    ///
    /// ```no_run
    /// # #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    /// # mod handler {
    /// # use std::{cell::Cell, ffi::{c_int, c_void}, ptr};
    /// # use vmtrampoline::Landing;
    /// thread_local! {
    ///     static LANDING: Cell<*const Landing> = const { Cell::new(ptr::null()) };
    /// }
    ///
    /// /// For SIGILL, SIGFPE or SIGSEGV of compiled code, with SA_SIGINFO and SA_ONSTACK.
    /// extern "C" fn trap(signal: c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    ///     // SAFETY: null, or the landing of the call that runs in this thread.
    ///     let landing = unsafe { LANDING.get().as_ref() };
    ///     let Some(to) = landing.and_then(|landing| landing.destination(signal as usize)) else {
    ///         std::process::abort();
    ///     };
    ///     // SAFETY: the kernel's context. The code that has trapped is compiled code, which
    ///     // may be abandoned.
    ///     let registers = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    ///     registers[libc::REG_RIP as usize] = to.pc as i64;
    ///     registers[libc::REG_RSP as usize] = to.sp as i64;
    /// }
    /// # }
    /// ```
    pub fn destination(&self, word: usize) -> Option<Destination> {
        let sp = self.sp.get();
        if sp.is_null() {
            return None;
        }
        self.word.set(word);
        Some(Destination { pc: landed(), sp: sp.expose_provenance() })
    }

    /// Whether a call may use this.
    #[inline(always)]
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.is_live() { Err(Error::LandingInUse) } else { Ok(()) }
    }

    /// Names the body that makes the call.
    #[inline(always)]
    pub(super) fn set_body(&self, body: *const c_void) {
        self.body.set(body);
    }

    /// The outcome of the call that has come to its end.
    #[inline(always)]
    pub(super) fn outcome(&self) -> Outcome {
        // By E12 a body that returns leaves null, by E13 only that does.
        if self.sp.replace(null_mut()).is_null() {
            Outcome::Returned
        } else {
            Outcome::Left(self.word.get())
        }
    }
}

impl fmt::Debug for Landing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Landing").field("is_live", &self.is_live()).finish_non_exhaustive()
    }
}

/// Aborts, as a panic does that would leave an `extern "C"` function.
#[cold]
extern "C" fn dead() -> ! {
    panic!("no call is running that could be left by this landing")
}

#[cfg(vmtrampoline_port)]
pub(super) mod ported {
    use core::ffi::c_void;

    use crate::native::port::{in_convention, symbol};

    macro_rules! functions {
        (@in $abi:literal) => {
            unsafe extern $abi {
                #[link_name = symbol!(leave)]
                pub(in crate::native) fn leave(sp: *mut c_void) -> !;
                #[link_name = symbol!(landed)]
                fn there();
            }
        };
    }
    in_convention! { functions }

    /// The address at which a call that is left goes on.
    pub(in crate::native) fn landed() -> usize {
        there as *const () as usize
    }
}
