//! The descriptor: a signature's layout as the bytes that assembly reads.
//!
//! A [`Descriptor`] is a fixed header followed by its lists:
//!
//! | bytes | what |
//! |---|---|
//! | header | for each argument register, the byte offset of the value slot that it is loaded from; counts; the result's kind |
//! | stack words | for each word of the argument area (the convention's smallest stack slot), the byte offset in the slots that it is copied from; on s390x, vector registers first |
//! | spills | for each result in the return area, its offset there and its width |
//! | plan | what Rust does before and after a call that the assembly cannot make alone; see [`Plan`] |
//! | types | the signature, for Rust alone |
//!
//! It has no pointers, so it may lie anywhere, and never changes. Only `asm/descriptor.h`
//! has the offsets of the header's fields.

use core::{
    fmt,
    hash::{Hash, Hasher},
    mem::offset_of,
};

use static_assertions::{assert_impl_all, const_assert_eq};

use crate::{
    Abi, Error, Signature,
    abi::{Extension, Vector},
    error::MAX_BYTES,
    layout::{Misfit, Piece, Pieces, Place, check},
    signature::{Counts, Scalars, SignatureRef},
    text,
    types::{Head, Measure, Operand, after, head, unwrapped},
    valtype::{Kind, Scalar, ValType},
    walk::{First, Param, Returned, Walk, first_slot},
};

/// `asm/descriptor.h`, as the assembler reads it.
const HEADER_FILE: &[u8] = include_bytes!("../asm/descriptor.h");

/// The value of a `#define` in `asm/descriptor.h`; a compile error if there is none.
pub(crate) const fn constant(name: &str) -> usize {
    let (text, define, name) = (HEADER_FILE, b"#define ", name.as_bytes());
    let mut line = 0;
    while line < text.len() {
        if starts_with(text, line, define) && starts_with(text, line + define.len(), name) {
            let mut at = line + define.len() + name.len();
            if text[at] == b' ' {
                at += 1;
                let hex = starts_with(text, at, b"0x");
                let base = if hex { 16 } else { 10 };
                at += if hex { 2 } else { 0 };
                let mut value = 0;
                while text[at] != b'\n' {
                    value = value * base
                        + (text[at] as char).to_digit(base as u32).expect("a digit") as usize;
                    at += 1;
                }
                return value;
            }
        }
        while text[line] != b'\n' {
            line += 1;
        }
        line += 1;
    }
    panic!("asm/descriptor.h does not define this name");
}

