//! Where structures, unions, variadic arguments and wide scalars go, in the C
//! conventions: in the words of their documents, by a naive model, and by the vectors
//! of a model that was checked against gcc and clang.

mod common;

use std::collections::BTreeMap;

use common::{
    c_layout_judge::{Judged, answer, apart, judge},
    c_types,
    naive_c::{CONVENTIONS, Wrong, measures, naive},
    proof_assumptions,
};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner},
};
use vmtrampoline::{
    Abi, Descriptor, Error, Layout, Signature, Type,
    private::{Shape, describe, scatter},
};

/// Asserts where everything goes, as `arguments | result | area`.
#[track_caller]
fn golden(convention: &str, text: &str, expected: &str) {
    assert_eq!(answer(text, convention).as_deref(), Ok(expected), "{convention} {text}");
    // The naive model is held to the documents, too.
    assert_eq!(naive(text, convention, None), expected, "the naive model, {convention} {text}");
}

/// System V ABI, AMD64 supplement, figures 3.5 and 3.6: `func(e, f, s, g, h, ld, m, y,
/// z, n, i, j, k)` with `structparm { int a, b; double d; }`; of y and z, which are
/// wider vectors there, the low halves.
#[test]
fn system_v_example() {
    golden(
        "x86_64-sysv-c",
        "(int, int, {int, int, double}, int, int, longdouble, double, v128, v128, double, int, \
         int, int)",
        "rdi, rsi, rdx[0..8] xmm0[8..16], rcx, r8, sp+0, xmm1, xmm2, xmm3, xmm4, r9, sp+16, sp+24 \
         | - | 32",
    );
}

/// System V, section 3.2.3, "Classification" and "Passing".
#[test]
fn system_v_classes() {
    let golden = |text: &str, expected: &str| golden("x86_64-sysv-c", text, expected);
    // "If the size of an object is larger than eight eightbytes, or it contains
    // unaligned fields, it has class MEMORY", and so has what is over two eightbytes
    // and is no vector.
    golden("({i64, i64})", "rdi[0..8] rsi[8..16] | - | 0");
    golden("({i64, i64, u8})", "sp+0 | - | 32");
    golden("(packed {u8, i64})", "sp+0 | - | 16");
    // "If one of the classes is INTEGER, the result is the INTEGER."
    golden("({f32, i32, f64})", "rdi[0..8] xmm0[8..16] | - | 0");
    golden("({f32, f32, i32})", "xmm0[0..8] rdi[8..12] | - | 0");
    // "If one of the classes is X87, X87UP, … MEMORY is used as class."
    golden("(union {longdouble, f64}) -> union {longdouble, f64}", "sp+0 | *rdi | 16");
    // "If X87UP is not preceded by X87, the whole argument is passed in memory."
    golden("() -> union {longdouble, i64}", "- | *rdi | 0");
    golden("() -> union {longdouble, i128}", "- | rax[0..8] rdx[8..16] | 0");
    // "If there are no registers available for any eightbyte of an argument, the whole
    // argument is passed on the stack. If registers have already been assigned for some
    // eightbytes of such an argument, the assignments get reverted."
    golden(
        "(i64, i64, i64, i64, i64, {i64, i64}, i64)",
        "rdi, rsi, rdx, rcx, r8, sp+0, r9 | - | 16",
    );
    // "The upper … %rax … as if it were the first argument": a result in memory.
    golden(
        "(i64, i64, i64, i64, i64, i64) -> {[i64; 3]}",
        "rsi, rdx, rcx, r8, r9, sp+0 | *rdi | 16",
    );
    // "If the class is X87, the value is returned on the X87 stack in %st0"; "COMPLEX_X87,
    // the real part of the value is returned in %st0 and the imaginary part in %st1".
    golden("(longdouble) -> longdouble", "sp+0 | st0[0..10] | 16");
    golden("(clongdouble) -> clongdouble", "sp+0 | st0[0..10] st1[16..26] | 32");
    golden("() -> {i64, f64}", "- | rax[0..8] xmm0[8..16] | 0");
    golden("() -> {f64, i64}", "- | xmm0[0..8] rax[8..16] | 0");
    // "%al is used to indicate the number of vector registers used."
    golden("(ptr, ...i32, f64) -> i32", "rdi, rsi, xmm0 | rax | 0, al 1");
    golden("(f64, ...c64, longdouble)", "xmm0, xmm1[0..8] xmm2[8..16], sp+0 | - | 16, al 3");
    golden("(ptr, ...)", "rdi | - | 0, al 0");
}

