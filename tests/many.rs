//! More callbacks than there are thunks in the program: it maps its own code again.

#![cfg(vmtrampoline_mmap)]

use std::{
    collections::HashSet,
    env,
    ffi::{OsStr, c_int},
    fs,
    mem::transmute,
    ops::Range,
    path::{Path, PathBuf},
    process::Command,
    ptr::null_mut,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    thread,
};

use vmtrampoline::{Callback, Error, Signature, ValRaw};

/// Held by each test: they count what all share.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn signature() -> Signature {
    "(i32) -> i32".parse().unwrap()
}

/// A callback that adds a number.
fn adder(number: i32) -> Result<Callback<'static>, Error> {
    Callback::new(&signature(), move |slots| {
        slots[0] = ValRaw::i32(slots[0].get_i32().wrapping_add(number));
    })
}

fn adders(count: i32) -> Vec<Callback<'static>> {
    (0..count).map(|number| adder(number).unwrap()).collect()
}

fn call(callback: &Callback<'_>, argument: i32) -> i32 {
    // SAFETY: the signature of all callbacks here.
    let code: extern "C" fn(i32) -> i32 = unsafe { transmute(callback.code()) };
    code(argument)
}

/// A line of `/proc/self/maps`.
struct Mapping {
    addresses: Range<usize>,
    permissions: String,
    file: PathBuf,
}

fn mappings() -> Vec<Mapping> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let hex = |digits: &str| usize::from_str_radix(digits, 16).unwrap();
    let mapping = |line: &str| {
        let (from, rest) = line.split_once('-').unwrap();
        let (to, rest) = rest.split_once(' ').unwrap();
        let file = rest.splitn(5, ' ').last().unwrap().trim_start();
        Mapping { addresses: hex(from)..hex(to), permissions: rest[..4].into(), file: file.into() }
    };
    maps.lines().map(mapping).collect()
}

/// What may be written or executed is as it must be: no page both, and all code of these
/// callbacks executable.
fn judge_pages(callbacks: &[Callback<'_>], mappings: &[Mapping]) -> Result<(), String> {
    for Mapping { addresses, permissions, .. } in mappings {
        if permissions.contains('w') && permissions.contains('x') {
            return Err(format!("{addresses:x?} can be written and executed"));
        }
    }
    for callback in callbacks {
        let code = callback.code() as usize;
        let at = mappings.partition_point(|mapping| mapping.addresses.end <= code);
        match mappings.get(at) {
            Some(Mapping { addresses, permissions, .. })
                if addresses.contains(&code) && permissions.starts_with("r-x") => {}
            _ => return Err(format!("{code:#x} is not code")),
        }
    }
    Ok(())
}

#[test]
fn a_hundred_thousand_live_at_once() {
    const COUNT: i32 = 100_000;
    let _alone = alone();
    let callbacks = adders(COUNT);
    let codes: HashSet<_> = callbacks.iter().map(Callback::code).collect();
    assert_eq!(codes.len(), callbacks.len());
    for (number, callback) in (0..).zip(&callbacks) {
        assert_eq!(call(callback, 7), number + 7);
    }
    for (number, callback) in (0..COUNT).zip(&callbacks).rev() {
        assert_eq!(call(callback, -1), number - 1);
    }
    judge_pages(&callbacks, &mappings()).unwrap();

    // Those that come after them need no more.
    let before = mappings().len();
    drop(callbacks);
    let callbacks = adders(COUNT);
    assert_eq!(call(&callbacks[99_999], 1), 100_000);
    assert!(mappings().len() <= before + 8); // the heap may have grown
}

#[test]
fn the_judge_of_pages_can_say_no() {
    let _alone = alone();
    let callbacks = adders(3);
    let all = mappings();
    let code = callbacks[0].code() as usize;
    let with = |permissions: &str| {
        let mapping = |mapping: &Mapping| {
            let here = mapping.addresses.contains(&code);
            let permissions = if here { permissions } else { &mapping.permissions };
            let (addresses, file) = (mapping.addresses.clone(), PathBuf::new());
            Mapping { addresses, permissions: permissions.into(), file }
        };
        judge_pages(&callbacks, &all.iter().map(mapping).collect::<Vec<_>>())
    };
    with("r-xp").unwrap();
    with("rw-p").unwrap_err();
    with("rwxp").unwrap_err();
}

/// The exit status of a child of ours that does this; 0 if it comes to the end.
fn in_child(run: impl FnOnce()) -> c_int {
    // SAFETY: the child does what the C library lets a child do, and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        run();
        // SAFETY: ends the child without running anything of its parent's.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: our child.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    status
}

/// In a child, ends it: not a panic, which would go on in a copy of the test harness.
fn must(it: bool, code: c_int) {
    if !it {
        // SAFETY: ends the child without running anything of its parent's.
        unsafe { libc::_exit(code) };
    }
}

/// In a process that may make no memory executable that was not mapped so.
#[test]
#[ignore = "forbids this to its process"]
fn no_memory_becomes_executable() {
    const PR_SET_MDWE: c_int = 65;
    const PR_MDWE_REFUSE_EXEC_GAIN: usize = 1;
    // SAFETY: forbids this process something.
    if unsafe { libc::prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) } != 0 {
        println!("skipped: this system cannot forbid it");
        return;
    }
    let (flags, access) = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, libc::PROT_READ);
    // SAFETY: fresh memory.
    unsafe {
        let memory = libc::mmap(null_mut(), 4096, access | libc::PROT_WRITE, flags, -1, 0);
        let code = libc::mprotect(memory, 4096, access | libc::PROT_EXEC);
        assert_ne!(code, 0, "it is forbidden");
    }
    for (number, callback) in (0..).zip(&adders(20_000)) {
        assert_eq!(call(callback, 1), number + 1);
    }
    println!("20000 callbacks");
}

