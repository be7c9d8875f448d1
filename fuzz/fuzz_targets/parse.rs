//! Any text: a signature that prints what parses back to it, or an error that says
//! where.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| fuzz::parse(text));
