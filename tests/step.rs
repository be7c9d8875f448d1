//! At every instruction of every body, unwinding finds the caller: its stack
//! pointer, its callee-saved registers, the address it goes on from. And where an
//! indirect jump or call goes, there is a landing pad; every return goes where a shadow
//! stack says. No processor here has one: the handler keeps it.
//!
//! The processor's trap flag stops after each instruction, and the handler of
//! that signal unwinds. Panics and backtraces see a frame at its call alone.

#![cfg(all(
    vmtrampoline_port,
    not(vmtrampoline_windows),
    target_arch = "x86_64",
    target_os = "linux"
))]

mod common;

use std::{
    arch::global_asm,
    cell::UnsafeCell,
    collections::BTreeSet,
    ffi::{c_int, c_void},
    mem::{offset_of, replace, zeroed},
    ptr::null_mut,
    sync::Mutex,
};

use common::{
    case::{LandingPlace, Route},
    every_path::every_path,
    hidden::{self, every_hidden_path, values_in_x87},
    host_calls::every_host_path,
    leavable, scalars, x87,
};
use vmtrampoline::{ArrayCall, ValRaw};

/// rbx, rbp, r12 to r15 by their DWARF numbers (System V ABI, AMD64 supplement,
/// figure 3.36), and what the stepper gives them.
const KEPT: [(c_int, usize); 6] = [
    (3, 0x1b1b_1b1b_b1b1_b1b1),
    (6, 0x2b2b_2b2b_b2b2_b2b2),
    (12, 0x1212_1212_2121_2121),
    (13, 0x1313_1313_3131_3131),
    (14, 0x1414_1414_4141_4141),
    (15, 0x1515_1515_5151_5151),
];

const TRAP_FLAG: usize = 0x100;

/// What the assembly below reads and writes.
#[repr(C)]
struct Step {
    function: *const c_void,
    arguments: [usize; 6],
    kept: [usize; 6],
    /// The stack pointer of the stepper before and after the call.
    sp: usize,
    /// How many frames of the assembly may lie between a step and the stepper.
    between: usize,
    /// Where `stepped_leaves` finds the stack pointer, and where it goes.
    landing: *const LandingPlace,
    leave: *const c_void,
    /// For [`trap`].
    seen: Seen,
}

/// What the handler has seen.
struct Seen {
    /// The last instruction.
    last: usize,
    instructions: BTreeSet<usize>,
    steps: usize,
    /// The return addresses of the shadow stack.
    shadow: Vec<usize>,
    wrong: Vec<String>,
}

impl Seen {
    const NOTHING: Seen = Seen {
        last: 0,
        instructions: BTreeSet::new(),
        steps: 0,
        shadow: Vec::new(),
        wrong: Vec::new(),
    };
}

struct Shared(UnsafeCell<Step>);

// SAFETY: only the holder of LOCK touches it, and the handler of the signals that
// its own thread causes.
unsafe impl Sync for Shared {}

static LOCK: Mutex<()> = Mutex::new(());
static STEP: Shared = Shared(UnsafeCell::new(Step {
    function: std::ptr::null(),
    arguments: [0; 6],
    kept: [KEPT[0].1, KEPT[1].1, KEPT[2].1, KEPT[3].1, KEPT[4].1, KEPT[5].1],
    sp: 0,
    between: 0,
    landing: std::ptr::null(),
    leave: std::ptr::null(),
    seen: Seen::NOTHING,
}));

