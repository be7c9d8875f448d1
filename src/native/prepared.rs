//! Calls that Rust prepares and finishes: what the assembly cannot do for a C
//! function, by the plan that its descriptor has.
//!
//! [`prepared`] and [`finished`] stand in the table of bodies and are called like one.
//! They prepare scratch slots by the [steps](plan) of the plan, and call the body that the
//! layout asks for. `prepared` leaves the result as the body does. `finished` calls the body
//! as a function that returns in the registers of the target, and writes the pieces of the
//! result to the slots. For calls without steps there are shorter functions: for results
//! that fill two registers or a vector register, and [`beside_hidden`]. All other calls
//! without a plan never come here.
//!
//! Nothing here has a destructor, so the frame may be abandoned by unwinding or by
//! longjmp.

use core::{ffi::c_void, mem::transmute, slice};

use super::{
    VMFunctionBody,
    copy::copy,
    entry::{Body, ENTRIES, Left, Returned, c_call, frozen},
    port::{ArrayCall, Word, in_convention},
};
use crate::{
    encode::{
        header::{Header, Returns},
        plan::{ALIGN_SHIFT, COPY, PIECE, REFERENCE, SIGN_EXTEND, STEP, Step, WORD, ZERO_EXTEND},
    },
    valraw::ValRaw,
};

macro_rules! define {
    (@in $abi:literal) => {
        /// Prepares a call and makes it, as a function that returns what the body leaves.
        ///
        /// # Safety
        ///
        /// R1 to R4; the descriptor has a plan, its convention is C, and the body leaves
        /// its result where a function that returns `R` does.
        pub(super) unsafe extern $abi fn prepared<R>(
            callee: Word,
            caller: Word,
            target: *const VMFunctionBody,
            slots: *mut ValRaw,
            descriptor: *const Header,
        ) -> R {
            // SAFETY: our own conditions.
            let (steps, _) = unsafe { plan(descriptor) };
            // Most calls have integers to extend and nothing else, which needs no frame.
            for &step in steps {
                // SAFETY: R1 has it that the plan is one for the slots of R2.
                if !unsafe { extend(step, slots.cast()) } {
                    // SAFETY: our own conditions. What is done already is done again.
                    return unsafe { copied(callee, caller, target, slots, descriptor) };
                }
            }
            // SAFETY: our own conditions; all is prepared.
            unsafe { made(target.cast(), slots, descriptor) }
        }

        /// The same of a plan that has more than integers to extend.
        ///
        /// # Safety
        ///
        /// As for [`prepared`].
        #[inline(never)]
        unsafe extern $abi fn copied<R>(
            _: Word,
            _: Word,
            target: *const VMFunctionBody,
            slots: *mut ValRaw,
            descriptor: *const Header,
        ) -> R {
            // SAFETY: R1 has it that there is a header to read.
            let copies = unsafe { (*descriptor).copies };
            // SAFETY: our own conditions.
            let (steps, _) = unsafe { plan(descriptor) };
            // SAFETY: R1 has it that the plan is one for the slots of R2.
            unsafe { prepare(steps, slots.cast(), copies.into()) };
            // SAFETY: our own conditions; all is prepared.
            unsafe { made(target.cast(), slots, descriptor) }
        }

        /// Makes a call by its plan. It leaves no result in a register.
        ///
        /// # Safety
        ///
        /// R1 to R4; the descriptor has a plan, and its convention is C.
        pub(super) unsafe extern $abi fn finished(
            _: Word,
            _: Word,
            target: *const VMFunctionBody,
            slots: *mut ValRaw,
            descriptor: *const Header,
        ) -> Left {
            // SAFETY: our own conditions.
            unsafe { call(target.cast(), slots, descriptor) };
            Left::default()
        }
    };
}
in_convention! { define }

