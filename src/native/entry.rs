//! The bodies of the assembly, and the one function that calls them.

use core::ffi::c_void;

#[cfg(vmtrampoline_port)]
use super::VMFunctionBody;
use super::{VMContext, VMOpaqueContext};
use crate::{Descriptor, ValRaw};

/// Whether there is assembly for this target.
pub(crate) const PORTED: bool = cfg!(vmtrampoline_port);

/// The arguments of an array call. Plain C has no contexts; there, what is called
/// so are the first two integer arguments.
#[derive(Clone, Copy)]
#[cfg_attr(not(vmtrampoline_port), allow(dead_code))] // nobody calls there
pub(crate) struct ArrayCall {
    pub(crate) callee: *mut VMOpaqueContext,
    pub(crate) caller: *mut VMContext,
    pub(crate) target: *const c_void,
    pub(crate) slots: *mut ValRaw,
}

/// The symbol of the assembly's function with this name. It carries the version,
/// as `links` in `Cargo.toml` does, which `build.rs` tells the assembler.
#[cfg(vmtrampoline_port)]
macro_rules! symbol {
    ($name:ident) => {
        concat!(
            "vmtrampoline_",
            env!("CARGO_PKG_VERSION_MAJOR"),
            "_",
            env!("CARGO_PKG_VERSION_MINOR"),
            "_",
            env!("CARGO_PKG_VERSION_PATCH"),
            "_",
            stringify!($name),
        )
    };
}

/// Hands a macro the convention that the assembly is called in, and calls the host
/// in: C, but where the tests pretend to be on Windows.
#[cfg(not(all(vmtrampoline_windows, not(windows))))]
macro_rules! in_convention {
    ($make:ident $($rest:tt)*) => { $make! { @in "C-unwind" $($rest)* } };
}
#[cfg(all(vmtrampoline_windows, not(windows)))]
macro_rules! in_convention {
    ($make:ident $($rest:tt)*) => { $make! { @in "win64-unwind" $($rest)* } };
}

/// Declares bodies of the assembly.
#[cfg(vmtrampoline_port)]
macro_rules! bodies {
    (@in $abi:literal $($name:ident -> $returned:ty;)*) => {
        unsafe extern $abi {$(
            #[link_name = symbol!($name)]
            pub(super) fn $name(
                callee: *mut VMOpaqueContext,
                caller: *mut VMContext,
                target: *const VMFunctionBody,
                slots: *mut ValRaw,
                descriptor: *const Header,
            ) -> $returned;
        )*}
    };
    ($($body:tt)*) => { in_convention! { bodies $($body)* } };
}

pub(super) use in_convention;
#[cfg(vmtrampoline_port)]
pub(super) use {
    bodies,
    ported::{BODIES, Body, Left},
    symbol,
};

#[cfg(vmtrampoline_port)]
mod ported {
    use super::*;
    use crate::{
        Abi,
        descriptor::{Header, RESULT_FLOAT, Shape, constant},
    };

    macro_rules! body_type {
        (@in $abi:literal) => {
            /// A body of the assembly.
            pub(crate) type Body<R> = unsafe extern $abi fn(
                *mut VMOpaqueContext,
                *mut VMContext,
                *const VMFunctionBody,
                *mut ValRaw,
                *const Header,
            ) -> R;
        };
    }
    in_convention! { body_type }

    /// Both registers that a scalar result can come back in.
    #[repr(C)]
    pub(crate) struct Returned {
        integer: u64,
        float: f64,
    }

    /// What a body is declared to return.
    /// [`Returned`] itself comes back in rax and xmm0 (System V ABI, AMD64
    /// supplement, section 3.2.3, "Returning of Values").
    #[cfg(all(target_arch = "x86_64", not(vmtrampoline_windows)))]
    pub(crate) type Left = Returned;

    /// What a body is declared to return.
    /// No type comes back in both registers, so [`leave`] chooses.
    #[cfg(not(all(target_arch = "x86_64", not(vmtrampoline_windows))))]
    pub(crate) type Left = u64;

    /// Calls a body. If it leaves result 0 in its register, the bits of what is
    /// returned that the result's type has are the result; no others mean anything.
    ///
    /// # Safety
    ///
    /// R1 to R4.
    #[inline(always)]
    unsafe fn leave(body: Body<Left>, call: ArrayCall, descriptor: *const Header) -> Returned {
        let ArrayCall { callee, caller, target, slots } = call;
        let target = target.cast::<VMFunctionBody>();
        #[cfg(all(target_arch = "x86_64", not(vmtrampoline_windows)))]
        // SAFETY: our own conditions.
        unsafe {
            body(callee, caller, target, slots, descriptor)
        }
        #[cfg(not(all(target_arch = "x86_64", not(vmtrampoline_windows))))]
        // SAFETY: R1 has it that there is a header to read.
        if unsafe { (*descriptor).result } == RESULT_FLOAT {
            // SAFETY: by E2 the body leaves the float register, too, as target did.
            let body: Body<f64> = unsafe { core::mem::transmute(body) };
            // SAFETY: our own conditions.
            let float = unsafe { body(callee, caller, target, slots, descriptor) };
            Returned { integer: 0, float }
        } else {
            // SAFETY: our own conditions.
            let integer = unsafe { body(callee, caller, target, slots, descriptor) };
            Returned { integer, float: 0.0 }
        }
    }

