//! Value slots with arguments, and what a call may do to them.

use vmtrampoline::{Signature, ValRaw, ValType};

use crate::{random::Random, scalars};

/// The slots of one call. What is not a value's own is noise.
pub struct Array {
    pub slots: Vec<ValRaw>,
    before: Vec<u128>,
}

impl Array {
    /// Slots with these arguments, given as their own bits.
    pub fn new(signature: &Signature, arguments: &[u128], seed: u64) -> Array {
        let mut random = Random::new(seed);
        let mut before: Vec<u128> = (0..scalars::slots(signature))
            .map(|_| u128::from(random.word()) << 64 | u128::from(random.word()))
            .collect();
        let types = scalars::params(signature);
        for ((slot, ty), argument) in before.iter_mut().zip(types).zip(arguments) {
            *slot = *slot & !own(ty) | argument;
        }
        Array { slots: before.iter().map(|bits| ValRaw::v128(*bits)).collect(), before }
    }

    /// Whether the slots hold these results after the call, and otherwise what
    /// they held before. A scalar result may be extended to 8 bytes.
    pub fn check(&self, signature: &Signature, results: &[u128]) -> Result<(), String> {
        let after: Vec<u128> = self.slots.iter().map(|slot| slot.get_v128()).collect();
        let types = scalars::results(signature);
        let found: Vec<u128> = types.iter().zip(&after).map(|(ty, bits)| bits & own(*ty)).collect();
        compare("result", results, &found)?;
        for (i, (before, after)) in self.before.iter().zip(&after).enumerate() {
            let written = match types.get(i) {
                None => 0,
                Some(ValType::V128) => u128::MAX,
                Some(_) => u128::from(u64::MAX),
            };
            if (before ^ after) & !written != 0 {
                return Err(format!("slot {i} was {before:#x}, has become {after:#x}"));
            }
        }
        Ok(())
    }
}

/// Compares values one by one; `what` they are is for the message.
pub fn compare(what: &str, expected: &[u128], found: &[u128]) -> Result<(), String> {
    assert_eq!(expected.len(), found.len(), "{what}s");
    match expected.iter().zip(found).position(|(expected, found)| expected != found) {
        None => Ok(()),
        Some(i) => Err(format!("{what} {i} should be {:#x}, is {:#x}", expected[i], found[i])),
    }
}

/// The bits of a slot that a value of this type occupies.
pub fn own(ty: ValType) -> u128 {
    u128::MAX >> (128 - 8 * scalars::size(ty))
}
