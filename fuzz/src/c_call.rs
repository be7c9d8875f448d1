//! Calls of C with all of its types, to a function that writes down what it is given. It
//! fits every signature, as it takes registers and stack for what they are; what should be
//! in them says the layout, which has its own fuzzer.

use std::{arch::global_asm, cell::UnsafeCell, ffi::c_void, mem::offset_of, ptr::null};

use libfuzzer_sys::arbitrary::{Arbitrary, Result, Unstructured};
use vmtrampoline::{
    Abi, CTrampoline, Layout, Location, Piece, Placement, Signature, Slot, Type, ValRaw,
    private::Shape,
};

use crate::{
    CTypes,
    common::{
        ensure,
        guard_pages::{Edge, Guarded},
        paper_call::{bytes_that_count, extension},
        random::Random,
    },
};

const ABI: &Abi = &Abi::X86_64_SYSV_C;
const INTEGERS: [&str; 6] = ["rdi", "rsi", "rdx", "rcx", "r8", "r9"];
/// The most of the stack that is written down.
const AREA: usize = 1 << 16;

/// A call of C.
#[derive(Debug)]
pub struct CCall {
    signature: Signature,
    seed: u64,
}

impl<'a> Arbitrary<'a> for CCall {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<CCall> {
        let seed = u.arbitrary()?;
        let CTypes(signature) = CTypes::read(u)?;
        Ok(CCall { signature, seed })
    }
}

/// What the function reads and writes.
#[repr(C, align(16))]
struct Tape {
    integers: [u64; 6],
    floats: [[u8; 16]; 8],
    rax: u64,
    sp: usize,
    /// How many of these results are in x87 registers.
    x87: u64,
    rax_result: u64,
    rdx_result: u64,
    xmm_results: [[u8; 16]; 2],
    x87_results: [[u8; 16]; 2],
    /// For `listen`.
    layout: *const Layout,
    result: *const [u8],
    calls: usize,
    area: [u8; AREA],
    area_size: usize,
    return_pointer: usize,
}

#[repr(C)]
struct Shared(UnsafeCell<Tape>);

// SAFETY: a fuzzer has one thread that makes calls.
unsafe impl Sync for Shared {}

static TAPE: Shared = Shared(UnsafeCell::new(Tape {
    integers: [0; 6],
    floats: [[0; 16]; 8],
    rax: 0,
    sp: 0,
    x87: 0,
    rax_result: 0,
    rdx_result: 0,
    xmm_results: [[0; 16]; 2],
    x87_results: [[0; 16]; 2],
    layout: null(),
    result: &[],
    calls: 0,
    area: [0; AREA],
    area_size: 0,
    return_pointer: 0,
}));

unsafe extern "C" {
    #[link_name = "vmtrampoline_fuzz_callee"]
    fn callee();
}

global_asm!(
    ".globl {callee}",
    "{callee}:",
    "lea r11, [rip + {tape}]",
    "mov [r11 + {integers} + 8 * 0], rdi",
    "mov [r11 + {integers} + 8 * 1], rsi",
    "mov [r11 + {integers} + 8 * 2], rdx",
    "mov [r11 + {integers} + 8 * 3], rcx",
    "mov [r11 + {integers} + 8 * 4], r8",
    "mov [r11 + {integers} + 8 * 5], r9",
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7",
    "movups [r11 + {floats} + 16 * \\n], xmm\\n",
    ".endr",
    "mov [r11 + {rax}], rax",
    "mov [r11 + {sp}], rsp",
    "push rbp",
    "mov rbp, rsp",
    "and rsp, -16", // whatever the caller has done
    "call {listen}",
    "mov rsp, rbp",
    "pop rbp",
    // What a function may overwrite, and its results.
    "mov rax, 0xa5a55a5ac3c33c3c",
    "movq xmm2, rax",
    ".irp n, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15",
    "movaps xmm\\n, xmm2",
    ".endr",
    ".irp reg, rcx, rsi, rdi, r8, r9, r10",
    "mov \\reg, rax",
    ".endr",
    "lea r11, [rip + {tape}]",
    "cmp qword ptr [r11 + {x87}], 1",
    "jb 3f",
    "je 2f",
    "fld tbyte ptr [r11 + {x87_results} + 16]",
    "2: fld tbyte ptr [r11 + {x87_results}]",
    "3:",
    "mov rax, [r11 + {rax_result}]",
    "mov rdx, [r11 + {rdx_result}]",
    "movups xmm0, [r11 + {xmm_results}]",
    "movups xmm1, [r11 + {xmm_results} + 16]",
    "mov r11, rcx",
    "ret",
    callee = sym callee,
    listen = sym listen,
    tape = sym TAPE,
    integers = const offset_of!(Tape, integers),
    floats = const offset_of!(Tape, floats),
    rax = const offset_of!(Tape, rax),
    sp = const offset_of!(Tape, sp),
    x87 = const offset_of!(Tape, x87),
    x87_results = const offset_of!(Tape, x87_results),
    rax_result = const offset_of!(Tape, rax_result),
    rdx_result = const offset_of!(Tape, rdx_result),
    xmm_results = const offset_of!(Tape, xmm_results),
);

