//! Native code calls the host, as plain C.
//!
//! A C function pointer has no context. So each callback has a thunk, which finds the
//! context in an entry of a table and goes on as a host function. A callback takes a
//! thunk when it is made and gives it back when it is dropped.

use core::{
    ffi::c_void,
    fmt,
    marker::PhantomData,
    panic::{RefUnwindSafe, UnwindSafe},
};

use static_assertions::{assert_impl_all, assert_not_impl_any};

use super::{
    ArrayCall, VMOpaqueContext,
    host::{Owner, Source},
    port::{Thunk, current_thread},
};
use crate::{
    abi::Convention,
    encode::{constants::constant, header::Shape},
    error::Error,
    layout::walk::first_slot,
    signature::Signature,
    valraw::ValRaw,
};

/// A C function pointer made at run time: a signature and a closure or function
/// that takes its arguments and leaves its results in value slots.
///
/// It takes and returns every type of C, but cannot be variadic. Values lie in the slots as
/// for a [`CTrampoline`](crate::CTrampoline): each begins at a slot, and
/// [`argument`](Self::argument) says at which. A structure lies there as it lies in memory,
/// even where C passes its address. A call allocates nothing and takes no lock.
///
/// For a closure that may not leave its thread there is [`LocalCallback`]. A
/// [`Prototype`](crate::Prototype) makes many callbacks of one signature faster.
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
/// Like a [`HostFunc`](crate::HostFunc#panics), a callback is [`UnwindSafe`] and
/// [`RefUnwindSafe`] whatever its closure captures.
///
/// # How many
///
/// Each callback needs a piece of static code of its own. The program has
/// [`Callback::CAPACITY`] of them. On Linux, Android and Apple's systems, there may be as many
/// callbacks as memory holds: when most of the code is in use, the crate maps its pages once
/// more, 64 KiB at a time, beside a table of their own. No page is writable and executable,
/// and none becomes executable after it was writable. So this works on systems that forbid
/// that.
///
/// On Linux, the mapping needs `/proc/self/maps` and the unchanged file that holds the crate's
/// code. It also needs the crate's feature `mmap`, which is on by default: the crate then
/// calls `mmap` and a few other functions of the C library. On other systems, without the
/// feature, and where the system refuses, [`Callback::CAPACITY`] is the limit, and
/// [`Error::CallbacksExhausted`] says why.
///
/// Making and dropping a callback takes no lock, and only the mapping makes system calls.
/// Mapped code stays mapped. Debuggers and unwinders do not know it, but a thunk has at
/// most five instructions, which call nothing.
///
/// # Safety
///
/// The caller of the function pointer answers for this:
///
/// - Until the call returns, the callback is alive, and so is what its closure borrows. A call
///   of a dropped callback faults. Much later its pointer belongs to another callback, as
///   pointers are used in turn.
/// - The closure does not drop its own callback, as that would free the running closure. It
///   can put the callback in a list, which the interpreter empties before its next call.
/// - The caller is compiled for a function of the callback's signature, in the C convention
///   of this machine, not variadic.
/// - If the callback unwinds, all frames up to the one that catches can be unwound through.
///   A callback made by [`new`](Self::new) never unwinds.
pub struct Callback<'f> {
    // Dropped before what its entry points to.
    thunk: Thunk,
    bound: Owner<'f>,
}

