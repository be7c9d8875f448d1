//! Any call of C, structures and variadic functions among them.

#![no_main]

libfuzzer_sys::fuzz_target!(|call: fuzz::CCall| fuzz::c_call(call));
