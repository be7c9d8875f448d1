//! What the symbolic proofs assume of descriptors and scatters, in every state that encoding
//! can be in: A1 to B6, by induction over the parameters.
//!
//! An encoder keeps little from one parameter to the next: how many registers of each kind
//! are taken, whether one has a vector, how far the argument area reaches, and sums of sizes.
//! A sum moves what comes later. What depends on one otherwise are the limits, above which the
//! encoder refuses a signature, and the choice of a shape. All else is finite. So two
//! signatures are in one state here if whatever comes next goes to the same registers, or
//! equally far behind a stack that ends alike. From each state that can be reached, each kind
//! of parameter is tried as the next one; in each state, each kind of result.

mod common;

use std::collections::{HashSet, VecDeque};

use common::proof_assumptions;
use vmtrampoline::{
    Abi, Layout, Location, Signature,
    private::{Shape, describe, scatter},
};

/// A parameter for each rule by which a convention takes registers or stack.
const PARAMS: &[&str] = &[
    "i8",
    "i32",
    "i64",
    "f32",
    "f64",
    "v128",
    "i128",
    "longdouble",
    "c32",
    "c64",
    "{}",
    "{i8}",
    "{f32}",
    "{f32, i32}",
    "{i64, f64}",
    "{f64, i64}",
    "{i64, i64}",
    "{[i32; 3]}",
    "{f32, f32, f32}",
    "{f64, f64, f64, f64}",
    "{[i64; 3]}",
    "{v128, v128}",
];
const RESULTS: &[&str] = &[
    "",
    "i32",
    "f32",
    "v128",
    "longdouble",
    "c64",
    "{i64, f64}",
    "{i64, i64}",
    "(i64, i32)",
    "(v128, f32, v128)",
];
/// Its address is the first argument, or in a register of its own.
const MEMORY: &str = "{[i64; 5]}";
/// Where these go shows what is left.
const PROBES: &[&str] = &["i32", "f32", "i64", "f64", "i64", "v128"];

/// Parameters, and where the variable part begins.
#[derive(Clone)]
struct Call {
    params: Vec<&'static str>,
    named: Option<usize>,
}

impl Call {
    fn and(&self, more: &[&'static str]) -> Call {
        Call { params: [&self.params[..], more].concat(), named: self.named }
    }

    fn signature(&self, results: &str) -> Signature {
        let (named, variable) = self.params.split_at(self.named.unwrap_or(self.params.len()));
        let mut params = named.to_vec();
        let variable = format!("...{}", variable.join(", "));
        params.extend(self.named.map(|_| &*variable));
        let arrow = if results.is_empty() { "" } else { " -> " };
        format!("({}){arrow}{results}", params.join(", ")).parse().unwrap()
    }

    /// `None` if the convention does not pass this.
    fn state(&self, abi: &'static Abi, results: &str) -> Option<Vec<String>> {
        let before = Layout::new(&self.signature(results), abi).ok()?;
        let area = before.argument_area();
        // The convention may lack vectors, and a variable part has no f32.
        let passes = |probe: &&&'static str| {
            let alone = Call { params: vec![probe], named: self.named.and(Some(0)) };
            Layout::new(&alone.signature(""), abi).is_ok()
        };
        let probes: Vec<_> = PROBES.iter().filter(passes).copied().collect();
        let after = Layout::new(&self.and(&probes).signature(results), abi).unwrap();
        let pieces = after.params().iter().flat_map(|param| param.pieces());
        let vectors = before.params().iter().flat_map(|param| param.pieces());
        let vector = vectors
            .filter(|piece| matches!(piece.location, Location::Register(_)))
            .any(|piece| piece.size == 16);
        let mut state: Vec<_> = pieces
            .skip(before.params().iter().map(|param| param.pieces().len()).sum())
            .map(|piece| match piece.location {
                Location::Stack(offset) => format!("{}", i64::from(offset) - i64::from(area)),
                register => register.to_string(),
            })
            .collect();
        state.push(format!("{} {} {vector}", area % 32, self.named.is_some()));
        Some(state)
    }
}

/// Asserts it of the descriptors and the scatter of a signature. How many there are.
fn check(abi: &'static Abi, signature: &Signature) -> usize {
    let mut count = 0;
    for stride in [8, 16] {
        let made = describe(abi, signature, stride, Shape::Bare, |descriptor| {
            proof_assumptions::of_descriptor(descriptor, abi)
        });
        if let Ok(assumed) = made {
            assumed.unwrap_or_else(|missed| panic!("{}: {signature}: {missed}", abi.name()));
            count += 1;
        }
    }
    if abi.name().starts_with("x86_64-sysv") && signature.named().is_none() {
        for shape in [Shape::Bare, Shape::Variable] {
            if let Ok((words, lists, masks)) = scatter(abi, signature, shape) {
                proof_assumptions::of_scatters(&words, &lists, &masks, abi).unwrap();
                count += 1;
            }
        }
    }
    count
}

/// Every state of a convention, and how many descriptors and scatters are asked.
fn walk(abi: &'static Abi) -> (usize, usize) {
    let (mut states, mut count) = (HashSet::new(), 0);
    for (start, results) in [("", RESULTS), (MEMORY, &[MEMORY])] {
        let mut todo = VecDeque::from([Call { params: Vec::new(), named: None }]);
        while let Some(call) = todo.pop_front() {
            let mut next: Vec<_> = PARAMS.iter().map(|param| call.and(&[*param])).collect();
            if call.named.is_none() {
                next.push(Call { named: Some(call.params.len()), ..call.clone() });
            }
            for call in next {
                let Some(state) = call.state(abi, start) else { continue };
                count += check(abi, &call.signature(start));
                if states.insert((start, state)) {
                    count +=
                        results.iter().map(|some| check(abi, &call.signature(some))).sum::<usize>();
                    todo.push_back(call);
                }
            }
        }
    }
    (states.len(), count)
}

#[cfg_attr(not(target_arch = "x86_64"), ignore = "the same on every machine")]
#[test]
fn the_proofs_assumptions_hold_in_every_state() {
    for abi in Abi::ALL {
        let (states, count) = walk(abi);
        println!("{}: {states} states, {count} descriptors and scatters", abi.name());
        // There, each number of integer registers meets each number of float registers, and
        // both kinds of argument.
        let least = if abi.name() == "x86_64-sysv-c" { 2 * 7 * 9 } else { 10 };
        assert!(states >= least && count > 10 * states, "{}: {states}, {count}", abi.name());
    }
}
