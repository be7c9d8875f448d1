//! The unsafe core: everything that touches the assembly.
//!
//! [`port`] is the seam to the assembly: all that the rest asks of it, and what it gets on a target
//! without a port.
//!
//! Calls of native code: [`trampoline`] has the public types, for arrays of any [`slot`]. `entry`
//! declares the bodies of `asm/*.S` and is the only code that calls them.
//! `prepared` does Rust's part of a call of plain C. A call that is left goes on at its
//! [`landing`]. [`allocation`] makes descriptors on the heap.
//!
//! Function pointers: `thunks` bakes descriptors into them, [`table`] finds them, and
//! [`pool`] counts them.
//!
//! Calls of the host: native code calls a [`host`] function, or in plain C a [`callback`],
//! where [`planned`] does Rust's part. `callback_thunks` has the thunks of callbacks,
//! `mapping` makes more, and `blocks` says which are taken. `thread` tells threads apart.
//!
//! The requirements R1 to R11 and the promises E1 to E13 are those of `asm/x86_64_sysv.S`.

#![allow(unsafe_code)]

mod allocation;
#[cfg(vmtrampoline_rustc_assembles)]
mod assembly;
#[cfg(vmtrampoline_port)]
mod blocks;
mod callback;
#[cfg(vmtrampoline_port)]
mod callback_thunks;
mod copy;
#[cfg(vmtrampoline_port)]
mod entry;
mod host;
mod landing;
#[cfg(vmtrampoline_mmap)]
mod mapping;
mod planned;
mod pool;
mod port;
#[cfg(vmtrampoline_port)]
mod prepared;
mod prototype;
mod slot;
mod table;
#[cfg(vmtrampoline_port)]
mod thread;
#[cfg(vmtrampoline_port)]
mod thunks;
mod trampoline;
mod typed;
#[cfg(not(vmtrampoline_port))]
mod unported;

use core::{
    marker::{PhantomData, PhantomPinned},
    sync::atomic as atomics, // of `table`, whose tests have others
};

use static_assertions::{assert_impl_all, assert_type_eq_all};

pub use callback::{Callback, LocalCallback};
pub use host::{ArrayCall, HostFunc};
pub use landing::{Destination, Landing, Outcome};
pub use pool::Pool;
pub use prototype::Prototype;
pub use slot::Slot;
pub use trampoline::{CTrampoline, Trampoline};
pub use typed::{
    ScalarResults, ScalarSignature, TypedResults, TypedScalar, TypedSignature, TypedValue, pointer,
    pointer_unwind,
};

use crate::valraw::ValRaw;

/// What an opaque type of the runtime is made of: no size that Rust knows, no
/// automatic traits.
type Opaque = PhantomData<(*mut u8, PhantomPinned)>;

/// The callee context: what the runtime keeps for the function that is called.
///
/// Only its address matters here; it is handed on as the first argument.
#[derive(Debug)]
#[repr(C)]
pub struct VMOpaqueContext {
    _bytes: [u8; 0],
    _opaque: Opaque,
}

/// The caller context: what the runtime keeps for the code that calls.
///
/// Only its address matters here; it is handed on as the second argument.
#[derive(Debug)]
#[repr(C)]
pub struct VMContext {
    _bytes: [u8; 0],
    _opaque: Opaque,
}

/// The code of a function in the VM convention: the target of a trampoline.
///
/// Only its address matters here.
#[derive(Debug)]
#[repr(C)]
pub struct VMFunctionBody {
    _bytes: [u8; 0],
    _opaque: Opaque,
}

/// A function that makes an array call: it reads arguments from the value
/// slots, calls the target in the VM convention, and writes the results to the
/// slots.
///
/// Its parameters are the callee context, the caller context, the target, and
/// the value slots, of which there are max(parameters, results). This is the
/// type of Wasmtime 0.38 to 8.0.1, to the letter.
///
/// # Safety
///
/// The target must have the signature that the trampoline was made for and
/// follow the VM convention; the slots must be valid for reads and writes and
/// aligned to 8. With no parameters and no results their address may be
/// anything. Unwinding out of a call through this type is undefined behaviour,
/// as it is `extern "C"`.
pub type VMTrampoline =
    unsafe extern "C" fn(*mut VMOpaqueContext, *mut VMContext, *const VMFunctionBody, *mut ValRaw);

/// A [`VMTrampoline`] that the target may unwind through.
///
/// # Safety
///
/// As for [`VMTrampoline`], but unwinding out of the call is sound.
pub type VMTrampolineUnwind = unsafe extern "C-unwind" fn(
    *mut VMOpaqueContext,
    *mut VMContext,
    *const VMFunctionBody,
    *mut ValRaw,
);

assert_impl_all!(VMTrampoline: Copy, Send, Sync);
assert_type_eq_all!(
    VMTrampoline,
    unsafe extern "C" fn(*mut VMOpaqueContext, *mut VMContext, *const VMFunctionBody, *mut ValRaw)
);
