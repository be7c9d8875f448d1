//! Texts and types that are wrong: each is a clear error with its place, nothing
//! panics, and what is accepted prints as it was meant.

mod common;

use std::time::{Duration, Instant};

use common::{
    c_layout_judge::answer,
    c_types,
    naive_c::{CONVENTIONS, naive},
};
use proptest::prelude::*;
use vmtrampoline::{
    Abi, CTrampoline, Callback, Error, Layout, Signature, Type, ValRaw, ValType, ValueIndex,
    private::{Shape, describe},
};

/// Asserts that the text is an error at this place, whose message has this in it.
#[track_caller]
fn refused(text: &str, at: usize, says: &str) {
    let error = text.parse::<Signature>().expect_err(text);
    let message = error.to_string();
    assert!(message.starts_with(&format!("signature, at byte {at}: ")), "{text}: {message}");
    assert!(message.contains(says), "{text}: {message}");
}

/// Asserts that the text is a signature that no such convention has a layout for, with
/// this message.
#[track_caller]
fn misfit(text: &str, convention: &str, message: &str) {
    text.parse::<Signature>().expect(text);
    assert_eq!(answer(text, convention), Err(message.to_owned()), "{text}");
}

fn layout(text: &str, abi: &'static Abi) -> Result<Layout, Error> {
    Layout::new(&text.parse().expect(text), abi)
}

/// No text takes long, even on an emulated machine.
fn soon<T>(what: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = what();
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    result
}

#[test]
fn structures_that_are_no_structures() {
    refused("({i32)", 5, "\"}\"");
    refused("({i32", 5, "\"}\"");
    refused("({i32,,})", 6, "field");
    refused("({i32, f32,, })", 11, "field");
    refused("({,})", 2, "field");
    refused("({i32 f32})", 6, "\"}\"");
    refused("({i33})", 2, "\"i33\" is not a type");
    refused("(i32})", 4, "\")\"");
    refused("({i32}) -> {", 12, "field");
    refused("({i32}) -> }", 11, "type");
    refused("(union)", 6, "\"{\"");
    refused("(union i32)", 7, "\"{\"");
    refused("(packed i32)", 8, "\"{\"");
    refused("(packed packed {})", 8, "\"{\"");
    refused("(union packed {})", 7, "\"{\"");
    refused("(union union {})", 7, "\"{\"");
    refused("(struct {})", 1, "\"struct\" is not a type");
    refused("(unions {})", 1, "\"unions\" is not a type");
    refused("({...i32})", 2, "field");
    refused("({(i32)})", 2, "field");
    refused("({i32; 3})", 5, "\"}\"");
}

#[test]
fn alignments() {
    refused("(align(0) {i32})", 7, "power of two");
    refused("(align(3) {i32})", 7, "power of two");
    refused("(align(1099511627776) {i32})", 7, "power of two");
    refused("(align(18446744073709551616) {i32})", 7, "power of two");
    refused(&format!("(align({}) {{i32}})", "9".repeat(1000)), 7, "power of two");
    refused("(align(-8) {i32})", 7, "alignment");
    refused("(align(0x8) {i32})", 7, "alignment");
    refused("(align() {i32})", 7, "alignment");
    refused("(align(eight) {i32})", 7, "alignment");
    refused("(align 8 {i32})", 7, "\"(\"");
    refused("(align(8 {i32})", 9, "\")\"");
    refused("(align(8) i32)", 10, "\"{\"");
    refused("(align(1) i32)", 10, "\"{\"");
    refused("(align(8))", 9, "\"{\"");
    refused("(align(8) align(8) {i32})", 10, "\"{\"");
    refused("(packed align(8) {i32})", 8, "\"{\"");
    refused("({align(8) [i32; 2]})", 11, "\"{\"");
    let largest = Type::MAX_ALIGN;
    let text = format!("(align({largest}) {{u8}})");
    assert_eq!(text.parse::<Signature>().expect(&text).to_string(), text);
    refused(&format!("(align({}) {{u8}})", 2 * largest), 7, "power of two");

    let ty = Type::structure([ValType::I32]).unwrap();
    for align in [0, 3, 24, 2 * largest, 1 << 40, usize::MAX] {
        assert_eq!(ty.aligned(align), Err(Error::BadAlignment { align }));
    }
    assert_eq!(ty.aligned(1).unwrap(), ty);
    for scalar in [ValType::I32, ValType::Ptr, ValType::C64] {
        let scalar = Type::from(scalar);
        assert_eq!(scalar.aligned(8), Err(Error::NotAStructure));
        assert_eq!(scalar.packed(), Err(Error::NotAStructure));
    }
    let array = Type::array(ValType::I32, 2).unwrap();
    assert_eq!(array.aligned(8), Err(Error::NotAStructure));
    assert_eq!(array.packed(), Err(Error::NotAStructure));
    assert!(Error::BadAlignment { align: 24 }.to_string().contains("not 24"));
}

