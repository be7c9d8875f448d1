//! Part 5: WebAssembly calls host functions of this crate.
//!
//! They stand in the place of Wasmtime's own, behind Wasmtime's exit from
//! WebAssembly, which takes the code from their contexts. For every case there is a
//! WebAssembly function that passes values which we have chosen to such an import,
//! and stores what it returns where we can look at it.

use std::{
    ffi::c_void,
    fmt::Write,
    sync::{Arc, Mutex},
};

use vmtrampoline::{
    HostFunc, Signature, VMContext, VMOpaqueContext, ValRaw, ValType, private::Shape,
};
use wasmtime::{AsContextMut, Engine, Func, FuncType};
use wasmtime_runtime::VMCallerCheckedFuncRef;

use crate::{
    array::{compare, own},
    candidate::{Lie, quiet_nans},
    differential::{RESULTS, World, load_text, places_text, store_text},
    guest::wat,
    random::Random,
    random_call::RandomCall,
    report::Report,
    scalars,
};

/// Cases compiled together.
const BATCH: usize = 50;
/// One case in so many is a large one.
const LARGE: usize = 250;

const NUMBERS: [ValType; 5] =
    [ValType::I32, ValType::I64, ValType::F32, ValType::F64, ValType::V128];

/// A host function of this crate, as Wasmtime's stores know functions. It must
/// outlive the store.
pub struct Import {
    pub func: Func,
    _host: HostFunc<'static>,
    _reference: Box<VMCallerCheckedFuncRef>,
}

impl Import {
    /// The host function has this type.
    pub fn new(mut store: impl AsContextMut, ty: FuncType, host: HostFunc<'static>) -> Import {
        let model = Func::new(&mut store, ty, |_, _, _| unreachable!("only a model"));
        // SAFETY: the raw form of a function is the address of its reference.
        let model = unsafe { &*(model.to_raw(&mut store) as *const VMCallerCheckedFuncRef) };
        // The code is Wasmtime's exit from WebAssembly, which goes on to the code
        // that it finds in the context.
        let reference = Box::new(VMCallerCheckedFuncRef {
            func_ptr: model.func_ptr,
            type_index: model.type_index,
            vmctx: host.context().cast(),
        });
        // SAFETY: the reference of a function of the model's type, with a context
        // that begins as Wasmtime's do; both outlive the store.
        let func = unsafe { Func::from_raw(&mut store, (&raw const *reference) as usize) };
        Import { func: func.expect("not null"), _host: host, _reference: reference }
    }
}

/// What a host function is to be given, and to return.
struct State {
    signature: Signature,
    arguments: Vec<u128>,
    results: Vec<u128>,
    lie: Option<Lie>,
    calls: usize,
    outcome: Result<(), String>,
}

impl State {
    /// Judges the slots and puts the results there; in those of a closure, scalars are
    /// extended to eight bytes.
    fn call(&mut self, slots: &mut [ValRaw], extended: bool) {
        self.calls += 1;
        if self.lie == Some(Lie::QuietsNans) {
            quiet_nans(&scalars::params(&self.signature), slots);
        }
        let params = scalars::params(&self.signature);
        let bits = |(slot, ty): (&ValRaw, &ValType)| {
            let word = if extended { u64::MAX.into() } else { 0 };
            slot.get_v128() & (own(*ty) | word)
        };
        let found: Vec<u128> = slots.iter().zip(&params).map(bits).collect();
        self.outcome = compare("parameter", &self.arguments, &found);
        if slots.len() != scalars::slots(&self.signature) {
            self.outcome = Err(format!("{} slots", slots.len()));
        }
        let results = scalars::results(&self.signature);
        for ((slot, bits), ty) in slots.iter_mut().zip(&self.results).zip(&results) {
            *slot = ValRaw::v128(bits | !own(*ty));
        }
        match self.lie {
            Some(Lie::SwapsResults) if results.len() > 1 => slots.swap(0, 1),
            Some(Lie::QuietsNans) => quiet_nans(&results, slots),
            _ => (),
        }
    }
}

/// A host function that is called as it is.
unsafe extern "C-unwind" fn raw(
    callee: *mut VMOpaqueContext,
    _: *mut VMContext,
    slots: *mut ValRaw,
    count: usize,
) {
    // SAFETY: the context is of a host function made by `host`, with this data.
    let state = unsafe { &*HostFunc::data(callee).cast::<Mutex<State>>() };
    // SAFETY: these are the slots of the signature.
    let slots = unsafe { std::slice::from_raw_parts_mut(slots, count) };
    state.lock().unwrap().call(slots, false);
}

/// The host function of a case: in turn a closure, and a function called by the
/// shortest body and by the one for everything.
fn host(index: usize, signature: &Signature, state: &Arc<Mutex<State>>) -> HostFunc<'static> {
    let shape = match index % 3 {
        0 => {
            let state = state.clone();
            let closure = move |_, slots: &mut [ValRaw]| state.lock().unwrap().call(slots, true);
            return HostFunc::new(signature, closure).expect("this machine has a port");
        }
        1 => Shape::Bare,
        _ => Shape::Variable,
    };
    let data = Arc::as_ptr(state).cast_mut().cast::<c_void>();
    // SAFETY: the function wants this data, which lives as long as the world.
    unsafe { HostFunc::with_shape(signature, shape, raw, data) }.expect("this machine has a port")
}

