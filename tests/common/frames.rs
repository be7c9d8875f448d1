//! Functions of each port that move and walk the stack.

use std::ffi::c_void;

use vmtrampoline::{VMFunctionBody, VMOpaqueContext, VMTrampolineUnwind, ValRaw};

unsafe extern "C" {
    /// Calls `run(call)` so many bytes, a multiple of 16, further down.
    #[link_name = "vmtrampoline_test_lower"]
    pub(crate) fn lower(call: *const c_void, bytes: usize, run: extern "C" fn(*const c_void));
    /// Calls the pointer from a frame whose record is at the stack pointer of the call, and
    /// returns the record's address, which is the caller context, too.
    #[link_name = "vmtrampoline_test_enter"]
    pub(crate) fn enter(
        pointer: VMTrampolineUnwind,
        callee: *mut VMOpaqueContext,
        target: *const VMFunctionBody,
        slots: *mut ValRaw,
    ) -> usize;
    /// A target that follows the frame pointers up to its caller context, for at most four
    /// records, and writes their addresses to where its callee context points.
    #[link_name = "vmtrampoline_test_look"]
    pub(crate) fn look();
}

/// The functions of a port.
macro_rules! frames {
    ($($text:tt)*) => {
        core::arch::global_asm!(
            $($text)*
            lower = sym $crate::common::frames::lower,
            enter = sym $crate::common::frames::enter,
            look = sym $crate::common::frames::look,
        );
    };
}
pub(crate) use frames;
