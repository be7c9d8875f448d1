//! WebAssembly functions, and how to reach their machine code.

use std::fmt::Write;

use vmtrampoline::{Signature, VMContext, VMFunctionBody, VMOpaqueContext, ValType};
use wasmtime::{AsContext, Func, FuncType};
use wasmtime_runtime::VMCallerCheckedFuncRef;

use crate::scalars;

/// What a trampoline is given to call: machine code and the two contexts.
#[derive(Clone, Copy)]
pub struct Target {
    pub callee: *mut VMOpaqueContext,
    pub caller: *mut VMContext,
    pub code: *const VMFunctionBody,
}

impl Target {
    /// The machine code of a function, called by its own instance.
    pub fn of(func: &Func, store: impl AsContext) -> Target {
        // SAFETY: the raw form of a function is the address of its reference,
        // which lives as long as the store, and we only read it now.
        let reference = unsafe { &*(func.to_raw(store) as *const VMCallerCheckedFuncRef) };
        Target {
            callee: reference.vmctx.cast(),
            caller: reference.vmctx.cast(),
            code: reference.func_ptr.as_ptr().cast(),
        }
    }
}

/// The signature of a function.
pub fn signature_of(ty: &FuncType) -> Signature {
    Signature::new(ty.params().map(val_type), ty.results().map(val_type))
        .expect("WebAssembly has the same limits")
}

/// The type of functions of a signature.
pub fn func_type(signature: &Signature) -> FuncType {
    let types = |types: Vec<ValType>| types.into_iter().map(wasm_type).collect::<Vec<_>>();
    FuncType::new(types(scalars::params(signature)), types(scalars::results(signature)))
}

fn wasm_type(ty: ValType) -> wasmtime::ValType {
    match ty {
        ValType::I32 => wasmtime::ValType::I32,
        ValType::I64 => wasmtime::ValType::I64,
        ValType::F32 => wasmtime::ValType::F32,
        ValType::F64 => wasmtime::ValType::F64,
        ValType::V128 => wasmtime::ValType::V128,
        ValType::FuncRef => wasmtime::ValType::FuncRef,
        ValType::ExternRef => wasmtime::ValType::ExternRef,
        _ => unreachable!("no type of WebAssembly"),
    }
}

fn val_type(ty: wasmtime::ValType) -> ValType {
    match ty {
        wasmtime::ValType::I32 => ValType::I32,
        wasmtime::ValType::I64 => ValType::I64,
        wasmtime::ValType::F32 => ValType::F32,
        wasmtime::ValType::F64 => ValType::F64,
        wasmtime::ValType::V128 => ValType::V128,
        wasmtime::ValType::FuncRef => ValType::FuncRef,
        wasmtime::ValType::ExternRef => ValType::ExternRef,
    }
}

/// A signature in the WebAssembly text format: `(param i32 f64) (result i64)`.
pub fn wat(signature: &Signature) -> String {
    let mut text = String::new();
    for (keyword, types) in [("param", signature.params()), ("result", signature.results())] {
        write!(text, "({keyword}").unwrap();
        types.iter().for_each(|ty| write!(text, " {ty}").unwrap());
        text.push_str(") ");
    }
    text
}

/// A constant of this type in the WebAssembly text format.
pub fn wat_zero(ty: ValType) -> String {
    match ty {
        ValType::V128 => "(v128.const i64x2 0 0)".into(),
        ValType::FuncRef => "(ref.null func)".into(),
        ValType::ExternRef => "(ref.null extern)".into(),
        number => format!("({number}.const 0)"),
    }
}
