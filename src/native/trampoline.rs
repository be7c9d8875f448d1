//! Enter native code: the public types.

use alloc::boxed::Box;
use core::{
    ffi::c_void,
    fmt,
    hash::{Hash, Hasher},
    marker::PhantomData,
};

use static_assertions::assert_impl_all;

use super::{
    VMContext, VMFunctionBody, VMOpaqueContext,
    landing::{Landing, Outcome},
    port::{ArrayCall, EntryFunction, PORTED, Word, c_call, enter, enter_leavable, entry_function},
    slot::{Slot, stride},
};
use crate::{
    abi::Convention,
    encode::{descriptor::Descriptor, header::Shape, writer::Source},
    error::{Error, MAX_BYTES},
    signature::Signature,
    valraw::ValRaw,
};

/// A descriptor that is owned or lives for ever.
enum Kept {
    Owned(Box<Descriptor>),
    Static(&'static Descriptor),
}

impl Clone for Kept {
    fn clone(&self) -> Kept {
        match self {
            Kept::Owned(descriptor) => Kept::Owned(descriptor.to_boxed()),
            Kept::Static(descriptor) => Kept::Static(descriptor),
        }
    }
}

/// A descriptor, and the function that makes its calls.
#[derive(Clone)]
struct Held {
    descriptor: Kept,
    /// At hand, so that fewer loads precede a call's first jump. If the jump is mispredicted,
    /// the processor waits for them.
    entry: &'static EntryFunction,
}

impl Held {
    fn new(
        convention: Convention,
        signature: &Signature,
        stride: u16,
        shape: Shape,
    ) -> Result<Held, Error> {
        let abi = convention.abi().filter(|_| PORTED).ok_or(Error::UnsupportedTarget)?;
        let descriptor = Source { abi, signature: signature.lend(), stride, shape }.boxed()?;
        let entry = entry_function(&descriptor.header);
        Ok(Held { descriptor: Kept::Owned(descriptor), entry })
    }

    #[inline(always)]
    fn get(&self) -> &Descriptor {
        match &self.descriptor {
            Kept::Owned(descriptor) => descriptor,
            Kept::Static(descriptor) => descriptor,
        }
    }

    /// Whether this many value slots are enough.
    #[inline(always)]
    fn check(&self, given: usize) -> Result<(), Error> {
        let needed = usize::from(self.get().header.slots);
        if given < needed { Err(Error::TooFewSlots { given, needed }) } else { Ok(()) }
    }
}

/// What both kinds of trampoline have in common.
macro_rules! common {
    ($ty:ident, $convention:expr) => {
        assert_impl_all!($ty: Send, Sync, Unpin, Clone, Eq);

        impl $ty {
            /// `for_slots_with_shape`, for [`ValRaw`].
            #[doc(hidden)]
            pub fn with_shape(signature: &Signature, shape: Shape) -> Result<Self, Error> {
                Self::for_slots_with_shape(signature, shape)
            }

            /// For [`trampoline!`](crate::trampoline) and
            /// [`c_trampoline!`](crate::c_trampoline): a trampoline from a
            /// descriptor of this convention.
            #[doc(hidden)]
            pub const fn from_descriptor(descriptor: &'static Descriptor) -> Self {
                assert!(PORTED, "this target has no trampolines");
                let convention = $convention.abi().expect("a port has conventions");
                assert!(descriptor.header.contexts as usize == convention.contexts);
                assert!(descriptor.header.stride as usize == size_of::<ValRaw>());
                let entry = entry_function(&descriptor.header);
                let held = Held { descriptor: Kept::Static(descriptor), entry };
                $ty { held, slots: PhantomData }
            }
        }

        impl<S: Slot> $ty<S> {
            /// A trampoline for this signature and an array of these slots; see
            /// [`Slot`].
            ///
            /// # Errors
            ///
            /// As for [`new`](Self::new), and [`Error::TypeNotInSlot`] for a `v128` that
            /// is too large for a slot.
            pub fn for_slots(signature: &Signature) -> Result<Self, Error> {
                Self::for_slots_with_shape(signature, Shape::Bare)
            }

            /// A trampoline that may not take a shape shorter than this one; for
            /// tests that compare the shapes.
            #[doc(hidden)]
            pub fn for_slots_with_shape(signature: &Signature, shape: Shape) -> Result<Self, Error> {
                let held = Held::new($convention, signature, stride::<S>(), shape)?;
                Ok($ty { held, slots: PhantomData })
            }

            /// The body that makes the call.
            #[doc(hidden)]
            pub fn shape(&self) -> Shape {
                self.held.get().header.shape
            }

            /// The signature that this calls.
            pub fn signature(&self) -> Signature {
                self.held.get().signature()
            }

            /// How many value slots a call needs: those of the parameters or those of the
            /// results, whichever are more. Some signatures of C need scratch slots behind
            /// them, whose bytes after a call are unspecified.
            #[inline]
            pub fn slots(&self) -> usize {
                self.held.get().header.slots.into()
            }

            /// The index of the first slot of parameter `index`. For the number of
            /// parameters, it is the first slot behind all of them.
            ///
            /// # Panics
            ///
            /// If there are fewer parameters.
            pub fn argument(&self, index: usize) -> usize {
                let abi = $convention.abi().expect("a port has conventions");
                self.held.get().argument(abi, index)
            }

            /// The layout as the assembly reads it.
            pub fn descriptor(&self) -> &Descriptor {
                self.held.get()
            }
        }

        impl<S> PartialEq for $ty<S> {
            fn eq(&self, other: &Self) -> bool {
                self.held.get() == other.held.get()
            }
        }

        impl<S> Eq for $ty<S> {}

        impl<S> Hash for $ty<S> {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.held.get().hash(state);
            }
        }

        impl<S> fmt::Debug for $ty<S> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($ty), self.held.get().signature())
            }
        }
    };
}

