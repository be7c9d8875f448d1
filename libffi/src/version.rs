//! Which libffi this stands for.

use std::{
    ffi::{CStr, c_char, c_uint, c_ulong},
    mem::size_of,
};

use crate::{cif::DEFAULT_ABI, closure::Closure};

/// The version whose interface this is; `include/ffi.h` and `libffi.pc` say the same.
const VERSION: &CStr = c"3.7.0";
const NUMBER: c_ulong = 30700;

/// The version as text.
#[unsafe(no_mangle)]
pub extern "C" fn ffi_get_version() -> *const c_char {
    VERSION.as_ptr()
}

/// The version as a number.
#[unsafe(no_mangle)]
pub extern "C" fn ffi_get_version_number() -> c_ulong {
    NUMBER
}

/// `FFI_DEFAULT_ABI`.
#[unsafe(no_mangle)]
pub extern "C" fn ffi_get_default_abi() -> c_uint {
    DEFAULT_ABI
}

/// The size of a closure.
#[unsafe(no_mangle)]
pub extern "C" fn ffi_get_closure_size() -> usize {
    size_of::<Closure>()
}
