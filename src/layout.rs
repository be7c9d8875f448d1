//! Where every value goes: signature × convention → locations.
//!
//! [`Assigner`] cuts each argument into pieces and gives each piece a place. [`result`]
//! does this for the result of a C function, [`Packer`] for the results in the return area.
//! They are pure `const` functions, and the only ones that decide: [`Layout`] collects
//! their answers for people, [`descriptor`](crate::descriptor) for the assembly. This file
//! has a function for each [rule](Aggregates) that conventions have for structures.

use alloc::vec::Vec;
use core::fmt;

use crate::{
    Abi, Error, Signature, Type, Types, ValType,
    abi::{Aggregates, Counting, FloatOverflow, ReturnPointer, Variadic, Vector},
    error::{MAX_BYTES, ValueIndex},
    frame::draw,
    signature::SignatureRef,
    types::{
        Head, Leaf, Leaves, Measure, Operand, after, has_union, head, is_lone, max, measure, min,
        round_up, unwrapped,
    },
    valtype::{Kind, Scalar},
    walk::{First, Param, Returned, Walk},
};

/// Some bytes of a value, from `offset` on, and where they live at the call.
///
/// In a register, they are the low-order bytes; floats and vectors of s390x are the
/// high-order ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Piece<L = Location> {
    /// Where the bytes begin in the value.
    pub offset: u32,
    /// How many there are.
    pub size: u32,
    /// Where they live.
    pub location: L,
}

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
    const MOST: usize = 4;

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
    pub(crate) const fn new(abi: &'a Abi) -> Self {
        let (pieces, stack) = (Pieces::NONE, abi.stack.start);
        let contexts = abi.contexts as u32;
        let floats = match abi.counting {
            Counting::Positional => contexts,
            Counting::PerClass => 0,
        };
        Assigner { abi, pieces, integers: contexts, floats, vectors: 0, stack }
    }

    /// Finds the pieces of the next argument. One of the variable part of the call is not `named`.
    pub(crate) const fn operand(
        &mut self,
        types: &[u16],
        operand: Operand,
        named: bool,
    ) -> Result<(), Unfit> {
        self.pieces.clear();
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
        self.aggregate(types, operand, named)
    }

    /// A value in one piece.
    const fn one(&mut self, size: u32, place: Place) {
        self.pieces.push(0, size, place);
    }

    /// A scalar of up to eight bytes.
    const fn word(&mut self, Scalar { kind, size, .. }: Scalar, named: bool) {
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

    const fn aggregate(
        &mut self,
        types: &[u16],
        Operand { at, measure: measured, .. }: Operand,
        named: bool,
    ) -> Result<(), Unfit> {
        if measured.size > MAX_SIZE {
            return Err(Unfit::Size);
        }
        match self.abi.aggregates {
            Aggregates::None => return Err(Unfit::Type),
            Aggregates::Eightbytes => return self.eightbytes(types, at, measured),
            Aggregates::BySize => self.by_size(measured.size),
            Aggregates::Homogeneous { even } => {
                self.homogeneous(types, at, measured, named, even);
            }
            Aggregates::Words => self.words(measured),
            Aggregates::Flattened => self.flattened(types, at, measured, named),
            Aggregates::Wrapped => self.wrapped(types, at, measured.size, named),
        }
        Ok(())
    }

    /// [`Aggregates::Eightbytes`]: AMD64 supplement, section 3.2.3.
    const fn eightbytes(
        &mut self,
        types: &[u16],
        at: usize,
        Measure { size, align, .. }: Measure,
    ) -> Result<(), Unfit> {
        if let Some(classes) = classify(types, at, size, 0, self.abi) {
            if self.classified(classes, size) {
                return Ok(());
            }
        }
        if align > self.abi.stack.max_align {
            return Err(Unfit::Alignment);
        }
        let offset = round_up(self.stack, max(8, align));
        self.stack = offset + round_up(size, 8);
        self.one(size, Place::Stack(offset));
        Ok(())
    }

    /// Registers for eightbytes of these classes. Returns false if there are too few.
    const fn classified(&mut self, classes: [Eightbyte; 2], size: u32) -> bool {
        let (mut integers, mut floats, mut i) = (0, 0, 0);
        while i < classes.len() {
            match classes[i] {
                Eightbyte::Integer => integers += 1,
                Eightbyte::Sse => floats += 1,
                Eightbyte::X87 => return false,
                _ => {}
            }
            i += 1;
        }
        if integers > self.integers_left() || floats > self.floats_left() {
            return false;
        }
        i = 0;
        while i < classes.len() {
            let place = match classes[i] {
                Eightbyte::Integer => self.integer(),
                Eightbyte::Sse => self.float(),
                _ => None,
            };
            if let Some(place) = place {
                let offset = 8 * i as u32;
                let wide = i == 0 && matches!(classes[1], Eightbyte::SseUp);
                let most = if wide { 16 } else { 8 };
                self.pieces.push(offset, min(size - offset, most), place);
            }
            i += 1;
        }
        true
    }

    /// [`Aggregates::BySize`]: x64 calling convention, "Parameter passing".
    const fn by_size(&mut self, size: u32) {
        if !matches!(size, 1 | 2 | 4 | 8) {
            return self.reference();
        }
        let place = match self.integer() {
            Some(place) => place,
            None => self.stack_slot(size, false, true),
        };
        self.one(size, place);
    }

    /// [`Aggregates::Homogeneous`]: AAPCS64, section 6.8.2, stages B and C.
    const fn homogeneous(
        &mut self,
        types: &[u16],
        at: usize,
        Measure { size, align, natural, .. }: Measure,
        named: bool,
        even: bool,
    ) {
        let words = round_up(size, 8);
        let packed = self.abi.stack.packed && named;
        if size == 0 {
            return;
        }
        if let Some(element) = homogeneous_element(types, at, size, self.abi) {
            if size / element <= self.floats_left() {
                let mut offset = 0;
                while offset < size {
                    if let Some(place) = self.float() {
                        self.pieces.push(offset, element, place);
                    }
                    offset += element;
                }
                return;
            }
            self.close_floats();
            let (taken, align) = match packed {
                true => (size, element),
                false if natural >= 16 => (words, 16),
                false => (words, 8),
            };
            let place = self.stack_bytes(taken, align);
            return self.one(size, place);
        }
        if size > 16 {
            return self.reference();
        }
        let wide = if even { natural >= 16 } else { align >= 16 };
        if wide && even && self.integers % 2 == 1 {
            self.integers += 1;
        }
        if words / 8 <= self.integers_left() {
            return self.integers(size);
        }
        self.close_integers();
        let scalar = matches!(head(types, at), Head::Scalar(_));
        let (taken, align) = match (packed && scalar, wide) {
            (true, _) => (size, size),
            (_, true) => (words, 16),
            (_, false) => (words, 8),
        };
        let place = self.stack_bytes(taken, align);
        self.one(size, place);
    }

    /// [`Aggregates::Words`]: Overview of ARM64 ABI conventions, "Addendum: Variadic functions".
    const fn words(&mut self, Measure { size, natural, .. }: Measure) {
        if size == 0 {
            return;
        }
        if size > 16 {
            return self.reference();
        }
        let (words, align) = (round_up(size, 8), if natural >= 16 { 16 } else { 8 });
        if align == 16 && self.integers % 2 == 1 {
            self.integers += 1;
        }
        match self.integers_left() {
            0 => {
                let place = self.stack_bytes(words, align);
                self.one(size, place);
            }
            1 if words == 16 => self.split(size),
            _ => self.integers(size),
        }
    }

    /// In the last integer register, and a stack word.
    const fn split(&mut self, size: u32) {
        self.integers(8);
        let place = self.stack_bytes(8, 8);
        self.pieces.push(8, size - 8, place);
    }

    /// [`Aggregates::Flattened`]: RISC-V calling conventions, "Hardware Floating-Point
    /// Calling Convention", and "Integer Calling Convention".
    const fn flattened(
        &mut self,
        types: &[u16],
        at: usize,
        Measure { size, align, .. }: Measure,
        named: bool,
    ) {
        if let (true, Some(leaves)) = (named, flat(types, at, self.abi)) {
            let (mut floats, mut integers, mut i) = (0, 0, 0);
            while i < leaves.len() {
                match leaves[i] {
                    Some(Leaf { kind: Kind::Float, .. }) => floats += 1,
                    Some(_) => integers += 1,
                    None => {}
                }
                i += 1;
            }
            if floats <= self.floats_left() && integers <= self.integers_left() {
                i = 0;
                while i < leaves.len() {
                    if let Some(Leaf { offset, kind, size, .. }) = leaves[i] {
                        let float = matches!(kind, Kind::Float);
                        let place = if float { self.float() } else { self.integer() };
                        if let Some(place) = place {
                            self.pieces.push(offset, size, place);
                        }
                    }
                    i += 1;
                }
                return;
            }
        }
        if size > 16 {
            return self.reference();
        }
        let words = round_up(size, 8) / 8;
        if !named && words > 0 && align >= 16 && self.integers % 2 == 1 {
            self.integers += 1;
        }
        if words == 2 && self.integers_left() == 1 {
            return self.split(size);
        }
        if words <= self.integers_left() {
            return self.integers(size);
        }
        let align = if align >= 16 { 16 } else { 8 };
        let place = self.stack_bytes(8 * words, align);
        self.one(size, place);
    }

    /// [`Aggregates::Wrapped`]: ELF ABI, s390x supplement, section 1.2.3.
    const fn wrapped(&mut self, types: &[u16], at: usize, size: u32, named: bool) {
        if let Head::Scalar(ty) = head(types, unwrapped(types, at)) {
            let Scalar { kind, parts, .. } = ty.scalar(self.abi);
            match kind {
                Kind::Vector if size == 16 => {
                    let place = self.vector(named);
                    return self.one(16, place);
                }
                Kind::Float if size <= 8 && parts == 1 => {
                    let place = match self.float() {
                        Some(place) => place,
                        None => self.stack_slot(size, false, true),
                    };
                    return self.one(size, place);
                }
                _ => {}
            }
        }
        let scalar = matches!(head(types, at), Head::Scalar(_));
        if scalar || !matches!(size, 1 | 2 | 4 | 8) {
            return self.reference();
        }
        self.by_size(size)
    }
}

