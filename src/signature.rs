//! Signatures.

use alloc::{boxed::Box, vec, vec::Vec};
use core::{fmt, str::FromStr};

use crate::{
    error::{Error, MAX_PARAMS, MAX_RESULTS},
    text,
    types::{Head, Type, Types, head},
    valtype::ValType,
};

/// The parameter and result types of a function.
///
/// Its text is `(type, …) -> (type, …)`. A single result needs no parentheses, and without
/// results there is no arrow. A C function has at most one result. [`ValType`](crate::ValType)
/// has a table of the scalar types, [`Type`] one of the structures.
///
/// In the text of a variadic function, `...` stands before the first parameter of the
/// variable part. Such a signature is that of one call: `printf` has one for each list of
/// argument types.
///
/// [`Display`](fmt::Display) prints the shortest text. It parses back to an equal signature.
///
/// ```
/// use vmtrampoline::{Signature, Type, ValType};
///
/// let pow: Signature = "(f64, f64) -> f64".parse()?;
/// assert_eq!(pow, Signature::new([ValType::F64, ValType::F64], [ValType::F64])?);
/// assert_eq!(pow.to_string(), "(f64, f64) -> f64");
///
/// let div: Signature = "(int, int) -> {int, int}".parse()?;
/// assert_eq!(div.to_string(), "(i32, i32) -> {i32, i32}");
///
/// let printf: Signature = "(ptr, ...i32, f64) -> i32".parse()?;
/// assert_eq!(printf.named(), Some(1));
///
/// let error = "(f64, f16)".parse::<Signature>().unwrap_err();
/// assert!(error.to_string().starts_with(r#"signature, at byte 6: "f16" is not a type"#));
/// # Ok::<(), vmtrampoline::Error>(())
/// ```
///
/// Parsing or printing a signature, or making anything of it, takes at most 6 KiB of stack,
/// and 12 KiB without optimisation. The number of types does not matter. Types that are
/// nested as deep as they may be take twice as much.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Signature {
    /// The words of the parameters' types, then those of the results'.
    words: Box<[u16]>,
    params_len: usize,
    counts: Counts,
}

/// How many parameters and results a signature has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Counts {
    pub(crate) params: usize,
    pub(crate) results: usize,
    /// How many parameters precede the variable part, if there is one.
    pub(crate) named: Option<usize>,
}

/// A borrowed signature, from which layouts and descriptors are made.
#[derive(Clone, Copy)]
pub(crate) struct SignatureRef<'a> {
    pub(crate) params: &'a [u16],
    pub(crate) results: &'a [u16],
    pub(crate) counts: Counts,
}

/// The words of up to 32 scalars, or a few more, known when the program is compiled.
pub(crate) struct Scalars {
    words: [u16; 40],
    len: usize,
}

impl Scalars {
    pub(crate) const NONE: Scalars = Scalars { words: [0; 40], len: 0 };

    /// These, and then those.
    pub(crate) const fn and(mut self, types: &[ValType]) -> Scalars {
        let mut i = 0;
        while i < types.len() {
            self.words[self.len] = types[i] as u16;
            self.len += 1;
            i += 1;
        }
        self
    }

    /// The signature that has the first so many as parameters and the others as results.
    pub(crate) const fn lend(&self, params: usize) -> SignatureRef<'_> {
        let counts = Counts { params, results: self.len - params, named: None };
        let (params, results) = self.words.split_at(self.len).0.split_at(params);
        SignatureRef { params, results, counts }
    }
}

impl Signature {
    /// The most parameters a signature can have. WebAssembly allows 1000, Python's `ctypes`
    /// 1024.
    pub const MAX_PARAMS: usize = MAX_PARAMS;
    /// The most results a signature can have. It is WebAssembly's limit.
    pub const MAX_RESULTS: usize = MAX_RESULTS;

    /// A signature of these parameters and results.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyParams`], [`Error::TooManyResults`], and [`Error::ArrayByValue`] for an
    /// array: C passes its address.
    pub fn new<'p, 'r, P: Into<Type<'p>>, R: Into<Type<'r>>>(
        params: impl IntoIterator<Item = P>,
        results: impl IntoIterator<Item = R>,
    ) -> Result<Signature, Error> {
        let mut words = Vec::new();
        let params = Self::extend(&mut words, params, Self::MAX_PARAMS, Error::TooManyParams)?;
        let params_len = words.len();
        let results = Self::extend(&mut words, results, Self::MAX_RESULTS, Error::TooManyResults)?;
        let counts = Counts { params, results, named: None };
        Ok(Signature { words: words.into(), params_len, counts })
    }

