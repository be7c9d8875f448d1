//! What the assembly is told, read as it reads it, and judged by the layout:
//! descriptors, and the scatters of the other direction, under any convention.

use std::{collections::HashMap, fmt::Display, sync::LazyLock};

use vmtrampoline::{
    Abi, Descriptor, Error, Layout, Location, Signature, ValType, ValueIndex,
    private::{Shape, describe, scatter},
};

use super::{
    naive::{Registers, first_slot, machine, registers},
    port, proof_assumptions, scalars,
};

/// `asm/descriptor.h`.
static CONSTANTS: LazyLock<HashMap<&str, usize>> = LazyLock::new(|| {
    let lines = include_str!("../../asm/descriptor.h").lines();
    let definition = |line: &'static str| {
        let (name, value) = line.strip_prefix("#define ")?.split_once(' ')?;
        let value = match value.strip_prefix("0x") {
            Some(hex) => usize::from_str_radix(hex, 16),
            None => value.parse(),
        };
        Some((name, value.expect(line)))
    };
    lines.filter_map(definition).collect()
});

pub(crate) fn constant(name: &str) -> usize {
    *CONSTANTS.get(name).expect(name)
}

/// What the conventions of a machine ask for, apart from places.
pub(super) struct Machine {
    pub(super) registers: Registers,
    /// The offset of the first stack slot, and the unit of stack words.
    pub(super) first_slot: u32,
    pub(super) unit: u32,
    pub(super) big_endian: bool,
    /// Whether values of four bytes are marked.
    pub(super) narrow: bool,
    /// How many integer and float registers the short cut loads.
    pub(super) short_cut: [usize; 2],
    /// The integer register from which on none is loaded if its entry is 0.
    pub(super) seldom: usize,
}

/// Where a value is for the assembly.
enum Place {
    /// By index in the lists of registers.
    Integer(usize),
    Float(usize),
    Words(Words),
}

/// Words of the list of stack words.
struct Words {
    first: usize,
    count: usize,
    reversed: bool,
}

impl Words {
    /// Each by its index in the list, and which part of the value it has: 0, 1, …
    fn parts(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let part = |i| if self.reversed { self.count - 1 - i } else { i };
        (0..self.count).map(move |i| (self.first + i, part(i)))
    }
}

impl Machine {
    pub(super) fn of(abi: &Abi) -> Machine {
        let (machine, _) = machine(abi);
        Machine {
            registers: registers(abi),
            first_slot: first_slot(machine),
            unit: if machine == "aarch64-apple" { 4 } else { 8 },
            big_endian: machine == "s390x",
            narrow: matches!(machine, "riscv64" | "s390x"),
            short_cut: if matches!(machine, "riscv64" | "s390x") { [4, 2] } else { [8; 2] },
            seldom: if machine == "riscv64" { 4 } else { 8 },
        }
    }

    /// On s390x, if vector registers carry something, what they are loaded from comes
    /// before the stack words: so many words.
    fn vector_words(&self, mut types: impl Iterator<Item = ValType>) -> usize {
        let own = !self.registers.vector.is_empty();
        if own && types.any(|ty| ty == ValType::V128) { constant("VECTOR_WORDS") } else { 0 }
    }

    fn place(&self, at: Location, size: usize, vector_words: usize) -> Place {
        let index = |names: &[&str], name| {
            Some(names.len() - 1 - names.iter().position(|one| *one == name)?)
        };
        let (first, unit) = match at {
            Location::Register(name) => {
                let Registers { integer, float, vector } = &self.registers;
                if let Some(i) = index(integer, name) {
                    return Place::Integer(i);
                } else if let Some(i) = index(float, name) {
                    return Place::Float(i);
                }
                assert!(vector.contains(&name), "no register {name}");
                // v24 is the first.
                (2 * (name[1..].parse::<usize>().expect(name) - 24), 8)
            }
            Location::Stack(offset) => {
                let unit = self.unit as usize;
                (vector_words + (offset - self.first_slot) as usize / unit, unit)
            }
            _ => panic!("no argument is in the return area"),
        };
        let count = size.div_ceil(unit);
        Place::Words(Words { first, count, reversed: self.big_endian })
    }
}