#[test]
fn systems_that_forbid_to_make_memory_executable_allow_it() {
    let _alone = alone();
    let (well, said) = run(&env::current_exe().unwrap(), "no_memory_becomes_executable");
    assert!(well, "{said}");
    println!("{}", said.lines().find(|line| line.starts_with(['2', 's'])).expect(&said));
}

/// The pool is the limit where the system refuses; the error says what it refuses.
#[test]
fn where_nothing_can_be_mapped_the_pool_is_the_limit() {
    let _alone = alone();
    let status = in_child(|| {
        let nothing = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: this process opens no more files.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &nothing) };
        let mut callbacks = Vec::new();
        let error = loop {
            match adder(callbacks.len() as i32) {
                Ok(callback) => callbacks.push(callback),
                Err(error) => break error,
            }
        };
        // Other tests may have mapped some.
        let capacity = callbacks.len();
        must(capacity >= Callback::CAPACITY, 1);
        let limit = "/proc/self/maps cannot be read";
        must(error == Error::CallbacksExhausted { capacity, limit }, 2);
        must(error.to_string().ends_with(" exist already, and /proc/self/maps cannot be read"), 3);
        must((0..).zip(&callbacks).all(|(number, callback)| call(callback, 1) == number + 1), 4);
        // One that is dropped makes room for one, which is its thunk.
        let dropped = callbacks.swap_remove(500);
        let code = dropped.code();
        drop(dropped);
        must(adder(0).is_ok_and(|callback| callback.code() == code), 5);
    });
    assert_eq!(status, 0);
}

/// Of the callbacks that come and go beside those that stay, how many pointers there are.
#[test]
#[ignore = "wants to be the first to make callbacks"]
fn come_and_go() {
    let pointers = |stay: usize| {
        let _stay = adders(stay as i32);
        let codes = (0..5000).map(|number| adder(number).unwrap().code() as usize);
        codes.collect::<HashSet<_>>().len()
    };
    let (half, most) = (Callback::CAPACITY / 2, Callback::CAPACITY - 24);
    println!("{} of half, {} of few", pointers(half) == half, pointers(most) > 24);
}

/// Before all thunks are taken there are more of them, but not as long as many are free.
#[test]
fn searches_stay_short() {
    let _alone = alone();
    let (well, said) = run(&env::current_exe().unwrap(), "come_and_go");
    assert!(well && said.contains("true of half, true of few"), "{said}");
}

