//! Which targets have a port, by what a stable compiler says of them. One whose C
//! convention is not that of the port must have none.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::{collections::HashMap, env, process::Command};

#[allow(dead_code)]
#[path = "../build.rs"]
mod build;

/// What Cargo tells the build script of this target; `None` if the compiler does not
/// know it.
fn described(target: &str) -> Option<HashMap<String, String>> {
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or("rustc".into()));
    rustc.args(["--print", "cfg", "--target", target]).env_remove("RUSTC_BOOTSTRAP");
    let output = rustc.output().unwrap();
    let mut cfg = HashMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        // No name with several values is asked for.
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        cfg.insert(name.to_uppercase(), value.trim_matches('"').to_owned());
    }
    output.status.success().then_some(cfg)
}

/// Asserts that these targets, as far as they are known, have this port.
fn have(port: Option<&str>, targets: &[&str]) {
    let known = targets.iter().filter_map(|target| Some((target, described(target)?)));
    let wrong =
        known.filter(|(target, cfg)| build::port(target, |name| cfg.get(name).cloned()) != port);
    assert_eq!(wrong.map(|(target, _)| target).collect::<Vec<_>>(), [&""; 0], "not {port:?}");
}

#[test]
fn ports_are_built_on_stable_rust() {
    have(
        Some("asm/x86_64_sysv.S"),
        &[
            "x86_64-unknown-linux-gnu",
            "x86_64-unknown-linux-musl",
            "x86_64-apple-darwin",
            "x86_64-linux-android",
            "x86_64-unknown-freebsd",
        ],
    );
    have(
        Some("asm/aarch64.S"),
        &[
            "aarch64-unknown-linux-gnu",
            "aarch64-apple-darwin",
            "aarch64-apple-ios",
            "aarch64-pc-windows-msvc",
            "aarch64-pc-windows-gnullvm",
        ],
    );
    have(Some("asm/riscv64.S"), &["riscv64gc-unknown-linux-gnu", "riscv64gc-unknown-linux-musl"]);
    have(Some("asm/s390x.S"), &["s390x-unknown-linux-gnu"]);
    have(
        Some("asm/x86_64_windows.S"),
        &["x86_64-pc-windows-msvc", "x86_64-pc-windows-gnu", "x86_64-pc-windows-gnullvm"],
    );
    assert!(described("x86_64-unknown-linux-gnu").is_some());
}

#[test]
fn other_conventions_have_no_port() {
    have(
        None,
        &[
            // Windows' convention.
            "arm64ec-pc-windows-msvc",
            "x86_64-pc-cygwin",
            "x86_64-unknown-uefi",
            "aarch64-unknown-uefi",
            // Floats in integer registers.
            "x86_64-unknown-none",
            "aarch64-unknown-none-softfloat",
            "riscv64imac-unknown-none-elf",
            "riscv64imac-unknown-nuttx-elf",
            "s390x-unknown-none-softfloat",
            // Signed function pointers.
            "arm64e-apple-darwin",
            "arm64e-apple-ios",
            // Pointers of four bytes, the other byte order, another architecture.
            "x86_64-unknown-linux-gnux32",
            "aarch64_be-unknown-linux-gnu",
            "i686-unknown-linux-gnu",
            "wasm32-unknown-unknown",
            "loongarch64-unknown-linux-gnu",
        ],
    );
}

#[test]
fn sanitizers_that_type_calls_are_refused() {
    let refused = |sanitizers: Option<&str>| {
        build::typed_calls(|name| {
            assert_eq!(name, "SANITIZE");
            sanitizers.map(str::to_owned)
        })
    };
    assert_eq!(refused(None), None);
    assert_eq!(refused(Some("address,leak")), None);
    assert_eq!(refused(Some("kcfi")), Some("kcfi"));
    assert_eq!(refused(Some("address,cfi")), Some("cfi"));
}
