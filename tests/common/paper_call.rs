//! A call of C, carried out on paper, in any convention on any machine: the layout has a
//! place for each byte of each value, and the descriptor, followed as Rust and the assembly
//! follow it, brings the bytes there.

use vmtrampoline::{
    Abi, Descriptor, Error, Layout, Location, Piece, Placement, Signature, Type, ValType,
    ValueIndex,
    private::{Shape, describe},
};

use super::{
    descriptor_judge::{Bytes, Machine, constant},
    naive::machine,
    port,
};

/// The layout of this signature, if it has one and rightly so, and all that is in its
/// descriptors.
pub(crate) fn judge(signature: &Signature, abi: &'static Abi) -> Result<(), String> {
    let judged = match Layout::new(signature, abi) {
        Ok(layout) => covered(signature, abi, &Places::of(&layout))
            .and_then(|()| descriptors(signature, abi, &layout))
            .map_err(|error| format!("{error}:\n{layout}")),
        Err(error) => refused(signature, abi, &error),
    };
    judged.map_err(|error| format!("{signature}, {abi}: {error}"))
}

/// Whether there is a reason for this error of a layout; no descriptor is made either.
fn refused(signature: &Signature, abi: &'static Abi, error: &Error) -> Result<(), String> {
    let types: Vec<_> = signature.params().iter().collect();
    let results: Vec<_> = signature.results().iter().collect();
    let at = |value: &ValueIndex| match value {
        ValueIndex::Param(i) => &types[*i],
        ValueIndex::Result(i) => &results[*i],
        _ => panic!("{value}"),
    };
    let large = |ty: &Type<'_>| ty.size(abi) > 65_520;
    let vm = abi.name().ends_with("-vm");
    let rightly = match error {
        Error::TypeNotInAbi { ty, value, .. } => {
            vm && ty == at(value) && ty.scalar().is_none_or(|ty| !WASM.contains(&ty))
                || abi.name() == "riscv64-vm" && *ty == ValType::V128
        }
        Error::VariadicNotInAbi { .. } => vm && signature.named().is_some(),
        Error::ResultsNotInAbi { .. } => !vm && results.len() > 1,
        Error::AlignmentNotInAbi { align, value, .. } => {
            *align > 16 && at(value).align(abi) == *align && matches!(value, ValueIndex::Param(_))
        }
        Error::Unpromoted { param, ty, promoted } => {
            let small = ty.size(abi) < promoted.size(abi);
            small && types[*param] == *ty && signature.named().is_some_and(|n| *param >= n)
        }
        Error::TooLarge { value: Some(value) } => large(at(value)),
        _ => false,
    };
    ensure!(rightly, "{error}");
    for stride in [8, 16] {
        let made = describe(abi, signature, stride, Shape::Bare, |_| ());
        ensure!(made.is_err(), "no layout, but a descriptor: {error}");
    }
    Ok(())
}

const WASM: [ValType; 9] = [
    ValType::I32,
    ValType::I64,
    ValType::F32,
    ValType::F64,
    ValType::V128,
    ValType::FuncRef,
    ValType::ExternRef,
    ValType::Ptr,
    ValType::U64,
];

/// What a layout says, so that a test can say something else.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// The pieces of each, and whether they are a pointer to it.
    pub(crate) params: Vec<(Vec<Piece>, bool)>,
    pub(crate) results: Vec<(Vec<Piece>, bool)>,
    pub(crate) return_pointer: Option<Location>,
    pub(crate) argument_area: u32,
}

impl Places {
    pub(crate) fn of(layout: &Layout) -> Places {
        let places = |all: &[Placement]| -> Vec<_> {
            all.iter().map(|one| (one.pieces().to_vec(), one.by_reference())).collect()
        };
        Places {
            params: places(layout.params()),
            results: places(layout.results()),
            return_pointer: layout.return_pointer(),
            argument_area: layout.argument_area(),
        }
    }
}

/// Which bytes of a type are no padding.
pub(crate) fn bytes_that_count(ty: &Type<'_>, abi: &Abi) -> Vec<bool> {
    fn mark(ty: &Type<'_>, abi: &Abi, offset: usize, counts: &mut [bool]) {
        match ty.scalar() {
            Some(scalar) => {
                let long = matches!(scalar, ValType::LongDouble | ValType::CLongDouble);
                let x87 = long && abi.name().starts_with("x86_64");
                for byte in 0..ty.size(abi) {
                    counts[offset + byte] |= !x87 || byte % 16 < 10;
                }
            }
            None => {
                for (within, field) in ty.fields_in(abi) {
                    mark(&field, abi, offset + within, counts);
                }
            }
        }
    }
    let mut counts = vec![false; ty.size(abi)];
    mark(ty, abi, 0, &mut counts);
    counts
}

