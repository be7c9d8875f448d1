//! Runs all that judges the crate, then shows that the judges can see.

use std::{env, process::ExitCode};

use oracle::{
    candidate::{Candidate, Lie, Position},
    compilers::{self, Makers},
    differential, fresh_seed, imports, pointers,
    report::Report,
    spec,
};
use vmtrampoline::Signature;

/// How many signatures to draw.
struct Size {
    differential: usize,
    /// Each takes a thunk, of which there are 4096.
    pointers: usize,
    compilers: usize,
    imports: usize,
}

const FULL: Size = Size { differential: 20_000, pointers: 2_500, compilers: 500, imports: 5_000 };
const QUICK: Size = Size { differential: 2_000, pointers: 500, compilers: 100, imports: 500 };
/// Enough for a lie to show.
const CONTROL: Size = Size { differential: 100, pointers: 100, compilers: 20, imports: 50 };

/// Judges this crate, or what it becomes by a lie.
type Judge = fn(Option<Lie>, u64, &Size) -> Report;

const JUDGES: [Judge; 8] = [
    by_spec_suite,
    by_spec_suite_left,
    by_differential,
    by_compilers,
    by_descents,
    by_spec_suite_inner,
    by_differential_inner,
    by_differential_outer,
];

fn by_spec_suite(lie: Option<Lie>, _: u64, _: &Size) -> Report {
    spec::run(&move |signature: &Signature| Candidate::vm(signature).lying(lie))
}

fn by_spec_suite_left(lie: Option<Lie>, _: u64, _: &Size) -> Report {
    let make = move |signature: &Signature| Candidate::leavable(signature).lying(lie);
    spec::run(&make).of("Spec suite, traps leave")
}

fn by_differential(lie: Option<Lie>, seed: u64, size: &Size) -> Report {
    let make = move |signature: &Signature| Candidate::vm(signature).lying(lie);
    differential::run(&make, seed, size.differential)
}

fn by_compilers(lie: Option<Lie>, seed: u64, size: &Size) -> Report {
    let vm = move |signature: &Signature| Candidate::vm(signature).lying(lie);
    let c = move |signature: &Signature| Candidate::c(signature).lying(lie);
    compilers::run(&Makers { vm: &vm, c: &c }, seed, size.compilers)
}

fn by_descents(lie: Option<Lie>, _: u64, _: &Size) -> Report {
    pointers::run(lie)
}

fn by_spec_suite_inner(lie: Option<Lie>, _: u64, _: &Size) -> Report {
    let make = move |signature: &Signature| Candidate::made(signature, Position::Inner).lying(lie);
    spec::run(&make).of("Spec suite, inner pointers")
}

fn by_differential_inner(lie: Option<Lie>, seed: u64, size: &Size) -> Report {
    let make = move |signature: &Signature| Candidate::made(signature, Position::Inner).lying(lie);
    differential::run(&make, seed, size.pointers).of("Random differential, inner pointers")
}

fn by_differential_outer(lie: Option<Lie>, seed: u64, size: &Size) -> Report {
    let make = move |signature: &Signature| Candidate::made(signature, Position::Outer).lying(lie);
    differential::run(&make, seed, size.pointers).of("Random differential, outer pointers")
}

fn by_imports(lie: Option<Lie>, seed: u64, size: &Size) -> Report {
    imports::run(lie, seed, size.imports)
}

/// Every judge must catch every lie. (Imports are not asked about a lost register, which
/// `tests/host.rs` judges: WebAssembly may have no use for it. Only calls that traps leave are
/// asked about a wrong trap.)
fn controls(seed: u64) -> Report {
    let mut report = Report::new("Negative controls");
    let mut control = |lie, judge: Judge| {
        let verdict = judge(Some(lie), seed, &CONTROL);
        println!("    {lie:?}, {}: {}", verdict.name, verdict.first_failure().unwrap_or("-"));
        report.check(verdict.failed > 0, || format!("{lie:?} passes as {}", verdict.name));
    };
    for lie in Lie::ALL {
        let values = (lie != Lie::LosesRegister).then_some(by_imports as Judge);
        for judge in JUDGES.into_iter().chain(values) {
            control(lie, judge);
        }
    }
    control(Lie::MistakesTraps, by_spec_suite_left);
    report
}

fn main() -> ExitCode {
    if let Some(pointers::WITH_RECORD | pointers::WITHOUT_RECORD) = env::args().nth(1).as_deref() {
        pointers::trap_below(&env::args().nth(1).expect("we have just seen it"));
        return ExitCode::SUCCESS;
    }
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
    add(by_imports(None, seed, &size));
    add(pointers::record_control());
    add(controls(seed));
    println!("{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn arguments() -> Option<(Size, u64)> {
    let (mut size, mut seed) = (FULL, fresh_seed());
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => size = QUICK,
            "--seed" => seed = u64::from_str_radix(&arguments.next()?, 16).ok()?,
            _ => return None,
        }
    }
    Some((size, seed))
}
