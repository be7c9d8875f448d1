//! The text of signatures and types, parsed at run time and at compile time.
//!
//! ```text
//! signature = "(" [ params ] ")" [ "->" ( type | "(" [ types ] ")" ) ]
//! params    = types  |  [ types "," ] "..." [ types ]
//! types     = type { "," type }
//! type      = name  |  [ "align" "(" number ")" ] [ "packed" ] [ "union" ] "{" [ fields ] "}"
//! fields    = field { "," field }
//! field     = type  |  "[" field ";" number "]"
//! ```
//!
//! A comma may follow the last item of a list.

use alloc::string::String;

use crate::{
    error::{Error, MAX_PARAMS, MAX_RESULTS, attempt},
    types::{ARRAY_WORD, Type, fields_word},
    valtype::ValType,
};

/// Why a text is not a signature; [`Error`] without its `String`, so that `const` code
/// can drop it.
#[derive(Clone, Copy)]
pub(crate) enum Fault {
    /// Where, and what the parser expected there.
    Syntax(usize, &'static str),
    /// Where a name that is no type begins and ends.
    Unknown(usize, usize),
    TooDeep(usize),
    TooLong,
    TooManyParams,
    TooManyResults,
}

impl Fault {
    pub(crate) fn error(self, text: &str) -> Error {
        match self {
            Fault::Syntax(position, expected) => {
                let found = text[position..].chars().next();
                Error::Syntax { position, expected, found }
            }
            Fault::Unknown(position, end) => {
                Error::UnknownType { position, name: String::from(&text[position..end]) }
            }
            Fault::TooDeep(position) => Error::TooDeep { position: Some(position) },
            Fault::TooLong => Error::TooLarge { value: None },
            Fault::TooManyParams => Error::TooManyParams,
            Fault::TooManyResults => Error::TooManyResults,
        }
    }

    /// For messages of the compiler.
    pub(crate) const fn message(self) -> &'static str {
        match self {
            Fault::Syntax(_, expected) => expected,
            Fault::Unknown(..) => "the name of a value type, such as i32, f64, ptr, long",
            Fault::TooDeep(_) => "structures nested less deep",
            Fault::TooLong => "a shorter signature",
            Fault::TooManyParams => "at most 1024 parameters",
            Fault::TooManyResults => "at most 1000 results",
        }
    }
}

/// What the parser found in the text of a signature, but for the types.
#[derive(Clone, Copy)]
pub(crate) struct Parsed {
    /// Words of all types, parameters before results.
    pub(crate) len: usize,
    /// Words of the parameters.
    pub(crate) params_len: usize,
    pub(crate) params: usize,
    pub(crate) results: usize,
    /// The number of parameters before `...`.
    pub(crate) named: Option<usize>,
}

/// Parses a signature, and writes its types as far as there is room. There is enough room
/// with as many words as the text has bytes, or as an earlier call has returned.
pub(crate) const fn signature(text: &str, words: &mut [u16]) -> Result<Parsed, Fault> {
    let mut parser = Parser { text: text.as_bytes(), position: 0, words, len: 0 };
    parser.signature()
}

/// Parses a type, and returns how many words it has.
pub(crate) const fn ty(text: &str, words: &mut [u16]) -> Result<usize, Fault> {
    let mut parser = Parser { text: text.as_bytes(), position: 0, words, len: 0 };
    if let Err(fault) = parser.ty(true, "a type") {
        return Err(fault);
    }
    match parser.next() {
        None => Ok(parser.len),
        Some(_) => Err(Fault::Syntax(parser.position, "the end")),
    }
}

/// A place in a text.
struct Parser<'a> {
    text: &'a [u8],
    position: usize,
    words: &'a mut [u16],
    len: usize,
}

/// A structure, union or array whose end has not been read.
#[derive(Clone, Copy)]
struct Open {
    array: bool,
    /// The index of the word that will be the number of its words or elements.
    number: usize,
}

