//! The competitors: ways to call a function whose arguments are in value slots.

use std::ffi::c_void;

use libffi::{low, raw};
use oracle::{guest::Target, scalars};
use vmtrampoline::{
    Signature, Trampoline, VMContext, VMOpaqueContext, VMTrampoline, ValRaw, ValType,
};

/// A function, and one way to call it.
pub trait Method {
    /// Reads the arguments from the slots, calls, writes the results to the slots.
    ///
    /// # Safety
    ///
    /// `slots` has all the slots of the function's signature.
    unsafe fn call(&mut self, slots: *mut ValRaw);
}

/// Calls nothing: what remains is the cost of writing the arguments.
pub struct Nothing;

impl Method for Nothing {
    #[inline(always)]
    unsafe fn call(&mut self, slots: *mut ValRaw) {
        std::hint::black_box(slots);
    }
}

/// A call compiled for its signature, which is a closure here: the limit.
pub struct Direct<F>(pub Target, pub F);

impl<F: Fn(&Target, *mut ValRaw)> Method for Direct<F> {
    #[inline(always)]
    unsafe fn call(&mut self, slots: *mut ValRaw) {
        (self.1)(&self.0, slots);
    }
}

/// A call that passes no argument: the floor where the signature varies. All
/// that a target might take for its return pointer points to `scratch`.
pub struct Bare {
    target: Target,
    scratch: *mut ValRaw,
}

impl Bare {
    pub fn new(target: Target) -> Bare {
        Bare { target, scratch: Box::leak(Box::new([ValRaw::i64(0); 8])).as_mut_ptr() }
    }
}

impl Method for Bare {
    #[inline(always)]
    unsafe fn call(&mut self, _: *mut ValRaw) {
        type P = *mut ValRaw;
        type Any = unsafe extern "C" fn(
            *mut VMOpaqueContext,
            *mut VMContext,
            P,
            P,
            P,
            P,
            P,
            P,
            P,
            P,
            P,
            P,
        );
        let Target { callee, caller, code } = self.target;
        let p = self.scratch;
        // SAFETY: the targets of the mixed race only move their arguments, of
        // which at most four are integers in registers and six are on the stack.
        unsafe {
            let code: Any = std::mem::transmute(code);
            code(callee, caller, p, p, p, p, p, p, p, p, p, p);
        }
    }
}

/// This crate, `call_unchecked`.
pub struct Unchecked(pub Trampoline, pub Target);

impl Method for Unchecked {
    #[inline(always)]
    unsafe fn call(&mut self, slots: *mut ValRaw) {
        let Target { callee, caller, code } = self.1;
        // SAFETY: the target has the trampoline's signature; slots by contract.
        unsafe { self.0.call_unchecked(callee, caller, code, slots) };
    }
}

/// This crate, `call`.
pub struct Checked(pub Trampoline, pub Target, pub usize);

impl Method for Checked {
    #[inline(always)]
    unsafe fn call(&mut self, slots: *mut ValRaw) {
        let Target { callee, caller, code } = self.1;
        // SAFETY: by contract there are all the slots of the signature.
        let slots = unsafe { std::slice::from_raw_parts_mut(slots, self.2) };
        // SAFETY: the target has the trampoline's signature.
        unsafe { self.0.call(callee, caller, code, slots) }.expect("enough slots");
    }
}

/// A function pointer with its signature baked in: Cranelift's, or this crate's.
pub struct Pointer(pub VMTrampoline, pub Target);

impl Method for Pointer {
    #[inline(always)]
    unsafe fn call(&mut self, slots: *mut ValRaw) {
        let Target { callee, caller, code } = self.1;
        // SAFETY: the target has the trampoline's signature; slots by contract.
        unsafe { (self.0)(callee, caller, code, slots) };
    }
}

/// `ffi_call`, its arguments read from the slots in place.
pub struct Libffi {
    cif: Box<low::ffi_cif>,
    /// Kept because `cif` points to it.
    _types: Box<[*mut low::ffi_type]>,
    arguments: Box<[*mut c_void]>,
    contexts: Box<[*mut c_void; 2]>,
    target: Target,
    slots: *mut ValRaw,
}

impl Libffi {
    /// `None` if libffi cannot call functions of this signature.
    pub fn new(signature: &Signature, target: Target) -> Option<Libffi> {
        let result = match scalars::results(signature)[..] {
            [] => &raw mut low::types::void,
            [one] => ffi_type(one)?,
            _ => return None,
        };
        let pointer = &raw mut low::types::pointer;
        let params = scalars::params(signature).into_iter().map(ffi_type);
        let mut types: Box<[_]> =
            [Some(pointer), Some(pointer)].into_iter().chain(params).collect::<Option<_>>()?;
        let mut cif = Box::<low::ffi_cif>::default();
        // SAFETY: the types outlive the interface, which is where it points.
        unsafe {
            low::prep_cif(
                &mut *cif,
                raw::ffi_abi_FFI_DEFAULT_ABI,
                types.len(),
                result,
                types.as_mut_ptr(),
            )
        }
        .expect("scalar types");
        Some(Libffi {
            cif,
            arguments: vec![std::ptr::null_mut(); types.len()].into(),
            contexts: Box::new([target.callee.cast(), target.caller.cast()]),
            _types: types,
            target,
            slots: std::ptr::null_mut(),
        })
    }

    /// Points the arguments to these slots, which callers of libffi do once.
    fn aim(&mut self, slots: *mut ValRaw) {
        self.slots = slots;
        let [callee, caller] = &mut *self.contexts;
        self.arguments[0] = (&raw mut *callee).cast();
        self.arguments[1] = (&raw mut *caller).cast();
        for (i, argument) in self.arguments[2..].iter_mut().enumerate() {
            *argument = slots.wrapping_add(i).cast();
        }
    }
}

pub fn ffi_type(ty: ValType) -> Option<*mut low::ffi_type> {
    match ty {
        ValType::I32 => Some(&raw mut low::types::sint32),
        ValType::I64 => Some(&raw mut low::types::sint64),
        ValType::F32 => Some(&raw mut low::types::float),
        ValType::F64 => Some(&raw mut low::types::double),
        ValType::FuncRef | ValType::ExternRef | ValType::Ptr => Some(&raw mut low::types::pointer),
        _ => None,
    }
}

impl Method for Libffi {
    #[inline(always)]
    unsafe fn call(&mut self, slots: *mut ValRaw) {
        if self.slots != slots {
            self.aim(slots);
        }
        // SAFETY: the interface describes the target; every argument points to a
        // slot or a context; a slot has room for the 8 bytes of a scalar result.
        unsafe {
            raw::ffi_call(
                &raw mut *self.cif,
                Some(std::mem::transmute::<*const _, unsafe extern "C" fn()>(self.target.code)),
                slots.cast(),
                self.arguments.as_mut_ptr(),
            );
        }
    }
}

/// `Func::call_unchecked` of Wasmtime, which also enters and leaves its runtime.
pub struct Wasmtime(pub wasmtime::Store<()>, pub wasmtime::Func);

impl Method for Wasmtime {
    #[inline(always)]
    unsafe fn call(&mut self, slots: *mut ValRaw) {
        // SAFETY: the function is of this store; slots by contract, and a
        // `ValRaw` of Wasmtime is 16 bytes too.
        unsafe { self.1.call_unchecked(&mut self.0, slots.cast()) }.expect("no trap");
    }
}
