//! `src/native/table.rs` and `blocks.rs` under loom, which runs a test again and again, with every order
//! of the threads' steps and everything that weak memory allows a load to find.
//!
//! ```sh
//! cargo test --release
//! ```

#![cfg(test)]
#![allow(dead_code)] // each test uses a part of the texts
#![allow(clippy::duplicate_mod)] // on purpose: the same text with other orderings

use std::ptr::NonNull;

use loom::{
    cell::UnsafeCell,
    model::Builder,
    sync::{
        Arc,
        atomic::{AtomicPtr, AtomicUsize, Ordering},
    },
    thread,
};

mod callbacks;
mod careless;
mod real;

/// What an entry points to. Loom notices a read that is not ordered after the write.
struct Descriptor(UnsafeCell<u32>);

/// Freed with the test, as in the real one a kept descriptor never is.
struct Made(Box<Descriptor>);

struct World {
    table: Vec<AtomicPtr<Descriptor>>,
    left: AtomicUsize,
    allocated: std::sync::atomic::AtomicUsize,
}

impl Made {
    fn new(descriptor: u32, world: &World) -> Made {
        world.allocated.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let made = Box::new(Descriptor(UnsafeCell::new(0)));
        // SAFETY: nothing else knows of it.
        made.0.with_mut(|value| unsafe { *value = descriptor });
        Made(made)
    }

    fn pointer(&self) -> *mut Descriptor {
        (&raw const *self.0).cast_mut()
    }
}

fn read(entry: NonNull<Descriptor>) -> u32 {
    // SAFETY: entries are never freed while a thread runs.
    unsafe { entry.as_ref() }.0.with(|value| unsafe { *value })
}

macro_rules! ask {
    ($table:ident, $name:ident) => {
        impl $table::Draft<Descriptor> for Made {
            fn entry(&self) -> *mut Descriptor {
                self.pointer()
            }

            fn keep(self) {
                std::mem::forget(self);
            }
        }

        /// Asks for the index of a descriptor; all begin at the same entry.
        fn $name(world: &World, descriptor: u32) -> Result<usize, $table::Refused> {
            let is_wanted = |entry| read(entry) == descriptor;
            let draft = || Made::new(descriptor, world);
            $table::find_or_put(&world.table, 0, &world.left, is_wanted, draft)
        }
    };
}

ask!(real, ask);
ask!(careless, ask_carelessly);

impl World {
    fn new(entries: usize, left: usize) -> Arc<World> {
        let table = (0..entries).map(|_| AtomicPtr::new(std::ptr::null_mut())).collect();
        Arc::new(World { table, left: AtomicUsize::new(left), allocated: 0.into() })
    }

    fn left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }

    /// The descriptors of the entries, by one thread after all.
    fn entries(&self) -> Vec<Option<u32>> {
        let load = |entry: &AtomicPtr<_>| NonNull::new(entry.load(Ordering::Acquire)).map(read);
        self.table.iter().map(load).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for entry in &mut self.table {
            let entry = entry.with_mut(|entry| *entry);
            if !entry.is_null() {
                // SAFETY: kept by the thread that has put it there.
                drop(unsafe { Box::from_raw(entry) });
            }
        }
    }
}

/// Lets a thread ask for each of these, in every order of their steps, and shows the world
/// and the answers to `judge`. Returns how many orders there are.
fn every_order(
    entries: usize,
    left: usize,
    wanted: &'static [u32],
    ask: fn(&World, u32) -> Option<usize>,
    judge: fn(&World, &[Option<usize>]),
) -> usize {
    let orders = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = orders.clone();
    let mut builder = Builder::new();
    if wanted.len() > 2 {
        builder.preemption_bound = Some(3); // all orders would take too long
    }
    builder.check(move || {
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let world = World::new(entries, left);
        let threads: Vec<_> = wanted[1..]
            .iter()
            .map(|&one| {
                let world = world.clone();
                thread::spawn(move || ask(&world, one))
            })
            .collect();
        let mut answers = vec![ask(&world, wanted[0])];
        answers.extend(threads.into_iter().map(|thread| thread.join().unwrap()));
        // A thread that has an answer finds it in the table.
        let table = world.entries();
        for (answer, &one) in answers.iter().zip(wanted) {
            assert!(answer.is_none_or(|index| table[index] == Some(one)));
        }
        // What is in the table was taken from the pool, and nothing else.
        let filled: Vec<_> = table.iter().flatten().collect();
        assert_eq!(world.left() + filled.len(), left);
        let mut distinct = filled.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), filled.len(), "each descriptor is there once");
        judge(&world, &answers);
    });
    let orders = orders.load(std::sync::atomic::Ordering::Relaxed);
    println!("{wanted:?} from {left}, {entries} entries: {orders} orders");
    orders
}

