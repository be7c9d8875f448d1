//! Signatures, and their text.

use alloc::{boxed::Box, vec::Vec};
use core::{fmt, str::FromStr};

use crate::{Error, ValType};

/// The parameter and result types of a function.
///
/// Its text is `(type, …) -> (type, …)`. A single result needs no
/// parentheses, no results need no arrow, and `ptr` stands for `i64`.
/// [`Display`](fmt::Display) prints the shortest text, which parses back to an
/// equal signature.
///
/// ```
/// use vmtrampoline::{Signature, ValType};
///
/// let pow: Signature = "(f64, f64) -> f64".parse()?;
/// assert_eq!(pow, Signature::new([ValType::F64, ValType::F64], [ValType::F64])?);
/// assert_eq!(pow.to_string(), "(f64, f64) -> f64");
///
/// let error = "(f64, f16)".parse::<Signature>().unwrap_err();
/// assert!(error.to_string().starts_with(r#"signature, at byte 6: "f16" is not a value type"#));
/// # Ok::<(), vmtrampoline::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Signature {
    /// Parameters, then results.
    types: Box<[ValType]>,
    params: usize,
}

impl Signature {
    /// The most parameters a signature can have, which is WebAssembly's limit.
    pub const MAX_PARAMS: usize = 1000;
    /// The most results a signature can have, which is WebAssembly's limit.
    pub const MAX_RESULTS: usize = 1000;

    /// A signature of these parameters and results.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyParams`] and [`Error::TooManyResults`].
    pub fn new(
        params: impl IntoIterator<Item = ValType>,
        results: impl IntoIterator<Item = ValType>,
    ) -> Result<Signature, Error> {
        // One more than the limit is enough to know, of an endless iterator too.
        let mut types: Vec<ValType> = params.into_iter().take(Self::MAX_PARAMS + 1).collect();
        let params = types.len();
        if params > Self::MAX_PARAMS {
            return Err(Error::TooManyParams);
        }
        types.extend(results.into_iter().take(Self::MAX_RESULTS + 1));
        if types.len() - params > Self::MAX_RESULTS {
            return Err(Error::TooManyResults);
        }
        Ok(Signature { types: types.into_boxed_slice(), params })
    }

    /// The parameter types.
    pub fn params(&self) -> &[ValType] {
        &self.types[..self.params]
    }

    /// The result types.
    pub fn results(&self) -> &[ValType] {
        &self.types[self.params..]
    }

    /// How many value slots a call needs: max(parameters, results).
    pub fn slots(&self) -> usize {
        self.params.max(self.types.len() - self.params)
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        list(f, self.params())?;
        match self.results() {
            [] => Ok(()),
            [one] => write!(f, " -> {one}"),
            many => {
                f.write_str(" -> ")?;
                list(f, many)
            }
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, types: &[ValType]) -> fmt::Result {
    f.write_str("(")?;
    for (i, ty) in types.iter().enumerate() {
        write!(f, "{}{ty}", if i == 0 { "" } else { ", " })?;
    }
    f.write_str(")")
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({self})")
    }
}

impl FromStr for Signature {
    type Err = Error;

    fn from_str(text: &str) -> Result<Signature, Error> {
        let mut parser = Parser { text, position: 0 };
        let params = parser.list(Signature::MAX_PARAMS, Error::TooManyParams)?;
        let results = match parser.next() {
            None => Vec::new(),
            Some('-') => {
                parser.expect("->", "\"->\" or the end")?;
                match parser.next() {
                    Some('(') => parser.list(Signature::MAX_RESULTS, Error::TooManyResults)?,
                    _ => Vec::from([parser.ty("\"(\" or a type")?]),
                }
            }
            Some(_) => return Err(parser.syntax("\"->\" or the end")),
        };
        if parser.next().is_some() {
            return Err(parser.syntax("the end"));
        }
        Signature::new(params, results)
    }
}

/// A place in the text of a signature.
struct Parser<'a> {
    text: &'a str,
    position: usize,
}

impl Parser<'_> {
    /// The next character that is not white space; it is not consumed.
    fn next(&mut self) -> Option<char> {
        let rest = &self.text[self.position..];
        self.position += rest.len() - rest.trim_start().len();
        self.text[self.position..].chars().next()
    }

    fn syntax(&mut self, expected: &'static str) -> Error {
        let found = self.next();
        Error::Syntax { position: self.position, expected, found }
    }

    fn expect(&mut self, token: &str, expected: &'static str) -> Result<(), Error> {
        self.next();
        if !self.text[self.position..].starts_with(token) {
            return Err(self.syntax(expected));
        }
        self.position += token.len();
        Ok(())
    }

    fn ty(&mut self, expected: &'static str) -> Result<ValType, Error> {
        self.next();
        let rest = &self.text[self.position..];
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if end == 0 {
            return Err(self.syntax(expected));
        }
        let name = &rest[..end];
        let ty = ValType::from_name(name)
            .ok_or_else(|| Error::UnknownType { position: self.position, name: name.into() })?;
        self.position += end;
        Ok(ty)
    }

    fn list(&mut self, limit: usize, too_many: Error) -> Result<Vec<ValType>, Error> {
        self.expect("(", "\"(\"")?;
        let mut types = Vec::new();
        if self.next() == Some(')') {
            self.position += 1;
            return Ok(types);
        }
        loop {
            types.push(self.ty(if types.is_empty() { "a type or \")\"" } else { "a type" })?);
            if types.len() > limit {
                return Err(too_many);
            }
            match self.next() {
                Some(',') => self.position += 1,
                Some(')') => {
                    self.position += 1;
                    return Ok(types);
                }
                _ => return Err(self.syntax("\",\" or \")\"")),
            }
        }
    }
}