fn equal(what: impl Display, is: usize, must: usize) -> Result<(), String> {
    if is == must { Ok(()) } else { Err(format!("{what} is {is:#x}, not {must:#x}")) }
}

/// The spills of a layout, as entries of a list.
fn spills(layout: &Layout) -> Vec<u16> {
    let locations = scalars::locations(layout.results());
    let results = locations.into_iter().zip(scalars::results(layout.signature()));
    let entry = |(at, ty): (Location, ValType)| match (at, scalars::size(ty)) {
        (Location::ReturnArea(offset), 4) => Some(offset as usize | constant("SPILL_4")),
        (Location::ReturnArea(offset), 8) => Some(offset as usize | constant("SPILL_8")),
        (Location::ReturnArea(offset), 16) => Some(offset as usize | constant("SPILL_16")),
        _ => None,
    };
    results.filter_map(entry).map(|entry| entry as u16).collect()
}

/// A descriptor's bytes.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl Bytes<'_> {
    pub(super) fn of(descriptor: &Descriptor) -> Bytes<'_> {
        let from = (&raw const *descriptor).cast::<u8>();
        // SAFETY: a descriptor has no padding: its header is tiled by its fields, and
        // its lists, of a multiple of four entries, end where it ends.
        Bytes(unsafe { std::slice::from_raw_parts(from, size_of_val(descriptor)) })
    }

    pub(super) fn byte(&self, name: &str) -> usize {
        self.0[constant(name)].into()
    }

    pub(super) fn word(&self, name: &str) -> usize {
        self.words(constant(name), 1)[0].into()
    }

    pub(super) fn words(&self, offset: usize, count: usize) -> Vec<u16> {
        let words = self.0[offset..offset + 2 * count].chunks_exact(2);
        words.map(|word| u16::from_ne_bytes([word[0], word[1]])).collect()
    }
}

/// The descriptors of this signature under this convention, whose layout is this: in
/// all shapes, for slots of both sizes.
pub(crate) fn descriptors(
    signature: &Signature,
    abi: &'static Abi,
    layout: Option<&Layout>,
) -> Result<(), String> {
    let (params, results) = (scalars::params(signature), scalars::results(signature));
    let vectors = params.iter().chain(&results).any(|ty| *ty == ValType::V128);
    for stride in [8, 16] {
        let small = stride == 8 && vectors;
        if small && abi.name().ends_with("-c") {
            continue; // in C a vector takes two slots, which this does not know of
        }
        for shape in Shape::ALL {
            let made = describe(abi, signature, stride, shape, |descriptor| match layout {
                Some(layout) if !small => descriptor_is(descriptor, layout, abi, stride, shape),
                _ => Err("made, and must not be".to_owned()),
            });
            match made {
                Ok(judged) => judged,
                Err(Error::TypeNotInSlot { value }) if small && layout.is_some() => {
                    let ty = match value {
                        ValueIndex::Param(i) => params[i],
                        ValueIndex::Result(i) => results[i],
                        _ => return Err(format!("{value}")),
                    };
                    if ty == ValType::V128 { Ok(()) } else { Err(format!("{value} is a {ty}")) }
                }
                Err(Error::TypeNotInAbi { .. } | Error::ResultsNotInAbi { .. })
                    if layout.is_none() =>
                {
                    Ok(())
                }
                Err(error) => Err(error.to_string()),
            }
            .map_err(|error| {
                format!("{signature}, {abi}, {shape:?}, {stride}-byte slots: {error}")
            })?;
        }
    }
    Ok(())
}

