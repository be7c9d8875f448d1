//! Calls any function of any shared library by a textual signature:
//!
//! ```text
//! cargo run --example call -- libm.so.6 pow '(f64, f64) -> f64' 2 10
//! cargo run --example call -- libc.so.6 div '(int, int) -> {int, int}' 17 5
//! cargo run --example call -- libc.so.6 printf '(cstr, ...int, f64) -> int' '%d %.2f\n' 42 2.5
//! ```
//!
//! `cstr` and `buf` in the signature are conveniences of this program, not value types.
//! `cstr` is a C string: the text of the argument, or that of the result, passed as a
//! pointer. `buf` is a pointer to a buffer, of as many bytes as the argument says, whose
//! text is printed after the call.

use std::{
    error::Error,
    ffi::{CStr, CString, c_char, c_int, c_void},
    hint::black_box,
    mem::transmute,
    ops::Range,
    process::{ExitCode, exit},
    time::Instant,
};

use lexopt::prelude::*;
use libloading::Library;
use vmtrampoline::{Abi, CTrampoline, Signature, Type, ValRaw, ValType};

const USAGE: &str = "\
usage: call [--repeat N] LIBRARY SYMBOL SIGNATURE [ARGUMENT...]

Calls a C function of a shared library, its signature given as text.

  --repeat N    call N times and print the nanoseconds that a call takes
  LIBRARY       as the dynamic linker finds it, such as libm.so.6
  SYMBOL        the function
  SIGNATURE     such as '(f64, f64) -> f64' or '(cstr, ...int) -> int'
  ARGUMENT      decimal, hexadecimal (0x…), true, nan, inf, 3+4i, {1, 2} for a
                structure, [1, 2] for an array, or text for cstr";

struct Options {
    repeat: Option<u64>,
    library: String,
    symbol: String,
    signature: String,
    arguments: Vec<String>,
}

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn options() -> Result<Options> {
    let (mut parser, mut repeat) = (lexopt::Parser::from_env(), None);
    let library = loop {
        match parser.next()?.ok_or("no library; see --help")? {
            Long("repeat") => {
                let times: u64 = parser.value()?.parse()?;
                repeat = Some(times).filter(|times| *times > 0);
                repeat.ok_or("--repeat 0: call at least once")?;
            }
            Short('h') | Long("help") => {
                println!("{USAGE}");
                exit(0);
            }
            Value(library) => break library.string()?,
            other => return Err(other.unexpected().into()),
        }
    };
    // The others may begin with a minus sign.
    let mut rest = parser.raw_args()?.map(|argument| argument.string());
    let symbol = rest.next().ok_or("no function; see --help")??;
    let signature = rest.next().ok_or("no signature; see --help")??;
    let arguments = rest.collect::<std::result::Result<_, _>>()?;
    Ok(Options { repeat, library, symbol, signature, arguments })
}

