//! Assembles the port of the target, where there is one.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // `cc` prints `rerun-if-env-changed`, which turns off Cargo's own watching
    // of the package's files.
    println!("cargo::rerun-if-changed=asm");
    println!("cargo::rerun-if-env-changed=DOCS_RS");
    println!("cargo::rustc-check-cfg=cfg(vmtrampoline_port)");

    let var = |name: &str| env::var(name).unwrap_or_default();
    let wide = var("CARGO_CFG_TARGET_POINTER_WIDTH") == "64";
    let little = var("CARGO_CFG_TARGET_ENDIAN") == "little";
    let gnu = var("CARGO_CFG_TARGET_ENV") == "gnu";
    let features = var("CARGO_CFG_TARGET_FEATURE");
    let (arch, os) = (var("CARGO_CFG_TARGET_ARCH"), var("CARGO_CFG_TARGET_OS"));
    // Microsoft's assembler has another language. The tests may pretend that another
    // system is Windows.
    let windows =
        wide && os == "windows" && gnu || env::var_os("CARGO_CFG_VMTRAMPOLINE_WINDOWS").is_some();
    if windows {
        println!("cargo::rustc-cfg=vmtrampoline_windows");
    }
    let file = match (arch.as_str(), os.as_str()) {
        ("x86_64", _) if windows => "asm/x86_64_windows.S",
        (_, "windows") => return,
        ("x86_64", _) if wide => "asm/x86_64_sysv.S",
        ("aarch64", _) if wide && little => "asm/aarch64.S",
        ("riscv64", _) if features.split(',').any(|feature| feature == "d") => "asm/riscv64.S",
        ("s390x", _) => "asm/s390x.S",
        _ => return,
    };
    // Miri runs no assembly and docs.rs needs none; both must compile.
    if env::var_os("CARGO_CFG_MIRI").is_some() || env::var_os("DOCS_RS").is_some() {
        return;
    }
    println!("cargo::rustc-cfg=vmtrampoline_port");

    // Symbols carry the version, so that two versions fit in one program.
    let version = |part| var(&format!("CARGO_PKG_VERSION_{part}"));
    let prefix =
        format!("vmtrampoline_{}_{}_{}_", version("MAJOR"), version("MINOR"), version("PATCH"));
    let mut build = cc::Build::new();
    build.file(file).define("SYMBOL_PREFIX", prefix.as_str());
    build.compile("vmtrampoline");
}
