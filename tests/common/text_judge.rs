//! Judges any text, as one of a signature.

use vmtrampoline::{Error, Signature, Type};

/// Any text is a signature that prints what parses back to it, or an error that says
/// where in the text it is.
pub(crate) fn judge(text: &str) -> Result<(), String> {
    let signature = match text.parse::<Signature>() {
        Ok(signature) => signature,
        Err(error) => return error_is(&error, text),
    };
    let printed = signature.to_string();
    ensure!(printed.parse() == Ok(signature.clone()), "{text:?} prints {printed:?}");
    let (params, results) = (signature.params(), signature.results());
    let made = match signature.named() {
        None => Signature::new(params, results),
        Some(named) => {
            Signature::variadic(params.iter().take(named), params.iter().skip(named), results)
        }
    };
    ensure!(made == Ok(signature), "{text:?} makes {made:?}");
    Ok(())
}

fn error_is(error: &Error, text: &str) -> Result<(), String> {
    let here = match error {
        Error::Syntax { position, found, .. } => {
            text.get(*position..).is_some_and(|rest| rest.chars().next() == *found)
        }
        Error::UnknownType { position, name } => {
            !name.is_empty() && text.get(*position..).is_some_and(|rest| rest.starts_with(name))
        }
        // So many types have a comma between each two.
        Error::TooManyParams => text.matches(',').count() >= Signature::MAX_PARAMS,
        Error::TooDeep { position: Some(position) } => {
            text[..*position].matches(['{', '[']).count() >= Type::MAX_DEPTH
        }
        Error::TooLarge { value: None } => text.len() > 65_535,
        Error::TooManyResults => text.matches(',').count() >= Signature::MAX_RESULTS,
        _ => false,
    };
    ensure!(here && !error.to_string().is_empty(), "{text:?}: {error:?}");
    Ok(())
}