const fn starts_with(text: &[u8], at: usize, start: &[u8]) -> bool {
    let mut i = 0;
    while i < start.len() {
        if at + i >= text.len() || text[at + i] != start[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// Asserts that the struct has exactly these fields, and that `asm/descriptor.h` has the
/// offset of each. Offsets count from `base` bytes before the struct.
macro_rules! assert_layout {
    ($ty:ident { $($field:ident @ $name:literal,)* }) => {
        assert_layout!($ty, 0, { $($field @ $name,)* });
    };
    ($ty:ident, $base:expr, { $($field:ident @ $name:literal,)* }) => {
        $(const _: () = assert!(
            $base + core::mem::offset_of!($ty, $field) == $crate::descriptor::constant($name),
            concat!($name, " in asm/descriptor.h is not the offset of ", stringify!($field)),
        );)*
        // A field that is not listed does not compile.
        const _: fn($ty) = |$ty { $($field: _,)* }| {};
    };
}

pub(crate) use assert_layout;

/// The part of a descriptor that every signature has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub(crate) struct Header {
    /// For each integer argument register: the byte offset of the slot that it is loaded from,
    /// plus `NARROW` for a value of four bytes that the assembly extends.
    pub(crate) integer: [u16; 8],
    /// For each float argument register: the byte offset of its slot.
    pub(crate) float: [u16; 8],
    /// The bits of result 0 that its type defines.
    pub(crate) result_mask: u64,
    /// Entries in the list of stack words.
    pub(crate) stack_words: u16,
    /// Entries in the list of spills: results in the return area.
    pub(crate) spills: u16,
    /// Size of the return area, in bytes.
    pub(crate) return_area: u16,
    /// Where the body stores the return pointer, from the stack pointer at the call. If it
    /// goes in a register, or there is none, no code reads the word there.
    pub(crate) return_word: u16,
    /// How many value slots a call needs. With none, no slot is read.
    pub(crate) slots: u16,
    /// The value of a hidden argument register, or 0. On System V the low byte is for `al`:
    /// how many vector registers carry arguments. On 64-bit Arm, it is the byte offset of
    /// the slot that x8 is loaded from.
    pub(crate) hidden: u16,
    /// The index in the lists of the first entry of the signature.
    pub(crate) signature: u16,
    /// The byte offset in the slots of the copies that a plan makes.
    pub(crate) copies: u16,
    /// Bit i: the return pointer goes in integer register i.
    pub(crate) return_register: u8,
    /// How many float registers to load at least: one of the `FLOATS_…`, or 0.
    pub(crate) floats: u8,
    /// Kind of result 0, as far as the body or its caller stores it: one of the
    /// `RESULT_…`.
    pub(crate) result: u8,
    /// The body that makes the call.
    pub(crate) shape: Shape,
    /// Distance from one value slot to the next, in bytes.
    pub(crate) stride: u8,
    /// How many contexts precede the parameters: 2 in the VM convention, 0 in C.
    pub(crate) contexts: u8,
    /// The function that makes the call: the body, or a function that calls the body.
    pub(crate) entry: Entry,
    /// How the body returns to Rust.
    pub(crate) returns: Returns,
}

assert_layout!(Header {
    integer @ "D_INTEGER",
    float @ "D_FLOAT",
    result_mask @ "D_RESULT_MASK",
    stack_words @ "D_STACK_WORDS",
    spills @ "D_SPILLS",
    return_area @ "D_RETURN_AREA",
    return_word @ "D_RETURN_WORD",
    slots @ "D_SLOTS",
    hidden @ "D_HIDDEN",
    signature @ "D_SIGNATURE",
    copies @ "D_COPIES",
    return_register @ "D_RETURN_REGISTER",
    floats @ "D_FLOATS",
    result @ "D_RESULT",
    shape @ "D_SHAPE",
    stride @ "D_STRIDE",
    contexts @ "D_CONTEXTS",
    entry @ "D_ENTRY",
    returns @ "D_RETURNS",
});
const_assert_eq!(offset_of!(Descriptor<[u16; 1]>, lists), constant("D_LISTS"));
const_assert_eq!(size_of::<Header>(), 64);
assert_impl_all!(Descriptor: Send, Sync);

const FLOATS_SOME: u8 = constant("FLOATS_SOME") as u8;
const FLOATS_ALL: u8 = constant("FLOATS_ALL") as u8;
const FLOATS_VECTORS: u8 = constant("FLOATS_VECTORS") as u8;
const RESULT_NONE: u8 = constant("RESULT_NONE") as u8;
const RESULT_INTEGER: u8 = constant("RESULT_INTEGER") as u8;
pub(crate) const RESULT_FLOAT: u8 = constant("RESULT_FLOAT") as u8;
const RESULT_VECTOR: u8 = constant("RESULT_VECTOR") as u8;
const RESULT_X87: u8 = constant("RESULT_X87") as u8;
const RESULT_X87_PAIR: u8 = constant("RESULT_X87_PAIR") as u8;
pub(crate) const SPILL_4: u16 = constant("SPILL_4") as u16;
pub(crate) const SPILL_8: u16 = constant("SPILL_8") as u16;
pub(crate) const SPILL_16: u16 = constant("SPILL_16") as u16;
const NARROW: u16 = constant("NARROW") as u16;
const VECTOR_WORDS: usize = constant("VECTOR_WORDS");
const GROUP: usize = constant("GROUP");
const FIXED_WORDS: usize = constant("FIXED_WORDS");

/// Which body of the assembly makes the call. The first is the fastest and can do least,
/// the last can do everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[doc(hidden)]
pub enum Shape {
    /// Jumps; no parameters, no results.
    Bare,
    /// Loads the argument registers and jumps; no stack words, at most one
    /// result, which is a scalar.
    ShortCut,
    /// A frame of constant size: a few stack words, at most one result, which is
    /// a scalar.
    Fixed,
    /// A frame of any size: everything.
    Variable,
}

impl Shape {
    /// All shapes, shortest first.
    pub const ALL: [Shape; 4] = [Shape::Bare, Shape::ShortCut, Shape::Fixed, Shape::Variable];

    const fn at_least(self, other: Shape) -> bool {
        self as u8 >= other as u8
    }
}

/// The function that makes a call: a body, or a function that calls the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Entry {
    Bare,
    ShortCut,
    Fixed,
    Variable,
    /// Rust prepares the call. The body stores the result, or leaves it in an integer
    /// register.
    Prepared,
    /// The same, in a float register.
    PreparedFloat,
    /// Rust prepares the call and stores the result.
    Finished,
    /// Rust prepares nothing and stores the result, which is one of the pairs of [`Returns`].
    IntegerPair,
    FloatPair,
    IntegerFloat,
    FloatInteger,
    /// Nothing is to be prepared or stored, but something is hidden from the body.
    Hidden,
}

impl Entry {
    /// How many there are.
    pub(crate) const COUNT: usize = 12;

    /// The body of this shape.
    const fn body(shape: Shape) -> Entry {
        match shape {
            Shape::Bare => Entry::Bare,
            Shape::ShortCut => Entry::ShortCut,
            Shape::Fixed => Entry::Fixed,
            Shape::Variable => Entry::Variable,
        }
    }

    /// Whether Rust does a part of the call.
    const fn is_planned(self) -> bool {
        self as u8 >= Entry::Prepared as u8
    }
}

/// Which registers have pieces of the result when a body returns to Rust.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Returns {
    /// None: there is no result, or the body has stored it.
    Nothing,
    /// Integer registers.
    Integers,
    /// Float registers, of which eight bytes count.
    Floats,
    /// The first integer and then the first float register.
    Both,
    /// Vector registers.
    Vectors,
    /// None: the result is in the memory that the return pointer points to.
    Memory,
    /// None: `x87` stores what is in x87 registers.
    X87,
    /// Eight bytes each in two integer registers.
    IntegerPair,
    /// Eight bytes each in two float registers.
    FloatPair,
    /// Eight bytes in an integer register, then eight in a float register.
    IntegerFloat,
    /// Eight bytes in a float register, then eight in an integer register.
    FloatInteger,
}

