//! vmtrampoline, judged by others.

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