/// The callee's other half.
extern "C" fn listen() {
    // SAFETY: only the callee calls this, while `call` waits for it and has no reference.
    let tape = unsafe { &mut *TAPE.0.get() };
    tape.calls += 1;
    // SAFETY: `call` keeps it alive.
    let layout = unsafe { &*tape.layout };
    tape.area_size = layout.argument_area() as usize;
    let area = (tape.sp + 8) as *mut u8;
    // SAFETY: by the convention the argument area is the callee's, to read and to write.
    unsafe {
        area.copy_to_nonoverlapping(tape.area.as_mut_ptr(), tape.area_size);
        area.write_bytes(0x5a, tape.area_size);
    }
    if layout.return_pointer().is_some() {
        tape.return_pointer = tape.integers[0] as usize;
        tape.rax_result = tape.integers[0];
        // SAFETY: `call` keeps it alive.
        let result = unsafe { &*tape.result };
        let to = tape.return_pointer as *mut u8;
        // SAFETY: by the convention the caller has room there for the result.
        unsafe { to.copy_from_nonoverlapping(result.as_ptr(), result.len()) };
    }
}

/// The call arrives, and its result comes back, in every shape, with slots of both sizes at
/// both edges of the memory.
pub fn c_call(CCall { signature, seed }: CCall) {
    let Ok(layout) = Layout::new(&signature, ABI) else { return };
    let judged = by_all::<ValRaw>(&layout, seed).and_then(|()| by_all::<u64>(&layout, seed));
    judged.unwrap_or_else(|error| panic!("{error}"));
}

fn by_all<S: Slot>(layout: &Layout, seed: u64) -> std::result::Result<(), String> {
    let mut last = None;
    for shape in Shape::ALL {
        let made = CTrampoline::<S>::for_slots_with_shape(layout.signature(), shape);
        let Ok(trampoline) = made else { return Ok(()) }; // too large
        if last.replace(trampoline.shape()) == Some(trampoline.shape()) {
            continue;
        }
        for edge in Edge::BOTH {
            call(&trampoline, layout, seed, edge).map_err(|error| {
                let (size, shape) = (size_of::<S>(), trampoline.shape());
                format!("{size}-byte slots at {edge:?}, {shape:?}: {error}:\n{layout}")
            })?;
        }
    }
    Ok(())
}

fn bytes(random: &mut Random, count: usize) -> Vec<u8> {
    (0..count).map(|_| random.byte()).collect()
}

/// Whether the value is one that is extended to eight bytes.
fn is_word(ty: &Type<'_>) -> bool {
    let complex = ty.to_string() == "c32";
    ty.scalar().is_some() && ty.size(ABI) <= 8 && !complex
}

