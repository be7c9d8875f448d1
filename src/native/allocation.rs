//! Descriptors on the heap: header and lists in one allocation.

use alloc::{
    alloc::{alloc, handle_alloc_error},
    boxed::Box,
};
use core::{alloc::Layout, ptr};

use crate::{
    encode::{descriptor::Descriptor, header::Header, writer::Source},
    error::Error,
    layout::misfit::Misfit,
};

/// Entries for the lists of most signatures.
const ROOM: usize = 64;

impl Source<'_> {
    /// A descriptor of this signature on the heap, in one allocation.
    pub(crate) fn boxed(&self) -> Result<Box<Descriptor>, Error> {
        self.allocated().map_err(|misfit| misfit.error(self.abi, self.signature))
    }

    fn allocated(&self) -> Result<Box<Descriptor>, Misfit> {
        let (mut header, mut room) = (Header::EMPTY, [0; ROOM]);
        let len = self.encode(&mut header, &mut room)?;
        if let Some(lists) = room.get(..len) {
            return Ok(allocate(&header, lists, len));
        }
        let mut descriptor = allocate(&Header::EMPTY, &[], len);
        let Descriptor { header, lists } = &mut *descriptor;
        self.encode(header, lists)?;
        Ok(descriptor)
    }
}

impl Descriptor {
    /// The same descriptor on the heap.
    pub(crate) fn to_boxed(&self) -> Box<Descriptor> {
        allocate(&self.header, &self.lists, self.lists.len())
    }
}

/// A descriptor whose lists have `len` entries: these, which are no more, and zeros.
#[inline]
fn allocate(header: &Header, lists: &[u16], len: usize) -> Box<Descriptor> {
    let descriptor = with_lists(header, lists, len) as *mut Descriptor;
    // SAFETY: a descriptor is that: a header and its lists, `repr(C)`.
    unsafe { Box::from_raw(descriptor) }
}

/// Head and lists in one allocation. The lists have `len` entries: these, which are no more,
/// and zeros. The pointer is to the head, and has the length of the lists. A `repr(C)`
/// structure of the head and a `[u16]` has the layout of the allocation, so a box may own it.
#[inline]
pub(super) fn with_lists<T: Copy>(head: &T, lists: &[u16], len: usize) -> *mut [u16] {
    const { assert!(size_of::<T>() > 0 && align_of::<T>() >= align_of::<u16>()) };
    let layout = Layout::array::<u16>(len).expect("a signature bounds its lists");
    let (layout, _) = Layout::new::<T>().extend(layout).expect("and so the whole");
    let layout = layout.pad_to_align();
    assert!(lists.len() <= len);
    // SAFETY: the layout has a size, that of the head at least.
    let memory = unsafe { alloc(layout) }.cast::<T>();
    if memory.is_null() {
        handle_alloc_error(layout);
    }
    let entries = memory.wrapping_add(1).cast::<u16>();
    // SAFETY: the memory is fresh, and begins with room for a head.
    unsafe { memory.write(*head) };
    // SAFETY: room for `len` entries follows, without padding, as a head is aligned to no less
    // than an entry.
    unsafe { entries.copy_from_nonoverlapping(lists.as_ptr(), lists.len()) };
    // SAFETY: these are the entries that are left.
    unsafe { entries.wrapping_add(lists.len()).write_bytes(0, len - lists.len()) };
    ptr::slice_from_raw_parts_mut(memory.cast::<u16>(), len)
}