/// Registers and stack that are taken.
struct Taken {
    abi: &'static Abi,
    machine: Machine,
    registers: Vec<&'static str>,
    stack: Vec<bool>,
}

impl Taken {
    fn new(abi: &'static Abi, area: u32) -> Taken {
        let machine = Machine::of(abi);
        Taken { abi, machine, registers: Vec::new(), stack: vec![false; area as usize] }
    }

    /// Takes what an argument's bytes are in.
    fn argument(&mut self, at: Location, size: u32) -> Result<(), String> {
        match at {
            Location::Register(name) => {
                let registers = &self.machine.registers;
                let wide = registers.vector.contains(&name)
                    || registers.float.contains(&name) && !name.starts_with('f');
                let known = wide || registers.integer.contains(&name);
                ensure!(known || registers.float.contains(&name), "no register {name}");
                self.register(name, size, if wide { 16 } else { 8 })
            }
            Location::Stack(offset) => {
                let end = offset as usize + size as usize;
                ensure!(offset >= self.machine.first_slot, "{at} is reserved");
                ensure!(end <= self.stack.len(), "{at} is not in its area");
                for byte in &mut self.stack[offset as usize..end] {
                    ensure!(!*byte, "two values in {at}");
                    *byte = true;
                }
                Ok(())
            }
            _ => Err(format!("an argument in {at}")),
        }
    }

    fn register(&mut self, name: &'static str, size: u32, most: u32) -> Result<(), String> {
        ensure!(size <= most, "{size} bytes in {name}");
        ensure!(!self.registers.contains(&name), "two values in {name}");
        self.registers.push(name);
        Ok(())
    }

    /// Takes what a result's bytes are in.
    fn result(&mut self, at: Location, size: u32) -> Result<(), String> {
        let Location::Register(name) = at else { return Err(format!("a result in {at}")) };
        let most = match result_register(self.abi, name) {
            Some(Class::Integer(_)) => 8,
            Some(Class::Float(_)) if name.starts_with('f') => 8,
            Some(_) => 16,
            None => return Err(format!("a result in {name}")),
        };
        self.register(name, size, most)
    }
}

/// Which register of its kind a result is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Integer(usize),
    Float(usize),
    Vector,
    X87(usize),
}

fn result_register(abi: &Abi, name: &str) -> Option<Class> {
    let [integer, float] = match machine(abi).0 {
        "x86_64-sysv" => ["rax rdx", "xmm0 xmm1"],
        "x86_64-windows" => ["rax", "xmm0"],
        "aarch64" | "aarch64-apple" => ["x0 x1", "v0 v1 v2 v3"],
        "riscv64" => ["a0 a1", "fa0 fa1"],
        "s390x" => ["r2", "f0"],
        machine => panic!("no machine {machine}"),
    };
    let index = |names: &str| names.split(' ').position(|one| one == name);
    match name {
        "v24" => Some(Class::Vector),
        "st0" => Some(Class::X87(0)),
        "st1" => Some(Class::X87(1)),
        _ => index(integer).map(Class::Integer).or(index(float).map(Class::Float)),
    }
}

/// Every byte that is no padding has one place, inside registers and areas, and nothing
/// else is there.
pub(crate) fn covered(
    signature: &Signature,
    abi: &'static Abi,
    places: &Places,
) -> Result<(), String> {
    let mut taken = Taken::new(abi, places.argument_area);
    let align = if machine(abi).0 == "s390x" { 8 } else { 16 };
    ensure!(places.argument_area % align == 0, "the area is not aligned");
    ensure!(places.params.len() == signature.params().len(), "{} params", places.params.len());
    if let Some(at) = places.return_pointer {
        match at {
            Location::Register("x8") => ensure!(machine(abi).0.starts_with("aarch64"), "{at}"),
            _ => taken.argument(at, 8)?,
        }
    }
    let variable = signature.named().unwrap_or(usize::MAX);
    for (i, (ty, (pieces, by_reference))) in
        signature.params().iter().zip(&places.params).enumerate()
    {
        if *by_reference {
            let least = match machine(abi).0 {
                "x86_64-sysv" => usize::MAX,
                "x86_64-windows" | "s390x" => 0,
                _ => 17,
            };
            let size = ty.size(abi);
            // Complex numbers are on s390x, whatever their size.
            let large = size >= least && ![1, 2, 4, 8].contains(&size);
            ensure!(large || abi == &Abi::S390X_C && ty == ValType::C32, "p{i} is by reference");
            ensure!(pieces.len() == 1, "p{i}: {} pointers", pieces.len());
            ensure!((pieces[0].offset, pieces[0].size) == (0, 8), "p{i}: {:?}", pieces[0]);
            taken.argument(pieces[0].location, 8)?;
            continue;
        }
        // A float of the variable part is in two registers on Windows.
        let twice = machine(abi).0 == "x86_64-windows"
            && i >= variable
            && pieces.len() == 2
            && ty.scalar().is_some_and(|ty| ty.size(abi) == 8);
        let pieces = if twice {
            ensure!(pieces[0].offset == 0 && pieces[0].size == 8, "p{i}: {pieces:?}");
            ensure!(pieces[1].offset == 0 && pieces[1].size == 8, "p{i}: {pieces:?}");
            taken.argument(pieces[1].location, 8)?;
            &pieces[..1]
        } else {
            &pieces[..]
        };
        whole(&ty, abi, pieces).map_err(|error| format!("p{i}: {error}"))?;
        for piece in pieces {
            taken.argument(piece.location, piece.size)?;
        }
    }

    let mut taken = Taken::new(abi, 0);
    ensure!(places.results.len() == signature.results().len(), "the number of results");
    if let (true, Some(ty), Some((pieces, by_reference))) =
        (abi.name().ends_with("-c"), signature.results().iter().next(), places.results.first())
    {
        ensure!(!by_reference, "a result is a pointer");
        if places.return_pointer.is_some() {
            ensure!(pieces.is_empty(), "the result is in memory and {pieces:?}");
            return Ok(());
        }
        whole(&ty, abi, pieces).map_err(|error| format!("r0: {error}"))?;
        for piece in pieces {
            taken.result(piece.location, piece.size)?;
        }
    }
    Ok(())
}