/// Functions that make a call whose arguments need no preparation and whose result has sixteen
/// bytes in registers. They leave no result in a register.
///
/// # Safety
///
/// R1 to R4; the descriptor's entry is this function.
#[cfg(not(any(vmtrampoline_windows, target_arch = "s390x")))]
macro_rules! sixteen_bytes {
    ($($name:ident: $returned:ty, $pattern:pat => $bytes:expr;)*) => {$(
        pub(super) unsafe extern "C-unwind" fn $name(
            callee: Word,
            caller: Word,
            target: *const VMFunctionBody,
            slots: *mut ValRaw,
            descriptor: *const Header,
        ) -> Left {
            let call = ArrayCall { callee, caller, target: target.cast(), slots };
            // SAFETY: our own conditions.
            let $pattern = unsafe { through::<$returned>(call, descriptor) };
            // SAFETY: the result has sixteen bytes, from slot 0 on.
            unsafe { store_sixteen($bytes, slots) };
            Left::default()
        }
    )*};
}

#[cfg(not(any(vmtrampoline_windows, target_arch = "s390x")))]
sixteen_bytes! {
    integer_pair: Integers, Several(pair) => pair;
    float_pair: Floats, Several([first, second, ..]) => [first, second].map(f64::to_bits);
}

// These machines alone return a value in registers of both classes.
#[cfg(all(any(target_arch = "x86_64", target_arch = "riscv64"), not(vmtrampoline_windows)))]
sixteen_bytes! {
    integer_float: Returned, Returned { integer, float } => [integer, float.to_bits()];
    float_integer: Returned, Returned { integer, float } => [float.to_bits(), integer];
}

// A type that comes back in a vector register.
#[cfg(target_arch = "aarch64")]
use core::arch::aarch64::uint8x16_t as Vector;
#[cfg(all(target_arch = "x86_64", not(vmtrampoline_windows)))]
use core::arch::x86_64::__m128i as Vector;
#[cfg(any(target_arch = "aarch64", all(target_arch = "x86_64", not(vmtrampoline_windows))))]
sixteen_bytes! { vector: Vector, bytes => bytes; }
// Elsewhere the body stores it.
#[cfg(not(any(
    target_arch = "aarch64",
    all(target_arch = "x86_64", not(vmtrampoline_windows))
)))]
pub(super) use finished as vector;

#[cfg(any(vmtrampoline_windows, target_arch = "s390x"))]
pub(super) use {finished as integer_pair, finished as float_pair};
#[cfg(not(all(
    any(target_arch = "x86_64", target_arch = "riscv64"),
    not(vmtrampoline_windows)
)))]
pub(super) use {finished as float_integer, finished as integer_float};

/// Makes a call that needs no preparation, but has more in registers than the body itself loads.
/// It leaves the result as the body does.
///
/// # Safety
///
/// R1 to R4; the descriptor's entry is this function.
#[cfg(all(target_arch = "x86_64", not(vmtrampoline_windows)))]
pub(super) unsafe extern "C-unwind" fn beside_hidden(
    callee: Word,
    caller: Word,
    target: *const VMFunctionBody,
    slots: *mut ValRaw,
    descriptor: *const Header,
) -> Left {
    // SAFETY: R1 has it that there is a header to read.
    let body = ENTRIES[unsafe { (*descriptor).shape } as usize];
    // SAFETY: our own conditions, and R4 of the body.
    unsafe { hidden(callee, caller, target, slots, descriptor, body) }
}

// Elsewhere what is hidden is prepared, too.
#[cfg(not(all(target_arch = "x86_64", not(vmtrampoline_windows))))]
pub(super) use finished as beside_hidden;

/// Writes the sixteen bytes of a result to the slots.
///
/// # Safety
///
/// Sixteen bytes from slot 0 on may be written.
#[inline(always)]
unsafe fn store_sixteen<T>(bytes: T, slots: *mut ValRaw) {
    const { assert!(size_of::<T>() == 16) };
    // SAFETY: our own condition.
    unsafe { slots.cast::<T>().write_unaligned(bytes) };
}

