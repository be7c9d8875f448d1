//! What tells a signature from all others: a key, made in one walk over the types of its values,
//! and a spelling in words where the key does not say all.

use crate::{
    Status,
    types::{FfiType, complete, kind},
};

/// Few scalars are digits, which are the signature. Of other signatures it is a hash, marked as
/// such.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Key(u64);

const DIGIT_BITS: u32 = 5;
/// With the result's and the one for what is named, as many digits as there is room for.
const MOST_PARAMS: usize = 10;
const HASH: u64 = 1 << 63;

impl Key {
    /// The key of a signature of few scalars; `None` for others, or where a size is to be filled
    /// in.
    ///
    /// # Safety
    ///
    /// As for [`complete`].
    #[inline(always)]
    pub(crate) unsafe fn of_scalars(
        named: Option<usize>,
        result: *const FfiType,
        params: &[*mut FfiType],
    ) -> Option<Key> {
        if params.len() > MOST_PARAMS {
            return None;
        }
        let add = |digits, ty: *const FfiType| {
            // SAFETY: our own condition.
            let ty = unsafe { ty.as_ref() }.filter(|ty| ty.size != 0 && ty.is_scalar())?;
            Some(digits << DIGIT_BITS | u64::from(ty.kind))
        };
        // Not 0, so that the number of digits is seen.
        let first = named.map_or(31, |named| named as u64 + 1);
        let digits = params.iter().try_fold(add(first, result)?, |digits, ty| add(digits, *ty))?;
        Some(Key(digits))
    }

    /// The key of any signature. Sizes are filled in first.
    ///
    /// # Safety
    ///
    /// As for [`complete`].
    #[inline(always)]
    pub(crate) unsafe fn new(
        named: Option<usize>,
        result: *mut FfiType,
        params: &[*mut FfiType],
    ) -> Result<Key, Status> {
        let mut hash = 0u64;
        for &ty in [result].iter().chain(params) {
            // SAFETY: our own condition.
            unsafe { complete(ty)? };
            // SAFETY: it is not null, and no other code changes it meanwhile.
            let ty = unsafe { &*ty };
            hash = hash.rotate_left(DIGIT_BITS) ^ u64::from(ty.kind) ^ (ty.size as u64) << 32;
        }
        // SAFETY: our own condition.
        let exact = unsafe { Key::of_scalars(named, result, params) };
        Ok(exact.unwrap_or(Key(hash | HASH)))
    }

    /// Whether no other signature has this key.
    #[inline(always)]
    pub(crate) fn is_exact(self) -> bool {
        self.0 & HASH == 0
    }

    /// One of so many.
    #[inline(always)]
    pub(crate) fn bucket<const COUNT: usize>(self) -> usize {
        (self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as usize % COUNT
    }
}

/// Follows the elements of a type.
const END: u64 = u64::MAX;

/// Spells a type: gives each of its words to a function, until that says false. What no signature
/// can have ends it so, too.
///
/// # Safety
///
/// As for [`complete`].
pub(crate) unsafe fn spell(ty: *mut FfiType, word: &mut impl FnMut(u64) -> bool) -> bool {
    // SAFETY: our own condition.
    if unsafe { complete(ty) }.is_err() {
        return false;
    }
    // SAFETY: it is not null, and no other code changes it meanwhile.
    let ty = unsafe { &*ty };
    if ty.kind != kind::STRUCT && ty.kind != kind::COMPLEX {
        return word(ty.kind.into());
    }
    word(u64::from(ty.alignment) << 16 | u64::from(ty.kind))
        && word(ty.size as u64)
        // SAFETY: our own condition.
        && ty.elements().all(|element| unsafe { spell(element, word) })
        && word(END)
}
