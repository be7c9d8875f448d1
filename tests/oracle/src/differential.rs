//! Part 2: random signatures, against `Func::call` and Cranelift's trampolines.
//!
//! For every case there is a WebAssembly function that stores each parameter
//! where we can look at it, and returns values that we have chosen. `Func::call`,
//! the genuine trampoline and the candidate each call it; each must show it the
//! right arguments and bring back the right results.

use std::fmt::Write;

use vmtrampoline::{Signature, ValType};
use wasmtime::{Engine, Extern, ExternRef, Func, Instance, Memory, Module, Store, Table, Val};

use crate::{
    array::{Array, compare, own},
    candidate::{Candidate, Maker},
    cranelift::Compiled,
    guest::wat,
    random::Random,
    random_call::{REFERENCES, RandomCall, Value},
    report::Report,
    scalars,
    store_door::StoreDoor,
};

/// Cases compiled together.
const BATCH: usize = 100;
/// One case in so many is a large one.
const LARGE: usize = 500;

/// Compares `count` random signatures.
pub fn run(make: &Maker, seed: u64, count: usize) -> Report {
    let mut report = Report::new("Random differential");
    report.note(format!("{count} signatures"));
    let engine = Engine::default();
    let mut random = Random::new(seed);
    let cases: Vec<RandomCall> = (0..count).map(|i| draw(&mut random, i)).collect();
    for batch in cases.chunks(BATCH) {
        let outcomes = judge(&engine, batch, make);
        for (case, outcome) in batch.iter().zip(outcomes) {
            report.check(outcome.is_ok(), || {
                let alone =
                    |case: &RandomCall| judge(&engine, std::slice::from_ref(case), make).remove(0);
                let smallest = case.shrink(|case| alone(case).is_err());
                let wrong = alone(&smallest).err().unwrap_or("fails in company only".into());
                format!("{}: {wrong}", smallest.signature())
            });
        }
    }
    report
}

/// Whether [`Compiled`] has what Wasmtime itself would have used: every
/// trampoline must be in the image of a module that needs it, byte for byte.
pub fn rivals_are_genuine(seed: u64) -> Report {
    let mut report = Report::new("Cranelift's trampolines are Wasmtime's");
    let mut random = Random::new(seed);
    let signatures: Vec<Signature> = (0..BATCH).map(|i| draw(&mut random, i).signature()).collect();
    let module = Module::new(&Engine::default(), module_text(&signatures)).expect("a valid module");
    let image = module.serialize().expect("an image");
    let compiled = Compiled::new(&signatures);
    for (i, signature) in signatures.iter().enumerate() {
        let code = compiled.machine_code(i);
        let found = image.windows(code.len()).any(|window| window == code);
        report.check(found, || format!("{signature}: not in the image"));
    }
    report
}

fn draw(random: &mut Random, index: usize) -> RandomCall {
    let (params, results) = match index {
        i if i % LARGE == 0 => (RESULTS, RESULTS),
        i if i % 2 == 0 => (40, 16),
        _ => (8, 2),
    };
    RandomCall::random(random, params, results, &ValType::WASM)
}

/// Runs every case by all three; for each, what went wrong first.
fn judge(engine: &Engine, cases: &[RandomCall], make: &Maker) -> Vec<Result<(), String>> {
    let signatures: Vec<Signature> = cases.iter().map(RandomCall::signature).collect();
    let compiled = Compiled::new(&signatures);
    let mut world = World::new(engine, &signatures);
    let mut outcomes = Vec::new();
    for (i, (case, signature)) in cases.iter().zip(&signatures).enumerate() {
        let genuine = Candidate::pointer(signature, compiled.trampoline(i));
        let outcome = world
            .judge_func_call(i, case)
            .map_err(|wrong| format!("Func::call: {wrong}"))
            .and_then(|()| {
                world.judge(i, case, &genuine).map_err(|wrong| format!("Cranelift: {wrong}"))
            })
            .and_then(|()| world.judge(i, case, &make(signature)));
        outcomes.push(outcome);
    }
    outcomes
}

/// Where the functions keep things: parameter `i` in place `i`, the result `i`
/// to be returned in place `RESULTS + i`, of memory or of a table.
pub(crate) const RESULTS: usize = 1000;
const PLACES: usize = 2000;

