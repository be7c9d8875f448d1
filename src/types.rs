//! Types of values: scalars, structures, unions, arrays.
//!
//! A type is a string of 16-bit words, not a tree. So a macro can make signatures from text
//! at compile time, a descriptor has one behind its lists, and a comparison goes word by
//! word. A scalar is one word. A structure or union is its tag, the number of words
//! of its fields, and its fields. An array is its tag, its length and the type of its
//! elements.

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use crate::{
    abi::Abi,
    error::Error,
    valtype::{Kind, Scalar, ValType},
};

const TAG: u16 = 0x0300;
const STRUCT: u16 = 0x0100;
const UNION: u16 = 0x0200;
const ARRAY: u16 = 0x0300;
const PACKED: u16 = 0x0400;
/// The logarithm of the given alignment is above this bit.
const ALIGN_SHIFT: u32 = 12;

/// What begins with a word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Head {
    Scalar(ValType),
    /// A structure or union. Its fields are the words from the second after this one up to
    /// `end`.
    Fields {
        union: bool,
        packed: bool,
        align: u32,
        end: usize,
    },
    /// An array. The type of its elements begins at the second word after this one.
    Array {
        count: u32,
    },
}

/// What begins with the word at `at`.
#[inline]
pub(crate) const fn head(words: &[u16], at: usize) -> Head {
    let word = words[at];
    match word & TAG {
        0 => Head::Scalar(ValType::ALL[word as usize]),
        ARRAY => Head::Array { count: words[at + 1] as u32 },
        tag => Head::Fields {
            union: tag == UNION,
            packed: word & PACKED != 0,
            align: 1 << (word >> ALIGN_SHIFT),
            end: at + 2 + words[at + 1] as usize,
        },
    }
}

/// The given alignment and the end of the fields of the structure at `at`, if it is one and not
/// packed. It is faster than to look at [`head`].
#[inline(always)]
pub(crate) const fn structure(words: &[u16], at: usize) -> Option<(u32, usize)> {
    let word = words[at];
    if word & (TAG | PACKED) != STRUCT {
        return None;
    }
    Some((1 << (word >> ALIGN_SHIFT), at + 2 + words[at + 1] as usize))
}

/// The scalar at `at`, if there is one.
#[inline(always)]
pub(crate) const fn scalar(words: &[u16], at: usize, abi: &Abi) -> Option<Scalar> {
    let word = words[at];
    if word & TAG == 0 { Some(abi.scalars[word as usize]) } else { None }
}

/// The first word of a structure or union; the second is the length of its fields.
pub(crate) const fn fields_word(union: bool, packed: bool, align: u32) -> u16 {
    let tag = if union { UNION } else { STRUCT };
    tag | if packed { PACKED } else { 0 } | (align.trailing_zeros() as u16) << ALIGN_SHIFT
}

/// The first word of an array; the second is the number of its elements.
pub(crate) const ARRAY_WORD: u16 = ARRAY;

/// The index of the word after the type at `at`.
#[inline]
pub(crate) const fn after(words: &[u16], mut at: usize) -> usize {
    loop {
        match head(words, at) {
            Head::Scalar(_) => return at + 1,
            Head::Fields { end, .. } => return end,
            Head::Array { .. } => at += 2,
        }
    }
}

pub(crate) const fn min(a: u32, b: u32) -> u32 {
    if a < b { a } else { b }
}

pub(crate) const fn max(a: u32, b: u32) -> u32 {
    if a > b { a } else { b }
}

/// `n` rounded up to a multiple of a power of two, or the largest number.
pub(crate) const fn round_up(n: u32, align: u32) -> u32 {
    match n.checked_add(align - 1) {
        Some(n) => n & !(align - 1),
        None => u32::MAX,
    }
}

/// How large a type is in a convention. The size [`u32::MAX`] stands for all larger sizes,
/// too.
#[derive(Clone, Copy)]
pub(crate) struct Measure {
    pub(crate) size: u32,
    pub(crate) align: u32,
}

