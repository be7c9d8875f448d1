//! What function pointers leave on the stack: walkers of frame pointers find their way
//! through it, longjmp abandons it.

#![cfg(all(vmtrampoline_port, unix))]

mod common;

use std::{arch::global_asm, ffi::c_void, mem::transmute};

use common::{
    c::{Compiled, Values},
    case::Vector,
    pointers::{Pointer, SLOT, of_the_pool, typed},
};
use vmtrampoline::{VMFunctionBody, VMOpaqueContext, VMTrampolineUnwind, ValRaw};

// `vmtrampoline_test_enter(pointer, callee, target, slots)` calls the pointer, from a
// frame whose record is at the stack pointer of the call, and returns the record's
// address, which is the caller context, too. `vmtrampoline_test_look` follows the
// frame pointers up to its caller context, for at most four records, and writes their
// addresses to where its callee context points.
#[cfg(target_arch = "x86_64")]
global_asm!(
    "vmtrampoline_test_enter:",
    "push rbp",
    "mov rbp, rsp",
    "mov rax, rdi",
    "mov rdi, rsi",
    "mov rsi, rbp",
    "call rax",
    "mov rax, rbp",
    "pop rbp",
    "ret",
    "vmtrampoline_test_look:",
    "mov rax, rbp",
    "mov ecx, 4",
    "2:",
    "mov [rdi], rax",
    "add rdi, 8",
    "cmp rax, rsi",
    "je 3f",
    "mov rax, [rax]",
    "dec ecx",
    "jnz 2b",
    "3:",
    "ret",
);

#[cfg(target_arch = "aarch64")]
global_asm!(
    "vmtrampoline_test_enter:",
    "stp x29, x30, [sp, #-16]!",
    "mov x29, sp",
    "mov x9, x0",
    "mov x0, x1",
    "mov x1, x29",
    "blr x9",
    "mov x0, x29",
    "ldp x29, x30, [sp], #16",
    "ret",
    "vmtrampoline_test_look:",
    "hint #34", // bti c
    "mov x9, x29",
    "mov w10, #4",
    "2:",
    "str x9, [x0], #8",
    "cmp x9, x1",
    "b.eq 3f",
    "ldr x9, [x9]",
    "subs w10, w10, #1",
    "b.ne 2b",
    "3:",
    "ret",
);

#[cfg(target_arch = "riscv64")]
global_asm!(
    "vmtrampoline_test_enter:",
    "addi sp, sp, -16",
    "sd ra, 8(sp)",
    "sd s0, (sp)",
    "mv s0, sp",
    "mv t0, a0",
    "mv a0, a1",
    "mv a1, s0",
    "jalr t0",
    "mv a0, s0",
    "ld ra, 8(sp)",
    "ld s0, (sp)",
    "addi sp, sp, 16",
    "ret",
    "vmtrampoline_test_look:",
    "mv t0, s0",
    "li t1, 4",
    "2:",
    "sd t0, (a0)",
    "addi a0, a0, 8",
    "beq t0, a1, 3f",
    "ld t0, (t0)",
    "addi t1, t1, -1",
    "bnez t1, 2b",
    "3:",
    "ret",
);

// There the chain is that of backchains: a frame is its stack pointer at entry, and
// Wasmtime's walker looks for the one at entry of the pointer.
#[cfg(target_arch = "s390x")]
global_asm!(
    "vmtrampoline_test_enter:",
    "stmg %r6, %r15, 48(%r15)",
    "lgr %r1, %r15",
    "aghi %r15, -176",
    "stg %r1, 0(%r15)",
    "lgr %r1, %r2",
    "lgr %r2, %r3",
    "lgr %r3, %r15",
    "basr %r14, %r1",
    "lgr %r2, %r15",
    "lmg %r6, %r15, 224(%r15)",
    "br %r14",
    "vmtrampoline_test_look:",
    "lgr %r1, %r15",
    "lhi %r0, 4",
    "2:",
    "stg %r1, 0(%r2)",
    "aghi %r2, 8",
    "cgr %r1, %r3",
    "je 3f",
    "lg %r1, 0(%r1)",
    "brct %r0, 2b",
    "3:",
    "br %r14",
);

