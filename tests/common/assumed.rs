//! What the symbolic proofs assume of every descriptor and of every scatter, by the names
//! that `tests/symbolic/enter.py` and `tests/symbolic/host.py` give it.

use vmtrampoline::{Abi, Descriptor};

use super::{
    encoded::{Bytes, Machine, constant},
    placed::ensure,
};

/// The most parameters, and the most results.
const LIMIT: usize = 1000;

pub(super) fn of_descriptors(bytes: &Bytes<'_>, machine: &Machine) -> Result<(), String> {
    let [params, words, spills, area, return_word] =
        ["D_PARAMS", "D_STACK_WORDS", "D_SPILLS", "D_RETURN_AREA", "D_RETURN_WORD"]
            .map(|name| bytes.word(name));
    let [result, floats, register, stride] =
        ["D_RESULT", "D_FLOATS", "D_RETURN_REGISTER", "D_STRIDE"].map(|name| bytes.byte(name));
    let [none, vector] = ["RESULT_NONE", "RESULT_VECTOR"].map(constant);
    let [vectors, group] = ["FLOATS_VECTORS", "GROUP"].map(constant);
    let (first, unit) = (machine.first_slot as usize, machine.unit as usize);

    let results = spills + usize::from(result != none);
    ensure!(params <= LIMIT && results <= LIMIT && (spills == 0 || result != none), "A1: counts");
    ensure!([0, 1, 2, 4].contains(&result), "A1: the result");

    ensure!([0, constant("FLOATS_SOME"), constant("FLOATS_ALL"), vectors].contains(&floats), "A2");
    ensure!(stride == 16 || floats != vectors && result != vector, "A2: vectors");
    ensure!(params > 0 || floats == 0 && words == 0, "A2: without parameters");

    // On s390x, the big-endian one, vectors have words of their own, and the stack is
    // aligned to 8.
    let (more, alignment) =
        if machine.big_endian { (constant("VECTOR_WORDS"), 8) } else { (0, 16) };
    let most = 16 / unit * LIMIT + more + group;
    ensure!(words % group == 0 && words <= most, "A3");
    ensure!(area % alignment == 0 && area <= 16 * LIMIT, "A4");

    let end = first + unit * words;
    let after_contexts = 2..machine.registers.integer.len();
    let known = after_contexts.map(|i| 1 << i).any(|bit| bit == register);
    ensure!(register == 0 || known && spills > 0, "A5: a register");
    ensure!(return_word % unit == 0 && return_word <= end, "A5: a word");
    ensure!(spills == 0 || register != 0 || return_word < end, "A5: neither");

    let mark = if machine.narrow { constant("NARROW") } else { 0 };
    let from_parameter = |entry: u16, width: usize| {
        let entry = usize::from(entry) & !mark;
        entry % width.min(8) == 0 && entry + width <= stride * params || params == 0 && entry == 0
    };
    let registers = |name, width| {
        bytes.words(constant(name), 8).into_iter().all(|entry| from_parameter(entry, width))
    };
    ensure!(registers("D_INTEGER", 8), "A6: integer registers");
    ensure!(registers("D_FLOAT", if floats == vectors { 16 } else { 8 }), "A6: vector registers");

    let mut lists = bytes.words(constant("D_LISTS"), words + spills).into_iter();
    ensure!(lists.by_ref().take(words).all(|entry| from_parameter(entry, unit)), "A7");
    let widths = [("SPILL_8", 8), ("SPILL_4", 4), ("SPILL_16", 16)];
    let fits = |entry: u16| {
        widths.iter().any(|&(name, width)| {
            let (entry, mark) = (usize::from(entry), constant(name));
            let start = entry - mark.min(entry);
            entry % 4 == mark
                && start % width.min(8) == 0
                && start + width <= area
                && width <= stride
        })
    };
    ensure!(lists.all(fits), "A8");
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
    of_descriptors(&Bytes(&bytes), &Machine::of(abi))
}

/// Of a scatter, its words from the first on, and its lists.
pub(crate) fn of_scatters(scatter: &[u16], lists: &[u16]) -> Result<(), String> {
    let field = |name: &str| (constant(name) - constant("H_SCATTER")) / 2;
    let word = |name: &str| usize::from(scatter[field(name)]);
    let registers = |name: &str| scatter[field(name)..][..8].iter().map(|&to| usize::from(to));
    let [slots, frame, words, spills] =
        ["H_SLOTS", "H_FRAME", "H_STACK_WORDS", "H_SPILLS"].map(word);
    let (end, scratch) = (16 * slots, frame.wrapping_sub(constant("SCRATCH_SIZE")));

    let small = 16 * constant("SMALL_SLOTS");
    ensure!(slots <= LIMIT && (scratch == end || scratch == small && end <= small), "B1");

    let floats = word("H_FLOATS");
    let most = 2 * LIMIT + constant("H_GROUP");
    ensure!(words % constant("H_GROUP") == 0 && words <= most && floats <= 8, "B2");
    let more = word("H_MORE") & constant("MORE_RESULTS") != 0;
    ensure!(spills == 0 || spills < slots && more, "B2: results");

    let listed = lists[..words].iter().map(|&to| usize::from(to));
    let eight = |to| to % 8 == 0 && (to + 8 <= end || to == scratch || to == frame);
    let sixteen = |to| to % 16 == 0 && (to + 16 <= end || to == scratch);
    ensure!(registers("H_INTEGER").chain(listed.clone()).all(eight), "B3");
    ensure!(registers("H_FLOAT").all(sixteen), "B3: vector registers");
    ensure!(registers("H_FLOAT").skip(floats).all(|to| to == scratch), "B3: no vector registers");

    let halves = registers("H_FLOAT").flat_map(|to| [to, to + 8]);
    let mut places: Vec<_> = registers("H_INTEGER").chain(halves).chain(listed).collect();
    places.retain(|to| *to + 8 <= end || *to == frame);
    let count = places.len();
    places.sort_unstable();
    places.dedup();
    ensure!(places.len() == count, "B4: a place with two sources");
    ensure!(places.contains(&frame) == (spills > 0), "B4: the return pointer");

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
    Ok(())
}