fn main() -> ExitCode {
    match options().and_then(|options| run(&options)) {
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

fn run(options: &Options) -> Result<String> {
    let (signature, words) = parse_signature(&options.signature)?;
    let arguments = &options.arguments;
    if signature.params().len() != arguments.len() {
        let (needed, given) = (signature.params().len(), arguments.len());
        let plural = if needed == 1 { "" } else { "s" };
        return Err(format!("{signature} takes {needed} argument{plural}, {given} given").into());
    }
    let trampoline = CTrampoline::new(&signature)?;
    let abi = Abi::HOST_C.ok_or("this machine has no convention")?;

    // What pointers among the arguments point to lives until the calls are over.
    let (mut texts, mut buffers) = (Vec::new(), Vec::new());
    let mut values = vec![ValRaw::default(); trampoline.slots()];
    for (i, (ty, argument)) in signature.params().iter().zip(arguments).enumerate() {
        let slot = &mut values[trampoline.argument(i)..];
        match words.iter().find(|(place, _)| *place == Place::Param(i)) {
            Some((_, "cstr")) => {
                texts.push(CString::new(unescape(argument))?);
                slot[0] = ValRaw::ptr(texts.last().expect("a text").as_ptr());
            }
            Some(_) => {
                let size = argument.parse().ok().filter(|size| *size > 0 && *size < 1 << 30);
                buffers
                    .push(vec![0u8; size.ok_or(format!("argument {i}: no size: {argument:?}"))?]);
                slot[0] = ValRaw::ptr(buffers.last_mut().expect("a buffer").as_mut_ptr());
            }
            None => {
                let mut bytes = vec![0; ty.size(abi)];
                let mut rest = argument.as_str();
                let parsed = parse_value(&ty, abi, &mut rest, &mut bytes);
                if parsed.is_none() || !rest.trim().is_empty() {
                    return Err(format!("argument {i}: {argument:?} is not of type {ty}").into());
                }
                put(&ty, abi, slot, &bytes);
            }
        }
    }

    // SAFETY: loading a library runs its initialisers. The user asks for that by naming
    // the library.
    let library = unsafe { Library::new(&options.library) }
        .map_err(|error| format!("cannot load {}: {}", options.library, one_line(&error)))?;
    // SAFETY: a pointer may have any value, so a symbol's address is one.
    let target = *unsafe { library.get::<*const c_void>(options.symbol.as_bytes()) }
        .map_err(|error| format!("no function {}: {}", options.symbol, one_line(&error)))?;

    let mut slots = values.clone();
    let calls = options.repeat.unwrap_or(1);
    let start = Instant::now();
    for _ in 0..calls {
        slots.copy_from_slice(black_box(&values));
        // SAFETY: the user answers for the signature, as the author of a C declaration does.
        unsafe { trampoline.call(target, &mut slots)? };
    }
    let elapsed = start.elapsed().as_nanos() as f64 / calls as f64;
    // SAFETY: null is all streams.
    unsafe { fflush(std::ptr::null_mut()) };

    let mut output = match signature.results().get(0) {
        None => String::from("()"),
        Some(_) if words.iter().any(|(place, _)| *place == Place::Result) => {
            match slots[0].get_ptr::<c_char>() {
                null if null.is_null() => String::from("null"),
                // SAFETY: as the signature says, it is a C string.
                text => unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned(),
            }
        }
        Some(ty) => show(&ty, abi, &get(&ty, abi, &slots)),
    };
    for buffer in buffers {
        let end = buffer.iter().position(|byte| *byte == 0).unwrap_or(buffer.len());
        output += &format!("\n{}", String::from_utf8_lossy(&buffer[..end]));
    }
    if options.repeat.is_some() {
        output += &format!("\n{elapsed:.2} ns per call, slots written anew");
        if let Some(direct) = direct(&signature, abi, target, &values, calls) {
            output += &format!("; {direct:.2} ns for a call that the compiler made");
        } else {
            output += "; the compiler has made no call of such a signature here";
        }
        if cfg!(debug_assertions) {
            output += "\nThis is a debug build: measure with --release.";
        }
    }
    Ok(output)
}

unsafe extern "C" {
    fn fflush(stream: *mut c_void) -> c_int;
}

/// Where a signature has one of this program's own words.
#[derive(Debug, PartialEq)]
enum Place {
    Param(usize),
    Result,
}

/// The signature with `ptr` for this program's own words, and where those are.
fn parse_signature(text: &str) -> Result<(Signature, Vec<(Place, &str)>)> {
    let (mut plain, mut words) = (text.to_owned(), Vec::new());
    let (mut depth, mut param, mut in_result) = (0, 0, false);
    for range in tokens(text) {
        match &text[range.clone()] {
            "(" | "{" | "[" => depth += 1,
            ")" | "}" | "]" => depth -= 1,
            "," if depth == 1 && !in_result => param += 1,
            ">" => in_result = true,
            word @ ("cstr" | "buf") => {
                let place = if in_result { Place::Result } else { Place::Param(param) };
                if depth > 1 || in_result && word == "buf" {
                    return Err(format!("{word} at byte {}: only a parameter", range.start).into());
                }
                // Of the same length, so that positions in errors stay right.
                plain.replace_range(range.clone(), &format!("ptr{:1$}", "", range.len() - 3));
                words.push((place, word));
            }
            _ => {}
        }
    }
    Ok((plain.parse()?, words))
}

/// Names, and all other characters one by one.
fn tokens(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = &text[at..];
        let first = rest.chars().next()?;
        let len = if is_name(first) {
            rest.find(|c| !is_name(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        at += len;
        Some(at - len..at)
    })
}

/// What C makes of the backslashes in a string.
fn unescape(text: &str) -> String {
    let mut chars = text.chars();
    let mut output = String::new();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n') => output.push('\n'),
                Some('t') => output.push('\t'),
                Some('\\') | None => output.push('\\'),
                Some(other) => output.extend(['\\', other]),
            },
            _ => output.push(c),
        }
    }
    output
}