unsafe extern "C" {
    #[link_name = "vmtrampoline_test_stepper"]
    fn stepper();
    #[link_name = "vmtrampoline_test_stepper_return"]
    fn stepper_return();
    #[link_name = "vmtrampoline_test_stepper_end"]
    fn stepper_end();
    #[link_name = "vmtrampoline_test_stepped"]
    fn stepped();
    #[link_name = "vmtrampoline_test_stepped_pair"]
    fn stepped_pair();
    #[link_name = "vmtrampoline_test_stepped_one"]
    fn stepped_one();
    #[link_name = "vmtrampoline_test_stepped_leaves"]
    fn stepped_leaves();
    #[link_name = "vmtrampoline_test_stepped_end"]
    fn stepped_end();
    /// Liars, each of one promise.
    #[link_name = "vmtrampoline_test_silent"]
    fn silent();
    #[link_name = "vmtrampoline_test_forgets_rbx"]
    fn forgets_rbx();
    #[link_name = "vmtrampoline_test_unknown"]
    fn unknown();
    #[link_name = "vmtrampoline_test_padless"]
    fn padless();
    #[link_name = "vmtrampoline_test_jumps_back"]
    fn jumps_back();

    fn _Unwind_Backtrace(
        visit: extern "C" fn(*mut c_void, *mut c_void) -> c_int,
        walk: *mut c_void,
    ) -> c_int;
    fn _Unwind_GetGR(context: *mut c_void, register: c_int) -> usize;
    fn _Unwind_GetCFA(context: *mut c_void) -> usize;
    fn _Unwind_GetIP(context: *mut c_void) -> usize;
}

global_asm!(
    ".globl {stepper}, {stepper_return}, {stepper_end}",
    "{stepper}:",
    ".cfi_startproc",
    ".irp reg, rbx, rbp, r12, r13, r14, r15",
    "push \\reg",
    ".cfi_adjust_cfa_offset 8",
    ".cfi_rel_offset \\reg, 0",
    ".endr",
    "sub rsp, 8",
    ".cfi_adjust_cfa_offset 8",
    "lea rax, [rip + {step}]",
    "mov [rax + {sp}], rsp",
    "mov rbx, [rax + {kept} + 8 * 0]",
    "mov rbp, [rax + {kept} + 8 * 1]",
    "mov r12, [rax + {kept} + 8 * 2]",
    "mov r13, [rax + {kept} + 8 * 3]",
    "mov r14, [rax + {kept} + 8 * 4]",
    "mov r15, [rax + {kept} + 8 * 5]",
    "mov rdi, [rax + {arguments} + 8 * 0]",
    "mov rsi, [rax + {arguments} + 8 * 1]",
    "mov rdx, [rax + {arguments} + 8 * 2]",
    "mov rcx, [rax + {arguments} + 8 * 3]",
    "mov r8, [rax + {arguments} + 8 * 4]",
    "mov r9, [rax + {arguments} + 8 * 5]",
    "pushfq",
    "or qword ptr [rsp], {trap_flag}",
    "popfq",
    "call [rax + {function}]",
    "{stepper_return}:",
    "pushfq",
    "and qword ptr [rsp], ~{trap_flag}",
    "popfq",
    "add rsp, 8",
    ".cfi_adjust_cfa_offset -8",
    ".irp reg, r15, r14, r13, r12, rbp, rbx",
    "pop \\reg",
    ".cfi_adjust_cfa_offset -8",
    ".cfi_restore \\reg",
    ".endr",
    "ret",
    ".cfi_endproc",
    "{stepper_end}:",

    // The target: it keeps the ABI, and no step in it is looked at.
    ".globl {stepped}, {stepped_end}",
    "{stepped}:",
    "endbr64",
    "ret",
    // The same, with two or one value in x87 registers.
    ".globl {stepped_pair}, {stepped_one}",
    "{stepped_pair}:",
    "endbr64",
    "fldz",
    "fld1",
    "ret",
    "{stepped_one}:",
    "endbr64",
    "fld1",
    "ret",
    // Leaves instead, from a call deeper, with registers that are its own by now.
    ".globl {stepped_leaves}",
    "{stepped_leaves}:",
    "endbr64",
    ".irp reg, rbx, r12, r13, r14, r15",
    "not \\reg",
    ".endr",
    "call 2f",
    "2:",
    "add rsp, 8",
    "mov rdi, [rip + {step} + {landing}]",
    "mov rdi, [rdi]",
    "jmp [rip + {step} + {leave}]",
    "{stepped_end}:",

    // Says nothing of its push.
    ".globl {silent}",
    "{silent}:",
    ".cfi_startproc",
    "endbr64",
    "push qword ptr [rsp]",
    "pop rax",
    "ret",
    ".cfi_endproc",

    // Does not say where it has saved rbx.
    ".globl {forgets_rbx}",
    "{forgets_rbx}:",
    ".cfi_startproc",
    "endbr64",
    "push rbx",
    ".cfi_adjust_cfa_offset 8",
    "xor ebx, ebx",
    "pop rbx",
    ".cfi_adjust_cfa_offset -8",
    "ret",
    ".cfi_endproc",

    // Says nothing at all.
    ".globl {unknown}",
    "{unknown}:",
    "endbr64",
    "ret",

    // Has no landing pad.
    ".globl {padless}",
    "{padless}:",
    ".cfi_startproc",
    "ret",
    ".cfi_endproc",

    // Returns without a return.
    ".globl {jumps_back}",
    "{jumps_back}:",
    ".cfi_startproc",
    "endbr64",
    "pop rax",
    ".cfi_adjust_cfa_offset -8",
    ".cfi_register rip, rax",
    "jmp rax",
    ".cfi_endproc",
    stepper = sym stepper,
    stepper_return = sym stepper_return,
    stepper_end = sym stepper_end,
    stepped = sym stepped,
    stepped_pair = sym stepped_pair,
    stepped_one = sym stepped_one,
    stepped_end = sym stepped_end,
    silent = sym silent,
    forgets_rbx = sym forgets_rbx,
    unknown = sym unknown,
    padless = sym padless,
    jumps_back = sym jumps_back,
    stepped_leaves = sym stepped_leaves,
    landing = const offset_of!(Step, landing),
    leave = const offset_of!(Step, leave),
    step = sym STEP,
    function = const offset_of!(Step, function),
    arguments = const offset_of!(Step, arguments),
    kept = const offset_of!(Step, kept),
    sp = const offset_of!(Step, sp),
    trap_flag = const TRAP_FLAG,
);

