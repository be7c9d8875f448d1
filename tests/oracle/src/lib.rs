//! vmtrampoline, judged by others.

use std::time::{SystemTime, UNIX_EPOCH};

pub mod array;
#[path = "../../common/c.rs"]
pub mod c;
pub mod candidate;
pub mod compilers;
pub mod cranelift;
pub mod differential;
pub mod guest;
pub mod imports;
pub mod pointers;
#[path = "../../common/random.rs"]
pub mod random;
pub mod random_call;
pub mod registers;
pub mod report;
pub mod rust;
#[path = "../../common/scalars.rs"]
pub mod scalars;
pub mod spec;
pub mod store_door;
pub mod traps;

/// A seed that differs from run to run.
pub fn fresh_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    random::Random::new(now.as_nanos() as u64).word() >> 16
}
