//! What the fuzzers do. The judges are those of the crate's tests; here is what turns
//! bytes into their input.

use libfuzzer_sys::arbitrary::{Arbitrary, Result, Unstructured};
use vmtrampoline::{Abi, Layout, Signature, Type, ValType, private::Convention};

#[path = "../../tests/common/mod.rs"]
mod common;

mod c_call;

pub use c_call::{CCall, c_call};
use common::{
    c_layout_judge,
    case::{Case, EitherTrampoline, Ground, Route},
    descriptor_judge,
    guard_pages::Edge,
    layout_judge,
    naive::modelled,
    paper_call, text_judge,
};

/// How many values of its type a byte stands for, by its upper five bits: most often
/// one, and never so few that a small input cannot reach a limit.
const RUNS: [usize; 32] = [
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 17,
    1000,
];

/// A signature of WebAssembly's types.
#[derive(Debug)]
pub struct Types(Signature);

impl Types {
    /// A byte is a run of one type, or ends the parameters or the results.
    fn read(u: &mut Unstructured<'_>) -> Result<Types> {
        let mut list = |most| {
            let mut types = Vec::new();
            while !u.is_empty() {
                let byte = usize::from(u8::arbitrary(u)?);
                let Some(&ty) = ValType::WASM.get(byte % 8) else { break };
                types.extend(std::iter::repeat_n(ty, RUNS[byte / 8].min(most - types.len())));
            }
            Ok(types)
        };
        let (params, results) = (list(Signature::MAX_PARAMS)?, list(Signature::MAX_RESULTS)?);
        Ok(Types(Signature::new(params, results).expect("within the limits")))
    }
}

impl<'a> Arbitrary<'a> for Types {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Types> {
        Types::read(u)
    }
}

/// A signature of any of C's types.
#[derive(Debug)]
pub struct CTypes(Signature);

/// How many values of its type a parameter stands for: as many as use up what there is of
/// registers, or more.
const C_RUNS: [usize; 16] = [1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 3, 4, 5, 7, 8, 9];

impl CTypes {
    /// The most bytes of a type: more say nothing new and take time.
    const MOST: usize = 4096;

    /// Parameters, each after a byte that says how many there are, whether the variable
    /// part begins, or that there are no more; then the result, if there is one.
    fn read(u: &mut Unstructured<'_>) -> Result<CTypes> {
        let (mut params, mut named) = (Vec::new(), None);
        while !u.is_empty() && params.len() < 40 {
            let byte = usize::from(u8::arbitrary(u)?);
            if byte % 16 == 15 {
                break;
            }
            if byte % 16 == 14 {
                named = named.or(Some(params.len()));
            }
            let ty = Self::ty(u, 0)?;
            let ty = if named.is_some() { promoted(ty) } else { ty };
            params.extend(std::iter::repeat_n(ty, C_RUNS[byte / 16]));
        }
        let results = if u.is_empty() { Vec::new() } else { vec![Self::ty(u, 0)?] };
        let signature = match named {
            None => Signature::new(&params, &results),
            Some(named) => Signature::variadic(&params[..named], &params[named..], &results),
        };
        Ok(CTypes(signature.expect("within the limits")))
    }