/// The steps of a plan, and the pieces of its result.
///
/// # Safety
///
/// The header is that of a descriptor with a plan, by R1.
#[inline(always)]
unsafe fn plan<'a>(descriptor: *const Header) -> (&'a [Step], &'a [[u16; PIECE]]) {
    // SAFETY: R1 has it that there is a header to read.
    let header = unsafe { &*descriptor };
    let lists = descriptor.wrapping_add(1).cast::<u16>();
    // C has no spills: the plan follows the stack words and ends where the signature begins.
    let (start, end) = (usize::from(header.stack_words), usize::from(header.signature) - 1);
    // SAFETY: R1 has it that the lists lie behind the header; this is one of their entries.
    let count = usize::from(unsafe { *lists.wrapping_add(end) });
    let middle = end - PIECE * count;
    let (steps, pieces) = (lists.wrapping_add(start), lists.wrapping_add(middle));
    // SAFETY: the entries from here to the pieces are steps, and stay as they are while the
    // call lasts.
    let steps = unsafe { slice::from_raw_parts(steps.cast(), (middle - start) / STEP) };
    // SAFETY: so many pieces end where the last entry is; they stay as they are, too.
    let pieces = unsafe { slice::from_raw_parts(pieces.cast(), count) };
    (steps, pieces)
}

/// Makes a call for which all is prepared, as a function that returns this.
///
/// # Safety
///
/// As for [`through`]; what has no slot of its own is prepared.
#[inline(always)]
unsafe fn made<R>(target: *const c_void, slots: *mut ValRaw, descriptor: *const Header) -> R {
    // SAFETY: R1 has it that there is a header to read.
    let header = unsafe { &*descriptor };
    // SAFETY: R2 holds, and what has no slot of its own is prepared.
    let call = unsafe { c_call(header, target, slots) };
    // SAFETY: our own conditions.
    unsafe { through(call, descriptor) }
}