/// Class of eight bytes of a value on System V.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Eightbyte {
    Nothing,
    Integer,
    Sse,
    SseUp,
    X87,
    X87Up,
}

impl Eightbyte {
    /// The class of both, or `None` for MEMORY.
    const fn merge(self, other: Eightbyte) -> Option<Eightbyte> {
        use Eightbyte::*;
        Some(match (self, other) {
            (Nothing, class) | (class, Nothing) => class,
            (Integer, _) | (_, Integer) => Integer,
            (X87, X87) => X87,
            (X87Up, X87Up) => X87Up,
            (X87 | X87Up, _) | (_, X87 | X87Up) => return None,
            (SseUp, SseUp) => SseUp,
            _ => Sse,
        })
    }
}

/// The classes of the eightbytes of a value of this size, which begins at this offset of a
/// larger value. The first class is that of the eightbyte with this offset. `None` stands
/// for MEMORY. Each structure or union in the value is classified by itself.
const fn classify(
    types: &[u16],
    at: usize,
    size: u32,
    offset: u32,
    abi: &Abi,
) -> Option<[Eightbyte; 2]> {
    use Eightbyte::*;
    if size > 16 {
        return None;
    }
    let mut classes = [Nothing; 2];
    match head(types, at) {
        Head::Scalar(ty) => return scalar_classes(ty.scalar(abi), offset),
        // The first element decides for all, as gcc has it.
        Head::Array { .. } => {
            let of = measure(types, at + 2, abi).size;
            let Some(element) = classify(types, at + 2, of, offset, abi) else { return None };
            let each = offset % 8 + of;
            let words = (offset % 8 + size).div_ceil(8);
            let mut i = 0;
            while i < words && each > 0 {
                classes[i as usize] = element[(i % each.div_ceil(8)) as usize];
                i += 1;
            }
        }
        Head::Fields { union, packed, end, .. } => {
            let (mut field, mut next) = (at + 2, 0);
            while field < end {
                let Operand { scalar, measure: this, .. } = Operand::new(types, field, abi);
                if !union && !packed {
                    next = round_up(next, this.align);
                }
                let more = match scalar {
                    Some(scalar) => scalar_classes(scalar, offset + next),
                    None => classify(types, field, this.size, offset + next, abi),
                };
                let Some(more) = more else { return None };
                if !merge(&mut classes, more, ((offset + next) / 8 - offset / 8) as usize) {
                    return None;
                }
                if !union {
                    next += this.size;
                }
                field = this.end;
            }
        }
    }
    match classes {
        [X87Up, _] => None,
        [first, X87Up] if !matches!(first, X87) => None,
        [SseUp, second] => Some([Sse, second]),
        [first, SseUp] if !matches!(first, Sse) => Some([first, Sse]),
        classes => Some(classes),
    }
}

