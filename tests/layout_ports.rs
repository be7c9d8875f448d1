//! Where values go on the architectures that are not x86-64 System V, in the
//! words of their ABI documents; then where Cranelift's convention differed.

mod common;

use common::golden::{golden, layout};
use vmtrampoline::Abi;

/// Procedure Call Standard for the Arm 64-bit Architecture, section 6.8.2,
/// stage C: each class has eight registers, and the one that is used up does not
/// disturb the other (C.1, C.9).
#[test]
fn aapcs64_registers() {
    golden("(i32, f32, i64, f64, v128, funcref)", &Abi::AARCH64_C, "x0 v0 x1 v1 v2 x2", "", "");
    golden(
        "(i64, i64, i64, i64, i64, i64, i64, i64, i64, f64) -> i32",
        &Abi::AARCH64_C,
        "x0 x1 x2 x3 x4 x5 x6 x7 sp+0 v0",
        "",
        "x0",
    );
    golden(
        "(f32, f32, f32, f32, f32, f32, f32, f32, f32, i32) -> f32",
        &Abi::AARCH64_C,
        "v0 v1 v2 v3 v4 v5 v6 v7 sp+0 x0",
        "",
        "v0",
    );
}

/// C.4, C.14 and C.16: the next stacked argument address is rounded up to 8 or
/// to the argument's natural alignment, and an argument smaller than 8 bytes
/// takes 8.
#[test]
fn aapcs64_stack() {
    let used =
        "i64, i64, i64, i64, i64, i64, i64, i64, v128, v128, v128, v128, v128, v128, v128, v128";
    let registers = "x0 x1 x2 x3 x4 x5 x6 x7 v0 v1 v2 v3 v4 v5 v6 v7";
    golden(
        &format!("({used}, i32, i32, f32, v128, f64) -> v128"),
        &Abi::AARCH64_C,
        &format!("{registers} sp+0 sp+8 sp+16 sp+32 sp+48"),
        "",
        "v0",
    );
    let text = format!("({used}, i32, i32, f32, v128, f64)");
    assert_eq!(layout(&text, &Abi::AARCH64_C).argument_area(), 64);
}

#[test]
fn aarch64_vm() {
    let abi = &Abi::AARCH64_VM;
    golden("(i32, f64) -> (i64, f32)", abi, "x2 v0", "x3", "x0 area+0");
    golden(
        "(i32, i32, i32, i32, i32) -> (v128, i32, i64)",
        abi,
        "x2 x3 x4 x5 x6",
        "x7",
        "v0 area+0 area+8",
    );
    golden(
        "(i32, i32, i32, i32, i32, i32, i32) -> (i32, i32)",
        abi,
        "x2 x3 x4 x5 x6 x7 sp+0",
        "sp+8",
        "x0 area+0",
    );
}

/// Apple, Writing ARM64 code for Apple platforms, "Pass arguments to functions
/// correctly": function arguments may consume slots on the stack that are not
/// multiples of 8 bytes; an argument has its own size and alignment there.
#[test]
fn apple_stack() {
    let used = "i64, i64, i64, i64, i64, i64, i64, i64";
    let registers = "x0 x1 x2 x3 x4 x5 x6 x7";
    golden(
        &format!("({used}, i32, i32, i64, i32, i64)"),
        &Abi::AARCH64_APPLE_C,
        &format!("{registers} sp+0 sp+4 sp+8 sp+16 sp+24"),
        "",
        "",
    );
    let floats = "f32, f32, f32, f32, f32, f32, f32, f32";
    let float_registers = "v0 v1 v2 v3 v4 v5 v6 v7";
    golden(
        &format!("({floats}, f32, f32, f32, v128, f32, f64)"),
        &Abi::AARCH64_APPLE_C,
        &format!("{float_registers} sp+0 sp+4 sp+8 sp+16 sp+32 sp+40"),
        "",
        "",
    );
    let area = |text: &str| layout(text, &Abi::AARCH64_APPLE_C).argument_area();
    assert_eq!(area(&format!("({used}, i32)")), 16);
    assert_eq!(area(&format!("({used}, i32, i32, i32, i32)")), 16);
    assert_eq!(area(&format!("({used}, i32, i32, i32, i32, i32)")), 32);
}

/// Cranelift put a return pointer that finds no register right after the last
/// parameter, without aligning it.
#[test]
fn apple_vm_return_pointer() {
    let abi = &Abi::AARCH64_APPLE_VM;
    golden(
        "(i32, i32, i32, i32, i32, i32, i32) -> (i32, i32)",
        abi,
        "x2 x3 x4 x5 x6 x7 sp+0",
        "sp+4",
        "x0 area+0",
    );
    golden(
        "(i32, i32, i32, i32, i32, i32, i32, i32) -> (i32, i32)",
        abi,
        "x2 x3 x4 x5 x6 x7 sp+0 sp+4",
        "sp+8",
        "x0 area+0",
    );
}