/// Runs an ignored test of this program, as that file.
fn run(program: &Path, test: &str) -> (bool, String) {
    let runner = env::var("VMTRAMPOLINE_RUNNER").unwrap_or_default();
    let mut words = runner.split_whitespace().map(OsStr::new).chain([program.as_os_str()]);
    let mut child = Command::new(words.next().expect("a program"));
    child.args(words).args(["--exact", test, "--ignored", "--nocapture"]);
    // The emulated system's libraries are not for the emulator.
    let output = child.env_remove("LD_LIBRARY_PATH").output().unwrap();
    let said =
        [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    (output.status.success(), said.concat())
}

/// A copy of this program, which may do to its file what it wants.
fn copy(name: &str) -> PathBuf {
    let copy = env::temp_dir().join(format!("vmtrampoline-many-{}-{name}", std::process::id()));
    fs::copy(env::current_exe().unwrap(), &copy).unwrap();
    copy
}

/// Makes more callbacks than there are thunks, after this has happened to its file.
fn after(change: impl FnOnce(&Path)) {
    let program = env::args_os().next().unwrap();
    change(Path::new(&program));
    let callbacks: Result<Vec<_>, _> = (0..3000).map(adder).collect();
    match callbacks {
        Ok(_) => println!("it went well"),
        Err(error) => println!("{error}"),
    }
}

#[test]
#[ignore = "removes its own file"]
fn removed() {
    after(|program| fs::remove_file(program).unwrap());
}

/// Where `/proc/self/maps` says that a file is that was removed.
fn remains(program: &Path) -> PathBuf {
    let mut name = program.as_os_str().to_owned();
    name.push(" (deleted)");
    name.into()
}

/// Has another file where the program's was.
fn after_replaced(change: impl FnOnce(&mut Vec<u8>)) {
    after(|program| {
        let mut bytes = fs::read(program).unwrap();
        fs::remove_file(program).unwrap();
        change(&mut bytes);
        fs::write(remains(program), bytes).unwrap();
    });
}

#[test]
#[ignore = "replaces its own file"]
fn replaced_by_the_same() {
    after_replaced(|_| ());
}

#[test]
#[ignore = "replaces its own file"]
fn replaced_by_a_shorter_one() {
    after_replaced(|bytes| bytes.truncate(5000));
}

#[test]
#[ignore = "replaces its own file"]
fn replaced_by_another() {
    after_replaced(|bytes| bytes.iter_mut().for_each(|byte| *byte ^= 1));
}

#[test]
#[ignore = "renames its own file"]
fn renamed() {
    after(|program| fs::rename(program, remains(program)).unwrap());
}

#[test]
#[ignore = "for comparison"]
fn left_alone() {
    after(|_| ());
}

/// The file that the program came from is not there any more, or is another.
#[test]
fn other_files_are_refused() {
    let _alone = alone();
    let code = adder(0).unwrap().code() as usize;
    let mappings = mappings();
    let file = &mappings.iter().find(|mapping| mapping.addresses.contains(&code)).unwrap().file;
    if *file != env::current_exe().unwrap() {
        println!("skipped: the assembly is in a library");
        return;
    }
    for (test, says) in [
        ("left_alone", "it went well"),
        ("renamed", "it went well"),
        ("replaced_by_the_same", "it went well"),
        ("removed", "the program's file cannot be opened"),
        ("replaced_by_a_shorter_one", "the program's file is shorter than when it was loaded"),
        ("replaced_by_another", "the program's file has changed since it was loaded"),
    ] {
        let program = copy(test);
        let (well, said) = run(&program, test);
        let _ = fs::remove_file(remains(&program));
        let _ = fs::remove_file(program);
        assert!(well && said.contains(says), "{test}: {said}");
    }
}

/// A call that comes too late faults, and goes on doing so while others are made.
#[test]
fn late_calls_fault() {
    let _alone = alone();
    let fifty: Vec<_> = (0..50).map(|number| adder(number).unwrap()).collect();
    let late = fifty[17].code();
    let fault = || {
        in_child(|| {
            // SAFETY: its entry is null, so it does nothing but fault.
            let code: extern "C" fn(i32) -> i32 = unsafe { transmute(late) };
            code(1);
        })
    };
    assert_eq!(fault(), 0, "while the callback is alive");
    drop(fifty);
    let dead = fault();
    assert!(libc::WIFSIGNALED(dead) && libc::WTERMSIG(dead) == libc::SIGSEGV, "{dead:#x}");
    let more = adders(200);
    assert!(more.iter().all(|callback| callback.code() != late));
    let dead = fault();
    assert!(libc::WIFSIGNALED(dead) && libc::WTERMSIG(dead) == libc::SIGSEGV, "{dead:#x}");
}

/// A child makes callbacks, whatever threads of its parent were doing, and those of its
/// parent work.
#[test]
fn children_have_callbacks_of_their_own() {
    let _alone = alone();
    let (forking, made) = (AtomicBool::new(true), AtomicU32::new(0));
    let old = adders(2000);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while forking.load(Relaxed) {
                    made.fetch_add(adders(100).len() as u32, Relaxed);
                }
            });
        }
        for _ in 0..50 {
            let status = in_child(|| {
                // SAFETY: the child's own alarm.
                unsafe { libc::alarm(60) };
                let new: Vec<_> = (0..3000).map_while(|number| adder(number).ok()).collect();
                must(new.len() == 3000, 1);
                for callbacks in [&old, &new] {
                    for (number, callback) in (0..).zip(callbacks) {
                        must(call(callback, 5) == number + 5, 2);
                    }
                }
            });
            if status != 0 {
                forking.store(false, Relaxed);
            }
            assert_eq!(status, 0, "{} means that it hung", libc::SIGALRM);
        }
        forking.store(false, Relaxed);
    });
    println!("50 children, while two threads made {} callbacks", made.into_inner());
    assert!((0..).zip(&old).all(|(number, callback)| call(callback, 5) == number + 5));
}

