//! Any signature of C: its layout, carried out on paper, under every convention.

#![no_main]

libfuzzer_sys::fuzz_target!(|types: fuzz::CTypes| fuzz::c_layout(types));
