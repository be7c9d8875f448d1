//! Programs in C and C++ that use the installed library: compiled as its users would, run,
//! run under valgrind.

use std::{
    collections::BTreeSet,
    env, fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

/// Files of this package.
const HERE: &str = env!("CARGO_MANIFEST_DIR");

const HEADER: &str = include_str!("../vmtrampoline.h");

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
        let prefix = directory("prefix");
        run(Command::new(Path::new(HERE).join("install")).arg(&prefix));
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

#[derive(Clone, Copy, Debug)]
enum Language {
    C,
    Cpp,
}

use Language::{C, Cpp};

#[derive(Clone, Copy, Debug)]
enum Linked {
    /// With the shared library.
    Shared,
    /// With the static library, and the shared libc.
    Static,
    /// With static libraries alone.
    Whole,
}

use Linked::{Shared, Static, Whole};

/// The compiler of a language, with `tests/program.c` to compile.
fn compiler(language: Language) -> Command {
    let (name, arguments) = match language {
        C => ("cc", ["-std=c99", "-xc"]),
        Cpp => ("c++", ["-std=c++11", "-xc++"]),
    };
    let mut command = Command::new(name);
    command.args(["-pedantic", "-Wall", "-Wextra", "-Werror", "-g", "-O1", "-pthread"]);
    command.args(flags(&["--cflags"])).args(arguments);
    command.arg(Path::new(HERE).join("tests/program.c")).arg("-xnone");
    command
}

/// The program.
fn compile(test: &str, language: Language, linked: Linked) -> PathBuf {
    let program = directory(&format!("{test}-{language:?}-{linked:?}")).join("program");
    let lib = prefix().join("lib");
    let mut command = compiler(language);
    match linked {
        Shared => {
            command.args(flags(&["--libs"])).arg(format!("-Wl,-rpath,{}", lib.display()));
        }
        Static => {
            // What the static library itself needs follows it.
            let private = flags(&["--libs"]).len();
            let flags = flags(&["--static", "--libs"]);
            command.arg(lib.join("libvmtrampoline.a")).args(&flags[private..]);
        }
        Whole => {
            command.arg("-static").args(flags(&["--static", "--libs"]));
        }
    }
    run(command.arg("-lm").arg("-o").arg(&program));
    program
}

/// What the program prints on this machine.
fn expected(language: Language) -> String {
    let convention = trampoline::Abi::HOST_C.expect("a port has conventions").name();
    let machine = convention.strip_suffix("-c").expect("a convention of C");
    let mut text = String::new();
    for line in include_str!("program.txt").lines() {
        match (line.strip_prefix("C++: "), language) {
            (Some(_), C) => {}
            (Some(line), Cpp) => text += &format!("{line}\n"),
            (None, _) => text += &format!("{line}\n"),
        }
    }
    text.replace("the x86_64-sysv", &format!("the {machine}"))
}

/// Compares line by line.
#[track_caller]
fn same(printed: &str, expected: &str) {
    for (printed, expected) in printed.lines().zip(expected.lines()) {
        assert_eq!(printed, expected);
    }
    assert_eq!(printed.lines().count(), expected.lines().count());
}

/// The program prints what it should; and what of it the system loads.
fn runs(language: Language, linked: Linked) -> String {
    let program = compile("run", language, linked);
    same(&stdout(&mut Command::new(&program)), &expected(language));
    stdout(Command::new("readelf").arg("-d").arg(&program))
}

#[test]
fn shared_library() {
    for language in [C, Cpp] {
        let needs = runs(language, Shared);
        assert!(needs.contains("[libvmtrampoline.so.0.1]"), "{needs}");
    }
}

#[test]
fn static_library() {
    for language in [C, Cpp] {
        let needs = runs(language, Static);
        assert!(needs.contains("[libc.so") && !needs.contains("libvmtrampoline"), "{needs}");
        let needs = runs(language, Whole);
        assert!(!needs.contains("NEEDED"), "{needs}");
    }
}

/// What cannot go on says why, and aborts.
#[test]
fn aborts() {
    let program = compile("aborts", C, Shared);
    for (rule, says) in [
        ("elsewhere", "in a thread that it does not belong to"),
        ("dead", "no call is running that could be left by this landing"),
        ("none", "no call is running that could be left by this landing"),
    ] {
        let output = Command::new(&program).arg(rule).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.signal(), Some(6), "{rule}: {said}");
        assert!(said.contains(says), "{rule}: {said}");
    }
}

/// No byte read that no code wrote, none beyond its block, no block left behind.
#[test]
#[ignore = "needs valgrind"]
fn under_valgrind() {
    let valgrind = |program: &Path, arguments: &[&str]| {
        let mut command = Command::new("valgrind");
        // What a function pointer needs lives for ever: "possibly lost".
        let kinds = "definite,indirect,reachable";
        command.args(["--quiet", "--error-exitcode=9", "--leak-check=full"]);
        command.arg(format!("--show-leak-kinds={kinds}"));
        command.arg(format!("--errors-for-leak-kinds={kinds}"));
        command.arg(program).args(arguments);
        command
    };
    for (language, linked) in [(C, Shared), (Cpp, Shared), (C, Static)] {
        let program = compile("valgrind", language, linked);
        same(&stdout(&mut valgrind(&program, &[])), &expected(language));
        // It can say no: to a block that is never freed, or twice, or too short.
        for wrong in ["leak", "twice", "short"] {
            let output = valgrind(&program, &[wrong]).output().unwrap();
            assert_eq!(output.status.code(), Some(9), "{wrong}");
        }
    }
}

