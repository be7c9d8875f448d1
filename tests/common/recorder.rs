//! A callee that records how it was called, for x86-64 System V.
//!
//! It stores every argument register, the argument area, the stack pointer and
//! the flags; writes chosen results to the return area, with exact widths;
//! overwrites the argument area and every caller-saved register; and returns
//! chosen bits. The value slots it is called from lie between guard pages.

use std::{
    cell::UnsafeCell,
    ffi::c_void,
    sync::{Mutex, MutexGuard, PoisonError},
};

use vmtrampoline::{
    Abi, CTrampoline, Layout, Location, Signature, Trampoline, VMContext, VMOpaqueContext, ValRaw,
    ValType,
    private::{Convention, Shape},
};

/// Bytes that no test value has, for whatever the ABI leaves open.
const POISON: u64 = 0xa5a5_a5a5_a5a5_a5a5;
const CALLEE: *mut VMOpaqueContext = 0x1111_2222_3333_4440 as *mut _;
const CALLER: *mut VMContext = 0x5555_6666_7777_8880 as *mut _;

/// What the recorder stores and what it gives back; `global_asm!` below knows
/// the offsets.
#[repr(C)]
struct Record {
    integer: [u64; 6],
    float: [u128; 8],
    rsp: u64,
    flags: u64,
    mxcsr: u32,
    x87: u32,
    /// Words of the argument area to store and overwrite, and where to.
    words: u64,
    stack: *mut u64,
    /// What to return in rax and xmm0.
    rax: u64,
    xmm0: u128,
}

const _: () = assert!(std::mem::offset_of!(Record, rsp) == 176);
const _: () = assert!(std::mem::offset_of!(Record, words) == 200);
const _: () = assert!(std::mem::offset_of!(Record, rax) == 216);
const _: () = assert!(std::mem::offset_of!(Record, xmm0) == 224);

static RECORD: Shared<Record> = Shared::new(Record {
    integer: [0; 6],
    float: [0; 8],
    rsp: 0,
    flags: 0,
    mxcsr: 0,
    x87: 0,
    words: 0,
    stack: std::ptr::null_mut(),
    rax: 0,
    xmm0: 0,
});

/// What the recorder and the test both write to; the lock that `check` holds
/// makes it one test's at a time.
#[repr(transparent)]
struct Shared<T>(UnsafeCell<T>);

// SAFETY: only the holder of LOCK, and the recorder that it calls, get at it.
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    const fn new(value: T) -> Self {
        Shared(UnsafeCell::new(value))
    }

    fn get(&self) -> *mut T {
        self.0.get()
    }
}

/// The bytes to write to the return area: offset and bytes; then the location
/// of the return pointer.
type Area = (Vec<(usize, Vec<u8>)>, Option<Location>);

static AREA: Shared<Area> = Shared::new((Vec::new(), None));

