//! Function pointers made at compile time: called like a trampoline.

#![cfg(vmtrampoline_port)]

mod common;

use common::{
    case::{Case, EitherTrampoline, Ground, Route},
    guard_pages::Edge,
    port::Largest,
};
use proptest::prelude::*;
use vmtrampoline::{
    Signature, Trampoline, TypedSignature, VMTrampoline, ValRaw, pointer, pointer_unwind,
    private::{Convention, Shape},
};

/// A signature in Rust types, without the types.
#[derive(Clone, Debug)]
struct Typed {
    signature: Signature,
    pointer: VMTrampoline,
}

impl Typed {
    fn of<F: TypedSignature>() -> Typed {
        Typed { signature: Signature::of::<F>(), pointer: const { pointer::<F>() } }
    }

    /// Calls with the slots at both edges of the memory.
    fn check(&self, seed: u64) -> Result<(), String> {
        let case = Case::new(Convention::Vm, self.signature.clone(), seed);
        let (layout, ground) = (case.layout(), Ground::new());
        let trampoline =
            EitherTrampoline::new(Convention::Vm, &self.signature, Shape::Bare).unwrap();
        for edge in Edge::BOTH {
            case.call(&layout, &trampoline, Route::Pointer(self.pointer), edge, &ground)?;
        }
        Ok(())
    }
}

/// Hands every list of up to two of the five types to a macro, with a context.
macro_rules! lists {
    ($make:ident $context:tt) => {
        $make!([] $context);
        lists!(@one $make [i32 i64 f32 f64 Largest] $context);
    };
    (@one $make:ident [$($one:ident)*] $context:tt) => {$(
        $make!([$one] $context);
        lists!(@two $make $one [i32 i64 f32 f64 Largest] $context);
    )*};
    (@two $make:ident $one:ident [$($two:ident)*] $context:tt) => {
        $($make!([$one $two] $context);)*
    };
}

/// Every list of up to two parameters by every list of up to two results.
#[test]
fn small_signatures() {
    let mut all = Vec::new();
    macro_rules! with_params {
        ($params:tt []) => {
            lists!(with_results $params);
        };
    }
    macro_rules! with_results {
        ([] [$($param:ident)*]) => {
            all.push(Typed::of::<fn($($param),*)>());
        };
        ([$result:ident] [$($param:ident)*]) => {
            all.push(Typed::of::<fn($($param),*) -> $result>());
        };
        ([$one:ident $two:ident] [$($param:ident)*]) => {
            all.push(Typed::of::<fn($($param),*) -> ($one, $two)>());
        };
    }
    lists!(with_params []);
    assert_eq!(all.len(), 31 * 31);
    for typed in all {
        typed.check(3).unwrap();
    }
}

