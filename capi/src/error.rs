//! What went wrong last in a thread.

use std::{
    cell::Cell,
    ffi::{c_char, c_int},
    fmt::{self, Display, Write},
};

use trampoline::Error;

use crate::NONE;

/// What went wrong.
pub(crate) enum Failure {
    /// What the crate says.
    Crate(Error),
    /// What only C can do wrong.
    Here(Code, String),
    /// An object is missing, which another failure explains.
    Missing,
}

/// Bytes of an error's text, with the last 0.
const LEN: usize = 512;

// Without destructors, as the last ones of a thread may fail, too.
thread_local! {
    static CODE: Cell<Code> = const { Cell::new(Code::None) };
    static POSITION: Cell<usize> = const { Cell::new(NONE) };
    static TEXT: Cell<[u8; LEN]> = const { Cell::new([0; LEN]) };
}

/// `enum vmt_code`.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Code {
    None = 0,
    Null = 1,
    Argument = 2,
    Syntax = 3,
    UnknownType = 4,
    TooManyParams = 5,
    TooManyResults = 6,
    ResultsNotInAbi = 7,
    TypeNotInAbi = 8,
    VariadicNotInAbi = 9,
    VariadicCallback = 10,
    AlignmentNotInAbi = 11,
    Unpromoted = 12,
    TooLarge = 13,
    TooDeep = 14,
    ArrayByValue = 15,
    NotAStructure = 16,
    BadLength = 17,
    BadAlignment = 18,
    TypeNotInSlot = 19,
    UnsupportedTarget = 20,
    PoolExhausted = 21,
    CallbacksExhausted = 22,
    TooFewSlots = 23,
    LandingInUse = 24,
    Other = 99,
}

impl Failure {
    /// What only C can do wrong.
    pub(crate) fn new(code: Code, text: impl Display) -> Failure {
        Failure::Here(code, text.to_string())
    }

    /// Null where there has to be this.
    pub(crate) fn null(what: &str) -> Failure {
        Failure::new(Code::Null, format_args!("{what} is NULL"))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Crate(error)
    }
}

/// The code of an error, and where in a text it is.
fn code(error: &Error) -> (Code, usize) {
    match *error {
        Error::Syntax { position, .. } => (Code::Syntax, position),
        Error::UnknownType { position, .. } => (Code::UnknownType, position),
        Error::TooManyParams => (Code::TooManyParams, NONE),
        Error::TooManyResults => (Code::TooManyResults, NONE),
        Error::ResultsNotInAbi { .. } => (Code::ResultsNotInAbi, NONE),
        Error::TypeNotInAbi { .. } => (Code::TypeNotInAbi, NONE),
        Error::VariadicNotInAbi { .. } => (Code::VariadicNotInAbi, NONE),
        Error::VariadicCallback => (Code::VariadicCallback, NONE),
        Error::AlignmentNotInAbi { .. } => (Code::AlignmentNotInAbi, NONE),
        Error::Unpromoted { .. } => (Code::Unpromoted, NONE),
        Error::TooLarge { .. } => (Code::TooLarge, NONE),
        Error::TooDeep { position } => (Code::TooDeep, position.unwrap_or(NONE)),
        Error::ArrayByValue => (Code::ArrayByValue, NONE),
        Error::NotAStructure => (Code::NotAStructure, NONE),
        Error::BadLength { .. } => (Code::BadLength, NONE),
        Error::BadAlignment { .. } => (Code::BadAlignment, NONE),
        Error::TypeNotInSlot { .. } => (Code::TypeNotInSlot, NONE),
        Error::UnsupportedTarget => (Code::UnsupportedTarget, NONE),
        Error::PoolExhausted { .. } => (Code::PoolExhausted, NONE),
        Error::CallbacksExhausted { .. } => (Code::CallbacksExhausted, NONE),
        Error::TooFewSlots { .. } => (Code::TooFewSlots, NONE),
        Error::LandingInUse => (Code::LandingInUse, NONE),
        _ => (Code::Other, NONE),
    }
}

/// What a function that fails returns.
#[cold]
pub(crate) fn fail<T>(error: impl Into<Failure>, returned: T) -> T {
    let (code, position, text) = match error.into() {
        Failure::Crate(error) => {
            let (code, position) = code(&error);
            (code, position, Text::of(error))
        }
        Failure::Here(code, text) => (code, NONE, Text::of(text)),
        Failure::Missing => {
            missing();
            return returned;
        }
    };
    CODE.set(code);
    POSITION.set(position);
    TEXT.set(text.bytes);
    returned
}

/// An object is missing: because a function has failed before, or none has.
#[cold]
pub(crate) fn missing() {
    if CODE.get() == Code::None {
        fail(Failure::null("an object"), ());
    }
}

/// A C string: what does not fit is cut off.
struct Text {
    bytes: [u8; LEN],
    len: usize,
}

impl Text {
    fn of(value: impl Display) -> Text {
        let mut text = Text { bytes: [0; LEN], len: 0 };
        // It fails when it is full.
        let _ = write!(text, "{value}");
        text
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = LEN - 1 - self.len;
        let mut fits = text.len().min(room);
        while !text.is_char_boundary(fits) {
            fits -= 1;
        }
        self.bytes[self.len..][..fits].copy_from_slice(&text.as_bytes()[..fits]);
        self.len += fits;
        if fits == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

#[unsafe(no_mangle)]
extern "C" fn vmt_error() -> *const c_char {
    TEXT.with(|text| text.as_ptr().cast())
}

#[unsafe(no_mangle)]
extern "C" fn vmt_error_code() -> c_int {
    CODE.get() as c_int
}

#[unsafe(no_mangle)]
extern "C" fn vmt_error_position() -> usize {
    POSITION.get()
}