    bodies! {
        bare -> Left;
        short_cut -> Left;
        fixed -> Left;
        variable -> Left;
    }

    // A static, not the symbols themselves, is what inlined code refers to: the
    // symbols are hidden, and a caller may be in another shared object.
    /// By [`Shape`].
    pub(crate) static BODIES: [Body<Left>; Shape::ALL.len()] = [bare, short_cut, fixed, variable];

    /// Makes the call that `descriptor` describes.
    ///
    /// # Safety
    ///
    /// R2 and R3 hold of `call`.
    #[inline(always)]
    pub(crate) unsafe fn enter(descriptor: &Descriptor, call: ArrayCall) {
        let header = &descriptor.header;
        // The address of the header with the provenance of the lists.
        let pointer = (&raw const *descriptor).cast::<Header>();
        let body = BODIES[header.shape as usize];
        // SAFETY: R1: only Source::encode makes descriptors, and we hold a shared
        // reference to this one. R2, R3: the caller's. R4: the table is in the
        // order of Shape, and encode gives no shape that is too short for the call.
        let returned = unsafe { leave(body, call, pointer) };
        if header.leaves_result() {
            let float = header.result == RESULT_FLOAT;
            let bits = if float { returned.float.to_bits() } else { returned.integer };
            // An f32 is the upper half of its register there.
            let upper = cfg!(target_arch = "s390x") && float && header.result_mask >> 32 == 0;
            let bits = if upper { bits >> 32 } else { bits };
            let slot = call.slots.cast::<u64>();
            // SAFETY: there is a result, so there is a slot 0, which R2 says is
            // ours to write and aligned to 8. It is a scalar, so it has no more
            // than eight bytes.
            unsafe { slot.write((bits & header.result_mask).to_le()) };
        }
    }

    /// Whether plain C extends narrow integers.
    const EXTENDS: bool = match Abi::HOST_C {
        Some(abi) => abi.extends,
        None => false,
    };
    const NARROW: usize = constant("NARROW");

    /// The call of a plain C function: its first two integer arguments go where
    /// the VM convention has the contexts.
    ///
    /// # Safety
    ///
    /// R2 holds, and bytes 0..8 of parameters' slots are initialised.
    #[inline(always)]
    pub(crate) unsafe fn c_call(
        descriptor: &Descriptor,
        target: *const c_void,
        slots: *mut ValRaw,
    ) -> ArrayCall {
        let header = &descriptor.header;
        // Without parameters there may be no slot to read: the header will do.
        let base: *const ValRaw =
            if header.params == 0 { (&raw const *header).cast() } else { slots };
        let [callee, caller] = [0, 1].map(|i| {
            let offset = usize::from(header.integer[i]);
            let slot = base.wrapping_byte_add(offset & !NARROW).cast::<*mut c_void>();
            // SAFETY: that is a parameter's slot, whose first eight bytes are initialised,
            // or the header. As a pointer they are valid whatever they are.
            let argument = unsafe { slot.read() }.map_addr(usize::from_le);
            if EXTENDS && offset & NARROW != 0 {
                argument.map_addr(|bits| bits as i32 as usize)
            } else {
                argument
            }
        });
        ArrayCall { callee: callee.cast(), caller: caller.cast(), target, slots }
    }
}

#[cfg(all(test, vmtrampoline_port))]
mod tests {
    use super::ported::BODIES;

    /// Every body is called through a pointer, so it begins with the landing pad
    /// that control-flow integrity asks for.
    #[test]
    fn bodies_have_landing_pads() {
        let pad = match () {
            () if cfg!(target_arch = "x86_64") => [0xf3, 0x0f, 0x1e, 0xfa], // endbr64
            () if cfg!(target_arch = "aarch64") => [0x5f, 0x24, 0x03, 0xd5], // bti c
            () => return,                                                   // there is none
        };
        for body in BODIES {
            // SAFETY: the text of a body is readable and no shorter than this.
            assert_eq!(unsafe { *(body as *const [u8; 4]) }, pad);
        }
    }
}

#[cfg(vmtrampoline_port)]
pub(crate) use ported::{c_call, enter};

#[cfg(not(vmtrampoline_port))]
mod unported {
    use super::*;

    /// No trampoline can be made on this target, so there is none to enter.
    ///
    /// # Safety
    ///
    /// Always safe.
    pub(crate) unsafe fn enter(_: &Descriptor, _: ArrayCall) {
        unreachable!("there is no trampoline on a target without a port")
    }

    /// Likewise.
    ///
    /// # Safety
    ///
    /// Always safe.
    pub(crate) unsafe fn c_call(_: &Descriptor, _: *const c_void, _: *mut ValRaw) -> ArrayCall {
        unreachable!("there is no trampoline on a target without a port")
    }
}

#[cfg(not(vmtrampoline_port))]
pub(crate) use unported::{c_call, enter};
