//! The bodies of the assembly, and the functions that call them.

use core::{arch::asm, ffi::c_void, mem::transmute, ptr::without_provenance_mut};

use super::{
    VMFunctionBody,
    landing::{Landing, Outcome},
    port::{ArrayCall, Word, in_convention, symbol},
    prepared::{
        beside_hidden, finished, float_integer, float_pair, integer_float, integer_pair, prepared,
        vector,
    },
};
use crate::{
    abi::{Abi, Extension},
    encode::{
        constants::constant,
        descriptor::Descriptor,
        header::{Entry, Header, RESULT_FLOAT},
    },
    valraw::ValRaw,
};

/// Declares bodies of the assembly.
macro_rules! bodies {
    (@in $abi:literal $($name:ident -> $returned:ty;)*) => {
        unsafe extern $abi {$(
            #[link_name = symbol!($name)]
            pub(super) fn $name(
                callee: Word,
                caller: Word,
                target: *const VMFunctionBody,
                slots: *mut ValRaw,
                descriptor: *const Header,
            ) -> $returned;
        )*}
    };
    ($($body:tt)*) => { in_convention! { bodies $($body)* } };
}

pub(super) use bodies;

macro_rules! body_type {
    (@in $abi:literal) => {
        /// A body of the assembly.
        pub(crate) type Body<R> = unsafe extern $abi fn(
            Word,
            Word,
            *const VMFunctionBody,
            *mut ValRaw,
            *const Header,
        ) -> R;
    };
}
in_convention! { body_type }

/// Both registers that a scalar result can come back in.
#[derive(Default)]
#[repr(C)]
pub(crate) struct Returned {
    pub(crate) integer: u64,
    pub(crate) float: f64,
}

/// What a body is declared to return.
/// [`Returned`] itself comes back in rax and xmm0 (System V ABI, AMD64
/// supplement, section 3.2.3, "Returning of Values").
#[cfg(all(target_arch = "x86_64", not(vmtrampoline_windows)))]
pub(crate) type Left = Returned;

/// What a body is declared to return.
/// No type comes back in both registers, so [`call_body`] chooses.
#[cfg(not(all(target_arch = "x86_64", not(vmtrampoline_windows))))]
pub(crate) type Left = u64;

macro_rules! leavable_type {
    (@in $abi:literal) => {
        /// The function of the assembly that makes a call that can be left.
        type Leavable<R> = unsafe extern $abi fn(
            Word,
            Word,
            *const VMFunctionBody,
            *mut ValRaw,
            *const Header,
            &Landing,
        ) -> R;

        unsafe extern $abi {
            #[link_name = symbol!(leavable)]
            fn leavable(
                callee: Word,
                caller: Word,
                target: *const VMFunctionBody,
                slots: *mut ValRaw,
                descriptor: *const Header,
                landing: &Landing,
            ) -> Left;
        }
    };
}
in_convention! { leavable_type }

/// For inlined code, as [`ENTRIES`] is.
static LEAVABLE: Leavable<Left> = leavable;

/// Calls a body, by `leavable` if there is a landing, as a function that returns this.
///
/// # Safety
///
/// R1 to R4, R10 of the landing, and a function that returns `R` leaves it where the
/// target leaves its result.
#[inline(always)]
unsafe fn call_as<R>(
    body: Body<Left>,
    call: ArrayCall,
    descriptor: *const Header,
    landing: Option<&Landing>,
) -> R {
    let ArrayCall { callee, caller, target, slots } = call;
    let target = target.cast::<VMFunctionBody>();
    let Some(landing) = landing else {
        // SAFETY: by E2 the body leaves all registers of results as the target did.
        let body: Body<R> = unsafe { transmute(body) };
        // SAFETY: our own conditions.
        return unsafe { body(callee, caller, target, slots, descriptor) };
    };
    landing.set_body(body as *const c_void);
    // SAFETY: by E12 it leaves them as the body does.
    let leavable: Leavable<R> = unsafe { transmute(LEAVABLE) };
    // SAFETY: our own conditions; R10: the body has just been set.
    unsafe { leavable(callee, caller, target, slots, descriptor, landing) }
}

