//! What the pool of function pointers costs, read from this program's own file.

#![cfg(all(vmtrampoline_port, target_os = "linux"))]

use std::{env, fs, ops::Range};

use vmtrampoline::{Pool, Trampoline};

/// An ELF file of this machine: 64 bits, its own byte order.
struct Elf(Vec<u8>);

/// A section or symbol: address, size, and offset in the file.
#[derive(Clone, Copy)]
struct Part {
    address: u64,
    size: u64,
    offset: usize,
}

impl Part {
    fn addresses(self) -> Range<u64> {
        self.address..self.address + self.size
    }
}

impl Elf {
    fn bytes<const N: usize>(&self, at: usize) -> [u8; N] {
        self.0[at..at + N].try_into().unwrap()
    }

    fn half(&self, at: usize) -> usize {
        u16::from_ne_bytes(self.bytes(at)).into()
    }

    fn word(&self, at: usize) -> u32 {
        u32::from_ne_bytes(self.bytes(at))
    }

    fn long(&self, at: usize) -> u64 {
        u64::from_ne_bytes(self.bytes(at))
    }

    fn text(&self, at: usize) -> &str {
        let bytes = self.0[at..].split(|&byte| byte == 0).next().unwrap();
        std::str::from_utf8(bytes).unwrap()
    }

    /// Offset of the section header of this index.
    fn header(&self, index: usize) -> usize {
        self.long(0x28) as usize + index * self.half(0x3a)
    }

    fn section(&self, name: &str) -> Part {
        let names = self.long(self.header(self.half(0x3e)) + 0x18) as usize;
        let header = (0..self.half(0x3c)).map(|index| self.header(index));
        let mut named =
            header.filter(|&header| self.text(names + self.word(header) as usize) == name);
        let header = named.next().expect(name);
        Part {
            address: self.long(header + 0x10),
            size: self.long(header + 0x20),
            offset: self.long(header + 0x18) as usize,
        }
    }

    /// The symbol of the assembly with this name.
    fn symbol(&self, name: &str) -> Part {
        let name =
            format!("vmtrampoline_{}_{name}", env!("CARGO_PKG_VERSION").replace(['.', '-'], "_"));
        let (symbols, names) = (self.section(".symtab"), self.section(".strtab").offset);
        let symbol = (symbols.offset..).step_by(24).take(symbols.size as usize / 24);
        let mut named =
            symbol.filter(|&symbol| self.text(names + self.word(symbol) as usize) == name);
        let symbol = named.next().expect(&name);
        Part { address: self.long(symbol + 8), size: self.long(symbol + 16), offset: symbol }
    }

    /// What the unwinder finds these addresses by: where each entry (FDE) begins, and
    /// how many bytes of code it is for. Linux Standard Base, Core Specification,
    /// "Exception Frames".
    fn unwinding_entries(&self, code: Range<u64>) -> Vec<(u64, u64)> {
        let (index, frames) = (self.section(".eh_frame_hdr"), self.section(".eh_frame"));
        // A sorted table of pairs of 32 bits, relative to the index itself.
        assert_eq!(self.bytes(index.offset + 2), [0x03, 0x3b]);
        let relative = |at| index.address.wrapping_add_signed((self.word(at) as i32).into());
        let entries = (index.offset + 12..).step_by(8).take(self.word(index.offset + 8) as usize);
        entries
            .map(|entry| (relative(entry), relative(entry + 4)))
            .filter(|(begin, _)| code.contains(begin))
            .map(|(begin, entry)| {
                let at = frames.offset + (entry - frames.address) as usize;
                (begin, self.word(at + 12).into()) // length, parent, begin, range
            })
            .collect()
    }
}

#[test]
fn thunks_are_small_and_have_one_unwinding_entry() {
    // So that the linker keeps them.
    Trampoline::new(&"()".parse().unwrap()).unwrap().pointer().unwrap();
    let elf = Elf(fs::read(env::current_exe().unwrap()).unwrap());
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

    let entries = elf.unwinding_entries(thunks.addresses());
    println!("unwinding entries: {}", entries.len());
    assert_eq!(entries, [(thunks.address, thunks.size)]);
    // A function of the same object, to see that the search finds others.
    let body = elf.symbol("variable");
    assert_eq!(elf.unwinding_entries(body.addresses()), [(body.address, body.size)]);
}