#[test]
fn arrays() {
    // Flexible arrays are no part of a value.
    refused("({[i32]})", 6, "flexible array");
    refused("({i32, [f64]})", 11, "flexible array");
    refused("({[i32;]})", 7, "number of elements");
    refused("({[i32; ]})", 8, "number of elements");
    refused("({[i32; n]})", 8, "number of elements");
    refused("({[i32; -1]})", 8, "number of elements");
    refused("({[i32; 1.5]})", 9, "\"]\"");
    refused("({[i32; 3})", 9, "\"]\"");
    refused("({[i32, 3]})", 6, "\";\"");
    refused("({[]})", 3, "type");
    refused("({[; 3]})", 3, "type");
    // 2⁶⁰, 2⁶⁴, and what no integer holds.
    refused("({[u8; 1152921504606846976]})", 7, "65535 elements");
    refused("({[u8; 18446744073709551616]})", 7, "65535 elements");
    refused(&format!("({{[u8; {}]}})", "9".repeat(10_000)), 7, "65535 elements");
    refused("({[u8; 65536]})", 7, "65535 elements");
    assert!("({[u8; 65535]})".parse::<Signature>().is_ok());
    // Not outside of structures: C passes a pointer there.
    refused("([i32; 3])", 1, "type");
    refused("() -> [i32; 3]", 6, "type");
    refused("(i32, [i32; 3])", 6, "type");
    refused("(...[i32; 3])", 4, "type");

    for count in [0, 65_536, 1 << 32, 1 << 60, usize::MAX] {
        let error = Error::BadLength { count };
        assert!(error.to_string().contains(&count.to_string()), "{error}");
        assert_eq!(Type::array(ValType::U8, count), Err(error));
    }
    assert!(Type::array(ValType::U8, 65_535).is_ok());
}

/// An array of no elements is no field without effect: for gcc, `{f32, [i32; 0]}` is of
/// class INTEGER on x86-64, and no compiler finds it homogeneous on aarch64.
#[test]
fn arrays_of_no_elements() {
    refused("({f32, [i32; 0]})", 13, "elements");
    assert!(Type::array(ValType::I32, 0).is_err());
}

