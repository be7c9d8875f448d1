//! Private pools of function pointers. Counts are of the whole program, so the
//! tests take turns.

#![cfg(vmtrampoline_port)]

use std::{
    collections::HashSet,
    sync::{Barrier, Mutex, MutexGuard, PoisonError},
    thread,
};

use vmtrampoline::{Error, Pool, Trampoline};

fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn trampoline(text: &str) -> Trampoline {
    Trampoline::new(&text.parse().expect(text)).unwrap()
}

fn exhausted(wanted: usize, left: usize) -> Error {
    Error::PoolExhausted { wanted, left }
}

#[test]
fn what_a_pool_has_not_used_goes_back() {
    let _turn = turn();
    let before = Pool::shared().left();
    let pool = Pool::reserve(3).unwrap();
    assert_eq!((pool.left(), Pool::shared().left()), (3, before - 3));
    pool.pointer(&trampoline("(f64) -> (i32, i32)")).unwrap();
    assert_eq!((pool.left(), Pool::shared().left()), (2, before - 3));
    drop(pool);
    assert_eq!(Pool::shared().left(), before - 1);
}

#[test]
fn a_signature_takes_one_thunk_for_all_pools() {
    let _turn = turn();
    let (one, other) = (Pool::reserve(1).unwrap(), Pool::reserve(1).unwrap());
    let shared = Pool::shared().left();
    let trampoline = trampoline("(i64, i64, i64) -> (i32, i32)");
    let pointer = one.pointer(&trampoline).unwrap();
    for _ in 0..3 {
        for pool in [&one, &other, Pool::shared()] {
            assert_eq!(pool.pointer(&trampoline).unwrap() as usize, pointer as usize);
            assert_eq!(pool.pointer_unwind(&trampoline).unwrap() as usize, pointer as usize);
        }
    }
    assert_eq!([one.left(), other.left(), Pool::shared().left()], [0, 1, shared]);
}

#[test]
fn pools_cannot_touch_each_other() {
    let _turn = turn();
    let left = Pool::shared().left();
    let guest = Pool::reserve(1).unwrap();
    let host = Pool::reserve(left - 1).unwrap();
    assert_eq!(Pool::shared().left(), 0);
    assert_eq!(Pool::reserve(1).unwrap_err(), exhausted(1, 0));
    assert_eq!(Pool::reserve(usize::MAX).unwrap_err(), exhausted(usize::MAX, 0));
    assert_eq!(Pool::reserve(0).unwrap().left(), 0);

    let first = trampoline("(i64, f64) -> (i32, i32)");
    let second = trampoline("(f64, i64) -> (i32, i32)");
    let third = trampoline("(i64, i64) -> (i32, i32)");
    assert_eq!(first.pointer(), Err(exhausted(1, 0)));
    guest.pointer(&first).unwrap();
    assert_eq!(guest.pointer(&second), Err(exhausted(1, 0)));
    assert_eq!(guest.pointer_unwind(&second), Err(exhausted(1, 0)));
    host.pointer(&second).unwrap();
    guest.pointer(&second).unwrap();
    drop(host);
    third.pointer().unwrap();
    assert_eq!(Pool::shared().left(), left - 3);
}

/// Threads that ask for different signatures take one thunk for each, and no more are made
/// than the pool has.
#[test]
fn threads_share_what_a_pool_has() {
    const THREADS: usize = 8;
    let _turn = turn();
    for round in 0..100 {
        let pool = Pool::reserve(THREADS / 2).unwrap();
        let barrier = Barrier::new(THREADS);
        let ask = |thread: usize| {
            let text =
                format!("({}i32) -> (f32, f64, f32)", "f64, ".repeat(THREADS * round + thread));
            let trampoline = trampoline(&text);
            barrier.wait();
            pool.pointer(&trampoline).map(|pointer| pointer as usize)
        };
        let answers = thread::scope(|scope| {
            let ask = &ask;
            let threads: Vec<_> = (0..THREADS).map(|i| scope.spawn(move || ask(i))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        let made: HashSet<_> = answers.iter().flatten().collect();
        let refused = answers.iter().filter(|answer| **answer == Err(exhausted(1, 0))).count();
        assert_eq!(made.len() + refused, THREADS);
        // Two that want one entry may both be refused in favour of a third.
        assert_eq!(pool.left(), THREADS / 2 - made.len());
    }
}

/// As many thunks as signatures are enough, however many threads ask for each, if those
/// that are refused ask again.
#[test]
fn threads_take_no_more_than_they_need() {
    const THREADS: usize = 8;
    const SIGNATURES: usize = 100;
    let _turn = turn();
    for round in 0..10 {
        let results = ", i64".repeat(round + 2);
        let pool = Pool::reserve(SIGNATURES).unwrap();
        let barrier = Barrier::new(THREADS);
        let ask = || {
            let pointer = |i| {
                barrier.wait();
                let text = format!("({}i64) -> (i32{results})", "f64, ".repeat(i));
                let trampoline = trampoline(&text);
                let mut answers = std::iter::repeat_with(|| {
                    thread::yield_now();
                    pool.pointer(&trampoline)
                });
                let answer = answers.by_ref().take(1_000_000).find(|answer| {
                    assert!(answer.is_ok() || *answer == Err(exhausted(1, 0)));
                    answer.is_ok()
                });
                answer.expect("another thread has made it").unwrap() as usize
            };
            (0..SIGNATURES).map(pointer).collect::<Vec<_>>()
        };
        let pointers = thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        assert!(pointers.iter().all(|thread| *thread == pointers[0]));
        assert_eq!(pool.left(), 0);
    }
}
