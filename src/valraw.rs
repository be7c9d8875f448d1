//! The value slot.

use core::fmt;

use static_assertions::{assert_impl_all, const_assert_eq};

/// One value slot: 16 bytes that hold a value of any type, untagged.
///
/// The fields overlap at byte 0 and are little-endian on every architecture,
/// as in Wasmtime's type of this name. Its alignment is 8 everywhere, so that
/// slots may lie in C structures and on interpreter stacks. A reader looks only
/// at the bytes of the type it expects; `i32` and `f32` are nevertheless stored
/// zero-extended to eight bytes, so that reading those eight bytes is cheap.
///
/// Floats are given and returned as bits, so that no NaN loses its payload;
/// `From` takes the numbers themselves.
///
/// ```
/// use vmtrampoline::ValRaw;
/// assert_eq!(ValRaw::i32(-1).get_i32(), -1);
/// assert_eq!(ValRaw::i32(-1).get_u64(), 0xffff_ffff);
/// assert_eq!(ValRaw::from(2.5f64).get_f64(), 2.5f64.to_bits());
/// assert_eq!(ValRaw::v128(7 << 64).get_v128(), 7 << 64);
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

    /// A 32-bit float, given as its bits, zero-extended.
    #[inline]
    pub const fn f32(bits: u32) -> ValRaw {
        ValRaw::u32(bits)
    }

    /// A 64-bit float, given as its bits.
    #[inline]
    pub const fn f64(bits: u64) -> ValRaw {
        ValRaw::u64(bits)
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

    /// The bits of the value as an `f32`.
    #[inline]
    pub const fn get_f32(self) -> u32 {
        self.get_u32()
    }

    /// The bits of the value as an `f64`.
    #[inline]
    pub const fn get_f64(self) -> u64 {
        self.get_u64()
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
    f32 => |value| ValRaw::f32(value.to_bits());
    f64 => |value| ValRaw::f64(value.to_bits());
}
