//! How a candidate calls WebAssembly: inside Wasmtime's runtime, so that traps are
//! caught, the stack is limited and backtraces and garbage collection work.
//!
//! Wasmtime has no door for foreign trampolines. It has one for functions of
//! type `() -> ()`, so we forge the reference of such a function: its code is
//! [`inside`], its context says which call is to be made.

use std::cell::Cell;

use vmtrampoline::{VMFunctionBody, ValRaw};
use wasmtime::{AsContextMut, Error, Func, Result, TypedFunc, Val};
use wasmtime_runtime::{
    VMCallerCheckedFuncRef, VMContext, VMOpaqueContext, prepare_host_to_wasm_trampoline,
};

use crate::{
    candidate::{Called, Candidate},
    guest::Target,
};

/// The door into one store. It must outlive the store.
pub struct StoreDoor {
    enter: TypedFunc<(), ()>,
    context: Box<Context>,
    _reference: Box<VMCallerCheckedFuncRef>,
}

/// What the forged function finds in its callee context.
#[repr(C)]
struct Context {
    /// Where WebAssembly's contexts have theirs; no value that Wasmtime knows.
    magic: u32,
    call: Cell<Option<Call>>,
    called: Cell<Called>,
}

#[derive(Clone, Copy)]
struct Call {
    candidate: *const Candidate,
    target: Target,
    slots: *mut [ValRaw],
}

impl StoreDoor {
    pub fn new(mut store: impl AsContextMut) -> StoreDoor {
        let model = Func::wrap(&mut store, || ());
        // SAFETY: the raw form of a function is the address of its reference.
        let model = unsafe { &*(model.to_raw(&store) as *const VMCallerCheckedFuncRef) };
        let magic = u32::from_le_bytes(*b"door");
        let called = Cell::new(Called { kept: true, trap: None });
        let context = Box::new(Context { magic, call: Cell::new(None), called });
        let reference = Box::new(VMCallerCheckedFuncRef {
            func_ptr: std::ptr::NonNull::new(inside as *mut _).expect("a function"),
            type_index: model.type_index,
            vmctx: (&raw const *context).cast_mut().cast(),
        });
        // SAFETY: this is the reference of a function of type `() -> ()` that
        // takes the contexts it is given; it outlives the store.
        let func = unsafe { Func::from_raw(&mut store, (&raw const *reference) as usize) };
        let enter = func.expect("not null").typed(&store).expect("the type of the model");
        StoreDoor { enter, context, _reference: reference }
    }

    /// Lets the candidate call the function. Whether it has kept the callee-saved
    /// registers, or the trap.
    ///
    /// # Safety
    ///
    /// The function has the candidate's signature, and is of the door's store, as
    /// are all references in the slots.
    pub unsafe fn call(
        &self,
        mut store: impl AsContextMut,
        candidate: &Candidate,
        func: &Func,
        slots: &mut [ValRaw],
    ) -> Result<bool> {
        let target = Target::of(func, &store);
        self.context.call.set(Some(Call { candidate, target, slots }));
        self.enter.call(&mut store, ())?;
        match self.context.called.get() {
            Called { kept: true, trap: Some(trap) } => Err(trap.into()),
            Called { kept, .. } => Ok(kept),
        }
    }

    /// The same with the arguments and results of `Func::call`. A lost register is
    /// an error.
    ///
    /// # Safety
    ///
    /// The function has the candidate's signature, the arguments have its types, and
    /// all are of the door's store.
    pub unsafe fn call_vals(
        &self,
        mut store: impl AsContextMut,
        candidate: &Candidate,
        func: &Func,
        args: &[Val],
    ) -> Result<Vec<Val>> {
        let ty = func.ty(&store);
        let results = ty.results();
        let mut slots = vec![wasmtime::ValRaw::i32(0); args.len().max(results.len())];
        for (slot, arg) in slots.iter_mut().zip(args) {
            // SAFETY: the raw form of references is used before anything else can
            // happen in the store.
            *slot = unsafe { arg.to_raw(&mut store) };
        }
        // SAFETY: both `ValRaw`s are 16 bytes, Wasmtime's with the higher alignment.
        let slice = unsafe {
            std::slice::from_raw_parts_mut(slots.as_mut_ptr().cast::<ValRaw>(), slots.len())
        };
        // SAFETY: our own condition.
        if !unsafe { self.call(&mut store, candidate, func, slice) }? {
            return Err(Error::msg("a callee-saved register was lost"));
        }
        let value = |(slot, ty): (&wasmtime::ValRaw, _)| {
            // SAFETY: the candidate has left a value of this type here.
            unsafe { Val::from_raw(&mut store, *slot, ty) }
        };
        Ok(slots.iter().zip(results).map(value).collect())
    }
}

/// The forged function. A trap jumps over its frame, which holds nothing.
unsafe extern "C" fn inside(context: *mut VMOpaqueContext, caller: *mut VMContext) {
    // SAFETY: the forged reference has a `Context` here, which is only shared.
    let context = unsafe { &*context.cast::<Context>() };
    let call = context.call.take().expect("a call to make");
    // SAFETY: the call's candidate, which is only shared.
    let code = if unsafe { &*call.candidate }.has_entry() {
        call.target.code
    } else {
        // SAFETY: the caller context is Wasmtime's. What we get is code that notes,
        // where Wasmtime wants it, that WebAssembly is entered here, and goes there.
        unsafe { prepare_host_to_wasm_trampoline(caller, call.target.code) }
    };
    let target =
        Target { caller: caller.cast(), code: code.cast::<VMFunctionBody>(), ..call.target };
    // SAFETY: `StoreDoor::call` was given a candidate, slots and a function that fit.
    context.called.set(unsafe { (*call.candidate).call(target, &mut *call.slots) });
}
