//! Says of the tests' modules what Cargo and the crate's own build script say of them
//! there: that there is a port, and where C that a test compiles may lie.

use std::env;

fn main() {
    println!("cargo::rustc-cfg=vmtrampoline_port");
    println!("cargo::rustc-env=CARGO_TARGET_TMPDIR={}", env::var("OUT_DIR").unwrap());
}
