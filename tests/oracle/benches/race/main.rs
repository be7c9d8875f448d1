//! The race.

mod clock;
mod methods;
mod mixed;
mod records;
mod single;
mod targets;

use oracle::random::fresh_seed;
use records::{Records, record_race};

/// Tells a process that it is to race and print records.
const CHILD: &str = "--child";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let wanted = |part: &str| {
        arguments.iter().any(|a| a == part) || arguments.iter().all(|a| a.starts_with("--"))
    };
    if arguments.iter().any(|a| a == CHILD) {
        if wanted("single") {
            single::run(|row, times| record_race("single", row, times));
        }
        if wanted("mixed") {
            mixed::run(fresh_seed(), |row, times| record_race("mixed", row, times));
        }
        return;
    }
    let child: Vec<String> = [CHILD.to_string()].into_iter().chain(arguments).collect();
    let records = Records::collect(7, &child);
    table(
        &records,
        "single",
        &["writing alone", "direct", "call_unchecked", "call", "Cranelift", "Wasmtime", "libffi"],
    );
    let ratios: Vec<f64> = records
        .rows("single")
        .filter_map(|row| records.ratio("single", row, "call_unchecked", "Cranelift"))
        .collect();
    println!("P1 geometric mean {:.3}", clock::mean(&ratios));
    table(&records, "mixed", &["bare call", "call_unchecked", "Cranelift"]);
}

fn table(records: &Records, table: &str, columns: &[&str]) {
    print!("{:36}", "");
    columns.iter().for_each(|c| print!("{c:>15}"));
    println!("{:>15}", "/ Cranelift");
    for row in records.rows(table) {
        let name: String = row.chars().take(36).collect();
        print!("{name:36}");
        for column in columns {
            match records.get(table, row, column) {
                Some(x) => print!("{x:15.2}"),
                None => print!("{:>15}", "-"),
            }
        }
        println!("{:15.3}", records.ratio(table, row, "call_unchecked", "Cranelift").unwrap());
    }
}
