//! The child of a fork makes function pointers and callbacks, whatever the other threads of its parent
//! were doing.

#![cfg(all(vmtrampoline_port, unix))]

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    thread,
};

use vmtrampoline::{Callback, Error, Pool, Signature, Trampoline, ValType};

const FORKS: usize = 500;

/// A signature for each number: its bits are the sizes of results.
fn trampoline(number: usize) -> Trampoline {
    let ty = |bit: usize| [ValType::F32, ValType::F64][number >> bit & 1];
    Trampoline::new(&Signature::new([ValType::I64], (0..32).map(ty)).unwrap()).unwrap()
}

/// In the child: makes pointers, finds them again, is refused.
fn ask(old: &Trampoline, new: usize) -> bool {
    let Ok(pool) = Pool::reserve(1) else { return false };
    let made = pool.pointer(&trampoline(new));
    let refused = pool.pointer(&trampoline(new + 1));
    Callback::new(&Signature::new(ValType::NONE, ValType::NONE).unwrap(), |_| ()).is_ok()
        && old.pointer().is_ok()
        && made.is_ok()
        && trampoline(new).pointer() == made
        && refused == Err(Error::PoolExhausted { wanted: 1, left: 0 })
}

#[test]
fn a_child_makes_pointers() {
    let old = trampoline(0);
    old.pointer().unwrap();
    let (forking, asked) = (AtomicBool::new(true), AtomicUsize::new(0));
    thread::scope(|scope| {
        // Two threads ask without end: for a new pointer now and then, and of a pool that
        // has none left.
        for first in [1, 1 << 30] {
            let (forking, asked) = (&forking, &asked);
            scope.spawn(move || {
                let empty = Pool::reserve(0).unwrap();
                let refused = trampoline(first - 1 + (1 << 29));
                let mut made = 0;
                while forking.load(Relaxed) {
                    if asked.fetch_add(1, Relaxed) % 1000 == 0 && made < FORKS {
                        trampoline(first + made).pointer().unwrap();
                        made += 1;
                    }
                    assert!(empty.pointer(&refused).is_err());
                }
            });
        }
        for i in 0..FORKS {
            // SAFETY: the child runs only what the C library lets a child run, and ends.
            let child = unsafe { libc::fork() };
            if child == 0 {
                // SAFETY: the child's own alarm, and its end, without running anything of
                // its parent's.
                unsafe {
                    libc::alarm(20);
                    libc::_exit(if ask(&old, (1 << 28) + 2 * i) { 0 } else { 1 });
                }
            }
            let mut status = 0;
            // SAFETY: our child.
            assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
            if status != 0 {
                forking.store(false, Relaxed);
            }
            assert_eq!(status, 0, "child {i}: {} means that it hung", libc::SIGALRM);
        }
        forking.store(false, Relaxed);
    });
    println!("{FORKS} children, while two threads asked {} times", asked.into_inner());
}
