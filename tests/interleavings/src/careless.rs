//! Table and blocks, but for this: entries are published, and given back, without order.

#[path = "../../../src/native/blocks.rs"]
mod blocks;
#[path = "../../../src/native/table.rs"]
mod table;

pub(crate) use blocks::{Block, Blocks};
pub(crate) use table::{Draft, Refused, find_or_put};

mod atomics {
    use loom::sync::atomic::Ordering as Loom;
    pub(super) use loom::sync::atomic::{AtomicPtr, AtomicUsize};

    pub(super) struct Ordering;

    #[allow(non_upper_case_globals)]
    impl Ordering {
        pub(super) const Acquire: Loom = Loom::Acquire;
        pub(super) const Relaxed: Loom = Loom::Relaxed;
        pub(super) const Release: Loom = Loom::Relaxed;
    }
}
