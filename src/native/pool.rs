//! Function pointers for signatures known only at run time.
//!
//! A [`VMTrampoline`] has no parameter for a descriptor, so each signature needs
//! an address of its own. The assembly has a fixed number of thunks for this,
//! each of which adds the descriptor that its entry of a table points to and
//! jumps to a body. The table is a hash table at the same time: where the
//! descriptor is found or put says which thunk is the pointer.

use core::{
    ffi::c_void,
    mem::transmute,
    panic::{RefUnwindSafe, UnwindSafe},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use static_assertions::assert_impl_all;

use super::{Trampoline, VMTrampoline, VMTrampolineUnwind, port::thunk, table};
use crate::{encode::constants::constant, error::Error};

/// A share of the function pointers that a program can make.
///
/// [`Trampoline::pointer`] takes from [`Pool::shared`]. All pointers are thunks in static
/// code, so their number is fixed: [`Pool::CAPACITY`] in the whole program. (A shared
/// library that contains the crate has its own.)
///
/// A signature takes one thunk when its first pointer is made, and keeps it. Pointers are
/// valid for ever, and the descriptors behind them, at most a few kilobytes each, are never
/// freed. So the bound protects memory. Every further pointer for the signature, from any
/// pool and any thread, is the same and takes nothing. Signatures that move the same bytes
/// count as one: `(i64)` and `(funcref)` share a pointer.
///
/// Several threads may ask at the same moment for the first pointer of one signature. Each
/// holds a thunk of its pool until one of them has made the pointer, and then the others
/// give theirs back. A pool with fewer thunks left than there are such threads may refuse
/// one of them, or a thread that asks for another signature. It need only ask again.
///
/// **A module that chooses signatures can use up the pool**: it need only declare enough
/// types. Where that matters, [`reserve`] a pool for each party that you do not trust, which
/// bounds what it can take. Or reserve one for the trusted party, which the others cannot
/// touch.
///
/// [`reserve`]: Pool::reserve
///
/// ```
/// use vmtrampoline::{Error, Pool, Signature, Trampoline};
/// # fn main() -> Result<(), Error> {
/// let unary = Trampoline::new(&"(f64) -> f64".parse()?)?;
/// let binary = Trampoline::new(&"(f64, f64) -> f64".parse()?)?;
///
/// let guest = Pool::reserve(1)?;
/// let pointer = guest.pointer(&unary)?;
/// assert_eq!(guest.pointer(&binary), Err(Error::PoolExhausted { wanted: 1, left: 0 }));
///
/// // The same signature has the same pointer in every pool.
/// assert_eq!(unary.pointer()?, pointer);
/// binary.pointer()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Pool {
    /// Thunks that may still be taken.
    left: AtomicUsize,
}

static SHARED: Pool = Pool { left: AtomicUsize::new(Pool::CAPACITY) };

assert_impl_all!(Pool: Send, Sync, UnwindSafe, RefUnwindSafe);

impl Pool {
    /// How many signatures can have a function pointer: 4096, as
    /// `asm/descriptor.h` says, which is the place to change it.
    ///
    /// Unlike [`Callback`](crate::Callback)s, pointers get no more thunks by mapping. A program
    /// needs one pointer for each signature, however many functions it calls. Thunks to be mapped
    /// would be 64 KiB more of code in every program that makes pointers. An unwinder would not
    /// know them, but it knows the thunks of this pool at every instruction.
    pub const CAPACITY: usize = constant("POINTERS");

