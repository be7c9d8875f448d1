//! The header of a descriptor.

use static_assertions::const_assert_eq;

use super::constants::{assert_layout, constant};

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
    /// How many float registers to load at least: one of the `FLOATS_…`, or 0. `SOME_NARROW`
    /// in addition: an entry of a register or stack word has `NARROW`.
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
const_assert_eq!(size_of::<Header>(), 64);

pub(crate) const FLOATS_SOME: u8 = constant("FLOATS_SOME") as u8;
pub(super) const FLOATS_ALL: u8 = constant("FLOATS_ALL") as u8;
pub(super) const FLOATS_SOME_VECTORS: u8 = constant("FLOATS_SOME_VECTORS") as u8;
pub(super) const FLOATS_VECTORS: u8 = constant("FLOATS_VECTORS") as u8;
pub(crate) const RESULT_NONE: u8 = constant("RESULT_NONE") as u8;
pub(crate) const RESULT_INTEGER: u8 = constant("RESULT_INTEGER") as u8;
pub(crate) const RESULT_FLOAT: u8 = constant("RESULT_FLOAT") as u8;
pub(crate) const RESULT_VECTOR: u8 = constant("RESULT_VECTOR") as u8;
pub(super) const RESULT_X87: u8 = constant("RESULT_X87") as u8;
pub(super) const RESULT_X87_PAIR: u8 = constant("RESULT_X87_PAIR") as u8;
pub(super) const SOME_NARROW: u8 = constant("SOME_NARROW") as u8;
pub(super) const NARROW: u16 = constant("NARROW") as u16;
pub(super) const VECTOR_WORDS: usize = constant("VECTOR_WORDS");
pub(super) const GROUP: usize = constant("GROUP");
const FIXED_WORDS: usize = constant("FIXED_WORDS");
/// Whether a body that leaves result 0 in its register may leave a vector there, too: Rust has
/// a type that comes back so. Elsewhere `variable` stores it.
const LEAVES_VECTORS: bool =
    cfg!(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(vmtrampoline_windows)));

/// Whether `variable` stores a scalar, too.
const VARIABLE_STORES: bool = cfg!(all(target_arch = "x86_64", not(vmtrampoline_windows)));

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

    /// The shortest shape that can make this call, of which Rust does a part if it is planned.
    /// `many` says that there are more registers to load than `short_cut` does.
    pub(super) const fn shortest(&self, planned: bool, many: bool) -> Shape {
        let words = self.stack_words as usize;
        let vector = self.result == RESULT_VECTOR && (planned || !LEAVES_VECTORS);
        if self.spills > 0 || vector || words > FIXED_WORDS {
            Shape::Variable
        } else if words > 0 || many {
            Shape::Fixed
        } else if self.slots > 0 {
            // Without parameters, too: where signatures vary, one body more is
            // one mispredicted jump more.
            Shape::ShortCut
        } else {
            Shape::Bare
        }
    }

    /// Whether the body stores a result that is a scalar of up to eight bytes. All bodies leave
    /// it in its register, too.
    pub(super) const fn stores_word(&self) -> bool {
        VARIABLE_STORES && self.shape.at_least(Shape::Variable)
    }
}

/// Which body of the assembly makes the call. The first is the fastest and can do least,
/// the last can do everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[doc(hidden)]
pub enum Shape {
    /// Jumps; no parameters, no results.
    Bare,
    /// Loads argument registers and jumps; no stack words, at most one result.
    ShortCut,
    /// A frame of constant size: a few stack words, at most one result.
    Fixed,
    /// A frame of any size: everything.
    Variable,
}

const_assert_eq!(Shape::ShortCut as usize, constant("SHAPE_SHORT_CUT"));

impl Shape {
    /// All shapes, shortest first.
    pub const ALL: [Shape; 4] = [Shape::Bare, Shape::ShortCut, Shape::Fixed, Shape::Variable];

    pub(super) const fn at_least(self, other: Shape) -> bool {
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
    /// The body, after which Rust stores a vector.
    Vector,
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
    pub(crate) const COUNT: usize = 13;

    /// The body of this shape.
    pub(super) const fn body(shape: Shape) -> Entry {
        match shape {
            Shape::Bare => Entry::Bare,
            Shape::ShortCut => Entry::ShortCut,
            Shape::Fixed => Entry::Fixed,
            Shape::Variable => Entry::Variable,
        }
    }

    /// Whether Rust does a part of the call by a plan.
    pub(super) const fn is_planned(self) -> bool {
        matches!(self, Entry::Prepared | Entry::PreparedFloat | Entry::Finished)
    }
}

/// Which registers have pieces of the result when a body returns to Rust.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Returns {
    /// An integer register, which the caller of the entry stores.
    Integer,
    /// The same of a float register.
    Float,
    /// None: there is no result, or the body has stored it.
    Nothing,
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
    /// Integer registers, with pieces of a larger value.
    Integers,
    /// Float registers, of which eight bytes count.
    Floats,
}

impl Returns {
    /// Whether the caller of the entry stores a scalar of up to eight bytes.
    #[inline(always)]
    pub(crate) const fn is_word(self) -> bool {
        (self as u8) < Returns::Nothing as u8
    }

    /// The function for a call that returns so, if Rust prepares nothing and stores the result.
    pub(super) const fn entry(self) -> Entry {
        match self {
            Returns::IntegerPair => Entry::IntegerPair,
            Returns::FloatPair => Entry::FloatPair,
            Returns::IntegerFloat => Entry::IntegerFloat,
            Returns::FloatInteger => Entry::FloatInteger,
            _ => Entry::Finished,
        }
    }
}
