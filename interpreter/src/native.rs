//! Imports that are functions of shared libraries.

use std::{collections::HashMap, ffi::c_void, iter::repeat_n};

use libloading::Library;
use vmtrampoline::{CTrampoline, Outcome, Signature, ValType};
use wasmi::{Caller, Extern, Func, FuncType, Nullable, Store, StoreLimits, Val};

use crate::{
    callbacks::Call,
    rule::{self, Factor, Item},
};

/// What an import refuses to be, or a call to do.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// What the store keeps for the calls.
#[derive(Default)]
pub struct State {
    /// How large the memory may be.
    pub limits: StoreLimits,
}

/// The libraries that are loaded: for good, as a function of theirs may be called
/// at any time.
#[derive(Default)]
pub struct Libraries(HashMap<String, &'static Library>);

impl Libraries {
    fn load(&mut self, name: &str) -> Result<&'static Library, Error> {
        if let Some(library) = self.0.get(name) {
            return Ok(library);
        }
        // SAFETY: this runs the library's initialisers. The user asks for that by running a
        // module that imports from it.
        let library = unsafe { Library::new(name) }
            .map_err(|error| format!("cannot load {name}: {}", cause(&error)))?;
        Ok(self.0.entry(name.to_owned()).or_insert(Box::leak(Box::new(library))))
    }

    /// The address of this function.
    pub fn find(&mut self, library: &str, symbol: &str) -> Result<*const c_void, Error> {
        let library = self.load(library)?;
        // SAFETY: a pointer may have any value, so a symbol's address is one.
        let found = unsafe { library.get::<*const c_void>(symbol.as_bytes()) };
        Ok(*found.map_err(|error| format!("no function {symbol}: {}", cause(&error)))?)
    }
}

/// What the dynamic linker said, in one line.
fn cause(error: &libloading::Error) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    source.unwrap_or_else(|| error.to_string()).lines().collect::<Vec<_>>().join(" ")
}

/// A native function as WebAssembly of this type sees it.
pub struct Native {
    trampoline: CTrampoline<u64>,
    target: *const c_void,
    items: Vec<Item>,
    /// Whether all arguments are passed as they are, and there are few.
    quick: bool,
    symbol: String,
}

// SAFETY: `target` is code, which does not change and any thread may call.
unsafe impl Send for Native {}
// SAFETY: as above.
unsafe impl Sync for Native {}

/// The signature of the C function: that of the import, but for addresses, which
/// are as wide as the machine's.
fn signature(ty: &FuncType, items: &[Item]) -> Result<Signature, Error> {
    let params = ty.params();
    if items.len() != params.len() {
        return Err(format!("{} items for {} parameters", items.len(), params.len()).into());
    }
    let integer =
        |k: usize| matches!(params.get(k), Some(wasmi::ValType::I32 | wasmi::ValType::I64));
    for (i, item) in items.iter().enumerate() {
        let wrong = |what: &str| Err(format!("parameter {i}: {what}").into());
        if item.is_address() && !integer(i) {
            return wrong("an address is an i32 or an i64");
        }
        if matches!(item, Item::Function { .. }) && params[i] != wasmi::ValType::FuncRef {
            return wrong("a function is a funcref");
        }
        let Item::Bytes { size, .. } = item else { continue };
        for factor in size {
            match *factor {
                Factor::Param(k) if !integer(k) || items[k].is_address() => {
                    return wrong(&format!("${k} is no parameter that is a number of bytes"));
                }
                Factor::At(k) if !integer(k) || !items[k].is_address() => {
                    return wrong(&format!("${k} is no parameter that is an address"));
                }
                _ => {}
            }
        }
    }
    let is_address: Vec<_> = items.iter().map(|item| *item != Item::Value).collect();
    c_signature(ty, &is_address)
}

/// The signature of a C function, of whose parameters these are addresses.
pub fn c_signature(ty: &FuncType, addresses: &[bool]) -> Result<Signature, Error> {
    if addresses.len() != ty.params().len() {
        let (items, params) = (addresses.len(), ty.params().len());
        return Err(format!("{items} items for {params} parameters").into());
    }
    let scalar = |ty: &wasmi::ValType| match ty {
        wasmi::ValType::I32 => Ok(ValType::I32),
        wasmi::ValType::I64 => Ok(ValType::I64),
        wasmi::ValType::F32 => Ok(ValType::F32),
        wasmi::ValType::F64 => Ok(ValType::F64),
        other => Err(Error::from(format!("C has no type for {other:?}"))),
    };
    let param = |(ty, address): (_, &bool)| if *address { Ok(ValType::I64) } else { scalar(ty) };
    let params = ty.params().iter().zip(addresses).map(param).collect::<Result<Vec<_>, _>>()?;
    let results = ty.results().iter().map(scalar).collect::<Result<Vec<_>, _>>()?;
    Ok(Signature::new(params, results)?)
}

