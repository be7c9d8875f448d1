//! 64 functions at one call site, in an order that does not repeat.

use std::{collections::HashSet, iter};

use oracle::{cranelift::Compiled, guest::Target, random::Random};
use vmtrampoline::{Signature, Trampoline, ValRaw, ValType};

use crate::{
    callees,
    clock::{Lane, Times, race},
    methods::{Bare, Method, Pointer, Unchecked},
    records::record_race,
};

/// How many functions share the call site.
const FUNCTIONS: usize = 64;
/// Calls per lane and round; every round goes through the whole order.
const CALLS: usize = 1 << 20;
const ROUNDS: usize = 9;
/// The signatures are the same in every run.
const SEED: u64 = 8;

/// The sets of functions. In the first two, each has a signature of its own.
pub const IN_REGISTERS: &str = "64 in registers, <= 1 result";
pub const TYPICAL: &str = "64 typical";
pub const OF_C: &str = "64 as C libraries have";

/// What functions of C libraries take and return.
const PROTOTYPES: &str = include_str!("../../../data/prototypes.txt");

pub fn run(seed: u64) {
    record_race("mixed", IN_REGISTERS, &set(seed, &signatures(in_registers)));
    record_race("mixed", TYPICAL, &set(seed, &signatures(typical)));
    record_race("mixed", OF_C, &set(seed, &of_c()));
}

/// Races calls of functions that have these signatures.
fn set(seed: u64, signatures: &[Signature]) -> Vec<Times> {
    let (store, funcs) = callees::instantiate(signatures);
    let targets: Vec<Target> = funcs.iter().map(|func| Target::of(func, &store)).collect();
    let compiled = Compiled::new(signatures);
    let trampolines: Vec<Trampoline> =
        signatures.iter().map(|s| Trampoline::new(s).expect("a supported target")).collect();
    let thunks = trampolines.iter().map(|t| t.pointer().expect("a thunk is left"));
    let thunks: Vec<_> = thunks.zip(&targets).map(|(p, target)| Pointer(p, *target)).collect();

    let mut random = Random::new(seed);
    let order: Vec<u8> = (0..CALLS).map(|_| random.below(FUNCTIONS) as u8).collect();
    // A runtime has one for each signature.
    let index = |signature| signatures.iter().position(|other| other == signature);
    let pointers = signatures.iter().map(|s| compiled.trampoline(index(s).expect("compiled")));
    let both = |(trampoline, target): (Trampoline, &Target)| Unchecked(trampoline, *target);
    let mut lanes = [
        lane("bare call", &order, targets.iter().map(|target| Bare::new(*target))),
        lane("call_unchecked", &order, trampolines.into_iter().zip(&targets).map(both)),
        lane("pointer", &order, thunks.into_iter()),
        lane("Cranelift", &order, pointers.zip(&targets).map(|(p, target)| Pointer(p, *target))),
    ];
    race(&mut lanes, ROUNDS, CALLS)
}

/// The call site: the first four slots are freshly written, the others are old.
fn lane<'a, M: Method + 'a>(
    name: &'static str,
    order: &'a [u8],
    methods: impl Iterator<Item = M>,
) -> Lane<'a> {
    let mut methods: Vec<M> = methods.collect();
    let mut slots = [ValRaw::i64(0); 16];
    Lane::new(name, move |calls| {
        let slots = slots.as_mut_ptr();
        for (call, next) in order.iter().enumerate().take(calls) {
            for i in 0..4 {
                // SAFETY: there are 16 slots.
                unsafe { slots.add(i).cast::<usize>().write(call) };
            }
            // SAFETY: no signature needs more than 16 slots.
            unsafe { methods[*next as usize].call(slots) };
        }
    })
}

/// Different signatures from this source.
fn signatures(draw: fn(&mut Random) -> Signature) -> Vec<Signature> {
    let mut random = Random::new(SEED);
    let mut seen = HashSet::new();
    iter::repeat_with(|| draw(&mut random))
        .filter(|signature| seen.insert(signature.clone()))
        .take(FUNCTIONS)
        .collect()
}

/// All arguments in registers and at most one scalar result.
fn in_registers(random: &mut Random) -> Signature {
    use ValType::*;
    let integers = random.below(5);
    let floats = random.below(5);
    let mut params: Vec<ValType> = Vec::new();
    params.extend((0..integers).map(|_| random.pick(&[I32, I32, I64])));
    for _ in 0..floats {
        params.insert(random.below(params.len() + 1), random.pick(&[F32, F64, F64]));
    }
    let results = [I32, I32, I64, F64].map(Some).into_iter().chain([None]).collect::<Vec<_>>();
    Signature::new(params, random.pick(&results)).unwrap()
}

/// Mostly integers, few parameters, seldom more than one result.
fn typical(random: &mut Random) -> Signature {
    use ValType::*;
    const TYPES: [ValType; 10] = [I32, I32, I32, I32, I32, I64, I64, F32, F64, F64];
    let params = random.pick(&[0, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 5, 6, 7, 8]);
    let results = random.pick(&[0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2]);
    let mut types = |count| (0..count).map(|_| random.pick(&TYPES)).collect::<Vec<_>>();
    Signature::new(types(params), types(results)).unwrap()
}

/// Drawn by how many functions have the prototype, so that some have the same.
fn of_c() -> Vec<Signature> {
    let lines = PROTOTYPES.lines().filter(|line| !line.starts_with('#'));
    let functions: Vec<(&str, &str)> = lines
        .flat_map(|line| {
            let (count, types) = line.split_once(' ').expect("two columns");
            let prototype = types.split_once('>').expect("a result");
            iter::repeat_n(prototype, count.parse().expect("a number"))
        })
        .filter(|(params, _)| params.len() <= 10) // `Bare` passes ten arguments
        .collect();
    let mut random = Random::new(SEED);
    let mut draw = || {
        let (params, result) = random.pick(&functions);
        let [params, result] = [params, result].map(|types| types.chars().filter_map(scalar));
        Signature::new(params, result).unwrap()
    };
    (0..FUNCTIONS).map(|_| draw()).collect()
}

/// The type that a letter of a prototype stands for.
fn scalar(letter: char) -> Option<ValType> {
    match letter {
        'i' => Some(ValType::I32),
        'l' | 'p' => Some(ValType::I64),
        'f' => Some(ValType::F32),
        'd' => Some(ValType::F64),
        _ => None,
    }
}