/// Whether a value is little-endian in its slot; a larger one is as in memory.
fn is_word(ty: &Type<'_>, abi: &Abi) -> bool {
    let complex = [ValType::C32, ValType::C64, ValType::CLongDouble];
    ty.scalar() == Some(ValType::V128)
        || ty.scalar().is_some_and(|ty| !complex.contains(&ty)) && ty.size(abi) <= 8
}

/// Writes a value's bytes, as memory has them, to its slots.
fn put(ty: &Type<'_>, abi: &Abi, slots: &mut [ValRaw], bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    if cfg!(target_endian = "big") && is_word(ty, abi) {
        bytes.reverse();
    }
    ValRaw::write_bytes(slots, &bytes).expect("the trampoline has asked for enough slots");
}

/// Reads them back.
fn get(ty: &Type<'_>, abi: &Abi, slots: &[ValRaw]) -> Vec<u8> {
    let mut bytes = vec![0; ty.size(abi)];
    ValRaw::read_bytes(slots, &mut bytes).expect("the trampoline has asked for enough slots");
    if cfg!(target_endian = "big") && is_word(ty, abi) {
        bytes.reverse();
    }
    bytes
}

/// Reads a value of this type from the beginning of a text, and writes its bytes.
fn parse_value(ty: &Type<'_>, abi: &Abi, text: &mut &str, bytes: &mut [u8]) -> Option<()> {
    if let Some(scalar) = ty.scalar() {
        let end = text.find([',', '}', ']']).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        *text = rest;
        return parse_scalar(scalar, word.trim(), bytes);
    }
    *text = text.trim_start();
    let close = if text.starts_with('{') { "}" } else { "]" };
    *text = text.strip_prefix(['{', '['])?;
    let fields = ty.fields_in(abi);
    // Of a union, a value gives the first member.
    let is_union = ty.to_string().contains("union {") && fields.iter().all(|(at, _)| *at == 0);
    let given = if is_union { 1.min(fields.len()) } else { fields.len() };
    for (i, (offset, field)) in fields.iter().take(given).enumerate() {
        if i > 0 {
            *text = text.trim_start().strip_prefix(',')?;
        }
        parse_value(field, abi, text, &mut bytes[*offset..][..field.size(abi)])?;
    }
    *text = text.trim_start().strip_prefix(close)?.trim_start();
    Some(())
}

