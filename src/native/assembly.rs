//! The target's file in `asm/`, where rustc assembles it: with MSVC, `cc` has no assembler for it.

#![allow(bad_asm_style)] // it names its syntax, as other assemblers need

use core::arch::global_asm;

// As the build script has preprocessed it.
global_asm!(include_str!(concat!(env!("OUT_DIR"), "/port.s")), options(raw));