/// The same of a scalar, which has at most 16 bytes.
#[inline(always)]
const fn scalar_classes(scalar: Scalar, offset: u32) -> Option<[Eightbyte; 2]> {
    use Eightbyte::*;
    let Scalar { kind, size, align, parts } = scalar;
    let (first, second) = match kind {
        Kind::Signed | Kind::Unsigned | Kind::Pointer => (Integer, Integer),
        Kind::X87 => (X87, X87Up),
        Kind::Float | Kind::Quad | Kind::Vector => (Sse, SseUp),
    };
    if offset != round_up(offset, align) {
        return None;
    }
    let two_parts = parts == 2 && offset % 8 + 2 * size > 8;
    Some([
        first,
        if size > 8 {
            second
        } else if two_parts {
            first
        } else {
            Nothing
        },
    ])
}

/// Merges the classes of a field whose first eightbyte is this one. Returns false if the
/// whole becomes MEMORY.
const fn merge(classes: &mut [Eightbyte; 2], field: [Eightbyte; 2], first: usize) -> bool {
    let mut i = 0;
    while i < 2 {
        if !matches!(field[i], Eightbyte::Nothing) {
            match classes[first + i].merge(field[i]) {
                Some(class) => classes[first + i] = class,
                None => return false,
            }
        }
        i += 1;
    }
    true
}

