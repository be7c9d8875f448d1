//! Without a port, what needs one returns an error. (`.ci/run` pretends that there is none.)

#![cfg(not(vmtrampoline_port))]

use vmtrampoline::{CTrampoline, Callback, Error, HostFunc, Signature, Trampoline};

#[test]
fn there_is_nothing_to_call_or_be_called_by() {
    let signature: Signature = "(i32) -> i32".parse().unwrap();
    for error in [
        Trampoline::new(&signature).unwrap_err(),
        CTrampoline::new(&signature).unwrap_err(),
        HostFunc::new(&signature, |_, _| ()).unwrap_err(),
        Callback::new(&signature, |_| ()).unwrap_err(),
    ] {
        assert_eq!(error, Error::UnsupportedTarget);
        assert!(error.to_string().contains("x86-64"), "{error}");
    }
}
