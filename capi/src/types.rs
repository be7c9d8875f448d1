//! Types, signatures, layouts and values: what is known before anything is called.

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    fmt::{self, Display, Write},
    mem::MaybeUninit,
    ptr::null,
    slice,
    sync::OnceLock,
};

use trampoline::{Abi, Error, Layout, Prototype, Signature, Type, ValType};

use crate::{
    NONE,
    error::{Code, Failure, fail},
    free, get, give,
};

/// Plain C of this machine. Without it there is no library.
pub(crate) const C: &Abi = match Abi::HOST_C {
    Some(abi) => abi,
    None => panic!("vmtrampoline does not know the C convention of this target"),
};

/// `vmt_type`.
pub(crate) struct CType {
    ty: Type<'static>,
    fields: OnceLock<Fields>,
}

/// What C has been lent of a type.
struct Fields {
    count: usize,
    /// Each with its offset; of an array, the first element.
    list: Vec<(usize, CType)>,
}

impl From<Type<'_>> for CType {
    fn from(ty: Type<'_>) -> CType {
        CType { ty: ty.into_owned(), fields: OnceLock::new() }
    }
}

impl CType {
    fn fields(&self) -> &Fields {
        self.fields.get_or_init(|| {
            let fields = self.ty.fields_in(C);
            let count = fields.len();
            let kept = if self.ty.is_array() { 1 } else { count };
            let list = fields.into_iter().take(kept).map(|(at, ty)| (at, ty.into())).collect();
            Fields { count, list }
        })
    }

    /// The offset of field `index`, and the field.
    fn field(&self, index: usize) -> Option<(usize, &CType)> {
        let Fields { count, list } = self.fields();
        if index >= *count {
            return fail(no_such("field", index, *count), None);
        }
        Some(match list.get(index) {
            Some((offset, field)) => (*offset, field),
            None => (index * list[0].1.ty.size(C), &list[0].1),
        })
    }

    /// How many bytes of slots a little-endian number has, if a value lies there as one.
    fn number(&self) -> Option<usize> {
        match self.ty.scalar()? {
            ValType::V128 => Some(16),
            ValType::C32 => None,
            _ if self.ty.size(C) <= 8 => Some(8),
            _ => None,
        }
    }

    /// How many bytes of slots a value has.
    fn bytes(&self) -> usize {
        self.number().unwrap_or(self.ty.size(C))
    }
}

/// `vmt_signature`.
pub(crate) struct CSignature {
    pub(crate) signature: Signature,
    types: OnceLock<[Vec<CType>; 2]>,
    prototype: OnceLock<Result<Prototype, Error>>,
}

impl From<Signature> for CSignature {
    fn from(signature: Signature) -> CSignature {
        CSignature { signature, types: OnceLock::new(), prototype: OnceLock::new() }
    }
}

impl CSignature {
    /// What its callbacks share, which the first of them works out.
    pub(crate) fn prototype(&self) -> Result<&Prototype, Error> {
        let prototype = self.prototype.get_or_init(|| Prototype::new(&self.signature));
        prototype.as_ref().map_err(Clone::clone)
    }

    /// The types of parameters and of results, for C to borrow.
    fn types(&self) -> &[Vec<CType>; 2] {
        self.types.get_or_init(|| {
            [self.signature.params(), self.signature.results()]
                .map(|types| types.iter().map(CType::from).collect())
        })
    }
}

/// An index that is out of range.
pub(crate) fn no_such(what: &str, index: usize, count: usize) -> Failure {
    Failure::new(Code::Argument, format_args!("no {what} {index}: there are {count}"))
}

/// The text that C gives.
///
/// # Safety
///
/// See [`crate`]; the text does not change during `'a`.
unsafe fn text<'a>(text: *const c_char) -> Result<&'a str, Failure> {
    if text.is_null() {
        return Err(Failure::null("the text"));
    }
    // SAFETY: a C string, which our own conditions say.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map_err(|error| Failure::new(Code::Argument, format_args!("text: {error}")))
}

