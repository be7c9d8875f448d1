//! What the tests share.
//!
//! - [`strategies`]: what proptest draws signatures from.
//! - [`golden`]: layouts by hand.
//! - [`naive`]: a second model of all conventions.
//! - [`placed`], [`encoded`], [`text`]: layouts, descriptors and texts of signatures,
//!   whatever they are, judged.
//! - [`assumed`]: what the symbolic proofs assume of descriptors.
//! - [`recorder`]: a callee that writes down what it is given, and a caller that
//!   checks what a function leaves behind; one file per architecture.
//! - [`c`]: C, compiled for a test.
//! - [`case`]: a signature with values, called in every shape and by every
//!   route, and judged by its layout.
//! - [`hosted`]: host functions that judge what they are given.
//! - [`paths`]: calls that take every path through the assembly.
//! - [`pointers`]: function pointers of every kind.
//! - [`thrown`]: a panic that crosses something.
//! - [`guarded`]: memory with a page on both sides that nobody can touch.

#![allow(dead_code)] // no test uses all of it

/// A function, or the type of one, in the C convention that the assembly follows: the system's, but where
/// the tests pretend to be on Windows.
#[cfg(not(all(vmtrampoline_windows, not(windows))))]
#[allow(unused_macros)]
macro_rules! native {
    ($(#[$attribute:meta])* fn $($rest:tt)*) => { $(#[$attribute])* extern "C-unwind" fn $($rest)* };
    (unsafe fn $($rest:tt)*) => { unsafe extern "C-unwind" fn $($rest)* };
    (type $name:ident = fn $($rest:tt)*) => { type $name = extern "C-unwind" fn $($rest)* };
}
#[cfg(all(vmtrampoline_windows, not(windows)))]
#[allow(unused_macros)]
macro_rules! native {
    ($(#[$attribute:meta])* fn $($rest:tt)*) => { $(#[$attribute])* extern "win64-unwind" fn $($rest)* };
    (unsafe fn $($rest:tt)*) => { unsafe extern "win64-unwind" fn $($rest)* };
    (type $name:ident = fn $($rest:tt)*) => { type $name = extern "win64-unwind" fn $($rest)* };
}
#[allow(unused_imports)] // nor all of this
pub(crate) use native;

pub(crate) mod assumed;
#[cfg(vmtrampoline_port)]
pub(crate) mod c;
#[cfg(vmtrampoline_port)]
pub(crate) mod case;
pub(crate) mod encoded;
pub(crate) mod golden;
#[cfg(any(unix, windows))]
pub(crate) mod guarded;
#[cfg(vmtrampoline_port)]
pub(crate) mod hosted;
pub(crate) mod naive;
#[cfg(vmtrampoline_port)]
pub(crate) mod paths;
pub(crate) mod placed;
#[cfg(vmtrampoline_port)]
pub(crate) mod pointers;
#[cfg(vmtrampoline_port)]
pub(crate) mod recorder;
pub(crate) mod strategies;
pub(crate) mod text;
pub(crate) mod thrown;
