//! Where C's values go, once more: straight from the words of the documents, as
//! naively as it can be written, for every C convention. This model has its own
//! parser and its own types; it shares nothing with `src/`.
//!
//! Its answer is a text, as in `tests/data/c_vectors.txt`: the pieces of every
//! argument, the result's, the argument area.

use std::fmt::Write as _;

/// What kind of register a scalar asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Integer,
    Pointer,
    /// `f32` or `f64`.
    Float,
    /// `v128`.
    Vector,
    /// x86's `long double`.
    X87,
    /// The `long double` of 128 bits.
    Quad,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    Scalar(Kind),
    Complex,
    Structure,
    Union,
    Array,
}

#[derive(Clone, Debug)]
struct Type {
    form: Form,
    size: u64,
    align: u64,
    /// The alignment without `align(n)` on the type itself.
    natural: u64,
    /// Each with its offset; the two halves of a complex number.
    members: Vec<(u64, Type)>,
}

impl Type {
    fn scalar(kind: Kind, size: u64, align: u64) -> Type {
        Type { form: Form::Scalar(kind), size, align, natural: align, members: Vec::new() }
    }

    fn complex(part: Type) -> Type {
        let (size, align) = (part.size, part.align);
        let members = vec![(0, part.clone()), (size, part)];
        Type { form: Form::Complex, size: 2 * size, align, natural: align, members }
    }

    fn kind(&self) -> Option<Kind> {
        match self.form {
            Form::Scalar(kind) => Some(kind),
            _ => None,
        }
    }

    fn is_complex_of(&self, kind: Kind) -> bool {
        self.form == Form::Complex && self.members[0].1.kind() == Some(kind)
    }

    /// All scalars in it, with their offsets.
    fn scalars(&self) -> Vec<(u64, &Type)> {
        if self.kind().is_some() {
            return vec![(0, self)];
        }
        let mut all = Vec::new();
        for (at, member) in &self.members {
            all.extend(member.scalars().into_iter().map(|(within, ty)| (at + within, ty)));
        }
        all
    }

    /// Whether it is a structure that one scalar or complex number fills, beside empty members.
    fn is_lone(&self) -> bool {
        fn all(ty: &Type) -> Vec<&Type> {
            match ty.form {
                Form::Scalar(_) | Form::Complex => vec![ty],
                _ => ty.members.iter().flat_map(|(_, member)| all(member)).collect(),
            }
        }
        let full_union = |ty: &Type| ty.form == Form::Union && !ty.scalars().is_empty();
        fn any(ty: &Type, is: &impl Fn(&Type) -> bool) -> bool {
            is(ty) || ty.members.iter().any(|(_, member)| any(member, is))
        }
        matches!(all(self)[..], [one] if one.size == self.size) && !any(self, &full_union)
    }

    /// Whether there is a union anywhere in it.
    fn has_union(&self) -> bool {
        self.form == Form::Union || self.members.iter().any(|(_, member)| member.has_union())
    }
}

/// A parsed signature, with the sizes of one machine.
struct Signature {
    params: Vec<Type>,
    /// How many stand before `...`.
    named: Option<usize>,
    result: Option<Type>,
}

impl Signature {
    fn is_named(&self, param: usize) -> bool {
        self.named.is_none_or(|named| param < named)
    }
}

/// Reads the text of a signature; panics if it is none.
struct Parser<'a> {
    rest: &'a str,
    machine: &'a str,
}

impl Parser<'_> {
    fn eat(&mut self, token: &str) -> bool {
        self.rest = self.rest.trim_start();
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn must(&mut self, token: &str) {
        assert!(self.eat(token), "{token} is not at {}", self.rest);
    }

    fn word(&mut self) -> String {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_');
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        word.to_owned()
    }

    fn number(&mut self) -> u64 {
        let word = self.word();
        word.parse().unwrap_or_else(|_| panic!("{word} is no number"))
    }

    fn signature(&mut self) -> Signature {
        let mut signature = Signature { params: Vec::new(), named: None, result: None };
        self.must("(");
        while !self.eat(")") {
            if self.eat("...") {
                signature.named = Some(signature.params.len());
                if self.eat(")") {
                    break;
                }
            }
            signature.params.push(self.ty());
            self.eat(",");
        }
        if self.eat("->") {
            signature.result = Some(self.ty());
        }
        assert!(self.rest.trim().is_empty(), "{} is left", self.rest);
        signature
    }

    fn ty(&mut self) -> Type {
        if self.eat("[") {
            let element = self.ty();
            self.must(";");
            let count = self.number();
            self.must("]");
            return Type {
                form: Form::Array,
                size: element.size * count,
                align: element.align,
                natural: element.align,
                members: (0..count).map(|i| (i * element.size, element.clone())).collect(),
            };
        }
        let mut given = 1;
        let (mut packed, mut form) = (false, Form::Structure);
        loop {
            if self.eat("{") {
                return self.members(form, packed, given);
            }
            match self.word().as_str() {
                "align" => {
                    self.must("(");
                    given = self.number();
                    self.must(")");
                }
                "packed" => packed = true,
                "union" => form = Form::Union,
                name => return self.named(name),
            }
        }
    }

    /// The rest of a structure or union, after its brace.
    fn members(&mut self, form: Form, packed: bool, given: u64) -> Type {
        let (mut members, mut end, mut size, mut natural) = (Vec::new(), 0u64, 0, 1);
        while !self.eat("}") {
            let member = self.ty();
            self.eat(",");
            let align = if packed { 1 } else { member.align };
            let at = if form == Form::Union { 0 } else { end.next_multiple_of(align) };
            end = at + member.size;
            size = size.max(end);
            natural = natural.max(align);
            members.push((at, member));
        }
        let align = natural.max(given);
        Type { form, size: size.next_multiple_of(align), align, natural, members }
    }

    fn named(&self, name: &str) -> Type {
        let integer = |size| Type::scalar(Kind::Integer, size, size);
        let windows = matches!(self.machine, "x86_64-windows" | "x86_64-msvc" | "aarch64-windows");
        // The alignment of what has 16 bytes.
        let most = if self.machine == "s390x" { 8 } else { 16 };
        let long_double = match self.machine {
            "x86_64-sysv" | "x86_64-windows" => Type::scalar(Kind::X87, 16, 16),
            "x86_64-msvc" | "aarch64-apple" | "aarch64-windows" => Type::scalar(Kind::Float, 8, 8),
            _ => Type::scalar(Kind::Quad, 16, most),
        };
        match name {
            "bool" | "i8" | "u8" | "char" | "schar" | "uchar" => integer(1),
            "i16" | "u16" | "short" | "ushort" => integer(2),
            "wchar_t" if windows => integer(2),
            "i32" | "u32" | "int" | "uint" | "wchar_t" => integer(4),
            "long" | "ulong" if windows => integer(4),
            "i64" | "u64" | "longlong" | "ulonglong" => integer(8),
            "long" | "ulong" | "size_t" | "ssize_t" | "intptr_t" | "uintptr_t" | "ptrdiff_t" => {
                integer(8)
            }
            "i128" | "u128" => Type::scalar(Kind::Integer, 16, most),
            "ptr" | "funcref" | "externref" => Type::scalar(Kind::Pointer, 8, 8),
            "f32" | "float" => Type::scalar(Kind::Float, 4, 4),
            "f64" | "double" => Type::scalar(Kind::Float, 8, 8),
            "v128" => Type::scalar(Kind::Vector, 16, most),
            "c32" => Type::complex(Type::scalar(Kind::Float, 4, 4)),
            "c64" => Type::complex(Type::scalar(Kind::Float, 8, 8)),
            "longdouble" => long_double,
            "clongdouble" => Type::complex(long_double),
            name => panic!("no type {name}"),
        }
    }
}

