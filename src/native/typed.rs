//! Function pointers for signatures known when the program is compiled.
//!
//! No assembly and no descriptor: [`shim`] is instantiated with the types of the
//! signature, calls the target as `extern "C"`, and the compiler does the rest,
//! as it would for a function written by hand. That is right where rustc's C
//! convention and the VM convention agree, which [`agree`] asks the rows of
//! [`abi`](crate::abi). Elsewhere the function is [`assembled`], which hands
//! a constant descriptor to the assembly. They differ
//!
//! - for `v128`, which no type of Rust is in every C convention;
//! - on 64-bit RISC-V, where targets need not keep fs1, so that rustc's code must
//!   not call them, and where a ninth float would go elsewhere;
//! - on Apple's 64-bit Arm, where a return pointer on the stack may be unaligned.

use core::{
    mem::{MaybeUninit, transmute},
    ptr,
};

use super::{
    Trampoline, VMContext, VMFunctionBody, VMOpaqueContext, VMTrampoline, VMTrampolineUnwind,
};
use crate::{
    abi::{Abi, Convention},
    encode::descriptor::Descriptor,
    layout::{places::Place, walk::Walk},
    signature::{Scalars, Signature},
    valraw::ValRaw,
    valtype::ValType,
};

/// A function pointer for a signature known at compile time: a constant, which
/// takes no thunk of a [`Pool`](crate::Pool) and cannot fail.
///
/// The signature is written as a `fn` type of up to 16 parameters. Its result is
/// nothing, a [`TypedValue`], or a tuple of 2 to 16 of them.
///
/// ```
/// use std::ptr::null_mut;
/// use vmtrampoline::{VMContext, VMOpaqueContext, VMTrampoline, ValRaw, pointer};
///
/// const SCALE: VMTrampoline = pointer::<fn(i32, f64) -> f64>();
///
/// extern "C" fn scale(_: *mut VMOpaqueContext, _: *mut VMContext, n: i32, x: f64) -> f64 {
///     f64::from(n) * x
/// }
///
/// let mut slots = [ValRaw::i32(7), ValRaw::from(2.5)];
/// // SAFETY: `scale` has this signature, and there is a slot for each parameter.
/// unsafe { SCALE(null_mut(), null_mut(), scale as *const _, slots.as_mut_ptr()) };
/// assert_eq!(slots[0].get_f64(), 17.5);
/// ```
///
/// So a table of host functions needs nothing at run time:
///
/// ```
/// use vmtrampoline::{VMTrampoline, pointer};
///
/// static IMPORTS: [(&str, VMTrampoline); 2] = [
///     ("fd_close", pointer::<fn(i32) -> i32>()),
///     ("divide", pointer::<fn(i32, i32) -> (i32, i32)>()),
/// ];
/// # assert_eq!(IMPORTS[0].0, "fd_close");
/// ```
///
/// Other types do not compile:
///
/// ```compile_fail,E0277
/// # use vmtrampoline::{VMTrampoline, pointer};
/// const P: VMTrampoline = pointer::<fn(i32, u8)>(); // error: `u8` is not a value type of the VM convention
/// ```
///
/// Where this crate has no assembly, signatures without `v128` compile nevertheless, if
/// Wasmtime had a convention there.
///
/// A pointer from here and one from [`Trampoline::pointer`] do the same, but differ in their
/// addresses. Two pointers from here for one signature may be equal or not: the compiler
/// decides.
///
/// # Frame records
///
/// A walker of frame pointers, such as the one of Wasmtime 0.40 to 8.0.1, finds a
/// frame record at the beginning of the frame on x86-64 and on Apple's systems.
/// On other targets the compiler puts the record elsewhere; there, use
/// [`Trampoline::pointer`] for functions that such a walker meets.
pub const fn pointer<F: TypedSignature>() -> VMTrampoline {
    // SAFETY: the two types differ in one thing: whether a call may unwind. The
    // caller of this one promises that it does not.
    unsafe { transmute::<VMTrampolineUnwind, VMTrampoline>(F::POINTER) }
}

/// The same function as [`pointer()`], as a type that the target may unwind
/// through.
///
/// ```
/// use vmtrampoline::{VMTrampolineUnwind, pointer_unwind};
///
/// const CALL: VMTrampolineUnwind = pointer_unwind::<fn(u64) -> u64>();
/// ```
pub const fn pointer_unwind<F: TypedSignature>() -> VMTrampolineUnwind {
    F::POINTER
}

