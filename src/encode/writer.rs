//! Writes descriptors.

use super::{
    descriptor::{NOT_VARIADIC, SIGNATURE_HEAD},
    header::{
        Entry, FLOATS_ALL, FLOATS_SOME, FLOATS_SOME_VECTORS, FLOATS_VECTORS, GROUP, Header, NARROW,
        RESULT_FLOAT, RESULT_INTEGER, RESULT_VECTOR, RESULT_X87, RESULT_X87_PAIR, Returns,
        SOME_NARROW, Shape, VECTOR_WORDS,
    },
    lists, plan,
};
use crate::{
    abi::{Abi, Extension, Vector},
    error::{MAX_BYTES, attempt},
    layout::{
        Piece,
        misfit::{Misfit, check},
        places::{Pieces, Place},
        walk::{Returned, Walk},
    },
    signature::{Counts, SignatureRef},
    text,
    types::{Head, Measure, after, head, unwrapped},
    valtype::{Kind, Scalar, ValType},
};

/// Entries of the steps that a writer keeps until it knows where they lie: eight steps.
const KEPT: usize = 8 * plan::STEP;

/// What a descriptor is made from.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) abi: &'a Abi,
    pub(crate) signature: SignatureRef<'a>,
    /// Distance from one value slot to the next, in bytes: 8 or 16.
    pub(crate) stride: u16,
    /// The shortest shape that the encoder may take.
    pub(crate) shape: Shape,
}

impl<'a> Source<'a> {
    pub(super) const fn constant(abi: &'a Abi, parsed: text::Parsed, words: &'a [u16]) -> Self {
        let text::Parsed { len, params_len, params, results, named } = parsed;
        assert!(words.len() == len, "the types have another number of words");
        let counts = Counts { params, results, named };
        let (params, results) = words.split_at(params_len);
        let signature = SignatureRef { params, results, counts };
        Source { abi, signature, stride: 16, shape: Shape::Bare }
    }

    /// Writes the descriptor: its header to one that is [empty](Header::EMPTY), and its lists to
    /// `lists`, which hold zeros, as far as they reach. Returns how many entries the lists have.
    /// That is a multiple of four, so that no byte is unused.
    #[inline(always)]
    pub(crate) const fn encode(
        &self,
        header: &mut Header,
        lists: &mut [u16],
    ) -> Result<usize, Misfit> {
        attempt!(check(&self.signature, self.abi));
        let mut writer = Writer::new(self, None, header, lists);
        let len = attempt!(writer.write());
        if writer.steps <= KEPT {
            return Ok(len);
        }
        let words = writer.header.stack_words as usize;
        self.encode_again(words, header, lists)
    }

    /// The second walk, for more steps than a writer keeps: they lie behind so many stack words.
    const fn encode_again(
        &self,
        words: usize,
        header: &mut Header,
        lists: &mut [u16],
    ) -> Result<usize, Misfit> {
        *header = Header::EMPTY;
        Writer::new(self, Some(words), header, lists).write()
    }
}

/// Writes a descriptor in a walk over its signature.
struct Writer<'a, 'l> {
    abi: &'a Abi,
    walk: Walk<'a>,
    header: &'l mut Header,
    lists: &'l mut [u16],
    /// Entries in the list of stack words, in the second walk.
    stack_words: Option<usize>,
    /// How many entries of the list of stack words are for vector registers. They come first.
    vector_words: usize,
    /// The first steps.
    kept: [u16; KEPT],
    /// Entries of steps so far.
    steps: usize,
    /// The entries of the pieces of a result that Rust stores, unless it is a pair, and how many
    /// pieces there are.
    pieces: [u16; plan::PIECE * Pieces::MOST],
    pieces_len: usize,
    /// Byte offset in the slots behind the values, if there are prepared words.
    values: Option<u32>,
    /// Bytes of the prepared words so far, behind the values.
    prepared: u32,
    /// Bytes for copies so far.
    copies: u32,
    /// Byte offset in the slots behind all bytes that the assembly reads.
    reach: u32,
    /// The stack word that several values share, and the offset of the word in which Rust
    /// prepares it.
    shared: Option<(usize, u32)>,
}

