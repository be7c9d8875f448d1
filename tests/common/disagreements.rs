//! Where compilers do not agree with one another, or with themselves. The crate does as gcc does.

use std::{collections::BTreeSet, ops::RangeInclusive};

use vmtrampoline::{Layout, Location, Piece, Signature};

use super::{
    ccall::{Functions, LaidOut, abi},
    ctype::{CType, Kind, Record, is_wide},
};

/// Why function `index` is not called, if its compiler does not do as gcc does.
pub(crate) fn excluded(functions: &Functions, index: usize) -> Option<&'static str> {
    let clang = functions.facts.clang;
    let types = functions.types(index);
    if clang == 0 {
        return match abi().name() {
            "x86_64-sysv-c" if aligned_in_va_arg(functions, index, &types) => {
                Some("gcc: a structure aligned to 16, read by va_arg from rsi or rcx on")
            }
            _ => None,
        };
    }
    let any = |test: fn(&LaidOut) -> bool| types.iter().any(test);
    let wide_on_stack = |registers| wide_on_stack(functions, index, registers);
    match abi().name() {
        "x86_64-sysv-c" if clang < 18 && wide_on_stack(0..=6) => {
            Some("clang before 18: a 128-bit integer on the stack")
        }
        "x86_64-sysv-c" if wide_on_stack(5..=5) => {
            Some("clang: a 128-bit integer with one integer register left")
        }
        "x86_64-sysv-c" if any(skips_in_union) => {
            Some("clang: a union with something in another member's padding (LLVM issue 83388)")
        }
        "x86_64-sysv-c" if any(aligned_in_packed) => {
            Some("clang: an aligned structure in a packed one")
        }
        "x86_64-sysv-c" if any(misaligned_in_array) => {
            Some("clang: an array of which only the first element is aligned")
        }
        "aarch64-windows-c"
            if functions.signatures[index].named.is_some()
                && (any(|ty| ty.ty.has(&is_wide_or_vector)) || split(functions, index)) =>
        {
            Some("clang: variadic functions with 16 bytes in one piece, or in x7 and on the stack")
        }
        "aarch64-windows-c" if any(is_aligned_to_16) => {
            Some("clang: a small structure that is itself aligned to 16")
        }
        "riscv64-c" if any(|ty| ty.ty.has(&is_empty_union)) => {
            Some("clang: an empty union in a structure of floats")
        }
        "s390x-c" if clang < 19 && any(|ty| ty.ty.has(&is_wide)) => {
            Some("clang before 19: the alignment of 128-bit integers")
        }
        _ => None,
    }
}

/// How the function's arguments are passed, unless that is an error, which another test finds.
fn layout(functions: &Functions, index: usize) -> Option<Layout> {
    let signature = functions.signatures[index].to_string().parse::<Signature>().ok()?;
    Layout::new(&signature, abi()).ok()
}

/// Whether `va_arg` reads a structure that C aligns to 16 where registers have been stored at an
/// address aligned to 8 only: rsi and rdx, or rcx and r8. gcc 12.2 may read both by one `movdqa`.
/// This faults after `gcc -O2`:
///
/// ```c
/// struct __attribute__((aligned(16))) s { char bytes[13]; } to;
/// __attribute__((noinline)) void f(int first, ...) {
///     __builtin_va_list list;
///     __builtin_va_start(list, first);
///     to = __builtin_va_arg(list, struct s);
/// }
/// int main(void) { f(1, to); }
/// ```
fn aligned_in_va_arg(functions: &Functions, index: usize, types: &[LaidOut]) -> bool {
    let signature = &functions.signatures[index];
    let (Some(named), Some(layout)) = (signature.named, layout(functions, index)) else {
        return false;
    };
    layout.params().iter().zip(types).skip(named).any(|(placement, ty)| {
        use Location::Register;
        let in_odd = match placement.pieces() {
            [first, second] => matches!(
                (first.location, second.location),
                (Register("rsi"), Register("rdx")) | (Register("rcx"), Register("r8"))
            ),
            _ => false,
        };
        in_odd && ty.align == 16 && matches!(ty.ty, CType::Record(_))
    })
}