fn descriptor_is(
    descriptor: &Descriptor,
    layout: &Layout,
    abi: &Abi,
    stride: u16,
    shape: Shape,
) -> Result<(), String> {
    let (bytes, machine) = (Bytes::of(descriptor), Machine::of(abi));
    proof_assumptions::of_descriptors(&bytes, &machine)?;
    let signature = layout.signature();
    let (params, results) = (scalars::params(signature), scalars::results(signature));
    let [stack_words, spilled] = [bytes.word("D_STACK_WORDS"), bytes.word("D_SPILLS")];
    let lists = constant("D_LISTS");
    let [integer, float] =
        ["D_INTEGER", "D_FLOAT"].map(|registers| bytes.words(constant(registers), 8));
    let words = bytes.words(lists, stack_words);
    let vector_words = machine.vector_words(params.iter().copied());

    // The list has a word for each of the argument area, in groups.
    let area = (layout.argument_area() - machine.first_slot) / machine.unit;
    let area = (area as usize).next_multiple_of(constant("GROUP"));
    equal("STACK_WORDS", stack_words, vector_words + area)?;

    // Everything is read from a slot: of a parameter, or, if there is none, the first.
    let readable = stride as usize * params.len().max(results.len()).max(1);
    let mark = constant("NARROW");
    let some_narrow = constant("SOME_NARROW");
    let (floats, marked) =
        (bytes.byte("D_FLOATS") & !some_narrow, bytes.byte("D_FLOATS") & some_narrow);
    let float_width = if floats >= constant("FLOATS_SOME_VECTORS") { 16 } else { 8 };
    let unit = machine.unit as usize;
    for (entries, width) in [(&integer, 8), (&float, float_width), (&words, unit)] {
        for &entry in entries {
            let entry = usize::from(entry) & !mark;
            ensure!(entry + width <= readable, "{entry:#x} is read");
        }
    }

    // Every parameter comes from its slot.
    let (mut floats_needed, mut vectors, mut many) = (0, false, false);
    for (i, (at, &ty)) in scalars::locations(layout.params()).into_iter().zip(&params).enumerate() {
        let narrow = if machine.narrow && scalars::size(ty) == 4 { mark } else { 0 };
        let slot = i * stride as usize + narrow;
        let is_from = |entry: u16, slot| equal(format_args!("p{i} in {at}"), entry.into(), slot);
        match machine.place(at, scalars::size(ty), vector_words) {
            Place::Integer(register) => {
                is_from(integer[register], slot)?;
                ensure!(register < machine.seldom || integer[machine.seldom] != 0, "not loaded");
                many |= register >= machine.short_cut[0];
            }
            Place::Float(register) => {
                is_from(float[register], slot)?;
                many |= register >= machine.short_cut[1];
                floats_needed = floats_needed.max(register + 1);
                vectors |= ty == ValType::V128;
            }
            Place::Words(places) => {
                for (word, part) in places.parts() {
                    is_from(words[word], slot + unit * part)?;
                }
                if matches!(at, Location::Register(_)) {
                    floats_needed = constant("FLOATS_VECTORS");
                }
            }
        }
    }
    let some = constant("FLOATS_SOME");
    let tier = match floats_needed {
        0 => "",
        _ if vectors && floats_needed <= some && machine.registers.float.len() > some => {
            "FLOATS_SOME_VECTORS"
        }
        _ if vectors || floats_needed > constant("FLOATS_ALL") => "FLOATS_VECTORS",
        _ if floats_needed > some => "FLOATS_ALL",
        _ => "FLOATS_SOME",
    };
    equal("FLOATS", floats, if tier.is_empty() { 0 } else { constant(tier) })?;
    let some = machine.narrow && params.iter().any(|ty| scalars::size(*ty) == 4);
    equal("SOME_NARROW", marked, if some { some_narrow } else { 0 })?;

    // The return pointer; nowhere else does it disturb anything.
    let (mut register, mut word) = (0, layout.argument_area());
    if let Some(at) = layout.return_pointer() {
        match (machine.place(at, 8, vector_words), at) {
            (Place::Integer(i), _) => register = 1 << i,
            (_, Location::Stack(offset)) => word = offset,
            _ => return Err(format!("a return pointer in {at}")),
        }
    }
    equal("RETURN_REGISTER", bytes.byte("D_RETURN_REGISTER"), register)?;
    equal("RETURN_WORD", bytes.word("D_RETURN_WORD"), word as usize)?;

    // The results.
    let (result, mask) = match results.first() {
        None => ("RESULT_NONE", 0),
        Some(ValType::I32) => ("RESULT_INTEGER", 0xffff_ffff),
        Some(ValType::F32) => ("RESULT_FLOAT", 0xffff_ffff),
        Some(ValType::F64) => ("RESULT_FLOAT", u64::MAX),
        Some(ValType::V128) => ("RESULT_VECTOR", u64::MAX),
        Some(_) => ("RESULT_INTEGER", u64::MAX),
    };
    equal("RESULT", bytes.byte("D_RESULT"), constant(result))?;
    let found = bytes.words(constant("D_RESULT_MASK"), 4).into_iter().flat_map(u16::to_ne_bytes);
    let found = u64::from_ne_bytes(found.collect::<Vec<_>>().try_into().expect("eight bytes"));
    ensure!(found == mask, "RESULT_MASK is {found:#x}, not {mask:#x}");
    let found = bytes.words(lists + 2 * stack_words, spilled);
    ensure!(found == spills(layout), "the spills are {found:x?}");
    equal("RETURN_AREA", bytes.word("D_RETURN_AREA"), layout.return_area() as usize)?;

    // The counts, the types, and the shape: the shortest that can make the call, or
    // the one asked for if it is longer.
    let slots = params.len().max(results.len());
    equal("SLOTS", bytes.word("D_SLOTS"), slots)?;
    equal("COPIES", bytes.word("D_COPIES"), 0)?;
    equal("HIDDEN", bytes.word("D_HIDDEN"), 0)?;
    equal("STRIDE", bytes.byte("D_STRIDE"), stride.into())?;
    equal("CONTEXTS", bytes.byte("D_CONTEXTS"), layout.contexts().len())?;
    equal("SIGNATURE", bytes.word("D_SIGNATURE"), stack_words + spilled)?;
    let counts = [params.len(), results.len(), 0xffff, params.len()];
    let entries =
        bytes.words(lists + 2 * (stack_words + spilled), 4 + params.len() + results.len());
    let types = params.iter().chain(&results).map(|ty| *ty as usize);
    let kept = entries.into_iter().map(usize::from);
    ensure!(kept.eq(counts.into_iter().chain(types)), "its signature is another");
    let leaves = port::LEAVES_VECTORS || results.first() != Some(&ValType::V128);
    let one_left = spilled == 0 && leaves;
    let shortest = match stack_words {
        0 if params.is_empty() && results.is_empty() => Shape::Bare,
        0 if one_left && !many => Shape::ShortCut,
        n if one_left && n <= constant("FIXED_WORDS") => Shape::Fixed,
        _ => Shape::Variable,
    };
    let must = match shape {
        Shape::Bare => shortest,
        _ if params.is_empty() && results.is_empty() => Shape::Variable,
        _ => shape.max(shortest),
    };
    let vector = result == "RESULT_VECTOR" && must < Shape::Variable;
    equal("ENTRY", bytes.byte("D_ENTRY"), if vector { 4 } else { must as usize })?;
    equal(
        "RETURNS",
        bytes.byte("D_RETURNS"),
        match result {
            // `variable` has stored it.
            _ if port::VARIABLE_STORES && must == Shape::Variable => 2,
            "RESULT_INTEGER" => 0,
            "RESULT_FLOAT" => 1,
            _ => 2,
        },
    )?;
    equal("SHAPE", bytes.byte("D_SHAPE"), must as usize)
}

