//! Plain C calls the host: the C library, a library compiled here, and what
//! happens to a panic. (Where values go is `host.rs`'s and `c_callers.rs`'s.)

#![cfg(all(vmtrampoline_port, unix, not(vmtrampoline_windows)))]

mod common;

use std::{
    cell::{Cell, RefCell},
    cmp::Ordering as Order,
    ffi::{CStr, c_int, c_void},
    mem::{self, transmute},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    ptr::null_mut,
    rc::Rc,
    sync::{
        Mutex, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

use common::{aborts::aborts, c::Compiled, native};
use vmtrampoline::{
    Abi, Callback, Error, HostFunc, LocalCallback, Prototype, Signature, VMContext,
    VMOpaqueContext, ValRaw, ValueIndex,
};

fn parse(text: &str) -> Signature {
    text.parse().expect(text)
}

/// Held by tests that make callbacks, and alone by the test that uses them up.
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
    let here = thread::current().id();
    let start = Callback::new(&parse("(ptr) -> ptr"), |slots| {
        assert_ne!(thread::current().id(), here);
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
        let x = slots[0].get_f64();
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
        let scale = slots[4].get_f32();
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

/// Callbacks of all kinds that share what their signature says.
#[test]
fn a_prototype_makes_callbacks() {
    type Function = unsafe extern "C-unwind" fn(i32, f32) -> i64;
    native! {
        unsafe fn read_all(
            callee: *mut VMOpaqueContext,
            _: *mut VMContext,
            slots: *mut ValRaw,
            _: usize,
        ) {
            // SAFETY: the slots of the parameters, of eight bytes each, and the data below.
            unsafe {
                let [a, b] = [0, 1].map(|i| (*slots.add(i)).get_u64());
                *slots = ValRaw::i64((a + b) as i64 + *HostFunc::data(callee).cast::<i64>());
            }
        }
    }
    let _some = some();
    let prototype = Prototype::new(&parse("(i32, f32) -> i64")).unwrap();
    assert!(format!("{prototype:?}").starts_with("Prototype"));
    let (base, own) = (AtomicUsize::new(1), Rc::new(Cell::new(5)));
    let read = |slots: &mut [ValRaw], more: i64| {
        slots[0] = ValRaw::i64((slots[0].get_u64() + slots[1].get_u64()) as i64 + more);
    };
    let closure = |slots: &mut [ValRaw]| read(slots, base.load(Relaxed) as i64);
    let mut more = 3i64;
    let data = (&raw mut more).cast();
    let (one, two) = (prototype.callback(closure).unwrap(), prototype.callback_unwind(closure));
    // SAFETY: the data that `read_all` wants, which outlives the callback.
    let three = unsafe { prototype.callback_from_raw(read_all, data) }.unwrap();
    let four = prototype.local_callback({
        let own = own.clone();
        move |slots| read(slots, own.get())
    });
    let five = prototype.clone().local_callback_unwind(|slots| {
        read(slots, 0);
        resume_unwind(Box::new(slots[0].get_i64()));
    });
    drop(prototype);
    let (two, four, five) = (two.unwrap(), four.unwrap(), five.unwrap());
    let sum = i64::from(u32::MAX) + i64::from(1.5f32.to_bits());
    for (code, more) in [(one.code(), 1), (two.code(), 1), (three.code(), 3), (four.code(), 5)] {
        // SAFETY: the callbacks' signature.
        let function = unsafe { transmute::<*const c_void, Function>(code) };
        // SAFETY: as above.
        assert_eq!(unsafe { function(-1, 1.5) }, sum + more);
    }
    let code = pointer!(five, Function);
    // SAFETY: as above.
    let caught = catch_unwind(|| unsafe { code(-1, 1.5) });
    assert_eq!(*caught.unwrap_err().downcast::<i64>().unwrap(), sum);
    assert_eq!(Prototype::new(&parse("(...)")).unwrap_err(), Error::VariadicCallback);
}

/// Where they are a fixed number. (`many.rs` is for where they are not.)
#[test]
#[cfg(not(vmtrampoline_mmap))]
fn callbacks_can_be_used_up() {
    type Get = unsafe extern "C" fn() -> i32;
    let _all = POOL.write().unwrap_or_else(PoisonError::into_inner);
    let signature = parse("() -> i32");
    let make = |i: usize| Callback::new(&signature, move |slots| slots[0] = ValRaw::i32(i as i32));
    let mut callbacks: Vec<_> = (0..).map_while(|i| make(i).ok()).collect();
    // That of a key, of another test, lives for ever.
    let expected = Callback::CAPACITY - 1..=Callback::CAPACITY;
    assert!(expected.contains(&callbacks.len()));
    let error = make(0).unwrap_err();
    let limit = if cfg!(feature = "mmap") {
        "the crate cannot map its code again on this system"
    } else {
        "the crate's feature `mmap` is off"
    };
    assert_eq!(error, Error::CallbacksExhausted { capacity: Callback::CAPACITY, limit });
    let says = format!("no room for another callback: 1024 exist already, and {limit}");
    assert_eq!(error.to_string(), says);

    let check = |callbacks: &[Callback<'_>]| {
        for (i, callback) in callbacks.iter().enumerate() {
            let code = pointer!(callback, Get);
            // SAFETY: the callback's signature.
            assert_eq!(unsafe { code() }, i as i32);
        }
    };
    check(&callbacks);
    let codes: std::collections::HashSet<_> = callbacks.iter().map(Callback::code).collect();
    assert_eq!(codes.len(), callbacks.len());

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
    thread::scope(|scope| {
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

/// A panic unwinds through every frame that allows it, and drops what lies on the way.
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
    // What is captured says nothing about panics, and yet no one has to assert anything.
    // No hook: its message would only be noise.
    let throw: Box<dyn Fn(i32) + Send + Sync> = Box::new(|n| resume_unwind(Box::new(n)));
    let callback =
        Callback::new_unwind(&parse("(i32) -> i32"), move |slots| throw(slots[0].get_i32()));
    let callback = callback.unwrap();
    let caught =
        catch_unwind(|| caller(pointer!(callback, unsafe extern "C-unwind" fn(i32) -> i32)));
    assert_eq!(*caught.unwrap_err().downcast::<i32>().unwrap(), 7);
    assert_eq!(DROPPED.load(Relaxed), 1);
}

/// A closure of this thread is called wherever this thread runs: by a library, in the
/// destructor of a key, in a signal handler on another stack.
#[test]
fn local_callbacks_are_called_in_their_thread() {
    let _some = some();
    let log = Rc::new(RefCell::new(Vec::new()));
    let compare = LocalCallback::new(&parse("(ptr, ptr) -> i32"), {
        let log = log.clone();
        move |slots| {
            let [a, b] = [0, 1].map(|i| pointee::<u8>(slots[i]));
            log.borrow_mut().push([a, b]);
            slots[0] = ValRaw::i32(a.cmp(&b) as i32);
        }
    });
    let (compare, mut list) = (compare.unwrap(), [2u8, 1]);
    let code = pointer!(compare, Compare);
    // SAFETY: the list, and a function that compares its elements.
    unsafe { libc::qsort(list.as_mut_ptr().cast(), 2, 1, Some(code)) };
    // A library may compare more often: AddressSanitizer's own looks at the list first.
    log.borrow_mut().dedup();
    assert_eq!((list, log.take()), ([1, 2], vec![[2, 1]]));
    drop(compare);
    assert_eq!(Rc::strong_count(&log), 1);
}

#[test]
fn destructors_of_keys_are_callbacks() {
    type Destructor = unsafe extern "C" fn(*mut c_void);
    static SUM: AtomicUsize = AtomicUsize::new(0);
    let _some = some();
    let mut keys = [0; 2];
    let callback = Callback::new(&parse("(ptr)"), |slots| {
        SUM.fetch_add(slots[0].get_u64() as usize, Relaxed);
    });
    let callback = callback.unwrap();
    let code = pointer!(callback, Destructor);
    // SAFETY: a key, whose destructor is alive as long as threads have it.
    unsafe { libc::pthread_key_create(&mut keys[0], Some(code)) };
    thread::spawn(move || {
        let times = Rc::new(Cell::new(1));
        let local = LocalCallback::new(&parse("(ptr)"), move |slots| {
            times.set(times.get() * slots[0].get_u64() as usize);
            SUM.fetch_add(1000 * times.get(), Relaxed);
        });
        // It is called when everything of the thread is gone, and so must be for ever.
        let local = mem::ManuallyDrop::new(local.unwrap());
        let code = pointer!(local, Destructor);
        // SAFETY: as above; no other thread uses the key.
        unsafe {
            libc::pthread_key_create(&mut keys[1], Some(code));
            libc::pthread_setspecific(keys[0], 7 as *const c_void);
            libc::pthread_setspecific(keys[1], 5 as *const c_void);
        }
    })
    .join()
    .unwrap();
    assert_eq!(SUM.load(Relaxed), 5007);
}

#[test]
fn signal_handlers_on_other_stacks_are_callbacks() {
    let _some = some();
    let mut stack = vec![0u8; 1 << 16];
    let range = stack.as_ptr_range();
    let seen = Rc::new(Cell::new((0, false)));
    let handler = LocalCallback::new(&parse("(i32)"), {
        let seen = seen.clone();
        move |slots| {
            let here = (&raw const slots).cast::<u8>();
            seen.set((slots[0].get_i32(), range.contains(&here)));
        }
    });
    let handler = handler.unwrap();
    // SAFETY: a stack, and a handler of this type, for a signal that this thread sends to
    // itself; all as before in the end.
    unsafe {
        let mut before: (libc::stack_t, libc::sigaction) = (mem::zeroed(), mem::zeroed());
        let stack =
            libc::stack_t { ss_sp: stack.as_mut_ptr().cast(), ss_flags: 0, ss_size: stack.len() };
        assert_eq!(libc::sigaltstack(&stack, &mut before.0), 0);
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = handler.code() as usize;
        action.sa_flags = libc::SA_ONSTACK;
        assert_eq!(libc::sigaction(libc::SIGUSR1, &action, &mut before.1), 0);
        libc::raise(libc::SIGUSR1);
        libc::sigaction(libc::SIGUSR1, &before.1, null_mut());
        libc::sigaltstack(&before.0, null_mut());
    }
    assert_eq!(seen.get(), (libc::SIGUSR1, true));
}

#[test]
fn callbacks_are_called_at_exit() {
    let _some = some();
    // SAFETY: the child ends in the callback.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let number = Rc::new(42);
        // SAFETY: ends the child.
        let callback = LocalCallback::new(&parse("()"), move |_| unsafe { libc::_exit(*number) });
        let callback = mem::ManuallyDrop::new(callback.unwrap());
        let code = pointer!(callback, extern "C" fn());
        // SAFETY: a function that is alive for ever.
        unsafe {
            libc::atexit(code);
            libc::exit(1);
        }
    }
    let mut status = 0;
    // SAFETY: our child.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 42, "{status:#x}");
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

/// Calls a callback of this thread in another, which never gets to its closure.
fn call_elsewhere(callback: &LocalCallback<'_>) {
    let code = pointer!(callback, unsafe extern "C-unwind" fn());
    // SAFETY: the callback's signature.
    println!("{:?}", thread::spawn(move || catch_unwind(|| unsafe { code() })).join());
}

#[test]
#[ignore = "aborts"]
fn local_callbacks_in_another_thread() {
    let rc = Rc::new(());
    call_elsewhere(&LocalCallback::new(&parse("()"), move |_| drop(rc.clone())).unwrap());
}

#[test]
#[ignore = "aborts"]
fn unwinding_local_callbacks_in_another_thread() {
    let rc = Rc::new(());
    call_elsewhere(&LocalCallback::new_unwind(&parse("()"), move |_| drop(rc.clone())).unwrap());
}

#[test]
fn other_threads_cannot_call_local_callbacks() {
    for test in ["local_callbacks_in_another_thread", "unwinding_local_callbacks_in_another_thread"]
    {
        let said = aborts(test);
        assert!(said.contains("in a thread that it does not belong to"), "{said}");
    }
}

/// A variadic callback is an error, as are types of C in the VM convention.
#[test]
fn what_cannot_be_called_is_an_error() {
    let _some = some();
    for (text, value) in [
        ("({i32}) -> i32", ValueIndex::Param(0)),
        ("(ptr, u8)", ValueIndex::Param(1)),
        ("() -> bool", ValueIndex::Result(0)),
        ("() -> {f64, f64}", ValueIndex::Result(0)),
        ("(f32, c32)", ValueIndex::Param(1)),
        ("(i128) -> i128", ValueIndex::Param(0)),
    ] {
        let signature = parse(text);
        let types = match value {
            ValueIndex::Param(i) => signature.params().get(i),
            _ => signature.results().get(0),
        };
        let ty = types.expect(text).into_owned();
        let abi = Abi::HOST_VM.expect("a port has conventions").name();
        let must = Error::TypeNotInAbi { abi, ty, value };
        assert_eq!(HostFunc::new(&signature, |_, _| {}).unwrap_err(), must, "{text}");
    }
    for text in ["(ptr, ...i32)", "(ptr, ...)", "({f64}, ...{f64}) -> {f64}"] {
        let error = Callback::new(&parse(text), |_| {}).unwrap_err();
        assert_eq!(error, Error::VariadicCallback);
        assert_eq!(Callback::new_unwind(&parse(text), |_| {}).unwrap_err(), error);
    }
    let error = HostFunc::new(&parse("(ptr, ...i32)"), |_, _| {}).unwrap_err();
    assert!(matches!(error, Error::VariadicNotInAbi { .. }), "{error:?}");
    let large = parse("({[i8; 40000]}, {[i8; 40000]})");
    let error = Callback::new(&large, |_| {}).unwrap_err();
    assert_eq!(error, Error::TooLarge { value: None });
}

/// A function pointer that becomes another's: for a signature and a function that are known
/// later than its address.
#[test]
fn a_pointer_gets_another_function() {
    unsafe extern "C-unwind" fn plus_data(
        callee: *mut VMOpaqueContext,
        _: *mut VMContext,
        slots: *mut ValRaw,
        _: usize,
    ) {
        // SAFETY: the data of both callbacks below, and slots for a number.
        unsafe { *slots = ValRaw::f64((*slots).get_f64() + *HostFunc::data(callee).cast::<f64>()) };
    }

    let _some = some();
    let [mut one, mut two] = [1.0, 2.0];
    let data = |number: &mut f64| (&raw mut *number).cast();
    let signature = parse("(f64) -> f64");
    let mut callback = Callback::new(&parse("()"), |_| unreachable!("it is replaced")).unwrap();
    let code = callback.code();
    for (number, sum) in [(&mut one, 4.0), (&mut two, 5.0)] {
        // SAFETY: the data outlives the callback's use.
        unsafe { callback.replace_raw(&signature, plus_data, data(number)).unwrap() };
        assert_eq!(callback.code(), code);
        assert_eq!(pointer!(callback, extern "C" fn(f64) -> f64)(3.0), sum);
    }
    // What is refused changes nothing.
    // SAFETY: as above.
    let refused = unsafe { callback.replace_raw(&parse("(...)"), plus_data, null_mut()) };
    assert_eq!(refused, Err(Error::VariadicCallback));
    assert_eq!(pointer!(callback, extern "C" fn(f64) -> f64)(3.0), 5.0);
}
