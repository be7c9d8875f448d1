//! How threads fill the table of function pointers: by one compare-exchange, without a
//! lock.
//!
//! The table is empty at first and is filled as a hash table: the search for a descriptor
//! begins where its hash says and goes from entry to entry, up to the same descriptor or to
//! an empty entry, which is where it belongs. An entry never changes again. So a thread that
//! finds its entry filled by another looks at that descriptor and goes on: a search visits
//! each entry once, whatever other threads do, and a thread that stops anywhere, or is lost
//! in a fork, stops no other.
//!
//! `tests/interleavings` compiles this file once more, with atomics that try every order
//! of the threads' steps.

use core::ptr::{NonNull, null_mut};

use super::atomics::{AtomicPtr, AtomicUsize, Ordering};

/// What may become an entry of the table. Dropped, it is freed.
pub(crate) trait Draft<T> {
    /// The entry that it may become: never null.
    fn entry(&self) -> *mut T;

    /// It has become one, and is never freed.
    fn keep(self);
}

/// There is no entry for the descriptor: the table is full, or the pool used up.
#[derive(Debug, PartialEq)]
pub(crate) struct Refused;

/// Takes so many thunks of those that a pool has left, or says how many there are.
pub(crate) fn take(left: &AtomicUsize, wanted: usize) -> Result<(), usize> {
    let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
    left.fetch_update(set, fetch, |left| left.checked_sub(wanted)).map(|_| ())
}

/// Gives back so many thunks.
pub(crate) fn give_back(left: &AtomicUsize, unused: usize) {
    left.fetch_add(unused, Ordering::Relaxed);
}

/// The index of the entry that is the wanted one. If there is none, `draft` makes it, and
/// it is taken from what the pool has `left`.
pub(crate) fn find_or_put<T, D: Draft<T>>(
    table: &[AtomicPtr<T>],
    start: usize,
    left: &AtomicUsize,
    is_wanted: impl Fn(NonNull<T>) -> bool,
    draft: impl Fn() -> D,
) -> Result<usize, Refused> {
    let mut made = None;
    for step in 0..table.len() {
        let index = start.wrapping_add(step) % table.len();
        let mut entry = NonNull::new(table[index].load(Ordering::Acquire));
        if entry.is_none() {
            match put(&table[index], left, &mut made, &draft) {
                Ok(()) => return Ok(index),
                Err(there) => entry = there,
            }
        }
        match entry {
            None => return Err(Refused),
            Some(entry) if is_wanted(entry) => return Ok(index),
            Some(_) => {}
        }
    }
    Err(Refused)
}

/// Puts the draft into an empty entry. Fails with what is there now: another
/// descriptor, or nothing if the pool is used up.
fn put<T, D: Draft<T>>(
    entry: &AtomicPtr<T>,
    left: &AtomicUsize,
    made: &mut Option<D>,
    draft: impl Fn() -> D,
) -> Result<(), Option<NonNull<T>>> {
    // Where nothing is left, nothing is allocated. No thunk is held while the draft is
    // allocated, as an allocator may fail, or do anything.
    if left.load(Ordering::Relaxed) > 0 {
        let draft = made.take().unwrap_or_else(draft);
        if take(left, 1).is_ok() {
            match entry.compare_exchange(
                null_mut(),
                draft.entry(),
                Ordering::Release,
                Ordering::Acquire,
            ) {
                Ok(_) => {
                    draft.keep();
                    return Ok(());
                }
                Err(there) => {
                    give_back(left, 1);
                    *made = Some(draft);
                    return Err(NonNull::new(there));
                }
            }
        }
        *made = Some(draft);
    }
    // Another thread may have put the same descriptor here, with the last thunk.
    Err(NonNull::new(entry.load(Ordering::Acquire)))
}