/// How large the type at `at` is.
pub(crate) const fn measure(words: &[u16], at: usize, abi: &Abi) -> Measure {
    match head(words, at) {
        Head::Scalar(ty) => ty.scalar(abi).measure(),
        Head::Array { count } => {
            let Measure { size, align } = measure(words, at + 2, abi);
            Measure { size: size.saturating_mul(count), align }
        }
        Head::Fields { union, packed, mut align, end } => {
            let (mut size, mut field) = (0u32, at + 2);
            while field < end {
                let this = Operand::new(words, field, abi);
                let this_align = if packed { 1 } else { this.measure.align };
                align = max(align, this_align);
                size = if union {
                    max(size, this.measure.size)
                } else {
                    round_up(size, this_align).saturating_add(this.measure.size)
                };
                field = this.end as usize;
            }
            Measure { size: round_up(size, align), align }
        }
    }
}

/// The alignment of the type at `at` that follows from its members alone.
pub(crate) const fn natural_align(words: &[u16], at: usize, abi: &Abi) -> u32 {
    let Head::Fields { packed, end, .. } = head(words, at) else {
        return measure(words, at, abi).align;
    };
    let (mut align, mut field) = (1, at + 2);
    while field < end && !packed {
        align = max(align, measure(words, field, abi).align);
        field = after(words, field);
    }
    align
}

/// A parameter or result in a convention.
#[derive(Clone, Copy)]
pub(crate) struct Operand {
    /// The index of its type's first word, and of the word after the type.
    pub(crate) at: u32,
    pub(crate) end: u32,
    /// The scalar that it is; `None` for a structure or union.
    pub(crate) scalar: Option<Scalar>,
    pub(crate) measure: Measure,
}

impl Operand {
    pub(crate) const NONE: Operand =
        Operand { at: 0, end: 0, scalar: None, measure: Measure { size: 0, align: 1 } };

    /// The operand whose type is at `at`. Most are scalars, which take no call.
    #[inline(always)]
    pub(crate) const fn new(words: &[u16], at: usize, abi: &Abi) -> Operand {
        let scalar = scalar(words, at, abi);
        let (measure, end) = match scalar {
            Some(scalar) => (scalar.measure(), at + 1),
            None => (measure(words, at, abi), after(words, at)),
        };
        Operand { at: at as u32, end: end as u32, scalar, measure }
    }
}

/// A scalar within a value; complex numbers count as two.
#[derive(Clone, Copy)]
pub(crate) struct Leaf {
    pub(crate) offset: u32,
    pub(crate) kind: Kind,
    pub(crate) size: u32,
}

/// The leaves of a type, in the order of their declaration.
pub(crate) struct Leaves<'a> {
    words: &'a [u16],
    abi: &'a Abi,
    levels: [Level; Type::MAX_DEPTH + 1],
    depth: usize,
    /// The imaginary part of a complex number whose real part was the last leaf.
    imaginary: Option<Leaf>,
}

/// A structure, union or array that the iterator is in.
#[derive(Clone, Copy)]
struct Level {
    /// The next field, or the element.
    at: usize,
    /// The end of the fields.
    end: usize,
    /// Where the next field may begin, counted from `base`, or where the next element begins.
    offset: u32,
    /// Where the structure or union begins; 0 for an array.
    base: u32,
    /// Elements left; `None` for fields.
    elements: Option<u32>,
    union: bool,
    packed: bool,
}

