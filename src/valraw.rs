//! The value slot.

use core::fmt;

use static_assertions::{assert_impl_all, const_assert_eq};

use crate::error::Error;

/// One value slot: 16 bytes that hold a value of any type, untagged.
///
/// A value begins at byte 0 and is little-endian on every architecture, as in Wasmtime's
/// type of this name. A slot is aligned to 8 wherever there are trampolines, so it can be a field
/// of a C structure, or a place on an interpreter's stack. A getter reads only the bytes of its
/// type. The constructors zero-extend smaller values to eight bytes, so that a call can
/// read all eight cheaply.
///
/// A larger value of C takes several slots, from byte 0 of the first one on, and lies there
/// as it lies in memory. [`write_bytes`](ValRaw::write_bytes) writes such a value,
/// [`read_bytes`](ValRaw::read_bytes) reads it.
///
/// ```
/// use vmtrampoline::ValRaw;
/// assert_eq!(ValRaw::i32(-1).get_i32(), -1);
/// assert_eq!(ValRaw::i32(-1).get_u64(), 0xffff_ffff);
/// assert_eq!(ValRaw::i8(-1).get_i8(), -1);
/// assert_eq!(ValRaw::f64(2.5).get_f64(), 2.5);
/// assert_eq!(ValRaw::v128(7 << 64).get_v128(), 7 << 64);
///
/// let mut slots = [ValRaw::default(); 2];
/// ValRaw::write_bytes(&mut slots, &[1; 24])?;
/// let mut bytes = [0; 24];
/// ValRaw::read_bytes(&slots, &mut bytes)?;
/// assert_eq!(bytes, [1; 24]);
/// # Ok::<(), vmtrampoline::Error>(())
/// ```
// Two words rather than a union: every bit pattern is every type, so all of
// this is safe code.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct ValRaw {
    /// Bytes 0..8, then bytes 8..16; each stored little-endian.
    words: [u64; 2],
}

const_assert_eq!(size_of::<ValRaw>(), 16);
const_assert_eq!(align_of::<ValRaw>(), align_of::<u64>());
assert_impl_all!(ValRaw: Copy, Send, Sync);

impl ValRaw {
    /// A 32-bit integer, zero-extended.
    #[inline]
    pub const fn i32(value: i32) -> ValRaw {
        ValRaw::u32(value as u32)
    }

    /// A 32-bit integer, zero-extended.
    #[inline]
    pub const fn u32(value: u32) -> ValRaw {
        ValRaw::u64(value as u64)
    }

    /// A 64-bit integer.
    #[inline]
    pub const fn i64(value: i64) -> ValRaw {
        ValRaw::u64(value as u64)
    }

    /// A 64-bit integer.
    #[inline]
    pub const fn u64(value: u64) -> ValRaw {
        ValRaw { words: [value.to_le(), 0] }
    }

    /// A 32-bit float, zero-extended. Rust may change the payload of a NaN on the way;
    /// [`f32_bits`](Self::f32_bits) keeps it.
    #[inline]
    pub const fn f32(value: f32) -> ValRaw {
        ValRaw::f32_bits(value.to_bits())
    }

    /// A 64-bit float.
    #[inline]
    pub const fn f64(value: f64) -> ValRaw {
        ValRaw::f64_bits(value.to_bits())
    }

    /// A 32-bit float, given as its bits, zero-extended.
    #[inline]
    pub const fn f32_bits(bits: u32) -> ValRaw {
        ValRaw::u32(bits)
    }

    /// A 64-bit float, given as its bits.
    #[inline]
    pub const fn f64_bits(bits: u64) -> ValRaw {
        ValRaw::u64(bits)
    }

    /// A `bool`.
    #[inline]
    pub const fn bool(value: bool) -> ValRaw {
        ValRaw::u64(value as u64)
    }

    /// An 8-bit integer, zero-extended.
    #[inline]
    pub const fn i8(value: i8) -> ValRaw {
        ValRaw::u8(value as u8)
    }

    /// An 8-bit integer, zero-extended.
    #[inline]
    pub const fn u8(value: u8) -> ValRaw {
        ValRaw::u64(value as u64)
    }

    /// A 16-bit integer, zero-extended.
    #[inline]
    pub const fn i16(value: i16) -> ValRaw {
        ValRaw::u16(value as u16)
    }

    /// A 16-bit integer, zero-extended.
    #[inline]
    pub const fn u16(value: u16) -> ValRaw {
        ValRaw::u64(value as u64)
    }

    /// A pointer. Its provenance is exposed, so C may use it.
    #[inline]
    pub fn ptr<T: ?Sized>(value: *const T) -> ValRaw {
        ValRaw::u64(value.cast::<()>().expose_provenance() as u64)
    }

    /// A 128-bit vector; lane 0 is in the least significant bits.
    #[inline]
    pub const fn v128(value: u128) -> ValRaw {
        ValRaw { words: [(value as u64).to_le(), ((value >> 64) as u64).to_le()] }
    }

    /// A function reference.
    #[inline]
    pub const fn funcref(value: usize) -> ValRaw {
        ValRaw::u64(value as u64)
    }

    /// A reference to a host object.
    #[inline]
    pub const fn externref(value: usize) -> ValRaw {
        ValRaw::u64(value as u64)
    }