/// The types that C gives.
///
/// # Safety
///
/// See [`crate`].
unsafe fn types<'a>(
    types: *const *const CType,
    count: usize,
) -> Result<Vec<&'a Type<'a>>, Failure> {
    if count == 0 {
        return Ok(Vec::new());
    }
    if types.is_null() {
        return Err(Failure::null("an array of types"));
    }
    (0..count)
        .map(|i| {
            // SAFETY: an array of so many, which our own conditions say.
            let ty = unsafe { *types.add(i) };
            // SAFETY: each is a type or null.
            unsafe { ty.as_ref() }.map(|ty| &ty.ty).ok_or(Failure::Missing)
        })
        .collect()
}

/// A buffer of C that text is written to, as far as it fits, and how long it is.
struct Buffer<'a> {
    bytes: &'a mut [MaybeUninit<u8>],
    len: usize,
}

impl Write for Buffer<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.iter_mut().skip(self.len);
        room.zip(text.bytes()).for_each(|(to, byte)| _ = to.write(byte));
        self.len += text.len();
        Ok(())
    }
}

/// Writes the text to a buffer, as `snprintf` would.
///
/// # Safety
///
/// See [`crate`].
unsafe fn print(value: impl Display, buffer: *mut c_char, size: usize) -> usize {
    let bytes = if buffer.is_null() || size == 0 {
        &mut []
    } else {
        // SAFETY: so many bytes, which our own conditions say.
        unsafe { slice::from_raw_parts_mut(buffer.cast(), size) }
    };
    let mut buffer = Buffer { bytes, len: 0 };
    write!(buffer, "{value}").expect("a buffer takes all");
    let end = buffer.len.min(buffer.bytes.len().saturating_sub(1));
    if let Some(end) = buffer.bytes.get_mut(end) {
        end.write(0);
    }
    buffer.len
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_type_parse(text: *const c_char) -> *mut CType {
    // SAFETY: our own conditions.
    let text = unsafe { self::text(text) };
    give(text.and_then(|text| Ok(text.parse::<Type<'_>>()?.into())))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_type_structure(fields: *const *const CType, count: usize) -> *mut CType {
    // SAFETY: our own conditions.
    let fields = unsafe { types(fields, count) };
    give(fields.and_then(|fields| Ok(Type::structure(fields)?.into())))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_type_union(fields: *const *const CType, count: usize) -> *mut CType {
    // SAFETY: our own conditions.
    let fields = unsafe { types(fields, count) };
    give(fields.and_then(|fields| Ok(Type::union(fields)?.into())))
}

/// A type made of another one; null of null.
///
/// # Safety
///
/// See [`crate`].
unsafe fn derive(
    ty: *const CType,
    make: impl Fn(&Type<'static>) -> Result<Type<'static>, Error>,
) -> *mut CType {
    // SAFETY: our own conditions.
    let Some(ty) = (unsafe { get(ty) }) else { return std::ptr::null_mut() };
    give(make(&ty.ty).map(CType::from))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_type_array(element: *const CType, count: usize) -> *mut CType {
    // SAFETY: our own conditions.
    unsafe { derive(element, |element| Type::array(element, count)) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_type_packed(ty: *const CType) -> *mut CType {
    // SAFETY: our own conditions.
    unsafe { derive(ty, Type::packed) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_type_aligned(ty: *const CType, alignment: usize) -> *mut CType {
    // SAFETY: our own conditions.
    unsafe { derive(ty, |ty| ty.aligned(alignment)) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_type_free(ty: *mut CType) {
    // SAFETY: our own conditions.
    unsafe { free(ty) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_type_kind(ty: *const CType) -> c_int {
    // SAFETY: our own conditions.
    let Some(CType { ty, .. }) = (unsafe { get(ty) }) else { return -1 };
    match ty.scalar() {
        // The header has them in this order.
        Some(ty) => ty as c_int,
        None if ty.is_array() => 102,
        None if ty.is_union() => 101,
        None => 100,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_type_size(ty: *const CType) -> usize {
    // SAFETY: our own conditions.
    unsafe { get(ty) }.map_or(NONE, |ty| ty.ty.size(C))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_type_alignment(ty: *const CType) -> usize {
    // SAFETY: our own conditions.
    unsafe { get(ty) }.map_or(NONE, |ty| ty.ty.align(C))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_type_fields(ty: *const CType) -> usize {
    // SAFETY: our own conditions.
    unsafe { get(ty) }.map_or(NONE, |ty| ty.fields().count)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_type_field(ty: *const CType, index: usize) -> *const CType {
    // SAFETY: our own conditions.
    let field = unsafe { get(ty) }.and_then(|ty| ty.field(index));
    field.map_or(null(), |(_, field)| field)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_type_offset(ty: *const CType, index: usize) -> usize {
    // SAFETY: our own conditions.
    let field = unsafe { get(ty) }.and_then(|ty| ty.field(index));
    field.map_or(NONE, |(offset, _)| offset)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_type_text(ty: *const CType, buffer: *mut c_char, size: usize) -> usize {
    // SAFETY: our own conditions.
    let Some(ty) = (unsafe { get(ty) }) else { return NONE };
    // SAFETY: our own conditions.
    unsafe { print(&ty.ty, buffer, size) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_signature_parse(text: *const c_char) -> *mut CSignature {
    // SAFETY: our own conditions.
    let text = unsafe { self::text(text) };
    give(text.and_then(|text| Ok(text.parse::<Signature>()?.into())))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_signature_new(
    params: *const *const CType,
    count: usize,
    named: usize,
    results: *const *const CType,
    results_count: usize,
) -> *mut CSignature {
    // SAFETY: our own conditions.
    let (params, results) = unsafe { (types(params, count), types(results, results_count)) };
    let make = |params: Vec<_>, results| {
        Ok(CSignature::from(match named {
            NONE => Signature::new(params, results)?,
            _ if named > count => Err(no_such("parameter", named, count))?,
            _ => {
                let (named, variable) = params.split_at(named);
                Signature::variadic(named.iter().copied(), variable.iter().copied(), results)?
            }
        }))
    };
    give(params.and_then(|params| make(params, results?)))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_signature_free(signature: *mut CSignature) {
    // SAFETY: our own conditions.
    unsafe { free(signature) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_signature_params(signature: *const CSignature) -> usize {
    // SAFETY: our own conditions.
    unsafe { get(signature) }.map_or(NONE, |signature| signature.signature.params().len())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_signature_results(signature: *const CSignature) -> usize {
    // SAFETY: our own conditions.
    unsafe { get(signature) }.map_or(NONE, |signature| signature.signature.results().len())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_signature_named(signature: *const CSignature) -> usize {
    // SAFETY: our own conditions.
    unsafe { get(signature) }.and_then(|signature| signature.signature.named()).unwrap_or(NONE)
}

/// One of the types that a signature lends.
///
/// # Safety
///
/// See [`crate`].
unsafe fn value(signature: *const CSignature, of: usize, what: &str, index: usize) -> *const CType {
    // SAFETY: our own conditions.
    let Some(signature) = (unsafe { get(signature) }) else { return null() };
    let types = &signature.types()[of];
    match types.get(index) {
        Some(ty) => ty,
        None => fail(no_such(what, index, types.len()), null()),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_signature_param(
    signature: *const CSignature,
    index: usize,
) -> *const CType {
    // SAFETY: our own conditions.
    unsafe { value(signature, 0, "parameter", index) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_signature_result(
    signature: *const CSignature,
    index: usize,
) -> *const CType {
    // SAFETY: our own conditions.
    unsafe { value(signature, 1, "result", index) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_signature_text(
    signature: *const CSignature,
    buffer: *mut c_char,
    size: usize,
) -> usize {
    // SAFETY: our own conditions.
    let Some(signature) = (unsafe { get(signature) }) else { return NONE };
    // SAFETY: our own conditions.
    unsafe { print(&signature.signature, buffer, size) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_convention(index: usize, buffer: *mut c_char, size: usize) -> usize {
    match Abi::ALL.get(index) {
        // SAFETY: our own conditions.
        Some(abi) => unsafe { print(abi, buffer, size) },
        None => fail(no_such("convention", index, Abi::ALL.len()), NONE),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_signature_layout(
    signature: *const CSignature,
    convention: *const c_char,
    buffer: *mut c_char,
    size: usize,
) -> usize {
    // SAFETY: our own conditions.
    let Some(signature) = (unsafe { get(signature) }) else { return NONE };
    let abi = if convention.is_null() {
        Ok(C)
    } else {
        // SAFETY: our own conditions.
        unsafe { text(convention) }.and_then(|name| {
            let unknown = || Failure::new(Code::Argument, format_args!("no convention {name:?}"));
            Abi::from_name(name).ok_or_else(unknown)
        })
    };
    match abi.and_then(|abi| Ok(Layout::new(&signature.signature, abi)?)) {
        // SAFETY: our own conditions.
        Ok(layout) => unsafe { print(format_args!("{layout:#}"), buffer, size) },
        Err(error) => fail(error, NONE),
    }
}

/// The value's type, if there are as many bytes of slots as it has.
///
/// # Safety
///
/// See [`crate`].
unsafe fn fits<'a>(
    slot: *const c_void,
    size: usize,
    ty: *const CType,
    value: *const c_void,
) -> Option<&'a CType> {
    // SAFETY: our own conditions.
    let ty = unsafe { get(ty) }?;
    let needed = ty.bytes();
    if needed > size {
        let text = format!("a value of type {} takes {needed} bytes of slots, not {size}", ty.ty);
        return fail(Failure::new(Code::TooFewSlots, text), None);
    }
    if needed > 0 && (slot.is_null() || value.is_null()) {
        return fail(Failure::null("a slot or value"), None);
    }
    Some(ty)
}

/// Copies a value between C's memory and slots.
///
/// # Safety
///
/// At both there are as many bytes as the type has.
unsafe fn copy(ty: &CType, from: *const c_void, to: *mut c_void) {
    let size = ty.ty.size(C);
    let reversed = cfg!(target_endian = "big") && ty.number().is_some();
    for i in 0..size {
        // SAFETY: there are so many bytes.
        let to = unsafe { to.cast::<u8>().add(if reversed { size - 1 - i } else { i }) };
        // SAFETY: as above.
        let from = unsafe { from.cast::<MaybeUninit<u8>>().add(i) };
        // SAFETY: as above.
        unsafe { from.copy_to(to.cast(), 1) };
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_slot_write(
    slot: *mut c_void,
    size: usize,
    ty: *const CType,
    value: *const c_void,
) -> c_int {
    // SAFETY: our own conditions.
    let Some(ty) = (unsafe { fits(slot, size, ty, value) }) else { return 0 };
    if ty.number() == Some(8) {
        // SAFETY: there are so many bytes.
        unsafe { slot.cast::<[u8; 8]>().write([0; 8]) };
    }
    // SAFETY: the value has the bytes of its type, and they fit.
    unsafe { copy(ty, value, slot) };
    1
}

#[unsafe(no_mangle)]
unsafe extern "C" fn vmt_slot_read(
    slot: *const c_void,
    size: usize,
    ty: *const CType,
    value: *mut c_void,
) -> c_int {
    // SAFETY: our own conditions.
    let Some(ty) = (unsafe { fits(slot, size, ty, value) }) else { return 0 };
    // SAFETY: the value has room for the bytes of its type, and the slots have them.
    unsafe { copy(ty, slot, value) };
    1
}
