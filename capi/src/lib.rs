//! `vmtrampoline.h` for C. That header is the documentation; this file says why
//! each function is sound when its conditions hold.
//!
//! # Safety
//!
//! What the header promises C, C promises Rust, of every function:
//!
//! - an object is null, or from a function of this library that makes such objects, and
//!   has not been freed; nothing else uses one that is being freed;
//! - text is null or a C string, a buffer has as many bytes as C says, an array as many
//!   elements, and slots are aligned to 8.
//!
//! Functions that native code can be left through are `extern "C-unwind"` and have nothing
//! to drop. A panic in any other would be a fault of this library, and aborts.

mod call;
mod error;
mod host;
mod types;

use error::{Failure, fail};

/// The result of functions that return a number and fail: `VMT_NONE`.
const NONE: usize = usize::MAX;

/// A pointer to the value, which is C's to free, or null and the error.
fn give<T>(value: Result<T, impl Into<Failure>>) -> *mut T {
    match value {
        Ok(value) => Box::into_raw(Box::new(value)),
        Err(error) => fail(error, std::ptr::null_mut()),
    }
}

/// The object, if there is one: else a call that has failed before is the error.
///
/// # Safety
///
/// See [`crate`]; the object is not freed during `'a`.
unsafe fn get<'a, T>(object: *const T) -> Option<&'a T> {
    // SAFETY: our own conditions; objects do not change.
    let object = unsafe { object.as_ref() };
    if object.is_none() {
        error::missing();
    }
    object
}

/// Frees what `give` gave.
///
/// # Safety
///
/// See [`crate`].
unsafe fn free<T>(object: *mut T) {
    if !object.is_null() {
        // SAFETY: `give` made it of a box, which is taken back once.
        drop(unsafe { Box::from_raw(object) });
    }
}
