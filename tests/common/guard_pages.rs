//! Memory with a page on both sides that cannot be touched.

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
        Guarded { base: system::map() }
    }

    /// Puts the values at this edge, for no other code to use until the next call.
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
        // SAFETY: `map` has returned it, and is not used any more.
        unsafe { system::unmap(self.base) };
    }
}

#[cfg(unix)]
mod system {
    use std::ptr::null_mut;

    use super::PAGE;

    /// A page that can be used between two that cannot.
    pub(super) fn map() -> *mut u8 {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a mapping of our own.
        let base = unsafe { libc::mmap(null_mut(), 3 * PAGE, libc::PROT_NONE, flags, -1, 0) };
        assert_ne!(base, libc::MAP_FAILED);
        let base = base.cast::<u8>().wrapping_add(PAGE);
        // SAFETY: inside that mapping.
        let error =
            unsafe { libc::mprotect(base.cast(), PAGE, libc::PROT_READ | libc::PROT_WRITE) };
        assert_eq!(error, 0);
        base
    }

    /// # Safety
    ///
    /// Comes from `map`, and is not used afterwards.
    pub(super) unsafe fn unmap(base: *mut u8) {
        // SAFETY: our own mapping, of this size.
        unsafe { libc::munmap(base.wrapping_sub(PAGE).cast(), 3 * PAGE) };
    }
}

#[cfg(windows)]
mod system {
    use std::ptr::null_mut;

    use super::PAGE;

    const MEM_COMMIT: u32 = 0x1000;
    const MEM_RESERVE: u32 = 0x2000;
    const MEM_RELEASE: u32 = 0x8000;
    const PAGE_NOACCESS: u32 = 1;
    const PAGE_READWRITE: u32 = 4;

    unsafe extern "system" {
        fn VirtualAlloc(address: *mut u8, size: usize, kind: u32, access: u32) -> *mut u8;
        fn VirtualFree(address: *mut u8, size: usize, kind: u32) -> i32;
    }

    /// A page that can be used between two that cannot.
    pub(super) fn map() -> *mut u8 {
        // SAFETY: memory of our own.
        let all = unsafe { VirtualAlloc(null_mut(), 3 * PAGE, MEM_RESERVE, PAGE_NOACCESS) };
        assert!(!all.is_null());
        // SAFETY: inside that memory.
        let base = unsafe { VirtualAlloc(all.add(PAGE), PAGE, MEM_COMMIT, PAGE_READWRITE) };
        assert!(!base.is_null());
        base
    }

    /// # Safety
    ///
    /// Comes from `map`, and is not used afterwards.
    pub(super) unsafe fn unmap(base: *mut u8) {
        // SAFETY: our own memory, all of it.
        unsafe { VirtualFree(base.wrapping_sub(PAGE), 0, MEM_RELEASE) };
    }
}
