//! What the tests share.
//!
//! - [`scalars`]: signatures without structures.
//! - [`strategies`]: what proptest draws signatures from.
//! - [`golden`]: layouts by hand.
//! - [`naive`]: a second model of all conventions.
//! - [`naive_c`]: a second model of C's whole type system in the C conventions.
//! - [`c_types`]: the texts of C's types and signatures, for proptest.
//! - [`placed`], [`encoded`], [`text`]: layouts, descriptors and texts of signatures,
//!   whatever they are, judged.
//! - [`carried`]: layouts and descriptors of C's types, judged byte by byte.
//! - [`assumed`]: what the symbolic proofs assume of descriptors.
//! - [`elf`]: the program's own file, its sections and symbols.
//! - [`recorder`]: a callee that writes down what it is given, and a caller that
//!   checks what a function leaves behind; one file per architecture.
//! - [`c`]: C, compiled for a test.
//! - [`ctype`]: types and signatures of C, structures among them.
//! - [`ccall`]: functions of those, compiled, called and compared byte by byte.
//! - [`disagreements`]: those about which compilers do not agree.
//! - [`tally`]: many of them, and what was tried.
//! - [`case`]: a signature with values, called in every shape and by every
//!   route, and judged by its layout.
//! - [`hidden`]: calls of plain C that take more than a body.
//! - [`hosted`]: host functions that judge what they are given.
//! - [`leavable`]: calls that can be left, left and judged.
//! - [`cleanup`]: destructors of a frame.
//! - [`paths`]: calls that take every path through the assembly.
//! - [`pointers`]: function pointers of every kind.
//! - [`aborts`]: tests that abort.
//! - [`thrown`]: a panic that crosses something.
//! - [`guarded`]: memory with a page on both sides that cannot be touched.

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

#[cfg(unix)]
pub(crate) mod aborts;
pub(crate) mod assumed;
#[cfg(vmtrampoline_port)]
pub(crate) mod c;
pub(crate) mod c_placed;
pub(crate) mod c_types;
pub(crate) mod carried;
#[cfg(vmtrampoline_port)]
pub(crate) mod case;
#[cfg(all(vmtrampoline_port, unix))]
pub(crate) mod ccall;
#[cfg(unix)]
pub(crate) mod cleanup;
pub(crate) mod ctype;
#[cfg(all(vmtrampoline_port, unix))]
pub(crate) mod disagreements;
#[cfg(target_os = "linux")]
pub(crate) mod elf;
pub(crate) mod encoded;
pub(crate) mod golden;
#[cfg(any(unix, windows))]
pub(crate) mod guarded;
#[cfg(all(
    vmtrampoline_port,
    not(vmtrampoline_windows),
    any(target_arch = "x86_64", all(target_arch = "aarch64", not(target_vendor = "apple")))
))]
pub(crate) mod hidden;
#[cfg(vmtrampoline_port)]
pub(crate) mod hosted;
#[cfg(vmtrampoline_port)]
pub(crate) mod leavable;
pub(crate) mod naive;
pub(crate) mod naive_c;
#[cfg(vmtrampoline_port)]
pub(crate) mod paths;
pub(crate) mod placed;
#[cfg(vmtrampoline_port)]
pub(crate) mod pointers;
#[cfg(vmtrampoline_port)]
pub(crate) mod recorder;
pub(crate) mod scalars;
pub(crate) mod strategies;
#[cfg(all(vmtrampoline_port, unix))]
pub(crate) mod tally;
pub(crate) mod text;
pub(crate) mod thrown;
