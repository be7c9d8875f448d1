//! A first look: functions of the C library, called by signatures that are texts, and
//! called back. Every function is found by its name while the program runs.
//!
//! ```text
//! cargo run --release --example tour
//! ```

use std::{
    error::Error,
    ffi::{CString, c_int, c_uint, c_void},
    hint::black_box,
    mem::transmute,
    time::Instant,
};

use libloading::Library;
use vmtrampoline::{CTrampoline, Callback, ValRaw};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A library, by the first of these names that the dynamic linker finds.
fn library(names: &[&str]) -> Result<Library> {
    // SAFETY: libraries of the system, whose initialisers anything may run.
    let found = names.iter().find_map(|name| unsafe { Library::new(name) }.ok());
    found.ok_or_else(|| format!("found none of {}", names.join(", ")).into())
}

fn symbol(library: &Library, name: &str) -> Result<*const c_void> {
    // SAFETY: a pointer may have any value, so a symbol's address is one.
    Ok(*unsafe { library.get::<*const c_void>(name.as_bytes()) }?)
}

/// Calls a function, which must have this signature, with arguments of one slot each; slots
/// with the result.
fn call(target: *const c_void, signature: &str, arguments: &[ValRaw]) -> Result<Vec<ValRaw>> {
    let trampoline = CTrampoline::new(&signature.parse()?)?;
    let mut slots = vec![ValRaw::default(); trampoline.slots()];
    slots[..arguments.len()].copy_from_slice(arguments);
    // SAFETY: the signatures below are those of the C standard.
    unsafe { trampoline.call(target, &mut slots)? };
    Ok(slots)
}

fn show(call: &str, signature: &str, result: &str) {
    println!("{call:<36} {signature:<41} {result}");
}

fn main() -> Result<()> {
    let c = library(&["libc.so.6", "libSystem.B.dylib", "libc.so", "msvcrt.dll"])?;
    let m = library(&["libm.so.6", "libSystem.B.dylib", "libm.so", "msvcrt.dll"])?;
    show("call", "signature", "result");

    let (signature, pow) = ("(f64, f64) -> f64", symbol(&m, "pow")?);
    let slots = call(pow, signature, &[ValRaw::f64(2.0), ValRaw::f64(10.0)])?;
    show("pow(2, 10)", signature, &slots[0].get_f64().to_string());

    // A structure comes back as it lies in memory.
    let signature = "(int, int) -> {int, int}";
    let slots = call(symbol(&c, "div")?, signature, &[ValRaw::i32(17), ValRaw::i32(5)])?;
    let mut result = [0; 8];
    ValRaw::read_bytes(&slots, &mut result)?;
    let [quotient, remainder] =
        [0, 4].map(|at| i32::from_ne_bytes(result[at..][..4].try_into().expect("four")));
    show("div(17, 5)", signature, &format!("{{{quotient}, {remainder}}}"));

    // What stands after the dots is the variable part of this call.
    let signature = "(ptr, size_t, ptr, ...int, f64) -> int";
    let mut text = vec![0u8; 32];
    let arguments = [
        ValRaw::ptr(text.as_mut_ptr()),
        ValRaw::u64(text.len() as u64),
        ValRaw::ptr(c"%d and %.2f".as_ptr()),
        ValRaw::i32(42),
        ValRaw::f64(2.5),
    ];
    let written = call(symbol(&c, "snprintf")?, signature, &arguments)?[0].get_i32();
    text.truncate(written as usize);
    let text = CString::new(text)?;
    show("snprintf(…, \"%d and %.2f\", 42, 2.5)", signature, text.to_str()?);

    // C calls a closure.
    let signature = "(ptr, ptr) -> int";
    let descending = Callback::new(&signature.parse()?, |slots| {
        // SAFETY: `qsort` passes the addresses of two elements.
        let [a, b] = [0, 1].map(|i| unsafe { *slots[i].get_ptr::<c_int>() });
        slots[0] = ValRaw::i32(b.cmp(&a) as i32);
    })?;
    let mut numbers: [c_int; 5] = [31, 41, 5, 92, 65];
    let arguments = [
        ValRaw::ptr(numbers.as_mut_ptr()),
        ValRaw::u64(numbers.len() as u64),
        ValRaw::u64(size_of::<c_int>() as u64),
        ValRaw::ptr(descending.code()),
    ];
    call(symbol(&c, "qsort")?, "(ptr, size_t, size_t, ptr)", &arguments)?;
    show("qsort(…) calls a Rust closure", signature, &format!("{numbers:?}"));

    println!();
    race(symbol(&c, "labs")?)
}

