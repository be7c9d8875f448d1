//! The classes of a value's eightbytes: AMD64 supplement, section 3.2.3.

use crate::{
    abi::Abi,
    types::{Head, Measure, Operand, head, max, measure, round_up, scalar, structure},
    valtype::{Kind, Scalar},
};

/// Class of eight bytes of a value on System V.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Eightbyte {
    Nothing,
    SseUp,
    Sse,
    X87Up,
    X87,
    Integer,
    Memory,
}

impl Eightbyte {
    /// 1 if this is the class, 0 if not.
    pub(super) const fn is(self, class: Eightbyte) -> u32 {
        (self as u8 == class as u8) as u32
    }

    /// The class of both: the one that is declared last, but the x87's merge with themselves
    /// alone.
    #[inline(always)]
    const fn merge(self, other: Eightbyte) -> Eightbyte {
        use Eightbyte::*;
        let (first, last) = if self as u8 <= other as u8 { (self, other) } else { (other, self) };
        match (first, last) {
            (Nothing, _) | (X87Up, X87Up) | (X87, X87) => last,
            (_, X87Up | X87) => Memory,
            _ => last,
        }
    }
}

/// The classes of a value's eightbytes. Both are MEMORY if all of the value is.
pub(super) type Eightbytes = (Eightbyte, Eightbyte);

/// The classes of the eightbytes of a value of this size, which begins at this offset of a
/// larger value. The first class is that of the eightbyte with this offset. Each structure or
/// union in the value is classified by itself.
pub(super) const fn classify(
    types: &[u16],
    at: usize,
    size: u32,
    offset: u32,
    abi: &Abi,
) -> Eightbytes {
    use Eightbyte::*;
    if size > 16 {
        return (Memory, Memory);
    }
    let classes = match head(types, at) {
        Head::Scalar(ty) => scalar_classes(ty.scalar(abi), offset),
        // The first element decides for all, as gcc has it.
        Head::Array { .. } => {
            let of = measure(types, at + 2, abi).size;
            let (first, second) = classify(types, at + 2, of, offset, abi);
            match (offset % 8 + size > 8, offset % 8 + of > 8) {
                (true, true) => (first, second),
                (true, false) => (first, first),
                (false, _) => (first, Nothing),
            }
        }
        Head::Fields { union, packed, end, .. } => {
            let (mut classes, mut field, mut next) = ((Nothing, Nothing), at + 2, 0);
            while field < end {
                let this = Operand::new(types, field, abi);
                if !union && !packed {
                    next = round_up(next, this.measure.align);
                }
                let (first, second) = match this.scalar {
                    Some(scalar) => scalar_classes(scalar, offset + next),
                    None => classify(types, field, this.measure.size, offset + next, abi),
                };
                // What begins in the second eightbyte ends there.
                let (first, second) =
                    if offset % 8 + next < 8 { (first, second) } else { (Nothing, first) };
                classes = (classes.0.merge(first), classes.1.merge(second));
                if !union {
                    next += this.measure.size;
                }
                field = this.end as usize;
            }
            classes
        }
    };
    match classes {
        (Memory | X87Up, _) | (_, Memory) => (Memory, Memory),
        (first, X87Up) if !matches!(first, X87) => (Memory, Memory),
        (SseUp, second) => (Sse, second),
        (first, SseUp) if !matches!(first, Sse) => (first, Sse),
        classes => classes,
    }
}

/// The same of a scalar, which has at most 16 bytes.
#[inline(always)]
const fn scalar_classes(scalar: Scalar, offset: u32) -> Eightbytes {
    use Eightbyte::*;
    let (first, second) = match scalar.kind {
        Kind::Signed | Kind::Unsigned | Kind::Pointer => (Integer, Integer),
        Kind::X87 => (X87, X87Up),
        Kind::Float | Kind::Quad | Kind::Vector => (Sse, SseUp),
    };
    let Measure { size, align } = scalar.measure();
    if offset & (align - 1) != 0 {
        (Memory, Memory)
    } else if offset % 8 + size <= 8 {
        (first, Nothing)
    } else if scalar.parts == 2 {
        (first, first)
    } else {
        (first, second)
    }
}

