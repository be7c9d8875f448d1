//! Sorts words with the C library's `qsort`, which calls a closure to compare
//! them:
//!
//! ```text
//! cargo run --example callback -- pear Fig banana apple
//! ```
//!
//! The program makes the C function pointer at run time, from a signature that is a text. No
//! code is generated, and the closure may borrow.

use std::{
    env,
    error::Error,
    ffi::{c_int, c_void},
    mem::transmute,
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use vmtrampoline::{Callback, ValRaw};

/// What `qsort` calls.
type Compare = unsafe extern "C" fn(*const c_void, *const c_void) -> c_int;

unsafe extern "C" {
    fn qsort(base: *mut c_void, count: usize, size: usize, compare: Compare);
}

fn main() -> ExitCode {
    let mut words: Vec<String> = env::args().skip(1).collect();
    match sort(&mut words) {
        Ok(comparisons) => {
            println!("{}", words.join(" "));
            eprintln!("{comparisons} comparisons");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("callback: {error}");
            ExitCode::from(2)
        }
    }
}

/// Sorts without regard to case; returns how often two words were compared.
fn sort(words: &mut [String]) -> Result<usize, Box<dyn Error>> {
    let comparisons = AtomicUsize::new(0);
    let compare = Callback::new(&"(ptr, ptr) -> i32".parse()?, |slots| {
        comparisons.fetch_add(1, Relaxed);
        // SAFETY: `qsort` passes pointers to two of the words.
        let [a, b] = [0, 1].map(|i| unsafe { &*(slots[i].get_u64() as *const String) });
        slots[0] = ValRaw::i32(a.to_lowercase().cmp(&b.to_lowercase()) as i32);
    })?;
    // SAFETY: the callback has the signature of this type.
    let code = unsafe { transmute::<*const c_void, Compare>(compare.code()) };
    // SAFETY: so many words of this size, which `qsort` moves as bytes, and a
    // callback that compares them and lives until it returns.
    unsafe { qsort(words.as_mut_ptr().cast(), words.len(), size_of::<String>(), code) };
    Ok(comparisons.load(Relaxed))
}
