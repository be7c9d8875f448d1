//! The program on its modules, and on modules with everything wrong once.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn run(file: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wasmi_native"));
    command.arg(file).args(arguments).output().unwrap()
}

/// What it prints, word by word.
#[track_caller]
fn prints(file: &Path, arguments: &[&str]) -> Vec<String> {
    let output = run(file, arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{file:?}: {}: {stderr}", output.status);
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.ends_with('\n'));
    stdout.split_whitespace().map(str::to_owned).collect()
}

/// It says why not, in a line, and exits with 2.
#[track_caller]
fn refuses(file: &Path, arguments: &[&str], error: &str) {
    let output = run(file, arguments);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.starts_with("wasmi_native: ") && stderr.contains(error), "{stderr}");
    assert!(stderr.lines().count() == 1 && output.stdout.is_empty(), "{stderr}");
}

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("wat").join(name)
}

/// A module of this text, in a file of this name.
fn module(name: &str, text: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name).with_extension("wat");
    fs::write(&file, text).unwrap();
    file
}

#[test]
fn integral() {
    let root = std::f64::consts::PI.sqrt();
    let floats = |arguments: &[&str]| -> Vec<f64> {
        let words = prints(&shipped("integral.wat"), arguments);
        words.iter().map(|word| word.parse().unwrap()).collect()
    };
    let [area, exact] = floats(&[])[..] else { panic!("two results") };
    assert!((area - root).abs() < 1e-12 && (exact - root).abs() < 1e-15, "{area} {exact}");
    // Few steps are a bad approximation, but a known one.
    let f = |x: f64| (-x * x).exp();
    let simpson = |i: i32| {
        let x = -10.0 + 2.0 * f64::from(i);
        (f(x) + 4.0 * f(x + 1.0) + f(x + 2.0)) / 3.0
    };
    let coarse: f64 = (0..10).map(simpson).sum();
    assert!((floats(&["area", "10"])[0] - coarse).abs() < 1e-12);
}

#[test]
fn zlib() {
    let text = "All work and no play makes Jack a dull boy. ".repeat(200);
    // CRC-32, a bit at a time.
    let crc = !text.bytes().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    });
    let words = prints(&shipped("zlib.wat"), &[]);
    let [length, before, compressed, after] = &words[..] else { panic!("{words:?}") };
    assert_eq!(*length, text.len().to_string());
    assert_eq!((before, after), (&crc.to_string(), &crc.to_string()));
    assert!((20..200).contains(&compressed.parse::<usize>().unwrap()), "{compressed}");
}

#[test]
fn a_binary_module() {
    let text = fs::read_to_string(shipped("integral.wat")).unwrap();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("integral.wasm");
    fs::write(&file, wat::parse_str(text).unwrap()).unwrap();
    assert_eq!(prints(&file, &[]), prints(&shipped("integral.wat"), &[]));
}

/// Values of every type, more of them than go in registers.
#[test]
fn values() {
    let file = module(
        "values",
        r#"(module
            (import "libc.so.6" "labs" (func $labs (param i64) (result i64)))
            (import "libm.so.6" "fmaf" (func $fmaf (param f32 f32 f32) (result f32)))
            (import "libm.so.6" "ldexp" (func $ldexp (param f64 i32) (result f64)))
            (import "libc.so.6" "abs" (func $abs (param i32) (result i32)))
            (import "libc.so.6" "srand" (func $srand (param i32)))
            (export "labs" (func $labs)) (export "fmaf" (func $fmaf))
            (export "ldexp" (func $ldexp)) (export "abs" (func $abs))
            (export "srand" (func $srand)))"#,
    );
    let one = |arguments: &[&str]| prints(&file, arguments).join(" ");
    assert_eq!(one(&["labs", "-9000000000"]), "9000000000");
    assert_eq!(one(&["fmaf", "2", "-3.5", "1"]), "-6");
    assert_eq!(one(&["ldexp", "1.5", "-3"]), "0.1875");
    assert_eq!(one(&["abs", "-2147483647"]), "2147483647");
    assert_eq!(one(&["srand", "1"]), "");
}

