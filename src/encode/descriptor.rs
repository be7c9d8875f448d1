//! The descriptor: a signature's layout as the bytes that assembly reads.
//!
//! A [`Descriptor`] is a fixed header followed by its lists:
//!
//! | bytes | what |
//! |---|---|
//! | header | for each argument register, the byte offset of the value slot that it is loaded from; counts; the result's kind |
//! | stack words | for each word of the argument area (the convention's smallest stack slot), the byte offset in the slots that it is copied from; on s390x, vector registers first |
//! | spills | for each result in the return area, its offset there and its width |
//! | plan | what Rust does before and after a call that the assembly cannot make alone; see [`plan`](super::plan) |
//! | types | the signature, for Rust alone |
//!
//! It has no pointers, so it may lie anywhere, and never changes. Only `asm/descriptor.h`
//! has the offsets of the header's fields.

use core::{
    fmt,
    hash::{Hash, Hasher},
    mem::offset_of,
};

use static_assertions::{assert_impl_all, const_assert_eq};

use super::{
    constants::constant,
    header::{Header, Shape},
    writer::Source,
};
use crate::{
    abi::{Abi, Convention},
    error::Error,
    layout::walk::first_slot,
    signature::{Counts, Scalars, Signature, SignatureRef},
    text,
    types::after,
    valtype::ValType,
};

/// A signature's layout as the bytes that assembly reads.
///
/// Each trampoline has one: [`Trampoline::descriptor`](crate::Trampoline::descriptor).
/// [`trampoline!`](crate::trampoline) and [`c_trampoline!`](crate::c_trampoline) make a
/// `Descriptor<[u16; N]>` at compile time, which coerces to the unsized `Descriptor` of
/// trampolines.
#[repr(C)]
pub struct Descriptor<L: ?Sized = [u16]> {
    pub(crate) header: Header,
    pub(crate) lists: L,
}

const_assert_eq!(offset_of!(Descriptor<[u16; 1]>, lists), constant("D_LISTS"));
assert_impl_all!(Descriptor: Send, Sync);

/// The signature's entries before its types: counts, and where the results begin.
pub(super) const SIGNATURE_HEAD: usize = 4;
pub(super) const NOT_VARIADIC: u16 = u16::MAX;

/// For the tests: the descriptor of a signature under any convention. The tests only
/// borrow it, so they cannot make a trampoline of it.
#[doc(hidden)]
pub fn describe<R>(
    abi: &'static Abi,
    signature: &Signature,
    stride: u16,
    shape: Shape,
    look: impl FnOnce(&Descriptor) -> R,
) -> Result<R, Error> {
    Ok(look(&Source { abi, signature: signature.lend(), stride, shape }.boxed()?))
}

/// Why the compiler refuses a signature.
const fn known(
    convention: Convention,
    text: &str,
    words: &mut [u16],
) -> (&'static Abi, text::Parsed) {
    let abi = convention.abi().expect("this target has no trampolines");
    match text::signature(text, words) {
        Ok(parsed) => (abi, parsed),
        Err(fault) => panic!("{}", fault.message()),
    }
}

/// For [`trampoline!`](crate::trampoline): how many words the types of a signature have.
#[doc(hidden)]
pub const fn words_len(convention: Convention, text: &str) -> usize {
    known(convention, text, &mut []).1.len
}

/// For [`trampoline!`](crate::trampoline): the `N` of `Descriptor::<[u16; N]>::constant`,
/// `WORDS` being [`words_len`].
#[doc(hidden)]
pub const fn list_len<const WORDS: usize>(convention: Convention, text: &str) -> usize {
    let mut words = [0; WORDS];
    let (abi, parsed) = known(convention, text, &mut words);
    match Source::constant(abi, parsed, &words).encode(&mut { Header::EMPTY }, &mut []) {
        Ok(len) => len,
        Err(misfit) => panic!("{}", misfit.message()),
    }
}

impl<const N: usize> Descriptor<[u16; N]> {
    /// For [`trampoline!`](crate::trampoline): a signature known at compile
    /// time, `N` being [`list_len`].
    #[doc(hidden)]
    pub const fn constant<const WORDS: usize>(convention: Convention, text: &str) -> Self {
        let mut words = [0; WORDS];
        let (abi, parsed) = known(convention, text, &mut words);
        Self::encoded(&Source::constant(abi, parsed, &words))
    }
}

