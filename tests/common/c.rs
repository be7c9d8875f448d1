//! C, compiled for a test, with functions of signatures drawn from a fixed seed.
//!
//! The compiler is `cc`, or what the environment variable VMTRAMPOLINE_CC says,
//! options included: the target's, where an emulator runs the tests.

use std::{collections::HashSet, env, fs, iter::repeat_with, path::Path, process::Command};

use super::scalars;
use libloading::Library;
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use vmtrampoline::{Layout, Placement, Signature, ValType, private::Convention};

use super::{
    case::{Case, abi},
    strategies::types_of,
};

/// Values by which C and the test tell each other arguments and results.
pub(crate) type Values = [[u8; 16]; 100];

/// What every C text begins with.
const PRELUDE: &str = "\
#define memcpy __builtin_memcpy
typedef unsigned char v128 __attribute__((vector_size(16)));
typedef unsigned char values[100][16] __attribute__((aligned(16)));
values arguments, results;
";

pub(crate) fn c_type(ty: ValType) -> &'static str {
    match ty {
        ValType::I32 => "int",
        ValType::I64 => "long long",
        ValType::F32 => "float",
        ValType::F64 => "double",
        ValType::V128 => "v128",
        _ => "void *",
    }
}

/// The parameters that C declares: contexts and return pointer are parameters
/// like others.
pub(crate) fn declared(case: &Case) -> Vec<ValType> {
    let contexts = match case.convention {
        Convention::Vm => &[ValType::I64; 2][..],
        Convention::C => &[],
    };
    let pointer = (case.signature.results().len() > 1).then_some(ValType::I64);
    contexts.iter().copied().chain(scalars::params(&case.signature)).chain(pointer).collect()
}

/// Whether C places all parameters where the convention does.
pub(crate) fn c_agrees(case: &Case) -> bool {
    let own = case.layout();
    let c =
        Layout::new(&Signature::new(declared(case), ValType::NONE).unwrap(), abi(Convention::C));
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

/// A compiled text.
#[derive(Debug)]
pub(crate) struct Compiled {
    library: Library,
}

impl Compiled {
    /// Compiles these functions, to files of this name, which go when they are loaded.
    pub(crate) fn new(name: &str, functions: &[String]) -> Compiled {
        Compiled::from_text(name, &(PRELUDE.to_owned() + &functions.concat()))
    }

    /// Compiles this text in the same way.
    pub(crate) fn from_text(name: &str, text: &str) -> Compiled {
        // Several processes may run the same test.
        let name = format!("{name}-{}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let (source, object) = (path.with_extension("c"), path.with_extension("so"));
        fs::write(&source, text).unwrap();

        let compiler = env::var("VMTRAMPOLINE_CC").unwrap_or("cc".into());
        let mut words = compiler.split_whitespace();
        let mut command = Command::new(words.next().expect("a compiler"));
        command.args(words).args([
            "-w",
            "-Wno-psabi",
            "-shared",
            "-fPIC",
            "-O1",
            "-fno-strict-aliasing",
            "-o",
        ]);
        // The emulated system's libraries are not for the compiler.
        command.arg(&object).arg(&source).env_remove("LD_LIBRARY_PATH");
        assert!(command.status().expect(&compiler).success(), "{command:?}");
        // SAFETY: loading it runs no code of its own.
        let library = unsafe { Library::new(&object) }.unwrap();
        for file in [source, object] {
            fs::remove_file(file).unwrap();
        }
        Compiled { library }
    }

    /// The address of a function or an array of values.
    pub(crate) fn symbol(&self, name: &str) -> *mut Values {
        self.address(name)
    }

    /// The address of something that the text declares as a `T`.
    pub(crate) fn address<T>(&self, name: &str) -> *mut T {
        // SAFETY: only the address counts until it is used as the text has it.
        *unsafe { self.library.get::<*mut T>(name.as_bytes()) }.expect(name)
    }

    /// An array of values, which is touched only by the functions that this
    /// thread calls, and we while they do not run.
    #[allow(clippy::mut_from_ref)]
    pub(crate) fn values(&self, name: &str) -> &mut Values {
        // SAFETY: as above.
        unsafe { &mut *self.symbol(name) }
    }
}