impl Signature {
    /// The signature of a `fn` type: of [`TypedScalar`]s.
    ///
    /// ```
    /// # use vmtrampoline::Signature;
    /// let signature = Signature::of::<fn(i32, f64) -> (i64, f32)>();
    /// assert_eq!(signature.to_string(), "(i32, f64) -> (i64, f32)");
    ///
    /// let signature = Signature::of::<fn(*const u8, u32) -> bool>();
    /// assert_eq!(signature.to_string(), "(ptr, u32) -> bool");
    /// ```
    pub fn of<F: ScalarSignature>() -> Signature {
        let types = |types: &'static [ValType]| types.iter().copied();
        Signature::new(types(F::PARAMS), types(F::RESULTS)).expect("fewer than the limits")
    }
}

/// A type that parameters and results of [`Signature::of`] can have: `bool`, `i8` to
/// `i64`, `u8` to `u64`, `f32`, `f64`, `u128` for `v128`, and pointers.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a scalar type",
    label = "not a scalar type",
    note = "scalar types are `bool`, `i8` to `i64`, `u8` to `u64`, `f32`, `f64`, \
            `u128` (for v128), `*const T` and `*mut T`; \
            structures are built by `Type::structure` or parsed"
)]
pub trait TypedScalar: sealed::Scalar {}

/// What a function of [`Signature::of`] returns: `()`, a [`TypedScalar`], or a tuple of
/// 2 to 16 of them.
pub trait ScalarResults: sealed::Types {}

/// A `fn` type of up to 16 [`TypedScalar`]s, for [`Signature::of`].
pub trait ScalarSignature: sealed::Signature {}

/// A type that parameters and results of [`pointer()`] can have: `i32`, `i64`, `u64`,
/// `f32`, `f64`, `u128` for `v128`, and pointers, which serve for `funcref` and
/// `externref`, too.
///
/// `u32` is not among them: the VM convention has one type of 32 bits, and some machines
/// sign-extend it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a value type of the VM convention",
    label = "not a value type",
    note = "value types are `i32`, `i64`, `u64`, `f32`, `f64`, `u128` (for v128), \
            `*const T` and `*mut T`"
)]
pub trait TypedValue: TypedScalar + sealed::Value {}

/// What a function of [`pointer()`] returns: `()`, a [`TypedValue`], or a tuple of 2
/// to 16 of them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a value type nor a tuple of 2 to 16 of them",
    label = "not the result of a signature",
    note = "value types are `i32`, `i64`, `u64`, `f32`, `f64`, `u128` (for v128), \
            `*const T` and `*mut T`"
)]
pub trait TypedResults: ScalarResults + sealed::Results {}

/// A signature in Rust types, such as `fn(i32, f64) -> (i64, f32)`: see
/// [`pointer()`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a signature",
    label = "not a signature",
    note = "a signature is a type like `fn(i32, f64) -> (i64, f32)`, with at most 16 parameters; \
            larger ones have `Trampoline::pointer`"
)]
pub trait TypedSignature: ScalarSignature + sealed::Pointer {}

/// What the traits are made of. Other crates cannot implement them, as the safety of a
/// pointer rests on them.
mod sealed {
    use super::*;

    pub trait Scalar: Copy {
        const TYPE: ValType;
    }

    pub trait Types {
        const TYPES: &'static [ValType];
    }

    pub trait Signature {
        const PARAMS: &'static [ValType];
        const RESULTS: &'static [ValType];
    }

    pub trait Value: Scalar {
        /// Reads the value at the start of a slot.
        ///
        /// # Safety
        ///
        /// `slot` points to a slot, aligned to 8 and valid for reads, of which as
        /// many bytes are initialised as the type has.
        unsafe fn read(slot: *const ValRaw) -> Self;

        /// Writes the value to a slot: a scalar to its bytes 0..8, zero-extended.
        ///
        /// # Safety
        ///
        /// `slot` points to a slot, aligned to 8 and valid for writes.
        unsafe fn write(self, slot: *mut ValRaw);
    }

    pub trait Results: Types {
        /// What comes back in a register.
        type First;
        /// What comes back in the return area, if there are two results or more.
        type Rest;

        /// Writes the results to the slots.
        ///
        /// # Safety
        ///
        /// `slots` points to as many slots as there are results, aligned to 8 and
        /// valid for writes; `rest` to results 1.., if there are any.
        unsafe fn write(first: Self::First, rest: *const Self::Rest, slots: *mut ValRaw);
    }

    pub trait Pointer: Signature {
        const POINTER: VMTrampolineUnwind;
    }
}

