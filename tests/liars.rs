//! Liars: routines that each break one promise of the assembly's header. The judges of all
//! calls catch every one. (E5 and E6 are `stack.rs`'s and `step.rs`'s.)
//!
//! `ports/` has the liars of each port: the frame that they have, and what they do in it.

#![cfg(vmtrampoline_port)]

mod common;

use std::{
    ffi::c_void,
    sync::{Mutex, PoisonError},
};

use common::{
    case::{Case, EitherTrampoline, Ground, Route},
    guard_pages::Edge,
    host_calls::kept,
    leavable::{self, Exit},
};
use vmtrampoline::private::{Convention, Shape};

/// Calls through a liar, and says what the judge says.
fn judge(liar: *const c_void, text: &str, shape: Shape) -> Result<(), String> {
    let signature = text.parse().expect(text);
    let trampoline = EitherTrampoline::new(Convention::Vm, &signature, shape).unwrap();
    assert_eq!(trampoline.shape(), shape);
    let case = Case::new(Convention::Vm, signature, 1);
    let ground = Ground::new();
    for edge in Edge::BOTH {
        case.call(&case.layout(), &trampoline, Route::Liar(liar), edge, &ground)?;
    }
    Ok(())
}

/// Has a liar called in the place of `host`, and says what the judge says.
fn judge_host(liar: *const c_void, text: &str) -> Result<(), String> {
    kept(Convention::Vm, text, Shape::Variable, Some(liar))
}

/// Has a liar called in the place of `hidden`, `x87` or `vectors`, and says what the judge says.
#[cfg(all(
    not(vmtrampoline_windows),
    any(target_arch = "x86_64", all(target_arch = "aarch64", not(target_vendor = "apple")))
))]
fn judge_hidden(liar: *const c_void, text: &str) -> Result<(), String> {
    use common::hidden::{self, Route};
    for edge in Edge::BOTH {
        hidden::judge::<vmtrampoline::ValRaw>(text, Shape::Bare, Route::Liar(liar), edge)?;
    }
    Ok(())
}

/// Has a liar called in the place of `leavable`, and says what the judge says.
fn judge_leavable(liar: *const c_void, text: &str) -> Result<(), String> {
    let case = Case::new(Convention::Vm, text.parse().expect(text), 1);
    let trampoline = EitherTrampoline::all(Convention::Vm, &case.signature).remove(0);
    leavable::judge(&case, &trampoline, liar)
}

/// Has a call left at a liar in the place of `landed`, and says what the judge says.
fn judge_landed(liar: *const c_void, text: &str) -> Result<(), String> {
    let case = Case::new(Convention::Vm, text.parse().expect(text), 1);
    let trampoline = EitherTrampoline::all(Convention::Vm, &case.signature).remove(0);
    leavable::left(&case, &trampoline, leavable::address(), Exit::Liar(liar))
}

/// Only one thread judges, so that [`dies`] does not fork while another is at it.
static TURN: Mutex<()> = Mutex::new(());

/// Asserts that a judge says this of a liar.
fn is_caught(judge: impl FnOnce() -> Result<(), String>, said: &str) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let error = judge().expect_err("a lie");
    assert!(error.contains(said), "{error}");
}

/// Asserts that a liar does not outlive the judgement.
#[cfg(unix)]
fn dies(liar: *const c_void) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: the child makes one call and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let _ = judge(liar, "()", Shape::Bare);
        // SAFETY: ends the child without running anything of its parent's.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: our child.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert!(libc::WIFSIGNALED(status), "it lives: {status:#x}");
    assert_eq!(libc::WTERMSIG(status), libc::SIGSEGV);
}

