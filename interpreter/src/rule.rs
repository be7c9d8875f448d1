//! What an import's name says about its pointers.
//!
//! A WebAssembly address is a number that counts from the start of the linear
//! memory; C wants the address in the process. Types do not tell an address from
//! any other number, so the name of the import does:
//!
//! ```text
//! symbol                   every argument is passed as it is
//! symbol(item, …)          one item for each parameter:
//!
//!   _                      passed as it is
//!   [N]                    the address of N bytes
//!   [$K]                   of as many bytes as parameter K says, counted from 0
//!   [*$K]                  of as many as the `unsigned long` at parameter K says
//!   [N $K …]               of the product of these
//!   [N]?                   the same, but 0 is the null pointer
//!   str                    the address of a string with a zero byte at its end
//!   fn(ptr, _, …)          a C function pointer that calls the funcref which the
//!                          parameter is; its own parameters that are `ptr` are
//!                          made addresses in the memory again
//!   fn(…)!                 the same, and C holds nothing while it calls: an error leaves
//!                          it at once
//! ```
//!
//! So the `compress2` of zlib, which reads and writes the length of its output
//! through its second parameter, is `compress2([*$1], [8], [$3], _, _)`.
//!
//! All bytes have to be in the memory, or the call is a trap and is not made. What C
//! is given is good until the call returns: it must not keep addresses or function
//! pointers. Until then the memory does not grow.
//!
//! An error in a function that C calls ends the call of C. If the name has a `!`, C is left at
//! once: memory that it has allocated and locks that it has taken would never be given back.
//! Without, C gets zeros from then on, and the error waits until C has returned.

use std::fmt;

/// A parsed name.
#[derive(Debug, PartialEq)]
pub struct Name {
    pub symbol: String,
    /// Without parentheses there are none, and every argument is passed as it is.
    pub items: Option<Vec<Item>>,
}

/// How one argument is passed.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    Value,
    Bytes {
        size: Vec<Factor>,
        nullable: bool,
    },
    Str,
    Function {
        /// Which parameters of the function are addresses.
        addresses: Vec<bool>,
        /// Whether an error in it leaves C.
        leaves: bool,
    },
}

/// Sizes are products of these.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Factor {
    Number(u64),
    Param(usize),
    /// The eight bytes at the address that is this parameter.
    At(usize),
}

/// Where a name is wrong, and what would have been right.
#[derive(Debug, PartialEq)]
pub struct Error {
    pub position: usize,
    pub expected: &'static str,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {} of the name: expected {}", self.position, self.expected)
    }
}

impl std::error::Error for Error {}

impl Item {
    /// Whether the argument is an address in the memory.
    pub fn is_address(&self) -> bool {
        matches!(self, Item::Bytes { .. } | Item::Str)
    }
}

pub fn parse(text: &str) -> Result<Name, Error> {
    let Some(open) = text.find('(') else {
        return Ok(Name { symbol: text.to_owned(), items: None });
    };
    let mut parser = Parser { text, position: open + 1 };
    let items = parser.list(Parser::item)?;
    parser.skip_spaces();
    if parser.position != text.len() {
        return Err(parser.error("the end"));
    }
    Ok(Name { symbol: text[..open].trim_end().to_owned(), items: Some(items) })
}

struct Parser<'a> {
    text: &'a str,
    position: usize,
}