/// The pieces of a value have each byte that is no padding once.
fn whole(ty: &Type<'_>, abi: &Abi, pieces: &[Piece]) -> Result<(), String> {
    let mut times = vec![0; ty.size(abi)];
    for piece in pieces {
        let range = piece.offset as usize..piece.offset as usize + piece.size as usize;
        ensure!(!range.is_empty(), "{piece:?} is empty");
        let Some(bytes) = times.get_mut(range) else {
            return Err(format!("{piece:?} is more than a {ty}"));
        };
        bytes.iter_mut().for_each(|times| *times += 1);
    }
    for (byte, (times, counts)) in times.into_iter().zip(bytes_that_count(ty, abi)).enumerate() {
        ensure!(times == 1 || !counts && times < 2, "byte {byte} of a {ty} is in {times} places");
    }
    Ok(())
}

/// The descriptors of a layout, for slots of both sizes, in the shortest shape and the
/// longest.
fn descriptors(signature: &Signature, abi: &'static Abi, layout: &Layout) -> Result<(), String> {
    for stride in [8, 16] {
        for shape in [Shape::Bare, Shape::Variable] {
            let made = describe(abi, signature, stride, shape, |descriptor| {
                let bytes = Bytes::of(descriptor).0;
                let plan = descriptor.plan().map(<[u16]>::to_vec);
                carried(&Read { bytes: bytes.to_vec(), plan }, layout, abi, stride)
            });
            match made {
                Ok(judged) => judged,
                Err(Error::TypeNotInSlot { .. }) if stride == 8 && abi.name().ends_with("-vm") => {
                    Ok(())
                }
                // A layout may have more arguments than fit in the slots.
                Err(Error::TooLarge { .. }) => {
                    let size = |ty: Type<'_>| ty.size(abi) + 64;
                    let sizes: usize = signature.params().iter().map(size).sum();
                    let result: usize = signature.results().iter().map(size).sum();
                    let words = signature.to_string().len();
                    let large = sizes.max(words) > 1000 || result > 1000;
                    if large { Ok(()) } else { Err("too large, says the descriptor".into()) }
                }
                Err(error) => Err(error.to_string()),
            }
            .map_err(|error| format!("{stride}-byte slots, {shape:?}: {error}"))?;
        }
    }
    Ok(())
}

/// A descriptor as it is read.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) bytes: Vec<u8>,
    pub(crate) plan: Option<Vec<u16>>,
}

impl Read {
    /// That of a descriptor.
    pub(crate) fn of(descriptor: &Descriptor) -> Read {
        let plan = descriptor.plan().map(<[u16]>::to_vec);
        Read { bytes: Bytes::of(descriptor).0.to_vec(), plan }
    }
}

/// Where a byte comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Byte {
    /// It has not been written.
    Unknown,
    /// A parameter, and the byte's number as it lies in the slots.
    Of(usize, usize),
    Zero,
    /// The sign of what is before it.
    Sign,
    /// Of the address of a copy: which copy, which byte.
    Copy(usize, usize),
    /// Of the address of the result.
    Result(usize),
    /// Where the target puts the result.
    Memory,
}

/// The slots during a call.
struct Slots(Vec<Byte>);

impl Slots {
    fn get(&self, from: usize, size: usize) -> Result<&[Byte], String> {
        self.0.get(from..from + size).ok_or_else(|| format!("{size} bytes at {from:#x} are read"))
    }

