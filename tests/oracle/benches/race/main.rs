//! The race: this crate and its rivals, interleaved, in several fresh processes.
//!
//! Without arguments it runs all parts, prints tables and verdicts, and writes
//! them, one section for each processor, and a picture to the crate's `benches/`. With names
//! of parts it runs these and prints their tables.

mod allocations;
mod callbacks;
mod callees;
mod clock;
mod cold;
mod goals;
mod growth;
mod host;
mod leaving;
mod making;
mod methods;
mod mixed;
mod picture;
mod records;
mod single;
mod site;
mod size;
mod steps;
mod structures;
mod tables;

use std::{fs, hint::black_box, mem};

use oracle::fresh_seed;
use records::Records;

/// Tells a process that it is to race and print records.
const CHILD: &str = "--child";
/// How many fresh processes race: Cranelift's code is bimodal between processes.
const PROCESSES: usize = 7;

type Part = (&'static str, fn());

const PARTS: [Part; 10] = [
    ("single", single::run),
    ("mixed", || mixed::run(fresh_seed())),
    ("host", host::run),
    ("callbacks", callbacks::run),
    ("structures", structures::run),
    ("leaving", leaving::run),
    ("growth", growth::run),
    ("making", making::run),
    ("cold", cold::run),
    ("size", size::run),
];

/// The text with this section, in place of one of the same title: each processor keeps its
/// own.
fn with_section(text: &str, title: &str, section: &str) -> String {
    let others = text.split("# Race on ").skip(1).filter(|other| !other.starts_with(title));
    let mut sections: Vec<String> = others.map(|other| other.trim_end().to_owned()).collect();
    sections.insert(0, format!("{title}\n\n{}", section.trim_end()));
    sections
        .iter()
        .map(|section| format!("# Race on {section}\n\n"))
        .collect::<String>()
        .trim_end()
        .to_owned()
        + "\n"
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let named = |part: &Part| arguments.iter().any(|argument| argument == part.0);
    let all = !PARTS.iter().any(named);
    if arguments.iter().any(|argument| argument == CHILD) {
        // Some figures depend on where the heap puts things: it begins elsewhere in each process.
        mem::forget(black_box(vec![0u8; 16 * (1 + fresh_seed() as usize % 256)]));
        PARTS.iter().filter(|part| all || named(part)).for_each(|(_, run)| run());
        return;
    }

    let records = Records::collect(PROCESSES, &[vec![CHILD.into()], arguments].concat());
    let mut text = tables::all(&records);
    if all {
        let verdicts = tables::heading("Goals") + &goals::verdicts(&records);
        text = tables::conditions(&records) + &verdicts + &text;
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../benches");
        let file = format!("{folder}/race.md");
        let before = fs::read_to_string(&file).unwrap_or_default();
        let after = with_section(&before, &tables::processor(), &text);
        fs::write(file, after).expect("the folder of the results");
        fs::write(format!("{folder}/race.svg"), picture::draw(&records)).expect("the same folder");
    }
    println!("{text}");
}
