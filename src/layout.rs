//! Where every value goes: signature × convention → locations.
//!
//! [`Assigner`] hands out locations one argument at a time, [`Packer`] those of
//! the results in the return area. They are `const`, pure, and the only place
//! where this is decided: [`Layout`] collects their answers for people,
//! [`descriptor`](crate::descriptor) for the assembly.

use alloc::vec::Vec;
use core::fmt;

use crate::{
    Abi, Error, Signature, ValType,
    abi::{Counting, FloatOverflow, Vector},
    error::Value,
    valtype::Class,
};

/// Where the assigner puts an argument.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// In the integer argument register of this index.
    Integer(usize),
    /// In the float register of this index.
    Float(usize),
    /// In the vector register of this index, where those are not the float
    /// registers.
    Vector(usize),
    /// At this offset from the stack pointer at the call.
    Stack(u32),
}

/// Hands out the places of arguments, in order: contexts, parameters, return
/// pointer.
pub(crate) struct Assigner<'a> {
    pub(crate) abi: &'a Abi,
    integers: usize,
    floats: usize,
    vectors: usize,
    stack: u32,
}

const fn round_up(n: u32, align: u32) -> u32 {
    n.next_multiple_of(align)
}

const fn min(a: u32, b: u32) -> u32 {
    if a < b { a } else { b }
}

impl<'a> Assigner<'a> {
    /// For a function of this convention, its contexts already placed.
    pub(crate) const fn new(abi: &'a Abi) -> Self {
        let mut this = Assigner { abi, integers: 0, floats: 0, vectors: 0, stack: abi.stack.start };
        let mut context = 0;
        while context < abi.contexts {
            this.place(ValType::I64);
            context += 1;
        }
        this
    }

    /// The next parameter's place; `None` if the convention has none for this
    /// type.
    pub(crate) const fn place(&mut self, ty: ValType) -> Option<Place> {
        let register = match ty.class() {
            Class::Integer => self.integer(),
            Class::Float => match self.float() {
                None if matches!(self.abi.float_overflow, FloatOverflow::Integer) => self.integer(),
                place => place,
            },
            Class::Vector => match self.abi.vector {
                Vector::Float => self.float(),
                Vector::Own { order, .. } if self.vectors < order.len() => {
                    self.vectors += 1;
                    Some(Place::Vector(order[self.vectors - 1]))
                }
                Vector::Own { .. } => None,
                Vector::Unsupported => return None,
            },
        };
        Some(match register {
            Some(place) => place,
            None => self.stack_slot(ty.size() as u32, true),
        })
    }

    /// The return pointer's place: that of one more integer argument.
    pub(crate) const fn return_pointer(&mut self) -> Place {
        match self.integer() {
            Some(place) => place,
            None => self.stack_slot(8, self.abi.stack.aligned_return_pointer),
        }
    }

    /// Size of the argument area, with everything that lies below the first
    /// stack slot.
    pub(crate) const fn area(&self) -> u32 {
        round_up(self.stack, self.abi.stack.area_align)
    }

    const fn integer(&mut self) -> Option<Place> {
        let index = self.integers;
        if index >= self.abi.integer.len() {
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
        if index >= self.abi.float.len() {
            return None;
        }
        self.floats += 1;
        if matches!(self.abi.counting, Counting::Positional) {
            self.integers += 1;
        }
        Some(Place::Float(index))
    }

    const fn stack_slot(&mut self, size: u32, aligned: bool) -> Place {
        let stack = &self.abi.stack;
        let slot = if size < stack.slot { stack.slot } else { size };
        if aligned {
            self.stack = round_up(self.stack, min(slot, stack.max_align));
        }
        let offset = self.stack + if stack.big_endian { slot - size } else { 0 };
        self.stack += slot;
        Place::Stack(offset)
    }
}

/// Packs results into the return area, in order, result 0 left out.
pub(crate) struct Packer<'a> {
    abi: &'a Abi,
    end: u32,
}

impl<'a> Packer<'a> {
    pub(crate) const fn new(abi: &'a Abi) -> Self {
        Packer { abi, end: 0 }
    }

    /// The next result's offset in the return area.
    pub(crate) const fn place(&mut self, ty: ValType) -> u32 {
        let size = ty.size() as u32;
        let offset = round_up(self.end, min(size, self.abi.results.max_align));
        self.end = offset + size;
        offset
    }

    /// Size of the return area.
    pub(crate) const fn area(&self) -> u32 {
        round_up(self.end, self.abi.results.area_align)
    }
}

/// Whether functions of this convention can have a parameter or result of this
/// type.
pub(crate) const fn passes(abi: &Abi, ty: ValType) -> bool {
    !matches!((ty.class(), &abi.vector), (Class::Vector, Vector::Unsupported))
}

/// Where one value lives at the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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

/// All locations of a signature under a convention.
///
/// `Display` prints them as a table, to be compared with the ABI's document:
///
/// ```
/// use vmtrampoline::{Abi, Layout, Location, Signature};
///
/// let signature: Signature = "(i32, f64) -> (i64, f32)".parse()?;
/// let layout = Layout::new(&signature, &Abi::X86_64_SYSV_VM)?;
/// assert_eq!(layout.params(), [Location::Register("rdx"), Location::Register("xmm0")]);
/// assert_eq!(layout.results(), [Location::Register("rax"), Location::ReturnArea(0)]);
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
/// # Ok::<(), vmtrampoline::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    signature: Signature,
    abi: &'static Abi,
    contexts: Vec<Location>,
    params: Vec<Location>,
    results: Vec<Location>,
    return_pointer: Option<Location>,
    argument_area: u32,
    return_area: u32,
}