/// Makes the call of [`finished`].
///
/// # Safety
///
/// As for [`finished`].
#[inline(always)]
unsafe fn call(target: *const c_void, slots: *mut ValRaw, descriptor: *const Header) {
    // SAFETY: R1 has it that there is a header to read.
    let header = unsafe { &*descriptor };
    // SAFETY: our own conditions.
    let (steps, pieces) = unsafe { plan(descriptor) };
    // SAFETY: R1 has it that the plan is one for the slots of R2.
    let memory = unsafe { prepare(steps, slots.cast(), header.copies.into()) };
    // SAFETY: R2 holds; what has no slot of its own is prepared now.
    let call = unsafe { c_call(header, target, slots) };
    // By E2 a body leaves the registers of results as the target did.
    let registers = match header.returns {
        #[cfg(not(any(vmtrampoline_windows, target_arch = "s390x")))]
        Returns::IntegerPair => {
            // SAFETY: the caller's R1 to R4; `returns` is of this
            // descriptor, here and below.
            let pair = unsafe { through::<Integers>(call, descriptor) };
            // SAFETY: the result has sixteen bytes.
            return unsafe { store_sixteen(pair.take(), slots) };
        }
        #[cfg(not(any(vmtrampoline_windows, target_arch = "s390x")))]
        Returns::FloatPair => {
            // SAFETY: as above.
            let [first, second, ..] = unsafe { through::<Floats>(call, descriptor) }.take();
            // SAFETY: as above.
            return unsafe { store_sixteen([first.to_bits(), second.to_bits()], slots) };
        }
        Returns::IntegerFloat | Returns::FloatInteger => {
            // SAFETY: the caller's R1 to R4; `returns` is of this descriptor.
            let Returned { integer, float } = unsafe { through(call, descriptor) };
            let pair = [integer, float.to_bits()];
            let first_float = header.returns == Returns::FloatInteger;
            let pair = if first_float { [pair[1], pair[0]] } else { pair };
            // SAFETY: as above.
            return unsafe { store_sixteen(pair, slots) };
        }
        Returns::Integers => {
            // SAFETY: as above.
            let registers = unsafe { through::<Integers>(call, descriptor) };
            most(&registers.take())
        }
        Returns::Floats => {
            // SAFETY: as above.
            let registers = unsafe { through::<Floats>(call, descriptor) };
            most(&registers.take().map(f64::to_bits))
        }
        Returns::Both => {
            // SAFETY: as above.
            let Returned { integer, float } = unsafe { through(call, descriptor) };
            most(&[integer, float.to_bits()])
        }
        Returns::Memory => {
            // SAFETY: as above.
            unsafe { through::<()>(call, descriptor) };
            let size = pieces.first().map_or(0, |[.., size]| usize::from(*size));
            // SAFETY: the target has written its result there; the slots have room for it,
            // before the scratch slots.
            return unsafe { copy(memory, slots.cast(), size) };
        }
        #[cfg(target_arch = "aarch64")]
        Returns::Vectors => {
            let body = ENTRIES[header.shape as usize];
            let ArrayCall { callee, caller, target, slots } = call;
            let mut registers = [0u128; 4];
            // SAFETY: as above, and R9: there is room for four registers.
            unsafe {
                vectors(callee, caller, target.cast(), slots, descriptor, body, &mut registers)
            };
            // Each that has a piece has sixteen bytes of the result, one behind the other.
            let (from, size) = (registers.as_ptr().cast(), 16 * pieces.len());
            // SAFETY: the slots have room for so many.
            unsafe { slots.cast::<u8>().copy_from_nonoverlapping(from, size) };
            return;
        }
        #[cfg(all(target_arch = "x86_64", not(vmtrampoline_windows)))]
        Returns::X87 => {
            let body = ENTRIES[header.shape as usize];
            let ArrayCall { callee, caller, target, slots } = call;
            // SAFETY: as above, and R9: `returns` says that the result is there, and the
            // slots have room for it.
            unsafe { x87(callee, caller, target.cast(), slots, descriptor, body) };
            return;
        }
        #[allow(unreachable_patterns)] // on some targets there are more, on some fewer
        _ => unreachable!("no result of this target comes back so"),
    };

    for piece in pieces {
        let [register, offset, size] = piece.map(usize::from);
        let to = slots.cast::<u8>().wrapping_add(offset);
        // SAFETY: so many bytes of the result, eight at most, have a place in the slots, from
        // slot 0 on.
        unsafe { store(registers[register % registers.len()], to, size) };
    }
}

/// The registers of a result, up to four.
#[inline(always)]
fn most(registers: &[u64]) -> [u64; 4] {
    [0, 1, 2, 3].map(|i| registers.get(i).copied().unwrap_or(0))
}

/// Writes the low-order bytes of a register.
///
/// # Safety
///
/// So many bytes at `to`, eight at most, may be written.
#[inline(always)]
unsafe fn store(bits: u64, to: *mut u8, size: usize) {
    match size {
        // SAFETY: our own conditions.
        4 => unsafe { to.cast::<u32>().write_unaligned(bits as u32) },
        // SAFETY: our own conditions.
        8 => unsafe { to.cast::<u64>().write_unaligned(bits) },
        // SAFETY: our own conditions. There are no big-endian machines among those that
        // return less than eight bytes of a larger value.
        _ => unsafe { to.copy_from_nonoverlapping(bits.to_ne_bytes().as_ptr(), size) },
    }
}

