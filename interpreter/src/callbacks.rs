//! Functions of WebAssembly as C function pointers, for as long as a call lasts.

use std::{
    cell::{Cell, RefCell},
    mem,
    thread::{self, ThreadId},
};

use vmtrampoline::{Callback, Landing, ValRaw};
use wasmi::{Caller, Func, StoreLimits, StoreLimitsBuilder, Val};

use crate::native::{Error, State, c_signature, slot, value};

/// A call to a native function that may call back.
pub struct Call<'a, 'c> {
    /// Absent while a callback runs, so no other code can enter wasmi meanwhile.
    caller: Cell<Option<&'a mut Caller<'c, State>>>,
    /// Where the memory lies, and how long it is.
    memory: (u64, u64),
    /// How large it might have been.
    limits: StoreLimits,
    /// Why a callback has stopped. C cannot be told: it is left, or it gets zeros from
    /// then on. WebAssembly is told when the call of C is over.
    trap: RefCell<Option<Error>>,
    /// What the call of C is left for.
    landing: Landing,
}

/// What only the thread that made it can get at.
struct SameThread<T>(ThreadId, T);

// SAFETY: another thread can have it, but `get` gives it nothing.
unsafe impl<T> Send for SameThread<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for SameThread<T> {}

impl<T: Copy> SameThread<T> {
    /// Panics in other threads, which ends the process: see [`Callback::new`].
    fn get(&self) -> T {
        assert_eq!(self.0, thread::current().id(), "a callback came from another thread");
        self.1
    }
}

impl<'a, 'c> Call<'a, 'c> {
    /// The memory, whose address and length these are, stays where it is as long
    /// as this lives.
    pub fn new(caller: &'a mut Caller<'c, State>, memory: (u64, u64)) -> Call<'a, 'c> {
        // A memory that grew would move, and C has its address.
        let pinned = StoreLimitsBuilder::new().memory_size(memory.1 as usize).build();
        let limits = mem::replace(&mut caller.data_mut().limits, pinned);
        let (caller, trap) = (Cell::new(Some(caller)), RefCell::default());
        Call { caller, memory, limits, trap, landing: Landing::new() }
    }

    /// What the call of C is to be made with.
    pub fn landing(&self) -> &Landing {
        &self.landing
    }

    /// A C function pointer that calls this; `addresses` says which arguments are
    /// addresses, `leaves` whether an error leaves C.
    pub fn function<'f>(
        &'f self,
        function: &Func,
        addresses: &'f [bool],
        leaves: bool,
    ) -> Result<Callback<'f>, Error> {
        let (function, caller) = (*function, self.caller.take().expect("no callback runs"));
        let ty = function.ty(&*caller);
        self.caller.set(Some(caller));
        let signature = c_signature(&ty, addresses)?;
        let call = SameThread(thread::current().id(), self);
        let kinds: Vec<_> = ty.params().to_vec();
        let results: Vec<_> = ty.results().iter().map(|ty| Val::default_for_ty(*ty)).collect();
        let run = move |call: &Call, slots: &mut [ValRaw]| {
            let mut results = results.clone();
            if call.trap.borrow().is_none() {
                if let Err(error) = call.run(function, &kinds, addresses, slots, &mut results) {
                    *call.trap.borrow_mut() = Some(error);
                }
            }
            if let [result] = &results[..] {
                slots[0] = ValRaw::u64(slot(result));
            }
        };
        let callback = Callback::new(&signature, move |slots| {
            let call = call.get();
            run(call, slots);
            if leaves && call.trap.borrow().is_some() {
                // SAFETY: C has called this, in the thread and during the call of C that the
                // landing is of. The import's name says that C may be abandoned; there is
                // nothing to drop here.
                unsafe { call.landing.leave(0) }
            }
        })?;
        Ok(callback)
    }

    fn run(
        &self,
        function: Func,
        kinds: &[wasmi::ValType],
        addresses: &[bool],
        slots: &[ValRaw],
        results: &mut [Val],
    ) -> Result<(), Error> {
        let mut arguments = Vec::with_capacity(kinds.len());
        for (i, (kind, address)) in kinds.iter().zip(addresses).enumerate() {
            let mut bits = slots[i].get_u64();
            if *address {
                let (base, length) = self.memory;
                let offset = bits.wrapping_sub(base);
                if offset > length {
                    return Err(
                        format!("callback, parameter {i}: an address outside the memory").into()
                    );
                }
                bits = offset;
            }
            arguments.push(value(*kind, bits));
        }
        let caller = self.caller.take().ok_or("a callback was called while another one ran")?;
        let called = function.call(&mut *caller, &arguments, results);
        self.caller.set(Some(caller));
        Ok(called?)
    }

    /// Whether all callbacks went well.
    pub fn end(&self) -> Result<(), Error> {
        self.trap.take().map_or(Ok(()), Err)
    }
}

