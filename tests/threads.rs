//! What threads share, used by several at once.
//!
//! The threads are made by libc and meet at a counter, so that ThreadSanitizer
//! (`ci/audit`) sees every access there is: the standard library as it comes is not
//! made for it.

#![cfg(all(vmtrampoline_port, unix, not(vmtrampoline_windows)))]

use std::{
    ffi::c_void,
    hint::spin_loop,
    mem::transmute,
    ptr::null_mut,
    sync::{
        Mutex,
        atomic::{
            AtomicPtr, AtomicUsize,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
};

use vmtrampoline::{
    Callback, HostFunc, Pool, Signature, Trampoline, VMContext, VMOpaqueContext, VMTrampoline,
    ValRaw, trampoline,
};

const THREADS: usize = 8;

fn parse(text: &str) -> Signature {
    text.parse().expect(text)
}

/// Runs a function in all threads, with their numbers, and waits for them.
fn in_threads<F: Fn(usize) + Sync>(function: F) {
    struct Start<'a, F> {
        function: &'a F,
        number: usize,
        arrived: &'a AtomicUsize,
    }
    extern "C" fn start<F: Fn(usize) + Sync>(argument: *mut c_void) -> *mut c_void {
        // SAFETY: `in_threads` passes it, and waits for us.
        let start = unsafe { &*argument.cast::<Start<'_, F>>() };
        start.arrived.fetch_add(1, Relaxed);
        while start.arrived.load(Relaxed) < THREADS {
            spin_loop();
        }
        (start.function)(start.number);
        null_mut()
    }
    let arrived = AtomicUsize::new(0);
    let starts: [_; THREADS] =
        std::array::from_fn(|number| Start { function: &function, number, arrived: &arrived });
    let threads = starts.each_ref().map(|argument| {
        let mut thread = 0;
        let argument = (&raw const *argument).cast_mut().cast();
        // SAFETY: a function of this type and its argument.
        let code = unsafe { libc::pthread_create(&mut thread, null_mut(), start::<F>, argument) };
        assert_eq!(code, 0);
        thread
    });
    for thread in threads {
        // SAFETY: a thread of ours that only we wait for.
        assert_eq!(unsafe { libc::pthread_join(thread, null_mut()) }, 0);
    }
}

/// Adds its parameters.
extern "C" fn add(_: *mut VMOpaqueContext, _: *mut VMContext, a: i64, b: i64) -> i64 {
    a + b
}

/// A thread that finds a pointer can call it at once, even if another thread made it.
#[test]
fn pointers_are_ready() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    const SIGNATURES: usize = 100;
    // Each thread but one may hold a thunk more for a moment.
    let pool = Pool::reserve(SIGNATURES + THREADS - 1).unwrap();
    let found = [const { AtomicPtr::<c_void>::new(null_mut()) }; SIGNATURES];
    let call = |pointer: VMTrampoline| {
        let mut slots = [ValRaw::i64(0); 8 + SIGNATURES];
        slots[0] = ValRaw::i64(2);
        slots[1] = ValRaw::i64(40);
        // SAFETY: the pointer is for more parameters than `add` has, which is no
        // matter to it, and there are slots for them.
        unsafe { pointer(null_mut(), null_mut(), add as *const _, slots.as_mut_ptr()) };
        assert_eq!(slots[0].get_i64(), 42);
        CALLS.fetch_add(1, Relaxed);
    };
    in_threads(|number| {
        for i in 0..SIGNATURES {
            let more = ", i64".repeat(i);
            let signature = parse(&format!("(i64, i64, f32, f32, f32{more}) -> i64"));
            let pointer = pool.pointer(&Trampoline::new(&signature).unwrap()).unwrap();
            call(pointer);
            // Handed on, and what somebody has handed on.
            found[i].store(pointer as *mut c_void, Release);
            let other = found[(i + number) % SIGNATURES].load(Acquire);
            if !other.is_null() {
                // SAFETY: that is what they are.
                call(unsafe { transmute::<*mut c_void, VMTrampoline>(other) });
            }
        }
    });
    assert_eq!(pool.left(), THREADS - 1);
    assert!(CALLS.load(Relaxed) >= THREADS * SIGNATURES);
}

#[test]
fn pools_come_and_go() {
    let before = Pool::shared().left();
    in_threads(|number| {
        for i in 0..1000 {
            let pool = Pool::reserve(i % 7 + number).unwrap();
            assert_eq!(pool.left(), i % 7 + number);
        }
    });
    // The other tests only take.
    assert!(Pool::shared().left() <= before);
}

#[test]
fn trampolines_are_shared() {
    static CONSTANT: Trampoline = trampoline!((i64, i64) -> i64);
    let made = Trampoline::new(&CONSTANT.signature()).unwrap();
    in_threads(|number| {
        for i in 0..1000 {
            for trampoline in [&CONSTANT, &made, &made.clone()] {
                let mut slots = [ValRaw::i64(i), ValRaw::i64(number as i64)];
                // SAFETY: the signature of `add`, which ignores contexts.
                unsafe {
                    trampoline.call(null_mut(), null_mut(), add as *const _, &mut slots).unwrap();
                }
                assert_eq!(slots[0].get_i64(), i + number as i64);
            }
        }
    });
}

/// A thunk that one thread gives back, another takes at once.
#[test]
fn callbacks_come_and_go() {
    let signatures = ["() -> i32", "(f64, i64) -> i32"].map(parse);
    in_threads(|number| {
        for i in 0..500 {
            let value = (number * 1000 + i) as i32;
            let closure = move |slots: &mut [ValRaw]| slots[0] = ValRaw::i32(value);
            let callback = Callback::new(&signatures[i % 2], closure).unwrap();
            // SAFETY: it takes no notice of parameters.
            let code: extern "C" fn() -> i32 = unsafe { transmute(callback.code()) };
            assert_eq!(code(), value);
        }
    });
}

/// More than there are thunks in the program: each thread may map some.
#[test]
fn callbacks_outnumber_thunks() {
    let signature = parse("(i32) -> i32");
    in_threads(|number| {
        for round in 0..3 {
            let make = |i: i32| {
                Callback::new(&signature, move |slots| {
                    slots[0] = ValRaw::i32(slots[0].get_i32() + i);
                })
            };
            let callbacks: Vec<_> = (0..400).map_while(|i| make(i).ok()).collect();
            // Elsewhere the threads share a fixed number.
            assert!(callbacks.len() == 400 || cfg!(not(vmtrampoline_mmap)));
            for (i, callback) in (0..).zip(&callbacks) {
                // SAFETY: its signature.
                let code: extern "C" fn(i32) -> i32 = unsafe { transmute(callback.code()) };
                assert_eq!(code(number as i32 + round), i + number as i32 + round);
            }
        }
    });
}

/// The last clone frees the closure, in whichever thread. (ThreadSanitizer does not
/// understand by which fence `Arc` orders that.)
#[test]
fn host_functions_are_shared() {
    /// Counts the closures that are freed.
    struct Counted<'a>(&'a AtomicUsize);
    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Relaxed);
        }
    }
    let signature = parse("(i64, i64) -> i64");
    for round in 1..50 {
        let freed = AtomicUsize::new(0);
        let counted = Counted(&freed);
        let host = HostFunc::new(&signature, move |_, slots| {
            let counted: &Counted<'_> = &counted;
            assert_eq!(counted.0.load(Relaxed), 0);
            slots[0] = ValRaw::i64(slots[0].get_i64() + slots[1].get_i64());
        });
        let clones = [const { Mutex::new(None) }; THREADS];
        let host = host.unwrap();
        for clone in &clones {
            *clone.lock().unwrap() = Some(host.clone());
        }
        drop(host);
        in_threads(|number| {
            let host = clones[number].lock().unwrap().take().unwrap();
            let trampoline = Trampoline::new(&signature).unwrap();
            let mut slots = [ValRaw::i64(round), ValRaw::i64(number as i64)];
            // SAFETY: the signature of the host function, which is alive.
            unsafe {
                trampoline.call(host.context(), null_mut(), host.code(), &mut slots).unwrap();
            }
            assert_eq!(slots[0].get_i64(), round + number as i64);
        });
        assert_eq!(freed.load(Relaxed), 1);
    }
}
