//! What the symbolic proofs assume of every descriptor and of every scatter, by the names
//! that `tests/symbolic/enter.py` and `tests/symbolic/host.py` give it.

use vmtrampoline::{Abi, CTrampoline, Descriptor, ValRaw, private::Shape};

use super::descriptor_judge::{Bytes, Machine, constant};

/// The most parameters, and results.
const LIMIT: usize = 1024;
/// The most bytes of slots, and of stack words.
const MAX_BYTES: usize = CTrampoline::<ValRaw>::MAX_BYTES;

/// A descriptor of any signature.
pub(crate) fn of_descriptor(descriptor: &Descriptor, abi: &Abi) -> Result<(), String> {
    let (bytes, machine) = (Bytes::of(descriptor), Machine::of(abi));
    of_descriptors(&bytes, &machine)?;
    match descriptor.plan() {
        Some(plan) => of_plans(plan, &bytes),
        None => Ok(()),
    }
}

pub(super) fn of_descriptors(bytes: &Bytes<'_>, machine: &Machine) -> Result<(), String> {
    let [slots, words, spills, area, return_word, hidden] =
        ["D_SLOTS", "D_STACK_WORDS", "D_SPILLS", "D_RETURN_AREA", "D_RETURN_WORD", "D_HIDDEN"]
            .map(|name| bytes.word(name));
    let [result, floats, register, stride] =
        ["D_RESULT", "D_FLOATS", "D_RETURN_REGISTER", "D_STRIDE"].map(|name| bytes.byte(name));
    let kinds =
        ["RESULT_INTEGER", "RESULT_FLOAT", "RESULT_VECTOR", "RESULT_X87", "RESULT_X87_PAIR"];
    let [integer, float, vector, x87, pair] = kinds.map(constant);
    let [vectors, group, some_narrow] = ["FLOATS_VECTORS", "GROUP", "SOME_NARROW"].map(constant);
    let (marked, floats) = (floats & some_narrow != 0, floats & !some_narrow);
    let (first, unit, array) = (machine.first_slot as usize, machine.unit as usize, stride * slots);

    let stored = [integer, float, vector].contains(&result);
    let results = spills + usize::from(stored);
    let written = if result == vector && spills == 0 { 16 } else { stride * results };
    ensure!(results <= LIMIT && array <= MAX_BYTES && written <= array, "A1: counts");
    ensure!(spills == 0 || stored, "A1: results, but not the first");
    ensure!(stored || [constant("RESULT_NONE"), x87, pair].contains(&result), "A1: the result");
    let mask = bytes.words(constant("D_RESULT_MASK"), 4).into_iter().flat_map(u16::to_ne_bytes);
    let mask = u64::from_ne_bytes(mask.collect::<Vec<_>>().try_into().unwrap());
    ensure!(
        result != float || [u32::MAX.into(), u64::MAX].contains(&mask),
        "A1: the mask of a float"
    );
    let sysv = machine.registers.integer.contains(&"rdi");
    let in_x87 = usize::from(result == x87) + 2 * usize::from(result == pair);
    ensure!(16 * in_x87 <= array && (in_x87 == 0 || sysv), "A1: x87");

    let some_vectors = constant("FLOATS_SOME_VECTORS");
    let tiers = [0, constant("FLOATS_SOME"), constant("FLOATS_ALL"), some_vectors, vectors];
    ensure!(tiers.contains(&floats), "A2");
    ensure!(stride == 16 || result != vector || spills == 0, "A2: a vector with others");
    ensure!(slots > 0 || floats == 0 && words == 0, "A2: without slots");
    // No vector is passed on riscv64, and on Windows none of C: the first two vector registers
    // stand beside the contexts.
    let riscv = machine.registers.integer.contains(&"a0");
    let windows = !sysv && machine.registers.integer.contains(&"rcx");
    ensure!(!riscv || result != vector && floats != vectors, "A2: a vector on riscv64");
    let apart = riscv || windows || machine.big_endian;
    ensure!(!apart || floats != some_vectors, "A2: no vector among more float registers");
    ensure!(!windows || floats != vectors || bytes.byte("D_CONTEXTS") == 2, "A2: a vector of C");

    // On s390x, the big-endian one, vectors have words of their own, and the stack is
    // aligned to 8.
    let (more, alignment) =
        if machine.big_endian { (constant("VECTOR_WORDS"), 8) } else { (0, 16) };
    ensure!(words % group == 0 && words <= MAX_BYTES / unit + more + group, "A3");
    ensure!(area % alignment == 0 && area <= 16 * LIMIT && (spills == 0 || area > 0), "A4");

    // Vector registers of their own have the first words.
    let own = if machine.big_endian && floats == vectors { constant("VECTOR_WORDS") } else { 0 };
    ensure!(words >= own, "A2: words of vector registers");
    let end = first + unit * (words - own);
    let after_contexts = 2..machine.registers.integer.len();
    let known = after_contexts.map(|i| 1 << i).any(|bit| bit == register);
    ensure!(register == 0 || known && spills > 0, "A5: a register");
    ensure!(return_word % unit == 0 && (first..=end).contains(&return_word), "A5: a word");
    ensure!(spills == 0 || register != 0 || return_word + 8 <= end, "A5: neither");

    let mark = if machine.narrow { constant("NARROW") } else { 0 };
    let from_slots = |entry: u16, width: usize| {
        let entry = usize::from(entry) & !mark;
        entry + width <= array || slots == 0 && entry == 0
    };
    let registers = |name, width| {
        bytes.words(constant(name), 8).into_iter().all(|entry| from_slots(entry, width))
    };
    // What is not said to have a mark has none, and the short cut loads all that carry something.
    let marks = |entries: &[u16]| entries.iter().any(|entry| usize::from(*entry) & mark != 0);
    let [integers, vector_registers] =
        ["D_INTEGER", "D_FLOAT"].map(|name| bytes.words(constant(name), 8));
    let unmarked = !marks(&integers) && !marks(&vector_registers);
    ensure!(if marked { machine.narrow } else { unmarked }, "A6: marks");
    if bytes.byte("D_SHAPE") == Shape::ShortCut as usize {
        let [first, others] = machine.short_cut;
        let rest = integers[first..].iter().chain(&vector_registers[others..]);
        ensure!(rest.copied().all(|entry| entry == 0), "A6: more than the short cut loads");
    }
    let mut seldom = integers.iter().skip(machine.seldom);
    let none = seldom.next().is_none_or(|entry| *entry != 0) || seldom.all(|entry| *entry == 0);
    ensure!(none, "A6: more than are loaded");
    let wide = [some_vectors, vectors].contains(&floats) && !machine.big_endian;
    ensure!(registers("D_INTEGER", 8), "A6: integer registers");
    ensure!(registers("D_FLOAT", if wide { 16 } else { 8 }), "A6: vector registers");

    let mut lists = bytes.words(constant("D_LISTS"), words + spills).into_iter();
    let goes = |entry: u16| from_slots(entry, unit) && (marked || !marks(&[entry]));
    ensure!(lists.by_ref().take(words).all(goes), "A7");
    let widths = [("SPILL_8", 8), ("SPILL_4", 4), ("SPILL_16", 16)];
    let fits = |entry: u16| {
        widths.iter().any(|&(name, width)| {
            let (entry, mark) = (usize::from(entry), constant(name));
            let start = entry - mark.min(entry);
            entry % 4 == mark
                && !(riscv && width == 16)
                && start % width.min(8) == 0
                && start + width <= area
                && width <= stride
        })
    };
    ensure!(lists.all(fits), "A8");

    // A slot on 64-bit Arm, a number on System V, and no other has any.
    let arm = machine.registers.integer.contains(&"x0");
    let slot = arm && hidden % 8 == 0 && hidden + 8 <= array;
    let number = sysv && (0x100..=0x108).contains(&hidden);
    ensure!(hidden == 0 || slot || number, "A9");
    Ok(())
}

