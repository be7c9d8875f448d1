//! A panic that crosses something, with a destructor on either side. The destructors are
//! counted, by each thread.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

thread_local! {
    static DROPPED: Cell<usize> = const { Cell::new(0) };
}

struct Counted;

impl Drop for Counted {
    fn drop(&mut self) {
        DROPPED.set(DROPPED.get() + 1);
    }
}

pub(crate) fn throw() -> ! {
    let _counted = Counted;
    // No hook: its message would only be noise.
    resume_unwind(Box::new("thrown"))
}

/// Catches what this throws.
pub(crate) fn thrown(name: &str, call: impl FnOnce()) {
    let before = DROPPED.get();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let _counted = Counted;
        call();
    }));
    assert_eq!(*caught.expect_err(name).downcast::<&str>().unwrap(), "thrown", "{name}");
    assert_eq!(DROPPED.get(), before + 2, "{name}");
}
