//! Types: libffi's, with sizes filled in, and what the crate makes of them.

use std::{iter, ptr::null_mut};

use vmtrampoline::{Abi, Type, ValType};

use crate::Status;

/// `ffi_type`. Its fields are the program's to write until a function here reads them.
#[derive(Debug)]
#[repr(C)]
pub struct FfiType {
    pub(crate) size: usize,
    pub(crate) alignment: u16,
    pub(crate) kind: u16,
    /// Of a structure its fields, of a complex number its part; null ends them.
    elements: *mut *mut FfiType,
}

// SAFETY: those that are statics never change.
unsafe impl Sync for FfiType {}

/// `FFI_TYPE_…`.
pub(crate) mod kind {
    pub(crate) const VOID: u16 = 0;
    pub(crate) const INT: u16 = 1;
    pub(crate) const FLOAT: u16 = 2;
    pub(crate) const DOUBLE: u16 = 3;
    pub(crate) const LONGDOUBLE: u16 = 4;
    pub(crate) const UINT8: u16 = 5;
    pub(crate) const SINT8: u16 = 6;
    pub(crate) const UINT16: u16 = 7;
    pub(crate) const SINT16: u16 = 8;
    pub(crate) const UINT32: u16 = 9;
    pub(crate) const SINT32: u16 = 10;
    pub(crate) const UINT64: u16 = 11;
    pub(crate) const SINT64: u16 = 12;
    pub(crate) const STRUCT: u16 = 13;
    pub(crate) const POINTER: u16 = 14;
    pub(crate) const COMPLEX: u16 = 15;
    pub(crate) const UINT128: u16 = 16;
    pub(crate) const SINT128: u16 = 17;
}

/// C's convention on this machine.
pub(crate) const ABI: &Abi = Abi::HOST_C.expect("the machine is one that the crate knows");

const fn scalar(kind: u16, ty: ValType) -> FfiType {
    let (size, alignment) = (ty.size(ABI), ty.align(ABI) as u16);
    FfiType { size, alignment, kind, elements: null_mut() }
}

macro_rules! scalars {
    ($($name:ident: $kind:ident, $ty:ident;)*) => {$(
        #[doc = concat!("`", stringify!($name), "`")]
        #[unsafe(no_mangle)]
        #[allow(non_upper_case_globals)]
        pub static $name: FfiType = scalar(kind::$kind, ValType::$ty);
    )*};
}

scalars! {
    ffi_type_uint8: UINT8, U8;
    ffi_type_sint8: SINT8, I8;
    ffi_type_uint16: UINT16, U16;
    ffi_type_sint16: SINT16, I16;
    ffi_type_uint32: UINT32, U32;
    ffi_type_sint32: SINT32, I32;
    ffi_type_uint64: UINT64, U64;
    ffi_type_sint64: SINT64, I64;
    ffi_type_uint128: UINT128, U128;
    ffi_type_sint128: SINT128, I128;
    ffi_type_float: FLOAT, F32;
    ffi_type_double: DOUBLE, F64;
    ffi_type_longdouble: LONGDOUBLE, LongDouble;
    ffi_type_pointer: POINTER, Ptr;
}

/// `ffi_type_void`
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub static ffi_type_void: FfiType =
    FfiType { size: 1, alignment: 1, kind: kind::VOID, elements: null_mut() };

/// The part of a complex number, and the end.
#[repr(transparent)]
struct Part([*const FfiType; 2]);

// SAFETY: it never changes.
unsafe impl Sync for Part {}

macro_rules! complex {
    ($($name:ident: $part:ident, $ty:ident;)*) => {$(
        #[doc = concat!("`", stringify!($name), "`")]
        #[unsafe(no_mangle)]
        #[allow(non_upper_case_globals)]
        pub static $name: FfiType = {
            static PART: Part = Part([&raw const $part, null_mut()]);
            let elements = (&raw const PART).cast_mut().cast();
            FfiType { elements, ..scalar(kind::COMPLEX, ValType::$ty) }
        };
    )*};
}

complex! {
    ffi_type_complex_float: ffi_type_float, C32;
    ffi_type_complex_double: ffi_type_double, C64;
    ffi_type_complex_longdouble: ffi_type_longdouble, CLongDouble;
}

impl FfiType {
    /// Whether it is of a kind that has no elements; also void.
    #[inline(always)]
    pub(crate) fn is_scalar(&self) -> bool {
        self.kind <= kind::SINT128 && !matches!(self.kind, kind::STRUCT | kind::COMPLEX)
    }

    /// The elements; none if the program gives no list.
    #[inline(always)]
    pub(crate) fn elements(&self) -> impl Iterator<Item = *mut FfiType> {
        let mut next = self.elements;
        iter::from_fn(move || {
            if next.is_null() {
                return None;
            }
            // SAFETY: the program's list is ended by null, after which this does not read on, and
            // is not changed while we read it.
            let element = unsafe { *next };
            next = if element.is_null() { null_mut() } else { next.wrapping_add(1) };
            Some(element).filter(|element| !element.is_null())
        })
    }

