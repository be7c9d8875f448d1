//! The scatter: where a function's arguments go when native code calls the host.
//!
//! It is the descriptor of the other direction. A function of the assembly stores every
//! argument register and every stack word in its frame, at an offset that the scatter names.
//! That is the value's slot, a place behind the slots, or a scratch place for words that
//! carry no value. The results in the return area are a list like that of a
//! [`Descriptor`](crate::Descriptor).
//!
//! The assembly moves whole words. Rust does the rest by a [`Plan`]. The types of
//! WebAssembly need none.

use alloc::{vec, vec::Vec};

use crate::{
    Abi, Error, Signature,
    abi::{Extension, ReturnPointer},
    descriptor::{SPILL_4, SPILL_8, SPILL_16, Shape, assert_layout, constant},
    error::{MAX_BYTES, ValueIndex},
    layout::{Assigner, Misfit, Packer, Piece, Pieces, Place, Returned, check, returned},
    signature::SignatureRef,
    types::Operand,
    valtype::{Kind, Scalar},
};

const GROUP: usize = constant("H_GROUP");
const MORE_RESULTS: u16 = constant("MORE_RESULTS") as u16;
const MORE_NARROW: u16 = constant("MORE_NARROW") as u16;
const MORE_VECTORS: u16 = constant("MORE_VECTORS") as u16;
const MORE_PAIR: u16 = constant("MORE_PAIR") as u16;
const MORE_BOTH: u16 = constant("MORE_BOTH") as u16;
const MORE_X87: u16 = constant("MORE_X87") as u16;
const MORE_X87_PAIR: u16 = constant("MORE_X87_PAIR") as u16;
const NARROW: u16 = constant("NARROW") as u16;
const VECTOR_WORDS: usize = constant("VECTOR_WORDS");
const SMALL_SLOTS: usize = constant("SMALL_SLOTS");
const SCRATCH_SIZE: usize = constant("SCRATCH_SIZE");
const IMAGE_SIZE: usize = constant("IMAGE_SIZE");
/// Size of a slot.
const SLOT: usize = 16;

/// What the assembly reads of a context, apart from addresses. Offsets count from slot 0,
/// where the frame begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Scatter {
    /// For each integer argument register: the offset to which its eight bytes go.
    integer: [u16; 8],
    /// How many value slots there are.
    pub(crate) slots: u16,
    /// Size of the slots and what follows them, the scratch bytes last.
    frame: u16,
    /// Entries in the list of stack words.
    stack_words: u16,
    /// Entries in the list of spills: results in the return area.
    spills: u16,
    /// More work, as bits `MORE_…`.
    more: u16,
    /// For each float argument register: the offset to which its sixteen bytes go.
    float: [u16; 8],
    /// The most float argument registers that carry arguments.
    floats: u16,
}

assert_layout!(Scatter, constant("H_SCATTER"), {
    integer @ "H_INTEGER",
    slots @ "H_SLOTS",
    frame @ "H_FRAME",
    stack_words @ "H_STACK_WORDS",
    spills @ "H_SPILLS",
    more @ "H_MORE",
    float @ "H_FLOAT",
    floats @ "H_FLOATS",
});

/// An entry of the assembly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// For a few slots, in a frame of constant size.
    Small,
    /// For any number of slots.
    Any,
}

/// What Rust does between the assembly and the function that is called.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// Before the call: arguments to their slots.
    pub(crate) before: Vec<Step>,
    /// After it: the result to where the assembly loads its registers from, or to memory.
    pub(crate) after: Vec<Step>,
}

impl Plan {
    pub(crate) fn is_empty(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }

    /// Whether every byte that a step reads or writes by an offset is below `frame`. Of a step
    /// that goes by an address, this is the address.
    fn is_inside(&self, frame: usize) -> bool {
        self.before.iter().chain(&self.after).all(|&Step { op, from, to, size }| {
            let [from, to, size] = [from, to, size].map(usize::from);
            match op {
                Op::Copy => from + size <= frame && to + size <= frame,
                Op::Load => from % 8 == 0 && from + 8 <= frame && to + size <= frame,
                Op::Store => to == frame && size <= frame,
                Op::Reverse => to + size <= frame,
                Op::ZeroExtend | Op::SignExtend | Op::Box => {
                    to % 8 == 0 && size < 8 && to + 8 <= frame
                }
            }
        })
    }
}