/// Calls functions of one signature in the VM convention of this machine, which is that of
/// Wasmtime 0.38 to 8.0.1: a callee context and a caller context precede the parameters,
/// and a function has any number of results.
///
/// It is immutable and may be shared between threads. Making one takes one
/// allocation; a call takes none, and no lock. For signatures known when the
/// program is compiled there is [`trampoline!`](crate::trampoline).
///
/// ```
/// use std::ptr::null_mut;
/// use vmtrampoline::{Signature, Trampoline, ValRaw, VMContext, VMOpaqueContext};
///
/// extern "C" fn scale(_: *mut VMOpaqueContext, _: *mut VMContext, n: i32, x: f64) -> f64 {
///     f64::from(n) * x
/// }
///
/// let signature: Signature = "(i32, f64) -> f64".parse()?;
/// let trampoline = Trampoline::new(&signature)?;
/// let mut slots = [ValRaw::i32(7), ValRaw::from(2.5)];
/// // SAFETY: `scale` has this signature, after the two contexts, which it ignores.
/// unsafe { trampoline.call(null_mut(), null_mut(), scale as *const _, &mut slots)? };
/// assert_eq!(slots[0].get_f64(), 17.5);
/// # Ok::<(), vmtrampoline::Error>(())
/// ```
#[derive(Clone)]
pub struct Trampoline<S = ValRaw> {
    held: Held,
    slots: PhantomData<fn(&mut [S])>,
}

common!(Trampoline, Convention::Vm);

impl Trampoline {
    /// A trampoline for this signature.
    ///
    /// # Errors
    ///
    /// [`Error::UnsupportedTarget`] where this crate has no assembly,
    /// [`Error::TypeNotInAbi`] for a type that the VM convention does not pass, such as a structure,
    /// and for a `v128` on riscv64, [`Error::VariadicNotInAbi`] for a variadic signature.
    pub fn new(signature: &Signature) -> Result<Trampoline, Error> {
        Self::for_slots(signature)
    }
}

