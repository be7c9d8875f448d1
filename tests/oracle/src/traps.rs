//! Part 1 again: what traps in hardware leaves its call by this crate.
//!
//! WebAssembly traps by an instruction, which raises a signal, or in Wasmtime's library.
//! Handlers of our own take the signals before Wasmtime's and leave the call that is being
//! made. What the library raises is not for them: Wasmtime's `catch_traps` has it.

use std::{
    cell::Cell,
    ffi::{c_int, c_void},
    mem::zeroed,
    ops::Range,
    ptr::null,
    sync::OnceLock,
};

use libc::{sigaction, siginfo_t, ucontext_t};
use object::{Object, ObjectSection};
use vmtrampoline::{Landing, Outcome, Trampoline, ValRaw};
use wasmtime::{Module, Trap};
use wasmtime_environ::{lookup_trap_code, obj::ELF_WASMTIME_TRAPS};

use crate::guest::Target;

/// What may trap, and what has.
#[derive(Default)]
pub struct Traps {
    images: Vec<Image>,
    /// How many calls have been left.
    pub left: Cell<usize>,
    /// How many signals have gone to Wasmtime's handlers while a call could be left.
    pub passed_on: Cell<usize>,
}

/// What Wasmtime has made of a module.
struct Image {
    text: Range<usize>,
    /// Which instructions may trap, and why.
    table: Range<usize>,
    /// So that both stay where they are.
    _module: Module,
}

/// A call that is being made, by the thread.
struct Watch<'a> {
    traps: &'a Traps,
    landing: Landing,
}

thread_local! {
    static WATCH: Cell<*const Watch<'static>> = const { Cell::new(null()) };
}

impl Traps {
    /// Its code may be left from now on.
    pub fn add(&mut self, module: &Module) {
        let image = module.image_range();
        // SAFETY: that is where the image is, as long as the module lives.
        let image = unsafe { std::slice::from_raw_parts(image.start as *const u8, image.len()) };
        let object = object::File::parse(image).expect("an image is an object");
        let section = |name| {
            let section = object.section_by_name(name);
            let data = section.map_or(&[][..], |section| section.data().expect("its bytes"));
            data.as_ptr_range().start as usize..data.as_ptr_range().end as usize
        };
        let (text, table) = (section(".text"), section(ELF_WASMTIME_TRAPS));
        self.images.push(Image { text, table, _module: module.clone() });
    }

    /// Runs this, which makes one call by [`call`] at most.
    pub fn watch<T>(&self, run: impl FnOnce() -> T) -> T {
        handle();
        let watch = Watch { traps: self, landing: Landing::new() };
        WATCH.set((&raw const watch).cast());
        let done = run();
        WATCH.set(null());
        done
    }

    /// The image with this instruction.
    fn image(&self, pc: usize) -> Option<&Image> {
        self.images.iter().find(|image| image.text.contains(&pc))
    }

    /// Why this instruction has trapped.
    fn reason(&self, pc: usize) -> Option<Trap> {
        let Image { text, table, .. } = self.image(pc)?;
        // SAFETY: the module is alive.
        let table = unsafe { std::slice::from_raw_parts(table.start as *const u8, table.len()) };
        lookup_trap_code(table, pc - text.start)
    }
}

/// Makes a call inside [`Traps::watch`]; why it has been left, if it has.
///
/// # Safety
///
/// The target has this signature, and its call with these arguments is sound.
pub unsafe fn call(trampoline: &Trampoline, target: Target, slots: &mut [ValRaw]) -> Option<Trap> {
    // SAFETY: it lives until `Traps::watch` is done.
    let Watch { traps, landing } = unsafe { WATCH.get().as_ref() }.expect("a watch");
    let Target { callee, caller, code } = target;
    // SAFETY: our own condition.
    let outcome = unsafe { trampoline.call_leavable(callee, caller, code, slots, landing) };
    match outcome.expect("enough slots, a new landing") {
        Outcome::Returned => None,
        Outcome::Left(pc) => {
            traps.left.set(traps.left.get() + 1);
            Some(traps.reason(pc).expect("an instruction that may trap"))
        }
    }
}

/// The signals of instructions that trap, and their handlers before ours, which are Wasmtime's.
static PREVIOUS: OnceLock<[(c_int, sigaction); 3]> = OnceLock::new();

/// Handles the signals from now on. Wasmtime has an engine, so its handlers are there.
fn handle() {
    PREVIOUS.get_or_init(|| {
        [libc::SIGILL, libc::SIGSEGV, libc::SIGFPE].map(|signal| {
            // SAFETY: numbers, and no function.
            let [mut action, mut previous]: [sigaction; 2] = unsafe { zeroed() };
            action.sa_sigaction = trap as *const () as usize;
            // Wasmtime's handler jumps out of ours, which must not leave the signal blocked.
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
            // SAFETY: the handler allocates nothing and takes no lock.
            let done = unsafe { sigaction(signal, &action, &mut previous) };
            assert!(done == 0 && previous.sa_flags & libc::SA_SIGINFO != 0, "Wasmtime's handler");
            (signal, previous)
        })
    });
}

/// Leaves the call, if compiled code has trapped that it has called.
extern "C" fn trap(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: null, or what `Traps::watch` of this thread runs.
    if let Some(Watch { traps, landing }) = unsafe { WATCH.get().as_ref() } {
        // SAFETY: the kernel's context.
        let registers = unsafe { &mut (*context.cast::<ucontext_t>()).uc_mcontext.gregs };
        let pc = registers[libc::REG_RIP as usize] as usize;
        if let Some(to) = traps.image(pc).and_then(|_| landing.destination(pc)) {
            // Compiled code holds nothing, nor does what lies between it and the landing: frames
            // of this crate, and where WebAssembly is entered, of Wasmtime's compiler.
            registers[libc::REG_RIP as usize] = to.pc as i64;
            registers[libc::REG_RSP as usize] = to.sp as i64;
            return;
        }
        traps.passed_on.set(traps.passed_on.get() + usize::from(landing.is_live()));
    }
    let mut previous = PREVIOUS.get().into_iter().flatten();
    let previous = previous.find(|(handled, _)| *handled == signal).expect("it is handled");
    // SAFETY: a function of this type, by its flag, which wants what a handler is given.
    unsafe {
        let handler = std::mem::transmute::<usize, extern "C" fn(c_int, *mut siginfo_t, *mut c_void)>(
            previous.1.sa_sigaction,
        );
        handler(signal, info, context);
    }
}
