//! Branch target identification, enforced: a copy of the whole assembly and of its tables
//! lies, at the same distances, in memory where every jump and call through a register must
//! arrive at a landing pad.

#![cfg(all(vmtrampoline_port, target_arch = "aarch64", target_os = "linux"))]

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::c_void,
    mem::transmute,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr::{null, null_mut},
    slice,
};

use common::{
    case::{EitherTrampoline, LandingPlace},
    elf::{Elf, Part},
    hidden,
    host_calls::EitherHost,
};
use vmtrampoline::{
    ArrayCall, CTrampoline, Callback, Signature, Trampoline, VMTrampoline, ValRaw,
    private::{Convention, Shape},
};

const PROT_BTI: i32 = 0x10;
const HWCAP2_BTI: u64 = 1 << 17;
const PAGE: usize = 4096;

/// `bti c`, `mov x0, #42`, `ret`.
const TARGET: [u32; 3] = [BTI_C, 0xd280_0540, 0xd65f_03c0];
const BTI_C: u32 = 0xd503_245f;
const BTI_JC: u32 = 0xd503_24df;
/// With a landing place in x0 and an address in x1: `bti c`, `ldr x0, [x0]`, `mov x16, x1`,
/// `br x16`, and `bti c`, `ldr x9, [x0]`, `mov sp, x9`, `br x1`.
const LEAVE: [u32; 4] = [BTI_C, 0xf940_0000, 0xaa01_03f0, 0xd61f_0200];
const LAND: [u32; 4] = [BTI_C, 0xf940_0009, 0x9100_013f, 0xd61f_0020];
const NOP: u32 = 0xd503_201f;
/// `mov x16, x2` and `br x16`; the same through x9.
const JUMP: [u32; 2] = [0xaa02_03f0, 0xd61f_0200];
const JUMP_X9: [u32; 2] = [0xaa02_03e9, 0xd61f_0120];

/// No instruction: `udf #0`.
const UNDEFINED: u32 = 0;

/// Bytes of a thunk.
const THUNK: usize = 32;
/// The thunks that are called, with entries of their tables.
const POINTER: usize = 5;
const CALLBACK: usize = 3;

unsafe extern "C" {
    #[link_name = concat!(
        "vmtrampoline_",
        env!("CARGO_PKG_VERSION_MAJOR"), "_",
        env!("CARGO_PKG_VERSION_MINOR"), "_",
        env!("CARGO_PKG_VERSION_PATCH"), "_bare",
    )]
    fn bare();
}

/// Where the functions and tables of the assembly are, by name.
struct Assembly {
    functions: BTreeMap<String, Range<usize>>,
    tables: BTreeMap<String, Range<usize>>,
}

impl Assembly {
    fn own() -> Assembly {
        let signature = "()".parse().unwrap();
        // So that the linker keeps the thunks.
        Trampoline::new(&signature).unwrap().pointer().unwrap();
        assert!(!Callback::new(&signature, |_| ()).unwrap().code().is_null());
        let elf = Elf::own();
        let bias = (bare as *const () as usize).wrapping_sub(elf.symbol("bare").address as usize);
        let here = |part: Part| {
            let Range { start, end } = part.addresses();
            bias.wrapping_add(start as usize)..bias.wrapping_add(end as usize)
        };
        let tables = ["pointer_table", "callback_table"];
        Assembly {
            functions: elf.functions().map(|(name, part)| (name, here(part))).collect(),
            tables: tables.map(|name| (name.to_owned(), here(elf.symbol(name)))).into(),
        }
    }
}

type Body = unsafe extern "C" fn(
    *mut c_void,
    *mut c_void,
    *const c_void,
    *mut ValRaw,
    *const c_void,
) -> u64;

type Leavable = unsafe extern "C" fn(
    *mut LandingPlace,
    usize,
    *const c_void,
    *mut ValRaw,
    *const c_void,
    *mut LandingPlace,
) -> u64;

/// The copy: everything lies `delta` bytes after the original.
struct Copy<'a> {
    assembly: &'a Assembly,
    memory: *mut c_void,
    size: usize,
    delta: usize,
    /// The pages of code.
    code: BTreeSet<usize>,
    /// The copy's own addition: [`TARGET`].
    target: usize,
}