impl<S: Slot> Trampoline<S> {
    /// Calls `target` with the parameters in `slots`, and replaces them by the
    /// results: value *i* is in slot *i*.
    ///
    /// A scalar result writes bytes 0..8 of its slot (`i32` and `f32` zero-extended), a
    /// `v128` all 16. Slots without a result keep their bytes, also those that the signature
    /// does not need. If the target unwinds, the slots are as they were, and the panic
    /// unwinds into the caller.
    ///
    /// # Errors
    ///
    /// [`Error::TooFewSlots`] if the slice is shorter than max(parameters,
    /// results); nothing is called then.
    ///
    /// # Safety
    ///
    /// - `target` is the address of a function of this signature in the VM
    ///   convention, and calling it with `callee`, `caller` and these parameters
    ///   is sound. If it can unwind, it is a `C-unwind` function.
    /// - Of each parameter's slot, as many bytes are initialised as its type has. Those above
    ///   them may be uninitialised: they are moved, and nothing depends on them.
    /// - The stack has room for the arguments and results that do not go in
    ///   registers (a guard page is enough: the stack is touched in order).
    #[inline]
    pub unsafe fn call(
        &self,
        callee: *mut VMOpaqueContext,
        caller: *mut VMContext,
        target: *const VMFunctionBody,
        slots: &mut [S],
    ) -> Result<(), Error> {
        self.held.check(slots.len())?;
        // SAFETY: the slice has all slots that the signature needs, and is ours
        // alone until we return; the target is the caller's to answer for.
        unsafe { self.call_unchecked(callee, caller, target, slots.as_mut_ptr()) };
        Ok(())
    }

    /// [`call`](Self::call) without a check of the number of slots.
    ///
    /// # Safety
    ///
    /// As for [`call`](Self::call), and `slots` points to max(parameters, results) slots,
    /// aligned to 8, valid for reads and writes, which no other code accesses until this
    /// returns. With no parameters and no results, `slots` may be null or dangling.
    #[inline]
    pub unsafe fn call_unchecked(
        &self,
        callee: *mut VMOpaqueContext,
        caller: *mut VMContext,
        target: *const VMFunctionBody,
        slots: *mut S,
    ) {
        let (callee, caller) = (Word::new(callee.cast()), Word::new(caller.cast()));
        let call = ArrayCall { callee, caller, target: target.cast(), slots: slots.cast() };
        // SAFETY: R2 (slots) and R3 (target) are this function's own conditions;
        // both constructors see to it that the descriptor is of
        // the VM convention.
        unsafe { enter(self.held.get(), self.held.entry, call) }
    }

    /// [`call`](Self::call) so that the call can be [left](Landing) for `landing`.
    ///
    /// After a call that was left, slots hold what they held at that moment: parameters, or
    /// the results written so far.
    ///
    /// # Errors
    ///
    /// As for [`call`](Self::call), and [`Error::LandingInUse`]; nothing is called then.
    ///
    /// # Safety
    ///
    /// As for [`call`](Self::call).
    #[inline]
    pub unsafe fn call_leavable(
        &self,
        callee: *mut VMOpaqueContext,
        caller: *mut VMContext,
        target: *const VMFunctionBody,
        slots: &mut [S],
        landing: &Landing,
    ) -> Result<Outcome, Error> {
        self.held.check(slots.len())?;
        landing.check()?;
        let slots = slots.as_mut_ptr();
        // SAFETY: our own conditions; there are slots enough, and no call uses the landing.
        Ok(unsafe { self.call_leavable_unchecked(callee, caller, target, slots, landing) })
    }

    /// [`call_leavable`](Self::call_leavable) without a check of the slots and the landing.
    ///
    /// # Safety
    ///
    /// As for [`call_unchecked`](Self::call_unchecked), and no call uses the landing: it is not
    /// [live](Landing::is_live).
    #[inline]
    pub unsafe fn call_leavable_unchecked(
        &self,
        callee: *mut VMOpaqueContext,
        caller: *mut VMContext,
        target: *const VMFunctionBody,
        slots: *mut S,
        landing: &Landing,
    ) -> Outcome {
        let (callee, caller) = (Word::new(callee.cast()), Word::new(caller.cast()));
        let call = ArrayCall { callee, caller, target: target.cast(), slots: slots.cast() };
        // SAFETY: R2 and R3 as for `call_unchecked`; no call uses the landing.
        unsafe { enter_leavable(self.held.get(), self.held.entry, call, landing) }
    }
}

