//! vmtrampoline, judged by others.

pub mod array;
pub mod case;
pub mod compilers;
pub mod cranelift;
pub mod differential;
pub mod gate;
pub mod guest;
pub mod imports;
pub mod pointers;
pub mod random;
pub mod registers;
pub mod report;
pub mod source;
pub mod spec;
pub mod subject;
pub mod traps;
pub mod wasm;
