//! The descriptor: a signature's layout as the bytes that assembly reads.
//!
//! A [`Descriptor`] is a fixed header followed by its lists:
//!
//! | bytes | what |
//! |---|---|
//! | header | per argument register, the byte offset of the value slot it is loaded from; counts; the result's kind |
//! | stack words | per word of the argument area (the convention's smallest stack slot), the byte offset in the slots it is copied from; on s390x, vector registers first |
//! | spills | per result in the return area, its offset there and its width |
//! | types | parameters and results, for Rust alone |
//!
//! It has no pointers, so it may lie anywhere, and never changes. The offsets
//! of the header's fields are written once, in `asm/descriptor.h`.

use alloc::boxed::Box;
use core::{
    convert::Infallible,
    fmt,
    hash::{Hash, Hasher},
    mem::offset_of,
};

use static_assertions::{assert_impl_all, const_assert_eq};

use crate::{
    Abi, Error, Signature, ValType,
    abi::Vector,
    error::Value,
    layout::{Assigner, Misfit, Packer, Place, check},
    valtype::Class,
};

/// `asm/descriptor.h`, as the assembler reads it.
const HEADER_FILE: &[u8] = include_bytes!("../asm/descriptor.h");

/// The value that `asm/descriptor.h` gives a name; there is no program if it
/// gives none.
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

/// States that the struct has exactly these fields, each at the offset that
/// `asm/descriptor.h` gives its name; that offset counts from `base` bytes before
/// the struct.
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
    /// Per integer argument register: byte offset of the slot it is loaded from,
    /// plus `NARROW` where a convention wants to know.
    pub(crate) integer: [u16; 8],
    /// Per float argument register, likewise.
    pub(crate) float: [u16; 8],
    /// The bits of result 0 that its type defines.
    pub(crate) result_mask: u64,
    /// Entries in the list of stack words.
    pub(crate) stack_words: u16,
    /// Entries in the list of spills: results in the return area.
    pub(crate) spills: u16,
    /// Size of the return area, in bytes.
    pub(crate) return_area: u16,
    /// Where the return pointer is stored, from the stack pointer at the call.
    /// If it goes in a register, or there is none, this is a word that nobody reads.
    pub(crate) return_word: u16,
    /// Number of parameters. With none, no slot is read.
    pub(crate) params: u16,
    /// Bit i: the return pointer goes in integer register i.
    pub(crate) return_register: u8,
    /// How many float registers to load at least: one of the `FLOATS_…`, or 0.
    pub(crate) floats: u8,
    /// Kind of result 0: one of the `RESULT_…`.
    pub(crate) result: u8,
    /// The body that makes the call.
    pub(crate) shape: Shape,
    /// Distance from one value slot to the next, in bytes.
    pub(crate) stride: u8,
    /// How many contexts precede the parameters, which tells the conventions of
    /// a machine apart.
    pub(crate) contexts: u8,
}

assert_layout!(Header {
    integer @ "D_INTEGER",
    float @ "D_FLOAT",
    result_mask @ "D_RESULT_MASK",
    stack_words @ "D_STACK_WORDS",
    spills @ "D_SPILLS",
    return_area @ "D_RETURN_AREA",
    return_word @ "D_RETURN_WORD",
    params @ "D_PARAMS",
    return_register @ "D_RETURN_REGISTER",
    floats @ "D_FLOATS",
    result @ "D_RESULT",
    shape @ "D_SHAPE",
    stride @ "D_STRIDE",
    contexts @ "D_CONTEXTS",
});
const_assert_eq!(offset_of!(Descriptor<[u16; 1]>, lists), constant("D_LISTS"));
const_assert_eq!(size_of::<Descriptor<[u16; 4]>>(), 64);
assert_impl_all!(Descriptor: Send, Sync);

const FLOATS_SOME: u8 = constant("FLOATS_SOME") as u8;
const FLOATS_ALL: u8 = constant("FLOATS_ALL") as u8;
const FLOATS_VECTORS: u8 = constant("FLOATS_VECTORS") as u8;
const RESULT_NONE: u8 = constant("RESULT_NONE") as u8;
const RESULT_INTEGER: u8 = constant("RESULT_INTEGER") as u8;
pub(crate) const RESULT_FLOAT: u8 = constant("RESULT_FLOAT") as u8;
const RESULT_VECTOR: u8 = constant("RESULT_VECTOR") as u8;
pub(crate) const SPILL_4: u16 = constant("SPILL_4") as u16;
pub(crate) const SPILL_8: u16 = constant("SPILL_8") as u16;
pub(crate) const SPILL_16: u16 = constant("SPILL_16") as u16;
const NARROW: u16 = constant("NARROW") as u16;
const VECTOR_WORDS: usize = constant("VECTOR_WORDS");
const GROUP: usize = constant("GROUP");
const FIXED_WORDS: usize = constant("FIXED_WORDS");

