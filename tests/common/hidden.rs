//! Judges calls by `hidden`, `x87` and `vectors`, by a callee that writes down `al` or x8, and
//! returns in all registers that C may return in.

use std::{
    cell::UnsafeCell,
    ffi::c_void,
    sync::{Mutex, PoisonError},
};

use vmtrampoline::{
    CTrampoline, Layout, Location, Signature, Slot, ValRaw,
    private::{Convention, Shape},
};

pub(crate) use super::port::hidden::SIGNATURES;
use super::{
    case::{abi, body},
    descriptor_judge::{Bytes, constant},
    guard_pages::{Edge, Guarded},
    port,
    recorder::{Unused, checked},
    x87::{EMPTY, x87_tags},
};

/// What the callee reads and writes.
#[repr(C, align(16))]
pub(crate) struct Heard {
    pub(super) calls: u64,
    /// All of rax, or x8.
    pub(super) hidden: u64,
    pub(super) integers: [u64; 8],
    pub(super) floats: [u128; 8],
    /// Its argument area, as far as it looks.
    pub(super) stack: [u64; 24],
    /// The environment of x87, of which the tags are at byte 8.
    pub(super) x87: [u16; 14],
    /// How many values to leave in x87 registers.
    pub(super) st_count: u64,
    pub(super) st: [[u8; 16]; 2],
    pub(super) integer_results: [u64; 2],
    pub(super) float_results: [u128; 4],
    /// What to write where x8 points, if it points somewhere.
    pub(super) memory: [u64; 4],
    pub(super) in_memory: u64,
}

#[repr(C)]
pub(super) struct Shared(UnsafeCell<Heard>, Mutex<()>);

// SAFETY: what touches the value holds the lock.
unsafe impl Sync for Shared {}

/// 1 + 2⁻⁶³ and π, as the processor has them in ten bytes: more than an f64 can hold.
const ST: [[u8; 10]; 2] = [
    [1, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f],
    [0x35, 0xc2, 0x68, 0x21, 0xa2, 0xda, 0x0f, 0xc9, 0x00, 0x40],
];

pub(super) static HEARD: Shared = Shared(
    UnsafeCell::new(Heard {
        calls: 0,
        hidden: 0,
        integers: [0; 8],
        floats: [0; 8],
        stack: [0; 24],
        x87: [0; 14],
        st_count: 0,
        st: [[0; 16]; 2],
        integer_results: [0x1111_2222_3333_4444, 0x5555_6666_7777_8888],
        float_results: [
            0x0123_4567_89ab_cdef_1357_9bdf_0246_8ace,
            0xfedc_ba98_7654_3210_2468_ace0_1357_9bdf,
            0x1f1e_1d1c_1b1a_1918_1716_1514_1312_1110,
            0x2f2e_2d2c_2b2a_2928_2726_2524_2322_2120,
        ],
        memory: [0x0102_0304_0506_0708, 0x1112_1314_1516_1718, 0x2122_2324_2526_2728, 0x3132],
        in_memory: 0,
    }),
    Mutex::new(()),
);

unsafe extern "C" {
    #[link_name = "vmtrampoline_test_hears"]
    pub(super) fn hears();
}

/// How a call is made.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Route {
    /// By the method `call`.
    Method,
    /// By `hidden` or `x87`, straight from the checker of callee-saved registers.
    Entry,
    /// The same, but by this function, which claims to be the one of these.
    Liar(*const c_void),
}

symbols! { hidden }

/// Whether the target leaves several vectors in registers.
fn returns_vectors<S: Slot>(trampoline: &CTrampoline<S>) -> bool {
    const VECTORS: usize = 4;
    Bytes::of(trampoline.descriptor()).byte("D_RETURNS") == VECTORS
}

/// How many values the target leaves in x87 registers.
pub(crate) fn values_in_x87<S: Slot>(trampoline: &CTrampoline<S>) -> usize {
    let result = Bytes::of(trampoline.descriptor()).byte("D_RESULT");
    let [one, two] = ["RESULT_X87", "RESULT_X87_PAIR"].map(constant);
    usize::from(result == one) + 2 * usize::from(result == two)
}

/// Hands over a trampoline for each signature and shape.
pub(crate) fn every_hidden_path(mut take: impl FnMut(&str, &CTrampoline)) {
    for text in SIGNATURES {
        let signature = text.parse().expect(text);
        for shape in Shape::ALL {
            let trampoline = CTrampoline::with_shape(&signature, shape).expect(text);
            take(&format!("{text}, {:?}", trampoline.shape()), &trampoline);
        }
    }
}

/// Where a result is stored that does not come back in the registers of scalars.
#[derive(Clone, Copy, Default)]
#[repr(C, align(16))]
pub(crate) struct Memory([u64; 8]);

