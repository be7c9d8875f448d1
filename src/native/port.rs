//! The seam to the port: all that the rest of the crate asks of the assembly.
//!
//! With a port, each item comes from the module that declares it. Without one, it comes from
//! `unported.rs`, and no trampoline, host function or callback can be made. Only this file knows
//! the names of symbols, and the convention that the assembly is called in.

use core::{ffi::c_void, mem::MaybeUninit};

use crate::valraw::ValRaw;

/// Whether there is assembly for this target.
pub(crate) const PORTED: bool = cfg!(vmtrampoline_port);

#[cfg(not(vmtrampoline_port))]
pub(super) use super::unported::{
    EntryFunction, Thunk, c_call, current_thread, enter, enter_leavable, entry_function, host_code,
    landed, leave, thunk,
};
#[cfg(vmtrampoline_port)]
pub(super) use super::{
    callback_thunks::Thunk,
    entry::{EntryFunction, c_call, enter, enter_leavable, entry_function},
    host::ported::host_code,
    landing::ported::{landed, leave},
    thread::current_thread,
    thunks::thunk,
};

/// What the first two integer registers hold: contexts, or eight bytes of arguments, of
/// which those that the target does not look at may be anything.
pub(crate) type Word = MaybeUninit<*mut c_void>;

/// The arguments of an array call. Plain C has no contexts; there, what is called
/// so are the first two integer arguments.
#[derive(Clone, Copy)]
#[cfg_attr(not(vmtrampoline_port), allow(dead_code))] // not called there
pub(crate) struct ArrayCall {
    pub(crate) callee: Word,
    pub(crate) caller: Word,
    pub(crate) target: *const c_void,
    pub(crate) slots: *mut ValRaw,
}

/// The symbol of the assembly's function with this name. It carries the version,
/// as `links` in `Cargo.toml` does, which `build.rs` tells the assembler.
#[cfg(vmtrampoline_port)]
macro_rules! symbol {
    ($name:ident) => {
        concat!(
            "vmtrampoline_",
            env!("CARGO_PKG_VERSION_MAJOR"),
            "_",
            env!("CARGO_PKG_VERSION_MINOR"),
            "_",
            env!("CARGO_PKG_VERSION_PATCH"),
            "_",
            stringify!($name),
        )
    };
}

/// Hands a macro the convention that the assembly is called in, and calls the host
/// in: C, but where the tests pretend to be on Windows.
#[cfg(not(all(vmtrampoline_windows, not(windows))))]
macro_rules! in_convention {
    ($make:ident $($rest:tt)*) => { $make! { @in "C-unwind" $($rest)* } };
}
#[cfg(all(vmtrampoline_windows, not(windows)))]
macro_rules! in_convention {
    ($make:ident $($rest:tt)*) => { $make! { @in "win64-unwind" $($rest)* } };
}

pub(super) use in_convention;
#[cfg(vmtrampoline_port)]
pub(super) use symbol;