fn call<S: Slot>(
    trampoline: &CTrampoline<S>,
    layout: &Layout,
    seed: u64,
    edge: Edge,
) -> std::result::Result<(), String> {
    let (signature, mut random) = (layout.signature(), Random::new(seed));
    let params: Vec<_> = signature.params().iter().collect();
    let slot_size = size_of::<S>();
    // Where memory begins there is room for slots that are not needed.
    let needed = trampoline.slots();
    let count = needed + if edge == Edge::Start { 2 } else { 0 };
    let before = bytes(&mut random, count * slot_size);
    let values: Vec<&[u8]> = params
        .iter()
        .enumerate()
        .map(|(i, ty)| &before[trampoline.argument(i) * slot_size..][..ty.size(ABI)])
        .collect();
    let result = signature.results().iter().next();
    let bytes = bytes(&mut random, result.as_ref().map_or(0, |ty| ty.size(ABI)));

    // SAFETY: no call is being made, so the tape is ours.
    let tape = unsafe { &mut *TAPE.0.get() };
    tape.calls = 0;
    tape.layout = layout;
    tape.result = &raw const bytes[..];
    put_result(tape, layout, &bytes, &mut random);
    let guarded = Guarded::new();
    let words: Vec<u64> = before
        .chunks_exact(8)
        .map(|word| u64::from_ne_bytes(word.try_into().expect("eight")))
        .collect();
    let slots = guarded.put(edge, &words).cast::<S>();
    // SAFETY: `put` has put so many there, for us alone.
    let given = unsafe { std::slice::from_raw_parts_mut(slots, count) };
    // SAFETY: the callee fits every signature.
    unsafe { trampoline.call(callee as *const c_void, given) }.expect("enough slots");
    // SAFETY: the call is over.
    let tape = unsafe { &*TAPE.0.get() };

    ensure!(tape.calls == 1, "{} calls", tape.calls);
    ensure!((tape.sp + 8) % 16 == 0, "the stack pointer was {:#x}", tape.sp + 8);
    if let Some(al) = layout.vector_registers() {
        ensure!(tape.rax as u8 == al, "al was {:#x}", tape.rax as u8);
    }
    for (i, ((ty, value), placement)) in params.iter().zip(values).zip(layout.params()).enumerate()
    {
        arrived(tape, ty, value, placement).map_err(|error| format!("p{i}: {error}"))?;
    }

    // SAFETY: as above; slots are bytes.
    let after = unsafe { std::slice::from_raw_parts(slots.cast::<u8>(), count * slot_size) };
    if let Some(ty) = &result {
        for (i, counts) in bytes_that_count(ty, ABI).into_iter().enumerate() {
            ensure!(!counts || after[i] == bytes[i], "byte {i} of the result is {:#x}", after[i]);
        }
        let zeros = if is_word(ty) { &after[bytes.len()..8] } else { &[] };
        ensure!(zeros.iter().all(|byte| *byte == 0), "the result is {:x?}", &after[..8]);
    }
    // What is kept: arguments without a byte of the result, and what is not needed.
    let result_slots = bytes.len().div_ceil(slot_size) * slot_size;
    let values = trampoline.argument(params.len()) * slot_size;
    let kept = (result_slots..values).chain(needed * slot_size..after.len());
    for i in kept {
        ensure!(after[i] == before[i], "byte {i} of the slots has become {:#x}", after[i]);
    }
    Ok(())
}

/// Makes the callee return this.
fn put_result(tape: &mut Tape, layout: &Layout, bytes: &[u8], random: &mut Random) {
    let mut word = || random.word();
    (tape.rax_result, tape.rdx_result, tape.x87) = (word(), word(), 0);
    for register in tape.xmm_results.as_flattened_mut() {
        *register = random.byte();
    }
    let pieces = layout.results().first().map_or(&[][..], Placement::pieces);
    for &Piece { offset, size, location } in pieces {
        let piece = &bytes[offset as usize..][..size as usize];
        let Location::Register(name) = location else { panic!("a result in {location}") };
        let number = |register: u64| {
            let mut all = register.to_ne_bytes();
            all[..piece.len()].copy_from_slice(piece);
            u64::from_ne_bytes(all)
        };
        match name {
            "rax" => tape.rax_result = number(tape.rax_result),
            "rdx" => tape.rdx_result = number(tape.rdx_result),
            "xmm0" => tape.xmm_results[0][..piece.len()].copy_from_slice(piece),
            "xmm1" => tape.xmm_results[1][..piece.len()].copy_from_slice(piece),
            "st0" | "st1" => {
                let register = usize::from(name == "st1");
                tape.x87 = tape.x87.max(register as u64 + 1);
                tape.x87_results[register][..piece.len()].copy_from_slice(piece);
            }
            name => panic!("a result in {name}"),
        }
    }
}

/// The value is in its pieces, extended as far as C promises.
fn arrived(
    tape: &Tape,
    ty: &Type<'_>,
    value: &[u8],
    placement: &Placement,
) -> std::result::Result<(), String> {
    ensure!(!placement.by_reference(), "by reference");
    let area = &tape.area[..tape.area_size];
    let counts = bytes_that_count(ty, ABI);
    for piece in placement.pieces() {
        let Piece { offset, size, location } = *piece;
        let (offset, size) = (offset as usize, size as usize);
        let all = match location {
            Location::Register(name) => match INTEGERS.iter().position(|one| *one == name) {
                Some(i) => &tape.integers[i].to_ne_bytes()[..],
                None => {
                    let number = name.strip_prefix("xmm").and_then(|n| n.parse::<usize>().ok());
                    &tape.floats[number.ok_or_else(|| format!("no register {name}"))?][..]
                }
            },
            Location::Stack(from) => &area[from as usize..],
            _ => return Err(format!("an argument in {location}")),
        };
        for i in 0..size {
            let right = all[i] == value[offset + i] || !counts[offset + i];
            ensure!(right, "{piece:?}, byte {i} is {:#x}", all[i]);
        }
        if let Some(above) = extension(ty, ABI, value) {
            let right = all[size..4].iter().all(|byte| *byte == above);
            ensure!(right, "{:x?} is not extended", &all[..4]);
        }
    }
    Ok(())
}
