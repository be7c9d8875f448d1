//! Types and signatures of C as the tests see them: parsed and printed as the crate's text,
//! declared in C, drawn at random.

use std::fmt;

use proptest::{collection::vec, option, prelude::*, sample};

/// No type that is drawn has more bytes, however the compiler lays it out.
pub(crate) const LARGEST: usize = 512;

/// A scalar type by the crate's name. C's name is the same after `t_`.
#[derive(Debug, PartialEq)]
pub(crate) struct Scalar {
    pub(crate) name: &'static str,
    /// How C defines `t_NAME`.
    pub(crate) c: &'static str,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One byte, 0 or 1.
    Bool,
    /// An integer of at most 8 bytes.
    Integer,
    /// A pointer, a float or a vector: all bytes count, and a slot has them little-endian.
    Number,
    /// 128-bit integers and complex numbers: a slot has them in the machine's order.
    Wide,
    /// `long double` and its complex: like `Wide`, but 6 of 16 bytes may be padding.
    Extended,
}

const fn scalar(name: &'static str, c: &'static str, kind: Kind) -> Scalar {
    Scalar { name, c, kind }
}

use Kind::*;

/// All scalars of C. What LONG stands for depends on the platform.
pub(crate) static SCALARS: [Scalar; 38] = [
    scalar("i32", "int", Integer),
    scalar("i64", "long long", Integer),
    scalar("f32", "float", Number),
    scalar("f64", "double", Number),
    scalar("ptr", "void *", Number),
    scalar("i8", "signed char", Integer),
    scalar("u8", "unsigned char", Integer),
    scalar("i16", "short", Integer),
    scalar("u16", "unsigned short", Integer),
    scalar("u32", "unsigned", Integer),
    scalar("u64", "unsigned long long", Integer),
    scalar("bool", "_Bool", Bool),
    scalar("longdouble", "long double", Extended),
    scalar("c32", "float _Complex", Wide),
    scalar("c64", "double _Complex", Wide),
    scalar("clongdouble", "long double _Complex", Extended),
    scalar("i128", "__int128", Wide),
    scalar("u128", "unsigned __int128", Wide),
    scalar("v128", "unsigned char __attribute__((vector_size(16)))", Number),
    scalar("char", "char", Integer),
    scalar("long", "LONG", Integer),
    scalar("ulong", "unsigned LONG", Integer),
    scalar("size_t", "__SIZE_TYPE__", Integer),
    scalar("ssize_t", "__PTRDIFF_TYPE__", Integer),
    scalar("wchar_t", "WCHAR", Integer),
    scalar("schar", "signed char", Integer),
    scalar("uchar", "unsigned char", Integer),
    scalar("short", "short", Integer),
    scalar("ushort", "unsigned short", Integer),
    scalar("int", "int", Integer),
    scalar("uint", "unsigned", Integer),
    scalar("longlong", "long long", Integer),
    scalar("ulonglong", "unsigned long long", Integer),
    scalar("float", "float", Number),
    scalar("double", "double", Number),
    scalar("ptrdiff_t", "__PTRDIFF_TYPE__", Integer),
    scalar("intptr_t", "__INTPTR_TYPE__", Integer),
    scalar("uintptr_t", "__UINTPTR_TYPE__", Integer),
];

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum CType {
    Scalar(&'static Scalar),
    Record(Record),
    Array(Box<CType>, usize),
}

/// A structure or a union.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Record {
    pub(crate) union: bool,
    pub(crate) packed: bool,
    pub(crate) align: Option<u32>,
    pub(crate) fields: Vec<CType>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CSignature {
    pub(crate) params: Vec<CType>,
    /// How many parameters stand before `...`, if the function is variadic.
    pub(crate) named: Option<usize>,
    pub(crate) result: Option<CType>,
}

/// A scalar in a type, or an array of scalars.
#[derive(Debug)]
pub(crate) struct Leaf {
    pub(crate) scalar: &'static Scalar,
    pub(crate) count: usize,
    /// As C writes it after the type's name: `f0.f2[1]`. Empty for a scalar type.
    pub(crate) path: String,
}

/// C's names of all scalar types, as declarations write them.
pub(crate) fn typedefs() -> String {
    SCALARS.iter().map(|scalar| format!("typedef {} t_{};\n", scalar.c, scalar.name)).collect()
}

/// Whether it is an integer of 16 bytes.
pub(crate) fn is_wide(ty: &CType) -> bool {
    matches!(ty, CType::Scalar(scalar) if matches!(scalar.name, "i128" | "u128"))
}

impl CType {
    pub(crate) fn scalar(name: &str) -> Option<CType> {
        SCALARS.iter().find(|scalar| scalar.name == name).map(CType::Scalar)
    }

    /// The structure of these fields.
    pub(crate) fn structure(fields: impl IntoIterator<Item = CType>) -> CType {
        CType::Record(Record { fields: fields.into_iter().collect(), ..Record::default() })
    }

    /// Declares `name`, which may be empty, as of this type.
    pub(crate) fn declaration(&self, name: &str) -> String {
        match self {
            CType::Scalar(scalar) => format!("t_{} {name}", scalar.name),
            CType::Array(element, count) => element.declaration(&format!("{name}[{count}]")),
            CType::Record(record) => {
                let packed = if record.packed { "packed" } else { "" };
                let align = record.align.map_or(String::new(), |n| format!("aligned({n})"));
                let fields = record.fields.iter().enumerate();
                let fields: String =
                    fields.map(|(i, ty)| ty.declaration(&format!("f{i}")) + "; ").collect();
                let keyword = if record.union { "union" } else { "struct" };
                format!("{keyword} __attribute__(({packed}, {align})) {{ {fields}}} {name}")
            }
        }
    }

    pub(crate) fn leaves(&self) -> Vec<Leaf> {
        let mut leaves = Vec::new();
        self.push_leaves(String::new(), &mut leaves);
        leaves
    }

    fn push_leaves(&self, path: String, leaves: &mut Vec<Leaf>) {
        match self {
            CType::Scalar(scalar) => leaves.push(Leaf { scalar, count: 1, path }),
            CType::Array(element, count) => match **element {
                CType::Scalar(scalar) => leaves.push(Leaf { scalar, count: *count, path }),
                _ => (0..*count).for_each(|i| element.push_leaves(format!("{path}[{i}]"), leaves)),
            },
            CType::Record(record) => {
                let dot = if path.is_empty() { "" } else { "." };
                for (i, field) in record.fields.iter().enumerate() {
                    field.push_leaves(format!("{path}{dot}f{i}"), leaves);
                }
            }
        }
    }

    /// The paths of the members of each union in it.
    pub(crate) fn unions(&self) -> Vec<Vec<String>> {
        let mut unions = Vec::new();
        self.push_unions(String::new(), &mut unions);
        unions
    }

    fn push_unions(&self, path: String, unions: &mut Vec<Vec<String>>) {
        match self {
            CType::Scalar(_) => {}
            CType::Array(element, count) => {
                (0..*count).for_each(|i| element.push_unions(format!("{path}[{i}]"), unions));
            }
            CType::Record(record) => {
                let dot = if path.is_empty() { "" } else { "." };
                let paths = (0..record.fields.len()).map(|i| format!("{path}{dot}f{i}"));
                for (field, path) in record.fields.iter().zip(paths.clone()) {
                    field.push_unions(path, unions);
                }
                if record.union {
                    unions.push(paths.collect());
                }
            }
        }
    }

    /// Whether this holds for it or something in it.
    pub(crate) fn has(&self, test: &impl Fn(&CType) -> bool) -> bool {
        test(self)
            || match self {
                CType::Scalar(_) => false,
                CType::Array(element, _) => element.has(test),
                CType::Record(record) => record.fields.iter().any(|field| field.has(test)),
            }
    }

    /// At least as many bytes as it has.
    fn bound(&self) -> usize {
        match self {
            CType::Scalar(scalar) if scalar.name == "clongdouble" => 32,
            CType::Scalar(_) => 16,
            CType::Array(element, count) => element.bound() * count,
            CType::Record(record) => {
                record.fields.iter().map(CType::bound).sum::<usize>().next_multiple_of(32)
            }
        }
    }

    /// What C makes of it behind `...`.
    fn promoted(self) -> CType {
        let CType::Scalar(scalar) = self else { return self };
        let name = match scalar.name {
            "bool" | "i8" | "u8" | "i16" | "u16" | "char" | "wchar_t" => "i32",
            "schar" | "uchar" | "short" | "ushort" => "int",
            "f32" | "float" => "f64",
            name => name,
        };
        CType::scalar(name).expect(name)
    }
}

impl fmt::Display for CType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CType::Scalar(scalar) => f.write_str(scalar.name),
            CType::Array(element, count) => write!(f, "[{element}; {count}]"),
            CType::Record(record) => {
                if let Some(align) = record.align {
                    write!(f, "align({align}) ")?;
                }
                f.write_str(if record.packed { "packed " } else { "" })?;
                f.write_str(if record.union { "union {" } else { "{" })?;
                for (i, field) in record.fields.iter().enumerate() {
                    write!(f, "{}{field}", if i == 0 { "" } else { ", " })?;
                }
                f.write_str("}")
            }
        }
    }
}