assert_impl_all!(Callback<'static>: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);

impl UnwindSafe for Callback<'_> {}
impl RefUnwindSafe for Callback<'_> {}

impl<'f> Callback<'f> {
    /// How many callbacks there can be at a time where the program's code cannot be mapped
    /// again: 1024, as `asm/descriptor.h` says, which is the place to change it.
    pub const CAPACITY: usize = constant("CALLBACKS");

    /// A callback that calls a closure with the value slots: those of the parameters or
    /// of the result, whichever are more.
    ///
    /// The slots hold the parameters. A scalar of less than eight bytes is zero-extended to
    /// eight, whatever C passes above it. All other bytes are unspecified. When the closure
    /// returns, the result is taken from slot 0 on. Any thread may call the closure, also
    /// while it runs.
    ///
    /// A panic that leaves the closure aborts the process with a message, as most C code
    /// cannot be unwound through.
    ///
    /// # Errors
    ///
    /// [`Error::CallbacksExhausted`] if there are too many already,
    /// [`Error::UnsupportedTarget`] where this crate has no assembly,
    /// [`Error::ResultsNotInAbi`] for more than one result, [`Error::VariadicCallback`],
    /// [`Error::AlignmentNotInAbi`] as for [`CTrampoline::new`](crate::CTrampoline::new), and
    /// [`Error::TooLarge`] if the slots, with what the crate has behind them, take more than
    /// [`CTrampoline::MAX_BYTES`](crate::CTrampoline::MAX_BYTES).
    pub fn new<F>(signature: &Signature, function: F) -> Result<Callback<'f>, Error>
    where
        F: Fn(&mut [ValRaw]) + Send + Sync + 'f,
    {
        Self::closure(bare(signature), false, function)
    }

    /// A callback whose panics unwind into the caller.
    ///
    /// It is for callers that can be unwound through: Rust, to which the pointer is an
    /// `extern "C-unwind" fn`, or C that is compiled with `-fexceptions` and that Rust has
    /// called as such a function. Where unwinding cannot go on, the process aborts.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn new_unwind<F>(signature: &Signature, function: F) -> Result<Callback<'f>, Error>
    where
        F: Fn(&mut [ValRaw]) + Send + Sync + 'f,
    {
        Self::closure(bare(signature), true, function)
    }

    pub(super) fn closure<F>(
        source: Source<'_>,
        unwind: bool,
        function: F,
    ) -> Result<Callback<'f>, Error>
    where
        F: Fn(&mut [ValRaw]) + Send + Sync + 'f,
    {
        let function = move |_, slots: &mut [ValRaw]| function(slots);
        Self::bind(Owner::closure(source, unwind, function)?)
    }

    /// A callback that calls a function directly, without a closure. The slots are those that
    /// [`new`](Self::new) gives to a closure, and the caller context is null. All else is as
    /// [`ArrayCall`] says.
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
        function: ArrayCall,
        data: *mut c_void,
    ) -> Result<Callback<'f>, Error> {
        // SAFETY: our own conditions.
        unsafe { Self::raw(bare(signature), function, data) }
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
        function: ArrayCall,
        data: *mut c_void,
    ) -> Result<Callback<'f>, Error> {
        // SAFETY: our own conditions.
        unsafe { Self::raw(Source::Signature(Convention::C, signature, shape), function, data) }
    }

    /// # Safety
    ///
    /// As for [`from_raw`](Self::from_raw).
    pub(super) unsafe fn raw(
        source: Source<'_>,
        function: ArrayCall,
        data: *mut c_void,
    ) -> Result<Callback<'f>, Error> {
        // SAFETY: our own conditions.
        Self::bind(unsafe { Owner::raw(source, function, data)? })
    }

    /// Gives the function pointer another signature and function, as
    /// [`from_raw`](Self::from_raw) takes them. Its address stays. This is for interfaces that
    /// hand the address out before they know what it is for.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new), but for exhaustion; the callback stays what it was.
    ///
    /// # Safety
    ///
    /// As for [`from_raw`](Self::from_raw), and no call of the callback is under way.
    pub unsafe fn replace_raw(
        &mut self,
        signature: &Signature,
        function: ArrayCall,
        data: *mut c_void,
    ) -> Result<(), Error> {
        // SAFETY: our own conditions.
        let bound = unsafe { Owner::raw(bare(signature), function, data)? };
        self.thunk.set(bound.context());
        self.bound = bound;
        Ok(())
    }

    /// Gives a thunk to a context.
    fn bind(bound: Owner<'f>) -> Result<Callback<'f>, Error> {
        let thunk = Thunk::take(bound.context())?;
        Ok(Callback { thunk, bound })
    }

    /// The index of the first slot of parameter `index`, for a callback of this signature.
    /// For the number of parameters, it is the first slot behind all of them.
    ///
    /// ```
    /// use vmtrampoline::{Callback, ValRaw};
    ///
    /// let signature = "({i32, i32}, {f64, f64, f64}, i8) -> {f64, f64}".parse()?;
    /// assert_eq!(Callback::argument(&signature, 2)?, 3);
    /// let scaled = Callback::new(&signature, |slots| {
    ///     let mut numbers = [0; 24];
    ///     ValRaw::read_bytes(&slots[1..], &mut numbers).expect("two slots");
    ///     let x = f64::from_ne_bytes(numbers[..8].try_into().expect("eight bytes"));
    ///     let result = [x, x * f64::from(slots[3].get_i8())];
    ///     let bytes = result.map(f64::to_ne_bytes);
    ///     ValRaw::write_bytes(slots, bytes.as_flattened()).expect("a slot");
    /// })?;
    ///
    /// #[repr(C)]
    /// struct Pair([i32; 2]);
    /// #[repr(C)]
    /// struct Triple([f64; 3]);
    /// #[repr(C)]
    /// #[derive(Debug, PartialEq)]
    /// struct Point([f64; 2]);
    ///
    /// type Scaled = extern "C" fn(Pair, Triple, i8) -> Point;
    /// // SAFETY: the callback has this signature, and is alive.
    /// let function = unsafe { std::mem::transmute::<*const std::ffi::c_void, Scaled>(scaled.code()) };
    /// assert_eq!(function(Pair([1, 2]), Triple([1.5, 0.0, 0.0]), -2), Point([1.5, -3.0]));
    /// # Ok::<(), vmtrampoline::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::UnsupportedTarget`] where this crate has no assembly.
    ///
    /// # Panics
    ///
    /// If there are fewer parameters.
    pub fn argument(signature: &Signature, index: usize) -> Result<usize, Error> {
        let abi = Convention::C.abi().ok_or(Error::UnsupportedTarget)?;
        Ok(first_slot(abi, signature.lend(), 16, index))
    }

    /// The function pointer, to be cast to its C type.
    pub fn code(&self) -> *const c_void {
        self.thunk.code()
    }

    /// What an [`ArrayCall`] is given as its callee context.
    #[doc(hidden)]
    pub fn context(&self) -> *mut VMOpaqueContext {
        self.bound.context()
    }
}

