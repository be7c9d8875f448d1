//! Part 4: function pointers in the place of Wasmtime's own, when things go wrong.
//!
//! A guest's functions descend: each calls the host, which calls the function again,
//! until the last one returns, traps, fails or panics. All calls by the host are made
//! by `Func::call` in one world, by a function pointer in the others; results, traps,
//! panics and the frames of backtraces must be the same.

use std::{
    arch::naked_asm,
    env,
    fmt::Write,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    process::{Command, Stdio},
    rc::Rc,
};

use vmtrampoline::{
    Signature, TypedSignature, VMContext, VMFunctionBody, VMOpaqueContext, VMTrampoline, ValRaw,
    pointer,
};
use wasmtime::{
    AsContextMut, Caller, Engine, Error, ExternRef, Func, Instance, Module, Result, Store, Trap,
    Val, WasmBacktrace,
};

use crate::{
    candidate::{Candidate, Lie, Position},
    guest::{wat, wat_zero},
    report::Report,
    scalars,
    spec::describe_value,
    store_door::StoreDoor,
};

/// Signatures of the descending functions, which begin with the depth and the
/// [`End`]; results are taken from parameters of the same type, last ones first.
/// Between them their pointers have every shape. With each comes its pointer made at
/// compile time.
fn shapes() -> Vec<(Signature, VMTrampoline)> {
    fn shape<F: TypedSignature>() -> (Signature, VMTrampoline) {
        (Signature::of::<F>(), pointer::<F>())
    }
    let mut shapes = vec![
        shape::<fn(i32, i32)>(),
        shape::<fn(i32, i32) -> i32>(),
        shape::<fn(i32, i32, i64, i64, i64, i64, i64, i64)>(),
        shape::<fn(i32, i32, f64, i64, i64, i64, i64, i64, i64) -> f64>(),
        shape::<fn(i32, i32, i64, f32, f64) -> (f32, i64, f64)>(),
        shape::<fn(i32, i32, u128) -> u128>(),
    ];
    // References are pointers to Rust, and i64 to `Signature::of`.
    let reference = "(i32, i32, externref) -> externref".parse().expect("a signature");
    shapes.push((reference, pointer::<fn(i32, i32, *mut u8) -> *mut u8>()));
    shapes
}

/// How the deepest function ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Return,
    Unreachable,
    DivideByZero,
    OutOfBounds,
    Overflow,
    HostFails,
    HostPanics,
    /// Collects garbage, then returns.
    Collect,
}

impl End {
    const ALL: [End; 8] = [
        End::Return,
        End::Unreachable,
        End::DivideByZero,
        End::OutOfBounds,
        End::Overflow,
        End::HostFails,
        End::HostPanics,
        End::Collect,
    ];
}

/// What calls of the host are made by.
#[derive(Clone, Copy, Debug)]
enum Make {
    /// `Func::call`.
    Model,
    /// A pointer from the pool.
    RunTime(Position),
    /// A pointer that the compiler made.
    CompileTime(Position),
}

/// How often a descent calls the host.
const DEPTHS: [i32; 3] = [0, 1, 5];

/// Compares all ends of all descents; `lie` is what the pointers do wrong.
pub fn run(lie: Option<Lie>) -> Report {
    let mut report = Report::new("Function pointers in Wasmtime");
    let engine = Engine::default();
    let module = Module::new(&engine, module_text()).expect("a valid module");
    let (mut traps, mut panics, mut frames) = (0, 0, 0);
    for make in [Make::RunTime, Make::CompileTime] {
        for position in Position::BOTH {
            let mut model = World::new(&module, Make::Model, None);
            let mut world = World::new(&module, make(position), lie);
            for (shape, (signature, _)) in shapes().iter().enumerate() {
                for end in End::ALL {
                    // Our own code is in no module, which the collector wants of all
                    // that Wasmtime's entry has entered.
                    if end == End::Collect && position == Position::Inner {
                        continue;
                    }
                    for depth in DEPTHS {
                        // The first function is the guest's, or the host's.
                        for first in ["guest", "host"] {
                            let expected = model.descend(first, shape, depth, end);
                            let found = world.descend(first, shape, depth, end);
                            traps += usize::from(expected.trapped);
                            panics += usize::from(expected.panicked);
                            frames += expected.frames;
                            report.check(expected.text == found.text, || {
                                format!(
                                    "{:?}, {signature}, {first} first, {depth} deep, {end:?}: \
                                     Func::call gives {}, the pointer {}",
                                    make(position),
                                    expected.text,
                                    found.text
                                )
                            });
                        }
                    }
                }
            }
        }
    }
    let tried = format!("{traps} traps, {panics} panics, {frames} frames of WebAssembly");
    report.check(traps > 0 && panics > 0 && frames > 0, || format!("tried only {tried}"));
    report.note(tried);
    report
}

/// What a store holds for its host functions.
struct Host {
    candidates: Rc<Vec<Candidate>>,
    /// None in the model.
    door: Option<Rc<StoreDoor>>,
    instance: Option<Instance>,
}