fn real(world: &World, descriptor: u32) -> Option<usize> {
    ask(world, descriptor).ok()
}

#[test]
fn one_descriptor_has_one_index() {
    let orders = every_order(2, 2, &[7, 7], real, |world, answers| {
        assert_eq!(answers, [Some(0); 2]);
        assert_eq!(world.left(), 1);
    });
    assert!(orders > 10);
}

#[test]
fn colliding_descriptors_have_two() {
    every_order(2, 2, &[7, 8], real, |world, answers| {
        assert!(matches!(answers, [Some(0), Some(1)] | [Some(1), Some(0)]));
        assert_eq!(world.left(), 0);
    });
}

#[test]
fn three_threads_collide() {
    every_order(3, 3, &[7, 8, 7], real, |world, answers| {
        assert!(answers.iter().all(Option::is_some));
        assert_eq!(answers[0], answers[2]);
        assert_eq!(world.left(), 1);
    });
}

/// One of two threads is refused. One that is refused for another's last thunk may ask again.
#[test]
fn the_last_thunk_goes_to_one() {
    every_order(2, 1, &[7, 8], real, |world, answers| {
        assert_eq!(answers.iter().flatten().count(), 1);
        assert_eq!(world.left(), 0);
    });
    every_order(2, 1, &[7, 7], real, |world, answers| {
        assert!(answers.iter().flatten().count() > 0);
        assert_eq!([7, 7].map(|one| real(world, one)), [Some(0); 2]);
    });
}

#[test]
fn a_full_table_refuses_at_once() {
    every_order(1, 2, &[7, 8], real, |world, answers| {
        assert_eq!(answers.iter().flatten().count(), 1);
        assert_eq!(world.left(), 1);
        let allocated = world.allocated.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(real(world, 9), None);
        assert_eq!(world.allocated.load(std::sync::atomic::Ordering::Relaxed), allocated);
    });
}

#[test]
fn who_has_nothing_left_allocates_nothing() {
    every_order(1, 0, &[7, 8], real, |world, answers| {
        assert_eq!(answers, [None; 2]);
        assert_eq!(world.allocated.load(std::sync::atomic::Ordering::Relaxed), 0);
    });
}

/// Makes an entry and passes its index on; the other thread reads the entry as a thunk
/// does, without any order.
fn hand_over(store: Ordering, load: Ordering) {
    loom::model(move || {
        let world = World::new(1, 1);
        let index = Arc::new(AtomicUsize::new(usize::MAX));
        let other = {
            let (world, index) = (world.clone(), index.clone());
            thread::spawn(move || {
                index.store(real(&world, 7).unwrap(), store);
            })
        };
        let index = index.load(load);
        if index != usize::MAX {
            let entry = NonNull::new(world.table[index].load(Ordering::Relaxed));
            assert_eq!(entry.map(read), Some(7), "the thunk finds its entry");
        }
        other.join().unwrap();
    });
}

#[test]
fn a_pointer_may_be_handed_over_by_release_and_acquire() {
    hand_over(Ordering::Release, Ordering::Acquire);
}

#[test]
#[should_panic(expected = "the thunk finds its entry")]
fn a_relaxed_store_does_not_hand_it_over() {
    hand_over(Ordering::Relaxed, Ordering::Relaxed);
}

/// A table that publishes its entries without order is noticed.
#[test]
#[should_panic(expected = "Causality violation")]
fn carelessness_is_noticed() {
    every_order(2, 2, &[7, 7], |world, one| ask_carelessly(world, one).ok(), |_, _| ());
}
