//! The scatter: where a function's arguments go when native code calls the host.
//!
//! It is the descriptor of the other direction. A function of the assembly stores every
//! argument register and every stack word in its frame, at an offset that the scatter names.
//! That is the value's slot, a place behind the slots, or a scratch place for words that
//! carry no value. The results in the return area are a list like that of a
//! [`Descriptor`](super::descriptor::Descriptor).
//!
//! The assembly moves whole words. Rust does the rest by a [`Plan`]. The types of
//! WebAssembly need none.

use alloc::vec::Vec;
use core::mem;

use super::{
    constants::{assert_layout, constant},
    header::{NARROW, Shape, VECTOR_WORDS},
    lists::{self, Lists},
    plan::{BOX, COPY, LOAD, REVERSE, SIGN_EXTEND, STEP, STORE, ZERO_EXTEND},
};
use crate::{
    abi::{Abi, Aggregates, Extension, Stack},
    error::{Error, MAX_BYTES},
    layout::{
        Piece,
        misfit::{Misfit, check},
        places::Place,
        walk::{Returned, Walk},
    },
    signature::{Signature, SignatureRef},
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
const SMALL_SLOTS: usize = constant("SMALL_SLOTS");
const SCRATCH_SIZE: usize = constant("SCRATCH_SIZE");
const IMAGE_SIZE: usize = constant("IMAGE_SIZE");
/// Size of a slot.
const SLOT: usize = 16;
/// The entry of a register or stack word that carries nothing, until it is known where the
/// scratch bytes are; no offset is odd, but for `NARROW`.
const NOTHING: u16 = u16::MAX;

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
    /// Whether a mask has zeros.
    masked: u16,
    /// For each integer argument register of C on x86-64 System V: ones where its value is. The
    /// rest is cleared. Elsewhere the [`Plan`] says what to clear.
    masks: [u64; 6],
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
    masked @ "H_MASKED",
    masks @ "H_MASKS",
});

/// An entry of the assembly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// For a few slots, in a frame of constant size.
    Small,
    /// For any number of slots.
    Any,
}

/// The most narrow values that are cleared without a step for each.
pub(crate) const NARROWS: usize = 8;

/// How much Rust does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Nothing,
    /// It clears what is above so many narrow values, before the call.
    Narrow(usize),
    /// It takes steps, too, before or after the call.
    Steps,
}

/// What Rust does between the assembly and the function that is called.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Where the assembly has left something above the first scalars of four bytes.
    narrow: [u16; NARROWS],
    /// How many of these there are.
    narrows: usize,
    /// Whether one of them is in slot 0, and no result is written over it.
    widen: bool,
    /// How many steps come before the call: arguments to their slots.
    before: usize,
    /// How many come after it: the result to where the assembly loads its registers from, or to
    /// memory.
    after: usize,
}

impl Plan {
    pub(crate) const EMPTY: Plan =
        Plan { narrow: [0; NARROWS], narrows: 0, widen: false, before: 0, after: 0 };

    /// What of it there is to do.
    #[cfg_attr(not(vmtrampoline_port), allow(dead_code))] // not called there
    pub(crate) fn work(&self) -> Work {
        match (self.before + self.after, self.narrows) {
            (0, 0) => Work::Nothing,
            (0, narrows) => Work::Narrow(narrows),
            _ => Work::Steps,
        }
    }

    /// Offsets from slot 0 at which four bytes are to be cleared before the call.
    #[inline(always)]
    #[cfg_attr(not(vmtrampoline_port), allow(dead_code))] // not called there
    pub(crate) fn narrow(&self) -> &[u16] {
        &self.narrow[..self.narrows]
    }

    /// At least these: the last comes more than once.
    #[inline(always)]
    #[cfg_attr(not(vmtrampoline_port), allow(dead_code))] // not called there
    pub(crate) fn narrow_of<const N: usize>(&self) -> &[u16] {
        const { assert!(N <= NARROWS) };
        &self.narrow[..N]
    }

