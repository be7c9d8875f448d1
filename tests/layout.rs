//! Where values go: by hand, by a second model, and by the vectors of a model
//! that was checked against Wasmtime 8.0.1.

mod common;

use common::{
    descriptor_judge,
    golden::{golden, layout},
    layout_judge,
    naive::modelled,
    proof_assumptions, scalars,
    strategies::signature,
};
use proptest::prelude::*;
use vmtrampoline::{
    Abi, Error, Layout, Location, Signature, ValType, ValueIndex,
    private::{Shape, describe, scatter},
};

/// System V ABI, AMD64 supplement, figure 3.6 ("Register Allocation Example"),
/// without the structure and the long double, which take no registers there.
#[test]
fn psabi_example() {
    // (e, f, g, h, m, y, n, i, j, k)
    golden(
        "(i32, i32, i32, i32, f64, v128, f64, i32, i32, i32)",
        &Abi::X86_64_SYSV_C,
        "rdi rsi rdx rcx xmm0 xmm1 xmm2 r8 r9 sp+0",
        "",
        "",
    );
}

#[test]
fn x86_64_return_pointer() {
    let abi = &Abi::X86_64_SYSV_VM;
    golden("() -> (i32, i64)", abi, "", "rdx", "rax area+0");
    golden("(i64, i64, i64) -> (f32, i32)", abi, "rdx rcx r8", "r9", "xmm0 area+0");
    golden("(i64, i64, i64, i64) -> (i64, v128)", abi, "rdx rcx r8 r9", "sp+0", "rax area+0");
    golden(
        "(i64, i64, i64, i64, i32) -> (v128, i64)",
        abi,
        "rdx rcx r8 r9 sp+0",
        "sp+8",
        "xmm0 area+0",
    );
}

#[test]
fn x86_64_vectors() {
    let abi = &Abi::X86_64_SYSV_VM;
    // After an odd number of stack words a v128 skips one.
    let vectors = "v128, ".repeat(8);
    golden(
        &format!("({vectors} i64, i64, i64, i64, i64, v128, i32)"),
        abi,
        "xmm0 xmm1 xmm2 xmm3 xmm4 xmm5 xmm6 xmm7 rdx rcx r8 r9 sp+0 sp+16 sp+32",
        "",
        "",
    );
}

#[test]
fn results_are_packed_at_their_own_alignment() {
    let abi = &Abi::X86_64_SYSV_VM;
    golden("() -> (i32, f32, i64, f64, v128)", abi, "", "rdx", "rax area+0 area+8 area+16 area+32");
    golden(
        "() -> (v128, i32, i32, f32, f64, i64, v128, i32)",
        abi,
        "",
        "rdx",
        "xmm0 area+0 area+4 area+8 area+16 area+24 area+32 area+48",
    );
    assert_eq!(layout("() -> (i32, f32, i64, f64, v128)", abi).return_area(), 48);
}

#[test]
fn misfits_are_errors() {
    let fits = |text: &str, abi| Layout::new(&text.parse().unwrap(), abi).map(|_| ());
    let ty = ValType::V128;
    assert_eq!(
        fits("(i32, v128)", &Abi::RISCV64_VM),
        Err(Error::TypeNotInAbi { abi: "riscv64-vm", ty: ty.into(), value: ValueIndex::Param(1) })
    );
    let ty = ValType::U8.into();
    assert_eq!(
        fits("() -> (i32, u8)", &Abi::X86_64_WINDOWS_VM),
        Err(Error::TypeNotInAbi { abi: "x86_64-windows-vm", ty, value: ValueIndex::Result(1) })
    );
    assert_eq!(
        fits("() -> (i32, i32)", &Abi::X86_64_SYSV_C),
        Err(Error::ResultsNotInAbi { abi: "x86_64-sysv-c", results: 2, limit: 1 })
    );
}

fn types_of(letters: &str) -> Vec<ValType> {
    let ty = |letter| match letter {
        'i' => ValType::I32,
        'l' => ValType::I64,
        'f' => ValType::F32,
        'd' => ValType::F64,
        'v' => ValType::V128,
        'p' => ValType::ExternRef,
        other => panic!("no type {other}"),
    };
    letters.chars().map(ty).collect()
}