/// The bytes from..to of a value, or a pointer to a copy of it, in a register or at
/// an offset on the stack.
#[derive(Clone, Debug)]
struct Piece {
    from: u64,
    to: u64,
    place: String,
    reference: bool,
}

fn piece(from: u64, to: u64, place: impl Into<String>) -> Piece {
    Piece { from, to, place: place.into(), reference: false }
}

fn whole(ty: &Type, place: impl Into<String>) -> Vec<Piece> {
    vec![piece(0, ty.size, place)]
}

fn reference(place: impl Into<String>) -> Vec<Piece> {
    vec![Piece { reference: true, ..piece(0, 8, place) }]
}

/// The words of a value, the last one maybe shorter.
fn words(ty: &Type, places: impl IntoIterator<Item = String>) -> Vec<Piece> {
    let places = places.into_iter().enumerate().map(|(i, place)| (8 * i as u64, place));
    places.map(|(from, place)| piece(from, ty.size.min(from + 8), place)).collect()
}

/// What a convention answers.
#[derive(Default)]
struct Placed {
    arguments: Vec<Vec<Piece>>,
    result: Vec<Piece>,
    /// Where the pointer to the result's memory goes.
    pointer: Option<&'static str>,
    area: u64,
    al: Option<usize>,
}

/// The end of the stack, which grows.
struct Stack(u64);

impl Stack {
    fn take(&mut self, size: u64, align: u64) -> String {
        let at = self.0.next_multiple_of(align);
        self.0 = at + size;
        format!("sp+{at}")
    }
}

/// Registers not yet used, the next one last.
struct Registers(Vec<&'static str>);

impl Registers {
    fn of(names: &'static str) -> Registers {
        Registers(names.split(' ').rev().collect())
    }

    fn left(&self) -> usize {
        self.0.len()
    }

    fn next(&mut self) -> Option<String> {
        self.0.pop().map(str::to_owned)
    }

    fn close(&mut self) {
        self.0.clear();
    }

    /// So many; there must be as many.
    fn take(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.next().expect("enough are left")).collect()
    }
}

