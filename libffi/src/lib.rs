//! libffi's interface. vmtrampoline does the work, and this package translates; README.md says
//! how. libffi's manual documents the functions. The comments here say why each is sound when
//! its conditions hold.

mod call;
mod cif;
mod closure;
// The crate's own, which is no part of its interface.
#[path = "../../src/native/copy.rs"]
mod copy;
mod raw;
mod spelling;
mod types;
mod version;

/// What a function of this interface returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum Status {
    /// `FFI_OK`
    Ok,
    /// `FFI_BAD_TYPEDEF`
    BadTypedef,
    /// `FFI_BAD_ABI`
    BadAbi,
    /// `FFI_BAD_ARGTYPE`
    BadArgtype,
}

impl From<Result<(), Status>> for Status {
    fn from(result: Result<(), Status>) -> Status {
        result.err().unwrap_or(Status::Ok)
    }
}