/// The header compiles in every version of either language.
#[test]
fn header() {
    let source = directory("header").join("only");
    fs::write(&source, "#include <vmtrampoline.h>\n").unwrap();
    let c = ["c89", "gnu89", "c99", "c11", "c17", "c2x"];
    let cpp = ["c++98", "c++11", "c++14", "c++17", "c++20"];
    for (language, compilers, standards) in
        [("c", ["gcc", "clang"], &c[..]), ("c++", ["g++", "clang++"], &cpp)]
    {
        for compiler in compilers {
            for standard in standards {
                let mut command = Command::new(compiler);
                command.arg(format!("-std={standard}")).args(["-x", language]);
                command.args(["-pedantic", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]);
                run(command.args(flags(&["--cflags"])).arg(&source));
            }
        }
    }
}

/// The functions that the header declares.
fn declared() -> BTreeSet<String> {
    let code = HEADER.split("*/").map(|part| part.split("/*").next().unwrap());
    let code = code.collect::<String>();
    let name = |before: &str| {
        let start = before.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_')? + 1;
        before[start..].starts_with("vmt_").then(|| before[start..].to_owned())
    };
    code.match_indices('(').filter_map(|(at, _)| name(&code[..at])).collect()
}

/// The symbols that nm prints.
fn symbols(arguments: &[&str], file: &Path) -> BTreeSet<String> {
    let symbols = stdout(Command::new("nm").args(arguments).arg(file));
    let names = symbols.lines().filter(|line| line.contains(' '));
    names.map(|line| line.split_whitespace().last().unwrap().to_owned()).collect()
}

/// Either library has the functions of the header, and no other name in it is visible.
#[test]
fn exports() {
    let lib = prefix().join("lib");
    assert_eq!(symbols(&["-D", "--defined-only"], &lib.join("libvmtrampoline.so")), declared());
    assert_eq!(symbols(&["-g", "--defined-only"], &lib.join("libvmtrampoline.a")), declared());
}

/// The program calls each of them, in either language, and not just with NULL.
#[test]
fn every_function_is_called() {
    for language in [C, Cpp] {
        let object = directory(&format!("calls-{language:?}")).join("program.o");
        run(compiler(language).arg("-DOBJECTS_ONLY").arg("-c").arg("-o").arg(&object));
        let called = symbols(&["-u"], &object).into_iter().filter(|name| name.starts_with("vmt_"));
        assert_eq!(called.collect::<BTreeSet<_>>(), declared(), "{language:?}");
    }
}

/// The commands of the README, as it has them, for a user with a home of their own.
#[test]
fn readme() {
    let readme = include_str!("../README.md");
    let commands = readme.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let (home, mut command) = (directory("home"), Command::new("bash"));
    // Cargo has its own in the true one.
    for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        let folder = Path::new(&env::var("HOME").unwrap()).join(folder);
        command.env(name, env::var_os(name).unwrap_or(folder.into()));
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    command.env("CARGO_TARGET_DIR", target).env("HOME", &home).env_remove("PKG_CONFIG_PATH");
    // The program is left there, too, not among the sources.
    std::os::unix::fs::symlink(HERE, home.join("capi")).unwrap();
    let printed = stdout(command.current_dir(&home).arg("-ec").arg(commands));
    let installed = format!("installed in {}/.local\n", home.display());
    assert_eq!(printed, installed + "C 1972\nPascal 1970\nLisp 1960\n");
}

/// A packager gets all files in the folder they name, made for the place they will be in.
#[test]
fn package() {
    let package = directory("package");
    let mut command = Command::new(Path::new(HERE).join("install"));
    run(command.env("DESTDIR", &package).env("LIBDIR", "/usr/lib/machine").arg("/usr"));
    let file = |path: &str| fs::read(package.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
    assert_eq!(file("usr/include/vmtrampoline.h"), HEADER.as_bytes());
    let library = file("usr/lib/machine/libvmtrampoline.so.0.1.0");
    assert!(file("usr/lib/machine/libvmtrampoline.so.0.1") == library);
    assert!(file("usr/lib/machine/libvmtrampoline.so") == library);
    assert!(library.len() < 1_000_000, "{} bytes", library.len());
    let archive = file("usr/lib/machine/libvmtrampoline.a");
    assert!(archive.len() < 2_000_000, "{} bytes", archive.len());
    let pc = String::from_utf8(file("usr/lib/machine/pkgconfig/vmtrampoline.pc")).unwrap();
    assert!(pc.starts_with("prefix=/usr\nlibdir=/usr/lib/machine\n"), "{pc}");
}
