//! A callee that records, a caller that checks, and a callee that spoils.
//!
//! The *recorder* is a function that fits every signature of either convention.
//! It writes down all argument registers, its argument area and the control
//! words, overwrites everything that a callee may overwrite, and returns what
//! the test has chosen, with poison in every bit that the convention leaves
//! open. [`record`] makes it ready and tells what it heard.
//!
//! The *checker*, [`checked`], calls a function with patterns in all registers
//! that it must keep and on the stack around it, and tells which it lost.
//!
//! The *spoiler* is a callee that never returns: it overwrites all that a function must
//! keep, and leaves the call.
//!
//! # A port's part
//!
//! A port has the facts that `ports/mod.rs` lists. Its `recorder.rs` has three functions, in
//! `functions!`, with the labels `{recorder}`, `{checker}` and `{spoiler}`. The recorder, in
//! order:
//!
//! 1. stores the REGISTERS, each to its 16 bytes of `Tape::registers`, the
//!    stack pointer at entry to `Tape::sp`, the CONTROLS to `Tape::controls`;
//! 2. calls `listen`, which takes no arguments;
//! 3. poisons RED_ZONE bytes below the stack pointer, every caller-saved
//!    register, and the condition flags;
//! 4. loads the RESULTS from `Tape::results` and returns.
//!
//! The checker, which takes no arguments:
//!
//! 1. saves what it must itself keep, with the stack pointer in `Check::sp`;
//! 2. moves the stack pointer down by ABOVE bytes, stored as the pattern of the
//!    stack pointer in `Check::given`, and fills that and BELOW bytes below it
//!    with POISON;
//! 3. loads CONTROLS and KEPT from `Check::given`, the registers of the first integer
//!    arguments from `Check::arguments`, all other caller-saved registers from
//!    `Check::unused`, the condition flags from `Check::flags`, and calls
//!    `Check::function`;
//! 4. stores CONTROLS and KEPT to `Check::found`, the ABOVE bytes to `Check::above`, the
//!    RESULTS to `Check::results`, and undoes 1. The function may have broken
//!    its promises: only the instruction pointer and the Check can be relied on.
//!    Space above the stack pointer that the convention gives to the callee
//!    belongs below the ABOVE bytes.
//!
//! The spoiler, in order:
//!
//! 1. loads the register of the first argument from where `Spoil::sp` points, and the
//!    stack pointer, too, if `Spoil::moves` is not zero;
//! 2. changes the control words and overwrites all registers but those two;
//! 3. jumps to `Spoil::exit`.

use std::{
    cell::UnsafeCell,
    ffi::c_void,
    ptr,
    sync::{Mutex, PoisonError},
};

use super::{port, scalars};
use vmtrampoline::{Layout, Location, ValType};

/// The functions of a port, whose text has names for what is here, and more names of its own.
macro_rules! functions {
    ({ $($text:tt)* } $($more:tt)*) => {
        core::arch::global_asm!(
            $($text)*
            spoiler = sym $crate::common::recorder::spoiler,
            spoil = sym $crate::common::recorder::SPOIL,
            spoil_sp = const core::mem::offset_of!($crate::common::recorder::Spoil, sp),
            exit = const core::mem::offset_of!($crate::common::recorder::Spoil, exit),
            moves = const core::mem::offset_of!($crate::common::recorder::Spoil, moves),
            recorder = sym $crate::common::recorder::recorder,
            checker = sym $crate::common::recorder::checker,
            listen = sym $crate::common::recorder::listen,
            tape = sym $crate::common::recorder::TAPE,
            check = sym $crate::common::recorder::CHECK,
            registers = const core::mem::offset_of!($crate::common::recorder::Tape, registers),
            results = const core::mem::offset_of!($crate::common::recorder::Tape, results),
            sp = const core::mem::offset_of!($crate::common::recorder::Tape, sp),
            controls = const core::mem::offset_of!($crate::common::recorder::Tape, controls),
            function = const core::mem::offset_of!($crate::common::recorder::Check, function),
            arguments = const core::mem::offset_of!($crate::common::recorder::Check, arguments),
            unused = const core::mem::offset_of!($crate::common::recorder::Check, unused),
            saved_sp = const core::mem::offset_of!($crate::common::recorder::Check, sp),
            given = const core::mem::offset_of!($crate::common::recorder::Check, given),
            found = const core::mem::offset_of!($crate::common::recorder::Check, found),
            check_results = const core::mem::offset_of!($crate::common::recorder::Check, results),
            copy = const core::mem::offset_of!($crate::common::recorder::Check, above),
            red_zone = const $crate::common::recorder::RED_ZONE,
            above = const $crate::common::recorder::ABOVE,
            below = const $crate::common::recorder::BELOW,
            $($more)*
        );
    };
}

