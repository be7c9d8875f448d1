//! The other direction: native code calls a host function, which finds its
//! arguments in value slots.

use std::{ffi::c_void, hint::black_box, ptr::null_mut};

use libffi::low;
use oracle::{cranelift::HostStub, scalars};
use vmtrampoline::{
    ArrayCall, Callback, HostFunc, Signature, VMContext, VMOpaqueContext, ValRaw, ValType,
};

use crate::{
    callbacks::Closure,
    clock::{Lane, race},
    making::Interface,
    records::{record, record_race},
};

/// Calls per lane and round.
const CALLS: usize = 2000;
const ROUNDS: usize = 301;

type Callee = *mut VMOpaqueContext;
type Caller = *mut VMContext;

/// Races all on all signatures.
///
/// Every host function does the same: it adds up the bits of its arguments and
/// returns the sum.
pub fn run() {
    macro_rules! signatures {
        ($( ($($name:ident: $param:ty),*) -> $result:ty; )*) => {$({
            type Code = unsafe extern "C" fn(Callee, Caller, $($param),*) -> $result;

            #[allow(unused_mut, unused_variables, unused_assignments)]
            #[inline(always)]
            fn sum(mut slots: *const ValRaw) -> $result {
                let mut sum = 0u64;
                $(
                    // SAFETY: each slot holds a value of its parameter's type.
                    sum = sum.wrapping_add(unsafe { slots.cast::<$param>().read() }.bits());
                    slots = slots.wrapping_add(1);
                )*
                <$result>::of(sum)
            }

            /// The host function after `skipped` slots.
            unsafe extern "C-unwind" fn function<const SKIPPED: usize>(
                _: Callee,
                _: Caller,
                slots: *mut ValRaw,
                _: usize,
            ) {
                let result = sum(slots.wrapping_add(SKIPPED));
                // SAFETY: if there is a result, there is a slot for it.
                unsafe { result.put(slots) };
            }

            unsafe extern "C" fn direct(_: Callee, _: Caller, $($name: $param),*) -> $result {
                let sum = 0u64;
                $(let sum = sum.wrapping_add($name.bits());)*
                <$result>::of(sum)
            }

            #[allow(unused_mut, unused_variables, unused_assignments)]
            unsafe extern "C" fn by_libffi(
                _: &low::ffi_cif,
                result: &mut u64,
                mut arguments: *const *const c_void,
                _: &(),
            ) {
                let mut sum = 0u64;
                arguments = arguments.wrapping_add(2);
                $(
                    // SAFETY: each argument points to a value of its parameter's type.
                    sum = sum.wrapping_add(unsafe { (*arguments).cast::<$param>().read() }.bits());
                    arguments = arguments.wrapping_add(1);
                )*
                *result = <$result>::of(sum).bits();
            }

            let params: &[Option<ValType>] = &[$(<$param as Value>::TYPE),*];
            let params: Vec<ValType> = params.iter().copied().flatten().collect();
            let signature = Signature::new(params, <$result as Value>::TYPE).unwrap();
            // The native caller: arguments that vary, a result that is wanted.
            let caller = |code: *const c_void, context: Callee| -> Box<dyn FnMut(usize)> {
                Box::new(move |calls| {
                    // SAFETY: the code has this signature.
                    let code = unsafe { std::mem::transmute::<*const c_void, Code>(black_box(code)) };
                    for _call in 0..calls as u64 {
                        // SAFETY: as above.
                        black_box(unsafe { code(context, null_mut(), $(<$param>::of(_call)),*) });
                    }
                })
            };
            one(&signature, direct as *const c_void, function::<0>, function::<2>, |slots| {
                let result = sum(slots.as_ptr());
                if let Some(slot) = slots.first_mut() {
                    result.store(slot);
                }
            }, by_libffi, caller);
        })*};
    }
    signatures! {
        () -> i32;
        (a: i32) -> ();
        (a: i32, b: i32) -> i32;
        (a: i32, b: i32, c: i32, d: i32) -> i32;
        (a: i64, b: i64, c: i64, d: i64, e: i64, f: i64) -> i64;
        (a: i32, b: i32, c: i32, d: i32, e: i32, f: i64, g: i64, h: i32, i: i32) -> i32;
        (a: f64) -> f64;
        (a: f64, b: f64) -> f64;
        (a: f32, b: f32, c: f32, d: f32) -> f32;
        (a: f32, b: f32, c: f32, d: f32, e: f32, f: f32, g: f32, h: f32) -> f32;
        (a: i32, b: f32, c: i32, d: f32, e: i32, f: f32) -> i32;
        (a: f64, b: f64, c: f64, d: f64, e: f64, f: f64, g: f64, h: f64) -> f64;
        (a: i64, b: f64, c: i32) -> f64;
        (a: i32, b: i64, c: f32, d: f64) -> f64;
        (a: i32, b: i64, c: f32, d: f64, e: i32, f: i64, g: f32, h: f64, i: i32, j: i64, k: f32, l: f64, m: i32, n: i64, o: f32, p: f64) -> i64;
    }
}

