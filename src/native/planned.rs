//! Native code calls the host, and Rust has a part in it: what the assembly cannot do for
//! a function of C, by the [plan](crate::encode::scatter::Plan) that its scatter has.
//!
//! The assembly calls one of these instead of the function that a context is for: [`narrowed`] if
//! there is only something to clear above narrow values, [`planned`] if there are steps to take.
//! They move arguments from where the assembly has put them to their slots. They move the result
//! to memory, or to where the assembly loads its registers from. Without a plan, the assembly calls
//! the function itself. It also calls the function of a closure with few narrow values, which clears
//! what is above them.
//!
//! Nothing here has a destructor, so the frame may be abandoned by unwinding or by
//! longjmp.

use super::{
    ArrayCall, VMContext, VMOpaqueContext, copy::copy_unaligned, host::Bound, port::in_convention,
};
use crate::{
    encode::{
        plan::{BOX, COPY, LOAD, REVERSE, SIGN_EXTEND, STORE, Step},
        scatter::{NARROWS, Plan, Work},
    },
    valraw::ValRaw,
};

macro_rules! define {
    (@in $abi:literal) => {
        /// Clears what is above up to `N` narrow values, writes slot 0 again if the plan says so
        /// (`WIDEN`), and calls the function.
        ///
        /// # Safety
        ///
        /// As for [`ArrayCall`], and the callee context has a plan for these slots.
        unsafe extern $abi fn narrowed<const N: usize, const WIDEN: bool>(
            callee: *mut VMOpaqueContext,
            caller: *mut VMContext,
            slots: *mut ValRaw,
            count: usize,
        ) {
            // SAFETY: the callee context is ours and alive (R6).
            let bound = unsafe { Bound::<()>::of(callee) };
            // SAFETY: our own conditions.
            unsafe { clear(bound.plan.narrow_of::<N>(), WIDEN, slots) };
            // SAFETY: our own conditions. It is the last thing to do: a jump.
            unsafe { (bound.call)(callee, caller, slots, count) };
        }

        /// Calls the function between the steps of the plan.
        ///
        /// # Safety
        ///
        /// As for [`narrowed`].
        unsafe extern $abi fn planned(
            callee: *mut VMOpaqueContext,
            caller: *mut VMContext,
            slots: *mut ValRaw,
            count: usize,
        ) {
            // SAFETY: the callee context is ours and alive (R6).
            let bound = unsafe { Bound::<()>::of(callee) };
            let (before, after) = bound.steps();
            // SAFETY: our own conditions.
            unsafe { clear(bound.plan.narrow(), bound.plan.widen(), slots) };
            // SAFETY: our own conditions.
            unsafe { run(before, slots.cast()) };
            // SAFETY: our own conditions.
            unsafe { (bound.call)(callee, caller, slots, count) };
            // SAFETY: our own conditions; the function has left its result in the slots.
            unsafe { run(after, slots.cast()) };
        }
    };
}
in_convention! { define }

/// What the assembly calls, where `call` is to be called by this plan.
pub(super) fn by_plan(plan: &Plan, call: ArrayCall) -> ArrayCall {
    // One for each, so that they neither loop nor ask.
    let [narrowed, widening] = match plan.work() {
        Work::Nothing => return call,
        Work::Steps => return planned,
        Work::Narrow(1) => [narrowed::<1, false>, narrowed::<1, true>],
        Work::Narrow(2) => [narrowed::<2, false>, narrowed::<2, true>],
        Work::Narrow(..=4) => [narrowed::<4, false>, narrowed::<4, true>],
        Work::Narrow(..=6) => [narrowed::<6, false>, narrowed::<6, true>],
        Work::Narrow(_) => [narrowed::<NARROWS, false>, narrowed::<NARROWS, true>],
    };
    if plan.widen() { widening } else { narrowed }
}

/// Clears what is above narrow values.
///
/// # Safety
///
/// The slots are in a frame of the assembly, for whose scatter the plan is made: by E8
/// registers and stack words are where it says. `narrow` is of the plan.
#[inline(always)]
pub(super) unsafe fn clear(narrow: &[u16], widen: bool, slots: *mut ValRaw) {
    for &offset in narrow {
        let above = slots.wrapping_byte_add(offset.into()).cast::<u32>();
        // SAFETY: in the slots, which are ours alone.
        unsafe { above.write(0) };
    }
    if widen {
        // SAFETY: the first bytes of slot 0, which a narrow value is in.
        let value = u32::from_le(unsafe { slots.cast::<u32>().read() });
        // SAFETY: as above.
        unsafe { slots.cast::<u64>().write(u64::from(value).to_le()) };
    }
}

/// Takes these steps.
///
/// # Safety
///
/// The slots are in a frame of the assembly, for whose scatter the steps are made, and the
/// caller follows its convention (R7): an address that it passes is one of a value.
// Not inlined, as `planned` would have two of it.
#[inline(never)]
unsafe fn run(steps: &[Step], slots: *mut u8) {
    for &[op, from, to, size] in steps {
        let [from, to] = [from, to].map(|offset| slots.wrapping_add(offset.into()));
        let size = usize::from(size);
        match op {
            // SAFETY: two places of the frame, of so many bytes, which do not overlap.
            COPY => unsafe { copy_unaligned(from, to, size) },
            LOAD => {
                // SAFETY: a word of the frame.
                let value = unsafe { address(from) };
                // SAFETY: by R7 a value of so many bytes is there; the frame has a place
                // for it.
                unsafe { copy_unaligned(value, to, size) };
            }
            STORE => {
                // SAFETY: a word of the frame.
                let memory = unsafe { address(to) };
                // SAFETY: by R7 there is room for a result of so many bytes, which is in
                // the slots.
                unsafe { copy_unaligned(slots, memory, size) };
                // SAFETY: the first word of the frame.
                unsafe { slots.cast::<*mut u8>().write(memory.map_addr(usize::to_le)) };
            }
            REVERSE => {
                for i in 0..size / 2 {
                    let (first, last) = (to.wrapping_add(i), to.wrapping_add(size - 1 - i));
                    // SAFETY: two bytes of so many at `to`.
                    unsafe { first.swap(last) };
                }
            }
            // To extend.
            _ => {
                let (word, above) = (to.cast::<u64>(), !0 << (8 * size));
                // SAFETY: a word of the frame, aligned as the slots are.
                let bits = u64::from_le(unsafe { word.read() });
                let negative = size > 0 && bits >> (8 * size - 1) & 1 != 0;
                let ones = op == BOX || op == SIGN_EXTEND && negative;
                let bits = if ones { bits | above } else { bits & !above };
                // SAFETY: as above.
                unsafe { word.write(bits.to_le()) };
            }
        }
    }
}

/// An address that the caller has passed.
///
/// # Safety
///
/// A word of the frame, in which the caller has passed an address.
#[inline(always)]
unsafe fn address(word: *const u8) -> *mut u8 {
    // SAFETY: our own conditions.
    unsafe { word.cast::<*mut u8>().read() }.map_addr(usize::from_le)
}
