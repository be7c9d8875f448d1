//! Runs a WebAssembly module whose imports are functions of shared libraries:
//!
//! ```text
//! (import "libm.so.6" "pow" (func (param f64 f64) (result f64)))
//! ```
//!
//! wasmi interprets the module. Each import is called through a trampoline made
//! from the import's own type (see `native.rs`): nothing here knows the signature
//! of any function. Names of imports say which parameters are addresses in the
//! module's memory (see `rule.rs`).
//!
//! A module is as trusted as a native program is: it says which functions there
//! are and what their types are, and C believes it.

mod bench;
mod callbacks;
mod native;
mod rule;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;
use native::{Error, Libraries, Native, State};
use wasmi::{Engine, Extern, ExternType, Instance, Module, Store, Val, ValType};

/// Run a WebAssembly module whose imports are functions of shared libraries.
#[derive(Parser)]
#[command(about)]
struct Options {
    /// Measure calls instead, so many rounds of them.
    #[arg(long, value_name = "ROUNDS", num_args = 0..=1, default_missing_value = "200")]
    bench: Option<u32>,
    /// The module, as text or binary.
    #[arg(required_unless_present = "bench")]
    file: Option<PathBuf>,
    /// The exported function to call.
    #[arg(default_value = "main")]
    export: String,
    /// Its arguments.
    #[arg(allow_hyphen_values = true)]
    arguments: Vec<String>,
}

fn main() -> ExitCode {
    // clap prints its own errors and exits with 2, as we do.
    let options = Options::parse();
    let output = match (&options.file, options.bench) {
        (Some(file), None) => run(file, &options),
        (_, rounds) => Ok(bench::table(rounds.unwrap_or_default())),
    };
    match output {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("wasmi_native: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(path: &Path, options: &Options) -> Result<String, Error> {
    let file = path.display();
    let bytes = std::fs::read(path).map_err(|error| format!("{file}: {error}"))?;
    let engine = Engine::default();
    let module = Module::new(&engine, bytes).map_err(|error| format!("{file}: {error}"))?;
    let mut store = Store::new(&engine, State::default());
    store.limiter(|state| &mut state.limits);
    let instance = instantiate(&mut store, &module)?;

    let name = &options.export;
    let export = instance.get_func(&store, name);
    let export = export.ok_or_else(|| format!("{file}: no exported function {name:?}"))?;
    let ty = export.ty(&store);
    let (params, arguments) = (ty.params(), &options.arguments);
    if params.len() != arguments.len() {
        let (takes, given) = (params.len(), arguments.len());
        return Err(format!("{name} takes {takes} arguments, {given} given").into());
    }
    let arguments = params.iter().zip(arguments).map(|(ty, text)| value(*ty, text));
    let arguments = arguments.collect::<Result<Vec<_>, _>>()?;
    let mut results: Vec<_> = ty.results().iter().map(|ty| Val::default_for_ty(*ty)).collect();
    export.call(&mut store, &arguments, &mut results).map_err(|error| format!("trap: {error}"))?;
    Ok(results.iter().map(show).collect::<Vec<_>>().join(" "))
}

/// The module with the native functions that it imports.
fn instantiate(store: &mut Store<State>, module: &Module) -> Result<Instance, Error> {
    let (mut libraries, mut imports) = (Libraries::default(), Vec::new());
    for import in module.imports() {
        let (library, name) = (import.module(), import.name());
        let function = match import.ty() {
            ExternType::Func(ty) => {
                let find = |symbol: &str| libraries.find(library, symbol);
                Native::new(name, ty, find).map(|native| native.function(store, ty))
            }
            _ => Err("only functions are to be had".into()),
        };
        let function = function.map_err(|error| format!("import {library:?} {name:?}: {error}"))?;
        imports.push(Extern::from(function));
    }
    Instance::new(store, module, &imports).map_err(|error| format!("trap: {error}").into())
}

/// An argument from the command line.
fn value(ty: ValType, text: &str) -> Result<Val, Error> {
    let value = match ty {
        ValType::I32 => text.parse().ok().map(Val::I32),
        ValType::I64 => text.parse().ok().map(Val::I64),
        ValType::F32 => text.parse::<f32>().ok().map(|value| Val::F32(value.into())),
        ValType::F64 => text.parse::<f64>().ok().map(|value| Val::F64(value.into())),
        _ => None,
    };
    value.ok_or_else(|| format!("{text:?} is not an {ty:?}").into())
}

fn show(value: &Val) -> String {
    match value {
        Val::I32(value) => value.to_string(),
        Val::I64(value) => value.to_string(),
        Val::F32(value) => f32::from(*value).to_string(),
        Val::F64(value) => f64::from(*value).to_string(),
        other => format!("{other:?}"),
    }
}
