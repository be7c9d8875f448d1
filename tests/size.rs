//! What the pool of function pointers costs, read from this program's own file.

#![cfg(all(vmtrampoline_port, target_os = "linux"))]

mod common;

use std::ops::Range;

use common::elf::{Elf, Part};
use vmtrampoline::{Pool, Trampoline};

/// What the unwinder finds these addresses by: where each entry (FDE) begins, and
/// how many bytes of code it is for. Linux Standard Base, Core Specification,
/// "Exception Frames".
fn unwinding_entries(elf: &Elf, code: Range<u64>) -> Vec<(u64, u64)> {
    let (index, frames) = (elf.section(".eh_frame_hdr"), elf.section(".eh_frame"));
    // A sorted table of pairs of 32 bits, relative to the index itelf.
    assert_eq!(elf.bytes(index.offset + 2), [0x03, 0x3b]);
    let relative = |at| index.address.wrapping_add_signed((elf.word(at) as i32).into());
    let entries = (index.offset + 12..).step_by(8).take(elf.word(index.offset + 8) as usize);
    entries
        .map(|entry| (relative(entry), relative(entry + 4)))
        .filter(|(begin, _)| code.contains(begin))
        .map(|(begin, entry)| {
            let at = frames.offset + (entry - frames.address) as usize;
            (begin, elf.word(at + 12).into()) // length, parent, begin, range
        })
        .collect()
}

#[test]
fn thunks_are_small_and_have_one_unwinding_entry() {
    // So that the linker keeps them.
    Trampoline::new(&"()".parse().unwrap()).unwrap().pointer().unwrap();
    let elf = Elf::own();
    let (thunks, table) = (elf.symbol("pointer_thunks"), elf.symbol("pointer_table"));
    let each = |part: Part| part.size as usize / Pool::CAPACITY;
    println!(
        "{} thunks: {} bytes of code and {} of data each",
        Pool::CAPACITY,
        each(thunks),
        each(table)
    );
    assert!(each(thunks) <= 32);
    assert!(each(table) <= 16);
    for part in [thunks, table] {
        assert_eq!(part.size as usize, each(part) * Pool::CAPACITY);
    }

    let entries = unwinding_entries(&elf, thunks.addresses());
    println!("unwinding entries: {}", entries.len());
    assert_eq!(entries, [(thunks.address, thunks.size)]);
    // A function of the same object, to see that the search finds others.
    let body = elf.symbol("variable");
    assert_eq!(unwinding_entries(&elf, body.addresses()), [(body.address, body.size)]);
}
