//! Hands out the registers and stack slots of a convention.

mod eightbytes;
mod rules;

use self::eightbytes::Plain;
use super::Piece;
use crate::{
    abi::{Abi, Aggregates, Counting, FloatOverflow, ShortCut, Variadic, Vector},
    error::MAX_BYTES,
    types::{Operand, max, min, round_up},
    valtype::{Kind, Scalar},
};

/// Where the assigner puts a piece. All variants are alike, so that the compiler keeps one in two
/// registers.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// In the integer argument or result register of this index.
    Integer(u32),
    /// In the float register of this index.
    Float(u32),
    /// In the vector register of this index, where those are not the float
    /// registers.
    Vector(u32),
    /// In the x87 register of this index.
    X87(u32),
    /// At this offset from the stack pointer at the call.
    Stack(u32),
}

/// The pieces of a value, in order.
#[derive(Clone, Copy)]
pub(crate) struct Pieces {
    list: [Piece<Place>; Pieces::MOST],
    len: u32,
    /// Not 0 if the only piece is the address of a copy of the whole value. A number, as there is
    /// no padding then, and copies are plain.
    reference: u32,
}

impl Pieces {
    pub(crate) const MOST: usize = 4;

    pub(crate) const NONE: Pieces = Pieces {
        list: [Piece { offset: 0, size: 0, location: Place::Integer(0) }; Pieces::MOST],
        len: 0,
        reference: 0,
    };

    pub(crate) const fn one(size: u32, location: Place) -> Pieces {
        let mut pieces = Pieces::NONE;
        pieces.push(0, size, location);
        pieces
    }

    const fn clear(&mut self) {
        (self.len, self.reference) = (0, 0);
    }

    const fn push(&mut self, offset: u32, size: u32, location: Place) {
        self.list[self.len as usize] = Piece { offset, size, location };
        self.len += 1;
    }

    /// Whether the only piece is the address of a copy of the whole value.
    pub(crate) const fn by_reference(&self) -> bool {
        self.reference != 0
    }

    pub(crate) const fn as_slice(&self) -> &[Piece<Place>] {
        self.list.split_at(self.len as usize).0
    }
}

/// Why a value has no place in a convention.
#[derive(Clone, Copy)]
pub(crate) enum Unfit {
    /// The convention cannot pass its type.
    Type,
    /// It needs a larger alignment on the stack than a call can give.
    Alignment,
    /// It is too large.
    Size,
}

/// Hands out the places of arguments, in order.
#[derive(Clone, Copy)]
pub(crate) struct Assigner<'a> {
    abi: &'a Abi,
    /// The pieces of the last value that was not a [named word](Self::named_word).
    pub(crate) pieces: Pieces,
    integers: u32,
    floats: u32,
    vectors: u32,
    stack: u32,
}

/// No value is larger.
pub(crate) const MAX_SIZE: u32 = MAX_BYTES as u32;

impl<'a> Assigner<'a> {
    /// For a function of this convention, its contexts already placed.
    #[inline(always)]
    pub(crate) const fn new(abi: &'a Abi) -> Self {
        let (pieces, stack) = (Pieces::NONE, abi.stack.start);
        let mut assigner = Assigner { abi, pieces, integers: 0, floats: 0, vectors: 0, stack };
        assigner.begin(abi);
        assigner
    }

    /// Begins anew, by this row. The pieces stay.
    #[inline(always)]
    pub(crate) const fn begin(&mut self, abi: &'a Abi) {
        let contexts = abi.contexts as u32;
        let floats = match abi.counting {
            Counting::Positional => contexts,
            Counting::PerClass => 0,
        };
        (self.abi, self.integers, self.floats) = (abi, contexts, floats);
    }

    /// Measures the next argument, whose type is at `at`, and finds its pieces. One of the variable
    /// part of the call is not `named`.
    pub(crate) const fn argument(
        &mut self,
        types: &[u16],
        at: usize,
        named: bool,
        operand: &mut Operand,
    ) -> Result<(), Unfit> {
        self.pieces.clear();
        if let Some(plain) = self.plain(types, at) {
            *operand = plain.operand;
            return self.plain_argument(&plain);
        }
        *operand = Operand::new(types, at, self.abi);
        self.measured(types, operand, named)
    }

    /// The plain structure at `at`, where values go by their eightbytes.
    #[inline(always)]
    const fn plain(&self, types: &[u16], at: usize) -> Option<Plain> {
        match self.abi.aggregates {
            Aggregates::Eightbytes => Plain::new(types, at, self.abi),
            _ => None,
        }
    }

    /// Finds the pieces of an argument that has been measured and is no plain structure.
    const fn measured(
        &mut self,
        types: &[u16],
        operand: &Operand,
        named: bool,
    ) -> Result<(), Unfit> {
        if !named && matches!(self.abi.variadic, Variadic::Stack) {
            self.close_integers();
            self.close_floats();
        }
        if let Some(scalar) = operand.scalar {
            if scalar.is_word() {
                self.word(scalar, named);
                return Ok(());
            }
            if matches!(scalar.kind, Kind::Vector) {
                match self.abi.vector {
                    Vector::Aggregate => {}
                    Vector::Unsupported => return Err(Unfit::Type),
                    _ => {
                        let place = self.vector(named);
                        self.one(16, place);
                        return Ok(());
                    }
                }
            }
        }
        self.aggregate(types, operand.at as usize, operand.measure, named)
    }

