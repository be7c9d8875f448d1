//! The rules that conventions have for structures, and for results: a function for each.

use super::{
    Assigner, MAX_SIZE, Place, Unfit,
    eightbytes::{Eightbyte, Eightbytes, Plain, classify},
};
use crate::{
    abi::{Abi, Aggregates, Vector},
    types::{
        Head, Leaf, Leaves, Measure, Operand, has_union, head, is_lone, max, measure, min,
        natural_align, round_up, unwrapped,
    },
    valtype::{Kind, Scalar},
};

impl Assigner<'_> {
    /// Finds the pieces of an argument that is no word.
    #[inline(always)]
    pub(super) const fn aggregate(
        &mut self,
        types: &[u16],
        at: usize,
        measured: Measure,
        named: bool,
    ) -> Result<(), Unfit> {
        if measured.size > MAX_SIZE {
            return Err(Unfit::Size);
        }
        match self.abi.aggregates {
            Aggregates::None => return Err(Unfit::Type),
            Aggregates::Eightbytes => {
                return self.eightbytes(classify(types, at, measured.size, 0, self.abi), measured);
            }
            Aggregates::BySize => self.by_size(measured.size),
            Aggregates::Homogeneous { even } => {
                self.homogeneous(types, at, measured, named, even);
            }
            Aggregates::Words => self.words(types, at, measured),
            Aggregates::Flattened => self.flattened(types, at, measured, named),
            Aggregates::Wrapped => self.wrapped(types, at, measured.size, named),
        }
        Ok(())
    }

    /// The same of an argument that is a plain structure.
    #[inline(always)]
    pub(super) const fn plain_argument(&mut self, plain: &Plain) -> Result<(), Unfit> {
        let measured = plain.operand.measure;
        if measured.size > MAX_SIZE {
            return Err(Unfit::Size);
        }
        self.eightbytes(plain.classes(), measured)
    }

    /// [`Aggregates::Eightbytes`]: AMD64 supplement, section 3.2.3.
    #[inline(always)]
    const fn eightbytes(
        &mut self,
        classes: Eightbytes,
        Measure { size, align }: Measure,
    ) -> Result<(), Unfit> {
        if self.classified(classes, size) {
            return Ok(());
        }
        if align > self.abi.stack.max_align {
            return Err(Unfit::Alignment);
        }
        let offset = round_up(self.stack, max(8, align));
        self.stack = offset + round_up(size, 8);
        self.one(size, Place::Stack(offset));
        Ok(())
    }

    /// Registers for eightbytes of these classes. Returns false if there are too few.
    #[inline(always)]
    const fn classified(&mut self, (first, second): Eightbytes, size: u32) -> bool {
        if matches!(first, Eightbyte::X87 | Eightbyte::Memory) {
            return false;
        }
        let integers = first.is(Eightbyte::Integer) + second.is(Eightbyte::Integer);
        let floats = first.is(Eightbyte::Sse) + second.is(Eightbyte::Sse);
        if integers > self.integers_left() || floats > self.floats_left() {
            return false;
        }
        let (classes, mut i) = ([first, second], 0);
        while i < classes.len() {
            let (offset, class) = (8 * i as u32, classes[i]);
            i += 1;
            let place = match class {
                Eightbyte::Integer => {
                    self.integers += 1;
                    Place::Integer(self.integers - 1)
                }
                Eightbyte::Sse => {
                    self.floats += 1;
                    Place::Float(self.floats - 1)
                }
                _ => continue,
            };
            let wide = offset == 0 && matches!(second, Eightbyte::SseUp);
            let most = if wide { 16 } else { 8 };
            self.pieces.push(offset, min(size - offset, most), place);
        }
        true
    }

    /// [`Aggregates::BySize`]: x64 calling convention, "Parameter passing".
    const fn by_size(&mut self, size: u32) {
        if !matches!(size, 1 | 2 | 4 | 8) {
            return self.reference();
        }
        let place = match self.integer() {
            Some(place) => place,
            None => self.stack_slot(size, false, true),
        };
        self.one(size, place);
    }

    /// [`Aggregates::Homogeneous`]: AAPCS64, section 6.8.2, stages B and C.
    const fn homogeneous(
        &mut self,
        types: &[u16],
        at: usize,
        Measure { size, align }: Measure,
        named: bool,
        even: bool,
    ) {
        let words = round_up(size, 8);
        let packed = self.abi.stack.packed && named;
        let wide = align >= 16 && natural_align(types, at, self.abi) >= 16;
        if size == 0 {
            return;
        }
        if let Some(element) = homogeneous_element(types, at, size, self.abi) {
            if size / element <= self.floats_left() {
                let mut offset = 0;
                while offset < size {
                    if let Some(place) = self.float() {
                        self.pieces.push(offset, element, place);
                    }
                    offset += element;
                }
                return;
            }
            self.close_floats();
            let (taken, align) = match packed {
                true => (size, element),
                false if wide => (words, 16),
                false => (words, 8),
            };
            let place = self.stack_bytes(taken, align);
            return self.one(size, place);
        }
        if size > 16 {
            return self.reference();
        }
        let wide = if even { wide } else { align >= 16 };
        if wide && even && self.integers % 2 == 1 {
            self.integers += 1;
        }
        if words / 8 <= self.integers_left() {
            return self.integers(size);
        }
        self.close_integers();
        let scalar = matches!(head(types, at), Head::Scalar(_));
        let (taken, align) = match (packed && scalar, wide) {
            (true, _) => (size, size),
            (_, true) => (words, 16),
            (_, false) => (words, 8),
        };
        let place = self.stack_bytes(taken, align);
        self.one(size, place);
    }

    /// [`Aggregates::Words`]: Overview of ARM64 ABI conventions, "Addendum: Variadic functions".
    const fn words(&mut self, types: &[u16], at: usize, Measure { size, align }: Measure) {
        if size == 0 {
            return;
        }
        if size > 16 {
            return self.reference();
        }
        let wide = align >= 16 && natural_align(types, at, self.abi) >= 16;
        let (words, align) = (round_up(size, 8), if wide { 16 } else { 8 });
        if align == 16 && self.integers % 2 == 1 {
            self.integers += 1;
        }
        match self.integers_left() {
            0 => {
                let place = self.stack_bytes(words, align);
                self.one(size, place);
            }
            1 if words == 16 => self.split(size),
            _ => self.integers(size),
        }
    }

    /// In the last integer register, and a stack word.
    const fn split(&mut self, size: u32) {
        self.integers(8);
        let place = self.stack_bytes(8, 8);
        self.pieces.push(8, size - 8, place);
    }

    /// [`Aggregates::Flattened`]: RISC-V calling conventions, "Hardware Floating-Point
    /// Calling Convention", and "Integer Calling Convention".
    const fn flattened(
        &mut self,
        types: &[u16],
        at: usize,
        Measure { size, align }: Measure,
        named: bool,
    ) {
        if let (true, Some(leaves)) = (named, flat(types, at, self.abi)) {
            let (mut floats, mut integers, mut i) = (0, 0, 0);
            while i < leaves.len() {
                match leaves[i] {
                    Some(Leaf { kind: Kind::Float, .. }) => floats += 1,
                    Some(_) => integers += 1,
                    None => {}
                }
                i += 1;
            }
            if floats <= self.floats_left() && integers <= self.integers_left() {
                i = 0;
                while i < leaves.len() {
                    if let Some(Leaf { offset, kind, size, .. }) = leaves[i] {
                        let float = matches!(kind, Kind::Float);
                        let place = if float { self.float() } else { self.integer() };
                        if let Some(place) = place {
                            self.pieces.push(offset, size, place);
                        }
                    }
                    i += 1;
                }
                return;
            }
        }
        if size > 16 {
            return self.reference();
        }
        let words = round_up(size, 8) / 8;
        if !named && words > 0 && align >= 16 && self.integers % 2 == 1 {
            self.integers += 1;
        }
        if words == 2 && self.integers_left() == 1 {
            return self.split(size);
        }
        if words <= self.integers_left() {
            return self.integers(size);
        }
        let align = if align >= 16 { 16 } else { 8 };
        let place = self.stack_bytes(8 * words, align);
        self.one(size, place);
    }

    /// [`Aggregates::Wrapped`]: ELF ABI, s390x supplement, section 1.2.3.
    const fn wrapped(&mut self, types: &[u16], at: usize, size: u32, named: bool) {
        if let Head::Scalar(ty) = head(types, unwrapped(types, at)) {
            let Scalar { kind, parts, .. } = ty.scalar(self.abi);
            match kind {
                Kind::Vector if size == 16 => {
                    let place = self.vector(named);
                    return self.one(16, place);
                }
                Kind::Float if size <= 8 && parts == 1 => {
                    let place = match self.float() {
                        Some(place) => place,
                        None => self.stack_slot(size, false, true),
                    };
                    return self.one(size, place);
                }
                _ => {}
            }
        }
        let scalar = matches!(head(types, at), Head::Scalar(_));
        if scalar || !matches!(size, 1 | 2 | 4 | 8) {
            return self.reference();
        }
        self.by_size(size)
    }

    /// Measures a result, whose type is at `at`, and finds its pieces, of which each is in one of
    /// the first registers of its class. Returns false if it comes back in memory.
    pub(crate) const fn result(
        &mut self,
        types: &[u16],
        at: usize,
        operand: &mut Operand,
    ) -> Result<bool, Unfit> {
        if let Some(plain) = self.plain(types, at) {
            *operand = plain.operand;
            let size = plain.operand.measure.size;
            if size > MAX_SIZE {
                return Err(Unfit::Size);
            }
            return Ok(self.classified(plain.classes(), size));
        }
        *operand = Operand::new(types, at, self.abi);
        let &mut Operand { scalar, measure: measured, .. } = operand;
        let (abi, size) = (self.abi, measured.size);
        if size > MAX_SIZE {
            return Err(Unfit::Size);
        }
        let place = match scalar {
            Some(Scalar { kind: Kind::Float, parts: 1, .. }) => Some(Place::Float(0)),
            Some(scalar) if scalar.is_word() => Some(Place::Integer(0)),
            Some(Scalar { kind: Kind::Vector, .. }) => match abi.vector {
                Vector::Float => Some(Place::Float(0)),
                Vector::Own { .. } => Some(Place::Vector(0)),
                Vector::Unsupported => return Err(Unfit::Type),
                Vector::Aggregate => None,
            },
            _ => None,
        };
        if let Some(place) = place {
            self.one(size, place);
            return Ok(true);
        }
        Ok(match abi.aggregates {
            // The latter is of arguments alone.
            Aggregates::None | Aggregates::Words => return Err(Unfit::Type),
            // A complex `long double` is in two x87 registers, larger as it is.
            Aggregates::Eightbytes
                if matches!(scalar, Some(Scalar { kind: Kind::X87, parts: 2, .. })) =>
            {
                self.one(10, Place::X87(0));
                self.pieces.push(16, 10, Place::X87(1));
                true
            }
            Aggregates::Eightbytes => match classify(types, at, size, 0, abi) {
                (Eightbyte::X87, _) => {
                    self.one(10, Place::X87(0));
                    true
                }
                classes => self.classified(classes, size),
            },
            Aggregates::BySize => match (scalar, size) {
                (Some(Scalar { parts: 1, kind, .. }), _) if !matches!(kind, Kind::X87) => {
                    self.one(16, Place::Float(0));
                    true
                }
                (_, 0) => true,
                (_, 1 | 2 | 4 | 8) => {
                    self.one(size, Place::Integer(0));
                    true
                }
                _ => false,
            },
            Aggregates::Homogeneous { even } => {
                let found = size <= 16 || homogeneous_element(types, at, size, abi).is_some();
                if found {
                    self.homogeneous(types, at, measured, true, even);
                }
                found
            }
            Aggregates::Flattened => {
                let found = size <= 16 || flat(types, at, abi).is_some();
                if found {
                    self.flattened(types, at, measured, true);
                }
                found
            }
            Aggregates::Wrapped => false,
        })
    }
}

