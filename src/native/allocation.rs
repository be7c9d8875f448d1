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
        let mut descriptor = allocate(&header, &[], len);
        self.encode(&mut header, &mut descriptor.lists)?;
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
    let layout = Layout::array::<u16>(len).expect("a signature bounds its lists");
    let (layout, _) = Layout::new::<Header>().extend(layout).expect("and so its descriptor");
    let layout = layout.pad_to_align();
    assert!(lists.len() <= len);
    // SAFETY: the layout has a size, that of the header at least.
    let memory = unsafe { alloc(layout) }.cast::<Header>();
    if memory.is_null() {
        handle_alloc_error(layout);
    }
    let entries = memory.wrapping_add(1).cast::<u16>();
    // SAFETY: the memory is fresh, and begins with room for a header.
    unsafe { memory.write(*header) };
    // SAFETY: room for `len` entries follows, without padding, as a header is aligned to more
    // than an entry.
    unsafe { entries.copy_from_nonoverlapping(lists.as_ptr(), lists.len()) };
    // SAFETY: these are the entries that are left.
    unsafe { entries.wrapping_add(lists.len()).write_bytes(0, len - lists.len()) };
    let descriptor = ptr::slice_from_raw_parts_mut(memory.cast::<u16>(), len) as *mut Descriptor;
    // SAFETY: the memory is of the layout that a descriptor with so many entries has, as
    // both are `repr(C)`, and all of it is written.
    unsafe { Box::from_raw(descriptor) }
}
