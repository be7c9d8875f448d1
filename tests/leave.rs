//! Calls that are left at once: from host functions, callbacks and signal handlers, nested
//! and recursive, in every kind of call.

#![cfg(vmtrampoline_port)]

mod common;

use std::{
    cell::Cell,
    ffi::c_void,
    ptr::{null, null_mut},
    thread,
};

use common::{
    case::Route,
    every_path::every_path,
    leavable, native,
    panics::{throw, thrown},
};
use vmtrampoline::{
    CTrampoline, Callback, Error, HostFunc, Landing, LocalCallback, Outcome, Signature, Trampoline,
    VMContext, VMOpaqueContext, ValRaw, c_trampoline, trampoline,
};

/// By every body, whether the call returns or is left: results, and what must be kept.
#[test]
fn registers_are_restored() {
    every_path(|case, trampoline, route| {
        if let Route::Body = route {
            let judged = leavable::judge(case, trampoline, leavable::address());
            judged.unwrap_or_else(|error| panic!("{case:?}, {:?}: {error}", trampoline.shape()));
        }
    });
}

/// A landing's address, as an argument.
fn argument(landing: &Landing) -> ValRaw {
    ValRaw::ptr((&raw const *landing).cast_mut().cast::<c_void>())
}

/// The landing in this slot.
fn landing(slot: &ValRaw) -> *const Landing {
    slot.get_u64() as *const Landing
}

native! {
    /// Leaves by its callee context.
    fn leaves(callee: *mut VMOpaqueContext, _: *mut VMContext) {
        // SAFETY: each test calls this under that landing.
        unsafe { (*callee.cast::<Landing>()).leave(0x1234_5678_9abc_def0) }
    }
}

thread_local! {
    /// The landing of a callee that cannot know where its first argument is: a result in
    /// memory may be in its place.
    static LANDING: Cell<*const Landing> = const { Cell::new(null()) };
}

native! {
    /// Leaves by that landing, whatever its signature.
    fn c_leaves() {
        // SAFETY: each test calls this under that landing.
        unsafe { (*LANDING.get()).leave(!0) }
    }
}

native! {
    fn vm_returns(_: *mut VMOpaqueContext, _: *mut VMContext, x: i32, y: f64) -> f64 {
        f64::from(x) * y
    }
}

native! {
    fn vm_throws(_: *mut VMOpaqueContext, _: *mut VMContext) {
        throw();
    }
}

#[test]
fn a_call_that_is_not_left_returns() {
    static SCALE: Trampoline = trampoline!((i32, f64) -> f64);
    let landing = Landing::new();
    for _ in 0..3 {
        let mut slots = [ValRaw::i32(-3), ValRaw::f64(2.5)];
        // SAFETY: the function has this signature.
        let outcome = unsafe {
            SCALE.call_leavable(
                null_mut(),
                null_mut(),
                vm_returns as *const _,
                &mut slots,
                &landing,
            )
        };
        assert_eq!(outcome, Ok(Outcome::Returned));
        assert_eq!(slots[0].get_f64(), -7.5);
        assert!(!landing.is_live());
        assert_eq!(landing.destination(1), None);
    }
}

#[test]
fn too_few_slots_are_an_error() {
    let trampoline = trampoline!((i32, f64) -> f64);
    let landing = Landing::new();
    let mut slots = [ValRaw::i32(3)];
    // SAFETY: nothing is called.
    let outcome = unsafe {
        trampoline.call_leavable(
            null_mut(),
            null_mut(),
            vm_returns as *const _,
            &mut slots,
            &landing,
        )
    };
    assert_eq!(outcome, Err(Error::TooFewSlots { given: 1, needed: 2 }));
    let trampoline = c_trampoline!((i32, f64));
    // SAFETY: nothing is called.
    let outcome = unsafe { trampoline.call_leavable(c_leaves as *const _, &mut slots, &landing) };
    assert_eq!(outcome, Err(Error::TooFewSlots { given: 1, needed: 2 }));
}