struct World {
    store: Store<Host>,
    instance: Instance,
    /// Must outlive the store.
    _door: Option<Rc<StoreDoor>>,
}

/// What came of a descent.
struct Outcome {
    text: String,
    trapped: bool,
    panicked: bool,
    frames: usize,
}

impl World {
    fn new(module: &Module, make: Make, lie: Option<Lie>) -> World {
        let candidate = |(signature, compiled): &(Signature, VMTrampoline)| match make {
            Make::Model => None,
            Make::RunTime(position) => Some(Candidate::made(signature, position).lying(lie)),
            Make::CompileTime(position) => {
                Some(Candidate::placed(signature, *compiled, position).lying(lie))
            }
        };
        let candidates = Rc::new(shapes().iter().filter_map(candidate).collect::<Vec<_>>());
        let mut store =
            Store::new(module.engine(), Host { candidates, door: None, instance: None });
        let door = match make {
            Make::Model => None,
            _ => Some(Rc::new(StoreDoor::new(&mut store))),
        };
        store.data_mut().door = door.clone();
        let fail = Func::wrap(&mut store, || -> Result<()> { Err(Error::msg("the host fails")) });
        let panic = Func::wrap(&mut store, || -> () { resume_unwind(Box::new("the host panics")) });
        let collect = Func::wrap(&mut store, |mut caller: Caller<Host>| caller.gc());
        let again = module.imports().skip(3).enumerate().map(|(shape, import)| {
            let ty = import.ty().unwrap_func().clone();
            Func::new(&mut store, ty, move |mut caller, args, results| {
                let mut args = args.to_vec();
                args[0] = Val::I32(args[0].unwrap_i32() - 1);
                results.clone_from_slice(&call(&mut caller, "guest", shape, &args)?);
                Ok(())
            })
        });
        let again: Vec<_> = again.collect();
        let imports: Vec<_> =
            [fail, panic, collect].into_iter().chain(again).map(Into::into).collect();
        let instance = Instance::new(&mut store, module, &imports).expect("all imports");
        store.data_mut().instance = Some(instance);
        World { store, instance, _door: door }
    }

    fn descend(&mut self, first: &str, shape: usize, depth: i32, end: End) -> Outcome {
        // The host takes one off the depth before it calls the guest.
        let depth = if first == "host" { depth + 1 } else { depth };
        let func = self.instance.get_func(&mut self.store, &format!("{first}{shape}"));
        let types = func.expect("exported").ty(&self.store);
        let mut args = vec![Val::I32(depth), Val::I32(end as i32)];
        args.extend(types.params().skip(2).enumerate().map(|(i, ty)| match ty {
            wasmtime::ValType::I64 => Val::I64(i as i64 - 3),
            wasmtime::ValType::F32 => Val::F32(SIGNALLING),
            wasmtime::ValType::F64 => Val::F64((i as f64).sqrt().to_bits()),
            wasmtime::ValType::V128 => Val::V128(u128::MAX / 3),
            wasmtime::ValType::ExternRef => Val::ExternRef(Some(ExternRef::new(7_u32))),
            _ => unreachable!("no shape has it"),
        }));
        let store = &mut self.store;
        Outcome::of(catch_unwind(AssertUnwindSafe(|| call(store, first, shape, &args))))
    }
}

/// A NaN that no copy may quiet.
const SIGNALLING: u32 = 0xffa0_0001;

/// Calls a function of the guest, in the way of its world.
fn call(
    mut store: impl AsContextMut<Data = Host>,
    name: &str,
    shape: usize,
    args: &[Val],
) -> Result<Vec<Val>> {
    let mut store = store.as_context_mut();
    let Host { candidates, door, instance } = store.data();
    let (candidates, door) = (candidates.clone(), door.clone());
    let instance = instance.expect("there is an instance before there is a call");
    let func = instance.get_func(&mut store, &format!("{name}{shape}")).expect("exported");
    match door {
        None => {
            let mut results = vec![Val::I32(0); func.ty(&store).results().len()];
            func.call(&mut store, args, &mut results)?;
            Ok(results)
        }
        // SAFETY: the candidate of this shape; arguments of its types and of this store.
        Some(door) => unsafe { door.call_vals(&mut store, &candidates[shape], &func, args) },
    }
}