    /// The signature of one call of a variadic function: the parameters before the variable
    /// part, those in it, and the results.
    ///
    /// ```
    /// # use vmtrampoline::{Signature, ValType};
    /// let call = Signature::variadic([ValType::Ptr], [ValType::F64], [ValType::I32])?;
    /// assert_eq!(call.to_string(), "(ptr, ...f64) -> i32");
    /// # Ok::<(), vmtrampoline::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn variadic<'n, 'v, 'r, N: Into<Type<'n>>, V: Into<Type<'v>>, R: Into<Type<'r>>>(
        named: impl IntoIterator<Item = N>,
        variable: impl IntoIterator<Item = V>,
        results: impl IntoIterator<Item = R>,
    ) -> Result<Signature, Error> {
        let mut words = Vec::new();
        let named = Self::extend(&mut words, named, Self::MAX_PARAMS, Error::TooManyParams)?;
        let limit = Self::MAX_PARAMS - named;
        let variable = Self::extend(&mut words, variable, limit, Error::TooManyParams)?;
        let params_len = words.len();
        let results = Self::extend(&mut words, results, Self::MAX_RESULTS, Error::TooManyResults)?;
        let counts = Counts { params: named + variable, results, named: Some(named) };
        Ok(Signature { words: words.into(), params_len, counts })
    }

    fn extend<'t, T: Into<Type<'t>>>(
        words: &mut Vec<u16>,
        types: impl IntoIterator<Item = T>,
        limit: usize,
        too_many: Error,
    ) -> Result<usize, Error> {
        let mut count = 0;
        for ty in types {
            if count == limit {
                return Err(too_many);
            }
            let ty = ty.into();
            if let Head::Array { .. } = head(ty.words(), 0) {
                return Err(Error::ArrayByValue);
            }
            words.extend_from_slice(ty.words());
            count += 1;
        }
        Ok(count)
    }

    pub(crate) fn from_ref(
        SignatureRef { params, results, counts }: SignatureRef<'_>,
    ) -> Signature {
        let words = [params, results].concat().into();
        Signature { words, params_len: params.len(), counts }
    }

    #[inline]
    pub(crate) fn lend(&self) -> SignatureRef<'_> {
        let (params, results) = self.words.split_at(self.params_len);
        SignatureRef { params, results, counts: self.counts }
    }

    /// The parameter types.
    pub fn params(&self) -> Types<'_> {
        Types::new(self.lend().params, self.counts.params)
    }

    /// The result types.
    pub fn results(&self) -> Types<'_> {
        Types::new(self.lend().results, self.counts.results)
    }

    /// How many parameters precede the variable part; `None` if the function is not
    /// variadic.
    pub fn named(&self) -> Option<usize> {
        self.counts.named
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        let mut separator = "";
        for (i, ty) in self.params().iter().enumerate() {
            let dots = if self.named() == Some(i) { "..." } else { "" };
            write!(f, "{separator}{dots}{ty}")?;
            separator = ", ";
        }
        if self.named() == Some(self.counts.params) {
            write!(f, "{separator}...")?;
        }
        f.write_str(")")?;
        let mut results = self.results().iter();
        match (self.counts.results, results.next()) {
            (1, Some(one)) => write!(f, " -> {one}"),
            (_, Some(first)) => {
                write!(f, " -> ({first}")?;
                results.try_for_each(|ty| write!(f, ", {ty}"))?;
                f.write_str(")")
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({self})")
    }
}

impl FromStr for Signature {
    type Err = Error;

    fn from_str(text: &str) -> Result<Signature, Error> {
        // No type has more words than its text has bytes.
        let mut words = vec![0; text.len()];
        let parsed = text::signature(text, &mut words).map_err(|fault| fault.error(text))?;
        words.truncate(parsed.len);
        let text::Parsed { params_len, params, results, named, .. } = parsed;
        let counts = Counts { params, results, named };
        Ok(Signature { words: words.into(), params_len, counts })
    }
}

impl FromStr for Type<'static> {
    type Err = Error;

    fn from_str(text: &str) -> Result<Type<'static>, Error> {
        let mut words = vec![0; text.len()];
        let len = text::ty(text, &mut words).map_err(|fault| fault.error(text))?;
        Ok(Type::lent(&words[..len]).into_owned())
    }
}