/// One rule of the model told wrong, to see that the tests notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// System V: of INTEGER and SSE in one eightbyte, SSE wins.
    SseWins,
    /// System V: a packed structure goes in registers.
    PackedInRegisters,
    /// System V: of two eightbytes that find one register, the first takes it.
    SplitEightbytes,
    /// System V: what goes to memory closes the registers that it found too few.
    MemoryCloses,
    /// System V: a stack slot is aligned to 8 at most.
    StackAligned8,
    /// System V: an eightbyte of padding takes an integer register.
    PaddingTakesRegister,
    /// System V: `al` counts the variadic arguments alone.
    AlCountsVariadic,
    /// System V: classes are merged scalar by scalar, not structure by structure.
    MergeScalars,
    /// System V: all elements of an array count.
    AllElements,
    /// System V: `long double` comes back in memory.
    LongDoubleInMemory,
    /// Windows: sizes 3, 5, 6 and 7 go by value.
    OddSizesByValue,
    /// Windows: a structure of one float goes as the float.
    FloatStructInXmm,
    /// Windows: a variadic float goes in the float register alone.
    VariadicOnce,
    /// Windows: an empty structure takes no position.
    EmptyTakesNothing,
    /// Windows: registers are counted by class.
    ByClass,
    /// AAPCS64: a homogeneous aggregate has up to five members.
    FiveHomogeneous,
    /// AAPCS64: a homogeneous aggregate on the stack does not close the registers.
    HomogeneousLeaves,
    /// AAPCS64: `align(16)` on the structure itself asks for an even register.
    GivenAlignmentCounts,
    /// AAPCS64: registers of any number carry what is aligned to 16.
    NoEvenRegisters,
    /// AAPCS64: words are split between x7 and the stack.
    WordsSplit,
    /// AAPCS64: words on the stack leave the registers to later ones.
    WordsLeave,
    /// AAPCS64: the pointer to the result is an ordinary argument.
    PointerInX0,
    /// Apple: stack slots of 8 bytes.
    SlotsOf8,
    /// Apple: registers are even as on Linux.
    AppleEven,
    /// Apple: variadic arguments go as named ones.
    AppleVariadicNamed,
    /// Windows on Arm: variadic functions are like others.
    ArmVariadicNamed,
    /// Windows on Arm: the named part of a variadic function is like others.
    ArmNamedFloats,
    /// Windows on Arm: what does not fit in x7 is all on the stack.
    ArmNoSplit,
    /// RISC-V: a pointer is an integer.
    PointerFlattens,
    /// RISC-V: a union is like a structure.
    UnionFlattens,
    /// RISC-V: what is flattened has 16 bytes at most.
    FlattensSmall,
    /// RISC-V: if a flattened structure finds one of its two registers, it takes it.
    FlattensAnyway,
    /// RISC-V: two words go both to the stack if one register is left.
    NoSplit,
    /// RISC-V: variadic floats go in float registers.
    RiscvVariadicNamed,
    /// RISC-V: variadic pairs go in any two registers.
    OddPairs,
    /// RISC-V: named pairs, too, go in even registers.
    NamedEven,
    /// s390x: an empty structure beside a float does not count.
    EmptyBesideFloat,
    /// s390x: a union of one float is like the float.
    UnionLikeFloat,
    /// s390x: sizes 3, 5, 6 and 7 go by value.
    S390xOddSizes,
    /// s390x: a complex number of 8 bytes goes by value.
    ComplexByValue,
    /// s390x: a structure of 8 bytes comes back in r2.
    SmallResults,
    /// s390x: variadic vectors go in registers.
    VariadicVectors,
    /// s390x: a small value lies at the start of its slot.
    LeftJustified,
    /// s390x: vectors on the stack are aligned to 16.
    Vectors16,
}

impl Wrong {
    /// Each with the convention that it is about.
    pub(crate) const ALL: &'static [(Wrong, &'static str)] = &[
        (Wrong::SseWins, "x86_64-sysv-c"),
        (Wrong::PackedInRegisters, "x86_64-sysv-c"),
        (Wrong::SplitEightbytes, "x86_64-sysv-c"),
        (Wrong::MemoryCloses, "x86_64-sysv-c"),
        (Wrong::StackAligned8, "x86_64-sysv-c"),
        (Wrong::PaddingTakesRegister, "x86_64-sysv-c"),
        (Wrong::AlCountsVariadic, "x86_64-sysv-c"),
        (Wrong::MergeScalars, "x86_64-sysv-c"),
        (Wrong::AllElements, "x86_64-sysv-c"),
        (Wrong::LongDoubleInMemory, "x86_64-sysv-c"),
        (Wrong::OddSizesByValue, "x86_64-windows-c"),
        (Wrong::FloatStructInXmm, "x86_64-windows-c"),
        (Wrong::VariadicOnce, "x86_64-windows-c"),
        (Wrong::EmptyTakesNothing, "x86_64-windows-c"),
        (Wrong::ByClass, "x86_64-windows-c"),
        (Wrong::FiveHomogeneous, "aarch64-c"),
        (Wrong::HomogeneousLeaves, "aarch64-c"),
        (Wrong::GivenAlignmentCounts, "aarch64-c"),
        (Wrong::NoEvenRegisters, "aarch64-c"),
        (Wrong::WordsSplit, "aarch64-c"),
        (Wrong::WordsLeave, "aarch64-c"),
        (Wrong::PointerInX0, "aarch64-c"),
        (Wrong::SlotsOf8, "aarch64-apple-c"),
        (Wrong::AppleEven, "aarch64-apple-c"),
        (Wrong::AppleVariadicNamed, "aarch64-apple-c"),
        (Wrong::ArmVariadicNamed, "aarch64-windows-c"),
        (Wrong::ArmNamedFloats, "aarch64-windows-c"),
        (Wrong::ArmNoSplit, "aarch64-windows-c"),
        (Wrong::PointerFlattens, "riscv64-c"),
        (Wrong::UnionFlattens, "riscv64-c"),
        (Wrong::FlattensSmall, "riscv64-c"),
        (Wrong::FlattensAnyway, "riscv64-c"),
        (Wrong::NoSplit, "riscv64-c"),
        (Wrong::RiscvVariadicNamed, "riscv64-c"),
        (Wrong::OddPairs, "riscv64-c"),
        (Wrong::NamedEven, "riscv64-c"),
        (Wrong::EmptyBesideFloat, "s390x-c"),
        (Wrong::UnionLikeFloat, "s390x-c"),
        (Wrong::S390xOddSizes, "s390x-c"),
        (Wrong::ComplexByValue, "s390x-c"),
        (Wrong::SmallResults, "s390x-c"),
        (Wrong::VariadicVectors, "s390x-c"),
        (Wrong::LeftJustified, "s390x-c"),
        (Wrong::Vectors16, "s390x-c"),
    ];
}

/// The C conventions that the model knows.
pub(crate) const CONVENTIONS: [&str; 8] = [
    "x86_64-sysv-c",
    "x86_64-windows-c",
    "x86_64-msvc-c",
    "aarch64-c",
    "aarch64-apple-c",
    "aarch64-windows-c",
    "riscv64-c",
    "s390x-c",
];

