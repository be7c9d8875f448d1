//! What Rust does before and after a call, as entries of the lists:
//!
//! | entries | what |
//! |---|---|
//! | [`STEP`] each | a step: its operation, plus the logarithm of an alignment above; from; to; a size |
//! | [`PIECE`] each | a piece of a result that Rust stores: the index of its register among those of [`Returns`](super::header::Returns); its offset in the result; its size. For a result in memory: 0, 0 and its size |
//! | 1 | how many pieces there are |

/// Entries of a piece.
pub(crate) const PIECE: usize = 3;
/// Entries of a step.
pub(crate) const STEP: usize = 4;
/// The logarithm of an alignment is above this bit.
pub(crate) const ALIGN_SHIFT: u32 = 8;

/// Copies so many bytes.
pub(crate) const COPY: u16 = 0;
/// Extends the unsigned little-endian integer of this size in a slot to eight bytes.
pub(crate) const ZERO_EXTEND: u16 = 1;
/// Extends the signed little-endian integer of this size in a slot to eight bytes.
pub(crate) const SIGN_EXTEND: u16 = 2;
/// Writes this many bytes, in the machine's order, as a little-endian integer of
/// eight bytes.
pub(crate) const WORD: u16 = 3;
/// Copies so many bytes to the next place of this alignment, and writes its address.
pub(crate) const REFERENCE: u16 = 4;
/// Writes the address of the next place of this alignment and size, where the target
/// puts the result.
pub(crate) const MEMORY: u16 = 5;
