//! What function pointers leave on the stack: walkers of frame pointers find their way
//! through it, longjmp abandons it.

#![cfg(all(vmtrampoline_port, unix))]

mod common;

use std::{ffi::c_void, mem::transmute};

use common::{
    c::{Compiled, Values},
    frames::{enter, look},
    pointers::{Pointer, SLOT, of_the_pool, typed},
    port::Largest,
};
use vmtrampoline::{VMTrampolineUnwind, ValRaw};

/// A walker of frame pointers that starts in the target finds the caller: at once, if
/// the pointer has jumped to the target, or by the pointer's frame record, which is the
/// first thing in its frame.
#[test]
fn walkers_of_frame_pointers_find_the_caller() {
    let (mut jumped, mut framed) = (0, 0);
    let typed = [
        typed::<fn()>(),
        typed::<fn(i32) -> i64>(),
        typed::<fn(i64, i64, i64, i64, i64, i64, i64, i64, i64) -> f64>(),
        typed::<fn(Largest, f64) -> f64>(),
        typed::<fn(Largest)>(),
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

    let typed = [typed::<fn()>(), typed::<fn(i32) -> (i64, f64)>(), typed::<fn(Largest)>()];
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