std::arch::global_asm!(
    ".globl vmtrampoline_test_recorder",
    "vmtrampoline_test_recorder:",
    "push rbp",
    "mov rbp, rsp",
    "pushfq",
    "lea rax, [rip + {record}]",
    "mov [rax], rdi",
    "mov [rax + 8], rsi",
    "mov [rax + 16], rdx",
    "mov [rax + 24], rcx",
    "mov [rax + 32], r8",
    "mov [rax + 40], r9",
    "movups [rax + 48], xmm0",
    "movups [rax + 64], xmm1",
    "movups [rax + 80], xmm2",
    "movups [rax + 96], xmm3",
    "movups [rax + 112], xmm4",
    "movups [rax + 128], xmm5",
    "movups [rax + 144], xmm6",
    "movups [rax + 160], xmm7",
    "lea rcx, [rbp + 8]",
    "mov [rax + 176], rcx",
    "mov rcx, [rbp - 8]",
    "mov [rax + 184], rcx",
    "stmxcsr [rax + 192]",
    "fnstcw [rax + 196]",
    "mov rcx, [rax + 200]",
    "mov rdi, [rax + 208]",
    "lea rsi, [rbp + 16]",
    "cld",
    "rep movsq",
    "and rsp, -16",
    "call {recorded}",
    // Overwrite the argument area and every caller-saved register.
    "lea r11, [rip + {record}]",
    "mov rcx, [r11 + 200]",
    "lea rdi, [rbp + 16]",
    "mov rax, {poison}",
    "rep stosq",
    "mov rcx, rax",
    "mov rdx, rax",
    "mov rsi, rax",
    "mov rdi, rax",
    "mov r8, rax",
    "mov r9, rax",
    "mov r10, rax",
    "movq xmm1, rax",
    "movdqa xmm2, xmm1",
    "movdqa xmm3, xmm1",
    "movdqa xmm4, xmm1",
    "movdqa xmm5, xmm1",
    "movdqa xmm6, xmm1",
    "movdqa xmm7, xmm1",
    "movdqa xmm8, xmm1",
    "movdqa xmm9, xmm1",
    "movdqa xmm10, xmm1",
    "movdqa xmm11, xmm1",
    "movdqa xmm12, xmm1",
    "movdqa xmm13, xmm1",
    "movdqa xmm14, xmm1",
    "movdqa xmm15, xmm1",
    "mov rax, [r11 + 216]",
    "movups xmm0, [r11 + 224]",
    "mov r11, r10",
    "mov rsp, rbp",
    "pop rbp",
    "ret",
    // guarded(f, data): f(data) with known callee-saved registers and flags;
    // returns how many of them have changed.
    ".globl vmtrampoline_test_guarded",
    "vmtrampoline_test_guarded:",
    "push rbp",
    "push rbx",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "sub rsp, 40",
    "stmxcsr [rsp]",
    "fnstcw [rsp + 4]",
    "mov [rsp + 8], rsp",
    "mov rax, rdi",
    "mov rdi, rsi",
    "mov rbx, 0x1b1b1b1b",
    "mov rbp, 0x2b2b2b2b",
    "mov r12, 0x12121212",
    "mov r13, 0x13131313",
    "mov r14, 0x14141414",
    "mov r15, 0x15151515",
    "call rax",
    "xor eax, eax",
    "cmp [rsp + 8], rsp",
    "jne 2f",
    "cmp rbx, 0x1b1b1b1b",
    "jne 2f",
    "cmp rbp, 0x2b2b2b2b",
    "jne 2f",
    "cmp r12, 0x12121212",
    "jne 2f",
    "cmp r13, 0x13131313",
    "jne 2f",
    "cmp r14, 0x14141414",
    "jne 2f",
    "cmp r15, 0x15151515",
    "jne 2f",
    "stmxcsr [rsp + 16]",
    "mov ecx, [rsp + 16]",
    "cmp [rsp], ecx",
    "jne 2f",
    "fnstcw [rsp + 16]",
    "mov cx, [rsp + 16]",
    "cmp [rsp + 4], cx",
    "jne 2f",
    "pushfq",
    "pop rcx",
    "test ecx, 0x400",
    "je 3f",
    "2: mov eax, 1",
    "3: cld",
    "add rsp, 40",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbx",
    "pop rbp",
    "ret",
    record = sym RECORD,
    recorded = sym recorded,
    poison = const POISON as i64,
);

unsafe extern "C" {
    fn vmtrampoline_test_recorder();
    fn vmtrampoline_test_guarded(f: unsafe extern "C" fn(*mut c_void), data: *mut c_void) -> u32;
}

/// Called by the recorder: writes the results to the return area.
extern "C" fn recorded() {
    // SAFETY: the lock that `check` holds makes the statics ours, and the
    // recorder holds no reference to them.
    let (record, area) = unsafe { (&*RECORD.get(), &*AREA.get()) };
    let pointer = match area.1 {
        Some(Location::Register(name)) => record.integer[integer_index(name)],
        // SAFETY: the argument area was copied to this array just now.
        Some(Location::Stack(offset)) => unsafe { *record.stack.add(offset as usize / 8) },
        _ => return,
    };
    for (offset, bytes) in &area.0 {
        // SAFETY: if the return pointer is wrong, this test is about to crash,
        // as it should.
        unsafe { (pointer as *mut u8).add(*offset).copy_from(bytes.as_ptr(), bytes.len()) };
    }
}

fn integer_index(name: &str) -> usize {
    ["rdi", "rsi", "rdx", "rcx", "r8", "r9"].iter().position(|r| *r == name).expect(name)
}

/// The address of the recorder.
pub(crate) fn target() -> *const c_void {
    vmtrampoline_test_recorder as *const c_void
}

/// A slot array of up to 1024 slots between two pages that cannot be touched.
struct Guarded {
    base: *mut u8,
}

const PAGE: usize = 4096;
const ROOM: usize = 4 * PAGE;