/// One walk up the stack, from the instruction at `pc`.
struct Walk {
    pc: usize,
    found: bool,
    /// How many frames of the assembly may lie between.
    between: usize,
    wrong: Option<String>,
}

fn address(function: unsafe extern "C" fn()) -> usize {
    function as *const () as usize
}

extern "C" fn visit(context: *mut c_void, walk: *mut c_void) -> c_int {
    // SAFETY: the walk of `trap`.
    let walk = unsafe { &mut *walk.cast::<Walk>() };
    // SAFETY: the unwinder's own context.
    let (ip, cfa) = unsafe { (_Unwind_GetIP(context), _Unwind_GetCFA(context)) };
    if !walk.found {
        walk.found = ip == walk.pc;
        return 0;
    }
    if walk.between > 0 && ip != address(stepper_return) {
        walk.between -= 1;
        return 0;
    }
    // SAFETY: as in `trap`.
    let step = unsafe { &*STEP.0.get() };
    walk.wrong = None;
    let mut compare = |name: &str, is: usize, must: usize| {
        if is != must {
            walk.wrong = Some(format!("{name} is {is:#x}, not {must:#x}"));
        }
    };
    for (number, must) in KEPT {
        // SAFETY: as above.
        let is = unsafe { _Unwind_GetGR(context, number) };
        compare(&format!("register {number} of the caller"), is, must);
    }
    compare("the caller's stack pointer", cfa, step.sp);
    compare("the caller's instruction pointer", ip, address(stepper_return));
    1 // the end of the walk
}

const ENDBR64: [u8; 4] = [0xf3, 0x0f, 0x1e, 0xfa];

/// The code at this address.
fn code(pc: usize) -> [u8; 4] {
    // SAFETY: an instruction that has been, or is about to be, executed; more
    // code follows it.
    unsafe { *(pc as *const [u8; 4]) }
}

/// Whether there is an indirect jump or call at this address. Before the first
/// step there is the stepper's own.
fn is_indirect(pc: usize) -> bool {
    if pc == 0 {
        return true;
    }
    let [first, second, third, _] = code(pc);
    let (opcode, operand) = if first & 0xf0 == 0x40 { (second, third) } else { (first, second) };
    opcode == 0xff && matches!(operand >> 3 & 7, 2 | 4)
}

