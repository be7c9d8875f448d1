//! A C program that uses the installed library: compiled as its users would, run,
//! run under valgrind.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

/// A new directory of this name.
fn directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if path.exists() {
        fs::remove_dir_all(&path).unwrap();
    }
    fs::create_dir_all(&path).unwrap();
    path
}

/// Runs it; it has to succeed.
fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{text}", output.status);
    output
}

fn stdout(command: &mut Command) -> String {
    String::from_utf8(run(command).stdout).unwrap()
}

/// Where `capi/install` has installed the library, once for all tests.
fn prefix() -> &'static Path {
    static PREFIX: OnceLock<PathBuf> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let (here, prefix) = (Path::new(env!("CARGO_MANIFEST_DIR")), directory("prefix"));
        run(Command::new(here.join("install")).arg(&prefix));
        prefix
    })
}

/// What pkg-config says.
fn flags(what: &[&str]) -> Vec<String> {
    let mut command = Command::new("pkg-config");
    command.env("PKG_CONFIG_PATH", prefix().join("lib/pkgconfig"));
    command.args(what).arg("vmtrampoline");
    stdout(&mut command).split_whitespace().map(str::to_owned).collect()
}

/// The program, linked with the shared or the static library.
fn compile(name: &str, shared: bool) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/program.c");
    let (program, lib) = (directory(name).join("program"), prefix().join("lib"));
    let mut command = Command::new("cc");
    command.args(["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-g", "-O1"]);
    command.args(flags(&["--cflags"])).arg(source);
    if shared {
        command.args(flags(&["--libs"])).arg(format!("-Wl,-rpath,{}", lib.display())).arg("-lm");
    } else {
        // What the static library itself needs follows it.
        let private = flags(&["--libs"]).len();
        let flags = flags(&["--static", "--libs"]);
        command.arg(lib.join("libvmtrampoline.a")).args(&flags[private..]);
    }
    run(command.arg("-o").arg(&program));
    program
}

const EXPECTED: &str = r#"pow: 1, 1024
mixed: 9 slots, 1, 1044321
qsort: 1, 1 2 3
divide: 1, contexts 1 2, -3, -2, -3.4
divide: 0: 2 value slots given, 3 needed
divide: 1, contexts 1 2, -3, -2, -3.4
divide: 0: 2 value slots given, 3 needed
longjmp: 7
parse: 0, 0: signature, at byte 6: "f16" is not a value type (i32, i64, f32, f64, v128, funcref, externref, or ptr for i64)
parse: 0, 0: signature, at byte 4: expected "," or ")", found the end
parse: 0, 0: signature, at byte 0: expected "(", found 'i'
parse: 0, 0: signature, at byte 13: expected the end, found 'i'
parse: 0, 0: signature: invalid utf-8 sequence of 1 bytes from index 0
parse: 0, 0: no text of a signature
new: 0: parameter 1 is a v128, which does not fit a value slot of 8 bytes
new: 0: a value slot has 8 or 16 bytes, not 12
new: 0: a function of the x86_64-sysv-c convention has at most 1 result, not 2
call: 0: 1 value slots given, 2 needed
"#;

/// What the program prints on this machine.
fn expected() -> String {
    let convention = trampoline::Abi::HOST_C.expect("a port has conventions").name();
    EXPECTED.replace("x86_64-sysv-c", convention)
}

#[test]
fn shared_library() {
    let program = compile("shared", true);
    assert_eq!(stdout(&mut Command::new(program)), expected());
}

#[test]
fn static_library() {
    let program = compile("static", false);
    assert_eq!(stdout(&mut Command::new(&program)), expected());
    let needs = stdout(Command::new("readelf").arg("-d").arg(&program));
    assert!(!needs.contains("libvmtrampoline"), "{needs}");
}

/// No byte read that nobody wrote, none beyond its block, no block left behind.
#[test]
#[ignore = "needs valgrind"]
fn under_valgrind() {
    let valgrind = |program: &Path, arguments: &[&str]| {
        let mut command = Command::new("valgrind");
        command.args(["--quiet", "--error-exitcode=9", "--leak-check=full"]);
        command.arg("--show-leak-kinds=all").arg("--errors-for-leak-kinds=all");
        command.arg(program).args(arguments);
        command
    };
    for shared in [true, false] {
        let program = compile("valgrind", shared);
        assert_eq!(stdout(&mut valgrind(&program, &[])), expected());
        // It can say no: to a block that is never freed, to one that is too short.
        for wrong in ["leak", "short"] {
            let output = valgrind(&program, &[wrong]).output().unwrap();
            assert_eq!(output.status.code(), Some(9), "{wrong}");
        }
    }
}

/// The header is one of C++, too.
#[test]
fn header_in_cpp() {
    let mut command = Command::new("c++");
    command.args(["-std=c++11", "-pedantic", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]);
    run(command.arg("-x").arg("c++").arg(prefix().join("include/vmtrampoline.h")));
}

/// Only functions of the header are exported.
#[test]
fn exports() {
    let library = prefix().join("lib/libvmtrampoline.so");
    let symbols = stdout(Command::new("nm").args(["-D", "--defined-only"]).arg(library));
    let header = include_str!("../vmtrampoline.h");
    let mut exported = 0;
    for line in symbols.lines() {
        let name = line.split_whitespace().last().unwrap();
        assert!(header.contains(&format!("{name}(")), "{line}");
        exported += 1;
    }
    assert_eq!(exported, 11);
}
