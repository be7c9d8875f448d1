//! Closures: function pointers that a program makes at run time.
//!
//! The function pointer is that of a callback of the crate, which is taken when a closure is
//! allocated and gets its signature when it is prepared. It calls [`invoke`] or a shorter
//! function. That reads from the closure which function to call, as programs may change it.

use std::{
    alloc::{Layout, alloc_zeroed, dealloc},
    array,
    collections::{BTreeMap, VecDeque},
    ffi::c_void,
    mem::MaybeUninit,
    process::abort,
    ptr::null_mut,
    sync::{Mutex, PoisonError},
};

use vmtrampoline::{ArrayCall, Callback, HostFunc, Signature, VMContext, VMOpaqueContext, ValRaw};

use crate::{
    Status,
    call::{Argument, Outcome, copy_bytes},
    cif::{Cif, Closed, DEFAULT_ABI, Interface},
};

/// Bytes in front of the closure proper, for code that is not written here.
pub(crate) const TRAMPOLINE_SIZE: usize =
    if cfg!(any(target_arch = "aarch64", target_arch = "riscv64")) { 24 } else { 32 };

/// What a closure calls: the cif, where to put the result, pointers to the arguments, the
/// program's data.
pub(crate) type Function =
    unsafe extern "C-unwind" fn(*mut Cif, *mut c_void, *mut *mut c_void, *mut c_void);

/// `ffi_closure`
#[derive(Debug)]
#[repr(C)]
pub struct Closure {
    trampoline: [u8; TRAMPOLINE_SIZE],
    pub(crate) cif: *mut Cif,
    pub(crate) function: Function,
    pub(crate) data: *mut c_void,
}

/// What belongs to a closure that has been allocated.
struct Allocation {
    layout: Layout,
    callback: Callback<'static>,
}

/// By the address of the closure.
static CLOSURES: Mutex<BTreeMap<usize, Allocation>> = Mutex::new(BTreeMap::new());

fn closures<R>(with: impl FnOnce(&mut BTreeMap<usize, Allocation>) -> R) -> R {
    with(&mut CLOSURES.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The callbacks of closures that were freed last. A closure's own function may free it, and what the
/// callback has is read once more when the function returns.
static FREED: Mutex<VecDeque<Callback<'static>>> = Mutex::new(VecDeque::new());

/// How many these are, so that one stays even if others are freed before the function returns.
const KEPT: usize = 64;

/// Frees callbacks of freed closures, the oldest first, until there are so many.
fn release(more: Option<Callback<'static>>, left: usize) {
    let mut freed = FREED.lock().unwrap_or_else(PoisonError::into_inner);
    freed.extend(more);
    let count = freed.len().saturating_sub(left);
    freed.drain(..count);
}

/// The function of a closure that is not prepared.
unsafe extern "C-unwind" fn unprepared(
    _: *mut VMOpaqueContext,
    _: *mut VMContext,
    _: *mut ValRaw,
    _: usize,
) {
    abort()
}

/// Allocates a closure, and tells its function pointer. Null if there are too many.
///
/// # Safety
///
/// As libffi's manual has it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ffi_closure_alloc(size: usize, code: *mut *const c_void) -> *mut c_void {
    let layout = Layout::from_size_align(size.max(size_of::<Closure>()), 16);
    let (Ok(layout), false) = (layout, code.is_null()) else { return null_mut() };
    let none = Signature::new([] as [vmtrampoline::ValType; 0], [] as [vmtrampoline::ValType; 0]);
    let Ok(none) = none else { return null_mut() };
    // SAFETY: `unprepared` may be called with anything.
    let callback = || unsafe { Callback::from_raw(&none, unprepared, null_mut()) };
    let Ok(callback) = callback().or_else(|_| {
        release(None, 0);
        callback()
    }) else {
        return null_mut();
    };
    // SAFETY: the layout has a size.
    let closure = unsafe { alloc_zeroed(layout) };
    if !closure.is_null() {
        // SAFETY: the program has room for a pointer.
        unsafe { code.write(callback.code()) };
        closures(|all| all.insert(closure.addr(), Allocation { layout, callback }));
    }
    closure.cast()
}

/// Frees a closure.
///
/// # Safety
///
/// As libffi's manual has it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ffi_closure_free(closure: *mut c_void) {
    if let Some(Allocation { layout, callback }) = closures(|all| all.remove(&closure.addr())) {
        // SAFETY: it was allocated so, and is freed once, as it was in the map.
        unsafe { dealloc(closure.cast(), layout) };
        release(Some(callback), KEPT);
    }
}

