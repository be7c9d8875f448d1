//! Sizes, alignments and offsets of random types in every convention of C, by clang, which knows all
//! of these targets.

#![cfg(unix)]

mod common;

use std::{env, fmt::Write, fs, process::Command};

use common::ctype::{CType, Record, ctypes, is_wide, typedefs};
use proptest::{prelude::Strategy, strategy::ValueTree, test_runner::TestRunner};
use vmtrampoline::{Abi, Type};

/// What clang says of each number, in the order of the text.
fn numbers(target: &str, text: &str) -> Vec<usize> {
    let file = env::temp_dir().join(format!("vmtrampoline-sizes-{}.c", std::process::id()));
    fs::write(&file, text).unwrap();
    let output = Command::new("clang")
        .args(format!("--target={target}").split(' '))
        .args(["-DLONG=long", "-DWCHAR=__WCHAR_TYPE__", "-w", "-S", "-emit-llvm", "-o", "-"])
        .arg(&file)
        .output()
        .expect("clang");
    fs::remove_file(&file).unwrap();
    assert!(output.status.success(), "{target}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|line| line.starts_with("@numbers")).expect("the array");
    let (_, list) = line.split_once("x i64] [").expect("its numbers");
    let (list, _) = list.split_once(']').expect("their end");
    list.split(", ").map(|number| number["i64 ".len()..].parse().expect(number)).collect()
}

/// C that has size and alignment of each type, and the offset of each of its fields.
fn text(types: &[CType]) -> String {
    let (mut text, mut numbers) = (typedefs(), String::new());
    for (i, ty) in types.iter().enumerate() {
        writeln!(text, "typedef {};", ty.declaration(&format!("t{i}"))).unwrap();
        write!(numbers, "sizeof(t{i}), _Alignof(t{i}), ").unwrap();
        let fields = if let CType::Record(record) = ty { record.fields.len() } else { 0 };
        (0..fields).for_each(|f| write!(numbers, "__builtin_offsetof(t{i}, f{f}), ").unwrap());
    }
    text + "const unsigned long long numbers[] = {" + &numbers + "};\n"
}

/// The same of the crate.
fn ours(ty: &CType, abi: &Abi) -> Vec<usize> {
    let ty: Type<'_> = ty.to_string().parse().unwrap();
    let fields = ty.fields_in(abi);
    [ty.size(abi), ty.align(abi)].into_iter().chain(fields.iter().map(|(at, _)| *at)).collect()
}

/// For MSVC, clang gives four bytes to a structure without fields, and has a field that is itself
/// aligned keep that in a packed structure. The crate does as GNU's toolchain does.
fn differs_with_msvc(ty: &CType) -> bool {
    let aligned = |ty: &CType| matches!(ty, CType::Record(r) if r.align.is_some());
    ty.has(&|ty| {
        let CType::Record(Record { packed, fields, .. }) = ty else { return false };
        fields.is_empty() || *packed && fields.iter().any(|field| field.has(&aligned))
    })
}

#[test]
#[ignore = "needs clang"]
fn sizes_are_those_of_clang() {
    let mut runner = TestRunner::deterministic();
    let types: Vec<_> =
        (0..4000).map(|_| ctypes().new_tree(&mut runner).unwrap().current()).collect();
    type Excluded = fn(&CType) -> bool;
    let none: Excluded = |_| false;
    // Clang before 19 aligns them to 16 on s390x.
    let wide: Excluded = |ty| ty.has(&is_wide);
    for (abi, target, excluded) in [
        (&Abi::X86_64_SYSV_C, "x86_64-linux-gnu", none),
        (&Abi::X86_64_WINDOWS_C, "x86_64-w64-mingw32", none),
        (&Abi::X86_64_MSVC_C, "x86_64-pc-windows-msvc", differs_with_msvc),
        (&Abi::AARCH64_C, "aarch64-linux-gnu", none),
        (&Abi::AARCH64_APPLE_C, "arm64-apple-macos", none),
        (&Abi::AARCH64_WINDOWS_C, "aarch64-w64-mingw32", none),
        (&Abi::AARCH64_WINDOWS_C, "aarch64-pc-windows-msvc", differs_with_msvc),
        (&Abi::RISCV64_C, "riscv64-linux-gnu", none),
        (&Abi::S390X_C, "s390x-linux-gnu -march=z13", wide),
    ] {
        let types: Vec<_> = types.iter().filter(|ty| !excluded(ty)).cloned().collect();
        let mut theirs = numbers(target, &text(&types)).into_iter();
        for ty in &types {
            let ours = ours(ty, abi);
            let theirs: Vec<_> = theirs.by_ref().take(ours.len()).collect();
            assert_eq!(ours, theirs, "{target}: {ty}: size, alignment, offsets");
        }
        assert_eq!(theirs.next(), None);
        println!("{target}: {} types", types.len());
    }
}