/// Signatures that take every body. The callee ignores the parameters, so one serves all.
const SIGNATURES: [&str; 6] = [
    "()",
    "(i32) -> i32",
    "(f64, f64) -> f32",
    "(i64, i64, i64, i64, i64, i64, i64, i64) -> i64",
    "(i32) -> (i32, i64, f64)",
    "(i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, f64) -> f64",
];

#[test]
fn calls_of_every_body_are_left() {
    for text in SIGNATURES {
        let trampoline = Trampoline::new(&text.parse().unwrap()).unwrap();
        let landing = Landing::new();
        for _ in 0..3 {
            let context = (&raw const landing).cast_mut().cast();
            let mut slots = [ValRaw::v128(0x1234_5678_9abc_def0 << 40); 16];
            let before = slots.map(|slot| slot.get_v128());
            // SAFETY: the callee takes no notice of its parameters and does not return.
            let outcome = unsafe {
                trampoline.call_leavable(
                    context,
                    null_mut(),
                    leaves as *const _,
                    &mut slots,
                    &landing,
                )
            };
            assert_eq!(outcome, Ok(Outcome::Left(0x1234_5678_9abc_def0)), "{text}");
            assert_eq!(slots.map(|slot| slot.get_v128()), before, "{text}");
            assert!(!landing.is_live(), "{text}");
        }
    }
}

/// Plain C, scalars and what Rust prepares: structures, variadic functions, results in
/// memory, in several registers and in those of x87.
const C_SIGNATURES: [&str; 14] = [
    "(ptr)",
    "(ptr) -> i32",
    "(ptr, f64) -> f64",
    "(ptr, i64, i64, i64, i64, i64, i64, i64, i64, i64)",
    "(ptr, ...)",
    "(ptr, ...f64) -> i32",
    "(ptr, ...i64, i64, i64, i64, i64, i64, i64, f64)",
    "(ptr, {i32, f32}) -> {i64, f64}",
    "(ptr) -> {f64, f64}",
    "(ptr) -> {i64, i64}",
    "(ptr, {[i64; 5]}) -> {i8, f32}",
    "(ptr, f64) -> longdouble",
    "(ptr, longdouble) -> clongdouble",
    "(ptr, ...f64, longdouble) -> longdouble",
];

#[test]
fn prepared_calls_are_left() {
    for text in C_SIGNATURES {
        let signature: Signature = text.parse().unwrap();
        let trampoline = CTrampoline::new(&signature).unwrap();
        let landing = Landing::new();
        for _ in 0..20 {
            let mut slots = vec![ValRaw::v128(0x5a5a << 90 | 0x77); trampoline.slots()];
            LANDING.set(&landing);
            let before: Vec<_> = slots.iter().map(|slot| slot.get_v128()).collect();
            // SAFETY: the callee takes no notice of its parameters and does not return.
            let outcome =
                unsafe { trampoline.call_leavable(c_leaves as *const _, &mut slots, &landing) };
            assert_eq!(outcome, Ok(Outcome::Left(!0)), "{text}");
            let values = trampoline.argument(signature.params().len());
            for (slot, before) in slots[..values].iter().zip(before) {
                assert_eq!(slot.get_v128(), before, "{text}");
            }
        }
    }
}

/// The landing of the other direction: native code calls the host, which leaves.
#[test]
fn host_functions_and_callbacks_leave() {
    let signature: Signature = "(ptr, f64) -> f64".parse().unwrap();
    let leave = |slots: &mut [ValRaw]| {
        // SAFETY: the calls below run under that landing.
        unsafe { (*landing(&slots[0])).leave(slots[1].get_f64() as usize) }
    };
    let host = HostFunc::new(&signature, |_, slots| leave(slots)).unwrap();
    let callbacks = [
        Callback::new(&signature, leave).unwrap(),
        Callback::new_unwind(&signature, leave).unwrap(),
    ];
    let (vm, c) = (trampoline!((ptr, f64) -> f64), c_trampoline!((ptr, f64) -> f64));
    let landing = Landing::new();
    for i in 0..100 {
        let mut slots = [argument(&landing), ValRaw::f64(f64::from(i))];
        // SAFETY: the code has this signature, and its owner is alive.
        let outcome = unsafe {
            vm.call_leavable(host.context(), null_mut(), host.code(), &mut slots, &landing)
        };
        assert_eq!(outcome, Ok(Outcome::Left(i as usize)));
        for callback in &callbacks {
            // SAFETY: as above.
            let outcome = unsafe { c.call_leavable(callback.code(), &mut slots, &landing) };
            assert_eq!(outcome, Ok(Outcome::Left(i as usize)));
        }
    }
}

