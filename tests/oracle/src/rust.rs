//! Functions in Rust, as [`c`](crate::c) has them in C: a callee copies its parameters to
//! `arguments`, and returns what is in `results`.

use std::{env, process::Command};

use vmtrampoline::{Signature, ValType, private::Convention};

use crate::{c::Compiled, scalars};

const PRELUDE: &str = "
use std::{arch::x86_64::__m128i, ffi::c_void};
type Values = [[u8; 16]; 100];
#[unsafe(no_mangle)] pub static mut arguments: Values = [[0; 16]; 100];
#[unsafe(no_mangle)] pub static mut results: Values = [[0; 16]; 100];
unsafe fn put<T>(place: usize, value: T) {
    unsafe { (&raw mut arguments[place]).cast::<T>().write_unaligned(value) }
}
unsafe fn take<T>(place: usize) -> T {
    unsafe { (&raw const results[place]).cast::<T>().read_unaligned() }
}
";

/// Compiles these functions. The environment variable RUSTC names another compiler.
pub fn compile(functions: &[String]) -> Compiled {
    let mut command = Command::new(env::var("RUSTC").unwrap_or("rustc".into()));
    command.args(["-O", "--edition=2024", "--crate-type=cdylib", "--cap-lints=allow"]);
    Compiled::by(&mut command, "callees.rs", &(PRELUDE.to_owned() + &functions.concat()))
}

/// Callee `f{index}`, in Rust.
pub fn callee(index: usize, convention: Convention, signature: &Signature) -> String {
    let results = scalars::results(signature);
    let (mut params, mut body, mut area) = (Vec::new(), String::new(), String::new());
    let contexts = match convention {
        Convention::Vm => &["*mut c_void"; 2][..],
        Convention::C => &[],
    };
    let types = scalars::params(signature).into_iter().map(rust_type);
    for (i, ty) in contexts.iter().copied().chain(types).enumerate() {
        params.push(format!("p{i}: {ty}"));
        body += &format!("put({i}, p{i}); ");
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
}

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
