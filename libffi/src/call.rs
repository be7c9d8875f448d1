//! `ffi_call`: arguments from where pointers say to value slots, the trampoline, the result
//! from the slots to where a pointer says.

use std::{
    ffi::c_void,
    mem::{MaybeUninit, transmute},
};

use crate::{
    cif::{Cif, Interface},
    copy::copy_unaligned,
    types::{FfiType, kind},
};

/// A value slot, which the trampoline takes as a `u64`.
type Slot = MaybeUninit<u64>;

/// How an argument is copied to its slots: how many bytes it has, and whether it is a scalar.
#[derive(Clone, Copy)]
pub(crate) struct Argument(u32);

impl Argument {
    const SCALAR: u32 = 1 << 31;

    pub(crate) fn new(ty: &FfiType) -> Argument {
        // The last bytes of a slot may be anything; but a scalar is little-endian there.
        let word = cfg!(target_endian = "little") && matches!(ty.size, 4 | 8);
        let scalar = ty.is_scalar() && ty.size <= 8 || word;
        Argument(ty.size as u32 | if scalar { Argument::SCALAR } else { 0 })
    }

    #[inline(always)]
    pub(crate) fn is_scalar(self) -> bool {
        self.0 & Argument::SCALAR != 0
    }

    /// In bytes.
    #[inline(always)]
    pub(crate) fn size(self) -> usize {
        (self.0 & !Argument::SCALAR) as usize
    }
}

/// What becomes of the result.
#[derive(Clone, Copy)]
pub(crate) enum Outcome {
    Nothing,
    /// What is in the slot, with so many bits at the top replaced by the sign of what is below
    /// them.
    Word(u32),
    Float,
    /// So many bytes, as they are.
    Bytes(usize),
    /// Nothing, as the target gets the address for it in front of its arguments.
    Memory,
}

impl Outcome {
    pub(crate) fn new(ty: &FfiType) -> Outcome {
        match ty.kind {
            kind::VOID => Outcome::Nothing,
            kind::SINT8 | kind::SINT16 | kind::SINT32 | kind::INT => {
                Outcome::Word(64 - 8 * ty.size as u32)
            }
            kind::FLOAT => Outcome::Float,
            kind::STRUCT | kind::COMPLEX => Outcome::Bytes(ty.size),
            _ if ty.size <= 8 => Outcome::Word(0),
            _ => Outcome::Bytes(ty.size),
        }
    }
}

/// Copies a scalar to its slot.
///
/// # Safety
///
/// There are a value of this kind and a slot.
#[inline(always)]
unsafe fn load(argument: Argument, value: *const c_void, slot: *mut Slot) {
    // By bits, which the compiler makes no table of.
    let size = argument.size();
    let bits = if size & 8 != 0 {
        // SAFETY: our own condition, here and below.
        unsafe { value.cast::<u64>().read_unaligned() }
    } else if size & 4 != 0 {
        // SAFETY: as above.
        unsafe { value.cast::<u32>().read_unaligned() }.into()
    } else if size & 2 != 0 {
        // SAFETY: as above.
        unsafe { value.cast::<u16>().read_unaligned() }.into()
    } else {
        // SAFETY: as above.
        unsafe { value.cast::<u8>().read() }.into()
    };
    // SAFETY: as above.
    unsafe { slot.write(Slot::new(bits.to_le())) };
}

/// Copies a result that is a scalar from its slot.
///
/// # Safety
///
/// There is a result of this kind in the slot, and room for it, or for a word.
#[inline(always)]
unsafe fn store(outcome: Outcome, slot: *const Slot, to: *mut c_void) {
    // SAFETY: a scalar fills the slot, zero-extended.
    let word = || u64::from_le(unsafe { slot.cast::<u64>().read() });
    if let Outcome::Word(above) = outcome {
        let word = (word() << above) as i64 >> above;
        // SAFETY: our own condition, here and below.
        unsafe { to.cast::<i64>().write_unaligned(word) };
    } else if let Outcome::Float = outcome {
        // SAFETY: as above.
        unsafe { to.cast::<u32>().write_unaligned(word() as u32) };
    }
}

