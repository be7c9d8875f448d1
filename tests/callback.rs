//! Plain C calls the host: the C library, a library compiled here, and what
//! happens to a panic. (Where values go is `host.rs`'s and `c_callers.rs`'s.)

#![cfg(all(vmtrampoline_port, unix, not(vmtrampoline_windows)))]

mod common;

use std::{
    cmp::Ordering as Order,
    env,
    ffi::{CStr, OsStr, c_int, c_void},
    mem::transmute,
    os::unix::process::ExitStatusExt,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    process::Command,
    ptr::null_mut,
    sync::{
        Mutex, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use common::{c::Compiled, native};
use vmtrampoline::{Callback, Error, HostFunc, Signature, VMContext, VMOpaqueContext, ValRaw};

fn parse(text: &str) -> Signature {
    text.parse().expect(text)
}

/// Held by who makes callbacks, and alone by the test that uses them up.
static POOL: RwLock<()> = RwLock::new(());

fn some() -> RwLockReadGuard<'static, ()> {
    POOL.read().unwrap_or_else(PoisonError::into_inner)
}

/// A callback's function pointer, as a type of C.
macro_rules! pointer {
    ($callback:expr, $ty:ty) => {{
        let code = $callback.code();
        // SAFETY: the callback has the signature of this type.
        unsafe { transmute::<*const c_void, $ty>(code) }
    }};
}

type Compare = unsafe extern "C" fn(*const c_void, *const c_void) -> c_int;

/// What the argument points to.
fn pointee<T: Copy>(slot: ValRaw) -> T {
    // SAFETY: C passes pointers to elements of this type.
    unsafe { *(slot.get_u64() as *const T) }
}

#[test]
fn qsort_and_bsearch_call_closures() {
    let _some = some();
    let calls = AtomicUsize::new(0);
    let signature = parse("(ptr, ptr) -> i32");
    let compare = Callback::new(&signature, |slots| {
        calls.fetch_add(1, Relaxed);
        let (a, b) = (pointee::<f64>(slots[0]), pointee::<f64>(slots[1]));
        slots[0] = ValRaw::i32(a.total_cmp(&b) as i32);
    })
    .unwrap();
    let mut list: Vec<f64> = (0..1000).map(|i| f64::from(i * 7919 % 1009) - 500.0).collect();
    let mut sorted = list.clone();
    sorted.sort_by(f64::total_cmp);
    let code = pointer!(compare, Compare);
    let base = list.as_mut_ptr().cast::<c_void>();
    // SAFETY: the list, and a function that compares its elements.
    unsafe { libc::qsort(base, list.len(), size_of::<f64>(), Some(code)) };
    assert_eq!(list, sorted);
    assert!(calls.load(Relaxed) >= 999);

    let find = |key: f64| {
        let (key, base) = ((&raw const key).cast(), list.as_ptr().cast());
        // SAFETY: the list, and a function that compares its elements.
        let found = unsafe { libc::bsearch(key, base, list.len(), size_of::<f64>(), Some(code)) };
        (!found.is_null()).then(|| (found as usize - base as usize) / size_of::<f64>())
    };
    for (i, &key) in list.iter().enumerate() {
        assert_eq!(find(key), Some(i));
    }
    assert_eq!(find(0.5), None);
}

/// A closure that sorts while it compares.
#[test]
fn callbacks_may_be_reentered() {
    let _some = some();
    let signature = parse("(ptr, ptr) -> i32");
    let bytes = Callback::new(&signature, |slots| {
        let order = pointee::<u8>(slots[0]).cmp(&pointee::<u8>(slots[1]));
        slots[0] = ValRaw::i32(order as i32);
    })
    .unwrap();
    let sort = |list: &mut [u8]| {
        let code = pointer!(bytes, Compare);
        // SAFETY: the list, and a function that compares its elements.
        unsafe { libc::qsort(list.as_mut_ptr().cast(), list.len(), 1, Some(code)) };
    };
    let anagrams = Callback::new(&signature, |slots| {
        let [mut a, mut b] = [0, 1].map(|i| pointee::<[u8; 5]>(slots[i]));
        sort(&mut a);
        sort(&mut b);
        slots[0] = ValRaw::i32(a.cmp(&b) as i32);
    })
    .unwrap();
    let mut words = [*b"zebra", *b"later", *b"bread", *b"alter", *b"beard", *b"alert"];
    let code = pointer!(anagrams, Compare);
    // SAFETY: the list, and a function that compares its elements.
    unsafe { libc::qsort(words.as_mut_ptr().cast(), words.len(), 5, Some(code)) };
    let key = |word: [u8; 5]| {
        let mut word = word;
        word.sort();
        word
    };
    assert!(words.is_sorted_by(|&a, &b| key(a).cmp(&key(b)) != Order::Greater), "{words:?}");
}

/// A C library that keeps function pointers and calls them later: from a thread of
/// its own, when it is told to exit, for each of its elements.
const LIBRARY: &str = r#"
// Declared here: the system's headers are not for every compiler of the tests.
typedef unsigned long pthread_t;
int pthread_create(pthread_t *, const void *, void *(*)(void *), void *);
int pthread_join(pthread_t, void **);

static void (*at_exit[32])(void);
static int exits;

int library_at_exit(void (*function)(void)) {
    if (exits == 32)
        return -1;
    at_exit[exits++] = function;
    return 0;
}

void library_exit(void) {
    while (exits)
        at_exit[--exits]();
}

void *library_in_thread(void *(*start)(void *), void *argument) {
    pthread_t thread;
    void *result = 0;
    if (pthread_create(&thread, 0, start, argument) == 0)
        pthread_join(thread, &result);
    return result;
}

double library_integrate(double (*f)(double, const void *), double a, double b, int steps, const void *data) {
    double sum = 0, width = (b - a) / steps;
    for (int i = 0; i < steps; i++)
        sum += f(a + (i + 0.5) * width, data) * width;
    return sum;
}

struct event { char kind; short x, y; const char *name; };

int library_dispatch(_Bool (*handle)(char kind, short x, short y, unsigned char wide, float scale, const char *name), int count) {
    int handled = 0;
    for (int i = 0; i < count; i++)
        handled += handle('a' + i, -i, 100 * i, 200 + i, i / 2.0f, i % 2 ? "odd" : "even");
    return handled;
}
"#;

/// One for each test, as it keeps state.
fn library() -> Compiled {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("callbacks-{}", COUNT.fetch_add(1, Relaxed));
    Compiled::new(&name, &[LIBRARY.to_owned()])
}

/// A function of the library, as the type that its text gives it.
macro_rules! function {
    ($library:ident, $name:literal, $ty:ty) => {{
        // SAFETY: the type that the text gives it.
        unsafe { transmute::<*mut c_void, $ty>($library.symbol($name).cast()) }
    }};
}

#[test]
fn a_library_keeps_callbacks() {
    type Function = unsafe extern "C" fn();
    let _some = some();
    let library = library();
    let at_exit = function!(library, "library_at_exit", extern "C" fn(Function) -> c_int);
    let exit = function!(library, "library_exit", extern "C" fn());
    let order = Mutex::new(Vec::new());
    let order = &order;
    let callbacks: Vec<_> = (0..8)
        .map(|i| Callback::new(&parse("()"), move |_| order.lock().unwrap().push(i)).unwrap())
        .collect();
    for callback in &callbacks {
        assert_eq!(at_exit(pointer!(callback, Function)), 0);
    }
    exit();
    assert_eq!(*order.lock().unwrap(), [7, 6, 5, 4, 3, 2, 1, 0]);
}

#[test]
fn a_thread_starts_in_a_callback() {
    type Start = unsafe extern "C" fn(*mut c_void) -> *mut c_void;
    let _some = some();
    let library = library();
    let in_thread =
        function!(library, "library_in_thread", extern "C" fn(Start, *mut c_void) -> *mut c_void);
    let here = std::thread::current().id();
    let start = Callback::new(&parse("(ptr) -> ptr"), |slots| {
        assert_ne!(std::thread::current().id(), here);
        slots[0] = ValRaw::i64(pointee::<i64>(slots[0]) * 2);
    })
    .unwrap();
    let mut argument = 21i64;
    let result = in_thread(pointer!(start, Start), (&raw mut argument).cast());
    assert_eq!(result as usize, 42);
}

#[test]
fn a_callback_takes_floats() {
    type F = unsafe extern "C" fn(f64, *const c_void) -> f64;
    let _some = some();
    let library = library();
    let integrate = function!(
        library,
        "library_integrate",
        extern "C" fn(F, f64, f64, c_int, *const c_void) -> f64
    );
    let square = Callback::new(&parse("(f64, ptr) -> f64"), |slots| {
        let x = f64::from_bits(slots[0].get_f64());
        slots[0] = ValRaw::from(x * x * pointee::<f64>(slots[1]));
    })
    .unwrap();
    let factor = 3.0f64;
    let sum = integrate(pointer!(square, F), 0.0, 2.0, 1000, (&raw const factor).cast());
    assert!((sum - 8.0).abs() < 1e-5, "{sum}");
}

/// Types smaller than `int`, which C extends in its own way: their `i32` is cut to
/// size.
#[test]
fn small_types_are_cut_to_size() {
    type Handle = unsafe extern "C" fn();
    let _some = some();
    let library = library();
    let dispatch = function!(library, "library_dispatch", extern "C" fn(Handle, c_int) -> c_int);
    let seen = Mutex::new(Vec::new());
    let handle = Callback::new(&parse("(i32, i32, i32, i32, f32, ptr) -> i32"), |slots| {
        let name = slots[5].get_u64() as *const _;
        // SAFETY: the library passes a string.
        let name = unsafe { CStr::from_ptr(name) }.to_str().unwrap();
        let [kind, x, y, wide] = [0, 1, 2, 3].map(|i| slots[i].get_i32());
        let scale = f32::from_bits(slots[4].get_f32());
        let event = (kind as u8 as char, x as i16, y as i16, wide as u8, scale, name);
        seen.lock().unwrap().push(event);
        slots[0] = ValRaw::i32((name == "odd").into());
    })
    .unwrap();
    assert_eq!(dispatch(pointer!(handle, Handle), 3), 1);
    let expected = [
        ('a', 0, 0, 200, 0.0, "even"),
        ('b', -1, 100, 201, 0.5, "odd"),
        ('c', -2, 200, 202, 1.0, "even"),
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}

/// What a function finds that is called as it is.
#[test]
fn raw_callbacks_have_data() {
    let _some = some();
    native! {
        unsafe fn add(
            callee: *mut VMOpaqueContext,
            caller: *mut VMContext,
            slots: *mut ValRaw,
            count: usize,
        ) {
            assert!(caller.is_null());
            assert_eq!(count, 1);
            // SAFETY: the data below, and one slot.
            unsafe { *slots = ValRaw::i64((*slots).get_i64() + *HostFunc::data(callee).cast::<i64>()) };
        }
    }
    let mut more = 40i64;
    let data = (&raw mut more).cast();
    // SAFETY: the data that `add` wants, which outlives the callback.
    let callback = unsafe { Callback::from_raw(&parse("(i64) -> i64"), add, data).unwrap() };
    let code = pointer!(callback, unsafe extern "C" fn(i64) -> i64);
    // SAFETY: the callback's signature.
    assert_eq!(unsafe { code(2) }, 42);
}

#[test]
fn callbacks_can_be_used_up() {
    type Get = unsafe extern "C" fn() -> i32;
    let _all = POOL.write().unwrap_or_else(PoisonError::into_inner);
    let signature = parse("() -> i32");
    let make = |i: usize| Callback::new(&signature, move |slots| slots[0] = ValRaw::i32(i as i32));
    let mut callbacks: Vec<_> = (0..Callback::CAPACITY).map(|i| make(i).unwrap()).collect();
    let error = make(0).unwrap_err();
    assert_eq!(error, Error::CallbacksExhausted { capacity: Callback::CAPACITY });
    assert_eq!(error.to_string(), "no room for another callback: 1024 exist already");

    let check = |callbacks: &[Callback<'_>]| {
        for (i, callback) in callbacks.iter().enumerate() {
            let code = pointer!(callback, Get);
            // SAFETY: the callback's signature.
            assert_eq!(unsafe { code() }, i as i32);
        }
    };
    check(&callbacks);
    let codes: std::collections::HashSet<_> = callbacks.iter().map(Callback::code).collect();
    assert_eq!(codes.len(), Callback::CAPACITY);

    // One that is dropped makes room for one.
    let dropped = callbacks.remove(500);
    let code = dropped.code();
    drop(dropped);
    callbacks.insert(500, make(500).unwrap());
    make(0).unwrap_err();
    assert_eq!(callbacks[500].code(), code);
    check(&callbacks);
}

#[test]
fn threads_take_callbacks_at_the_same_time() {
    let _some = some();
    std::thread::scope(|scope| {
        for n in 0..4 {
            scope.spawn(move || {
                for i in 0..500 {
                    let value = n * 1000 + i;
                    let closure = move |slots: &mut [ValRaw]| slots[0] = ValRaw::i32(value);
                    let callback = Callback::new(&parse("() -> i32"), closure).unwrap();
                    let code = pointer!(callback, unsafe extern "C" fn() -> i32);
                    // SAFETY: the callback's signature.
                    assert_eq!(unsafe { code() }, value);
                }
            });
        }
    });
}

/// Whoever may be unwound through is; what lies on the way is dropped.
#[test]
fn panics_unwind_where_they_may() {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    struct Counted;
    impl Drop for Counted {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, Relaxed);
        }
    }
    extern "C-unwind" fn caller(code: unsafe extern "C-unwind" fn(i32) -> i32) -> i32 {
        let _counted = Counted;
        // SAFETY: the callback's signature.
        unsafe { code(7) }
    }
    let _some = some();
    let callback = Callback::new_unwind(&parse("(i32) -> i32"), |slots| {
        // No hook: its message would only be noise.
        resume_unwind(Box::new(slots[0].get_i32()));
    })
    .unwrap();
    let code = pointer!(callback, unsafe extern "C-unwind" fn(i32) -> i32);
    let caught = catch_unwind(AssertUnwindSafe(|| caller(code)));
    assert_eq!(*caught.unwrap_err().downcast::<i32>().unwrap(), 7);
    assert_eq!(DROPPED.load(Relaxed), 1);
}