/// An argument in its slot: `i32` and `f32` zero-extended.
pub fn slot(value: &Val) -> u64 {
    match *value {
        Val::I32(value) => value as u32 as u64,
        Val::I64(value) => value as u64,
        Val::F32(value) => value.to_bits() as u64,
        Val::F64(value) => value.to_bits(),
        // A function, whose address comes later.
        _ => 0,
    }
}

/// The value of this type in a slot, which no reference is.
pub fn value(ty: wasmi::ValType, slot: u64) -> Val {
    match ty {
        wasmi::ValType::I32 => Val::I32(slot as i32),
        wasmi::ValType::I64 => Val::I64(slot as i64),
        wasmi::ValType::F32 => Val::F32(f32::from_bits(slot as u32).into()),
        wasmi::ValType::F64 => Val::F64(f64::from_bits(slot).into()),
        _ => unreachable!("there is no signature with references"),
    }
}

/// The result, if there is one, from its slot. One of its type is there already.
pub fn set_result(results: &mut [Val], slot: u64) {
    match results {
        [Val::I32(value)] => *value = slot as i32,
        [Val::I64(value)] => *value = slot as i64,
        [Val::F32(value)] => *value = f32::from_bits(slot as u32).into(),
        [Val::F64(value)] => *value = f64::from_bits(slot).into(),
        _ => {}
    }
}

/// Calls of up to so many slots need no memory of their own.
const FEW: usize = 8;

impl Native {
    /// The function that an import of this name and type asks for; `find` gives
    /// the address of a symbol.
    pub fn new(
        name: &str,
        ty: &FuncType,
        find: impl FnOnce(&str) -> Result<*const c_void, Error>,
    ) -> Result<Native, Error> {
        let rule::Name { symbol, items } = rule::parse(name)?;
        let items = items.unwrap_or_else(|| repeat_n(Item::Value, ty.params().len()).collect());
        // One for each import. Imports of the same signature could share it.
        let trampoline = CTrampoline::for_slots(&signature(ty, &items)?)?;
        let target = find(&symbol)?;
        let plain = items.iter().all(|item| *item == Item::Value);
        let quick = plain && trampoline.slots() <= FEW;
        Ok(Native { trampoline, target, items, quick, symbol })
    }

    /// The same for wasmi; `ty` is the type that it was made for.
    pub fn function(self, store: &mut Store<State>, ty: &FuncType) -> Func {
        Func::new(store, ty.clone(), move |caller, params, results| {
            let called = self.call(caller, params, results);
            called.map_err(|error| wasmi::Error::new(error.to_string()))
        })
    }

    #[inline(always)]
    fn call(
        &self,
        caller: Caller<'_, State>,
        params: &[Val],
        results: &mut [Val],
    ) -> Result<(), Error> {
        if !self.quick {
            return self.call_slowly(caller, params, results);
        }
        let mut slots = [0; FEW];
        for (to, value) in slots.iter_mut().zip(params) {
            *to = slot(value);
        }
        // SAFETY: that the function has the type of the import is the module's to
        // know, as it is for a C declaration. A quick call has slots enough.
        unsafe { self.trampoline.call_unchecked(self.target, slots.as_mut_ptr()) };
        set_result(results, slots[0]);
        Ok(())
    }

    /// The call with any number of slots, addresses and function pointers; these
    /// are good as long as it lasts.
    #[inline(never)]
    fn call_slowly(
        &self,
        mut caller: Caller<'_, State>,
        params: &[Val],
        results: &mut [Val],
    ) -> Result<(), Error> {
        let mut slots: Vec<_> = params.iter().map(slot).collect();
        let memory = match self.items.iter().any(Item::is_address) {
            true => self.translate(&mut caller, &mut slots)?,
            false => (0, 0),
        };
        let call = Call::new(&mut caller, memory);
        let mut callbacks = Vec::new();
        for (i, item) in self.items.iter().enumerate() {
            let Item::Function { addresses, leaves } = item else { continue };
            let callback = match &params[i] {
                Val::FuncRef(Nullable::Val(function)) => {
                    call.function(function, addresses, *leaves)
                }
                _ => Err("the null function".into()),
            };
            let callback =
                callback.map_err(|error| format!("{}, parameter {i}: {error}", self.symbol))?;
            slots[i] = callback.code() as u64;
            callbacks.push(callback);
        }
        slots.resize(self.trampoline.slots(), 0);
        // SAFETY: as for a quick call. C gets addresses in the memory, of as many bytes as
        // the import says. The memory is pinned. Until the call returns, only C touches it,
        // and the callbacks, of which C knows.
        let outcome =
            unsafe { self.trampoline.call_leavable(self.target, &mut slots, call.landing())? };
        if outcome == Outcome::Returned {
            set_result(results, slots.first().copied().unwrap_or_default());
        }
        call.end()
    }

