//! Native code calls the host, in the VM convention.
//!
//! The first argument of every such call, the callee context, points to a
//! [`Context`]: what the assembly needs to turn the call into an array call, and
//! whom to call. So the assembly has one function for all of them, and on some targets a
//! faster one for few slots.

use alloc::{sync::Arc, vec::Vec};
use core::{
    ffi::c_void,
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
    ptr::from_ref,
    slice,
};

use static_assertions::assert_impl_all;

use super::{
    VMContext, VMFunctionBody, VMOpaqueContext,
    entry::in_convention,
    planned::{Planned, planned},
};
use crate::{
    Error, Signature, ValRaw,
    descriptor::{Convention, Shape},
    scatter::{Encoded, Scatter, behind_narrow},
};

macro_rules! host_functions {
    (@in $abi:literal) => {
        /// The other end of an array call: a host function that takes its arguments and
        /// leaves its results in value slots.
        ///
        /// Its parameters are the callee context, the caller context, the value slots
        /// and their number, in the VM convention max(parameters, results): the type of
        /// Wasmtime 0.38 to 8.0.1. The slots are aligned to 16, and no other code uses them.
        ///
        /// At the call, parameter *i* is in slot *i*: a `v128` in bytes 0..16, a scalar
        /// in bytes 0..8. Of an `i32` or `f32`, bytes 4..8 are whatever the register or
        /// the stack held above the value; the remaining bytes, and slots without a
        /// parameter, hold what happened to be on the stack. Before it returns, the
        /// function puts result *i* in slot *i*; a scalar that is stored as eight bytes, as
        /// [`ValRaw`]'s constructors do, is returned faster than one stored as four.
        ///
        /// It may unwind if all frames up to the one that catches it may be unwound
        /// through.
        pub type ArrayCall =
            unsafe extern $abi fn(*mut VMOpaqueContext, *mut VMContext, *mut ValRaw, usize);

        /// The host function of a closure, which unwinds into its caller or aborts.
        ///
        /// # Safety
        ///
        /// As for [`call`].
        unsafe extern $abi fn closure<F, const UNWIND: bool>(
            callee: *mut VMOpaqueContext,
            caller: *mut VMContext,
            slots: *mut ValRaw,
            count: usize,
        ) where
            F: Fn(*mut VMContext, &mut [ValRaw]),
        {
            // SAFETY: our own conditions.
            let call = || unsafe { call::<F>(callee, caller, slots, count) };
            if UNWIND { call() } else { bounded(&call) }
        }
    };
}
in_convention! { host_functions }

/// "host", as Wasmtime's contexts of host functions begin.
const MAGIC: u32 = u32::from_le_bytes(*b"host");

/// What the callee context of a host function points to.
#[repr(C)]
pub(super) struct Context {
    magic: u32,
    code: *const c_void,
    function: ArrayCall,
    data: *mut c_void,
    lists: *const u16,
    scatter: Scatter,
}

#[cfg(target_pointer_width = "64")] // no others are called
crate::descriptor::assert_layout!(Context, 0, {
    magic @ "H_MAGIC",
    code @ "H_CODE",
    function @ "H_FUNCTION",
    data @ "H_DATA",
    lists @ "H_LISTS",
    scatter @ "H_SCATTER",
});

/// A context and what it points to. It lies in an `Arc`, which leaves addresses
/// as they are and, unlike a box, does not claim to be the only one to know them.
#[repr(C)] // begins with the context
pub(super) struct Bound<'f> {
    context: Context,
    /// What the context's function is for, if that is [`planned`].
    planned: Planned,
    _lists: Vec<u16>,
    _closure: Option<Arc<dyn Send + Sync + 'f>>,
}

// SAFETY: the lists are owned and never written to. The data belongs to a closure
// that is Send and Sync, or to whoever called `from_raw`, who has promised that
// any thread may use it.
unsafe impl Send for Bound<'_> {}
// SAFETY: as above.
unsafe impl Sync for Bound<'_> {}

/// A closure, and where in its slots the assembly has left something above a scalar.
struct Closure<F> {
    behind_narrow: Vec<u16>,
    function: F,
}

