//! Assembles the port of the target, where there is one.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // `cc` prints `rerun-if-env-changed`, which turns off Cargo's own watching
    // of the package's files.
    println!("cargo::rerun-if-changed=asm");
    println!("cargo::rerun-if-env-changed=DOCS_RS");
    println!("cargo::rustc-check-cfg=cfg(vmtrampoline_port)");

    let cfg = |name: &str| env::var(format!("CARGO_CFG_{name}")).ok();
    let Some(file) = port(cfg) else { return };
    if file == WINDOWS {
        println!("cargo::rustc-cfg=vmtrampoline_windows");
    }
    // Miri runs no assembly and docs.rs needs none; both must compile.
    if cfg("MIRI").is_some() || env::var_os("DOCS_RS").is_some() {
        return;
    }
    println!("cargo::rustc-cfg=vmtrampoline_port");

    // Symbols carry the version, so that two versions fit in one program.
    let prefix = env::var("CARGO_MANIFEST_LINKS").expect("Cargo.toml has `links`") + "_";
    let mut build = cc::Build::new();
    build.file(file).define("SYMBOL_PREFIX", prefix.as_str());
    build.compile("vmtrampoline");
}

const WINDOWS: &str = "asm/x86_64_windows.S";

/// The port of a target, by what Cargo says of it as `CARGO_CFG_…`.
pub(crate) fn port(cfg: impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    let is = |name: &str, value: &str| cfg(name).is_some_and(|is| is == value);
    // Microsoft's assembler has another language. The tests may pretend that another
    // system is Windows.
    let gnu = is("TARGET_OS", "windows") && is("TARGET_ENV", "gnu");
    let windows = gnu || cfg("VMTRAMPOLINE_WINDOWS").is_some();
    // On any other system than these the convention may be another: Windows', or one
    // that passes floats as integers. `Abi::host` asks the same.
    let wide = is("TARGET_POINTER_WIDTH", "64");
    let unix = cfg("UNIX").is_some() && wide && !is("TARGET_OS", "cygwin");
    match cfg("TARGET_ARCH")?.as_str() {
        "x86_64" if windows => Some(WINDOWS),
        "x86_64" if unix => Some("asm/x86_64_sysv.S"),
        "aarch64" if unix && is("TARGET_ENDIAN", "little") => Some("asm/aarch64.S"),
        // That it is LP64D, stable Rust does not say; NuttX may be LP64.
        "riscv64" if unix && !is("TARGET_OS", "nuttx") => Some("asm/riscv64.S"),
        "s390x" if unix => Some("asm/s390x.S"),
        _ => None,
    }
}
