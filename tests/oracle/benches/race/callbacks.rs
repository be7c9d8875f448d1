//! C calls back: functions of structures, and `qsort`, beside libffi's closures and functions
//! that the compiler has made.

use std::{
    ffi::{c_int, c_void},
    hint::black_box,
    mem::transmute,
    slice,
};

use libffi::low;
use vmtrampoline::{Callback, Signature, ValRaw};

use crate::{
    clock::{Lane, race},
    making::Interface,
    records::record_race,
};

/// Calls per lane and round.
const CALLS: usize = 2000;
const ROUNDS: usize = 301;
/// Different structures, one after the other.
const VALUES: usize = 64;
const ELEMENTS: usize = 1_000_000;

pub fn run() {
    structure::<2, [f64; 2]>("{f64, f64}");
    structure::<2, [i64; 2]>("{i64, i64}");
    structure::<2, [f32; 4]>("{f32, f32, f32, f32}");
    structure::<3, [i64; 3]>("{i64, i64, i64}");
    sort();
}

/// In C an array is no value, but a structure that has one in it is.
#[derive(Clone, Copy)]
#[repr(C)]
struct Structure<T>(T);

type Code<T> = extern "C" fn(Structure<T>) -> Structure<T>;

/// What all do: the words of the structure the other way round. Each is read by itself, as it
/// has just been written: a wider load would wait.
#[inline(always)]
fn turned<const WORDS: usize>(words: *const u64) -> [u64; WORDS] {
    // SAFETY: a structure of so many words.
    std::array::from_fn(|word| unsafe { words.add(WORDS - 1 - word).read_volatile() })
}

#[inline(never)]
extern "C" fn direct<const WORDS: usize, T>(value: Structure<T>) -> Structure<T> {
    let words = turned::<WORDS>((&raw const value).cast());
    // SAFETY: a structure is such words.
    unsafe { (&raw const words).cast::<Structure<T>>().read() }
}

unsafe extern "C" fn by_libffi<const WORDS: usize>(
    _: &low::ffi_cif,
    result: &mut [u64; WORDS],
    arguments: *const *const c_void,
    _: &(),
) {
    // SAFETY: the one argument points to a structure.
    *result = turned(unsafe { *arguments }.cast());
}

/// Races all on one structure of so many words, which is parameter and result.
fn structure<const WORDS: usize, T: Copy + 'static>(ty: &str) {
    assert_eq!(size_of::<T>(), 8 * WORDS);
    let row = format!("({ty}) -> {ty}");
    let signature: Signature = row.parse().expect("a signature");
    let callback = Callback::new(&signature, |slots| {
        let words = turned::<WORDS>(slots.as_ptr().cast());
        // SAFETY: the slots have room for the result.
        unsafe { slots.as_mut_ptr().cast::<[u64; WORDS]>().write(words) };
    });
    let callback = callback.expect("a port");
    let mut interface = Interface::new(&signature);
    let closure = Closure::new(&mut interface, by_libffi::<WORDS>);

    let lane = |name, code| {
        // SAFETY: all are of this type.
        let code = black_box(unsafe { transmute::<*const c_void, Code<T>>(code) });
        // Written long before they are passed.
        let values: [Structure<T>; VALUES] = std::array::from_fn(|value| {
            let words: [u64; WORDS] = std::array::from_fn(|word| (value + word) as u64);
            // SAFETY: a structure is such words.
            unsafe { (&raw const words).cast::<Structure<T>>().read() }
        });
        let result = code(values[1]);
        // SAFETY: as above.
        let words = unsafe { slice::from_raw_parts((&raw const result).cast::<u64>(), WORDS) };
        assert!(words.iter().rev().copied().eq(1..=WORDS as u64), "{name}");
        Lane::new(name, move |calls| {
            for number in 0..calls {
                black_box(code(black_box(&values)[number % VALUES]));
            }
        })
    };
    let mut lanes = [
        lane("direct", direct::<WORDS, T> as *const c_void),
        lane("Callback", callback.code()),
        lane("libffi closure", closure.code.0),
    ];
    record_race("callbacks with structures", &row, &race(&mut lanes, ROUNDS, CALLS));
}

type Compare = unsafe extern "C" fn(*const c_void, *const c_void) -> c_int;

#[inline(always)]
unsafe fn ordered(a: *const c_void, b: *const c_void) -> c_int {
    // SAFETY: pointers to elements of the list.
    let [a, b] = [a, b].map(|element| unsafe { *element.cast::<u32>() });
    a.cmp(&b) as c_int
}

unsafe extern "C" fn compare(a: *const c_void, b: *const c_void) -> c_int {
    // SAFETY: our own conditions.
    unsafe { ordered(a, b) }
}

unsafe extern "C" fn compare_by_libffi(
    _: &low::ffi_cif,
    result: &mut i64,
    arguments: *const *const c_void,
    _: &(),
) {
    // SAFETY: both arguments point to a pointer to an element.
    let [a, b] = [0, 1].map(|i| unsafe { (*arguments.add(i)).cast::<*const c_void>().read() });
    // SAFETY: as above.
    *result = unsafe { ordered(a, b) }.into();
}

/// `qsort` with one comparison, called in several ways. A "call" is an element.
fn sort() {
    let signature: Signature = "(ptr, ptr) -> i32".parse().expect("a signature");
    let callback = Callback::new(&signature, |slots| {
        let [a, b] = [0, 1].map(|i| slots[i].get_ptr::<c_void>().cast_const());
        // SAFETY: pointers to elements of the list.
        slots[0] = ValRaw::i32(unsafe { ordered(a, b) });
    });
    let callback = callback.expect("a port");
    let mut interface = Interface::new(&signature);
    let closure = Closure::new(&mut interface, compare_by_libffi);

    let numbers = (0..ELEMENTS as u32).map(|i| i.wrapping_mul(0x9e37_79b9).rotate_left(13));
    let list: Vec<u32> = numbers.collect();
    let mut sorted = list.clone();
    sorted.sort_unstable();
    let sorted = &sorted;
    let lane = |name, code| {
        // SAFETY: all are of this type.
        let compare = unsafe { transmute::<*const c_void, Compare>(code) };
        let (mut list, from) = (list.clone(), list.clone());
        Lane::new(name, move |elements| {
            list.copy_from_slice(&from);
            let base = list.as_mut_ptr().cast();
            // SAFETY: so many elements, and a function that compares them.
            unsafe { libc::qsort(base, elements, size_of::<u32>(), Some(compare)) };
            assert!(list == *sorted, "{name}");
        })
    };
    let mut lanes = [
        lane("direct", compare as *const c_void),
        lane("Callback", callback.code()),
        lane("libffi closure", closure.code.0),
    ];
    record_race("qsort", "(ptr, ptr) -> i32", &race(&mut lanes, 5, ELEMENTS));
}

/// A closure of libffi.
pub struct Closure {
    closure: *mut low::ffi_closure,
    pub code: low::CodePtr,
}

impl Closure {
    /// A closure without data. The interface lives as long as it is called.
    pub fn new<R>(interface: &mut Interface, function: low::Callback<(), R>) -> Closure {
        let (closure, code) = low::closure_alloc();
        // SAFETY: the function reads such arguments, and writes such a result.
        unsafe { low::prep_closure(closure, interface.cif(), function, &(), code) }
            .expect("a closure");
        Closure { closure, code }
    }
}

impl Drop for Closure {
    fn drop(&mut self) {
        // SAFETY: our own, and no longer called.
        unsafe { low::closure_free(self.closure) };
    }
}
