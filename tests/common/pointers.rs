//! Function pointers of every kind, for what crosses their frames.

use std::{ffi::c_void, ptr::null_mut};

use super::scalars;
use vmtrampoline::{
    Signature, Trampoline, TypedSignature, VMContext, VMOpaqueContext, VMTrampolineUnwind, ValRaw,
    pointer_unwind,
    private::{Convention, Shape},
};

use super::case::signature;

pub(crate) type Contexts = (*mut VMOpaqueContext, *mut VMContext);

/// A pointer, and what it is.
pub(crate) struct Pointer {
    pub(crate) name: String,
    pub(crate) function: VMTrampolineUnwind,
    /// Whether a target finds a frame record of the pointer's, if that is certain.
    pub(crate) framed: Option<bool>,
}

const SIGNATURES: [&str; 8] = [
    "()",
    "(i32) -> i32",
    "(f64, v128) -> f32",
    "(f32, f32, f32, f32, f32) -> f32",
    "(i64, i64, i64, i64, i64, i64, i64)",
    "(i64, i64, i64, i64, i64, i64, i64, i64, i64, i64) -> i64",
    "(i32) -> (i32, i64, v128)",
    "(v128, v128, v128, v128, v128, v128, v128, v128, v128, v128, v128, v128, v128) -> v128",
];

/// Pointers made at run time, of every body that there is.
pub(crate) fn of_the_pool() -> impl Iterator<Item = Pointer> {
    SIGNATURES.iter().flat_map(|text| {
        let signature = signature(Convention::Vm, text);
        Shape::ALL.map(|shape| {
            let trampoline = Trampoline::with_shape(&signature, shape).unwrap();
            // On riscv64 these have no frame record, though they call; on s390x and Windows
            // `storing` is before every body.
            let framed = cfg!(any(target_arch = "s390x", vmtrampoline_windows));
            let jumps = trampoline.shape() < Shape::Fixed
                && scalars::results(&signature).is_empty()
                && !framed;
            Pointer {
                name: format!("{text}, {shape:?}"),
                function: trampoline.pointer_unwind().unwrap(),
                framed: Some(!jumps),
            }
        })
    })
}

/// One made at compile time.
pub(crate) fn typed<F: TypedSignature>() -> Pointer {
    let compiler_knows = cfg!(any(target_arch = "x86_64", target_vendor = "apple"));
    Pointer {
        name: Signature::of::<F>().to_string(),
        function: const { pointer_unwind::<F>() },
        framed: compiler_knows.then_some(true),
    }
}

impl Pointer {
    /// Calls with 16 slots, which is enough for all of these.
    ///
    /// # Safety
    ///
    /// `target` may be called with these contexts and this pointer's signature.
    pub(crate) unsafe fn call(&self, (callee, caller): Contexts, target: *const c_void) {
        let mut slots = [SLOT; 16];
        // SAFETY: our own condition.
        unsafe { (self.function)(callee, caller, target.cast(), slots.as_mut_ptr()) };
    }
}

pub(crate) const SLOT: ValRaw = ValRaw::v128(0x1234_5678_9abc_def0 << 40);
pub(crate) const NO_CONTEXTS: Contexts = (null_mut(), null_mut());
