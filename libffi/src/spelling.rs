//! A signature as words that tell it from all others, made in one walk over its types.
//!
//! A scalar is five bits, twelve to a word. A structure or complex number is its kind in such
//! bits, a word each for its alignment and size, and its elements with an end.

use crate::{
    Status,
    types::{FfiType, complete, kind},
};

/// What a spelling is made of.
pub(crate) struct Spelling {
    /// The first words; all, if they are so few.
    short: [u64; SHORT],
    /// All words, if they are more.
    long: Vec<u64>,
    len: usize,
    /// Kinds that are no word yet.
    kinds: u64,
    hash: u64,
}

const SHORT: usize = 8;
const KIND_BITS: u32 = 5;
/// Kinds in front of which there is room for no other.
const FULL: u64 = 1 << (KIND_BITS * 11);
/// Follows the elements of a type.
const END: u64 = 31;

impl Spelling {
    #[inline(always)]
    pub(crate) fn new() -> Spelling {
        Spelling { short: [0; SHORT], long: Vec::new(), len: 0, kinds: 0, hash: 0 }
    }

    /// Appends a word.
    #[inline(always)]
    pub(crate) fn word(&mut self, word: u64) {
        self.hash = (self.hash.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        if let Some(place) = self.short.get_mut(self.len) {
            *place = word;
        } else {
            if self.long.is_empty() {
                self.long.extend(self.short);
            }
            self.long.push(word);
        }
        self.len += 1;
    }

    #[inline(always)]
    fn kind(&mut self, kind: u64) {
        self.kinds = self.kinds << KIND_BITS | kind;
        if self.kinds >= FULL {
            self.flush();
        }
    }

    /// Appends what is no word yet.
    #[inline(always)]
    pub(crate) fn flush(&mut self) {
        self.word(self.kinds);
        self.kinds = 0;
    }

    /// Appends a type, whose size is filled in first.
    ///
    /// # Safety
    ///
    /// As for [`complete`].
    #[inline(always)]
    pub(crate) unsafe fn ty(&mut self, ty: *mut FfiType) -> Result<(), Status> {
        // SAFETY: our own condition.
        unsafe { complete(ty)? };
        // SAFETY: it is not null, and no other code changes it meanwhile.
        let ty = unsafe { &*ty };
        match ty.kind {
            kind::STRUCT | kind::COMPLEX => {
                // SAFETY: our own condition.
                unsafe { self.elements(ty) }
            }
            // Beyond the bits there are no kinds.
            kind if u64::from(kind) + 1 >= END => Err(Status::BadTypedef),
            // 0 would not be seen in front of others.
            kind => {
                self.kind(u64::from(kind) + 1);
                Ok(())
            }
        }
    }

    /// Appends a type that has elements.
    ///
    /// # Safety
    ///
    /// As for [`complete`].
    #[inline(never)]
    unsafe fn elements(&mut self, ty: &FfiType) -> Result<(), Status> {
        self.kind(u64::from(ty.kind) + 1);
        self.flush();
        self.word(ty.alignment.into());
        self.word(ty.size as u64);
        for element in ty.elements() {
            // SAFETY: our own condition.
            unsafe { self.ty(*element)? };
        }
        self.kind(END);
        Ok(())
    }

    #[inline(always)]
    pub(crate) fn hash(&self) -> usize {
        (self.hash >> 32) as usize
    }

    #[inline(always)]
    pub(crate) fn words(&self) -> &[u64] {
        if self.long.is_empty() { &self.short[..self.len] } else { &self.long }
    }
}