/// Function pointers lie between as any native code does.
#[test]
#[cfg(not(all(vmtrampoline_windows, not(windows))))] // where their type is of another convention
fn a_pointer_between_is_abandoned() {
    let nothing = Trampoline::new(&"() -> i32".parse().unwrap()).unwrap();
    let pointer = nothing.pointer().unwrap();
    let outer = HostFunc::new(&"()".parse().unwrap(), |caller, _| {
        let mut slot = [ValRaw::i32(1)];
        // SAFETY: the callee leaves by its callee context.
        unsafe { pointer(caller.cast(), null_mut(), leaves as *const _, slot.as_mut_ptr()) };
        unreachable!("it has been left");
    })
    .unwrap();
    let landing = Landing::new();
    let caller = (&raw const landing).cast_mut().cast();
    for _ in 0..3 {
        // SAFETY: the code has this signature.
        let outcome = unsafe {
            trampoline!(()).call_leavable(outer.context(), caller, outer.code(), &mut [], &landing)
        };
        assert_eq!(outcome, Ok(Outcome::Left(0x1234_5678_9abc_def0)));
    }
}

/// Calls itself until there are `depth` landings, then leaves the one of this number.
fn nest(outer: &mut Vec<*const Landing>, depth: usize, leave: usize) -> (usize, Outcome) {
    let landing = Landing::new();
    outer.push(&landing);
    let level = outer.len() - 1;
    native! {
        fn deeper(vector: *mut Vec<*const Landing>, depth: usize, leave: usize) -> usize {
            // SAFETY: the argument below.
            let outer = unsafe { &mut *vector };
            if outer.len() == depth {
                // SAFETY: every landing in the vector is live; the frames between hold nothing.
                unsafe { (*outer[leave]).leave(depth) }
            }
            let (level, outcome) = nest(outer, depth, leave);
            assert_eq!(outcome, Outcome::Left(depth));
            level
        }
    }
    let mut slots = [
        ValRaw::ptr((&raw mut *outer).cast::<c_void>()),
        ValRaw::from(depth as u64),
        ValRaw::from(leave as u64),
    ];
    let trampoline = c_trampoline!((ptr, size_t, size_t) -> size_t);
    // SAFETY: the function has this signature.
    let outcome =
        unsafe { trampoline.call_leavable(deeper as *const c_void, &mut slots, &landing) };
    outer.truncate(level);
    match outcome.unwrap() {
        Outcome::Returned => (slots[0].get_u64() as usize, Outcome::Left(depth)),
        left => (level, left),
    }
}

#[test]
fn landings_nest() {
    for depth in [1, 2, 3, 10] {
        for leave in 0..depth {
            let mut outer = Vec::with_capacity(depth);
            assert_eq!(nest(&mut outer, depth, leave), (leave, Outcome::Left(depth)));
            assert!(outer.is_empty());
        }
    }
}

#[test]
fn threads_have_landings_of_their_own() {
    thread::scope(|scope| {
        for thread in 0..8 {
            scope.spawn(move || {
                for i in 0..1000 {
                    let depth = 1 + (i + thread) % 4;
                    let leave = i % depth;
                    let mut outer = Vec::with_capacity(depth);
                    assert_eq!(nest(&mut outer, depth, leave), (leave, Outcome::Left(depth)));
                }
            });
        }
    });
}

