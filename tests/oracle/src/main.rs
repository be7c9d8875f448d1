//! Runs all that judges the crate, then shows that the judges can see.

use std::process::ExitCode;

use oracle::{
    compilers::{self, Makers},
    differential,
    random::fresh_seed,
    report::Report,
    spec,
    subject::{Lie, Subject},
};
use vmtrampoline::Signature;

/// How many signatures to draw.
struct Size {
    differential: usize,
    compilers: usize,
}

const FULL: Size = Size { differential: 20_000, compilers: 500 };
const QUICK: Size = Size { differential: 2_000, compilers: 100 };
/// Enough for a lie to show.
const CONTROL: Size = Size { differential: 100, compilers: 20 };

/// Judges this crate, or what it becomes by a lie.
type Judge = fn(Option<Lie>, u64, &Size) -> Report;

const JUDGES: [Judge; 3] = [by_spec_suite, by_differential, by_compilers];

fn by_spec_suite(lie: Option<Lie>, _: u64, _: &Size) -> Report {
    spec::run(&move |signature: &Signature| Subject::vm(signature).lying(lie))
}

fn by_differential(lie: Option<Lie>, seed: u64, size: &Size) -> Report {
    let make = move |signature: &Signature| Subject::vm(signature).lying(lie);
    differential::run(&make, seed, size.differential)
}

fn by_compilers(lie: Option<Lie>, seed: u64, size: &Size) -> Report {
    let vm = move |signature: &Signature| Subject::vm(signature).lying(lie);
    let c = move |signature: &Signature| Subject::c(signature).lying(lie);
    compilers::run(&Makers { vm: &vm, c: &c }, seed, size.compilers)
}

/// Every lie must be caught by every judge.
fn controls(seed: u64) -> Report {
    let mut report = Report::new("Negative controls");
    for lie in Lie::ALL {
        for judge in JUDGES {
            let verdict = judge(Some(lie), seed, &CONTROL);
            println!("    {lie:?}, {}: {}", verdict.name, verdict.first_failure().unwrap_or("-"));
            report.check(verdict.failed > 0, || format!("{lie:?} passes as {}", verdict.name));
        }
    }
    report
}

fn main() -> ExitCode {
    let Some((size, seed)) = arguments() else {
        eprintln!("usage: oracle [--quick] [--seed HEX]");
        return ExitCode::FAILURE;
    };
    println!("seed {seed:x}");

    let mut passed = 0;
    let mut failed = 0;
    let mut add = |report: Report| {
        println!("{report}");
        passed += report.passed;
        failed += report.failed;
    };
    add(differential::rivals_are_genuine(seed));
    for judge in JUDGES {
        add(judge(None, seed, &size));
    }
    add(controls(seed));
    println!("{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn arguments() -> Option<(Size, u64)> {
    let (mut size, mut seed) = (FULL, fresh_seed());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => size = QUICK,
            "--seed" => seed = u64::from_str_radix(&arguments.next()?, 16).ok()?,
            _ => return None,
        }
    }
    Some((size, seed))
}