/// Where everything goes: `arguments | result | area`, with `al` behind the area.
pub(crate) fn naive(text: &str, convention: &str, wrong: Option<Wrong>) -> String {
    let machine = convention.strip_suffix("-c").expect("a C convention");
    let signature = Parser { rest: text, machine }.signature();
    let is = |one| wrong == Some(one);
    let placed = match machine {
        "x86_64-sysv" => system_v(&signature, is),
        "x86_64-windows" | "x86_64-msvc" => windows(&signature, is),
        "aarch64" => aapcs64(&signature, is),
        "aarch64-apple" => apple(&signature, is),
        "aarch64-windows" => windows_on_arm(&signature, is),
        "riscv64" => riscv(&signature, is),
        "s390x" => s390x(&signature, is),
        machine => panic!("no machine {machine}"),
    };
    show(&signature, &placed)
}

/// Why no answer is right: a caller that a compiler makes and the same compiler's
/// `va_arg` contradict each other.
pub(crate) fn disputed(text: &str, convention: &str) -> Option<&'static str> {
    if convention != "aarch64-apple-c" {
        return None;
    }
    let signature = Parser { rest: text, machine: "aarch64-apple" }.signature();
    let variadic = signature.params.iter().skip(signature.named?);
    let mut both = variadic.filter(|ty| ty.align >= 16 && homogeneous(ty, 4).is_some());
    both.next().map(|_| "Apple: a variadic homogeneous aggregate aligned to 16")
}

/// The largest alignment that a value on the stack itself has.
pub(crate) fn stack_alignment(text: &str, convention: &str) -> u64 {
    let machine = convention.strip_suffix("-c").expect("a C convention");
    let signature = Parser { rest: text, machine }.signature();
    let placed = match machine {
        "x86_64-sysv" => system_v(&signature, |_| false),
        _ => return 16,
    };
    let on_stack = placed.arguments.iter().zip(&signature.params).filter(|(pieces, _)| {
        pieces.iter().any(|piece| piece.place.starts_with("sp+") && !piece.reference)
    });
    on_stack.map(|(_, ty)| ty.align).max().unwrap_or(1)
}

/// The size of every parameter and the bytes of the scalars in it, without x87's padding.
pub(crate) fn scalars(text: &str, convention: &str) -> Vec<(u64, Vec<(u64, u64)>)> {
    let machine = convention.strip_suffix("-c").expect("a C convention");
    let signature = Parser { rest: text, machine }.signature();
    let bytes = |(at, one): (u64, &Type)| match one.kind() {
        Some(Kind::X87) => (at, at + 10),
        _ => (at, at + one.size),
    };
    let params = signature.params.iter();
    params.map(|ty| (ty.size, ty.scalars().into_iter().map(bytes).collect())).collect()
}

/// The size, the alignment and the offsets of the members of the type of a
/// signature's only parameter.
pub(crate) fn measures(text: &str, convention: &str) -> (usize, usize, Vec<usize>) {
    let machine = convention.strip_suffix("-c").expect("a C convention");
    let signature = Parser { rest: text, machine }.signature();
    let [ty] = &signature.params[..] else { panic!("{text} has not one parameter") };
    let members: &[_] = if ty.form == Form::Complex { &[] } else { &ty.members };
    let offsets = members.iter().map(|(at, _)| *at as usize).collect();
    (ty.size as usize, ty.align as usize, offsets)
}

fn show(signature: &Signature, placed: &Placed) -> String {
    let pieces = |pieces: &[Piece], size| match pieces {
        [] => "-".to_owned(),
        pieces => {
            let show = |Piece { from, to, place, reference }: &Piece| match (reference, from, to) {
                (true, ..) => format!("&{place}"),
                (false, 0, &to) if to == size => place.clone(),
                _ => format!("{place}[{from}..{to}]"),
            };
            pieces.iter().map(show).collect::<Vec<_>>().join(" ")
        }
    };
    let arguments = placed.arguments.iter().zip(&signature.params);
    let arguments: Vec<_> = arguments.map(|(placed, ty)| pieces(placed, ty.size)).collect();
    let mut text = if arguments.is_empty() { "-".to_owned() } else { arguments.join(", ") };
    let result = match placed.pointer {
        Some(register) => format!("*{register}"),
        None => pieces(&placed.result, signature.result.as_ref().map_or(0, |ty| ty.size)),
    };
    let _ = write!(text, " | {result} | {}", placed.area);
    if let Some(al) = placed.al {
        let _ = write!(text, ", al {al}");
    }
    text
}

// x86-64 System V: psABI, section 3.2.3.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Nothing,
    Integer,
    Sse,
    SseUp,
    X87,
    X87Up,
}

/// "If both classes are equal, this is the resulting class. If one of the classes is
/// NO_CLASS, the resulting class is the other class. … MEMORY … If one of the classes
/// is INTEGER, the result is the INTEGER. If one of the classes is X87, X87UP, … class,
/// MEMORY is used as class. Otherwise class SSE is used." `None` is MEMORY.
fn merge(a: Class, b: Class, is: impl Fn(Wrong) -> bool) -> Option<Class> {
    use Class::{Integer, Nothing, Sse, X87, X87Up};
    match (a, b) {
        (a, b) if a == b => Some(a),
        (Nothing, other) | (other, Nothing) => Some(other),
        (Integer, Sse) | (Sse, Integer) if is(Wrong::SseWins) => Some(Sse),
        (Integer, _) | (_, Integer) => Some(Integer),
        (X87 | X87Up, _) | (_, X87 | X87Up) => None,
        _ => Some(Sse),
    }
}