/// Microsoft, "x64 calling convention", "Parameter passing" and "Return values": its
/// examples `func1`, `func3`, `func4`, and the two `func`s that return structures.
#[test]
fn windows_examples() {
    let golden = |text: &str, expected: &str| golden("x86_64-windows-c", text, expected);
    golden("(int, int, int, int, int, int)", "rcx, rdx, r8, r9, sp+32, sp+40 | - | 48");
    golden("(int, double, int, float, int, float)", "rcx, xmm1, r8, xmm3, sp+32, sp+40 | - | 48");
    // func4(__m64 a, __m128 b, struct c, float d, __m128 e, __m128 f)
    golden(
        "(u64, v128, {i64, i64}, float, v128, v128)",
        "rcx, &rdx, &r8, xmm3, &sp+32, &sp+40 | - | 48",
    );
    // struct Struct1 { int j, k, l; } func3(int a, double b, int c, float d)
    golden("(int, double, int, float) -> {int, int, int}", "rdx, xmm2, r9, sp+32 | *rcx | 48");
    // struct Struct2 { int j, k; } func4(int a, double b, int c, float d)
    golden("(int, double, int, float) -> {int, int}", "rcx, xmm1, r8, xmm3 | rax | 32");
    // "Structs or unions of size 8, 16, 32, or 64 bits are passed as if they were
    // integers of the same size." "For varargs, floating-point values must be
    // duplicated in the integer register."
    golden("({f32}, {f64}, {[u8; 3]}, {u8, u8})", "rcx, rdx, &r8, r9 | - | 32");
    golden("(f64, ...f64, i32, f64, f64)", "xmm0, xmm1 rdx, r8, xmm3 r9, sp+32 | - | 48");
    // "The long double type is … the same size as double" with MSVC, and `long` has 32 bits.
    golden("(longdouble, {longdouble}) -> longdouble", "&rdx, &r8 | *rcx | 32");
    self::golden(
        "x86_64-msvc-c",
        "(longdouble, {longdouble}) -> longdouble",
        "xmm0, rdx | xmm0 | 32",
    );
    for convention in ["x86_64-windows-c", "x86_64-msvc-c"] {
        self::golden(convention, "({long, long}) -> {[ulong; 3]}", "rdx | *rcx | 32");
    }
}

