//! Every structure of up to three scalars of every width, as result and as argument in
//! every position, compiled by the C compiler.

#![cfg(all(vmtrampoline_port, unix))]

mod common;

use common::{
    ctype::{CSignature, CType, Record},
    tally::Tally,
};

fn structures() -> impl Iterator<Item = CType> {
    let scalars =
        ["i8", "i16", "i32", "i64", "f32", "f64"].map(|name| CType::scalar(name).expect(name));
    let lists = (1..=3).flat_map(move |len| {
        let scalars = scalars.clone();
        let count = scalars.len();
        (0..count.pow(len))
            .map(move |n| (0..len).map(|i| scalars[n / count.pow(i) % count].clone()).collect())
    });
    lists.flat_map(|fields: Vec<_>| {
        let packed =
            |packed| CType::Record(Record { packed, fields: fields.clone(), ..Record::default() });
        [packed(false), packed(true)]
    })
}

/// The structure first, last and between others, and behind so many integers and floats that
/// none, few or all registers are left.
fn signatures(ty: CType) -> impl Iterator<Item = CSignature> {
    let scalar = |name: &str| CType::scalar(name).expect(name);
    let [i8, i32, i64, f32, f64] = ["i8", "i32", "i64", "f32", "f64"].map(scalar);
    let s = || ty.clone();
    let mut lists = vec![
        (vec![s(), i32.clone(), f64.clone()], Some(s())),
        (vec![i64.clone(), f32.clone(), s(), f64.clone(), i8.clone()], None),
        (vec![f64.clone(), i32.clone(), s()], Some(s())),
        (vec![s(), s(), s(), s(), s(), s(), s(), s(), s()], None),
    ];
    for integers in 0..=8 {
        for floats in [0, 1, 2, 3, 4, 5, 6, 7, 8] {
            let mut params = vec![i64.clone(); integers];
            params.extend(vec![f64.clone(); floats]);
            params.extend([s(), i32.clone(), f32.clone(), s()]);
            lists.push((params, None));
        }
    }
    lists.into_iter().map(|(params, result)| CSignature { params, named: None, result })
}

fn run(what: &str, step: usize) {
    let mut tally = Tally::default();
    let all = structures().flat_map(|ty| signatures(ty).collect::<Vec<_>>());
    tally.try_all(what, all.step_by(step));
    tally.report(what);
}

#[test]
fn some_structures() {
    run("some", 97); // a prime, so that every position has its turn
}

#[test]
#[ignore = "43860 functions: some minutes"]
fn all_structures() {
    run("all", 1);
}
