//! The layouts of a signature under every convention, as JSON, for the page that draws
//! them. The page calls the three functions of [`seam`].

pub mod seam;

use serde::Serialize;
use vmtrampoline::{Abi, Error, Layout, Location, Placement, Signature, Types};

/// What the page draws.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Page {
    /// The text is no signature.
    Refused {
        message: String,
        /// Where, in UTF-16 code units, as JavaScript counts.
        position: Option<usize>,
    },
    Layouts {
        /// The signature as it prints.
        signature: String,
        variadic: bool,
        conventions: Vec<Convention>,
    },
}

/// A signature under one convention.
#[derive(Serialize)]
pub struct Convention {
    pub name: &'static str,
    pub layout: Result<Drawing, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Drawing {
    pub contexts: Vec<Place>,
    pub params: Vec<Drawn>,
    pub results: Vec<Drawn>,
    pub return_pointer: Option<Place>,
    pub vector_registers: Option<u8>,
    pub argument_area: u32,
    pub return_area: u32,
}

/// A value and its pieces.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Drawn {
    #[serde(rename = "type")]
    pub ty: String,
    pub size: usize,
    pub by_reference: bool,
    /// As the crate prints it.
    pub text: String,
    pub pieces: Vec<Piece>,
}

#[derive(Serialize)]
pub struct Piece {
    pub offset: u32,
    pub size: u32,
    pub place: Place,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Place {
    Register(&'static str),
    Stack(u32),
    ReturnArea(u32),
}

impl From<Location> for Place {
    fn from(location: Location) -> Place {
        match location {
            Location::Register(name) => Place::Register(name),
            Location::Stack(offset) => Place::Stack(offset),
            Location::ReturnArea(offset) => Place::ReturnArea(offset),
            _ => unreachable!("the page draws all locations there are"),
        }
    }
}

/// The page for this text of a signature.
pub fn page(text: &str) -> Page {
    match text.parse::<Signature>() {
        Err(error) => Page::Refused {
            message: error.to_string(),
            position: position(&error).map(|byte| utf16_len(&text[..byte])),
        },
        Ok(signature) => Page::Layouts {
            signature: signature.to_string(),
            variadic: signature.named().is_some(),
            conventions: Abi::ALL
                .iter()
                .map(|abi| Convention {
                    name: abi.name(),
                    layout: Layout::new(&signature, abi)
                        .map(|layout| drawing(&layout))
                        .map_err(|error| error.to_string()),
                })
                .collect(),
        },
    }
}

fn position(error: &Error) -> Option<usize> {
    match error {
        Error::Syntax { position, .. } | Error::UnknownType { position, .. } => Some(*position),
        Error::TooDeep { position } => *position,
        _ => None,
    }
}

fn utf16_len(text: &str) -> usize {
    text.encode_utf16().count()
}

fn drawing(layout: &Layout) -> Drawing {
    let signature = layout.signature();
    Drawing {
        contexts: layout.contexts().iter().map(|&location| location.into()).collect(),
        params: drawn(layout.params(), &signature.params(), layout.abi()),
        results: drawn(layout.results(), &signature.results(), layout.abi()),
        return_pointer: layout.return_pointer().map(Place::from),
        vector_registers: layout.vector_registers(),
        argument_area: layout.argument_area(),
        return_area: layout.return_area(),
    }
}

fn drawn(placements: &[Placement], types: &Types<'_>, abi: &Abi) -> Vec<Drawn> {
    let value = |(placement, ty): (&Placement, vmtrampoline::Type<'_>)| Drawn {
        size: ty.size(abi),
        ty: ty.to_string(),
        by_reference: placement.by_reference(),
        text: placement.to_string(),
        pieces: placement
            .pieces()
            .iter()
            .map(|piece| Piece {
                offset: piece.offset,
                size: piece.size,
                place: piece.location.into(),
            })
            .collect(),
    };
    placements.iter().zip(types.iter()).map(value).collect()
}
