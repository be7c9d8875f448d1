//! Tables in Markdown.

use std::fmt::Write;

use crate::records::Records;

/// What the columns of times are called, in this order.
pub const METHODS: [&str; 7] =
    ["direct", "call_unchecked", "call", "pointer", "Cranelift", "Wasmtime", "libffi"];

/// Likewise, in the other direction.
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
    let host = [&HOST_METHODS[..], &["HostFunc / Cranelift"]].concat();
    add("Native code calls the host: ns per call", "host", &host, 2);
    add(
        "64 signatures at one call site, random order: ns per call",
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

/// The machine that all this is about.
pub fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown", |(_, model)| model);
    format!(
        "Medians over {} processes on {model}, {}; written by `cargo bench` in `tests/oracle`.\n",
        crate::PROCESSES,
        std::env::consts::ARCH,
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
