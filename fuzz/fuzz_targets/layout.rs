//! Any signature: its layout, descriptors and scatters under every convention.

#![no_main]

libfuzzer_sys::fuzz_target!(|types: fuzz::Types| fuzz::layout(types));
