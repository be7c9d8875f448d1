//! What the integration tests share.
//!
//! - [`recorder`]: a callee that writes down what it is given, and a caller that
//!   checks what a function leaves behind. One file per architecture; a port
//!   joins the tests by adding its own.
//! - [`case`]: a signature with values, run through a trampoline in every shape
//!   and by every route, and judged by its [`Layout`](vmtrampoline::Layout).
//! - [`golden`]: layouts by hand.
//! - [`strategies`]: what proptest draws signatures from.

#![allow(dead_code, reason = "no test uses all of this")]

#[cfg(vmtrampoline_port)]
pub mod case;
pub mod golden;
#[cfg(vmtrampoline_port)]
pub mod recorder;
pub mod strategies;