    fn put(&mut self, to: usize, bytes: &[Byte]) -> Result<(), String> {
        match self.0.get_mut(to..to + bytes.len()) {
            Some(there) => there.copy_from_slice(bytes),
            None => return Err(format!("{} bytes at {to:#x} are written", bytes.len())),
        }
        Ok(())
    }
}

/// Where `prepare` in `src/native/prepared.rs` has put things.
struct Prepared {
    /// Of each copy the offset in the slots, its size and the alignment it was given.
    copies: Vec<[usize; 3]>,
    /// Of the result's memory.
    memory: Option<[usize; 3]>,
}

/// Follows the steps of a plan, in slots at an address of which this is the remainder.
/// Nothing before `values` may be written.
fn prepare(
    steps: &[u16],
    first: usize,
    slots: &mut Slots,
    big_endian: bool,
    remainder: usize,
    values: usize,
) -> Result<Prepared, String> {
    let mut prepared = Prepared { copies: Vec::new(), memory: None };
    let mut free = first;
    ensure!(steps.len() % 4 == 0, "{} entries of steps", steps.len());
    for step in steps.chunks_exact(4) {
        let [from, to, size] = [1, 2, 3].map(|i| usize::from(step[i]));
        let (op, align) = (step[0] & 0xff, 1usize << (step[0] >> 8));
        ensure!(to >= values, "a step writes to {to:#x}, where the values are");
        match op {
            0 => {
                let bytes = slots.get(from, size)?.to_vec();
                slots.put(to, &bytes)?;
            }
            1..=3 => {
                ensure!(size <= 8 && to % 8 == 0, "a word of {size} bytes at {to:#x}");
                ensure!(op == 3 || [1, 2, 4].contains(&size), "{size} bytes are extended");
                let mut word = [if op == 2 { Byte::Sign } else { Byte::Zero }; 8];
                word[..size].copy_from_slice(slots.get(from, size)?);
                if op == 3 && big_endian {
                    word[..size].reverse();
                }
                slots.put(to, &word)?;
            }
            4 | 5 => {
                let here = (remainder + free).next_multiple_of(align) - remainder;
                ensure!(here >= values, "a copy at {here:#x}, where the values are");
                let what = [here, size, align];
                if op == 4 {
                    let bytes = slots.get(from, size)?.to_vec();
                    slots.put(here, &bytes)?;
                    let number = prepared.copies.len();
                    slots.put(to, &std::array::from_fn::<_, 8, _>(|i| Byte::Copy(number, i)))?;
                    prepared.copies.push(what);
                } else {
                    slots.put(here, &vec![Byte::Memory; size])?;
                    slots.put(to, &std::array::from_fn::<_, 8, _>(Byte::Result))?;
                    ensure!(prepared.memory.is_none(), "two results in memory");
                    prepared.memory = Some(what);
                }
                free = here + size.next_multiple_of(8);
            }
            op => return Err(format!("step {op}")),
        }
    }
    Ok(prepared)
}

/// The registers and the argument area at the call.
struct AtTheCall {
    machine: Machine,
    integer: Vec<[Byte; 8]>,
    /// The low-order byte first.
    float: Vec<[Byte; 16]>,
    vector: Vec<[Byte; 16]>,
    stack: Vec<Byte>,
}