pub(crate) use functions;

/// What fills every bit that was not chosen: no small number, no address,
/// no zero.
pub(crate) const POISON: u64 = 0xa5a5_5a5a_c3c3_3c3c;
/// Bytes below the stack pointer that the recorder overwrites.
pub(super) const RED_ZONE: usize = 256;
/// Bytes of the checker's frame that may not be written to.
pub(super) const ABOVE: usize = 256;
/// Bytes that the checker overwrites below its frame.
pub(super) const BELOW: usize = 4096;
/// More bytes than a trampoline's frame has.
pub(crate) const FRAME: usize = 0x10000;

/// What a function finds in the condition flags, and in the registers that carry nothing:
/// it must not matter.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unused {
    /// All clear.
    Clear,
    /// All flags set, and [`POISON`].
    Set,
}

impl Unused {
    pub(crate) const BOTH: [Unused; 2] = [Unused::Clear, Unused::Set];
}

/// What the recorder's assembly reads and writes.
#[repr(C, align(16))]
pub(super) struct Tape {
    pub(super) registers: [u128; 24],
    pub(super) results: [u128; 4],
    pub(super) sp: usize,
    pub(super) controls: [u64; 4],
    /// For [`listen`]: what it is told, and what it writes down.
    pub(super) task: *mut Task,
}

/// For [`listen`].
pub(super) struct Task {
    layout: *const Layout,
    results: *const [u128],
    recording: Recording,
}

/// What the recorder has heard.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recording {
    /// How often it was called.
    pub(crate) calls: usize,
    /// Argument registers, by index in the architecture's list.
    registers: Vec<u128>,
    /// Its argument area.
    area: Vec<u8>,
    /// The stack pointer at the call.
    pub(crate) sp: usize,
    /// The CONTROLS.
    controls: Vec<u64>,
    /// The return pointer, if the layout has one.
    pub(crate) return_pointer: Option<usize>,
}

/// What a function has left behind.
pub(crate) struct Checked {
    results: [u128; 4],
    /// What it has lost of what it must keep.
    pub(crate) lost: Vec<&'static str>,
}

/// What the checker's assembly reads and writes.
#[repr(C, align(16))]
pub(super) struct Check {
    pub(super) function: *const c_void,
    pub(super) arguments: [usize; 7],
    pub(super) unused: u64,
    pub(super) flags: u64,
    pub(super) sp: usize,
    pub(super) given: [u64; 32],
    pub(super) found: [u64; 32],
    pub(super) results: [u128; 4],
    pub(super) above: [u64; ABOVE / 8],
}

/// A static that one thread at a time uses; the value comes first.
#[repr(C)]
pub(super) struct Shared<T>(UnsafeCell<T>, Mutex<()>);

// SAFETY: what touches the value holds the lock.
unsafe impl<T> Sync for Shared<T> {}

/// What the spoiler's assembly reads.
#[repr(C)]
pub(super) struct Spoil {
    pub(super) sp: *const usize,
    pub(super) exit: *const c_void,
    pub(super) moves: u64,
}

pub(super) static SPOIL: Shared<Spoil> =
    Shared(UnsafeCell::new(Spoil { sp: ptr::null(), exit: ptr::null(), moves: 0 }), Mutex::new(()));

pub(super) static TAPE: Shared<Tape> = Shared(
    UnsafeCell::new(Tape {
        registers: [0; 24],
        results: [0; 4],
        sp: 0,
        controls: [0; 4],
        task: ptr::null_mut(),
    }),
    Mutex::new(()),
);

pub(super) static CHECK: Shared<Check> = Shared(
    UnsafeCell::new(Check {
        function: ptr::null(),
        arguments: [0; 7],
        unused: 0,
        flags: 0,
        sp: 0,
        given: [0; 32],
        found: [0; 32],
        results: [0; 4],
        above: [0; ABOVE / 8],
    }),
    Mutex::new(()),
);