/// Makes a closure the implementation of its function pointer.
///
/// # Safety
///
/// As libffi's manual has it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ffi_prep_closure_loc(
    closure: *mut Closure,
    cif: *mut Cif,
    function: Function,
    data: *mut c_void,
    code: *const c_void,
) -> Status {
    // SAFETY: a cif that has been prepared.
    let interface = unsafe { &*cif }.interface();
    // SAFETY: as above.
    if unsafe { (*cif).abi } != DEFAULT_ABI {
        return Status::BadAbi;
    }
    closures(|all| {
        // Other memory has no code, and none can be written.
        let allocation = all.get_mut(&closure.addr());
        let Some(allocation) = allocation.filter(|it| it.callback.code() == code) else {
            return Status::BadAbi;
        };
        let Some(closed) = &interface.closed else { return Status::BadTypedef };
        // SAFETY: the function finds what it wants in the closure, which is filled in before the
        // program calls it.
        let replaced = unsafe {
            allocation.callback.replace_raw(
                &closed.signature,
                choose(interface, closed),
                closure.cast(),
            )
        };
        if replaced.is_err() {
            return Status::BadTypedef;
        }
        // SAFETY: it is in the map, so it is memory for a closure.
        unsafe { ((*closure).cif, (*closure).function, (*closure).data) = (cif, function, data) };
        Status::Ok
    })
}

/// Refuses: the code would have to be in the closure.
#[unsafe(no_mangle)]
pub extern "C" fn ffi_prep_closure(
    _: *mut Closure,
    _: *mut Cif,
    _: Function,
    _: *mut c_void,
) -> Status {
    Status::BadAbi
}

/// The host function of closures of this kind.
fn choose(interface: &Interface, closed: &Closed) -> ArrayCall {
    let Interface { arguments, outcome, .. } = interface;
    let short = cfg!(target_endian = "little") && arguments.len() <= SHORT;
    let mut places = closed.places.iter().enumerate();
    let plain =
        closed.split == 0 && places.all(|(i, place)| *place as usize == i * size_of::<ValRaw>());
    match outcome {
        Outcome::Nothing if short && plain => invoke_short::<0, true>,
        Outcome::Nothing if short => invoke_short::<0, false>,
        Outcome::Word(32) if short && plain => invoke_short::<4, true>,
        Outcome::Word(32) if short => invoke_short::<4, false>,
        Outcome::Word(0) if short && plain => invoke_short::<8, true>,
        Outcome::Word(0) if short => invoke_short::<8, false>,
        Outcome::Bytes(9..=16) if short && plain => invoke_short::<16, true>,
        Outcome::Bytes(9..=16) if short => invoke_short::<16, false>,
        Outcome::Memory if short => invoke_short::<MEMORY, false>,
        Outcome::Bytes(size) if *size > SMALL => invoke::<MOST, MOST_BYTES>,
        _ if arguments.len() > FEW => invoke::<MOST, MOST_BYTES>,
        _ => invoke::<FEW, SMALL>,
    }
}

/// Arguments of a closure that need no loop.
pub(crate) const SHORT: usize = 4;
/// In place of a size, for a result in memory.
const MEMORY: usize = usize::MAX;
/// Arguments and bytes of a result that most closures do with.
const FEW: usize = 16;
const SMALL: usize = 64;
/// A signature has no more.
const MOST: usize = Signature::MAX_PARAMS;
const MOST_BYTES: usize = vmtrampoline::CTrampoline::<u64>::MAX_BYTES;

/// Where a function leaves its result.
#[repr(align(16))]
struct Buffer<const SIZE: usize>(MaybeUninit<[u8; SIZE]>);

/// The host function of closures that have no more arguments than [`SHORT`], with `PLAIN` the one
/// of each index in the slot of that index, and as the result nothing, an `int`, a word, a structure that fills a slot or most of
/// it, or one in [`MEMORY`].
///
/// # Safety
///
/// The data of the context is a closure, and the slots hold arguments of its cif.
unsafe extern "C-unwind" fn invoke_short<const SIZE: usize, const PLAIN: bool>(
    context: *mut VMOpaqueContext,
    _: *mut VMContext,
    slots: *mut ValRaw,
    _: usize,
) {
    // SAFETY: our own condition.
    let closure = unsafe { &*HostFunc::data(context).cast::<Closure>() };
    // Where there are fewer arguments, no code reads the others.
    let mut values: [*mut c_void; SHORT] = if PLAIN {
        array::from_fn(|i| slots.wrapping_add(i).cast())
    } else {
        // SAFETY: a closure is used with the cif that it was prepared with.
        let closed = unsafe { &*closure.cif }.interface().closed();
        // SAFETY: our own condition.
        unsafe { join(closed.split, slots) };
        closed.first.map(|place| slots.wrapping_byte_add(place as usize).cast())
    };
    let mut buffer = Buffer::<16>(MaybeUninit::uninit());
    let result: *mut c_void = match SIZE {
        // SAFETY: the first argument is the address.
        MEMORY => unsafe { slots.cast::<*mut c_void>().read() },
        _ => buffer.0.as_mut_ptr().cast(),
    };
    // SAFETY: the program's function, with as many values as the cif has parameters, or more.
    unsafe { (closure.function)(closure.cif, result, values.as_mut_ptr(), closure.data) };
    let word = match SIZE {
        0 | MEMORY => return,
        // SAFETY: the function has left a result of the cif's type; both have so many bytes.
        16 => return unsafe { copy_bytes(result.cast(), slots.cast(), 16) },
        // SAFETY: as above.
        4 => i64::from(unsafe { result.cast::<i32>().read() }) as u64,
        // SAFETY: as above; of a small integer the program may have written less.
        _ => unsafe { result.cast::<u64>().read_volatile() },
    };
    // SAFETY: there is a slot for a result.
    unsafe { slots.cast::<u64>().write(word) };
}