    /// A value in one piece.
    const fn one(&mut self, size: u32, place: Place) {
        self.pieces.push(0, size, place);
    }

    /// A scalar of up to eight bytes.
    const fn word(&mut self, scalar: Scalar, named: bool) {
        let (kind, size) = (scalar.kind, scalar.size as u32);
        if named {
            let place = self.named_word(kind, size);
            return self.one(size, place);
        }
        let as_integer = !named && matches!(self.abi.variadic, Variadic::Integers);
        let register = match kind {
            Kind::Float if !as_integer => self.float_or_more(),
            _ => self.integer(),
        };
        let place = match register {
            Some(place) => place,
            None => self.stack_slot(size, false, true),
        };
        self.one(size, place);
        if let (Place::Float(i), Variadic::Doubled) = (place, &self.abi.variadic) {
            self.one(size, Place::Integer(i));
        }
    }

    /// The place of a scalar of up to eight bytes that is named.
    #[inline(always)]
    pub(crate) const fn named_word(&mut self, kind: Kind, size: u32) -> Place {
        let register = match kind {
            Kind::Float => self.float_or_more(),
            _ => self.integer(),
        };
        match register {
            Some(place) => place,
            None => self.stack_slot(size, true, true),
        }
    }

    /// The next float register, or the place that the convention gives instead.
    #[inline(always)]
    const fn float_or_more(&mut self) -> Option<Place> {
        match self.float() {
            None if matches!(self.abi.float_overflow, FloatOverflow::Integer) => self.integer(),
            place => place,
        }
    }

    /// The place of a vector that is passed in one piece.
    const fn vector(&mut self, named: bool) -> Place {
        let register = match self.abi.vector {
            Vector::Own { order, .. } => {
                let here = named || !matches!(self.abi.variadic, Variadic::VectorsOnStack);
                if here && (self.vectors as usize) < order.len() {
                    self.vectors += 1;
                    Some(Place::Vector(order[self.vectors as usize - 1]))
                } else {
                    None
                }
            }
            _ => self.float(),
        };
        match register {
            Some(place) => place,
            None => self.stack_slot(16, named, true),
        }
    }

    /// The place of the return pointer, after the parameters or before them.
    pub(crate) const fn return_pointer(&mut self) -> Place {
        match self.integer() {
            Some(place) => place,
            None => self.stack_slot(8, true, self.abi.stack.aligned_return_pointer),
        }
    }

    /// Size of the argument area, including what the convention reserves below the first
    /// stack slot.
    pub(crate) const fn area(&self) -> u32 {
        round_up(self.stack, self.abi.stack.area_align)
    }

    /// Whether arguments take registers beyond these.
    pub(crate) const fn exceeds(&self, short_cut: &ShortCut) -> bool {
        self.integers > short_cut.integers || self.floats > short_cut.floats
    }

    /// How many float registers carry arguments.
    pub(crate) const fn float_registers(&self) -> u8 {
        self.floats as u8
    }

    const fn integer(&mut self) -> Option<Place> {
        let index = self.integers;
        if index >= self.abi.integer.len() as u32 {
            return None;
        }
        self.integers += 1;
        if matches!(self.abi.counting, Counting::Positional) {
            self.floats += 1;
        }
        Some(Place::Integer(index))
    }

    const fn float(&mut self) -> Option<Place> {
        let index = self.floats;
        if index >= self.abi.float.len() as u32 {
            return None;
        }
        self.floats += 1;
        if matches!(self.abi.counting, Counting::Positional) {
            self.integers += 1;
        }
        Some(Place::Float(index))
    }

    const fn close_integers(&mut self) {
        self.integers = self.abi.integer.len() as u32;
    }

    const fn close_floats(&mut self) {
        self.floats = self.abi.float.len() as u32;
    }

    const fn stack_slot(&mut self, size: u32, named: bool, aligned: bool) -> Place {
        let stack = &self.abi.stack;
        let slot = if stack.packed && named { size } else { max(size, 8) };
        if aligned {
            self.stack = round_up(self.stack, min(slot, stack.max_align));
        }
        let offset = self.stack + if stack.big_endian { slot - size } else { 0 };
        self.stack += slot;
        Place::Stack(offset)
    }

    /// So many bytes of the stack at this alignment.
    const fn stack_bytes(&mut self, size: u32, align: u32) -> Place {
        let offset = round_up(self.stack, align);
        self.stack = offset + size;
        Place::Stack(offset)
    }

    /// The next integer register or stack slot, for an address.
    const fn reference(&mut self) {
        let place = match self.integer() {
            Some(place) => place,
            None => self.stack_slot(8, false, true),
        };
        self.one(8, place);
        self.pieces.reference = 1;
    }

    /// In as many integer registers as the value has words.
    const fn integers(&mut self, size: u32) {
        let mut offset = 0;
        while offset < size {
            let Some(place) = self.integer() else { break };
            self.pieces.push(offset, min(size - offset, 8), place);
            offset += 8;
        }
    }

    const fn integers_left(&self) -> u32 {
        self.abi.integer.len() as u32 - self.integers
    }

    const fn floats_left(&self) -> u32 {
        self.abi.float.len() as u32 - self.floats
    }
}
