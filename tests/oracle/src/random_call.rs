//! A random call: the signature, every argument and every result.

use vmtrampoline::{Signature, ValType};

use crate::random::Random;

#[derive(Clone)]
pub struct RandomCall {
    pub params: Vec<Value>,
    pub results: Vec<Value>,
}

#[derive(Clone, Copy)]
pub struct Value {
    pub ty: ValType,
    /// A number's own bits; of a reference, which one of [`REFERENCES`].
    pub bits: u128,
}

/// How many references there are to choose from, of which number 0 is null.
pub const REFERENCES: usize = 8;

/// How many references that are not null a call has at most. Wasmtime notes each several times
/// before it collects garbage, and must not collect during some calls: see
/// [`collect_before`](crate::candidate::Candidate::collect_before).
const MOST_REFERENCES: usize = 100;

impl RandomCall {
    /// A case with at most so many parameters and results of these types.
    pub fn random(
        random: &mut Random,
        params: usize,
        results: usize,
        types: &[ValType],
    ) -> RandomCall {
        // Few types make signatures that fit in registers.
        let palette: Vec<ValType> =
            (0..=random.below(types.len())).map(|_| random.pick(types)).collect();
        let mut values = |most| {
            let count = random.below(most + 1);
            (0..count).map(|_| Value::random(random, &palette)).collect()
        };
        let mut case = RandomCall { params: values(params), results: values(results) };
        let values = case.params.iter_mut().chain(&mut case.results);
        let references = values.filter(|value| value.ty == ValType::ExternRef);
        references.skip(MOST_REFERENCES).for_each(|value| value.bits = 0);
        case
    }

    pub fn signature(&self) -> Signature {
        let types = |values: &[Value]| values.iter().map(|value| value.ty).collect::<Vec<_>>();
        Signature::new(types(&self.params), types(&self.results)).expect("within the limits")
    }

    /// The smallest case that still fails, found by leaving out values: first
    /// half of them at a time, in the end one by one.
    pub fn shrink(&self, fails: impl Fn(&RandomCall) -> bool) -> RandomCall {
        let mut smallest = self.clone();
        let mut step = self.len().div_ceil(2);
        while step > 0 {
            let mut from = 0;
            while from < smallest.len() {
                let fewer = smallest.without(from, from + step);
                if fails(&fewer) {
                    smallest = fewer;
                } else {
                    from += step;
                }
            }
            step /= 2;
        }
        smallest
    }

    fn len(&self) -> usize {
        self.params.len() + self.results.len()
    }

    /// The case without these of its values, counted through both lists.
    fn without(&self, from: usize, to: usize) -> RandomCall {
        let kept = |values: &[Value], first: usize| {
            let kept =
                values.iter().enumerate().filter(|(i, _)| !(from..to).contains(&(first + i)));
            kept.map(|(_, value)| *value).collect()
        };
        RandomCall {
            params: kept(&self.params, 0),
            results: kept(&self.results, self.params.len()),
        }
    }
}

impl Value {
    fn random(random: &mut Random, types: &[ValType]) -> Value {
        let ty = random.pick(types);
        let any = u128::from(random.word()) << 64 | u128::from(random.word());
        let bits = match ty {
            ValType::I32 => any & 0xffff_ffff,
            ValType::I64 => any & 0xffff_ffff_ffff_ffff,
            ValType::F32 => random.pick(&[any & 0xffff_ffff, SIGNALLING_F32, MINUS_ZERO_F32]),
            ValType::F64 => random.pick(&[any >> 64, SIGNALLING_F64, MINUS_ZERO_F64]),
            ValType::V128 => any,
            ValType::FuncRef | ValType::ExternRef => any % REFERENCES as u128,
            _ => unreachable!("no type of WebAssembly"),
        };
        Value { ty, bits }
    }
}

const SIGNALLING_F32: u128 = 0xffa0_0001;
const SIGNALLING_F64: u128 = 0x7ff4_0000_0000_0001;
const MINUS_ZERO_F32: u128 = 1 << 31;
const MINUS_ZERO_F64: u128 = 1 << 63;
