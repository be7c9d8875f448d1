//! vmtrampoline, judged by others.

pub mod cranelift;
pub mod guest;
pub mod random;
