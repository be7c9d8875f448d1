//! The targets that the crate has set itself, and whether it meets them.

use std::fmt::Write;

use crate::{clock::mean, growth, mixed, records::Records};

const US: &str = "call_unchecked";
const RIVAL: &str = "Cranelift";

/// A table with a line per target.
pub fn verdicts(records: &Records) -> String {
    let mut text = String::from("| target | measured | |\n|---|---|---|\n");
    let mut verdict = |target: &str, holds: bool, found: String| {
        let met = if holds { "met" } else { "**not met**" };
        writeln!(text, "| {target} | {found} | {met} |").unwrap();
    };

    let ratios: Vec<f64> =
        records.rows("single").filter_map(|row| records.ratio("single", row, US, RIVAL)).collect();
    let worst = ratios.iter().copied().fold(0.0, f64::max);
    let found = format!("{:.2}, worst {worst:.2}", mean(&ratios));
    let target =
        "P1 one signature per call site, to Cranelift: geometric mean ≤ 0.90, worst ≤ 1.15";
    verdict(target, mean(&ratios) <= 0.90 && worst <= 1.15, found);

    for (set, limit) in [(mixed::IN_REGISTERS, 0.90), (mixed::TYPICAL, 1.00)] {
        let ratio = records.ratio("mixed", set, US, RIVAL).expect("raced");
        let target = format!("P2 {set}, random order, to Cranelift: ≤ {limit:.2}");
        verdict(&target, ratio <= limit, format!("{ratio:.2}"));
    }

    let slowest = records
        .rows("single")
        .filter_map(|row| records.ratio("single", row, "libffi", US))
        .fold(f64::INFINITY, f64::min);
    let target = "P3 libffi takes ≥ 6 times as long, each signature";
    verdict(target, slowest >= 6.0, format!("≥ {slowest:.1} times"));

    let worst = |column, worse: fn(f64, f64) -> f64, start| {
        records
            .rows("making")
            .filter_map(|row| records.get("making", row, column))
            .fold(start, worse)
    };
    let time = worst("Trampoline::new", f64::max, 0.0);
    let allocations = worst("allocations", f64::max, 0.0);
    let constant = records.get("making", "trampoline!", "allocations").expect("measured");
    verdict(
        "P4 making a trampoline of up to 8 parameters: ≤ 150 ns, ≤ 1 allocation, none for a constant",
        time <= 150.0 && allocations <= 1.0 && constant == 0.0,
        format!("{time:.0} ns, {allocations}, {constant}"),
    );
    let times = worst("Cranelift / Trampoline::new", f64::min, f64::INFINITY);
    verdict("P4 Cranelift takes ≥ 500 times as long", times >= 500.0, format!("{times:.0} times"));

    let slope = |column: &str, from: usize, to: usize| {
        let at = |count: usize| records.get("growth", &count.to_string(), column).expect("raced");
        (at(to) - at(from)) / (to - from) as f64
    };
    let [least, .., middle, most] = growth::COUNTS;
    let (ours, rival) = (slope(US, least, most), slope(RIVAL, least, most));
    let instructions = growth::instructions_of(US);
    let halves = [slope(&instructions, least, middle), slope(&instructions, middle, most)];
    verdict(
        "P5 time of an added parameter, to Cranelift: ≤ 1.3; linear in instructions",
        ours / rival <= 1.3 && (halves[1] / halves[0] - 1.0).abs() < 0.05,
        format!(
            "{:.2} ({ours:.2} ns to {rival:.2} ns); {:.1} instructions each, then {:.1}",
            ours / rival,
            halves[0],
            halves[1],
        ),
    );

    let ratios = |lane, to| {
        let rows = records.rows("host");
        rows.filter_map(|row| records.ratio("host", row, lane, to)).collect::<Vec<_>>()
    };
    let to_rival = ratios("HostFunc", RIVAL);
    let worst = to_rival.iter().copied().fold(0.0, f64::max);
    verdict(
        "P6 native code calls the host, to Cranelift: geometric mean ≤ 1.10",
        mean(&to_rival) <= 1.10,
        format!("{:.2}, worst {worst:.2}", mean(&to_rival)),
    );
    let times = ratios("libffi closure", "HostFunc");
    let least = times.iter().copied().fold(f64::INFINITY, f64::min);
    verdict(
        "P6 a libffi closure takes ≥ 4 times as long: geometric mean",
        mean(&times) >= 4.0,
        format!("{:.1} times, least {least:.1}", mean(&times)),
    );

    let size = |what| records.get("size", what, "bytes").expect("measured");
    let (code, descriptor) = (size("machine code"), size("descriptor"));
    verdict(
        "P7 machine code ≤ 1536 bytes, descriptor in registers ≤ 64 bytes",
        code <= 1536.0 && descriptor <= 64.0,
        format!("{code} bytes, {descriptor} bytes"),
    );

    let events = ["allocations", "atomics", "system calls"].map(|event| {
        let counts = records.rows("single").filter_map(|row| records.get(event, row, US));
        counts.sum::<f64>()
    });
    let found = format!("{}, {}, {}", events[0], events[1], events[2]);
    let target = "P8 allocations, atomic instructions, system calls per call: 0";
    verdict(target, events == [0.0; 3], found);
    text
}
