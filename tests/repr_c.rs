//! Functions that rustc compiled for C, and their callers, with structures that are `repr(C)`.

#![cfg(vmtrampoline_port)]

mod common;

use std::{cell::RefCell, ffi::c_void, mem::transmute};

use common::native;
use vmtrampoline::{CTrampoline, Callback, Signature, ValRaw};

thread_local! {
    /// The fields that the function was given.
    static GIVEN: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    /// The bytes of what it returns.
    static RETURNED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    /// The slots that the callback was given.
    static SLOTS: RefCell<Vec<ValRaw>> = const { RefCell::new(Vec::new()) };
}

/// A type for which all bytes are a value.
trait Value: Copy {
    /// Whether a slot has it little-endian.
    const SCALAR: bool = false;

    fn tell(self, fields: &mut Vec<Vec<u8>>);

    fn from_bytes(bytes: &[u8]) -> Self {
        assert_eq!(bytes.len(), size_of::<Self>());
        // SAFETY: so many bytes, and any are a value.
        unsafe { bytes.as_ptr().cast::<Self>().read_unaligned() }
    }

    /// The fields of the value of these bytes.
    fn fields(bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut fields = Vec::new();
        Self::from_bytes(bytes).tell(&mut fields);
        fields
    }

    /// To the order of bytes in a slot, or back.
    fn swap(bytes: &mut [u8]) {
        if cfg!(target_endian = "big") && Self::SCALAR {
            bytes.reverse();
        }
    }
}

impl Value for () {
    fn tell(self, _: &mut Vec<Vec<u8>>) {}
}

impl<T: Value, const N: usize> Value for [T; N] {
    fn tell(self, fields: &mut Vec<Vec<u8>>) {
        self.into_iter().for_each(|element| element.tell(fields));
    }
}

macro_rules! scalars {
    ($($scalar:ty)*) => {$(
        impl Value for $scalar {
            const SCALAR: bool = true;

            fn tell(self, fields: &mut Vec<Vec<u8>>) {
                fields.push(self.to_ne_bytes().to_vec());
            }
        }
    )*};
}

scalars! { i8 u8 i16 u16 i32 u32 i64 u64 f32 f64 }

