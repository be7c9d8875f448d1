//! Functions of random signatures, with structures, compiled by the C compiler and called.
//!
//! The environment variable CASES says how many, SEED which. SIGNATURE is one to be tried by
//! the test `given_signature`.

#![cfg(all(vmtrampoline_port, unix))]

mod common;

use std::{slice, sync::Mutex};

use common::{
    ccall::{Functions, abi},
    ctype::{CSignature, CType, SCALARS, csignatures},
    guard_pages::{Edge, Guarded},
    tally::{Drawn, Tally, drawn, number},
};
use vmtrampoline::{CTrampoline, Callback, Layout, Location, Piece, Signature, ValRaw};

#[test]
fn random_signatures() {
    let mut tally = Tally::default();
    tally.try_all("structs", drawn(csignatures(10), number("CASES", 250)));
    tally.report("random");
}

#[test]
fn given_signature() {
    if let Ok(text) = std::env::var("SIGNATURE") {
        let mut tally = Tally::default();
        tally.try_all("given", [CSignature::from(text.as_str())]);
        tally.report("given");
    }
}

/// Every scalar as argument in registers and on the stack, as result, in a structure.
#[test]
fn every_scalar() {
    let mut signatures = Vec::new();
    for scalar in &SCALARS {
        let ty = CType::Scalar(scalar);
        let many = CSignature { params: vec![ty.clone(); 18], named: None, result: None };
        let one = CType::structure([ty.clone()]);
        let two = CType::structure([ty.clone(), ty.clone()]);
        for result in [ty, one.clone(), two.clone()] {
            signatures.push(CSignature { result: Some(result), ..many.clone() });
        }
        signatures.push(CSignature { params: vec![one; 9], ..many.clone() });
        signatures.push(CSignature { params: vec![two; 9], ..many });
    }
    let mut tally = Tally::default();
    tally.try_all("scalars", signatures);
    tally.report("scalars");
}

/// What is written about these, or has been wrong somewhere.
#[test]
fn chosen_signatures() {
    let texts = [
        "()",
        "({})",
        "({}) -> {}",
        "({}, i32, union {}, {[{}; 2]}) -> i32",
        "(ptr, ...)",
        "(ptr, ...i32, f64, ptr, i64, f64, f64, f64, f64, f64, f64, f64, f64) -> i32",
        "(f64, ...f64, i32, {f32, f32}, {f64, f64}, longdouble, v128, i128) -> f64",
        "(i32, ...{[i8; 3]}, {[i64; 3]}, {}, c32, clongdouble, u128, {i128}) -> {i64, f64}",
        "(i32, i32, ...i128, i32, {longdouble}, {v128}) -> i32",
        "({f32, ptr}) -> {f32, ptr}",
        "({f32, i64}) -> {f32, i64}",
        "(packed {i8, f32}, packed {f32, i8, f32}) -> packed {i8, f32}",
        "(align(16) {i64}, i8, align(16) {f32}, {align(16) {i64}}) -> align(16) {f64}",
        "(i64, i128, {i128}, i64, align(16) {i64, i64}, i64, u128, i32) -> i128",
        "(f32, f32, f32, f32, f32, {[f32; 4]}, f32, {f64, f64}) -> {[f32; 4]}",
        "(union {longdouble, i32}, union {longdouble}) -> union {longdouble}",
        "({longdouble}, clongdouble) -> clongdouble",
        "(i8, u8, i16, u16, i8, u8, i16, u16, i8, u8, i16, u16, bool, char, bool) -> i8",
        "(i64, i64, i64, i64, i64, i64, i64, i64, i64, bool, i8, {i8}, {[f32; 3]}, i16, f32, f64) -> bool",
        "(i64, i64, i64, i64, i64, {i32, i32, i32}, {f64, i64}, i64) -> {i32, i32, i32}",
        "({f64, f64, f64, f64}, {f64, f64, f64, f64}, {f64, f64, f64, f64}) -> {f64, f64, f64, f64}",
        "({[i8; 500]}, {[i8; 1]}, {[i8; 17]}) -> {[i8; 500]}",
        "(v128, f64)",
        "({[packed {i32, i8}; 2]}, {packed {i32, i8}, packed {i32, i8}}) -> {[packed {i32, i8}; 2]}",
        "(packed {i16, i16, align(8) {i8}}) -> packed {i16, i16, align(8) {i8}}",
        "(union {{f32, i64}, [f64; 1]}) -> union {{f32, i64}, [f64; 1]}",
        "({v128, v128}, v128, {v128}, {i32, v128}) -> {v128, v128, v128, v128}",
    ];
    let mut tally = Tally::default();
    tally.try_all("chosen", texts.map(CSignature::from));
    tally.report("chosen");
}

