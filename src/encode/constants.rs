//! The names of `asm/descriptor.h` and their values.

/// `asm/descriptor.h`, as the assembler reads it.
const HEADER_FILE: &[u8] = include_bytes!("../../asm/descriptor.h");

/// The value of a `#define` in `asm/descriptor.h`; a compile error if there is none.
pub(crate) const fn constant(name: &str) -> usize {
    let (text, define, name) = (HEADER_FILE, b"#define ", name.as_bytes());
    let mut line = 0;
    while line < text.len() {
        if starts_with(text, line, define) && starts_with(text, line + define.len(), name) {
            let mut at = line + define.len() + name.len();
            if text[at] == b' ' {
                at += 1;
                let hex = starts_with(text, at, b"0x");
                let base = if hex { 16 } else { 10 };
                at += if hex { 2 } else { 0 };
                let mut value = 0;
                while text[at] != b'\n' {
                    value = value * base
                        + (text[at] as char).to_digit(base as u32).expect("a digit") as usize;
                    at += 1;
                }
                return value;
            }
        }
        while text[line] != b'\n' {
            line += 1;
        }
        line += 1;
    }
    panic!("asm/descriptor.h does not define this name");
}

const fn starts_with(text: &[u8], at: usize, start: &[u8]) -> bool {
    let mut i = 0;
    while i < start.len() {
        if at + i >= text.len() || text[at + i] != start[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// Asserts that the struct has exactly these fields, and that `asm/descriptor.h` has the
/// offset of each. Offsets count from `base` bytes before the struct.
macro_rules! assert_layout {
    ($ty:ident { $($field:ident @ $name:literal,)* }) => {
        assert_layout!($ty, 0, { $($field @ $name,)* });
    };
    ($ty:ident, $base:expr, { $($field:ident @ $name:literal,)* }) => {
        $(const _: () = assert!(
            $base + core::mem::offset_of!($ty, $field) == $crate::encode::constants::constant($name),
            concat!($name, " in asm/descriptor.h is not the offset of ", stringify!($field)),
        );)*
        // A field that is not listed does not compile.
        const _: fn($ty) = |$ty { $($field: _,)* }| {};
    };
}

pub(crate) use assert_layout;