impl Drop for Call<'_, '_> {
    fn drop(&mut self) {
        let caller = self.caller.take().expect("no callback runs");
        caller.data_mut().limits = mem::take(&mut self.limits);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        ffi::c_void,
        sync::atomic::{AtomicUsize, Ordering::Relaxed},
    };

    use wasmi::{Engine, Instance, Module, Store};

    use super::*;
    use crate::native::Native;

    #[test]
    #[should_panic(expected = "another thread")]
    fn another_thread() {
        let here = SameThread(thread::current().id(), 7);
        assert_eq!(here.get(), 7);
        let there = thread::spawn(move || here.get());
        std::panic::resume_unwind(there.join().unwrap_err());
    }

    /// C is left at once if the import's name allows it; otherwise it goes on.
    #[test]
    fn errors_leave_c() {
        static BEHIND: AtomicUsize = AtomicUsize::new(0);
        extern "C" fn calls(function: extern "C" fn(i32) -> i32) -> i32 {
            let result = function(7);
            BEHIND.fetch_add(1, Relaxed);
            result
        }
        for (name, behind) in [("calls(fn(_)!)", 0), ("calls(fn(_))", 1)] {
            let text = format!(
                r#"(module
                (import "" "{name}" (func $calls (param funcref) (result i32)))
                (elem declare func $f $g)
                (func $f (param i32) (result i32) unreachable)
                (func $g (param i32) (result i32) (local.get 0))
                (func (export "bad") (result i32) (call $calls (ref.func $f)))
                (func (export "good") (result i32) (call $calls (ref.func $g))))"#
            );
            let engine = Engine::default();
            let module = Module::new(&engine, &text).unwrap();
            let mut store = Store::new(&engine, State::default());
            let import = module.imports().next().unwrap();
            let ty = import.ty().func().unwrap().clone();
            let native = Native::new(name, &ty, |_| Ok(calls as *const c_void)).unwrap();
            let import = native.function(&mut store, &ty);
            let instance = Instance::new(&mut store, &module, &[import.into()]).unwrap();
            let [bad, good] = ["bad", "good"]
                .map(|name| instance.get_typed_func::<(), i32>(&store, name).unwrap());
            for _ in 0..100 {
                BEHIND.store(0, Relaxed);
                let error = bad.call(&mut store, ()).unwrap_err();
                assert!(error.to_string().contains("unreachable"), "{error}");
                assert_eq!(BEHIND.load(Relaxed), behind, "{name}");
                assert_eq!(good.call(&mut store, ()).unwrap(), 7);
            }
        }
    }

    /// A function that keeps its function pointer, against the rule, and another
    /// one that calls it.
    #[test]
    fn a_callback_inside_itself() {
        static KEPT: AtomicUsize = AtomicUsize::new(0);
        extern "C" fn keep(function: extern "C" fn() -> i32) -> i32 {
            KEPT.store(function as usize, Relaxed);
            function()
        }
        extern "C" fn again() -> i32 {
            // SAFETY: the test has it that `keep` has not returned.
            let kept =
                unsafe { std::mem::transmute::<usize, extern "C" fn() -> i32>(KEPT.load(Relaxed)) };
            kept()
        }
        let text = r#"(module
            (import "" "keep(fn())" (func $keep (param funcref) (result i32)))
            (import "" "again" (func $again (result i32)))
            (elem declare func $f)
            (func $f (result i32) (call $again))
            (func (export "main") (result i32) (call $keep (ref.func $f))))"#;
        let engine = Engine::default();
        let module = Module::new(&engine, text).unwrap();
        let mut store = Store::new(&engine, State::default());
        let mut imports = Vec::new();
        for import in module.imports() {
            let ty = import.ty().func().unwrap();
            let native = Native::new(import.name(), ty, |symbol| {
                Ok(if symbol == "keep" { keep as *const c_void } else { again as *const c_void })
            });
            imports.push(native.unwrap().function(&mut store, ty).into());
        }
        let instance = Instance::new(&mut store, &module, &imports).unwrap();
        let main = instance.get_typed_func::<(), i32>(&store, "main").unwrap();
        let error = main.call(&mut store, ()).unwrap_err();
        assert_eq!(error.to_string(), "a callback was called while another one ran");
    }
}
