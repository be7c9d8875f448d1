//! Measurements by name. The process that races prints them, the one that
//! started it reads them and takes medians over all processes.

use std::{
    collections::HashMap,
    process::{Command, Stdio},
};

use crate::clock::{Times, median};

/// Prints one number.
pub fn record(table: &str, row: &str, column: &str, value: f64) {
    println!("{table}\t{row}\t{column}\t{value}");
}

/// Prints the nanoseconds of every lane, and its ratio to every other one.
pub fn record_race(table: &str, row: &str, times: &[Times]) {
    for lane in times {
        record(table, row, lane.name, lane.median());
        for other in times {
            record(table, row, &ratio(lane.name, other.name), lane.ratio(other));
        }
    }
}

/// The column of a ratio.
fn ratio(lane: &str, to: &str) -> String {
    format!("{lane} / {to}")
}

/// What was recorded by several processes.
#[derive(Default)]
pub struct Records {
    values: HashMap<[String; 3], Vec<f64>>,
    /// Tables and rows, in the order of their first record.
    rows: Vec<[String; 2]>,
}

impl Records {
    /// Runs this program again, that many times, and collects what it records.
    pub fn collect(processes: usize, arguments: &[String]) -> Records {
        let mut records = Records::default();
        let program = std::env::current_exe().expect("the path of this program");
        for process in 1..=processes {
            eprint!("\rprocess {process} of {processes} ");
            let output = Command::new(&program)
                .args(arguments)
                .stderr(Stdio::inherit())
                .output()
                .expect("this program runs");
            assert!(output.status.success(), "a race failed: {}", output.status);
            let text = String::from_utf8(output.stdout).expect("records are text");
            text.lines().for_each(|line| records.add(line));
        }
        eprintln!();
        records
    }

    fn add(&mut self, line: &str) {
        let [table, row, column, value] =
            line.split('\t').collect::<Vec<_>>().try_into().expect("a record has four fields");
        let place = [table.to_string(), row.to_string()];
        if !self.rows.contains(&place) {
            self.rows.push(place);
        }
        let key = [table, row, column].map(String::from);
        self.values.entry(key).or_default().push(value.parse().expect("a number"));
    }

    /// The rows of a table.
    pub fn rows(&self, table: &str) -> impl Iterator<Item = &str> {
        let table = table.to_string();
        self.rows.iter().filter(move |[t, _]| *t == table).map(|[_, row]| row.as_str())
    }

    /// The median over all processes.
    pub fn get(&self, table: &str, row: &str, column: &str) -> Option<f64> {
        let values = self.values.get(&[table, row, column].map(String::from))?;
        Some(median(values.iter().copied()))
    }

    /// How far from their median, in percent, this part of all ratios is at most.
    pub fn spread(&self, part: f64) -> f64 {
        let mut away: Vec<f64> = Vec::new();
        for ([.., column], values) in &self.values {
            let middle = median(values.iter().copied());
            if column.contains(" / ") {
                away.extend(values.iter().map(|value| 100.0 * (value / middle - 1.0).abs()));
            }
        }
        away.sort_by(f64::total_cmp);
        away[((away.len() - 1) as f64 * part) as usize]
    }

    /// The median over all processes of the ratio of two lanes.
    pub fn ratio(&self, table: &str, row: &str, lane: &str, to: &str) -> Option<f64> {
        self.get(table, row, &ratio(lane, to))
    }
}