impl Parser<'_> {
    fn skip_spaces(&mut self) {
        let rest = &self.text[self.position..];
        self.position += rest.len() - rest.trim_start().len();
    }

    fn error(&self, expected: &'static str) -> Error {
        Error { position: self.position, expected }
    }

    fn eat(&mut self, token: &str) -> bool {
        self.skip_spaces();
        let found = self.text[self.position..].starts_with(token);
        self.position += if found { token.len() } else { 0 };
        found
    }

    fn expect(&mut self, token: &str, expected: &'static str) -> Result<(), Error> {
        if self.eat(token) { Ok(()) } else { Err(self.error(expected)) }
    }

    fn number<T: std::str::FromStr>(&mut self) -> Option<T> {
        let rest = &self.text[self.position..];
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number = rest[..end].parse().ok()?;
        self.position += end;
        Some(number)
    }

    /// What follows an opening parenthesis.
    fn list<T>(&mut self, one: fn(&mut Self) -> Result<T, Error>) -> Result<Vec<T>, Error> {
        let mut list = Vec::new();
        if self.eat(")") {
            return Ok(list);
        }
        loop {
            list.push(one(self)?);
            if self.eat(")") {
                return Ok(list);
            }
            self.expect(",", "\",\" or \")\"")?;
        }
    }

    fn item(&mut self) -> Result<Item, Error> {
        if self.eat("_") {
            return Ok(Item::Value);
        }
        if self.eat("str") {
            return Ok(Item::Str);
        }
        if self.eat("fn(") {
            let addresses = self.list(Parser::is_pointer)?;
            return Ok(Item::Function { addresses, leaves: self.eat("!") });
        }
        self.expect("[", "\"_\", \"[\", \"str\" or \"fn(\"")?;
        let mut size = vec![self.factor()?];
        while !self.eat("]") {
            size.push(self.factor()?);
        }
        Ok(Item::Bytes { size, nullable: self.eat("?") })
    }

    fn is_pointer(&mut self) -> Result<bool, Error> {
        let pointer = self.eat("ptr");
        if !pointer {
            self.expect("_", "\"_\" or \"ptr\"")?;
        }
        Ok(pointer)
    }

    fn factor(&mut self) -> Result<Factor, Error> {
        const EXPECTED: &str = "a number, \"$\" and a number, or \"*$\" and a number";
        let factor = if self.eat("*$") {
            self.number().map(Factor::At)
        } else if self.eat("$") {
            self.number().map(Factor::Param)
        } else {
            self.number().map(Factor::Number)
        };
        factor.ok_or_else(|| self.error(EXPECTED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let bytes = |size: &[Factor]| Item::Bytes { size: size.to_vec(), nullable: false };
        let parsed = |text| parse(text).map(|name| (name.symbol, name.items));
        assert_eq!(parsed("pow"), Ok(("pow".into(), None)));
        assert_eq!(parsed("rand()"), Ok(("rand".into(), Some(vec![]))));
        let items = vec![bytes(&[Factor::At(1)]), bytes(&[Factor::Number(8)]), Item::Value];
        assert_eq!(parsed("f([*$1], [8],_)"), Ok(("f".into(), Some(items))));
        let items = vec![
            bytes(&[Factor::Param(1), Factor::Param(2), Factor::Number(3)]),
            Item::Bytes { size: vec![Factor::Number(4)], nullable: true },
            Item::Str,
        ];
        assert_eq!(parsed("f ( [$1 $2 3] , [4]?, str )"), Ok(("f".into(), Some(items))));
        let items = vec![
            Item::Function { addresses: vec![true, false], leaves: false },
            Item::Function { addresses: vec![], leaves: true },
        ];
        assert_eq!(parsed("f(fn(ptr, _), fn() !)"), Ok(("f".into(), Some(items))));
    }

    #[test]
    fn wrong_names() {
        for (text, position) in [
            ("f(", 2),
            ("f(_", 3),
            ("f(_,)", 4),
            ("f(_ _)", 4),
            ("f([])", 3),
            ("f([$])", 4),
            ("f([x])", 3),
            ("f([99999999999999999999])", 3),
            ("f(_) g", 5),
            ("f(fn(_)", 7),
            ("f(!fn(_))", 2),
            ("f(fn(_)!!)", 8),
            ("f(fn([8]))", 5),
            ("f(\u{e4})", 2),
        ] {
            assert_eq!(parse(text).expect_err(text).position, position, "{text}");
        }
    }
}