impl<'a, 'l> Writer<'a, 'l> {
    #[inline(always)]
    const fn new(
        source: &'a Source<'a>,
        stack_words: Option<usize>,
        header: &'l mut Header,
        lists: &'l mut [u16],
    ) -> Self {
        let vector_words = vector_words(source);
        header.spills = source.signature.counts.results.saturating_sub(1) as u16;
        header.floats = if vector_words > 0 { FLOATS_VECTORS } else { 0 };
        header.shape = source.shape;
        header.stride = source.stride as u8;
        header.contexts = source.abi.contexts as u8;
        Writer {
            abi: source.abi,
            walk: Walk::new(source.abi, &source.signature, source.stride),
            header,
            lists,
            stack_words,
            vector_words,
            kept: [0; KEPT],
            steps: 0,
            pieces: [0; plan::PIECE * Pieces::MOST],
            pieces_len: 0,
            values: None,
            prepared: 0,
            copies: 0,
            reach: 0,
            shared: None,
        }
    }

    /// Returns how many entries the lists have.
    const fn write(&mut self) -> Result<usize, Misfit> {
        let mut memory = None;
        if let Some(scalar) = self.walk.first_word() {
            self.word_result(scalar);
        } else if let Some(returned) = attempt!(self.walk.first()) {
            match returned {
                Returned::Memory(pointer) => memory = Some((pointer, self.walk.operand().measure)),
                Returned::Registers => self.in_registers(),
            }
        }
        loop {
            if let Some((scalar, slot, place)) = self.walk.param_word() {
                self.word_argument(scalar, slot, place);
            } else if let Some(slot) = attempt!(self.walk.param()) {
                self.argument(slot);
            } else {
                break;
            }
        }
        // All slots are known now.
        if let Some((pointer, measure)) = memory {
            self.memory(pointer, measure);
        }
        let many = self.walk.exceeds(&self.abi.short_cut);
        let several = self.walk.signature.counts.results > 1;
        let return_word = if several { self.return_pointer() } else { None };
        let area = self.walk.argument_area();
        if area > MAX_BYTES as u32 {
            return Err(Misfit::Area);
        }
        self.header.return_word = match return_word {
            Some(offset) => offset as u16,
            None => area as u16,
        };
        // Whole groups. No code reads what fills up the last one.
        let stack = &self.abi.stack;
        let words = stack.words(area - stack.start).next_multiple_of(GROUP as u32) as usize;
        let words = self.vector_words + words;
        self.header.stack_words = words as u16;
        let spills_end = if several { attempt!(self.spills(words)) } else { words };

        if let Some(count) = self.walk.vector_registers() {
            // A word, so that it is not 0 if `al` is.
            self.header.hidden = 0x100 | count as u16;
        }

        // Where one register carries a vector, 16 bytes are loaded for all; for the first ones alone on
        // x86-64 System V, if no other carries anything. Those that carry nothing read slot 0.
        if self.header.floats & !SOME_NARROW >= FLOATS_SOME_VECTORS && self.vector_words == 0 {
            let mut i = 0;
            while i < self.abi.float.len() {
                self.reads((self.header.float[i] & !NARROW) as u32, 16);
                i += 1;
            }
        }

        // What the call needs of the slots.
        let fixed = self.walk.slots() + self.prepared;
        let mut end = fixed.saturating_add(self.copies);
        if self.reach > end {
            end = self.reach;
        }
        if end > MAX_BYTES as u32 {
            return Err(Misfit::Area);
        }
        // A shift, as the compiler does not know that it is a power of two.
        let stride = self.header.stride as u32;
        let slots = (end + stride - 1) >> stride.trailing_zeros();
        self.header.slots = slots as u16;

        let planned = self.steps > 0 || self.header.hidden != 0;
        let shortest = self.header.shortest(planned, many);
        if shortest.at_least(self.header.shape) {
            self.header.shape = shortest;
        } else if slots == 0 {
            // The shapes between read slot 0, and there is none.
            self.header.shape = Shape::Variable;
        }

        // The plan.
        self.header.entry = self.entry();
        if self.header.returns.is_word() && self.header.stores_word() {
            self.header.returns = Returns::Nothing;
        }
        let mut start = spills_end;
        if self.header.entry.is_planned() {
            self.header.copies = fixed as u16;
            if let Some((steps, _)) = self.kept.split_at_checked(self.steps) {
                copy_in(self.lists, start, steps);
            }
            start += self.steps;
            start += self.write_pieces(start);
        }
        self.header.signature = start as u16;
        let SignatureRef { params, results, counts } = *self.walk.signature;
        let named = match counts.named {
            Some(named) => named as u16,
            None => NOT_VARIADIC,
        };
        let numbers = [counts.params as u16, counts.results as u16, named, params.len() as u16];
        copy_in(self.lists, start, &numbers);
        copy_in(self.lists, start + SIGNATURE_HEAD, params);
        copy_in(self.lists, start + SIGNATURE_HEAD + params.len(), results);
        let end = start + SIGNATURE_HEAD + params.len() + results.len();
        let len = end.next_multiple_of(4);
        if len > u16::MAX as usize { Err(Misfit::Area) } else { Ok(len) }
    }