/// The size of one element, if the value is one to four floats or vectors of one type
/// without padding.
const fn homogeneous_element(types: &[u16], at: usize, size: u32, abi: &Abi) -> Option<u32> {
    if size > 64 {
        return None;
    }
    let (mut element, mut seen) = (None, 0u32);
    let mut leaves = Leaves::new(types, at, abi);
    while let Some(Leaf { offset, kind, size, .. }) = leaves.next() {
        if !matches!(kind, Kind::Float | Kind::Quad | Kind::Vector) || offset % size != 0 {
            return None;
        }
        match element {
            None => element = Some((kind, size)),
            Some((other, other_size)) if other as u8 == kind as u8 && other_size == size => {}
            Some(_) => return None,
        }
        if offset / size >= 4 {
            return None;
        }
        seen |= 1 << (offset / size);
    }
    match element {
        Some((_, each))
            if size % each == 0 && size / each <= 4 && seen == (1 << (size / each)) - 1 =>
        {
            Some(each)
        }
        _ => None,
    }
}

/// The leaves that go to registers of their own class on RISC-V: a float, two floats, or
/// a float and an integer that is no pointer.
const fn flat(types: &[u16], at: usize, abi: &Abi) -> Option<[Option<Leaf>; 2]> {
    // No union, but compilers take a structure for the one scalar that fills it, even beside an
    // empty union.
    let lone = has_union(types, at);
    if lone && !is_lone(types, at) {
        return None;
    }
    let (mut found, mut count, mut floats, mut end) = ([None; 2], 0, 0, 0);
    let mut leaves = Leaves::new(types, at, abi);
    while let Some(leaf) = leaves.next() {
        match leaf.kind {
            Kind::Float => floats += 1,
            Kind::Signed | Kind::Unsigned if leaf.size <= 8 => {}
            _ => return None,
        }
        if count == 2 {
            return None;
        }
        found[count] = Some(leaf);
        count += 1;
        end = leaf.offset + leaf.size;
    }
    let filled = !lone || end == measure(types, at, abi).size;
    if floats > 0 && filled { Some(found) } else { None }
}