impl Returns {
    /// The function for a call that returns so, if Rust prepares nothing and stores the result.
    const fn entry(self) -> Entry {
        match self {
            Returns::IntegerPair => Entry::IntegerPair,
            Returns::FloatPair => Entry::FloatPair,
            Returns::IntegerFloat => Entry::IntegerFloat,
            Returns::FloatInteger => Entry::FloatInteger,
            _ => Entry::Finished,
        }
    }
}

/// What Rust does before and after a call, as entries of the lists:
///
/// | entries | what |
/// |---|---|
/// | [`STEP`] each | a step: its operation, plus the logarithm of an alignment above; from; to; a size |
/// | [`PIECE`] each | a piece of a result that Rust stores: the index of its register among those of [`Returns`]; its offset in the result; its size. For a result in memory: 0, 0 and its size |
/// | 1 | how many pieces there are |
pub(crate) mod plan {
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
}

/// A signature's layout as the bytes that assembly reads.
///
/// Each trampoline has one: [`Trampoline::descriptor`](crate::Trampoline::descriptor).
/// [`trampoline!`](crate::trampoline) and [`c_trampoline!`](crate::c_trampoline) make a
/// `Descriptor<[u16; N]>` at compile time, which coerces to the unsized `Descriptor` of
/// trampolines.
#[repr(C)]
pub struct Descriptor<L: ?Sized = [u16]> {
    pub(crate) header: Header,
    pub(crate) lists: L,
}

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

/// One of the two conventions of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub enum Convention {
    /// Contexts first, any number of results.
    Vm,
    /// Plain C.
    C,
}

impl Convention {
    /// The convention's row; `None` if the crate knows none for this machine.
    pub(crate) const fn abi(self) -> Option<&'static Abi> {
        match self {
            Convention::Vm => Abi::HOST_VM,
            Convention::C => Abi::HOST_C,
        }
    }
}

/// `?`, in `const`.
macro_rules! attempt {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(misfit) => return Err(misfit),
        }
    };
}

/// The signature's entries before its types: counts, and where the results begin.
const SIGNATURE_HEAD: usize = 4;
const NOT_VARIADIC: u16 = u16::MAX;

impl<'a> Source<'a> {
    const fn constant(abi: &'a Abi, parsed: text::Parsed, words: &'a [u16]) -> Self {
        let text::Parsed { params_len, params, results, named, .. } = parsed;
        let counts = Counts { params, results, named };
        let (params, results) = words.split_at(params_len);
        let signature = SignatureRef { params, results, counts };
        Source { abi, signature, stride: 16, shape: Shape::Bare }
    }

    /// Writes the descriptor: its header, and its lists to `lists`, which hold zeros, as far as
    /// they reach. Returns how many entries the lists have. That is a multiple of four, so that no
    /// byte is unused.
    pub(crate) const fn encode(
        &self,
        header: &mut Header,
        lists: &mut [u16],
    ) -> Result<usize, Misfit> {
        attempt!(check(&self.signature, self.abi));
        let mut known = None;
        loop {
            let mut writer = Writer::new(self, known, header, lists);
            let len = attempt!(writer.write());
            if writer.steps == 0 || known.is_some() {
                return Ok(len);
            }
            // Only now is it known where the steps lie, behind the stack words, and what
            // they prepare, behind the values.
            let (words, values) = (writer.header.stack_words, writer.walk.slots());
            known = Some(Known { words, values });
        }
    }
}