/// Keeps the shadow stack: what the last instruction has done to it, and what the next one
/// asks of it, which is passed over then.
fn keep_shadow(seen: &mut Seen, registers: &mut [i64; 23]) {
    let word = |at: i64| {
        // SAFETY: the word at the stack pointer, or just below it, in the red zone.
        unsafe { *(at as *const usize) }
    };
    let pc = registers[libc::REG_RIP as usize] as usize;
    let sp = registers[libc::REG_RSP as usize];
    let last = seen.last;
    if last == 0 || is_call(last) {
        seen.shadow.push(word(sp));
    } else if code(last)[0] == RET && seen.shadow.pop() != Some(pc) {
        seen.wrong.push(format!("a return to {pc:#x}, which the shadow stack does not say"));
    }
    // SAFETY: more code follows.
    let instruction = unsafe { *(pc as *const [u8; 5]) };
    let rax = &mut registers[libc::REG_RAX as usize];
    match instruction {
        RDSSPQ_RAX => *rax = SHADOW_STACK - 8 * seen.shadow.len() as i64,
        INCSSPQ_RAX => {
            let rest = seen.shadow.len().checked_sub(*rax as u8 as usize);
            seen.shadow.truncate(rest.expect("so many return addresses"));
        }
        _ => return,
    }
    registers[libc::REG_RIP as usize] += instruction.len() as i64;
    seen.instructions.insert(pc);
}

const RET: u8 = 0xc3;
const RDSSPQ_RAX: [u8; 5] = [0xf3, 0x48, 0x0f, 0x1e, 0xc8];
const INCSSPQ_RAX: [u8; 5] = [0xf3, 0x48, 0x0f, 0xae, 0xe8];
/// Where the empty shadow stack ends.
const SHADOW_STACK: i64 = 0x5555_5555_0000;

/// Whether there is a call at this address.
fn is_call(pc: usize) -> bool {
    let [first, second, third, _] = code(pc);
    let (opcode, operand) = if first & 0xf0 == 0x40 { (second, third) } else { (first, second) };
    opcode == 0xe8 || opcode == 0xff && operand >> 3 & 7 == 2
}

extern "C" fn trap(_: c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel's own context.
    let registers = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    // SAFETY: as below.
    keep_shadow(unsafe { &mut (*STEP.0.get()).seen }, registers);
    let pc = registers[libc::REG_RIP as usize] as usize;
    // SAFETY: `steps` waits for us, and the code that we have interrupted is
    // assembly that does not use this.
    let step = unsafe { &mut *STEP.0.get() };
    let at = pc.wrapping_sub(step.function as usize);
    let last = replace(&mut step.seen.last, pc);
    if is_indirect(last) && code(pc) != ENDBR64 {
        step.seen.wrong.push(format!("at entry + {at:#x}: no landing pad"));
    }
    let ours = address(stepper)..address(stepper_end);
    let target = address(stepped)..address(stepped_end);
    if ours.contains(&pc) || target.contains(&pc) {
        return;
    }
    let wrong = Some("there is no caller".to_owned());
    let mut walk = Walk { pc, found: false, between: step.between, wrong };
    // SAFETY: `visit` takes this.
    unsafe { _Unwind_Backtrace(visit, (&raw mut walk).cast()) };
    step.seen.steps += 1;
    step.seen.instructions.insert(pc);
    step.seen.wrong.extend(walk.wrong.map(|what| format!("at entry + {at:#x}: {what}")));
}

/// Calls `function`, and looks at each step.
fn steps(function: *const c_void, arguments: [usize; 6], between: usize) -> Seen {
    let _lock = LOCK.lock().unwrap();
    let step = STEP.0.get();
    // SAFETY: we have the lock. The handler is installed while `stepper` runs,
    // and notices only its steps; the function is a body, called rightly.
    unsafe {
        (*step).function = function;
        (*step).arguments = arguments;
        (*step).between = between;
        (*step).leave = leavable::leave_address();
        (*step).landing = arguments[5] as *const LandingPlace;
        let mut action: libc::sigaction = zeroed();
        let mut before: libc::sigaction = zeroed();
        action.sa_sigaction = trap as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO;
        assert_eq!(libc::sigaction(libc::SIGTRAP, &action, &mut before), 0);
        stepper();
        libc::sigaction(libc::SIGTRAP, &before, null_mut());
        let mut seen = replace(&mut (*step).seen, Seen::NOTHING);
        if !seen.shadow.is_empty() {
            seen.wrong.push(format!("the shadow stack still holds {:x?}", seen.shadow));
        }
        seen
    }
}

