//! Assembles the port of the target, where there is one.

use std::{env, fs, path::Path};

use preprocessor::preprocessed;

#[path = "asm/preprocessor.rs"]
mod preprocessor;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // `cc` prints `rerun-if-env-changed`, which turns off Cargo's own watching
    // of the package's files.
    println!("cargo::rerun-if-changed=asm");
    println!("cargo::rerun-if-env-changed=DOCS_RS");
    println!(
        "cargo::rustc-check-cfg=cfg(vmtrampoline_port, vmtrampoline_mmap, vmtrampoline_rustc_assembles)"
    );

    let cfg = |name: &str| env::var(format!("CARGO_CFG_{name}")).ok();
    let target = env::var("TARGET").expect("Cargo tells the target");
    let Some(file) = port(&target, cfg) else { return };
    if file == WINDOWS {
        println!("cargo::rustc-cfg=vmtrampoline_windows");
    }
    // Miri runs no assembly and docs.rs needs none; both must compile.
    if cfg("MIRI").is_some() || env::var_os("DOCS_RS").is_some() {
        return;
    }
    if let Some(sanitizer) = typed_calls(cfg) {
        println!(
            "cargo::error=-Zsanitizer={sanitizer} cannot be used with this crate: its functions are \
             assembly, and those that it calls have types known only at run time"
        );
        return;
    }
    println!("cargo::rustc-cfg=vmtrampoline_port");
    // For tests, which have a folder for each port.
    let name = file.trim_start_matches("asm/").trim_end_matches(".S");
    println!("cargo::rustc-env=VMTRAMPOLINE_PORT={name}");
    if cfg("TARGET_OS").is_some_and(|os| maps(&os)) && file != WINDOWS {
        println!("cargo::rustc-cfg=vmtrampoline_mmap");
    }

    // Symbols carry the version, so that two versions fit in one program.
    let prefix = env::var("CARGO_MANIFEST_LINKS").expect("Cargo.toml has `links`") + "_";
    if cfg("TARGET_ENV").as_deref() == Some("msvc") {
        // Microsoft's assembler has another language. `src/native/assembly.rs` includes the text.
        println!("cargo::rustc-cfg=vmtrampoline_rustc_assembles");
        let arch = if file == WINDOWS { "__x86_64__" } else { "__aarch64__" };
        let defined = [("SYMBOL_PREFIX", prefix.as_str()), ("_WIN32", "1"), (arch, "1")];
        let output = env::var_os("OUT_DIR").expect("Cargo says where output goes");
        let written = fs::write(Path::new(&output).join("port.s"), preprocessed(file, &defined));
        written.expect("the folder is the build script's");
        return;
    }
    let mut build = cc::Build::new();
    build.file(file).define("SYMBOL_PREFIX", prefix.as_str());
    // CFLAGS may ask for a language without line comments; this comes after them.
    build.asm_flag("-std=gnu11");
    build.compile("vmtrampoline");
}

const WINDOWS: &str = "asm/x86_64_windows.S";

/// Whether `src/native/mapping.rs` can map code again on this system, and may.
fn maps(os: &str) -> bool {
    const SYSTEMS: [&str; 7] = ["linux", "android", "macos", "ios", "tvos", "watchos", "visionos"];
    env::var_os("CARGO_FEATURE_MMAP").is_some() && SYSTEMS.contains(&os)
}

/// A sanitizer that stops calls by function pointers of another type than the function's.
pub(crate) fn typed_calls(cfg: impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    let sanitizers = cfg("SANITIZE").unwrap_or_default();
    ["cfi", "kcfi"].into_iter().find(|name| sanitizers.split(',').any(|one| one == *name))
}

/// The port of a target, by its name and what Cargo says of it as `CARGO_CFG_…`.
pub(crate) fn port(target: &str, cfg: impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    // Its function pointers are signed, those of the assembly are not.
    if target.starts_with("arm64e-") {
        return None;
    }
    let is = |name: &str, value: &str| cfg(name).is_some_and(|is| is == value);
    // The tests may pretend that another system is Windows.
    let windows = is("TARGET_OS", "windows") || cfg("VMTRAMPOLINE_WINDOWS").is_some();
    // On any other system than these the convention may be another: Windows', or one
    // that passes floats as integers. `Abi::host` asks the same.
    let wide = is("TARGET_POINTER_WIDTH", "64");
    let unix = cfg("UNIX").is_some() && wide && !is("TARGET_OS", "cygwin");
    match cfg("TARGET_ARCH")?.as_str() {
        "x86_64" if windows => Some(WINDOWS),
        "x86_64" if unix => Some("asm/x86_64_sysv.S"),
        "aarch64" if (unix || windows) && is("TARGET_ENDIAN", "little") => Some("asm/aarch64.S"),
        // That it is LP64D, stable Rust does not say; NuttX may be LP64.
        "riscv64" if unix && !is("TARGET_OS", "nuttx") => Some("asm/riscv64.S"),
        "s390x" if unix => Some("asm/s390x.S"),
        _ => None,
    }
}