/// The call of this descriptor arrives as the layout has it, and so does the result.
pub(crate) fn carried(
    read: &Read,
    layout: &Layout,
    abi: &'static Abi,
    stride: u16,
) -> Result<(), String> {
    let (header, stride) = (Bytes(&read.bytes), usize::from(stride));
    let signature = layout.signature();
    let vm = abi.name().ends_with("-vm");
    if vm {
        return Ok(()); // `encoded` judges those
    }
    let size_in_slots = |ty: &Type<'_>| ty.size(abi).next_multiple_of(stride);
    let params: Vec<_> = signature.params().iter().collect();
    let starts: Vec<usize> = params
        .iter()
        .scan(0, |end, ty| {
            *end += size_in_slots(ty);
            Some(*end - size_in_slots(ty))
        })
        .collect();
    let result = signature.results().iter().next();
    let values = params
        .iter()
        .map(size_in_slots)
        .sum::<usize>()
        .max(result.as_ref().map_or(0, size_in_slots));
    let total = header.word("D_SLOTS") * stride;
    ensure!(values <= total && total <= 65_520, "{} slots", header.word("D_SLOTS"));
    ensure!(header.byte("D_STRIDE") == stride && header.byte("D_CONTEXTS") == 0, "the header");
    let shape = header.byte("D_SHAPE");
    let most_words = [0, 0, constant("FIXED_WORDS"), usize::MAX][shape];
    ensure!(header.word("D_STACK_WORDS") <= most_words, "{:?}", Shape::ALL[shape]);
    ensure!(shape != 0 || total == 0, "slots, but nothing reads them");

    // Aligned to 8 as the slots are, they may lie anywhere, which matters to copies.
    let plan = read.plan.as_deref().map(split).transpose()?;
    let steps = plan.iter().flat_map(|(steps, _)| steps.chunks(4));
    let copies = steps.into_iter().any(|step| matches!(step[0] & 0xff, 4 | 5));
    let remainders = [0, 8, 16, 40, 2048, 4080, 4088];
    for remainder in remainders.into_iter().take(if copies { remainders.len() } else { 1 }) {
        let mut slots = Slots(vec![Byte::Unknown; total]);
        for (i, ty) in params.iter().enumerate() {
            for byte in 0..ty.size(abi) {
                slots.0[starts[i] + byte] = Byte::Of(i, byte);
            }
        }
        let big_endian = Machine::of(abi).big_endian;
        let (mut pieces, mut prepared) = (None, Prepared { copies: Vec::new(), memory: None });
        if let Some((steps, all)) = plan {
            let first = header.word("D_COPIES");
            pieces = Some(all);
            prepared = prepare(steps, first, &mut slots, big_endian, remainder, values)?;
        }
        let (entry, pair) = (header.byte("D_ENTRY"), header.byte("D_RETURNS"));
        let result = header.byte("D_RESULT");
        let left = ["RESULT_INTEGER", "RESULT_FLOAT"].map(constant).contains(&result);
        // The functions that make calls, behind the bodies.
        let [vector, prepared_integer, prepared_float, finished, first_pair, hidden] =
            [4, 5, 6, 7, 8, 12];
        let must = match plan {
            // A pair has a function of its own, if there is nothing else to do.
            None if (7..11).contains(&pair) => first_pair + pair - 7,
            None if header.word("D_HIDDEN") != 0 => hidden,
            None if result == constant("RESULT_VECTOR") && shape < 3 => vector,
            None => shape,
            Some(_) if !(pair == 2 || left) => finished,
            Some(([], [])) => return Err("a plan with nothing to do".into()),
            Some(_) if result == constant("RESULT_FLOAT") => prepared_float,
            Some(_) => prepared_integer,
        };
        ensure!(entry == must, "ENTRY is {entry}, not {must}");
        if let Some([to, size, _]) = prepared.memory {
            let there = slots.get(to, size)?;
            ensure!(there.iter().all(|byte| *byte == Byte::Memory), "the result's memory is used");
        }
        let call = loaded(&header, &slots, layout, abi)?;
        for (i, (ty, placement)) in params.iter().zip(layout.params()).enumerate() {
            arrives(i, ty, placement, signature, abi, &call, &slots, &prepared)
                .map_err(|error| format!("p{i}: {error}"))?;
        }
        returns(&header, pieces, layout, abi, &call, &slots, &prepared)?;
    }
    Ok(())
}

/// The steps of a plan, and the pieces of its result.
fn split(plan: &[u16]) -> Result<(&[u16], &[u16]), String> {
    let (count, plan) = plan.split_last().ok_or("a plan without its last entry")?;
    let steps = plan.len().checked_sub(3 * usize::from(*count)).ok_or("too many pieces")?;
    Ok(plan.split_at(steps))
}