/// What the first walk over a signature counts for the second.
#[derive(Clone, Copy)]
struct Known {
    /// Entries in the list of stack words.
    words: u16,
    /// Byte offset in the slots behind the values.
    values: u32,
}

/// Writes a descriptor in one walk over a signature, or in two if there are steps.
struct Writer<'a, 'l> {
    abi: &'a Abi,
    walk: Walk<'a>,
    header: &'l mut Header,
    lists: &'l mut [u16],
    /// `None` in the first walk, which writes no steps.
    known: Option<Known>,
    /// How many entries of the list of stack words are for vector registers. They come first.
    vector_words: usize,
    /// Entries of steps so far.
    steps: usize,
    /// The pieces of a result that Rust stores, unless it is a pair.
    pieces: Option<Pieces>,
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
        known: Option<Known>,
        header: &'l mut Header,
        lists: &'l mut [u16],
    ) -> Self {
        let vector_words = vector_words(source);
        *header = Header {
            spills: source.signature.counts.results.saturating_sub(1) as u16,
            floats: if vector_words > 0 { FLOATS_VECTORS } else { 0 },
            shape: source.shape,
            stride: source.stride as u8,
            contexts: source.abi.contexts as u8,
            ..Header::EMPTY
        };
        Writer {
            abi: source.abi,
            walk: Walk::new(source.abi, &source.signature, source.stride),
            header,
            lists,
            known,
            vector_words,
            steps: 0,
            pieces: None,
            prepared: 0,
            copies: 0,
            reach: 0,
            shared: None,
        }
    }

    /// Returns how many entries the lists have.
    const fn write(&mut self) -> Result<usize, Misfit> {
        if let Some(scalar) = self.walk.first_word() {
            self.word_result(scalar);
        } else if let Some(First { operand, returned }) = attempt!(self.walk.first()) {
            match returned {
                Returned::Memory(pointer) => self.memory(operand.measure, pointer),
                Returned::Registers => self.in_registers(),
            }
        }
        loop {
            if let Some((scalar, slot, place)) = self.walk.param_word() {
                self.word_argument(scalar, slot, place);
            } else if let Some(param) = attempt!(self.walk.param()) {
                self.argument(param);
            } else {
                break;
            }
        }
        let mut return_word = None;
        match self.walk.pointer() {
            Some(Place::Stack(offset)) => return_word = Some(offset),
            Some(Place::Integer(register)) => self.header.return_register = 1 << register,
            _ => {}
        }
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
        let mut spill = words;
        while let Some((operand, offset)) = attempt!(self.walk.more()) {
            self.put(spill, spilled(offset, operand));
            spill += 1;
        }
        self.header.return_area = self.walk.return_area() as u16;

        if let Some(count) = self.walk.vector_registers() {
            // A word, so that it is not 0 if `al` is.
            self.header.hidden = 0x100 | count as u16;
        }

        // Where one register carries a vector, 16 bytes are loaded for all.
        if self.header.floats == FLOATS_VECTORS && self.vector_words == 0 {
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
        let slots = if self.header.stride == 8 { end.div_ceil(8) } else { end.div_ceil(16) };
        if end > MAX_BYTES as u32 {
            return Err(Misfit::Area);
        }
        self.header.slots = slots as u16;

        let shortest = self.header.shortest();
        if shortest.at_least(self.header.shape) {
            self.header.shape = shortest;
        } else if slots == 0 {
            // The shapes between read slot 0, and there is none.
            self.header.shape = Shape::Variable;
        }

        // The plan, whose steps are written already.
        self.header.entry = self.entry();
        let mut start = spill;
        if self.header.entry.is_planned() {
            self.header.copies = fixed as u16;
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
        self.copy_in(start, &numbers);
        self.copy_in(start + SIGNATURE_HEAD, params);
        self.copy_in(start + SIGNATURE_HEAD + params.len(), results);
        let end = start + SIGNATURE_HEAD + params.len() + results.len();
        let len = end.next_multiple_of(4);
        if len > u16::MAX as usize { Err(Misfit::Area) } else { Ok(len) }
    }

    /// The function that makes the call.
    const fn entry(&self) -> Entry {
        let Header { result, returns, shape, hidden, .. } = *self.header;
        let ready = self.steps == 0;
        if !matches!(returns, Returns::Nothing) && !self.header.leaves_result() {
            return if ready { returns.entry() } else { Entry::Finished };
        }
        match result {
            _ if ready && hidden == 0 => Entry::body(shape),
            _ if ready => Entry::Hidden,
            RESULT_FLOAT => Entry::PreparedFloat,
            _ => Entry::Prepared,
        }
    }

    /// Writes the pieces of the result and their number, and returns how many entries these
    /// are.
    const fn write_pieces(&mut self, start: usize) -> usize {
        let (mut at, mut count) = (start, 0);
        if let Some(pieces) = self.pieces {
            let both = matches!(self.header.returns, Returns::Both);
            while count < pieces.as_slice().len() {
                let Piece { offset, size, location } = pieces.as_slice()[count];
                let register = match location {
                    Place::Float(_) if both => 1,
                    Place::Integer(register) | Place::Float(register) => register as u16,
                    _ => panic!("no result is elsewhere"),
                };
                self.copy_in(at, &[register, offset as u16, size as u16]);
                at += plan::PIECE;
                count += 1;
            }
        }
        self.put(at, count as u16);
        at + 1 - start
    }

    /// Writes entries of the lists, as far as there is room.
    const fn copy_in(&mut self, at: usize, entries: &[u16]) {
        let mut i = 0;
        while i < entries.len() && at + i < self.lists.len() {
            self.lists[at + i] = entries[i];
            i += 1;
        }
    }

    /// Writes an entry of the lists, if there is room.
    const fn put(&mut self, at: usize, entry: u16) {
        if at < self.lists.len() {
            self.lists[at] = entry;
        }
    }

    /// Writes a step of the plan. Only C has plans, and C has no spills before them.
    const fn step(&mut self, op: u16, from: u32, to: u32, size: u32) {
        if let Some(Known { words, .. }) = self.known {
            let step = [op, from as u16, to as u16, size as u16];
            self.copy_in(words as usize + self.steps, &step);
        }
        self.steps += plan::STEP;
    }

    /// Takes a word to prepare something in.
    const fn word(&mut self) -> u32 {
        self.prepared += 8;
        let values = if let Some(Known { values, .. }) = self.known { values } else { 0 };
        values + self.prepared - 8
    }

    /// Takes room for a copy, and returns the operation with the alignment in it.
    const fn copy(&mut self, op: u16, size: u32, align: u32) -> u16 {
        // The slots are aligned to 8.
        let slack = align.saturating_sub(8);
        self.copies = self.copies.saturating_add(slack + size.next_multiple_of(8));
        op | (align.trailing_zeros() as u16) << plan::ALIGN_SHIFT
    }

    /// Notes that the assembly reads so many bytes from this offset in the slots.
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
            Kind::Float => (RESULT_FLOAT, Returns::Floats),
            _ => (RESULT_INTEGER, Returns::Integers),
        };
        self.header.result_mask = if size >= 8 { !0 } else { (1 << (8 * size)) - 1 };
    }

    /// A result in memory, whose address is an argument.
    const fn memory(&mut self, Measure { size, align, .. }: Measure, pointer: Option<Place>) {
        self.header.returns = Returns::Memory;
        self.pieces = Some(Pieces::one(size, Place::Integer(0)));
        let word = self.word();
        let op = self.copy(plan::MEMORY, size, align);
        self.step(op, 0, word, size);
        self.reads(word, 8);
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
            self.pieces = Some(*self.walk.pieces());
        }
    }

    /// An argument in these pieces.
    const fn argument(&mut self, Param { operand: Operand { scalar, measure, .. }, slot }: Param) {
        let Measure { size, align, .. } = measure;
        if self.walk.pieces().by_reference() {
            let word = self.word();
            let op = self.copy(plan::REFERENCE, size, align);
            self.step(op, slot, word, size);
            self.reads(word, 8);
            let place = self.walk.pieces().as_slice()[0].location;
            self.place(place, word, 8, 0);
            return;
        }
        let mut i = 0;
        while i < self.walk.pieces().as_slice().len() {
            let piece = self.walk.pieces().as_slice()[i];
            i += 1;
            let (from, mark) = match scalar {
                Some(scalar) if scalar.is_word() => {
                    self.word_argument(scalar, slot, piece.location);
                    continue;
                }
                Some(Scalar { kind: Kind::Vector, .. }) => (slot + piece.offset, 0),
                _ => self.piece(piece, slot + piece.offset),
            };
            self.reads(from, if piece.size == 16 { 16 } else { 8 });
            self.place(piece.location, from, piece.size, mark);
        }
    }

    /// An argument of up to eight bytes, a scalar, whose value is at `slot`.
    #[inline(always)]
    const fn word_argument(&mut self, scalar: Scalar, slot: u32, place: Place) {
        match place {
            Place::Stack(offset) if self.abi.stack.packed && scalar.size < 4 => {
                self.share(offset, slot, scalar.size);
            }
            _ => {
                let (from, mark) = self.scalar(scalar, slot);
                self.reads(from, 8);
                self.place(place, from, scalar.size, mark);
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
        self.step(op, slot, word, size);
        (word, 0)
    }

    /// Where a piece of a larger value is loaded from: its place in the value, or a word in
    /// which Rust prepares it.
    const fn piece(&mut self, Piece { size, location, .. }: Piece<Place>, from: u32) -> (u32, u16) {
        let abi = self.abi;
        let full = matches!(abi.extension, Extension::Full | Extension::FullSigned);
        let mark =
            if full && size == 4 && matches!(location, Place::Float(_)) { NARROW } else { 0 };
        if abi.stack.big_endian && size == 16 {
            // As a v128 lies in its slot, the upper half last.
            let (low, high) = (self.word(), self.word());
            self.step(plan::WORD, from, high, 8);
            self.step(plan::WORD, from + 8, low, 8);
            return (low, 0);
        }
        // Machines that want values extended may not load from everywhere.
        if abi.stack.big_endian || full && from % 8 != 0 {
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
        match place {
            Place::Integer(register) => self.header.integer[register as usize] = entry,
            Place::Float(register) => {
                self.header.float[register as usize] = entry;
                self.header.floats = floats(self.header.floats, register, size);
            }
            Place::Vector(register) => self.words(2 * register as usize, entry, size),
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
        let (unit, big_endian) = (stack.slot, stack.big_endian);
        let words = stack.words(size + unit - 1);
        let mut i = 0;
        while i < words {
            let part = if big_endian { words - 1 - i } else { i };
            self.put(first + i as usize, entry.wrapping_add((part * unit) as u16));
            i += 1;
        }
        self.reads((entry & !NARROW) as u32, words * unit);
    }
}

/// The entry of a result at this offset in the return area.
pub(crate) const fn spilled(offset: u32, Operand { measure, .. }: Operand) -> u16 {
    let width = match measure.size {
        4 => SPILL_4,
        8 => SPILL_8,
        _ => SPILL_16,
    };
    offset as u16 | width
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

/// For the tests: the descriptor of a signature under any convention. The tests only
/// borrow it, so they cannot make a trampoline of it.
#[doc(hidden)]
pub fn describe<R>(
    abi: &'static Abi,
    signature: &Signature,
    stride: u16,
    shape: Shape,
    look: impl FnOnce(&Descriptor) -> R,
) -> Result<R, Error> {
    Ok(look(&Source { abi, signature: signature.lend(), stride, shape }.boxed()?))
}

/// How many float registers to load, after `before`, if one more carries so many bytes.
const fn floats(before: u8, register: u32, size: u32) -> u8 {
    let this = match (size, register) {
        (16, _) => FLOATS_VECTORS,
        (_, register) if register < FLOATS_SOME as u32 => FLOATS_SOME,
        _ => FLOATS_ALL,
    };
    if this > before { this } else { before }
}

impl Header {
    pub(crate) const EMPTY: Header = Header {
        integer: [0; 8],
        float: [0; 8],
        result_mask: 0,
        stack_words: 0,
        spills: 0,
        return_area: 0,
        return_word: 0,
        slots: 0,
        hidden: 0,
        signature: 0,
        copies: 0,
        return_register: 0,
        floats: 0,
        result: RESULT_NONE,
        shape: Shape::Bare,
        stride: 0,
        contexts: 0,
        entry: Entry::Bare,
        returns: Returns::Nothing,
    };

    /// The shortest shape that can make this call.
    const fn shortest(&self) -> Shape {
        let words = self.stack_words as usize;
        if self.spills > 0 || self.result == RESULT_VECTOR || words > FIXED_WORDS {
            Shape::Variable
        } else if words > 0 {
            Shape::Fixed
        } else if self.slots > 0 {
            // Without parameters, too: where signatures vary, one body more is
            // one mispredicted jump more.
            Shape::ShortCut
        } else {
            Shape::Bare
        }
    }

    /// Whether the bodies leave result 0 in its register.
    #[inline(always)]
    #[cfg_attr(not(vmtrampoline_port), allow(dead_code))] // nothing is called there
    pub(crate) const fn leaves_result(&self) -> bool {
        self.result & (RESULT_INTEGER | RESULT_FLOAT) != 0
    }
}

/// Why the compiler refuses a signature.
const fn known(
    convention: Convention,
    text: &str,
    words: &mut [u16],
) -> (&'static Abi, text::Parsed) {
    let abi = convention.abi().expect("this target has no trampolines");
    match text::signature(text, words) {
        Ok(parsed) => (abi, parsed),
        Err(fault) => panic!("{}", fault.message()),
    }
}

/// For [`trampoline!`](crate::trampoline): how many words the types of a signature have.
#[doc(hidden)]
pub const fn words_len(convention: Convention, text: &str) -> usize {
    known(convention, text, &mut []).1.len
}

/// For [`trampoline!`](crate::trampoline): the `N` of `Descriptor::<[u16; N]>::constant`,
/// `WORDS` being [`words_len`].
#[doc(hidden)]
pub const fn list_len<const WORDS: usize>(convention: Convention, text: &str) -> usize {
    let mut words = [0; WORDS];
    let (abi, parsed) = known(convention, text, &mut words);
    match Source::constant(abi, parsed, &words).encode(&mut { Header::EMPTY }, &mut []) {
        Ok(len) => len,
        Err(misfit) => panic!("{}", misfit.message()),
    }
}

impl<const N: usize> Descriptor<[u16; N]> {
    /// For [`trampoline!`](crate::trampoline): a signature known at compile
    /// time, `N` being [`list_len`].
    #[doc(hidden)]
    pub const fn constant<const WORDS: usize>(convention: Convention, text: &str) -> Self {
        let mut words = [0; WORDS];
        let (abi, parsed) = known(convention, text, &mut words);
        Self::encoded(&Source::constant(abi, parsed, &words))
    }
}

impl<const N: usize> Descriptor<[u16; N]> {
    /// For [`pointer`](crate::pointer()): a signature of scalars. Its lists may be longer
    /// than necessary.
    pub(crate) const fn of_types(
        convention: Convention,
        params: &[ValType],
        results: &[ValType],
    ) -> Self {
        let abi = convention.abi().expect("this target has no trampolines");
        let scalars = Scalars::NONE.and(params).and(results);
        let signature = scalars.lend(params.len());
        Self::encoded(&Source { abi, signature, stride: 16, shape: Shape::Bare })
    }

    const fn encoded(source: &Source<'_>) -> Self {
        let (mut header, mut lists) = (Header::EMPTY, [0; N]);
        match source.encode(&mut header, &mut lists) {
            Ok(_) => Descriptor { header, lists },
            Err(misfit) => panic!("{}", misfit.message()),
        }
    }
}

impl Descriptor {
    /// The lists, without the reserved entries behind them.
    fn used_lists(&self) -> &[u16] {
        let SignatureRef { params, results, .. } = self.signature_ref();
        let used =
            usize::from(self.header.signature) + SIGNATURE_HEAD + params.len() + results.len();
        &self.lists[..used]
    }

    /// What the assembly reads: header, stack words and spills.
    #[cfg_attr(not(vmtrampoline_port), allow(dead_code))] // nothing is called there
    pub(crate) fn read(&self) -> (&Header, &[u16]) {
        (&self.header, &self.lists[..self.read_len()])
    }

    fn read_len(&self) -> usize {
        usize::from(self.header.stack_words) + usize::from(self.header.spills)
    }

    /// For the tests: the plan of what Rust does before and after the call, if there is
    /// one.
    #[doc(hidden)]
    pub fn plan(&self) -> Option<&[u16]> {
        let plan = self.read_len()..usize::from(self.header.signature);
        self.header.entry.is_planned().then(|| &self.lists[plan])
    }

    fn signature_ref(&self) -> SignatureRef<'_> {
        let entries = &self.lists[usize::from(self.header.signature)..];
        let [params, results, named, params_len, words @ ..] = entries else {
            unreachable!("a descriptor holds its signature");
        };
        let (first, rest) = words.split_at(usize::from(*params_len));
        let (mut results_len, mut left) = (0, *results);
        while left > 0 {
            results_len = after(rest, results_len);
            left -= 1;
        }
        let counts = Counts {
            params: usize::from(*params),
            results: usize::from(*results),
            named: (*named != NOT_VARIADIC).then_some(usize::from(*named)),
        };
        SignatureRef { params: first, results: &rest[..results_len], counts }
    }

    /// The signature that this was made from.
    pub(crate) fn signature(&self) -> Signature {
        Signature::from_ref(self.signature_ref())
    }

    /// The index of the first slot of parameter `index`. For the number of parameters, it is
    /// the first slot behind all of them.
    pub(crate) fn argument(&self, abi: &Abi, index: usize) -> usize {
        first_slot(abi, self.signature_ref(), self.header.stride.into(), index)
    }
}

impl PartialEq for Descriptor {
    fn eq(&self, other: &Self) -> bool {
        self.header == other.header && self.used_lists() == other.used_lists()
    }
}

impl Eq for Descriptor {}

impl Hash for Descriptor {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.header.hash(state);
        self.used_lists().hash(state);
    }
}

impl fmt::Debug for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (words, spills) =
            (usize::from(self.header.stack_words), usize::from(self.header.spills));
        f.debug_struct("Descriptor")
            .field("signature", &self.signature())
            .field("header", &self.header)
            .field("stack_words", &&self.lists[..words])
            .field("spills", &&self.lists[words..words + spills])
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{boxed::Box, format};

    use memoffset::span_of;

    /// The header's fields follow each other with no byte between, before or
    /// after them.
    #[test]
    fn fields_tile_the_header() {
        let spans = [
            span_of!(Header, integer),
            span_of!(Header, float),
            span_of!(Header, result_mask),
            span_of!(Header, stack_words),
            span_of!(Header, spills),
            span_of!(Header, return_area),
            span_of!(Header, return_word),
            span_of!(Header, slots),
            span_of!(Header, hidden),
            span_of!(Header, signature),
            span_of!(Header, copies),
            span_of!(Header, return_register),
            span_of!(Header, floats),
            span_of!(Header, result),
            span_of!(Header, shape),
            span_of!(Header, stride),
            span_of!(Header, contexts),
            span_of!(Header, entry),
            span_of!(Header, returns),
        ];
        let mut end = 0;
        for span in spans {
            assert_eq!(span.start, end);
            end = span.end;
        }
        assert_eq!(end, size_of::<Header>());
    }

    /// Header and lists of a signature under any convention.
    fn encoded(text: &str, abi: &Abi) -> Box<Descriptor> {
        let signature: Signature = text.parse().expect(text);
        let signature = signature.lend();
        Source { abi, signature, stride: 16, shape: Shape::Bare }.boxed().expect(text)
    }

    #[test]
    fn narrow_values_are_marked_where_it_matters() {
        let text = "(i32, f32, i64, f64)";
        let plain = encoded(text, &Abi::AARCH64_VM);
        assert_eq!(plain.header.integer[2..4], [0, 32]);
        assert_eq!(plain.header.float[..2], [16, 48]);
        for abi in [&Abi::RISCV64_VM, &Abi::S390X_VM] {
            let marked = encoded(text, abi);
            assert_eq!(marked.header.integer[2..4], [NARROW, 32]);
            assert_eq!(marked.header.float[..2], [16 | NARROW, 48]);
        }
        // A float among the integers, and both on the stack.
        let nine = "f32, f32, f32, f32, f32, f32, f32, f32, f32";
        let eight = "i64, i64, i64, i64, i64, i64, i64";
        let marked = encoded(&format!("({nine}, {eight}, i32, f32, i64)"), &Abi::RISCV64_C);
        assert_eq!(marked.header.integer[..2], [128 | NARROW, 144]);
        assert_eq!(marked.read().1, [256 | NARROW, 272 | NARROW, 288, 0]);
    }

    /// What a convention reserves below the first stack slot is not copied.
    #[test]
    fn stack_words_begin_with_the_first_stack_slot() {
        let text = "(i64, i64, i32) -> (i32, i32)";
        let windows = encoded(text, &Abi::X86_64_WINDOWS_VM);
        assert_eq!(windows.read().1[..4], [32, 0, 0, 0]);
        assert_eq!(windows.header.return_word, 40);
        let text = "(i64, i64, i64, i64, i32) -> (i32, i32)";
        let s390x = encoded(text, &Abi::S390X_VM);
        assert_eq!(s390x.read().1[..4], [48, 64 | NARROW, 0, 0]);
        assert_eq!(s390x.header.return_word, 176);
    }

    /// On s390x the upper half of a vector comes first, in the image of the
    /// registers and on the stack.
    #[test]
    fn vector_registers_come_first() {
        let vectors = "(v128, v128, v128, v128, v128, v128, v128, v128, v128, i32)";
        let vm = encoded(vectors, &Abi::S390X_VM);
        assert_eq!(vm.header.integer[2], 144 | NARROW);
        let order: [u16; 18] = core::array::from_fn(|i| 8 * (i ^ 1) as u16);
        assert_eq!(vm.read().1, [&order[..], &[0, 0]].concat());
        assert_eq!((vm.header.floats, vm.header.shape), (FLOATS_VECTORS, Shape::Variable));
        // In C the second vector goes in v26, the fifth in v25.
        let c = encoded("(v128, v128, v128, v128, v128)", &Abi::S390X_C);
        assert_eq!(c.read().1[..8], [8, 0, 72, 64, 24, 16, 0, 0]);
    }
}