/// An argument that a frame cannot align is refused, or is right.
#[test]
fn aligned_to_32() {
    let texts = [
        "(align(32) {i64}) -> i32",
        "(i32, f64, align(32) {f64, f64, f64, f64}, i32, align(32) {i8}) -> i32",
        "(i64, i64, i64, i64, i64, i64, i64, i64, i64, align(32) {i64}) -> i32",
        "() -> align(32) {i8}",
    ];
    let functions = Functions::compile("aligned", texts.map(CSignature::from).to_vec());
    for (i, text) in texts.iter().enumerate() {
        match functions.check(i) {
            Ok(_) => println!("{text}: right"),
            Err(error) => {
                assert!(error.contains("refused"), "{error}");
                println!("{error}");
            }
        }
    }
}

/// A callback reads no more than an argument of which it is given the address, and writes no
/// more than its result: pages on both sides cannot be touched.
#[test]
fn callbacks_read_and_write_no_more() {
    let values = ["{[i8; 17]}", "{[i8; 500]}", "{i64, i64, i64}", "packed {i8, i128, i8}"];
    for (value, edge) in values.into_iter().flat_map(|ty| Edge::BOTH.map(|edge| (ty, edge))) {
        let x8 = cfg!(target_arch = "aarch64"); // which trampolines give to results alone
        let text = if x8 { format!("({value})") } else { format!("({value}) -> {value}") };
        let signature: Signature = text.parse().expect(value);
        let layout = Layout::new(&signature, abi()).expect(value);
        let size = signature.params().get(0).expect("one").size(abi());
        let reversed = Mutex::new(Vec::new());
        let callback = Callback::new(&signature, |slots| {
            let mut bytes = vec![0; size];
            ValRaw::read_bytes(slots, &mut bytes).expect("enough slots");
            bytes.reverse();
            ValRaw::write_bytes(slots, &bytes).expect("enough slots");
            *reversed.lock().unwrap() = bytes;
        });
        let callback = callback.expect(value);

        // The same call with the addresses that C passes.
        let (by_reference, memory) =
            (layout.params()[0].by_reference(), layout.return_pointer().is_some());
        assert!(by_reference || memory, "{value}");
        let (before, after) = if memory { ("ptr, ", " -> ptr") } else { ("", "") };
        let argument = if by_reference { "ptr" } else { value };
        let called = format!("({before}{argument}){after}").parse().expect(value);
        let trampoline = CTrampoline::new(&called).expect(value);
        let mut slots = vec![ValRaw::default(); trampoline.slots()];
        let bytes: Vec<u8> = (0..size).map(|i| i as u8).collect();
        let grounds = [Guarded::new(), Guarded::new()];
        let [given, returned] = [0, 1].map(|i| grounds[i].put(edge, &bytes));
        slots[0] = ValRaw::ptr(returned);
        let first = trampoline.argument(memory.into());
        if by_reference {
            slots[first] = ValRaw::ptr(given);
        } else {
            ValRaw::write_bytes(&mut slots[first..], &bytes).expect("enough slots");
        }
        // SAFETY: what C would pass for the callback's signature.
        unsafe { trampoline.call(callback.code(), &mut slots) }.expect(value);
        let must: Vec<u8> = bytes.into_iter().rev().collect();
        assert_eq!(*reversed.lock().unwrap(), must, "{value}");
        if memory {
            // SAFETY: `put` has put as many bytes there.
            assert_eq!(unsafe { slice::from_raw_parts(returned, size) }, must, "{value}");
            assert_eq!(slots[0].get_ptr(), returned, "{value}");
        }
    }
}

/// What is called in the place of a callback: each calls that, whose arguments are all in
/// registers, and loses a register of its result. (Apple's assembler writes addresses in another
/// way. Its convention runs on Linux.)
#[cfg(not(all(target_arch = "aarch64", target_vendor = "apple")))]
mod liars {
    use std::{ffi::c_void, ptr::null_mut, sync::atomic::AtomicPtr};

    pub(crate) type Liar = fn(*const c_void) -> *const c_void;

    /// The callback's own code.
    pub(crate) static HONEST: AtomicPtr<c_void> = AtomicPtr::new(null_mut());

