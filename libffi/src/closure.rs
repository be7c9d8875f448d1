//! Closures: function pointers that a program makes at run time.
//!
//! The function pointer is that of a callback of the crate, which is taken when a closure is
//! allocated and gets its signature when it is prepared. It calls [`invoke`], which reads from
//! the closure whom to call, as programs may change that.

use std::{
    alloc::{Layout, alloc_zeroed, dealloc},
    collections::BTreeMap,
    ffi::c_void,
    mem::MaybeUninit,
    process::abort,
    ptr::null_mut,
    sync::{Mutex, PoisonError},
};

use vmtrampoline::{Callback, HostFunc, Signature, VMContext, VMOpaqueContext, ValRaw};

use crate::{
    Status,
    call::{Argument, Outcome},
    cif::{Cif, DEFAULT_ABI, Interface},
    copy::copy,
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

/// What is called of a closure that is not prepared.
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
    let Ok(callback) = (unsafe { Callback::from_raw(&none, unprepared, null_mut()) }) else {
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
    if let Some(Allocation { layout, .. }) = closures(|all| all.remove(&closure.addr())) {
        // SAFETY: it was allocated so, and is freed once, as it was in the map.
        unsafe { dealloc(closure.cast(), layout) };
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
        // SAFETY: `invoke` finds what it wants in the closure, which is filled in before the
        // program calls it.
        let replaced = interface.callback_signature().and_then(|signature| unsafe {
            allocation.callback.replace_raw(&signature, invoke, closure.cast())
        });
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

/// The host function of all closures.
///
/// # Safety
///
/// The data of the context is a closure, and the slots hold arguments of its cif.
unsafe extern "C-unwind" fn invoke(
    context: *mut VMOpaqueContext,
    _: *mut VMContext,
    slots: *mut ValRaw,
    _: usize,
) {
    // SAFETY: our own condition.
    let closure = unsafe { HostFunc::data(context) }.cast::<Closure>();
    // SAFETY: as above.
    let closure = unsafe { &*closure };
    // SAFETY: a closure is used with the cif that it was prepared with.
    let interface = unsafe { &*closure.cif }.interface();
    if interface.places.len() <= FEW && interface.outcome.size() <= SMALL {
        // SAFETY: our own conditions; there is room enough, here and below.
        unsafe { deliver::<FEW, SMALL>(closure, interface, slots) }
    } else {
        // SAFETY: as above.
        unsafe { deliver_large(closure, interface, slots) }
    }
}

/// Arguments and bytes of a result that most closures do with.
const FEW: usize = 16;
const SMALL: usize = 64;

/// Calls the function of a closure with pointers to the values in the slots.
///
/// # Safety
///
/// As for [`invoke`], and there are no more arguments, and no more bytes in the result.
#[inline(always)]
unsafe fn deliver<const ARGUMENTS: usize, const SIZE: usize>(
    closure: &Closure,
    interface: &Interface,
    slots: *mut ValRaw,
) {
    #[repr(align(16))]
    struct Buffer<const SIZE: usize>(MaybeUninit<[u8; SIZE]>);

    let mut values = [const { MaybeUninit::<*mut c_void>::uninit() }; ARGUMENTS];
    let mut result = Buffer::<SIZE>(MaybeUninit::uninit());
    for (value, place) in values.iter_mut().zip(&interface.places) {
        value.write(slots.wrapping_byte_add(*place as usize).cast());
    }
    if cfg!(target_endian = "big") {
        for (argument, place) in interface.arguments.iter().zip(&interface.places) {
            // SAFETY: the slot holds this argument.
            unsafe { unpack(*argument, slots.wrapping_byte_add(*place as usize).cast()) };
        }
    }
    let result = result.0.as_mut_ptr().cast::<c_void>();
    // SAFETY: the program's function, with as many values as the cif has parameters.
    unsafe { (closure.function)(closure.cif, result, values.as_mut_ptr().cast(), closure.data) };
    // SAFETY: the function has left a result of the cif's type.
    unsafe { pack(interface.outcome, result, slots.cast()) };
}

/// [`deliver`] of any size, in a frame of its own.
///
/// # Safety
///
/// As for [`invoke`].
#[inline(never)]
unsafe fn deliver_large(closure: &Closure, interface: &Interface, slots: *mut ValRaw) {
    const SIZE: usize = vmtrampoline::CTrampoline::<u64>::MAX_BYTES;
    // SAFETY: our own conditions; a signature has no more.
    unsafe { deliver::<{ Signature::MAX_PARAMS }, SIZE>(closure, interface, slots) }
}

/// Has a scalar begin where its slot does, in the machine's order.
///
/// # Safety
///
/// The slot holds this argument.
#[inline(always)]
unsafe fn unpack(argument: Argument, slot: *mut u64) {
    if matches!(argument, Argument::Bytes(_)) {
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
        Outcome::Nothing => return,
        Outcome::Bytes(size) => {
            // SAFETY: there are so many bytes in both.
            return unsafe { copy(result.cast(), slot.cast(), size) };
        }
        // SAFETY: our own condition.
        Outcome::Float => u64::from(unsafe { result.cast::<u32>().read() }),
        // SAFETY: a buffer has a word; of a small integer the program may have written less.
        Outcome::Word | Outcome::Signed(_) => unsafe { result.cast::<u64>().read_volatile() },
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
