//! Windows: at every instruction of every body, two unwinders find the caller: its stack
//! pointer, its callee-saved registers, the address it goes on from. One is the system's, the
//! other follows the documented rules to the letter, as one system may accept what another
//! does not.
//!
//! The processor's trap flag stops after each instruction, and the handler of that exception
//! unwinds. Panics see a frame at its call alone.

#![cfg(all(vmtrampoline_port, windows, target_arch = "x86_64"))]

mod common;

use std::{
    arch::global_asm,
    cell::UnsafeCell,
    collections::BTreeSet,
    ffi::c_void,
    mem::{offset_of, replace},
    ptr::{null, null_mut},
    sync::Mutex,
};

use common::{case::Route, every_path::every_path, host_calls::every_host_path, scalars};
use vmtrampoline::{ArrayCall, ValRaw};

// ---- what the system has

/// Numbers of registers in unwind codes and instructions.
const RBX: usize = 3;
const RSP: usize = 4;
const RBP: usize = 5;

/// CONTEXT: the state of a thread.
#[derive(Clone)]
#[repr(C, align(16))]
struct Context {
    home: [u64; 6],
    flags: u32,
    mxcsr: u32,
    segments: [u16; 6],
    eflags: u32,
    debug: [u64; 6],
    /// By number.
    integers: [u64; 16],
    rip: u64,
    floats: [u128; 61],
}

const _: () = assert!(size_of::<Context>() == 0x4d0 && offset_of!(Context, rip) == 0xf8);

/// RUNTIME_FUNCTION: offsets from the image's base.
#[repr(C)]
struct Entry {
    begin: u32,
    end: u32,
    information: u32,
}

#[repr(C)]
struct Pointers {
    record: *const u32, // its first field is the code
    context: *mut Context,
}

const SINGLE_STEP: u32 = 0x8000_0004;
const GO_ON: i32 = -1;
const NOT_OURS: i32 = 0;
const TRAP_FLAG: u32 = 0x100;

unsafe extern "system" {
    fn AddVectoredExceptionHandler(
        first: u32,
        handler: unsafe extern "system" fn(*const Pointers) -> i32,
    ) -> *mut c_void;
    fn RemoveVectoredExceptionHandler(handler: *mut c_void) -> u32;
    fn RtlLookupFunctionEntry(pc: u64, base: *mut u64, history: *mut c_void) -> *const Entry;
    fn RtlVirtualUnwind(
        kind: u32,
        base: u64,
        pc: u64,
        entry: *const Entry,
        context: *mut Context,
        data: *mut *mut c_void,
        establisher: *mut u64,
        places: *mut c_void,
    ) -> *const c_void;
}

/// The unwind data of the function that this address is in, and the image's base.
fn look_up(pc: u64) -> Option<(&'static Entry, u64)> {
    let mut base = 0;
    // SAFETY: any address will do; entries are part of an image, which stays.
    let entry = unsafe { RtlLookupFunctionEntry(pc, &mut base, null_mut()).as_ref() };
    entry.map(|entry| (entry, base))
}

impl Context {
    fn pop(&mut self) -> u64 {
        // SAFETY: the stack pointer of a frame that somebody is in.
        let word = unsafe { *(self.integers[RSP] as *const u64) };
        self.integers[RSP] += 8;
        word
    }

    /// Goes on to the caller, as the system does.
    fn unwind_by_system(&mut self) {
        let Some((entry, base)) = look_up(self.rip) else {
            self.rip = self.pop(); // a function without a frame
            return;
        };
        let (mut data, mut establisher) = (null_mut(), 0);
        // SAFETY: the entry of this address, and the state there.
        unsafe {
            let pc = self.rip;
            RtlVirtualUnwind(0, base, pc, entry, self, &mut data, &mut establisher, null_mut());
        }
    }
}

// ---- the documented rules: Microsoft, x64 exception handling, "Unwind procedure"; x64
// prolog and epilog, "Epilog code"

