//! A panic that crosses something, with a destructor on either side. The destructors are
//! counted, so one test of a program at a time may throw.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::atomic::{AtomicUsize, Ordering},
};

static DROPPED: AtomicUsize = AtomicUsize::new(0);

struct Counted;

impl Drop for Counted {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

pub(crate) fn throw() -> ! {
    let _counted = Counted;
    // No hook: its message would only be noise.
    resume_unwind(Box::new("thrown"))
}

/// Catches what this throws.
pub(crate) fn thrown(name: &str, call: impl FnOnce()) {
    let before = DROPPED.load(Ordering::Relaxed);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let _counted = Counted;
        call();
    }));
    assert_eq!(*caught.expect_err(name).downcast::<&str>().unwrap(), "thrown", "{name}");
    assert_eq!(DROPPED.load(Ordering::Relaxed), before + 2, "{name}");
}