impl<'a> Leaves<'a> {
    /// The leaves of the type at `at`, whose size is not [`u32::MAX`].
    pub(crate) const fn new(words: &'a [u16], at: usize, abi: &'a Abi) -> Leaves<'a> {
        let whole = Level {
            at,
            end: after(words, at),
            offset: 0,
            base: 0,
            elements: None,
            union: false,
            packed: true,
        };
        Leaves { words, abi, levels: [whole; Type::MAX_DEPTH + 1], depth: 1, imaginary: None }
    }

    pub(crate) const fn next(&mut self) -> Option<Leaf> {
        if let Some(leaf) = self.imaginary {
            self.imaginary = None;
            return Some(leaf);
        }
        while self.depth > 0 {
            let level = &mut self.levels[self.depth - 1];
            let done = match level.elements {
                Some(left) => left == 0,
                None => level.at >= level.end,
            };
            if done {
                self.depth -= 1;
                continue;
            }
            let (at, measured) = (level.at, measure(self.words, level.at, self.abi));
            let offset;
            if let Some(left) = level.elements {
                offset = level.offset;
                level.offset += measured.size;
                // Elements without size have no leaves.
                level.elements = Some(if measured.size == 0 { 0 } else { left - 1 });
            } else {
                let align = if level.packed { 1 } else { measured.align };
                let field = if level.union { 0 } else { round_up(level.offset, align) };
                offset = level.base + field;
                level.offset = field + measured.size;
                level.at = after(self.words, at);
            }
            match head(self.words, at) {
                Head::Scalar(ty) => {
                    let Scalar { kind, size, parts, .. } = ty.scalar(self.abi);
                    let size = size as u32;
                    if parts == 2 {
                        self.imaginary = Some(Leaf { offset: offset + size, kind, size });
                    }
                    return Some(Leaf { offset, kind, size });
                }
                Head::Array { count } => {
                    let elements = Some(count);
                    let at = at + 2;
                    self.levels[self.depth] = Level {
                        at,
                        end: 0,
                        offset,
                        base: 0,
                        elements,
                        union: false,
                        packed: false,
                    };
                }
                Head::Fields { union, packed, end, .. } => {
                    let (at, base) = (at + 2, offset);
                    self.levels[self.depth] =
                        Level { at, end, offset: 0, base, elements: None, union, packed };
                }
            }
            self.depth += 1;
        }
        None
    }
}

/// Whether the type at `at` is a union or has one in it.
pub(crate) const fn has_union(words: &[u16], at: usize) -> bool {
    let end = after(words, at);
    let mut at = at;
    while at < end {
        match head(words, at) {
            Head::Scalar(_) => at += 1,
            Head::Array { .. } => at += 2,
            Head::Fields { union: true, .. } => return true,
            Head::Fields { .. } => at += 2,
        }
    }
    false
}

/// Whether there is one scalar at `at`, in no union and in no array but of one.
pub(crate) const fn is_lone(words: &[u16], at: usize) -> bool {
    let (end, mut at) = (after(words, at), at);
    if scalars(words, at) != 1 {
        return false;
    }
    while at < end {
        let several = match head(words, at) {
            Head::Array { count } => count != 1,
            Head::Fields { union, .. } => union,
            Head::Scalar(_) => return true,
        };
        if several && scalars(words, at) != 0 {
            return false;
        }
        at += 2;
    }
    false
}

/// How many scalars are written at `at`, those of an array once.
const fn scalars(words: &[u16], at: usize) -> usize {
    let (end, mut at, mut count) = (after(words, at), at, 0);
    while at < end {
        match head(words, at) {
            Head::Scalar(_) => {
                count += 1;
                at += 1;
            }
            _ => at += 2,
        }
    }
    count
}

/// The index of the type that structures of one member wrap at `at`, at any depth.
pub(crate) const fn unwrapped(words: &[u16], mut at: usize) -> usize {
    while let Head::Fields { union: false, end, .. } = head(words, at) {
        if at + 2 == end || after(words, at + 2) != end {
            break;
        }
        at += 2;
    }
    at
}

/// How deep structures, unions and arrays are nested in the types of these words.
fn depth(words: &[u16]) -> usize {
    let (mut at, mut deepest) = (0, 0);
    while at < words.len() {
        let this = match head(words, at) {
            Head::Scalar(_) => 0,
            Head::Array { .. } => 1 + depth(&words[at + 2..after(words, at)]),
            Head::Fields { end, .. } => 1 + depth(&words[at + 2..end]),
        };
        deepest = deepest.max(this);
        at = after(words, at);
    }
    deepest
}