unsafe extern "C" {
    #[link_name = "vmtrampoline_test_recorder"]
    pub(super) fn recorder();
    #[link_name = "vmtrampoline_test_checker"]
    pub(super) fn checker();
    #[link_name = "vmtrampoline_test_spoiler"]
    pub(super) fn spoiler();
}

/// Runs `call`, which is to call the function whose address it gets once, with
/// the signature of `layout`; the function returns `results`.
pub(crate) fn record(
    layout: &Layout,
    results: &[u128],
    call: impl FnOnce(*const c_void),
) -> Recording {
    let _turn = TAPE.1.lock().unwrap_or_else(PoisonError::into_inner);
    let mut task = Task { layout, results, recording: Recording::default() };
    let tape = TAPE.0.get();
    let types = scalars::results(layout.signature());
    let registers = scalars::locations(layout.results()).into_iter().zip(types).next();
    let registers = registers.map(|(location, ty)| match location {
        Location::Register(name) => (index(port::RESULTS, name), port::register(results[0], ty)),
        _ => panic!("result 0 comes back in {location}"),
    });
    // SAFETY: we have the lock. The recorder runs inside `call` alone, and
    // no other code touches the tape.
    unsafe {
        (*tape).registers = [0; 24];
        (*tape).results = [u128::from(POISON) << 64 | u128::from(POISON); 4];
        if let Some((index, value)) = registers {
            (*tape).results[index] = value;
        }
        (*tape).task = &raw mut task;
    }
    call(recorder as *const c_void);
    task.recording
}

/// The recorder's other half, where Rust will do.
pub(super) extern "C" fn listen() {
    let tape = TAPE.0.get();
    // SAFETY: only the recorder calls this, while `record` waits for it.
    let (tape, task) = unsafe { (&*tape, &mut *(*tape).task) };
    // SAFETY: `record` keeps both alive.
    let (layout, results) = unsafe { (&*task.layout, &*task.results) };
    let recording = &mut task.recording;

    recording.calls += 1;
    recording.registers = tape.registers[..port::REGISTERS.len()].to_vec();
    recording.controls = tape.controls[..port::CONTROLS.len()].to_vec();
    recording.sp = tape.sp + port::RETURN_ADDRESS;
    let area =
        ptr::slice_from_raw_parts_mut(recording.sp as *mut u8, layout.argument_area() as usize);
    // SAFETY: by the convention the argument area is ours to read and write.
    let area = unsafe { &mut *area };
    recording.area = area.to_vec();
    area.fill(POISON as u8);

    recording.return_pointer =
        layout.return_pointer().map(|at| recording.read(at, ValType::I64) as usize);
    let Some(base) = recording.return_pointer else { return };
    // An address from elsewhere is for the test to report, not for us to follow.
    let frame = recording.sp + recording.area.len()..recording.sp + FRAME;
    if !frame.contains(&base) {
        return;
    }
    let types = scalars::results(layout.signature());
    for ((at, ty), value) in
        scalars::locations(layout.results()).into_iter().zip(types).zip(results)
    {
        if let Location::ReturnArea(offset) = at {
            let bytes = native(*value, scalars::size(ty));
            // SAFETY: by the convention the return area is ours to write.
            unsafe {
                ptr::copy_nonoverlapping(
                    bytes.as_ptr(),
                    (base + offset as usize) as *mut u8,
                    scalars::size(ty),
                );
            }
        }
    }
}

impl Recording {
    /// The value of this type that came in this place.
    pub(crate) fn read(&self, at: Location, ty: ValType) -> u128 {
        match at {
            Location::Register(name) => {
                port::value(self.registers[index(port::REGISTERS, name)], ty)
            }
            Location::Stack(offset) => {
                let from = offset as usize;
                let value = from_native(&self.area[from..from + scalars::size(ty)]);
                let slot = from / 8 * 8;
                let extended = || from_native(&self.area[slot..slot + 8]) as u64;
                if port::EXTENDS && ty == ValType::I32 && extended() != value as u32 as i32 as u64 {
                    return !value; // what is not sign-extended is no such value
                }
                value
            }
            _ => panic!("no parameter comes in {at}"),
        }
    }

    /// Which of the words that a callee of a [`checked`] function must find as
    /// they came did not.
    pub(crate) fn changed_controls(&self) -> Vec<&'static str> {
        differences(&given(), &self.controls)
    }
}