/// A landing in use is refused, and serves again when its call is over.
#[test]
fn a_landing_serves_one_call_at_a_time() {
    let landing = Landing::new();
    let address = &raw const landing as usize;
    let trampoline = trampoline!(());
    let host = HostFunc::new(&"()".parse().unwrap(), |_, _| {
        // SAFETY: it is alive.
        let landing = unsafe { &*(address as *const Landing) };
        assert!(landing.is_live());
        // SAFETY: nothing is called.
        let outcome = unsafe {
            trampoline!(()).call_leavable(
                null_mut(),
                null_mut(),
                vm_returns as *const _,
                &mut [],
                landing,
            )
        };
        assert_eq!(outcome, Err(Error::LandingInUse));
        // SAFETY: as above.
        let outcome =
            unsafe { c_trampoline!(()).call_leavable(c_leaves as *const _, &mut [], landing) };
        assert_eq!(outcome, Err(Error::LandingInUse));
    })
    .unwrap();
    for _ in 0..3 {
        // SAFETY: the code has this signature.
        let outcome = unsafe {
            trampoline.call_leavable(host.context(), null_mut(), host.code(), &mut [], &landing)
        };
        assert_eq!(outcome, Ok(Outcome::Returned));
    }
}

/// Leaving an outer call abandons an inner one, whose landing then serves no more.
#[test]
fn an_abandoned_landing_stays_live() {
    let (outer, inner) = (Landing::new(), Landing::new());
    let call_inner = |of: &Landing| {
        let callee = (&raw const *of).cast_mut().cast();
        // SAFETY: the callee leaves the call of this landing. No frame between has anything to drop.
        unsafe {
            trampoline!(()).call_leavable(callee, null_mut(), leaves as *const _, &mut [], &inner)
        }
    };
    let between = LocalCallback::new(&"()".parse().unwrap(), |_| _ = call_inner(&outer)).unwrap();
    // SAFETY: the callback has this signature.
    let outcome = unsafe { c_trampoline!(()).call_leavable(between.code(), &mut [], &outer) };
    assert!(matches!(outcome, Ok(Outcome::Left(_))));
    assert!(!outer.is_live() && inner.is_live());
    assert_eq!(call_inner(&inner), Err(Error::LandingInUse));
}

/// A panic goes through a call that can be left as through any other.
#[test]
fn panics_cross_it() {
    let landing = Landing::new();
    let call = || {
        // SAFETY: the callee takes no notice of its parameters and is a C-unwind function.
        unsafe {
            trampoline!(()).call_leavable(
                null_mut(),
                null_mut(),
                vm_throws as *const _,
                &mut [],
                &landing,
            )
        }
    };
    thrown("a call that can be left", || _ = call());
    assert_eq!(call(), Err(Error::LandingInUse));
}

#[test]
fn backtraces_cross_it() {
    thread_local! {
        static SEEN: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    }
    native! {
        #[inline(never)]
        fn callee() {
            let backtrace = std::backtrace::Backtrace::force_capture().to_string();
            SEEN.set(backtrace.contains("backtraces_cross_it"));
        }
    }
    let landing = Landing::new();
    // SAFETY: the callee has this signature.
    let outcome = unsafe { c_trampoline!(()).call_leavable(callee as *const _, &mut [], &landing) };
    assert_eq!(outcome, Ok(Outcome::Returned));
    // Wine shows no names.
    assert!(SEEN.get() || cfg!(windows));
}

#[test]
#[ignore = "aborts"]
fn leaves_a_dead_landing() {
    // SAFETY: it aborts.
    unsafe { Landing::new().leave(1) }
}

/// To leave a landing that no call uses ends the process, with a message.
#[test]
#[cfg(unix)]
fn leaving_a_dead_landing_aborts() {
    let said = common::aborts::aborts("leaves_a_dead_landing");
    assert!(said.contains("no call is running that could be left by this landing"), "{said}");
}

/// The frames of this crate that are abandoned have nothing to drop: an unwinder would run no
/// destructor in any.
#[cfg(all(unix, not(vmtrampoline_windows)))]
mod between {
    use std::{cell::RefCell, ffi::c_int};

    use vmtrampoline::LocalCallback;

    use super::{common::destructors::has_destructors, *};

    unsafe extern "C" {
        fn _Unwind_Backtrace(
            visit: extern "C" fn(*mut c_void, *mut c_void) -> c_int,
            walk: *mut c_void,
        ) -> c_int;
        fn _Unwind_GetIP(context: *mut c_void) -> usize;
        fn _Unwind_GetRegionStart(context: *mut c_void) -> usize;
        fn _Unwind_GetLanguageSpecificData(context: *mut c_void) -> *const u8;
    }