/// What `prepared` and `finished` rely on, of which no proof speaks: all that a plan reads
/// and writes is in the slots, copies behind what is prepared elsewhere.
fn of_plans(plan: &[u16], bytes: &Bytes<'_>) -> Result<(), String> {
    const MEMORY: usize = 6;
    let (end, copies) = (bytes.byte("D_STRIDE") * bytes.word("D_SLOTS"), bytes.word("D_COPIES"));
    let (count, plan) = plan.split_last().ok_or("a plan without its last entry")?;
    let (count, returns) = (usize::from(*count), bytes.byte("D_RETURNS"));
    let in_memory = returns == 5;
    ensure!(plan.len() >= 3 * count && (plan.len() - 3 * count) % 4 == 0, "entries of a plan");
    ensure!(copies <= end, "copies begin behind the slots");
    let (steps, pieces) = plan.split_at(plan.len() - 3 * count);
    // A pair for which nothing is prepared has a function of its own. Words are the body's.
    let (ready, hidden) = (steps.is_empty(), bytes.word("D_HIDDEN") != 0);
    let (result, prepared) = (bytes.byte("D_RESULT"), Shape::ALL.len() + 1);
    let float = constant("RESULT_FLOAT");
    let must = match returns {
        0..3 if ready && hidden => prepared + 7,
        0..3 if result == float => prepared + 1,
        0..3 => prepared,
        7..11 if ready => prepared + 3 + returns - 7,
        _ => prepared + 2,
    };
    let is = bytes.byte("D_ENTRY");
    ensure!(is == must, "the entry is {is}, not {must}");
    ensure!(must == prepared + 2 || count == 0, "pieces that no code stores");
    for piece in pieces.chunks_exact(3) {
        let [register, offset, size] = [0, 1, 2].map(|i| usize::from(piece[i]));
        ensure!(register < 4 && offset + size <= end, "a piece of the result");
        ensure!(in_memory || size <= 8 || returns == 4 && size == 16, "{size} bytes of a register");
    }
    ensure!(!in_memory || count == 1, "{count} pieces in memory");

    // Wherever the slots begin, copies fit.
    for base in (0..128).step_by(8) {
        let mut free = base + copies;
        let mut memory = None;
        for step in steps.chunks_exact(4) {
            let [op, from, to, size] = [0, 1, 2, 3].map(|i| usize::from(step[i]));
            let (op, align) = (op & 0xff, 1 << (op >> 8));
            ensure!(op < MEMORY, "there is no step {op}");
            ensure!(from + size <= end || op == MEMORY - 1, "a step reads behind the slots");
            if op < MEMORY - 2 {
                let width = if op == 0 { size } else { 8 };
                ensure!(size <= 8 && to + width <= copies, "a step writes elsewhere");
                continue;
            }
            ensure!(to % 8 == 0 && to + 8 <= copies, "an address is written elsewhere");
            free = free.next_multiple_of(align) + size.next_multiple_of(8);
            ensure!(free <= base + end, "a copy behind the slots");
            if op == MEMORY - 1 {
                memory = Some(size);
            }
        }
        let result = in_memory.then(|| usize::from(pieces[2]));
        ensure!(memory == result, "memory for a result: {memory:?}, not {result:?}");
    }
    Ok(())
}