fn is_wide_or_vector(ty: &CType) -> bool {
    is_wide(ty) || matches!(ty, CType::Scalar(scalar) if scalar.name == "v128")
}

/// Whether it has an alignment of its own, which is not that of its members.
fn is_aligned_to_16(laid_out: &LaidOut) -> bool {
    laid_out.size <= 16
        && matches!(&laid_out.ty, CType::Record(r) if r.align.is_some_and(|align| align >= 16))
}

/// Whether an argument begins in a register and goes on on the stack.
fn split(functions: &Functions, index: usize) -> bool {
    layout(functions, index).is_some_and(|layout| {
        layout.params().iter().any(|placement| {
            matches!(placement.pieces(), [_, Piece { location: Location::Stack(_), .. }])
        })
    })
}

fn is_empty_union(ty: &CType) -> bool {
    matches!(ty, CType::Record(Record { union: true, fields, .. }) if fields.is_empty())
}

/// Whether a 128-bit integer goes on the stack while so many integer registers are used.
fn wide_on_stack(functions: &Functions, index: usize, registers: RangeInclusive<usize>) -> bool {
    let Some(layout) = layout(functions, index) else { return false };
    let integer = |piece: &&Piece| matches!(piece.location, Location::Register(name) if name.starts_with('r'));
    let stack = |piece: &Piece| matches!(piece.location, Location::Stack(_)) && piece.size == 16;
    let mut used = usize::from(layout.return_pointer().is_some());
    layout.params().iter().zip(&functions.signatures[index].params).any(|(placement, ty)| {
        used += placement.pieces().iter().filter(integer).count();
        let on_stack = placement.pieces().iter().any(stack);
        on_stack && registers.contains(&used) && ty.has(&is_wide)
    })
}

/// Whether registers have a union in it of which one member has padding behind an `f32`, perhaps
/// at its end, where another holds something. clang 14 passes the union as that member.
fn skips_in_union(laid_out: &LaidOut) -> bool {
    let inside = |path: &str, member: &str| {
        path.strip_prefix(member)
            .is_some_and(|rest| rest.is_empty() || !rest.as_bytes()[0].is_ascii_digit())
    };
    let bytes = |member: &String| {
        let leaves = laid_out.leaves.iter().filter(|(leaf, ..)| inside(&leaf.path, member));
        leaves.flat_map(|(_, offset, len)| *offset..offset + len).collect::<BTreeSet<_>>()
    };
    let skips = |(member, end): &(BTreeSet<usize>, usize), byte: &usize| {
        let before = *byte % 8 == 4 && member.contains(&(byte - 4));
        before && !member.contains(byte) && byte < end
    };
    let mut ends = laid_out.ends.iter().copied();
    laid_out.size <= 16
        && laid_out.ty.unions().iter().any(|members| {
            let members: Vec<_> = members.iter().map(bytes).zip(ends.by_ref()).collect();
            let all = members.iter().flat_map(|(member, _)| member);
            all.into_iter().any(|byte| members.iter().any(|member| skips(member, byte)))
        })
}

/// Whether it is small and a packed structure in it has one of a given alignment.
fn aligned_in_packed(laid_out: &LaidOut) -> bool {
    let aligned = |ty: &CType| matches!(ty, CType::Record(r) if r.align.is_some());
    let packed = |ty: &CType| matches!(ty, CType::Record(r) if r.packed && r.fields.iter().any(|ty| ty.has(&aligned)));
    laid_out.size <= 16 && laid_out.ty.has(&packed)
}

/// Whether it is small and has an array of which the first element alone is aligned.
fn misaligned_in_array(laid_out: &LaidOut) -> bool {
    let misaligned = |later: bool| {
        laid_out.leaves.iter().any(|(leaf, offset, len)| {
            let align = if leaf.scalar.kind == Kind::Extended { 16 } else { len / leaf.count };
            let element = leaf.path.split('[').skip(1).any(|index| !index.starts_with("0]"));
            offset % align.min(16) != 0 && element == later
        })
    };
    laid_out.size <= 16 && misaligned(true) && !misaligned(false)
}
