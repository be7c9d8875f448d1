//! Copies that Rust makes of values, where code beside it handles them word by word.

use core::mem::MaybeUninit;

/// Copies so many bytes. A few are copied by words: other code has just written them by words,
/// or soon reads them by words, and the processor is slow to load more than a store has written.
///
/// # Safety
///
/// The bytes do not overlap, may be read and written, and both sides are aligned to 8.
#[inline(always)]
pub(super) unsafe fn copy(from: *const u8, to: *mut u8, size: usize) {
    const FEW: usize = 128;
    let words = if size <= FEW { size / 8 } else { 0 };
    let word = |i| {
        let (from, to) = (from.cast::<MaybeUninit<u64>>(), to.cast::<MaybeUninit<u64>>());
        // Volatile, so that the compiler takes no wider ones.
        // SAFETY: our own conditions.
        let word = unsafe { from.wrapping_add(i).read_volatile() };
        // SAFETY: our own conditions.
        unsafe { to.wrapping_add(i).write(word) };
    };
    for pair in 0..words / 2 {
        word(2 * pair);
        word(2 * pair + 1);
    }
    if words % 2 != 0 {
        word(words - 1);
    }
    let rest = size - 8 * words;
    if rest > 0 {
        let (from, to) = (from.wrapping_add(8 * words), to.wrapping_add(8 * words));
        // SAFETY: our own conditions.
        unsafe { to.copy_from_nonoverlapping(from, rest) };
    }
}

/// The same wherever both sides are.
///
/// # Safety
///
/// The bytes do not overlap and may be read and written.
#[inline(always)]
pub(super) unsafe fn copy_unaligned(from: *const u8, to: *mut u8, size: usize) {
    if size == 4 {
        // SAFETY: our own conditions.
        let word = unsafe { from.cast::<MaybeUninit<u32>>().read_unaligned() };
        // SAFETY: our own conditions.
        unsafe { to.cast::<MaybeUninit<u32>>().write_unaligned(word) };
    } else if size == 8 {
        // SAFETY: our own conditions.
        let word = unsafe { from.cast::<MaybeUninit<u64>>().read_unaligned() };
        // SAFETY: our own conditions.
        unsafe { to.cast::<MaybeUninit<u64>>().write_unaligned(word) };
    } else if (from.addr() | to.addr()) % 8 == 0 {
        // SAFETY: our own conditions.
        unsafe { copy(from, to, size) };
    } else {
        // SAFETY: our own conditions.
        unsafe { to.copy_from_nonoverlapping(from, size) };
    }
}
