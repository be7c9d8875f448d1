//! What Rust does before and after a call, in either direction, as entries of the lists.
//! Offsets count from slot 0. A scatter has steps alone. A descriptor has this:
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
/// A step.
pub(crate) type Step = [u16; STEP];
/// The logarithm of an alignment is above this bit.
pub(crate) const ALIGN_SHIFT: u32 = 8;

// In both directions.

/// Copies so many bytes to a place that does not overlap.
pub(crate) const COPY: u16 = 0;
/// Extends the unsigned little-endian integer of this size to eight bytes. The host does so in
/// place, and the size may be 0.
pub(crate) const ZERO_EXTEND: u16 = 1;
/// Extends the signed little-endian integer of this size to eight bytes. The host does so in
/// place.
pub(crate) const SIGN_EXTEND: u16 = 2;

// Of a descriptor.

/// Writes this many bytes, in the machine's order, as a little-endian integer of
/// eight bytes.
pub(crate) const WORD: u16 = 3;
/// Copies so many bytes to the next place of this alignment, and writes its address.
pub(crate) const REFERENCE: u16 = 4;
/// Writes the address of the next place of this alignment and size, where the target
/// puts the result.
pub(crate) const MEMORY: u16 = 5;

// Of the host.

/// Copies so many bytes from where the address at `from` points.
pub(crate) const LOAD: u16 = 6;
/// Copies so many bytes from slot 0 to where the address at `to` points, and then the address
/// to slot 0.
pub(crate) const STORE: u16 = 7;
/// Reverses so many bytes at `to`.
pub(crate) const REVERSE: u16 = 8;
/// Of the eight bytes at `to`, fills those behind so many with ones.
pub(crate) const BOX: u16 = 9;