/// The function of the assembly that enters the body, and what it takes: callee, caller,
/// target, slots, descriptor, and the body itself; a result in memory goes to `memory`, and
/// so do vectors.
pub(crate) fn arguments<S: Slot>(
    trampoline: &CTrampoline<S>,
    target: *const c_void,
    slots: &mut [S],
    memory: &mut Memory,
) -> (*const c_void, Vec<usize>) {
    let bytes = Bytes::of(trampoline.descriptor());
    let slots = slots.as_mut_ptr().cast::<u8>();
    let in_vectors = returns_vectors(trampoline);
    if cfg!(target_arch = "aarch64") && !in_vectors {
        let word = slots.wrapping_add(bytes.word("D_HIDDEN")).cast::<*mut Memory>();
        // SAFETY: a slot of its own.
        unsafe { word.write(memory) };
    }
    let [callee, caller] = [0, 1].map(|i| {
        let offset = bytes.words(constant("D_INTEGER"), 2)[i];
        let slot = slots.wrapping_add(offset.into()).cast::<usize>();
        // SAFETY: if there is a slot, it has eight bytes.
        if bytes.word("D_SLOTS") == 0 { 0x7777 } else { unsafe { slot.read() } }
    });
    let descriptor = (&raw const *trampoline.descriptor()).cast::<u8>() as usize;
    let body = body(trampoline.shape()) as usize;
    let special = values_in_x87(trampoline) > 0 || in_vectors;
    let entry = if special { port::hidden::special } else { hidden } as *const c_void;
    let mut arguments =
        Vec::from([callee, caller, target as usize, slots as usize, descriptor, body]);
    arguments.extend(in_vectors.then_some((&raw mut *memory) as usize));
    (entry, arguments)
}

/// Makes the call in every shape, by both routes, with slots of both sizes at both edges of
/// the memory.
pub(crate) fn check(text: &str) -> Result<(), String> {
    for shape in Shape::ALL {
        for edge in Edge::BOTH {
            for route in [Route::Method, Route::Entry] {
                judge::<ValRaw>(text, shape, route, edge)?;
                judge::<u64>(text, shape, route, edge)?;
            }
        }
    }
    Ok(())
}

/// Makes the call in every shape.
pub(crate) fn check_once(text: &str) -> Result<(), String> {
    for shape in Shape::ALL {
        judge::<ValRaw>(text, shape, Route::Entry, Edge::End)?;
    }
    judge::<ValRaw>(text, Shape::Bare, Route::Method, Edge::End)
}

/// Makes a call, and judges it.
pub(crate) fn judge<S: Slot>(
    text: &str,
    shape: Shape,
    route: Route,
    edge: Edge,
) -> Result<(), String> {
    let signature: Signature = text.parse().expect(text);
    let trampoline = CTrampoline::<S>::for_slots_with_shape(&signature, shape).expect(text);
    let (stride, shape) = (size_of::<S>(), trampoline.shape());
    for unused in Unused::BOTH {
        judged(&signature, &trampoline, route, edge, unused).map_err(|error| {
            format!("{text}, {shape:?} by {route:?}, {stride}-byte slots at {edge:?}: {error}")
        })?;
    }
    Ok(())
}