    macro_rules! liars {
        ($call:literal, $return:literal; $($name:ident $code:literal;)*) => {$(
            pub(crate) fn $name(code: *const std::ffi::c_void) -> *const std::ffi::c_void {
                mod assembly {
                    unsafe extern "C" {
                        #[link_name = concat!("vmtrampoline_loses_", stringify!($name))]
                        pub(crate) fn liar();
                    }
                    std::arch::global_asm!(
                        "{liar}:",
                        $call,
                        $code,
                        $return,
                        liar = sym liar,
                        honest = sym super::HONEST,
                    );
                }
                HONEST.store(code.cast_mut(), std::sync::atomic::Ordering::Relaxed);
                assembly::liar as *const std::ffi::c_void
            }
        )*};
    }

    /// Signatures, and the liars that lose a register of their results. Each register that
    /// results come back in comes up.
    type Cases = &'static [(&'static str, &'static [Liar])];

    #[cfg(all(target_arch = "x86_64", not(vmtrampoline_windows)))]
    liars! {
        "sub rsp, 8; call [rip + {honest}]", "add rsp, 8; ret";
        nothing "nop";
        rax "not rax";
        rdx "not rdx";
        xmm0 "pxor xmm0, xmm0";
        xmm1 "pxor xmm1, xmm1";
        st0 "fchs";
    }
    #[cfg(all(target_arch = "x86_64", not(vmtrampoline_windows)))]
    pub(crate) const CASES: Cases = &[
        ("(i64) -> {i64, i64}", &[rax, rdx]),
        ("(i64) -> {f64, f64}", &[xmm0, xmm1]),
        ("(i64) -> {i64, f64}", &[rax, xmm0]),
        ("(i64) -> {f64, i64}", &[xmm0, rax]),
        ("(i64) -> {i64, i32}", &[rax, rdx]),
        ("(i64) -> {f32, f32, f32}", &[xmm0, xmm1]),
        ("(i64) -> longdouble", &[st0]),
        ("(i64) -> clongdouble", &[st0]),
        ("(i64) -> v128", &[xmm0]),
        ("(i64) -> u8", &[rax]),
    ];

    #[cfg(all(target_arch = "x86_64", vmtrampoline_windows))]
    liars! {
        "sub rsp, 40; call [rip + {honest}]", "add rsp, 40; ret";
        nothing "nop";
        rax "not rax";
        xmm0 "pxor xmm0, xmm0";
    }
    #[cfg(all(target_arch = "x86_64", vmtrampoline_windows))]
    pub(crate) const CASES: Cases = &[
        ("(i64) -> i64", &[rax]),
        ("(i64) -> {i32, i32}", &[rax]),
        ("(i64) -> {f32, f32}", &[rax]),
        ("(i64) -> {f64}", &[rax]),
        ("(i64) -> f32", &[xmm0]),
        ("(i64) -> f64", &[xmm0]),
        ("(i64) -> v128", &[xmm0]),
        ("(i64) -> u8", &[rax]),
    ];

    #[cfg(target_arch = "aarch64")]
    liars! {
        "hint #34; stp x29, x30, [sp, #-16]!; adrp x9, {honest}; ldr x9, [x9, :lo12:{honest}]; blr x9",
        "ldp x29, x30, [sp], #16; ret";
        nothing "nop";
        x0 "mvn x0, x0";
        x1 "mvn x1, x1";
        v0 "movi v0.2d, #0";
        v1 "movi v1.2d, #0";
        v2 "movi v2.2d, #0";
        v3 "movi v3.2d, #0";
    }
    #[cfg(target_arch = "aarch64")]
    pub(crate) const CASES: Cases = &[
        ("(i64) -> {i64, i64}", &[x0, x1]),
        ("(i64) -> {i64, f64}", &[x0, x1]),
        ("(i64) -> {f64, i32}", &[x0, x1]),
        ("(i64) -> {f64, f64}", &[v0, v1]),
        ("(i64) -> {f64, f64, f64, f64}", &[v0, v1, v2, v3]),
        ("(i64) -> {f32, f32, f32, f32}", &[v0, v1, v2, v3]),
        ("(i64) -> longdouble", &[v0]),
        ("(i64) -> clongdouble", &[v0, v1]),
        ("(i64) -> v128", &[v0]),
        ("(i64) -> u8", &[x0]),
    ];