/// The classes of the two eightbytes at 0 and 8, of which this type at this offset
/// has its part; `None` is MEMORY.
fn classes(ty: &Type, at: u64, is: impl Fn(Wrong) -> bool + Copy) -> Option<[Class; 2]> {
    use Class::{Integer, Nothing, Sse, SseUp, X87, X87Up};
    if ty.size > 16 {
        return None;
    }
    let mut all = [Nothing; 2];
    let inner: Vec<(u64, &Type)> = match ty.form {
        Form::Scalar(kind) => {
            // "If it has unaligned fields, it has class MEMORY."
            if at % ty.align != 0 && !is(Wrong::PackedInRegisters) {
                return None;
            }
            let [first, second] = match kind {
                Kind::Integer | Kind::Pointer => [Integer, Integer],
                Kind::Float => [Sse, Sse],
                Kind::Vector | Kind::Quad => [Sse, SseUp],
                Kind::X87 => [X87, X87Up],
            };
            if ty.size == 16 {
                return Some([first, second]);
            }
            all[at as usize / 8] = first;
            if at / 8 != (at + ty.size - 1) / 8 {
                all[1] = first;
            }
            return Some(all);
        }
        _ if is(Wrong::MergeScalars) => ty.scalars(),
        _ => ty.members.iter().map(|(within, member)| (*within, member)).collect(),
    };
    if ty.form == Form::Array && !is(Wrong::AllElements) && !is(Wrong::MergeScalars) {
        // gcc, other than clang: the first element decides for all, also where the later
        // ones have unaligned members. Eightbytes count from the one that it begins in.
        let Some((_, first)) = inner.first() else { return Some(all) };
        let first_classes = classes(first, at, is)?;
        let begin = at as usize / 8;
        let eightbytes = |size: u64| (at % 8 + size).div_ceil(8) as usize;
        for i in 0..eightbytes(ty.size) {
            if first.size > 0 {
                all[begin + i] = first_classes[begin + i % eightbytes(first.size)];
            }
        }
        return Some(all);
    }
    // "Each field is classified recursively so that always two fields are considered."
    for (within, member) in inner {
        let new = classes(member, at + within, is)?;
        for (class, new) in all.iter_mut().zip(new) {
            *class = merge(*class, new, is)?;
        }
    }
    // "Then a post merger cleanup is done."
    for i in 0..2usize {
        let before = i.checked_sub(1).map(|i| all[i]);
        match all[i] {
            X87Up if before != Some(X87) => return None,
            SseUp if !matches!(before, Some(Sse | SseUp)) => all[i] = Sse,
            _ => {}
        }
    }
    Some(all)
}

/// The pieces of a value of these classes, if there are registers for all of them.
fn eightbytes(
    ty: &Type,
    classes: [Class; 2],
    integer: &mut Registers,
    sse: &mut Registers,
) -> Option<Vec<Piece>> {
    let count = |class| classes.iter().filter(|one| **one == class).count();
    if integer.left() < count(Class::Integer) || sse.left() < count(Class::Sse) {
        return None;
    }
    let mut pieces: Vec<Piece> = Vec::new();
    for (i, class) in classes.into_iter().enumerate() {
        let (from, to) = (8 * i as u64, ty.size.min(8 * i as u64 + 8));
        match class {
            Class::Integer => pieces.push(piece(from, to, integer.next()?)),
            Class::Sse => pieces.push(piece(from, to, sse.next()?)),
            Class::SseUp => pieces.last_mut()?.to = to,
            Class::X87 | Class::X87Up => return None,
            Class::Nothing => {}
        }
    }
    Some(pieces)
}

fn system_v(signature: &Signature, is: impl Fn(Wrong) -> bool + Copy) -> Placed {
    let mut integer = Registers::of("rdi rsi rdx rcx r8 r9");
    let mut sse = Registers::of("xmm0 xmm1 xmm2 xmm3 xmm4 xmm5 xmm6 xmm7");
    let mut placed = Placed::default();
    if let Some(ty) = &signature.result {
        match classes(ty, 0, is) {
            // "The value is returned in %st0", "the real part in %st0 and the
            // imaginary part in %st1": ten bytes of each.
            _ if ty.is_complex_of(Kind::X87) => {
                placed.result = vec![piece(0, 10, "st0"), piece(16, 26, "st1")];
            }
            Some([Class::X87, _]) if !is(Wrong::LongDoubleInMemory) => {
                placed.result = vec![piece(0, 10, "st0")];
            }
            Some(classes) if classes[0] != Class::X87 => {
                let (mut integer, mut sse) = (Registers::of("rax rdx"), Registers::of("xmm0 xmm1"));
                let result = eightbytes(ty, classes, &mut integer, &mut sse);
                placed.result = result.expect("two registers of each class");
            }
            _ => {
                placed.pointer = Some("rdi");
                integer.take(1);
            }
        }
    }
    let mut stack = Stack(0);
    let mut named_floats = 0;
    for (i, ty) in signature.params.iter().enumerate() {
        if signature.named == Some(i) {
            named_floats = 8 - sse.left();
        }
        let mut classes = classes(ty, 0, is);
        if let Some(classes) = &mut classes {
            let eightbytes = ty.size.div_ceil(8) as usize;
            for class in &mut classes[..eightbytes] {
                if *class == Class::Nothing && is(Wrong::PaddingTakesRegister) {
                    *class = Class::Integer;
                }
            }
        }
        let split = is(Wrong::SplitEightbytes)
            && classes == Some([Class::Integer; 2])
            && integer.left() == 1;
        let pieces = match classes {
            _ if split => {
                let word = stack.take(8, 8);
                Some(words(ty, [integer.take(1), vec![word]].concat()))
            }
            Some(classes) => eightbytes(ty, classes, &mut integer, &mut sse),
            None => None,
        };
        placed.arguments.push(pieces.unwrap_or_else(|| {
            if is(Wrong::MemoryCloses) && classes.is_some() {
                integer.close();
            }
            let align = if is(Wrong::StackAligned8) { 8 } else { ty.align.max(8) };
            whole(ty, stack.take(ty.size.next_multiple_of(8), align))
        }));
    }
    placed.area = stack.0.next_multiple_of(16);
    placed.al = signature.named.map(|named| {
        let before = if named == signature.params.len() { 8 - sse.left() } else { named_floats };
        8 - sse.left() - if is(Wrong::AlCountsVariadic) { before } else { 0 }
    });
    placed
}

