//! What a call costs from WebAssembly through wasmi to a native function.
//!
//! A loop in WebAssembly calls an import. The import is, in turn, a typed closure
//! under `Func::wrap`, a body typed by hand under `Func::new`, this crate's
//! trampoline and libffi, both made from the import's type, under `Func::new` too.
//! All end in the same native function. Rounds take turns, and the shortest
//! counts.

use std::{ffi::c_void, fmt::Write, hint::black_box, time::Instant};

use wasmi::{Engine, Func, FuncType, Instance, Module, Store, TypedFunc, Val};

use crate::native::{Native, State};

/// Calls in a round.
const CALLS: i32 = 10_000;

/// A way to call a native function.
struct Method {
    name: &'static str,
    /// Makes the import.
    make: fn(&mut Store<State>, &Subject) -> Option<Func>,
}

/// A function, and the imports that somebody typed for it.
struct Subject {
    name: &'static str,
    params: Vec<wasmi::ValType>,
    results: Vec<wasmi::ValType>,
    target: *const c_void,
    wrapped: fn(&mut Store<State>) -> Func,
    typed: fn(&mut Store<State>, FuncType) -> Func,
}

impl Subject {
    fn ty(&self) -> FuncType {
        FuncType::new(self.params.clone(), self.results.clone())
    }