impl Parser<'_> {
    /// The next byte that is not white space, without consuming it.
    const fn next(&mut self) -> Option<u8> {
        while self.position < self.text.len() {
            let byte = self.text[self.position];
            if !byte.is_ascii_whitespace() {
                return Some(byte);
            }
            self.position += 1;
        }
        None
    }

    /// Consumes the token if it is next.
    const fn take(&mut self, token: &str) -> bool {
        self.next();
        let token = token.as_bytes();
        let mut i = 0;
        while i < token.len() {
            if self.position + i >= self.text.len() || self.text[self.position + i] != token[i] {
                return false;
            }
            i += 1;
        }
        self.position += token.len();
        true
    }

    const fn expect(&mut self, token: &str, expected: &'static str) -> Result<(), Fault> {
        if self.take(token) { Ok(()) } else { Err(Fault::Syntax(self.position, expected)) }
    }

    /// The end of the name that is next; its beginning, if there is none.
    const fn name_end(&mut self) -> usize {
        self.next();
        let mut end = self.position;
        while end < self.text.len() {
            let byte = self.text[end];
            // A letter of another alphabet is part of a name that does not exist.
            if !(byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80) {
                break;
            }
            end += 1;
        }
        end
    }

    /// Consumes this name if it is next.
    const fn take_name(&mut self, name: &str) -> bool {
        let end = self.name_end();
        end - self.position == name.len() && self.take(name)
    }

    const fn number(&mut self, expected: &'static str) -> Result<u64, Fault> {
        let (start, end) = (self.position, self.name_end());
        let mut value = 0u64;
        if end == self.position {
            return Err(Fault::Syntax(self.position, expected));
        }
        while self.position < end {
            let byte = self.text[self.position];
            if !byte.is_ascii_digit() {
                self.position = start;
                self.next();
                return Err(Fault::Syntax(self.position, expected));
            }
            value = value.saturating_mul(10).saturating_add((byte - b'0') as u64);
            self.position += 1;
        }
        Ok(value)
    }

    const fn write(&mut self, word: u16) {
        if self.len < self.words.len() {
            self.words[self.len] = word;
        }
        self.len += 1;
    }

    const fn signature(&mut self) -> Result<Parsed, Fault> {
        attempt!(self.expect("(", "\"(\""));
        let (params, named) = attempt!(self.params(")", MAX_PARAMS, Fault::TooManyParams, true));
        let params_len = self.len;
        let mut results = 0;
        match self.next() {
            None => {}
            Some(b'-') => {
                attempt!(self.expect("->", "\"->\" or the end"));
                if self.take("(") {
                    let limit = MAX_RESULTS;
                    (results, _) = attempt!(self.params(")", limit, Fault::TooManyResults, false));
                } else {
                    attempt!(self.ty(false, "\"(\" or a type"));
                    results = 1;
                }
            }
            Some(_) => return Err(Fault::Syntax(self.position, "\"->\" or the end")),
        }
        if self.next().is_some() {
            return Err(Fault::Syntax(self.position, "the end"));
        }
        Ok(Parsed { len: self.len, params_len, params, results, named })
    }

    /// Types up to the closing bracket, and how many precede `...`.
    const fn params(
        &mut self,
        close: &str,
        limit: usize,
        too_many: Fault,
        dots: bool,
    ) -> Result<(usize, Option<usize>), Fault> {
        let (mut count, mut named) = (0, None);
        if self.take(close) {
            return Ok((count, named));
        }
        loop {
            if dots && named.is_none() && self.take("...") {
                named = Some(count);
                if self.take(close) {
                    return Ok((count, named));
                }
            }
            attempt!(self.ty(false, if count == 0 { "a type or \")\"" } else { "a type" }));
            count += 1;
            if count > limit {
                return Err(too_many);
            }
            if self.take(close) {
                return Ok((count, named));
            }
            attempt!(self.expect(",", "\",\" or \")\""));
            if self.take(close) {
                return Ok((count, named));
            }
        }
    }

    /// A type, with all types in it. Only a `field` may be an array. There is no recursion,
    /// as stacks may be small.
    const fn ty(&mut self, field: bool, expected: &'static str) -> Result<(), Fault> {
        match attempt!(self.begin(0, field, expected)) {
            None => Ok(()),
            Some(outermost) => self.within(outermost),
        }
    }

    /// The contents of this structure, union or array, up to its end.
    const fn within(&mut self, outermost: Open) -> Result<(), Fault> {
        let mut open = [outermost; Type::MAX_DEPTH];
        let mut depth = 1;
        let mut complete = false;
        while depth > 0 {
            let innermost = open[depth - 1];
            if attempt!(self.end(innermost, complete)) {
                depth -= 1;
                complete = true;
                continue;
            }
            let expected = match (innermost.array, complete) {
                (true, _) => "a type",
                (false, false) => "a field or \"}\"",
                (false, true) => "a field",
            };
            complete = true;
            if let Some(inner) = attempt!(self.begin(depth, true, expected)) {
                open[depth] = inner;
                depth += 1;
                complete = false;
            }
        }
        Ok(())
    }

    /// A scalar, or the beginning of another type, within `depth` others.
    const fn begin(
        &mut self,
        depth: usize,
        field: bool,
        expected: &'static str,
    ) -> Result<Option<Open>, Fault> {
        if field && self.take("[") {
            return self.open(depth, true, ARRAY_WORD);
        }

        self.next();
        let (mut align, start) = (1, self.position);
        if self.take_name("align") {
            attempt!(self.expect("(", "\"(\" and the alignment"));
            self.next();
            let position = self.position;
            let given = attempt!(self.number("the alignment, a power of two"));
            if !given.is_power_of_two() || given > Type::MAX_ALIGN as u64 {
                return Err(Fault::Syntax(position, "a power of two up to 4096"));
            }
            attempt!(self.expect(")", "\")\""));
            align = given as u32;
        }
        let packed = self.take_name("packed");
        let union = self.take_name("union");
        if self.take("{") {
            return self.open(depth, false, fields_word(union, packed, align));
        }
        if self.position > start {
            return Err(Fault::Syntax(self.position, "\"{\" and the fields"));
        }

        let end = self.name_end();
        if end == self.position {
            return Err(Fault::Syntax(self.position, expected));
        }
        let name = self.text.split_at(end).0.split_at(self.position).1;
        match ValType::from_bytes(name) {
            Some(ty) => self.write(ty as u16),
            None => return Err(Fault::Unknown(self.position, end)),
        }
        self.position = end;
        Ok(None)
    }

    /// Writes the first words of a structure, union or array: this tag, and room for a
    /// number.
    const fn open(&mut self, depth: usize, array: bool, tag: u16) -> Result<Option<Open>, Fault> {
        if depth == Type::MAX_DEPTH {
            return Err(Fault::TooDeep(self.position));
        }
        self.write(tag);
        let number = self.len;
        self.write(0);
        Ok(Some(Open { array, number }))
    }

    /// What stands between the types in this one, or after the last: `complete` says whether
    /// a type precedes. Returns whether this one ends here.
    const fn end(&mut self, this: Open, complete: bool) -> Result<bool, Fault> {
        let number = if !this.array {
            if !self.take("}") {
                if !complete {
                    return Ok(false);
                }
                attempt!(self.expect(",", "\",\" or \"}\""));
                if !self.take("}") {
                    return Ok(false);
                }
            }
            let len = self.len - this.number - 1;
            if len > u16::MAX as usize {
                return Err(Fault::TooLong);
            }
            len as u16
        } else if complete {
            attempt!(self.expect(
                ";",
                "\";\" and the number of elements (a flexible array is no part of the value)"
            ));
            self.next();
            let position = self.position;
            let count = attempt!(self.number("the number of elements"));
            if count == 0 || count > u16::MAX as u64 {
                return Err(Fault::Syntax(position, "1 to 65535 elements"));
            }
            attempt!(self.expect("]", "\"]\""));
            count as u16
        } else {
            return Ok(false);
        };
        if this.number < self.words.len() {
            self.words[this.number] = number;
        }
        Ok(true)
    }
}