    #[cfg(target_arch = "riscv64")]
    liars! {
        ".option push; .option arch, +d; addi sp, sp, -16; sd ra, 8(sp)
        lla t0, {honest}; ld t0, 0(t0); jalr t0",
        "ld ra, 8(sp); addi sp, sp, 16; ret; .option pop";
        nothing "nop";
        a0 "not a0, a0";
        a1 "not a1, a1";
        fa0 "fmv.d.x fa0, zero";
        fa1 "fmv.d.x fa1, zero";
    }
    #[cfg(target_arch = "riscv64")]
    pub(crate) const CASES: Cases = &[
        ("(i64) -> {i64, i64}", &[a0, a1]),
        ("(i64) -> {f64, f64}", &[fa0, fa1]),
        ("(i64) -> {f32, f32}", &[fa0, fa1]),
        ("(i64) -> {i64, f64}", &[a0, fa0]),
        ("(i64) -> {f64, i64}", &[fa0, a0]),
        ("(i64) -> {f32, f32, f32}", &[a0, a1]),
        ("(i64) -> longdouble", &[a0, a1]),
        ("(i64) -> f64", &[fa0]),
        ("(i64) -> f32", &[fa0]),
        ("(i64) -> u8", &[a0]),
    ];

    #[cfg(target_arch = "s390x")]
    liars! {
        "stmg %r14, %r15, 112(%r15)
        aghi %r15, -160
        larl %r1, {honest}
        lg %r1, 0(%r1)
        basr %r14, %r1",
        "lmg %r14, %r15, 272(%r15)
        br %r14";
        nothing "nopr";
        r2 "lghi %r1, -1
        xgr %r2, %r1";
        f0 "lzdr %f0";
        v24 ".byte 0xe7, 0x80, 0, 0, 0x08, 0x44"; // vzero %v24
    }
    #[cfg(target_arch = "s390x")]
    pub(crate) const CASES: Cases = &[
        ("(i64) -> i64", &[r2]),
        ("(i64) -> u8", &[r2]),
        ("(i64) -> f64", &[f0]),
        ("(i64) -> f32", &[f0]),
        ("(i64) -> v128", &[v24]),
    ];
}

/// A callback that loses a register of its result is noticed by its caller.
#[test]
#[cfg(not(all(target_arch = "aarch64", target_vendor = "apple")))]
fn lost_result_registers_are_noticed() {
    let signatures = liars::CASES.iter().map(|(text, _)| CSignature::from(*text)).collect();
    let functions = Functions::compile("result-registers", signatures);
    for (index, (text, liars)) in liars::CASES.iter().enumerate() {
        functions.check_caller_of(index, text, liars::nothing).expect(text);
        for &liar in *liars {
            let error = functions.check_caller_of(index, text, liar).expect_err(text);
            assert!(error.contains("result"), "{text}: {error}");
        }
    }
}

/// Compiles the first text of each pair and calls it by the second. Returns the pairs whose
/// difference no check noticed.
fn unnoticed(name: &str, pairs: &[(String, String)]) -> Vec<(String, String)> {
    let compiled = pairs.iter().map(|(compiled, _)| CSignature::from(compiled.as_str())).collect();
    let functions = Functions::compile(name, compiled);
    let pairs = pairs.iter().enumerate();
    pairs
        .filter(|(i, (_, called))| functions.check_as(*i, called).is_ok())
        .map(|(_, pair)| pair.clone())
        .collect()
}

/// Whether a call by one text must be noticed if the function is of the other. A register of
/// the other kind may hold a lone argument by chance: C or the trampoline copies it there.
fn differs(compiled: &str, called: &str) -> bool {
    let [compiled, called] = [compiled, called].map(|text| {
        let signature: Signature = text.parse().expect(text);
        let layout = Layout::new(&signature, abi()).expect(text);
        // On Windows, trampolines copy the first slot to registers of both kinds.
        let mut sizes = signature.params().iter().map(|ty| ty.size(abi()));
        let first = sizes.position(|size| size != 0).map_or(0, |first| first + 1);
        let skipped = if cfg!(vmtrampoline_windows) { first } else { 0 };
        let placements = layout.params().iter().skip(skipped).chain(layout.results());
        let pieces = placements.flat_map(|placement| placement.pieces().to_vec());
        let pieces = pieces.map(|piece| (piece.offset, piece.size, piece.location));
        (pieces.collect::<Vec<_>>(), layout)
    });
    // C would follow a wrong pointer, to an argument or to its result's memory.
    let by_reference = compiled.1.params().iter().any(|placement| placement.by_reference());
    if by_reference || compiled.1.return_pointer() != called.1.return_pointer() {
        return false;
    }
    let in_register = |piece: &&Piece| matches!(piece.location, Location::Register(_));
    let pieces = called.1.params().iter().flat_map(|placement| placement.pieces());
    compiled.0 != called.0 && pieces.filter(in_register).count() > 2
}

