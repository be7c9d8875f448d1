//! Slots as valgrind and AddressSanitizer like them best: a block of the heap of
//! just their size, with no byte initialised that need not be. (Guard pages are
//! in every other test.)

#![cfg(vmtrampoline_port)]

mod common;

use common::{
    case::{Case, EitherTrampoline, SlotBits, cases},
    recorder::record,
    scalars,
};
use proptest::prelude::*;
use std::{cell::RefCell, ffi::c_void, mem::transmute, rc::Rc};
use vmtrampoline::{CTrampoline, LocalCallback, Trampoline, ValType, private::Convention};

/// Calls by this signature in every shape that can take it.
fn check(case: &Case) -> Result<(), String> {
    check_all(case, &EitherTrampoline::all(case.convention, &case.signature))?;
    check_all(case, &EitherTrampoline::small(case.convention, &case.signature))
}

fn check_all<S: SlotBits>(case: &Case, trampolines: &[EitherTrampoline<S>]) -> Result<(), String> {
    let per_slot = size_of::<S>() / size_of::<u64>();
    let (layout, results, count) = (case.layout(), case.results(), scalars::slots(&case.signature));
    let (before, after) = (case.slots(count), case.slots_after(count));
    for trampoline in trampolines {
        let mut words = Box::<[u64]>::new_uninit_slice(per_slot * count);
        for (i, ty) in scalars::params(&case.signature).iter().enumerate() {
            words[per_slot * i].write((before[i] as u64).to_le());
            if *ty == ValType::V128 {
                words[2 * i + 1].write(((before[i] >> 64) as u64).to_le());
            }
        }
        let slots = words.as_mut_ptr().cast();
        let [callee, caller] = case.contexts();
        let recording = record(&layout, &results, |target| match trampoline {
            // SAFETY: the recorder fits every signature, and the slots are ours.
            EitherTrampoline::Vm(trampoline) => unsafe {
                trampoline.call_unchecked(callee as _, caller as _, target.cast(), slots);
            },
            // SAFETY: as above.
            EitherTrampoline::C(trampoline) => unsafe { trampoline.call_unchecked(target, slots) },
        });
        case.judge_arguments(&layout, &recording)?;
        for (i, ty) in scalars::results(&case.signature).iter().enumerate() {
            // SAFETY: a result has been written there.
            let low = u64::from_le(unsafe { words[per_slot * i].assume_init() });
            let high = match ty {
                // SAFETY: this one has 16 bytes.
                ValType::V128 => u64::from_le(unsafe { words[2 * i + 1].assume_init() }),
                _ => (after[i] >> 64) as u64,
            };
            let is = u128::from(high) << 64 | u128::from(low);
            if is != after[i] {
                return Err(format!("result {i}: {is:#x}, not {:#x}", after[i]));
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn vm_convention(case in cases(Convention::Vm, 20, 6)) {
        check(&case).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn c_convention(case in cases(Convention::C, 20, 1)) {
        check(&case).map_err(TestCaseError::fail)?;
    }
}

/// For the test of the testers: this reads the byte after a block of the heap, and
/// decides by one that was not written.
#[test]
#[ignore = "is wrong on purpose"]
fn a_block_that_is_too_short() {
    let case = Case::new(Convention::Vm, "(i64, i64)".parse().unwrap(), 1);
    let mut words = Box::<[u64]>::new_uninit_slice(2);
    words[0].write(1);
    let trampoline = &EitherTrampoline::all(Convention::Vm, &case.signature)[0];
    let EitherTrampoline::Vm(trampoline) = trampoline else {
        unreachable!("that was the convention")
    };
    let slots = words.as_mut_ptr().cast();
    record(&case.layout(), &[], |target| {
        // SAFETY: none: there is no slot 1.
        unsafe { trampoline.call_unchecked(0 as _, 0 as _, target.cast(), slots) };
    });
}

/// The same, for what a compiler can see: a short body leaves the result to Rust,
/// which stores it after a block of the heap.
#[test]
#[ignore = "is wrong on purpose"]
fn a_result_without_a_slot() {
    let case = Case::new(Convention::Vm, "() -> i64".parse().unwrap(), 1);
    let mut words = Box::<[u64]>::new_uninit_slice(2);
    let trampoline = Trampoline::new(&case.signature).unwrap();
    let slots = words.as_mut_ptr().wrapping_add(2).cast();
    record(&case.layout(), &case.results(), |target| {
        // SAFETY: none: there is no slot 0.
        unsafe { trampoline.call_unchecked(0 as _, 0 as _, target.cast(), slots) };
    });
}

/// The same for a callback that pushes on the stack of the interpreter that is in the call. The
/// guide's interpreter copies the arguments; this one lends its stack as the slots, which moves.
#[test]
#[ignore = "is wrong on purpose"]
fn a_stack_that_moves() {
    extern "C" fn called(code: *const c_void) -> i64 {
        // SAFETY: the callback below.
        unsafe { transmute::<*const c_void, extern "C" fn()>(code)() };
        7
    }
    let stack = Rc::new(RefCell::new(vec![0_u64; 8]));
    let pushes = LocalCallback::new(&"()".parse().unwrap(), {
        let stack = stack.clone();
        move |_| stack.borrow_mut().extend([1; 1000])
    });
    let pushes = pushes.unwrap();
    let trampoline = CTrampoline::<u64>::for_slots(&"(ptr) -> i64".parse().unwrap()).unwrap();
    let slots = stack.borrow_mut().as_mut_ptr();
    stack.borrow_mut()[0] = (pushes.code().addr() as u64).to_le();
    // SAFETY: none: the slots are gone when the result is stored.
    unsafe { trampoline.call_unchecked(called as *const c_void, slots) };
}