/// A structure of scalars of up to eight bytes, neither packed nor complex, which is what most
/// structures are. Each scalar is in one eightbyte. So one pass finds size and classes.
#[derive(Clone, Copy)]
pub(super) struct Plain {
    pub(super) operand: Operand,
    /// Bit *i* is set if eightbyte *i* has integers or pointers, and bit 16 + *i* if it has floats.
    /// Eightbytes from 16 on share bits with the first ones.
    kinds: u32,
}

impl Plain {
    /// The structure at `at`, if it is plain.
    #[inline(always)]
    pub(super) const fn new(types: &[u16], at: usize, abi: &Abi) -> Option<Plain> {
        let Some((mut align, end)) = structure(types, at) else { return None };
        let (mut size, mut kinds, mut field) = (0, 0, at + 2);
        while field < end {
            let scalar = match scalar(types, field, abi) {
                Some(scalar) if scalar.is_word() => scalar,
                _ => return None,
            };
            // No sum is too large: a signature has fewer than 65536 words.
            let this = scalar.measure();
            let offset = round_up(size, this.align);
            let half = if matches!(scalar.kind, Kind::Float) { 16 } else { 0 };
            kinds |= 1 << (offset / 8 % 16 + half);
            align = max(align, this.align);
            size = offset + this.size;
            field += 1;
        }
        let measure = Measure { size: round_up(size, align), align };
        let operand = Operand { at: at as u32, end: end as u32, scalar: None, measure };
        Some(Plain { operand, kinds })
    }

    /// What [`classify`] finds.
    #[inline(always)]
    pub(super) const fn classes(&self) -> Eightbytes {
        if self.operand.measure.size > 16 {
            return (Eightbyte::Memory, Eightbyte::Memory);
        }
        (self.class(0), self.class(1))
    }

    /// The class of this eightbyte.
    #[inline(always)]
    const fn class(&self, i: u32) -> Eightbyte {
        if self.kinds >> i & 1 != 0 {
            Eightbyte::Integer
        } else if self.kinds >> (16 + i) & 1 != 0 {
            Eightbyte::Sse
        } else {
            Eightbyte::Nothing
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::{types::fields_word, valtype::ValType};

    /// One pass finds what [`measure`] and [`classify`] find, for all structures of up to four
    /// such fields.
    #[test]
    fn plain_structures_are_measured_and_classified() {
        use ValType::*;
        let (abi, fields) = (&Abi::X86_64_SYSV_C, [I8, U16, I32, F32, I64, F64, Ptr]);
        let mut structures: Vec<Vec<ValType>> = [Vec::new()].into();
        for count in 0..=4 {
            for (structure, align) in structures.iter().flat_map(|s| [1, 2, 16].map(|a| (s, a))) {
                let head = [fields_word(false, false, align), count];
                let words: Vec<u16> =
                    head.into_iter().chain(structure.iter().map(|ty| *ty as u16)).collect();
                let plain = Plain::new(&words, 0, abi).expect("it is plain");
                let Measure { size, align } = measure(&words, 0, abi);
                let found = plain.operand.measure;
                assert_eq!((found.size, found.align), (size, align), "{structure:?}");
                assert_eq!(plain.operand.end as usize, words.len(), "{structure:?}");
                let classes = classify(&words, 0, size, 0, abi);
                assert!(plain.classes() == classes, "{structure:?}");
            }
            let longer = |s: &Vec<ValType>| fields.map(|field| [&s[..], &[field]].concat());
            structures = structures.iter().flat_map(longer).collect();
        }
    }

    #[test]
    fn others_are_not_plain() {
        let abi = &Abi::X86_64_SYSV_C;
        for text in ["union {i32}", "packed {i8, i32}", "{c32}", "{i128}", "{[i32; 2]}", "{{i32}}"]
        {
            let ty: crate::Type = text.parse().expect(text);
            assert!(Plain::new(ty.words(), 0, abi).is_none(), "{text}");
        }
    }
}