/// Calls a body. If it leaves result 0 in its register, the result is in the returned bits that
/// its type has. The other bits mean nothing.
///
/// # Safety
///
/// R1 to R4, and R10 of the landing.
#[inline(always)]
unsafe fn call_body(
    body: Body<Left>,
    call: ArrayCall,
    descriptor: *const Header,
    landing: Option<&Landing>,
) -> Returned {
    #[cfg(all(target_arch = "x86_64", not(vmtrampoline_windows)))]
    // SAFETY: our own conditions.
    unsafe {
        call_as(body, call, descriptor, landing)
    }
    #[cfg(not(all(target_arch = "x86_64", not(vmtrampoline_windows))))]
    // SAFETY: R1 has it that there is a header to read.
    if unsafe { (*descriptor).result } == RESULT_FLOAT {
        // SAFETY: our own conditions.
        let float = unsafe { call_as(body, call, descriptor, landing) };
        Returned { integer: 0, float }
    } else {
        // SAFETY: our own conditions.
        let integer = unsafe { call_as(body, call, descriptor, landing) };
        Returned { integer, float: 0.0 }
    }
}

bodies! {
    bare -> Left;
    short_cut -> Left;
    fixed -> Left;
    variable -> Left;
}

#[cfg(all(target_arch = "x86_64", not(vmtrampoline_windows)))]
const PREPARED_FLOAT: Body<Left> = prepared::<Left>;
#[cfg(not(all(target_arch = "x86_64", not(vmtrampoline_windows))))]
// SAFETY: where the result is a float, `call_body` calls it as what it is.
const PREPARED_FLOAT: Body<Left> = unsafe { transmute::<Body<f64>, Body<Left>>(prepared::<f64>) };

// A static, not the symbols themselves, is what inlined code refers to: the
// symbols are hidden, and a caller may be in another shared object.
/// By [`Entry`](crate::encode::header::Entry), of which the first are the bodies, by
/// [`Shape`](crate::encode::header::Shape).
pub(crate) static ENTRIES: [Body<Left>; Entry::COUNT] = [
    bare,
    short_cut,
    fixed,
    variable,
    vector,
    prepared::<Left>,
    PREPARED_FLOAT,
    finished,
    integer_pair,
    float_pair,
    integer_float,
    float_integer,
    beside_hidden,
];

/// What makes the calls of a descriptor.
pub(crate) type EntryFunction = Body<Left>;

/// The function that makes the calls of a descriptor with this header.
pub(crate) const fn entry_function(header: &Header) -> &'static EntryFunction {
    &ENTRIES[header.entry as usize]
}

/// Makes the call that `descriptor` describes.
///
/// # Safety
///
/// R2 and R3 hold of `call`, and `entry` is the descriptor's [`entry_function`].
#[inline(always)]
pub(crate) unsafe fn enter(descriptor: &Descriptor, entry: &EntryFunction, call: ArrayCall) {
    // SAFETY: our own conditions; there is no landing.
    let returned = unsafe { call_described(descriptor, entry, call, None) };
    // SAFETY: our own condition, R2.
    unsafe { store(&descriptor.header, returned, call.slots) };
}

/// Makes the call that `descriptor` describes, so that it can be left.
///
/// # Safety
///
/// R2 and R3 hold of `call`, `entry` is the descriptor's [`entry_function`], and no call uses
/// the landing.
#[inline(always)]
pub(crate) unsafe fn enter_leavable(
    descriptor: &Descriptor,
    entry: &EntryFunction,
    call: ArrayCall,
    landing: &Landing,
) -> Outcome {
    // SAFETY: our own conditions; R10: the landing is borrowed until the call is over,
    // and only its own functions write to it.
    let returned = unsafe { call_described(descriptor, entry, call, Some(landing)) };
    let outcome = landing.outcome();
    if outcome == Outcome::Returned {
        // SAFETY: our own condition, R2.
        unsafe { store(&descriptor.header, returned, call.slots) };
    }
    outcome
}