impl<'f> Bound<'f> {
    /// A context for a function with its data, and a closure to keep.
    ///
    /// # Safety
    ///
    /// R8, and any thread may use the data.
    pub(super) unsafe fn new(
        convention: Convention,
        signature: &Signature,
        shape: Shape,
        function: ArrayCall,
        data: *mut c_void,
        closure: Option<Arc<dyn Send + Sync + 'f>>,
    ) -> Result<Arc<Bound<'f>>, Error> {
        let abi = convention.abi().ok_or(Error::UnsupportedTarget)?;
        let Encoded { scatter, lists, entry, plan } = Scatter::encode(abi, signature.lend(), shape)
            .map_err(|misfit| misfit.error(abi, signature.lend()))?;
        // R6: the scatter and its entry. A vector keeps its memory when it moves.
        let code = ported::code(convention, entry)?;
        let planned = Planned { function, plan };
        let function = if planned.plan.is_empty() { function } else { self::planned };
        let context =
            Context { magic: MAGIC, code, function, data, lists: lists.as_ptr(), scatter };
        Ok(Arc::new(Bound { context, planned, _lists: lists, _closure: closure }))
    }

    /// What the function [`planned`] is to do.
    ///
    /// # Safety
    ///
    /// The context is one of ours, and alive.
    pub(super) unsafe fn planned<'b>(context: *mut VMOpaqueContext) -> &'b Planned {
        // SAFETY: our own condition; the context is the beginning of a `Bound`.
        unsafe { &(*context.cast::<Bound<'f>>()).planned }
    }

    /// A context for a closure, which unwinds into its caller or aborts.
    pub(super) fn closure<F>(
        convention: Convention,
        signature: &Signature,
        shape: Shape,
        unwind: bool,
        function: F,
    ) -> Result<Arc<Bound<'f>>, Error>
    where
        F: Fn(*mut VMContext, &mut [ValRaw]) + Send + Sync + 'f,
    {
        let abi = convention.abi().ok_or(Error::UnsupportedTarget)?;
        let behind_narrow = behind_narrow(abi, signature.lend());
        let closure = Arc::new(Closure { behind_narrow, function });
        let data = Arc::as_ptr(&closure).cast_mut().cast();
        let call = if unwind { self::closure::<F, true> } else { self::closure::<F, false> };
        // SAFETY: the data is what both functions want, lives as long as the
        // context, and is Send and Sync.
        unsafe { Bound::new(convention, signature, shape, call, data, Some(closure)) }
    }

    pub(super) fn context(&self) -> *mut VMOpaqueContext {
        // The context is at the beginning; no code writes through its address.
        from_ref(self).cast_mut().cast()
    }

    pub(super) fn code(&self) -> *const c_void {
        self.context.code
    }
}

/// Calls a closure, as a host function.
///
/// # Safety
///
/// E8 holds of the arguments, and the context's data is a [`Closure<F>`].
#[inline(always)]
unsafe fn call<F>(
    callee: *mut VMOpaqueContext,
    caller: *mut VMContext,
    slots: *mut ValRaw,
    count: usize,
) where
    F: Fn(*mut VMContext, &mut [ValRaw]),
{
    // SAFETY: the callee context is ours, alive and never written to (R6).
    let closure = unsafe { data(callee) }.cast::<Closure<F>>();
    // SAFETY: it is a closure, kept by that context.
    let closure = unsafe { &*closure };
    for &offset in &closure.behind_narrow {
        let above = slots.wrapping_byte_add(offset.into()).cast::<u32>();
        // SAFETY: in the slots (E8), which are ours alone.
        unsafe { above.write(0) };
    }
    // SAFETY: so many slots, aligned and ours alone (E8). They are in the frame of the
    // assembly, where every byte has some value.
    let slots = unsafe { slice::from_raw_parts_mut(slots, count) };
    (closure.function)(caller, slots);
}

/// Rust aborts where a panic would leave an `extern "C"` function: at once, if it has
/// nothing to drop, hence the reference.
#[inline(always)]
extern "C" fn bounded(call: &impl Fn()) {
    call();
}

/// The data of a context.
///
/// # Safety
///
/// The context is one of ours, and alive.
unsafe fn data(context: *mut VMOpaqueContext) -> *mut c_void {
    // SAFETY: our own condition.
    unsafe { (*context.cast::<Context>()).data }
}

/// A function of the host that native code can call: a signature, known only at
/// run time, and a closure or function that takes its arguments and leaves its
/// results in value slots.
///
/// Native code calls [`code`](Self::code) with [`context`](Self::context) as the
/// callee context, in the VM convention, as it would call any function of this
/// signature. There may be any number of host functions, and no code is generated: one or
/// two functions of the assembly serve them all, and find what they need in the context. A
/// call allocates nothing and takes no lock.
///
/// The context begins as Wasmtime's `VMHostFuncContext` does: the magic number
/// `host`, and at offset 8 the code pointer.
///
/// Clones share the context, which is freed with the last of them.
///
/// ```
/// use std::ptr::null_mut;
/// use vmtrampoline::{HostFunc, Signature, Trampoline, ValRaw};
///
/// let signature: Signature = "(i32, i32) -> (i32, i32)".parse()?;
/// let divide = HostFunc::new(&signature, |_caller, slots| {
///     let (a, b) = (slots[0].get_i32(), slots[1].get_i32());
///     slots[0] = ValRaw::i32(a / b);
///     slots[1] = ValRaw::i32(a % b);
/// })?;
///
/// // Native code would call it; here a trampoline does.
/// let mut slots = [ValRaw::i32(17), ValRaw::i32(5)];
/// let (code, context) = (divide.code(), divide.context());
/// // SAFETY: the code has this signature, and `divide` is alive.
/// unsafe { Trampoline::new(&signature)?.call(context, null_mut(), code, &mut slots)? };
/// assert_eq!(slots.map(|slot| slot.get_i32()), [3, 2]);
/// # Ok::<(), vmtrampoline::Error>(())
/// ```
///
/// # Safety
///
/// The caller of the code pointer answers for this:
///
/// - the callee context is that of this function. Until the call returns, the function or a
///   clone of it is alive, and so is what its closure borrows;
/// - the caller uses the VM convention of this machine and the function's
///   signature;
/// - if the closure or function unwinds, all frames up to the one that catches it
///   can be unwound through.
///
/// # Panics
///
/// A panic in the closure unwinds through the native code that has called it, and on through
/// that code's caller, for example a [`Trampoline`](crate::Trampoline). If native code has
/// no unwinding information, the process aborts with a message, as it does when the panic
/// reaches an `extern "C"` function of Rust. If native code must not be unwound through, the
/// closure catches its panics itself.
///
/// A host function is [`UnwindSafe`] and [`RefUnwindSafe`] whatever its closure captures, so
/// `catch_unwind` accepts code that uses one. No method of it calls the closure or shows what
/// the closure captures, so a panic leaves nothing half done in the host function. The next
/// call finds what the closure itself has left half done; a poisoned `Mutex` tells it.
#[derive(Clone)]
pub struct HostFunc<'f> {
    bound: Arc<Bound<'f>>,
}