/// Has `count` random signatures imported and called.
pub fn run(lie: Option<Lie>, seed: u64, count: usize) -> Report {
    let mut report = Report::new("Imports");
    report.note(format!("{count} signatures"));
    let engine = Engine::default();
    let mut random = Random::new(seed);
    // WebAssembly follows references, so that one must not lie about them.
    let types = if lie.is_some() { &NUMBERS[..] } else { &ValType::WASM };
    let cases: Vec<RandomCall> = (0..count).map(|i| draw(&mut random, i, types)).collect();
    for batch in cases.chunks(BATCH) {
        let outcomes = judge(&engine, batch, lie);
        for (case, outcome) in batch.iter().zip(outcomes) {
            report.check(outcome.is_ok(), || {
                let alone =
                    |case: &RandomCall| judge(&engine, std::slice::from_ref(case), lie).remove(0);
                let smallest = case.shrink(|case| alone(case).is_err());
                let wrong = alone(&smallest).err().or(outcome.err());
                format!("{}: {}", smallest.signature(), wrong.unwrap_or_default())
            });
        }
    }
    report
}

fn draw(random: &mut Random, index: usize, types: &[ValType]) -> RandomCall {
    let (params, results) = match index {
        i if i % LARGE == 0 => (RESULTS, RESULTS),
        i if i % 2 == 0 => (40, 16),
        _ => (8, 2),
    };
    RandomCall::random(random, params, results, types)
}

/// Has every case called; for each, what went wrong first.
fn judge(engine: &Engine, cases: &[RandomCall], lie: Option<Lie>) -> Vec<Result<(), String>> {
    let state = |case: &RandomCall| {
        Arc::new(Mutex::new(State {
            signature: case.signature(),
            arguments: Vec::new(),
            results: Vec::new(),
            lie,
            calls: 0,
            outcome: Ok(()),
        }))
    };
    let states: Vec<_> = cases.iter().map(state).collect();
    let signatures: Vec<Signature> = cases.iter().map(RandomCall::signature).collect();
    let mut imports = Vec::new();
    let mut world = World::with(engine, &module_text(&signatures), cases.len(), |store| {
        for (i, (signature, state)) in signatures.iter().zip(&states).enumerate() {
            let host = host(i, signature, state);
            imports.push(Import::new(&mut *store, crate::guest::func_type(signature), host));
        }
        imports.iter().map(|import| import.func.into()).collect()
    });
    let outcomes = cases.iter().zip(&states).enumerate();
    let outcomes = outcomes.map(|(i, (case, state))| one(&mut world, i, case, state)).collect();
    drop(world);
    outcomes
}

fn one(
    world: &mut World,
    index: usize,
    case: &RandomCall,
    state: &Mutex<State>,
) -> Result<(), String> {
    for (i, param) in case.params.iter().enumerate() {
        world.put(i, *param);
    }
    for (i, result) in case.results.iter().enumerate() {
        let other =
            crate::random_call::Value { bits: if result.bits == 0 { 1 } else { 0 }, ..*result };
        world.put(RESULTS + i, other);
    }
    let expected = world.all_bits(&case.results);
    {
        let mut state = state.lock().unwrap();
        state.arguments = world.all_bits(&case.params);
        state.results = expected.clone();
    }
    let func = world.funcs[index];
    func.call(&mut world.store, &[], &mut []).map_err(|error| error.to_string())?;
    let state = state.lock().unwrap();
    state.outcome.clone()?;
    if state.calls != 1 {
        return Err(format!("called {} times", state.calls));
    }
    let results = case.results.iter().enumerate();
    let found: Vec<u128> = results.map(|(i, result)| world.get(RESULTS + i, result.ty)).collect();
    compare("result", &expected, &found)
}

/// For every signature an import, and a function that passes it what it finds in the
/// places of the parameters and puts what comes back in those of the results.
fn module_text(signatures: &[Signature]) -> String {
    let imports = signatures.iter().enumerate();
    let imports: Vec<String> = imports
        .map(|(i, signature)| {
            format!("(import \"host\" \"h{i}\" (func $h{i} {}))\n", wat(signature))
        })
        .collect();
    let mut text = places_text(&imports);
    for (i, signature) in signatures.iter().enumerate() {
        let (params, results) = (scalars::params(signature), scalars::results(signature));
        writeln!(text, "(func (export \"f{i}\")").unwrap();
        results.iter().for_each(|ty| writeln!(text, "(local {ty})").unwrap());
        for (place, ty) in params.into_iter().enumerate() {
            writeln!(text, "{}", load_text(ty, place)).unwrap();
        }
        writeln!(text, "(call $h{i})").unwrap();
        (0..results.len()).rev().for_each(|local| writeln!(text, "(local.set {local})").unwrap());
        for (local, ty) in results.into_iter().enumerate() {
            writeln!(text, "{}", store_text(ty, RESULTS + local, local)).unwrap();
        }
        text.push_str(")\n");
    }
    text.push(')');
    text
}
