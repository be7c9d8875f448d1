//! The one walk over a signature in a convention: each value in its turn, its slots, and where it
//! lives at the call.
//!
//! [`Layout`](crate::layout::Layout) collects for people what it finds,
//! [`encode`](crate::encode) for the assembly. A reader asks for result 0, then for all parameters,
//! the return pointer, and all other results.
//!
//! A value has [pieces](Pieces). Most values are *words*: scalars of up to eight bytes, which have
//! one piece. The encoders ask for those first, which is faster.

use super::{
    misfit::{Index, Misfit},
    places::{Assigner, Pieces, Place},
};
use crate::{
    abi::{Abi, ReturnPointer, ShortCut, Variadic},
    signature::SignatureRef,
    types::{Operand, max, min, round_up, scalar},
    valtype::Scalar,
};

/// A walk over a signature.
#[derive(Clone, Copy)]
pub(crate) struct Walk<'a> {
    pub(crate) abi: &'a Abi,
    pub(crate) signature: &'a SignatureRef<'a>,
    /// Distance from one slot to the next, in bytes: 8 or 16.
    stride: u32,
    /// Where the last result ends in the return area.
    area: u32,
    assigner: Assigner<'a>,
    params: Cursor,
    results: Cursor,
    /// The last value that was not asked for as a word.
    operand: Operand,
}

/// Where the walk is among parameters or results.
#[derive(Clone, Copy)]
struct Cursor {
    index: u16,
    /// The index of the first word of the type.
    at: u32,
    /// Byte offset of the first slot.
    slot: u32,
}

impl Cursor {
    const START: Cursor = Cursor { index: 0, at: 0, slot: 0 };

    /// Where it is after so many more of these types. Its slot may be too large for a call.
    const fn after(mut self, abi: &Abi, types: &[u16], stride: u32, mut count: usize) -> Cursor {
        while count > 0 {
            let operand = Operand::new(types, self.at as usize, abi);
            let end = slots_end(abi, stride, self.slot, &operand);
            let end = end.expect("all parameters fit their slots");
            let slot = min(end, u32::MAX / 2);
            self = Cursor { index: self.index + 1, at: operand.end, slot };
            count -= 1;
        }
        self
    }
}

/// Where result 0 comes back.
#[derive(Clone, Copy)]
pub(crate) enum Returned {
    /// In registers: the walk has the pieces.
    Registers,
    /// In memory that the return pointer points to, which goes to this place, or to the register
    /// that the convention has for nothing else.
    Memory(Option<Place>),
}