/// Procedure Call Standard for the Arm 64-bit Architecture, section 6.8.2, stages B and
/// C.
#[test]
fn aapcs64_stages() {
    let golden = |text: &str, expected: &str| golden("aarch64-c", text, expected);
    // B.4: "If the argument type is a Composite Type that is larger than 16 bytes, then
    // the argument is copied to memory allocated by the caller and the argument is
    // replaced by a pointer to the copy."
    golden("({[u8; 17]}, i32)", "&x0, x1 | - | 0");
    // C.2: "If the argument is an HFA or an HVA and there are sufficient unallocated
    // SIMD and Floating-point registers, then the argument is allocated to SIMD and
    // Floating-point registers (with one register per member)."
    golden("({f32, f32, f32, f32})", "v0[0..4] v1[4..8] v2[8..12] v3[12..16] | - | 0");
    golden("({f64, f64, f64, f64}, f64)", "v0[0..8] v1[8..16] v2[16..24] v3[24..32], v4 | - | 0");
    golden("({f32, f32, f32, f32, f32})", "&x0 | - | 0");
    golden("({v128, v128})", "v0[0..16] v1[16..32] | - | 0");
    // C.3: "If the argument is an HFA or an HVA then the NSRN is set to 8 and the size of
    // the argument is rounded up to the nearest multiple of 8 bytes."
    golden(
        "(f64, f64, f64, f64, f64, f64, f64, {f32, f32, f32}, f64)",
        "v0, v1, v2, v3, v4, v5, v6, sp+0, sp+16 | - | 32",
    );
    // C.4: "the NSAA is rounded up to the larger of 8 or the Natural Alignment".
    let nine = "f64, f64, f64, f64, f64, f64, f64, f64, f64";
    let placed = "v0, v1, v2, v3, v4, v5, v6, v7, sp+0";
    golden(&format!("({nine}, {{f64, f64}})"), &format!("{placed}, sp+8 | - | 32"));
    golden(&format!("({nine}, align(16) {{f64, f64}})"), &format!("{placed}, sp+8 | - | 32"));
    golden(&format!("({nine}, {{align(16) {{f64, f64}}}})"), &format!("{placed}, sp+16 | - | 32"));
    // C.10: "If the argument has a natural alignment of 16 then the NGRN is rounded up
    // to the next even number." C.11, C.12.
    golden("(i64, i128, i64)", "x0, x2[0..8] x3[8..16], x4 | - | 0");
    golden("(i64, align(16) {i64}, i64)", "x0, x1[0..8] x2[8..16], x3 | - | 0");
    golden("(i64, {align(16) {i64}}, i64)", "x0, x2[0..8] x3[8..16], x4 | - | 0");
    // C.13: "The NGRN is set to 8."
    golden(
        "(i64, i64, i64, i64, i64, i64, i64, {i64, i64}, i64)",
        "x0, x1, x2, x3, x4, x5, x6, sp+0, sp+16 | - | 32",
    );
    // 6.9: "the caller shall reserve a block of memory … the address of the memory block
    // shall be passed as an additional argument to the function in x8".
    golden("(i32) -> {[u8; 17]}", "x0 | *x8 | 0");
    golden("() -> {f64, f64, f64}", "- | v0[0..8] v1[8..16] v2[16..24] | 0");
    golden("() -> {i64, u8}", "- | x0[0..8] x1[8..16] | 0");
    golden("() -> {[u8; 9]}", "- | x0[0..8] x1[8..9] | 0");
}

/// Apple, "Writing ARM64 code for Apple platforms": arguments on the stack have their
/// own size and alignment, variadic ones are all there, in slots of 8 bytes.
#[test]
fn apple_stack() {
    let golden = |text: &str, expected: &str| golden("aarch64-apple-c", text, expected);
    let used = |text: &str, expected: &str| {
        let registers = "x0, x1, x2, x3, x4, x5, x6, x7";
        let text = format!("(i64, i64, i64, i64, i64, i64, i64, i64, {text})");
        golden(&text, &format!("{registers}, {expected}"));
    };
    used("bool, i8, i16, i32, i8, i64", "sp+0, sp+1, sp+2, sp+4, sp+8, sp+16 | - | 32");
    used("i8, i128, i8", "sp+0, sp+16, sp+32 | - | 48");
    // A structure takes slots of 8 bytes, but a homogeneous one its own size.
    used("i8, {i8}, i8", "sp+0, sp+8, sp+16 | - | 32");
    used(
        "f64, f64, f64, f64, f64, f64, f64, f64, f32, {f32, f32, f32}, {f64}",
        "v0, v1, v2, v3, v4, v5, v6, v7, sp+0, sp+4, sp+16 | - | 32",
    );
    used("i8, ...i32, f64, {i8}", "sp+0, sp+8, sp+16, sp+24 | - | 32");
    golden("(ptr, ...i32, f64) -> i32", "x0, sp+0, sp+8 | x0 | 16");
    golden("(ptr, ...{[u8; 17]}, {f64, f64, f64})", "x0, &sp+0, sp+8 | - | 32");
    golden("(i64, i128)", "x0, x1[0..8] x2[8..16] | - | 0");
    // `long double` is `double` there.
    golden("(longdouble, {longdouble, f64}) -> longdouble", "v0, v1[0..8] v2[8..16] | v0 | 0");
}

