//! Native code calls the host, in the VM convention.
//!
//! The first argument of every such call, the callee context, points to a
//! [`Context`]. It has what the assembly needs to turn the call into an array call, and
//! the function to call. So the assembly has one function for all signatures, and on some
//! targets a faster one for few slots.

use alloc::{boxed::Box, sync::Arc};
use core::{
    ffi::c_void,
    fmt,
    ops::Deref,
    panic::{RefUnwindSafe, UnwindSafe},
    ptr::{NonNull, from_ref, null, null_mut},
    slice,
};

use static_assertions::assert_impl_all;

use super::{
    VMContext, VMFunctionBody, VMOpaqueContext,
    planned::{by_plan, clear},
    port::{host_code, in_convention},
};
use crate::{
    abi::Convention,
    encode::{
        header::Shape,
        lists::Lists,
        plan::Step,
        scatter::{Encoding, Plan, Scatter, Work},
    },
    error::Error,
    signature::Signature,
    valraw::ValRaw,
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

        /// The host function of a closure, which unwinds into its caller or aborts. Before the
        /// call, it clears what is above up to `N` narrow values.
        ///
        /// # Safety
        ///
        /// As for [`call`], and if `N` is not 0, the callee context has a plan for these slots.
        unsafe extern $abi fn closure<F, const UNWIND: bool, const N: usize>(
            callee: *mut VMOpaqueContext,
            caller: *mut VMContext,
            slots: *mut ValRaw,
            count: usize,
        ) where
            F: Fn(*mut VMContext, &mut [ValRaw]),
        {
            if N > 0 {
                // SAFETY: the callee context is ours and alive (R6).
                let plan = unsafe { &Bound::<F>::of(callee).plan };
                // SAFETY: our own conditions.
                unsafe { clear(plan.narrow_of::<N>(), plan.widen(), slots) };
            }
            // SAFETY: our own conditions.
            let call = || unsafe { call::<F>(callee, caller, slots, count) };
            if UNWIND { call() } else { bounded(&call) }
        }
    };
}
in_convention! { host_functions }

/// "host", as Wasmtime's contexts of host functions begin.
const MAGIC: u32 = u32::from_le_bytes(*b"host");

/// The most narrow values that the function of a closure clears itself. Of more, the stores cost
/// most of the time, and a jump from [`planned`](super::planned) little.
const FEW: usize = 2;

/// A function of the assembly, of no type that Rust knows.
pub(super) type Code = Option<unsafe extern "C" fn()>;

/// What the callee context of a host function points to.
#[repr(C)]
pub(super) struct Context {
    magic: u32,
    code: Code,
    function: ArrayCall,
    data: *mut c_void,
    lists: *const u16,
    scatter: Scatter,
}

#[cfg(target_pointer_width = "64")] // no others are called
crate::encode::constants::assert_layout!(Context, 0, {
    magic @ "H_MAGIC",
    code @ "H_CODE",
    function @ "H_FUNCTION",
    data @ "H_DATA",
    lists @ "H_LISTS",
    scatter @ "H_SCATTER",
});

/// A context and what belongs to it: at last the closure that it calls, if it is for one.
#[repr(C)] // begins with the context
pub(super) struct Bound<F: ?Sized> {
    context: Context,
    /// What is called between the steps of the plan.
    pub(super) call: ArrayCall,
    pub(super) plan: Plan,
    /// The steps of the plan, at the end of the lists.
    steps: *const Step,
    lists: Lists,
    closure: F,
}

/// A `Bound` for a function or closure of any type.
pub(super) type Any<'f> = Bound<dyn Send + Sync + 'f>;

/// The only owner of a `Bound`, whose address stays. It is no box, as a box claims that no other
/// pointer to its memory is used.
pub(super) struct Owner<'f>(NonNull<Any<'f>>);

// SAFETY: it owns what it points to, never written to: lists and plan, a closure that is
// Send and Sync, or data that any thread may use, as the caller of `from_raw` has promised.
unsafe impl Send for Owner<'_> {}
// SAFETY: as above.
unsafe impl Sync for Owner<'_> {}

impl<'f> Deref for Owner<'f> {
    type Target = Any<'f>;

