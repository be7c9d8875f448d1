//! The thunks of callbacks: a fixed number of them, and, where the program's pages can be
//! mapped again, as many more as are wanted.

use core::{
    ffi::c_void,
    ptr::{from_ref, null_mut},
    sync::atomic::{
        AtomicBool,
        Ordering::{Relaxed, Release},
    },
};

#[cfg(vmtrampoline_mmap)]
use super::mapping::map;
use super::{
    VMOpaqueContext,
    atomics::{AtomicPtr, AtomicUsize},
    blocks,
    port::symbol,
};
use crate::{encode::constants::constant, error::Error};

const COUNT: usize = constant("CALLBACKS");
const SIZE: usize = constant(match () {
    () if cfg!(target_arch = "x86_64") => "CALLBACK_SIZE_X86_64",
    () if cfg!(target_arch = "aarch64") => "CALLBACK_SIZE_AARCH64",
    () if cfg!(target_arch = "riscv64") => "CALLBACK_SIZE_RISCV64",
    () => "CALLBACK_SIZE_S390X",
});

/// The code of a thunk, of which only the address matters.
pub(super) type Code = [u8; SIZE];
pub(super) type Block = blocks::Block<'static, VMOpaqueContext, Code>;

unsafe extern "C" {
    /// By index: null, or the context of the callback that has the thunk. Nothing
    /// else says which are taken, as copies of this crate that are linked into one
    /// program may share the assembly.
    #[link_name = symbol!(callback_table)]
    safe static TABLE: [AtomicPtr<VMOpaqueContext>; COUNT];

    #[link_name = symbol!(callback_thunks)]
    safe static THUNKS: [Code; COUNT];
}

static BLOCKS: blocks::Blocks<'static, VMOpaqueContext, Code> = blocks::Blocks {
    first: Block { entries: &TABLE, thunks: &THUNKS, next: AtomicPtr::new(null_mut()) },
    block: AtomicPtr::new(null_mut()),
    index: AtomicUsize::new(0),
    thunks: AtomicUsize::new(COUNT),
    excess: AtomicUsize::new(0),
};

/// Whether a block is to be mapped before all thunks are taken: no other thread maps one, and
/// the last mapping went well.
static AHEAD: AtomicBool = AtomicBool::new(true);

/// A thunk that is ready to be called until this is dropped.
pub(super) struct Thunk {
    entry: &'static AtomicPtr<VMOpaqueContext>,
    code: &'static Code,
}

impl Thunk {
    // Not inlined, as the symbols are hidden and a caller may be in another shared
    // object.
    #[inline(never)]
    pub(super) fn take(context: *mut VMOpaqueContext) -> Result<Thunk, Error> {
        if BLOCKS.crowded() && AHEAD.swap(false, Relaxed) {
            AHEAD.store(map().map(|block| BLOCKS.add(block)).is_ok(), Relaxed);
        }
        loop {
            // R6: the entry is set before its thunk is known to anyone.
            if let Some((entry, code)) = BLOCKS.take(context) {
                return Ok(Thunk { entry, code });
            }
            let capacity = BLOCKS.thunks.load(Relaxed);
            BLOCKS.add(map().map_err(|limit| Error::CallbacksExhausted { capacity, limit })?);
        }
    }

    /// Gives the thunk to another context.
    pub(super) fn set(&self, context: *mut VMOpaqueContext) {
        // R6: a call from now on finds all of the context, as its thread has acquired
        // the pointer.
        self.entry.store(context, Release);
    }

    pub(super) fn code(&self) -> *const c_void {
        from_ref(self.code).cast()
    }
}

impl Drop for Thunk {
    fn drop(&mut self) {
        // A call that comes too late dies, instead of going anywhere.
        BLOCKS.give_back(self.entry);
    }
}

#[cfg(not(vmtrampoline_mmap))]
fn map() -> Result<&'static Block, &'static str> {
    Err(if cfg!(feature = "mmap") {
        "the crate cannot map its code again on this system"
    } else {
        "the crate's feature `mmap` is off"
    })
}
