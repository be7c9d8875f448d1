//! A trampoline or a callback is one allocation, and a call none, in either direction.

#![cfg(all(vmtrampoline_port, any(windows, not(vmtrampoline_windows))))]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    ffi::c_void,
    ptr::null_mut,
};

use vmtrampoline::{
    CTrampoline, Callback, HostFunc, LocalCallback, Prototype, Signature, Trampoline, VMContext,
    VMOpaqueContext, ValRaw,
};

/// Counts what this thread allocates.
struct Counting;

thread_local! {
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: the system's allocator does it all.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.set(ALLOCATED.get() + 1);
        BYTES.set(BYTES.get() + layout.size());
        // SAFETY: our own conditions.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: our own conditions.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// How many times this allocates.
fn allocations<R>(run: impl FnOnce() -> R) -> (usize, R) {
    let before = ALLOCATED.get();
    let result = run();
    (ALLOCATED.get() - before, result)
}

fn parse(text: &str) -> Signature {
    text.parse().expect(text)
}

extern "C" fn target() {}

#[test]
fn a_trampoline_is_one_allocation_and_a_call_none() {
    let many = format!("({}) -> (i64, i32)", ["i64"; 1000].join(", "));
    for text in ["()", "(i32, f64) -> i64", &many] {
        let signature = parse(text);
        let (made, trampoline) = allocations(|| Trampoline::new(&signature).unwrap());
        assert_eq!(made, 1, "{text:.40}");
        let mut slots = vec![ValRaw::default(); trampoline.slots()];
        let (called, result) = allocations(|| {
            // SAFETY: the target takes no notice of anything, and only slots are written.
            unsafe { trampoline.call(null_mut(), null_mut(), target as *const _, &mut slots) }
        });
        assert_eq!((called, result), (0, Ok(())), "{text:.40}");
        let pointer = trampoline.pointer().unwrap();
        let (found, again) = allocations(|| trampoline.pointer());
        assert_eq!((found, again.unwrap() as usize), (0, pointer as usize), "{text:.40}");
        let (called, ()) = allocations(|| {
            // SAFETY: as above.
            unsafe { pointer(null_mut(), null_mut(), target as *const _, slots.as_mut_ptr()) };
        });
        assert_eq!(called, 0, "{text:.40}");
    }
}

#[test]
fn a_callback_is_one_allocation() {
    let structures = "({i64, i64, i64}, {f64, f64}) -> {i64, i64, i64}";
    let sixteen = format!("({})", ["i64"; 16].join(", "));
    for text in ["()", "(i32, f64) -> i64", structures, &sixteen] {
        let signature = parse(text);
        let prototype = Prototype::new(&signature).unwrap();
        let made = [
            allocations(|| drop(Callback::new(&signature, |_| ()))).0,
            allocations(|| drop(LocalCallback::new(&signature, |_| ()))).0,
            allocations(|| drop(prototype.callback(|_| ()))).0,
            allocations(|| drop(prototype.local_callback(|_| ()))).0,
        ];
        assert_eq!(made, [1; 4], "{text}");
    }
    // Long lists take one more.
    let prototype = Prototype::new(&parse(&format!("({})", ["i64"; 100].join(", ")))).unwrap();
    assert_eq!(allocations(|| prototype.callback(|_| ())).0, 2);
}

/// What no call takes is refused without lists of all its stack words.
#[test]
fn large_signatures_take_little_memory() {
    let signature = parse(&format!("({})", ["{[i64; 8000]}"; 1000].join(", ")));
    let before = BYTES.get();
    CTrampoline::new(&signature).unwrap_err();
    Callback::new(&signature, |_| ()).unwrap_err();
    let bytes = BYTES.get() - before;
    assert!(bytes < 1 << 18, "{bytes} bytes");
}

/// Those among them of which Rust does a part.
#[test]
fn a_call_of_c_allocates_nothing() {
    for text in [
        "(i32) -> i32",
        "({i8, [f32; 3]}, {i64, i64}, ptr) -> {f32, f32}",
        "({[u8; 100]}, ...longdouble, {i32}) -> {[i64; 5]}",
        "(longdouble, c64) -> clongdouble",
    ] {
        let signature = parse(text);
        let (made, trampoline) = allocations(|| CTrampoline::new(&signature).unwrap());
        assert_eq!(made, 1, "{text}");
        let mut slots = vec![ValRaw::default(); trampoline.slots()];
        if text.ends_with("clongdouble") && cfg!(target_arch = "x86_64") {
            continue; // such a result is in registers that the target does not fill
        }
        let (called, result) = allocations(|| {
            // SAFETY: the target takes no notice of arguments, and any bits are a result.
            unsafe { trampoline.call(target as *const c_void, &mut slots) }
        });
        assert_eq!((called, result), (0, Ok(())), "{text}");
    }
}

#[test]
fn a_call_of_the_host_allocates_nothing() {
    let signature = parse("(i64, f64, i64) -> f64");
    let host = HostFunc::new(&signature, |_, slots| slots[0] = slots[1]).unwrap();
    let callback = Callback::new(&signature, |slots| slots[0] = slots[1]).unwrap();
    // SAFETY: both are functions of the signature.
    let [(host_called, by_host), (called, by_callback)] = unsafe {
        let vm = std::mem::transmute::<
            *const c_void,
            extern "C" fn(*mut VMOpaqueContext, *mut VMContext, i64, f64, i64) -> f64,
        >(host.code().cast());
        let c = std::mem::transmute::<*const c_void, extern "C" fn(i64, f64, i64) -> f64>(
            callback.code(),
        );
        [allocations(|| vm(host.context(), null_mut(), 1, 2.5, 3)), allocations(|| c(1, 2.5, 3))]
    };
    assert_eq!((host_called, by_host, called, by_callback), (0, 2.5, 0, 2.5));
}

#[test]
fn allocations_are_counted() {
    assert_eq!(allocations(|| Box::new(1)).0, 1);
    assert_eq!(allocations(|| parse("(i32)")).0, 2);
}