    fn deref(&self) -> &Any<'f> {
        // SAFETY: it is alive as long as its owner, and never written to.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for Owner<'_> {
    fn drop(&mut self) {
        // SAFETY: it was made of a box, which is taken back once.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// What a context is for.
pub(super) enum Source<'s> {
    /// A signature, and the entry that may be taken.
    Signature(Convention, &'s Signature, Shape),
    /// The same, worked out before.
    Encoded(&'s Encoded),
}

impl Source<'_> {
    /// Whether the function finds narrow scalars as the assembly leaves them.
    fn is_vm(&self) -> bool {
        matches!(self, Source::Signature(Convention::Vm, ..))
    }
}

/// What contexts for one signature of C share.
#[derive(Clone)]
pub(super) struct Encoded {
    code: Code,
    scatter: Scatter,
    lists: Lists,
    plan: Plan,
}

impl Encoded {
    /// Nothing yet.
    const EMPTY: Encoded =
        Encoded { code: None, scatter: Scatter::EMPTY, lists: Lists::EMPTY, plan: Plan::EMPTY };

    pub(super) fn new(signature: &Signature) -> Result<Encoded, Error> {
        let mut encoded = Encoded::EMPTY;
        let Encoded { code, scatter, lists, plan } = &mut encoded;
        let encoding = Encoding { scatter, lists, plan };
        *code = encode(encoding, Convention::C, signature, Shape::Bare)?;
        Ok(encoded)
    }
}

/// Writes what a signature asks for, and returns the function of the assembly for it.
fn encode(
    encoding: Encoding<'_>,
    convention: Convention,
    signature: &Signature,
    shape: Shape,
) -> Result<Code, Error> {
    let abi = convention.abi().ok_or(Error::UnsupportedTarget)?;
    let entry = Scatter::encode(encoding, abi, signature.lend(), shape);
    let entry = entry.map_err(|misfit| misfit.error(abi, signature.lend()))?;
    host_code(convention, entry)
}

impl<F> Bound<F> {
    /// A context for this function, which may be that of a closure. The assembly calls it itself.
    fn new(source: Source<'_>, call: ArrayCall, closure: F) -> Result<Box<Bound<F>>, Error> {
        Ok(match source {
            Source::Encoded(encoded) => Bound::with(encoded.clone(), call, closure),
            Source::Signature(convention, signature, shape) => {
                let mut bound = Bound::with(Encoded::EMPTY, call, closure);
                let Bound { context, plan, lists, .. } = &mut *bound;
                // R6: the scatter and its entry. Neither changes from now on.
                let encoding = Encoding { scatter: &mut context.scatter, lists, plan };
                context.code = encode(encoding, convention, signature, shape)?;
                bound
            }
        })
    }

    /// The same for what is encoded. (By itself, as in a debug build its frame has several copies.)
    #[inline]
    fn with(encoded: Encoded, call: ArrayCall, closure: F) -> Box<Bound<F>> {
        let Encoded { code, scatter, lists, plan } = encoded;
        let (function, data) = (call, null_mut());
        let context = Context { magic: MAGIC, code, function, data, lists: null(), scatter };
        Box::new(Bound { context, call, plan, steps: null(), lists, closure })
    }

    /// What the context points to belongs to it.
    ///
    /// # Safety
    ///
    /// The context is that of a `Bound` with such a closure, and alive. One that is never looked
    /// at may be of any type.
    #[inline(always)]
    pub(super) unsafe fn of<'b>(context: *mut VMOpaqueContext) -> &'b Bound<F> {
        // SAFETY: our own condition; it begins with its context, and is never written to.
        unsafe { &*context.cast::<Bound<F>>() }
    }

    /// The steps of the plan before the call, and those after it.
    #[inline(always)]
    pub(super) fn steps(&self) -> (&[Step], &[Step]) {
        let [before, after] = self.plan.steps();
        let steps = [self.steps, self.steps.wrapping_add(before)];
        // SAFETY: the lists end with so many steps, and stay as they are as long as this does.
        let before = unsafe { slice::from_raw_parts(steps[0], before) };
        // SAFETY: so many follow.
        let after = unsafe { slice::from_raw_parts(steps[1], after) };
        (before, after)
    }
}

impl<'f> Owner<'f> {
    fn new<F: Send + Sync + 'f>(bound: Box<Bound<F>>) -> Owner<'f> {
        let bound = NonNull::from(Box::leak(bound));
        // SAFETY: it is alive, and no other code knows of it.
        let Bound { context, steps, lists, .. } = unsafe { &mut *bound.as_ptr() };
        // R6: the lists are part of the `Bound`, or belong to it. Neither moves from now on.
        context.lists = lists.as_ptr();
        *steps = lists[context.scatter.entries()..].as_ptr().cast();
        Owner(bound)
    }

    /// A context for a function with its data.
    ///
    /// # Safety
    ///
    /// R8, and any thread may use the data.
    pub(super) unsafe fn raw(
        source: Source<'_>,
        function: ArrayCall,
        data: *mut c_void,
    ) -> Result<Owner<'f>, Error> {
        let is_vm = source.is_vm();
        let mut bound = Bound::new(source, function, ())?;
        bound.context.data = data;
        if !is_vm {
            bound.context.function = by_plan(&bound.plan, function);
        }
        Ok(Owner::new(bound))
    }

    /// A context for a closure, which unwinds into its caller or aborts.
    pub(super) fn closure<F>(
        source: Source<'_>,
        unwind: bool,
        closure: F,
    ) -> Result<Owner<'f>, Error>
    where
        F: Fn(*mut VMContext, &mut [ValRaw]) + Send + Sync + 'f,
    {
        // R8: such a closure is what they want.
        let [call, clearing]: [ArrayCall; 2] = if unwind {
            [self::closure::<F, true, 0>, self::closure::<F, true, FEW>]
        } else {
            [self::closure::<F, false, 0>, self::closure::<F, false, FEW>]
        };
        let mut bound = Bound::new(source, call, closure)?;
        bound.context.function = match bound.plan.work() {
            Work::Narrow(..=FEW) => clearing,
            _ => by_plan(&bound.plan, call),
        };
        Ok(Owner::new(bound))
    }
}

impl Any<'_> {
    pub(super) fn context(&self) -> *mut VMOpaqueContext {
        // The context is at the beginning; no code writes through its address.
        from_ref(self).cast_mut().cast()
    }

