//! This program's own file.

use std::{env, fs, ops::Range};

/// An ELF file of this machine: 64 bits, its own byte order.
pub(crate) struct Elf(Vec<u8>);

/// A section or symbol: address, size, and offset in the file.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    pub(crate) address: u64,
    pub(crate) size: u64,
    pub(crate) offset: usize,
}

impl Part {
    pub(crate) fn addresses(self) -> Range<u64> {
        self.address..self.address + self.size
    }
}

/// What names of the assembly's symbols begin with.
fn prefix() -> String {
    format!("vmtrampoline_{}_", env!("CARGO_PKG_VERSION").replace(['.', '-'], "_"))
}

impl Elf {
    pub(crate) fn own() -> Elf {
        Elf(fs::read(env::current_exe().unwrap()).unwrap())
    }

    pub(crate) fn bytes<const N: usize>(&self, at: usize) -> [u8; N] {
        self.0[at..at + N].try_into().unwrap()
    }

    fn half(&self, at: usize) -> usize {
        u16::from_ne_bytes(self.bytes(at)).into()
    }

    pub(crate) fn word(&self, at: usize) -> u32 {
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

    pub(crate) fn section(&self, name: &str) -> Part {
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

    /// All symbols, by name.
    fn symbols(&self) -> impl Iterator<Item = (&str, Part)> {
        let (symbols, names) = (self.section(".symtab"), self.section(".strtab").offset);
        (symbols.offset..).step_by(24).take(symbols.size as usize / 24).map(move |symbol| {
            let name = self.text(names + self.word(symbol) as usize);
            let (address, size) = (self.long(symbol + 8), self.long(symbol + 16));
            (name, Part { address, size, offset: symbol })
        })
    }

    /// The symbol of the assembly with this name.
    pub(crate) fn symbol(&self, name: &str) -> Part {
        let name = prefix() + name;
        self.symbols().find(|(one, _)| *one == name).expect(&name).1
    }

    /// The functions of the assembly.
    pub(crate) fn functions(&self) -> impl Iterator<Item = (String, Part)> {
        const FUNCTION: u8 = 2;
        let prefix = prefix();
        self.symbols()
            .filter(|(_, part)| self.bytes::<1>(part.offset + 4)[0] & 15 == FUNCTION)
            .filter_map(move |(name, part)| Some((name.strip_prefix(&prefix)?.to_owned(), part)))
    }
}