impl Outcome {
    fn of(caught: std::thread::Result<Result<Vec<Val>>>) -> Outcome {
        let mut outcome =
            Outcome { text: String::new(), trapped: false, panicked: false, frames: 0 };
        match caught {
            Ok(Ok(values)) => {
                outcome.text = values.iter().map(describe_value).collect::<Vec<_>>().join(", ");
            }
            Ok(Err(error)) => {
                outcome.trapped = true;
                outcome.text = match error.downcast_ref::<Trap>() {
                    Some(trap) => format!("{trap:?}"),
                    None => error.root_cause().to_string(),
                };
                let backtrace = error.downcast_ref::<WasmBacktrace>();
                let mut frames: Vec<_> = backtrace
                    .into_iter()
                    .flat_map(WasmBacktrace::frames)
                    .map(|frame| {
                        let name = frame.func_name().unwrap_or("?").to_string();
                        (name, frame.func_index(), frame.func_offset())
                    })
                    .collect();
                outcome.frames = frames.len();
                // How deep a recursion goes before the stack ends is not promised.
                frames.dedup();
                for (name, index, offset) in frames {
                    write!(outcome.text, ", in {name} ({index}) at {offset:?}").unwrap();
                }
            }
            Err(panic) => {
                outcome.panicked = true;
                outcome.text = match panic.downcast_ref::<&str>() {
                    Some(text) => format!("panic: {text}"),
                    None => "panic".into(),
                };
            }
        }
        outcome
    }
}

/// The guest: see [`shapes`] and [`End`].
fn module_text() -> String {
    let shapes = shapes();
    let mut text = String::from(
        r#"(module
    (import "host" "fail" (func $fail))
    (import "host" "panic" (func $panic))
    (import "host" "collect" (func $collect))
"#,
    );
    for (i, (signature, _)) in shapes.iter().enumerate() {
        let ty = wat(signature);
        writeln!(text, r#"    (import "host" "again{i}" (func $again{i} {ty}))"#).unwrap();
    }
    text += r#"
    (memory 1)
    (func $overflow (call $overflow))
    (func $end (param i32)
        (block (block (block (block (block (block (block (block
            (br_table 0 1 2 3 4 5 6 7 (local.get 0)))
            (return))
            (unreachable))
            (drop (i32.div_s (i32.const 1) (i32.const 0))) (return))
            (drop (i32.load (i32.const 0x7fffffff))) (return))
            (call $overflow) (return))
            (call $fail) (return))
            (call $panic) (return))
            (call $collect))
"#;
    for (i, (signature, _)) in shapes.iter().enumerate() {
        let ty = wat(signature);
        writeln!(text, r#"    (export "host{i}" (func $again{i}))"#).unwrap();
        writeln!(text, r#"    (func $guest{i} (export "guest{i}") {ty}"#).unwrap();
        text +=
            "        (if (i32.eqz (local.get 0)) (then\n            (call $end (local.get 1))\n";
        let params = scalars::params(signature);
        for result in scalars::results(signature) {
            let source = params.iter().rposition(|param| *param == result);
            let source = source.map_or(wat_zero(result), |i| format!("(local.get {i})"));
            writeln!(text, "            {source}").unwrap();
        }
        text += "            (return)))\n";
        for param in 0..params.len() {
            writeln!(text, "        (local.get {param})").unwrap();
        }
        writeln!(text, "        (call $again{i}))").unwrap();
    }
    text + ")"
}

/// Tells a process to let a function trap below a pointer without a frame record, or
/// with one.
pub const WITHOUT_RECORD: &str = "--without-record";
pub const WITH_RECORD: &str = "--with-record";

/// Shows that backtraces need the frame record: without it Wasmtime's walker leaves the
/// stack, so a process of its own dies of it.
pub fn record_control() -> Report {
    let mut report = Report::new("Frame records, in processes of their own");
    for (argument, must_succeed) in [(WITH_RECORD, true), (WITHOUT_RECORD, false)] {
        let mut child = Command::new(env::current_exe().expect("our own program"));
        let status = child.arg(argument).stderr(Stdio::null()).status().expect("a process");
        report.check(status.success() == must_succeed, || format!("{argument}: {status}"));
        report.note(format!("{argument}: {status}"));
    }
    report
}

/// What that process does.
pub fn trap_below(argument: &str) {
    let signature = "()".parse().expect("a signature");
    let candidate = match argument {
        WITH_RECORD => Candidate::made(&signature, Position::Inner),
        _ => Candidate::placed(&signature, without_record, Position::Inner),
    };
    let engine = Engine::default();
    let module = Module::new(&engine, r#"(module (func (export "f") unreachable))"#);
    let mut store = Store::new(&engine, ());
    let door = StoreDoor::new(&mut store);
    let instance = Instance::new(&mut store, &module.expect("a valid module"), &[]);
    let func = instance.expect("no imports").get_func(&mut store, "f").expect("exported");
    // SAFETY: the candidate's signature is the function's.
    let error = unsafe { door.call_vals(&mut store, &candidate, &func, &[]) }.expect_err("a trap");
    assert_eq!(error.downcast_ref::<WasmBacktrace>().expect("a trace").frames().len(), 1);
}

/// A trampoline for `()` whose frame begins with something else than a frame record.
#[unsafe(naked)]
unsafe extern "C" fn without_record(
    _: *mut VMOpaqueContext,
    _: *mut VMContext,
    _: *const VMFunctionBody,
    _: *mut ValRaw,
) {
    naked_asm!("push rbp", "xor ebp, ebp", "call rdx", "pop rbp", "ret")
}