/// A walker of frame pointers that starts in the target finds the caller: at once, if
/// the pointer has jumped to the target, or by the pointer's frame record, which is the
/// first thing in its frame.
#[test]
fn walkers_of_frame_pointers_find_the_caller() {
    unsafe extern "C" {
        #[link_name = "vmtrampoline_test_enter"]
        fn enter(
            pointer: VMTrampolineUnwind,
            callee: *mut VMOpaqueContext,
            target: *const VMFunctionBody,
            slots: *mut ValRaw,
        ) -> usize;
        #[link_name = "vmtrampoline_test_look"]
        fn look();
    }
    let (mut jumped, mut framed) = (0, 0);
    let typed = [
        typed::<fn()>(),
        typed::<fn(i32) -> i64>(),
        typed::<fn(i64, i64, i64, i64, i64, i64, i64, i64, i64) -> f64>(),
        typed::<fn(Vector, f64) -> f64>(),
        typed::<fn(Vector)>(),
    ];
    for Pointer { name, function, framed: must } in of_the_pool().chain(typed) {
        let Some(must) = must else { continue };
        let (mut found, mut slots) = ([0_usize; 4], [SLOT; 16]);
        let callee = found.as_mut_ptr().cast();
        // SAFETY: `look` writes to its callee context, and takes no notice of
        // parameters. Of results any bits are good.
        let caller = unsafe { enter(function, callee, look as *const _, slots.as_mut_ptr()) };
        let way = found.iter().take_while(|record| **record != caller).count();
        assert!(way < found.len(), "{name}: {found:x?} does not reach {caller:#x}");
        if must {
            framed += 1;
            // x86-64: below the return address. Others: below the caller's frame.
            // Next to the target there may be the record of a body that was called.
            // The chain of s390x has only stack pointers at entry: no more to see.
            let record = if cfg!(target_arch = "s390x") { found[way - 1] } else { caller - 16 };
            assert_eq!(found[way - 1], record, "{name}");
        } else {
            jumped += 1;
            assert_eq!(way, 0, "{name}");
        }
    }
    println!("{jumped} pointers jump, {framed} have a frame");
    assert!(framed > 0);
}

/// In C, as no Rust function may return twice.
const ABANDON: &str = "
int _setjmp(void *);
_Noreturn void longjmp(void *, int);
typedef void trampoline(void *, void *, void *, void *);

int enter(trampoline *pointer, void *buffer, void *target, void *slots) {
    if (_setjmp(buffer)) return 1;
    pointer(buffer, 0, target, slots);
    return 0;
}

void leave(void *buffer, void *caller) { longjmp(buffer, 1); }
";

/// longjmp over a pointer's frame leaves nothing behind: the slots are as they were,
/// and the pointer can be called again.
#[test]
fn longjmp_abandons_every_pointer() {
    let library = Compiled::new("abandon", &[ABANDON.to_owned()]);
    type Buffer = [u128; 64]; // more than a jmp_buf
    type Enter =
        unsafe extern "C" fn(VMTrampolineUnwind, *mut Buffer, *const c_void, *mut ValRaw) -> i32;
    // SAFETY: the library has a function of this type.
    let enter = unsafe { transmute::<*mut Values, Enter>(library.symbol("enter")) };
    let leave = library.symbol("leave").cast_const().cast::<c_void>();

    let typed = [typed::<fn()>(), typed::<fn(i32) -> (i64, f64)>(), typed::<fn(Vector)>()];
    for pointer in of_the_pool().chain(typed) {
        for _ in 0..100 {
            let (mut buffer, mut slots) = ([0; 64], [SLOT; 16]);
            // SAFETY: `leave` takes no notice of parameters and does not return.
            let left = unsafe { enter(pointer.function, &mut buffer, leave, slots.as_mut_ptr()) };
            assert_eq!(left, 1, "{}", pointer.name);
            let same = slots.iter().all(|slot| slot.get_v128() == SLOT.get_v128());
            assert!(same, "{}", pointer.name);
        }
    }
}