/// Liars between these instructions: what they do before and after they call an
/// honest body, or instead, and what the judge must say.
macro_rules! liars {
    ([$($enter:literal),*] [$($leave:literal),*]
        $($name:ident $shape:ident $signature:literal [$($code:expr),*] $said:expr;)*) =>
    {
        liars! { @each [$($enter)*] [$($leave)*] $([$name $shape $signature [$($code),*] $said])* }
    };
    (@each $enter:tt $leave:tt $($liar:tt)*) => {
        $(liars! { @one $enter $leave $liar })*
    };
    (@one [$($enter:literal)*] [$($leave:literal)*]
        [$name:ident $shape:ident $signature:literal [$($code:expr),*] $said:expr]) =>
    {
        mod $name {
            unsafe extern "C" {
                #[link_name = concat!(
                    "vmtrampoline_liar_", stringify!($shape), "_", stringify!($name)
                )]
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

            std::arch::global_asm!(
                "{liar}:",
                $($enter,)*
                $($code,)*
                $($leave,)*
                liar = sym liar,
                body = sym body,
            );

            #[test]
            fn is_caught() {
                // Here, as its symbol is of this part of the object alone.
                let liar = liar as *const std::ffi::c_void;
                $crate::is_caught(|| liars!(@judge $shape liar $signature), $said);
            }
        }
    };
    (@judge Host $liar:ident $signature:literal) => {
        $crate::judge_host($liar, $signature)
    };
    (@judge Leavable $liar:ident $signature:literal) => {
        $crate::judge_leavable($liar, $signature)
    };
    (@judge Landed $liar:ident $signature:literal) => { $crate::judge_landed($liar, $signature) };
    (@judge Hidden $liar:ident $signature:literal) => { $crate::judge_hidden($liar, $signature) };
    (@judge X87 $liar:ident $signature:literal) => { $crate::judge_hidden($liar, $signature) };
    (@judge Vectors $liar:ident $signature:literal) => { $crate::judge_hidden($liar, $signature) };
    (@judge $shape:ident $liar:ident $signature:literal) => {
        $crate::judge($liar, $signature, vmtrampoline::private::Shape::$shape)
    };
    (@symbol Host) => { "host" };
    (@symbol Leavable) => { "leavable" };
    (@symbol Landed) => { "landed" };
    (@symbol Hidden) => { "hidden" };
    (@symbol X87) => { "x87" };
    (@symbol Vectors) => { "vectors" };
    (@symbol Bare) => { "bare" };
    (@symbol ShortCut) => { "short_cut" };
    (@symbol Fixed) => { "fixed" };
    (@symbol Variable) => { "variable" };
}

/// Those that lose one register each, after an honest call: by an instruction on `\\r`.
macro_rules! losers {
    ($enter:tt $leave:tt
        $($group:ident $shape:ident [$call:literal, $lose:literal] [$($register:ident)*];)*) =>
    {
        $(mod $group {
            liars! {
                $enter $leave
                $($register $shape "()" [
                    $call, concat!(".irp r, ", stringify!($register), "\n", $lose, "\n.endr")
                ] concat!("lost: ", stringify!($register));)*
            }
        })*
    };
}

/// Those that read what they may not: they die of it. The rest of each is an honest
/// `bare`.
macro_rules! deadly {
    ([$($rest:literal),*] $($name:ident $code:literal;)*) => {
        deadly! { @each [$($rest)*] $([$name $code])* }
    };
    (@each $rest:tt $($liar:tt)*) => {
        $(deadly! { @one $rest $liar })*
    };
    (@one [$($rest:literal)*] [$name:ident $code:literal]) => {
        mod $name {
            unsafe extern "C" {
                #[link_name = concat!("vmtrampoline_liar_", stringify!($name))]
                fn liar();
            }

            std::arch::global_asm!("{liar}:", $code, $($rest,)* liar = sym liar);

            #[test]
            #[cfg(unix)]
            fn is_caught() {
                $crate::dies(liar as *const _);
            }
        }
    };
}

/// The liars of this port, which `build.rs` names.
mod arch {
    include!(concat!("ports/", env!("VMTRAMPOLINE_PORT"), "/liars.rs"));
}
