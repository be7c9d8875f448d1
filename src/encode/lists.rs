//! Entries of the lists that descriptors and scatters have.

use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};

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

/// Entries for the lists of most scatters.
const ROOM: usize = 16;

/// Lists that grow. They take no allocation while their entries are few.
#[derive(Clone, Debug)]
pub(crate) struct Lists {
    len: usize,
    few: [u16; ROOM],
    /// All entries, if these are more.
    many: Vec<u16>,
}

impl Lists {
    pub(crate) const EMPTY: Lists = Lists { len: 0, few: [0; ROOM], many: Vec::new() };

    /// Appends this entry until there are `len`; there are no more yet.
    pub(super) fn grow(&mut self, len: usize, entry: u16) {
        if len <= ROOM {
            self.few[self.len..len].fill(entry);
        } else {
            if self.len <= ROOM {
                self.many.extend_from_slice(&self.few[..self.len]);
            }
            self.many.resize(len, entry);
        }
        self.len = len;
    }

    /// Appends these entries.
    #[inline(never)] // rarely called, from several places
    pub(super) fn extend(&mut self, entries: &[u16]) {
        let start = self.len;
        self.grow(start + entries.len(), 0);
        self[start..].copy_from_slice(entries);
    }
}

impl Deref for Lists {
    type Target = [u16];

    fn deref(&self) -> &[u16] {
        self.few.get(..self.len).unwrap_or(&self.many)
    }
}

impl DerefMut for Lists {
    fn deref_mut(&mut self) -> &mut [u16] {
        self.few.get_mut(..self.len).unwrap_or(&mut self.many)
    }
}