impl Guarded {
    fn new() -> Guarded {
        // SAFETY: a mapping of our own.
        unsafe {
            let none = libc::PROT_NONE;
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let base = libc::mmap(std::ptr::null_mut(), ROOM + 2 * PAGE, none, flags, -1, 0);
            assert_ne!(base, libc::MAP_FAILED);
            let inner = base.cast::<u8>().add(PAGE);
            let access = libc::PROT_READ | libc::PROT_WRITE;
            assert_eq!(libc::mprotect(inner.cast(), ROOM, access), 0);
            Guarded { base: inner }
        }
    }

    /// `n` slots that end where memory ends, or begin where it begins.
    fn slots(&self, n: usize, at_end: bool) -> *mut ValRaw {
        let offset = if at_end { ROOM - n * size_of::<ValRaw>() } else { 0 };
        // SAFETY: inside the mapping.
        unsafe { self.base.add(offset).cast() }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: our own mapping, of this size.
        unsafe { libc::munmap(self.base.sub(PAGE).cast(), ROOM + 2 * PAGE) };
    }
}

static LOCK: Mutex<()> = Mutex::new(());

fn lock() -> MutexGuard<'static, ()> {
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A value of this type from random bits, as it lies in memory.
fn bytes(ty: ValType, seed: u128) -> Vec<u8> {
    seed.to_le_bytes()[..ty.size()].to_vec()
}

/// A fixed sequence of random values.
fn values(mut seed: u64) -> impl FnMut() -> u128 {
    move || {
        let mut word = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            u128::from(seed)
        };
        word() << 64 | word()
    }
}

enum Subject {
    Vm(Trampoline),
    C(CTrampoline),
}

struct Call<'a> {
    subject: &'a Subject,
    slots: *mut ValRaw,
}

/// Makes the call; `data` is a [`Call`].
unsafe extern "C" fn make(data: *mut c_void) {
    // SAFETY: `check` hands over a call of the recorder, which takes anything,
    // and slots that the guard pages leave room for.
    unsafe {
        let Call { subject, slots } = *data.cast::<Call<'_>>();
        match subject {
            Subject::Vm(t) => t.call_unchecked(CALLEE, CALLER, target().cast(), slots),
            Subject::C(t) => t.call_unchecked(target(), slots),
        }
    }
}

/// Calls the recorder by this signature, in every shape that can take it, with
/// the slots before and after a guard page; says what was wrong. Returns the
/// shapes that were tried.
pub(crate) fn check(
    convention: Convention,
    signature: &Signature,
    seed: u64,
) -> Result<Vec<Shape>, String> {
    let _lock = lock();
    let guarded = Guarded::new();
    let mut shapes = Vec::new();
    for shape in Shape::ALL {
        let subject = match convention {
            Convention::Vm => Subject::Vm(Trampoline::with_shape(signature, shape).unwrap()),
            Convention::C => Subject::C(CTrampoline::with_shape(signature, shape).unwrap()),
        };
        let shape = match &subject {
            Subject::Vm(t) => t.shape(),
            Subject::C(t) => t.shape(),
        };
        if shapes.contains(&shape) {
            continue;
        }
        shapes.push(shape);
        for at_end in [true, false] {
            one(convention, signature, &subject, &guarded, at_end, seed | 1).map_err(|error| {
                let place = if at_end { "end" } else { "start" };
                format!("{signature}, {convention:?}, {shape:?}, slots at the {place}: {error}")
            })?;
        }
    }
    Ok(shapes)
}

/// Calls by one signature and judges by the layout of another: for the test of
/// this checker.
pub(crate) fn check_as(called: &Signature, judged: &Signature) -> Result<(), String> {
    let _lock = lock();
    let subject = Subject::Vm(Trampoline::new(called).unwrap());
    one(Convention::Vm, judged, &subject, &Guarded::new(), true, 3)
}