/// How long one call of `labs` takes, by each way there is.
fn race(labs: *const c_void) -> Result<()> {
    // SAFETY: as C declares it, where `long` has 64 bits; elsewhere it is not called.
    let direct = unsafe { transmute::<*const c_void, extern "C" fn(i64) -> i64>(labs) };
    let trampoline = CTrampoline::new(&"(long) -> long".parse()?)?;
    let mut slots = [ValRaw::i64(-42)];
    let ours = nanoseconds(|| {
        slots[0] = black_box(ValRaw::i64(-42));
        // SAFETY: this is its signature, and there is a slot.
        unsafe { trampoline.call_unchecked(labs, slots.as_mut_ptr()) };
    });
    println!("nanoseconds for labs(-42), the signature known only at run time:");
    println!("{ours:8.1}  vmtrampoline");
    if let Some(libffi) = libffi(labs) {
        println!("{libffi:8.1}  libffi");
    }
    if size_of::<std::ffi::c_long>() == 8 {
        let direct = nanoseconds(|| {
            black_box(black_box(direct)(black_box(-42)));
        });
        println!("{direct:8.1}  a call that the compiler made");
    }
    if cfg!(debug_assertions) {
        println!("This is a debug build: `cargo run --release --example tour` is faster.");
    }
    Ok(())
}

/// The best of a few tries.
fn nanoseconds(mut call: impl FnMut()) -> f64 {
    const CALLS: u32 = 200_000;
    let time = |_| {
        let start = Instant::now();
        (0..CALLS).for_each(|_| call());
        start.elapsed().as_nanos() as f64 / f64::from(CALLS)
    };
    (0..9).map(time).fold(f64::INFINITY, f64::min)
}

/// The same by libffi, if the system has it.
fn libffi(labs: *const c_void) -> Option<f64> {
    type Prepare = unsafe extern "C" fn(
        *mut c_void,
        c_int,
        c_uint,
        *const c_void,
        *mut *const c_void,
    ) -> c_int;
    type Call = unsafe extern "C" fn(*mut c_void, *const c_void, *mut c_void, *mut *mut c_void);

    let library = library(&["libffi.so.8", "libffi.so.7", "libffi.dylib"]).ok()?;
    let find = |name| symbol(&library, name).ok();
    let (prepare, call) = (find("ffi_prep_cif")?, find("ffi_call")?);
    // SAFETY: libffi's manual declares them so.
    let prepare = unsafe { transmute::<*const c_void, Prepare>(prepare) };
    // SAFETY: the same.
    let call = unsafe { transmute::<*const c_void, Call>(call) };

    // An `ffi_cif` is smaller on every platform.
    let mut cif = [0u64; 16];
    let cif = cif.as_mut_ptr().cast();
    let long = find("ffi_type_sint64")?;
    let mut types = [long];
    // FFI_UNIX64; the first convention elsewhere.
    let abi = if cfg!(target_arch = "x86_64") { 2 } else { 1 };
    // SAFETY: a cif, an array of one type, and a convention.
    if unsafe { prepare(cif, abi, 1, long, types.as_mut_ptr()) } != 0 {
        return None;
    }
    let (mut argument, mut result) = (0i64, 0i64);
    let time = nanoseconds(|| {
        argument = black_box(-42);
        let mut arguments = [(&raw mut argument).cast()];
        // SAFETY: the cif is prepared for this function, and these are its values.
        unsafe { call(cif, labs, (&raw mut result).cast(), arguments.as_mut_ptr()) };
    });
    (result == 42).then_some(time)
}
