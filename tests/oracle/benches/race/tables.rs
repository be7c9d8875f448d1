//! Tables in Markdown.

use std::fmt::Write;

use crate::records::Records;

/// What the columns of times are called, in this order.
pub const METHODS: [&str; 7] =
    ["direct", "call_unchecked", "call", "pointer", "Cranelift", "Wasmtime", "libffi"];

/// The same in the other direction.
pub const HOST_METHODS: [&str; 6] =
    ["direct", "HostFunc", "HostFunc, closure", "Cranelift", "Callback", "libffi closure"];

/// All tables of which something was recorded.
pub fn all(records: &Records) -> String {
    let mut text = String::new();
    let mut add = |title: &str, table: &str, columns: &[&str], digits: usize| {
        if records.rows(table).next().is_some() {
            text += &heading(title);
            text += &one(records, table, columns, digits);
        }
    };
    let single =
        [&["writing alone"], &METHODS[..], &["call_unchecked / Cranelift", "pointer / Cranelift"]]
            .concat();
    add("One signature per call site, slots freshly written: ns per call", "single", &single, 2);
    add("The same: instructions per call", "instructions", &single[..8], 0);
    add(
        "One signature per call site, each call's arguments what the last one left: ns per call",
        "dependent",
        &[
            "call_unchecked",
            "pointer",
            "Cranelift",
            "call_unchecked / Cranelift",
            "pointer / Cranelift",
        ],
        2,
    );
    let host = [&HOST_METHODS[..], &["HostFunc / Cranelift"]].concat();
    add("Native code calls the host: ns per call", "host", &host, 2);
    let callbacks = ["direct", "Callback", "libffi closure", "libffi closure / Callback"];
    add("C calls back with structures: ns per call", "callbacks with structures", &callbacks, 2);
    add("`qsort` of a million elements: ns per element", "qsort", &callbacks, 0);
    add(
        "Structures by value, and two scalars, freshly written: ns per call",
        "structures",
        &[
            "writing alone",
            "direct",
            "CTrampoline",
            "libffi",
            "CTrampoline / direct",
            "libffi / CTrampoline",
        ],
        2,
    );
    add(
        "Calls that can be left, and return: ns per call",
        "leavable calls",
        &["call", "call_leavable", "sigsetjmp", "catch_unwind", "over call"],
        2,
    );
    add(
        "The same: instructions per call",
        "leavable calls' instructions",
        &["call", "call_leavable", "sigsetjmp", "catch_unwind"],
        0,
    );
    add(
        "Calls that are left: ns per call",
        "calls that are left",
        &["leave", "siglongjmp", "resume_unwind", "resume_unwind / leave"],
        0,
    );
    add(
        "64 functions at one call site, random order: ns per call",
        "mixed",
        &[
            "bare call",
            "call_unchecked",
            "pointer",
            "Cranelift",
            "call_unchecked / Cranelift",
            "pointer / Cranelift",
        ],
        2,
    );
    add(
        "Many parameters, slots written once: ns per call",
        "growth",
        &["call_unchecked", "Cranelift", "call_unchecked, instructions", "Cranelift, instructions"],
        0,
    );
    add(
        "Making a trampoline: ns",
        "making",
        &["Trampoline::new", "allocations", "Cranelift", "Cranelift / Trampoline::new"],
        0,
    );
    add(
        "Making a trampoline for C: ns",
        "making for C",
        &[
            "CTrampoline::new",
            "allocations",
            "a box alone",
            "ffi_prep_cif",
            "CTrampoline::new / ffi_prep_cif",
        ],
        0,
    );
    add(
        "Making a callback and dropping it: ns",
        "making callbacks",
        &[
            "Callback::new",
            "allocations",
            "Prototype::callback",
            "libffi closure",
            "ffi_prep_cif and closure",
            "Prototype::callback / libffi closure",
            "Callback::new / ffi_prep_cif and closure",
            "Callback::new / libffi closure",
        ],
        0,
    );
    add(
        "A call with cold caches (beyond the second level): ns",
        "cold",
        &["the clock alone", "call_unchecked", "Cranelift", "libffi"],
        0,
    );
    text
}

pub fn heading(title: &str) -> String {
    format!("\n## {title}\n\n")
}

/// The processor that all this is about.
pub fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let fact = |name: &str| {
        let of = |line: &'_ str| {
            let (key, value) = line.split_once(':')?;
            (key.trim() == name).then(|| value.trim().to_owned())
        };
        info.lines().find_map(of).unwrap_or_else(|| "unknown".into())
    };
    let [name, family, model] = ["model name", "cpu family", "model"].map(fact);
    format!("{name}, family {family} model {model}")
}

/// How the numbers came about, and how far they vary from process to process.
pub fn conditions(records: &Records) -> String {
    format!(
        "Medians over {} processes on {}; written by `cargo bench` in `tests/oracle`. Between \
         processes, half of all ratios were within {:.0} % of their median, nine of \
         ten within {:.0} %.\n",
        crate::PROCESSES,
        std::env::consts::ARCH,
        records.spread(0.5),
        records.spread(0.9),
    )
}

fn one(records: &Records, table: &str, columns: &[&str], digits: usize) -> String {
    let mut text = format!("| |{}|\n|---|{}\n", columns.join("|"), "--:|".repeat(columns.len()));
    for row in records.rows(table) {
        write!(text, "| {} |", brief(row)).unwrap();
        for column in columns {
            // Ratios near one need their decimals.
            match records.get(table, row, column) {
                None => text.push_str(" – |"),
                Some(ratio) if column.contains('/') && ratio < 10.0 => {
                    write!(text, " {ratio:.2} |").unwrap();
                }
                Some(value) => write!(text, " {value:.digits$} |").unwrap(),
            }
        }
        text.push('\n');
    }
    text
}

/// A signature with its repetitions counted: `(i32 ×8) -> i32`, `(i32 f64 ×4)`.
pub fn brief(signature: &str) -> String {
    let Some((params, rest)) = signature.strip_prefix('(').and_then(|s| s.split_once(')')) else {
        return signature.to_string();
    };
    let types: Vec<&str> = params.split(", ").collect();
    let period = (1..types.len())
        .find(|n| {
            types.len().is_multiple_of(*n) && types.chunks(*n).all(|chunk| chunk == &types[..*n])
        })
        .filter(|n| types.len() / n > 2);
    match period {
        Some(n) => format!("({} ×{}){rest}", types[..n].join(" "), types.len() / n),
        None => signature.to_string(),
    }
}