/// A signature of C, and the faster entry if it will do.
fn bare(signature: &Signature) -> Source<'_> {
    Source::Signature(Convention::C, signature, Shape::Bare)
}

impl fmt::Debug for Callback<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Callback({:p})", self.code())
    }
}

/// A [`Callback`] whose closure belongs to the thread that makes it. So the closure may
/// capture what may not leave a thread, such as an [`Rc`](alloc::rc::Rc) or an interpreter.
///
/// Native code must call the function pointer in this thread. A call in another thread aborts
/// the process with a message.
///
/// ```
/// use std::{cell::RefCell, mem::transmute, rc::Rc};
/// use vmtrampoline::LocalCallback;
///
/// let log = Rc::new(RefCell::new(Vec::new()));
/// let callback = LocalCallback::new(&"(i32)".parse()?, {
///     let log = log.clone();
///     move |slots| log.borrow_mut().push(slots[0].get_i32())
/// })?;
///
/// // SAFETY: the callback has this signature.
/// let code: extern "C" fn(i32) = unsafe { transmute(callback.code()) };
/// code(1);
/// code(2);
/// assert_eq!(*log.borrow(), [1, 2]);
/// # Ok::<(), vmtrampoline::Error>(())
/// ```
///
/// # Safety
///
/// The caller of the function pointer answers for what [`Callback`](Callback#safety) says, and
/// for this: it does not call the pointer after the thread has ended, even if the callback
/// was leaked. The crate knows a thread by its thread pointer, which a later thread may have
/// again.
pub struct LocalCallback<'f> {
    callback: Callback<'f>,
    _thread: PhantomData<*mut ()>,
}

assert_impl_all!(LocalCallback<'static>: Unpin, UnwindSafe, RefUnwindSafe);
assert_not_impl_any!(LocalCallback<'static>: Send, Sync);

impl UnwindSafe for LocalCallback<'_> {}
impl RefUnwindSafe for LocalCallback<'_> {}

impl<'f> LocalCallback<'f> {
    /// As [`Callback::new`], for a closure of this thread.
    ///
    /// # Errors
    ///
    /// As for [`Callback::new`].
    pub fn new<F>(signature: &Signature, function: F) -> Result<LocalCallback<'f>, Error>
    where
        F: Fn(&mut [ValRaw]) + 'f,
    {
        Self::closure(bare(signature), false, function)
    }

    /// As [`Callback::new_unwind`], for a closure of this thread. A call in another thread
    /// aborts all the same.
    ///
    /// # Errors
    ///
    /// As for [`Callback::new`].
    pub fn new_unwind<F>(signature: &Signature, function: F) -> Result<LocalCallback<'f>, Error>
    where
        F: Fn(&mut [ValRaw]) + 'f,
    {
        Self::closure(bare(signature), true, function)
    }

    pub(super) fn closure<F>(source: Source<'_>, unwind: bool, function: F) -> Result<Self, Error>
    where
        F: Fn(&mut [ValRaw]) + 'f,
    {
        let local = Local { thread: current_thread(), function };
        let callback = Callback::closure(source, unwind, move |slots| local.get()(slots))?;
        Ok(LocalCallback { callback, _thread: PhantomData })
    }

    /// The function pointer, to be cast to its C type.
    pub fn code(&self) -> *const c_void {
        self.callback.code()
    }
}

impl fmt::Debug for LocalCallback<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalCallback({:p})", self.code())
    }
}

/// A closure that only its thread gets.
struct Local<F> {
    thread: usize,
    function: F,
}

// SAFETY: no other thread gets the closure, or drops it: it belongs to a `LocalCallback`,
// which is not Send.
unsafe impl<F> Send for Local<F> {}
// SAFETY: as above.
unsafe impl<F> Sync for Local<F> {}

impl<F> Local<F> {
    fn get(&self) -> &F {
        if self.thread != current_thread() {
            in_another_thread();
        }
        &self.function
    }
}

/// Aborts, as a panic may not leave an `extern "C"` function.
#[cold]
extern "C" fn in_another_thread() -> ! {
    panic!("a LocalCallback was called in a thread that it does not belong to");
}
