//! Where every value goes: signature × convention → locations.
//!
//! [`places`] hands out registers and stack slots, with a function for each
//! [rule](crate::abi::Aggregates) that conventions have for structures. [`walk`] goes over a
//! signature value by value. These are pure `const` functions, and the only ones that decide:
//! [`Layout`] collects their answers for people, [`encode`](crate::encode) for the assembly.

pub(crate) mod misfit;
mod picture;
pub(crate) mod places;
pub(crate) mod walk;

use alloc::vec::Vec;
use core::fmt;

use self::{
    misfit::{Misfit, check},
    places::{Pieces, Place},
    walk::{Returned, Walk},
};
use crate::{
    abi::{Abi, ReturnPointer, Vector},
    error::Error,
    signature::Signature,
    types::{Operand, Types},
};

/// Some bytes of a value, from `offset` on, and where they live at the call.
///
/// In a register, they are the low-order bytes; floats and vectors of s390x are the
/// high-order ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Piece<L = Location> {
    /// Where the bytes begin in the value.
    pub offset: u32,
    /// How many there are.
    pub size: u32,
    /// Where they live.
    pub location: L,
}

/// Where a piece lives at the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
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

/// Where a value lives at the call: its pieces.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Placement {
    size: u32,
    pieces: Vec<Piece>,
    by_reference: bool,
}

impl Placement {
    fn new(value: &Operand, pieces: &Pieces, locate: impl Fn(Place) -> Location) -> Placement {
        let located = pieces.as_slice().iter().map(|&Piece { offset, size, location }| {
            let location = locate(location);
            Piece { offset, size, location }
        });
        let by_reference = pieces.by_reference();
        Placement { size: value.measure.size, pieces: located.collect(), by_reference }
    }

    /// The pieces, in order. A value without size has none. A result that the function
    /// writes to memory has none, either.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Whether the convention passes the value's address: that is the only piece.
    pub fn by_reference(&self) -> bool {
        self.by_reference
    }

    /// Where the value lives, if it is one piece.
    pub fn location(&self) -> Option<Location> {
        match self.pieces[..] {
            [Piece { location, .. }] if !self.by_reference => Some(location),
            _ => None,
        }
    }
}

/// Prints the location of a value that is one piece. Otherwise, prints for each piece
/// its bytes and their location.
impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match &self.pieces[..] {
            [] if self.size == 0 => "nothing".into(),
            [] => "in memory".into(),
            [piece] if self.by_reference => alloc::format!("copy at {}", piece.location),
            [Piece { size, location, .. }] if *size == self.size => alloc::format!("{location}"),
            pieces => {
                let mut text = alloc::string::String::new();
                for Piece { offset, size, location } in pieces {
                    let separator = if text.is_empty() { "" } else { ", " };
                    text += &alloc::format!("{separator}{offset}..{} {location}", offset + size);
                }
                text
            }
        };
        f.pad(&text)
    }
}

/// All locations of a signature under a convention.
///
/// `Display` prints them as a table that can be compared with the ABI's document:
///
/// ```
/// use vmtrampoline::{Abi, Layout, Location, Signature};
///
/// let signature: Signature = "(i32, f64) -> (i64, f32)".parse()?;
/// let layout = Layout::new(&signature, &Abi::X86_64_SYSV_VM)?;
/// assert_eq!(layout.params()[1].location(), Some(Location::Register("xmm0")));
/// assert_eq!(layout.results()[1].location(), Some(Location::ReturnArea(0)));
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
///
/// let signature: Signature = "(ptr, {f64, i32}, ...f64) -> {f32, f32, f32}".parse()?;
/// let layout = Layout::new(&signature, &Abi::X86_64_SYSV_C)?;
/// assert_eq!(
///     layout.to_string(),
///     "\
/// (ptr, {f64, i32}, ...f64) -> {f32, f32, f32}   x86_64-sysv-c
///   p0  ptr                  rdi
///   p1  {f64, i32}           0..8 xmm0, 8..16 rsi
///   p2  f64                  xmm1
///   r0  {f32, f32, f32}      0..8 xmm0, 8..12 xmm1
///   vector registers         2 in al
///   argument area            0 bytes
///   return area              0 bytes
/// "
/// );
/// # Ok::<(), vmtrampoline::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    signature: Signature,
    abi: &'static Abi,
    contexts: Vec<Location>,
    params: Vec<Placement>,
    results: Vec<Placement>,
    return_pointer: Option<Location>,
    vector_registers: Option<u8>,
    argument_area: u32,
    return_area: u32,
}

impl Layout {
    /// Where the values of `signature` go under `abi`.
    ///
    /// # Errors
    ///
    /// [`Error::TypeNotInAbi`], [`Error::ResultsNotInAbi`], [`Error::VariadicNotInAbi`],
    /// [`Error::AlignmentNotInAbi`], [`Error::Unpromoted`] and [`Error::TooLarge`].
    pub fn new(signature: &Signature, abi: &'static Abi) -> Result<Layout, Error> {
        Self::collect(signature, abi).map_err(|misfit| misfit.error(abi, signature.lend()))
    }