    /// Notes where the address of the return area goes. Returns its offset, if that is a stack slot.
    const fn return_pointer(&mut self) -> Option<u32> {
        match self.walk.pointer() {
            Some(Place::Stack(offset)) => return Some(offset),
            Some(Place::Integer(register)) => self.header.return_register = 1 << register,
            _ => {}
        }
        None
    }

    /// Writes the spills, which begin at this entry, and returns the entry behind them.
    const fn spills(&mut self, mut entry: usize) -> Result<usize, Misfit> {
        while let Some(offset) = attempt!(self.walk.more()) {
            self.put(entry, lists::spill(offset, self.walk.operand()));
            entry += 1;
        }
        self.header.return_area = self.walk.return_area() as u16;
        Ok(entry)
    }

    /// The function that makes the call.
    const fn entry(&self) -> Entry {
        let Header { result, returns, shape, hidden, .. } = *self.header;
        let ready = self.steps == 0;
        if !matches!(returns, Returns::Nothing) && !returns.is_word() {
            return if ready { returns.entry() } else { Entry::Finished };
        }
        match result {
            RESULT_VECTOR if !shape.at_least(Shape::Variable) => Entry::Vector,
            _ if ready && hidden == 0 => Entry::body(shape),
            _ if ready => Entry::Hidden,
            RESULT_FLOAT => Entry::PreparedFloat,
            _ => Entry::Prepared,
        }
    }

    /// Writes the pieces of the result and their number, and returns how many entries these
    /// are.
    const fn write_pieces(&mut self, start: usize) -> usize {
        let len = plan::PIECE * self.pieces_len;
        copy_in(self.lists, start, self.pieces.split_at(len).0);
        self.put(start + len, self.pieces_len as u16);
        len + 1
    }

    /// Writes an entry of the lists, if there is room.
    const fn put(&mut self, at: usize, entry: u16) {
        if at < self.lists.len() {
            self.lists[at] = entry;
        }
    }

    /// Writes a step of the plan. Only C has plans, and C has no spills before them.
    const fn step(&mut self, op: u16, from: u32, to: u32, size: u32) {
        let step = [op, from as u16, to as u16, size as u16];
        copy_in(&mut self.kept, self.steps, &step);
        if let Some(words) = self.stack_words {
            copy_in(self.lists, words + self.steps, &step);
        }
        self.steps += plan::STEP;
    }

    /// Takes a word to prepare something in.
    const fn word(&mut self) -> u32 {
        let values = match self.values {
            Some(values) => values,
            None => self.walk.all_slots(),
        };
        self.values = Some(values);
        self.prepared += 8;
        values + self.prepared - 8
    }

