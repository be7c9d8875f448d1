//! The text of signatures.

mod common;

use common::{scalars, strategies::signature, text_judge};
use proptest::prelude::*;
use vmtrampoline::{Error, Signature, ValType};

fn error(text: &str) -> Error {
    text.parse::<Signature>().expect_err(text)
}

#[test]
fn forms() {
    for (text, printed) in [
        ("()", "()"),
        ("() -> ()", "()"),
        (" ( i32,f64 )->( i64 , f32 ) ", "(i32, f64) -> (i64, f32)"),
        ("(f64, f64) -> f64", "(f64, f64) -> f64"),
        ("(f64, f64) -> (f64)", "(f64, f64) -> f64"),
        ("(ptr) -> ptr", "(ptr) -> ptr"),
        ("(i32,)", "(i32)"),
        ("(funcref, externref, v128)", "(funcref, externref, v128)"),
    ] {
        assert_eq!(text.parse::<Signature>().expect(text).to_string(), printed);
    }
}

#[test]
fn errors_say_what_and_where() {
    let syntax = |position, expected, found| Error::Syntax { position, expected, found };
    assert_eq!(error(""), syntax(0, "\"(\"", None));
    assert_eq!(error("i32"), syntax(0, "\"(\"", Some('i')));
    assert_eq!(error("(i32"), syntax(4, "\",\" or \")\"", None));
    assert_eq!(error("(i32,,)"), syntax(5, "a type", Some(',')));
    assert_eq!(error("(,)"), syntax(1, "a type or \")\"", Some(',')));
    assert_eq!(error("() i32"), syntax(3, "\"->\" or the end", Some('i')));
    assert_eq!(error("() -"), syntax(3, "\"->\" or the end", Some('-')));
    assert_eq!(error("() ->"), syntax(5, "\"(\" or a type", None));
    assert_eq!(error("() -> i32 i32"), syntax(10, "the end", Some('i')));
    let unknown = |position, name: &str| Error::UnknownType { position, name: name.into() };
    assert_eq!(error("(i32, i65) -> i32"), unknown(6, "i65"));
    assert_eq!(error("() -> \u{e9}t\u{e9}"), unknown(6, "\u{e9}t\u{e9}"));
}

#[test]
fn limits() {
    let list = |n| format!("({})", vec!["i32"; n].join(", "));
    let largest = format!("{} -> {}", list(1024), list(1000)).parse::<Signature>().unwrap();
    assert_eq!((scalars::params(&largest).len(), scalars::results(&largest).len()), (1024, 1000));
    assert_eq!(largest.to_string().parse::<Signature>().unwrap(), largest);
    assert_eq!(error(&list(1025)), Error::TooManyParams);
    assert_eq!(error(&format!("() -> {}", list(1001))), Error::TooManyResults);
    let endless = || std::iter::repeat(ValType::I32);
    assert_eq!(Signature::new(endless(), ValType::NONE), Err(Error::TooManyParams));
    assert_eq!(Signature::new(ValType::NONE, endless()), Err(Error::TooManyResults));
}

proptest! {
    #[test]
    fn display_parses_back(signature in signature(30, 30)) {
        prop_assert_eq!(signature.to_string().parse::<Signature>(), Ok(signature));
    }

    /// Nothing panics, and a position is a place in the text.
    #[test]
    fn any_text_is_a_signature_or_an_error(text in "\\PC*|[(),> i3264fptrv8x-]{0,40}") {
        text_judge::judge(&text).map_err(TestCaseError::fail)?;
    }

    /// A signature with one character changed is refused or still means what it
    /// prints.
    #[test]
    fn one_wrong_character(signature in signature(6, 3), at in any::<prop::sample::Index>(), c in any::<char>()) {
        let mut text: Vec<char> = signature.to_string().chars().collect();
        let at = at.index(text.len());
        text[at] = c;
        let text: String = text.into_iter().collect();
        text_judge::judge(&text).map_err(TestCaseError::fail)?;
    }
}