/// Prepares scratch slots, and returns where the target puts a result in memory, if it
/// does.
///
/// # Safety
///
/// The steps are those of a descriptor, and the slots, of which there are as many as it
/// says, hold its arguments, every byte of which is initialised.
#[inline(always)]
unsafe fn prepare(steps: &[Step], slots: *mut u8, copies: usize) -> *mut u8 {
    let (mut free, mut memory) = (slots.wrapping_add(copies), slots);
    for &step in steps {
        // SAFETY: our own conditions.
        if unsafe { extend(step, slots) } {
            continue;
        }
        let [op, from, to, size] = step.map(usize::from);
        let (op, align) = (op as u16 & ((1 << ALIGN_SHIFT) - 1), 1 << (op >> ALIGN_SHIFT));
        let (from, to) = (slots.wrapping_add(from), slots.wrapping_add(to));
        if op == COPY {
            // SAFETY: by R1 `from` is a value of so many bytes, and `to` a place in a
            // scratch word for them.
            unsafe { to.copy_from_nonoverlapping(from, size) };
        } else if op == WORD {
            // SAFETY: by R1 `from` is a piece of a value, of so many bytes, 8 at most.
            let bits = unsafe { load(from, size) };
            // SAFETY: by R1 `to` is a scratch word.
            unsafe { to.cast::<u64>().write(bits.to_le()) };
        } else {
            let here = free.map_addr(|address| address.next_multiple_of(align));
            free = here.wrapping_add(size.next_multiple_of(8));
            if op == REFERENCE {
                // SAFETY: by R1 `from` is a value of so many bytes, in slots of its own, and
                // there is room for its copy from `free` on, however it is aligned.
                unsafe { copy(from, here, size) };
            } else {
                memory = here;
            }
            // SAFETY: by R1 `to` is a scratch word.
            unsafe { to.cast::<*mut u8>().write(here.map_addr(usize::to_le)) };
        }
    }
    memory
}

/// Follows a step that extends an integer, and returns whether it is one.
///
/// # Safety
///
/// As for [`prepare`], of whose steps this is one.
#[inline(always)]
unsafe fn extend([op, from, to, size]: Step, slots: *mut u8) -> bool {
    if op != ZERO_EXTEND && op != SIGN_EXTEND {
        return false;
    }
    // SAFETY: by R1 `from` is the slot of a scalar, which has eight bytes.
    let word = unsafe { slots.wrapping_add(from.into()).cast::<Word>().read() };
    // Those above the scalar may be uninitialised, and are shifted out.
    let bits = u64::from_le(frozen(word).addr() as u64);
    let unused = 64 - 8 * u32::from(size);
    let (zero, sign) = (bits << unused >> unused, ((bits << unused) as i64 >> unused) as u64);
    let bits = if op == ZERO_EXTEND { zero } else { sign };
    // SAFETY: by R1 `to` is a scratch word.
    unsafe { slots.wrapping_add(to.into()).cast::<u64>().write(bits.to_le()) };
    true
}

/// The integer of so many bytes, up to eight, in the machine's order.
///
/// # Safety
///
/// So many bytes may be read, and are initialised.
#[inline(always)]
unsafe fn load(from: *const u8, size: usize) -> u64 {
    match size {
        // SAFETY: our own conditions.
        1 => unsafe { from.read() }.into(),
        // SAFETY: our own conditions.
        2 => unsafe { from.cast::<u16>().read_unaligned() }.into(),
        // SAFETY: our own conditions.
        4 => unsafe { from.cast::<u32>().read_unaligned() }.into(),
        // SAFETY: our own conditions.
        8 => unsafe { from.cast::<u64>().read_unaligned() },
        _ => {
            let mut bytes = [0; 8];
            // SAFETY: our own conditions.
            unsafe { from.copy_to_nonoverlapping(bytes.as_mut_ptr(), size) };
            let bits = u64::from_ne_bytes(bytes);
            if cfg!(target_endian = "big") { bits >> (64 - 8 * size) } else { bits }
        }
    }
}

/// Integer registers of a result: a type that comes back in as many as the convention
/// returns. Where that is one, no structure comes back in it.
#[cfg(not(any(vmtrampoline_windows, target_arch = "s390x")))]
type Integers = Several<u64, 2>;
#[cfg(any(vmtrampoline_windows, target_arch = "s390x"))]
type Integers = Single<u64>;

/// Float registers of a result.
#[cfg(target_arch = "aarch64")]
type Floats = Several<f64, 4>;
#[cfg(not(any(target_arch = "aarch64", vmtrampoline_windows, target_arch = "s390x")))]
type Floats = Several<f64, 2>;
#[cfg(any(vmtrampoline_windows, target_arch = "s390x"))]
type Floats = Single<f64>;

