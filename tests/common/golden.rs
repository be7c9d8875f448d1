//! Layouts by hand.

use super::scalars;
use vmtrampoline::{Abi, Layout, Location};

pub(crate) fn layout(text: &str, abi: &'static Abi) -> Layout {
    Layout::new(&text.parse().expect(text), abi).expect(text)
}

/// `sp+8` is on the stack, `area+8` in the return area, all else a register.
fn location(text: &str) -> Location {
    match text.split_once('+') {
        Some(("sp", offset)) => Location::Stack(offset.parse().expect(text)),
        Some(("area", offset)) => Location::ReturnArea(offset.parse().expect(text)),
        _ => Location::Register(Box::leak(text.to_owned().into_boxed_str())),
    }
}

fn locations(text: &str) -> Vec<Location> {
    text.split_whitespace().map(location).collect()
}

/// Asserts the layout of a signature, with locations as [`location`] reads them.
#[track_caller]
pub(crate) fn golden(
    text: &str,
    abi: &'static Abi,
    params: &str,
    return_pointer: &str,
    results: &str,
) {
    let layout = layout(text, abi);
    assert_eq!(scalars::locations(layout.params()), locations(params), "{layout}");
    let pointer = (!return_pointer.is_empty()).then(|| location(return_pointer));
    assert_eq!(layout.return_pointer(), pointer, "{layout}");
    assert_eq!(scalars::locations(layout.results()), locations(results), "{layout}");
}