    /// The value as an `i32`.
    #[inline]
    pub const fn get_i32(self) -> i32 {
        self.get_u64() as i32
    }

    /// The value as a `u32`.
    #[inline]
    pub const fn get_u32(self) -> u32 {
        self.get_u64() as u32
    }

    /// The value as an `i64`.
    #[inline]
    pub const fn get_i64(self) -> i64 {
        self.get_u64() as i64
    }

    /// The value as a `u64`.
    #[inline]
    pub const fn get_u64(self) -> u64 {
        u64::from_le(self.words[0])
    }

    /// The value as an `f32`.
    #[inline]
    pub const fn get_f32(self) -> f32 {
        f32::from_bits(self.get_f32_bits())
    }

    /// The value as an `f64`.
    #[inline]
    pub const fn get_f64(self) -> f64 {
        f64::from_bits(self.get_f64_bits())
    }

    /// The bits of the value as an `f32`.
    #[inline]
    pub const fn get_f32_bits(self) -> u32 {
        self.get_u32()
    }

    /// The bits of the value as an `f64`.
    #[inline]
    pub const fn get_f64_bits(self) -> u64 {
        self.get_u64()
    }

    /// The value as a `bool`: whether its byte is not 0.
    #[inline]
    pub const fn get_bool(self) -> bool {
        self.get_u8() != 0
    }

    /// The value as an `i8`.
    #[inline]
    pub const fn get_i8(self) -> i8 {
        self.get_u64() as i8
    }

    /// The value as a `u8`.
    #[inline]
    pub const fn get_u8(self) -> u8 {
        self.get_u64() as u8
    }

    /// The value as an `i16`.
    #[inline]
    pub const fn get_i16(self) -> i16 {
        self.get_u64() as i16
    }

    /// The value as a `u16`.
    #[inline]
    pub const fn get_u16(self) -> u16 {
        self.get_u64() as u16
    }

    /// The value as a pointer, with a provenance that was exposed before.
    #[inline]
    pub fn get_ptr<T>(self) -> *mut T {
        core::ptr::with_exposed_provenance_mut(self.get_u64() as usize)
    }

    /// Writes a structure's bytes, as they lie in memory, to slots: from byte 0 of the first
    /// one on.
    ///
    /// # Errors
    ///
    /// [`Error::TooFewSlots`]; nothing is written then.
    pub fn write_bytes(slots: &mut [ValRaw], bytes: &[u8]) -> Result<(), Error> {
        let (given, needed) = (slots.len(), bytes.len().div_ceil(16));
        if given < needed {
            return Err(Error::TooFewSlots { given, needed });
        }
        let words = slots.iter_mut().flat_map(|slot| &mut slot.words);
        for (word, bytes) in words.zip(bytes.chunks(8)) {
            let mut all = word.to_ne_bytes();
            all[..bytes.len()].copy_from_slice(bytes);
            *word = u64::from_ne_bytes(all);
        }
        Ok(())
    }

    /// Reads a structure's bytes from slots, from byte 0 of the first one on.
    ///
    /// # Errors
    ///
    /// [`Error::TooFewSlots`]; nothing is read then.
    pub fn read_bytes(slots: &[ValRaw], bytes: &mut [u8]) -> Result<(), Error> {
        let (given, needed) = (slots.len(), bytes.len().div_ceil(16));
        if given < needed {
            return Err(Error::TooFewSlots { given, needed });
        }
        let words = slots.iter().flat_map(|slot| slot.words);
        for (word, bytes) in words.zip(bytes.chunks_mut(8)) {
            bytes.copy_from_slice(&word.to_ne_bytes()[..bytes.len()]);
        }
        Ok(())
    }

    /// The value as a vector.
    #[inline]
    pub const fn get_v128(self) -> u128 {
        (u64::from_le(self.words[1]) as u128) << 64 | self.get_u64() as u128
    }

    /// The value as a function reference.
    #[inline]
    pub const fn get_funcref(self) -> usize {
        self.get_u64() as usize
    }

    /// The value as a reference to a host object.
    #[inline]
    pub const fn get_externref(self) -> usize {
        self.get_u64() as usize
    }
}

/// Prints all 16 bytes as one hexadecimal number.
impl fmt::Debug for ValRaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ValRaw({:#034x})", self.get_v128())
    }
}

macro_rules! from {
    ($($ty:ty => |$value:ident| $raw:expr;)*) => {$(
        impl From<$ty> for ValRaw {
            #[inline]
            fn from($value: $ty) -> ValRaw {
                $raw
            }
        }
    )*};
}

from! {
    i32 => |value| ValRaw::i32(value);
    u32 => |value| ValRaw::u32(value);
    i64 => |value| ValRaw::i64(value);
    u64 => |value| ValRaw::u64(value);
    u128 => |value| ValRaw::v128(value);
    bool => |value| ValRaw::bool(value);
    i8 => |value| ValRaw::i8(value);
    u8 => |value| ValRaw::u8(value);
    i16 => |value| ValRaw::i16(value);
    u16 => |value| ValRaw::u16(value);
    f32 => |value| ValRaw::f32(value);
    f64 => |value| ValRaw::f64(value);
}