    /// Makes addresses of the process from those of the memory. Returns where the
    /// memory is and how long.
    fn translate(
        &self,
        caller: &mut Caller<'_, State>,
        slots: &mut [u64],
    ) -> Result<(u64, u64), Error> {
        let memory = caller.get_export("memory").and_then(Extern::into_memory);
        let handle = memory.ok_or("the module exports no memory named \"memory\"")?;
        let memory = handle.data(&*caller);
        // Sizes are numbers of the module, so all are read before one is replaced.
        for (i, item) in self.items.iter().enumerate() {
            let in_memory = match item {
                Item::Value | Item::Function { .. } => Ok(()),
                Item::Bytes { nullable: true, .. } if slots[i] == 0 => Ok(()),
                Item::Bytes { size, .. } => bytes(memory, slots, slots[i], size),
                Item::Str => string(memory, slots[i]),
            };
            in_memory.map_err(|error| format!("{}, parameter {i}: {error}", self.symbol))?;
        }
        // The native function writes there, so this is the pointer for that.
        let memory = (handle.data_ptr(&*caller) as u64, memory.len() as u64);
        for (slot, item) in slots.iter_mut().zip(&self.items) {
            match item {
                Item::Value | Item::Function { .. } => {}
                Item::Bytes { nullable: true, .. } if *slot == 0 => {}
                Item::Bytes { .. } | Item::Str => *slot += memory.0,
            }
        }
        Ok(memory)
    }
}

/// Whether the memory has as many bytes there.
fn bytes(memory: &[u8], slots: &[u64], address: u64, size: &[Factor]) -> Result<(), String> {
    let mut product = 1u64;
    for factor in size {
        let factor = match *factor {
            Factor::Number(number) => number,
            Factor::Param(k) => slots[k],
            Factor::At(k) => {
                let size = within(memory, slots[k], 8)?;
                u64::from_le_bytes(size.try_into().expect("eight bytes"))
            }
        };
        product = product.checked_mul(factor).ok_or("the number of bytes has no end")?;
    }
    within(memory, address, product).map(|_| ())
}

/// Whether a zero byte follows in the memory.
fn string(memory: &[u8], address: u64) -> Result<(), String> {
    within(memory, address, 0)?;
    if !memory[address as usize..].contains(&0) {
        return Err(format!("no end of the string at {address}"));
    }
    Ok(())
}

/// The bytes there, if all are in the memory.
fn within(memory: &[u8], address: u64, size: u64) -> Result<&[u8], String> {
    let end = address.checked_add(size).filter(|end| *end <= memory.len() as u64);
    let end = end.ok_or_else(|| {
        format!("{size} bytes at {address} are not in the memory of {} bytes", memory.len())
    })?;
    Ok(&memory[address as usize..end as usize])
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmi::Engine;

    /// More arguments than a quick call has slots.
    #[test]
    fn many_arguments() {
        extern "C" fn weighted(
            a: i32,
            b: f64,
            c: i64,
            d: f32,
            e: i64,
            f: i64,
            g: i64,
            h: i64,
            i: i64,
            j: i32,
        ) -> f64 {
            let integers = [i64::from(a), c, e, f, g, h, i, i64::from(j)];
            let sum = integers.iter().enumerate().map(|(i, value)| *value * (i as i64 + 1));
            sum.sum::<i64>() as f64 + 0.5 * b + 0.25 * f64::from(d)
        }
        use wasmi::ValType::{F32, F64, I32, I64};
        let ty = FuncType::new([I32, F64, I64, F32, I64, I64, I64, I64, I64, I32], [F64]);
        let native = Native::new("weighted", &ty, |_| Ok(weighted as *const c_void)).unwrap();
        assert!(!native.quick);
        let mut store = Store::new(&Engine::default(), State::default());
        let function = native.function(&mut store, &ty);
        let arguments: Vec<_> = (1u64..)
            .zip(ty.params())
            .map(|(i, ty)| match ty {
                F32 => value(F32, u64::from((i as f32).to_bits())),
                F64 => value(F64, (i as f64).to_bits()),
                ty => value(*ty, i),
            })
            .collect();
        let mut results = [Val::F64(0.0.into())];
        function.call(&mut store, &arguments, &mut results).unwrap();
        let expected = weighted(1, 2.0, 3, 4.0, 5, 6, 7, 8, 9, 10);
        assert_eq!(results[0].f64().map(f64::from), Some(expected));
    }
}