/// Which body of the assembly makes the call, from the one that can do least,
/// fastest, to the one that can do everything.
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

/// A signature's layout as the bytes that assembly reads.
///
/// Trampolines are made of one; see [`Trampoline::descriptor`](crate::Trampoline::descriptor).
/// `Descriptor<[u16; N]>` is made at compile time by
/// [`trampoline!`](crate::trampoline) and friends; it coerces to the unsized
/// `Descriptor` that trampolines work with.
#[repr(C)]
pub struct Descriptor<L: ?Sized = [u16]> {
    pub(crate) header: Header,
    lists: L,
}

/// What a descriptor is made from.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) abi: &'a Abi,
    pub(crate) params: &'a [ValType],
    pub(crate) results: &'a [ValType],
    /// Distance from one value slot to the next, in bytes: 8 or 16.
    pub(crate) stride: u16,
    /// The shortest shape that may be taken.
    pub(crate) shape: Shape,
}

/// Types fit in three bits.
const TYPES_PER_ENTRY: usize = 5;
const TYPE_BITS: usize = 3;

/// One of the two conventions of the host.
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

impl<'a> Source<'a> {
    const fn constant(
        convention: Convention,
        params: &'a [ValType],
        results: &'a [ValType],
    ) -> Self {
        let abi = convention.abi().expect("this target has no trampolines");
        Source { abi, params, results, stride: 16, shape: Shape::Bare }
    }

    /// How many entries the lists have.
    pub(crate) const fn list_len(&self) -> usize {
        let mut assigner = Assigner::new(self.abi);
        let mut i = 0;
        while i < self.params.len() {
            assigner.place(self.params[i]);
            i += 1;
        }
        if self.results.len() > 1 {
            assigner.return_pointer();
        }
        let types = self.params.len() + self.results.len();
        let words = stack_words(&assigner, self.vector_words());
        words + spills(self.results) + types.div_ceil(TYPES_PER_ENTRY)
    }

    /// How many stack words are not on the stack, but what vector registers are
    /// loaded from; they come first.
    const fn vector_words(&self) -> usize {
        let mut i = 0;
        while i < self.params.len() {
            if let (Class::Vector, Vector::Own { .. }) = (self.params[i].class(), &self.abi.vector)
            {
                return VECTOR_WORDS;
            }
            i += 1;
        }
        0
    }

    /// Writes the lists, which have room for `list_len` entries and are zero,
    /// and returns the header.
    const fn encode(&self, lists: &mut [u16]) -> Result<Header, Misfit> {
        let Source { abi, params, results, stride, shape } = *self;
        if let Err(misfit) = check(params, results, abi) {
            return Err(misfit);
        }
        let mut header = Header {
            integer: [0; 8],
            float: [0; 8],
            result_mask: 0,
            stack_words: 0,
            spills: spills(results) as u16,
            return_area: 0,
            return_word: 0,
            params: params.len() as u16,
            return_register: 0,
            floats: 0,
            result: RESULT_NONE,
            shape,
            stride: stride as u8,
            contexts: abi.contexts as u8,
        };

        let vector_words = self.vector_words();
        let mut assigner = Assigner::new(abi);
        let mut i = 0;
        while i < params.len() {
            let ty = params[i];
            let slot = i as u16 * stride;
            let narrow = if abi.extends && ty.size() == 4 { NARROW } else { 0 };
            if ty.size() > stride as usize {
                return Err(Misfit::Slot(Value::Param(i)));
            }
            match assigner.place(ty) {
                None => return Err(Misfit::Type(ty, Value::Param(i))),
                Some(Place::Integer(register)) => header.integer[register] = slot | narrow,
                Some(Place::Float(register)) => {
                    header.float[register] = slot | narrow;
                    header.floats = floats(header.floats, register, ty);
                }
                Some(Place::Vector(register)) => {
                    write_words(lists, 2 * register, slot, ty, abi);
                    header.floats = FLOATS_VECTORS;
                }
                Some(Place::Stack(offset)) => {
                    let word = (offset - abi.stack.start) / abi.stack.slot;
                    write_words(lists, vector_words + word as usize, slot | narrow, ty, abi);
                }
            }
            i += 1;
        }

        let mut return_word = None;
        if results.len() > 1 {
            match assigner.return_pointer() {
                Place::Stack(offset) => return_word = Some(offset),
                Place::Integer(register) => header.return_register = 1 << register,
                _ => {}
            }
        }
        header.return_word = match return_word {
            Some(offset) => offset as u16,
            None => assigner.area() as u16,
        };
        header.stack_words = stack_words(&assigner, vector_words) as u16;

        let mut list = header.stack_words as usize;
        let mut packer = Packer::new(abi);
        i = 0;
        while i < results.len() {
            let ty = results[i];
            if ty.size() > stride as usize {
                return Err(Misfit::Slot(Value::Result(i)));
            }
            if i == 0 {
                header.result = match ty.class() {
                    Class::Integer => RESULT_INTEGER,
                    Class::Float => RESULT_FLOAT,
                    Class::Vector => RESULT_VECTOR,
                };
                header.result_mask = if ty.size() == 4 { 0xffff_ffff } else { !0 };
            } else {
                let width = match ty.size() {
                    4 => SPILL_4,
                    8 => SPILL_8,
                    _ => SPILL_16,
                };
                lists[list] = packer.place(ty) as u16 | width;
                list += 1;
            }
            i += 1;
        }
        header.return_area = packer.area() as u16;

        i = 0;
        while i < params.len() + results.len() {
            let ty = if i < params.len() { params[i] } else { results[i - params.len()] };
            let shift = i % TYPES_PER_ENTRY * TYPE_BITS;
            lists[list + i / TYPES_PER_ENTRY] |= (ty as u16) << shift;
            i += 1;
        }

        let shortest = header.shortest();
        header.shape = if shortest.at_least(shape) {
            shortest
        } else if header.slots() == 0 {
            // The shapes between read slot 0, and there is none.
            Shape::Variable
        } else {
            shape
        };
        Ok(header)
    }