    /// Whether slot 0 is to be written again, after that, as one word. The assembly loads eight bytes
    /// of it after the call whatever they are, and the processor waits if they are of two stores.
    #[inline(always)]
    #[cfg_attr(not(vmtrampoline_port), allow(dead_code))] // not called there
    pub(crate) fn widen(&self) -> bool {
        self.widen
    }

    /// How many steps come before the call, and how many after it.
    #[cfg_attr(not(vmtrampoline_port), allow(dead_code))] // not called there
    pub(crate) fn steps(&self) -> [usize; 2] {
        [self.before, self.after]
    }

    /// Whether every byte that these steps read or write by an offset is below `frame`. Of a step
    /// that goes by an address, this is the address.
    fn is_inside(&self, steps: &[u16], frame: usize) -> bool {
        let mut narrow = self.narrow[..self.narrows].iter().map(|above| usize::from(*above));
        let steps = steps.chunks(STEP).all(|step| {
            let [op, from, to, size] = [0, 1, 2, 3].map(|i| usize::from(step[i]));
            match op as u16 {
                COPY => from + size <= frame && to + size <= frame,
                LOAD => from % 8 == 0 && from + 8 <= frame && to + size <= frame,
                STORE => to == frame && size <= frame,
                REVERSE => to + size <= frame,
                ZERO_EXTEND | SIGN_EXTEND | BOX => to % 8 == 0 && size < 8 && to + 8 <= frame,
                _ => false,
            }
        });
        narrow.all(|above| above % 4 == 0 && above + 4 <= frame) && steps
    }
}

/// How many bytes of slots a value of this size takes.
pub(crate) fn in_slots(size: usize) -> usize {
    size.next_multiple_of(SLOT)
}

/// Everything that a signature asks for: where it is to be written. It is empty.
pub(crate) struct Encoding<'e> {
    pub(crate) scatter: &'e mut Scatter,
    /// Stack words, then spills, then the steps of the plan.
    pub(crate) lists: &'e mut Lists,
    pub(crate) plan: &'e mut Plan,
}

impl Scatter {
    pub(crate) const EMPTY: Scatter = Scatter {
        integer: [NOTHING; 8],
        slots: 0,
        frame: 0,
        stack_words: 0,
        spills: 0,
        more: 0,
        float: [NOTHING; 8],
        floats: 0,
        masked: 0,
        masks: [u64::MAX; 6],
    };

    /// Entries of the lists that the assembly reads. The steps of the plan follow.
    pub(crate) fn entries(&self) -> usize {
        usize::from(self.stack_words) + usize::from(self.spills)
    }

    /// Writes the scatter of a signature. [`Shape::Variable`] asks for the entry that can do
    /// everything, any other shape for the faster one if it will do.
    pub(crate) fn encode(
        Encoding { scatter, lists, plan }: Encoding<'_>,
        abi: &Abi,
        signature: SignatureRef<'_>,
        shape: Shape,
    ) -> Result<Entry, Misfit> {
        check(&signature, abi)?;
        if signature.counts.named.is_some() {
            return Err(Misfit::VariadicCallback);
        }
        let walk = Walk::new(abi, &signature, SLOT as u16);
        let (steps, vectors, end, shared, over) =
            (Lists::EMPTY, [NOTHING; VECTOR_WORDS], 0, None, None);
        let mut writer =
            Writer { abi, walk, scatter, lists, plan, steps, vectors, end, shared, over };
        writer.write(shape)
    }
}

/// Writes what goes where.
struct Writer<'a, 'e> {
    abi: &'a Abi,
    walk: Walk<'a>,
    scatter: &'e mut Scatter,
    lists: &'e mut Lists,
    plan: &'e mut Plan,
    /// Entries of the steps.
    steps: Lists,
    /// Entries of the vector registers, where those are not the float registers.
    vectors: [u16; VECTOR_WORDS],
    /// Where the slots and the places behind them end.
    end: usize,
    /// Where a stack word is that several values share, and its place.
    shared: Option<(u32, usize)>,
    /// The last float register, if it goes to the second half of a slot.
    over: Option<Over>,
}

