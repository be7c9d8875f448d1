use crate::{ValRaw, descriptor::{Descriptor, Header, Shape, RESULT_FLOAT, RESULT_NONE}};
use super::{VMContext, VMFunctionBody, VMOpaqueContext};

#[repr(C)]
pub(crate) struct Returned { integer: u64, float: f64 }

type Body<R> = unsafe extern "C-unwind" fn(*mut VMOpaqueContext, *mut VMContext, *const VMFunctionBody, *mut ValRaw, *const Header) -> R;

#[derive(Debug)]
pub(crate) struct Bodies { short_cut: Body<Returned>, frames: [Body<()>; 2] }

macro_rules! symbol { ($name:literal) => { concat!("vmtrampoline_", env!("CARGO_PKG_VERSION_MAJOR"), "_", env!("CARGO_PKG_VERSION_MINOR"), "_", env!("CARGO_PKG_VERSION_PATCH"), "_", $name) } }

unsafe extern "C-unwind" {
    #[link_name = symbol!("short_cut")]
    fn short_cut(_: *mut VMOpaqueContext, _: *mut VMContext, _: *const VMFunctionBody, _: *mut ValRaw, _: *const Header) -> Returned;
    #[link_name = symbol!("fixed")]
    fn fixed(_: *mut VMOpaqueContext, _: *mut VMContext, _: *const VMFunctionBody, _: *mut ValRaw, _: *const Header);
    #[link_name = symbol!("variable")]
    fn variable(_: *mut VMOpaqueContext, _: *mut VMContext, _: *const VMFunctionBody, _: *mut ValRaw, _: *const Header);
    #[link_name = symbol!("c_short_cut")]
    fn c_short_cut(_: *mut VMOpaqueContext, _: *mut VMContext, _: *const VMFunctionBody, _: *mut ValRaw, _: *const Header) -> Returned;
    #[link_name = symbol!("c_fixed")]
    fn c_fixed(_: *mut VMOpaqueContext, _: *mut VMContext, _: *const VMFunctionBody, _: *mut ValRaw, _: *const Header);
    #[link_name = symbol!("c_variable")]
    fn c_variable(_: *mut VMOpaqueContext, _: *mut VMContext, _: *const VMFunctionBody, _: *mut ValRaw, _: *const Header);
}

pub(crate) static VM: Bodies = Bodies { short_cut, frames: [fixed, variable] };
pub(crate) static C: Bodies = Bodies { short_cut: c_short_cut, frames: [c_fixed, c_variable] };

#[inline]
pub(crate) unsafe fn enter(bodies: &Bodies, descriptor: &Descriptor, callee: *mut VMOpaqueContext, caller: *mut VMContext, target: *const VMFunctionBody, slots: *mut ValRaw) {
    let header = &descriptor.header;
    let d = (&raw const *descriptor).cast::<Header>();
    if header.shape == Shape::ShortCut {
        let returned = unsafe { (bodies.short_cut)(callee, caller, target, slots, d) };
        let bits = if header.result == RESULT_FLOAT { returned.float.to_bits() } else { returned.integer };
        let mut nowhere = 0;
        let to = if header.result == RESULT_NONE { &raw mut nowhere } else { slots.cast::<u64>() };
        unsafe { *to = bits & header.result_mask };
    } else {
        unsafe { (bodies.frames[header.shape as usize - 1])(callee, caller, target, slots, d) }
    }
}