/// Writes a number as memory has it.
fn parse_scalar(ty: ValType, text: &str, bytes: &mut [u8]) -> Option<()> {
    let complex = |part| {
        // The sign that begins the imaginary part is not that of an exponent.
        let text = text.strip_suffix('i')?;
        let signs = text
            .char_indices()
            .skip(1)
            .filter(|(i, c)| matches!(c, '+' | '-') && !text[..*i].ends_with(['e', 'E']));
        let (real, imaginary) = text.split_at(signs.last()?.0);
        let half = bytes.len() / 2;
        let mut both = bytes.to_vec();
        parse_scalar(part, real, &mut both[..half])?;
        parse_scalar(part, imaginary, &mut both[half..])?;
        Some(both)
    };
    let number = match ty {
        ValType::F32 => text.parse::<f32>().ok()?.to_ne_bytes().to_vec(),
        ValType::F64 => text.parse::<f64>().ok()?.to_ne_bytes().to_vec(),
        ValType::C32 => complex(ValType::F32)?,
        ValType::C64 => complex(ValType::F64)?,
        ValType::CLongDouble => complex(ValType::LongDouble)?,
        ValType::LongDouble => strtold(text, bytes.len())?,
        ValType::Bool => vec![match text {
            "true" | "1" => 1,
            "false" | "0" => 0,
            _ => return None,
        }],
        _ => {
            let bits = 8 * bytes.len() as u32;
            let number = match text.strip_prefix('-') {
                Some(digits) => {
                    let value = magnitude(digits)?;
                    (value <= 1 << (bits - 1)).then(|| value.wrapping_neg())?
                }
                None => magnitude(text).filter(|value| bits == 128 || *value >> bits == 0)?,
            };
            let all = number.to_le_bytes();
            let mut number = all[..bytes.len()].to_vec();
            if cfg!(target_endian = "big") {
                number.reverse();
            }
            number
        }
    };
    bytes.copy_from_slice(&number);
    Some(())
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

/// The text of a value, whose bytes are as memory has them.
fn show(ty: &Type<'_>, abi: &Abi, bytes: &[u8]) -> String {
    let Some(scalar) = ty.scalar() else {
        let fields = ty.fields_in(abi);
        let field = |(offset, field): &(usize, Type<'_>)| {
            show(field, abi, &bytes[*offset..][..field.size(abi)])
        };
        let fields = fields.iter().map(field).collect::<Vec<_>>().join(", ");
        return if ty.to_string().starts_with('[') {
            format!("[{fields}]")
        } else {
            format!("{{{fields}}}")
        };
    };
    // As an integer; what is larger than any is shown in another way.
    let size = bytes.len().min(16);
    let mut all = [0; 16];
    all[..size].copy_from_slice(&bytes[..size]);
    if cfg!(target_endian = "big") {
        all[..size].reverse();
    }
    let unsigned = u128::from_le_bytes(all);
    let unused = 128 - 8 * size as u32;
    let signed = (unsigned << unused) as i128 >> unused;
    let complex = |part| {
        let (real, imaginary) = bytes.split_at(bytes.len() / 2);
        let [real, imaginary] = [real, imaginary].map(|bytes| show(&Type::from(part), abi, bytes));
        let sign = if imaginary.starts_with('-') { "" } else { "+" };
        format!("{real}{sign}{imaginary}i")
    };
    let char_is_signed = ValType::Char == scalar && Abi::HOST_C.is_some_and(char_is_signed);
    match scalar {
        ValType::F32 => f32::from_bits(unsigned as u32).to_string(),
        ValType::F64 => f64::from_bits(unsigned as u64).to_string(),
        ValType::LongDouble => long_double(bytes),
        ValType::C32 => complex(ValType::F32),
        ValType::C64 => complex(ValType::F64),
        ValType::CLongDouble => complex(ValType::LongDouble),
        ValType::V128 => format!("{unsigned:#034x}"),
        ValType::Ptr | ValType::FuncRef | ValType::ExternRef => format!("{unsigned:#x}"),
        ValType::Bool => (unsigned != 0).to_string(),
        ValType::I8 | ValType::I16 | ValType::I32 | ValType::I64 | ValType::I128 => {
            signed.to_string()
        }
        ValType::Long | ValType::SSize => signed.to_string(),
        ValType::Char if char_is_signed => signed.to_string(),
        _ => unsigned.to_string(),
    }
}

/// Plain `char` is signed on x86-64 and with Apple.
fn char_is_signed(abi: &Abi) -> bool {
    abi.name().starts_with("x86_64") || abi.name().contains("apple")
}

unsafe extern "C" {
    fn strtod(text: *const c_char, end: *mut *mut c_char) -> f64;
    #[cfg(not(windows))]
    #[link_name = "strtold"]
    fn c_strtold();
    #[cfg(not(windows))]
    #[link_name = "snprintf"]
    fn c_snprintf();
}

/// A `long double`, which Rust has no type for: C reads it, called by this crate.
fn strtold(text: &str, size: usize) -> Option<Vec<u8>> {
    let text = CString::new(text).ok()?;
    let mut end = std::ptr::null_mut();
    // SAFETY: a C string, and a place for the end of the number.
    unsafe { strtod(text.as_ptr(), &mut end) };
    // SAFETY: the end is in the string, or at its end.
    if text.is_empty() || unsafe { *end } != 0 {
        return None;
    }
    #[cfg(windows)]
    return (size == 0).then(Vec::new);
    #[cfg(not(windows))]
    {
        let trampoline = CTrampoline::new(&"(ptr, ptr) -> longdouble".parse().ok()?).ok()?;
        let mut slots = vec![ValRaw::default(); trampoline.slots()];
        slots[0] = ValRaw::ptr(text.as_ptr());
        // SAFETY: that is its signature.
        unsafe { trampoline.call(c_strtold as *const c_void, &mut slots).ok()? };
        let mut bytes = vec![0; size];
        let ty = Type::from(ValType::LongDouble);
        bytes.copy_from_slice(&get(&ty, Abi::HOST_C?, &slots));
        Some(bytes)
    }
}

/// The text of a `long double`, which C prints.
fn long_double(bytes: &[u8]) -> String {
    #[cfg(not(windows))]
    {
        let abi = Abi::HOST_C.expect("a convention");
        let signature = "(ptr, size_t, ptr, ...longdouble) -> int".parse().expect("a signature");
        let trampoline = CTrampoline::new(&signature).expect("C has this");
        let mut text = [0u8; 64];
        let mut slots = vec![ValRaw::default(); trampoline.slots()];
        slots[0] = ValRaw::ptr(text.as_mut_ptr());
        slots[1] = ValRaw::from(text.len() as u64);
        slots[2] = ValRaw::ptr(c"%.18Lg".as_ptr());
        put(&Type::from(ValType::LongDouble), abi, &mut slots[trampoline.argument(3)..], bytes);
        // SAFETY: this is how C calls it.
        unsafe { trampoline.call(c_snprintf as *const c_void, &mut slots) }.expect("enough slots");
        let text = CStr::from_bytes_until_nul(&text).expect("C ends its strings");
        text.to_string_lossy().into_owned()
    }
    #[cfg(windows)]
    bytes.iter().rev().map(|byte| format!("{byte:02x}")).collect()
}

/// Nanoseconds of a call that the compiler makes, for signatures of up to three integers
/// of 64 bits, pointers or doubles.
fn direct(
    signature: &Signature,
    abi: &Abi,
    target: *const c_void,
    values: &[ValRaw],
    calls: u64,
) -> Option<f64> {
    let letter = |ty: Type<'_>| match ty.scalar()? {
        ValType::F64 => Some('f'),
        ValType::F32 => None,
        _ if is_word(&ty, abi) && ty.size(abi) == 8 => Some('i'),
        _ => None,
    };
    let params: String = signature.params().iter().map(letter).collect::<Option<_>>()?;
    let result = match signature.results().get(0) {
        None => 'v',
        Some(ty) if is_word(&ty, abi) && ty.size(abi) == 4 && ty.scalar() != Some(ValType::F32) => {
            'i'
        }
        Some(ty) => letter(ty)?,
    };
    if signature.named().is_some() {
        return None;
    }
    macro_rules! direct {
        ($($text:literal ($($ty:ident $i:literal),*);)*) => {
            match (params.as_str(), result) {
                $(
                    ($text, 'f') => direct!(@call $($ty $i),*; f64),
                    ($text, 'v') => direct!(@call $($ty $i),*; ()),
                    ($text, _) => direct!(@call $($ty $i),*; i64),
                )*
                _ => return None,
            }
        };
        (@call $($ty:ident $i:literal),*; $result:ty) => {{
            // SAFETY: the signature says so.
            let target: extern "C" fn($($ty),*) -> $result = unsafe { transmute(target) };
            let start = Instant::now();
            for _ in 0..calls {
                let _values = black_box(values);
                black_box(black_box(target)($(direct!(@$ty _values[$i])),*));
            }
            start.elapsed()
        }};
        (@f64 $slot:expr) => { $slot.get_f64() };
        (@i64 $slot:expr) => { $slot.get_i64() };
    }
    let elapsed = direct! {
        "" ();
        "i" (i64 0); "f" (f64 0);
        "ii" (i64 0, i64 1); "if" (i64 0, f64 1); "fi" (f64 0, i64 1); "ff" (f64 0, f64 1);
        "iii" (i64 0, i64 1, i64 2); "iif" (i64 0, i64 1, f64 2);
        "ifi" (i64 0, f64 1, i64 2); "iff" (i64 0, f64 1, f64 2);
        "fii" (f64 0, i64 1, i64 2); "fif" (f64 0, i64 1, f64 2);
        "ffi" (f64 0, f64 1, i64 2); "fff" (f64 0, f64 1, f64 2);
    };
    Some(elapsed.as_nanos() as f64 / calls as f64)
}

fn one_line(error: &libloading::Error) -> String {
    let cause = error.source().map_or_else(|| error.to_string(), |source| source.to_string());
    cause.lines().collect::<Vec<_>>().join(" ")
}