/// Runs a test that is to abort; what it says on standard error. Where an emulator
/// runs us, the environment variable VMTRAMPOLINE_RUNNER says which.
fn aborts(name: &str) -> String {
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

#[test]
#[ignore = "aborts"]
fn panics_in_c() {
    let compare = Callback::new(&parse("(ptr, ptr) -> i32"), |_| panic!("not comparable")).unwrap();
    let mut list = [2u8, 1];
    let code = pointer!(compare, Compare);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the list, and a function that compares its elements.
        unsafe { libc::qsort(list.as_mut_ptr().cast(), 2, 1, Some(code)) };
    }));
    println!("{caught:?}");
}

#[test]
#[ignore = "aborts"]
fn panics_in_a_caller_that_ends_them() {
    extern "C" fn caller(code: unsafe extern "C-unwind" fn()) {
        // SAFETY: the callback's signature.
        unsafe { code() };
    }
    let callback = Callback::new_unwind(&parse("()"), |_| panic!("too far")).unwrap();
    let code = pointer!(callback, unsafe extern "C-unwind" fn());
    println!("{:?}", catch_unwind(|| caller(code)));
}

#[test]
#[ignore = "aborts"]
fn panics_at_the_end_of_the_stack() {
    type Start = extern "C" fn(*mut c_void) -> *mut c_void;
    let callback = Callback::new_unwind(&parse("(ptr) -> ptr"), |_| panic!("too far")).unwrap();
    let start = pointer!(callback, Start);
    let mut thread = 0;
    let attributes = null_mut::<libc::pthread_attr_t>();
    // SAFETY: the thread is given a function of this type, and waited for.
    unsafe {
        libc::pthread_create(&mut thread, attributes, start, null_mut());
        libc::pthread_join(thread, null_mut());
    }
}

#[test]
fn panics_abort_where_they_must() {
    let said = aborts("panics_in_c");
    assert!(said.contains("not comparable") && said.contains("cannot unwind"), "{said}");
    let said = aborts("panics_in_a_caller_that_ends_them");
    assert!(said.contains("too far") && said.contains("cannot unwind"), "{said}");
    let said = aborts("panics_at_the_end_of_the_stack");
    assert!(said.contains("too far"), "{said}");
}