/// The type of a value: a scalar, or a structure or union of C. Only a field can be an
/// array.
///
/// Its text is that of a scalar, or one of these:
///
/// | text | in C |
/// |---|---|
/// | `{i32, f64}` | `struct { int a; double b; }` |
/// | `union {i32, f32}` | `union { int a; float b; }` |
/// | `{[f32; 3], ptr}` | `struct { float a[3]; void *b; }` |
/// | `packed {u8, f64}` | with `__attribute__((packed))` |
/// | `align(16) {i32}` | with `__attribute__((aligned(16)))` |
/// | `{}` | `struct {}`, of no size, as gcc and clang have it |
///
/// The last three are extensions of GNU's, and are laid out as in its toolchains under every convention.
/// MSVC has no structures without fields. There, a field that is itself aligned stays aligned in a
/// packed structure.
///
/// Functions build types, too. A type borrows its words if a
/// [`Signature`](crate::Signature) lends it, and [`into_owned`](Self::into_owned) copies them.
///
/// ```
/// use vmtrampoline::{Abi, Type, ValType};
///
/// let point = Type::structure([ValType::F64, ValType::F64])?;
/// assert_eq!(point.to_string(), "{f64, f64}");
/// assert_eq!(point, "{double, double}".parse::<Type>()?);
/// assert_eq!(point.size(&Abi::X86_64_SYSV_C), 16);
///
/// let line = Type::structure([Type::array(point, 2)?, ValType::Long.into()])?;
/// assert_eq!(line.to_string(), "{[{f64, f64}; 2], long}");
/// assert!(line.fields_in(&Abi::X86_64_SYSV_C)[0].1.is_array());
/// assert_eq!(line.size(&Abi::X86_64_SYSV_C), 40);
/// # Ok::<(), vmtrampoline::Error>(())
/// ```
#[derive(Clone)]
pub struct Type<'a> {
    words: Words<'a>,
}

#[derive(Clone)]
enum Words<'a> {
    One([u16; 1]),
    Lent(&'a [u16]),
    Owned(Box<[u16]>),
}

impl<'a> Type<'a> {
    /// How deep structures, unions and arrays may be nested.
    pub const MAX_DEPTH: usize = 16;
    /// The largest alignment that [`aligned`](Self::aligned) takes.
    pub const MAX_ALIGN: usize = 4096;