/// An error in a comparison leaves `bsearch`, which holds nothing.
#[test]
fn an_error_leaves_c() {
    let file = module(
        "leaves",
        r#"(module
            (import "libc.so.6" "bsearch([8], [$2 $3], _, _, fn(ptr, ptr)!)"
                (func $bsearch (param i32 i32 i64 i64 funcref) (result i64)))
            (memory (export "memory") 1)
            (elem declare func $compare)
            (func $compare (param i64 i64) (result i32)
                (i32.div_s (i32.const 1) (i32.const 0)))
            (func (export "main") (result i64)
                (call $bsearch (i32.const 0) (i32.const 8) (i64.const 4) (i64.const 8)
                    (ref.func $compare))))"#,
    );
    refuses(&file, &[], "divide by zero");
}

/// A module that imports this function of the C library, and calls it with these.
fn calls(name: &str, import: &str, ty: &str, arguments: &str) -> PathBuf {
    module(
        name,
        &format!(
            r#"(module
                (import "libc.so.6" "{import}" (func $f {ty}))
                (memory (export "memory") 1)
                (data (i32.const 16) "fifteen letters\00")
                (data (i32.const 65533) "end")
                (data (i32.const 64) "\08\00\00\00\00\00\00\00")
                (func (export "main") (result i64) (call $f {arguments})))"#
        ),
    )
}

#[test]
fn addresses() {
    let memchr = "(param i32 i32 i64) (result i64)";
    let arguments = |at: u32, n: i64| format!("(i32.const {at}) (i32.const 0) (i64.const {n})");
    let found = calls("inside", "memchr([$2], _, _)", memchr, &arguments(65530, 6));
    assert_ne!(prints(&found, &[]), ["0"]);
    let empty = calls("at_the_end", "memchr([$2], _, _)", memchr, &arguments(65536, 0));
    assert_eq!(prints(&empty, &[]), ["0"]);
    for (at, n) in
        [(65530, 7), (65536, 1), (65537, 0), (u32::MAX, 1), (0, u32::MAX as i64), (1, -1)]
    {
        let file = calls("outside", "memchr([$2], _, _)", memchr, &arguments(at, n));
        let n = n as u64;
        let error =
            format!("trap: memchr, parameter 0: {n} bytes at {at} are not in the memory of 65536");
        refuses(&file, &[], &error);
    }

    // The product, and the length in memory.
    let (ty, at) = ("(param i32 i64 i32) (result i64)", "(i32.const 0) (i64.const 8192)");
    let fits = calls("product", "strnlen([$1 8], _, _)", ty, &format!("{at} (i32.const 0)"));
    assert_eq!(prints(&fits, &[]), ["0"]);
    let large = calls("large", "strnlen([$1 9], _, _)", ty, &format!("{at} (i32.const 0)"));
    refuses(&large, &[], "73728 bytes at 0 are not");
    let ty = "(param i32 i64 i64) (result i64)";
    let at = "(i32.const 0) (i64.const 0x4000000000000000) (i64.const 4)";
    refuses(&calls("endless", "strnlen([$1 $2], _, _)", ty, at), &[], "has no end");
    let ty = "(param i32 i64 i32) (result i64)";
    for (at, fits) in [(65528, true), (65529, false)] {
        let arguments = format!("(i32.const {at}) (i64.const 5) (i32.const 64)");
        let file = calls("at", "strnlen([*$2], _, [8])", ty, &arguments);
        if fits {
            assert_eq!(prints(&file, &[]), ["0"]);
        } else {
            refuses(&file, &[], "parameter 0: 8 bytes at 65529 are not");
        }
    }
    let file = calls(
        "at_nothing",
        "strnlen([*$2], _, [8])",
        ty,
        "(i32.const 0) (i64.const 5) (i32.const 65530)",
    );
    refuses(&file, &[], "parameter 0: 8 bytes at 65530 are not");
}

#[test]
fn strings() {
    let strlen = |at: u32| {
        let arguments = format!("(i32.const {at})");
        calls("string", "strlen(str)", "(param i32) (result i64)", &arguments)
    };
    assert_eq!(prints(&strlen(16), &[]), ["15"]);
    refuses(&strlen(65533), &[], "strlen, parameter 0: no end of the string at 65533");
    refuses(&strlen(65537), &[], "0 bytes at 65537 are not");
}