/// Scalar types.
macro_rules! scalars {
    ($($ty:ty $(where $generic:ident)?, $value:ident;)*) => {$(
        impl$(<$generic>)? TypedScalar for $ty {}

        impl$(<$generic>)? sealed::Scalar for $ty {
            const TYPE: ValType = ValType::$value;
        }

        impl$(<$generic>)? ScalarResults for $ty {}

        impl$(<$generic>)? sealed::Types for $ty {
            const TYPES: &'static [ValType] = &[ValType::$value];
        }
    )*};
}

scalars! {
    bool, Bool;
    i8, I8;
    u8, U8;
    i16, I16;
    u16, U16;
    i32, I32;
    u32, U32;
    i64, I64;
    u64, U64;
    f32, F32;
    f64, F64;
    u128, V128;
    *const T where T, Ptr;
    *mut T where T, Ptr;
}

/// Value types: how they are made from and turned into what lies in a slot.
macro_rules! values {
    ($($ty:ty $(where $generic:ident)?, $read:expr, $write:expr;)*) => {$(
        impl$(<$generic>)? TypedValue for $ty {}

        impl$(<$generic>)? sealed::Value for $ty {
            #[inline(always)]
            unsafe fn read(slot: *const ValRaw) -> Self {
                // SAFETY: our own condition; nothing here is aligned to more than 8.
                $read(unsafe { ptr::read(slot.cast()) })
            }

            #[inline(always)]
            unsafe fn write(self, slot: *mut ValRaw) {
                // SAFETY: as above.
                unsafe { ptr::write(slot.cast(), $write(self)) }
            }
        }

        impl$(<$generic>)? TypedResults for $ty {}

        impl$(<$generic>)? sealed::Results for $ty {
            type First = Self;
            type Rest = ();

            #[inline(always)]
            unsafe fn write(first: Self, _: *const (), slots: *mut ValRaw) {
                // SAFETY: our own condition.
                unsafe { sealed::Value::write(first, slots) }
            }
        }
    )*};
}

// Slots are little-endian. Scalars are read at their own width and written as
// eight bytes.
values! {
    i32, i32::from_le, |value| u64::from(value as u32).to_le();
    i64, i64::from_le, i64::to_le;
    u64, u64::from_le, u64::to_le;
    f32, |bits| f32::from_bits(u32::from_le(bits)), |value: f32| u64::from(value.to_bits()).to_le();
    f64, |bits| f64::from_bits(u64::from_le(bits)), |value: f64| value.to_bits().to_le();
    u128, ValRaw::get_v128, ValRaw::v128;
    *const T where T, |bits| pointee::<T>(bits).cast_const(), |value: *const T| bits(value);
    *mut T where T, pointee, |value: *mut T| bits(value);
}

fn pointee<T>(bits: u64) -> *mut T {
    ptr::with_exposed_provenance_mut(u64::from_le(bits) as usize)
}

fn bits<T>(value: *const T) -> u64 {
    (value.expose_provenance() as u64).to_le()
}

impl ScalarResults for () {}

impl sealed::Types for () {
    const TYPES: &'static [ValType] = &[];
}

impl TypedResults for () {}

impl sealed::Results for () {
    type First = ();
    type Rest = ();

    #[inline(always)]
    unsafe fn write((): (), _: *const (), _: *mut ValRaw) {}
}

/// Results 1.., as the VM convention packs them: in order, each at its own
/// alignment. Those that are not there take no room.
#[derive(Debug)]
#[repr(C)]
#[rustfmt::skip]
pub struct Rest<
    R1 = (), R2 = (), R3 = (), R4 = (), R5 = (), R6 = (), R7 = (), R8 = (), R9 = (), R10 = (),
    R11 = (), R12 = (), R13 = (), R14 = (), R15 = (),
>(R1, R2, R3, R4, R5, R6, R7, R8, R9, R10, R11, R12, R13, R14, R15);

macro_rules! results {
    (($R0:ident 0) $(($R:ident $i:literal))*) => {
        impl<$R0: TypedValue, $($R: TypedValue),*> TypedResults for ($R0, $($R),*) {}

        impl<$R0: TypedScalar, $($R: TypedScalar),*> ScalarResults for ($R0, $($R),*) {}

        impl<$R0: TypedScalar, $($R: TypedScalar),*> sealed::Types for ($R0, $($R),*) {
            const TYPES: &'static [ValType] = &[$R0::TYPE, $($R::TYPE),*];
        }

        impl<$R0: TypedValue, $($R: TypedValue),*> sealed::Results for ($R0, $($R),*) {
            type First = $R0;
            type Rest = Rest<$($R),*>;

            #[inline(always)]
            #[allow(non_snake_case)]
            unsafe fn write(first: $R0, rest: *const Self::Rest, slots: *mut ValRaw) {
                // SAFETY: our own condition; the rest is not aligned to more.
                let Rest($($R,)* ..) = unsafe { rest.read() };
                // SAFETY: slot 0 is there.
                unsafe { first.write(slots) };
                $(
                    // SAFETY: so is that of each other result.
                    unsafe { $R.write(slots.wrapping_add($i)) };
                )*
            }
        }
    };
}