/// Microsoft, "Overview of ARM64 ABI conventions": AAPCS64, and "Addendum: Variadic
/// functions": "all composites are treated alike", "SIMD and floating-point registers aren't
/// used", and "the first 64 bytes of the stack are loaded into x0-x7".
#[test]
fn windows_on_arm() {
    let golden = |text: &str, expected: &str| golden("aarch64-windows-c", text, expected);
    golden(
        "(f64, {f32, f32}, longdouble) -> {f64, f64}",
        "v0, v1[0..4] v2[4..8], v3 | v0[0..8] v1[8..16] | 0",
    );
    golden("(f64, ...f64, {f32, f32, f32}) -> f64", "x0, x1, x2[0..8] x3[8..12] | v0 | 0");
    golden("(ptr, ...{f64, f64, f64}, longdouble, long)", "x0, &x1, x2, x3 | - | 0");
    // A composite begins in the last register.
    let seven = "i64, i64, i64, i64, i64, i64, i64";
    let placed = "x0, x1, x2, x3, x4, x5, x6";
    golden(
        &format!("({seven}, ...{{i64, i32}}, f64)"),
        &format!("{placed}, x7[0..8] sp+0[8..16], sp+8 | - | 16"),
    );
    // What is aligned to 16 does not.
    golden(&format!("({seven}, ...i128, i64)"), &format!("{placed}, sp+0, sp+16 | - | 32"));
    golden("(i32, ...v128) -> v128", "x0, x2[0..8] x3[8..16] | v0 | 0");
    golden("(i32, ...{}, f64)", "x0, -, x1 | - | 0");
}

/// RISC-V ELF psABI, "Integer Calling Convention" and "Hardware Floating-point Calling
/// Convention".
#[test]
fn riscv_rules() {
    let golden = |text: &str, expected: &str| golden("riscv64-c", text, expected);
    // "A struct containing just one floating-point real is passed as though it were a
    // standalone floating-point real."
    golden("({f32}, {{f64}}) -> {f32}", "fa0, fa1 | fa0 | 0");
    // "A struct containing two floating-point reals is passed in two floating-point
    // registers, if neither real is more than ABI_FLEN bits wide and at least two
    // floating-point argument registers are available."
    golden("({f32, f64}) -> {f32, f64}", "fa0[0..4] fa1[8..16] | fa0[0..4] fa1[8..16] | 0");
    golden("(c32)", "fa0[0..4] fa1[4..8] | - | 0");
    golden(
        "(f64, f64, f64, f64, f64, f64, f64, {f32, f32}, f64)",
        "fa0, fa1, fa2, fa3, fa4, fa5, fa6, a0, fa7 | - | 0",
    );
    // "A struct containing one floating-point real and one integer (or bitfield), in
    // either order, is passed in a floating-point register and an integer register".
    golden("({i32, f64}, {f32, u8})", "a0[0..4] fa0[8..16], fa1[0..4] a1[4..5] | - | 0");
    golden("({f64, ptr})", "a0[0..8] a1[8..16] | - | 0");
    golden("({f32, f32, f32})", "a0[0..8] a1[8..12] | - | 0");
    golden("(union {f32}, union {f64})", "a0, a1 | - | 0");
    // As gcc and clang have it: an empty union beside the one float or complex number that fills
    // the structure does not count. Beside two floats, gcc counts it.
    golden("({union {}, f32}, {union {union {}}, {f64}})", "fa0, fa1 | - | 0");
    golden(
        "({union {}, c32}) -> {union {}, [c32; 1]}",
        "fa0[0..4] fa1[4..8] | fa0[0..4] fa1[4..8] | 0",
    );
    golden("({union {}, f32, f32}, {{union {}, f32}, f32})", "a0, a1 | - | 0");
    golden("(align(8) {union {}, f32}, {union {}, [f32; 2]})", "a0, a1 | - | 0");
    // "Scalars that are 2×XLEN bits wide are passed in a pair of argument registers …
    // If exactly one register is available, the low-order XLEN bits are passed in the
    // register and the high-order XLEN bits are passed on the stack."
    golden("(i64, i128)", "a0, a1[0..8] a2[8..16] | - | 0");
    golden(
        "(i64, i64, i64, i64, i64, i64, i64, i128, i64)",
        "a0, a1, a2, a3, a4, a5, a6, a7[0..8] sp+0[8..16], sp+8 | - | 16",
    );
    // "Scalars wider than 2×XLEN bits are passed by reference", aggregates, too.
    golden("({[u8; 17]}, clongdouble) -> clongdouble", "&a1, &a2 | *a0 | 0");
    golden(
        "(longdouble, v128) -> longdouble",
        "a0[0..8] a1[8..16], a2[0..8] a3[8..16] | a0[0..8] a1[8..16] | 0",
    );
    // "Variadic arguments with 2×XLEN-bit alignment and size at most 2×XLEN bits are
    // passed in an aligned register pair (i.e., the first register in the pair is
    // even-numbered)". "Floating-point arguments … variadic … integer convention".
    golden("(i32, ...i128, f64)", "a0, a2[0..8] a3[8..16], a4 | - | 0");
    golden("(f64, ...f64, {f32, f32})", "fa0, a0, a1 | - | 0");
    // "Empty structs or union arguments or return values are ignored by C compilers."
    golden("({}, i32, {}) -> {}", "-, a0, - | - | 0");
}