/// What the assembly loads of the slots.
fn loaded(
    header: &Bytes<'_>,
    slots: &Slots,
    layout: &Layout,
    abi: &Abi,
) -> Result<AtTheCall, String> {
    let machine = Machine::of(abi);
    let registers = &machine.registers;
    let unknown = [Byte::Unknown; 16];
    let area = layout.argument_area() as usize;
    let mut call = AtTheCall {
        machine: Machine::of(abi),
        integer: vec![[Byte::Unknown; 8]; registers.integer.len()],
        float: vec![unknown; registers.float.len()],
        vector: vec![unknown; registers.vector.len()],
        stack: vec![Byte::Unknown; area],
    };
    if slots.0.is_empty() {
        return Ok(call); // nothing is loaded
    }
    let narrow = |entry: u16| -> Result<(usize, bool), String> {
        let mark = constant("NARROW") as u16;
        ensure!(entry & mark == 0 || machine.narrow, "the entry {entry:#x}");
        Ok((usize::from(entry & !mark), entry & mark != 0))
    };
    let word = |entry: u16| -> Result<[Byte; 8], String> {
        let (from, narrow) = narrow(entry)?;
        let mut word = [Byte::Sign; 8];
        let size = if narrow { 4 } else { 8 };
        slots.get(from, 8)?;
        word[..size].copy_from_slice(slots.get(from, size)?);
        Ok(word)
    };
    let few = header.byte("D_SHAPE") == Shape::ShortCut as usize;
    let [integers, most] = if few { machine.short_cut } else { [8; 2] };
    let entries = header.words(constant("D_INTEGER"), 8);
    let integers = match entries.get(machine.seldom) {
        Some(0) => integers.min(machine.seldom),
        _ => integers,
    };
    for (register, entry) in call.integer.iter_mut().zip(entries).take(integers) {
        *register = word(entry)?;
    }
    let floats = header.byte("D_FLOATS") & !constant("SOME_NARROW");
    let own = !registers.vector.is_empty();
    let vectors = floats == constant("FLOATS_VECTORS");
    let some_vectors = floats == constant("FLOATS_SOME_VECTORS");
    let floats = if some_vectors { constant("FLOATS_SOME") } else { floats };
    let width = if (vectors || some_vectors) && !own { 16 } else { 8 };
    let entries = header.words(constant("D_FLOAT"), 8);
    for (register, &entry) in call.float.iter_mut().zip(&entries).take(floats.min(most)) {
        let (from, narrow) = narrow(entry)?;
        let bytes = slots.get(from, width)?;
        match (narrow, machine.big_endian) {
            (false, _) => register[..width].copy_from_slice(bytes),
            // The upper half.
            (true, true) => register[4..8].copy_from_slice(&bytes[..4]),
            // Ones, which no other machine's floats have above them.
            (true, false) => {
                register[..4].copy_from_slice(&bytes[..4]);
                register[4..8].fill(Byte::Sign);
            }
        }
    }
    let unit = machine.unit as usize;
    let words = header.words(constant("D_LISTS"), header.word("D_STACK_WORDS"));
    let vector_words = if own && vectors { constant("VECTOR_WORDS") } else { 0 };
    ensure!(words.len() >= vector_words, "{} stack words", words.len());
    let (for_vectors, on_stack) = words.split_at(vector_words);
    for (register, halves) in call.vector.iter_mut().zip(for_vectors.chunks_exact(2)) {
        register[8..].copy_from_slice(&word(halves[0])?);
        register[..8].copy_from_slice(&word(halves[1])?);
    }
    let first = machine.first_slot as usize;
    let needed = (area - first.min(area)).div_ceil(unit);
    ensure!(on_stack.len() >= needed, "{} stack words of {needed}", on_stack.len());
    for (i, &entry) in on_stack.iter().enumerate() {
        let bytes = if unit == 8 {
            let mut bytes = word(entry)?.to_vec();
            if machine.big_endian {
                bytes.reverse();
            }
            bytes
        } else {
            slots.get(narrow(entry)?.0, unit)?.to_vec()
        };
        let to = first + unit * i;
        if let Some(there) = call.stack.get_mut(to..to + unit) {
            there.copy_from_slice(&bytes);
        }
    }
    Ok(call)
}

/// Parameter `i` is where its placement says.
#[expect(clippy::too_many_arguments)]
fn arrives(
    i: usize,
    ty: &Type<'_>,
    placement: &Placement,
    signature: &Signature,
    abi: &'static Abi,
    call: &AtTheCall,
    slots: &Slots,
    prepared: &Prepared,
) -> Result<(), String> {
    let machine = &call.machine;
    let little = !machine.big_endian
        || ty.scalar().is_some_and(|ty| {
            ty == ValType::V128 || ty.size(abi) <= 8 && !matches!(ty, ValType::C32)
        });
    for piece in placement.pieces() {
        let size = piece.size as usize;
        let found = at(piece.location, size, call)?;
        if placement.by_reference() {
            let Byte::Copy(number, 0) = found[0] else { return Err(format!("{found:?}")) };
            let address: Vec<_> = (0..8).map(|byte| Byte::Copy(number, byte)).collect();
            ensure!(found == address, "{found:?} is no address");
            let [to, size, align] = prepared.copies[number];
            ensure!(size == ty.size(abi), "a copy of {size} bytes");
            ensure!(align >= ty.align(abi), "a copy aligned to {align}");
            let bytes = slots.get(to, size)?;
            let right = (0..size).all(|byte| bytes[byte] == Byte::Of(i, byte));
            ensure!(right, "the copy is {bytes:?}");
            continue;
        }
        // The value's bytes, the low-order one first.
        let offset = piece.offset as usize;
        let byte = |k| if little { offset + k } else { offset + size - 1 - k };
        let right = (0..size).all(|k| found[k] == Byte::Of(i, byte(k)));
        ensure!(right, "{piece:?}: {found:?}");
    }
    // What is above a small integer, and above an `f32`.
    let [Piece { location, .. }] = placement.pieces() else { return Ok(()) };
    let Some(scalar) = ty.scalar() else { return Ok(()) };
    let (size, name) = (ty.size(abi), machine_name(abi));
    let named = signature.named().is_none_or(|named| i < named);
    let (width, above) = match (scalar, name) {
        _ if placement.by_reference() || size >= 8 => return Ok(()),
        (ValType::F32, "riscv64") if !matches!(location, Location::Register(name) if name.starts_with("fa")) =>
        {
            return Ok(());
        }
        (ValType::F32, "riscv64") => (8, Byte::Sign),
        (ValType::F32 | ValType::C32, _) => return Ok(()),
        (_, "aarch64" | "x86_64-windows") => return Ok(()),
        (_, "aarch64-apple") if matches!(location, Location::Stack(_)) && named => return Ok(()),
        (_, "x86_64-sysv" | "aarch64-apple") if size < 4 => (4, sign(scalar, abi)),
        (_, "x86_64-sysv" | "aarch64-apple") => return Ok(()),
        (_, "riscv64") if size == 4 => (8, Byte::Sign),
        _ => (8, sign(scalar, abi)),
    };
    let low = match *location {
        // The low-order byte of the slot.
        Location::Stack(offset) if machine.big_endian => {
            Location::Stack(offset + size as u32 - width as u32)
        }
        location => location,
    };
    let found = at(low, width, call)?;
    let extended = found[size..].iter().all(|byte| *byte == above);
    ensure!(extended, "{found:?} above {size} bytes");
    Ok(())
}