/// The frame of a shim: its return area, aligned to 16 as the VM convention has
/// it.
///
/// On x86-64 it is aligned to more than the stack is. There is no attribute that
/// asks for a frame record, but a function that aligns its own stack begins with
/// one, as it finds its way back by it. A call takes 0.1 to 0.5 ns longer for it
/// than without a record, and no longer than in a program that is compiled with
/// `-C force-frame-pointers`.
#[cfg_attr(target_arch = "x86_64", repr(align(32)))]
#[cfg_attr(not(target_arch = "x86_64"), repr(align(16)))]
struct Frame<R> {
    rest: MaybeUninit<R>,
    #[cfg(target_arch = "x86_64")]
    _never_empty: MaybeUninit<u8>,
}

impl<R> Frame<R> {
    #[inline(always)]
    fn new() -> Frame<R> {
        Frame {
            rest: MaybeUninit::uninit(),
            #[cfg(target_arch = "x86_64")]
            _never_empty: MaybeUninit::uninit(),
        }
    }

    /// Makes the compiler put this in memory.
    #[inline(always)]
    fn keep(&mut self) {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        // SAFETY: no instruction.
        unsafe {
            core::arch::asm!(
                "/* {} */",
                in(reg) &raw mut *self,
                options(readonly, nostack, preserves_flags),
            );
        }
    }
}

macro_rules! signatures {
    ($(($P:ident $i:literal))*) => {
        const _: () = {
            impl<$($P: TypedValue,)* R: TypedResults> TypedSignature for fn($($P),*) -> R {}

            impl<$($P: TypedScalar,)* R: ScalarResults> ScalarSignature for fn($($P),*) -> R {}

            impl<$($P: TypedScalar,)* R: ScalarResults> sealed::Signature for fn($($P),*) -> R {
                const PARAMS: &'static [ValType] = &[$($P::TYPE),*];
                const RESULTS: &'static [ValType] = R::TYPES;
            }

            impl<$($P: TypedValue,)* R: TypedResults> sealed::Pointer for fn($($P),*) -> R {
                const POINTER: VMTrampolineUnwind = if agree(
                    <Self as sealed::Signature>::PARAMS,
                    <Self as sealed::Signature>::RESULTS,
                ) {
                    shim::<$($P,)* R>
                } else {
                    assembled::<Self>
                };
            }

            /// The function: reads parameters, calls, writes results.
            ///
            /// # Safety
            ///
            /// That of [`VMTrampoline`], for this signature.
            unsafe extern "C-unwind" fn shim<$($P: TypedValue,)* R: TypedResults>(
                callee: *mut VMOpaqueContext,
                caller: *mut VMContext,
                target: *const VMFunctionBody,
                slots: *mut ValRaw,
            ) {
                let mut frame = Frame::<R::Rest>::new();
                frame.keep();
                let rest = frame.rest.as_mut_ptr();
                type Target<$($P,)* R> = unsafe extern "C-unwind" fn(
                    *mut VMOpaqueContext,
                    *mut VMContext,
                    $($P),*
                ) -> R;
                type Returning<$($P,)* R, Rest> = unsafe extern "C-unwind" fn(
                    *mut VMOpaqueContext,
                    *mut VMContext,
                    $($P,)*
                    *mut Rest,
                ) -> R;
                let first = if R::TYPES.len() < 2 {
                    // SAFETY: the target is a function of this type, where
                    // `agree` has said yes.
                    let target: Target<$($P,)* R::First> = unsafe { transmute(target) };
                    // SAFETY: there is a slot for each parameter, and the target
                    // may be called with what is in them.
                    unsafe { target(callee, caller, $($P::read(slots.wrapping_add($i))),*) }
                } else {
                    // SAFETY: as above; the return pointer is one parameter more.
                    let target: Returning<$($P,)* R::First, R::Rest> = unsafe { transmute(target) };
                    // SAFETY: as above.
                    unsafe { target(callee, caller, $($P::read(slots.wrapping_add($i)),)* rest) }
                };
                // SAFETY: there is a slot for each result, and the target has
                // written what comes back in the return area.
                unsafe { R::write(first, rest, slots) };
            }
        };
    };
}