    /// A module that calls the import once, and one in a loop.
    fn module(&self) -> String {
        let names = |types: &[wasmi::ValType]| -> Vec<String> {
            types.iter().map(|ty| format!("{ty:?}").to_lowercase()).collect()
        };
        let (params, results) = (names(&self.params), names(&self.results));
        let arguments = params.iter().enumerate().map(|(i, ty)| format!("({ty}.const {})", i + 3));
        let call = format!("(call $f {})", arguments.collect::<String>());
        let drops = "drop ".repeat(results.len());
        let (params, results) = (params.join(" "), results.join(" "));
        format!(
            r#"(module
                (import "" "" (func $f (param {params}) (result {results})))
                (func (export "once") (result {results}) {call})
                (func (export "loop") (param $n i32)
                    (loop $next
                        {call} {drops}
                        (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"#
        )
    }
}

macro_rules! subjects {
    ($($text:literal: ($($p:ident: $ty:ident $val:ident),*) $(-> $r:ident $rval:ident = $e:expr)?;)*) => {
        vec![$({
            extern "C" fn target($($p: $ty),*) $(-> $r)? {
                black_box(());
                $($e)?
            }
            type Target = extern "C" fn($($ty),*) $(-> $r)?;
            Subject {
                name: $text,
                params: vec![$(wasmi::ValType::$val),*],
                results: vec![$(wasmi::ValType::$rval)?],
                target: target as *const c_void,
                wrapped: |store| {
                    let target = black_box(target as Target);
                    Func::wrap(store, move |$($p: $ty),*| $(-> $r)? { target($($p),*) })
                },
                typed: |store, ty| {
                    let target = black_box(target as Target);
                    Func::new(store, ty, move |_, params, results| {
                        let [$(Val::$val($p)),*] = params else { unreachable!("the type") };
                        let result = target($((*$p).into()),*);
                        let _ = (&result, &results);
                        $(results[0] = Val::$rval(<$r>::into(result));)?
                        Ok(())
                    })
                },
            }
        }),*]
    };
}

fn subjects() -> Vec<Subject> {
    subjects! {
        "()": ();
        "(i32, i32) -> i32": (a: i32 I32, b: i32 I32) -> i32 I32 = a.wrapping_add(b);
        "(f64, f64) -> f64": (a: f64 F64, b: f64 F64) -> f64 F64 = a + b;
        "(i32, i64, f32, f64) -> f64": (a: i32 I32, b: i64 I64, c: f32 F32, d: f64 F64)
            -> f64 F64 = f64::from(a) + b as f64 + f64::from(c) + d;
        "(i64 ×6) -> i64": (a: i64 I64, b: i64 I64, c: i64 I64, d: i64 I64, e: i64 I64, f: i64 I64)
            -> i64 I64 = a ^ b ^ c ^ d ^ e ^ f;
    }
}

const METHODS: [Method; 4] = [
    Method { name: "`Func::wrap`, typed", make: |store, subject| Some((subject.wrapped)(store)) },
    Method {
        name: "`Func::new`, typed",
        make: |store, subject| Some((subject.typed)(store, subject.ty())),
    },
    Method {
        name: "`Func::new`, this crate",
        make: |store, subject| {
            let native = Native::new("f", &subject.ty(), |_| Ok(subject.target)).expect("scalars");
            Some(native.function(store, &subject.ty()))
        },
    },
    Method { name: "`Func::new`, libffi", make: libffi },
];

#[cfg(not(feature = "libffi"))]
fn libffi(_: &mut Store<State>, _: &Subject) -> Option<Func> {
    None
}

/// An import by libffi, which is given its values where our own code puts them.
#[cfg(feature = "libffi")]
fn libffi(store: &mut Store<State>, subject: &Subject) -> Option<Func> {
    use libffi::{
        middle::{Cif, Type},
        raw::ffi_call,
    };

    let ty = |ty: &wasmi::ValType| match ty {
        wasmi::ValType::I32 => Type::i32(),
        wasmi::ValType::I64 => Type::i64(),
        wasmi::ValType::F32 => Type::f32(),
        wasmi::ValType::F64 => Type::f64(),
        _ => unreachable!("scalars"),
    };
    let result = subject.results.first().map_or(Type::void(), ty);
    struct Function(Cif, unsafe extern "C" fn());
    // SAFETY: neither is written to; code may be called by any thread.
    unsafe impl Send for Function {}
    // SAFETY: as above.
    unsafe impl Sync for Function {}
    // SAFETY: the address of a function, to be called by its interface.
    let target =
        unsafe { std::mem::transmute::<*const c_void, unsafe extern "C" fn()>(subject.target) };
    let function = Function(Cif::new(subject.params.iter().map(ty), result), target);
    Some(Func::new(store, subject.ty(), move |_, params, results| {
        let Function(cif, target) = &function;
        let mut slots = [0u64; 8];
        let mut arguments = [std::ptr::null_mut::<c_void>(); 8];
        for (i, value) in params.iter().enumerate() {
            slots[i] = crate::native::slot(value);
            arguments[i] = (&raw mut slots[i]).cast();
        }
        let mut result = 0u64;
        // SAFETY: the interface describes the target; every argument points to
        // its slot; the result has room for any scalar.
        unsafe {
            ffi_call(
                cif.as_raw_ptr(),
                Some(*target),
                (&raw mut result).cast(),
                arguments.as_mut_ptr(),
            );
        }
        crate::native::set_result(results, result);
        Ok(())
    }))
}

/// One method at one subject.
struct Racer {
    store: Store<State>,
    run: TypedFunc<i32, ()>,
    best: f64,
}

impl Racer {
    /// Also returns the import's results.
    fn new(engine: &Engine, method: &Method, subject: &Subject) -> Option<(Racer, Vec<Val>)> {
        let module = Module::new(engine, subject.module()).expect("a module");
        let mut store = Store::new(engine, State::default());
        let import = (method.make)(&mut store, subject)?;
        let instance = Instance::new(&mut store, &module, &[import.into()]).expect("one import");
        let once = instance.get_func(&store, "once").expect("it is exported");
        let mut results: Vec<_> =
            subject.results.iter().map(|ty| Val::default_for_ty(*ty)).collect();
        once.call(&mut store, &[], &mut results).expect("no trap");
        let run = instance.get_typed_func(&store, "loop").expect("it is exported");
        Some((Racer { store, run, best: f64::INFINITY }, results))
    }

    /// A round; remembers the nanoseconds of a call.
    fn round(&mut self) {
        let start = Instant::now();
        self.run.call(&mut self.store, CALLS).expect("no trap");
        let nanoseconds = start.elapsed().as_nanos() as f64 / f64::from(CALLS);
        self.best = self.best.min(nanoseconds);
    }
}

/// The table, after so many rounds.
pub fn table(rounds: u32) -> String {
    let (engine, mut text) = (Engine::default(), String::new());
    let names: Vec<_> = METHODS.iter().map(|method| method.name).collect();
    let _ = writeln!(text, "million calls a second (nanoseconds a call)\n");
    let _ = writeln!(text, "| signature | {} | to typed `Func::new` |", names.join(" | "));
    let _ = write!(text, "|---|{}---|", "---|".repeat(names.len()));
    for subject in subjects() {
        let mut expected = None;
        let mut racers: Vec<_> = METHODS
            .iter()
            .map(|method| {
                let (racer, results) = Racer::new(&engine, method, &subject)?;
                let results = format!("{results:?}");
                assert_eq!(*expected.get_or_insert(results.clone()), results, "{}", method.name);
                Some(racer)
            })
            .collect();
        for _ in 0..rounds.max(1) {
            racers.iter_mut().flatten().for_each(Racer::round);
        }
        let _ = write!(text, "\n| `{}` |", subject.name);
        let best: Vec<_> = racers.iter().map(|racer| racer.as_ref().map(|r| r.best)).collect();
        for best in &best {
            let _ = match best {
                Some(best) => write!(text, " {:.1} ({best:.0}) |", 1e3 / best),
                None => write!(text, " – |"),
            };
        }
        let ratio = best[2].zip(best[1]).map_or(f64::NAN, |(ours, typed)| ours / typed);
        let _ = write!(text, " {ratio:.2} |");
    }
    if cfg!(not(feature = "libffi")) {
        text += "\n\nlibffi is measured with: cargo run --release --features libffi -- --bench";
    }
    text
}
