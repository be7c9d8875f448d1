//! The thunks behind function pointers, and which signature has which.
//!
//! Thunk `i` passes on the descriptor that entry `i` of the table points to. `table.rs` says
//! how threads fill the table.
//!
//! The thunks are assembly, repeated by the assembler, rather than a generic
//! Rust function instantiated with every index: `asm/MEASURED.md` compares.

use alloc::boxed::Box;
use core::{
    ffi::c_void,
    hash::{Hash, Hasher},
    mem::{ManuallyDrop, offset_of},
    ptr::NonNull,
    slice,
    sync::atomic::AtomicPtr,
};

use static_assertions::const_assert_eq;

use super::{
    VMFunctionBody,
    allocation::with_lists,
    entry::{Body, ENTRIES, Left, bodies},
    pool::Pool,
    port::{Word, in_convention, symbol},
    table::{self, Refused, find_or_put},
};
use crate::{
    encode::{
        constants::constant,
        descriptor::Descriptor,
        header::{Header, RESULT_NONE, Shape},
    },
    error::Error,
    valraw::ValRaw,
};

const COUNT: usize = Pool::CAPACITY;
const SIZE: usize = constant(match () {
    () if cfg!(target_arch = "x86_64") => "THUNK_SIZE_X86_64",
    () if cfg!(target_arch = "aarch64") => "THUNK_SIZE_AARCH64",
    () if cfg!(target_arch = "riscv64") => "THUNK_SIZE_RISCV64",
    () => "THUNK_SIZE_S390X",
});

unsafe extern "C" {
    /// By index: null, or a descriptor as in [`Interned`].
    #[link_name = symbol!(pointer_table)]
    safe static TABLE: [AtomicPtr<Header>; COUNT];

    /// The code of the thunks, of which only the addresses matter.
    #[link_name = symbol!(pointer_thunks)]
    safe static THUNKS: [[u8; SIZE]; COUNT];
}

bodies! {
    storing -> Left;
}

/// What makes the call of a thunk for this header: the body, or a function that stores
/// what the body would leave in a register.
#[cfg(all(target_arch = "x86_64", not(vmtrampoline_windows)))]
fn storing_call(header: &Header) -> Body<Left> {
    use crate::encode::header::{FLOATS_SOME, RESULT_FLOAT, RESULT_INTEGER};

    bodies! {
        storing_integer -> Left;
        storing_float -> Left;
    }
    match (header.shape, header.result) {
        (Shape::Variable, _) | (_, RESULT_NONE) => ENTRIES[header.shape as usize],
        (Shape::ShortCut, RESULT_INTEGER) if header.floats <= FLOATS_SOME => storing_integer,
        (Shape::ShortCut, RESULT_FLOAT) if header.floats <= FLOATS_SOME => storing_float,
        _ => storing,
    }
}

/// What makes the call of a thunk for this header: the body, or a function that stores
/// what the body would leave in a register. On s390x and Windows no thunk asks.
#[cfg(not(all(target_arch = "x86_64", not(vmtrampoline_windows))))]
fn storing_call(header: &Header) -> Body<Left> {
    use crate::encode::header::RESULT_VECTOR;

    bodies! {
        storing_short_cut -> Left;
    }
    match (header.shape, header.result) {
        (_, RESULT_NONE) => ENTRIES[header.shape as usize],
        // Whichever body leaves a vector, this one stores it.
        (_, RESULT_VECTOR) => ENTRIES[Shape::Variable as usize],
        (Shape::ShortCut, _) => storing_short_cut,
        _ => storing,
    }
}

/// What lies in front of the header: the functions that make the call.
#[derive(Clone, Copy)]
#[repr(C)]
struct Head {
    /// The body, for `storing`.
    body: Body<Left>,
    /// What the thunk jumps to. On s390x and Windows, thunks jump to `storing` and do not
    /// read this.
    call: Body<Left>,
    /// What entries of the table point to.
    header: Header,
}

/// What a thunk finds: the descriptor as far as the assembly reads it, and the functions that
/// make the call.
#[repr(C)]
struct Interned {
    head: Head,
    lists: [u16],
}

const_assert_eq!(offset_of!(Head, header) - offset_of!(Head, call), constant("CALL_BEFORE"));
const_assert_eq!(offset_of!(Head, header) - offset_of!(Head, body), constant("BODY_BEFORE"));
// The lists follow the head.
const_assert_eq!(size_of::<Head>() - offset_of!(Head, header), constant("D_LISTS"));

/// An [`Interned`] that is not in the table yet, and is freed if it never is.
struct Draft(*mut Interned);

impl Draft {
    fn new((header, lists): (&Header, &[u16])) -> Draft {
        let body = ENTRIES[header.shape as usize];
        let head = Head { body, call: storing_call(header), header: *header };
        Draft(with_lists(&head, lists, lists.len()) as *mut Interned)
    }
}

impl table::Draft<Header> for Draft {
    fn entry(&self) -> *mut Header {
        // SAFETY: a field within the memory.
        unsafe { &raw mut (*self.0).head.header }
    }

    fn keep(self) {
        let _ = ManuallyDrop::new(self);
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // SAFETY: `with_lists` has allocated it, and no other code knows of it.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

impl Interned {
    /// Whether this entry is the same descriptor.
    fn is(entry: NonNull<Header>, (header, lists): (&Header, &[u16])) -> bool {
        // SAFETY: entries point to headers that `Draft` has written, which
        // are never changed or freed.
        if unsafe { entry.as_ref() } != header {
            return false;
        }
        // SAFETY: the lists follow the header.
        let found = unsafe { entry.add(1) }.cast::<u16>();
        // SAFETY: equal headers have lists of equal length.
        lists == unsafe { slice::from_raw_parts(found.as_ptr(), lists.len()) }
    }
}

/// The index of the descriptor's thunk, which is taken from this pool if the
/// descriptor has none.
fn index(pool: &Pool, descriptor: &Descriptor) -> Result<usize, Error> {
    let wanted = descriptor.read();
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    wanted.hash(&mut hash);
    let is_wanted = |entry| Interned::is(entry, wanted);
    find_or_put(&TABLE, hash.finish() as usize, pool.counter(), is_wanted, || Draft::new(wanted))
        .map_err(|Refused| Error::PoolExhausted { wanted: 1, left: 0 })
}

/// The address of the descriptor's thunk, which is ready to be called.
// Not inlined, as the symbols are hidden and a caller may be in another shared
// object.
#[inline(never)]
pub(crate) fn thunk(pool: &Pool, descriptor: &Descriptor) -> Result<*const c_void, Error> {
    // R5: the entry is set before its index is known. A thread that finds the
    // index has acquired the entry and what it points to, and so has one that is
    // properly handed the pointer.
    index(pool, descriptor).map(|index| (&raw const THUNKS[index]).cast())
}

/// FNV-1a, for want of a hash in `core`.
struct Fnv(u64);

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
