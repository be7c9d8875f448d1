//! Calls and callbacks by two versions of the crate.

use std::{ffi::c_void, ptr::null_mut};

extern "C" fn weigh(
    _: *mut c_void,
    _: *mut c_void,
    a: i32,
    b: i64,
    c: f64,
    d: i64,
    e: i64,
    f: i64,
) -> f64 {
    let [b, d, e, f] = [b, d, e, f].map(|n| n as f64);
    f64::from(a) + 2.0 * b + 3.0 * c + 4.0 * d + 5.0 * e + 6.0 * f
}

macro_rules! check {
    ($version:ident, $wrong:ident) => {{
        use $version::*;
        let constant = const { &trampoline!((i32, i64, f64, i64, i64, i64) -> f64) };
        let slots = [1.into(), 2i64.into(), 3.0f64.into(), 4i64.into(), 5i64.into(), 6i64.into()];
        let signature: Signature = constant.signature();
        let made =
            private::Shape::ALL.map(|shape| Trampoline::with_shape(&signature, shape).unwrap());
        for trampoline in made.iter().chain([constant]) {
            let mut slots: [ValRaw; 6] = slots;
            // SAFETY: this is the signature of `weigh`, which has a slot for each argument.
            unsafe {
                trampoline.call(null_mut(), null_mut(), weigh as *const _, &mut slots).unwrap()
            };
            $wrong += i32::from(slots[0].get_f64() != 91.0);
        }
        let add =
            |slots: &mut [ValRaw]| slots[0] = (slots[0].get_i32() + slots[1].get_i32()).into();
        let signature: Signature = "(i32, i32) -> i32".parse().unwrap();
        let host = HostFunc::new(&signature, move |_, slots| add(slots)).unwrap();
        let callback = Callback::new(&signature, add).unwrap();
        let mut by_host: [ValRaw; 2] = [40.into(), 2.into()];
        let mut by_callback = by_host;
        let vm = Trampoline::new(&signature).unwrap();
        let c = CTrampoline::new(&signature).unwrap();
        // SAFETY: both have this signature, in the conventions of these trampolines.
        unsafe {
            vm.call(host.context(), null_mut(), host.code(), &mut by_host).unwrap();
            c.call(callback.code(), &mut by_callback).unwrap();
        }
        $wrong += i32::from([by_host[0], by_callback[0]].map(|slot| slot.get_i32()) != [42; 2]);
    }};
}

/// How many calls by two versions of the crate went wrong.
#[unsafe(no_mangle)]
pub extern "C" fn user_check() -> i32 {
    let mut wrong = 0;
    check!(this, wrong);
    check!(other, wrong);
    wrong
}