/// What makes the calls with one signature: interface, target, where to put the result, pointers
/// to the arguments. Nothing in such a function has a destructor, so that its frame may be
/// abandoned.
pub(crate) type Call =
    unsafe extern "C-unwind" fn(&Interface, *const c_void, *mut c_void, *const *const c_void);

/// A [`Call`] with nothing to translate.
///
/// # Safety
///
/// As libffi's manual has it for `ffi_call`, with the interface of the signature.
unsafe extern "C-unwind" fn nothing(
    _: &Interface,
    target: *const c_void,
    _: *mut c_void,
    _: *const *const c_void,
) {
    // SAFETY: so is a function without parameters and result called, even if it is variadic.
    let target: unsafe extern "C-unwind" fn(...) = unsafe { transmute(target) };
    // SAFETY: the program's promises.
    unsafe { target() }
}

/// A [`Call`] with so many scalars, or with [`ALL`], and a scalar as the result, and no more slots
/// than [`FEW`].
///
/// # Safety
///
/// As for [`nothing`].
unsafe extern "C-unwind" fn scalars<const COUNT: usize>(
    interface: &Interface,
    target: *const c_void,
    result: *mut c_void,
    values: *const *const c_void,
) {
    let mut slots = [Slot::uninit(); FEW];
    let first = slots.as_mut_ptr();
    let arguments = interface.arguments.as_ptr();
    for i in 0..if COUNT == ALL { interface.arguments.len() } else { COUNT } {
        // SAFETY: the signature has so many parameters.
        let argument = unsafe { *arguments.wrapping_add(i) };
        // SAFETY: the program's promises; each argument has a slot.
        unsafe { load(argument, *values.wrapping_add(i), first.wrapping_add(i)) };
    }
    // SAFETY: there are as many slots as the trampoline wants; the target is the program's to
    // answer for.
    unsafe { interface.trampoline.call_unchecked(target, first.cast()) };
    if !result.is_null() {
        // SAFETY: the program's promises.
        unsafe { store(interface.outcome, first, result) };
    }
}

/// A [`Call`] with any arguments and no more slots than this, with or without a result in memory.
///
/// # Safety
///
/// As for [`nothing`].
unsafe extern "C-unwind" fn any<const SLOTS: usize, const MEMORY: bool>(
    interface: &Interface,
    target: *const c_void,
    result: *mut c_void,
    values: *const *const c_void,
) {
    let mut slots = [Slot::uninit(); SLOTS];
    let first = slots.as_mut_ptr();
    let (mut slot, mut value) = (first, values);
    if MEMORY {
        if result.is_null() {
            // SAFETY: our own conditions.
            return unsafe { ignored(interface, target, values) };
        }
        // SAFETY: the first argument has a slot.
        unsafe { slot.cast::<*mut c_void>().write(result.map_addr(usize::to_le)) };
        slot = slot.wrapping_add(1);
    }
    for argument in &interface.arguments {
        // SAFETY: the program's promises.
        let from = unsafe { *value };
        value = value.wrapping_add(1);
        if argument.is_scalar() {
            // SAFETY: the program's promises; each argument has slots.
            unsafe { load(*argument, from, slot) };
            slot = slot.wrapping_add(1);
        } else {
            // SAFETY: as above.
            unsafe { copy_bytes(from.cast(), slot.cast(), argument.size()) };
            slot = slot.wrapping_add(argument.size().div_ceil(8));
        }
    }
    // SAFETY: there are as many slots as the trampoline wants, or more; the target is the
    // program's to answer for.
    unsafe { interface.trampoline.call_unchecked(target, first.cast()) };
    if MEMORY || result.is_null() {
        return;
    }
    if let Outcome::Bytes(size) = interface.outcome {
        // SAFETY: the program's promises; the result is in the slots.
        unsafe { copy_bytes(first.cast(), result.cast(), size) };
    } else {
        // SAFETY: as above.
        unsafe { store(interface.outcome, first, result) };
    }
}

