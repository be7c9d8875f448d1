//! Calls that together take every path through every body.

use vmtrampoline::private::Convention;

use super::{
    case::{Case, EitherTrampoline, Route, signature},
    port::Largest,
};

const SIGNATURES: [&str; 22] = [
    "()",
    "() -> i32",
    "(i32) -> i64",
    "(f32) -> f64",
    "(f64) -> f64",
    "(f32, f32, f32, f32) -> f32",
    "(f64, f64, f64, f64) -> i64",
    "(f32, f32, f32, f32, f64, f64, f64, f64) -> f64",
    "(f32, f32, f32, f32, f64) -> i64",
    "(f64, f64, f64, f64, f64, f64, f64, f64) -> f64",
    "(i32, i64, i32, i64, i32, i64, i32) -> i64",
    "(i64, i64, i64, i64, i64, i64, i64, i64, i64) -> v128",
    "(f32, v128) -> f32",
    "(f32, v128, f32, f32, f32) -> f32",
    "(v128) -> v128",
    "(f32, f32, f32, f32, f32) -> (i32, v128, i32, v128, i64)",
    "(i64) -> (f32, v128, f32)",
    "(i64, i64) -> (i32, i32)",
    "(i64, i64, i64) -> (f32, i64)",
    "(i64, i64, i64, i64) -> (i32, v128)",
    "(i64, i64, i64, i64, i64) -> (i64, i32)",
    "(i64, i64, i64, i64, i64, i64) -> (i32, v128)",
];

/// Signatures that together take every path through every entry of the host.
pub(crate) const HOST_SIGNATURES: [&str; 18] = [
    "()",
    "(i32, i32) -> i32",
    "(i64, i64, i64) -> f64",
    "(i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64) -> i64",
    "(f32) -> f32",
    "(f32, v128, f64, f32)",
    "(f32, f32, f32, f32, f32, f32, f32, f32) -> f64",
    "(f64, i32) -> f64",
    "(i64, i64, i64, f32) -> i32",
    "(i64, f32, f32, f32) -> i32",
    "(f32, f32, f32, f32, f32, f32, f32, f32, f32) -> f64",
    "(i64, v128) -> v128",
    "(i64, i64) -> (i64, i64)",
    "(i64) -> (f32, v128, f32)",
    "(i64, f64, v128) -> (v128, f32, i64, v128, i32)",
    "(i64, i64, i64, i64, i64, i64, i64) -> (i32, i64)",
    "(i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64) -> i64",
    "(v128, v128, v128, v128, v128, v128, v128, v128, v128, v128, i32, i32, i32, i32, i32, i32, i64)",
];

/// A return area of more than a page, whatever becomes of a v128.
pub(crate) fn wide() -> String {
    format!("() -> (i32{})", ", v128".repeat(4800 / size_of::<Largest>()))
}

/// Makes the calls of plain C that take every path through what only plain C needs.
pub(crate) fn every_hidden_path() -> Result<(), String> {
    #[cfg(all(
        not(vmtrampoline_windows),
        any(target_arch = "x86_64", all(target_arch = "aarch64", not(target_vendor = "apple")))
    ))]
    for text in super::hidden::SIGNATURES {
        super::hidden::check_once(text)?;
    }
    Ok(())
}

/// Hands over these calls, by every body and function pointer that can make them.
pub(crate) fn every_path(mut take: impl FnMut(&Case, &EitherTrampoline, Route)) {
    // From one stack word to as many as `fixed` takes, whatever a word is.
    let integers = [(7, ""), (10, " -> i64"), (12, ""), (14, " -> i64")];
    let integers =
        integers.map(|(n, results)| format!("({}){results}", ["i64"; 14][..n].join(", ")));
    let wide = wide();
    for text in SIGNATURES.into_iter().chain(integers.iter().map(|text| &**text)).chain([&*wide]) {
        for convention in [Convention::Vm, Convention::C] {
            let signature = signature(convention, text);
            if convention == Convention::C && signature.results().len() > 1 {
                continue;
            }
            let case = Case::new(convention, signature, 1);
            for trampoline in EitherTrampoline::all(convention, &case.signature) {
                take(&case, &trampoline, Route::Body);
                if let EitherTrampoline::Vm(vm) = &trampoline {
                    take(&case, &trampoline, Route::Pointer(vm.pointer().unwrap()));
                }
            }
        }
    }
}