    /// The crate's type; `None` if it is none that C passes, or has another size.
    pub(crate) fn to_type(&self) -> Option<Type<'static>> {
        self.of_kind().filter(|ty| ty.size(ABI) == self.size)
    }

    fn of_kind(&self) -> Option<Type<'static>> {
        let scalar = match self.kind {
            kind::INT | kind::SINT32 => ValType::I32,
            kind::FLOAT => ValType::F32,
            kind::DOUBLE => ValType::F64,
            kind::LONGDOUBLE => ValType::LongDouble,
            kind::UINT8 => ValType::U8,
            kind::SINT8 => ValType::I8,
            kind::UINT16 => ValType::U16,
            kind::SINT16 => ValType::I16,
            kind::UINT32 => ValType::U32,
            kind::UINT64 => ValType::U64,
            kind::SINT64 => ValType::I64,
            kind::POINTER => ValType::Ptr,
            kind::UINT128 => ValType::U128,
            kind::SINT128 => ValType::I128,
            kind::COMPLEX => return self.to_complex(),
            kind::STRUCT => return self.to_structure(),
            _ => return None,
        };
        Some(scalar.into())
    }

    /// The same of a complex number.
    fn to_complex(&self) -> Option<Type<'static>> {
        // SAFETY: an element is a type of the program.
        let part = unsafe { &*self.elements().next()? };
        Some(match part.kind {
            kind::FLOAT => ValType::C32.into(),
            kind::DOUBLE => ValType::C64.into(),
            kind::LONGDOUBLE => ValType::CLongDouble.into(),
            // Complex integers, which gcc has, go where a structure of two does; but not there.
            _ if cfg!(target_arch = "s390x") => return None,
            _ => {
                let part = part.to_type().filter(|part| part.scalar().is_some())?;
                Type::structure([&part, &part]).ok()?
            }
        })
    }

    /// The same of a structure. Its size and alignment, which the program may have filled in,
    /// say what the elements do not: whether they are packed, overlap, or are followed by more.
    fn to_structure(&self) -> Option<Type<'static>> {
        // SAFETY: an element is a type of the program.
        let fields = self.elements().map(|field| unsafe { &*field }.to_type());
        let fields: Option<Vec<_>> = fields.collect();
        let fields = fields.filter(|fields| !fields.is_empty())?;
        let fits = |ty: &Type<'_>| {
            (ty.size(ABI), ty.align(ABI)) == (self.size, usize::from(self.alignment))
        };

        let natural = Type::structure(&fields).ok()?;
        if fits(&natural) {
            return Some(natural);
        }
        let align = self.alignment.into();
        let packed = natural.packed().and_then(|packed| packed.aligned(align)).ok();
        let union = Type::union(&fields).ok();
        let followed = self.size.checked_sub(natural.size(ABI)).and_then(|more| {
            let more = Type::array(ValType::U8, more).ok()?;
            Type::structure(fields.iter().chain([&more])).ok()?.aligned(align).ok()
        });
        let opaque = Type::array(ValType::U8, self.size).ok().and_then(|bytes| {
            // Only where no convention asks what is in it.
            let bytes = Type::structure([bytes]).ok().filter(|_| self.size > 16)?;
            bytes.aligned(align).ok()
        });
        [packed, union, followed, opaque].into_iter().flatten().find(fits)
    }
}

/// Fills in the sizes of a type and of those in it, where there are none.
///
/// # Safety
///
/// The type is the program's or ours, or null; the program's may be written to.
#[inline(always)]
pub(crate) unsafe fn complete(ty: *mut FfiType) -> Result<(), Status> {
    // SAFETY: our own condition.
    match unsafe { ty.as_ref() } {
        None => Err(Status::BadTypedef),
        // SAFETY: ours have sizes.
        Some(FfiType { size: 0, .. }) => unsafe { measure(ty, |_| ()) },
        Some(_) => Ok(()),
    }
}

/// Fills in the size and alignment of a structure, and tells the offsets of its fields.
///
/// # Safety
///
/// The type is the program's, and may be written to.
pub(crate) unsafe fn measure(
    ty: *mut FfiType,
    mut offset: impl FnMut(usize),
) -> Result<(), Status> {
    let (mut size, mut alignment) = (0usize, 1);
    // SAFETY: our own condition.
    for field in unsafe { &*ty }.elements() {
        // SAFETY: an element is a type of the program.
        unsafe { complete(field)? };
        // SAFETY: as above.
        let field = unsafe { &*field };
        if !field.alignment.is_power_of_two() {
            return Err(Status::BadTypedef);
        }
        let at = size.checked_next_multiple_of(field.alignment.into());
        size = at.and_then(|at| at.checked_add(field.size)).ok_or(Status::BadTypedef)?;
        offset(size - field.size);
        alignment = alignment.max(field.alignment);
    }
    size = size.checked_next_multiple_of(alignment.into()).ok_or(Status::BadTypedef)?;
    // SAFETY: our own condition; no reference to it is left.
    unsafe { ((*ty).size, (*ty).alignment) = (size, alignment) };
    if size == 0 { Err(Status::BadTypedef) } else { Ok(()) }
}