/// An operation on the frame of the assembly. Offsets count from slot 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) op: Op,
    pub(crate) from: u16,
    pub(crate) to: u16,
    /// Counted in bytes.
    pub(crate) size: u16,
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// Copies so many bytes to a place that does not overlap.
    Copy,
    /// Copies so many bytes from where the address at `from` points.
    Load,
    /// Copies so many bytes to where the address at `to` points, and then the address
    /// to slot 0.
    Store,
    /// Reverses so many bytes at `to`.
    Reverse,
    /// Of the eight bytes at `to`, makes those behind so many zero.
    ZeroExtend,
    /// The same by the sign of the little-endian integer in the first bytes.
    SignExtend,
    /// The same with ones.
    Box,
}

/// Everything that a signature asks for.
pub(crate) struct Encoded {
    pub(crate) scatter: Scatter,
    /// Stack words, then spills.
    pub(crate) lists: Vec<u16>,
    pub(crate) entry: Entry,
    pub(crate) plan: Plan,
}

/// How many bytes of slots a value of this size takes.
pub(crate) fn in_slots(size: usize) -> usize {
    size.next_multiple_of(SLOT)
}

/// Collects what goes where.
struct Writer<'a> {
    abi: &'a Abi,
    assigner: Assigner<'a>,
    /// Each register or run of stack words that carries something, the offset in the
    /// frame that it goes to, and how many bytes count.
    moves: Vec<(Place, usize, usize)>,
    plan: Plan,
    more: u16,
    /// Where the slots and the places behind them end.
    end: usize,
}

impl Scatter {
    /// The scatter of a signature. [`Shape::Variable`] asks for the entry that can do
    /// everything, any other shape for the faster one if it will do.
    pub(crate) fn encode(
        abi: &Abi,
        signature: SignatureRef<'_>,
        shape: Shape,
    ) -> Result<Encoded, Misfit> {
        check(signature, abi)?;
        if signature.counts.named.is_some() {
            return Err(Misfit::VariadicCallback);
        }
        let bytes = [signature.params, signature.results].map(|types| values(abi, types).end());
        let slots = bytes[0].max(bytes[1]);
        let mut writer = Writer {
            abi,
            assigner: Assigner::new(abi),
            moves: Vec::new(),
            plan: Plan::default(),
            more: 0,
            end: slots,
        };
        let first = values(abi, signature.results).next().map(|(operand, _)| operand);
        let returned = first.map(|first| returned(signature.results, first, abi)).transpose();
        let returned = returned.map_err(|unfit| Misfit::Unfit(unfit, ValueIndex::Result(0)))?;
        let memory = matches!(returned, Some(Returned::Memory));
        let mut pointer = None;
        if memory && !matches!(abi.results.pointer, ReturnPointer::Register(_)) {
            pointer = Some(writer.assigner.return_pointer());
        }
        for (i, (operand, to)) in values(abi, signature.params).enumerate() {
            let pieces = writer.assigner.operand(signature.params, operand, true);
            let pieces = pieces.map_err(|unfit| Misfit::Unfit(unfit, ValueIndex::Param(i)))?;
            writer.argument(operand, to, pieces);
        }
        let spills = signature.counts.results.saturating_sub(1);
        if spills > 0 {
            pointer = Some(writer.assigner.return_pointer());
            writer.more |= MORE_RESULTS;
        }
        if let (Some(first), Some(Returned::Pieces(pieces))) = (first, &returned) {
            writer.result(first, pieces.as_slice());
        }

        let small = shape != Shape::Variable && writer.end <= SLOT * SMALL_SLOTS;
        let scratch = if small { SLOT * SMALL_SLOTS } else { in_slots(writer.end) };
        let frame = scratch + SCRATCH_SIZE;
        if frame > MAX_BYTES {
            return Err(Misfit::Area);
        }
        // The return pointer's place is behind the scratch bytes.
        if let Some(place) = pointer {
            writer.moves.push((place, frame, 8));
        }
        if let (Some(first), true) = (first, memory) {
            writer.after(Op::Store, 0, frame, first.measure.size as usize);
        }

        debug_assert!(writer.plan.is_inside(frame), "{:?}", writer.plan);

        let (mut scatter, mut words) = writer.places(scratch as u16);
        scatter.slots = (slots / SLOT) as u16;
        scatter.frame = frame as u16;
        scatter.spills = spills as u16;
        let mut packer = Packer::new(abi);
        words.extend(values(abi, signature.results).skip(1).map(|(operand, _)| {
            let size = operand.measure.size;
            let width = match size {
                4 => SPILL_4,
                8 => SPILL_8,
                _ => SPILL_16,
            };
            packer.place(size) as u16 | width
        }));
        let entry = if small { Entry::Small } else { Entry::Any };
        Ok(Encoded { scatter, lists: words, entry, plan: writer.plan })
    }
}