    /// The pool of all code that has no other.
    pub fn shared() -> &'static Pool {
        &SHARED
    }

    /// A pool of so many thunks, which the shared pool gives up. When the new pool is dropped,
    /// those that are left go back.
    ///
    /// # Errors
    ///
    /// [`Error::PoolExhausted`] if the shared pool has fewer left.
    pub fn reserve(thunks: usize) -> Result<Pool, Error> {
        SHARED.take(thunks)?;
        Ok(Pool { left: AtomicUsize::new(thunks) })
    }

    /// How many signatures without a pointer can get one from this pool. Other
    /// threads may be taking them.
    pub fn left(&self) -> usize {
        self.left.load(Relaxed)
    }

    /// A function pointer for the trampoline's signature; see
    /// [`Trampoline::pointer`].
    ///
    /// # Errors
    ///
    /// As for [`Trampoline::pointer`].
    pub fn pointer(&self, trampoline: &Trampoline) -> Result<VMTrampoline, Error> {
        let thunk = thunk(self, trampoline.descriptor())?;
        // SAFETY: a thunk is a function of this type, ready to be called.
        Ok(unsafe { transmute::<*const c_void, VMTrampoline>(thunk) })
    }

    /// The same address as [`pointer`](Self::pointer), as a type that may be
    /// unwound through.
    ///
    /// # Errors
    ///
    /// As for [`Trampoline::pointer`].
    pub fn pointer_unwind(&self, trampoline: &Trampoline) -> Result<VMTrampolineUnwind, Error> {
        let thunk = thunk(self, trampoline.descriptor())?;
        // SAFETY: a thunk is a function of this type, ready to be called.
        Ok(unsafe { transmute::<*const c_void, VMTrampolineUnwind>(thunk) })
    }

    /// Takes so many thunks.
    fn take(&self, wanted: usize) -> Result<(), Error> {
        table::take(&self.left, wanted).map_err(|left| Error::PoolExhausted { wanted, left })
    }

    /// The thunks that may still be taken, for the code that fills the table.
    #[cfg(vmtrampoline_port)]
    pub(super) fn counter(&self) -> &AtomicUsize {
        &self.left
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        table::give_back(&SHARED.left, self.left());
    }
}

impl Trampoline {
    /// A function pointer with this signature baked in, to be called without
    /// the trampoline, which may be dropped.
    ///
    /// The same signature gives the same pointer, from every pool and thread. Making
    /// the first takes one allocation; finding it again takes none, and neither does
    /// a call. (So a signal handler may call pointers, but must not make them.)
    /// Nothing here takes a lock: no thread waits for another, and the child of a fork
    /// makes pointers as its parent does. A call writes to the slots what
    /// [`call`](Self::call) writes. For signatures known when the program is compiled
    /// there is [`pointer()`](crate::pointer), which takes no thunk.
    ///
    /// ```
    /// use std::ptr::null_mut;
    /// use vmtrampoline::{Trampoline, VMContext, VMOpaqueContext, VMTrampoline, ValRaw};
    ///
    /// extern "C" fn scale(_: *mut VMOpaqueContext, _: *mut VMContext, n: i32, x: f64) -> f64 {
    ///     f64::from(n) * x
    /// }
    ///
    /// let pointer: VMTrampoline = Trampoline::new(&"(i32, f64) -> f64".parse()?)?.pointer()?;
    /// let mut slots = [ValRaw::i32(7), ValRaw::from(2.5)];
    /// // SAFETY: `scale` has this signature, and there is a slot for each parameter.
    /// unsafe { pointer(null_mut(), null_mut(), scale as *const _, slots.as_mut_ptr()) };
    /// assert_eq!(slots[0].get_f64(), 17.5);
    /// # Ok::<(), vmtrampoline::Error>(())
    /// ```
    ///
    /// # Other threads
    ///
    /// A call reads what the thread that made the pointer has written. So pass a pointer to
    /// another thread as you would pass a reference: when the thread is spawned, through a
    /// channel or a lock, or by a release store that the other thread reads with an acquire
    /// load. A relaxed store is not enough: where the processor reorders writes, the call
    /// may then jump to address zero. A thread that asks for the pointer itself may call it
    /// at once, whichever thread was the first.
    ///
    /// # Errors
    ///
    /// [`Error::PoolExhausted`] if [`Pool::CAPACITY`] other signatures have a
    /// pointer already, or are reserved: see [`Pool`].
    /// [`Error::UnsupportedTarget`] where this crate has no thunks.
    pub fn pointer(&self) -> Result<VMTrampoline, Error> {
        SHARED.pointer(self)
    }

    /// The same address as [`pointer`](Self::pointer), as a type that may be
    /// unwound through.
    ///
    /// # Errors
    ///
    /// As for [`pointer`](Self::pointer).
    pub fn pointer_unwind(&self) -> Result<VMTrampolineUnwind, Error> {
        SHARED.pointer_unwind(self)
    }
}