/// RISC-V ELF psABI, "Hardware Floating-point Calling Convention": a float goes
/// in a floating-point argument register if one is available, otherwise
/// according to the integer calling convention.
#[test]
fn riscv64_floats() {
    golden("(i32, f32, i64, f64, funcref) -> f64", &Abi::RISCV64_C, "a0 fa0 a1 fa1 a2", "", "fa0");
    let nine = "i64, i64, f64, f64, f64, f64, f64, f64, f64, f64, f64, i64";
    let eight = "fa0 fa1 fa2 fa3 fa4 fa5 fa6 fa7";
    golden(&format!("({nine}) -> i64"), &Abi::RISCV64_C, &format!("a0 a1 {eight} a2 a3"), "", "a0");
    // Neither register is left: the stack.
    golden(
        &format!("({nine}, i64, i64, i64, i64, f32, i32)"),
        &Abi::RISCV64_C,
        &format!("a0 a1 {eight} a2 a3 a4 a5 a6 a7 sp+0 sp+8"),
        "",
        "",
    );
}

/// Cranelift's floats never took integer registers.
#[test]
fn riscv64_vm_floats() {
    golden(
        "(f64, f64, f64, f64, f64, f64, f64, f64, f64, i64) -> (f32, i64)",
        &Abi::RISCV64_VM,
        "fa0 fa1 fa2 fa3 fa4 fa5 fa6 fa7 sp+0 a2",
        "a3",
        "fa0 area+0",
    );
}

/// ELF Application Binary Interface, s390x Supplement, "Parameter-passing
/// example": func(i, j, g, k, l, ll, f, h, m, v1, v2). m has the parameter slot
/// at 160, right-aligned.
#[test]
fn s390x_example() {
    golden(
        "(i32, i32, f64, i32, i32, i64, f64, f64, i32, v128, v128)",
        &Abi::S390X_C,
        "r2 r3 f0 r4 r5 r6 f2 f4 sp+164 v24 v26",
        "",
        "",
    );
}

/// The same section: the order of the vector registers, and the parameter area
/// of 8-byte slots, in which vectors are aligned to 8.
#[test]
fn s390x_stack() {
    golden(
        "(v128, v128, v128, v128, v128, v128, v128, v128, v128) -> v128",
        &Abi::S390X_C,
        "v24 v26 v28 v30 v25 v27 v29 v31 sp+160",
        "",
        "v24",
    );
    golden(
        "(f32, f64, f32, f64, f32, f64, i64, i64, i64, i64, i64, i32, i64) -> f32",
        &Abi::S390X_C,
        "f0 f2 f4 f6 sp+164 sp+168 r2 r3 r4 r5 r6 sp+180 sp+184",
        "",
        "f0",
    );
    assert_eq!(layout("()", &Abi::S390X_C).argument_area(), 160);
}

/// Cranelift took the vector registers in ascending order, and packed the return
/// area at an alignment of 8 at most.
#[test]
fn s390x_vm() {
    let abi = &Abi::S390X_VM;
    golden("(v128, v128, v128)", abi, "v24 v25 v26", "", "");
    golden(
        "(i64, i64) -> (i32, f32, i64, f64, v128)",
        abi,
        "r4 r5",
        "r6",
        "r2 area+0 area+8 area+16 area+24",
    );
    golden("(i64, i64, i64, i32) -> (v128, i32)", abi, "r4 r5 r6 sp+164", "sp+168", "v24 area+0");
    assert_eq!(layout("() -> (i32, f32, i64, f64, v128)", abi).return_area(), 40);
}

/// Microsoft, x64 calling convention, "Parameter passing": the examples, func1
/// to func3. A parameter's position picks its register; 32 bytes of shadow space
/// precede the stack slots.
#[test]
fn windows_examples() {
    let abi = &Abi::X86_64_WINDOWS_C;
    golden("(i32, i32, i32, i32, i32, i32)", abi, "rcx rdx r8 r9 sp+32 sp+40", "", "");
    golden("(f32, f64, f32, f64, f32, f32)", abi, "xmm0 xmm1 xmm2 xmm3 sp+32 sp+40", "", "");
    golden("(i32, f64, i32, f32, i32, f32)", abi, "rcx xmm1 r8 xmm3 sp+32 sp+40", "", "");
    assert_eq!(layout("()", abi).argument_area(), 32);
}

/// "Return values": __int64 func1(int, float, int, int, int) returns in rax,
/// float func2(float, double, int, __int64) in xmm0.
#[test]
fn windows_return_values() {
    let abi = &Abi::X86_64_WINDOWS_C;
    golden("(i32, f32, i32, i32, i32) -> i64", abi, "rcx xmm1 r8 r9 sp+32", "", "rax");
    golden("(f32, f64, i32, i64) -> f32", abi, "xmm0 xmm1 r8 r9", "", "xmm0");
}

/// Cranelift passed vectors by value, also on the stack.
#[test]
fn windows_vm() {
    let abi = &Abi::X86_64_WINDOWS_VM;
    golden(
        "(v128, f32, i32, v128) -> (v128, i64)",
        abi,
        "xmm2 xmm3 sp+32 sp+48",
        "sp+64",
        "xmm0 area+0",
    );
    golden("(i64) -> (i64, i64)", abi, "r8", "r9", "rax area+0");
}
