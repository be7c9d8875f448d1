//! Callees that the C compiler made, of signatures drawn from a fixed seed.
//!
//! A callee copies its parameters, as C has them, to `arguments`, and returns
//! what is in `results`. The compiler is `cc`, or what the environment variable
//! VMTRAMPOLINE_CC says, options included: the target's, where an emulator runs
//! the tests.

#![cfg(vmtrampoline_port)]

mod common;

use std::{
    collections::HashSet, env, ffi::c_void, fs, iter::repeat_with, path::Path, process::Command,
};

use common::{
    case::{Case, Subject, abi, value},
    recorder::{from_native, native},
    strategies::types_of,
};
use libloading::Library;
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use vmtrampoline::{Layout, Signature, ValRaw, ValType, private::Convention};

/// How many callees are compiled for a convention.
const CALLEES: usize = 500;

const PRELUDE: &str = "\
#define memcpy __builtin_memcpy
typedef unsigned char v128 __attribute__((vector_size(16)));
typedef unsigned char values[100][16] __attribute__((aligned(16)));
values arguments, results;
";

fn c_type(ty: ValType) -> &'static str {
    match ty {
        ValType::I32 => "int",
        ValType::I64 => "long long",
        ValType::F32 => "float",
        ValType::F64 => "double",
        ValType::V128 => "v128",
        ValType::FuncRef | ValType::ExternRef => "void *",
    }
}

/// The parameters that C declares: contexts and return pointer are parameters
/// like others.
fn declared(case: &Case) -> Vec<ValType> {
    let contexts = match case.convention {
        Convention::Vm => &[ValType::I64; 2][..],
        Convention::C => &[],
    };
    let pointer = (case.signature.results().len() > 1).then_some(ValType::I64);
    contexts.iter().chain(case.signature.params()).copied().chain(pointer).collect()
}

/// Whether C places all parameters where the convention does.
fn c_agrees(case: &Case) -> bool {
    let own = case.layout();
    let c = Layout::new(&Signature::new(declared(case), []).unwrap(), abi(Convention::C));
    let pointer = own.return_pointer();
    c.is_ok_and(|c| own.contexts().iter().chain(own.params()).chain(&pointer).eq(c.params()))
}

/// The callee of a case, in C.
fn callee(name: &str, case: &Case) -> String {
    let params: Vec<_> = declared(case)
        .into_iter()
        .enumerate()
        .map(|(i, ty)| format!("{} p{i}", c_type(ty)))
        .collect();
    let results = case.signature.results();
    let result = results.first().map_or("void", |ty| c_type(*ty));
    let mut text = format!("{result} {name}({}) {{\n", params.join(", "));
    for i in 0..params.len() {
        text += &format!("    memcpy(arguments[{i}], &p{i}, sizeof p{i});\n");
    }
    if results.len() > 1 {
        let fields = results.iter().enumerate().skip(1);
        let fields: String = fields.map(|(i, ty)| format!(" {} r{i};", c_type(*ty))).collect();
        text += &format!("    struct {{{fields} }} *area = (void *)p{};\n", params.len() - 1);
        for i in 1..results.len() {
            text += &format!("    memcpy(&area->r{i}, results[{i}], sizeof area->r{i});\n");
        }
    }
    if !results.is_empty() {
        text += &format!("    return *({result} *)results[0];\n");
    }
    text + "}\n"
}

/// The callees of these cases: `f0`, `f1`, …
fn compile(name: &str, cases: &[Case]) -> Library {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let (source, object) = (path.with_extension("c"), path.with_extension("so"));
    let callees = cases.iter().enumerate().map(|(i, case)| callee(&format!("f{i}"), case));
    fs::write(&source, callees.fold(PRELUDE.to_owned(), |text, callee| text + &callee)).unwrap();

    let compiler = env::var("VMTRAMPOLINE_CC").unwrap_or("cc".into());
    let mut words = compiler.split_whitespace();
    let mut command = Command::new(words.next().expect("a compiler"));
    command.args(words).args(["-shared", "-fPIC", "-O1", "-fno-strict-aliasing", "-o"]);
    // The emulated system's libraries are not for the compiler.
    command.arg(&object).arg(&source).env_remove("LD_LIBRARY_PATH");
    assert!(command.status().expect(&compiler).success(), "{command:?}");
    // SAFETY: loading it runs no code of its own.
    unsafe { Library::new(&object) }.unwrap()
}

/// Calls callee `f{index}` in every shape; says what was wrong.
fn check(case: &Case, library: &Library, index: usize) -> Result<(), String> {
    let symbol = |name: &str| {
        // SAFETY: only the address counts until it is used as the text has it.
        *unsafe { library.get::<*mut [u8; 16]>(name.as_bytes()) }.expect(name)
    };
    let target = symbol(&format!("f{index}")).cast::<c_void>();
    let array = |name| {
        // SAFETY: the array, which the callees of this thread alone touch, and
        // not while we do.
        unsafe { &mut *symbol(name).cast::<[[u8; 16]; 100]>() }
    };
    let signature = &case.signature;
    for ((to, result), ty) in
        array("results").iter_mut().zip(case.results()).zip(signature.results())
    {
        to[..ty.size()].copy_from_slice(&native(result, ty.size()));
    }

    let slots = case.slots(signature.slots());
    let contexts = case.contexts().map(|context| (ValType::I64, context as u128));
    let params = signature.params().iter().zip(&slots).map(|(&ty, &slot)| (ty, value(slot, ty)));
    let contexts = &contexts[..case.layout().contexts().len()];
    let expected: Vec<_> = contexts.iter().copied().chain(params).collect();
    for subject in Subject::all(case.convention, signature) {
        let wrong = |what: &str| {
            Err(format!("{signature}, {:?}, {:?}: {what}", case.convention, subject.shape()))
        };
        *array("arguments") = [[0xa5; 16]; 100];
        let mut slots: Vec<_> = slots.iter().copied().map(ValRaw::v128).collect();
        // SAFETY: the callee is of this signature.
        unsafe { subject.call(case.contexts(), target, &mut slots) }.expect("enough slots");
        for (i, (&(ty, must), found)) in expected.iter().zip(array("arguments")).enumerate() {
            let is = from_native(&found[..ty.size()]);
            if is != must {
                return wrong(&format!("argument {i}: {is:#x}, not {must:#x}"));
            }
        }
        for (i, (slot, must)) in slots.iter().zip(case.slots_after(slots.len())).enumerate() {
            let is = slot.get_v128();
            if is != must {
                return wrong(&format!("slot {i} afterwards: {is:#x}, not {must:#x}"));
            }
        }
    }
    Ok(())
}

fn all(convention: Convention, results: usize) {
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
    let cases: Vec<_> = cases.take(CALLEES).collect();
    let library = compile(abi.name(), &cases);
    for (i, case) in cases.iter().enumerate() {
        check(case, &library, i).unwrap();
    }
}

#[test]
fn vm_callees() {
    all(Convention::Vm, 6);
}

#[test]
fn c_callees() {
    all(Convention::C, 1);
}

/// A callee of another signature is found out.
#[test]
fn the_check_can_fail() {
    let case = |text: &str| Case::new(Convention::Vm, text.parse().unwrap(), 1);
    let called = ["(i64, f64, f32)", "() -> i64", "(i32) -> (i64, i32, i64)"].map(case);
    let judged = ["(i64, f32, f64)", "() -> f64", "(i32) -> (i64, i64, i64)"].map(case);
    let library = compile("other", &called);
    for (i, case) in judged.iter().enumerate() {
        assert!(check(case, &library, i).is_err(), "{}", case.signature);
    }
}