impl Checked {
    /// The value of this type that came back in a register, fitted to it as an
    /// argument is.
    pub(crate) fn value(&self, at: Location, ty: ValType) -> u128 {
        port::value(self.bits(at), ty)
    }

    /// All bits of the register that a result comes back in.
    pub(crate) fn bits(&self, at: Location) -> u128 {
        match at {
            Location::Register(name) => self.results[index(port::RESULTS, name)],
            _ => panic!("result 0 comes back in {at}"),
        }
    }
}

/// Calls `function` with these integer arguments, and looks what it has kept.
///
/// # Safety
///
/// `function` follows the C convention, is called rightly so, and does not
/// unwind.
pub(crate) unsafe fn checked(
    function: *const c_void,
    arguments: &[usize],
    unused: Unused,
) -> Checked {
    let _turn = CHECK.1.lock().unwrap_or_else(PoisonError::into_inner);
    let check = CHECK.0.get();
    // SAFETY: we have the lock, and no other code touches the value.
    unsafe {
        (*check).function = function;
        (*check).unused = [0, POISON][unused as usize];
        (*check).flags = port::FLAGS[unused as usize];
        (*check).arguments = [(*check).unused as usize; 7];
        (&mut (*check).arguments)[..arguments.len()].copy_from_slice(arguments);
        (&mut (*check).given)[..given().len()].copy_from_slice(&given());
        checker();
    }
    // SAFETY: as above.
    let check = unsafe { &*check };
    let mut lost = differences(&check.given, &check.found);
    if check.above.iter().any(|&word| word != POISON) {
        lost.push("the caller's frame");
    }
    Checked { results: check.results, lost }
}

/// Runs `call`, which is to call the function whose address it gets, whatever the
/// signature. That spoils all registers and goes on at `exit`, with the stack pointer from
/// `sp` as its argument, and in its register if `moves`.
pub(crate) fn spoil(
    sp: *const usize,
    exit: *const c_void,
    moves: bool,
    call: impl FnOnce(*const c_void),
) {
    let _turn = SPOIL.1.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: we have the lock. The spoiler runs inside `call` alone.
    unsafe { *SPOIL.0.get() = Spoil { sp, exit, moves: moves.into() } };
    call(spoiler as *const c_void);
}

/// What the checker puts into CONTROLS and KEPT: patterns, but for the stack pointer's.
fn given() -> Vec<u64> {
    const PATTERN: u64 = 0x0101_0101_1010_1010;
    let patterns = (1..=port::KEPT.len() as u64).map(|i| PATTERN * i);
    port::CONTROLS.iter().map(|(_, word)| *word).chain(patterns).collect()
}

/// The names of those words of CONTROLS and KEPT that are not the same.
fn differences(given: &[u64], found: &[u64]) -> Vec<&'static str> {
    let names = port::CONTROLS.iter().map(|(name, _)| name).chain(port::KEPT);
    let words = given.iter().zip(found).zip(names);
    words.filter(|((given, found), _)| given != found).map(|(_, name)| *name).collect()
}

fn index(names: &[&str], name: &str) -> usize {
    names.iter().position(|&one| one == name).unwrap_or_else(|| panic!("no register {name}"))
}

/// For most architectures: a value begins at bit 0 of its register.
pub(crate) fn low_bits(register: u128, ty: ValType) -> u128 {
    register & (u128::MAX >> (128 - 8 * scalars::size(ty)))
}

/// For most architectures: the same, and the bits above it may be anything.
pub(crate) fn poisoned(value: u128, ty: ValType) -> u128 {
    let poison = u128::from(POISON) << 64 | u128::from(POISON);
    value | poison & !low_bits(u128::MAX, ty)
}

/// The low `size` bytes of a value, in the machine's order.
pub(crate) fn native(value: u128, size: usize) -> Vec<u8> {
    let mut bytes = value.to_le_bytes()[..size].to_vec();
    if cfg!(target_endian = "big") {
        bytes.reverse();
    }
    bytes
}

/// The value of bytes in the machine's order.
pub(crate) fn from_native(bytes: &[u8]) -> u128 {
    let mut value = [0; 16];
    value[..bytes.len()].copy_from_slice(bytes);
    if cfg!(target_endian = "big") {
        value[..bytes.len()].reverse();
    }
    u128::from_le_bytes(value)
}
