//! What is made, read and printed takes little stack, in a debug build too, whatever the
//! signature: coroutines and some threads have a few kilobytes.

#![cfg(all(vmtrampoline_port, target_os = "linux"))]

use std::{ffi::c_void, hint::black_box, mem::zeroed, ptr::null_mut, slice};

use vmtrampoline::{Abi, CTrampoline, Callback, HostFunc, Layout, Signature, Trampoline, Type};

/// What the documentation of [`Signature`] promises: of this build, and of types nested as
/// deep as they can be.
const BOUND: usize = if cfg!(debug_assertions) { 12 << 10 } else { 6 << 10 };
const BOUND_NESTED: usize = 2 * BOUND;

/// What a call of `run` finds.
struct Job<'a> {
    run: fn(&str),
    text: &'a str,
    /// Where its caller's frame is.
    top: usize,
}

extern "C" fn start(job: *mut c_void) -> *mut c_void {
    // SAFETY: `on_thread` passes it, and waits for us.
    let job = unsafe { &mut *job.cast::<Job<'_>>() };
    job.top = (&raw const job) as usize;
    (job.run)(job.text);
    null_mut()
}

/// Calls `run` on a thread of libc, which has nothing of Rust's on its stack. Returns its
/// caller's frame.
///
/// # Safety
///
/// `attributes` gives the thread an attribute that is sound.
unsafe fn on_thread(
    run: fn(&str),
    text: &str,
    attributes: impl FnOnce(&mut libc::pthread_attr_t),
) -> usize {
    let mut job = Job { run, text, top: 0 };
    // SAFETY: a thread of our own, which ends before the job does.
    unsafe {
        let mut attr: libc::pthread_attr_t = zeroed();
        assert_eq!(libc::pthread_attr_init(&mut attr), 0);
        attributes(&mut attr);
        let mut thread = 0;
        let argument = (&raw mut job).cast();
        assert_eq!(libc::pthread_create(&mut thread, &attr, start, argument), 0);
        assert_eq!(libc::pthread_join(thread, null_mut()), 0);
    }
    job.top
}

/// How far below its caller's frame `run` writes to the stack.
fn stack_of(run: fn(&str), text: &str) -> usize {
    const STACK: usize = 512 << 10;
    const UNTOUCHED: u8 = 0xa5;
    // SAFETY: a mapping of our own, which is the stack of a thread and read after its end.
    unsafe {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let stack = libc::mmap(null_mut(), STACK, access, flags, -1, 0);
        assert_ne!(stack, libc::MAP_FAILED);
        stack.cast::<u8>().write_bytes(UNTOUCHED, STACK);
        let top = on_thread(run, text, |attr| {
            assert_eq!(libc::pthread_attr_setstack(attr, stack, STACK), 0);
        });
        let bytes = slice::from_raw_parts(stack.cast::<u8>(), STACK);
        let lowest = bytes.iter().position(|&byte| byte != UNTOUCHED).unwrap();
        libc::munmap(stack, STACK);
        top - (stack as usize + lowest)
    }
}

fn parse(text: &str) -> Signature {
    text.parse().unwrap()
}

/// A name, and what is done with the text of a signature.
type Maker = (&'static str, fn(&str));

/// All that takes a signature, or is made of one.
const MAKERS: [Maker; 10] = [
    ("parse", |text| drop(parse(text))),
    ("print", |text| drop(parse(text).to_string())),
    ("Signature::new", |text| {
        let signature = parse(text);
        let types = |types: vmtrampoline::Types<'_>| {
            types.iter().map(|ty| ty.into_owned()).collect::<Vec<_>>()
        };
        let again = Signature::new(types(signature.params()), types(signature.results()));
        drop(black_box(again));
    }),
    ("Layout::new", |text| {
        let signature = parse(text);
        for abi in Abi::ALL {
            drop(black_box(Layout::new(&signature, abi)));
        }
    }),
    ("Trampoline::new", |text| drop(black_box(Trampoline::new(&parse(text))))),
    ("CTrampoline::new", |text| drop(black_box(CTrampoline::new(&parse(text))))),
    ("signature of a trampoline", |text| {
        drop(black_box(CTrampoline::new(&parse(text)).map(|trampoline| trampoline.signature())));
    }),
    ("pointer", |text| {
        drop(black_box(Trampoline::new(&parse(text)).and_then(|made| made.pointer())));
    }),
    ("HostFunc::new", |text| drop(black_box(HostFunc::new(&parse(text), |_, _| ())))),
    ("Callback::new", |text| drop(black_box(Callback::new(&parse(text), |_| ())))),
];

/// Texts of the largest signatures.
fn largest() -> Vec<String> {
    let many = |ty: &str, n: usize| [ty].repeat(n).join(", ");
    vec![
        format!("({})", many("i64", 1000)),
        format!("({}) -> ({})", many("i64, f32", 500), many("f64, i32", 500)),
        format!("({}) -> {{f32, f32}}", many("{i8, f64, [f32; 3]}", 1000)),
        format!("(ptr, ...{}) -> longdouble", many("longdouble", 999)),
        format!("({{{}}})", many("u8", 10_000)),
    ]
}

fn nested() -> String {
    let (left, right) = ("{".repeat(Type::MAX_DEPTH), "}".repeat(Type::MAX_DEPTH));
    format!("({left}i32{right}) -> {left}f32{right}")
}

/// The most that a maker takes for one of these texts.
fn most(texts: &[String]) -> usize {
    let mut most = 0;
    for text in texts {
        for (name, run) in MAKERS {
            let used = stack_of(run, text);
            println!("{used:6} bytes for {name} of {text:.40}");
            most = most.max(used);
        }
    }
    most
}

#[test]
fn making_takes_little_stack() {
    assert!(most(&largest()) <= BOUND);
    assert!(most(&[nested()]) <= BOUND_NESTED);
}

/// On such a thread are 2 KiB of the C library's, too.
#[test]
fn a_thread_of_16_kib_makes_the_largest() {
    for text in largest() {
        for (_, run) in MAKERS {
            let small = |attr: &mut libc::pthread_attr_t| {
                // SAFETY: attributes of a thread. Where none may have so little, it has more.
                unsafe { libc::pthread_attr_setstacksize(attr, 16 << 10) };
            };
            // SAFETY: a stack is as large as the system wants it.
            unsafe { on_thread(run, &text, small) };
        }
    }
}

#[test]
fn a_large_frame_is_noticed() {
    fn large(text: &str) {
        let mut array = [0u8; 2 * BOUND];
        array[..text.len()].copy_from_slice(text.as_bytes());
        black_box(&mut array);
    }
    assert!(stack_of(large, "") > 2 * BOUND);
}