/// The scatters of this signature under this convention, whose layout is this.
pub(crate) fn scatters(
    signature: &Signature,
    abi: &'static Abi,
    layout: Option<&Layout>,
) -> Result<(), String> {
    for shape in [Shape::Bare, Shape::Variable] {
        match (scatter(abi, signature, shape), layout) {
            (Ok((words, lists, masks)), Some(layout)) => masks_are(&masks, layout, abi)
                .and_then(|()| scatter_is((&words, &lists, &masks), layout, abi, shape)),
            (Err(Error::TypeNotInAbi { .. } | Error::ResultsNotInAbi { .. }), None) => Ok(()),
            (made, _) => Err(format!("{made:?}")),
        }
        .map_err(|error| format!("{signature}, {abi}, host, {shape:?}: {error}"))?;
    }
    Ok(())
}

fn masks_are(is: &[u64], layout: &Layout, abi: &Abi) -> Result<(), String> {
    let (machine, mut must) = (Machine::of(abi), [u64::MAX; 6]);
    let sizes = scalars::params(layout.signature()).into_iter().map(scalars::size);
    for (at, size) in scalars::locations(layout.params()).into_iter().zip(sizes) {
        if let ("x86_64-sysv-c", 4, Place::Integer(register)) =
            (abi.name(), size, machine.place(at, size, 0))
        {
            must[register] = u32::MAX.into();
        }
    }
    ensure!(is == must, "MASKS: {is:x?}, not {must:x?}");
    Ok(())
}

