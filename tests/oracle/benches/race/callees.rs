//! What is called: functions compiled by Wasmtime, all in one module, that
//! return their last parameter of the result's type.

use std::fmt::Write;

use oracle::{
    guest::{wat, wat_zero},
    scalars,
};
use vmtrampoline::Signature;
use wasmtime::{Engine, Func, Instance, Module, Store};

pub fn instantiate(signatures: &[Signature]) -> (Store<()>, Vec<Func>) {
    let mut text = String::from("(module");
    for (i, signature) in signatures.iter().enumerate() {
        write!(text, "\n(func (export \"f{i}\") {}", wat(signature)).unwrap();
        let params = scalars::params(signature);
        for result in scalars::results(signature) {
            match params.iter().rposition(|param| *param == result) {
                Some(param) => write!(text, "(local.get {param})").unwrap(),
                None => text.push_str(&wat_zero(result)),
            }
        }
        text.push(')');
    }
    text.push(')');
    let engine = Engine::default();
    let module = Module::new(&engine, text).expect("valid functions");
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).expect("nothing to import");
    let func = |i| instance.get_func(&mut store, &format!("f{i}")).expect("exported");
    let funcs = (0..signatures.len()).map(func).collect();
    (store, funcs)
}