impl Assigner<'_> {
    /// Finds the pieces of a result, of which each is in one of the first registers of its class.
    /// Returns false if it comes back in memory.
    pub(crate) const fn result(
        &mut self,
        types: &[u16],
        Operand { at, scalar, measure: measured }: Operand,
    ) -> Result<bool, Unfit> {
        let (abi, size) = (self.abi, measured.size);
        if size > MAX_SIZE {
            return Err(Unfit::Size);
        }
        let place = match scalar {
            Some(Scalar { kind: Kind::Float, parts: 1, .. }) => Some(Place::Float(0)),
            Some(scalar) if scalar.is_word() => Some(Place::Integer(0)),
            Some(Scalar { kind: Kind::Vector, .. }) => match abi.vector {
                Vector::Float => Some(Place::Float(0)),
                Vector::Own { .. } => Some(Place::Vector(0)),
                Vector::Unsupported => return Err(Unfit::Type),
                Vector::Aggregate => None,
            },
            _ => None,
        };
        if let Some(place) = place {
            self.one(size, place);
            return Ok(true);
        }
        Ok(match abi.aggregates {
            // The latter is of arguments alone.
            Aggregates::None | Aggregates::Words => return Err(Unfit::Type),
            // A complex `long double` is in two x87 registers, larger as it is.
            Aggregates::Eightbytes
                if matches!(scalar, Some(Scalar { kind: Kind::X87, parts: 2, .. })) =>
            {
                self.one(10, Place::X87(0));
                self.pieces.push(16, 10, Place::X87(1));
                true
            }
            Aggregates::Eightbytes => match classify(types, at, size, 0, abi) {
                None => false,
                Some([Eightbyte::X87, _]) => {
                    self.one(10, Place::X87(0));
                    true
                }
                Some(classes) => self.classified(classes, size),
            },
            Aggregates::BySize => match (scalar, size) {
                (Some(Scalar { parts: 1, kind, .. }), _) if !matches!(kind, Kind::X87) => {
                    self.one(16, Place::Float(0));
                    true
                }
                (_, 0) => true,
                (_, 1 | 2 | 4 | 8) => {
                    self.one(size, Place::Integer(0));
                    true
                }
                _ => false,
            },
            Aggregates::Homogeneous { even } => {
                let found = size <= 16 || homogeneous_element(types, at, size, abi).is_some();
                if found {
                    self.homogeneous(types, at, measured, true, even);
                }
                found
            }
            Aggregates::Flattened => {
                let found = size <= 16 || flat(types, at, abi).is_some();
                if found {
                    self.flattened(types, at, measured, true);
                }
                found
            }
            Aggregates::Wrapped => false,
        })
    }
}

/// Where a piece lives at the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Location {
    /// In this register, named as in the architecture's assembly.
    Register(&'static str),
    /// In the argument area, at this offset in bytes from the stack pointer at
    /// the call instruction.
    Stack(u32),
    /// In the return area, at this offset in bytes.
    ReturnArea(u32),
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Register(name) => f.pad(name),
            Location::Stack(offset) => f.pad(&alloc::format!("[sp+{offset}]")),
            Location::ReturnArea(offset) => f.pad(&alloc::format!("[area+{offset}]")),
        }
    }
}

/// Where a value lives at the call: its pieces.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Placement {
    size: u32,
    pieces: Vec<Piece>,
    by_reference: bool,
}

impl Placement {
    fn new(value: Operand, pieces: &Pieces, locate: impl Fn(Place) -> Location) -> Placement {
        let located = pieces.as_slice().iter().map(|&Piece { offset, size, location }| {
            let location = locate(location);
            Piece { offset, size, location }
        });
        let by_reference = pieces.by_reference();
        Placement { size: value.measure.size, pieces: located.collect(), by_reference }
    }

    /// The pieces, in order. A value without size has none. A result that the function
    /// writes to memory has none, either.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Whether the convention passes the value's address: that is the only piece.
    pub fn by_reference(&self) -> bool {
        self.by_reference
    }

    /// Where the value lives, if it is one piece.
    pub fn location(&self) -> Option<Location> {
        match self.pieces[..] {
            [Piece { location, .. }] if !self.by_reference => Some(location),
            _ => None,
        }
    }
}

/// Prints the location of a value that is one piece. Otherwise, prints for each piece
/// its bytes and their location.
impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match &self.pieces[..] {
            [] if self.size == 0 => "nothing".into(),
            [] => "in memory".into(),
            [piece] if self.by_reference => alloc::format!("copy at {}", piece.location),
            [Piece { size, location, .. }] if *size == self.size => alloc::format!("{location}"),
            pieces => {
                let mut text = alloc::string::String::new();
                for Piece { offset, size, location } in pieces {
                    let separator = if text.is_empty() { "" } else { ", " };
                    text += &alloc::format!("{separator}{offset}..{} {location}", offset + size);
                }
                text
            }
        };
        f.pad(&text)
    }
}