/// The null pointer, only where the name allows it.
#[test]
fn null() {
    let time = |item: &str| {
        let import = format!("time({item})");
        calls("time", &import, "(param i32) (result i64)", "(i32.const 0)")
    };
    let seconds = |file: &Path| prints(file, &[])[0].parse::<i64>().unwrap();
    assert!(seconds(&time("[8]?")) > 1_700_000_000);
    assert!(seconds(&time("[8]")) > 1_700_000_000); // written to address 0
    refuses(&time("[65537]"), &[], "65537 bytes at 0 are not");
}

#[test]
fn imports_that_cannot_be() {
    let wrong = |library: &str, name: &str, ty: &str, error: &str| {
        let text = format!(r#"(module (import "{library}" "{name}" {ty}))"#);
        refuses(&module("wrong", &text), &[], &format!("import {library:?} {name:?}: {error}"));
    };
    let c = "libc.so.6";
    wrong("libnone.so.1", "f", "(func)", "cannot load libnone.so.1: libnone.so.1: cannot open");
    wrong(c, "no_such_function", "(func)", "no function no_such_function: ");
    wrong(c, "div", "(func (result i32 i32))", "a function of the");
    wrong(c, "free", "(func (param externref))", "C has no type for ExternRef");
    wrong(c, "abs(_)", "(func)", "1 items for 0 parameters");
    wrong(c, "abs(", "(func)", "at byte 4 of the name: expected");
    wrong(c, "abs([8])", "(func (param f64))", "parameter 0: an address is an i32 or an i64");
    wrong(c, "f([$1])", "(func (param i32))", "parameter 0: $1 is no parameter that is a number");
    wrong(c, "f([$1])", "(func (param i32 i32))", "1 items");
    let two = "(func (param i32 f64))";
    wrong(c, "f([$1], _)", two, "parameter 0: $1 is no parameter that is a number of bytes");
    wrong(c, "f([$2], _)", two, "parameter 0: $2 is no parameter that is a number of bytes");
    wrong(c, "f([$0], _)", two, "parameter 0: $0 is no parameter that is a number of bytes");
    wrong(c, "f([*$1], _)", two, "parameter 0: $1 is no parameter that is an address");
    wrong(c, "f(_)", "(func (param funcref))", "C has no type for FuncRef");
    wrong(c, "f(fn(_))", "(func (param i32))", "parameter 0: a function is a funcref");
    wrong(c, "environ", "(global i32)", "only functions are to be had");
}

#[test]
fn traps() {
    let file = module("trap", "(module (func (export \"main\") unreachable))");
    refuses(&file, &[], "trap: wasm `unreachable` instruction executed");
    let file = module(
        "no_memory",
        r#"(module (import "libc.so.6" "strlen(str)" (func $f (param i32) (result i64)))
            (func (export "main") (drop (call $f (i32.const 0)))))"#,
    );
    refuses(&file, &[], "trap: the module exports no memory named \"memory\"");
}

#[test]
fn commands_that_cannot_be() {
    let file = shipped("integral.wat");
    refuses(&file, &["none"], "no exported function \"none\"");
    refuses(&file, &["area"], "area takes 1 arguments, 0 given");
    refuses(&file, &["area", "1.5"], "\"1.5\" is not an I32");
    refuses(&shipped("none.wat"), &[], "none.wat: No such file");
    refuses(&module("no_module", "\u{0}asm\u{1}"), &[], "no_module.wat: ");
}

#[test]
fn qsort() {
    let file = shipped("qsort.wat");
    assert_eq!(prints(&file, &[]).join(" "), "9 5 4 3 1 1 1 0");
    for n in ["1", "2", "1000", "100000"] {
        assert_eq!(prints(&file, &["many", n]), ["1"], "{n}");
    }
    // One number more than the memory has room for: that trap is the module's.
    refuses(&file, &["many", "1048577"], "trap: out of bounds memory access");
}

/// A module that sorts two numbers by a function with this body.
fn sorts(name: &str, body: &str, main: &str) -> PathBuf {
    module(
        name,
        &format!(
            r#"(module
                (import "libc.so.6" "qsort([$1 $2], _, _, fn(ptr, ptr))"
                    (func $qsort (param i32 i64 i64 funcref)))
                (import "libc.so.6" "bsearch([4]?, [$2 $3], _, _, fn(ptr, ptr))"
                    (func $bsearch (param i32 i32 i64 i64 funcref) (result i64)))
                (memory (export "memory") 1)
                (data (i32.const 16) "\02\00\00\00\01\00\00\00")
                (global $seen (mut i32) (i32.const 0))
                (elem declare func $compare $inner)
                (func $inner (param i32 i32) (result i32) (i32.const 0))
                (func $sort (param $f funcref)
                    (call $qsort (i32.const 16) (i64.const 2) (i64.const 4) (local.get $f)))
                (func $compare (param $a i32) (param $b i32) (result i32) {body})
                (func (export "main") {main}))"#
        ),
    )
}