/// A float register whose value goes to the eight bytes before the beginning of a slot, or of
/// what lies behind the slots. The other eight bytes that are stored fall there.
#[derive(Clone, Copy)]
struct Over {
    register: u32,
    size: usize,
    slot: usize,
}

impl Writer<'_, '_> {
    fn write(&mut self, shape: Shape) -> Result<Entry, Misfit> {
        let (word, first) = self.result_0()?;
        let (pieces, size) = (first.map(|_| *self.walk.pieces()), self.walk.operand().measure.size);
        let results_end = self.results_end()?;
        self.arguments(results_end)?;
        let slots = results_end.max(self.walk.slots() as usize);
        if self.end > results_end && slots > results_end {
            // Only now is it known where the places lie, behind the slots.
            self.restart()?;
            self.arguments(slots)?;
        }
        self.end = self.end.max(slots);
        let (mut pointer, mut memory) = (self.walk.pointer(), None);
        if pointer.is_some() {
            self.scatter.more |= MORE_RESULTS;
        }
        self.plan.widen &= word.is_none() && first.is_none();
        if let Some(scalar) = word {
            self.word_result(scalar);
        } else if let (Some(returned), Some(pieces)) = (first, pieces) {
            match returned {
                Returned::Registers => self.result(pieces.as_slice()),
                Returned::Memory(place) => (pointer, memory) = (place, Some(size)),
            }
        }

        let small = shape != Shape::Variable && self.end <= SLOT * SMALL_SLOTS;
        let scratch = if small { SLOT * SMALL_SLOTS } else { in_slots(self.end) };
        let frame = scratch + SCRATCH_SIZE;
        if frame > MAX_BYTES || self.walk.argument_area() > MAX_BYTES as u32 {
            return Err(Misfit::Area);
        }
        // The return pointer's place is behind the scratch bytes.
        if let Some(place) = pointer {
            self.put(place, frame, 8);
        }
        if let Some(size) = memory {
            self.after(STORE, 0, frame, size as usize);
        }

        let Writer { plan, steps, .. } = self;
        debug_assert!(plan.is_inside(steps, frame), "{plan:?} {steps:?}");

        self.fill(scratch as u16);
        self.scatter.slots = (slots / SLOT) as u16;
        self.scatter.frame = frame as u16;
        while let Some(offset) = self.walk.more()? {
            self.lists.extend(&[lists::spill(offset, self.walk.operand())]);
            self.scatter.spills += 1;
        }
        if !self.steps.is_empty() {
            self.lists.extend(&self.steps);
        }
        Ok(if small { Entry::Small } else { Entry::Any })
    }

    /// Where the slots of all results end.
    fn results_end(&self) -> Result<usize, Misfit> {
        let mut end = self.walk.slots();
        if self.walk.signature.counts.results > 1 {
            let mut walk = self.walk;
            while walk.more()?.is_some() {}
            end = walk.slots();
        }
        Ok(end as usize)
    }

    /// Begins anew with the arguments.
    #[inline(never)]
    fn restart(&mut self) -> Result<(), Misfit> {
        (*self.scatter, *self.plan) = (Scatter::EMPTY, Plan::EMPTY);
        (*self.lists, self.steps) = (Lists::EMPTY, Lists::EMPTY);
        self.walk = Walk::new(self.abi, self.walk.signature, SLOT as u16);
        (self.shared, self.over) = (None, None);
        self.result_0().map(|_| ())
    }

    /// Result 0, as a word or as something else.
    fn result_0(&mut self) -> Result<(Option<Scalar>, Option<Returned>), Misfit> {
        let word = self.walk.first_word();
        let first = if word.is_some() { None } else { self.walk.first()? };
        Ok((word, first))
    }

    /// All arguments, with places from `end` on.
    #[inline]
    fn arguments(&mut self, end: usize) -> Result<(), Misfit> {
        self.end = end;
        loop {
            if let Some((scalar, slot, place)) = self.walk.param_word() {
                self.word(scalar.size as u32, slot as usize, place);
            } else if let Some(slot) = self.walk.param()? {
                self.argument(slot as usize);
            } else {
                break;
            }
        }
        // There are places behind the slots.
        if self.end > end && self.over.is_some_and(|over| over.slot >= end) {
            self.copy_over();
        }
        Ok(())
    }