/// ELF Application Binary Interface, s390x Supplement, section 1.2.3, "Parameter
/// passing".
#[test]
fn s390x_rules() {
    let golden = |text: &str, expected: &str| golden("s390x-c", text, expected);
    // "A struct or a union of 1, 2, 4, or 8 bytes" in a general register, "a struct
    // that is equivalent to a floating-point type" in a floating-point register.
    golden("({u8}, {i16}, {i32}, {i32, i32}, {f32}, {{f64}})", "r2, r3, r4, r5, f0, f2 | - | 160");
    // All else by "a pointer to a copy".
    golden("({[u8; 3]}, {[i64; 2]}, i128, longdouble, c32)", "&r2, &r3, &r4, &r5, &r6 | - | 160");
    golden("(union {f32}, {f32, {}}, {[f32; 1]})", "r2, r3, r4 | - | 160");
    // "A struct of one vector" in a vector register.
    golden("({v128}, v128, {v128, v128})", "v24, v26, &r2 | - | 160");
    // Right-justified in slots of 8 bytes above the register save area.
    golden(
        "(i64, i64, i64, i64, i64, {u8}, {i16}, i32, {i32, i32}, {[u8; 3]})",
        "r2, r3, r4, r5, r6, sp+167, sp+174, sp+180, sp+184, &sp+192 | - | 200",
    );
    // Results: every structure in memory.
    golden("(i32) -> {u8}", "r3 | *r2 | 160");
    golden("(i32) -> c32", "r3 | *r2 | 160");
    golden("(i32) -> v128", "r2 | v24 | 160");
    // Variadic vectors lie on the stack.
    golden("(v128, ...v128, f64)", "v24, sp+160, f0 | - | 176");
}

/// `tests/data/c_vectors.txt`, as (convention, signature, all else).
fn vectors() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    include_str!("data/c_vectors.txt").lines().map(|line| {
        let fields = line.splitn(3, " | ").collect::<Vec<_>>();
        let [convention, signature, expected] = fields[..] else { panic!("{line}") };
        (convention, signature, expected)
    })
}

/// Reports all that disagree at once.
#[track_caller]
fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

