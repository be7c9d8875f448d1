//! Functions in C, of signatures without structures, compiled for a test.
//!
//! A callee copies its parameters, as C has them, to `arguments`, and returns what is in
//! `results`. A caller is given a function's code, passes what is in `arguments`, and copies
//! what comes back to `results`.
//!
//! The compiler is `cc`, or what the environment variable VMTRAMPOLINE_CC says,
//! options included: the target's, where an emulator runs the tests.

use std::{
    env, fs,
    process::{self, Command},
    sync::atomic::{AtomicUsize, Ordering},
};

use libloading::Library;
use vmtrampoline::{Signature, ValType, private::Convention};

use super::scalars;

/// Values by which C and the test tell each other arguments and results.
pub type Values = [[u8; 16]; 100];

/// What every C text begins with.
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
        _ => "void *",
    }
}

/// The parameters that C declares: contexts and return pointer are parameters
/// like others.
pub fn declared(convention: Convention, signature: &Signature) -> Vec<ValType> {
    let contexts = match convention {
        Convention::Vm => &[ValType::I64; 2][..],
        Convention::C => &[],
    };
    let pointer = (signature.results().len() > 1).then_some(ValType::I64);
    contexts.iter().copied().chain(scalars::params(signature)).chain(pointer).collect()
}

/// What is after the first of these results, as a structure.
fn area(results: &[ValType]) -> String {
    let fields = results.iter().enumerate().skip(1);
    let fields: String = fields.map(|(i, ty)| format!(" {} r{i};", c_type(*ty))).collect();
    format!("struct {{{fields} }}")
}

/// Callee `f{index}`, in C.
pub fn callee(index: usize, convention: Convention, signature: &Signature) -> String {
    let params: Vec<_> = declared(convention, signature)
        .into_iter()
        .enumerate()
        .map(|(i, ty)| format!("{} p{i}", c_type(ty)))
        .collect();
    let results = scalars::results(signature);
    let result = results.first().map_or("void", |ty| c_type(*ty));
    let mut text = format!("{result} f{index}({}) {{\n", params.join(", "));
    for i in 0..params.len() {
        text += &format!("    memcpy(arguments[{i}], &p{i}, sizeof p{i});\n");
    }
    if results.len() > 1 {
        text += &format!("    {} *area = (void *)p{};\n", area(&results), params.len() - 1);
        for i in 1..results.len() {
            text += &format!("    memcpy(&area->r{i}, results[{i}], sizeof area->r{i});\n");
        }
    }
    if !results.is_empty() {
        text += &format!("    return *({result} *)results[0];\n");
    }
    text + "}\n"
}

/// Caller `f{index}`, in C.
pub fn caller(index: usize, convention: Convention, signature: &Signature) -> String {
    let (params, results) = (declared(convention, signature), scalars::results(signature));
    let types: Vec<_> = params.iter().map(|&ty| c_type(ty)).collect();
    let result = results.first().map_or("void", |&ty| c_type(ty));
    let list = if types.is_empty() { "void".into() } else { types.join(", ") };
    let mut text = format!("void f{index}({result} (*code)({list})) {{\n");
    let mut arguments: Vec<_> =
        types.iter().enumerate().map(|(i, ty)| format!("*({ty} *)arguments[{i}]")).collect();
    if results.len() > 1 {
        text += &format!("    {} area;\n", area(&results));
        *arguments.last_mut().expect("the return pointer") = "(long long)&area".into();
    }
    let call = format!("code({})", arguments.join(", "));
    if results.is_empty() {
        return text + &format!("    {call};\n}}\n");
    }
    text += &format!("    {result} r0 = {call};\n    memcpy(results[0], &r0, sizeof r0);\n");
    for i in 1..results.len() {
        text += &format!("    memcpy(results[{i}], &area.r{i}, sizeof area.r{i});\n");
    }
    text + "}\n"
}

/// A compiled text.
#[derive(Debug)]
pub struct Compiled {
    library: Library,
}

impl Compiled {
    /// Compiles these functions, to files of this name, which go when they are loaded.
    pub fn new(name: &str, functions: &[String]) -> Compiled {
        Compiled::from_text(name, &(PRELUDE.to_owned() + &functions.concat()))
    }

    /// Compiles this text in the same way.
    pub fn from_text(name: &str, text: &str) -> Compiled {
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
        ]);
        Compiled::by(&mut command, &format!("{name}.c"), text)
    }

    /// Has this command compile the text, as a file of this name, to a shared library.
    pub fn by(command: &mut Command, name: &str, text: &str) -> Compiled {
        // Several processes may run the same test, and a library of a name that is loaded would
        // not be loaded again.
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("vmtrampoline-{}-{number}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (source, object) = (folder.join(name), folder.join("library.so"));
        fs::write(&source, text).unwrap();
        // The emulated system's libraries are not for the compiler.
        command.arg("-o").arg(&object).arg(&source).env_remove("LD_LIBRARY_PATH");
        assert!(command.status().expect("a compiler").success(), "{command:?}");
        // SAFETY: loading it runs no code of its own.
        let library = unsafe { Library::new(&object) }.unwrap();
        fs::remove_dir_all(folder).unwrap();
        Compiled { library }
    }

    /// The address of a function or an array of values.
    pub fn symbol(&self, name: &str) -> *mut Values {
        self.address(name)
    }

    /// The address of something that the text declares as a `T`.
    pub fn address<T>(&self, name: &str) -> *mut T {
        // SAFETY: only the address counts until it is used as the text has it.
        *unsafe { self.library.get::<*mut T>(name.as_bytes()) }.expect(name)
    }

    /// An array of values, which is touched only by the functions that this
    /// thread calls, and we while they do not run.
    #[allow(clippy::mut_from_ref)]
    pub fn values(&self, name: &str) -> &mut Values {
        // SAFETY: as above.
        unsafe { &mut *self.symbol(name) }
    }
}
