//! One signature per call site, its arguments freshly written.

use oracle::{cranelift::Compiled, guest::Target, scalars};
use vmtrampoline::{Signature, Trampoline, VMContext, VMOpaqueContext, ValRaw, ValType};

use crate::{
    callees,
    clock::race,
    methods::{Checked, Direct, Libffi, Nothing, Pointer, Unchecked, Wasmtime},
    records::{record, record_race},
    site::{dependent, lane},
};

/// Calls per lane and round.
const CALLS: usize = 2000;
const ROUNDS: usize = 301;

/// Races all methods on all signatures.
pub fn run() {
    macro_rules! signatures {
        ($( ($($param:ident),*) -> $result:ty; )*) => {$({
            let params: &[Option<ValType>] = &[$(<$param as Value>::TYPE),*];
            let signature = Signature::new(params.iter().copied().flatten(), <$result as Value>::TYPE).unwrap();
            let direct = |target: &Target, slots: *mut ValRaw| {
                type Code = unsafe extern "C" fn(Callee, Caller, $($param),*) -> $result;
                let mut next = slots;
                // SAFETY: the target has this signature, and these are its slots.
                unsafe {
                    let code: Code = std::mem::transmute(target.code);
                    code(target.callee, target.caller, $($param::take(&mut next)),*).put(slots);
                }
                let _ = &mut next;
            };
            const PARAMS: usize = <[&str]>::len(&[$(stringify!($param)),*]);
            one::<PARAMS, _>(&signature, Some(direct), ROUNDS);
        })*};
    }
    signatures! {
        () -> ();
        (i32, i32) -> i32;
        (i32, i32, i32, i32) -> i32;
        (i32, i32, i32, i32, i32, i32, i32, i32) -> i32;
        (i64, i64, i64, i64, i64, i64) -> i64;
        (f64) -> f64;
        (f64, f64) -> f64;
        (f64, f64, f64, f64, f64, f64, f64, f64) -> f64;
        (i64, f64, i32) -> f64;
        (i32, i64, f32, f64) -> f64;
        (i32, i32, i32, i32, i32, i64, i64, i32, i32) -> i32;
        (i32, i64, f32, f64, i32, i64, f32, f64, i32, i64, f32, f64, i32, i64, f32, f64) -> i64;
    }

    let three_results = "(i32, i32) -> (i32, i32, i32)".parse().unwrap();
    let direct = |target: &Target, slots: *mut ValRaw| {
        type Code = unsafe extern "C" fn(Callee, Caller, i32, i32, *mut [i32; 2]) -> i32;
        let mut area = [0; 2];
        // SAFETY: the target has this signature, and these are its slots; the
        // return pointer is an ordinary last argument.
        unsafe {
            let code: Code = std::mem::transmute(target.code);
            let (a, b) = (slots.cast::<i32>().read(), slots.add(1).cast::<i32>().read());
            code(target.callee, target.caller, a, b, &mut area).put(slots);
            area[0].put(slots.add(1));
            area[1].put(slots.add(2));
        }
    };
    one::<2, _>(&three_results, Some(direct), ROUNDS);

    let none = None::<fn(&Target, *mut ValRaw)>;
    one::<2, _>(&"(i32, i32) -> (i32, i32)".parse().unwrap(), none, ROUNDS);
    one::<1, _>(&"(i32) -> v128".parse().unwrap(), none, ROUNDS);
    one::<2, _>(&"(v128, v128) -> v128".parse().unwrap(), none, ROUNDS);
    let eight_results = format!("(i64, i64) -> ({}i64)", "i64, ".repeat(7)).parse().unwrap();
    one::<2, _>(&eight_results, none, ROUNDS);

    let thousand = "i64, ".repeat(999);
    let thousand = format!("({thousand}i64) -> i64").parse().unwrap();
    one::<1000, _>(&thousand, none, ROUNDS / 3);
}

/// Races all methods on one signature, of which `WRITTEN` slots are parameters.
fn one<const WRITTEN: usize, F: Fn(&Target, *mut ValRaw) + 'static>(
    signature: &Signature,
    direct: Option<F>,
    rounds: usize,
) {
    let (store, funcs) = callees::instantiate(std::slice::from_ref(signature));
    let target = Target::of(&funcs[0], &store);
    let trampoline = Trampoline::new(signature).expect("a supported target");
    let pointer = trampoline.pointer().expect("a thunk is left");
    let compiled = Compiled::new([signature]);
    let slots = scalars::slots(signature);

    let mut lanes = vec![
        lane::<WRITTEN, _>("writing alone", slots, Nothing),
        lane::<WRITTEN, _>("call_unchecked", slots, Unchecked(trampoline.clone(), target)),
        lane::<WRITTEN, _>("call", slots, Checked(trampoline.clone(), target, slots)),
        lane::<WRITTEN, _>("pointer", slots, Pointer(pointer, target)),
        lane::<WRITTEN, _>("Cranelift", slots, Pointer(compiled.trampoline(0), target)),
        lane::<WRITTEN, _>("Wasmtime", slots, Wasmtime(store, funcs[0])),
    ];
    if let Some(direct) = direct {
        lanes.push(lane::<WRITTEN, _>("direct", slots, Direct(target, direct)));
    }
    if let Some(libffi) = Libffi::new(signature, target) {
        lanes.push(lane::<WRITTEN, _>("libffi", slots, libffi));
    }
    let row = signature.to_string();
    if WRITTEN < 10 {
        let mut lanes = [
            dependent("call_unchecked", slots, Unchecked(trampoline, target)),
            dependent("pointer", slots, Pointer(pointer, target)),
            dependent("Cranelift", slots, Pointer(compiled.trampoline(0), target)),
        ];
        record_race("dependent", &row, &race(&mut lanes, rounds, CALLS));
    }
    for lane in &mut lanes {
        let steps = lane.steps();
        record("instructions", &row, lane.name, steps.instructions as f64);
        record("atomics", &row, lane.name, steps.atomics as f64);
        record("system calls", &row, lane.name, steps.system_calls as f64);
        record("allocations", &row, lane.name, lane.allocations(CALLS) as f64);
    }
    record_race("single", &row, &race(&mut lanes, rounds, CALLS / (1 + WRITTEN / 10)));
}

type Callee = *mut VMOpaqueContext;
type Caller = *mut VMContext;

/// What a compiled call passes or returns.
trait Value: Copy {
    const TYPE: Option<ValType>;

    /// Reads the next slot.
    #[inline(always)]
    unsafe fn take(next: &mut *mut ValRaw) -> Self {
        let slot = next.cast::<Self>();
        *next = next.wrapping_add(1);
        // SAFETY: by contract this slot holds a value of this type.
        unsafe { slot.read() }
    }

    /// Writes a slot.
    #[inline(always)]
    unsafe fn put(self, slot: *mut ValRaw) {
        // SAFETY: a slot has room for every type.
        unsafe { slot.cast::<Self>().write(self) }
    }
}

macro_rules! values {
    ($($ty:ty: $val_type:expr),*) => {$(
        impl Value for $ty {
            const TYPE: Option<ValType> = $val_type;
        }
    )*};
}
values! {
    (): None,
    i32: Some(ValType::I32),
    i64: Some(ValType::I64),
    f32: Some(ValType::F32),
    f64: Some(ValType::F64)
}
