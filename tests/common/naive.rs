//! Where values go, once more, as naively as it can be written: a queue of
//! registers per class, and an end of the stack that grows. All conventions, in
//! the words of their documents, without a look at the rows of `src/abi.rs`.

use super::scalars;
use vmtrampoline::{Abi, Location, Signature, ValType};

/// A machine's argument registers by class, the last one first; what `v128` takes is
/// a class of its own on s390x alone.
#[derive(Clone, Debug)]
pub(crate) struct Registers {
    pub(crate) integer: Vec<&'static str>,
    pub(crate) float: Vec<&'static str>,
    pub(crate) vector: Vec<&'static str>,
}

/// What a [`Layout`](vmtrampoline::Layout) must be.
#[derive(Clone, Debug)]
pub(crate) struct Naive {
    pub(crate) contexts: Vec<Location>,
    pub(crate) params: Vec<Location>,
    pub(crate) return_pointer: Option<Location>,
    pub(crate) results: Vec<Location>,
    pub(crate) argument_area: u32,
    pub(crate) return_area: u32,
}

/// The machine of a convention's name, and whether it is the VM convention. With MSVC, only
/// `long double` differs, which has a size of its own; on Arm, Windows has other variadic
/// functions and types.
pub(crate) fn machine(abi: &Abi) -> (&'static str, bool) {
    let (machine, convention) = abi.name().rsplit_once('-').expect("machine-convention");
    let machine = match machine {
        "x86_64-msvc" => "x86_64-windows",
        "aarch64-windows" => "aarch64",
        machine => machine,
    };
    (machine, convention == "vm")
}

/// Offset of the first stack slot: above Windows' shadow space, above what s390x
/// reserves for its callee.
pub(crate) fn first_slot(machine: &str) -> u32 {
    match machine {
        "x86_64-windows" => 32,
        "s390x" => 160,
        _ => 0,
    }
}

pub(crate) fn registers(abi: &Abi) -> Registers {
    let [integer, float, vector] = match machine(abi) {
        ("x86_64-sysv", _) => {
            ["rdi rsi rdx rcx r8 r9", "xmm0 xmm1 xmm2 xmm3 xmm4 xmm5 xmm6 xmm7", ""]
        }
        ("x86_64-windows", _) => ["rcx rdx r8 r9", "xmm0 xmm1 xmm2 xmm3", ""],
        ("aarch64" | "aarch64-apple", _) => {
            ["x0 x1 x2 x3 x4 x5 x6 x7", "v0 v1 v2 v3 v4 v5 v6 v7", ""]
        }
        ("riscv64", _) => ["a0 a1 a2 a3 a4 a5 a6 a7", "fa0 fa1 fa2 fa3 fa4 fa5 fa6 fa7", ""],
        ("s390x", true) => ["r2 r3 r4 r5 r6", "f0 f2 f4 f6", "v24 v25 v26 v27 v28 v29 v30 v31"],
        ("s390x", false) => ["r2 r3 r4 r5 r6", "f0 f2 f4 f6", "v24 v26 v28 v30 v25 v27 v29 v31"],
        (machine, _) => panic!("no machine {machine}"),
    }
    .map(|names| names.split_whitespace().rev().collect());
    Registers { integer, float, vector }
}

/// The registers of an integer, a float and a vector that come back.
fn result_registers(machine: &str) -> [&'static str; 3] {
    match machine {
        "x86_64-sysv" | "x86_64-windows" => ["rax", "xmm0", "xmm0"],
        "aarch64" | "aarch64-apple" => ["x0", "v0", "v0"],
        "riscv64" => ["a0", "fa0", "none"],
        "s390x" => ["r2", "f0", "v24"],
        machine => panic!("no machine {machine}"),
    }
}

/// Whether this model speaks of a signature in a convention: of no vector that is passed
/// as a structure is.
pub(crate) fn modelled(signature: &Signature, abi: &Abi) -> bool {
    let vector = |ty| ty == ValType::V128;
    !matches!(machine(abi), ("riscv64" | "x86_64-windows", false))
        || !scalars::params(signature).into_iter().any(vector)
            && !scalars::results(signature).into_iter().any(vector)
}

/// Where the values of a signature go; `None` if the convention has no functions of
/// this signature.
pub(crate) fn naive(signature: &Signature, abi: &Abi) -> Option<Naive> {
    let (machine, vm) = machine(abi);
    let [params, results] = [scalars::params(signature), scalars::results(signature)];
    let vectors = match machine {
        "riscv64" => false,
        "x86_64-windows" => vm,
        _ => true,
    };
    if !vectors && params.iter().chain(&results).any(|ty| *ty == ValType::V128) {
        return None;
    }
    if !vm && results.len() > 1 {
        return None;
    }

    let Registers { mut integer, mut float, mut vector } = registers(abi);
    let mut end = first_slot(machine);
    let mut place = |ty: ValType, return_pointer: bool| {
        let is_float = matches!(ty, ValType::F32 | ValType::F64);
        let mut register = match ty {
            ValType::V128 if machine == "s390x" => vector.pop(),
            _ if is_float || ty == ValType::V128 => float.pop(),
            _ => integer.pop(),
        };
        if machine == "x86_64-windows" && register.is_some() {
            // The one of the same position in the other class is gone, too.
            if is_float || ty == ValType::V128 {
                integer.pop()
            } else {
                float.pop()
            };
        }
        if machine == "riscv64" && !vm && is_float && register.is_none() {
            register = integer.pop();
        }
        if let Some(name) = register {
            return Location::Register(name);
        }
        let size = scalars::size(ty) as u32;
        let slot = if machine == "aarch64-apple" { size } else { size.max(8) };
        let align = match machine {
            "aarch64-apple" if return_pointer && vm => 1,
            "s390x" => 8,
            _ => slot,
        };
        let start = end.next_multiple_of(align);
        end = start + slot;
        Location::Stack(if machine == "s390x" { end - size } else { start })
    };
    let contexts = (0..if vm { 2 } else { 0 }).map(|_| place(ValType::I64, false)).collect();
    let params = params.iter().map(|&ty| place(ty, false)).collect();
    let return_pointer = (results.len() > 1).then(|| place(ValType::I64, true));

    let most = if machine == "s390x" { 8 } else { 16 };
    let [integer, float, vector] = result_registers(machine);
    let mut area = 0u32;
    let mut come_back = |(i, &ty): (usize, &ValType)| match ty {
        ValType::V128 if i == 0 => Location::Register(vector),
        ValType::F32 | ValType::F64 if i == 0 => Location::Register(float),
        _ if i == 0 => Location::Register(integer),
        _ => {
            let size = scalars::size(ty) as u32;
            let start = area.next_multiple_of(size.min(most));
            area = start + size;
            Location::ReturnArea(start)
        }
    };
    let results = results.iter().enumerate().map(&mut come_back).collect();
    Some(Naive {
        contexts,
        params,
        return_pointer,
        results,
        argument_area: end.next_multiple_of(most),
        return_area: area.next_multiple_of(most),
    })
}
