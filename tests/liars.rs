//! Bodies that each break one promise of the assembly's header: the judge of
//! all calls catches every one. (E5 and E6 are `stack.rs`'s and `step.rs`'s.)

#![cfg(all(vmtrampoline_port, target_arch = "x86_64", unix))]

mod common;

use std::{
    arch::global_asm, env::current_exe, ffi::c_void, os::unix::process::ExitStatusExt,
    process::Command,
};

use common::{
    case::{Case, Ground, Route, Subject},
    guarded::Edge,
};
use vmtrampoline::private::{Convention, Shape};

/// Calls through a liar, and says what the judge says.
fn judge(liar: *const c_void, text: &str, shape: Shape) -> Result<(), String> {
    let signature = text.parse().expect(text);
    let subject = Subject::new(Convention::Vm, &signature, shape).unwrap();
    assert_eq!(subject.shape(), shape);
    let case = Case::new(Convention::Vm, signature, 1);
    let ground = Ground::new();
    for edge in Edge::BOTH {
        case.call(&case.layout(), &subject, Route::Liar(liar), edge, &ground)?;
    }
    Ok(())
}

/// Liars: what they do before and after they call an honest body, or instead,
/// and what the judge must say. rsp + 8 is their return address.
macro_rules! liars {
    ($($name:ident $shape:ident $signature:literal [$($code:literal),*] $said:literal;)*) => {$(
        mod $name {
            use super::*;

            unsafe extern "C" {
                #[link_name = concat!("vmtrampoline_liar_", stringify!($name))]
                fn liar();
                #[link_name = concat!(
                    "vmtrampoline_",
                    env!("CARGO_PKG_VERSION_MAJOR"), "_",
                    env!("CARGO_PKG_VERSION_MINOR"), "_",
                    env!("CARGO_PKG_VERSION_PATCH"), "_",
                    liars!(@symbol $shape),
                )]
                fn body();
            }

            global_asm!(
                "{liar}:",
                "sub rsp, 8",
                $($code,)*
                "add rsp, 8",
                "ret",
                liar = sym liar,
                body = sym body,
            );

            #[test]
            fn is_caught() {
                let error = judge(liar as *const c_void, $signature, Shape::$shape);
                let error = error.expect_err("a lie");
                assert!(error.contains($said), "{error}");
            }
        }
    )*};
    (@symbol Bare) => { "bare" };
    (@symbol ShortCut) => { "short_cut" };
    (@symbol Fixed) => { "fixed" };
    (@symbol Variable) => { "variable" };
}