impl fmt::Display for CSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (i, param) in self.params.iter().enumerate() {
            let dots = if self.named == Some(i) { "..." } else { "" };
            write!(f, "{}{dots}{param}", if i == 0 { "" } else { ", " })?;
        }
        f.write_str(if self.named == Some(self.params.len()) { ", ...)" } else { ")" })?;
        self.result.iter().try_for_each(|result| write!(f, " -> {result}"))
    }
}

/// Reads the crate's text. A text that is wrong is the test's fault.
struct Parser<'a>(&'a str);

impl Parser<'_> {
    fn eat(&mut self, token: &str) -> bool {
        let rest = self.0.trim_start().strip_prefix(token);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn expect(&mut self, token: &str) {
        assert!(self.eat(token), "{token:?} expected before {:?}", self.0);
    }

    /// A name or a number.
    fn word(&mut self) -> &str {
        let text = self.0.trim_start();
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let (word, rest) = text.split_at(end.unwrap_or(text.len()));
        self.0 = rest;
        word
    }

    fn number(&mut self) -> usize {
        self.word().parse().expect("a number")
    }

    fn ty(&mut self) -> CType {
        if self.eat("[") {
            let element = self.ty();
            self.expect(";");
            let count = self.number();
            self.expect("]");
            return CType::Array(element.into(), count);
        }
        let mut record = Record::default();
        if self.eat("align(") {
            record.align = Some(self.number() as u32);
            self.expect(")");
        }
        record.packed = self.eat("packed ");
        record.union = self.eat("union ");
        if self.eat("{") {
            while !self.eat("}") {
                record.fields.push(self.ty());
                self.eat(",");
            }
            return CType::Record(record);
        }
        let name = self.word();
        CType::scalar(name).unwrap_or_else(|| panic!("no type {name:?}"))
    }
}

