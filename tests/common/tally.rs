//! Many signatures, compiled in batches and called; what was tried, and how it went.

use std::{collections::BTreeMap, env};

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use super::{ccall::Functions, ctype::CSignature, disagreements::excluded};

/// What a run has tried, and how it went.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    compiler: String,
    signatures: usize,
    calls: usize,
    excluded: BTreeMap<&'static str, usize>,
    failures: Vec<String>,
}

impl Tally {
    /// Compiles and calls these in batches. What fails is made simpler first if it was drawn.
    pub(crate) fn try_all<T: Drawn>(&mut self, name: &str, cases: impl IntoIterator<Item = T>) {
        let mut cases = cases.into_iter();
        for batch in 0.. {
            let mut cases: Vec<_> = cases.by_ref().take(BATCH).collect();
            if cases.is_empty() {
                return;
            }
            let signatures = cases.iter().map(Drawn::signature).collect();
            let functions = Functions::compile(&format!("{name}-{batch}"), signatures);
            self.compiler = functions.facts.compiler();
            for (i, case) in cases.iter_mut().enumerate() {
                if let Some(why) = excluded(&functions, i) {
                    *self.excluded.entry(why).or_default() += 1;
                    continue;
                }
                match functions.check(i) {
                    Ok(calls) => {
                        self.signatures += 1;
                        self.calls += calls;
                    }
                    // Many failures are one fault.
                    Err(error) if self.failures.len() >= 5 => self.failures.push(error),
                    Err(error) => self.failures.push(simplest(name, case).unwrap_or(error)),
                }
            }
        }
    }

    /// Prints what was tried; panics if anything failed.
    pub(crate) fn report(self, what: &str) {
        let Tally { compiler, signatures, calls, excluded, failures } = self;
        println!("{what}: {signatures} signatures, {calls} calls by {compiler}");
        for (why, count) in excluded {
            println!("{what}: {count} excluded: {why}");
        }
        let shown = failures.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
        assert!(failures.is_empty(), "{what}, {compiler}: {} failures:\n{shown}", failures.len());
        assert_ne!(signatures, 0, "{what}: nothing was tried");
    }
}

/// How many functions are compiled at a time.
const BATCH: usize = 250;

/// Something that has a signature and perhaps a simpler one.
pub(crate) trait Drawn {
    fn signature(&self) -> CSignature;

    fn simplify(&mut self) -> bool {
        false
    }

    fn complicate(&mut self) -> bool {
        false
    }
}

impl Drawn for CSignature {
    fn signature(&self) -> CSignature {
        self.clone()
    }
}

/// A signature that proptest has drawn.
#[derive(Debug)]
pub(crate) struct Tree<T>(T);

impl<T: ValueTree<Value = CSignature>> Drawn for Tree<T> {
    fn signature(&self) -> CSignature {
        self.0.current()
    }

    fn simplify(&mut self) -> bool {
        self.0.simplify()
    }

    fn complicate(&mut self) -> bool {
        self.0.complicate()
    }
}

/// So many signatures of this strategy, always the same unless the environment variable
/// SEED says otherwise.
pub(crate) fn drawn<S: Strategy<Value = CSignature>>(
    strategy: S,
    count: usize,
) -> impl Iterator<Item = Tree<S::Tree>> {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number("SEED", 0).to_le_bytes());
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    (0..count).map(move |_| Tree(strategy.new_tree(&mut runner).expect("a signature")))
}

/// What this environment variable says.
pub(crate) fn number(name: &str, otherwise: usize) -> usize {
    env::var(name).map_or(otherwise, |text| text.parse().expect(name))
}

/// The error of the simplest case that still fails.
fn simplest(name: &str, case: &mut impl Drawn) -> Option<String> {
    let (mut found, mut tries) = (None, 0);
    let mut more = case.simplify();
    while more && tries < 100 {
        tries += 1;
        let functions = Functions::compile(&format!("{name}-simpler"), vec![case.signature()]);
        match functions.check(0) {
            Err(error) if excluded(&functions, 0).is_none() => {
                found = Some(error);
                more = case.simplify();
            }
            _ => more = case.complicate(),
        }
    }
    found
}