impl Layout {
    /// Where the values of `signature` go under `abi`.
    ///
    /// # Errors
    ///
    /// [`Error::TypeNotInAbi`] and [`Error::ResultsNotInAbi`].
    pub fn new(signature: &Signature, abi: &'static Abi) -> Result<Layout, Error> {
        check(signature.params(), signature.results(), abi).map_err(|misfit| misfit.error(abi))?;
        let locate = |place| match place {
            Place::Integer(i) => Location::Register(abi.integer[i]),
            Place::Float(i) => Location::Register(abi.float[i]),
            Place::Vector(i) => match abi.vector {
                Vector::Own { registers, .. } => Location::Register(registers[i]),
                _ => unreachable!("vectors have no registers of their own"),
            },
            Place::Stack(offset) => Location::Stack(offset),
        };
        let mut assigner = Assigner::new(abi);
        let mut packer = Packer::new(abi);
        let params = signature.params().iter().filter_map(|&ty| assigner.place(ty)).map(locate);
        let params = params.collect();
        let results = signature.results().iter().enumerate();
        let results = results
            .map(|(i, &ty)| match (i, ty.class()) {
                (0, Class::Integer) => Location::Register(abi.results.integer),
                (0, Class::Float) => Location::Register(abi.results.float),
                (0, Class::Vector) => Location::Register(abi.results.vector),
                _ => Location::ReturnArea(packer.place(ty)),
            })
            .collect();
        let return_pointer =
            (signature.results().len() > 1).then(|| locate(assigner.return_pointer()));
        Ok(Layout {
            signature: signature.clone(),
            abi,
            contexts: abi.integer[..abi.contexts].iter().map(|r| Location::Register(r)).collect(),
            params,
            results,
            return_pointer,
            argument_area: assigner.area(),
            return_area: packer.area(),
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
    pub fn params(&self) -> &[Location] {
        &self.params
    }

    /// Where each result comes back.
    pub fn results(&self) -> &[Location] {
        &self.results
    }

    /// Where the return pointer goes; there is one with two or more results.
    pub fn return_pointer(&self) -> Option<Location> {
        self.return_pointer
    }

    /// Size in bytes of everything that the convention wants above the stack
    /// pointer at the call: stack slots and what it reserves below them.
    pub fn argument_area(&self) -> u32 {
        self.argument_area
    }

    /// Size of the return area in bytes.
    pub fn return_area(&self) -> u32 {
        self.return_area
    }
}

/// Why a signature does not fit a convention; [`Error`] without its `String`,
/// so that `const` code can drop it.
#[derive(Clone, Copy)]
pub(crate) enum Misfit {
    Type(ValType, Value),
    Slot(Value),
    Results(usize),
    Params,
    ResultsLimit,
}

impl Misfit {
    pub(crate) fn error(self, abi: &Abi) -> Error {
        match self {
            Misfit::Type(ty, value) => Error::TypeNotInAbi { abi: abi.name, ty, value },
            Misfit::Slot(value) => Error::TypeNotInSlot { value },
            Misfit::Results(results) => {
                Error::ResultsNotInAbi { abi: abi.name, results, limit: abi.results.limit }
            }
            Misfit::Params => Error::TooManyParams,
            Misfit::ResultsLimit => Error::TooManyResults,
        }
    }
}

/// Whether a signature fits a convention.
pub(crate) const fn check(
    params: &[ValType],
    results: &[ValType],
    abi: &Abi,
) -> Result<(), Misfit> {
    if params.len() > Signature::MAX_PARAMS {
        return Err(Misfit::Params);
    }
    if results.len() > Signature::MAX_RESULTS {
        return Err(Misfit::ResultsLimit);
    }
    let mut i = 0;
    while i < params.len() {
        if !passes(abi, params[i]) {
            return Err(Misfit::Type(params[i], Value::Param(i)));
        }
        i += 1;
    }
    i = 0;
    while i < results.len() {
        if !passes(abi, results[i]) {
            return Err(Misfit::Type(results[i], Value::Result(i)));
        }
        i += 1;
    }
    if results.len() > abi.results.limit {
        return Err(Misfit::Results(results.len()));
    }
    Ok(())
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:24}   {}", alloc::format!("{}", self.signature), self.abi)?;
        for (name, location) in ["callee context", "caller context"].iter().zip(&self.contexts) {
            writeln!(f, "  {name:24} {location}")?;
        }
        let values = |f: &mut fmt::Formatter<'_>, letter, types: &[ValType], locations: &[_]| {
            types.iter().zip(locations).enumerate().try_for_each(|(i, (ty, location))| {
                let name = alloc::format!("{letter}{i:<3}{ty}");
                writeln!(f, "  {name:24} {location}")
            })
        };
        values(f, 'p', self.signature.params(), &self.params)?;
        if let Some(location) = self.return_pointer {
            writeln!(f, "  {:24} {location}", "return pointer")?;
        }
        values(f, 'r', self.signature.results(), &self.results)?;
        writeln!(f, "  {:24} {} bytes", "argument area", self.argument_area)?;
        writeln!(f, "  {:24} {} bytes", "return area", self.return_area)
    }
}