// Windows: "x64 calling convention".

fn windows(signature: &Signature, is: impl Fn(Wrong) -> bool) -> Placed {
    let in_one_word = |ty: &Type| match ty.size {
        1 | 2 | 4 | 8 => true,
        3 | 5 | 6 | 7 => is(Wrong::OddSizesByValue),
        _ => false,
    };
    let mut placed = Placed::default();
    // The position of the next argument.
    let mut position = 0;
    match &signature.result {
        None => {}
        Some(ty) if ty.size == 0 => {}
        Some(ty) => match ty.kind() {
            Some(Kind::Float | Kind::Vector) => placed.result = whole(ty, "xmm0"),
            Some(Kind::Integer) if ty.size == 16 => placed.result = whole(ty, "xmm0"),
            _ if in_one_word(ty) => placed.result = whole(ty, "rax"),
            _ => {
                placed.pointer = Some("rcx");
                position = 1;
            }
        },
    }
    let mut floats = position;
    for (i, ty) in signature.params.iter().enumerate() {
        let integer = ["rcx", "rdx", "r8", "r9"].get(position).copied();
        let place = integer.map_or(format!("sp+{}", 8 * position), str::to_owned);
        let like_float = |ty: &Type| {
            ty.kind() == Some(Kind::Float)
                || is(Wrong::FloatStructInXmm)
                    && ty.form == Form::Structure
                    && matches!(&ty.scalars()[..], [(0, one)] if one.kind() == Some(Kind::Float))
        };
        let float = if is(Wrong::ByClass) { floats } else { position };
        let float = ["xmm0", "xmm1", "xmm2", "xmm3"].get(float).filter(|_| like_float(ty));
        floats += usize::from(like_float(ty));
        if ty.size == 0 && is(Wrong::EmptyTakesNothing) {
            placed.arguments.push(Vec::new());
            continue;
        }
        placed.arguments.push(match float {
            _ if !in_one_word(ty) => reference(place),
            // In both, as a callee without a prototype knows neither.
            Some(float) if !signature.is_named(i) && !is(Wrong::VariadicOnce) => {
                [whole(ty, *float), whole(ty, place)].concat()
            }
            Some(float) => whole(ty, *float),
            None => whole(ty, place),
        });
        position += 1;
    }
    // Home for four registers is there, always.
    placed.area = (8 * position.max(4) as u64).next_multiple_of(16);
    placed
}

// AArch64: AAPCS64, section 6.8.2, and what Apple's convention does otherwise.

/// The element of a homogeneous aggregate, scalar or complex number of up to so many
/// floats, quads or vectors of one type, which fill it.
fn homogeneous(ty: &Type, most: u64) -> Option<Type> {
    let scalars = ty.scalars();
    let (_, element) = *scalars.first()?;
    let kind = element.kind()?;
    let is_float = matches!(kind, Kind::Float | Kind::Quad | Kind::Vector);
    if !is_float || ty.size % element.size != 0 || ty.size / element.size > most {
        return None;
    }
    let alike = scalars.iter().all(|(at, one)| {
        one.kind() == Some(kind) && one.size == element.size && at % element.size == 0
    });
    let filled =
        (0..ty.size / element.size).all(|i| scalars.iter().any(|(at, _)| *at == i * element.size));
    (alike && filled).then(|| element.clone())
}

/// The elements of a homogeneous aggregate in these registers.
fn elements(ty: &Type, element: &Type, registers: Vec<String>) -> Vec<Piece> {
    assert_eq!(registers.len() as u64, ty.size / element.size);
    let at = |i: usize| element.size * i as u64;
    let registers = registers.into_iter().enumerate();
    registers.map(|(i, register)| piece(at(i), at(i) + element.size, register)).collect()
}

fn aarch64_result(signature: &Signature, placed: &mut Placed, most: u64) {
    let Some(ty) = &signature.result else { return };
    if let Some(element) = homogeneous(ty, most) {
        let registers = (0..ty.size / element.size).map(|i| format!("v{i}"));
        placed.result = elements(ty, &element, registers.collect());
    } else if ty.size <= 16 {
        placed.result = words(ty, (0..ty.size.div_ceil(8)).map(|i| format!("x{i}")));
    } else {
        placed.pointer = Some("x8");
    }
}

fn aapcs64(signature: &Signature, is: impl Fn(Wrong) -> bool) -> Placed {
    let mut x = Registers::of("x0 x1 x2 x3 x4 x5 x6 x7");
    let mut v = Registers::of("v0 v1 v2 v3 v4 v5 v6 v7");
    let mut stack = Stack(0);
    let mut placed = Placed::default();
    let most = if is(Wrong::FiveHomogeneous) { 5 } else { 4 };
    aarch64_result(signature, &mut placed, most);
    if placed.pointer.is_some() && is(Wrong::PointerInX0) {
        placed.pointer = Some("x0");
        x.take(1);
    }
    for ty in &signature.params {
        let count = ty.size.div_ceil(8) as usize;
        let natural = if is(Wrong::GivenAlignmentCounts) { ty.align } else { ty.natural };
        // "rounded up to the larger of 8 or the Natural Alignment", which is 8 or 16.
        let slot = if natural >= 16 { 16 } else { 8 };
        placed.arguments.push(if ty.size == 0 {
            Vec::new()
        } else if let Some(element) = homogeneous(ty, most) {
            let count = (ty.size / element.size) as usize;
            if count <= v.left() {
                elements(ty, &element, v.take(count))
            } else {
                if !is(Wrong::HomogeneousLeaves) {
                    v.close();
                }
                whole(ty, stack.take(ty.size.next_multiple_of(8), slot))
            }
        } else if ty.size > 16 {
            reference(x.next().unwrap_or_else(|| stack.take(8, 8)))
        } else {
            // "The NGRN is rounded up to the next even number."
            if slot == 16 && x.left() % 2 == 1 && !is(Wrong::NoEvenRegisters) {
                x.take(1);
            }
            if count <= x.left() {
                words(ty, x.take(count))
            } else if is(Wrong::WordsSplit) && x.left() == 1 {
                words(ty, [x.next().expect("one"), stack.take(8, 8)])
            } else {
                if !is(Wrong::WordsLeave) {
                    x.close();
                }
                whole(ty, stack.take(8 * count as u64, slot))
            }
        });
    }
    placed.area = stack.0.next_multiple_of(16);
    placed
}

