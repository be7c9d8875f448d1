//! A library with Rust code of its own, without the standard library.

#![no_std]

extern crate alloc;

use alloc::boxed::Box;
use core::{
    alloc::{GlobalAlloc, Layout},
    ffi::c_void,
    panic::PanicInfo,
};
use vmtrampoline::{Callback, ValRaw};

unsafe extern "C" {
    safe fn abort() -> !;
    fn malloc(size: usize) -> *mut u8;
    fn free(memory: *mut u8);
}

struct Libc;

// SAFETY: `malloc` aligns for every type that is allocated here.
unsafe impl GlobalAlloc for Libc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: any size will do.
        unsafe { malloc(layout.size()) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, _: Layout) {
        // SAFETY: the caller answers for this being from `alloc`.
        unsafe { free(memory) }
    }
}

#[global_allocator]
static LIBC: Libc = Libc;

#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    abort()
}

/// `one_callback` or `two_callback`: a function that returns this number.
#[unsafe(export_name = concat!(env!("CARGO_PKG_NAME"), "_callback"))]
pub extern "C" fn callback(n: i32) -> *const c_void {
    let signature = "() -> i32".parse().unwrap();
    let callback = Callback::new(&signature, move |slots| slots[0] = ValRaw::i32(n));
    Box::leak(Box::new(callback.unwrap())).code()
}