impl Copy<'_> {
    fn new(assembly: &Assembly) -> Copy<'_> {
        let pages = |parts: &BTreeMap<_, Range<usize>>| {
            let pages = parts.values().flat_map(|part| part.start / PAGE..part.end.div_ceil(PAGE));
            pages.map(|page| PAGE * page).collect::<BTreeSet<_>>()
        };
        let (code, tables) = (pages(&assembly.functions), pages(&assembly.tables));
        let first = *code.iter().chain(&tables).min().unwrap();
        let last = *code.iter().chain(&tables).max().unwrap();
        // One page more, for the target.
        let size = last - first + 2 * PAGE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a mapping of our own, into which the pages of our code fit.
        unsafe {
            let memory = libc::mmap(null_mut(), size, access, flags, -1, 0);
            assert_ne!(memory, libc::MAP_FAILED);
            let delta = (memory as usize).wrapping_sub(first);
            for &page in &code {
                let to = page.wrapping_add(delta) as *mut u8;
                to.copy_from_nonoverlapping(page as *const u8, PAGE);
            }
            let target = memory as usize + size - PAGE;
            (target as *mut [u32; 3]).write(TARGET);
            Copy { assembly, memory, size, delta, code, target }
        }
    }

    /// The copy of what lies at this address.
    fn of(&self, address: usize) -> usize {
        address.wrapping_add(self.delta)
    }

    /// An instruction of the copy.
    fn instruction(&self, at: usize) -> *mut u32 {
        at as *mut u32
    }

    /// From now on code is code, and nothing but pads is jumped to.
    fn enforce(&self) {
        let access = libc::PROT_READ | libc::PROT_EXEC | PROT_BTI;
        let pages = self.code.iter().map(|&page| self.of(page)).chain([self.target]);
        for page in pages {
            // SAFETY: a page of our own mapping.
            assert_eq!(unsafe { libc::mprotect(page as *mut c_void, PAGE, access) }, 0);
        }
    }

    fn function(&self, name: &str) -> usize {
        self.of(self.assembly.functions[name].start)
    }

    fn entry(&self, table: &str, index: usize) -> *mut usize {
        (self.of(self.assembly.tables[table].start) + 8 * index) as *mut usize
    }
}

impl Drop for Copy<'_> {
    fn drop(&mut self) {
        // SAFETY: our own mapping.
        unsafe { libc::munmap(self.memory, self.size) };
    }
}