const PUSH_NONVOLATILE: u8 = 0;
const ALLOC_SMALL: u8 = 2;
const SET_FRAME: u8 = 3;

impl Context {
    /// Goes on to the caller, as the rules have it.
    fn unwind_by_rules(&mut self) {
        let Some((entry, base)) = look_up(self.rip) else {
            self.rip = self.pop();
            return;
        };
        let information = (base + u64::from(entry.information)) as *const u8;
        // SAFETY: the unwind information of an entry: four bytes, and two for each code.
        let [version, prologue, count, frame] = unsafe { *information.cast::<[u8; 4]>() };
        assert_eq!(version, 1, "handlers, or chained data");
        let (register, scaled) = (usize::from(frame & 15), 16 * u64::from(frame >> 4));
        let at = self.rip - base - u64::from(entry.begin);
        let range = base + u64::from(entry.begin)..base + u64::from(entry.end);
        if at >= prologue.into() && self.epilogue(register, &range) {
            return;
        }
        for i in 0..usize::from(count) {
            // SAFETY: as above.
            let [after, code] = unsafe { *information.add(4 + 2 * i).cast::<[u8; 2]>() };
            if at < after.into() {
                continue; // not executed yet
            }
            match code & 15 {
                PUSH_NONVOLATILE => self.integers[usize::from(code >> 4)] = self.pop(),
                ALLOC_SMALL => self.integers[RSP] += 8 + 8 * u64::from(code >> 4),
                SET_FRAME => self.integers[RSP] = self.integers[register] - scaled,
                code => panic!("unwind code {code}"),
            }
        }
        self.rip = self.pop();
    }

    /// If an epilogue goes on from here, executes it.
    fn epilogue(&mut self, frame: usize, range: &std::ops::Range<u64>) -> bool {
        // SAFETY: code of the image that the processor is about to execute; more follows.
        let byte = |at: u64| unsafe { *((self.rip + at) as *const u8) };
        let int = |at: u64, size: u64| match size {
            1 => i64::from(byte(at) as i8),
            _ => i64::from(i32::from_le_bytes([0, 1, 2, 3].map(|i| byte(at + i)))),
        };
        let (mut at, mut registers) = (0, Vec::new());
        let mut sp = self.integers[RSP];
        // `add rsp, constant`, or `lea rsp, [frame + constant]`.
        match [0, 1, 2].map(byte) {
            [0x48, 0x83, 0xc4] => (sp, at) = (sp.wrapping_add_signed(int(3, 1)), 4),
            [0x48, 0x81, 0xc4] => (sp, at) = (sp.wrapping_add_signed(int(3, 4)), 7),
            [rex @ (0x48 | 0x49), 0x8d, operand] if operand >> 3 & 7 == RSP as u8 => {
                let register = usize::from(operand & 7) + 8 * usize::from(rex & 1);
                let size = match operand >> 6 {
                    1 => 1,
                    2 => 4,
                    _ => return false,
                };
                if frame == 0 || register != frame {
                    return false;
                }
                sp = self.integers[frame].wrapping_add_signed(int(3, size));
                at = 3 + size;
            }
            _ => {}
        }
        // Pops of eight bytes.
        loop {
            let (prefix, high) = if byte(at) == 0x41 { (1, 8) } else { (0, 0) };
            let opcode = byte(at + prefix);
            if opcode & 0xf8 != 0x58 {
                break;
            }
            registers.push(usize::from(opcode & 7) + high);
            at += prefix + 1;
        }
        // `ret`, or a jump out of the function: direct, or through memory without a base.
        let next = |size: u64| self.rip + at + size;
        let left = match byte(at) {
            0xc3 => true,
            0xf3 => byte(at + 1) == 0xc3,
            0xeb => !range.contains(&next(2).wrapping_add_signed(int(at + 1, 1))),
            0xe9 => !range.contains(&next(5).wrapping_add_signed(int(at + 1, 4))),
            0xff => byte(at + 1) == 0x25,
            _ => false,
        };
        if left {
            self.integers[RSP] = sp;
            for register in registers {
                self.integers[register] = self.pop();
            }
            self.rip = self.pop();
        }
        left
    }
}