/// Calls functions of one signature in the C convention of this machine, structures and
/// variadic functions included.
///
/// It is immutable and may be shared between threads. Making one takes one
/// allocation; a call takes none, and no lock. For signatures known when the
/// program is compiled there is [`c_trampoline!`](crate::c_trampoline).
///
/// [`ValType`](crate::ValType) has a table of C's types, [`Type`](crate::Type) one of
/// structures.
///
/// # Slots
///
/// - A value of up to eight bytes takes one slot, little-endian at byte 0. The bytes above
///   it may be anything.
/// - A larger value begins at a slot and takes as many slots as its bytes need. It lies there
///   as it lies in memory; a `v128` is little-endian. An empty structure takes no slot.
/// - [`argument`](Self::argument) says where parameter *i* begins, and
///   [`slots`](Self::slots) how many slots there must be.
/// - The result begins at slot 0. A scalar of up to eight bytes is zero-extended to eight.
///
/// The slots hold a structure's bytes, even where the convention passes an address. The
/// function may change its copy, but not the slots.
///
/// ```
/// use vmtrampoline::{CTrampoline, ValRaw};
///
/// extern "C" fn hypot(x: f64, y: f64) -> f64 {
///     x.hypot(y)
/// }
///
/// let trampoline = CTrampoline::new(&"(f64, f64) -> f64".parse()?)?;
/// let mut slots = [ValRaw::f64(3.0), ValRaw::f64(4.0)];
/// // SAFETY: `hypot` has this signature.
/// unsafe { trampoline.call(hypot as *const _, &mut slots)? };
/// assert_eq!(slots[0].get_f64(), 5.0);
/// # Ok::<(), vmtrampoline::Error>(())
/// ```
///
/// A structure and a variadic function:
///
/// ```
/// use vmtrampoline::{CTrampoline, ValRaw};
/// # use std::ffi::{c_char, c_int, c_void};
///
/// #[repr(C)]
/// struct Fraction {
///     numerator: i32,
///     denominator: i32,
/// }
///
/// extern "C" fn invert(x: Fraction) -> Fraction {
///     Fraction { numerator: x.denominator, denominator: x.numerator }
/// }
///
/// let trampoline = CTrampoline::new(&"({i32, i32}) -> {i32, i32}".parse()?)?;
/// let mut slots = vec![ValRaw::default(); trampoline.slots()];
/// ValRaw::write_bytes(&mut slots, [2i32, 3].map(i32::to_ne_bytes).as_flattened())?;
/// // SAFETY: `invert` has this signature.
/// unsafe { trampoline.call(invert as *const _, &mut slots)? };
/// let mut bytes = [0; 8];
/// ValRaw::read_bytes(&slots, &mut bytes)?;
/// assert_eq!(bytes, [3i32, 2].map(i32::to_ne_bytes).as_flattened());
///
/// # unsafe extern "C" {
/// #     fn snprintf(buffer: *mut c_char, size: usize, format: *const c_char, ...) -> c_int;
/// # }
/// let snprintf_one = CTrampoline::new(&"(ptr, size_t, ptr, ...f64) -> int".parse()?)?;
/// let mut text = [0u8; 16];
/// let mut slots = vec![ValRaw::default(); snprintf_one.slots()];
/// slots[0] = ValRaw::ptr(text.as_mut_ptr());
/// slots[1] = ValRaw::from(text.len() as u64);
/// slots[2] = ValRaw::ptr(c"%.3f".as_ptr());
/// slots[3] = ValRaw::f64(2.5);
/// // SAFETY: this is how C calls `snprintf`.
/// unsafe { snprintf_one.call(snprintf as *const c_void, &mut slots)? };
/// assert_eq!((slots[0].get_i32(), &text[..5]), (5, &b"2.500"[..]));
/// # Ok::<(), vmtrampoline::Error>(())
/// ```
#[derive(Clone)]
pub struct CTrampoline<S = ValRaw> {
    held: Held,
    slots: PhantomData<fn(&mut [S])>,
}

common!(CTrampoline, Convention::C);

impl CTrampoline {
    /// A trampoline for this signature.
    ///
    /// # Errors
    ///
    /// [`Error::UnsupportedTarget`] where this crate has no assembly,
    /// [`Error::ResultsNotInAbi`] for more than one result,
    /// [`Error::Unpromoted`] for a variadic parameter that C promotes,
    /// [`Error::AlignmentNotInAbi`] for a structure on the stack of System V that is
    /// aligned to more than 16, [`Error::TooLarge`] for more than [`Self::MAX_BYTES`].
    pub fn new(signature: &Signature) -> Result<CTrampoline, Error> {
        Self::for_slots(signature)
    }
}