/// All locations of a signature under a convention.
///
/// `Display` prints them as a table that can be compared with the ABI's document:
///
/// ```
/// use vmtrampoline::{Abi, Layout, Location, Signature};
///
/// let signature: Signature = "(i32, f64) -> (i64, f32)".parse()?;
/// let layout = Layout::new(&signature, &Abi::X86_64_SYSV_VM)?;
/// assert_eq!(layout.params()[1].location(), Some(Location::Register("xmm0")));
/// assert_eq!(layout.results()[1].location(), Some(Location::ReturnArea(0)));
/// assert_eq!(layout.return_pointer(), Some(Location::Register("rcx")));
/// assert_eq!(
///     layout.to_string(),
///     "\
/// (i32, f64) -> (i64, f32)   x86_64-sysv-vm
///   callee context           rdi
///   caller context           rsi
///   p0  i32                  rdx
///   p1  f64                  xmm0
///   return pointer           rcx
///   r0  i64                  rax
///   r1  f32                  [area+0]
///   argument area            0 bytes
///   return area              16 bytes
/// "
/// );
///
/// let signature: Signature = "(ptr, {f64, i32}, ...f64) -> {f32, f32, f32}".parse()?;
/// let layout = Layout::new(&signature, &Abi::X86_64_SYSV_C)?;
/// assert_eq!(
///     layout.to_string(),
///     "\
/// (ptr, {f64, i32}, ...f64) -> {f32, f32, f32}   x86_64-sysv-c
///   p0  ptr                  rdi
///   p1  {f64, i32}           0..8 xmm0, 8..16 rsi
///   p2  f64                  xmm1
///   r0  {f32, f32, f32}      0..8 xmm0, 8..12 xmm1
///   vector registers         2 in al
///   argument area            0 bytes
///   return area              0 bytes
/// "
/// );
/// # Ok::<(), vmtrampoline::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    signature: Signature,
    abi: &'static Abi,
    contexts: Vec<Location>,
    params: Vec<Placement>,
    results: Vec<Placement>,
    return_pointer: Option<Location>,
    vector_registers: Option<u8>,
    argument_area: u32,
    return_area: u32,
}

impl Layout {
    /// Where the values of `signature` go under `abi`.
    ///
    /// # Errors
    ///
    /// [`Error::TypeNotInAbi`], [`Error::ResultsNotInAbi`], [`Error::VariadicNotInAbi`],
    /// [`Error::AlignmentNotInAbi`], [`Error::Unpromoted`] and [`Error::TooLarge`].
    pub fn new(signature: &Signature, abi: &'static Abi) -> Result<Layout, Error> {
        Self::collect(signature, abi).map_err(|misfit| misfit.error(abi, signature.lend()))
    }

    fn collect(signature: &Signature, abi: &'static Abi) -> Result<Layout, Misfit> {
        let lent = signature.lend();
        check(&lent, abi)?;
        let mut walk = Walk::new(abi, &lent, 16);
        let argument = |place| match place {
            Place::Integer(i) => Location::Register(abi.integer[i as usize]),
            Place::Float(i) => Location::Register(abi.float[i as usize]),
            Place::Vector(i) => match abi.vector {
                Vector::Own { registers, .. } => Location::Register(registers[i as usize]),
                _ => unreachable!("vectors have no registers of their own"),
            },
            Place::X87(_) => unreachable!("no argument is in an x87 register"),
            Place::Stack(offset) => Location::Stack(offset),
        };
        let result_register = |place| {
            Location::Register(match place {
                Place::Integer(i) => abi.results.integer[i as usize],
                Place::Float(i) => abi.results.float[i as usize],
                Place::Vector(_) => abi.results.vector,
                Place::X87(i) => ["st0", "st1"][i as usize],
                Place::Stack(_) => unreachable!("no result is on the stack"),
            })
        };

        let (mut params, mut results, mut return_pointer) = (Vec::new(), Vec::new(), None);
        if let Some(First { operand, returned }) = walk.first()? {
            return_pointer = match (returned, &abi.results.pointer) {
                (Returned::Memory(_), ReturnPointer::Register(name)) => {
                    Some(Location::Register(name))
                }
                (Returned::Memory(place), _) => place.map(argument),
                (Returned::Registers, _) => None,
            };
            results.push(Placement::new(operand, walk.pieces(), result_register));
        }
        while let Some(Param { operand, .. }) = walk.param()? {
            params.push(Placement::new(operand, walk.pieces(), argument));
        }
        return_pointer = return_pointer.or(walk.pointer().map(argument));
        while let Some((operand, offset)) = walk.more()? {
            let whole = Pieces::one(operand.measure.size, Place::Stack(offset));
            results.push(Placement::new(operand, &whole, |_| Location::ReturnArea(offset)));
        }
        Ok(Layout {
            signature: signature.clone(),
            abi,
            contexts: abi.integer[..abi.contexts].iter().map(|r| Location::Register(r)).collect(),
            params,
            results,
            return_pointer,
            vector_registers: walk.vector_registers(),
            argument_area: walk.argument_area(),
            return_area: walk.return_area(),
        })
    }