/// Every vector of `tests/data/c_vectors.txt`.
#[test]
fn layouts_are_those_of_the_vectors() {
    let (mut wrong, mut count, mut refused) = (Vec::new(), 0, 0);
    for (convention, text, expected) in vectors() {
        count += 1;
        match (answer(text, convention), judge(text, convention, None)) {
            (Ok(found), _) if found == expected => {}
            (Err(_), Ok(Judged::Refused)) => refused += 1,
            (found, _) => {
                let found = found.unwrap_or_else(|error| error);
                wrong.push(format!("{convention} {text}\n  is   {found}\n  must {expected}"));
            }
        }
    }
    none(&wrong);
    assert!(count > 3000, "{count} vectors");
    assert!(refused < 30, "{refused} vectors have no layout");
}

/// The two models have no code in common, and agree.
#[test]
fn the_naive_model_is_that_of_the_vectors() {
    let wrong = vectors().filter_map(|(convention, text, expected)| {
        let found = naive(text, convention, None);
        let error = format!("{convention} {text}\n  is   {found}\n  must {expected}");
        (found != expected).then_some(error)
    });
    none(&wrong.collect::<Vec<_>>());
}

/// Each rule decides several vectors: an error in it changes their answers.
#[test]
fn the_vectors_notice_errors_in_single_rules() {
    for &(wrong, convention) in Wrong::ALL {
        let of_it = vectors().filter(|(one, ..)| *one == convention);
        let noticed =
            of_it.filter(|(_, text, expected)| naive(text, convention, Some(wrong)) != *expected);
        let noticed = noticed.count();
        assert!(noticed >= 3, "{wrong:?}: {noticed} vectors");
    }
}

/// The control of what [`judge`] finds in every layout: values that are not apart.
#[test]
fn values_that_are_not_apart_are_noticed() {
    let sysv = "x86_64-sysv-c";
    for (convention, text, shown, missed) in [
        (sysv, "(i32, i32)", "rdi, rdi | - | 0", "two values in rdi"),
        (sysv, "({i64, i64})", "rdi[0..8] rdi[8..16] | - | 0", "two values in rdi"),
        (sysv, "({i64, i64})", "rdi[0..8] | - | 0", "bytes 8..16"),
        (sysv, "({i64, i64})", "rdi[0..8] rsi[0..8] | - | 0", "bytes 0..8"),
        (sysv, "({i32, i8})", "rdi[0..4] | - | 0", "bytes 4..5"),
        (sysv, "(i32, i32)", "rdi | - | 0", "1 arguments"),
        (sysv, "(i64, i64)", "sp+0, sp+4 | - | 16", "two values in sp+4"),
        (sysv, "(i128)", "sp+0 | - | 8", "not in its area"),
        ("x86_64-windows-c", "(i64)", "sp+24 | - | 32", "reserved"),
        ("s390x-c", "(i64)", "sp+152 | - | 160", "reserved"),
        ("aarch64-c", "({[u8; 17]}, i8)", "&sp+0, sp+7 | - | 16", "two values in sp+7"),
        (sysv, "(...f64)", "xmm0 rcx | - | 0", "bytes 0..8"),
    ] {
        let error = apart(text, convention, shown).expect_err(shown);
        assert!(error.contains(missed), "{shown}: {error}");
    }
}