/// A way through the assembly.
#[derive(Clone, Copy, Debug)]
enum Way {
    Body(Convention, Shape),
    /// A body that calls `all_floats`.
    Floats,
    Pointer(Shape),
    /// By `hidden` or `vectors`: a result in memory whose address is in x8, or in vector
    /// registers.
    Hidden(&'static str),
    Host(Convention, Shape),
    /// By `leavable`, and back by this code of the target to this function.
    Leavable([u32; 4], Option<&'static str>),
}

const WAYS: [Way; 20] = [
    Way::Body(Convention::Vm, Shape::Bare),
    Way::Body(Convention::Vm, Shape::ShortCut),
    Way::Body(Convention::C, Shape::ShortCut),
    Way::Body(Convention::Vm, Shape::Fixed),
    Way::Body(Convention::C, Shape::Fixed),
    Way::Body(Convention::Vm, Shape::Variable),
    Way::Body(Convention::C, Shape::Variable),
    Way::Floats,
    Way::Hidden("() -> {[i64; 3]}"),
    Way::Hidden("() -> {v128, v128}"),
    Way::Pointer(Shape::ShortCut), // `storing_short_cut`
    Way::Pointer(Shape::Fixed),    // `storing`
    Way::Pointer(Shape::Variable),
    Way::Host(Convention::Vm, Shape::Bare),     // `host_small`
    Way::Host(Convention::Vm, Shape::Variable), // `host`
    Way::Host(Convention::C, Shape::Bare),      // `c_host_small`
    Way::Host(Convention::C, Shape::Variable),  // `c_host`
    Way::Leavable([TARGET[0], TARGET[1], TARGET[2], NOP], None),
    Way::Leavable(LEAVE, Some("leave")),
    Way::Leavable(LAND, Some("landed")),
];

/// Goes this way through a copy that has been changed: the way's landing pads are told.
/// Returns what comes back.
fn go(way: Way, assembly: &Assembly, change: impl FnOnce(&Copy<'_>, &[usize])) -> u64 {
    let copy = Copy::new(assembly);
    let target = copy.target as *const c_void;
    let mut slots = [ValRaw::i64(1); 8];
    match way {
        Way::Body(..) | Way::Floats => {
            let trampoline = match way {
                Way::Body(convention, shape) => trampoline(convention, shape),
                _ => EitherTrampoline::new(
                    Convention::C,
                    &"(v128) -> i64".parse().unwrap(),
                    Shape::Bare,
                )
                .unwrap(),
            };
            let body = copy.of(trampoline.body() as usize);
            change(&copy, &[body, copy.target]);
            copy.enforce();
            let descriptor = (&raw const *trampoline.descriptor()).cast();
            // SAFETY: a copy of the trampoline's body; the target has its signature.
            unsafe {
                let body = transmute::<usize, Body>(body);
                body(null_mut(), null_mut(), target, slots.as_mut_ptr(), descriptor)
            }
        }
        Way::Pointer(shape) => {
            let trampoline = trampoline(Convention::Vm, shape);
            let storing = if shape == Shape::ShortCut { "storing_short_cut" } else { "storing" };
            let [body, call] = [copy.of(trampoline.body() as usize), copy.function(storing)];
            let descriptor = trampoline.descriptor();
            let size = size_of_val(descriptor);
            // What a thunk finds: the addresses of both, then header and lists.
            let mut block = vec![0; 2 + size.div_ceil(8)];
            block[..2].copy_from_slice(&[body, call]);
            let from = (&raw const *descriptor).cast::<u8>();
            // SAFETY: the descriptor has these bytes, and the block room for them.
            unsafe { block[2..].as_mut_ptr().cast::<u8>().copy_from(from, size) };
            // SAFETY: the copy's table has this entry.
            unsafe { *copy.entry("pointer_table", POINTER) = &raw const block[2] as usize };
            let thunk = copy.function("pointer_thunks") + THUNK * POINTER;
            let pads = [thunk, call, body, copy.target];
            // `storing_short_cut` makes the call itself.
            let skipped = usize::from(shape == Shape::ShortCut);
            change(&copy, &[&pads[..2], &pads[2 + skipped..]].concat());
            copy.enforce();
            // SAFETY: a thunk whose entry describes a call of the target.
            unsafe {
                let thunk = transmute::<usize, VMTrampoline>(thunk);
                thunk(null_mut(), null_mut(), target.cast(), slots.as_mut_ptr());
            }
            slots[0].get_u64()
        }
        Way::Hidden(text) => {
            let trampoline = CTrampoline::with_shape(&text.parse().unwrap(), Shape::Bare).unwrap();
            let mut slots = vec![ValRaw::default(); trampoline.slots()];
            let mut memory = hidden::Memory::default();
            let (entry, mut arguments) =
                hidden::arguments(&trampoline, target, &mut slots, &mut memory);
            let entry = copy.of(entry as usize);
            let body = copy.of(arguments[5]);
            arguments[5] = body;
            arguments.resize(7, 0);
            change(&copy, &[entry, body, copy.target]);
            copy.enforce();
            // SAFETY: a function that takes these arguments, and for `hidden` one too many.
            unsafe {
                let entry = transmute::<
                    usize,
                    extern "C" fn(usize, usize, usize, usize, usize, usize, usize) -> u64,
                >(entry);
                let [a, b, c, d, e, f, g] = arguments.try_into().unwrap();
                entry(a, b, c, d, e, f, g)
            }
        }
        Way::Leavable(code, exit) => {
            let trampoline = trampoline(Convention::Vm, Shape::Bare);
            let [body, entry] = [copy.of(trampoline.body() as usize), copy.function("leavable")];
            // SAFETY: the copy's own page, not code yet.
            unsafe { (copy.target as *mut [u32; 4]).write(code) };
            let exit = exit.map(|name| copy.function(name));
            let pads = [entry, body, copy.target].into_iter().chain(exit);
            change(&copy, &pads.collect::<Vec<_>>());
            copy.enforce();
            let mut place = LandingPlace::new(body as *const c_void);
            let descriptor = (&raw const *trampoline.descriptor()).cast();
            let (place_at, slots) = (&raw mut place, slots.as_mut_ptr());
            // SAFETY: a copy of `leavable`, with a landing place and what its body takes.
            let result = unsafe {
                transmute::<usize, Leavable>(entry)(
                    place_at,
                    exit.unwrap_or(0),
                    target,
                    slots,
                    descriptor,
                    place_at,
                )
            };
            assert_eq!(place.sp != 0, exit.is_some());
            if exit.is_some() { 42 } else { result }
        }
        Way::Host(convention, shape) => {
            let signature: Signature = "(i64) -> i64".parse().unwrap();
            // SAFETY: a function that takes no notice of its arguments: its code is
            // TARGET's.
            let host = unsafe {
                let function = transmute::<usize, ArrayCall>(copy.target);
                EitherHost::raw(convention, &signature, shape, function, null_mut())
            };
            // SAFETY: the context is alive, and has as many words, which end in a scatter.
            let mut context = unsafe { host.context().cast::<[usize; 11]>().read() };
            context[1] = copy.of(context[1]);
            let entry = context[1];
            let context = context.as_mut_ptr();
            let code = match convention {
                Convention::Vm => entry,
                Convention::C => {
                    // SAFETY: the copy's table has this entry.
                    unsafe { *copy.entry("callback_table", CALLBACK) = context as usize };
                    copy.function("callback_thunks") + THUNK * CALLBACK
                }
            };
            let pads = [code, entry, copy.target];
            change(&copy, if code == entry { &pads[1..] } else { &pads });
            copy.enforce();
            // SAFETY: functions of these types, by their conventions. The target leaves the
            // slot alone, which is parameter and result.
            unsafe {
                match convention {
                    Convention::Vm => transmute::<
                        usize,
                        unsafe extern "C" fn(*mut usize, *const c_void, u64) -> u64,
                    >(code)(context, null(), 42),
                    Convention::C => transmute::<usize, unsafe extern "C" fn(u64) -> u64>(code)(42),
                }
            }
        }
    }
}

fn trampoline(convention: Convention, shape: Shape) -> EitherTrampoline {
    let text = if shape == Shape::Bare { "()" } else { "(i64) -> i64" };
    let trampoline = EitherTrampoline::new(convention, &text.parse().unwrap(), shape).unwrap();
    assert_eq!(trampoline.shape(), shape);
    trampoline
}

/// Whether `run` dies of an illegal instruction.
fn is_illegal(run: impl FnOnce()) -> bool {
    // SAFETY: the child makes one call and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let panicked = catch_unwind(AssertUnwindSafe(run)).is_err();
        // SAFETY: ends the child without running anything of its parent's.
        unsafe { libc::_exit(panicked.into()) };
    }
    let mut status = 0;
    // SAFETY: our child.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGILL
}

fn enforced() -> bool {
    // SAFETY: always.
    let enforced = unsafe { libc::getauxval(libc::AT_HWCAP2) } & HWCAP2_BTI != 0;
    assert!(enforced || std::env::var_os("VMTRAMPOLINE_RUNNER").is_none(), "emulators have BTI");
    if !enforced {
        println!("skipped: this processor has no BTI");
    }
    enforced
}

#[test]
fn all_functions_have_landing_pads_and_land_on_them() {
    if enforced() {
        let assembly = Assembly::own();
        for way in WAYS {
            assert_eq!(go(way, &assembly, |_, _| ()), 42, "{way:?}");
        }
    }
}

/// No function of the object is left out: each is on one of the ways, which dies if there
/// are no instructions after its landing pad.
#[test]
fn all_functions_are_on_a_way() {
    if !enforced() {
        return;
    }
    let assembly = Assembly::own();
    for (name, function) in &assembly.functions {
        // Never called where it is: `many.rs` enters it where it is mapped.
        if name.ends_with("callback_block") {
            continue;
        }
        let emptied = |copy: &Copy<'_>, _: &[usize]| {
            for at in function.clone().step_by(4) {
                let at = copy.instruction(copy.of(at));
                // SAFETY: an instruction of the copy, which is not code yet.
                unsafe {
                    if *at != BTI_C {
                        *at = UNDEFINED;
                    }
                }
            }
        };
        let way = WAYS.into_iter().find(|&way| is_illegal(|| _ = go(way, &assembly, emptied)));
        assert!(way.is_some(), "no way goes through {name}");
    }
    println!("{} functions", assembly.functions.len());
}

#[test]
fn a_missing_landing_pad_is_illegal() {
    if !enforced() {
        return;
    }
    let assembly = Assembly::own();
    let (mut count, mut illegal) = (0, 0);
    for way in WAYS {
        let mut pads = 0;
        go(way, &assembly, |_, all| pads = all.len());
        for pad in 0..pads {
            let without = |copy: &Copy<'_>, pads: &[usize]| {
                let at = copy.instruction(pads[pad]);
                // SAFETY: an instruction of the copy, which is not code yet.
                unsafe {
                    assert!([BTI_C, BTI_JC].contains(&*at));
                    *at = NOP;
                }
            };
            assert!(is_illegal(|| _ = go(way, &assembly, without)), "{way:?}, pad {pad}");
            illegal += 1;
        }
        count += 1;
    }
    println!("{illegal} missing pads on {count} ways");
    // `bti c` is no pad for jumps through other registers.
    let through_x9 = |copy: &Copy<'_>, pads: &[usize]| {
        // SAFETY: the code of `bare`, not code yet.
        let code = unsafe { slice::from_raw_parts_mut(copy.instruction(pads[0]), 3) };
        assert_eq!(code[1..], JUMP, "the jump of `bare`");
        code[1..].copy_from_slice(&JUMP_X9);
    };
    assert!(is_illegal(|| _ = go(Way::Body(Convention::Vm, Shape::Bare), &assembly, through_x9)));
}
