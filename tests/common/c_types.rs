//! The texts of C's types and signatures, for proptest: they shrink to fewer members,
//! to scalars, to no modifiers, and read as a person would write them.

use std::fmt;

use proptest::{collection::vec, option, prelude::*, sample::select};

/// Every name that prints as itself, the simplest first.
pub(crate) const SCALARS: [&str; 25] = [
    "i32",
    "i64",
    "f64",
    "f32",
    "ptr",
    "u8",
    "i8",
    "u16",
    "i16",
    "u32",
    "u64",
    "bool",
    "c32",
    "c64",
    "v128",
    "i128",
    "u128",
    "longdouble",
    "clongdouble",
    "char",
    "long",
    "ulong",
    "size_t",
    "ssize_t",
    "wchar_t",
];

/// C promotes these where `...` covers them.
pub(crate) const PROMOTED: [&str; 8] = ["bool", "i8", "u8", "i16", "u16", "char", "wchar_t", "f32"];

/// A type, as a tree.
#[derive(Clone, Debug)]
pub(crate) enum Tree {
    Scalar(&'static str),
    Array(Box<Tree>, usize),
    Record { align: Option<u32>, packed: bool, union: bool, members: Vec<Tree> },
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Tree::Scalar(name) => f.write_str(name),
            Tree::Array(element, count) => write!(f, "[{element}; {count}]"),
            Tree::Record { align, packed, union, members } => {
                if let Some(align) = align {
                    write!(f, "align({align}) ")?;
                }
                f.write_str(if *packed { "packed " } else { "" })?;
                f.write_str(if *union { "union " } else { "" })?;
                let members: Vec<_> = members.iter().map(Tree::to_string).collect();
                write!(f, "{{{}}}", members.join(", "))
            }
        }
    }
}

fn scalar() -> impl Strategy<Value = Tree> {
    // Half of them of the few that most rules are about.
    prop_oneof![select(&SCALARS[..5]), select(&SCALARS[..])].prop_map(Tree::Scalar)
}

fn record(members: impl Strategy<Value = Vec<Tree>>) -> impl Strategy<Value = Tree> {
    let align = prop_oneof![
        8 => Just(None),
        2 => select(vec![Some(16), Some(8)]),
        1 => select(vec![Some(1), Some(2), Some(4), Some(32), Some(64)]),
    ];
    let [packed, union] = [8, 6].map(|one_in| prop::bool::weighted(1.0 / f64::from(one_in)));
    (align, packed, union, members).prop_map(|(align, packed, union, members)| Tree::Record {
        align,
        packed,
        union,
        members,
    })
}

/// Members all of one type but for one: what the rules about homogeneous aggregates
/// and eightbytes tell apart.
fn alike() -> impl Strategy<Value = Vec<Tree>> {
    let element = select(vec!["f32", "f64", "u8", "c32", "longdouble", "v128", "f32", "f64"]);
    let other = option::weighted(0.2, (any::<prop::sample::Index>(), scalar()));
    (element, 1..=5usize, other).prop_map(|(element, count, other)| {
        let mut members = vec![Tree::Scalar(element); count];
        if let Some((at, other)) = other {
            let at = at.index(count);
            members[at] = other;
        }
        members
    })
}

/// Members of a union whose eightbytes merge to different classes.
fn merging() -> impl Strategy<Value = Vec<Tree>> {
    let scalar = || select(vec!["i64", "f64", "longdouble", "i128", "v128"]).prop_map(Tree::Scalar);
    let inner = vec(scalar(), 1..=3).prop_map(union);
    vec(prop_oneof![2 => scalar(), 1 => inner], 1..=3)
}

fn union(members: Vec<Tree>) -> Tree {
    Tree::Record { align: None, packed: false, union: true, members }
}

/// An array of packed structures, whose later elements have unaligned members.
fn unaligned() -> impl Strategy<Value = Vec<Tree>> {
    let scalars = vec(select(vec!["u8", "u16", "i32", "f32"]).prop_map(Tree::Scalar), 1..=3);
    (scalars, 1..=3usize).prop_map(|(members, count)| {
        let element = Tree::Record { align: None, packed: true, union: false, members };
        vec![Tree::Array(Box::new(element), count)]
    })
}

/// An array of bytes, of any size about that of two words.
fn bytes() -> impl Strategy<Value = Vec<Tree>> {
    (1..=17usize).prop_map(|n| vec![Tree::Array(Box::new(Tree::Scalar("u8")), n)])
}

/// Types nested three deep.
pub(crate) fn tree() -> impl Strategy<Value = Tree> {
    scalar().prop_recursive(3, 16, 4, |inner| {
        let member = prop_oneof![
            6 => inner.clone(),
            1 => (inner, 1..=4usize).prop_map(|(element, n)| Tree::Array(Box::new(element), n)),
        ];
        prop_oneof![
            5 => record(vec(member, 0..=4)),
            2 => record(alike()),
            1 => record(bytes()),
            1 => record(unaligned()),
            1 => merging().prop_map(union),
        ]
    })
}

/// Signatures of C: some scalars that use registers up, then anything.
pub(crate) fn signature() -> impl Strategy<Value = String> {
    let used = || prop_oneof![Just(0usize), 0..=9usize];
    let dots = option::weighted(0.35, any::<prop::sample::Index>());
    let value = || prop_oneof![scalar(), tree(), tree()];
    let parts = (used(), used(), vec(value(), 0..=6), dots, option::of(value()));
    parts.prop_map(|(integers, floats, values, dots, result)| {
        let mut params = vec!["i64".to_owned(); integers];
        params.extend(vec!["f64".to_owned(); floats]);
        params.extend(values.iter().map(Tree::to_string));
        let named = dots.map(|at| at.index(params.len() + 1));
        for param in params.iter_mut().skip(named.unwrap_or(usize::MAX)) {
            if PROMOTED.contains(&param.as_str()) {
                *param = if param == "f32" { "f64" } else { "i32" }.to_owned();
            }
        }
        match named {
            Some(named) if named == params.len() => params.push("...".to_owned()),
            Some(named) => params[named].insert_str(0, "..."),
            None => {}
        }
        let result = result.map(|ty| format!(" -> {ty}")).unwrap_or_default();
        format!("({}){result}", params.join(", "))
    })
}
