use alloc::boxed::Box;
use core::ffi::c_void;
use crate::{Abi, Error, Signature, ValRaw, descriptor::{Descriptor, Shape, Source}};
use super::{VMContext, VMFunctionBody, VMOpaqueContext, entry};

#[derive(Debug, Clone)]
enum Held { Static(&'static Descriptor), Owned(alloc::sync::Arc<Descriptor>) }
impl Held {
    #[inline]
    fn get(&self) -> &Descriptor { match self { Held::Static(d) => d, Held::Owned(b) => b } }
}
/// t
#[derive(Debug)]
pub struct Trampoline { held: Box<Descriptor> }
/// t
#[derive(Debug)]
pub struct CTrampoline { held: Box<Descriptor> }

impl Trampoline {
    /// n
    pub fn new(s: &Signature) -> Result<Self, Error> { Self::with_shape(s, Shape::ShortCut) }
    #[doc(hidden)]
    pub fn with_shape(s: &Signature, shape: Shape) -> Result<Self, Error> {
        let abi = Abi::HOST_VM.ok_or(Error::UnsupportedTarget)?;
        Ok(Self { held: Source { abi, params: s.params(), results: s.results(), stride: 16, shape }.boxed()? })
    }
    /// # Safety
    /// s
    #[inline]
    pub unsafe fn call_unchecked(&self, callee: *mut VMOpaqueContext, caller: *mut VMContext, target: *const VMFunctionBody, slots: *mut ValRaw) {
        unsafe { entry::enter(&entry::VM, &self.held, callee, caller, target, slots) }
    }
    /// # Safety
    /// s
    #[inline]
    pub unsafe fn call(&self, callee: *mut VMOpaqueContext, caller: *mut VMContext, target: *const VMFunctionBody, slots: &mut [ValRaw]) -> Result<(), Error> {
        let needed = self.held.header.slots();
        if slots.len() < needed { return Err(Error::TooFewSlots { given: slots.len(), needed }); }
        unsafe { self.call_unchecked(callee, caller, target, slots.as_mut_ptr()) };
        Ok(())
    }
}
impl CTrampoline {
    /// n
    pub fn new(s: &Signature) -> Result<Self, Error> { Self::with_shape(s, Shape::ShortCut) }
    #[doc(hidden)]
    pub fn with_shape(s: &Signature, shape: Shape) -> Result<Self, Error> {
        let abi = Abi::HOST_C.ok_or(Error::UnsupportedTarget)?;
        Ok(Self { held: Source { abi, params: s.params(), results: s.results(), stride: 16, shape }.boxed()? })
    }
    /// # Safety
    /// s
    #[inline]
    pub unsafe fn call_unchecked(&self, target: *const c_void, slots: *mut ValRaw) {
        unsafe { entry::enter(&entry::C, &self.held, core::ptr::null_mut(), core::ptr::null_mut(), target.cast(), slots) }
    }
    /// # Safety
    /// s
    #[inline]
    pub unsafe fn call(&self, target: *const c_void, slots: &mut [ValRaw]) -> Result<(), Error> {
        let needed = self.held.header.slots();
        if slots.len() < needed { return Err(Error::TooFewSlots { given: slots.len(), needed }); }
        unsafe { self.call_unchecked(target, slots.as_mut_ptr()) };
        Ok(())
    }
}