/// Every vector of `tests/data/vectors.txt`.
#[test]
fn vectors() {
    let mut count = 0;
    for line in include_str!("data/vectors.txt").lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let [conv, sig, params, pointer, results, areas] = fields[..] else { panic!("{line}") };
        let abi = match conv {
            "x64" => &Abi::X86_64_SYSV_VM,
            "x64-win" => &Abi::X86_64_WINDOWS_VM,
            "aarch64" => &Abi::AARCH64_VM,
            "aarch64-apple" => &Abi::AARCH64_APPLE_VM,
            "riscv64" => &Abi::RISCV64_VM,
            "s390x" => &Abi::S390X_VM,
            other => panic!("no convention {other}"),
        };
        let (p, r) = sig.split_once('>').expect(line);
        let signature = Signature::new(types_of(p), types_of(r)).unwrap();
        let layout = Layout::new(&signature, abi).unwrap();
        let show = |location: &Location| match location {
            Location::Register(name) => (*name).to_owned(),
            Location::Stack(offset) => format!("s{offset}"),
            Location::ReturnArea(offset) => format!("a{offset}"),
            other => panic!("{other}"),
        };
        let join = |locations: &[Location]| {
            let shown: Vec<_> = locations.iter().map(show).collect();
            if shown.is_empty() { "-".to_owned() } else { shown.join(",") }
        };
        assert_eq!(join(&scalars::locations(layout.params())), params, "{line}");
        assert_eq!(join(layout.return_pointer().as_slice()), pointer, "{line}");
        assert_eq!(join(&scalars::locations(layout.results())), results, "{line}");
        let found = format!("{},{}", layout.argument_area(), layout.return_area());
        assert_eq!(found, areas, "{line}");
        count += 1;
    }
    assert!(count > 1_300, "{count} vectors");
}

proptest! {
    /// In every convention the naive model agrees, and each value has a place of its
    /// own inside its area.
    #[test]
    fn the_naive_model_agrees(signature in signature(40, 20)) {
        for abi in Abi::ALL.iter().filter(|abi| modelled(&signature, abi)) {
            layout_judge::layout(&signature, abi).map_err(TestCaseError::fail)?;
        }
    }

    /// Few results, as C has them.
    #[test]
    fn the_naive_model_agrees_on_c(signature in signature(40, 1)) {
        for abi in Abi::ALL.iter().filter(|abi| modelled(&signature, abi)) {
            layout_judge::layout(&signature, abi).map_err(TestCaseError::fail)?;
        }
    }

    /// What the assembly is told is what the layout says, for every port.
    #[test]
    fn descriptors_say_what_layouts_say(signature in signature(40, 4)) {
        for abi in Abi::ALL.iter().filter(|abi| modelled(&signature, abi)) {
            let layout = layout_judge::layout(&signature, abi).map_err(TestCaseError::fail)?;
            let (signature, layout) = (&signature, layout.as_ref());
            descriptor_judge::descriptors(signature, abi, layout).map_err(TestCaseError::fail)?;
            descriptor_judge::scatters(signature, abi, layout).map_err(TestCaseError::fail)?;
        }
    }
}

/// The largest signatures, which random ones are far from.
#[test]
fn the_largest_descriptors_say_what_layouts_say() {
    for ty in [ValType::I32, ValType::F64, ValType::V128] {
        for (abi, results) in Abi::ALL.iter().flat_map(|abi| [(abi, 1), (abi, 1000)]) {
            let signature = Signature::new([ty; 1000], vec![ty; results]).unwrap();
            if !modelled(&signature, abi) {
                continue;
            }
            let layout = layout_judge::layout(&signature, abi).unwrap();
            descriptor_judge::descriptors(&signature, abi, layout.as_ref()).unwrap();
            descriptor_judge::scatters(&signature, abi, layout.as_ref()).unwrap();
        }
    }
}