fn apple(signature: &Signature, is: impl Fn(Wrong) -> bool) -> Placed {
    let mut x = Registers::of("x0 x1 x2 x3 x4 x5 x6 x7");
    let mut v = Registers::of("v0 v1 v2 v3 v4 v5 v6 v7");
    let mut stack = Stack(0);
    let mut placed = Placed::default();
    aarch64_result(signature, &mut placed, 4);
    for (i, ty) in signature.params.iter().enumerate() {
        let variadic = !signature.is_named(i) && !is(Wrong::AppleVariadicNamed);
        if variadic {
            x.close();
            v.close();
        }
        // Slots of 8 bytes, at 16 if the alignment is.
        let count = ty.size.div_ceil(8);
        let slot = if ty.align >= 16 { 16 } else { 8 };
        placed.arguments.push(if ty.size == 0 {
            Vec::new()
        } else if let Some(element) = homogeneous(ty, 4) {
            let members = (ty.size / element.size) as usize;
            if members <= v.left() {
                elements(ty, &element, v.take(members))
            } else {
                v.close();
                whole(
                    ty,
                    match variadic || is(Wrong::SlotsOf8) {
                        true => stack.take(8 * count, slot),
                        false => stack.take(ty.size, element.size),
                    },
                )
            }
        } else if ty.size > 16 {
            reference(x.next().unwrap_or_else(|| stack.take(8, 8)))
        } else {
            if is(Wrong::AppleEven) && ty.natural >= 16 && x.left() % 2 == 1 {
                x.take(1);
            }
            if count as usize <= x.left() {
                words(ty, x.take(count as usize))
            } else {
                x.close();
                whole(
                    ty,
                    match ty.kind() {
                        Some(_) if !variadic && !is(Wrong::SlotsOf8) => {
                            stack.take(ty.size, ty.size)
                        }
                        _ => stack.take(8 * count, slot),
                    },
                )
            }
        });
    }
    placed.area = stack.0.next_multiple_of(16);
    placed
}

/// "Effectively, it's the same as … to allocate arguments to an imaginary stack, where the first
/// 64 bytes of the stack are loaded into x0-x7, and any remaining stack arguments are placed
/// normally."
fn windows_on_arm(signature: &Signature, is: impl Fn(Wrong) -> bool) -> Placed {
    if signature.named.is_none() || is(Wrong::ArmVariadicNamed) {
        return aapcs64(signature, |_| false);
    }
    let mut placed = Placed::default();
    aarch64_result(signature, &mut placed, 4);
    let (mut imaginary, mut floats) = (Stack(0), 0);
    for (i, ty) in signature.params.iter().enumerate() {
        if is(Wrong::ArmNamedFloats)
            && signature.is_named(i)
            && ty.kind() == Some(Kind::Float)
            && floats < 8
        {
            placed.arguments.push(whole(ty, format!("v{floats}")));
            floats += 1;
            continue;
        }
        let by_reference = ty.size > 16;
        let size = if by_reference { 8 } else { ty.size.next_multiple_of(8) };
        let align = if !by_reference && ty.natural >= 16 { 16 } else { 8 };
        if size == 0 {
            placed.arguments.push(Vec::new());
            continue;
        }
        if is(Wrong::ArmNoSplit) && imaginary.0 == 56 && size == 16 {
            imaginary.0 = 64;
        }
        let at = imaginary.take(size, align);
        let at: u64 = at.strip_prefix("sp+").and_then(|at| at.parse().ok()).expect("an offset");
        let place = |at| if at < 64 { format!("x{}", at / 8) } else { format!("sp+{}", at - 64) };
        placed.arguments.push(match by_reference {
            true => reference(place(at)),
            false if at >= 64 => whole(ty, place(at)),
            false => words(ty, (at..at + size).step_by(8).map(place)),
        });
    }
    placed.area = imaginary.0.saturating_sub(64).next_multiple_of(16);
    placed
}

// RISC-V: psABI, LP64D.

struct Riscv {
    a: Registers,
    fa: Registers,
    stack: Stack,
}

impl Riscv {
    fn new() -> Riscv {
        Riscv {
            a: Registers::of("a0 a1 a2 a3 a4 a5 a6 a7"),
            fa: Registers::of("fa0 fa1 fa2 fa3 fa4 fa5 fa6 fa7"),
            stack: Stack(0),
        }
    }

    /// By the hardware floating-point calling convention: one float, two, or one and
    /// an integer, once all structures and arrays are opened.
    fn flattened(&mut self, ty: &Type, is: impl Fn(Wrong) -> bool) -> Option<Vec<Piece>> {
        if ty.has_union() && !ty.is_lone() && !is(Wrong::UnionFlattens) {
            return None;
        }
        if ty.size > 16 && is(Wrong::FlattensSmall) {
            return None;
        }
        let scalars = ty.scalars();
        let is_float = |one: &Type| one.kind() == Some(Kind::Float);
        let is_integer = |one: &Type| match one.kind() {
            Some(Kind::Integer) => one.size <= 8,
            Some(Kind::Pointer) => is(Wrong::PointerFlattens),
            _ => false,
        };
        let floats = scalars.iter().filter(|(_, one)| is_float(one)).count();
        let integers = scalars.iter().filter(|(_, one)| is_integer(one)).count();
        let applies =
            floats + integers == scalars.len() && matches!((floats, integers), (1 | 2, 0) | (1, 1));
        let mut available = floats <= self.fa.left() && integers <= self.a.left();
        if floats == 2 && self.fa.left() == 1 && is(Wrong::FlattensAnyway) {
            available = self.a.left() > 0;
        }
        if !applies || !available {
            return None;
        }
        let mut register = |one: &Type| match is_float(one) {
            true => self.fa.next().or_else(|| self.a.next()),
            false => self.a.next(),
        };
        let pieces =
            scalars.into_iter().map(|(at, one)| Some(piece(at, at + one.size, register(one)?)));
        pieces.collect()
    }