/// What comes back in several registers of one class.
#[cfg(not(any(vmtrampoline_windows, target_arch = "s390x")))]
#[repr(C)]
struct Several<T, const N: usize>([T; N]);

/// What comes back in one register, as its type itself does.
#[cfg(any(vmtrampoline_windows, target_arch = "s390x"))]
#[repr(transparent)]
struct Single<T>(T);

#[cfg(not(any(vmtrampoline_windows, target_arch = "s390x")))]
impl<T, const N: usize> Several<T, N> {
    fn take(self) -> [T; N] {
        self.0
    }
}

#[cfg(any(vmtrampoline_windows, target_arch = "s390x"))]
impl<T> Single<T> {
    fn take(self) -> [T; 1] {
        [self.0]
    }
}

/// Calls the descriptor's body, with what no list of arguments has in its register, as a
/// function that returns this.
///
/// # Safety
///
/// R1 to R4, and a function that returns `R` leaves it where the target leaves its
/// result.
#[inline(always)]
unsafe fn through<R>(call: ArrayCall, descriptor: *const Header) -> R {
    // SAFETY: R1 has it that there is a header to read.
    let header = unsafe { &*descriptor };
    #[cfg(any(target_arch = "aarch64", all(target_arch = "x86_64", not(vmtrampoline_windows))))]
    if header.hidden != 0 {
        let ArrayCall { callee, caller, target, slots } = call;
        let (target, body) = (target.cast(), ENTRIES[header.shape as usize]);
        // SAFETY: by E11 it returns as the body does, which is our own condition.
        let hidden: Hidden<R> = unsafe { transmute(hidden as Hidden<Left>) };
        // SAFETY: our own conditions, and R4 of the body.
        return unsafe { hidden(callee, caller, target, slots, descriptor, body) };
    }
    let _ = header;
    // SAFETY: our own conditions; there is nothing else.
    unsafe { body(call, descriptor) }
}

/// Calls the descriptor's body, as a function that returns this.
///
/// # Safety
///
/// As for [`through`], and nothing is hidden from the body.
#[inline(always)]
unsafe fn body<R>(call: ArrayCall, descriptor: *const Header) -> R {
    let ArrayCall { callee, caller, target, slots } = call;
    // SAFETY: R1 has it that there is a header to read.
    let shape = unsafe { (*descriptor).shape };
    // SAFETY: our own conditions.
    let body: Body<R> = unsafe { transmute(ENTRIES[shape as usize]) };
    // SAFETY: our own conditions.
    unsafe { body(callee, caller, target.cast(), slots, descriptor) }
}

/// What enters a body with more in registers than the body itself loads.
#[cfg(any(target_arch = "aarch64", all(target_arch = "x86_64", not(vmtrampoline_windows))))]
type Hidden<R> = unsafe extern "C-unwind" fn(
    Word,
    Word,
    *const VMFunctionBody,
    *mut ValRaw,
    *const Header,
    Body<Left>,
) -> R;

#[cfg(any(target_arch = "aarch64", all(target_arch = "x86_64", not(vmtrampoline_windows))))]
macro_rules! hidden {
    ($($name:ident($($more:ident: $ty:ty)?) -> $returned:ty;)*) => {
        unsafe extern "C-unwind" {$(
            #[link_name = super::port::symbol!($name)]
            fn $name(
                callee: Word,
                caller: Word,
                target: *const VMFunctionBody,
                slots: *mut ValRaw,
                descriptor: *const Header,
                body: Body<Left>,
                $($more: $ty)?
            ) -> $returned;
        )*}
    };
}

#[cfg(any(target_arch = "aarch64", all(target_arch = "x86_64", not(vmtrampoline_windows))))]
hidden! { hidden() -> Left; }
#[cfg(all(target_arch = "x86_64", not(vmtrampoline_windows)))]
hidden! { x87() -> (); }
#[cfg(target_arch = "aarch64")]
hidden! { vectors(registers: &mut [u128; 4]) -> (); }