    /// Takes room for a copy, and returns the operation with the alignment in it.
    const fn copy(&mut self, op: u16, size: u32, align: u32) -> u16 {
        // The slots are aligned to 8.
        let slack = align.saturating_sub(8);
        self.copies = self.copies.saturating_add(slack + size.next_multiple_of(8));
        op | (align.trailing_zeros() as u16) << plan::ALIGN_SHIFT
    }

    /// Notes that the assembly reads so many bytes from this offset in the slots. Whole slots of
    /// values and prepared words need no note.
    const fn reads(&mut self, from: u32, size: u32) {
        if from + size > self.reach {
            self.reach = from + size;
        }
    }

    /// A result in registers.
    const fn in_registers(&mut self) {
        match self.walk.pieces().as_slice() {
            [] => {}
            [Piece { location: Place::Float(_) | Place::Vector(_), size: 16, .. }] => {
                self.header.result = RESULT_VECTOR;
                self.header.result_mask = !0;
            }
            [Piece { location: Place::X87(_), .. }, rest @ ..] => {
                self.header.returns = Returns::X87;
                self.header.result = if rest.is_empty() { RESULT_X87 } else { RESULT_X87_PAIR };
            }
            _ => self.several(),
        }
    }

    /// A result that is a scalar of up to eight bytes.
    const fn word_result(&mut self, Scalar { kind, size, .. }: Scalar) {
        // How it returns, in case that there is something to prepare.
        (self.header.result, self.header.returns) = match kind {
            Kind::Float => (RESULT_FLOAT, Returns::Float),
            _ => (RESULT_INTEGER, Returns::Integer),
        };
        self.header.result_mask = if size >= 8 { !0 } else { (1 << (8 * size)) - 1 };
    }

    /// A result in memory, whose address is an argument.
    const fn memory(&mut self, pointer: Option<Place>, Measure { size, align }: Measure) {
        self.header.returns = Returns::Memory;
        self.keep(0, 0, size);
        let word = self.word();
        let op = self.copy(plan::MEMORY, size, align);
        self.step(op, 0, word, size);
        match pointer {
            Some(place) => self.place(place, word, 8, 0),
            None => self.header.hidden = word as u16,
        }
    }

    /// A result in several registers, or one that is no scalar.
    const fn several(&mut self) {
        self.header.returns = match self.walk.pieces().as_slice() {
            [
                Piece { offset: 0, size: 8, location: first },
                Piece { offset: 8, size: 8, location: second },
            ] => match (first, second) {
                (Place::Integer(_), Place::Integer(_)) => Returns::IntegerPair,
                (Place::Integer(_), _) => Returns::IntegerFloat,
                (_, Place::Integer(_)) => Returns::FloatInteger,
                _ => Returns::FloatPair,
            },
            [Piece { size: 16, .. }, ..] => Returns::Vectors,
            [Piece { location: Place::Integer(_), .. }, rest @ ..] => match rest {
                [Piece { location: Place::Float(_), .. }] => Returns::Both,
                _ => Returns::Integers,
            },
            [_, Piece { location: Place::Integer(_), .. }] => Returns::Both,
            _ => Returns::Floats,
        };
        if matches!(self.header.returns.entry(), Entry::Finished) {
            let both = matches!(self.header.returns, Returns::Both);
            let mut i = 0;
            while i < self.walk.pieces().as_slice().len() {
                let Piece { offset, size, location } = self.walk.pieces().as_slice()[i];
                let register = match location {
                    Place::Float(_) if both => 1,
                    Place::Integer(register) | Place::Float(register) => register,
                    _ => panic!("no result is elsewhere"),
                };
                self.keep(register, offset, size);
                i += 1;
            }
        }
    }

    /// Keeps a piece of the result for the plan.
    const fn keep(&mut self, register: u32, offset: u32, size: u32) {
        let at = plan::PIECE * self.pieces_len;
        self.pieces[at] = register as u16;
        self.pieces[at + 1] = offset as u16;
        self.pieces[at + 2] = size as u16;
        self.pieces_len += 1;
    }