    fn integer(&mut self, ty: &Type, named: bool, is: impl Fn(Wrong) -> bool) -> Vec<Piece> {
        let even = if named { is(Wrong::NamedEven) } else { !is(Wrong::OddPairs) };
        if ty.size > 16 {
            return reference(self.a.next().unwrap_or_else(|| self.stack.take(8, 8)));
        }
        // "Variadic arguments with 2×XLEN-bit alignment and size at most 2×XLEN bits
        // are passed in an aligned register pair."
        if ty.size > 0 && ty.align >= 16 && even && self.a.left() % 2 == 1 {
            self.a.take(1);
        }
        match (ty.size.div_ceil(8), self.a.left()) {
            (0, _) => Vec::new(),
            (1, 1..) => words(ty, self.a.take(1)),
            (2, 2..) => words(ty, self.a.take(2)),
            (2, 1) if !is(Wrong::NoSplit) => {
                let register = self.a.take(1);
                words(ty, [register, vec![self.stack.take(8, 8)]].concat())
            }
            (count, _) => {
                whole(ty, self.stack.take(8 * count, if ty.align >= 16 { 16 } else { 8 }))
            }
        }
    }
}

fn riscv(signature: &Signature, is: impl Fn(Wrong) -> bool + Copy) -> Placed {
    let mut placed = Placed::default();
    let mut arguments = Riscv::new();
    if let Some(ty) = &signature.result {
        // "in the same manner as a first named argument of the same type"
        let mut first = Riscv::new();
        match first.flattened(ty, is) {
            Some(pieces) => placed.result = pieces,
            None if ty.size > 16 => {
                placed.pointer = Some("a0");
                arguments.a.take(1);
            }
            None => placed.result = first.integer(ty, true, is),
        }
    }
    for (i, ty) in signature.params.iter().enumerate() {
        let named = signature.is_named(i);
        let floats = named || is(Wrong::RiscvVariadicNamed);
        let pieces = if floats { arguments.flattened(ty, is) } else { None };
        placed.arguments.push(pieces.unwrap_or_else(|| arguments.integer(ty, named, is)));
    }
    placed.area = arguments.stack.0.next_multiple_of(16);
    placed
}

// s390x: ELF ABI supplement, section 1.2.3, with vector registers.

fn s390x(signature: &Signature, is: impl Fn(Wrong) -> bool) -> Placed {
    let mut r = Registers::of("r2 r3 r4 r5 r6");
    let mut f = Registers::of("f0 f2 f4 f6");
    let mut v = Registers::of("v24 v26 v28 v30 v25 v27 v29 v31");
    let mut stack = Stack(160);
    let mut placed = Placed::default();
    if let Some(ty) = &signature.result {
        match ty.kind() {
            Some(Kind::Float) => placed.result = whole(ty, "f0"),
            Some(Kind::Vector) => placed.result = whole(ty, "v24"),
            Some(Kind::Integer | Kind::Pointer) if ty.size <= 8 => placed.result = whole(ty, "r2"),
            None if is(Wrong::SmallResults) && ty.size == 8 => placed.result = whole(ty, "r2"),
            _ => {
                placed.pointer = Some("r2");
                r.take(1);
            }
        }
    }
    for (i, ty) in signature.params.iter().enumerate() {
        // "A struct with exactly one member, which is a float or such a struct."
        let mut only = ty;
        loop {
            let mut members = only
                .members
                .iter()
                .filter(|(_, member)| !is(Wrong::EmptyBesideFloat) || member.size > 0);
            let opens = only.form == Form::Structure
                || only.form == Form::Union && is(Wrong::UnionLikeFloat);
            match (members.next(), members.next()) {
                (Some((_, one)), None) if opens => only = one,
                _ => break,
            }
        }
        let mut slot = |size: u64| {
            let start = stack.take(8, 8);
            let start: u64 = start[3..].parse().expect("an offset");
            format!("sp+{}", start + if is(Wrong::LeftJustified) { 0 } else { 8 - size })
        };
        placed.arguments.push(match only.kind() {
            Some(Kind::Vector) if ty.size == 16 => {
                let named = signature.is_named(i) || is(Wrong::VariadicVectors);
                let align = if is(Wrong::Vectors16) { 16 } else { 8 };
                whole(
                    ty,
                    match v.next().filter(|_| named) {
                        Some(register) => register,
                        None => stack.take(16, align),
                    },
                )
            }
            Some(Kind::Float) if ty.size <= 8 => {
                whole(ty, f.next().unwrap_or_else(|| slot(ty.size)))
            }
            _ => {
                let by_value = match ty.size {
                    1 | 2 | 4 | 8 => ty.form != Form::Complex || is(Wrong::ComplexByValue),
                    3 | 5 | 6 | 7 => is(Wrong::S390xOddSizes),
                    _ => false,
                };
                match by_value {
                    true => whole(ty, r.next().unwrap_or_else(|| slot(ty.size))),
                    false => reference(r.next().unwrap_or_else(|| slot(8))),
                }
            }
        });
    }
    placed.area = stack.0.next_multiple_of(8);
    placed
}
