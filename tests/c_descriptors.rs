//! Calls of C, carried out on paper for all conventions, and what would be wrong with them.

mod common;

use common::paper_call::{Places, Read, bytes_that_count, carried, covered, judge};
use vmtrampoline::{
    Abi, Layout, Location, Piece, Signature,
    private::{Shape, describe},
};

const SIGNATURES: &[&str] = &[
    "()",
    "(bool, i8, u8, i16, u16, i32, u32, i64, f32, f64, char, wchar_t, long) -> u8",
    "(i64, i64, i64, i64, i64, i64, i64, i64, i8, u8, i16, i32, u16, f32) -> i16",
    "({f64, f64}, {i64, i64}, {i32, f64}, {f32, f32, f32, f32}) -> {f64, i64}",
    "({[i32; 6]}, {[f64; 8]}, packed {u8, f32}, align(16) {i64}) -> {[i64; 3]}",
    "(longdouble, clongdouble, i128, c32, c64, v128, {v128}) -> longdouble",
    "(ptr, ...i32, f64, longdouble, {f32, f32}, {[i8; 17]}) -> i32",
    "(union {i64, f32}, {{}, [union {u8, i16}; 3]}, {f32}, {f64}) -> {f32, f32}",
    "() -> clongdouble",
    "(i8) -> v128",
    "(f32, i32) -> {f32, f32, f32}",
    "(u8, {[i32; 6]}, packed {u8, f32}) -> f32",
];

fn conventions() -> impl Iterator<Item = &'static Abi> {
    Abi::ALL.iter().filter(|abi| abi.name().ends_with("-c"))
}

fn each(mut of: impl FnMut(&Signature, &'static Abi)) {
    for text in SIGNATURES {
        let signature: Signature = text.parse().unwrap();
        conventions().for_each(|abi| of(&signature, abi));
    }
}

#[test]
fn every_byte_arrives() {
    each(|signature, abi| judge(signature, abi).unwrap_or_else(|error| panic!("{error}")));
}

/// The judge of layouts is heard to say no, to each thing wrong with each value.
#[test]
fn wrong_places_are_refused() {
    let mut refused = 0;
    each(|signature, abi| {
        let right = Places::of(&Layout::new(signature, abi).unwrap());
        assert_eq!(covered(signature, abi, &right), Ok(()));
        let mut check = |what: &str, wrong: Places| {
            let judged = covered(signature, abi, &wrong);
            assert!(judged.is_err(), "{signature}, {abi}: {what}: {wrong:?}");
            refused += 1;
        };
        for i in 0..right.params.len() {
            for piece in 0..right.params[i].0.len() {
                let mut moved = right.clone();
                moved.params[i].0[piece].offset += 1;
                check("a piece is moved", moved);
                let mut lost = right.clone();
                let twice = lost.params[i].0.len() == 2
                    && [Abi::X86_64_WINDOWS_C, Abi::X86_64_MSVC_C].contains(abi);
                let Piece { offset, size, .. } = lost.params[i].0.remove(piece);
                let counts = bytes_that_count(&signature.params().get(i).unwrap(), abi);
                let bytes = counts.iter().skip(offset as usize).take(size as usize);
                if !twice && bytes.into_iter().any(|counts| *counts) {
                    check("a piece is lost", lost);
                }
                let mut elsewhere = right.clone();
                elsewhere.params[i].0[piece].location = Location::Stack(elsewhere.argument_area);
                check("a piece is beyond the area", elsewhere);
                let mut returned = right.clone();
                returned.params[i].0[piece].location = Location::ReturnArea(0);
                check("an argument is in the return area", returned);
            }
            let mut direct = right.clone();
            direct.params[i].1 = !direct.params[i].1;
            // Eight bytes of what is otherwise padding have a place either way.
            let few = bytes_that_count(&signature.params().get(i).unwrap(), abi);
            let few = few.iter().skip(8).all(|counts| !counts);
            if direct.params[i].0.is_empty() || few && right.params[i].1 {
                continue;
            }
            check("by reference or not", direct);
        }
        if let [(pieces, _)] = &right.results[..] {
            for piece in 0..pieces.len() {
                let mut less = right.clone();
                less.results[0].0[piece].size -= 1;
                check("a result's byte is lost", less);
                let mut other = right.clone();
                other.results[0].0[piece].location = Location::Register("none");
                check("a result is in no register", other);
            }
        }
        let mut places = right.params.iter().filter(|(_, by_reference)| !by_reference);
        if let (Some(a), Some(b)) = (places.next(), places.next()) {
            let (from, to) = (a.0[0].location, b.0[0].location);
            let mut same = right.clone();
            for (pieces, _) in &mut same.params {
                pieces.iter_mut().filter(|p| p.location == to).for_each(|p| p.location = from);
            }
            check("two values in one place", same);
        }
    });
    assert!(refused > 500, "{refused}");
}

/// The judge of descriptors is: to another entry, step or size, wherever one counts.
#[test]
fn wrong_descriptors_are_refused() {
    let mut refused = [0; 3];
    each(|signature, abi| {
        let layout = Layout::new(signature, abi).unwrap();
        let (stride, shape) = (16, Shape::Bare);
        let read = describe(abi, signature, stride, shape, Read::of).unwrap();
        assert_eq!(carried(&read, &layout, abi, stride), Ok(()), "{signature}, {abi}");
        let mut check = |kind: usize, what: &str, wrong: Read| {
            let judged = carried(&wrong, &layout, abi, stride);
            assert!(judged.is_err(), "{signature}, {abi}: {what}: {wrong:?}");
            refused[kind] += 1;
        };
        // A register that carries something is loaded from elsewhere.
        let counts = |location: Location, names: &[&str]| match location {
            Location::Register(name) => names.iter().rev().position(|one| *one == name),
            _ => None,
        };
        let registers = common::naive::registers(abi);
        for (names, at) in [(registers.integer, 0x00), (registers.float, 0x10)] {
            let pieces = layout.params().iter().flat_map(|placement| placement.pieces());
            for i in pieces.filter_map(|piece| counts(piece.location, &names)) {
                let mut wrong = read.clone();
                wrong.bytes[at + 2 * i] ^= 4;
                check(0, "a register is loaded from elsewhere", wrong);
            }
        }
        for (field, what) in [
            (0x3a, "the kind of the result"),
            (0x3f, "the registers of the result"),
            (0x3e, "the function that is called"),
            (0x32, "the hidden register"),
        ] {
            let mut wrong = read.clone();
            wrong.bytes[field] ^= 7;
            check(1, what, wrong);
        }
        let Some(plan) = &read.plan else { return };
        let [entries @ .., count] = &plan[..] else { panic!("a plan without its last entry") };
        let steps = entries.len() - 3 * usize::from(*count);
        for (at, &value) in entries.iter().enumerate() {
            // More alignment than need be is not wrong, nor is a value of no size.
            let op = if at < steps { plan[at - at % 4] } else { 0 };
            let change = match ((at < steps).then_some(at % 4), op & 0xff) {
                (Some(0), _) => value ^ 0x80,
                (Some(1), 5) => continue, // the result comes from nowhere
                (Some(3), _) => value - 1,
                _ => value + 8,
            };
            let mut wrong = read.clone();
            wrong.plan.as_mut().unwrap()[at] = change;
            check(2, "an entry of the plan", wrong);
        }
    });
    assert!(refused.iter().all(|&refused| refused > 100), "{refused:?}");
}
