//! Signatures without structures, and where their values are.

use vmtrampoline::{Abi, Location, Placement, Signature, ValType};

/// The parameter types, all of them scalars.
pub fn params(signature: &Signature) -> Vec<ValType> {
    signature.params().scalars().expect("no structures")
}

/// The result types, all of them scalars.
pub fn results(signature: &Signature) -> Vec<ValType> {
    signature.results().scalars().expect("no structures")
}

/// How many slots the values have.
pub fn slots(signature: &Signature) -> usize {
    signature.params().len().max(signature.results().len())
}

/// Where values are, each in one piece.
pub fn locations(placements: &[Placement]) -> Vec<Location> {
    let location = |placement: &Placement| placement.location().expect("one piece");
    placements.iter().map(location).collect()
}

/// The size of a value of WebAssembly's.
pub fn size(ty: ValType) -> usize {
    ty.size(&Abi::X86_64_SYSV_C)
}