    thread_local! {
        /// By frame between `look` and `leavable`: whether it has a destructor to run.
        static FRAMES: RefCell<Vec<bool>> = const { RefCell::new(Vec::new()) };
    }

    extern "C" fn visit(context: *mut c_void, _: *mut c_void) -> c_int {
        // SAFETY: the unwinder's own context, here and below.
        let function = unsafe { _Unwind_GetRegionStart(context) };
        // SAFETY: as above.
        let table = unsafe { _Unwind_GetLanguageSpecificData(context) };
        // SAFETY: as above. Where the call returns to may be another part of the table.
        let call = unsafe { _Unwind_GetIP(context) } - 1;
        // SAFETY: the function's own table.
        let drops = !table.is_null() && unsafe { has_destructors(table, (call - function) as u64) };
        FRAMES.with_borrow_mut(|frames| {
            if function == look as *const () as usize {
                frames.clear();
            } else {
                frames.push(drops);
            }
        });
        (function == leavable::address() as usize).into()
    }

    #[inline(never)]
    extern "C-unwind" fn look() {
        // SAFETY: `visit` takes no notice of its argument.
        unsafe { _Unwind_Backtrace(visit, null_mut()) };
    }

    /// Has something to drop, so it is a liar.
    extern "C-unwind" fn drops() {
        let _dropped = std::hint::black_box(Box::new(1));
        let look: extern "C-unwind" fn() = look;
        std::hint::black_box(look)();
    }

    /// How many frames lie between, and how many of them have a destructor to run.
    fn frames(call: impl FnOnce(&Landing) -> Result<Outcome, Error>) -> [usize; 2] {
        assert_eq!(call(&Landing::new()), Ok(Outcome::Returned));
        FRAMES.with_borrow(|frames| [frames.len(), frames.iter().filter(|drops| **drops).count()])
    }

    fn frames_below(trampoline: &CTrampoline, code: *const c_void) -> [usize; 2] {
        let mut slots = vec![ValRaw::default(); trampoline.slots()];
        // SAFETY: the callee takes no notice of its parameters; of results any bits are good.
        frames(|landing| unsafe { trampoline.call_leavable(code, &mut slots, landing) })
    }

    #[test]
    fn hold_no_destructor() {
        let narrow = ["(i8) -> i32", "(u16, f64) -> f64"];
        let texts = C_SIGNATURES.iter().chain(&narrow);
        for text in texts.filter(|text| !text.contains("longdouble")) {
            let signature = text.parse().unwrap();
            let trampoline = CTrampoline::new(&signature).unwrap();
            let [direct, drops] = frames_below(&trampoline, look as *const _);
            assert!(direct > 0, "{text}");
            assert_eq!(drops, 0, "{text}");
            if text.contains("...") {
                continue;
            }
            let function = |_: &mut [ValRaw]| look();
            let callbacks =
                [Callback::new(&signature, function), Callback::new_unwind(&signature, function)];
            let callbacks = callbacks.map(Result::unwrap);
            let local = LocalCallback::new(&signature, function).unwrap();
            for code in callbacks.each_ref().map(Callback::code).into_iter().chain([local.code()]) {
                let [frames, drops] = frames_below(&trampoline, code);
                assert!(frames > direct + 1, "{text}");
                assert_eq!(drops, 0, "{text}");
            }
        }
        let host = HostFunc::new(&"()".parse().unwrap(), |_, _| look()).unwrap();
        let [below_host, drops] = frames(|landing| {
            let (vm, caller) = (trampoline!(()), null_mut());
            // SAFETY: the code has this signature, and its owner is alive.
            unsafe { vm.call_leavable(host.context(), caller, host.code(), &mut [], landing) }
        });
        assert!(below_host > 2);
        assert_eq!(drops, 0);
        let liar = frames_below(&c_trampoline!(()), self::drops as *const _);
        assert_eq!(liar[1], 1, "the liar is caught");
    }
}