proptest! {
    #![proptest_config(Config::with_cases(8 * Config::default().cases))]

    /// Of random signatures, with types nested three deep: the layout is the naive
    /// model's, and the sizes of its types are.
    #[test]
    fn the_naive_model_agrees(text in c_types::signature(), ty in c_types::tree()) {
        for convention in CONVENTIONS {
            judge(&text, convention, None).map_err(TestCaseError::fail)?;
            let ty = ty.to_string();
            let abi = Abi::from_name(convention).unwrap();
            let parsed: Type<'_> = ty.parse().unwrap();
            let offsets = parsed.fields_in(abi).into_iter().map(|(at, _)| at).collect();
            let found = (parsed.size(abi), parsed.align(abi), offsets);
            let must = measures(&format!("({ty})"), convention);
            prop_assert_eq!(found, must, "{} {}", convention, ty);
        }
    }

    /// What has a layout can be told to the assembly, for slots of both sizes, and holds what
    /// the symbolic proofs assume of all descriptors.
    #[test]
    fn layouts_have_descriptors(text in c_types::signature()) {
        let signature: Signature = text.parse().unwrap();
        for convention in CONVENTIONS {
            let abi = Abi::from_name(convention).unwrap();
            let layout = Layout::new(&signature, abi).map(|_| ());
            for stride in [8, 16] {
                for shape in Shape::ALL {
                    let assumed = |descriptor: &Descriptor| proof_assumptions::of_descriptor(descriptor, abi);
                    let made = describe(abi, &signature, stride, shape, assumed);
                    let must = layout.clone().map(|()| Ok(()));
                    prop_assert_eq!(made, must, "{} {} {:?} {}", convention, text, shape, stride);
                }
            }
        }
    }

    /// What has a layout and is not variadic can call the host, whose plan stays inside the
    /// frame, as the crate asserts; and what the symbolic proofs assume of all scatters holds.
    #[test]
    fn layouts_have_scatters(text in c_types::signature()) {
        let signature: Signature = text.parse().unwrap();
        for convention in CONVENTIONS {
            let abi = Abi::from_name(convention).unwrap();
            let layout = Layout::new(&signature, abi).map(|_| ());
            for shape in [Shape::Bare, Shape::Variable] {
                let made = scatter(abi, &signature, shape);
                if text.contains("...") {
                    prop_assert_eq!(made, Err(Error::VariadicCallback));
                    continue;
                }
                prop_assert_eq!(made.as_ref().map(|_| &()), layout.as_ref());
                if let Ok((words, lists, masks)) = made {
                    proof_assumptions::of_scatters(&words, &lists, &masks, abi).map_err(TestCaseError::fail)?;
                }
            }
        }
    }

    /// The text is canonical: it prints itself.
    #[test]
    fn signatures_print_as_they_were_written(text in c_types::signature()) {
        let signature: Signature = text.parse().unwrap();
        // An alignment of 1 says nothing.
        prop_assert_eq!(signature.to_string(), text.replace("align(1) ", ""));
    }
}

/// What the property test leaves out is known by name, and is little.
#[test]
fn few_signatures_are_left_out() {
    let mut counts: BTreeMap<(&str, String), u32> = BTreeMap::new();
    let (strategy, mut runner) = (c_types::signature(), deterministic(0));
    for _ in 0..1000 {
        let text = strategy.new_tree(&mut runner).unwrap().current();
        for convention in CONVENTIONS {
            let judged = judge(&text, convention, None).unwrap();
            *counts.entry((convention, format!("{judged:?}"))).or_default() += 1;
        }
    }
    counts.retain(|(_, judged), _| judged != "Agreed");
    let left_out: Vec<_> =
        counts.iter().map(|((name, judged), n)| (*name, judged.as_str(), *n)).collect();
    let [("aarch64-apple-c", "Disputed", disputed), ("x86_64-sysv-c", "Refused", refused)] =
        left_out[..]
    else {
        panic!("{left_out:?}")
    };
    assert!(disputed < 40 && refused < 100, "{left_out:?}");
}

fn deterministic(cases: u32) -> TestRunner {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::default()))
}

/// The control of the property test: an error in a single rule of the naive model is
/// noticed within this many random signatures.
#[test]
fn errors_in_single_rules_are_noticed() {
    const CASES: u32 = 5000;
    for &(wrong, convention) in Wrong::ALL {
        let result = deterministic(CASES).run(&c_types::signature(), |text| {
            judge(&text, convention, Some(wrong)).map_err(TestCaseError::fail)?;
            Ok(())
        });
        match result {
            Err(TestError::Fail(reason, text)) => println!("{wrong:?}: {text}\n{reason}"),
            other => panic!("{wrong:?}: {other:?}"),
        }
    }
}