    pub(super) fn code(&self) -> *const c_void {
        self.context.code.map_or(null(), |code| code as *const c_void)
    }
}

/// Calls a closure, as a host function.
///
/// # Safety
///
/// E8 holds of the arguments, and the context is that of a `Bound` with such a closure.
#[inline(always)]
unsafe fn call<F>(
    callee: *mut VMOpaqueContext,
    caller: *mut VMContext,
    slots: *mut ValRaw,
    count: usize,
) where
    F: Fn(*mut VMContext, &mut [ValRaw]),
{
    // SAFETY: the callee context is ours and alive (R6).
    let bound = unsafe { Bound::<F>::of(callee) };
    // SAFETY: so many slots, aligned and ours alone (E8). They are in the frame of the
    // assembly, where every byte has some value.
    (bound.closure)(caller, unsafe { slice::from_raw_parts_mut(slots, count) });
}

/// Rust aborts where a panic would leave an `extern "C"` function: at once, if the function
/// has nothing to drop. So this one takes a reference.
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
    bound: Arc<Owner<'f>>,
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
    /// [`Error::TypeNotInAbi`] for a type that the VM convention does not pass, such as a structure,
    /// and for a `v128` on riscv64, [`Error::VariadicNotInAbi`] for a variadic signature.
    pub fn new<F>(signature: &Signature, function: F) -> Result<HostFunc<'f>, Error>
    where
        F: Fn(*mut VMContext, &mut [ValRaw]) + Send + Sync + 'f,
    {
        let source = Source::Signature(Convention::Vm, signature, Shape::Bare);
        let bound = Owner::closure(source, true, function)?;
        Ok(HostFunc { bound: Arc::new(bound) })
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
        let source = Source::Signature(Convention::Vm, signature, shape);
        // SAFETY: our own conditions.
        let bound = unsafe { Owner::raw(source, function, data)? };
        Ok(HostFunc { bound: Arc::new(bound) })
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
pub(super) mod ported {
    use super::*;
    use crate::{encode::scatter::Entry, native::port::symbol};

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
    pub(in crate::native) fn host_code(
        convention: Convention,
        entry: Entry,
    ) -> Result<Code, Error> {
        Ok(Some(match (convention, entry) {
            (Convention::Vm, Entry::Small) => host_small,
            (Convention::Vm, Entry::Any) => host,
            (Convention::C, Entry::Small) => c_host_small,
            (Convention::C, Entry::Any) => c_host,
        }))
    }
}