/// Makes the call that `descriptor` describes but for its last step.
///
/// # Safety
///
/// As for [`enter`], and R10 holds of the landing.
#[inline(always)]
unsafe fn call_described(
    descriptor: &Descriptor,
    entry: &EntryFunction,
    call: ArrayCall,
    landing: Option<&Landing>,
) -> Returned {
    // The address of the header with the provenance of the lists.
    let pointer = (&raw const *descriptor).cast::<Header>();
    // SAFETY: R1: only Source::encode makes descriptors, and we hold a shared
    // reference to this one. R2, R3, R10: the caller's. R4: the entry is the descriptor's, the
    // table is in the order of Shape, and encode gives no shape that is too short for the call.
    // What Rust makes the call with asks for the same.
    unsafe { call_body(*entry, call, pointer, landing) }
}

/// Stores a result that the body has left in its register.
///
/// # Safety
///
/// R2 holds of the slots.
#[inline(always)]
unsafe fn store(header: &Header, returned: Returned, slots: *mut ValRaw) {
    if header.returns.is_word() {
        let float = header.result == RESULT_FLOAT;
        let bits = if float { returned.float.to_bits() } else { returned.integer };
        // An f32 is the upper half of its register there.
        let upper = cfg!(target_arch = "s390x") && float && header.result_mask >> 32 == 0;
        let bits = if upper { bits >> 32 } else { bits };
        let slot = slots.cast::<u64>();
        // SAFETY: there is a result, so there is a slot 0, which R2 says is
        // ours to write and aligned to 8. It is a scalar, so it has no more
        // than eight bytes.
        unsafe { slot.write((bits & header.result_mask).to_le()) };
    }
}

/// Whether plain C extends narrow integers.
const EXTENDS: bool = match Abi::HOST_C {
    Some(abi) => matches!(abi.extension, Extension::Full | Extension::FullSigned),
    None => false,
};
const NARROW: usize = constant("NARROW");

/// The call of a plain C function: its first two integer arguments go where
/// the VM convention has the contexts.
///
/// # Safety
///
/// R2 holds, and a parameter that the convention extends is initialised.
#[inline(always)]
pub(crate) unsafe fn c_call(
    header: &Header,
    target: *const c_void,
    slots: *mut ValRaw,
) -> ArrayCall {
    // There may be no slot to read: then the header will do.
    let base = if header.slots == 0 { (&raw const *header).cast() } else { slots.cast_const() };
    let [callee, caller] = [0, 1].map(|i| {
        let offset = usize::from(header.integer[i]);
        let slot = base.wrapping_byte_add(if EXTENDS { offset & !NARROW } else { offset });
        if EXTENDS && offset & NARROW != 0 {
            // SAFETY: those are the four bytes of a parameter.
            let bits = unsafe { slot.cast::<i32>().read() };
            Word::new(without_provenance_mut(i32::from_le(bits) as usize))
        } else if cfg!(target_endian = "big") {
            // SAFETY: eight bytes of the slots or of the header.
            let word = unsafe { slot.cast::<Word>().read() };
            Word::new(frozen(word).map_addr(usize::from_le))
        } else {
            // SAFETY: eight bytes of the slots or of the header.
            unsafe { slot.cast::<Word>().read() }
        }
    });
    ArrayCall { callee, caller, target, slots }
}

/// A word of which some bytes may be uninitialised: each of them has some value now.
#[inline(always)]
pub(super) fn frozen(word: Word) -> *mut c_void {
    let frozen;
    // SAFETY: no instruction; a pointer may have any value.
    unsafe {
        asm!(
            "/* {} */",
            inlateout(reg) word => frozen,
            options(nomem, nostack, preserves_flags),
        );
    }
    frozen
}

#[cfg(test)]
mod tests {
    use super::ENTRIES;
    use crate::encode::header::Shape;

    /// Every body is called through a pointer, so it begins with the landing pad
    /// that control-flow integrity asks for.
    #[test]
    fn bodies_have_landing_pads() {
        let pad = match () {
            () if cfg!(target_arch = "x86_64") => [0xf3, 0x0f, 0x1e, 0xfa], // endbr64
            () if cfg!(target_arch = "aarch64") => [0x5f, 0x24, 0x03, 0xd5], // bti c
            () => return,                                                   // there is none
        };
        for body in &ENTRIES[..Shape::ALL.len()] {
            // SAFETY: the text of a body is readable and no shorter than this.
            assert_eq!(unsafe { *(*body as *const [u8; 4]) }, pad);
        }
    }
}
