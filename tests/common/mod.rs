//! What the tests share.
//!
//! - [`scalars`]: signatures without structures.
//! - [`strategies`]: what proptest draws signatures from.
//! - [`golden`]: layouts by hand.
//! - [`naive`]: a second model of all conventions.
//! - [`naive_c`]: a second model of C's whole type system in the C conventions.
//! - [`c_types`]: the texts of C's types and signatures, for proptest.
//! - [`layout_judge`], [`c_layout_judge`], [`descriptor_judge`], [`text_judge`]: judges of any
//!   layout, descriptor or text of a signature.
//! - [`paper_call`]: calls of C, carried out on paper.
//! - [`proof_assumptions`]: what the symbolic proofs assume of descriptors.
//! - [`elf`]: the program's own file, its sections and symbols.
//! - [`port`]: what the tests know of each port.
//! - [`recorder`]: a callee that writes down what it is given, and a caller that
//!   checks what a function leaves behind.
//! - [`frames`]: functions that move and walk the stack.
//! - [`x87`]: whether the registers of x87 are empty.
//! - [`random`]: numbers that look random.
//! - [`c`]: functions in C, compiled for a test.
//! - [`c_cases`]: cases of which the C compiler makes functions.
//! - [`ctype`]: types and signatures of C, structures among them.
//! - [`ccall`]: functions of those, compiled, called and compared byte by byte.
//! - [`disagreements`]: those about which compilers do not agree.
//! - [`tally`]: many of them, and what was tried.
//! - [`case`]: a signature with values, called in every shape and by every
//!   route, and judged by its layout.
//! - [`hidden`]: calls of plain C that take more than a body.
//! - [`host_calls`]: host functions that judge what they are given.
//! - [`leavable`]: calls that can be left, left and judged.
//! - [`destructors`]: destructors of a frame.
//! - [`every_path`]: calls that take every path through the assembly.
//! - [`pointers`]: function pointers of every kind.
//! - [`aborts`]: tests that abort.
//! - [`panics`]: a panic that crosses something.
//! - [`guard_pages`]: memory with a page on both sides that cannot be touched.

#![allow(dead_code)] // no test uses all of it

/// Returns an error with this message unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)*) => {
        if !$condition {
            return Err(format!($($message)*));
        }
    };
}
#[allow(unused_imports)] // fuzz/ uses it
pub(crate) use ensure;

/// Functions of the assembly.
macro_rules! symbols {
    ($($name:ident)*) => {
        unsafe extern "C" {$(
            #[link_name = concat!(
                "vmtrampoline_",
                env!("CARGO_PKG_VERSION_MAJOR"), "_",
                env!("CARGO_PKG_VERSION_MINOR"), "_",
                env!("CARGO_PKG_VERSION_PATCH"), "_",
                stringify!($name),
            )]
            pub(crate) fn $name();
        )*}
    };
}

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
#[allow(unreachable_pub)] // where oracle/ has them, they are public
pub(crate) mod c;
#[cfg(vmtrampoline_port)]
pub(crate) mod c_cases;
pub(crate) mod c_layout_judge;
pub(crate) mod c_types;
#[cfg(vmtrampoline_port)]
pub(crate) mod case;
#[cfg(all(vmtrampoline_port, unix))]
pub(crate) mod ccall;
pub(crate) mod ctype;
pub(crate) mod descriptor_judge;
#[cfg(unix)]
pub(crate) mod destructors;
#[cfg(all(vmtrampoline_port, unix))]
pub(crate) mod disagreements;
#[cfg(target_os = "linux")]
pub(crate) mod elf;
#[cfg(vmtrampoline_port)]
pub(crate) mod every_path;
#[cfg(all(vmtrampoline_port, unix))]
pub(crate) mod frames;
pub(crate) mod golden;
#[cfg(any(unix, windows))]
pub(crate) mod guard_pages;
#[cfg(all(
    vmtrampoline_port,
    not(vmtrampoline_windows),
    any(target_arch = "x86_64", all(target_arch = "aarch64", not(target_vendor = "apple")))
))]
pub(crate) mod hidden;
#[cfg(vmtrampoline_port)]
pub(crate) mod host_calls;
pub(crate) mod layout_judge;
#[cfg(vmtrampoline_port)]
pub(crate) mod leavable;
pub(crate) mod naive;
pub(crate) mod naive_c;
pub(crate) mod panics;
pub(crate) mod paper_call;
#[cfg(vmtrampoline_port)]
pub(crate) mod pointers;
#[cfg(vmtrampoline_port)]
#[path = "../ports/mod.rs"]
pub(crate) mod port;
pub(crate) mod proof_assumptions;
#[allow(unreachable_pub)]
pub(crate) mod random;
#[cfg(vmtrampoline_port)]
pub(crate) mod recorder;
#[allow(unreachable_pub)]
pub(crate) mod scalars;
pub(crate) mod strategies;
#[cfg(all(vmtrampoline_port, unix))]
pub(crate) mod tally;
pub(crate) mod text_judge;
pub(crate) mod x87;