impl<'a> Walk<'a> {
    /// A walk over a signature that [fits](super::misfit::check) the convention.
    #[inline(always)]
    pub(crate) const fn new(
        abi: &'a Abi,
        signature: &'a SignatureRef<'a>,
        stride: u16,
    ) -> Walk<'a> {
        Walk {
            abi,
            signature,
            stride: stride as u32,
            assigner: Assigner::new(abi.arguments(signature.counts.named.is_some())),
            area: 0,
            params: Cursor::START,
            results: Cursor::START,
            operand: Operand::NONE,
        }
    }

    /// Result 0 if it is a word. It comes back in the first register of its class.
    #[inline(always)]
    pub(crate) const fn first_word(&mut self) -> Option<Scalar> {
        let scalar = word(self.signature.results, 0, self.abi);
        if scalar.is_some() {
            self.results = Cursor { index: 1, at: 1, slot: self.stride };
        }
        scalar
    }

    /// Where result 0 comes back, if there is one.
    #[inline(always)]
    pub(crate) const fn first(&mut self) -> Result<Option<Returned>, Misfit> {
        if self.signature.results.is_empty() { Ok(None) } else { self.next_first() }
    }

    const fn next_first(&mut self) -> Result<Option<Returned>, Misfit> {
        let value = Index::Result(0);
        let variadic = self.signature.counts.named.is_some();
        // The assigner has begun with the arguments, which may have another row.
        if variadic {
            self.assigner.begin(self.abi);
        }
        let types = self.signature.results;
        let in_registers = match self.assigner.result(types, 0, &mut self.operand) {
            Ok(in_registers) => in_registers,
            Err(unfit) => return Err(Misfit::Unfit(unfit, value)),
        };
        self.assigner.begin(self.abi.arguments(variadic));
        let Some(end) = slots_end(self.abi, self.stride, 0, &self.operand) else {
            return Err(Misfit::Slot(value));
        };
        self.results = Cursor { index: 1, at: self.operand.end, slot: end };
        Ok(Some(match self.abi.results.pointer {
            _ if in_registers => Returned::Registers,
            ReturnPointer::Register(_) => Returned::Memory(None),
            _ => Returned::Memory(Some(self.assigner.return_pointer())),
        }))
    }

    /// The next parameter if it is a word of the named part of the call; the byte offset of its
    /// slot, and its place.
    #[inline(always)]
    pub(crate) const fn param_word(&mut self) -> Option<(Scalar, u32, Place)> {
        let Cursor { index, at, slot } = self.params;
        let Some(scalar) = word(self.signature.params, at as usize, self.abi) else { return None };
        if !self.is_named(index) {
            return None;
        }
        self.params = Cursor { index: index + 1, at: at + 1, slot: slot + self.stride };
        Some((scalar, slot, self.assigner.named_word(scalar.kind, scalar.size as u32)))
    }

    /// The byte offset of the next parameter's first slot.
    #[inline(always)]
    pub(crate) const fn param(&mut self) -> Result<Option<u32>, Misfit> {
        let more = (self.params.at as usize) < self.signature.params.len();
        if more { self.next_param() } else { Ok(None) }
    }

    const fn next_param(&mut self) -> Result<Option<u32>, Misfit> {
        let Cursor { index, at, slot } = self.params;
        let types = self.signature.params;
        let value = Index::Param(index);
        let named = self.is_named(index);
        let operand = &mut self.operand;
        if let Err(unfit) = self.assigner.argument(types, at as usize, named, operand) {
            return Err(Misfit::Unfit(unfit, value));
        }
        let Some(end) = slots_end(self.abi, self.stride, slot, &self.operand) else {
            return Err(Misfit::Slot(value));
        };
        self.params = Cursor { index: index + 1, at: self.operand.end, slot: end };
        Ok(Some(slot))
    }

    /// The last value that was not asked for as a word.
    pub(crate) const fn operand(&self) -> &Operand {
        &self.operand
    }

    /// Its pieces.
    pub(crate) const fn pieces(&self) -> &Pieces {
        &self.assigner.pieces
    }

    /// Whether this parameter precedes the variable part of the call.
    #[inline(always)]
    const fn is_named(&self, index: u16) -> bool {
        match self.signature.counts.named {
            Some(named) => (index as usize) < named,
            None => true,
        }
    }

    /// Whether the parameters take registers beyond these.
    pub(crate) const fn exceeds(&self, short_cut: &ShortCut) -> bool {
        self.assigner.exceeds(short_cut)
    }

    /// The place of the return pointer, if there are several results.
    pub(crate) const fn pointer(&mut self) -> Option<Place> {
        if self.signature.counts.results > 1 { Some(self.assigner.return_pointer()) } else { None }
    }

    /// The offset in the return area of the next result after result 0.
    #[inline(always)]
    pub(crate) const fn more(&mut self) -> Result<Option<u32>, Misfit> {
        let more = (self.results.at as usize) < self.signature.results.len();
        if more { self.next_more() } else { Ok(None) }
    }

    const fn next_more(&mut self) -> Result<Option<u32>, Misfit> {
        let Cursor { index, at, slot } = self.results;
        self.operand = Operand::new(self.signature.results, at as usize, self.abi);
        let Some(end) = slots_end(self.abi, self.stride, slot, &self.operand) else {
            return Err(Misfit::Slot(Index::Result(index)));
        };
        self.results = Cursor { index: index + 1, at: self.operand.end, slot: end };
        // In order, each aligned to its size, up to a limit.
        let size = self.operand.measure.size;
        let offset = round_up(self.area, min(size, self.abi.results.max_align));
        self.area = offset + size;
        Ok(Some(offset))
    }

    /// Byte offset behind the slots of all values so far.
    pub(crate) const fn slots(&self) -> u32 {
        let (params, results) = (self.params.slot, self.results.slot);
        max(params, results)
    }

    /// Byte offset behind the slots of all parameters and of all results so far.
    pub(crate) const fn all_slots(&self) -> u32 {
        let SignatureRef { params, counts, .. } = self.signature;
        let left = counts.params - self.params.index as usize;
        let Cursor { slot, .. } = self.params.after(self.abi, params, self.stride, left);
        max(slot, self.results.slot)
    }

    /// Size of the argument area so far, including what the convention reserves below the first
    /// stack slot.
    pub(crate) const fn argument_area(&self) -> u32 {
        self.assigner.area()
    }

    /// Size of the return area so far.
    pub(crate) const fn return_area(&self) -> u32 {
        round_up(self.area, self.abi.results.area_align)
    }

    /// How many vector registers carry arguments, if the convention wants to know.
    pub(crate) const fn vector_registers(&self) -> Option<u8> {
        match self.abi.variadic {
            Variadic::Counted if self.signature.counts.named.is_some() => {
                Some(self.assigner.float_registers())
            }
            _ => None,
        }
    }
}

/// The scalar of up to eight bytes at `at`, if there is one.
#[inline(always)]
const fn word(types: &[u16], at: usize, abi: &Abi) -> Option<Scalar> {
    if at >= types.len() {
        return None;
    }
    match scalar(types, at, abi) {
        Some(scalar) if scalar.is_word() => Some(scalar),
        _ => None,
    }
}

/// Where the slots of a value that begins here end; `None` if it does not fit its slot.
const fn slots_end(abi: &Abi, stride: u32, slot: u32, operand: &Operand) -> Option<u32> {
    let size = operand.measure.size;
    if size <= 8 {
        Some(slot.saturating_add(if size == 0 { 0 } else { stride }))
    } else if abi.contexts == 0 {
        Some(slot.saturating_add(round_up(size, stride)))
    } else if size <= stride {
        Some(slot + stride)
    } else {
        // WebAssembly's values have a slot each.
        None
    }
}

/// The index of the first slot of parameter `index`. For the number of parameters, it is the first
/// slot behind all of them.
pub(crate) fn first_slot(
    abi: &Abi,
    signature: SignatureRef<'_>,
    stride: u32,
    index: usize,
) -> usize {
    assert!(index <= signature.counts.params, "there is no parameter {index}");
    (Cursor::START.after(abi, signature.params, stride, index).slot / stride) as usize
}