fn judged<S: Slot>(
    signature: &Signature,
    trampoline: &CTrampoline<S>,
    route: Route,
    edge: Edge,
    unused: Unused,
) -> Result<(), String> {
    let layout = Layout::new(signature, abi(Convention::C)).expect("it has a trampoline");
    let (stride, count) = (size_of::<S>(), trampoline.slots());
    let fields = Bytes::of(trampoline.descriptor());
    let (result, in_x87) = (fields.byte("D_RESULT"), values_in_x87(trampoline));
    let before: Vec<u8> = (0..count * stride).map(|i| (i * 73 + 11) as u8).collect();
    let ground = Guarded::new();
    // SAFETY: any bytes will do.
    let words =
        unsafe { std::slice::from_raw_parts(before.as_ptr().cast::<[u8; 8]>(), before.len() / 8) };
    let slots = ground.put(edge, words).cast::<S>();
    // SAFETY: `put` has put them there, for us alone.
    let array = unsafe { std::slice::from_raw_parts_mut(slots, count) };

    let _turn = HEARD.1.lock().unwrap_or_else(PoisonError::into_inner);
    let heard = HEARD.0.get();
    // SAFETY: we have the lock.
    unsafe {
        (*heard).calls = 0;
        (*heard).st_count = in_x87 as u64;
        (*heard).in_memory = layout.return_pointer().is_some().into();
        let values = &mut (*heard).st;
        for (st, value) in values.iter_mut().zip(ST) {
            st[..10].copy_from_slice(&value);
        }
    }
    let mut memory = Memory::default();
    let mut left = None;
    match route {
        Route::Method => {
            // SAFETY: the callee fits every signature.
            unsafe { trampoline.call(hears as *const c_void, array) }.expect("enough slots");
        }
        Route::Entry | Route::Liar(_) => {
            let hears = hears as *const c_void;
            let (entry, arguments) = arguments(trampoline, hears, array, &mut memory);
            let function = if let Route::Liar(liar) = route { liar } else { entry };
            // SAFETY: the body is that of the descriptor, and the callee fits every signature.
            left = Some(unsafe { checked(function, &arguments, unused) });
        }
    }
    let tags = x87_tags();
    // SAFETY: we have the lock.
    let heard = unsafe { &*heard };
    // SAFETY: as above.
    let after = unsafe { std::slice::from_raw_parts(slots.cast::<u8>(), before.len()) };

    // What it was given.
    ensure!(heard.calls == 1, "called {} times", heard.calls);
    if cfg!(target_arch = "x86_64") {
        let (is, must) = (heard.hidden as u8, fields.word("D_HIDDEN") as u8);
        ensure!(layout.vector_registers().is_none_or(|count| count == must), "the descriptor's al");
        ensure!(is == must, "al is {is}, not {must}");
        ensure!(heard.x87[4] == EMPTY, "the target found x87 registers {:#x}", heard.x87[4]);
    } else if left.is_some() && !returns_vectors(trampoline) {
        let must = (&raw const memory) as u64;
        ensure!(heard.hidden == must, "x8 is {:#x}, not {must:#x}", heard.hidden);
    }
    let number = |name: &str| name.trim_start_matches(char::is_alphabetic).parse::<usize>();
    let integers = ["rdi", "rsi", "rdx", "rcx", "r8", "r9"];
    for (i, placement) in layout.params().iter().enumerate() {
        for piece in placement.pieces() {
            let bytes: Vec<u8> = match piece.location {
                Location::Register(name) => match integers.iter().position(|one| *one == name) {
                    Some(i) => heard.integers[i].to_ne_bytes().to_vec(),
                    None if name.starts_with('x') && !name.starts_with("xmm") => {
                        heard.integers[number(name).unwrap()].to_ne_bytes().to_vec()
                    }
                    None => heard.floats[number(name).unwrap()].to_ne_bytes().to_vec(),
                },
                Location::Stack(offset) => heard
                    .stack
                    .iter()
                    .flat_map(|word| word.to_ne_bytes())
                    .skip(offset as usize)
                    .collect(),
                other => panic!("an argument in {other}"),
            };
            let from = trampoline.argument(i) * stride + piece.offset as usize;
            let must = &before[from..from + piece.size as usize];
            let is = &bytes[..must.len()];
            ensure!(is == must, "p{i} in {}: {is:x?}, not {must:x?}", piece.location);
        }
    }

    // What it left.
    ensure!(tags == EMPTY, "the x87 registers are not empty: {tags:#x}");
    let mut must = before;
    if let Some(left) = &left {
        ensure!(left.lost.is_empty(), "lost: {}", left.lost.join(", "));
        let [is, float_is] = [0, 1].map(|i| left.bits(Location::Register(port::RESULTS[i])));
        let by_register = (heard.integer_results[0].into(), heard.float_results[0]);
        ensure!((is, float_is) == by_register || in_x87 > 0, "left {is:#x} and {float_is:#x}");
    }
    let memory_bytes: Vec<u8> = heard.memory.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let memory_is: Vec<u8> = memory.0.iter().flat_map(|word| word.to_ne_bytes()).collect();
    match layout.results().first() {
        None => {}
        Some(_) if layout.return_pointer().is_some() => {
            let ty = signature.results().iter().next().expect("a result");
            let size = ty.size(abi(Convention::C));
            match left {
                Some(_) => ensure!(memory_is[..24] == memory_bytes[..24], "the result in memory"),
                // Scratch slots are anything.
                None => {
                    let (is, expected) = (&after[..size.min(24)], &memory_bytes[..size.min(24)]);
                    ensure!(is == expected, "result: {is:x?}, not {expected:x?}");
                }
            }
            return Ok(());
        }
        Some(placement) => {
            let float = |name: &str| heard.float_results[number(name).unwrap()].to_ne_bytes();
            if left.is_some() && returns_vectors(trampoline) {
                let stored = (0..4).flat_map(|i| float(&format!("v{i}"))).eq(memory_is.clone());
                ensure!(stored, "the vectors stored");
            }
            // By the body, if not by Rust.
            let word = ["RESULT_INTEGER", "RESULT_FLOAT"].map(constant).contains(&result);
            let variable = trampoline.shape() == Shape::Variable;
            let stored =
                result == constant("RESULT_VECTOR") || port::VARIABLE_STORES && variable && word;
            for piece in placement.pieces() {
                let Location::Register(name) = piece.location else { panic!("a result elsewhere") };
                let bytes: Vec<u8> = match name {
                    "st0" => heard.st[0][..10].to_vec(),
                    "st1" => heard.st[1][..10].to_vec(),
                    _ if left.is_some() && !stored => continue,
                    "rax" | "x0" => heard.integer_results[0].to_ne_bytes().to_vec(),
                    "rdx" | "x1" => heard.integer_results[1].to_ne_bytes().to_vec(),
                    name => float(name).to_vec(),
                };
                let (at, size) = (piece.offset as usize, piece.size as usize);
                must[at..at + size].copy_from_slice(&bytes[..size]);
                if size < 8 {
                    must[at + size..at + 8].fill(0);
                }
            }
        }
    }
    if let Some(at) = (0..must.len()).find(|at| after[*at] != must[*at]) {
        return Err(format!("byte {at} of the slots: {:#x}, not {:#x}", after[at], must[at]));
    }
    Ok(())
}
