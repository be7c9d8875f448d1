//! Structures by value: this crate, a call that the compiler has made, and libffi, all
//! from and to the same slots. Beside them two scalars, which show what any call costs here.

use std::{ffi::c_void, hint::black_box};

use libffi::{low, raw};
use vmtrampoline::{CTrampoline, ValRaw};

use crate::{
    clock::{Lane, race},
    methods::{Method, Nothing},
    records::{record, record_race},
};

/// Calls per lane and round.
const CALLS: usize = 2000;
const ROUNDS: usize = 301;

/// The scalars.
pub const SCALARS: [&str; 2] = ["(f64) -> f64", "(i64) -> i64"];

/// Races all on all structures.
pub fn run() {
    one::<f64, 1>("f64", &[&raw mut low::types::double]);
    one::<i64, 1>("i64", &[&raw mut low::types::sint64]);
    type F32s = [f32; 4];
    type F64s = [f64; 2];
    one::<Structure<F64s>, 2>("{f64, f64}", &[&raw mut low::types::double; 2]);
    type I64s<const N: usize> = [i64; N];
    one::<Structure<I64s<2>>, 2>("{i64, i64}", &[&raw mut low::types::sint64; 2]);
    one::<Structure<F32s>, 2>("{f32, f32, f32, f32}", &[&raw mut low::types::float; 4]);
    one::<Structure<I64s<3>>, 3>("{i64, i64, i64}", &[&raw mut low::types::sint64; 3]);
    one::<Structure<I64s<8>>, 8>("{[i64; 8]}", &[&raw mut low::types::sint64; 8]);
}

/// In C an array is no value, but a structure that has one in it is.
#[derive(Clone, Copy)]
#[repr(C)]
struct Structure<T>(T);

type Code<T> = extern "C" fn(T) -> T;

/// What is called.
#[inline(never)]
extern "C" fn same<T>(value: T) -> T {
    value
}

/// Races all on one structure of so many words, or on the scalar that is its only field. It is
/// parameter and result.
fn one<T: Copy + 'static, const WORDS: usize>(ty: &str, fields: &[*mut low::ffi_type]) {
    assert_eq!(size_of::<T>(), 8 * WORDS);
    let row = format!("({ty}) -> {ty}");
    let code = black_box(same::<T> as Code<T>);
    let signature = row.parse().expect("a signature");
    let trampoline = CTrampoline::new(&signature).expect("a supported target");
    let slots = trampoline.slots();
    let mut lanes = [
        lane::<WORDS, _>("writing alone", slots, Nothing),
        lane::<WORDS, _>("direct", slots, Typed(code)),
        lane::<WORDS, _>("CTrampoline", slots, Unchecked(trampoline, code as *const c_void)),
        lane::<WORDS, _>("libffi", slots, Libffi::new(fields, code as *const c_void)),
    ];
    for lane in &mut lanes {
        let steps = lane.steps();
        record("structures' instructions", &row, lane.name, steps.instructions as f64);
        record("structures' allocations", &row, lane.name, lane.allocations(CALLS) as f64);
    }
    record_race("structures", &row, &race(&mut lanes, ROUNDS, CALLS));
}

/// A call site where every word of the structure is written anew.
fn lane<const WORDS: usize, M: Method + 'static>(
    name: &'static str,
    slots: usize,
    mut method: M,
) -> Lane<'static> {
    let mut slots = vec![ValRaw::i64(0); slots];
    let mut call = move |number: usize| {
        let slots = slots.as_mut_ptr();
        for word in 0..WORDS {
            // SAFETY: the slots have room for the structure.
            unsafe { slots.cast::<usize>().add(word).write(number + word) };
        }
        // SAFETY: these are all the slots of the signature.
        unsafe { method.call(slots) };
        slots
    };
    // What comes back is what was written.
    let slots = call(1);
    for word in 0..WORDS {
        // SAFETY: as above.
        assert_eq!(unsafe { slots.cast::<usize>().add(word).read() }, 1 + word, "{name}");
    }
    Lane::new(name, move |calls| {
        for number in 0..calls {
            call(number);
        }
    })
}

/// The compiler's call.
struct Typed<T>(Code<T>);

impl<T> Method for Typed<T> {
    #[inline(always)]
    unsafe fn call(&mut self, slots: *mut ValRaw) {
        // SAFETY: the slots have such a structure from their start on.
        let value = unsafe { slots.cast::<T>().read() };
        let result = (self.0)(value);
        // SAFETY: and room for one.
        unsafe { slots.cast::<T>().write(result) };
    }
}

struct Unchecked(CTrampoline, *const c_void);

impl Method for Unchecked {
    #[inline(always)]
    unsafe fn call(&mut self, slots: *mut ValRaw) {
        // SAFETY: the target has the trampoline's signature; slots by contract.
        unsafe { self.0.call_unchecked(self.1, slots) };
    }
}

/// `ffi_call`, which reads the structure from the slots in place.
struct Libffi {
    cif: Box<low::ffi_cif>,
    /// Kept because `cif` points to them.
    _types: Box<Types>,
    arguments: [*mut c_void; 1],
    code: *const c_void,
}

struct Types {
    structure: low::ffi_type,
    elements: Vec<*mut low::ffi_type>,
    params: [*mut low::ffi_type; 1],
}

impl Libffi {
    fn new(fields: &[*mut low::ffi_type], code: *const c_void) -> Libffi {
        let mut types = Box::new(Types {
            structure: low::ffi_type::default(),
            elements: fields.iter().copied().chain([std::ptr::null_mut()]).collect(),
            params: [std::ptr::null_mut()],
        });
        types.structure.type_ = raw::FFI_TYPE_STRUCT as _;
        types.structure.elements = types.elements.as_mut_ptr();
        // A scalar goes as what it is.
        let whole = if fields.len() == 1 { fields[0] } else { &raw mut types.structure };
        types.params = [whole];
        let mut cif = Box::<low::ffi_cif>::default();
        // SAFETY: the types outlive the interface, which is where it points.
        unsafe {
            let abi = raw::ffi_abi_FFI_DEFAULT_ABI;
            low::prep_cif(&mut *cif, abi, 1, whole, types.params.as_mut_ptr())
        }
        .expect("types that libffi knows");
        Libffi { cif, _types: types, arguments: [std::ptr::null_mut()], code }
    }
}

impl Method for Libffi {
    #[inline(always)]
    unsafe fn call(&mut self, slots: *mut ValRaw) {
        self.arguments[0] = slots.cast();
        // SAFETY: the interface describes the target; the argument points to the slots,
        // which have room for the result.
        unsafe {
            raw::ffi_call(
                &raw mut *self.cif,
                Some(std::mem::transmute::<*const _, unsafe extern "C" fn()>(self.code)),
                slots.cast(),
                self.arguments.as_mut_ptr(),
            );
        }
    }
}
