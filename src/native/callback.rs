//! Native code calls the host, as plain C.
//!
//! A C function pointer comes with no context. So the assembly has a fixed number
//! of thunks, each of which finds its context in an entry of a table and goes on
//! as a host function. A callback takes a thunk when it is made and gives it back
//! when it is dropped.

use alloc::sync::Arc;
use core::{ffi::c_void, fmt};

use static_assertions::assert_impl_all;

use super::{HostFunction, VMOpaqueContext, host::Bound};
use crate::{
    Error, Signature, ValRaw,
    descriptor::{Convention, Shape, constant},
};

/// A C function pointer made at run time: a signature and a closure or function
/// that takes its arguments and leaves its results in value slots.
///
/// C types map to value types as for [`CTrampoline`](crate::CTrampoline). A call
/// allocates nothing and takes no lock. There can be [`Callback::CAPACITY`]
/// callbacks at a time in a program, as each needs a piece of static code of its
/// own.
///
/// ```
/// use std::ffi::c_void;
/// use vmtrampoline::{Callback, ValRaw};
///
/// type Compare = extern "C" fn(*const c_void, *const c_void) -> i32;
/// unsafe extern "C" {
///     fn qsort(base: *mut c_void, count: usize, size: usize, compare: Compare);
/// }
///
/// let descending = Callback::new(&"(ptr, ptr) -> i32".parse()?, |slots| {
///     // SAFETY: qsort passes pointers to elements.
///     let [a, b] = [0, 1].map(|i| unsafe { *(slots[i].get_u64() as *const i32) });
///     slots[0] = ValRaw::i32(b.cmp(&a) as i32);
/// })?;
///
/// let mut list = [3, 1, 4, 1, 5, 9, 2, 6];
/// // SAFETY: `descending` has this signature, and lives until qsort returns.
/// unsafe {
///     let compare = std::mem::transmute::<*const c_void, Compare>(descending.code());
///     qsort(list.as_mut_ptr().cast(), list.len(), size_of::<i32>(), compare);
/// }
/// assert_eq!(list, [9, 6, 5, 4, 3, 2, 1, 1]);
/// # Ok::<(), vmtrampoline::Error>(())
/// ```
///
/// # Safety
///
/// Whoever calls the function pointer answers for this:
///
/// - the callback has not been dropped before the call returns, nor has what its
///   closure borrows: after that, the pointer may be another callback's;
/// - the caller is compiled for a function of the callback's signature, in the C
///   convention of this machine, not variadic;
/// - if the callback unwinds, which those made by [`new`](Self::new) never do, all
///   frames up to the one that catches it can be unwound through.
pub struct Callback<'f> {
    // Dropped before what its entry points to.
    thunk: ported::Thunk,
    bound: Arc<Bound<'f>>,
}

assert_impl_all!(Callback<'static>: Send, Sync, Unpin);

impl<'f> Callback<'f> {
    /// How many callbacks there can be at a time: 1024, as `asm/descriptor.h`
    /// says, which is the place to change it.
    pub const CAPACITY: usize = constant("CALLBACKS");

    /// A callback that calls a closure with the value slots, of which there are
    /// max(parameters, results).
    ///
    /// The slots are as for [`HostFunc::new`](crate::HostFunc::new). The closure may
    /// be called from any thread, and again while it runs.
    ///
    /// A panic that leaves the closure aborts the process, with a message: C code
    /// is in general not made to be unwound through.
    ///
    /// # Errors
    ///
    /// [`Error::CallbacksExhausted`] if there are [`Callback::CAPACITY`] already,
    /// [`Error::UnsupportedTarget`] where this crate has no assembly,
    /// [`Error::ResultsNotInAbi`] for more than one result,
    /// [`Error::TypeNotInAbi`] for a `v128` on riscv64 and Windows.
    pub fn new<F>(signature: &Signature, function: F) -> Result<Callback<'f>, Error>
    where
        F: Fn(&mut [ValRaw]) + Send + Sync + 'f,
    {
        Self::closure(signature, false, function)
    }

    /// A callback that a panic in its closure leaves: it goes on in the caller.
    ///
    /// Only for callers that can be unwound through: Rust, to which the pointer is
    /// an `extern "C-unwind" fn`, or C compiled with `-fexceptions`, which Rust has
    /// called as such. From where nobody can unwind any further, the process
    /// aborts.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn new_unwind<F>(signature: &Signature, function: F) -> Result<Callback<'f>, Error>
    where
        F: Fn(&mut [ValRaw]) + Send + Sync + 'f,
    {
        Self::closure(signature, true, function)
    }

    fn closure<F>(signature: &Signature, unwind: bool, function: F) -> Result<Callback<'f>, Error>
    where
        F: Fn(&mut [ValRaw]) + Send + Sync + 'f,
    {
        let function = move |_, slots: &mut [ValRaw]| function(slots);
        Self::bind(Bound::closure(Convention::C, signature, Shape::Bare, unwind, function)?)
    }

    /// A callback that calls a function as it is, without a closure between: what
    /// the slots hold is described at [`HostFunction`]. The caller context is
    /// null.
    ///
    /// The function finds its data by [`HostFunc::data`](crate::HostFunc::data).
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    ///
    /// # Safety
    ///
    /// Calling `function` with this data and slots of this signature is sound from
    /// every thread that native code calls it from, as long as the result is used.
    pub unsafe fn from_raw(
        signature: &Signature,
        function: HostFunction,
        data: *mut c_void,
    ) -> Result<Callback<'f>, Error> {
        // SAFETY: our own conditions.
        unsafe { Self::with_shape(signature, Shape::Bare, function, data) }
    }

    /// See [`HostFunc::with_shape`](crate::HostFunc::with_shape).
    ///
    /// # Safety
    ///
    /// As for [`from_raw`](Self::from_raw).
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    #[doc(hidden)]
    pub unsafe fn with_shape(
        signature: &Signature,
        shape: Shape,
        function: HostFunction,
        data: *mut c_void,
    ) -> Result<Callback<'f>, Error> {
        // SAFETY: our own conditions.
        Self::bind(unsafe { Bound::new(Convention::C, signature, shape, function, data, None)? })
    }

    /// Gives a thunk to a context.
    fn bind(bound: Arc<Bound<'f>>) -> Result<Callback<'f>, Error> {
        let thunk = ported::Thunk::take(bound.context())?;
        Ok(Callback { thunk, bound })
    }

    /// The function pointer, to be cast to its C type.
    pub fn code(&self) -> *const c_void {
        self.thunk.code()
    }

    /// What a [`HostFunction`] is given as its callee context.
    #[doc(hidden)]
    pub fn context(&self) -> *mut VMOpaqueContext {
        self.bound.context()
    }
}

