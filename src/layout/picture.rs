//! A picture of the stack at the call, which `{:#}` adds to the text of a layout.

use alloc::{format, string::String, vec::Vec};
use core::{cmp::Reverse, fmt};

use super::{Layout, Location, Piece, Placement};
use crate::types::Types;

/// Draws the frames, high addresses first.
pub(super) fn draw(layout: &Layout, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let edge = |f: &mut fmt::Formatter<'_>, label| writeln!(f, "  {label:>10}  +{:-<24}+", "");
    let row = |f: &mut fmt::Formatter<'_>, label: String, what: &str| {
        writeln!(f, "  {label:>10}  | {what:<22} |")
    };
    writeln!(f, "the stack at the call\n")?;
    row(f, String::new(), "caller's frame")?;
    edge(f, "")?;
    let results: Vec<_> = values(layout.results(), layout.signature().results(), 'r').collect();
    for (piece, name) in results.iter().rev() {
        if let Location::ReturnArea(offset) = piece.location {
            row(f, String::new(), &format!("{name}, area + {offset}"))?;
            if offset == 0 {
                edge(f, "")?;
            }
        }
    }
    let params = values(layout.params(), layout.signature().params(), 'p');
    let pointer = layout.return_pointer().map(|location| (location, "return pointer".into()));
    let mut words: Vec<_> = params
        .map(|(piece, name)| (piece.location, name))
        .chain(pointer)
        .filter_map(|(location, name)| match location {
            Location::Stack(offset) => Some((offset, name)),
            _ => None,
        })
        .collect();
    words.sort_by_key(|(offset, _)| Reverse(*offset));
    for (offset, name) in words {
        row(f, format!("sp + {offset}"), &name)?;
    }
    edge(f, "sp")
}

/// The pieces of some values, and the name of each.
fn values<'a>(
    placements: &'a [Placement],
    types: Types<'a>,
    letter: char,
) -> impl Iterator<Item = (Piece, String)> + 'a {
    placements.iter().zip(types).enumerate().flat_map(move |(i, (placement, ty))| {
        placement.pieces().iter().map(move |piece| {
            let name = if placement.by_reference() {
                format!("address of p{i} {ty}")
            } else if placement.pieces().len() > 1 {
                let end = piece.offset + piece.size;
                format!("{letter}{i} {ty} {}..{end}", piece.offset)
            } else {
                format!("{letter}{i} {ty}")
            };
            (*piece, name)
        })
    })
}
