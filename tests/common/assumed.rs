//! What the symbolic proofs assume of every descriptor, by the names that
//! `tests/symbolic/enter.py` gives it.

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

    ensure!(words % group == 0 && words <= 2 * LIMIT + constant("VECTOR_WORDS") + group, "A3");
    // On s390x the stack is aligned to 8.
    let alignment = if machine.big_endian { 8 } else { 16 };
    ensure!(area % alignment == 0 && area <= 16 * LIMIT, "A4");

    let end = first + unit * words;
    ensure!(register == 0 || register.is_power_of_two() && spills > 0, "A5: a register");
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

/// The same of a copy in which a byte, counted from a field on, is another.
pub(crate) fn broken(
    descriptor: &Descriptor,
    abi: &Abi,
    (field, distance, value): (&str, usize, u8),
) -> Result<(), String> {
    let mut bytes = Bytes::of(descriptor).0.to_vec();
    bytes[constant(field) + distance] = value;
    of_descriptors(&Bytes(&bytes), &Machine::of(abi))
}