/// Races all on one signature. The C functions take two contexts as parameters.
fn one(
    signature: &Signature,
    direct: *const c_void,
    function: ArrayCall,
    c_function: ArrayCall,
    closure: impl Fn(&mut [ValRaw]) + Send + Sync,
    by_libffi: low::Callback<(), u64>,
    caller: impl Fn(*const c_void, Callee) -> Box<dyn FnMut(usize)>,
) {
    // SAFETY: the function takes slots of this signature, and no data.
    let raw = unsafe { HostFunc::from_raw(signature, function, null_mut()) }.expect("a port");
    let closure = HostFunc::new(signature, |_, slots| closure(slots)).expect("a port");
    let params = [ValType::I64; 2].into_iter().chain(scalars::params(signature));
    let c_signature = Signature::new(params, signature.results()).unwrap();
    // SAFETY: as above, after the two contexts.
    let callback = unsafe { Callback::from_raw(&c_signature, c_function, null_mut()) };
    let callback = callback.expect("a port");
    let stub = HostStub::new(signature, function);
    let mut interface = Interface::new(&c_signature);
    let libffi = Closure::new(&mut interface, by_libffi);

    let lane = |name, code, context| Lane::new(name, caller(code, context));
    let mut lanes = [
        lane("direct", direct, null_mut()),
        lane("HostFunc", raw.code().cast(), raw.context()),
        lane("HostFunc, closure", closure.code().cast(), closure.context()),
        lane("Cranelift", stub.code().cast(), null_mut()),
        lane("Callback", callback.code(), null_mut()),
        lane("libffi closure", libffi.code.0, null_mut()),
    ];
    let row = signature.to_string();
    for lane in &mut lanes {
        let steps = lane.steps();
        record("host instructions", &row, lane.name, steps.instructions as f64);
        record("host atomics", &row, lane.name, steps.atomics as f64);
        record("host allocations", &row, lane.name, lane.allocations(CALLS) as f64);
    }
    record_race("host", &row, &race(&mut lanes, ROUNDS, CALLS));
}

/// What native code passes or gets back.
trait Value: Copy {
    const TYPE: Option<ValType>;
    fn of(number: u64) -> Self;
    fn bits(self) -> u64;

    /// Stores a result as a slot has it.
    fn store(self, slot: &mut ValRaw);

    /// Stores a result in slot 0, if it is one.
    #[inline(always)]
    unsafe fn put(self, slots: *mut ValRaw) {
        if Self::TYPE.is_some() {
            // SAFETY: by contract there is a slot.
            self.store(unsafe { &mut *slots });
        }
    }
}

macro_rules! values {
    ($($ty:ty: $val_type:expr, $of:expr, $bits:expr, $raw:expr;)*) => {$(
        impl Value for $ty {
            const TYPE: Option<ValType> = $val_type;
            #[inline(always)]
            fn of(number: u64) -> $ty {
                $of(number)
            }
            #[inline(always)]
            fn bits(self) -> u64 {
                $bits(self)
            }
            #[inline(always)]
            fn store(self, slot: &mut ValRaw) {
                $raw(self, slot);
            }
        }
    )*};
}
values! {
    (): None, |_| (), |()| 0, |(), _: &mut ValRaw| ();
    i32: Some(ValType::I32), |n| n as i32, |x| x as u32 as u64, |x, slot: &mut ValRaw| *slot = ValRaw::i32(x);
    i64: Some(ValType::I64), |n| n as i64, |x| x as u64, |x, slot: &mut ValRaw| *slot = ValRaw::i64(x);
    f32: Some(ValType::F32), |n| f32::from_bits(n as u32), |x: f32| u64::from(x.to_bits()),
        |x: f32, slot: &mut ValRaw| *slot = ValRaw::f32(x);
    f64: Some(ValType::F64), f64::from_bits, |x: f64| x.to_bits(),
        |x: f64, slot: &mut ValRaw| *slot = ValRaw::f64(x);
}