impl<S: Slot> CTrampoline<S> {
    /// The most bytes that the slots of a call may have, scratch slots included. It is also
    /// the most stack that a call takes for arguments.
    pub const MAX_BYTES: usize = MAX_BYTES;

    /// Calls `target` with the parameters in `slots`, and writes its result, if
    /// it has one, from slot 0 on. See [`Trampoline::call`].
    ///
    /// The bytes of scratch slots are unspecified afterwards. Slots of values keep their
    /// bytes, unless the result has a byte there.
    ///
    /// # Errors
    ///
    /// [`Error::TooFewSlots`] if the slice is shorter than [`slots`](Self::slots);
    /// nothing is called then.
    ///
    /// # Safety
    ///
    /// - `target` is the address of a C function of this signature, variadic if the
    ///   signature is, and calling it with these parameters is sound. If it can
    ///   unwind, it is a `C-unwind` function.
    /// - Of each parameter, as many bytes are initialised as its type has. Others of its slots
    ///   may be uninitialised: they are moved, and nothing depends on them.
    /// - The stack has room for the arguments that do not go in registers.
    #[inline]
    pub unsafe fn call(&self, target: *const c_void, slots: &mut [S]) -> Result<(), Error> {
        self.held.check(slots.len())?;
        // SAFETY: the slice has all slots that the signature needs, and is ours
        // alone until we return; the target is the caller's to answer for.
        unsafe { self.call_unchecked(target, slots.as_mut_ptr()) };
        Ok(())
    }

    /// [`call`](Self::call) without a check of the number of slots.
    ///
    /// # Safety
    ///
    /// As for [`call`](Self::call), and `slots` points to [`slots`](Self::slots) slots,
    /// aligned to 8, valid for reads and writes, which no other code accesses until this
    /// returns. If that is no slot at all, `slots` may be null or dangling.
    #[inline]
    pub unsafe fn call_unchecked(&self, target: *const c_void, slots: *mut S) {
        let descriptor = self.held.get();
        // SAFETY: R2 (slots) and what is in them are this function's own conditions.
        let call = unsafe { c_call(&descriptor.header, target, slots.cast()) };
        // SAFETY: R2 (slots) and R3 (target) are this function's own conditions, and
        // `c_call` has read what R3 wants of plain C; both constructors see to it
        // that the descriptor is of the C convention.
        unsafe { enter(descriptor, self.held.entry, call) }
    }

    /// [`call`](Self::call) so that the call can be [left](Landing) for `landing`; see
    /// [`Trampoline::call_leavable`].
    ///
    /// # Errors
    ///
    /// As for [`call`](Self::call), and [`Error::LandingInUse`]; nothing is called then.
    ///
    /// # Safety
    ///
    /// As for [`call`](Self::call).
    #[inline]
    pub unsafe fn call_leavable(
        &self,
        target: *const c_void,
        slots: &mut [S],
        landing: &Landing,
    ) -> Result<Outcome, Error> {
        self.held.check(slots.len())?;
        landing.check()?;
        // SAFETY: our own conditions; there are slots enough, and no call uses the landing.
        Ok(unsafe { self.call_leavable_unchecked(target, slots.as_mut_ptr(), landing) })
    }

    /// [`call_leavable`](Self::call_leavable) without a check of the slots and the landing.
    ///
    /// # Safety
    ///
    /// As for [`call_unchecked`](Self::call_unchecked), and no call uses the landing: it is not
    /// [live](Landing::is_live).
    #[inline]
    pub unsafe fn call_leavable_unchecked(
        &self,
        target: *const c_void,
        slots: *mut S,
        landing: &Landing,
    ) -> Outcome {
        let descriptor = self.held.get();
        // SAFETY: R2 (slots) and what is in them are this function's own conditions.
        let call = unsafe { c_call(&descriptor.header, target, slots.cast()) };
        // SAFETY: R2 and R3 as for `call_unchecked`; no call uses the landing.
        unsafe { enter_leavable(descriptor, self.held.entry, call, landing) }
    }
}
