//! What the fuzzers do. The judges are those of the crate's tests; here is what turns
//! bytes into their input.

use libfuzzer_sys::arbitrary::{Arbitrary, Result, Unstructured};
use vmtrampoline::{Abi, Layout, Signature, ValType, private::Convention};

#[path = "../../tests/common/mod.rs"]
mod common;

use common::{
    case::{Case, Ground, Route, Subject},
    encoded,
    guarded::Edge,
    placed, text,
};

/// How many values of its type a byte stands for, by its upper five bits: most often
/// one, and never so few that a small input cannot reach a limit.
const RUNS: [usize; 32] = [
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 17,
    1000,
];

/// A signature.
#[derive(Debug)]
pub struct Types(Signature);

impl Types {
    /// A byte is a run of one type, or ends the parameters or the results.
    fn read(u: &mut Unstructured<'_>) -> Result<Types> {
        let mut list = |most| {
            let mut types = Vec::new();
            while !u.is_empty() {
                let byte = usize::from(u8::arbitrary(u)?);
                let Some(&ty) = ValType::ALL.get(byte % 8) else { break };
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
    text::judge(text).unwrap_or_else(|error| panic!("{error}"));
}

/// Every convention has a layout for the signature or refuses it rightly, and the
/// assembly is told the same.
pub fn layout(Types(signature): Types) {
    for abi in Abi::ALL {
        let judged = placed::layout(&signature, abi).and_then(|layout| {
            encoded::descriptors(&signature, abi, layout.as_ref())?;
            encoded::scatters(&signature, abi, layout.as_ref())
        });
        judged.unwrap_or_else(|error| panic!("{error}"));
    }
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
    for subject in &Subject::all(case.convention, &case.signature) {
        let Subject::Vm(trampoline) = subject else { continue };
        let Ok(pointer) = trampoline.pointer() else { continue };
        for edge in Edge::BOTH {
            case.call(&layout, subject, Route::Pointer(pointer), edge, &ground)?;
        }
    }
    Ok(())
}