    /// A descriptor of this signature on the heap, in one allocation.
    pub(crate) fn boxed(&self) -> Result<Box<Descriptor>, Error> {
        match check(self.params, self.results, self.abi) {
            Ok(()) => boxed(self.list_len(), |lists| self.encode(lists)),
            Err(misfit) => Err(misfit),
        }
        .map_err(|misfit| misfit.error(self.abi))
    }
}

/// For the tests: the descriptor of a signature under any convention. It is only
/// lent, so that nobody makes a trampoline of it.
#[doc(hidden)]
pub fn describe<R>(
    abi: &'static Abi,
    signature: &Signature,
    stride: u16,
    shape: Shape,
    look: impl FnOnce(&Descriptor) -> R,
) -> Result<R, Error> {
    let (params, results) = (signature.params(), signature.results());
    Ok(look(&Source { abi, params, results, stride, shape }.boxed()?))
}

/// A descriptor on the heap whose lists have room for `len` entries; `fill`
/// writes them, zero before, and returns the header.
fn boxed<E>(
    len: usize,
    fill: impl FnOnce(&mut [u16]) -> Result<Header, E>,
) -> Result<Box<Descriptor>, E> {
    // Not inlined, so that a short list takes little of the stack.
    #[inline(never)]
    fn sized<const CAPACITY: usize, E>(
        fill: impl FnOnce(&mut [u16]) -> Result<Header, E>,
    ) -> Result<Box<Descriptor>, E> {
        let mut lists = [0; CAPACITY];
        let header = fill(&mut lists)?;
        Ok(Box::new(Descriptor { header, lists }))
    }
    // The next power of two: an array behind a header coerces to a slice in safe
    // code, and a box of such a slice cannot be made otherwise.
    macro_rules! sized {
        ($($capacity:literal)*) => {
            match len {
                $(0..=$capacity => sized::<$capacity, E>(fill),)*
                _ => unreachable!("the limits of a signature bound its lists"),
            }
        };
    }
    sized!(4 8 16 32 64 128 256 512 1024 2048 4096 8192)
}

/// How many entries the list of stack words has: whole groups, the last one
/// filled up with words that nobody reads.
const fn stack_words(assigner: &Assigner<'_>, vector_words: usize) -> usize {
    let stack = &assigner.abi.stack;
    let words = (assigner.area() - stack.start) / stack.slot;
    vector_words + words.next_multiple_of(GROUP as u32) as usize
}

/// Writes the stack words of a value, from this one on.
const fn write_words(lists: &mut [u16], first: usize, slot: u16, ty: ValType, abi: &Abi) {
    let (size, word) = (ty.size(), abi.stack.slot as usize);
    let words = size.div_ceil(word);
    let mut i = 0;
    while i < words {
        let part = if abi.stack.big_endian { words - 1 - i } else { i };
        lists[first + i] = slot + (part * word) as u16;
        i += 1;
    }
}

const fn spills(results: &[ValType]) -> usize {
    results.len().saturating_sub(1)
}

/// How many float registers to load, if `before` was known and another one
/// carries a value of this type.
const fn floats(before: u8, register: usize, ty: ValType) -> u8 {
    let this = match (ty.class(), register) {
        (Class::Vector, _) => FLOATS_VECTORS,
        (_, register) if register < FLOATS_SOME as usize => FLOATS_SOME,
        _ => FLOATS_ALL,
    };
    if this > before { this } else { before }
}