macro_rules! structures {
    ($($(#[$attribute:meta])* $name:ident { $($field:ident: $ty:ty),* })*) => {$(
        $(#[$attribute])*
        #[derive(Clone, Copy)]
        struct $name { $($field: $ty),* }

        impl Value for $name {
            fn tell(self, fields: &mut Vec<Vec<u8>>) {
                let $name { $($field),* } = self;
                $($field.tell(fields);)*
                let _ = fields; // if it has no field
            }
        }
    )*};
}

structures! {
    #[repr(C)] Ints { a: i32, b: i32 }
    #[repr(C)] Bytes { a: [u8; 3] }
    #[repr(C)] Mixed { a: i64, b: f64 }
    #[repr(C)] Turned { a: f64, b: i8 }
    #[repr(C)] Half { a: i32, b: f32 }
    #[repr(C)] One { a: f32 }
    #[repr(C)] Two { a: f32, b: f32 }
    #[repr(C)] Three { a: f32, b: f32, c: f32 }
    #[repr(C)] Four { a: [f64; 4] }
    #[repr(C)] Large { a: i64, b: i64, c: i16 }
    #[repr(C)] Nested { a: One, b: Bytes, c: Ints }
    #[repr(C)] Padded { a: i8, b: i64 }
    #[repr(C, packed)] Packed { a: i8, b: f64, c: i16 }
    #[repr(C, align(16))] Aligned { a: i64 }
}

#[derive(Clone, Copy)]
#[repr(C)]
union Either {
    a: f32,
    b: [i16; 3],
}

impl Value for Either {
    fn tell(self, fields: &mut Vec<Vec<u8>>) {
        // SAFETY: any bytes are a value of either.
        unsafe { (self.a, self.b) }.0.tell(fields);
        // SAFETY: as above.
        unsafe { self.b }.tell(fields);
    }
}

/// Bytes that differ from their neighbours.
fn bytes(size: usize, seed: &mut u8) -> Vec<u8> {
    let mut next = || {
        *seed = seed.wrapping_mul(5).wrapping_add(77);
        *seed
    };
    (0..size).map(|_| next()).collect()
}

/// Puts an argument into its slots. Returns the fields that the function must be given.
fn put<T: Value>(slots: &mut [ValRaw], seed: &mut u8) -> Vec<Vec<u8>> {
    let mut bytes = bytes(size_of::<T>(), seed);
    let fields = T::fields(&bytes);
    T::swap(&mut bytes);
    ValRaw::write_bytes(slots, &bytes).expect("enough slots");
    fields
}

/// Takes a value from its slots.
fn get<T: Value>(slots: &[ValRaw]) -> T {
    let mut bytes = vec![0; size_of::<T>()];
    ValRaw::read_bytes(slots, &mut bytes).expect("enough slots");
    T::swap(&mut bytes);
    T::from_bytes(&bytes)
}

/// What a callback does: takes note of its slots, and returns what a function returns.
fn answer<T: Value>(slots: &mut [ValRaw]) {
    SLOTS.set(slots.to_vec());
    slots.fill(ValRaw::v128(u128::MAX / 0xff * 0xa5));
    let mut bytes = RETURNED.with_borrow(|returned| returned.clone());
    T::swap(&mut bytes);
    ValRaw::write_bytes(slots, &bytes).expect("enough slots");
}

/// Calls a function of this type, which `$text` should describe, and a callback as one;
/// whether both are given and return what they should.
macro_rules! agrees {
    ($text:expr, ($($param:ident: $ty:ty),*) -> $result:ty) => {{
        native! {
            fn function($($param: $ty),*) -> $result {
                GIVEN.with_borrow_mut(|given| {
                    given.clear();
                    $($param.tell(given);)*
                });
                RETURNED.with_borrow(|returned| <$result>::from_bytes(returned))
            }
        }
        let signature: Signature = $text.parse().expect($text);
        let trampoline = CTrampoline::new(&signature).expect($text);
        let mut slots = vec![ValRaw::v128(u128::MAX / 0xff * 0xa5); trampoline.slots()];
        let mut seed = 1;
        #[allow(unused_mut)] // if there are none
        let (mut index, mut fields) = (0.., Vec::<Vec<u8>>::new());
        $(
            let at = trampoline.argument(index.next().expect("endless"));
            fields.extend(put::<$ty>(&mut slots[at..], &mut seed));
        )*
        let _ = index;
        let passed = slots.clone();
        let returned = bytes(size_of::<$result>(), &mut seed);
        RETURNED.set(returned.clone());
        // SAFETY: the function is of this signature, or has values of the same sizes.
        unsafe { trampoline.call(function as *const c_void, &mut slots) }.expect("enough slots");
        let mut result = vec![0; size_of::<$result>()];
        ValRaw::read_bytes(&slots, &mut result).expect("enough slots");
        <$result>::swap(&mut result);
        let agrees = |result: &[u8]| {
            let given = GIVEN.with_borrow(|given| *given == fields);
            given && <$result>::fields(result) == <$result>::fields(&returned)
        };
        // A call by another signature might follow a wrong pointer.
        agrees(&result) && {
            native! { type Function = fn($($ty),*) -> $result; }
            let callback = Callback::new(&signature, answer::<$result>).expect($text);
            // SAFETY: the signature is this type's, as the function has just shown.
            let called = unsafe { transmute::<*const c_void, Function>(callback.code()) };
            let place = |i| Callback::argument(&signature, i).expect("a port");
            let mut places = (0..).map(place);
            let _ = (&passed, &mut places); // if there are none
            let result: $result =
                called($(get::<$ty>(&passed[places.next().expect("endless")..])),*);
            #[allow(unused_mut)]
            let (mut given, mut told) = (Vec::<Vec<u8>>::new(), Vec::new());
            let mut places = (0..).map(place);
            let _ = &mut places;
            let slots = SLOTS.take();
            $(get::<$ty>(&slots[places.next().expect("endless")..]).tell(&mut given);)*
            let _ = slots;
            result.tell(&mut told);
            given == fields && told == <$result>::fields(&returned)
        }
    }};
}

/// The type as argument, result and both, alone and among others.
macro_rules! everywhere {
    ($($ty:ty: $text:literal)*) => {$(
        assert!(agrees!(concat!("(", $text, ")"), (a: $ty) -> ()), "{}", $text);
        assert!(agrees!(concat!("() -> ", $text), () -> $ty), "{}", $text);
        assert!(
            agrees!(
                concat!("(i8, f32, ", $text, ", i64, ", $text, ", u16) -> ", $text),
                (a: i8, b: f32, c: $ty, d: i64, e: $ty, f: u16) -> $ty
            ),
            "{}", $text
        );
        assert!(
            agrees!(
                concat!("(i64, i64, i64, i64, i64, f64, f64, f64, f64, f64, f64, f64, ", $text, ", i32, ", $text, ") -> f32"),
                (
                    a: i64, b: i64, c: i64, d: i64, e: i64, f: f64, g: f64, h: f64, i: f64, j: f64, k: f64, l: f64,
                    m: $ty, n: i32, o: $ty
                ) -> f32
            ),
            "{}", $text
        );
    )*};
}

#[test]
fn rustc_structures() {
    everywhere! {
        Ints: "{i32, i32}"
        Bytes: "{[u8; 3]}"
        Mixed: "{i64, f64}"
        Turned: "{f64, i8}"
        Half: "{i32, f32}"
        One: "{f32}"
        Two: "{f32, f32}"
        Three: "{f32, f32, f32}"
        Four: "{[f64; 4]}"
        Large: "{i64, i64, i16}"
        Nested: "{{f32}, {[u8; 3]}, {i32, i32}}"
        Padded: "{i8, i64}"
        Packed: "packed {i8, f64, i16}"
        Aligned: "align(16) {i64}"
        Either: "union {f32, [i16; 3]}"
        i8: "i8"
        u8: "u8"
        i16: "i16"
        u16: "u16"
        u32: "u32"
        f64: "f64"
    }
}

/// A call by another signature, whose values have the same sizes, is found out where they
/// go elsewhere.
#[test]
fn rustc_structures_that_differ() {
    assert!(!agrees!("(f64, i64)", (a: i64, b: f64) -> ()));
    let eightbytes =
        cfg!(any(target_arch = "x86_64", target_arch = "riscv64")) && !cfg!(vmtrampoline_windows);
    assert_eq!(agrees!("({f64, i64})", (a: Mixed) -> ()), !eightbytes);
    assert_eq!(agrees!("() -> {f64, i64}", () -> Mixed), !eightbytes);
    let homogeneous = cfg!(target_arch = "aarch64");
    assert_eq!(agrees!("({[i64; 4]})", (a: Four) -> ()), !homogeneous);
}