fn machine_name(abi: &Abi) -> &'static str {
    machine(abi).0
}

/// What a small integer is extended by.
fn sign(ty: ValType, abi: &Abi) -> Byte {
    let name = machine_name(abi);
    let signed = match ty {
        ValType::I8 | ValType::I16 | ValType::I32 | ValType::Long => true,
        ValType::Char => matches!(name, "x86_64-sysv" | "x86_64-windows" | "aarch64-apple"),
        ValType::WChar => !matches!(name, "x86_64-windows" | "aarch64"),
        _ => false,
    };
    if signed { Byte::Sign } else { Byte::Zero }
}

/// What an integer of less than four bytes is extended by to four.
pub(crate) fn extension(ty: &Type<'_>, abi: &Abi, value: &[u8]) -> Option<u8> {
    let scalar = ty.scalar()?;
    let negative = value.last().is_some_and(|byte| *byte >= 0x80);
    let signed = sign(scalar, abi) == Byte::Sign;
    (ty.size(abi) < 4).then_some(if signed && negative { 0xff } else { 0 })
}

/// So many bytes in this place, the low-order one first.
fn at(location: Location, size: usize, call: &AtTheCall) -> Result<Vec<Byte>, String> {
    let machine = &call.machine;
    let registers = &machine.registers;
    // The lists have the last register first.
    let index = |names: &[&str], name| names.iter().rev().position(|one| *one == name);
    Ok(match location {
        Location::Register(name) => {
            if let Some(i) = index(&registers.integer, name) {
                call.integer[i][..size.min(8)].to_vec()
            } else if let Some(i) = index(&registers.float, name) {
                let from = if machine.big_endian && size == 4 { 4 } else { 0 };
                call.float[i][from..from + size].to_vec()
            } else {
                let number: usize = name[1..].parse().map_err(|_| format!("no register {name}"))?;
                call.vector[number - 24][..size].to_vec()
            }
        }
        Location::Stack(offset) => {
            let from = offset as usize;
            let mut bytes = call.stack[from..from + size].to_vec();
            if machine.big_endian {
                bytes.reverse();
            }
            bytes
        }
        _ => return Err(format!("an argument in {location}")),
    })
}

