//! How threads take thunks of callbacks and give them back: by one compare-exchange and one
//! store, without a lock.
//!
//! A thunk is taken as long as its entry of the table is not null. Thunks and entries come in
//! blocks, which form a ring. The search for an empty entry begins behind the one that was
//! taken last, so a thunk that is given back waits for all others before it is taken again:
//! until then a late call of it faults. Wherever a thread stops, or is lost in a fork, it
//! stops no other.
//!
//! `tests/interleavings` compiles this file once more, with atomics that try every order
//! of the threads' steps.

use core::{
    iter::successors,
    ptr::{from_ref, null_mut},
};

use super::atomics::{AtomicPtr, AtomicUsize, Ordering};

/// Entries that a search may visit without being long.
const FEW: usize = 4;

/// Thunks, and their entries by the same index.
pub(crate) struct Block<'a, T, Code> {
    pub(crate) entries: &'a [AtomicPtr<T>],
    pub(crate) thunks: &'a [Code],
    /// Null, or the next block, which is never freed.
    pub(crate) next: AtomicPtr<Block<'a, T, Code>>,
}

impl<'a, T, Code> Block<'a, T, Code> {
    fn next(&self) -> Option<&Self> {
        // SAFETY: `Blocks::add` has put it there, whole, for as long as there are blocks.
        unsafe { self.next.load(Ordering::Acquire).as_ref() }
    }
}

/// The ring.
pub(crate) struct Blocks<'a, T, Code> {
    pub(crate) first: Block<'a, T, Code>,
    /// Where the search begins: a block, or null for the first, and an index.
    pub(crate) block: AtomicPtr<Block<'a, T, Code>>,
    pub(crate) index: AtomicUsize,
    /// How many thunks there are; another thread may be adding some.
    pub(crate) thunks: AtomicUsize,
    /// How many more entries the searches have visited than a few each. Threads may forget
    /// what others have counted.
    pub(crate) excess: AtomicUsize,
}

impl<'a, T, Code> Blocks<'a, T, Code> {
    /// Sets an empty entry, and returns it with its thunk. Fails if it finds none: it may miss
    /// one that another thread empties or adds meanwhile.
    pub(crate) fn take(&self, content: *mut T) -> Option<(&'a AtomicPtr<T>, &'a Code)> {
        // SAFETY: as `Block::next`.
        let start = unsafe { self.block.load(Ordering::Acquire).as_ref() }.unwrap_or(&self.first);
        let begin = self.index.load(Ordering::Relaxed);
        // Most searches find one at once.
        if let Some(entry) = start.entries.get(begin).filter(|entry| put(entry, content)) {
            return Some(self.found(start, begin, entry, 1));
        }
        // The rest of a block, all others in turn, and that block again.
        let behind = successors(start.next(), |block| block.next());
        let before = successors(Some(&self.first), |block| block.next());
        let ring = behind.chain(before).map(|block| (block, 0));
        let mut visited = 1;
        for (block, begin) in [(start, begin)].into_iter().chain(ring) {
            for (index, entry) in block.entries.iter().enumerate().skip(begin) {
                visited += 1;
                if put(entry, content) {
                    return Some(self.found(block, index, entry, visited));
                }
            }
        }
        None
    }

    /// The entry that a search has found, after it has visited so many.
    fn found(
        &self,
        block: &Block<'a, T, Code>,
        index: usize,
        entry: &'a AtomicPtr<T>,
        visited: usize,
    ) -> (&'a AtomicPtr<T>, &'a Code) {
        self.go_on(block, index + 1);
        let excess = self.excess.load(Ordering::Relaxed) + visited;
        self.excess.store(excess.saturating_sub(FEW), Ordering::Relaxed);
        (entry, &block.thunks[index])
    }

    /// Empties an entry that was taken.
    pub(crate) fn give_back(&self, entry: &AtomicPtr<T>) {
        entry.store(null_mut(), Ordering::Release);
    }

    /// Whether searches take long: they visit more than a few entries, on average over more
    /// than a round. That is so if more than three of four thunks stay taken.
    pub(crate) fn crowded(&self) -> bool {
        self.excess.load(Ordering::Relaxed) > self.thunks.load(Ordering::Relaxed)
    }

    /// Makes the ring longer.
    pub(crate) fn add(&self, block: &'a Block<'a, T, Code>) {
        let (set, fetch) = (Ordering::Release, Ordering::Acquire);
        let pointer = from_ref(block).cast_mut();
        let mut last = &self.first;
        while last.next.compare_exchange(null_mut(), pointer, set, fetch).is_err() {
            last = last.next().expect("another thread has added one");
        }
        self.thunks.fetch_add(block.entries.len(), Ordering::Relaxed);
        self.excess.store(0, Ordering::Relaxed);
        self.go_on(block, 0);
    }

    fn go_on(&self, block: &Block<'a, T, Code>, index: usize) {
        // Two steps: what another thread finds between them is a place, too.
        self.block.store(from_ref(block).cast_mut(), Ordering::Release);
        self.index.store(index, Ordering::Relaxed);
    }
}

/// Sets an entry, if it is empty. The thread that emptied it no longer uses it.
fn put<T>(entry: &AtomicPtr<T>, content: *mut T) -> bool {
    entry.load(Ordering::Relaxed).is_null()
        && entry.compare_exchange(null_mut(), content, Ordering::Acquire, Ordering::Relaxed).is_ok()
}