/// Eight threads at once run out of thunks again and again.
#[test]
fn threads_map_at_the_same_time() {
    let _alone = alone();
    thread::scope(|scope| {
        for thread in 0..8 {
            scope.spawn(move || {
                for round in 0..5 {
                    let callbacks = adders(500 * (thread + round + 1));
                    for (number, callback) in (0..).zip(&callbacks) {
                        assert_eq!(call(callback, round), number + round);
                    }
                }
            });
        }
    });
}

/// Landing pads are enforced on mapped pages, whether or not they are in the program's.
#[test]
#[cfg(target_arch = "aarch64")]
fn branch_targets_are_enforced() {
    const HWCAP2_BTI: u64 = 1 << 17;
    let _alone = alone();
    // SAFETY: always.
    if unsafe { libc::getauxval(libc::AT_HWCAP2) } & HWCAP2_BTI == 0 {
        println!("skipped: this processor has no BTI");
        return;
    }
    let callbacks = adders(10_000);
    let blocks = mappings();
    let is_mapped = |callback: &&Callback<'_>| {
        let code = callback.code() as usize;
        let block = blocks.iter().find(|mapping| mapping.addresses.contains(&code)).unwrap();
        block.addresses.len() == 0x10000
    };
    let mapped = callbacks.iter().find(is_mapped).expect("a block");
    let enter = |skipped: usize| {
        in_child(|| {
            let code = mapped.code() as usize + skipped;
            // SAFETY: the thunk, or what is behind its landing pad.
            let code: extern "C" fn(i32) -> i32 = unsafe { transmute(code) };
            code(1);
        })
    };
    assert_eq!(enter(0), 0);
    let dead = enter(4);
    assert!(libc::WIFSIGNALED(dead) && libc::WTERMSIG(dead) == libc::SIGILL, "{dead:#x}");
}

#[test]
#[cfg(target_arch = "x86_64")]
fn thunks_begin_with_landing_pads() {
    const ENDBR64: [u8; 4] = [0xf3, 0x0f, 0x1e, 0xfa];
    let _alone = alone();
    for callback in adders(3000) {
        // SAFETY: code is readable.
        assert_eq!(unsafe { *callback.code().cast::<[u8; 4]>() }, ENDBR64);
    }
}