liars! {
    // E1
    never_calls Variable "()" ["lea rax, [rip + {body}]"] "called 0 times";
    calls_twice Bare "()" [
        "mov [rsp], rdx", "call {body}", "call [rsp]"
    ] "called 2 times";
    misaligned Bare "()" [
        "sub rsp, 8", "call {body}", "add rsp, 8"
    ] "stack pointer at the call";
    sets_direction Bare "()" ["std", "call {body}"] "the target found changed: the direction flag";
    rounds Bare "()" [
        "stmxcsr [rsp]", "xor dword ptr [rsp], 0x2000", "ldmxcsr [rsp]",
        "call {body}",
        "stmxcsr [rsp]", "xor dword ptr [rsp], 0x2000", "ldmxcsr [rsp]"
    ] "the target found changed: mxcsr";
    changes_callee Bare "()" ["inc rdi", "call {body}"] "context 0 in rdi";
    changes_caller Bare "()" ["inc rsi", "call {body}"] "context 1 in rsi";
    writes_before_reading ShortCut "(i32)" ["inc byte ptr [rcx]", "call {body}"] "p0 in rdx";
    mistakes_stack_word Fixed "(i64, i64, i64, i64, i64)" [
        "mov r10, [rcx + 64]", "mov [rcx + 48], r10", "call {body}"
    ] "p3 in r9";
    // E2
    changes_result Bare "() -> i64" ["call {body}", "inc rax"] "left in rax";
    changes_upper_half Bare "() -> i32" ["call {body}", "mov eax, eax"] "left in rax";
    changes_float Bare "() -> f64" ["call {body}", "pxor xmm0, xmm0"] "left in xmm0";
    writes_slot ShortCut "(i64) -> i64" [
        "mov [rsp], rcx", "call {body}", "mov rcx, [rsp]", "mov [rcx], rax"
    ] "slot 0 afterwards";
    writes_sixteen Variable "() -> i64" [
        "mov [rsp], rcx", "call {body}", "mov rcx, [rsp]", "and qword ptr [rcx + 8], 0"
    ] "slot 0 afterwards";
    does_not_extend Variable "() -> i32" [
        "mov [rsp], rcx", "call {body}", "mov rcx, [rsp]", "not dword ptr [rcx + 4]"
    ] "slot 0 afterwards";
    // E3
    writes_beyond Bare "()" ["not byte ptr [rcx]", "call {body}"] "slot 0 afterwards";
    writes_descriptor Bare "()" ["not byte ptr [r8 + 0x20]", "call {body}"] "the descriptor";
    writes_above Bare "()" ["not byte ptr [rsp + 16]", "call {body}"] "lost: the caller's frame";
    relies_on_red_zone Bare "() -> i64" [
        "and qword ptr [rsp - 128], 0", "call {body}", "xor rax, [rsp - 128]"
    ] "left in rax";
    relies_on_r10 Bare "() -> i64" ["xor r10, r10", "call {body}", "xor rax, r10"] "left in rax";
    relies_on_r11 Bare "() -> i64" ["xor r11, r11", "call {body}", "xor rax, r11"] "left in rax";
    relies_on_rdi Bare "() -> i64" [
        "mov [rsp], rdi", "call {body}", "xor rdi, [rsp]", "xor rax, rdi"
    ] "left in rax";
    relies_on_xmm15 Bare "() -> f64" [
        "pxor xmm15, xmm15", "call {body}", "pxor xmm0, xmm15"
    ] "left in xmm0";
    relies_on_flags Bare "() -> i64" [
        "test rsp, rsp", "call {body}", "sbb rax, 0"
    ] "left in rax";
    // E4
    loses_rbx Bare "()" ["call {body}", "not rbx"] "lost: rbx";
    loses_rbp Bare "()" ["call {body}", "not rbp"] "lost: rbp";
    loses_r12 Bare "()" ["call {body}", "not r12"] "lost: r12";
    loses_r13 Bare "()" ["call {body}", "not r13"] "lost: r13";
    loses_r14 Bare "()" ["call {body}", "not r14"] "lost: r14";
    loses_r15 Bare "()" ["call {body}", "not r15"] "lost: r15";
    loses_rsp Bare "()" [
        "call {body}", "mov rcx, [rsp + 8]", "add rsp, 24", "jmp rcx"
    ] "lost: rsp";
    loses_direction Bare "()" ["call {body}", "std"] "lost: the direction flag";
    loses_mxcsr Bare "()" [
        "call {body}", "stmxcsr [rsp]", "xor dword ptr [rsp], 0x2000", "ldmxcsr [rsp]"
    ] "lost: mxcsr";
    loses_x87 Bare "()" [
        "call {body}", "fnstcw [rsp]", "xor word ptr [rsp], 0x400", "fldcw [rsp]"
    ] "lost: the x87 control word";
}

/// Those that read what they may not: they die of it.
macro_rules! deadly {
    ($($name:ident $code:literal;)*) => {$(
        mod $name {
            use super::*;

            unsafe extern "C" {
                #[link_name = concat!("vmtrampoline_liar_", stringify!($name))]
                fn liar();
            }
            global_asm!("{liar}:", $code, "jmp rdx", liar = sym liar);

            #[test]
            #[ignore = "dies"]
            fn lies() {
                let _ = judge(liar as *const c_void, "()", Shape::Bare);
            }

            #[test]
            fn is_caught() {
                let name = concat!(stringify!($name), "::lies");
                let mut child = Command::new(current_exe().unwrap());
                let status = child.args(["--exact", name, "--ignored"]).output().unwrap().status;
                assert_eq!(status.signal(), Some(libc::SIGSEGV));
            }
        }
    )*};
}

deadly! {
    reads_before_slots "mov r10b, [rcx - 1]";
    reads_after_slots "mov r10b, [rcx]";
    reads_before_descriptor "mov r10b, [r8 - 1]";
    reads_after_descriptor "mov r10b, [r8 + 0x38]";
}
