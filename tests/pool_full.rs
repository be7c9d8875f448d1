//! Fills the pool of function pointers. It cannot be emptied again, so this is a program of
//! its own.

#![cfg(vmtrampoline_port)]

mod common;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    collections::HashSet,
    sync::{
        Barrier,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

use common::{
    case::{Case, EitherTrampoline, Ground, Route},
    guard_pages::Edge,
};
use vmtrampoline::{
    Error, Pool, Signature, Trampoline, VMTrampoline, ValRaw, ValType, pointer,
    private::{Convention, Shape},
};

/// Counts what is allocated.
struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: the system's allocator does it all.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(1, Relaxed);
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

const THREADS: usize = 8;
/// More than the pool has room for.
const SIGNATURES: usize = Pool::CAPACITY + 100;

/// A signature for each number: its bits are the sizes of results, so that no two
/// move the same bytes.
fn signature(number: usize) -> Signature {
    let ty = |bit| [ValType::F32, ValType::F64][number >> bit & 1];
    let bits = SIGNATURES.ilog2() + 1;
    Signature::new([ValType::I64, ValType::F64], (0..bits).map(ty)).unwrap()
}

/// Asks for the pointers of all signatures, in an order that depends on the thread.
fn ask(thread: usize) -> Vec<Result<usize, Error>> {
    let mut pointers = vec![Ok(0); SIGNATURES];
    for i in 0..SIGNATURES {
        // Half of the threads go together, the others meet them.
        let number = if thread % 2 == 0 { i } else { SIGNATURES - 1 - i };
        let trampoline = Trampoline::new(&signature(number)).unwrap();
        pointers[number] = trampoline.pointer().map(|pointer| pointer as usize);
    }
    pointers
}

fn check(signature: &Signature, pointer: VMTrampoline, ground: &Ground) {
    let case = Case::new(Convention::Vm, signature.clone(), 3);
    let trampoline = EitherTrampoline::new(Convention::Vm, signature, Shape::Bare).unwrap();
    let route = Route::Pointer(pointer);
    case.call(&case.layout(), &trampoline, route, Edge::End, ground).unwrap();
}

#[test]
fn eight_threads_fill_the_pool() {
    extern "C" fn double(_: usize, _: usize, x: i32) -> i32 {
        x.wrapping_mul(2)
    }
    let early = Trampoline::new(&"(i32) -> i32".parse().unwrap()).unwrap();
    let early = early.pointer().unwrap();

    let (barrier, filling) = (Barrier::new(THREADS + 1), AtomicBool::new(true));
    let calls = AtomicUsize::new(0);
    let call = || {
        barrier.wait();
        while filling.load(Relaxed) {
            let x = calls.fetch_add(1, Relaxed) as i32;
            let (null, mut slot) = (std::ptr::null_mut(), ValRaw::i32(x));
            // SAFETY: the signature of `double`, whose contexts may be anything.
            unsafe { early(null, null.cast(), double as *const _, &mut slot) };
            assert_eq!(slot.get_i32(), x.wrapping_mul(2));
        }
    };
    let answers = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    ask(thread)
                })
            })
            .collect();
        scope.spawn(call);
        let answers = threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>();
        filling.store(false, Relaxed);
        answers
    });
    println!("{} calls by a pointer made before", calls.into_inner());

    // A thread that was refused while others held a thunk for a moment asks again. From then
    // on, all threads get the same answers.
    let last = ask(0);
    assert_eq!(ask(1), last);
    for (answer, last) in answers.iter().flat_map(|answers| answers.iter().zip(&last)) {
        assert!(answer == last || *answer == Err(full(1)));
    }
    let (made, refused): (Vec<_>, Vec<_>) = last.iter().partition(|answer| answer.is_ok());
    let distinct: HashSet<_> = made.iter().collect();
    assert_eq!(distinct.len(), Pool::CAPACITY - 1, "and the one made before");
    assert_eq!(made.len(), distinct.len());
    assert!(refused.iter().all(|answer| **answer == Err(full(1))));

    // No private pool, no further pointer, and all pointers work.
    assert_eq!(Pool::shared().left(), 0);
    assert_eq!(Pool::reserve(1).unwrap_err(), full(1));
    // A refusal has allocated nothing, also from a private pool.
    let none = Pool::reserve(0).unwrap();
    let number = last.iter().position(Result::is_err).unwrap();
    let refused = Trampoline::new(&signature(number)).unwrap();
    let before = ALLOCATED.load(Relaxed);
    assert_eq!(refused.pointer(), Err(full(1)));
    assert_eq!(none.pointer(&refused), Err(full(1)));
    assert_eq!(ALLOCATED.load(Relaxed), before);

    let ground = Ground::new();
    for (number, answer) in last.iter().enumerate() {
        if answer.is_ok() {
            let signature = signature(number);
            let pointer = Trampoline::new(&signature).unwrap().pointer().unwrap();
            check(&signature, pointer, &ground);
        }
    }
    check(&"(i32) -> i32".parse().unwrap(), early, &ground);
    // A pointer made at compile time needs no thunk.
    check(&Signature::of::<fn(f32) -> f32>(), pointer::<fn(f32) -> f32>(), &ground);
}

fn full(wanted: usize) -> Error {
    Error::PoolExhausted { wanted, left: 0 }
}
