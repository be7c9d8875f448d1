//! `ffi_call`: arguments from where pointers say to value slots, the trampoline, the result
//! from the slots to where a pointer says.

use std::{ffi::c_void, mem::MaybeUninit};

use crate::{
    cif::{Cif, Interface},
    copy::copy_unaligned,
    types::{FfiType, kind},
};

/// A value slot, which the trampoline takes as a `u64`.
type Slot = MaybeUninit<u64>;

/// How an argument is copied to its slots.
#[derive(Clone, Copy)]
pub(crate) enum Argument {
    /// A scalar of so many bytes.
    One,
    Two,
    Four,
    Eight,
    /// So many bytes, as they are.
    Bytes(u32),
}

impl Argument {
    pub(crate) fn new(ty: &FfiType) -> Argument {
        let aggregate = matches!(ty.kind, kind::STRUCT | kind::COMPLEX);
        match ty.size {
            // The last bytes of a slot may be anything; but a scalar is little-endian there.
            1 if !aggregate => Argument::One,
            2 if !aggregate => Argument::Two,
            4 if !aggregate || cfg!(target_endian = "little") => Argument::Four,
            8 if !aggregate || cfg!(target_endian = "little") => Argument::Eight,
            size => Argument::Bytes(size as u32),
        }
    }

    /// In bytes.
    #[inline(always)]
    pub(crate) fn size(self) -> usize {
        match self {
            Argument::One => 1,
            Argument::Two => 2,
            Argument::Four => 4,
            Argument::Eight => 8,
            Argument::Bytes(size) => size as usize,
        }
    }
}

/// What becomes of the result in its slots.
#[derive(Clone, Copy)]
pub(crate) enum Outcome {
    Nothing,
    /// An integer of 8 bytes, or one that is zero-extended to so many.
    Word,
    /// An integer of so many bits that is sign-extended.
    Signed(u32),
    Float,
    /// So many bytes, as they are.
    Bytes(usize),
}

impl Outcome {
    pub(crate) fn new(ty: &FfiType) -> Outcome {
        match ty.kind {
            kind::VOID => Outcome::Nothing,
            kind::SINT8 | kind::SINT16 | kind::SINT32 | kind::INT => {
                Outcome::Signed(8 * ty.size as u32)
            }
            kind::FLOAT => Outcome::Float,
            kind::STRUCT | kind::COMPLEX => Outcome::Bytes(ty.size),
            _ if ty.size <= 8 => Outcome::Word,
            _ => Outcome::Bytes(ty.size),
        }
    }

    /// How many bytes a program may write.
    #[inline(always)]
    pub(crate) fn size(self) -> usize {
        match self {
            Outcome::Bytes(size) => size,
            _ => 8,
        }
    }
}

/// Copies arguments to the slots: scalars alone, which takes no call and so no registers to save,
/// or any.
///
/// # Safety
///
/// There is a pointer to a value for each argument, and there are slots for all. With `SCALARS`, no
/// argument is copied by bytes.
#[inline(always)]
unsafe fn load<const SCALARS: bool>(
    arguments: &[Argument],
    values: *const *const c_void,
    slots: *mut Slot,
) {
    let (mut slot, mut next) = (slots, values);
    for argument in arguments {
        // SAFETY: our own conditions, here and below.
        let value = unsafe { *next };
        next = next.wrapping_add(1);
        let bits = match *argument {
            // SAFETY: as above.
            Argument::Eight => unsafe { value.cast::<u64>().read_unaligned() },
            // SAFETY: as above.
            Argument::Four => unsafe { value.cast::<u32>().read_unaligned() }.into(),
            // SAFETY: as above.
            Argument::Two => unsafe { value.cast::<u16>().read_unaligned() }.into(),
            // SAFETY: as above.
            Argument::One => unsafe { value.cast::<u8>().read() }.into(),
            Argument::Bytes(_) if SCALARS => return, // there is none
            Argument::Bytes(size) => {
                let size = size as usize;
                // SAFETY: as above.
                unsafe { copy_unaligned(value.cast(), slot.cast(), size) };
                slot = slot.wrapping_add(size.div_ceil(8));
                continue;
            }
        };
        // SAFETY: as above.
        unsafe { slot.write(Slot::new(bits.to_le())) };
        slot = slot.wrapping_add(1);
    }
}

