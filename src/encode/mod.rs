//! Layouts as the bytes that assembly reads.
//!
//! For calls of native code there is the [`descriptor`], which [`writer`] writes: a [`header`],
//! lists, and a [`plan`] of what Rust does. For calls of the host there is the [`scatter`].
//! [`constants`] reads `asm/descriptor.h`.

pub(crate) mod constants;
pub(crate) mod descriptor;
pub(crate) mod header;
pub(crate) mod lists;
pub(crate) mod plan;
pub(crate) mod scatter;
pub(crate) mod writer;