#[test]
fn unwinding_finds_the_caller_at_every_instruction() {
    let (mut instructions, mut count) = (BTreeSet::new(), 0);
    every_path(|case, trampoline, route| {
        let name = format!("{case:?}, {:?} by {route:?}", trampoline.shape());
        let mut slots = vec![ValRaw::default(); scalars::slots(&case.signature)];
        let descriptor = (&raw const *trampoline.descriptor()).cast::<u8>() as usize;
        let (slots, target) = (slots.as_mut_ptr() as usize, address(stepped));
        let arguments = [0x1111, 0x2222, target, slots, descriptor, 0x6666];
        let seen = match route {
            // `storing` calls the body, and that may call `all_floats`.
            Route::Pointer(pointer) => steps(pointer as *const c_void, arguments, 2),
            _ => steps(trampoline.body(), arguments, 1),
        };
        assert!(seen.steps > 0, "{name}");
        assert_eq!(seen.wrong, [""; 0], "{name}");
        instructions.extend(seen.instructions);
        count += seen.steps;
        if let Route::Body = route {
            for target in [stepped, stepped_leaves] {
                let mut place = LandingPlace::new(trampoline.body());
                let target = target as *const () as usize;
                let arguments =
                    [0x1111, 0x2222, target, slots, descriptor, (&raw mut place) as usize];
                // `leavable` calls the body, and that may call `all_floats`.
                let seen = steps(leavable::address(), arguments, 2);
                assert_eq!(seen.wrong, [""; 0], "{name}, {place:?}");
                assert_eq!(place.sp != 0, target == address(stepped_leaves), "{name}");
                instructions.extend(seen.instructions);
                count += seen.steps;
            }
        }
    });
    // SAFETY: `stepped` takes no notice of its arguments.
    let host = unsafe { std::mem::transmute::<*const c_void, ArrayCall>(stepped as *const c_void) };
    every_host_path(host, |name, code, arguments| {
        let [a, b, c, d, e] = arguments;
        let seen = steps(code, [a, b, c, d, e, 0x6666], 0);
        assert!(seen.steps > 0, "{name}");
        assert_eq!(seen.wrong, [""; 0], "{name}");
        instructions.extend(seen.instructions);
        count += seen.steps;
    });
    every_hidden_path(|name, trampoline| {
        let mut slots = vec![ValRaw::default(); trampoline.slots()];
        let target = match values_in_x87(trampoline) {
            0 => stepped,
            1 => stepped_one,
            _ => stepped_pair,
        };
        let target = target as *const c_void;
        let (entry, arguments) =
            hidden::arguments(trampoline, target, &mut slots, &mut Default::default());
        let arguments = arguments.try_into().expect("six on this machine");
        // `x87` calls the body, and that may call `all_floats`.
        let seen = steps(entry, arguments, 2);
        assert!(seen.steps > 0, "{name}");
        assert_eq!(seen.wrong, [""; 0], "{name}");
        assert_eq!(x87::x87_tags(), x87::EMPTY, "{name}");
        instructions.extend(seen.instructions);
        count += seen.steps;
    });
    println!("{count} steps at {} instructions", instructions.len());
}

#[test]
fn liars_are_caught() {
    for (liar, said) in [
        (silent as unsafe extern "C" fn(), "the caller's stack pointer"),
        (forgets_rbx, "register 3"),
        (unknown, "there is no caller"),
        (padless, "no landing pad"),
        (jumps_back, "the shadow stack still holds"),
    ] {
        let seen = steps(liar as *const c_void, [0; 6], 0);
        assert!(seen.wrong.iter().any(|wrong| wrong.contains(said)), "{said}: {:?}", seen.wrong);
    }
    let seen = steps(stepped as *const c_void, [0; 6], 0);
    assert_eq!((seen.steps, seen.wrong.len()), (0, 0));
}
