//! Part 3: functions of random signatures, compiled by the C compiler and by
//! rustc, in both conventions.

use vmtrampoline::{ValType, private::Convention};

use crate::{
    array::{Array, compare, own},
    c::{self, Compiled},
    candidate::{Candidate, Maker},
    guest::Target,
    random::Random,
    random_call::RandomCall,
    report::Report,
    rust,
};

/// Parameters and results of the largest functions.
const PARAMS: usize = 24;
const RESULTS: usize = 8;

/// A language to write callees in.
#[derive(Clone, Copy, Debug)]
enum Language {
    C,
    Rust,
}

/// Makers of a candidate for either convention.
pub struct Makers<'a> {
    pub vm: &'a Maker,
    pub c: &'a Maker,
}

/// Compiles and calls `count` functions per language and convention.
pub fn run(makers: &Makers, seed: u64, count: usize) -> Report {
    let mut report = Report::new("C and Rust callees");
    report.note(format!("{count} signatures per language and convention"));
    let mut random = Random::new(seed);
    for language in [Language::C, Language::Rust] {
        for (convention, make, results) in
            [(Convention::Vm, makers.vm, RESULTS), (Convention::C, makers.c, 1)]
        {
            let draw = |_| RandomCall::random(&mut random, PARAMS, results, &ValType::WASM);
            let cases: Vec<RandomCall> = (0..count).map(draw).collect();
            let callees = Callees::compile(language, convention, &cases);
            for (i, case) in cases.iter().enumerate() {
                let outcome = callees.judge(i, case, &make(&case.signature()));
                report.check(outcome.is_ok(), || {
                    let alone =
                        |case: &RandomCall| {
                            Callees::compile(language, convention, std::slice::from_ref(case))
                                .judge(0, case, &make(&case.signature()))
                        };
                    let smallest = case.shrink(|case| alone(case).is_err());
                    let wrong = alone(&smallest).err().unwrap_or("fails in company only".into());
                    let signature = smallest.signature();
                    format!("{language:?}, {convention:?} convention, {signature}: {wrong}")
                });
            }
        }
    }
    report
}

/// A library of functions that tell what they were given.
struct Callees {
    library: Compiled,
    convention: Convention,
}

impl Callees {
    fn compile(language: Language, convention: Convention, cases: &[RandomCall]) -> Callees {
        let callee = match language {
            Language::C => c::callee,
            Language::Rust => rust::callee,
        };
        let cases = cases.iter().enumerate();
        let functions: Vec<String> =
            cases.map(|(i, case)| callee(i, convention, &case.signature())).collect();
        let library = match language {
            Language::C => Compiled::new("callees", &functions),
            Language::Rust => rust::compile(&functions),
        };
        Callees { library, convention }
    }

    fn judge(&self, index: usize, case: &RandomCall, candidate: &Candidate) -> Result<(), String> {
        *self.library.values("arguments") = [[0xa5; 16]; 100];
        for (to, result) in self.library.values("results").iter_mut().zip(&case.results) {
            *to = result.bits.to_le_bytes();
        }
        let arguments: Vec<u128> = case.params.iter().map(|value| value.bits).collect();
        let results: Vec<u128> = case.results.iter().map(|value| value.bits).collect();
        let contexts = [0x1111_2222_3333_4444_usize, 0x5555_6666_7777_8888];
        let target = Target {
            callee: contexts[0] as *mut _,
            caller: contexts[1] as *mut _,
            code: self.library.address(&format!("f{index}")),
        };
        let mut array = Array::new(&candidate.signature, &arguments, index as u64);
        // SAFETY: the function was written for this signature and convention; it
        // writes to its own library only.
        let kept = unsafe { candidate.call(target, &mut array.slots) }.kept;

        let mut given = self.library.values("arguments").iter().copied().map(u128::from_le_bytes);
        if self.convention == Convention::Vm {
            let found: Vec<u128> =
                given.by_ref().take(2).map(|value| value & u128::from(u64::MAX)).collect();
            compare("context", &contexts.map(|context| context as u128), &found)?;
        }
        let found: Vec<u128> =
            case.params.iter().zip(given).map(|(value, found)| found & own(value.ty)).collect();
        compare("parameter", &arguments, &found)?;
        array.check(&candidate.signature, &results)?;
        if kept { Ok(()) } else { Err("a callee-saved register was lost".into()) }
    }
}