/// The module of all cases, instantiated.
pub(crate) struct World {
    pub(crate) store: Store<()>,
    pub(crate) funcs: Vec<Func>,
    memory: Memory,
    func_table: Table,
    extern_table: Table,
    /// What references refer to.
    func_refs: Vec<Val>,
    extern_refs: Vec<Val>,
    /// Must outlive the store.
    door: StoreDoor,
}

impl World {
    fn new(engine: &Engine, signatures: &[Signature]) -> World {
        World::with(engine, &module_text(signatures), signatures.len(), |_| Vec::new())
    }

    /// A world with a module of so many functions and these imports.
    pub(crate) fn with(
        engine: &Engine,
        text: &str,
        count: usize,
        imports: impl FnOnce(&mut Store<()>) -> Vec<Extern>,
    ) -> World {
        let module = Module::new(engine, text).expect("a valid module");
        let mut store = Store::new(engine, ());
        let imports = imports(&mut store);
        let instance = Instance::new(&mut store, &module, &imports).expect("what it imports");
        let mut func = |name: String| instance.get_func(&mut store, &name).expect("exported");
        let funcs = (0..count).map(|i| func(format!("f{i}"))).collect();
        let func_refs = (0..REFERENCES).map(|i| (i > 0).then(|| func(format!("r{i}"))));
        let func_refs = func_refs.map(Val::FuncRef).collect();
        let extern_refs = (0..REFERENCES).map(|i| (i > 0).then(|| ExternRef::new(i)));
        World {
            funcs,
            memory: instance.get_memory(&mut store, "memory").expect("exported"),
            func_table: instance.get_table(&mut store, "funcrefs").expect("exported"),
            extern_table: instance.get_table(&mut store, "externrefs").expect("exported"),
            func_refs,
            extern_refs: extern_refs.map(Val::ExternRef).collect(),
            door: StoreDoor::new(&mut store),
            store,
        }
    }

    /// The case by `Func::call`.
    fn judge_func_call(&mut self, index: usize, case: &RandomCall) -> Result<(), String> {
        self.stage(case);
        let args: Vec<Val> = case.params.iter().map(|value| self.val(*value)).collect();
        let mut results = vec![Val::I32(0); case.results.len()];
        let outcome = self.funcs[index].call(&mut self.store, &args, &mut results);
        outcome.map_err(|error| error.to_string())?;
        let found: Vec<u128> = results.iter().map(|val| self.bits(val)).collect();
        self.check_arrived(case)?;
        compare("result", &self.all_bits(&case.results), &found)
    }

