//! Functions in C and in Rust that tell what they were given.

use std::fmt::Write;

use vmtrampoline::{Signature, ValType};

/// A calling convention of the crate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Convention {
    /// Contexts first, results after the first one through a return pointer.
    Vm,
    C,
}

/// A language to write callees in. The functions are called `f0`, `f1`, …; each
/// writes its contexts and parameters to the places 0, 1, … of `seen` and takes
/// its results from those of `chosen`.
pub struct Language {
    pub name: &'static str,
    pub extension: &'static str,
    /// The environment variable that names the compiler, its usual name and its arguments.
    pub compiler: (&'static str, &'static str, &'static [&'static str]),
    preamble: &'static str,
    types: fn(ValType) -> &'static str,
    /// Declares a structure, given a name and its fields.
    structure: fn(&str, &[Field]) -> String,
    /// Opens a function, given a name, its parameters and its result.
    head: fn(&str, &[Field], Option<&'static str>) -> String,
    /// Ends the body with a result from place 0 of `chosen`.
    result: fn(&'static str) -> String,
    /// Takes a field of `area` from a place of `chosen`.
    take: fn(&Field, usize) -> String,
}

/// How many places there are.
pub const PLACES: usize = 64;

type Field = (String, String);

pub const C: Language = Language {
    name: "C",
    extension: "c",
    compiler: ("CC", "cc", &["-w", "-shared", "-fPIC"]),
    preamble: "
        #include <emmintrin.h>
        #include <stdint.h>
        #include <string.h>
        unsigned char seen[64][16], chosen[64][16];
        ",
    types: |ty| match ty {
        ValType::I32 => "int32_t",
        ValType::I64 => "int64_t",
        ValType::F32 => "float",
        ValType::F64 => "double",
        ValType::V128 => "__m128i",
        ValType::FuncRef | ValType::ExternRef => "void *",
    },
    structure: |name, fields| {
        let fields: String = fields.iter().map(|(name, ty)| format!("{ty} {name}; ")).collect();
        format!("struct {name} {{ {fields}}};")
    },
    head: |name, params, result| {
        let params: Vec<_> = params.iter().map(|(name, ty)| format!("{ty} {name}")).collect();
        format!("{} {name}({}) {{", result.unwrap_or("void"), params.join(", "))
    },
    result: |ty| format!("{ty} result; memcpy(&result, chosen[0], sizeof result); return result;"),
    take: |(name, _), place| {
        format!("memcpy(&area->{name}, chosen[{place}], sizeof area->{name});")
    },
};

pub const RUST: Language = Language {
    name: "Rust",
    extension: "rs",
    compiler: ("RUSTC", "rustc", &["--edition=2024", "--crate-type=cdylib", "--cap-lints=allow"]),
    preamble: "
        use std::{arch::x86_64::__m128i, ffi::c_void};
        #[unsafe(no_mangle)] pub static mut seen: [[u8; 16]; 64] = [[0; 16]; 64];
        #[unsafe(no_mangle)] pub static mut chosen: [[u8; 16]; 64] = [[0; 16]; 64];
        ",
    types: |ty| match ty {
        ValType::I32 => "i32",
        ValType::I64 => "i64",
        ValType::F32 => "f32",
        ValType::F64 => "f64",
        ValType::V128 => "__m128i",
        ValType::FuncRef | ValType::ExternRef => "*mut c_void",
    },
    structure: |name, fields| {
        let fields: String = fields.iter().map(|(name, ty)| format!("{name}: {ty}, ")).collect();
        format!("#[repr(C)] pub struct {name} {{ {fields}}}")
    },
    head: |name, params, result| {
        let params: Vec<_> = params.iter().map(|(name, ty)| format!("{name}: {ty}")).collect();
        let result = result.unwrap_or("()");
        let params = params.join(", ");
        format!("#[unsafe(no_mangle)] pub unsafe extern \"C\" fn {name}({params}) -> {result} {{")
    },
    result: |ty| format!("(&raw const chosen[0]).cast::<{ty}>().read_unaligned()"),
    take: |(name, ty), place| {
        format!("(*area).{name} = (&raw const chosen[{place}]).cast::<{ty}>().read_unaligned();")
    },
};