/// Types built by functions are as limited as texts.
#[test]
fn arrays_outside_of_structures() {
    let array = Type::array(ValType::I32, 3).unwrap();
    assert_eq!(array.to_string().parse::<Type<'_>>(), Ok(array.clone()));
    let (none, some) = ([ValType::I32; 0], [&array]);
    assert_eq!(Signature::new(some, none), Err(Error::ArrayByValue));
    assert_eq!(Signature::new(none, some), Err(Error::ArrayByValue));
    assert_eq!(Signature::variadic(some, none, none), Err(Error::ArrayByValue));
    assert_eq!(Signature::variadic(none, some, none), Err(Error::ArrayByValue));
    assert_eq!(Signature::variadic(none, none, some), Err(Error::ArrayByValue));
}

#[test]
fn nesting_without_end() {
    for open in ["{", "union {", "packed {", "align(16) packed union {", "{[", "{i32, {", "{[{"] {
        for closed in [false, true] {
            let close: String = open
                .chars()
                .rev()
                .filter_map(|c| match c {
                    '{' => Some("}"),
                    '[' => Some("; 1]"),
                    _ => None,
                })
                .collect();
            let count = 10_000;
            let tail = if closed { close.repeat(count) } else { String::new() };
            let text = format!("({}i32{tail})", open.repeat(count));
            let error = soon(|| text.parse::<Signature>()).unwrap_err();
            let Error::TooDeep { position: Some(position) } = error else {
                panic!("{open}: {error}")
            };
            let depth = text[..position].matches(['{', '[']).count();
            assert!((16..=18).contains(&depth), "{open}: at {position}, {depth} deep");
            assert!(error.to_string().starts_with(&format!("signature, at byte {position}: ")));
        }
    }

    let most = Type::MAX_DEPTH;
    let nested = |depth: usize| format!("({}i32{})", "{".repeat(depth), "}".repeat(depth));
    let signature: Signature = nested(most).parse().unwrap();
    assert_eq!(signature.to_string(), nested(most));
    for convention in CONVENTIONS {
        assert!(answer(&nested(most), convention).is_ok());
    }
    assert!(nested(most + 1).parse::<Signature>().is_err());
    let mut ty = Type::from(ValType::I32);
    for _ in 0..most {
        ty = Type::structure([&ty]).unwrap();
    }
    assert_eq!(format!("({ty})"), nested(most));
    let deep = Error::TooDeep { position: None };
    assert_eq!(Type::structure([&ty]), Err(deep.clone()));
    assert_eq!(Type::union([&ty]), Err(deep.clone()));
    assert_eq!(Type::array(&ty, 2), Err(deep));
}

/// Sizes beyond all integers, in every order of nesting: an error, and soon.
#[test]
fn sizes_that_overflow() {
    let array = |element: &str| format!("[{element}; 65535]");
    let twice = array(&array("u8"));
    let mut deep = "u8".to_owned();
    for _ in 0..12 {
        deep = array(&deep);
    }
    for ty in [
        format!("{{{twice}}}"),
        format!("{{{}}}", array(&twice)),
        format!("{{{deep}}}"),
        format!("{{u8, {deep}, u8}}"),
        format!("packed {{u8, {deep}, {deep}}}"),
        format!("union {{u8, {deep}}}"),
        format!("align(4096) {{{deep}}}"),
        format!("{{{deep}, align(4096) {{u8}}}}"),
        format!("{{{}}}", array(&format!("{{{deep}, align(16) {{}}}}"))),
        "{[align(4096) {u8}; 65535]}".to_owned(),
        "{[{[align(4096) {u8}; 65535], u8}; 65535]}".to_owned(),
    ] {
        for (text, value) in [
            (format!("({ty})"), ValueIndex::Param(0)),
            (format!("(i32, ...i32, {ty})"), ValueIndex::Param(2)),
            (format!("(i32) -> {ty}"), ValueIndex::Result(0)),
            // Rust prepares the first.
            (format!("(u8, {ty}, u8)"), ValueIndex::Param(1)),
        ] {
            let signature: Signature = text.parse().unwrap();
            for convention in CONVENTIONS {
                let abi = Abi::from_name(convention).unwrap();
                let large = Error::TooLarge { value: Some(value) };
                let found = soon(|| layout(&text, abi));
                assert_eq!(found.unwrap_err(), large, "{convention} {text}");
                let made = soon(|| describe(abi, &signature, 16, Shape::Bare, |_| ()));
                assert_eq!(made.unwrap_err(), large, "{convention} {text}");
            }
        }
        // Slots and offsets are counted all the same. Where they are too many to count, they are as
        // many as can be counted.
        let signature: Signature = format!("({ty}, {ty}, i32)").parse().unwrap();
        if let Ok(slot) = Callback::argument(&signature, 3) {
            assert!(slot > CTrampoline::<ValRaw>::MAX_BYTES / 16, "{ty}");
        }
        let large = signature.params().get(0).unwrap();
        for (offset, field) in large.fields_in(&Abi::X86_64_SYSV_C) {
            let size = large.size(&Abi::X86_64_SYSV_C);
            assert!(offset <= size, "{ty}");
            let elements = field.fields_in(&Abi::X86_64_SYSV_C);
            assert!(elements.is_sorted_by_key(|(offset, _)| *offset), "{ty}");
        }
    }
    // So many of what has no size have none.
    let mut nothing = "{}".to_owned();
    for _ in 0..12 {
        nothing = array(&nothing);
    }
    for convention in CONVENTIONS {
        let found = soon(|| answer(&format!("({{{nothing}}}, i32)"), convention));
        let plain = answer("({}, i32)", convention);
        assert_eq!(found, plain, "{convention}");
        soon(|| answer(&format!("(union {{{nothing}, f64}}) -> {{{nothing}, f32}}"), convention))
            .unwrap();
    }
}

/// At the limit, and one beyond: what is accepted has a layout that says every offset
/// rightly, far beyond what a call can be given.
#[test]
fn large_values() {
    for convention in CONVENTIONS {
        let abi = Abi::from_name(convention).unwrap();
        let right = |text: &str| {
            assert_eq!(answer(text, convention), Ok(naive(text, convention, None)), "{text}");
        };
        for size in [1, 32_768, 65_519, 65_520] {
            right(&format!("(i32, {{[u8; {size}]}}, f64, {{i64, i64, u8}})"));
            right(&format!("() -> {{[u8; {size}]}}"));
        }
        for (ty, size) in [
            ("{[u8; 65521]}", 65_521),
            ("{[u8; 65535], u8}", 65_536),
            ("{[{[u16; 257]}; 128]}", 65_792),
            ("align(2) {[u8; 65535]}", 65_536),
        ] {
            let large = |value| Error::TooLarge { value: Some(value) };
            assert_eq!(ty.parse::<Type<'_>>().unwrap().size(abi), size);
            assert_eq!(
                layout(&format!("(i32, {ty})"), abi).unwrap_err(),
                large(ValueIndex::Param(1))
            );
            assert_eq!(
                layout(&format!("(...{ty})"), abi).unwrap_err(),
                large(ValueIndex::Param(0))
            );
            assert_eq!(
                layout(&format!("() -> {ty}"), abi).unwrap_err(),
                large(ValueIndex::Result(0))
            );
        }
        for (ty, count) in [
            ("{[u8; 65]}", 100),
            ("{[u8; 40000]}", 4),
            ("c64", 1000),
            ("i128", 1000),
            ("{i64}", 1000),
            ("{f32, f32, f32}", 1000),
        ] {
            let many = vec![ty; count].join(", ");
            right(&format!("({many}) -> {{[i64; 3]}}"));
            right(&format!("(...{many})"));
        }
        for ty in ["{[u8; 4000]}", "{[u8; 65520]}"] {
            let many = format!("({})", vec![ty; 1000].join(", "));
            assert!(soon(|| layout(&many, abi)).is_ok());
        }
    }
}

/// What the assembly cannot be told is an error, for every port, up to the largest
/// signatures; what it can, is told.
#[test]
fn large_calls() {
    for convention in CONVENTIONS {
        let abi = Abi::from_name(convention).unwrap();
        let made = |text: &str, stride| {
            let signature: Signature = text.parse().unwrap();
            let made = soon(|| describe(abi, &signature, stride, Shape::Variable, |_| ()));
            let fits = matches!(made, Ok(()) | Err(Error::TooLarge { .. }));
            assert!(fits, "{convention} {text}: {made:?}");
            made.is_ok()
        };
        for stride in [8, 16] {
            for text in
                ["({[u8; N]})", "() -> {[u8; N]}", "(i32, {[u8; N]}, i128)", "(f64, ...{[u8; N]})"]
            {
                let sizes = (1..65_536).step_by(1021).chain(32_600..32_800).chain(65_400..65_536);
                let mut sizes: Vec<u32> = sizes.collect();
                sizes.sort_unstable();
                let fits = sizes.iter().map(|n| made(&text.replace('N', &n.to_string()), stride));
                let fits: Vec<_> = fits.collect();
                // Small ones fit, and above the first that does not, none does.
                let first = fits.iter().position(|fits| !fits).expect("some are too large");
                assert!(sizes[first] > 16_000, "{convention} {text}: {}", sizes[first]);
                assert!(!fits[first..].contains(&true), "{convention} {text}");
            }
            for count in [100, 1000] {
                for ty in [
                    "u8",
                    "i32",
                    "v128",
                    "i128",
                    "longdouble",
                    "c64",
                    "clongdouble",
                    "{}",
                    "{u8}",
                    "{f32, i32}",
                    "{u8, f32, u8}",
                    "packed {u8, i64}",
                    "{f32, f32, f32, f32}",
                    "{i64, i64}",
                    "{i64, i64, i64}",
                    "{[u8; 33]}",
                    "{[u8; 65]}",
                    "{[u8; 4000]}",
                    "{[u8; 65535]}",
                ] {
                    let many = vec![ty; count].join(", ");
                    let placed = made(&format!("({many})"), stride);
                    let small = ty.parse::<Type<'_>>().unwrap().size(abi) <= 16;
                    assert!(placed || !small, "{convention} {count} of {ty} are refused");
                    made(&format!("({many}) -> {{[u8; 100]}}"), stride);
                }
            }
        }
    }
}

/// Texts of the largest size that are all one structure, or all structures.
#[test]
fn large_texts() {
    let fields = |n: usize| format!("{{{}}}", vec!["u8"; n].join(", "));
    for convention in CONVENTIONS {
        let abi = Abi::from_name(convention).unwrap();
        assert!(soon(|| layout(&format!("({})", fields(60_000)), abi)).is_ok(), "{convention}");
        let mut nested = fields(4000);
        for _ in 0..14 {
            nested = format!("{{{nested}, u8}}");
        }
        assert!(soon(|| layout(&format!("({nested}) -> {nested}"), abi)).is_ok(), "{convention}");
        let many = vec![fields(8); 1000].join(", ");
        assert!(soon(|| layout(&format!("({many})"), abi)).is_ok(), "{convention}");
    }
    for n in [65_535, 65_536, 200_000] {
        let text = format!("({})", fields(n));
        let made =
            soon(|| text.parse::<Signature>().and_then(|s| Layout::new(&s, &Abi::AARCH64_C)));
        assert!(matches!(made, Err(Error::TooLarge { .. }) | Ok(_)), "{n}: {made:?}");
        let built = Type::structure(vec![ValType::U8; n]);
        assert!(matches!(built, Err(Error::TooLarge { .. }) | Ok(_)), "{n}: {built:?}");
    }
    assert_eq!(
        soon(|| Type::structure(std::iter::repeat(ValType::U8))),
        Err(Error::TooLarge { value: None }),
    );
}

#[test]
fn too_many() {
    let list = |ty: &str, n| vec![ty; n].join(", ");
    for ty in ["i32", "{}", "{f32, f32}"] {
        let most = Signature::MAX_PARAMS;
        let parse = |text: String| text.parse::<Signature>();
        assert!(parse(format!("({})", list(ty, most))).is_ok());
        assert!(parse(format!("({}, ...)", list(ty, most))).is_ok());
        assert!(parse(format!("(...{})", list(ty, most))).is_ok());
        assert_eq!(parse(format!("({})", list(ty, most + 1))), Err(Error::TooManyParams));
        assert_eq!(parse(format!("({ty}, ...{})", list(ty, most))), Err(Error::TooManyParams));
        assert_eq!(parse(format!("({})", list(ty, 100_000))), Err(Error::TooManyParams));
        let most = Signature::MAX_RESULTS;
        assert_eq!(parse(format!("() -> ({})", list(ty, most + 1))), Err(Error::TooManyResults));
    }
    let i32s = |n| vec![ValType::I32; n];
    let made = |named, variable| Signature::variadic(i32s(named), i32s(variable), i32s(0));
    assert!(made(600, 424).is_ok());
    assert_eq!(made(600, 425), Err(Error::TooManyParams));
    let endless = || std::iter::repeat(ValType::I32);
    assert_eq!(Signature::variadic(endless(), i32s(0), i32s(0)), Err(Error::TooManyParams));
    assert_eq!(Signature::variadic(i32s(0), endless(), i32s(0)), Err(Error::TooManyParams));
    assert_eq!(Signature::variadic(i32s(0), i32s(0), endless()), Err(Error::TooManyResults));
    for convention in CONVENTIONS {
        let abi = Abi::from_name(convention).unwrap();
        let two = Error::ResultsNotInAbi { abi: abi.name(), results: 2, limit: 1 };
        assert_eq!(layout("() -> ({}, {f32})", abi).unwrap_err(), two);
        for ty in ["i32", "{}", "{f32, f32}", "{i64, i64, i64}", "i128", "c64"] {
            let text = format!("({}) -> {{i64, i64, i64}}", list(ty, Signature::MAX_PARAMS));
            soon(|| answer(&text, convention)).unwrap();
        }
    }
}

#[test]
fn dots() {
    refused("(......i32)", 4, "type");
    refused("(...i32, ...f64)", 9, "type");
    refused("(i32 ...f64)", 5, "\",\"");
    refused("(i32, ..., f64)", 9, "type");
    refused("(i32, ..f64)", 6, "type");
    refused("(i32...)", 4, "\",\"");
    refused("(..., )", 4, "type");
    refused("() -> ...i32", 6, "type");
    refused("() -> (...i32)", 7, "type");
    for (text, named) in [
        ("()", None),
        ("(...)", Some(0)),
        ("(i32, ...)", Some(1)),
        ("(i32, ...f64, ptr)", Some(1)),
        ("(...f64)", Some(0)),
    ] {
        let signature: Signature = text.parse().expect(text);
        assert_eq!(signature.named(), named);
        assert_eq!(signature.to_string(), text);
    }
}

/// What C promotes never stands in the variable part: the message says what to write.
#[test]
fn promotions() {
    let promoted = [
        ("bool", "i32"),
        ("i8", "i32"),
        ("u8", "i32"),
        ("i16", "i32"),
        ("u16", "i32"),
        ("char", "i32"),
        ("f32", "f64"),
        ("float", "f64"),
        ("short", "i32"),
    ];
    for convention in CONVENTIONS {
        let abi = Abi::from_name(convention).unwrap();
        for (ty, write) in promoted {
            for (text, param) in [
                (format!("(...{ty})"), 0),
                (format!("(ptr, ...{ty})"), 1),
                (format!("({ty}, ...i32, {ty}, f64)"), 2),
            ] {
                let error = layout(&text, abi).unwrap_err();
                let Error::Unpromoted { param: found, promoted, .. } = &error else {
                    panic!("{convention} {text}: {error}")
                };
                assert_eq!((*found, promoted.to_string().as_str()), (param, write));
                let message = error.to_string();
                assert!(message.starts_with(&format!("parameter {param} has type ")), "{message}");
                assert!(message.ends_with(&format!("write {write}")), "{message}");
            }
            // Elsewhere they may stand.
            for text in [format!("({ty}, ...)"), format!("(i32, ...{{{ty}}}) -> {ty}")] {
                assert!(layout(&text, abi).is_ok(), "{convention} {text}");
            }
        }
        // `wchar_t` has 16 bits on Windows alone.
        let wide = layout("(i32, ...wchar_t)", abi);
        let windows =
            ["x86_64-windows-c", "x86_64-msvc-c", "aarch64-windows-c"].contains(&convention);
        assert_eq!(wide.is_err(), windows, "{convention}: {wide:?}");
        for ty in [
            "i32",
            "u32",
            "i64",
            "long",
            "size_t",
            "ptr",
            "f64",
            "longdouble",
            "c32",
            "v128",
            "i128",
            "{f32}",
        ] {
            assert!(layout(&format!("(i32, ...{ty})"), abi).is_ok(), "{convention} {ty}");
        }
    }
}

/// Windows' `__vectorcall` is no name for what it is nearly.
#[test]
fn other_conventions_are_refused_by_name() {
    for name in ["x86_64-vectorcall-c", "vectorcall", "__vectorcall", "x86_64-stdcall-c"] {
        assert_eq!(Abi::from_name(name), None, "{name}");
        assert!(format!("{name} (i32)").parse::<Signature>().is_err(), "{name}");
    }
}

/// The VM convention passes WebAssembly's types, and pointers and `u64` as `i64`.
#[test]
fn the_vm_convention() {
    let vm: Vec<_> = Abi::ALL.iter().filter(|abi| abi.name().ends_with("-vm")).collect();
    assert_eq!(vm.len(), 6);
    let types = ["i32", "i64", "f32", "f64", "funcref", "externref", "ptr", "u64"];
    for abi in vm {
        let name = abi.name();
        misfit("(i32, ...)", name, &format!("the {name} convention has no variadic functions"));
        misfit("(...i32)", name, &format!("the {name} convention has no variadic functions"));
        for ty in types {
            assert!(layout(&format!("({ty}, i32) -> ({ty}, i32)"), abi).is_ok(), "{name} {ty}");
        }
        let vectors = layout("(v128) -> v128", abi);
        assert_eq!(vectors.is_err(), name == "riscv64-vm", "{name}: {vectors:?}");
        let others = c_types::SCALARS.iter().filter(|ty| !types.contains(ty) && **ty != "v128");
        let structures =
            ["{}", "{i32}", "{f64, f64}", "union {i32}", "align(16) {i64}", "{[u8; 65535]}"];
        for ty in others.chain(&structures) {
            let says =
                |value| format!("{value} has type {ty}, which the {name} convention cannot pass");
            misfit(&format!("(i32, {ty})"), name, &says("parameter 1"));
            misfit(&format!("({ty}) -> {ty}"), name, &says("parameter 0"));
            misfit(&format!("(i32) -> ({ty}, i32)"), name, &says("result 0"));
            misfit(&format!("() -> (i32, {ty})"), name, &says("result 1"));
        }
    }
    // C passes everything, everywhere: what has no register of its own goes in others.
    for (convention, at) in [
        ("riscv64-c", "a0[0..8] a1[8..16] | a0[0..8] a1[8..16] | 0"),
        ("x86_64-windows-c", "&rcx | xmm0 | 32"),
    ] {
        assert_eq!(answer("(v128) -> v128", convention).as_deref(), Ok(at));
    }
    for convention in CONVENTIONS {
        for ty in c_types::SCALARS.iter().chain(&["funcref", "externref"]) {
            answer(&format!("({ty}, {{{ty}}}) -> {ty}"), convention).unwrap();
        }
    }
}

/// System V wants the stack pointer itself aligned for an argument in memory that is
/// aligned to more than 16, which no call gives: refused, not wrong.
#[test]
fn arguments_aligned_beyond_the_stack() {
    let sysv = "x86_64-sysv-c";
    for (text, value, align) in [
        ("(align(32) {f64})", "parameter 0", 32),
        ("(i32, align(64) {[u8; 100]})", "parameter 1", 64),
        ("(i32, ...{i32, align(32) {i32}})", "parameter 1", 32),
        ("(i32, {[align(4096) {u8}; 2]})", "parameter 1", 4096),
    ] {
        misfit(
            text,
            sysv,
            &format!(
                "{value} wants the stack aligned to {align}, which a call in the {sysv} convention cannot give"
            ),
        );
    }
    // Aligned to 16, or not in memory itself: given.
    for (text, placed) in [
        ("(i32, align(16) {[u8; 100]})", "rdi, sp+0 | - | 112"),
        ("(align(32) {}, i32)", "-, rdi | - | 0"),
        ("(packed {align(32) {f64}})", "sp+0 | - | 32"),
        ("() -> align(32) {f64}", "- | *rdi | 0"),
    ] {
        assert_eq!(answer(text, sysv).as_deref(), Ok(placed), "{text}");
    }
    // Copies are aligned by the caller, so pointers to them are given.
    for convention in ["x86_64-windows-c", "aarch64-c", "aarch64-apple-c", "s390x-c"] {
        answer("(i32, align(32) {f64, i32}) -> align(64) {i32}", convention).unwrap();
    }
}

#[test]
fn texts_print_canonically() {
    for (text, printed) in [
        // Aliases print as the type that they are everywhere.
        ("(schar, uchar, short, ushort)", "(i8, u8, i16, u16)"),
        ("(int, uint, longlong, ulonglong)", "(i32, u32, i64, u64)"),
        ("(float, double) -> float", "(f32, f64) -> f32"),
        ("(ptrdiff_t, intptr_t, uintptr_t)", "(ssize_t, ssize_t, size_t)"),
        ("{int, {float}}", "{i32, {f32}}"),
        // What differs between platforms prints as itself.
        ("(char, long, ulong, size_t, ssize_t, wchar_t)", ""),
        ("(longdouble, clongdouble) -> longdouble", ""),
        ("(bool, i8, u8, i16, u16, i32, u32, i64, u64, i128, u128)", ""),
        ("(f32, f64, c32, c64, v128, ptr, funcref, externref)", ""),
        // Spaces.
        ("(  {i32 ,f64}  ,union{i32,f32})->{  }", "({i32, f64}, union {i32, f32}) -> {}"),
        (
            "(packed{u8},align( 16 ){f64},align(16)packed{f64})",
            "(packed {u8}, align(16) {f64}, align(16) packed {f64})",
        ),
        ("(packed\nunion\t{u8})", "(packed union {u8})"),
        ("({[ f32;3 ]})", "({[f32; 3]})"),
        ("(ptr,...i32,f64)", "(ptr, ...i32, f64)"),
        ("(ptr, ... i32)", "(ptr, ...i32)"),
        ("(ptr,...)", "(ptr, ...)"),
        ("(i32)->(i32)", "(i32) -> i32"),
        // A comma after the last.
        ("(i32, {f32, u8,}, ...f64,) -> (i32,)", "(i32, {f32, u8}, ...f64) -> i32"),
        ("() -> ({i32})", "() -> {i32}"),
        ("() -> ()", "()"),
        // Numbers.
        ("({[f32; 003]}, align(08) {i32})", "({[f32; 3]}, align(8) {i32})"),
        ("(align(1) {i32})", "({i32})"),
        // Nothing is dropped.
        ("({}, {{}}, union {}, packed {}, align(16) {})", ""),
        ("({[[f32; 3]; 2]}, {[{i32, [u8; 3]}; 2]})", ""),
        ("(align(4096) packed union {u8, packed {u16, i32}})", ""),
        ("(funcref, {ptr, funcref})", ""),
        ("() -> (i32, {f64}, i64)", ""),
    ] {
        let printed = if printed.is_empty() { text } else { printed };
        let (found, again) = if text.starts_with('(') {
            let signature: Signature = text.parse().expect(text);
            let again: Signature = signature.to_string().parse().expect(text);
            assert_eq!(signature, again);
            (signature.to_string(), again.to_string())
        } else {
            let ty: Type<'_> = text.parse().expect(text);
            let again: Type<'_> = ty.to_string().parse().expect(text);
            assert_eq!(ty, again);
            (ty.to_string(), again.to_string())
        };
        assert_eq!((found.as_str(), again.as_str()), (printed, printed));
    }
    // Each type prints what makes it.
    for ty in ValType::ALL {
        assert_eq!(ty.to_string().parse::<Type<'_>>().unwrap(), Type::from(ty));
        assert_eq!(ValType::from_name(&ty.to_string()), Some(ty));
    }
}

/// Types built by functions are those of texts.
#[test]
fn types_are_built_as_they_are_written() {
    let scalar = Type::from(ValType::F32);
    let array = Type::array(&scalar, 3).unwrap();
    let structure = Type::structure([array.clone(), ValType::U8.into()]).unwrap();
    let union = Type::union([structure.clone(), ValType::I64.into()]).unwrap();
    for (ty, text) in [
        (scalar, "f32"),
        (structure.clone(), "{[f32; 3], u8}"),
        (structure.packed().unwrap(), "packed {[f32; 3], u8}"),
        (structure.aligned(16).unwrap(), "align(16) {[f32; 3], u8}"),
        (structure.aligned(16).unwrap().packed().unwrap(), "align(16) packed {[f32; 3], u8}"),
        (structure.packed().unwrap().aligned(16).unwrap(), "align(16) packed {[f32; 3], u8}"),
        (structure.aligned(32).unwrap().aligned(4).unwrap(), "align(4) {[f32; 3], u8}"),
        (structure.packed().unwrap().packed().unwrap(), "packed {[f32; 3], u8}"),
        (union.packed().unwrap(), "packed union {{[f32; 3], u8}, i64}"),
        (Type::structure::<Type<'_>>([]).unwrap(), "{}"),
        (Type::union::<Type<'_>>([]).unwrap(), "union {}"),
    ] {
        assert_eq!(ty.to_string(), text);
        assert_eq!(text.parse::<Type<'_>>().unwrap(), ty);
        let signature = Signature::new([&ty], [&ty]).unwrap();
        assert_eq!(signature, format!("({text}) -> {text}").parse().unwrap());
        assert_eq!(signature.params().iter().next(), Some(ty));
    }
}

/// Any text is a signature that prints itself and has a layout or an error in every
/// convention, or an error with its place.
fn judge(text: &str) -> Result<(), TestCaseError> {
    let signature = match text.parse::<Signature>() {
        Ok(signature) => signature,
        Err(error) => {
            let at = match &error {
                Error::Syntax { position, found, .. } => {
                    let rest = text.get(*position..).expect("a boundary of characters");
                    prop_assert_eq!(rest.chars().next(), *found, "{:?}: {}", text, error);
                    *position
                }
                Error::UnknownType { position, name } => {
                    prop_assert!(text[*position..].starts_with(name.as_str()) && !name.is_empty());
                    *position
                }
                Error::TooDeep { position: Some(position) } => *position,
                other => {
                    prop_assert!(false, "{:?}: {}", text, other);
                    0
                }
            };
            let says = format!("signature, at byte {at}: ");
            prop_assert!(error.to_string().starts_with(&says), "{:?}: {}", text, error);
            return Ok(());
        }
    };
    let printed = signature.to_string();
    prop_assert_eq!(printed.parse(), Ok(signature.clone()), "{:?}", text);
    for abi in Abi::ALL {
        if let Err(error) = Layout::new(&signature, abi) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
    Ok(())
}

/// Words of the grammar in any order.
fn words() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "(",
        ")",
        "{",
        "}",
        "[",
        "]",
        ",",
        ";",
        "...",
        "->",
        "align(16)",
        "align(",
        "packed",
        "union",
        "i32",
        "f32",
        "longdouble",
        "ptr",
        "char",
        "3",
        "0",
        "65536",
        "{i32, f64}",
        "[u8; 3]",
        "i33",
        "é",
        " ",
        "\u{2003}",
        "{}",
    ]);
    let inside = prop::collection::vec(word, 0..30);
    inside.prop_map(|words| format!("({}", words.join(" ")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4 * ProptestConfig::default().cases))]

    #[test]
    fn any_words_are_a_signature_or_an_error(text in words()) {
        judge(&text)?;
    }

    #[test]
    fn any_text_is_a_signature_or_an_error(text in "\\PC*|[(),> {}\\[\\];.i3264fptrv8x-]{0,60}") {
        judge(&text)?;
    }

    /// A signature with one character changed, or one left out.
    #[test]
    fn one_wrong_character(text in c_types::signature(), at in any::<prop::sample::Index>(), c in any::<Option<char>>()) {
        let mut text: Vec<char> = text.chars().collect();
        let at = at.index(text.len());
        match c {
            Some(c) => text[at] = c,
            None => { text.remove(at); }
        }
        judge(&text.into_iter().collect::<String>())?;
    }
}