    /// The type that is these words.
    pub(crate) fn lent(words: &'a [u16]) -> Type<'a> {
        Type { words: Words::Lent(words) }
    }

    pub(crate) fn words(&self) -> &[u16] {
        match &self.words {
            Words::One(word) => word,
            Words::Lent(words) => words,
            Words::Owned(words) => words,
        }
    }

    /// A structure of these fields.
    ///
    /// # Errors
    ///
    /// [`Error::TooDeep`], and [`Error::TooLarge`] for more fields than a
    /// signature has room for.
    pub fn structure<T: Into<Type<'a>>>(
        fields: impl IntoIterator<Item = T>,
    ) -> Result<Type<'static>, Error> {
        Self::fields(false, fields)
    }

    /// A union of these fields.
    ///
    /// # Errors
    ///
    /// As for [`structure`](Self::structure).
    pub fn union<T: Into<Type<'a>>>(
        fields: impl IntoIterator<Item = T>,
    ) -> Result<Type<'static>, Error> {
        Self::fields(true, fields)
    }

    fn fields<T: Into<Type<'a>>>(
        union: bool,
        fields: impl IntoIterator<Item = T>,
    ) -> Result<Type<'static>, Error> {
        let mut words = Vec::from([fields_word(union, false, 1), 0]);
        for field in fields {
            words.extend_from_slice(field.into().words());
            if words.len() > usize::from(u16::MAX) {
                return Err(Error::TooLarge { value: None });
            }
        }
        words[1] = (words.len() - 2) as u16;
        Self::owned(words)
    }

    /// An array of `count` elements of this type, for a field of a structure or union.
    ///
    /// # Errors
    ///
    /// As for [`structure`](Self::structure); [`Error::BadLength`] for no element and for
    /// more than 65 535.
    pub fn array(element: impl Into<Type<'a>>, count: usize) -> Result<Type<'static>, Error> {
        let elements = u16::try_from(count).ok().filter(|count| *count > 0);
        let count = elements.ok_or(Error::BadLength { count })?;
        let element = element.into();
        Self::owned([&[ARRAY_WORD, count], element.words()].concat())
    }

    fn owned(words: Vec<u16>) -> Result<Type<'static>, Error> {
        if depth(&words) > Self::MAX_DEPTH {
            return Err(Error::TooDeep { position: None });
        }
        Ok(Type { words: Words::Owned(words.into()) })
    }

    /// This structure or union without padding between its fields, and aligned to 1.
    ///
    /// # Errors
    ///
    /// [`Error::NotAStructure`].
    pub fn packed(&self) -> Result<Type<'static>, Error> {
        self.with(PACKED)
    }

    /// This structure or union, aligned to at least this power of two.
    ///
    /// # Errors
    ///
    /// [`Error::NotAStructure`], and [`Error::BadAlignment`] for anything but a power
    /// of two up to [`Type::MAX_ALIGN`].
    pub fn aligned(&self, align: usize) -> Result<Type<'static>, Error> {
        if !align.is_power_of_two() || align > Self::MAX_ALIGN {
            return Err(Error::BadAlignment { align });
        }
        self.with((align.trailing_zeros() as u16) << ALIGN_SHIFT)
    }

    fn with(&self, bits: u16) -> Result<Type<'static>, Error> {
        let mut words = self.words().to_vec();
        match head(&words, 0) {
            Head::Fields { .. } => {
                if bits != PACKED {
                    words[0] &= !(!0 << ALIGN_SHIFT);
                }
                words[0] |= bits;
                Self::owned(words)
            }
            _ => Err(Error::NotAStructure),
        }
    }

    /// This type as a scalar type; `None` for a structure, union or array.
    pub fn scalar(&self) -> Option<ValType> {
        match head(self.words(), 0) {
            Head::Scalar(ty) => Some(ty),
            _ => None,
        }
    }

    /// Whether this is a union.
    pub fn is_union(&self) -> bool {
        matches!(head(self.words(), 0), Head::Fields { union: true, .. })
    }

    /// Whether this is an array.
    pub fn is_array(&self) -> bool {
        matches!(head(self.words(), 0), Head::Array { .. })
    }

    /// Size in bytes under this convention. Any size beyond [`u32::MAX`] counts as that.
    pub fn size(&self, abi: &Abi) -> usize {
        measure(self.words(), 0, abi).size as usize
    }

    /// Alignment in bytes under this convention.
    pub fn align(&self, abi: &Abi) -> usize {
        measure(self.words(), 0, abi).align as usize
    }

    /// The fields of a structure or union, or the elements of an array, each with its offset
    /// under this convention. A scalar has none. Offsets in sizes beyond [`u32::MAX`] mean nothing.
    pub fn fields_in(&self, abi: &Abi) -> Vec<(usize, Type<'_>)> {
        let words = self.words();
        let of = |at| Type::lent(&words[at..after(words, at)]);
        match head(words, 0) {
            Head::Scalar(_) => Vec::new(),
            Head::Array { count } => {
                let size = measure(words, 2, abi).size as usize;
                (0..count as usize).map(|i| (i.saturating_mul(size), of(2))).collect()
            }
            Head::Fields { union, packed, end, .. } => {
                let (mut at, mut offset, mut fields) = (2, 0, Vec::new());
                while at < end {
                    let this = measure(words, at, abi);
                    if !union && !packed {
                        offset = round_up(offset, this.align);
                    }
                    fields.push((offset as usize, of(at)));
                    if !union {
                        offset = offset.saturating_add(this.size);
                    }
                    at = after(words, at);
                }
                fields
            }
        }
    }

    /// The same type, with words of its own.
    pub fn into_owned(self) -> Type<'static> {
        Type {
            words: match self.words {
                Words::One(word) => Words::One(word),
                Words::Lent(words) => Words::Owned(words.into()),
                Words::Owned(words) => Words::Owned(words),
            },
        }
    }
}