/// Copies a value, the most frequent size in the fewest instructions.
///
/// # Safety
///
/// As for [`copy_unaligned`].
#[inline(always)]
pub(crate) unsafe fn copy_bytes(from: *const u8, to: *mut u8, size: usize) {
    if size == 16 {
        // SAFETY: our own conditions.
        unsafe { copy_unaligned(from, to, 16) }
    } else {
        // SAFETY: as above.
        unsafe { copy_rest(from, to, size) }
    }
}

/// Copies a value of another size.
///
/// # Safety
///
/// As for [`copy_unaligned`].
#[inline(never)]
unsafe fn copy_rest(from: *const u8, to: *mut u8, size: usize) {
    // SAFETY: our own conditions.
    unsafe { copy_unaligned(from, to, size) }
}

/// A call whose result the program does not want, but the target writes.
///
/// # Safety
///
/// As for [`nothing`].
#[cold]
#[inline(never)]
unsafe fn ignored(interface: &Interface, target: *const c_void, values: *const *const c_void) {
    let mut result = Ignored([Slot::uninit(); MOST]);
    // SAFETY: our own conditions; no result is larger, and no instruction wants it aligned to more.
    unsafe { (interface.call)(interface, target, (&raw mut result).cast(), values) };
}

/// Where a target writes a result that is not wanted: aligned to as much as compilers make use of.
#[repr(align(64))]
struct Ignored(#[allow(dead_code)] [Slot; MOST]);

/// In place of a number.
const ALL: usize = usize::MAX;

/// Slots that most calls do with, and that many do with.
const FEW: usize = 16;
const MANY: usize = 256;
const MOST: usize = vmtrampoline::CTrampoline::<u64>::MAX_BYTES / 8;

/// The function for calls of this kind, which need so many slots.
pub(crate) fn choose(arguments: &[Argument], outcome: Outcome, slots: usize) -> Call {
    let few = slots <= FEW;
    let memory = matches!(outcome, Outcome::Memory);
    let scalars = !matches!(outcome, Outcome::Bytes(_) | Outcome::Memory)
        && arguments.iter().all(|argument| argument.is_scalar());
    match (arguments.len(), outcome) {
        (0, Outcome::Nothing) => self::nothing,
        (0, _) if few && scalars => self::scalars::<0>,
        (1, _) if few && scalars => self::scalars::<1>,
        (2, _) if few && scalars => self::scalars::<2>,
        (3, _) if few && scalars => self::scalars::<3>,
        (4, _) if few && scalars => self::scalars::<4>,
        _ if few && scalars => self::scalars::<ALL>,
        _ if few && memory => any::<FEW, true>,
        _ if few => any::<FEW, false>,
        _ if slots <= MANY && memory => any::<MANY, true>,
        _ if slots <= MANY => any::<MANY, false>,
        _ if memory => any::<MOST, true>,
        _ => any::<MOST, false>,
    }
}

/// Calls a function.
///
/// # Safety
///
/// As libffi's manual has it.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ffi_call(
    cif: *const Cif,
    target: *const c_void,
    result: *mut c_void,
    values: *const *const c_void,
) {
    // SAFETY: the program's promises.
    let interface = unsafe { (*cif).interface() };
    // SAFETY: as above.
    unsafe { (interface.call)(interface, target, result, values) }
}

/// Calls a function, by the plan of a cif.
///
/// # Safety
///
/// As libffi's manual has it.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn ffi_call_plan_invoke(
    plan: *const c_void,
    target: *const c_void,
    result: *mut c_void,
    values: *const *const c_void,
) {
    // SAFETY: a plan is an interface.
    let interface = unsafe { &*plan.cast::<Interface>() };
    // SAFETY: the program's promises.
    unsafe { (interface.call)(interface, target, result, values) }
}
