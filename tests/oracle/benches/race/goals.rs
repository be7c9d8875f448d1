//! The goals that the crate has set itself, and whether it meets them.

use std::fmt::Write;

use crate::{clock::mean, growth, mixed, records::Records, structures::SCALARS};

const US: &str = "call_unchecked";
const POINTER: &str = "pointer";
const RIVAL: &str = "Cranelift";

/// A table with a line per goal.
pub fn verdicts(records: &Records) -> String {
    let mut text = String::from("| goal | measured | |\n|---|---|---|\n");
    let mut verdict = |goal: &str, holds: bool, found: String| {
        let met = if holds { "met" } else { "**not met**" };
        writeln!(text, "| {goal} | {found} | {met} |").unwrap();
    };

    let ratios: Vec<f64> =
        records.rows("single").filter_map(|row| records.ratio("single", row, US, RIVAL)).collect();
    let worst = ratios.iter().copied().fold(0.0, f64::max);
    let found = format!("{:.2}, worst {worst:.2}", mean(&ratios));
    let goal = "P1 one signature per call site, to Cranelift: geometric mean ≤ 0.80, worst ≤ 1.05";
    verdict(goal, mean(&ratios) <= 0.80 && worst <= 1.05, found);

    for (lane, limit) in [(US, 1.0), (POINTER, 1.1)] {
        let rows = records.rows("dependent");
        let ratios: Vec<f64> =
            rows.filter_map(|row| records.ratio("dependent", row, lane, RIVAL)).collect();
        let worst = ratios.iter().copied().fold(0.0, f64::max);
        verdict(
            &format!(
                "P1d dependent calls, {lane}, to Cranelift: geometric mean ≤ {limit}, none above 1.3"
            ),
            mean(&ratios) <= limit && worst <= 1.3,
            format!("{:.2}, worst {worst:.2}", mean(&ratios)),
        );
    }

    for (set, limit) in [(mixed::IN_REGISTERS, 0.75), (mixed::TYPICAL, 0.90), (mixed::OF_C, 0.90)] {
        let ratio = records.ratio("mixed", set, US, RIVAL).expect("raced");
        let goal = format!("P2 {set}, random order, to Cranelift: ≤ {limit:.2}");
        verdict(&goal, ratio <= limit, format!("{ratio:.2}"));
    }

    let slowest = records
        .rows("single")
        .filter_map(|row| records.ratio("single", row, "libffi", US))
        .fold(f64::INFINITY, f64::min);
    let goal = "P3 libffi takes ≥ 8 times as long, each signature";
    verdict(goal, slowest >= 8.0, format!("≥ {slowest:.1} times"));

    let worst = |column, worse: fn(f64, f64) -> f64, start| {
        records
            .rows("making")
            .filter_map(|row| records.get("making", row, column))
            .fold(start, worse)
    };
    let allocations = worst("allocations", f64::max, 0.0);
    let constant = records.get("making", "trampoline!", "allocations").expect("measured");
    verdict(
        "P4 making a trampoline: ≤ 1 allocation, none for a constant",
        allocations <= 1.0 && constant == 0.0,
        format!("{allocations}, {constant}"),
    );
    for (what, structures, limit) in [("scalars", false, 1.0), ("structures", true, 2.0)] {
        let rows = records.rows("making for C").filter(|row| row.contains('{') == structures);
        let ratio = |row| records.ratio("making for C", row, "CTrampoline::new", "ffi_prep_cif");
        let ratios: Vec<f64> = rows.filter_map(ratio).collect();
        let worst = ratios.iter().copied().fold(0.0, f64::max);
        verdict(
            &format!("P4 making a trampoline of {what}, to `ffi_prep_cif`: each ≤ {limit}"),
            worst <= limit,
            format!("{:.2}, worst {worst:.2}", mean(&ratios)),
        );
    }
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
        "P5 time of an added parameter, to Cranelift: ≤ 0.85; linear in instructions",
        ours / rival <= 0.85 && (halves[1] / halves[0] - 1.0).abs() < 0.05,
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
        "P6 native code calls the host, to Cranelift: geometric mean ≤ 1.0, worst ≤ 1.3",
        mean(&to_rival) <= 1.0 && worst <= 1.3,
        format!("{:.2}, worst {worst:.2}", mean(&to_rival)),
    );
    let closure = records.rows("host").filter_map(|row| {
        let time = |lane| records.get("host", row, lane);
        let values = row.matches(',').count() + 1;
        (values <= 8).then_some(time("HostFunc, closure")? - time("HostFunc")?)
    });
    let most = closure.fold(0.0, f64::max);
    verdict(
        "P6 a closure over a function, up to 8 values: each ≤ +1.5 ns",
        most <= 1.5,
        format!("≤ +{most:.1} ns"),
    );
    for (what, table, limit) in
        [("scalars", "host", 5.0), ("structures", "callbacks with structures", 3.0)]
    {
        let ratio = |row| records.ratio(table, row, "libffi closure", "Callback");
        let times: Vec<f64> = records.rows(table).filter_map(ratio).collect();
        let least = times.iter().copied().fold(f64::INFINITY, f64::min);
        verdict(
            &format!("P6 {what}: a libffi closure takes ≥ {limit} times as long as a callback"),
            least >= limit,
            format!("{:.1} times, least {least:.1}", mean(&times)),
        );
    }
    // A prototype has worked out the signature before, as `ffi_prep_cif` has for libffi's closure.
    for (lane, of, what) in [
        ("Prototype::callback", "libffi closure", "a libffi closure"),
        ("Callback::new", "ffi_prep_cif and closure", "`ffi_prep_cif` and a libffi closure"),
        ("Callback::new", "libffi closure", "a libffi closure alone"),
    ] {
        let rows = records.rows("making callbacks");
        let ratios: Vec<f64> =
            rows.filter_map(|row| records.ratio("making callbacks", row, lane, of)).collect();
        let worst = ratios.iter().copied().fold(0.0, f64::max);
        verdict(
            &format!("P6 making a callback by `{lane}`, to {what}: each < 1"),
            worst < 1.0,
            format!("{:.2}, worst {worst:.2}", mean(&ratios)),
        );
    }

    let size = |what| records.get("size", what, "bytes").expect("measured");
    let (code, descriptor) = (size("machine code"), size("descriptor"));
    verdict(
        "P7 machine code ≤ 2048 bytes, descriptor in registers ≤ 64 bytes",
        code <= 2048.0 && descriptor <= 64.0,
        format!("{code} bytes, {descriptor} bytes"),
    );

    let ratios = |lane, to| {
        let rows = records.rows("structures").filter(|row| !SCALARS.contains(row));
        rows.filter_map(|row| records.ratio("structures", row, lane, to)).collect::<Vec<_>>()
    };
    let (typed, libffi) = (ratios("CTrampoline", "direct"), ratios("libffi", "CTrampoline"));
    let most = typed.iter().copied().fold(0.0, f64::max);
    verdict(
        "P11 structures, to a typed call: each ≤ 2",
        most <= 2.0,
        format!("≤ {most:.2}, geometric mean {:.2}", mean(&typed)),
    );
    let least = libffi.iter().copied().fold(f64::INFINITY, f64::min);
    verdict(
        "P11 structures, libffi takes ≥ 5 times as long: each",
        least >= 5.0,
        format!("≥ {least:.1} times, geometric mean {:.1}", mean(&libffi)),
    );

    let over = |row| records.get("leavable calls", row, "over call");
    let most = records.rows("leavable calls").filter_map(over).fold(0.0, f64::max);
    let allocations = records
        .rows("leavable calls")
        .filter_map(|row| records.get("leavable calls' allocations", row, "call_leavable"))
        .sum::<f64>();
    verdict(
        "P13 a call that can be left, over the same call: each ≤ +2.5 ns, no allocation",
        most <= 2.5 && allocations == 0.0,
        format!("≤ +{most:.1} ns, {allocations}"),
    );

    let ratios: Vec<f64> = records
        .rows("single")
        .filter_map(|row| records.ratio("single", row, POINTER, RIVAL))
        .collect();
    let goal = "P9 a call through a pointer, to Cranelift's: geometric mean ≤ 0.90";
    verdict(goal, mean(&ratios) <= 0.90, format!("{:.2}", mean(&ratios)));
    for set in [mixed::IN_REGISTERS, mixed::TYPICAL, mixed::OF_C] {
        let ratio = records.ratio("mixed", set, POINTER, RIVAL).expect("raced");
        let goal = format!("P9 pointers, {set}, random order, to Cranelift's: ≤ 1.00");
        verdict(&goal, ratio <= 1.0, format!("{ratio:.2}"));
    }

    let cold: Vec<f64> = records
        .rows("cold")
        .filter_map(|row| Some(records.get("cold", row, US)? / records.get("cold", row, RIVAL)?))
        .collect();
    let most = cold.iter().copied().fold(0.0, f64::max);
    let goal = "P10 a call with cold caches, to Cranelift's: each ≤ 1.25";
    verdict(goal, most <= 1.25, format!("≤ {most:.2}"));

    let events = ["allocations", "atomics", "system calls"].map(|event| {
        let counts = records.rows("single").filter_map(|row| records.get(event, row, US));
        counts.sum::<f64>()
    });
    let found = format!("{}, {}, {}", events[0], events[1], events[2]);
    let goal = "P8 allocations, atomic instructions, system calls per call: 0";
    verdict(goal, events == [0.0; 3], found);
    text
}
