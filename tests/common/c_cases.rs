//! Cases of which the C compiler makes functions, drawn from a fixed seed.

use std::{collections::HashSet, iter::repeat_with};

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use vmtrampoline::{Layout, Placement, Signature, ValType, private::Convention};

use super::{
    c::declared,
    case::{Case, abi},
    scalars,
    strategies::types_of,
};

/// Whether C places all parameters where the convention does.
pub(crate) fn c_agrees(case: &Case) -> bool {
    let own = case.layout();
    let c = Layout::new(
        &Signature::new(declared(case.convention, &case.signature), ValType::NONE).unwrap(),
        abi(Convention::C),
    );
    let pointer = own.return_pointer();
    // Where C passes a vector in another way, the conventions differ.
    let places = |c: Layout| c.params().iter().map(Placement::location).collect::<Option<Vec<_>>>();
    let contexts = own.contexts().iter().copied();
    let own = contexts.chain(scalars::locations(own.params())).chain(pointer);
    c.ok().and_then(places).is_some_and(|c| own.eq(c))
}

/// So many cases, of different signatures, that the C compiler places as the
/// convention does.
pub(crate) fn drawn(convention: Convention, results: usize, count: usize) -> Vec<Case> {
    let abi = abi(convention);
    let strategy = (types_of(abi, 24), types_of(abi, results));
    let mut runner = TestRunner::deterministic();
    let (mut seen, mut seed) = (HashSet::new(), 0);
    let cases = repeat_with(|| {
        let (params, results) = strategy.new_tree(&mut runner).expect("types").current();
        seed += 1;
        Case::new(convention, Signature::new(params, results).unwrap(), seed)
    });
    let cases = cases.filter(|case| c_agrees(case) && seen.insert(case.signature.clone()));
    cases.take(count).collect()
}
