//! Memory with a page on both sides that nobody can touch.

use std::ptr::null_mut;

const PAGE: usize = 0x10000; // the largest that a supported system has

/// Which end of the memory something lies at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    Start,
    End,
}

impl Edge {
    pub(crate) const BOTH: [Edge; 2] = [Edge::Start, Edge::End];
}

/// 64 KiB of memory between two such pages.
#[derive(Debug)]
pub(crate) struct Guarded {
    base: *mut u8,
}

impl Guarded {
    pub(crate) fn new() -> Guarded {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a mapping of our own.
        let base = unsafe { libc::mmap(null_mut(), 3 * PAGE, libc::PROT_NONE, flags, -1, 0) };
        assert_ne!(base, libc::MAP_FAILED);
        let base = base.cast::<u8>().wrapping_add(PAGE);
        // SAFETY: inside that mapping.
        let error =
            unsafe { libc::mprotect(base.cast(), PAGE, libc::PROT_READ | libc::PROT_WRITE) };
        assert_eq!(error, 0);
        Guarded { base }
    }

    /// Puts the values at this edge, for nobody else to use until the next call.
    pub(crate) fn put<T: Copy>(&self, edge: Edge, values: &[T]) -> *mut T {
        let size = size_of_val(values);
        assert!(size <= PAGE);
        let offset = if edge == Edge::Start { 0 } else { PAGE - size };
        // As aligned as a type can be: the start of a page. At its end that is
        // the values' own business.
        let to = self.base.wrapping_add(offset).cast::<T>();
        assert!(to.is_aligned());
        // SAFETY: inside the memory, which is ours.
        unsafe { to.copy_from_nonoverlapping(values.as_ptr(), values.len()) };
        to
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: our own mapping, of this size.
        unsafe { libc::munmap(self.base.wrapping_sub(PAGE).cast(), 3 * PAGE) };
    }
}