/// Has arguments whose second word is in the next slot in one piece.
///
/// # Safety
///
/// These bits are for slots of which this is so.
#[inline(always)]
unsafe fn join(mut split: u64, slots: *mut ValRaw) {
    while split != 0 {
        let slot = slots.wrapping_add(split.trailing_zeros() as usize);
        let word = slot.cast::<MaybeUninit<u64>>();
        // SAFETY: our own condition: a slot has two words.
        unsafe { word.wrapping_add(1).write(word.wrapping_add(2).read()) };
        split &= split - 1;
    }
}

/// The host function of closures that have no more arguments than this, and no more bytes in the
/// result.
///
/// # Safety
///
/// As for [`invoke_short`].
unsafe extern "C-unwind" fn invoke<const ARGUMENTS: usize, const SIZE: usize>(
    context: *mut VMOpaqueContext,
    _: *mut VMContext,
    slots: *mut ValRaw,
    _: usize,
) {
    // SAFETY: our own condition.
    let closure = unsafe { &*HostFunc::data(context).cast::<Closure>() };
    // SAFETY: a closure is used with the cif that it was prepared with.
    let interface = unsafe { &*closure.cif }.interface();
    let Closed { places, split, .. } = interface.closed();
    // SAFETY: our own condition.
    unsafe { join(*split, slots) };
    let mut values = [const { MaybeUninit::<*mut c_void>::uninit() }; ARGUMENTS];
    let mut result = Buffer::<SIZE>(MaybeUninit::uninit());
    for (value, place) in values.iter_mut().zip(places) {
        value.write(slots.wrapping_byte_add(*place as usize).cast());
    }
    if cfg!(target_endian = "big") {
        for (argument, place) in interface.arguments.iter().zip(places) {
            // SAFETY: the slot holds this argument.
            unsafe { unpack(*argument, slots.wrapping_byte_add(*place as usize).cast()) };
        }
    }
    let result = match interface.outcome {
        Outcome::Memory => {
            // SAFETY: the first argument is the address.
            unsafe { slots.cast::<*mut c_void>().read() }.map_addr(usize::from_le)
        }
        _ => result.0.as_mut_ptr().cast(),
    };
    // SAFETY: the program's function, with as many values as the cif has parameters.
    unsafe { (closure.function)(closure.cif, result, values.as_mut_ptr().cast(), closure.data) };
    // SAFETY: the function has left a result of the cif's type.
    unsafe { pack(interface.outcome, result, slots.cast()) };
}

/// Has a scalar begin where its slot does, in the machine's order.
///
/// # Safety
///
/// The slot holds this argument.
#[inline(always)]
unsafe fn unpack(argument: Argument, slot: *mut u64) {
    if !argument.is_scalar() {
        return;
    }
    // SAFETY: our own condition; every byte has some value, but Rust need not know which.
    let bits = u64::from_le(unsafe { slot.read_volatile() });
    // The bytes of the value are the last ones.
    let value = bits << (64 - 8 * argument.size());
    // SAFETY: as above.
    unsafe { slot.write(value) };
}

/// Puts the result into its slot: integers as the program has widened them.
///
/// # Safety
///
/// `result` is the buffer that the function has left a result of this kind in.
#[inline(always)]
unsafe fn pack(outcome: Outcome, result: *const c_void, slot: *mut u64) {
    let bits = match outcome {
        // An address is where it was.
        Outcome::Nothing | Outcome::Memory => return,
        Outcome::Bytes(size) => {
            // SAFETY: there are so many bytes in both.
            return unsafe { copy_bytes(result.cast(), slot.cast(), size) };
        }
        // SAFETY: our own condition.
        Outcome::Float => u64::from(unsafe { result.cast::<u32>().read() }),
        // SAFETY: a buffer has a word; of a small integer the program may have written less.
        Outcome::Word(_) => unsafe { result.cast::<u64>().read_volatile() },
    };
    // SAFETY: there is a slot for a result.
    unsafe { slot.write(bits.to_le()) };
}

/// Refuses: C has no register for the closure of a Go function here.
#[unsafe(no_mangle)]
pub extern "C" fn ffi_prep_go_closure(_: *mut c_void, _: *mut Cif, _: Function) -> Status {
    Status::BadAbi
}

/// Ends the process, as there is no error to return: nothing here can load the register of Go's
/// closures.
#[unsafe(no_mangle)]
pub extern "C" fn ffi_call_go(
    _: *mut Cif,
    _: *const c_void,
    _: *mut c_void,
    _: *mut *mut c_void,
    _: *mut c_void,
) {
    eprintln!("ffi_call_go: calls of Go closures are not supported");
    abort()
}
