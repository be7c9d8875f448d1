//! The structures that real libraries pass by value, as argument, as result, and both.

mod common;

use vmtrampoline::{Abi, Layout, Location, Signature};

/// A line of tests/data/structs.txt.
struct Shape {
    size: usize,
    align: usize,
    class: &'static str,
    homogeneous: &'static str,
    ty: &'static str,
}

fn shapes() -> Vec<Shape> {
    let lines = include_str!("data/structs.txt").lines().filter(|line| !line.starts_with('#'));
    let shapes = lines.map(|line| {
        let mut words = line.splitn(6, ' ');
        let mut word = || words.next().expect(line);
        let _uses = word();
        let mut number = || word().parse().expect(line);
        let (size, align) = (number(), number());
        Shape { size, align, class: word(), homogeneous: word(), ty: word() }
    });
    shapes.collect()
}

#[test]
fn all_are_there() {
    assert_eq!(shapes().len(), 99);
}

/// Sizes, alignments and classes are those that compilers found in the libraries' headers.
#[test]
fn classes() {
    let abi = |name| Abi::from_name(name).expect(name);
    let (sysv, aarch64) = (abi("x86_64-sysv-c"), abi("aarch64-c"));
    for Shape { size, align, class, homogeneous, ty } in shapes() {
        let signature: Signature = format!("({ty}) -> {ty}").parse().expect(ty);
        let params = signature.params();
        let param = params.iter().next().expect("one");
        assert_eq!((param.size(sysv), param.align(sysv)), (size, align), "{ty}");

        let layout = Layout::new(&signature, sysv).expect(ty);
        let pieces = layout.params()[0].pieces().iter();
        let classes: Vec<_> = pieces
            .map(|piece| match piece.location {
                Location::Register(name) if name.starts_with("xmm") => "SSE",
                Location::Register(_) => "INTEGER",
                _ => "MEMORY",
            })
            .collect();
        assert_eq!(classes.join("+"), class, "{ty}");
        assert_eq!(layout.return_pointer().is_some(), class == "MEMORY", "{ty}");

        let layout = Layout::new(&signature, aarch64).expect(ty);
        let pieces = layout.params()[0].pieces();
        let vectors = pieces.iter().filter(
            |piece| matches!(piece.location, Location::Register(name) if name.starts_with('v')),
        );
        let elements = homogeneous.split_once('*').map_or(0, |(_, n)| n.parse().expect(ty));
        assert_eq!(vectors.count(), elements, "{ty}");
    }
}

#[cfg(all(vmtrampoline_port, unix))]
mod called {
    use super::{
        common::{
            ctype::{CSignature, CType},
            tally::Tally,
        },
        shapes,
    };

    /// Where a structure may stand.
    const TEXTS: [&str; 8] = [
        "(S)",
        "() -> S",
        "(S) -> S",
        "(i32, f64, S, i8, f32, S)",
        "(i64, i64, i64, S, i64, i64, S, i32) -> i32",
        "(f64, f64, f64, f64, f64, S, f64, S, f32, i64) -> f64",
        "(i64, i64, i64, i64, i64, i64, i64, i64, f64, f64, f64, f64, f64, f64, f64, f64, S, i8) -> S",
        "(ptr, ...i32, S, f64, S) -> S",
    ];

    #[test]
    fn by_value() {
        let types = shapes().into_iter().map(|shape| CType::from(shape.ty).to_string());
        let texts = types.flat_map(|ty| TEXTS.map(|text| text.replace('S', &ty)));
        let mut tally = Tally::default();
        tally.try_all("real", texts.map(|text| CSignature::from(text.as_str())));
        tally.report("real");
    }
}