const SORT: &str = "(call $sort (ref.func $compare))";

#[test]
fn traps_in_callbacks() {
    let trap = sorts("callback_trap", "unreachable", SORT);
    refuses(&trap, &[], "trap: wasm `unreachable` instruction executed");
    // It is not called again after a trap.
    let again = sorts(
        "callback_again",
        "(if (global.get $seen) (then unreachable)) (global.set $seen (i32.const 1))
            (i32.load (i32.const -1))",
        "(call $qsort (i32.const 0) (i64.const 100) (i64.const 4) (ref.func $compare))",
    );
    refuses(&again, &[], "trap: out of bounds memory access");
    let null = sorts("callback_null", "(i32.const 0)", "(call $sort (ref.null func))");
    refuses(&null, &[], "trap: qsort, parameter 3: the null function");
    let outside = sorts(
        "callback_outside",
        "(i32.const 0)",
        "(drop (call $bsearch (i32.const 0) (i32.const 16) (i64.const 2) (i64.const 4)
            (ref.func $compare)))",
    );
    refuses(&outside, &[], "trap: callback, parameter 0: an address outside the memory");
    for (name, ty, error) in [
        ("qsort([1], _, _, fn(ptr))", "", "parameter 3: 1 items for 2 parameters"),
        ("qsort([1], _, _, fn(ptr, ptr))", "i32", "parameter 3: a function of the"),
    ] {
        let text = format!(
            r#"(module
                (import "libc.so.6" "{name}" (func $qsort (param i32 i64 i64 funcref)))
                (memory (export "memory") 1)
                (elem declare func $compare)
                (func $compare (param i32 i32) (result i32 {ty}) unreachable)
                (func (export "main")
                    (call $qsort (i32.const 0) (i64.const 1) (i64.const 1)
                        (ref.func $compare))))"#
        );
        refuses(&module("callback_type", &text), &[], error);
    }
}

/// C has addresses in the memory while a callback runs, so it does not move.
#[test]
fn the_memory_is_pinned_during_callbacks() {
    let file = sorts(
        "pinned",
        "(global.set $seen (memory.grow (i32.const 1))) (i32.const 0)",
        &format!(
            "(result i32 i32 i32) {SORT} global.get $seen (memory.grow (i32.const 2)) memory.size"
        ),
    );
    assert_eq!(prints(&file, &[]), ["-1", "1", "3"]);
    // Also after a call from a callback.
    let file = sorts(
        "pinned_twice",
        "(call $sort (ref.func $inner))
            (global.set $seen (memory.grow (i32.const 1))) (i32.const 0)",
        &format!("(result i32 i32) {SORT} global.get $seen (memory.grow (i32.const 2))"),
    );
    assert_eq!(prints(&file, &[]), ["-1", "1"]);
}

/// The benchmark measures every way to call; how fast they are is not judged.
#[test]
fn bench() {
    let table = prints(Path::new("--bench"), &["1"]).join(" ");
    let rows: Vec<_> = table.split("| `").skip(1).collect();
    let signatures = ["()", "(i32, i32)", "(f64, f64)", "(i32, i64, f32, f64)", "(i64 ×6)"];
    let rows = &rows[rows.len() - signatures.len()..];
    for (row, signature) in rows.iter().zip(signatures) {
        assert!(row.starts_with(signature), "{row}");
        let cells: Vec<_> = row.split(" | ").skip(1).collect();
        let number = |cell: &str| cell.split(' ').next().unwrap().parse::<f64>().ok();
        assert!(cells[..3].iter().all(|cell| number(cell).is_some_and(|n| n > 0.0)), "{row}");
        assert_eq!(number(cells[3]).is_some(), cfg!(feature = "libffi"), "{row}");
        assert!(number(cells[4]).is_some_and(|n| n > 0.0), "{row}");
    }
    let hint = "libffi is measured with";
    assert_eq!(table.contains(hint), cfg!(not(feature = "libffi")));
}
