//! Signatures of WebAssembly's types, the only ones here.

use vmtrampoline::{Abi, Signature, ValType};

const SCALARS: &str = "WebAssembly has no structures";

/// The parameter types.
pub fn params(signature: &Signature) -> Vec<ValType> {
    signature.params().scalars().expect(SCALARS)
}

/// The result types.
pub fn results(signature: &Signature) -> Vec<ValType> {
    signature.results().scalars().expect(SCALARS)
}

/// How many slots the values have.
pub fn slots(signature: &Signature) -> usize {
    signature.params().len().max(signature.results().len())
}

/// The size of a value in bytes, the same everywhere.
pub fn size(ty: ValType) -> usize {
    ty.size(&Abi::X86_64_SYSV_C)
}
