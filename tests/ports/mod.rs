//! What the tests know of each port: a folder for each, named as its file in `asm/`.
//! `x86_64_sysv/` is the reference.
//!
//! | file | |
//! |---|---|
//! | `mod.rs` | facts: the names below |
//! | `recorder.rs` | the recorder, the checker and the spoiler, which `common/recorder.rs` describes |
//! | `frames.rs` | functions that move or walk the stack, which `common/frames.rs` describes |
//! | `signals.rs` | how a handler of a signal leaves a call, and functions that trap, on Linux |
//! | `hidden.rs` | the callee of `common/hidden.rs`, where the port has `hidden` |
//! | `liars.rs` | functions that each break one promise, for `liars.rs` |
//!
//! The facts:
//!
//! ```text
//! REGISTERS             argument registers, in the order of Tape::registers, by the names
//!                       that src/abi.rs has
//! RESULTS               result registers, in the order of Tape::results
//! CONTROLS              control words that a callee must find unchanged and a function must
//!                       keep, with what the checker puts there
//! KEPT                  what else a function must keep, the stack pointer last
//! FLAGS                 all condition flags clear, and all set, as the checker loads them, if
//!                       there are any
//! RETURN_ADDRESS        stack pointer at the call minus stack pointer at entry
//! value                 the value of a type in an argument register's 16 bytes
//! register              the 16 bytes of a result register that holds a value, with poison in
//!                       all bits that the convention leaves open
//! STACK_ALIGNMENT       of the stack pointer at a call
//! EXTENDS               whether integers of 32 bits come sign-extended
//! VARIABLE_STORES       whether `variable` stores a scalar that it leaves in its register, too
//! LEAVES_VECTORS        whether other bodies leave a vector in its register
//! Largest, LARGEST      the largest type that the VM convention can pass
//! REGISTERS_LEFT        how many integer registers the contexts leave to parameters
//! SHORT_CUT_LOADS       how many of them `short_cut` loads
//! POINTERS_HAVE_FRAMES  whether every call by a thunk has a frame record
//! TYPED_HAVE_RECORDS    whether pointers that rustc compiles are sure to have a frame record
//! FRAME_POINTER         its number in DWARF
//! ABOVE_FRAME_POINTER   the stack pointer before the call, minus the frame pointer of a body
//!                       with a frame
//! CALLBACK_SIGNATURES   signatures that take every path for arguments and results that only
//!                       callbacks have, where the assembly moves them and Rust has no part in it
//! ```

#[cfg_attr(all(target_arch = "x86_64", not(vmtrampoline_windows)), path = "x86_64_sysv/mod.rs")]
#[cfg_attr(vmtrampoline_windows, path = "x86_64_windows/mod.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64/mod.rs")]
#[cfg_attr(target_arch = "riscv64", path = "riscv64/mod.rs")]
#[cfg_attr(target_arch = "s390x", path = "s390x/mod.rs")]
mod this;

pub(crate) use this::*;