    /// Any other argument, whose value is at `slot`.
    const fn argument(&mut self, slot: u32) {
        if self.walk.pieces().by_reference() {
            return self.reference(slot);
        }
        let vector = match self.walk.operand().scalar {
            Some(scalar) if scalar.is_word() => return self.words_argument(scalar, slot),
            Some(scalar) => matches!(scalar.kind, Kind::Vector),
            None => false,
        };
        let mut i = 0;
        while i < self.walk.pieces().as_slice().len() {
            let piece = self.walk.pieces().as_slice()[i];
            let from = slot + piece.offset;
            let (from, mark) = if vector { (from, 0) } else { self.piece(piece, from) };
            self.reads(from, if piece.size == 16 { 16 } else { 8 });
            self.place(piece.location, from, piece.size, mark);
            i += 1;
        }
    }

    /// An argument that is passed by the address of a copy.
    const fn reference(&mut self, slot: u32) {
        let Measure { size, align } = self.walk.operand().measure;
        let word = self.word();
        let op = self.copy(plan::REFERENCE, size, align);
        self.step(op, slot, word, size);
        let place = self.walk.pieces().as_slice()[0].location;
        self.place(place, word, 8, 0);
    }

    /// A scalar of up to eight bytes in the variable part, which may have several places.
    const fn words_argument(&mut self, scalar: Scalar, slot: u32) {
        let mut i = 0;
        while i < self.walk.pieces().as_slice().len() {
            let place = self.walk.pieces().as_slice()[i].location;
            self.word_argument(scalar, slot, place);
            i += 1;
        }
    }

    /// An argument of up to eight bytes, a scalar, whose value is at `slot`.
    #[inline(always)]
    const fn word_argument(&mut self, scalar: Scalar, slot: u32, place: Place) {
        match place {
            Place::Stack(offset) if self.abi.stack.packed && scalar.size < 4 => {
                self.share(offset, slot, scalar.size as u32);
            }
            _ => {
                let (from, mark) = self.scalar(scalar, slot);
                self.place(place, from, scalar.size as u32, mark);
            }
        }
    }

    /// Where a scalar of up to eight bytes is loaded from: its slot, or a word in which Rust
    /// extends it. A value of four bytes that the assembly extends gets a mark.
    #[inline(always)]
    const fn scalar(&mut self, Scalar { kind, size, .. }: Scalar, slot: u32) -> (u32, u16) {
        let signed = matches!(kind, Kind::Signed);
        let op = match (self.abi.extension, kind, size) {
            (Extension::None, ..) | (_, Kind::Pointer, _) | (_, _, 8) => return (slot, 0),
            (Extension::Word, Kind::Float, _) | (Extension::Word, _, 4) => return (slot, 0),
            (_, Kind::Float, _) => return (slot, NARROW),
            (Extension::Full, Kind::Unsigned, 4) => plan::ZERO_EXTEND,
            (_, _, 4) => return (slot, NARROW),
            _ if signed => plan::SIGN_EXTEND,
            _ => plan::ZERO_EXTEND,
        };
        let word = self.word();
        self.step(op, slot, word, size as u32);
        (word, 0)
    }

    /// Where a piece of a larger value is loaded from: its place in the value, or a word in
    /// which Rust prepares it.
    #[inline(always)]
    const fn piece(&mut self, piece: Piece<Place>, from: u32) -> (u32, u16) {
        match self.abi.extension {
            Extension::None | Extension::Word => (from, 0),
            Extension::Full | Extension::FullSigned => self.extended_piece(piece, from),
        }
    }

    /// The same for machines that want values extended. They may not load from everywhere.
    const fn extended_piece(
        &mut self,
        Piece { size, location, .. }: Piece<Place>,
        from: u32,
    ) -> (u32, u16) {
        let big_endian = self.abi.stack.big_endian;
        let mark = if size == 4 && matches!(location, Place::Float(_)) { NARROW } else { 0 };
        if big_endian && size == 16 {
            // As a v128 lies in its slot, the upper half last.
            let (low, high) = (self.word(), self.word());
            self.step(plan::WORD, from, high, 8);
            self.step(plan::WORD, from + 8, low, 8);
            return (low, 0);
        }
        if big_endian || from % 8 != 0 {
            let word = self.word();
            self.step(plan::WORD, from, word, size);
            return (word, mark);
        }
        (from, mark)
    }