impl Writer<'_> {
    /// Takes a place for so many bytes behind the slots.
    fn room(&mut self, size: usize) -> usize {
        let at = self.end.next_multiple_of(size);
        self.end = at + size;
        at
    }

    fn before(&mut self, op: Op, from: usize, to: usize, size: usize) {
        let [from, to, size] = [from, to, size].map(|n| n as u16);
        self.plan.before.push(Step { op, from, to, size });
    }

    fn after(&mut self, op: Op, from: usize, to: usize, size: usize) {
        let [from, to, size] = [from, to, size].map(|n| n as u16);
        self.plan.after.push(Step { op, from, to, size });
    }

    /// An argument whose value is at `to`.
    fn argument(&mut self, operand: Operand, to: usize, pieces: Pieces) {
        let size = operand.measure.size as usize;
        let pieces = match pieces.as_slice() {
            [Piece { location, .. }] if pieces.by_reference => {
                let address = self.room(8);
                self.moves.push((*location, address, 8));
                if size > 0 {
                    self.before(Op::Load, address, to, size);
                }
                &[]
            }
            pieces => pieces,
        };
        // What is between pieces is padding, which the caller does not pass.
        let padded = pieces.iter().map(|piece| piece.size as usize).sum::<usize>() < size;
        let padded = padded && !pieces.is_empty();
        if padded {
            (0..size).step_by(8).for_each(|word| self.before(Op::ZeroExtend, 0, to + word, 0));
        }
        for (i, piece) in pieces.iter().enumerate() {
            let (offset, size) = (piece.offset as usize, piece.size as usize);
            // The assembly stores whole registers and words, in no order.
            let end =
                pieces.get(i + 1).map_or(in_slots(size + offset), |next| next.offset as usize);
            let width = match piece.location {
                Place::Float(_) | Place::Vector(_) => 16,
                _ => size.next_multiple_of(8),
            };
            let shared = self.shared(*piece);
            let whole = offset % 8 == 0 && offset + width <= end;
            if whole && shared.is_none() && !padded {
                self.moves.push((piece.location, to + offset, size));
                continue;
            }
            let from = shared.unwrap_or_else(|| {
                let from = self.room(width.min(16));
                self.moves.push((piece.location, from, size));
                from
            });
            self.before(Op::Copy, from, to + offset, size);
        }
        match operand.scalar {
            Some(_) if size < 4 => self.before(Op::ZeroExtend, 0, to, size),
            // The assembly has stored it as a scalar.
            None if self.abi.stack.big_endian && !pieces.is_empty() => {
                self.before(Op::Reverse, 0, to, size);
            }
            _ => {}
        }
    }

    /// Where a piece is that is only a part of a stack word. The word goes to one place
    /// behind the slots for all its values.
    fn shared(&mut self, Piece { size, location, .. }: Piece<Place>) -> Option<usize> {
        let Place::Stack(offset) = location else { return None };
        if !self.abi.stack.packed || size >= 4 {
            return None;
        }
        let (word, within) = (offset & !3, (offset & 3) as usize);
        let same = |place: &Place| matches!(place, Place::Stack(other) if *other == word);
        let known = self.moves.iter().rev().find(|(place, ..)| same(place));
        let at = known.map(|(_, at, _)| *at).unwrap_or_else(|| {
            let at = self.room(8);
            self.moves.push((Place::Stack(word), at, 4));
            at
        });
        Some(at + within)
    }

    /// The result of C, or the first one in the VM convention, by its pieces.
    fn result(&mut self, operand: Operand, pieces: &[Piece<Place>]) {
        let fits_all = matches!(self.abi.extension, Extension::Full | Extension::FullSigned);
        match pieces {
            [Piece { location: Place::X87(_), .. }] => self.more |= MORE_X87,
            [Piece { location: Place::X87(_), .. }, ..] => self.more |= MORE_X87_PAIR,
            [Piece { location: Place::Float(_), size: 16, .. }] => self.more |= MORE_RESULTS,
            [Piece { location: Place::Vector(_), .. }] => self.more |= MORE_RESULTS | MORE_VECTORS,
            [Piece { offset: 0, size, .. }] => match operand.scalar {
                Some(Scalar { kind, .. }) if *size < 4 || kind == Kind::Unsigned && *size == 4 => {
                    self.extended(kind, *size);
                }
                _ if fits_all && *size == 4 => self.more |= MORE_NARROW,
                _ => {}
            },
            pieces => self.image(pieces, fits_all),
        }
    }

    /// A result that is an integer of up to four bytes and not an `i32`.
    fn extended(&mut self, kind: Kind, size: u32) {
        match (self.abi.extension, kind, size) {
            (Extension::FullSigned, _, 4) => self.more |= MORE_NARROW,
            (Extension::None, ..) | (Extension::Word, _, 4) => {}
            (_, Kind::Signed, _) => self.after(Op::SignExtend, 0, 0, size as usize),
            _ => self.after(Op::ZeroExtend, 0, 0, size as usize),
        }
    }

    /// A result in several registers, which the assembly loads from the first slots: an
    /// integer and a float from eight bytes each; floats alone, on 64-bit Arm, from
    /// sixteen bytes each; all others from eight bytes each.
    fn image(&mut self, pieces: &[Piece<Place>], boxed: bool) {
        let float = |piece: &Piece<Place>| matches!(piece.location, Place::Float(_));
        let both = pieces.iter().any(float) && !pieces.iter().all(float);
        let apart = if self.abi.results.float.len() > 2 { 16 } else { 8 };
        let to = |piece: &Piece<Place>| match piece.location {
            Place::Float(i) if both => 8 + 8 * i,
            Place::Float(i) => apart * i,
            Place::Integer(i) => 8 * i,
            _ => unreachable!("no result in several registers is elsewhere"),
        };
        if let Some(last) = pieces.last() {
            self.more |= if both { MORE_BOTH } else { MORE_PAIR };
            self.end = self.end.max(IMAGE_SIZE);
            let narrow = |piece: &Piece<Place>| boxed && float(piece) && piece.size == 4;
            if pieces.iter().all(|piece| to(piece) == piece.offset as usize && !narrow(piece)) {
                return;
            }
            let size = (last.offset + last.size) as usize;
            let copy = self.room(16);
            self.end = copy + in_slots(size);
            self.after(Op::Copy, 0, copy, size);
            for piece in pieces {
                let (from, size) = (copy + piece.offset as usize, piece.size as usize);
                self.after(Op::Copy, from, to(piece), size);
                if narrow(piece) {
                    self.after(Op::Box, 0, to(piece), size);
                }
            }
        }
    }

    /// The scatter and its list of stack words, where what carries nothing goes to
    /// `scratch`.
    fn places(&self, scratch: u16) -> (Scatter, Vec<u16>) {
        let stack = &self.abi.stack;
        let mut scatter = Scatter {
            integer: [scratch; 8],
            slots: 0,
            frame: 0,
            stack_words: 0,
            spills: 0,
            more: self.more,
            float: [scratch; 8],
            floats: 0,
        };
        let vectors = self.moves.iter().any(|(place, ..)| matches!(place, Place::Vector(_)));
        if vectors {
            scatter.more |= MORE_VECTORS;
        }
        let vector_words = if scatter.more & MORE_VECTORS != 0 { VECTOR_WORDS } else { 0 };
        let mut words = vec![scratch; vector_words];
        let mut put_words = |first: usize, to: usize, size: usize| {
            let word = stack.slot as usize;
            let count = size.div_ceil(word);
            words.resize(words.len().max(first + count), scratch);
            for i in 0..count {
                let part = if stack.big_endian { count - 1 - i } else { i };
                words[first + i] = (to + part * word) as u16;
            }
        };
        for &(place, to, size) in &self.moves {
            match place {
                Place::Integer(register) => scatter.integer[register] = to as u16,
                Place::Float(register) => {
                    // There a narrow float is at the other end of its register.
                    let narrow = stack.big_endian && size == 4;
                    scatter.float[register] = to as u16 | if narrow { NARROW } else { 0 };
                    scatter.floats = scatter.floats.max(register as u16 + 1);
                }
                Place::Vector(register) => put_words(2 * register, to, size),
                Place::X87(_) => unreachable!("no argument is in an x87 register"),
                Place::Stack(offset) => {
                    let word = (offset - stack.start) / stack.slot;
                    put_words(vector_words + word as usize, to, size);
                }
            }
        }
        words.resize(words.len().next_multiple_of(GROUP), scratch);
        scatter.stack_words = words.len() as u16;
        (scatter, words)
    }
}