/// One signature or more of every number of parameters, and of results.
#[rustfmt::skip]
fn long_signatures() -> Vec<Typed> {
    type Ptr = *const u8;
    vec![
        Typed::of::<fn(i32, f64, i64) -> (i64, f32)>(),
        Typed::of::<fn(i32, u64, Ptr) -> (i32, *mut u8, u64)>(),
        Typed::of::<fn(f32, f32, f32, f32) -> (f32, f32, f32, f32)>(),
        Typed::of::<fn(i32, f32, i64, f64, i32) -> (i32, f32, i64, f64, i32)>(),
        Typed::of::<fn(i64, i64, i64, i64, i64, i64) -> (i32, f64, i32, f64, i32, f64)>(),
        Typed::of::<fn(i32, i32, i32, i32, i32, i32, i32) -> (i32, i32, i32, i32, i32, i32, i32)>(),
        Typed::of::<fn(f64, f64, f64, f64, f64, f64, f64, f64) -> (f32, i64, f32, i64, f32, i64, f32, i64)>(),
        Typed::of::<fn(f64, f64, f64, f64, f64, f64, f64, f64, f64) -> (f64, f64, f64, f64, f64, f64, f64, f64, f64)>(),
        Typed::of::<fn(f64, f64, f64, f64, f64, f64, f64, f64, f32, f64) -> i64>(),
        Typed::of::<fn(i32, i32, i32, i32, i32, i64, i64, i32, i32) -> i32>(),
        Typed::of::<fn(Largest, i32, Largest, i32, Largest, i32, Largest, i32, Largest, Largest) -> (Largest, i32, Largest, f32, Largest, Largest, Largest, Largest, i32, Largest)>(),
        Typed::of::<fn(i32, f32, i32, f32, i32, f32, i32, f32, i32, f32, i32) -> (i32, f32, i32, f32, i32, f32, i32, f32, i32, f32, i32)>(),
        Typed::of::<fn(f32, i64, f32, i64, f32, i64, f32, i64, f32, i64, f32, i64) -> (f32, i64, f32, i64, f32, i64, f32, i64, f32, i64, f32, i64)>(),
        Typed::of::<fn(i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32) -> (i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i64)>(),
        Typed::of::<fn(f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, f64) -> (i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, f32)>(),
        Typed::of::<fn(i64, f64, i64, f64, i64, f64, i64, f64, i64, f64, i64, f64, i64, f64, i32) -> (f64, i32, f64, i32, f64, i32, f64, i32, f64, i32, f64, i32, f64, i32, f32)>(),
        Typed::of::<fn(i32, f64, i64, f32, i32, f64, i64, f32, i32, f64, i64, f32, i32, f64, i64, f32) -> (i32, f64, i64, f32, i32, f64, i64, f32, i32, f64, i64, f32, i32, f64, i64, f32)>(),
        Typed::of::<fn(Largest, Largest, Largest, Largest, Largest, Largest, Largest, Largest, Largest, Largest, Largest, Largest, Largest, Largest, Largest, Largest) -> (Largest, Largest, Largest, Largest, Largest, Largest, Largest, Largest, Largest, Largest, Largest, Largest, Largest, Largest, Largest, Largest)>(),
        Typed::of::<fn(i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32) -> Ptr>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn random_values(typed in prop::sample::select(long_signatures()), seed: u64) {
        typed.check(seed).map_err(TestCaseError::fail)?;
    }
}

#[test]
fn every_arity_up_to_sixteen() {
    let all = long_signatures();
    for typed in &all {
        typed.check(3).unwrap();
    }
    for arity in 3..=16 {
        assert!(all.iter().any(|typed| typed.signature.params().len() == arity), "{arity}");
        assert!(all.iter().any(|typed| typed.signature.results().len() == arity), "{arity}");
    }
}

/// A pointer made at compile time does not do what one of another signature
/// does, so the checks above can fail.
#[test]
fn the_judge_can_say_no() {
    let found = |called: Typed, judged: &str| {
        let typed = Typed { signature: judged.parse().unwrap(), ..called };
        typed.check(3).expect_err(judged)
    };
    let contains = |text: String, part: &str| assert!(text.contains(part), "{text}");
    contains(found(Typed::of::<fn(i64, f64)>(), "(f64, i64)"), "p0 in");
    contains(found(Typed::of::<fn() -> i64>(), "() -> i32"), "slot 0 afterwards");
    contains(found(Typed::of::<fn(i64, i64)>(), "(i64) -> (i64, i64)"), "return pointer");
}

#[test]
fn types_and_texts_agree() {
    let text = |signature: Signature| signature.to_string();
    assert_eq!(text(Signature::of::<fn()>()), "()");
    assert_eq!(text(Signature::of::<fn(u32, u64) -> u128>()), "(u32, u64) -> v128");
    assert_eq!(text(Signature::of::<fn(*mut i8) -> (*const i8, f32)>()), "(ptr) -> (ptr, f32)");
    assert_eq!(text(Signature::of::<fn(i8, u16, bool) -> u8>()), "(i8, u16, bool) -> u8");
}

/// Both types are the same function, and it does what the others do.
#[test]
fn one_function_for_both_types() {
    static TABLE: [VMTrampoline; 2] = [pointer::<fn(i32) -> i32>(), pointer::<fn(Largest)>()];
    let run_time = Trampoline::new(&"(i32) -> i32".parse().unwrap()).unwrap().pointer().unwrap();
    assert_eq!(pointer::<fn(i32) -> i32>() as usize, pointer_unwind::<fn(i32) -> i32>() as usize);
    extern "C" fn double(_: usize, _: usize, x: i32) -> i32 {
        2 * x
    }
    for pointer in [TABLE[0], run_time] {
        let mut slot = ValRaw::i64(i64::MIN | 21);
        let null = std::ptr::null_mut();
        // SAFETY: the signature of `double`, whose contexts may be anything.
        unsafe { pointer(null, null.cast(), double as *const _, &mut slot) };
        assert_eq!(slot.get_u64(), 42);
    }
}

/// The compiler begins with `push rbp; mov rbp, rsp`, which a walker of frame
/// pointers relies on.
#[test]
#[cfg(all(target_arch = "x86_64", unix))]
fn the_frame_record_comes_first() {
    let begins = |pointer: VMTrampoline| {
        // SAFETY: the text of a function is readable, and no shorter.
        unsafe { *(pointer as *const [u8; 8]) }
    };
    for typed in long_signatures() {
        let code = begins(typed.pointer);
        let code = code.strip_prefix(&[0xf3, 0x0f, 0x1e, 0xfa]).unwrap_or(&code); // endbr64
        // push rbp; mov rbp, rsp
        assert_eq!(code[..4], [0x55, 0x48, 0x89, 0xe5], "{}", typed.signature);
    }
}