    /// Puts a value of less than a stack word together with its neighbours.
    const fn share(&mut self, offset: u32, slot: u32, size: u32) {
        let index = offset - self.abi.stack.start;
        let (number, byte) = ((index / 4) as usize, index % 4);
        let word = match self.shared {
            Some((last, word)) if last == number => word,
            _ => {
                let word = self.word();
                self.shared = Some((number, word));
                self.put(self.vector_words + number, word as u16);
                word
            }
        };
        self.step(plan::COPY, slot, word + byte, size);
    }

    /// Writes where the assembly finds what goes to this place.
    #[inline(always)]
    const fn place(&mut self, place: Place, from: u32, size: u32, mark: u16) {
        let stack = &self.abi.stack;
        let entry = from as u16 | mark;
        if mark != 0 {
            self.header.floats |= SOME_NARROW;
        }
        match place {
            Place::Integer(register) => {
                self.header.integer[register as usize] = entry;
            }
            Place::Float(register) => {
                self.header.float[register as usize] = entry;
                self.header.floats = floats(self.abi, self.header.floats, register, size);
            }
            Place::Vector(register) => self.words(2 * register as usize, entry, size),
            // All is refused in the end.
            Place::Stack(offset) if offset > MAX_BYTES as u32 => {}
            Place::Stack(offset) => {
                let word = stack.words(offset - stack.start) as usize;
                self.words(self.vector_words + word, entry, size);
            }
            Place::X87(_) => panic!("no argument is in an x87 register"),
        }
    }

    /// Writes the stack words of a value, from this one on.
    const fn words(&mut self, first: usize, entry: u16, size: u32) {
        let stack = &self.abi.stack;
        let words = lists::words(stack, size);
        let mut i = 0;
        while i < words {
            let offset = lists::word(stack, i, words) as u16;
            self.put(first + i as usize, entry.wrapping_add(offset));
            i += 1;
        }
        self.reads((entry & !NARROW) as u32, words * stack.slot);
    }
}

/// Writes entries to a list from `at` on, if there is room.
const fn copy_in(list: &mut [u16], at: usize, entries: &[u16]) {
    if let Some((_, room)) = list.split_at_mut_checked(at) {
        if let Some((room, _)) = room.split_at_mut_checked(entries.len()) {
            let mut i = 0;
            while i < room.len() {
                room[i] = entries[i];
                i += 1;
            }
        }
    }
}

/// How many entries of the list of stack words are for vector registers.
#[inline]
const fn vector_words(source: &Source<'_>) -> usize {
    match source.abi.vector {
        Vector::Own { .. } => own_vector_words(source.signature.params),
        _ => 0,
    }
}

const fn own_vector_words(params: &[u16]) -> usize {
    let mut at = 0;
    while at < params.len() {
        if let Head::Scalar(ValType::V128) = head(params, unwrapped(params, at)) {
            return VECTOR_WORDS;
        }
        at = after(params, at);
    }
    0
}

/// What `floats` of the header is, after `before`, if one more register carries so many bytes.
const fn floats(abi: &Abi, before: u8, register: u32, size: u32) -> u8 {
    let some = register < FLOATS_SOME as u32;
    let this = match (size, some) {
        (16, true) if abi.float.len() > FLOATS_SOME as usize => FLOATS_SOME_VECTORS,
        (16, _) => FLOATS_VECTORS,
        (_, true) => FLOATS_SOME,
        (_, false) => FLOATS_ALL,
    };
    let (tier, narrow) = (before & !SOME_NARROW, before & SOME_NARROW);
    narrow
        | match (this, tier) {
            (FLOATS_SOME_VECTORS, FLOATS_ALL) | (FLOATS_ALL, FLOATS_SOME_VECTORS) => FLOATS_VECTORS,
            _ if this > tier => this,
            _ => tier,
        }
}
