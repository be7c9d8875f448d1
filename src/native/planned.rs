//! Native code calls the host, and Rust has a part in it: what the assembly cannot do for
//! a function of C, by the [plan](crate::encode::scatter::Plan) that its scatter has.
//!
//! A closure is called between [`prepare`] and [`finish`]. So is a function that is called as
//! it is, by [`planned`], which the assembly calls in its place. They take arguments from
//! where the assembly has put them to their slots, and the result to where the assembly loads
//! the registers from that it comes back in, or to memory. Functions without a plan never come
//! here.
//!
//! Nothing here has a destructor, so the frame may be abandoned by unwinding or by
//! longjmp.

use super::{
    ArrayCall, VMContext, VMOpaqueContext, copy::copy_unaligned, host::Bound, port::in_convention,
};
use crate::{
    encode::scatter::{Op, Step},
    valraw::ValRaw,
};

macro_rules! define {
    (@in $abi:literal) => {
        /// Calls a function by its plan.
        ///
        /// # Safety
        ///
        /// As for [`ArrayCall`], and the callee context has a plan for these slots.
        pub(super) unsafe extern $abi fn planned(
            callee: *mut VMOpaqueContext,
            caller: *mut VMContext,
            slots: *mut ValRaw,
            count: usize,
        ) {
            // SAFETY: the callee context is ours and alive (R6); its function is this one only
            // if it has such another.
            let bound = unsafe { Bound::<ArrayCall>::of(callee) };
            // SAFETY: our own conditions.
            unsafe { prepare(bound, slots) };
            // SAFETY: our own conditions.
            unsafe { (bound.function)(callee, caller, slots, count) };
            // SAFETY: our own conditions; the function has left its result in the slots.
            unsafe { finish(bound, slots, count) };
        }
    };
}
in_convention! { define }

/// Takes arguments to their slots.
///
/// # Safety
///
/// The slots are in a frame of the assembly, for whose scatter the plan is made: by E8
/// registers and stack words are where it says. The caller follows its convention (R7).
#[inline(always)]
pub(super) unsafe fn prepare<F>(Bound { plan, .. }: &Bound<F>, slots: *mut ValRaw) {
    for &group in plan.narrow() {
        for offset in group {
            let above = slots.wrapping_byte_add(offset.into()).cast::<u32>();
            // SAFETY: in the slots, which are ours alone.
            unsafe { above.write(0) };
        }
    }
    if !plan.before().is_empty() {
        // SAFETY: our own conditions.
        unsafe { run(plan.before(), slots.cast()) };
    }
}

/// Takes the result to where it comes back.
///
/// # Safety
///
/// As for [`prepare`], which has been called, and the result is in the slots, of which there
/// are so many.
#[inline(always)]
pub(super) unsafe fn finish<F>(bound: &Bound<F>, slots: *mut ValRaw, count: usize) {
    let Bound { plan, returns, .. } = bound;
    if !returns && count > 0 {
        // The assembly loads eight bytes of slot 0 all the same. Where two stores have written
        // them, it would wait for both.
        // SAFETY: in the first slot, which is ours alone.
        unsafe { slots.cast::<u64>().write(0) };
    }
    if !plan.after().is_empty() {
        // SAFETY: our own conditions.
        unsafe { run(plan.after(), slots.cast()) };
    }
}

/// Takes these steps.
///
/// # Safety
///
/// The slots are in a frame of the assembly, for whose scatter the steps are made, and the
/// caller follows its convention (R7): an address that it passes is one of a value.
// Not inlined, as each closure would have two of it.
#[inline(never)]
unsafe fn run(steps: &[Step], slots: *mut u8) {
    for &Step { op, from, to, size } in steps {
        let [from, to] = [from, to].map(|offset| slots.wrapping_add(offset.into()));
        let size = usize::from(size);
        match op {
            // SAFETY: two places of the frame, of so many bytes, which do not overlap.
            Op::Copy => unsafe { copy_unaligned(from, to, size) },
            Op::Load => {
                // SAFETY: a word of the frame.
                let value = unsafe { address(from) };
                // SAFETY: by R7 a value of so many bytes is there; the frame has a place
                // for it.
                unsafe { copy_unaligned(value, to, size) };
            }
            Op::Store => {
                // SAFETY: a word of the frame.
                let memory = unsafe { address(to) };
                // SAFETY: by R7 there is room for a result of so many bytes, which is in
                // the slots.
                unsafe { copy_unaligned(slots, memory, size) };
                // SAFETY: the first word of the frame.
                unsafe { slots.cast::<*mut u8>().write(memory.map_addr(usize::to_le)) };
            }
            Op::Reverse => {
                for i in 0..size / 2 {
                    let (first, last) = (to.wrapping_add(i), to.wrapping_add(size - 1 - i));
                    // SAFETY: two bytes of so many at `to`.
                    unsafe { first.swap(last) };
                }
            }
            Op::ZeroExtend | Op::SignExtend | Op::Box => {
                let (word, above) = (to.cast::<u64>(), !0 << (8 * size));
                // SAFETY: a word of the frame, aligned as the slots are.
                let bits = u64::from_le(unsafe { word.read() });
                let negative = size > 0 && bits >> (8 * size - 1) & 1 != 0;
                let ones = op == Op::Box || op == Op::SignExtend && negative;
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
