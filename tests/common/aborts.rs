//! Tests that abort, in a process of their own.

use std::{env, ffi::OsStr, os::unix::process::ExitStatusExt, process::Command};

/// Runs a test that is to abort; what it says on standard error. Where an emulator
/// runs us, the environment variable VMTRAMPOLINE_RUNNER says which.
pub(crate) fn aborts(name: &str) -> String {
    let runner = env::var("VMTRAMPOLINE_RUNNER").unwrap_or_default();
    let program = env::current_exe().unwrap();
    let mut words = runner.split_whitespace().map(OsStr::new).chain([program.as_os_str()]);
    let mut child = Command::new(words.next().expect("a program"));
    child.args(words).args(["--exact", name, "--ignored", "--nocapture"]);
    // The emulated system's libraries are not for the emulator.
    let output = child.env_remove("LD_LIBRARY_PATH").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{said}");
    said
}