/// The result comes from where the layout has it; what says where it goes arrives.
fn returns(
    header: &Bytes<'_>,
    plan: Option<&[u16]>,
    layout: &Layout,
    abi: &'static Abi,
    call: &AtTheCall,
    slots: &Slots,
    prepared: &Prepared,
) -> Result<(), String> {
    let hidden = header.word("D_HIDDEN");
    let address: Vec<_> = (0..8).map(Byte::Result).collect();
    let (mut hidden_must, mut pieces_must) = (0, Vec::new());
    if let Some(count) = layout.vector_registers() {
        hidden_must = 0x100 | usize::from(count);
    }
    let [result, returns] = ["D_RESULT", "D_RETURNS"].map(|name| header.byte(name));
    let mask = header.words(constant("D_RESULT_MASK"), 4).into_iter().flat_map(u16::to_ne_bytes);
    let mask = u64::from_ne_bytes(mask.collect::<Vec<_>>().try_into().expect("eight bytes"));
    let [none, integer, float, vector, x87, pair] = [
        "RESULT_NONE",
        "RESULT_INTEGER",
        "RESULT_FLOAT",
        "RESULT_VECTOR",
        "RESULT_X87",
        "RESULT_X87_PAIR",
    ]
    .map(constant);
    let ty = layout.signature().results().iter().next();
    let pieces = layout.results().first().map_or(&[][..], Placement::pieces);
    let classes: Vec<_> = pieces
        .iter()
        .map(|piece| match piece.location {
            Location::Register(name) => result_register(abi, name),
            _ => None,
        })
        .collect();
    let size = ty.as_ref().map_or(0, |ty| ty.size(abi));
    // What is stored without a list of pieces.
    let must = if let Some(location) = layout.return_pointer() {
        let found = match location {
            Location::Register("x8") => {
                hidden_must = hidden;
                ensure!(hidden != 0, "nothing in x8");
                slots.get(hidden, 8)?.to_vec()
            }
            location => at(location, 8, call)?,
        };
        ensure!(found == address, "the return pointer in {location} is {found:?}");
        let Some([_, room, align]) = prepared.memory else { return Err("no memory".into()) };
        let ty = ty.as_ref().ok_or("a return pointer without a result")?;
        ensure!(room == size && align >= ty.align(abi), "{room} bytes aligned to {align}");
        pieces_must.extend([0, 0, size as u16]);
        (none, 5, 0)
    } else {
        let word = ty
            .as_ref()
            .and_then(Type::scalar)
            .filter(|ty| !matches!(ty, ValType::C32) && ty.size(abi) <= 8);
        let mask = if size >= 8 { u64::MAX } else { (1 << (8 * size)) - 1 };
        let stored = port::VARIABLE_STORES && header.byte("D_SHAPE") == Shape::Variable as usize;
        match (&classes[..], word) {
            ([], _) => (none, 2, 0),
            ([Some(Class::Integer(0))], Some(_)) => (integer, if stored { 2 } else { 0 }, mask),
            ([Some(Class::Float(0))], Some(_)) => (float, if stored { 2 } else { 1 }, mask),
            ([Some(Class::X87(0))], _) => (x87, 6, 0),
            ([Some(Class::X87(0)), Some(Class::X87(1))], _) => (pair, 6, 0),
            ([Some(Class::Float(0) | Class::Vector)], _) if pieces[0].size == 16 => {
                (vector, 2, u64::MAX)
            }
            // A pair has a way of its own to return.
            ([Some(first), Some(second)], _)
                if matches!(
                    pieces,
                    [Piece { offset: 0, size: 8, .. }, Piece { offset: 8, size: 8, .. },]
                ) =>
            {
                let returns = match (first, second) {
                    (Class::Integer(0), Class::Integer(1)) => 7,
                    (Class::Float(0), Class::Float(1)) => 8,
                    (Class::Integer(0), Class::Float(0)) => 9,
                    (Class::Float(0), Class::Integer(0)) => 10,
                    _ => return Err(format!("a result in {pieces:?}")),
                };
                (none, returns, 0)
            }
            _ => {
                let integers = classes.iter().any(|it| matches!(it, Some(Class::Integer(_))));
                let (mut floats, mut wide) = (false, false);
                for (piece, class) in pieces.iter().zip(&classes) {
                    let register = match class {
                        Some(Class::Integer(i)) => *i,
                        Some(Class::Float(i)) => {
                            floats = true;
                            wide |= piece.size > 8;
                            if integers { 1 } else { *i }
                        }
                        _ => return Err(format!("a result in {piece:?}")),
                    };
                    pieces_must.extend([register as u16, piece.offset as u16, piece.size as u16]);
                }
                // Two whole registers are stored without a list.
                let whole = |piece: &Piece, at| piece.offset == at && piece.size == 8;
                let pair = match pieces {
                    [first, second] => whole(first, 0) && whole(second, 8),
                    _ => false,
                };
                if pair {
                    pieces_must.clear();
                }
                let first = matches!(classes.first(), Some(Some(Class::Integer(_))));
                let returns = match (integers, floats, wide) {
                    (true, false, _) if pair => 7,
                    (false, true, _) if pair => 8,
                    (true, true, _) if pair => 9 + u16::from(!first) as usize,
                    (true, true, _) => 3,
                    (true, false, _) => 11,
                    (_, _, true) => 4,
                    (_, _, false) => 12,
                };
                (none, returns, 0)
            }
        }
    };
    ensure!(
        (result, returns, mask) == must,
        "the result is {:?}, not {must:?}",
        (result, returns, mask)
    );
    ensure!(hidden == hidden_must, "HIDDEN is {hidden:#x}, not {hidden_must:#x}");
    let planned = plan.is_some() || pieces_must.is_empty() && must.1 != 6;
    ensure!(planned, "there is no plan");
    ensure!(plan.unwrap_or_default() == pieces_must, "pieces {plan:?}, not {pieces_must:?}");
    // Slots of no result are left alone: there are no spills in C.
    ensure!(header.word("D_SPILLS") == 0 && header.word("D_RETURN_AREA") == 0, "spills");
    Ok(())
}