/// Copies the result from the slots.
///
/// # Safety
///
/// There is a result of this kind in the slots, and room for it, or for a word. With `SCALARS`, it
/// is not copied by bytes.
#[inline(always)]
unsafe fn store<const SCALARS: bool>(outcome: Outcome, slots: *const Slot, to: *mut c_void) {
    // SAFETY: a scalar fills the first slot, zero-extended.
    let word = || u64::from_le(unsafe { slots.cast::<u64>().read() });
    match outcome {
        Outcome::Nothing => {}
        // SAFETY: our own conditions, here and below.
        Outcome::Word => unsafe { to.cast::<u64>().write_unaligned(word()) },
        Outcome::Signed(bits) => {
            let shift = 64 - bits;
            let word = (word() << shift) as i64 >> shift;
            // SAFETY: as above.
            unsafe { to.cast::<i64>().write_unaligned(word) };
        }
        // SAFETY: as above.
        Outcome::Float => unsafe { to.cast::<u32>().write_unaligned(word() as u32) },
        Outcome::Bytes(_) if SCALARS => {} // there is none
        // SAFETY: as above.
        Outcome::Bytes(size) => unsafe { copy_unaligned(slots.cast(), to.cast(), size) },
    }
}

/// Makes a call that needs no more slots than this. Nothing here has a destructor, so that
/// the frame may be abandoned.
///
/// # Safety
///
/// As libffi's manual has it for `ffi_call`; `SCALARS` as the interface has it, or false.
#[inline(always)]
unsafe fn call<const SLOTS: usize, const SCALARS: bool>(
    interface: &Interface,
    target: *const c_void,
    result: *mut c_void,
    values: *const *const c_void,
) {
    let mut slots = [Slot::uninit(); SLOTS];
    let first = slots.as_mut_ptr();
    // SAFETY: the program's promises; each argument has slots.
    unsafe { load::<SCALARS>(&interface.arguments, values, first) };
    // SAFETY: there are as many slots as the trampoline wants, or more; the target is the
    // program's to answer for.
    unsafe { interface.trampoline.call_unchecked(target, first.cast()) };
    if !result.is_null() {
        // SAFETY: the program's promises.
        unsafe { store::<SCALARS>(interface.outcome, first, result) };
    }
}

/// [`call`] with many slots, in a frame of its own.
///
/// # Safety
///
/// As for [`call`].
#[inline(never)]
unsafe fn large_call<const SLOTS: usize>(
    interface: &Interface,
    target: *const c_void,
    result: *mut c_void,
    values: *const *const c_void,
) {
    // SAFETY: our own conditions.
    unsafe { call::<SLOTS, false>(interface, target, result, values) }
}

/// Slots that most calls do with, and that many do with.
const FEW: usize = 16;
const MANY: usize = 256;
const MOST: usize = vmtrampoline::CTrampoline::<u64>::MAX_BYTES / 8;

/// Makes a call through an interface.
///
/// # Safety
///
/// As libffi's manual has it for `ffi_call`.
#[inline(always)]
unsafe fn through(
    interface: &Interface,
    target: *const c_void,
    result: *mut c_void,
    values: *const *const c_void,
) {
    let slots = interface.trampoline.slots();
    if slots <= FEW && interface.scalars {
        // SAFETY: our own conditions, here and below; there are enough slots.
        unsafe { call::<FEW, true>(interface, target, result, values) }
    } else if slots <= FEW {
        // SAFETY: as above.
        unsafe { large_call::<FEW>(interface, target, result, values) }
    } else if slots <= MANY {
        // SAFETY: as above.
        unsafe { large_call::<MANY>(interface, target, result, values) }
    } else {
        // SAFETY: as above.
        unsafe { large_call::<MOST>(interface, target, result, values) }
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
    unsafe { through((*cif).interface(), target, result, values) }
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
    // SAFETY: a plan is an interface; the program's promises.
    unsafe { through(&*plan.cast::<Interface>(), target, result, values) }
}