fn scatter_is(
    (scatter, lists, masks): (&[u16], &[u16], &[u64]),
    layout: &Layout,
    abi: &Abi,
    shape: Shape,
) -> Result<(), String> {
    let machine = Machine::of(abi);
    proof_assumptions::of_scatters(scatter, lists, masks, abi)?;
    let signature = layout.signature();
    let (params, results) = (scalars::params(signature), scalars::results(signature));
    let field = |name: &str| (constant(name) - constant("H_SCATTER")) / 2;
    let word = |name: &str| usize::from(scatter[field(name)]);
    let [integer, float] = ["H_INTEGER", "H_FLOAT"].map(|name| &scatter[field(name)..][..8]);

    // The frame: slots, then room for what carries nothing, then the return pointer.
    let slots = scalars::slots(signature);
    let small = shape != Shape::Variable && slots <= constant("SMALL_SLOTS");
    let scratch = 16 * if small { constant("SMALL_SLOTS") } else { slots };
    let frame = scratch + constant("SCRATCH_SIZE");
    equal("SLOTS", word("H_SLOTS"), slots)?;
    equal("FRAME", word("H_FRAME"), frame)?;

    let first = results.first();
    let vector_words = machine.vector_words(params.iter().chain(first).copied());
    equal("SPILLS", word("H_SPILLS"), results.len().saturating_sub(1))?;
    let stack_words = word("H_STACK_WORDS");
    ensure!(stack_words <= lists.len(), "{stack_words} stack words of {} entries", lists.len());
    let (words, spilled) = lists.split_at(stack_words);
    ensure!(spilled == spills(layout), "the spills are {spilled:x?}");
    let area = (layout.argument_area() - machine.first_slot).next_multiple_of(16);
    let most = vector_words + (area / machine.unit) as usize;
    ensure!(stack_words % constant("H_GROUP") == 0, "{stack_words} stack words");
    ensure!(stack_words <= most, "{stack_words} stack words, more than {most}");

    // Where everything must go; what carries nothing goes to the scratch bytes.
    let mut integer_must = [scratch; 8];
    let mut float_must = [scratch; 8];
    let mut words_must = vec![scratch; stack_words];
    let mut floats_needed = 0;
    let values = scalars::locations(layout.params()).into_iter().zip(params).enumerate();
    let values = values.map(|(i, (at, ty))| (at, scalars::size(ty), 16 * i));
    let pointer = layout.return_pointer().map(|at| (at, 8, frame));
    for (at, size, to) in values.chain(pointer) {
        match machine.place(at, size, vector_words) {
            Place::Integer(register) => integer_must[register] = to,
            Place::Float(register) => {
                let narrow = machine.big_endian && size == 4;
                float_must[register] = to | if narrow { constant("NARROW") } else { 0 };
                floats_needed = floats_needed.max(register + 1);
            }
            Place::Words(places) => {
                for (word, part) in places.parts() {
                    ensure!(word < stack_words, "no stack word for {at}");
                    words_must[word] = to + machine.unit as usize * part;
                }
            }
        }
    }
    for (what, is, must) in [
        ("INTEGER", integer, &integer_must[..]),
        ("FLOAT", float, &float_must),
        ("the stack words", words, &words_must),
    ] {
        let equal = is.iter().map(|&to| usize::from(to)).eq(must.iter().copied());
        ensure!(equal, "{what}: {is:x?}, not {must:x?}");
    }
    equal("FLOATS", word("H_FLOATS"), floats_needed)?;

    let wide = results.len() > 1 || first == Some(&ValType::V128);
    let narrow = machine.narrow && first.is_some_and(|ty| scalars::size(*ty) == 4);
    let more =
        [(wide, "MORE_RESULTS"), (narrow, "MORE_NARROW"), (vector_words > 0, "MORE_VECTORS")];
    let more = more.into_iter().filter(|(is, _)| *is).map(|(_, name)| constant(name)).sum();
    equal("MORE", word("H_MORE"), more)
}