assert_impl_all!(HostFunc<'static>: Send, Sync, Unpin, Clone, UnwindSafe, RefUnwindSafe);

impl UnwindSafe for HostFunc<'_> {}
impl RefUnwindSafe for HostFunc<'_> {}

impl<'f> HostFunc<'f> {
    /// A host function that calls a closure with the caller context and the value
    /// slots, of which there are max(parameters, results).
    ///
    /// The slots hold the parameters. `i32` and `f32` are zero-extended to eight bytes, as
    /// by [`ValRaw`]'s constructors. All other bytes are unspecified. When the closure
    /// returns, result *i* is taken from slot *i*. Any thread may call the closure, also
    /// while it runs.
    ///
    /// # Errors
    ///
    /// [`Error::UnsupportedTarget`] where this crate has no assembly,
    /// [`Error::TypeNotInAbi`] for a `v128` on riscv64.
    pub fn new<F>(signature: &Signature, function: F) -> Result<HostFunc<'f>, Error>
    where
        F: Fn(*mut VMContext, &mut [ValRaw]) + Send + Sync + 'f,
    {
        let bound = Bound::closure(Convention::Vm, signature, Shape::Bare, true, function)?;
        Ok(HostFunc { bound })
    }

    /// A host function that calls a function directly, without a closure.
    /// [`ArrayCall`] says what the slots hold.
    ///
    /// The function finds its data by [`HostFunc::data`].
    ///
    /// ```
    /// use std::ptr::null_mut;
    /// use vmtrampoline::{HostFunc, Trampoline, VMContext, VMOpaqueContext, ValRaw};
    ///
    /// unsafe extern "C-unwind" fn add(
    ///     callee: *mut VMOpaqueContext,
    ///     _: *mut VMContext,
    ///     slots: *mut ValRaw,
    ///     _: usize,
    /// ) {
    ///     // SAFETY: the data below, and the slot of the parameter.
    ///     unsafe {
    ///         let more = *HostFunc::data(callee).cast::<i32>();
    ///         *slots = ValRaw::i32((*slots).get_i32() + more);
    ///     }
    /// }
    ///
    /// static MORE: i32 = 40;
    /// let signature = "(i32) -> i32".parse()?;
    /// // SAFETY: any thread may read the data.
    /// let host = unsafe { HostFunc::from_raw(&signature, add, (&raw const MORE).cast_mut().cast())? };
    ///
    /// let mut slots = [ValRaw::i32(2)];
    /// let (code, context) = (host.code(), host.context());
    /// // SAFETY: the code has this signature, and `host` is alive.
    /// unsafe { Trampoline::new(&signature)?.call(context, null_mut(), code, &mut slots)? };
    /// assert_eq!(slots[0].get_i32(), 42);
    /// # Ok::<(), vmtrampoline::Error>(())
    /// ```
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
    ) -> Result<HostFunc<'f>, Error> {
        // SAFETY: our own conditions.
        unsafe { Self::with_shape(signature, Shape::Bare, function, data) }
    }

    /// A host function that is called by the entry for everything, if the shape is
    /// [`Shape::Variable`]; for tests that compare the entries.
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
    ) -> Result<HostFunc<'f>, Error> {
        // SAFETY: our own conditions.
        let bound = unsafe { Bound::new(Convention::Vm, signature, shape, function, data, None)? };
        Ok(HostFunc { bound })
    }

    /// What native code calls, in the VM convention.
    pub fn code(&self) -> *const VMFunctionBody {
        self.bound.code().cast()
    }

    /// The callee context for such a call.
    pub fn context(&self) -> *mut VMOpaqueContext {
        self.bound.context()
    }

    /// The data of the host function with this callee context, for the
    /// [`ArrayCall`] that is called with it.
    ///
    /// # Safety
    ///
    /// The context is that of a [`HostFunc`] or a [`Callback`](crate::Callback)
    /// which is alive.
    #[inline]
    pub unsafe fn data(callee: *mut VMOpaqueContext) -> *mut c_void {
        // SAFETY: our own condition.
        unsafe { data(callee) }
    }
}