    /// Takes the last float register to a place of its own, as what is stored before it lies
    /// where its other eight bytes fall.
    fn copy_over(&mut self) {
        if let Some(Over { register, size, slot }) = self.over.take() {
            let from = self.room(16);
            self.scatter.float[register as usize] = from as u16;
            self.before(COPY, from, slot - 8, size);
        }
    }

    /// An argument of up to eight bytes, a scalar, whose value is at `to`.
    #[inline(always)]
    fn word(&mut self, size: u32, to: usize, location: Place) {
        if let (Place::Integer(register), Aggregates::Eightbytes) = (location, &self.abi.aggregates)
        {
            self.scatter.masks[register as usize] = u64::MAX >> (64 - 8 * size);
            self.scatter.masked |= u16::from(size < 8);
            return self.put(location, to, size as usize);
        }
        if size >= 4 {
            self.put(location, to, size as usize);
            if size == 4 {
                self.narrow(to);
            }
            return;
        }
        match self.shared(Piece { offset: 0, size, location }) {
            Some(from) => self.before(COPY, from, to, size as usize),
            None => self.put(location, to, size as usize),
        }
        self.before(ZERO_EXTEND, to, to, size as usize);
    }

    /// Notes that a scalar of four bytes is in the slot at this offset.
    fn narrow(&mut self, to: usize) {
        let plan = &mut *self.plan;
        if plan.narrows < NARROWS {
            plan.narrow[plan.narrows..].fill(to as u16 + 4);
            plan.narrows += 1;
            plan.widen |= to == 0;
        } else {
            self.before(ZERO_EXTEND, to, to, 4);
        }
    }

    /// Takes a place for so many bytes behind the slots.
    fn room(&mut self, size: usize) -> usize {
        let at = self.end.next_multiple_of(size);
        self.end = at + size;
        at
    }

    /// One more step before the call; there is none after it yet.
    fn before(&mut self, op: u16, from: usize, to: usize, size: usize) {
        self.steps.extend(&[op, from as u16, to as u16, size as u16]);
        self.plan.before += 1;
    }

    /// One more step after the call.
    fn after(&mut self, op: u16, from: usize, to: usize, size: usize) {
        self.steps.extend(&[op, from as u16, to as u16, size as u16]);
        self.plan.after += 1;
    }

    /// Any other argument, whose value is at `to`.
    fn argument(&mut self, to: usize) {
        let size = self.walk.operand().measure.size as usize;
        if self.walk.pieces().by_reference() {
            let location = self.walk.pieces().as_slice()[0].location;
            let address = self.room(8);
            self.put(location, address, 8);
            if size > 0 {
                self.before(LOAD, address, to, size);
            }
            return;
        }
        let (mut passed, count) = (0, self.walk.pieces().as_slice().len());
        for piece in self.walk.pieces().as_slice() {
            passed += piece.size as usize;
        }
        // What is between pieces is padding, which the caller does not pass.
        let padded = count > 0 && passed < size;
        if padded {
            (0..size).step_by(8).for_each(|word| self.before(ZERO_EXTEND, to + word, to + word, 0));
        }
        for i in 0..count {
            self.piece(i, to, padded);
        }
        // The assembly has stored it as a scalar.
        let scalar = self.walk.operand().scalar.is_some();
        if !scalar && self.abi.stack.big_endian && count > 0 {
            self.before(REVERSE, to, to, size);
        }
    }

