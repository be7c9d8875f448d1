//! The bodies of the assembly, and the one function that calls them.

use core::ffi::c_void;

use super::{VMContext, VMFunctionBody, VMOpaqueContext};
use crate::{Descriptor, ValRaw, descriptor::Convention};

/// Whether there is assembly for this target.
pub(crate) const PORTED: bool = cfg!(vmtrampoline_port);

/// The arguments of an array call. Plain C has no contexts; they are null and
/// nobody reads them.
#[derive(Clone, Copy)]
#[cfg_attr(not(vmtrampoline_port), allow(dead_code))] // nobody calls there
pub(crate) struct ArrayCall {
    pub(crate) callee: *mut VMOpaqueContext,
    pub(crate) caller: *mut VMContext,
    pub(crate) target: *const c_void,
    pub(crate) slots: *mut ValRaw,
}

/// The symbol of the assembly's function with this name. It carries the version,
/// as `build.rs` tells the assembler.
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

/// Declares bodies of the assembly.
#[cfg(vmtrampoline_port)]
macro_rules! bodies {
    ($($name:ident $(-> $returned:ty)?;)*) => {
        unsafe extern "C-unwind" {$(
            #[link_name = symbol!($name)]
            pub(super) fn $name(
                callee: *mut VMOpaqueContext,
                caller: *mut VMContext,
                target: *const VMFunctionBody,
                slots: *mut ValRaw,
                descriptor: *const Header,
            ) $(-> $returned)?;
        )*}
    };
}

#[cfg(vmtrampoline_port)]
pub(super) use {bodies, ported::Body, symbol};

#[cfg(vmtrampoline_port)]
mod ported {
    use super::*;
    use crate::descriptor::{Header, RESULT_FLOAT, RESULT_NONE, Shape};

    /// A body of the assembly.
    pub(crate) type Body<R> = unsafe extern "C-unwind" fn(
        *mut VMOpaqueContext,
        *mut VMContext,
        *const VMFunctionBody,
        *mut ValRaw,
        *const Header,
    ) -> R;

    /// Both registers that a scalar result can come back in.
    #[repr(C)]
    pub(crate) struct Returned {
        integer: u64,
        float: f64,
    }

    /// What a body is declared to return that leaves result 0 in its register.
    /// [`Returned`] itself comes back in rax and xmm0 (System V ABI, AMD64
    /// supplement, section 3.2.3, "Returning of Values").
    #[cfg(target_arch = "x86_64")]
    type Left = Returned;

    /// What a body is declared to return that leaves result 0 in its register.
    /// No type comes back in both registers, so [`leave`] chooses.
    #[cfg(not(target_arch = "x86_64"))]
    type Left = u64;

    /// Makes a call by a body that leaves result 0 in its register. Of what is
    /// returned, only the bits that the result's type has mean anything.
    ///
    /// # Safety
    ///
    /// R1 to R4.
    #[inline(always)]
    unsafe fn leave(body: Body<Left>, call: ArrayCall, descriptor: *const Header) -> Returned {
        let ArrayCall { callee, caller, target, slots } = call;
        let target = target.cast::<VMFunctionBody>();
        #[cfg(target_arch = "x86_64")]
        // SAFETY: our own conditions.
        unsafe {
            body(callee, caller, target, slots, descriptor)
        }
        #[cfg(not(target_arch = "x86_64"))]
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
        c_short_cut -> Left;
        fixed -> Left;
        c_fixed -> Left;
        variable;
        c_variable;
    }

    /// The bodies of a convention.
    pub(crate) struct Bodies {
        /// By [`Shape`].
        pub(super) leaving: [Body<Left>; Shape::Variable as usize],
        pub(super) variable: Body<()>,
    }

    // Statics, not the symbols themselves, are what inlined code refers to: the
    // symbols are hidden, and a caller may be in another shared object.
    pub(super) static VM: Bodies = Bodies { leaving: [bare, short_cut, fixed], variable };
    pub(super) static C: Bodies =
        Bodies { leaving: [bare, c_short_cut, c_fixed], variable: c_variable };

    /// Makes the call that `descriptor` describes.
    ///
    /// # Safety
    ///
    /// R2 and R3 hold of `call`, and `descriptor` was made for `convention`.
    #[inline(always)]
    pub(crate) unsafe fn enter(convention: Convention, descriptor: &Descriptor, call: ArrayCall) {
        let bodies = match convention {
            Convention::Vm => &VM,
            Convention::C => &C,
        };
        let header = &descriptor.header;
        // The address of the header with the provenance of the lists.
        let pointer = (&raw const *descriptor).cast::<Header>();
        let Some(leaving) = bodies.leaving.get(header.shape as usize) else {
            let ArrayCall { callee, caller, target, slots } = call;
            // SAFETY: R1: only Source::encode makes descriptors, and we hold a
            // shared reference to this one. R2, R3: the caller's. R4: Variable is
            // the last shape, which can make every call, and the entry is the
            // convention's.
            return unsafe { (bodies.variable)(callee, caller, target.cast(), slots, pointer) };
        };
        // SAFETY: R1 to R3: as above. R4: the table is in the order of Shape, and
        // encode gives no shape that is too short for the call.
        let returned = unsafe { leave(*leaving, call, pointer) };
        if header.result != RESULT_NONE {
            let float = header.result == RESULT_FLOAT;
            let bits = if float { returned.float.to_bits() } else { returned.integer };
            let slot = call.slots.cast::<u64>();
            // SAFETY: there is a result, so there is a slot 0, which R2 says is
            // ours to write and aligned to 8. Shapes before Variable have no
            // result wider than eight bytes.
            unsafe { slot.write((bits & header.result_mask).to_le()) };
        }
    }
}

#[cfg(all(test, vmtrampoline_port))]
mod tests {
    use super::ported::{C, VM};

    /// Every body is called through a pointer, so it begins with the landing pad
    /// that control-flow integrity asks for.
    #[test]
    fn bodies_have_landing_pads() {
        let pad = match () {
            () if cfg!(target_arch = "x86_64") => [0xf3, 0x0f, 0x1e, 0xfa], // endbr64
            () if cfg!(target_arch = "aarch64") => [0x5f, 0x24, 0x03, 0xd5], // bti c
            () => return,                                                   // there is none
        };
        for bodies in [&VM, &C] {
            let leaving = bodies.leaving.iter().map(|body| *body as *const [u8; 4]);
            for body in leaving.chain([bodies.variable as *const [u8; 4]]) {
                // SAFETY: the text of a body is readable and no shorter than this.
                assert_eq!(unsafe { *body }, pad);
            }
        }
    }
}

#[cfg(vmtrampoline_port)]
pub(crate) use ported::enter;

/// No trampoline can be made on this target, so there is none to enter.
///
/// # Safety
///
/// Always safe.
#[cfg(not(vmtrampoline_port))]
pub(crate) unsafe fn enter(_: Convention, _: &Descriptor, _: ArrayCall) {
    unreachable!("there is no trampoline on a target without a port")
}
