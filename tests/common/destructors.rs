//! What an unwinder would have a frame run: destructors, by the table that compilers write
//! for the language's own part of unwinding.

/// A place in a table, which is read on from there.
struct Reader(*const u8);

/// What is not there.
const OMITTED: u8 = 0xff;

impl Reader {
    /// # Safety
    ///
    /// There is a byte.
    unsafe fn byte(&mut self) -> u8 {
        // SAFETY: our own condition.
        let byte = unsafe { self.0.read() };
        self.0 = self.0.wrapping_add(1);
        byte
    }

    /// A number in seven bits a byte.
    ///
    /// # Safety
    ///
    /// There is one.
    unsafe fn unsigned(&mut self) -> u64 {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            // SAFETY: our own condition.
            let byte = unsafe { self.byte() };
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        value
    }

    /// The same, of a number that may be negative: a small one.
    ///
    /// # Safety
    ///
    /// There is one.
    unsafe fn signed(&mut self) -> i8 {
        // SAFETY: our own condition.
        let byte = unsafe { self.byte() };
        assert!(byte < 0x80, "a small number");
        (byte << 1) as i8 >> 1
    }

    /// A number in this encoding.
    ///
    /// # Safety
    ///
    /// There is one.
    unsafe fn encoded(&mut self, encoding: u8) -> u64 {
        match encoding & 0xf {
            // SAFETY: our own condition.
            1 => unsafe { self.unsigned() },
            3 | 0xb => {
                // SAFETY: as above.
                let bytes = [(); 4].map(|()| unsafe { self.byte() });
                u32::from_ne_bytes(bytes).into()
            }
            _ => panic!("encoding {encoding:#x}"),
        }
    }
}

/// Whether a function with this table would run destructors if the call at this offset
/// unwound. To stop the unwinding, or to abort, is none.
///
/// # Safety
///
/// It is a function's table, of Rust or C.
pub(crate) unsafe fn has_destructors(table: *const u8, offset: u64) -> bool {
    let mut table = Reader(table);
    // SAFETY: our own condition: it has this header.
    let (encoding, actions) = unsafe {
        assert_eq!(table.byte(), OMITTED, "pads begin at the function");
        if table.byte() != OMITTED {
            table.unsigned(); // where types are
        }
        let encoding = table.byte();
        let length = table.unsigned();
        (encoding, table.0.wrapping_add(length as usize))
    };
    while table.0 < actions {
        // SAFETY: each call has these.
        let ([start, length, pad], action) =
            unsafe { ([(); 3].map(|()| table.encoded(encoding)), table.unsigned()) };
        if (start..start + length).contains(&offset) {
            // SAFETY: an action that the table has.
            return pad != 0 && unsafe { is_cleanup(actions, action) };
        }
    }
    false // it aborts
}

/// Whether this action, or one that follows it, runs destructors.
///
/// # Safety
///
/// It is a table's action, counted from one.
unsafe fn is_cleanup(actions: *const u8, action: u64) -> bool {
    if action == 0 {
        return true;
    }
    let mut reader = Reader(actions.wrapping_add(action as usize - 1));
    loop {
        // SAFETY: our own condition.
        let filter = unsafe { reader.signed() };
        if filter == 0 {
            return true;
        }
        let here = reader.0;
        // SAFETY: as above.
        let next = unsafe { reader.signed() };
        if next == 0 {
            return false;
        }
        reader = Reader(here.wrapping_offset(next.into()));
    }
}