/// Walks over values in slots.
struct Values<'a> {
    abi: &'a Abi,
    types: &'a [u16],
    at: usize,
    to: usize,
}

/// Each value of these types, and where it begins in the slots.
fn values<'a>(abi: &'a Abi, types: &'a [u16]) -> Values<'a> {
    Values { abi, types, at: 0, to: 0 }
}

impl Values<'_> {
    /// The offset behind all values.
    fn end(mut self) -> usize {
        while self.next().is_some() {}
        self.to
    }
}

impl Iterator for Values<'_> {
    type Item = (Operand, usize);

    fn next(&mut self) -> Option<(Operand, usize)> {
        if self.at == self.types.len() {
            return None;
        }
        let operand = Operand::new(self.types, self.at, self.abi);
        let to = self.to;
        self.to += in_slots(operand.measure.size as usize);
        self.at = operand.measure.end;
        Some((operand, to))
    }
}

/// The index of the first slot of parameter `index`, or of the one behind all.
pub(crate) fn argument(abi: &Abi, signature: SignatureRef<'_>, index: usize) -> usize {
    let params = || values(abi, signature.params);
    let mut starts = params().map(|(_, to)| to).chain([params().end()]);
    starts.nth(index).expect("a parameter of this index") / SLOT
}

/// For the tests: the words of a scatter under any convention, and its lists.
#[doc(hidden)]
pub fn scatter(
    abi: &'static Abi,
    signature: &Signature,
    shape: Shape,
) -> Result<(Vec<u16>, Vec<u16>), Error> {
    let lent = signature.lend();
    let encoded = Scatter::encode(abi, lent, shape);
    let Encoded { scatter, lists, .. } = encoded.map_err(|misfit| misfit.error(abi, lent))?;
    let Scatter { integer, slots, frame, stack_words, spills, more, float, floats } = scatter;
    let middle = [slots, frame, stack_words, spills, more];
    Ok(([&integer[..], &middle, &float, &[floats]].concat(), lists))
}

/// The offsets behind the scalars of four bytes in the slots.
pub(crate) fn behind_narrow(abi: &Abi, signature: SignatureRef<'_>) -> Vec<u16> {
    let narrow = |operand: &Operand| operand.scalar.is_some() && operand.measure.size == 4;
    let params = values(abi, signature.params).filter(|(operand, _)| narrow(operand));
    params.map(|(_, to)| to as u16 + 4).collect()
}