// ---- stepping

/// The callee-saved registers by their numbers, and what the stepper gives them.
const KEPT: [(usize, u64); 8] = [
    (RBX, 0x1b1b_1b1b_b1b1_b1b1),
    (RBP, 0x2b2b_2b2b_b2b2_b2b2),
    (6, 0x6161_6161_1616_1616),
    (7, 0x7171_7171_1717_1717),
    (12, 0x1212_1212_2121_2121),
    (13, 0x1313_1313_3131_3131),
    (14, 0x1414_1414_4141_4141),
    (15, 0x1515_1515_5151_5151),
];

/// What the assembly below reads and writes.
#[repr(C)]
struct Step {
    function: *const c_void,
    arguments: [usize; 6],
    kept: [u64; 8],
    /// The stack pointer of the stepper before and after the call.
    sp: u64,
    /// How many frames of the assembly may lie between a step and the stepper.
    between: usize,
    /// For [`trap`].
    seen: Seen,
}

/// What the handler has seen.
struct Seen {
    instructions: BTreeSet<u64>,
    steps: usize,
    wrong: Vec<String>,
}

impl Seen {
    const NOTHING: Seen = Seen { instructions: BTreeSet::new(), steps: 0, wrong: Vec::new() };
}

struct Shared(UnsafeCell<Step>);

// SAFETY: only the holder of LOCK touches it, and the handler of the exceptions that its own
// thread causes.
unsafe impl Sync for Shared {}

static LOCK: Mutex<()> = Mutex::new(());
static STEP: Shared = Shared(UnsafeCell::new(Step {
    function: null(),
    arguments: [0; 6],
    kept: [KEPT[0].1, KEPT[1].1, KEPT[2].1, KEPT[3].1, KEPT[4].1, KEPT[5].1, KEPT[6].1, KEPT[7].1],
    sp: 0,
    between: 0,
    seen: Seen::NOTHING,
}));

macro_rules! functions {
    ($($name:ident $symbol:literal)*) => {
        unsafe extern "C" {$(
            #[link_name = concat!("vmtrampoline_test_", $symbol)]
            fn $name();
        )*}
    };
}
functions! {
    stepper "stepper"
    stepper_return "stepper_return"
    stepper_end "stepper_end"
    stepped "stepped"
    stepped_end "stepped_end"
    silent "silent"
    forgets_rbx "forgets_rbx"
    leaves_framed "leaves_framed"
    left_framed "left_framed"
}