/// The same of a copy in which a byte, counted from a field on as little-endian machines
/// do, is another.
pub(crate) fn broken(
    descriptor: &Descriptor,
    abi: &Abi,
    (field, distance, value): (&str, usize, u8),
) -> Result<(), String> {
    let mut bytes = Bytes::of(descriptor).0.to_vec();
    let word = !["D_RESULT", "D_FLOATS", "D_STRIDE", "D_RETURN_REGISTER"].contains(&field);
    let swap = usize::from(word && cfg!(target_endian = "big"));
    bytes[constant(field) + (distance ^ swap)] = value;
    let bytes = Bytes(&bytes);
    of_descriptors(&bytes, &Machine::of(abi))?;
    match descriptor.plan() {
        Some(_) => {
            let start = bytes.word("D_STACK_WORDS") + bytes.word("D_SPILLS");
            let plan = bytes.words(constant("D_LISTS"), bytes.word("D_SIGNATURE"));
            of_plans(&plan[start..], &bytes)
        }
        None => Ok(()),
    }
}

/// Of a scatter, its words from the first on, its lists and its masks.
pub(crate) fn of_scatters(
    scatter: &[u16],
    lists: &[u16],
    masks: &[u64],
    abi: &Abi,
) -> Result<(), String> {
    let machine = Machine::of(abi);
    let unit = machine.unit as usize;
    let field = |name: &str| (constant(name) - constant("H_SCATTER")) / 2;
    let word = |name: &str| usize::from(scatter[field(name)]);
    let registers = |name: &str| scatter[field(name)..][..8].iter().map(|&to| usize::from(to));
    let [slots, frame, words, spills] =
        ["H_SLOTS", "H_FRAME", "H_STACK_WORDS", "H_SPILLS"].map(word);
    let (end, scratch) = (16 * slots, frame.wrapping_sub(constant("SCRATCH_SIZE")));

    ensure!(scratch % 16 == 0 && end <= scratch && frame <= MAX_BYTES, "B1");

    // On s390x, entries of the vector registers come first.
    let more = word("H_MORE");
    let vectors = machine.big_endian && more & constant("MORE_VECTORS") != 0;
    let vector_words = if vectors { constant("VECTOR_WORDS") } else { 0 };
    let floats = word("H_FLOATS");
    let most = MAX_BYTES / unit + vector_words + constant("H_GROUP");
    ensure!(words % constant("H_GROUP") == 0 && words <= most && words >= vector_words, "B2");
    ensure!(floats <= machine.registers.float.len(), "B2: vector registers");
    let ways: &[&str] = match machine.registers.integer[..] {
        [.., "rdi"] => &["MORE_PAIR", "MORE_BOTH", "MORE_X87", "MORE_X87_PAIR"],
        [.., "x0"] => &["MORE_PAIR"],
        [.., "a0"] => &["MORE_PAIR", "MORE_BOTH"],
        _ => &[],
    };
    let narrow = if machine.narrow { constant("MORE_NARROW") } else { 0 };
    let more = more & !narrow & !if vectors { constant("MORE_VECTORS") } else { 0 };
    let least = 1 + usize::from(more == constant("MORE_X87_PAIR"));
    let known = more == constant("MORE_RESULTS") || ways.iter().any(|way| more == constant(way));
    ensure!(more == 0 || known, "B2: more");
    ensure!(more == 0 || slots >= least, "B2: slots");
    let spilled = spills < slots && spills <= LIMIT && more == constant("MORE_RESULTS");
    ensure!(spills == 0 || spilled, "B2: results");

    let listed = lists[..words].iter().map(|&to| usize::from(to));
    let mark = if machine.big_endian { constant("NARROW") } else { 0 };
    let vector_registers = || registers("H_FLOAT").map(|to| to & !mark);
    let pointer = |to| frame <= to && to < frame + 8;
    let goes = |to: usize, width| {
        let somewhere = to + width <= scratch || to == scratch || width <= 8 && pointer(to);
        to % width == 0 && somewhere
    };
    ensure!(registers("H_INTEGER").all(|to| goes(to, 8)), "B3");
    ensure!(listed.clone().all(|to| goes(to, unit)), "B3: words");
    // There vector registers are stored in ascending order, and the upper half of one may lie where
    // the lower half of a later one goes.
    let ordered = machine.registers.integer.contains(&"rdi");
    let is_vector = |to: usize| if ordered { to % 8 == 0 && to <= scratch } else { goes(to, 16) };
    ensure!(vector_registers().all(is_vector), "B3: vector registers");
    ensure!(vector_registers().skip(floats).all(|to| to == scratch), "B3: no vector registers");

    let parts = |to: usize, width: usize| (to..to + width).step_by(unit);
    let integers = registers("H_INTEGER").flat_map(|to| parts(to, 8));
    let overwritten = |i: usize, upper| vector_registers().skip(i + 1).any(|to| to == upper);
    let halves = vector_registers().enumerate().flat_map(|(i, to)| {
        let whole = !(ordered && overwritten(i, to + 8));
        parts(to, if whole { 16 } else { 8 })
    });
    let mut places: Vec<_> = integers.chain(halves).chain(listed).collect();
    places.retain(|to| *to + unit <= scratch || pointer(*to));
    let count = places.len();
    places.sort_unstable();
    places.dedup();
    ensure!(places.len() == count, "B4: a place with two sources");
    let has_pointer = parts(frame, 8).all(|to| places.contains(&to));
    ensure!(has_pointer || spills == 0, "B4: the return pointer");
    let x8 = machine.registers.integer.contains(&"x0") && abi.name().ends_with("-c");
    ensure!(!(x8 && places.iter().any(|to| pointer(*to))), "B3: the place for x8");

    let bytes = |entry: u16| match usize::from(entry) {
        entry if entry % 4 == constant("SPILL_4") => Some((entry - constant("SPILL_4"), 4)),
        entry if entry % 4 == constant("SPILL_16") => Some((entry - constant("SPILL_16"), 16)),
        entry if entry % 4 == constant("SPILL_8") => Some((entry, 8)),
        _ => None,
    };
    let results: Option<Vec<_>> = lists[words..].iter().map(|&entry| bytes(entry)).collect();
    let Some(mut results) = results else { return Err("B5: a width".to_owned()) };
    results.sort_unstable();
    let apart = results.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0);
    let last = results.last().is_none_or(|(start, width)| start + width <= 16 * LIMIT);
    ensure!(results.len() == spills && apart && last, "B5");

    let ones = masks.iter().all(|&mask| mask == u64::MAX);
    ensure!(word("H_MASKED") == usize::from(!ones), "B6");
    Ok(())
}