    /// A byte is a scalar, or says what structure or union follows.
    fn ty(u: &mut Unstructured<'_>, depth: usize) -> Result<Type<'static>> {
        let byte = usize::from(u8::arbitrary(u)?);
        let scalars = ValType::ALL.len();
        if byte < 4 * scalars || depth == 4 {
            return Ok(ValType::ALL[byte % scalars].into());
        }
        let (union, packed) = (byte & 1 != 0, byte & 6 == 6);
        let align = if byte & 24 == 24 { u8::arbitrary(u)? % 8 } else { 0 };
        let mut fields: Vec<Type<'static>> = Vec::new();
        for _ in 0..u8::arbitrary(u)? % 6 {
            let mut field = Self::ty(u, depth + 1)?;
            let more = u8::arbitrary(u)?;
            if more % 4 == 3 {
                field = Type::array(field, usize::from(more / 4) + 1).expect("not so deep");
            }
            // Twice the same is what many rules are about.
            fields.extend(std::iter::repeat_n(field, if more % 8 == 1 { 2 } else { 1 }));
        }
        let made = if union { Type::union(fields) } else { Type::structure(fields) };
        let mut made = made.expect("not so deep");
        if packed {
            made = made.packed().expect("a structure");
        }
        if align > 0 {
            made = made.aligned(1 << align).expect("a power of two");
        }
        let small = Abi::ALL.iter().all(|abi| made.size(abi) <= Self::MOST);
        Ok(if small { made } else { ValType::I32.into() })
    }
}

/// What C makes of this type in the variable part.
fn promoted(ty: Type<'static>) -> Type<'static> {
    use ValType::{Bool, Char, F32, F64, I8, I16, I32, U8, U16, WChar};
    match ty.scalar() {
        Some(F32) => F64.into(),
        Some(Bool | Char | I8 | U8 | I16 | U16 | WChar) => I32.into(),
        _ => ty,
    }
}

impl<'a> Arbitrary<'a> for CTypes {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<CTypes> {
        CTypes::read(u)
    }
}

/// A call.
#[derive(Debug)]
pub struct Call(Case);

impl<'a> Arbitrary<'a> for Call {
    /// A seed, the signature, and the values: those that the input does not have come
    /// from the seed.
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Call> {
        let seed = u.arbitrary()?;
        let Types(signature) = Types::read(u)?;
        // Plain C if the seed is odd and there is such a function.
        let c = Abi::HOST_C.is_some_and(|abi| Layout::new(&signature, abi).is_ok());
        let convention = if seed % 2 == 1 && c { Convention::C } else { Convention::Vm };
        let mut case = Case::new(convention, signature, seed);
        while u.len() >= size_of::<u128>() {
            case.chosen.push(u.arbitrary()?);
        }
        Ok(Call(case))
    }
}

/// The parser takes any text.
pub fn parse(text: &str) {
    text_judge::judge(text).unwrap_or_else(|error| panic!("{error}"));
}

/// Every convention has a layout for the signature or refuses it rightly, and the
/// assembly is told the same.
pub fn layout(Types(signature): Types) {
    for abi in Abi::ALL {
        if !modelled(&signature, abi) {
            paper_call::judge(&signature, abi).unwrap_or_else(|error| panic!("{error}"));
            continue;
        }
        let judged = layout_judge::layout(&signature, abi).and_then(|layout| {
            descriptor_judge::descriptors(&signature, abi, layout.as_ref())?;
            descriptor_judge::scatters(&signature, abi, layout.as_ref())
        });
        judged.unwrap_or_else(|error| panic!("{error}"));
    }
}

/// In every convention of C the layout is that of the naive model, each byte of each value
/// has a place, and what is prepared and loaded brings it there; in the others the
/// signature is refused rightly. Its text is that of the same signature.
pub fn c_layout(CTypes(signature): CTypes) {
    let text = signature.to_string();
    let by_model = |abi: &'static Abi| match Layout::new(&signature, abi) {
        Ok(_) => c_layout_judge::judge(&text, abi.name(), None).map(|_| ()),
        Err(_) => Ok(()), // `paper_call` judges why
    };
    let judged = text_judge::judge(&text)
        .and_then(|()| Abi::ALL.iter().try_for_each(|abi| paper_call::judge(&signature, abi)))
        .and_then(|()| {
            Abi::ALL.iter().filter(|abi| abi.name().ends_with("-c")).try_for_each(by_model)
        });
    judged.unwrap_or_else(|error| panic!("{error}"));
}

/// The call arrives and returns by everything that can make it: all bodies, slots of
/// both sizes, function pointers, and back to host functions and callbacks.
pub fn call(Call(case): Call) {
    let judged = case.check().and_then(|_| by_pointer(&case)).and_then(|()| case.round_trips());
    judged.unwrap_or_else(|error| panic!("{error}"));
}

/// By a function pointer, as long as there are any: a signature keeps its own for ever.
fn by_pointer(case: &Case) -> std::result::Result<(), String> {
    let (layout, ground) = (case.layout(), Ground::new());
    for trampoline in &EitherTrampoline::all(case.convention, &case.signature) {
        let EitherTrampoline::Vm(vm) = trampoline else { continue };
        let Ok(pointer) = vm.pointer() else { continue };
        for edge in Edge::BOTH {
            case.call(&layout, trampoline, Route::Pointer(pointer), edge, &ground)?;
        }
    }
    Ok(())
}