global_asm!(
    ".globl {stepper}, {stepper_return}, {stepper_end}",
    "{stepper}:",
    ".irp reg, rbx, rbp, rsi, rdi, r12, r13, r14, r15",
    "push \\reg",
    ".endr",
    "sub rsp, 56", // shadow space, and two more arguments
    "lea rax, [rip + {step}]",
    "mov [rax + {sp}], rsp",
    "mov rcx, [rax + {arguments} + 8 * 4]",
    "mov [rsp + 32], rcx",
    "mov rcx, [rax + {arguments} + 8 * 5]",
    "mov [rsp + 40], rcx",
    "mov rbx, [rax + {kept} + 8 * 0]",
    "mov rbp, [rax + {kept} + 8 * 1]",
    "mov rsi, [rax + {kept} + 8 * 2]",
    "mov rdi, [rax + {kept} + 8 * 3]",
    "mov r12, [rax + {kept} + 8 * 4]",
    "mov r13, [rax + {kept} + 8 * 5]",
    "mov r14, [rax + {kept} + 8 * 6]",
    "mov r15, [rax + {kept} + 8 * 7]",
    "mov rcx, [rax + {arguments} + 8 * 0]",
    "mov rdx, [rax + {arguments} + 8 * 1]",
    "mov r8, [rax + {arguments} + 8 * 2]",
    "mov r9, [rax + {arguments} + 8 * 3]",
    "pushfq",
    "or qword ptr [rsp], {trap_flag}",
    "popfq",
    "call [rax + {function}]",
    "{stepper_return}:",
    "pushfq",
    "and qword ptr [rsp], ~{trap_flag}",
    "popfq",
    "add rsp, 56",
    ".irp reg, r15, r14, r13, r12, rdi, rsi, rbp, rbx",
    "pop \\reg",
    ".endr",
    "ret",
    "{stepper_end}:",

    // The target: no step in it is looked at.
    ".globl {stepped}, {stepped_end}",
    "{stepped}:",
    "ret",
    "{stepped_end}:",

    // Says nothing of its push.
    ".globl {silent}",
    ".seh_proc {silent}",
    "{silent}:",
    ".seh_endprologue",
    "push qword ptr [rsp]",
    "nop",
    "add rsp, 8",
    "ret",
    ".seh_endproc",

    // Does not say what it has saved.
    ".globl {forgets_rbx}",
    ".seh_proc {forgets_rbx}",
    "{forgets_rbx}:",
    "push rbx",
    ".seh_stackalloc 8",
    ".seh_endprologue",
    "xor ebx, ebx",
    "nop",
    "pop rbx",
    "ret",
    ".seh_endproc",

    // Goes on in another function, which takes down its frame.
    ".globl {leaves_framed}, {left_framed}",
    ".seh_proc {leaves_framed}",
    "{leaves_framed}:",
    "push rbp",
    ".seh_pushreg rbp",
    "mov rbp, rsp",
    ".seh_setframe rbp, 0",
    ".seh_endprologue",
    "jmp {left_framed}",
    ".seh_endproc",
    ".seh_proc {left_framed}",
    "{left_framed}:",
    ".seh_endprologue",
    "pop rbp",
    "ret",
    ".seh_endproc",
    stepper = sym stepper,
    stepper_return = sym stepper_return,
    stepper_end = sym stepper_end,
    stepped = sym stepped,
    stepped_end = sym stepped_end,
    silent = sym silent,
    forgets_rbx = sym forgets_rbx,
    leaves_framed = sym leaves_framed,
    left_framed = sym left_framed,
    step = sym STEP,
    function = const offset_of!(Step, function),
    arguments = const offset_of!(Step, arguments),
    kept = const offset_of!(Step, kept),
    sp = const offset_of!(Step, sp),
    trap_flag = const TRAP_FLAG,
);

fn address(function: unsafe extern "C" fn()) -> u64 {
    function as *const () as u64
}

/// Walks up the stack to the stepper. Says what is wrong there.
fn walk(step: &Step, mut context: Context, unwind: fn(&mut Context)) -> Option<String> {
    for _ in 0..=step.between {
        unwind(&mut context);
        if context.rip == address(stepper_return) {
            let kept =
                KEPT.iter().map(|&(number, must)| (format!("register {number}"), number, must));
            let sp = ("the stack pointer".to_owned(), RSP, step.sp);
            return kept.chain([sp]).find_map(|(name, number, must)| {
                let is = context.integers[number];
                (is != must).then(|| format!("{name} of the caller is {is:#x}, not {must:#x}"))
            });
        }
    }
    Some("there is no caller".to_owned())
}