impl From<&str> for CType {
    fn from(text: &str) -> CType {
        Parser(text).ty()
    }
}

impl From<&str> for CSignature {
    fn from(text: &str) -> CSignature {
        let mut parser = Parser(text);
        let (mut params, mut named) = (Vec::new(), None);
        parser.expect("(");
        while !parser.eat(")") {
            if parser.eat("...") {
                named = Some(params.len());
                continue;
            }
            params.push(parser.ty());
            parser.eat(",");
        }
        let result = parser.eat("->").then(|| parser.ty());
        CSignature { params, named, result }
    }
}

fn scalars() -> impl Strategy<Value = CType> {
    let named = |names: &[&str]| {
        let scalars = names.iter().map(|name| CType::scalar(name).expect(name));
        sample::select(scalars.collect::<Vec<_>>())
    };
    prop_oneof![
        4 => named(&["i32", "i64", "f32", "f64", "ptr"]),
        3 => named(&["i8", "u8", "i16", "u16", "u32", "u64", "bool"]),
        1 => named(&["longdouble", "c32", "c64", "i128", "v128"]),
        2 => (0..SCALARS.len()).prop_map(|i| CType::Scalar(&SCALARS[i])),
    ]
}

fn record(fields: impl Strategy<Value = Vec<CType>>) -> impl Strategy<Value = CType> {
    let union = prop::bool::weighted(0.15);
    let packed = prop::bool::weighted(0.1);
    let align = option::weighted(0.1, sample::select(&[2, 4, 8, 16][..]));
    (fields, union, packed, align).prop_map(|(fields, union, packed, align)| {
        CType::Record(Record { union, packed, align, fields })
    })
}

/// Fields of one type, as homogeneous aggregates have them.
fn alike() -> impl Strategy<Value = Vec<CType>> {
    let names = ["f32", "f64", "longdouble", "v128", "c32", "c64", "u8", "i16", "i32", "ptr"];
    (sample::select(names.to_vec()), 1..=5usize, any::<bool>()).prop_map(|(name, count, array)| {
        let element = CType::scalar(name).expect(name);
        if array { vec![CType::Array(element.into(), count)] } else { vec![element; count] }
    })
}

/// Types nested three deep. They shrink to fewer and simpler fields.
pub(crate) fn ctypes() -> impl Strategy<Value = CType> {
    let flat = prop_oneof![6 => scalars(), 1 => record(alike())];
    let nested = flat.prop_recursive(3, 12, 4, |inner| {
        let array = (inner.clone(), 1..=3usize);
        let array = array.prop_map(|(element, count)| CType::Array(element.into(), count));
        let some = vec(inner.clone(), 1..=3);
        prop_oneof![6 => record(some), 1 => array, 1 => record(vec(inner, 0..=6))]
    });
    let whole = |ty| if matches!(ty, CType::Array(..)) { CType::structure([ty]) } else { ty };
    prop_oneof![1 => scalars(), 2 => nested.prop_map(whole)]
        .prop_filter("too large", |ty| ty.bound() <= LARGEST)
}

/// Signatures of up to so many parameters. Every fourth is variadic.
pub(crate) fn csignatures(most: usize) -> impl Strategy<Value = CSignature> {
    let params = vec(ctypes(), 0..=most);
    let named = option::weighted(0.25, any::<sample::Index>());
    (params, named, option::weighted(0.8, ctypes())).prop_map(|(mut params, named, result)| {
        // C wants a name before `...`.
        let named = named.filter(|_| !params.is_empty()).map(|at| 1 + at.index(params.len()));
        if let Some(named) = named {
            params[named..].iter_mut().for_each(|ty| *ty = ty.clone().promoted());
        }
        CSignature { params, named, result }
    })
}
