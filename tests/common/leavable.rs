//! Calls through `leavable` of the assembly, that return or are left, straight from the
//! checker of callee-saved registers.

use std::ffi::c_void;

use vmtrampoline::ValRaw;

use super::{
    case::{Case, EitherTrampoline, Ground, LandingPlace, Route},
    guard_pages::Edge,
    recorder::{Unused, checked, spoil},
    scalars,
    x87::{EMPTY, x87_tags},
};

symbols! { leavable leave landed }

/// How a call is left.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Exit {
    /// By `leave`.
    Leave,
    /// At `landed`, with the stack pointer set, as a signal handler does it.
    Landed,
    /// As a signal handler leaves it, but at this function, which claims to be `landed`.
    Liar(*const c_void),
}

impl Exit {
    pub(crate) const BOTH: [Exit; 2] = [Exit::Leave, Exit::Landed];

    fn address(self) -> *const c_void {
        match self {
            Exit::Leave => leave as *const c_void,
            Exit::Landed => landed as *const c_void,
            Exit::Liar(liar) => liar,
        }
    }
}

/// The address of `leavable`.
pub(crate) fn address() -> *const c_void {
    leavable as *const c_void
}

/// The address of `leave`.
pub(crate) fn leave_address() -> *const c_void {
    Exit::Leave.address()
}

/// Where a signal handler goes on to leave the call with this stack pointer.
pub(crate) fn destination(sp: usize) -> [usize; 2] {
    [landed as *const () as usize, sp]
}

/// Makes the call through `function`, which is `leavable` or claims to be, with a target that
/// returns, and judges it.
pub(crate) fn returned(
    case: &Case,
    trampoline: &EitherTrampoline,
    function: *const c_void,
) -> Result<(), String> {
    let ground = Ground::new();
    for edge in Edge::BOTH {
        case.call(&case.layout(), trampoline, Route::Leavable(function), edge, &ground)?;
    }
    Ok(())
}

/// Makes the call through `function`, which is `leavable` or claims to be, with a target that
/// spoils all registers and leaves.
pub(crate) fn left(
    case: &Case,
    trampoline: &EitherTrampoline,
    function: *const c_void,
    exit: Exit,
) -> Result<(), String> {
    for unused in Unused::BOTH {
        let mut slots = vec![ValRaw::default(); scalars::slots(&case.signature)];
        let descriptor = (&raw const *trampoline.descriptor()).cast::<u8>() as usize;
        let mut place = LandingPlace::new(trampoline.body());
        let address = &raw mut place;
        let mut after = None;
        let moves = !matches!(exit, Exit::Leave);
        spoil(address.cast(), exit.address(), moves, |target| {
            let slots = slots.as_mut_ptr() as usize;
            let arguments = [0x1111, 0x2222, target as usize, slots, descriptor, address as usize];
            // SAFETY: the spoiler fits every signature.
            after = Some(unsafe { checked(function, &arguments, unused) });
        });
        let tags = x87_tags();
        let after = after.expect("it has been called");
        ensure!(after.lost.is_empty(), "{exit:?}, lost: {}", after.lost.join(", "));
        ensure!(tags == EMPTY, "{exit:?}: the x87 registers are not empty: {tags:#x}");
        ensure!(place.sp != 0, "{exit:?}: the landing place says that the call has returned");
        place.sp = 0;
        ensure!(
            place == LandingPlace::new(trampoline.body()),
            "{exit:?}: the landing place has changed"
        );
    }
    Ok(())
}

/// Judges both ends of a call.
pub(crate) fn judge(
    case: &Case,
    trampoline: &EitherTrampoline,
    function: *const c_void,
) -> Result<(), String> {
    returned(case, trampoline, function)?;
    Exit::BOTH.into_iter().try_for_each(|exit| left(case, trampoline, function, exit))
}
