//! Entries of the lists that descriptors and scatters have.

use super::constants::constant;
use crate::{abi::Stack, types::Operand};

const SPILL_4: u16 = constant("SPILL_4") as u16;
const SPILL_8: u16 = constant("SPILL_8") as u16;
const SPILL_16: u16 = constant("SPILL_16") as u16;

/// The spill of a result at this offset in the return area.
pub(super) const fn spill(offset: u32, Operand { measure, .. }: &Operand) -> u16 {
    let width = match measure.size {
        4 => SPILL_4,
        8 => SPILL_8,
        _ => SPILL_16,
    };
    offset as u16 | width
}

/// How many stack words a value of this size takes.
pub(super) const fn words(stack: &Stack, size: u32) -> u32 {
    stack.words(size + stack.slot - 1)
}

/// Which bytes of the value are in its stack word of this index, of so many.
pub(super) const fn word(stack: &Stack, index: u32, words: u32) -> u32 {
    stack.slot * if stack.big_endian { words - 1 - index } else { index }
}