impl Header {
    /// The shortest shape that can make this call.
    const fn shortest(&self) -> Shape {
        let words = self.stack_words as usize;
        if self.spills > 0 || self.result == RESULT_VECTOR || words > FIXED_WORDS {
            Shape::Variable
        } else if words > 0 {
            Shape::Fixed
        } else if self.slots() > 0 {
            // Without parameters, too: where signatures vary, one body more is
            // one mispredicted jump more.
            Shape::ShortCut
        } else {
            Shape::Bare
        }
    }

    /// Whether the bodies leave result 0 in its register.
    #[inline(always)]
    #[cfg_attr(not(vmtrampoline_port), allow(dead_code))] // nobody calls there
    pub(crate) const fn leaves_result(&self) -> bool {
        self.result & (RESULT_INTEGER | RESULT_FLOAT) != 0
    }

    /// How many value slots a call needs.
    pub(crate) const fn slots(&self) -> usize {
        let (params, results) = (self.params as usize, self.results());
        if params > results { params } else { results }
    }

    const fn results(&self) -> usize {
        self.spills as usize + (self.result != RESULT_NONE) as usize
    }
}

impl<const N: usize> Descriptor<[u16; N]> {
    /// For [`trampoline!`](crate::trampoline): a signature known at compile
    /// time, `N` being [`list_len`].
    #[doc(hidden)]
    pub const fn constant(convention: Convention, params: &[ValType], results: &[ValType]) -> Self {
        let source = Source::constant(convention, params, results);
        let mut lists = [0; N];
        match source.encode(&mut lists) {
            Ok(header) => Descriptor { header, lists },
            Err(Misfit::Type(..)) => {
                panic!("the calling convention cannot pass one of these types")
            }
            Err(Misfit::Results(_)) => panic!("the calling convention has at most one result"),
            Err(Misfit::Params) => panic!("a signature has at most 1000 parameters"),
            Err(Misfit::ResultsLimit) => panic!("a signature has at most 1000 results"),
            Err(Misfit::Slot(_)) => panic!("a v128 does not fit the value slot"),
        }
    }
}

/// For [`trampoline!`](crate::trampoline): the `N` of
/// `Descriptor::<[u16; N]>::constant`.
#[doc(hidden)]
pub const fn list_len(convention: Convention, params: &[ValType], results: &[ValType]) -> usize {
    Source::constant(convention, params, results).list_len()
}

impl Descriptor {
    /// The lists without what was reserved beyond them.
    fn used_lists(&self) -> &[u16] {
        let types = usize::from(self.header.params) + self.header.results();
        let used = self.types_start() + types.div_ceil(TYPES_PER_ENTRY);
        &self.lists[..used]
    }

    /// What the assembly reads: header, stack words and spills.
    #[cfg_attr(not(vmtrampoline_port), allow(dead_code))] // nobody calls there
    pub(crate) fn read(&self) -> (&Header, &[u16]) {
        (&self.header, &self.lists[..self.types_start()])
    }

    fn types_start(&self) -> usize {
        usize::from(self.header.stack_words) + usize::from(self.header.spills)
    }

    /// The same descriptor on the heap.
    pub(crate) fn to_boxed(&self) -> Box<Descriptor> {
        let lists = self.used_lists();
        let fill = |to: &mut [u16]| -> Result<Header, Infallible> {
            to[..lists.len()].copy_from_slice(lists);
            Ok(self.header)
        };
        match boxed(lists.len(), fill) {
            Ok(descriptor) => descriptor,
        }
    }

    fn types(&self) -> impl Iterator<Item = ValType> + '_ {
        let entries = self.lists[self.types_start()..].iter();
        entries.flat_map(|entry| {
            (0..TYPES_PER_ENTRY)
                .map(move |i| ValType::ALL[usize::from(entry >> (i * TYPE_BITS)) & 0b111])
        })
    }

    /// The signature that this was made from.
    pub(crate) fn signature(&self) -> Signature {
        let params = usize::from(self.header.params);
        let results = self.types().skip(params).take(self.header.results());
        Signature::new(self.types().take(params), results).expect("it was within the limits before")
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
    use alloc::format;

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
            span_of!(Header, params),
            span_of!(Header, return_register),
            span_of!(Header, floats),
            span_of!(Header, result),
            span_of!(Header, shape),
            span_of!(Header, stride),
            span_of!(Header, contexts),
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
        let (params, results) = (signature.params(), signature.results());
        Source { abi, params, results, stride: 16, shape: Shape::Bare }.boxed().expect(text)
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