impl From<ValType> for Type<'_> {
    fn from(ty: ValType) -> Self {
        Type { words: Words::One([ty as u16]) }
    }
}

impl<'a> From<&'a Type<'_>> for Type<'a> {
    fn from(ty: &'a Type<'_>) -> Self {
        Type::lent(ty.words())
    }
}

impl PartialEq<Type<'_>> for Type<'_> {
    fn eq(&self, other: &Type<'_>) -> bool {
        self.words() == other.words()
    }
}

impl Eq for Type<'_> {}

impl PartialEq<ValType> for Type<'_> {
    fn eq(&self, other: &ValType) -> bool {
        self.scalar() == Some(*other)
    }
}

impl core::hash::Hash for Type<'_> {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.words().hash(state);
    }
}

/// Prints the text that parses back.
impl fmt::Display for Type<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.words();
        match head(words, 0) {
            Head::Scalar(ty) => ty.fmt(f),
            Head::Array { count } => write!(f, "[{}; {count}]", Type::lent(&words[2..])),
            Head::Fields { union, packed, align, .. } => {
                if align > 1 {
                    write!(f, "align({align}) ")?;
                }
                f.write_str(if packed { "packed " } else { "" })?;
                f.write_str(if union { "union " } else { "" })?;
                let mut at = 2;
                while at < words.len() {
                    let next = after(words, at);
                    let separator = if at == 2 { "{" } else { ", " };
                    write!(f, "{separator}{}", Type::lent(&words[at..next]))?;
                    at = next;
                }
                f.write_str(if at == 2 { "{}" } else { "}" })
            }
        }
    }
}

impl fmt::Debug for Type<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Type({self})")
    }
}

/// Types one after another: the parameters of a [`Signature`](crate::Signature), or its
/// results.
#[derive(Clone, Copy)]
pub struct Types<'a> {
    words: &'a [u16],
    len: usize,
}

impl<'a> Types<'a> {
    /// The types in these words, of which there are `len`.
    pub(crate) const fn new(words: &'a [u16], len: usize) -> Types<'a> {
        Types { words, len }
    }

    /// How many types there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no types.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Type number `index`.
    pub fn get(&self, index: usize) -> Option<Type<'a>> {
        self.iter().nth(index)
    }

    /// The types, in order.
    pub fn iter(&self) -> TypesIter<'a> {
        TypesIter { words: self.words, len: self.len }
    }

    /// The types as scalar types; `None` if one is a structure or union.
    pub fn scalars(&self) -> Option<Vec<ValType>> {
        self.iter().map(|ty| ty.scalar()).collect()
    }
}

impl fmt::Debug for Types<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(*self).finish()
    }
}

impl<'a> IntoIterator for Types<'a> {
    type Item = Type<'a>;
    type IntoIter = TypesIter<'a>;

    fn into_iter(self) -> TypesIter<'a> {
        self.iter()
    }
}

/// The iterator of [`Types`].
#[derive(Clone, Debug)]
pub struct TypesIter<'a> {
    words: &'a [u16],
    len: usize,
}

impl<'a> Iterator for TypesIter<'a> {
    type Item = Type<'a>;

    fn next(&mut self) -> Option<Type<'a>> {
        if self.words.is_empty() {
            return None;
        }
        let (ty, rest) = self.words.split_at(after(self.words, 0));
        self.words = rest;
        self.len -= 1;
        Some(Type::lent(ty))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len, Some(self.len))
    }
}

impl ExactSizeIterator for TypesIter<'_> {}