    /// The case by a candidate.
    fn judge(
        &mut self,
        index: usize,
        case: &RandomCall,
        candidate: &Candidate,
    ) -> Result<(), String> {
        self.stage(case);
        candidate.collect_before(&mut self.store);
        let arguments = self.all_bits(&case.params);
        let mut array = Array::new(&candidate.signature, &arguments, index as u64);
        // SAFETY: the function was generated for this signature; all is of one store.
        let kept = unsafe {
            self.door.call(&mut self.store, candidate, &self.funcs[index], &mut array.slots)
        };
        self.check_arrived(case)?;
        array.check(&candidate.signature, &self.all_bits(&case.results))?;
        match kept {
            Ok(true) => Ok(()),
            Ok(false) => Err("a callee-saved register was lost".into()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Puts the results in their places, and something else than the arguments
    /// in theirs.
    fn stage(&mut self, case: &RandomCall) {
        for (i, param) in case.params.iter().enumerate() {
            self.put(i, Value { bits: if param.bits == 0 { 1 } else { 0 }, ..*param });
        }
        for (i, result) in case.results.iter().enumerate() {
            self.put(RESULTS + i, *result);
        }
    }

    pub(crate) fn put(&mut self, place: usize, value: Value) {
        let val = self.val(value);
        let table = match value.ty {
            ValType::FuncRef => self.func_table,
            ValType::ExternRef => self.extern_table,
            ty => {
                let bytes = &value.bits.to_le_bytes()[..scalars::size(ty)];
                return self.memory.write(&mut self.store, 16 * place, bytes).expect("a place");
            }
        };
        table.set(&mut self.store, place as u32, val).expect("a place");
    }

    /// The bits of what is in a place.
    pub(crate) fn get(&mut self, place: usize, ty: ValType) -> u128 {
        let table = match ty {
            ValType::FuncRef => self.func_table,
            ValType::ExternRef => self.extern_table,
            _ => {
                let mut bytes = [0; 16];
                self.memory.read(&self.store, 16 * place, &mut bytes).expect("a place");
                return u128::from_le_bytes(bytes) & own(ty);
            }
        };
        let val = table.get(&mut self.store, place as u32).expect("a place");
        self.bits(&val)
    }

    /// Compares the places of the parameters with what was passed.
    fn check_arrived(&mut self, case: &RandomCall) -> Result<(), String> {
        let params = case.params.iter().enumerate();
        let arrived: Vec<u128> = params.map(|(i, param)| self.get(i, param.ty)).collect();
        compare("parameter", &self.all_bits(&case.params), &arrived)
    }

    pub(crate) fn all_bits(&mut self, values: &[Value]) -> Vec<u128> {
        let bits = |value: &Value| {
            let val = self.val(*value);
            self.bits(&val)
        };
        values.iter().map(bits).collect()
    }

    fn val(&self, Value { ty, bits }: Value) -> Val {
        match ty {
            ValType::I32 => Val::I32(bits as i32),
            ValType::I64 => Val::I64(bits as i64),
            ValType::F32 => Val::F32(bits as u32),
            ValType::F64 => Val::F64(bits as u64),
            ValType::V128 => Val::V128(bits),
            ValType::FuncRef => self.func_refs[bits as usize].clone(),
            ValType::ExternRef => self.extern_refs[bits as usize].clone(),
            _ => unreachable!("no type of WebAssembly"),
        }
    }

    /// The bits that a value has in its slot.
    fn bits(&mut self, val: &Val) -> u128 {
        // SAFETY: the raw form of a reference is its address, which stays valid:
        // this world holds on to whatever it can refer to.
        let raw = unsafe { val.to_raw(&mut self.store) };
        match val {
            Val::I32(_) => u128::from(raw.get_u32()),
            Val::I64(_) => u128::from(raw.get_u64()),
            Val::F32(_) => u128::from(raw.get_f32()),
            Val::F64(_) => u128::from(raw.get_f64()),
            Val::V128(_) => raw.get_v128(),
            Val::FuncRef(_) => raw.get_funcref() as u128,
            Val::ExternRef(_) => raw.get_externref() as u128,
        }
    }
}

/// For every signature a function that puts its parameters in their places and
/// returns what it finds in the places of its results.
fn module_text(signatures: &[Signature]) -> String {
    let mut text = places_text(&[]);
    for (i, signature) in signatures.iter().enumerate() {
        writeln!(text, "(func (export \"f{i}\") {}", wat(signature)).unwrap();
        for (place, ty) in scalars::params(signature).into_iter().enumerate() {
            writeln!(text, "{}", store_text(ty, place, place)).unwrap();
        }
        for (i, ty) in scalars::results(signature).into_iter().enumerate() {
            writeln!(text, "{}", load_text(ty, RESULTS + i)).unwrap();
        }
        text.push_str(")\n");
    }
    text.push(')');
    text
}

/// The beginning of a module: imports, places, and what references refer to.
pub(crate) fn places_text(imports: &[String]) -> String {
    let mut text = format!(
        "(module
            {}
            (memory (export \"memory\") 1)
            (table $funcref (export \"funcrefs\") {PLACES} funcref)
            (table $externref (export \"externrefs\") {PLACES} externref)\n",
        imports.concat()
    );
    for reference in 1..REFERENCES {
        writeln!(text, "(func (export \"r{reference}\"))").unwrap();
    }
    text
}

/// Moves a local to a place.
pub(crate) fn store_text(ty: ValType, place: usize, local: usize) -> String {
    match ty {
        ValType::FuncRef | ValType::ExternRef => {
            format!("(table.set ${ty} (i32.const {place}) (local.get {local}))")
        }
        _ => format!("({ty}.store offset={} (i32.const 0) (local.get {local}))", 16 * place),
    }
}

/// Pushes what is in a place.
pub(crate) fn load_text(ty: ValType, place: usize) -> String {
    match ty {
        ValType::FuncRef | ValType::ExternRef => format!("(table.get ${ty} (i32.const {place}))"),
        _ => format!("({ty}.load offset={} (i32.const 0))", 16 * place),
    }
}