/// Each assumption of the symbolic proofs about descriptors is missed where it does not hold.
#[test]
fn what_the_proofs_assume_of_descriptors_can_be_wrong() {
    let (vm, c, arm) = (&Abi::X86_64_SYSV_VM, &Abi::X86_64_SYSV_C, &Abi::AARCH64_C);
    let several = "(i64, i64, i64, i64, i64, v128) -> (f64, i32)";
    let memory = "({[i64; 3]}, i8) -> {[i64; 3]}";
    let breaks = [
        ("A1", vm, several, ("D_SLOTS", 1, 0x10)),
        ("A1", vm, several, ("D_SLOTS", 0, 1)),
        ("A1", vm, several, ("D_RESULT", 0, 0)),
        ("A1", vm, several, ("D_RESULT", 0, 3)),
        ("A1", c, "() -> longdouble", ("D_RESULT", 0, 16)),
        ("A1", arm, "() -> i64", ("D_RESULT", 0, 8)),
        ("A1", &Abi::S390X_VM, "() -> f64", ("D_RESULT_MASK", 0, 0)),
        ("A2", vm, several, ("D_FLOATS", 0, 3)),
        ("A2", vm, "() -> (v128, i32)", ("D_STRIDE", 0, 8)),
        ("A2", c, "(f64)", ("D_SLOTS", 0, 0)),
        ("A2", &Abi::RISCV64_VM, "(f64, f64)", ("D_FLOATS", 0, 16)),
        ("A2", &Abi::RISCV64_C, "(i64, i64) -> i64", ("D_RESULT", 0, 4)),
        ("A2", &Abi::X86_64_WINDOWS_C, "(f64, f64)", ("D_FLOATS", 0, 16)),
        ("A2", &Abi::X86_64_WINDOWS_VM, "(f64, f64)", ("D_FLOATS", 0, 12)),
        ("A2", &Abi::S390X_VM, "(f64, f64)", ("D_FLOATS", 0, 12)),
        ("A3", vm, several, ("D_STACK_WORDS", 0, 3)),
        ("A4", vm, several, ("D_RETURN_AREA", 0, 8)),
        ("A5", vm, several, ("D_RETURN_REGISTER", 0, 3)),
        ("A5", vm, several, ("D_RETURN_WORD", 0, 4)),
        ("A5", &Abi::X86_64_WINDOWS_VM, several, ("D_RETURN_WORD", 0, 24)),
        ("A6", vm, several, ("D_INTEGER", 2 * 5, 6 * 16 - 7)),
        ("A6", vm, several, ("D_FLOAT", 0, 6 * 16 - 15)),
        ("A6", vm, several, ("D_STRIDE", 0, 8)),
        ("A6", &Abi::RISCV64_VM, "(i32)", ("D_FLOATS", 0, 0)),
        ("A6", vm, "(i32)", ("D_FLOATS", 0, 128)),
        ("A6", &Abi::RISCV64_VM, "(i64, i64)", ("D_INTEGER", 2 * 4, 16)),
        ("A6", &Abi::RISCV64_VM, "(i64, i64, i64, i64)", ("D_INTEGER", 2 * 4, 0)),
        ("A7", vm, several, ("D_LISTS", 0, 6 * 16 - 7)),
        ("A7", &Abi::RISCV64_VM, "(i64, i64, i64, i64, i64, i64, i64)", ("D_LISTS", 0, 97)),
        ("A8", vm, several, ("D_LISTS", 2 * 4, 3)),
        ("A9", c, "(ptr, ...f64)", ("D_HIDDEN", 0, 9)),
        ("A9", arm, memory, ("D_HIDDEN", 1, 0xff)),
        ("A9", vm, several, ("D_HIDDEN", 0, 8)),
        ("copies begin", arm, memory, ("D_COPIES", 1, 0x10)),
        // The plan: steps, the last of which asks for memory, then one piece of 24 bytes.
        ("there is no step", arm, memory, ("D_LISTS", 0, 6)),
        ("a step reads", arm, memory, ("D_LISTS", 2 + 1, 1)),
        ("an address", arm, memory, ("D_LISTS", 2 * 6, 4)),
        ("a copy", arm, memory, ("D_LISTS", 2 * 7, 32)),
        ("a piece", arm, memory, ("D_LISTS", 2 * 10 + 1, 1)),
        ("memory", arm, memory, ("D_LISTS", 2 * 10, 16)),
        ("entries", arm, memory, ("D_LISTS", 2 * 11, 2)),
    ];
    for (name, abi, text, broken) in breaks {
        let signature = text.parse().unwrap();
        describe(abi, &signature, 16, Shape::Bare, |descriptor| {
            proof_assumptions::of_descriptor(descriptor, abi).unwrap();
            let missed = proof_assumptions::broken(descriptor, abi, broken);
            let missed = missed.expect_err(name);
            assert!(missed.starts_with(name), "{text}: {broken:?}: {missed}, not {name}");
        })
        .unwrap();
    }
}

/// The same of scatters.
#[test]
fn what_the_proofs_assume_of_scatters_can_be_wrong() {
    // By the index of a word of the scatter, or beyond them of the lists.
    let breaks = [
        ("B1", (8, 4096)),
        ("B1", (9, 8)),
        ("B2", (10, 1)),
        ("B2", (12, 0)),
        ("B3", (5, 4)),
        ("B3", (13, 1000)),
        ("B3", (21, 0)),
        ("B4", (5, 0)),
        ("B4", (13, 32)),
        ("B4", (23, 16)),
        ("B5", (25, 7)),
        ("B5", (26, 0)),
        ("B6", (22, 2)),
    ];
    let signature = "(i64, f64, i64, i64, i64, i64, v128) -> (i64, i64, f64, f64)".parse().unwrap();
    let abi = &Abi::X86_64_SYSV_VM;
    let (words, lists, masks) = scatter(abi, &signature, Shape::Variable).unwrap();
    proof_assumptions::of_scatters(&words, &lists, &masks, abi).unwrap();
    for (name, (index, value)) in breaks {
        let mut both = [&words[..], &lists].concat();
        both[index] = value;
        let (words, lists) = both.split_at(words.len());
        let missed = proof_assumptions::of_scatters(words, lists, &masks, abi).unwrap_err();
        assert!(missed.starts_with(name), "{index}: {missed}, not {name}");
    }
}