impl<const N: usize> Descriptor<[u16; N]> {
    /// For [`pointer`](crate::pointer()): a signature of scalars. Its lists may be longer
    /// than necessary.
    pub(crate) const fn of_types(
        convention: Convention,
        params: &[ValType],
        results: &[ValType],
    ) -> Self {
        let abi = convention.abi().expect("this target has no trampolines");
        let scalars = Scalars::NONE.and(params).and(results);
        let signature = scalars.lend(params.len());
        Self::encoded(&Source { abi, signature, stride: 16, shape: Shape::Bare })
    }

    const fn encoded(source: &Source<'_>) -> Self {
        let (mut header, mut lists) = (Header::EMPTY, [0; N]);
        match source.encode(&mut header, &mut lists) {
            Ok(len) => {
                // The assembly reads as many entries as the header says.
                assert!(len <= N, "the lists have more entries than this");
                Descriptor { header, lists }
            }
            Err(misfit) => panic!("{}", misfit.message()),
        }
    }
}

impl Descriptor {
    /// The lists, without the reserved entries behind them.
    fn used_lists(&self) -> &[u16] {
        let SignatureRef { params, results, .. } = self.signature_ref();
        let used =
            usize::from(self.header.signature) + SIGNATURE_HEAD + params.len() + results.len();
        &self.lists[..used]
    }

    /// What the assembly reads: header, stack words and spills.
    #[cfg_attr(not(vmtrampoline_port), allow(dead_code))] // nothing is called there
    pub(crate) fn read(&self) -> (&Header, &[u16]) {
        (&self.header, &self.lists[..self.read_len()])
    }

    fn read_len(&self) -> usize {
        usize::from(self.header.stack_words) + usize::from(self.header.spills)
    }

    /// For the tests: the plan of what Rust does before and after the call, if there is
    /// one.
    #[doc(hidden)]
    pub fn plan(&self) -> Option<&[u16]> {
        let plan = self.read_len()..usize::from(self.header.signature);
        self.header.entry.is_planned().then(|| &self.lists[plan])
    }

    fn signature_ref(&self) -> SignatureRef<'_> {
        let entries = &self.lists[usize::from(self.header.signature)..];
        let [params, results, named, params_len, words @ ..] = entries else {
            unreachable!("a descriptor holds its signature");
        };
        let (first, rest) = words.split_at(usize::from(*params_len));
        let (mut results_len, mut left) = (0, *results);
        while left > 0 {
            results_len = after(rest, results_len);
            left -= 1;
        }
        let counts = Counts {
            params: usize::from(*params),
            results: usize::from(*results),
            named: (*named != NOT_VARIADIC).then_some(usize::from(*named)),
        };
        SignatureRef { params: first, results: &rest[..results_len], counts }
    }

    /// The signature that this was made from.
    pub(crate) fn signature(&self) -> Signature {
        Signature::from_ref(self.signature_ref())
    }

    /// The index of the first slot of parameter `index`. For the number of parameters, it is
    /// the first slot behind all of them.
    pub(crate) fn argument(&self, abi: &Abi, index: usize) -> usize {
        first_slot(abi, self.signature_ref(), self.header.stride.into(), index)
    }
}

impl PartialEq for Descriptor {
    fn eq(&self, other: &Self) -> bool {
        self.header == other.header && self.used_lists() == other.used_lists()
    }
}

impl Eq for Descriptor {}

impl Hash for Descriptor {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.header.hash(state);
        self.used_lists().hash(state);
    }
}