impl fmt::Debug for Callback<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Callback({:p})", self.code())
    }
}

#[cfg(vmtrampoline_port)]
mod ported {
    use core::{
        ptr::null_mut,
        sync::atomic::{
            AtomicPtr,
            Ordering::{Acquire, Relaxed, Release},
        },
    };

    use super::*;
    use crate::native::entry::symbol;

    const COUNT: usize = constant("CALLBACKS");
    const SIZE: usize = constant(match () {
        () if cfg!(target_arch = "x86_64") => "CALLBACK_SIZE_X86_64",
        () if cfg!(target_arch = "aarch64") => "CALLBACK_SIZE_AARCH64",
        () if cfg!(target_arch = "riscv64") => "CALLBACK_SIZE_RISCV64",
        () => "CALLBACK_SIZE_S390X",
    });

    unsafe extern "C" {
        /// By index: null, or the context of the callback that has the thunk. Nothing
        /// else says which are taken, as copies of this crate that are linked into one
        /// program may share the assembly.
        #[link_name = symbol!(callback_table)]
        safe static TABLE: [AtomicPtr<VMOpaqueContext>; COUNT];

        /// The code of the thunks, of which only the addresses matter.
        #[link_name = symbol!(callback_thunks)]
        safe static THUNKS: [[u8; SIZE]; COUNT];
    }

    /// A thunk that is ready to be called until this is dropped.
    pub(super) struct Thunk {
        index: usize,
    }

    impl Thunk {
        // Not inlined, nor are the others, as the symbols are hidden and a caller
        // may be in another shared object.
        #[inline(never)]
        pub(super) fn take(context: *mut VMOpaqueContext) -> Result<Thunk, Error> {
            // R6: the entry is set before its thunk is known to anyone. Whoever gave it
            // back has done with it.
            let take = |entry: &AtomicPtr<VMOpaqueContext>| {
                entry.load(Relaxed).is_null()
                    && entry.compare_exchange(null_mut(), context, Acquire, Relaxed).is_ok()
            };
            let index = TABLE.iter().position(take);
            index.map(|index| Thunk { index }).ok_or(Error::CallbacksExhausted { capacity: COUNT })
        }

        #[inline(never)]
        pub(super) fn code(&self) -> *const c_void {
            (&raw const THUNKS[self.index]).cast()
        }
    }

    impl Drop for Thunk {
        #[inline(never)]
        fn drop(&mut self) {
            // A call that comes too late dies, instead of going anywhere.
            TABLE[self.index].store(null_mut(), Release);
        }
    }
}

/// There are no thunks on this target.
#[cfg(not(vmtrampoline_port))]
mod ported {
    use super::*;

    pub(super) enum Thunk {}

    impl Thunk {
        pub(super) fn take(_: *mut VMOpaqueContext) -> Result<Thunk, Error> {
            Err(Error::UnsupportedTarget)
        }

        pub(super) fn code(&self) -> *const c_void {
            match *self {}
        }
    }
}
