//! Names the shared library as programs will ask for it: with the part of its version
//! that changes when they have to be compiled anew.

use std::env::var;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let number = |name: &str| var(format!("CARGO_PKG_VERSION_{name}")).expect("Cargo sets it");
    let version = match number("MAJOR").as_str() {
        "0" => format!("0.{}", number("MINOR")),
        major => major.to_owned(),
    };
    let argument = match var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("windows") => return,
        Ok("macos" | "ios") => format!("-install_name,@rpath/libvmtrampoline.{version}.dylib"),
        _ => format!("-soname,libvmtrampoline.so.{version}"),
    };
    println!("cargo::rustc-cdylib-link-arg=-Wl,{argument}");
}