    /// The signature.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The convention.
    pub fn abi(&self) -> &'static Abi {
        self.abi
    }

    /// Where the callee context and the caller context go; empty for plain C.
    pub fn contexts(&self) -> &[Location] {
        &self.contexts
    }

    /// Where each parameter goes.
    pub fn params(&self) -> &[Placement] {
        &self.params
    }

    /// Where each result comes back.
    pub fn results(&self) -> &[Placement] {
        &self.results
    }

    /// Where the return pointer goes. With two or more results, it is the address of the
    /// return area. A C function whose result does not come back in registers gets the
    /// address of memory for it.
    pub fn return_pointer(&self) -> Option<Location> {
        self.return_pointer
    }

    /// How many vector registers carry arguments, which `al` says in a variadic call on
    /// System V.
    pub fn vector_registers(&self) -> Option<u8> {
        self.vector_registers
    }

    /// Size in bytes of the argument area: the stack slots, and what the convention
    /// reserves between the stack pointer and the first of them.
    pub fn argument_area(&self) -> u32 {
        self.argument_area
    }

    /// Size of the return area in bytes.
    pub fn return_area(&self) -> u32 {
        self.return_area
    }
}

/// Why a signature does not fit a convention; [`Error`] without what it owns,
/// so that `const` code can drop it.
#[derive(Clone, Copy)]
pub(crate) enum Misfit {
    Unfit(Unfit, ValueIndex),
    Slot(ValueIndex),
    Unpromoted(usize),
    Variadic,
    VariadicCallback,
    Results,
    Params,
    ResultsLimit,
    /// All arguments together are too large.
    Area,
}

impl Misfit {
    pub(crate) fn error(self, abi: &Abi, signature: SignatureRef<'_>) -> Error {
        let abi_name = abi.name;
        let ty = |value| {
            let (words, mut i) = match value {
                ValueIndex::Param(i) => (signature.params, i),
                ValueIndex::Result(i) => (signature.results, i),
            };
            let mut at = 0;
            while i > 0 {
                at = after(words, at);
                i -= 1;
            }
            Type::lent(&words[at..after(words, at)]).into_owned()
        };
        match self {
            Misfit::Unfit(Unfit::Type, value) => {
                Error::TypeNotInAbi { abi: abi_name, ty: ty(value), value }
            }
            Misfit::Unfit(Unfit::Alignment, value) => {
                let align = ty(value).align(abi);
                Error::AlignmentNotInAbi { abi: abi_name, align, value }
            }
            Misfit::Unfit(Unfit::Size, value) => Error::TooLarge { value: Some(value) },
            Misfit::Slot(value) => Error::TypeNotInSlot { value },
            Misfit::Unpromoted(i) => {
                let ty = ty(ValueIndex::Param(i)).scalar().expect("a scalar");
                let promoted = ty.promoted(abi).expect("what is promoted");
                Error::Unpromoted { param: i, ty, promoted }
            }
            Misfit::Variadic => Error::VariadicNotInAbi { abi: abi_name },
            Misfit::VariadicCallback => Error::VariadicCallback,
            Misfit::Results => Error::ResultsNotInAbi {
                abi: abi_name,
                results: signature.counts.results,
                limit: abi.results.limit,
            },
            Misfit::Params => Error::TooManyParams,
            Misfit::ResultsLimit => Error::TooManyResults,
            Misfit::Area => Error::TooLarge { value: None },
        }
    }

