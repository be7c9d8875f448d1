//! Calls any function of any shared library by a textual signature:
//!
//! ```text
//! cargo run --example call -- libm.so.6 pow '(f64, f64) -> f64' 2 10
//! ```
//!
//! `cstr` in the signature is a C string: the text of the argument, passed as a
//! pointer. It is a convenience of this program, not a value type.

use std::{
    error::Error,
    ffi::{CString, c_void},
    hint::black_box,
    process::ExitCode,
    time::Instant,
};

use clap::Parser;
use libloading::Library;
use vmtrampoline::{CTrampoline, Signature, ValRaw, ValType};

/// Call a C function of a shared library, its signature given as text.
#[derive(Parser)]
#[command(about, allow_negative_numbers = true)]
struct Options {
    /// Call N times and print the nanoseconds a call takes.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    repeat: Option<u64>,
    /// The shared library, as the dynamic linker finds it, such as libm.so.6.
    library: String,
    /// The function.
    symbol: String,
    /// Its signature, such as '(f64, f64) -> f64': i32, i64, f32, f64, ptr, cstr.
    signature: String,
    /// The arguments: decimal, hexadecimal (0x…), nan, inf, or text for cstr.
    #[arg(allow_hyphen_values = true)]
    arguments: Vec<String>,
}

fn main() -> ExitCode {
    // clap prints its own errors and exits with 2, as we do.
    let options = Options::parse();
    match run(&options) {
        Ok(output) => {
            println!("{output}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("call: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> Result<String, Box<dyn Error>> {
    let (signature, strings) = parse_signature(&options.signature)?;
    let (params, arguments) = (signature.params(), &options.arguments);
    if params.len() != arguments.len() {
        let (needed, given) = (params.len(), arguments.len());
        return Err(format!("{signature} takes {needed} arguments, {given} given").into());
    }
    // The strings that cstr arguments point to live until the calls are over.
    let mut texts = Vec::new();
    let mut values = Vec::new();
    for (i, (&ty, argument)) in params.iter().zip(arguments).enumerate() {
        let value = if strings.contains(&i) {
            texts.push(CString::new(argument.as_str())?);
            texts.last().map(|text| ValRaw::u64(text.as_ptr() as u64))
        } else {
            parse_value(ty, argument)
        };
        values.push(value.ok_or_else(|| format!("argument {i}: {argument:?} is not an {ty}"))?);
    }
    let trampoline = CTrampoline::new(&signature)?;

    // SAFETY: loading a library runs its initialisers: whoever names a library
    // on the command line asks for that.
    let library = unsafe { Library::new(&options.library) }
        .map_err(|error| format!("cannot load {}: {}", options.library, one_line(&error)))?;
    // SAFETY: a pointer may have any value, so a symbol's address is one.
    let target = *unsafe { library.get::<*const c_void>(options.symbol.as_bytes()) }
        .map_err(|error| format!("no function {}: {}", options.symbol, one_line(&error)))?;

    let mut slots = values.clone();
    slots.resize(trampoline.slots(), ValRaw::default());
    let calls = options.repeat.unwrap_or(1);
    let start = Instant::now();
    for _ in 0..calls {
        slots[..values.len()].copy_from_slice(black_box(&values));
        // SAFETY: that the function has this signature is for whoever typed the
        // command to know, as it is for a C declaration.
        unsafe { trampoline.call(target, &mut slots)? };
    }
    let elapsed = start.elapsed();

    let mut output = match signature.results() {
        [] => String::from("()"),
        [ty, ..] => show(*ty, slots[0]),
    };
    if options.repeat.is_some() {
        output += &format!("\n{:.2} ns per call", elapsed.as_nanos() as f64 / calls as f64);
    }
    Ok(output)
}

/// The signature with `ptr` for `cstr`, and which parameters those are.
fn parse_signature(text: &str) -> Result<(Signature, Vec<usize>), Box<dyn Error>> {
    // Of the same length, so that positions in errors stay right.
    let signature: Signature = text.replace("cstr", "ptr ").parse()?;
    let params = text.split("->").next().unwrap_or_default();
    let strings = params.split(',').enumerate().filter(|(_, name)| name.contains("cstr"));
    Ok((signature, strings.map(|(i, _)| i).collect()))
}

/// An argument of this type, or `None` if it is none.
fn parse_value(ty: ValType, text: &str) -> Option<ValRaw> {
    Some(match ty {
        ValType::F32 => ValRaw::from(text.parse::<f32>().ok()?),
        ValType::F64 => ValRaw::from(text.parse::<f64>().ok()?),
        ValType::V128 => ValRaw::v128(magnitude(text)?),
        // Signed and unsigned numbers of the type's width.
        ValType::I32 => {
            let value = integer(text)?;
            ValRaw::i32(
                i32::try_from(value).or_else(|_| u32::try_from(value).map(|v| v as i32)).ok()?,
            )
        }
        _ => {
            let value = integer(text)?;
            ValRaw::i64(
                i64::try_from(value).or_else(|_| u64::try_from(value).map(|v| v as i64)).ok()?,
            )
        }
    })
}

fn integer(text: &str) -> Option<i128> {
    match text.strip_prefix('-') {
        Some(digits) => magnitude(digits).and_then(|value| 0i128.checked_sub_unsigned(value)),
        None => magnitude(text).and_then(|value| value.try_into().ok()),
    }
}

fn magnitude(digits: &str) -> Option<u128> {
    // The standard library's parsers would take a sign here.
    if digits.contains(['+', '-']) {
        return None;
    }
    match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => u128::from_str_radix(hex, 16).ok(),
        None => digits.parse().ok(),
    }
}

fn show(ty: ValType, value: ValRaw) -> String {
    match ty {
        ValType::I32 => value.get_i32().to_string(),
        ValType::F32 => f32::from_bits(value.get_f32()).to_string(),
        ValType::F64 => f64::from_bits(value.get_f64()).to_string(),
        ValType::V128 => format!("{:#034x}", value.get_v128()),
        _ => value.get_i64().to_string(),
    }
}

fn one_line(error: &libloading::Error) -> String {
    let cause = error.source().map_or_else(|| error.to_string(), |source| source.to_string());
    cause.lines().collect::<Vec<_>>().join(" ")
}