    /// Piece `i` of such an argument, which is `padded` or not.
    #[inline(always)]
    fn piece(&mut self, i: usize, to: usize, padded: bool) {
        let (piece, rest) = (self.walk.pieces().as_slice()[i], i + 1);
        let (offset, size) = (piece.offset as usize, piece.size as usize);
        // The assembly stores whole registers and words. On x86-64 System V, it stores the float
        // registers in ascending order. Elsewhere one that would not be at the beginning of
        // a slot is copied there afterwards.
        let is_float = |piece: &Piece<Place>| matches!(piece.location, Place::Float(_));
        let ascending = matches!(self.abi.aggregates, Aggregates::Eightbytes);
        let over = ascending && offset % 16 == 8 && is_float(&piece);
        let (width, end) = match piece.location {
            Place::Float(_) | Place::Vector(_) => {
                let mut others = self.walk.pieces().as_slice()[rest..].iter();
                let next = others.find(|next| next.offset % 16 == 0 || !is_float(next));
                (16, next.map_or(in_slots(size + offset), |next| next.offset as usize))
            }
            // No other piece is in its eightbytes.
            _ => (size.next_multiple_of(8), usize::MAX),
        };
        let shared = self.shared(piece);
        let whole = offset % 8 == 0 && offset + width <= end || over;
        if whole && shared.is_none() && !padded {
            self.put(piece.location, to + offset, size);
            if let (true, Place::Float(register)) = (over, piece.location) {
                self.over = Some(Over { register, size, slot: to + offset + 8 });
            }
            return;
        }
        let from = shared.unwrap_or_else(|| {
            let from = self.room(width.min(16));
            self.put(piece.location, from, size);
            from
        });
        self.before(COPY, from, to + offset, size);
    }

    /// Where a piece is that is only a part of a stack word. The word goes to one place
    /// behind the slots for all its values.
    fn shared(&mut self, Piece { size, location, .. }: Piece<Place>) -> Option<usize> {
        let Place::Stack(offset) = location else { return None };
        if !self.abi.stack.packed || size >= 4 {
            return None;
        }
        let (word, within) = (offset & !3, (offset & 3) as usize);
        let at = match self.shared {
            Some((known, at)) if known == word => at,
            _ => {
                let at = self.room(8);
                self.shared = Some((word, at));
                self.put(Place::Stack(word), at, 4);
                at
            }
        };
        Some(at + within)
    }

    /// Writes that what is in this place goes to that offset in the frame.
    #[inline(always)]
    fn put(&mut self, place: Place, to: usize, size: usize) {
        if self.over.is_some_and(|over| over.slot == to) && !matches!(place, Place::Float(_)) {
            self.copy_over();
        }
        let stack = &self.abi.stack;
        match place {
            Place::Integer(register) => self.scatter.integer[register as usize] = to as u16,
            Place::Float(register) => {
                // There a narrow float is at the other end of its register.
                let narrow = stack.big_endian && size == 4;
                self.scatter.float[register as usize] = to as u16 | if narrow { NARROW } else { 0 };
                self.scatter.floats = self.scatter.floats.max(register as u16 + 1);
            }
            Place::Vector(register) => {
                self.scatter.more |= MORE_VECTORS;
                put_words(&self.abi.stack, &mut self.vectors[2 * register as usize..], to, size);
            }
            Place::X87(_) => unreachable!("no argument is in an x87 register"),
            // All is refused in the end.
            Place::Stack(offset) if offset as usize > MAX_BYTES => {}
            Place::Stack(offset) => {
                let first = stack.words(offset - stack.start) as usize;
                let end = first + size.div_ceil(stack.slot as usize);
                if end > self.lists.len() {
                    self.lists.grow(end.next_multiple_of(GROUP), NOTHING);
                }
                put_words(&self.abi.stack, &mut self.lists[first..], to, size);
            }
        }
    }

    /// The result of C, or the first one in the VM convention: a scalar of up to eight bytes.
    fn word_result(&mut self, Scalar { kind, size, .. }: Scalar) {
        match (self.abi.extension, kind, size) {
            (_, _, 8..) | (Extension::None, ..) | (Extension::Word, _, 4) => {}
            (Extension::Full, Kind::Unsigned, 4) => self.after(ZERO_EXTEND, 0, 0, 4),
            (_, _, 4) => self.scatter.more |= MORE_NARROW,
            (_, Kind::Signed, _) => self.after(SIGN_EXTEND, 0, 0, size as usize),
            _ => self.after(ZERO_EXTEND, 0, 0, size as usize),
        }
    }