/// The size of one element, if the value is one to four floats or vectors of one type
/// without padding.
const fn homogeneous_element(types: &[u16], at: usize, size: u32, abi: &Abi) -> Option<u32> {
    if size > 64 {
        return None;
    }
    let (mut element, mut seen) = (None, 0u32);
    let mut leaves = Leaves::new(types, at, abi);
    while let Some(Leaf { offset, kind, size, .. }) = leaves.next() {
        if !matches!(kind, Kind::Float | Kind::Quad | Kind::Vector) || offset % size != 0 {
            return None;
        }
        match element {
            None => element = Some((kind, size)),
            Some((other, other_size)) if other as u8 == kind as u8 && other_size == size => {}
            Some(_) => return None,
        }
        if offset / size >= 4 {
            return None;
        }
        seen |= 1 << (offset / size);
    }
    match element {
        Some((_, each))
            if size % each == 0 && size / each <= 4 && seen == (1 << (size / each)) - 1 =>
        {
            Some(each)
        }
        _ => None,
    }
}

/// The leaves that go to registers of their own class on RISC-V: a float, two floats, or
/// a float and an integer that is no pointer.
const fn flat(types: &[u16], at: usize, abi: &Abi) -> Option<[Option<Leaf>; 2]> {
    // No union, but compilers take a structure for the one scalar that fills it, even beside an
    // empty union.
    let lone = has_union(types, at);
    if lone && !is_lone(types, at) {
        return None;
    }
    let (mut found, mut count, mut floats, mut end) = ([None; 2], 0, 0, 0);
    let mut leaves = Leaves::new(types, at, abi);
    while let Some(leaf) = leaves.next() {
        match leaf.kind {
            Kind::Float => floats += 1,
            Kind::Signed | Kind::Unsigned if leaf.size <= 8 => {}
            _ => return None,
        }
        if count == 2 {
            return None;
        }
        found[count] = Some(leaf);
        count += 1;
        end = leaf.offset + leaf.size;
    }
    let filled = !lone || end == measure(types, at, abi).size;
    if floats > 0 && filled { Some(found) } else { None }
}
