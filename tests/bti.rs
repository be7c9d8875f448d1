//! Branch target identification, enforced: a copy of the bodies and their target
//! run in memory where whatever is jumped to or called through a register must
//! be a landing pad.

#![cfg(all(vmtrampoline_port, target_arch = "aarch64", target_os = "linux"))]

mod common;

use std::{ffi::c_void, mem::transmute, ptr::null_mut, slice};

use common::case::Subject;
use vmtrampoline::{
    ValRaw,
    private::{Convention, Shape},
};

const PROT_BTI: i32 = 0x10;
const HWCAP2_BTI: u64 = 1 << 17;

/// `bti c`, `mov x0, #42`, `ret`.
const TARGET: [u32; 3] = [BTI_C, 0xd280_0540, 0xd65f_03c0];
const BTI_C: u32 = 0xd503_245f;
const NOP: u32 = 0xd503_201f;
/// `mov x16, x2` and `br x16`; the same through x9.
const JUMP: [u32; 2] = [0xaa02_03f0, 0xd61f_0200];
const JUMP_X9: [u32; 2] = [0xaa02_03e9, 0xd61f_0120];

type Body = unsafe extern "C" fn(
    *mut c_void,
    *mut c_void,
    *const c_void,
    *mut ValRaw,
    *const c_void,
) -> u64;

/// More instructions than the last body has.
const LAST: usize = 180;

/// Instructions to copy: those up to the last body, and it.
fn bodies() -> &'static [u32] {
    let first = subject(Convention::Vm, Shape::Bare).body().cast::<u32>();
    let last = subject(Convention::Vm, Shape::Variable).body().cast::<u32>();
    // SAFETY: one object's code, in this order, and the code after it.
    unsafe { slice::from_raw_parts(first, last.offset_from(first) as usize + LAST) }
}

fn subject(convention: Convention, shape: Shape) -> Subject {
    let text = if shape == Shape::Bare { "()" } else { "(i64) -> i64" };
    let subject = Subject::new(convention, &text.parse().unwrap(), shape).unwrap();
    assert_eq!(subject.shape(), shape);
    subject
}

/// What the target returns to the subject's body, after this change of the code,
/// which is that of all bodies and the target.
fn call(subject: &Subject, change: impl FnOnce(&mut [u32])) -> u64 {
    let mut code = [bodies(), &TARGET].concat();
    change(&mut code);
    let (size, target) = (4 * code.len(), code.len() - TARGET.len());
    let body = subject.body() as usize - bodies().as_ptr() as usize;
    let mut slots = [ValRaw::default()];
    // SAFETY: a mapping of our own, large enough; the bodies may run anywhere,
    // and the target has the subject's signature.
    unsafe {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let memory = libc::mmap(null_mut(), size, access, flags, -1, 0);
        assert_ne!(memory, libc::MAP_FAILED);
        memory.cast::<u32>().copy_from(code.as_ptr(), code.len());
        let access = libc::PROT_READ | libc::PROT_EXEC | PROT_BTI;
        assert_eq!(libc::mprotect(memory, size, access), 0);

        let body = transmute::<*mut c_void, Body>(memory.byte_add(body));
        let target = memory.cast::<u32>().add(target).cast();
        let descriptor = (&raw const *subject.descriptor()).cast();
        let left = body(null_mut(), null_mut(), target, slots.as_mut_ptr(), descriptor);
        libc::munmap(memory, size);
        left
    }
}

/// Whether `run` dies of an illegal instruction.
fn is_illegal(run: impl FnOnce()) -> bool {
    // SAFETY: the child makes one call and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        run();
        // SAFETY: ends the child without running anything of its parent's.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: our child.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGILL
}

fn enforced() -> bool {
    // SAFETY: always.
    let enforced = unsafe { libc::getauxval(libc::AT_HWCAP2) } & HWCAP2_BTI != 0;
    assert!(enforced || std::env::var_os("VMTRAMPOLINE_RUNNER").is_none(), "emulators have BTI");
    if !enforced {
        println!("skipped: this processor has no BTI");
    }
    enforced
}

const SUBJECTS: [(Convention, Shape); 7] = [
    (Convention::Vm, Shape::Bare),
    (Convention::Vm, Shape::ShortCut),
    (Convention::C, Shape::ShortCut),
    (Convention::Vm, Shape::Fixed),
    (Convention::C, Shape::Fixed),
    (Convention::Vm, Shape::Variable),
    (Convention::C, Shape::Variable),
];

#[test]
fn bodies_have_landing_pads_and_land_on_them() {
    if enforced() {
        for (convention, shape) in SUBJECTS {
            assert_eq!(call(&subject(convention, shape), |_| ()), 42, "{convention:?} {shape:?}");
        }
    }
}

#[test]
fn a_missing_landing_pad_is_illegal() {
    if !enforced() {
        return;
    }
    for (convention, shape) in SUBJECTS {
        let subject = subject(convention, shape);
        let pad = (subject.body() as usize - bodies().as_ptr() as usize) / 4;
        let without_pad = |code: &mut [u32]| {
            assert_eq!(code[pad], BTI_C);
            code[pad] = NOP;
        };
        assert!(is_illegal(|| _ = call(&subject, without_pad)), "{convention:?} {shape:?}");
        let target_without_pad = |code: &mut [u32]| {
            let target = code.len() - TARGET.len();
            code[target] = NOP;
        };
        assert!(is_illegal(|| _ = call(&subject, target_without_pad)), "{convention:?} {shape:?}");
    }
    // `bti c` is no pad for jumps through other registers.
    let through_x9 = |code: &mut [u32]| {
        let at = code.windows(2).position(|pair| pair == JUMP).expect("the jump of `bare`");
        code[at..at + 2].copy_from_slice(&JUMP_X9);
    };
    assert!(is_illegal(|| _ = call(&subject(Convention::Vm, Shape::Bare), through_x9)));
}