impl fmt::Debug for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (words, spills) =
            (usize::from(self.header.stack_words), usize::from(self.header.spills));
        f.debug_struct("Descriptor")
            .field("signature", &self.signature())
            .field("header", &self.header)
            .field("stack_words", &&self.lists[..words])
            .field("spills", &&self.lists[words..words + spills])
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::header::{FLOATS_VECTORS, NARROW, SOME_NARROW};
    use alloc::{boxed::Box, format};

    use memoffset::span_of;

    /// The header's fields follow each other with no byte between, before or
    /// after them.
    #[test]
    fn fields_tile_the_header() {
        let spans = [
            span_of!(Header, integer),
            span_of!(Header, float),
            span_of!(Header, result_mask),
            span_of!(Header, stack_words),
            span_of!(Header, spills),
            span_of!(Header, return_area),
            span_of!(Header, return_word),
            span_of!(Header, slots),
            span_of!(Header, hidden),
            span_of!(Header, signature),
            span_of!(Header, copies),
            span_of!(Header, return_register),
            span_of!(Header, floats),
            span_of!(Header, result),
            span_of!(Header, shape),
            span_of!(Header, stride),
            span_of!(Header, contexts),
            span_of!(Header, entry),
            span_of!(Header, returns),
        ];
        let mut end = 0;
        for span in spans {
            assert_eq!(span.start, end);
            end = span.end;
        }
        assert_eq!(end, size_of::<Header>());
    }

    /// Header and lists of a signature under any convention.
    fn encoded(text: &str, abi: &Abi) -> Box<Descriptor> {
        let signature: Signature = text.parse().expect(text);
        let signature = signature.lend();
        Source { abi, signature, stride: 16, shape: Shape::Bare }.boxed().expect(text)
    }

    /// A descriptor for whose lists this many entries are enough or not.
    fn of_length<const N: usize>() -> Descriptor<[u16; N]> {
        let scalars = Scalars::NONE.and(&[ValType::I64; 10]);
        let (abi, signature) = (&Abi::X86_64_SYSV_C, scalars.lend(10));
        Descriptor::encoded(&Source { abi, signature, stride: 16, shape: Shape::Bare })
    }

    #[test]
    fn lists_may_be_longer_than_necessary() {
        let (exact, longer) = (of_length::<20>(), of_length::<21>());
        assert_eq!(exact.header, longer.header);
        assert_eq!(exact.lists, longer.lists[..20]);
    }

    #[test]
    #[should_panic(expected = "the lists have more entries than this")]
    fn lists_are_not_cut_off() {
        of_length::<19>();
    }

    #[test]
    #[should_panic(expected = "the types have another number of words")]
    fn types_are_not_cut_off() {
        let text = "(i64) -> {i64, i64, i64}";
        let mut words = [0; 5];
        let Ok(parsed) = text::signature(text, &mut words) else { unreachable!("it is one") };
        Source::constant(&Abi::X86_64_SYSV_C, parsed, &words);
    }

    #[test]
    fn narrow_values_are_marked_where_it_matters() {
        let text = "(i32, f32, i64, f64)";
        let plain = encoded(text, &Abi::AARCH64_VM);
        assert_eq!(plain.header.integer[2..4], [0, 32]);
        assert_eq!(plain.header.float[..2], [16, 48]);
        for abi in [&Abi::RISCV64_VM, &Abi::S390X_VM] {
            let marked = encoded(text, abi);
            assert_eq!(marked.header.integer[2..4], [NARROW, 32]);
            assert_eq!(marked.header.float[..2], [16 | NARROW, 48]);
        }
        // A float among the integers, and both on the stack.
        let nine = "f32, f32, f32, f32, f32, f32, f32, f32, f32";
        let eight = "i64, i64, i64, i64, i64, i64, i64";
        let marked = encoded(&format!("({nine}, {eight}, i32, f32, i64)"), &Abi::RISCV64_C);
        assert_eq!(marked.header.integer[..2], [128 | NARROW, 144]);
        assert_eq!(marked.read().1, [256 | NARROW, 272 | NARROW, 288, 0]);
    }

    /// What a convention reserves below the first stack slot is not copied.
    #[test]
    fn stack_words_begin_with_the_first_stack_slot() {
        let text = "(i64, i64, i32) -> (i32, i32)";
        let windows = encoded(text, &Abi::X86_64_WINDOWS_VM);
        assert_eq!(windows.read().1[..4], [32, 0, 0, 0]);
        assert_eq!(windows.header.return_word, 40);
        let text = "(i64, i64, i64, i64, i32) -> (i32, i32)";
        let s390x = encoded(text, &Abi::S390X_VM);
        assert_eq!(s390x.read().1[..4], [48, 64 | NARROW, 0, 0]);
        assert_eq!(s390x.header.return_word, 176);
    }

    /// On s390x the upper half of a vector comes first, in the image of the
    /// registers and on the stack.
    #[test]
    fn vector_registers_come_first() {
        let vectors = "(v128, v128, v128, v128, v128, v128, v128, v128, v128, i32)";
        let vm = encoded(vectors, &Abi::S390X_VM);
        assert_eq!(vm.header.integer[2], 144 | NARROW);
        let order: [u16; 18] = core::array::from_fn(|i| 8 * (i ^ 1) as u16);
        assert_eq!(vm.read().1, [&order[..], &[0, 0]].concat());
        let floats = FLOATS_VECTORS | SOME_NARROW;
        assert_eq!((vm.header.floats, vm.header.shape), (floats, Shape::Variable));
        // In C the second vector goes in v26, the fifth in v25.
        let c = encoded("(v128, v128, v128, v128, v128)", &Abi::S390X_C);
        assert_eq!(c.read().1[..8], [8, 0, 72, 64, 24, 16, 0, 0]);
    }
}