macro_rules! each_prefix {
    ($make:ident [$($done:tt)*]) => {
        $make!($($done)*);
    };
    ($make:ident [$($done:tt)*] $next:tt $($rest:tt)*) => {
        $make!($($done)*);
        each_prefix!($make [$($done)* $next] $($rest)*);
    };
}

each_prefix! {
    signatures []
    (P0 0) (P1 1) (P2 2) (P3 3) (P4 4) (P5 5) (P6 6) (P7 7)
    (P8 8) (P9 9) (P10 10) (P11 11) (P12 12) (P13 13) (P14 14) (P15 15)
}

each_prefix! {
    results [(R0 0) (R1 1)]
    (R2 2) (R3 3) (R4 4) (R5 5) (R6 6) (R7 7)
    (R8 8) (R9 9) (R10 10) (R11 11) (R12 12) (R13 13) (R14 14) (R15 15)
}

/// The convention that rustc gives to `extern "C"`.
const RUSTC: Option<&Abi> = if cfg!(vmtrampoline_apple) && !cfg!(target_vendor = "apple") {
    Some(&Abi::AARCH64_C) // the tests' pretence does not reach the compiler
} else {
    Abi::HOST_C
};

/// Whether a target of this signature in the VM convention may be called as an
/// `extern "C"` function.
const fn agree(params: &[ValType], results: &[ValType]) -> bool {
    let (Some(vm), Some(c)) = (Abi::HOST_VM, RUSTC) else {
        panic!("this target has no VM convention");
    };
    if cfg!(target_arch = "riscv64") {
        return false; // a target may lose fs1, which C keeps
    }
    if has_vector(params) || has_vector(results) {
        return false;
    }
    // In C, contexts and return pointer are parameters like any other.
    let pointer: &[ValType] = if results.len() > 1 { &[ValType::Ptr] } else { &[] };
    let contexts = Scalars::NONE.and(&[ValType::Ptr, ValType::Ptr]);
    let c_scalars = contexts.and(params).and(pointer);
    let vm_scalars = Scalars::NONE.and(params).and(results);
    let c_params = 2 + params.len() + pointer.len();
    let (vm_signature, c_signature) = (vm_scalars.lend(params.len()), c_scalars.lend(c_params));
    let (mut vm, mut c) = (Walk::new(vm, &vm_signature, 16), Walk::new(c, &c_signature, 16));
    let _contexts = (word(&mut c), word(&mut c));
    while let Some(place) = word(&mut vm) {
        if !same(Some(place), word(&mut c)) {
            return false;
        }
    }
    same(vm.pointer(), word(&mut c))
}

const fn has_vector(types: &[ValType]) -> bool {
    let mut i = 0;
    while i < types.len() {
        if matches!(types[i], ValType::V128) {
            return true;
        }
        i += 1;
    }
    false
}

/// The place of the next parameter, which is a word, if there is one.
const fn word(walk: &mut Walk<'_>) -> Option<Place> {
    match walk.param_word() {
        Some((.., place)) => Some(place),
        None => None,
    }
}

const fn same(one: Option<Place>, other: Option<Place>) -> bool {
    use Place::*;
    match (one, other) {
        (Some(Integer(a)), Some(Integer(b))) | (Some(Float(a)), Some(Float(b))) => a == b,
        (Some(Stack(a)), Some(Stack(b))) => a == b,
        (None, None) => true,
        _ => false,
    }
}

/// The function where the conventions differ: a trampoline for its signature.
///
/// # Safety
///
/// That of [`VMTrampoline`], for this signature.
unsafe extern "C-unwind" fn assembled<F: TypedSignature>(
    callee: *mut VMOpaqueContext,
    caller: *mut VMContext,
    target: *const VMFunctionBody,
    slots: *mut ValRaw,
) {
    Frame::<()>::new().keep();
    // SAFETY: our own condition.
    unsafe { F::TRAMPOLINE.call_unchecked(callee, caller, target, slots) }
}

/// The trampoline of a signature.
trait Assembled: TypedSignature {
    const DESCRIPTOR: &'static Descriptor =
        &Descriptor::<[u16; LISTS]>::of_types(Convention::Vm, Self::PARAMS, Self::RESULTS);
    const TRAMPOLINE: &'static Trampoline = &Trampoline::from_descriptor(Self::DESCRIPTOR);
}

impl<F: TypedSignature> Assembled for F {}

/// Enough for the lists of 16 parameters and 16 results in every convention; what
/// is too much does not compile.
const LISTS: usize = 128;