fn one(
    convention: Convention,
    signature: &Signature,
    subject: &Subject,
    guarded: &Guarded,
    at_end: bool,
    seed: u64,
) -> Result<(), String> {
    let abi = match convention {
        Convention::Vm => Abi::HOST_VM.unwrap(),
        Convention::C => Abi::HOST_C.unwrap(),
    };
    let layout = Layout::new(signature, abi).unwrap();
    let mut next = values(seed);
    let (params, results) = (signature.params(), signature.results());
    let arguments: Vec<_> = params.iter().map(|&ty| bytes(ty, next())).collect();
    let answers: Vec<_> = results.iter().map(|&ty| bytes(ty, next())).collect();

    // Slots: the arguments' own bytes, all else poison.
    let n = signature.slots();
    let mut before = vec![[POISON as u8; 16]; n];
    for (slot, argument) in before.iter_mut().zip(&arguments) {
        slot[..argument.len()].copy_from_slice(argument);
    }
    let slots = if n == 0 { std::ptr::dangling_mut() } else { guarded.slots(n, at_end) };
    // SAFETY: `guarded` has room for n slots there.
    unsafe { slots.cast::<[u8; 16]>().copy_from(before.as_ptr(), n) };

    // What the recorder gives back: poison above 32-bit results.
    let mut stack = vec![0; layout.argument_area() as usize / 8];
    let (mut rax, mut xmm0) = ([POISON as u8; 16], [POISON as u8; 16]);
    let mut area = Vec::new();
    for (location, answer) in layout.results().iter().zip(&answers) {
        match location {
            Location::Register("rax") => rax[..answer.len()].copy_from_slice(answer),
            Location::Register(_) => xmm0[..answer.len()].copy_from_slice(answer),
            Location::ReturnArea(offset) => area.push((*offset as usize, answer.clone())),
            Location::Stack(_) => unreachable!("results are not on the stack"),
        }
    }
    // SAFETY: the lock makes the statics ours.
    let record = unsafe { &mut *RECORD.get() };
    record.words = stack.len() as u64;
    record.stack = stack.as_mut_ptr();
    record.rax = u128::from_le_bytes(rax) as u64;
    record.xmm0 = u128::from_le_bytes(xmm0);
    record.rsp = 0;
    // SAFETY: likewise.
    unsafe { *AREA.get() = (area, layout.return_pointer()) };

    let mut call = Call { subject, slots };
    // SAFETY: `make` calls the recorder by its layout.
    let changed = unsafe { vmtrampoline_test_guarded(make, (&raw mut call).cast()) };
    if changed != 0 {
        return Err("a callee-saved register or flag has changed".into());
    }

    // SAFETY: as before; the recorder has written to it meanwhile.
    let record = unsafe { &*RECORD.get() };
    if record.rsp == 0 {
        return Err("the target was not called".into());
    }
    if record.rsp % 16 != 8 {
        return Err(format!("the stack pointer at the call was {:#x}", record.rsp + 8));
    }
    if record.flags & 0x400 != 0 {
        return Err("the direction flag was set".into());
    }
    let contexts = [CALLEE as u64, CALLER as u64];
    if convention == Convention::Vm && record.integer[..2] != contexts {
        return Err(format!("contexts: {:x?}", &record.integer[..2]));
    }
    let stack: Vec<u8> = stack.iter().flat_map(|word| word.to_le_bytes()).collect();
    for (i, (location, argument)) in layout.params().iter().zip(&arguments).enumerate() {
        let found = match location {
            Location::Register(name) => match name.strip_prefix("xmm") {
                Some(index) => record.float[index.parse::<usize>().unwrap()].to_le_bytes()
                    [..argument.len()]
                    .to_vec(),
                None => {
                    record.integer[integer_index(name)].to_le_bytes()[..argument.len()].to_vec()
                }
            },
            Location::Stack(offset) => stack[*offset as usize..][..argument.len()].to_vec(),
            Location::ReturnArea(_) => unreachable!("parameters are not in the return area"),
        };
        if found != *argument {
            return Err(format!("p{i} in {location}: {found:02x?}, not {argument:02x?}"));
        }
    }
    if let Some(location) = layout.return_pointer() {
        let pointer = match location {
            Location::Register(name) => record.integer[integer_index(name)],
            Location::Stack(offset) => {
                u64::from_le_bytes(stack[offset as usize..][..8].try_into().unwrap())
            }
            Location::ReturnArea(_) => unreachable!("the return pointer is an argument"),
        };
        if pointer % 16 != 0 || pointer < record.rsp + 8 + u64::from(layout.argument_area()) {
            return Err(format!("return pointer {pointer:#x}, rsp {:#x}", record.rsp));
        }
    }

    // Results: a scalar fills eight bytes, a vector sixteen, all else stays.
    let mut expected = before;
    for (slot, answer) in expected.iter_mut().zip(&answers) {
        let mut filled = answer.clone();
        filled.resize(answer.len().max(8), 0);
        slot[..filled.len()].copy_from_slice(&filled);
    }
    for (i, expected) in expected.iter().enumerate() {
        // SAFETY: slot i of n.
        let found = unsafe { *slots.add(i).cast::<[u8; 16]>() };
        if found != *expected {
            return Err(format!("slot {i} afterwards: {found:02x?}, not {expected:02x?}"));
        }
    }
    Ok(())
}