    /// For messages of the compiler.
    pub(crate) const fn message(self) -> &'static str {
        match self {
            Misfit::Unfit(Unfit::Type, _) => {
                "the calling convention cannot pass one of these types"
            }
            Misfit::Unfit(Unfit::Alignment, _) => {
                "the calling convention cannot align one of these values"
            }
            Misfit::Unfit(Unfit::Size, _) | Misfit::Area => "the values are too large",
            Misfit::Slot(_) => "a v128 does not fit the value slot",
            Misfit::Unpromoted(_) => {
                "C promotes an argument of the variable part: write f64 for f32, i32 for smaller integers"
            }
            Misfit::Variadic | Misfit::VariadicCallback => {
                "the calling convention has no variadic functions"
            }
            Misfit::Results => "the calling convention has at most one result",
            Misfit::Params => "a signature has at most 1024 parameters",
            Misfit::ResultsLimit => "a signature has at most 1000 results",
        }
    }
}

/// Whether functions of this convention can have a value of this type.
#[inline(always)]
const fn passes(abi: &Abi, types: &[u16], at: usize) -> bool {
    if !matches!(abi.aggregates, Aggregates::None) {
        return true;
    }
    match head(types, at) {
        Head::Scalar(ValType::V128) => !matches!(abi.vector, Vector::Unsupported),
        Head::Scalar(
            ValType::I32
            | ValType::I64
            | ValType::U64
            | ValType::F32
            | ValType::F64
            | ValType::FuncRef
            | ValType::ExternRef
            | ValType::Ptr,
        ) => true,
        _ => false,
    }
}

/// Whether a signature fits a convention, as far as its types alone say.
pub(crate) const fn check(signature: &SignatureRef<'_>, abi: &Abi) -> Result<(), Misfit> {
    let SignatureRef { params, results, counts } = *signature;
    if counts.params > Signature::MAX_PARAMS {
        return Err(Misfit::Params);
    }
    if counts.results > Signature::MAX_RESULTS {
        return Err(Misfit::ResultsLimit);
    }
    if counts.named.is_some() && matches!(abi.variadic, Variadic::None) {
        return Err(Misfit::Variadic);
    }
    if counts.results > abi.results.limit && !matches!(abi.aggregates, Aggregates::None) {
        return Err(Misfit::Results);
    }
    // C passes all types, and promotes some where there is a variable part.
    if !matches!(abi.aggregates, Aggregates::None) && counts.named.is_none() {
        return Ok(());
    }
    let (mut i, mut at) = (0, 0);
    while at < params.len() {
        if !passes(abi, params, at) {
            return Err(Misfit::Unfit(Unfit::Type, ValueIndex::Param(i)));
        }
        if let (Some(named), Head::Scalar(ty)) = (counts.named, head(params, at)) {
            if i >= named && ty.promoted(abi).is_some() {
                return Err(Misfit::Unpromoted(i));
            }
        }
        at = after(params, at);
        i += 1;
    }
    (i, at) = (0, 0);
    while at < results.len() {
        if !passes(abi, results, at) {
            return Err(Misfit::Unfit(Unfit::Type, ValueIndex::Result(i)));
        }
        at = after(results, at);
        i += 1;
    }
    Ok(())
}

/// A line for each value. `{:#}` adds a picture of the stack at the call.
impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:24}   {}", alloc::format!("{}", self.signature), self.abi)?;
        for (name, location) in ["callee context", "caller context"].iter().zip(&self.contexts) {
            writeln!(f, "  {name:24} {location}")?;
        }
        let values =
            |f: &mut fmt::Formatter<'_>, letter, types: Types<'_>, places: &[Placement]| {
                types.iter().zip(places).enumerate().try_for_each(|(i, (ty, placement))| {
                    let name = alloc::format!("{letter}{i:<3}{ty}");
                    writeln!(f, "  {name:24} {placement}")
                })
            };
        values(f, 'p', self.signature.params(), &self.params)?;
        if let Some(location) = self.return_pointer {
            writeln!(f, "  {:24} {location}", "return pointer")?;
        }
        values(f, 'r', self.signature.results(), &self.results)?;
        if let Some(count) = self.vector_registers {
            writeln!(f, "  {:24} {count} in al", "vector registers")?;
        }
        writeln!(f, "  {:24} {} bytes", "argument area", self.argument_area)?;
        writeln!(f, "  {:24} {} bytes", "return area", self.return_area)?;
        if f.alternate() {
            writeln!(f)?;
            draw(self, f)?;
        }
        Ok(())
    }
}
