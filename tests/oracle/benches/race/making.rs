//! Making a trampoline or a callback from a signature known at run time.

use std::hint::black_box;

use libffi::{low, raw};
use oracle::cranelift::Compiled;
use vmtrampoline::{
    CTrampoline, Callback, Prototype, Signature, Trampoline, Type, ValRaw, trampoline,
};

use crate::{
    allocations,
    callbacks::Closure,
    clock::{Lane, race},
    methods::ffi_type,
    records::{record, record_race},
};

const SIGNATURES: [&str; 5] = [
    "()",
    "(f64, f64) -> f64",
    "(i32, i32) -> i32",
    "(i32, i64, f32, f64) -> f64",
    "(i64, i64, i64, i64, f64, f64, f64, f64) -> i64",
];
const STRUCTURES: [&str; 4] = [
    "({f64, f64}) -> {f64, f64}",
    "({i32, i32}) -> {i32, i32}",
    "({f32, f32, f32, f32}) -> {f32, f32, f32, f32}",
    "({i64, i64, i64}) -> {i64, i64, i64}",
];

/// Makes per lane and round.
const CALLS: usize = 500;
const ROUNDS: usize = 101;

pub fn run() {
    for text in SIGNATURES {
        let signature: Signature = text.parse().expect("a signature");
        let new = || drop(black_box(Trampoline::new(black_box(&signature))));
        let compile = || drop(black_box(Compiled::new([black_box(&signature)])));
        // They differ too much for the same number of calls.
        let time = |rounds, calls, make: &dyn Fn()| {
            let lane = Lane::new("", |calls| (0..calls).for_each(|_| make()));
            race(&mut [lane], rounds, calls)[0].median()
        };
        let ours = time(ROUNDS, CALLS, &new);
        let compiled = time(9, 3, &compile);
        record("making", text, "Trampoline::new", ours);
        record("making", text, "Cranelift", compiled);
        record("making", text, "Cranelift / Trampoline::new", compiled / ours);
        record("making", text, "allocations", allocations::during(new) as f64);
    }
    for text in SIGNATURES.into_iter().chain(STRUCTURES) {
        let signature: Signature = text.parse().expect("a signature");
        let mut interface = Interface::new(&signature);
        let new = || drop(black_box(CTrampoline::new(black_box(&signature))));
        let mut lanes = [
            Lane::new("CTrampoline::new", |calls| (0..calls).for_each(|_| new())),
            Lane::new("ffi_prep_cif", |calls| (0..calls).for_each(|_| interface.prepare())),
            Lane::new("a box alone", |calls| {
                (0..calls).for_each(|_| drop(black_box(Box::new([0u8; 96]))));
            }),
        ];
        record_race("making for C", text, &race(&mut lanes, ROUNDS, CALLS));
        record("making for C", text, "allocations", allocations::during(new) as f64);
    }
    for text in SIGNATURES.into_iter().chain(STRUCTURES) {
        let signature: Signature = text.parse().expect("a signature");
        let mut interface = Interface::new(&signature);
        let prototype = Prototype::new(&signature).expect("a port");
        let closure = |slots: &mut [ValRaw]| _ = black_box(slots);
        let new = || drop(black_box(Callback::new(black_box(&signature), closure)));
        let mut lanes = [
            Lane::new("Callback::new", |calls| (0..calls).for_each(|_| new())),
            Lane::new("Prototype::callback", |calls| {
                (0..calls).for_each(|_| drop(black_box(prototype.callback(closure))));
            }),
            Lane::new("libffi closure", |calls| {
                (0..calls).for_each(|_| drop(black_box(Closure::new(&mut interface, ignore))));
            }),
            Lane::new("ffi_prep_cif and closure", |calls| {
                let mut interface = Interface::new(&signature);
                (0..calls).for_each(|_| {
                    interface.prepare();
                    drop(black_box(Closure::new(&mut interface, ignore)));
                });
            }),
        ];
        record_race("making callbacks", text, &race(&mut lanes, ROUNDS, CALLS));
        record("making callbacks", text, "allocations", allocations::during(new) as f64);
    }
    // A constant, so nothing is left to be done when this runs.
    let constant = || drop(black_box(trampoline!((i32, i32) -> i32)));
    record("making", "trampoline!", "allocations", allocations::during(constant) as f64);
}

/// A function of libffi's closures, which is never called.
unsafe extern "C" fn ignore(
    _: &low::ffi_cif,
    _: &mut u64,
    _: *const *const std::ffi::c_void,
    _: &(),
) {
}

/// What libffi knows of a C function.
pub struct Interface {
    cif: low::ffi_cif,
    params: Vec<*mut low::ffi_type>,
    result: *mut low::ffi_type,
}

impl Interface {
    pub fn new(signature: &Signature) -> Interface {
        let mut interface = Interface {
            cif: low::ffi_cif::default(),
            params: signature.params().iter().map(described).collect(),
            result: signature.results().iter().next().map_or(&raw mut low::types::void, described),
        };
        interface.prepare();
        interface
    }

    /// For closures, none of which may outlive the interface.
    pub fn cif(&mut self) -> *mut low::ffi_cif {
        &mut self.cif
    }

    /// Has libffi do anew what it does for a function, sizes of structures included.
    fn prepare(&mut self) {
        for ty in self.params.iter().copied().chain([self.result]) {
            // SAFETY: a type of libffi's, or one that `described` has made and leaked.
            let ty = unsafe { &mut *ty };
            if ty.type_ == raw::FFI_TYPE_STRUCT {
                (ty.size, ty.alignment) = (0, 0);
            }
        }
        // SAFETY: the types outlive the interface.
        unsafe {
            low::prep_cif(
                black_box(&mut self.cif),
                raw::ffi_abi_FFI_DEFAULT_ABI,
                self.params.len(),
                self.result,
                self.params.as_mut_ptr(),
            )
        }
        .expect("types that libffi knows");
    }
}

/// A scalar or a structure of scalars as libffi has it. Structures are leaked.
fn described(ty: Type<'_>) -> *mut low::ffi_type {
    if let Some(scalar) = ty.scalar() {
        return ffi_type(scalar).expect("a scalar that libffi knows");
    }
    let text = ty.to_string();
    let fields = text.trim_matches(['{', '}']).split(", ");
    let fields = fields.map(|field| described(field.parse().expect("a type")));
    let elements: Vec<_> = fields.chain([std::ptr::null_mut()]).collect();
    Box::leak(Box::new(low::ffi_type {
        type_: raw::FFI_TYPE_STRUCT as _,
        elements: Box::leak(elements.into_boxed_slice()).as_mut_ptr(),
        ..low::ffi_type::default()
    }))
}
