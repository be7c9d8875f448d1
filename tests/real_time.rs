//! No thread waits for another that asks for a pointer. The system prefers one thread, so that
//! the others cannot go on while it asks. These are guests whose pools are used up, and ask
//! without end.

#![cfg(all(vmtrampoline_port, target_os = "linux"))]

use std::{
    mem::zeroed,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use vmtrampoline::{Error, Pool, Signature, Trampoline, ValType};

/// What the preferred thread asks for.
const ASKED: usize = 500;
/// The system takes the processor from a thread that spins only after 950 ms.
const LIMIT: Duration = Duration::from_millis(500);

/// A signature for each number, its bits the sizes of results; `first` sets some apart.
fn trampoline(first: ValType, number: usize) -> Trampoline {
    let ty = |bit: usize| [ValType::F32, ValType::F64][number >> bit & 1];
    Trampoline::new(&Signature::new([first], (0..14).map(ty)).unwrap()).unwrap()
}

/// Keeps this thread, and those that it makes, on one processor.
fn stay_here() {
    // SAFETY: a set of one processor, and this thread.
    unsafe {
        let mut set: libc::cpu_set_t = zeroed();
        libc::CPU_SET(libc::sched_getcpu() as usize, &mut set);
        assert_eq!(libc::sched_setaffinity(0, size_of_val(&set), &set), 0);
    }
}

/// Has the system prefer this thread to all ordinary ones; whether it may be so.
fn be_preferred() -> bool {
    // SAFETY: parameters of this thread.
    unsafe {
        libc::sched_setscheduler(0, libc::SCHED_FIFO, &libc::sched_param { sched_priority: 1 }) == 0
    }
}

#[test]
fn a_preferred_thread_waits_for_no_other() {
    stay_here();
    let host = Pool::reserve(ASKED).unwrap();
    let (done, refused) = (AtomicBool::new(false), AtomicUsize::new(0));
    let guest = |number: usize| {
        let none = Pool::reserve(0).unwrap();
        let unmade = trampoline(ValType::I64, !number);
        while !done.load(Relaxed) {
            assert_eq!(none.pointer(&unmade), Err(Error::PoolExhausted { wanted: 1, left: 0 }));
            refused.fetch_add(1, Relaxed);
        }
    };
    // Fills the shared pool, and asks on.
    let neighbour = || {
        for number in 0.. {
            if done.load(Relaxed) {
                break;
            }
            _ = trampoline(ValType::F64, number).pointer();
        }
    };
    let preferred = || {
        let preferred = be_preferred();
        let mut longest = Duration::ZERO;
        for number in 0..ASKED {
            // Meanwhile the others are somewhere within.
            thread::sleep(Duration::from_micros(500));
            let trampoline = trampoline(ValType::Ptr, number);
            let start = Instant::now();
            host.pointer(&trampoline).unwrap();
            longest = longest.max(start.elapsed());
            if longest > LIMIT {
                break;
            }
        }
        done.store(true, Relaxed);
        (preferred, longest)
    };
    let (preferred, longest) = thread::scope(|scope| {
        let guest = &guest;
        scope.spawn(move || guest(0));
        scope.spawn(move || guest(1));
        scope.spawn(neighbour);
        scope.spawn(preferred).join().unwrap()
    });
    let refused = refused.into_inner();
    println!("{longest:?} at most; guests were refused {refused} times");
    if preferred {
        assert!(longest < LIMIT, "{longest:?}");
    } else {
        println!("skipped: no thread may be preferred here");
    }
    assert!(refused > ASKED);
}