    /// Any other such result, by its pieces.
    fn result(&mut self, pieces: &[Piece<Place>]) {
        let fits_all = matches!(self.abi.extension, Extension::Full | Extension::FullSigned);
        self.scatter.more |= match pieces {
            [Piece { location: Place::X87(_), .. }] => MORE_X87,
            [Piece { location: Place::X87(_), .. }, ..] => MORE_X87_PAIR,
            [Piece { location: Place::Float(_), size: 16, .. }] => MORE_RESULTS,
            [Piece { location: Place::Vector(_), .. }] => MORE_RESULTS | MORE_VECTORS,
            [Piece { offset: 0, size: 4, .. }] if fits_all => MORE_NARROW,
            [Piece { offset: 0, .. }] => 0,
            pieces => return self.image(pieces, fits_all),
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
            Place::Float(i) if both => 8 + 8 * i as usize,
            Place::Float(i) => apart * i as usize,
            Place::Integer(i) => 8 * i as usize,
            _ => unreachable!("no result in several registers is elsewhere"),
        };
        if let Some(last) = pieces.last() {
            self.scatter.more |= if both { MORE_BOTH } else { MORE_PAIR };
            self.end = self.end.max(IMAGE_SIZE);
            let narrow = |piece: &Piece<Place>| boxed && float(piece) && piece.size == 4;
            if pieces.iter().all(|piece| to(piece) == piece.offset as usize && !narrow(piece)) {
                return;
            }
            let size = (last.offset + last.size) as usize;
            let copy = self.room(16);
            self.end = copy + in_slots(size);
            self.after(COPY, 0, copy, size);
            for piece in pieces {
                let (from, size) = (copy + piece.offset as usize, piece.size as usize);
                self.after(COPY, from, to(piece), size);
                if narrow(piece) {
                    self.after(BOX, to(piece), to(piece), size);
                }
            }
        }
    }

    /// Has what carries nothing go to `scratch`.
    fn fill(&mut self, scratch: u16) {
        if self.scatter.more & MORE_VECTORS != 0 {
            let words = mem::replace(self.lists, Lists::EMPTY);
            self.lists.extend(&self.vectors);
            self.lists.extend(&words);
        }
        let fill = |entries: &mut [u16]| {
            entries
                .iter_mut()
                .for_each(|entry| *entry = if *entry == NOTHING { scratch } else { *entry });
        };
        fill(&mut self.scatter.integer);
        fill(&mut self.scatter.float);
        fill(self.lists);
        self.scatter.stack_words = self.lists.len() as u16;
    }
}

/// Writes the stack words of a value that goes to this offset.
fn put_words(stack: &Stack, entries: &mut [u16], to: usize, size: usize) {
    let words = lists::words(stack, size as u32);
    for (i, entry) in (0..words).zip(entries) {
        *entry = (to + lists::word(stack, i, words) as usize) as u16;
    }
}

/// The words of a scatter, its lists, and its masks.
type Words = (Vec<u16>, Vec<u16>, [u64; 6]);

/// For the tests: what is in a scatter under any convention.
#[doc(hidden)]
pub fn scatter(abi: &'static Abi, signature: &Signature, shape: Shape) -> Result<Words, Error> {
    let lent = signature.lend();
    let (mut made, mut lists, mut plan) = (Scatter::EMPTY, Lists::EMPTY, Plan::EMPTY);
    let encoding = Encoding { scatter: &mut made, lists: &mut lists, plan: &mut plan };
    Scatter::encode(encoding, abi, lent, shape).map_err(|misfit| misfit.error(abi, lent))?;
    let words = made.entries();
    let Scatter { integer, slots, frame, stack_words, spills, more, float, floats, masked, masks } =
        made;
    let middle = [slots, frame, stack_words, spills, more];
    Ok((
        [&integer[..], &middle, &float, &[floats, masked]].concat(),
        lists[..words].to_vec(),
        masks,
    ))
}
