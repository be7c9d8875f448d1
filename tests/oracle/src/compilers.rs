//! Part 3: functions of random signatures, compiled by the C compiler and by
//! rustc, in both conventions.

use std::{
    env, fs,
    process::{self, Command},
    sync::atomic::{AtomicUsize, Ordering},
};

use libloading::Library;
use vmtrampoline::{Signature, ValType};

use crate::{
    array::{Array, compare, own},
    case::Case,
    guest::Target,
    random::Random,
    report::Report,
    source::{C, Convention, Language, RUST},
    subject::{Maker, Subject},
};

/// Parameters of the largest functions: with contexts they fill the 64 places.
const PARAMS: usize = 24;
const RESULTS: usize = 8;

/// Makers of a subject for either convention.
pub struct Makers<'a> {
    pub vm: &'a Maker,
    pub c: &'a Maker,
}

/// Compiles and calls `count` functions per language and convention.
pub fn run(makers: &Makers, seed: u64, count: usize) -> Report {
    let mut report = Report::new("C and Rust callees");
    report.note(format!("{count} signatures per language and convention"));
    let mut random = Random::new(seed);
    for language in [C, RUST] {
        for (convention, make, results) in
            [(Convention::Vm, makers.vm, RESULTS), (Convention::C, makers.c, 1)]
        {
            let draw = |_| Case::random(&mut random, PARAMS, results, &ValType::WASM);
            let cases: Vec<Case> = (0..count).map(draw).collect();
            let callees = Callees::compile(&language, convention, &cases);
            for (i, case) in cases.iter().enumerate() {
                let outcome = callees.judge(i, case, &make(&case.signature()));
                report.check(outcome.is_ok(), || {
                    let alone =
                        |case: &Case| {
                            Callees::compile(&language, convention, std::slice::from_ref(case))
                                .judge(0, case, &make(&case.signature()))
                        };
                    let smallest = case.shrink(|case| alone(case).is_err());
                    let wrong = alone(&smallest).err().unwrap_or("fails in company only".into());
                    let signature = smallest.signature();
                    format!("{}, {convention:?} convention, {signature}: {wrong}", language.name)
                });
            }
        }
    }
    report
}

/// A library of functions that tell what they were given.
struct Callees {
    library: Library,
    convention: Convention,
}

type Places = *mut [[u8; 16]; 64];

impl Callees {
    fn compile(language: &Language, convention: Convention, cases: &[Case]) -> Callees {
        let signatures: Vec<Signature> = cases.iter().map(Case::signature).collect();
        // A library of a name that is loaded already would not be loaded again.
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("vmtrampoline-oracle-{}-{number}", process::id());
        let folder = env::temp_dir().join(name);
        fs::create_dir_all(&folder).expect("a temporary folder");
        let source = folder.join("callees").with_extension(language.extension);
        let object = folder.join("callees.so");
        fs::write(&source, language.file(convention, &signatures)).expect("a temporary file");
        let compiler = env::var(language.variable).unwrap_or(language.compiler.into());
        let status = Command::new(compiler)
            .args(language.arguments)
            .arg(&source)
            .arg("-o")
            .arg(&object)
            .status();
        assert!(status.expect("a compiler").success(), "{} does not compile", source.display());
        // SAFETY: a library of our own making, which does nothing when loaded.
        let library = unsafe { Library::new(&object) }.expect("a library");
        fs::remove_dir_all(folder).expect("our own folder");
        Callees { library, convention }
    }

    fn address<T>(&self, name: &str) -> *mut T {
        // SAFETY: the symbol is only used for its address.
        let symbol = unsafe { self.library.get::<*mut T>(name.as_bytes()) };
        *symbol.expect("a symbol of the library")
    }

    fn judge(&self, index: usize, case: &Case, subject: &Subject) -> Result<(), String> {
        let (seen, chosen): (Places, Places) = (self.address("seen"), self.address("chosen"));
        for (place, result) in case.results.iter().enumerate() {
            // SAFETY: the library has 64 places, more than there are results.
            unsafe { (*chosen)[place] = result.bits.to_le_bytes() };
        }
        let arguments: Vec<u128> = case.params.iter().map(|value| value.bits).collect();
        let results: Vec<u128> = case.results.iter().map(|value| value.bits).collect();
        let contexts = [0x1111_2222_3333_4444_usize, 0x5555_6666_7777_8888];
        let target = Target {
            callee: contexts[0] as *mut _,
            caller: contexts[1] as *mut _,
            code: self.address(&format!("f{index}")),
        };
        let mut array = Array::new(&subject.signature, &arguments, index as u64);
        // SAFETY: the function was written for this signature and convention; it
        // writes to its own library only.
        let kept = unsafe { subject.call(target, &mut array.slots) }.kept;

        let passed = self.convention.contexts().len();
        let place = |place: usize| {
            // SAFETY: the library has 64 places.
            u128::from_le_bytes(unsafe { (*seen)[place] })
        };
        let got: Vec<u128> = (0..passed).map(|i| place(i) & u128::from(u64::MAX)).collect();
        compare("context", &contexts.map(|context| context as u128)[..passed], &got)?;
        let arrived =
            case.params.iter().enumerate().map(|(i, value)| place(passed + i) & own(value.ty));
        compare("parameter", &arguments, &arrived.collect::<Vec<_>>())?;
        array.check(&subject.signature, &results)?;
        if kept { Ok(()) } else { Err("a callee-saved register was lost".into()) }
    }
}