    fn collect(signature: &Signature, abi: &'static Abi) -> Result<Layout, Misfit> {
        let lent = signature.lend();
        check(&lent, abi)?;
        let mut walk = Walk::new(abi, &lent, 16);
        let argument = |place| match place {
            Place::Integer(i) => Location::Register(abi.integer[i as usize]),
            Place::Float(i) => Location::Register(abi.float[i as usize]),
            Place::Vector(i) => match abi.vector {
                Vector::Own { registers, .. } => Location::Register(registers[i as usize]),
                _ => unreachable!("vectors have no registers of their own"),
            },
            Place::X87(_) => unreachable!("no argument is in an x87 register"),
            Place::Stack(offset) => Location::Stack(offset),
        };
        let result_register = |place| {
            Location::Register(match place {
                Place::Integer(i) => abi.results.integer[i as usize],
                Place::Float(i) => abi.results.float[i as usize],
                Place::Vector(_) => abi.results.vector,
                Place::X87(i) => ["st0", "st1"][i as usize],
                Place::Stack(_) => unreachable!("no result is on the stack"),
            })
        };

        let (mut params, mut results, mut return_pointer) = (Vec::new(), Vec::new(), None);
        if let Some(returned) = walk.first()? {
            return_pointer = match (returned, &abi.results.pointer) {
                (Returned::Memory(_), ReturnPointer::Register(name)) => {
                    Some(Location::Register(name))
                }
                (Returned::Memory(place), _) => place.map(argument),
                (Returned::Registers, _) => None,
            };
            results.push(Placement::new(walk.operand(), walk.pieces(), result_register));
        }
        while walk.param()?.is_some() {
            params.push(Placement::new(walk.operand(), walk.pieces(), argument));
        }
        return_pointer = return_pointer.or(walk.pointer().map(argument));
        while let Some(offset) = walk.more()? {
            let operand = walk.operand();
            let whole = Pieces::one(operand.measure.size, Place::Stack(offset));
            results.push(Placement::new(operand, &whole, |_| Location::ReturnArea(offset)));
        }
        Ok(Layout {
            signature: signature.clone(),
            abi,
            contexts: abi.integer[..abi.contexts].iter().map(|r| Location::Register(r)).collect(),
            params,
            results,
            return_pointer,
            vector_registers: walk.vector_registers(),
            argument_area: walk.argument_area(),
            return_area: walk.return_area(),
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
    pub fn params(&self) -> &[Placement] {
        &self.params
    }

    /// Where each result comes back.
    pub fn results(&self) -> &[Placement] {
        &self.results
    }

    /// Where the return pointer goes. With two or more results, it is the address of the
    /// return area. A C function whose result does not come back in registers gets the
    /// address of memory for it.
    pub fn return_pointer(&self) -> Option<Location> {
        self.return_pointer
    }

    /// How many vector registers carry arguments, which `al` says in a variadic call on
    /// System V.
    pub fn vector_registers(&self) -> Option<u8> {
        self.vector_registers
    }

    /// Size in bytes of the argument area: the stack slots, and what the convention
    /// reserves between the stack pointer and the first of them.
    pub fn argument_area(&self) -> u32 {
        self.argument_area
    }

    /// Size of the return area in bytes.
    pub fn return_area(&self) -> u32 {
        self.return_area
    }
}

/// A line for each value. `{:#}` adds a picture of the stack at the call.
impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:24}   {}", alloc::format!("{}", self.signature), self.abi)?;
        for (name, location) in ["callee context", "caller context"].iter().zip(&self.contexts) {
            writeln!(f, "  {name:24} {location}")?;
        }
        let values =
            |f: &mut fmt::Formatter<'_>, letter, types: Types<'_>, places: &[Placement]| {
                types.iter().zip(places).enumerate().try_for_each(|(i, (ty, placement))| {
                    let name = alloc::format!("{letter}{i:<3}{ty}");
                    writeln!(f, "  {name:24} {placement}")
                })
            };
        values(f, 'p', self.signature.params(), &self.params)?;
        if let Some(location) = self.return_pointer {
            writeln!(f, "  {:24} {location}", "return pointer")?;
        }
        values(f, 'r', self.signature.results(), &self.results)?;
        if let Some(count) = self.vector_registers {
            writeln!(f, "  {:24} {count} in al", "vector registers")?;
        }
        writeln!(f, "  {:24} {} bytes", "argument area", self.argument_area)?;
        writeln!(f, "  {:24} {} bytes", "return area", self.return_area)?;
        if f.alternate() {
            writeln!(f)?;
            picture::draw(self, f)?;
        }
        Ok(())
    }
}