unsafe extern "system" fn trap(pointers: *const Pointers) -> i32 {
    // SAFETY: the system's own.
    let Pointers { record, context } = unsafe { pointers.read() };
    // SAFETY: as above.
    let (code, context) = unsafe { (*record, &mut *context) };
    if code != SINGLE_STEP {
        return NOT_OURS;
    }
    // SAFETY: `steps` waits for us, and the code that we have interrupted is assembly that
    // does not use this.
    let step = unsafe { &mut *STEP.0.get() };
    let pc = context.rip;
    if pc == address(stepper_return) {
        return GO_ON;
    }
    context.eflags |= TRAP_FLAG;
    let ours = address(stepper)..address(stepper_end);
    let target = address(stepped)..address(stepped_end);
    if ours.contains(&pc) || target.contains(&pc) {
        return GO_ON;
    }
    step.seen.steps += 1;
    step.seen.instructions.insert(pc);
    let at = pc.wrapping_sub(step.function as u64);
    let unwinders: [(_, fn(&mut Context)); 2] =
        [("the system", Context::unwind_by_system), ("the rules", Context::unwind_by_rules)];
    for (name, unwind) in unwinders {
        let wrong = walk(step, context.clone(), unwind);
        step.seen.wrong.extend(wrong.map(|what| format!("at entry + {at:#x}, by {name}: {what}")));
    }
    GO_ON
}

/// Calls `function`, and looks at each step.
fn steps(function: *const c_void, arguments: [usize; 6], between: usize) -> Seen {
    let _lock = LOCK.lock().unwrap();
    let step = STEP.0.get();
    // SAFETY: we have the lock. The handler is there while `stepper` runs, and notices only
    // its steps; the function is a body, called rightly.
    unsafe {
        (*step).function = function;
        (*step).arguments = arguments;
        (*step).between = between;
        let handler = AddVectoredExceptionHandler(1, trap);
        assert!(!handler.is_null());
        stepper();
        RemoveVectoredExceptionHandler(handler);
        replace(&mut (*step).seen, Seen::NOTHING)
    }
}

#[test]
fn unwinding_finds_the_caller_at_every_instruction() {
    let (mut instructions, mut count) = (BTreeSet::new(), 0);
    let mut look = |name: &str, seen: Seen| {
        assert!(seen.steps > 0, "{name}");
        assert_eq!(seen.wrong, [""; 0], "{name}");
        instructions.extend(seen.instructions);
        count += seen.steps;
    };
    every_path(|case, trampoline, route| {
        let mut slots = vec![ValRaw::default(); scalars::slots(&case.signature)];
        let descriptor = (&raw const *trampoline.descriptor()).cast::<u8>() as usize;
        let (slots, target) = (slots.as_mut_ptr() as usize, address(stepped) as usize);
        let arguments = [0x1111, 0x2222, target, slots, descriptor, 0x6666];
        let seen = match route {
            // `storing` calls the body.
            Route::Pointer(pointer) => steps(pointer as *const c_void, arguments, 1),
            _ => steps(trampoline.body(), arguments, 0),
        };
        look(&format!("{case:?}, {:?} by {route:?}", trampoline.shape()), seen);
    });
    // SAFETY: `stepped` takes no notice of its arguments.
    let host = unsafe { std::mem::transmute::<*const c_void, ArrayCall>(stepped as *const c_void) };
    every_host_path(host, |name, code, arguments| {
        let [a, b, c, d, e] = arguments;
        look(name, steps(code, [a, b, c, d, e, 0x6666], 0));
    });
    println!("{count} steps at {} instructions", instructions.len());
}

#[test]
fn liars_are_caught() {
    for (liar, by_system, by_rules) in [
        (silent as unsafe extern "C" fn(), Some("the stack pointer"), "the stack pointer"),
        (forgets_rbx, Some("register 3"), "register 3"),
        (leaves_framed, None, "there is no caller"),
    ] {
        let seen = steps(liar as *const c_void, [0; 6], 0);
        println!("{:#?}", seen.wrong);
        let said = |by: &str, what: &str| {
            seen.wrong.iter().any(|wrong| wrong.contains(by) && wrong.contains(what))
        };
        assert!(by_system.is_none_or(|what| said("by the system", what)), "{:?}", seen.wrong);
        assert!(said("by the rules", by_rules), "{:?}", seen.wrong);
    }
    let seen = steps(stepped as *const c_void, [0; 6], 0);
    assert_eq!((seen.steps, seen.wrong.len()), (0, 0));
}