/// The text with the first scalar `from` replaced.
fn changed(text: &str, from: &str, to: &str) -> Option<String> {
    let inside = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let whole = |(at, _): &(usize, &str)| {
        !text[..*at].ends_with(inside) && !text[at + from.len()..].starts_with(inside)
    };
    let (at, _) = text.match_indices(from).find(whole)?;
    Some(format!("{}{to}{}", &text[..at], &text[at + from.len()..]))
}

/// A call with one scalar of another class is noticed if that goes elsewhere.
#[test]
fn one_wrong_scalar_is_noticed() {
    const CHANGES: [(&str, &str); 5] =
        [("i32", "f32"), ("f32", "i32"), ("i64", "f64"), ("f64", "i64"), ("ptr", "f64")];
    let mut pairs = Vec::new();
    for tree in drawn(csignatures(5), 1000) {
        let signature = tree.signature();
        if signature.named.is_some() {
            continue; // promoted
        }
        let compiled = signature.to_string();
        let others = CHANGES.iter().filter_map(|(from, to)| changed(&compiled, from, to));
        let differ = |called: &String| differs(&compiled, called);
        pairs.extend(others.filter(differ).take(1).map(|called| (compiled.clone(), called)));
    }
    let left = unnoticed("wrong-scalars", &pairs);
    println!("{} wrong signatures, {} unnoticed", pairs.len(), left.len());
    for (compiled, called) in &left {
        println!("{compiled} called as {called}");
    }
    assert!(pairs.len() >= 10 && left.len() * 20 <= pairs.len());
}

/// Arguments of the wrong signedness are noticed where compilers rely on the caller.
#[test]
fn wrong_signs_are_noticed() {
    // Half of all values have the same bits with either sign.
    let pairs = [
        ("(i8, i8, i8, i8, i8, i8)", "(u8, u8, u8, u8, u8, u8)"),
        ("(u8, u8, u8, u8, u8, u8)", "(i8, i8, i8, i8, i8, i8)"),
        ("(u16, u16, u16, u16, u16, u16)", "(i16, i16, i16, i16, i16, i16)"),
    ];
    let pairs = pairs.map(|(compiled, called)| (compiled.to_string(), called.to_string()));
    let facts = Functions::compile("facts", Vec::new()).facts;
    let noticed = match abi().name() {
        "aarch64-apple-c" | "riscv64-c" | "s390x-c" => true,
        "x86_64-sysv-c" => facts.clang != 0,
        _ => false,
    };
    let left = unnoticed("signs", &pairs);
    assert_eq!(left.len(), if noticed { 0 } else { pairs.len() }, "{left:?}");
}

/// So is a variadic function that is called like another, where its arguments go elsewhere.
#[test]
fn forgotten_dots_are_noticed() {
    let pairs = [("(ptr, ...f64)", "(ptr, f64)"), ("(i32, ...{f64})", "(i32, {f64})")];
    let pairs = pairs.map(|(compiled, called)| (compiled.to_string(), called.to_string()));
    let must = match abi().name() {
        "aarch64-apple-c" | "aarch64-windows-c" | "riscv64-c" => 2,
        "x86_64-windows-c" => 1,
        _ => 0, // but for `al`, which may be right by chance
    };
    let left = unnoticed("dots", &pairs);
    assert!(pairs.len() - left.len() >= must, "{left:?}");
}

/// So are wrong sizes, promised to be the compiler's.
#[test]
fn wrong_sizes_are_noticed() {
    let pairs = [
        ("({i8, i64})", "(packed {i8, i64})"),
        ("(packed {i8, i64})", "({i8, i64})"),
        ("() -> {[i8; 3]}", "() -> {[i8; 4]}"),
        ("({i64, i8})", "(align(16) {i64, i8})"),
        ("(union {i64, i32})", "({i64, i32})"),
    ];
    let pairs = pairs.map(|(compiled, called)| (compiled.to_string(), called.to_string()));
    assert_eq!(unnoticed("sizes", &pairs), []);
}
