//! Functions in C and in Rust that tell what they were given.
//!
//! Each writes its contexts and parameters to the places 0, 1, … of `seen`, and
//! takes its results from those of `chosen`.

use vmtrampoline::{Signature, ValType};

use crate::wasm;

/// A calling convention of the crate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Convention {
    /// Contexts first; the results after the first one through a return pointer.
    Vm,
    C,
}

impl Convention {
    /// Names of the contexts.
    pub fn contexts(self) -> &'static [&'static str] {
        match self {
            Convention::Vm => &["callee", "caller"],
            Convention::C => &[],
        }
    }
}

/// A language to write callees in, and what compiles it.
pub struct Language {
    pub name: &'static str,
    pub extension: &'static str,
    /// The environment variable that names the compiler.
    pub variable: &'static str,
    pub compiler: &'static str,
    pub arguments: &'static [&'static str],
    preamble: &'static str,
    function: fn(usize, Convention, &Signature) -> String,
}

impl Language {
    /// A file with the functions `f0`, `f1`, … of these signatures.
    pub fn file(&self, convention: Convention, signatures: &[Signature]) -> String {
        let functions =
            signatures.iter().enumerate().map(|(i, s)| (self.function)(i, convention, s));
        self.preamble.to_string() + &functions.collect::<String>()
    }
}

pub const C: Language = Language {
    name: "C",
    extension: "c",
    variable: "CC",
    compiler: "cc",
    arguments: &["-O2", "-w", "-shared", "-fPIC", "-fno-strict-aliasing"],
    preamble: "
#include <emmintrin.h>
#include <stdint.h>
#include <string.h>
_Alignas(16) unsigned char seen[64][16], chosen[64][16];
#define PUT(place, value) memcpy(seen[place], &value, sizeof value);
#define TAKE(type, place) *(type *)chosen[place]
",
    function: |index, convention, signature| {
        let results = wasm::results(signature);
        let (mut params, mut body, mut area) = (Vec::new(), String::new(), String::new());
        for (place, name) in convention.contexts().iter().enumerate() {
            params.push(format!("void *{name}"));
            body += &format!("PUT({place}, {name}) ");
        }
        for (i, ty) in wasm::params(signature).into_iter().enumerate() {
            let place = params.len();
            params.push(format!("{} p{i}", c_type(ty)));
            body += &format!("PUT({place}, p{i}) ");
        }
        for (i, ty) in results.iter().copied().enumerate().skip(1) {
            area += &format!("{} r{i}; ", c_type(ty));
            body += &format!("area->r{i} = TAKE({}, {i}); ", c_type(ty));
        }
        if !area.is_empty() {
            params.push(format!("struct a{index} *area"));
        }
        let result = results.first().map_or("void", |ty| c_type(*ty));
        if result != "void" {
            body += &format!("return TAKE({result}, 0); ");
        }
        let params = params.join(", ");
        format!("struct a{index} {{ {area}}};\n{result} f{index}({params}) {{ {body}}}\n")
    },
};

fn c_type(ty: ValType) -> &'static str {
    match ty {
        ValType::I32 => "int32_t",
        ValType::I64 => "int64_t",
        ValType::F32 => "float",
        ValType::F64 => "double",
        ValType::V128 => "__m128i",
        ValType::FuncRef | ValType::ExternRef => "void *",
        _ => unreachable!("no type of WebAssembly"),
    }
}

pub const RUST: Language = Language {
    name: "Rust",
    extension: "rs",
    variable: "RUSTC",
    compiler: "rustc",
    arguments: &["-O", "--edition=2024", "--crate-type=cdylib", "--cap-lints=allow"],
    preamble: "
use std::{arch::x86_64::__m128i, ffi::c_void};
type Places = [[u8; 16]; 64];
#[unsafe(no_mangle)] pub static mut seen: Places = [[0; 16]; 64];
#[unsafe(no_mangle)] pub static mut chosen: Places = [[0; 16]; 64];
unsafe fn put<T>(place: usize, value: T) {
    unsafe { (&raw mut seen[place]).cast::<T>().write_unaligned(value) }
}
unsafe fn take<T>(place: usize) -> T {
    unsafe { (&raw const chosen[place]).cast::<T>().read_unaligned() }
}
",
    function: |index, convention, signature| {
        let results = wasm::results(signature);
        let (mut params, mut body, mut area) = (Vec::new(), String::new(), String::new());
        for (place, name) in convention.contexts().iter().enumerate() {
            params.push(format!("{name}: *mut c_void"));
            body += &format!("put({place}, {name}); ");
        }
        for (i, ty) in wasm::params(signature).into_iter().enumerate() {
            let place = params.len();
            params.push(format!("p{i}: {}", rust_type(ty)));
            body += &format!("put({place}, p{i}); ");
        }
        for (i, ty) in results.iter().copied().enumerate().skip(1) {
            area += &format!("r{i}: {}, ", rust_type(ty));
            body += &format!("(*area).r{i} = take({i}); ");
        }
        if !area.is_empty() {
            params.push(format!("area: *mut A{index}"));
        }
        let result = results.first().map_or("()", |ty| rust_type(*ty));
        if result != "()" {
            body += "take(0) ";
        }
        let params = params.join(", ");
        format!(
            "#[repr(C)] pub struct A{index} {{ {area}}}
#[unsafe(no_mangle)] pub unsafe extern \"C\" fn f{index}({params}) -> {result} {{ unsafe {{ {body}}} }}
"
        )
    },
};

fn rust_type(ty: ValType) -> &'static str {
    match ty {
        ValType::I32 => "i32",
        ValType::I64 => "i64",
        ValType::F32 => "f32",
        ValType::F64 => "f64",
        ValType::V128 => "__m128i",
        ValType::FuncRef | ValType::ExternRef => "*mut c_void",
        _ => unreachable!("no type of WebAssembly"),
    }
}
