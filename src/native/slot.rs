//! What the array of an array call is made of.

use super::port::PORTED;
use crate::valraw::ValRaw;

/// One value slot of an array call: [`ValRaw`], or what an interpreter's own
/// stack is made of.
///
/// Slots of 16 bytes hold all value types. In the VM convention, slots of 8 bytes hold all but
/// `v128`. Larger values of C take several slots. A call costs the same with both.
///
/// In slots of 8 bytes, too, values are little-endian at byte 0. So on a big-endian machine,
/// a slot that is a `u64` holds `value.to_le()`. An argument of type `i32` or `f32` is what
/// bytes 0..4 hold, and such a result is zero-extended.
///
/// ```
/// use vmtrampoline::{CTrampoline, Error, Slot, Trampoline};
///
/// extern "C" fn hypot(x: f64, y: f64) -> f64 {
///     x.hypot(y)
/// }
///
/// /// A value of the interpreter, as its stack holds it.
/// #[derive(Clone, Copy)]
/// #[repr(transparent)]
/// struct Value(u64);
///
/// // SAFETY: Any eight bytes are a `Value`.
/// unsafe impl Slot for Value {}
///
/// let hypotenuse = CTrampoline::for_slots(&"(f64, f64) -> f64".parse()?)?;
/// let mut stack = [3f64, 4f64].map(|x| Value(x.to_bits().to_le()));
/// // SAFETY: `hypot` has this signature.
/// unsafe { hypotenuse.call(hypot as *const _, &mut stack)? };
/// assert_eq!(f64::from_bits(u64::from_le(stack[0].0)), 5.0);
///
/// // In the VM convention a v128 does not fit.
/// assert!(Trampoline::<Value>::for_slots(&"(i32, v128)".parse()?).is_err());
/// # Ok::<(), Error>(())
/// ```
///
/// A trampoline for other slots than these does not compile:
///
/// ```compile_fail
/// # use vmtrampoline::{CTrampoline, Slot};
/// #[derive(Clone, Copy)]
/// struct Small(u32);
/// // SAFETY: Any four bytes are a `Small`, but that is not what is asked for.
/// unsafe impl Slot for Small {}
/// CTrampoline::<Small>::for_slots(&"()".parse().unwrap());
/// ```
///
/// # Safety
///
/// The type has 8 or 16 bytes and is aligned to 8, which the compiler checks. It stays valid
/// whatever a call writes to it: any bytes in 0..8. In slots of 16 bytes, a call also writes
/// to 8..16 if the signature has results of more than eight bytes or needs scratch slots.
/// Otherwise it leaves these bytes alone.
pub unsafe trait Slot: Copy {}

// SAFETY: Any 16 bytes are a ValRaw.
unsafe impl Slot for ValRaw {}
// SAFETY: Any 8 bytes are a u64.
unsafe impl Slot for u64 {}

/// The distance from one slot to the next.
pub(super) const fn stride<S: Slot>() -> u16 {
    const {
        assert!(size_of::<S>() == 8 || size_of::<S>() == 16, "a slot has 8 or 16 bytes");
        // Where there is no port, a `u64` may be aligned to less.
        assert!(align_of::<S>() >= 8 || !PORTED, "a slot is aligned to 8");
    }
    size_of::<S>() as u16
}
