//! The scatter: where a function's arguments go when native code calls the host.
//!
//! It is the descriptor of the other direction. A function of the assembly takes
//! every argument register and every stack word to the offset in its frame that
//! the scatter names: the value's slot, or a place for what carries no value. The
//! results in the return area are a list like that of a
//! [`Descriptor`](crate::Descriptor).

use alloc::{vec, vec::Vec};

use crate::{
    Abi, Error, Signature, ValType,
    abi::Vector,
    descriptor::{SPILL_4, SPILL_8, SPILL_16, Shape, assert_layout, constant},
    layout::{Assigner, Misfit, Packer, Place, check},
    valtype::Class,
};

const GROUP: usize = constant("H_GROUP");
const MORE_RESULTS: u16 = constant("MORE_RESULTS") as u16;
const MORE_NARROW: u16 = constant("MORE_NARROW") as u16;
const MORE_VECTORS: u16 = constant("MORE_VECTORS") as u16;
const NARROW: u16 = constant("NARROW") as u16;
const VECTOR_WORDS: usize = constant("VECTOR_WORDS");
const SMALL_SLOTS: usize = constant("SMALL_SLOTS");
const SCRATCH_SIZE: usize = constant("SCRATCH_SIZE");

/// What the assembly reads of a context, besides addresses. Offsets count from
/// slot 0, which is where the frame begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Scatter {
    /// Per integer argument register: the offset that its eight bytes go to.
    integer: [u16; 8],
    /// How many value slots there are.
    pub(crate) slots: u16,
    /// Size of the slots and the scratch bytes after them.
    frame: u16,
    /// Entries in the list of stack words.
    stack_words: u16,
    /// Entries in the list of spills: results in the return area.
    spills: u16,
    /// What there is to do besides: `MORE_…`, as bits.
    more: u16,
    /// Per float argument register: the offset that its sixteen bytes go to.
    float: [u16; 8],
    /// How many float argument registers there are to take from, at most.
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

impl Scatter {
    /// The scatter of a signature, its lists, stack words and then spills, and the
    /// entry that may be called. [`Shape::Variable`] asks for the one that can do
    /// everything, any other shape for the faster one if it will do.
    pub(crate) fn encode(
        abi: &Abi,
        params: &[ValType],
        results: &[ValType],
        shape: Shape,
    ) -> Result<(Scatter, Vec<u16>, Entry), Misfit> {
        check(params, results, abi)?;
        let slots = params.len().max(results.len());
        let small = shape != Shape::Variable && slots <= SMALL_SLOTS;
        let scratch = (16 * if small { SMALL_SLOTS } else { slots }) as u16;
        let frame = scratch + SCRATCH_SIZE as u16;
        let spills = results.len().saturating_sub(1);

        let first = results.first();
        let wide = spills > 0 || first == Some(&ValType::V128);
        let narrow = abi.extends && first.is_some_and(|ty| ty.size() == 4);
        let vectors = matches!(abi.vector, Vector::Own { .. })
            && params.iter().chain(first).any(|ty| ty.class() == Class::Vector);
        let vector_words = if vectors { VECTOR_WORDS } else { 0 };

        let mut scatter = Scatter {
            integer: [scratch; 8],
            slots: slots as u16,
            frame,
            stack_words: 0,
            spills: spills as u16,
            more: [(wide, MORE_RESULTS), (narrow, MORE_NARROW), (vectors, MORE_VECTORS)]
                .into_iter()
                .fold(0, |more, (is, bit)| if is { more | bit } else { more }),
            float: [scratch; 8],
            floats: 0,
        };
        let mut words = vec![scratch; vector_words];
        let mut put_words = |first: usize, to: usize, size: usize| {
            let word = abi.stack.slot as usize;
            let count = size.div_ceil(word);
            words.resize(words.len().max(first + count), scratch);
            for i in 0..count {
                let part = if abi.stack.big_endian { count - 1 - i } else { i };
                words[first + i] = (to + part * word) as u16;
            }
        };
        let mut assigner = Assigner::new(abi);
        let mut put = |place, to: usize, size: usize| match place {
            Place::Integer(register) => scatter.integer[register] = to as u16,
            Place::Float(register) => {
                // There a narrow float is at the other end of its register.
                let narrow = abi.stack.big_endian && size == 4;
                scatter.float[register] = to as u16 | if narrow { NARROW } else { 0 };
                scatter.floats = scatter.floats.max(register as u16 + 1);
            }
            Place::Vector(register) => put_words(2 * register, to, size),
            Place::Stack(offset) => {
                let word = (offset - abi.stack.start) / abi.stack.slot;
                put_words(vector_words + word as usize, to, size);
            }
        };
        for (i, &ty) in params.iter().enumerate() {
            let place = assigner.place(ty).ok_or(Misfit::Type(ty, crate::Value::Param(i)))?;
            put(place, 16 * i, ty.size());
        }
        if spills > 0 {
            // Its place in the frame is the word after the scratch bytes.
            put(assigner.return_pointer(), frame.into(), 8);
        }

        words.resize(words.len().next_multiple_of(GROUP), scratch);
        scatter.stack_words = words.len() as u16;
        let mut packer = Packer::new(abi);
        words.extend(results.iter().skip(1).map(|&ty| {
            let width = match ty.size() {
                4 => SPILL_4,
                8 => SPILL_8,
                _ => SPILL_16,
            };
            packer.place(ty) as u16 | width
        }));

        let entry = if small { Entry::Small } else { Entry::Any };
        Ok((scatter, words, entry))
    }
}

/// For the tests: the words of a scatter under any convention, and its lists.
#[doc(hidden)]
pub fn scatter(
    abi: &'static Abi,
    signature: &Signature,
    shape: Shape,
) -> Result<(Vec<u16>, Vec<u16>), Error> {
    let encoded = Scatter::encode(abi, signature.params(), signature.results(), shape);
    let (scatter, lists, _) = encoded.map_err(|misfit| misfit.error(abi))?;
    let Scatter { integer, slots, frame, stack_words, spills, more, float, floats } = scatter;
    let middle = [slots, frame, stack_words, spills, more];
    Ok(([&integer[..], &middle, &float, &[floats]].concat(), lists))
}

/// Per word of the slots, the bits that a signature's parameters define.
pub(crate) fn masks(params: &[ValType], slots: usize) -> Vec<u64> {
    let mut masks = vec![0; 2 * slots];
    for (mask, ty) in masks.chunks_exact_mut(2).zip(params) {
        match (ty.size(), ty.class()) {
            (4, _) => mask[0] = 0xffff_ffff_u64.to_le(),
            (_, Class::Vector) => mask.fill(!0),
            _ => mask[0] = !0,
        }
    }
    masks
}
