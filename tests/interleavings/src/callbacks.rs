//! Threads that take thunks of callbacks and give them back.

use std::{collections::HashSet, ptr::null_mut};

use loom::{
    cell::UnsafeCell,
    model::Builder,
    sync::{
        Arc,
        atomic::{AtomicPtr, AtomicUsize},
    },
    thread,
};

use crate::{careless, real};

/// What a callback writes while it has a thunk, and reads in the end: loom notices when two
/// have one at the same time, or one after the other without order.
type Memory = UnsafeCell<usize>;

macro_rules! world {
    ($blocks:ident, $world:ident) => {
        /// Blocks for ever, with so many thunks each, of which only the first is in the ring.
        struct $world {
            ring: $blocks::Blocks<'static, u8, Memory>,
            more: Vec<&'static $blocks::Block<'static, u8, Memory>>,
        }

        impl $world {
            fn new(thunks: &[usize]) -> Arc<$world> {
                let block = |&count: &usize| {
                    let entries: Vec<_> =
                        (0..count).map(|_| AtomicPtr::new(null_mut::<u8>())).collect();
                    let memory: Vec<_> = (0..count).map(|_| Memory::new(0)).collect();
                    $blocks::Block {
                        entries: Vec::leak(entries),
                        thunks: Vec::leak(memory),
                        next: AtomicPtr::new(null_mut()),
                    }
                };
                let ring = $blocks::Blocks {
                    first: block(&thunks[0]),
                    block: AtomicPtr::new(null_mut()),
                    index: AtomicUsize::new(0),
                    thunks: AtomicUsize::new(thunks[0]),
                    excess: AtomicUsize::new(0),
                };
                let more = thunks[1..].iter().map(|count| &*Box::leak(Box::new(block(count))));
                Arc::new($world { ring, more: more.collect() })
            }

            /// Takes a thunk and gives it back, if there is one; says which.
            fn come_and_go(&self, content: *mut u8) -> Option<usize> {
                let (entry, memory) = self.ring.take(content)?;
                // SAFETY: the thread that has the thunk has its memory.
                memory.with_mut(|value| unsafe { *value = content.addr() });
                // SAFETY: as above.
                memory.with(|value| assert_eq!(unsafe { *value }, content.addr()));
                self.ring.give_back(entry);
                Some(std::ptr::from_ref(entry).addr())
            }

            /// Takes one for ever.
            fn come(&self, content: *mut u8) -> Option<usize> {
                let (entry, memory) = self.ring.take(content)?;
                // SAFETY: as above.
                memory.with_mut(|value| unsafe { *value = content.addr() });
                Some(std::ptr::from_ref(entry).addr())
            }
        }
    };
}
world!(real, World);
world!(careless, CarelessWorld);

/// What threads put in entries.
fn content(thread: usize) -> *mut u8 {
    std::ptr::without_provenance_mut(thread + 1)
}

fn model(f: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(2); // all orders would take too long
    builder.check(f);
}

#[test]
fn each_thunk_is_one_callbacks() {
    model(|| {
        let world = World::new(&[3]);
        let come = |thread| {
            let world = world.clone();
            thread::spawn(move || world.come(content(thread)))
        };
        let others = [1, 2].map(come);
        let mut thunks = vec![world.come(content(0))];
        thunks.extend(others.map(|thread| thread.join().unwrap()));
        // There are enough, whatever the others do.
        assert!(thunks.iter().all(Option::is_some));
        assert_eq!(thunks.iter().collect::<HashSet<_>>().len(), 3);
        assert_eq!(world.come(content(3)), None);
    });
}

#[test]
fn a_thunk_is_given_from_one_to_another() {
    model(|| {
        let world = World::new(&[1]);
        let other = {
            let world = world.clone();
            thread::spawn(move || _ = world.come_and_go(content(1)))
        };
        world.come_and_go(content(0));
        other.join().unwrap();
        assert!(world.come(content(2)).is_some());
    });
}

#[test]
fn thunks_are_taken_in_turn() {
    model(|| {
        let world = World::new(&[3]);
        let turns: Vec<_> = (0..6).map(|_| world.come_and_go(content(0)).unwrap()).collect();
        assert_eq!(turns[..3].iter().collect::<HashSet<_>>().len(), 3);
        assert_eq!(turns[..3], turns[3..]);
    });
}

/// Two threads make the ring longer and take a thunk. One may miss that of the other, as
/// `take` says, and finds it when it looks again.
#[test]
fn blocks_are_added_at_the_same_time() {
    model(|| {
        let world = World::new(&[1, 1, 1]);
        let add = |world: &World, thread: usize| {
            world.ring.add(world.more[thread]);
            world.come(content(thread))
        };
        let other = {
            let world = world.clone();
            thread::spawn(move || add(&world, 1))
        };
        let mut thunks = vec![add(&world, 0), other.join().unwrap()];
        thunks.retain(Option::is_some);
        thunks.resize_with(3, || world.come(content(2)));
        assert!(thunks.iter().all(Option::is_some), "none is lost");
        assert_eq!(thunks.iter().collect::<HashSet<_>>().len(), 3);
        assert_eq!(world.come(content(3)), None);
    });
}

/// A thunk that is given back without order is noticed.
#[test]
#[should_panic(expected = "Causality violation")]
fn carelessness_is_noticed() {
    model(|| {
        let world = CarelessWorld::new(&[1]);
        let other = {
            let world = world.clone();
            thread::spawn(move || _ = world.come_and_go(content(1)))
        };
        world.come_and_go(content(0));
        other.join().unwrap();
    });
}
