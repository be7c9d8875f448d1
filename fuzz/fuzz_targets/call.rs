//! Any call: by everything that can make it, to the recorder and to the host.

#![no_main]

libfuzzer_sys::fuzz_target!(|call: fuzz::Call| fuzz::call(call));