impl fmt::Debug for HostFunc<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostFunc({:p})", self.context())
    }
}

#[cfg(vmtrampoline_port)]
mod ported {
    use super::*;
    use crate::{native::entry::symbol, scatter::Entry};

    macro_rules! entries {
        ($($name:ident)*) => {
            unsafe extern "C" {$(
                #[link_name = symbol!($name)]
                fn $name();
            )*}
        };
    }
    entries! { host c_host }
    // Where frames of constant size are not worth code of their own.
    #[cfg(any(target_arch = "riscv64", target_arch = "s390x", vmtrampoline_windows))]
    use {c_host as c_host_small, host as host_small};
    #[cfg(not(any(target_arch = "riscv64", target_arch = "s390x", vmtrampoline_windows)))]
    entries! { host_small c_host_small }

    /// The address of the assembly's function.
    // Not inlined, as the symbols are hidden and a caller may be in another shared
    // object.
    #[inline(never)]
    pub(super) fn code(convention: Convention, entry: Entry) -> Result<*const c_void, Error> {
        let function: unsafe extern "C" fn() = match (convention, entry) {
            (Convention::Vm, Entry::Small) => host_small,
            (Convention::Vm, Entry::Any) => host,
            (Convention::C, Entry::Small) => c_host_small,
            (Convention::C, Entry::Any) => c_host,
        };
        Ok(function as *const c_void)
    }
}

/// Nothing can call the host on this target.
#[cfg(not(vmtrampoline_port))]
mod ported {
    use super::*;

    pub(super) fn code(_: Convention, _: crate::scatter::Entry) -> Result<*const c_void, Error> {
        Err(Error::UnsupportedTarget)
    }
}
