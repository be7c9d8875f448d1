//! The raw interfaces: arguments one behind the other in words, instead of pointers to them.
//!
//! In Java's packing an integer or float of eight bytes takes two words.

use std::{ffi::c_void, mem::MaybeUninit, process::abort, ptr::copy_nonoverlapping};

use vmtrampoline::Signature;

use crate::{
    Status,
    call::ffi_call,
    cif::Cif,
    closure::{Closure, Function, TRAMPOLINE_SIZE, ffi_prep_closure_loc},
    types::{FfiType, kind},
};

/// `ffi_raw` and `ffi_java_raw`.
type Word = u64;

/// How arguments are packed into words.
#[derive(Clone, Copy, PartialEq)]
enum Packing {
    Raw,
    Java,
}

impl Packing {
    /// How many words an argument takes.
    fn words(self, ty: &FfiType) -> usize {
        match (self, ty.kind) {
            (Packing::Raw, kind::STRUCT | kind::COMPLEX) => 1,
            (Packing::Raw, _) => ty.size.div_ceil(size_of::<Word>()),
            // Java has none, and libffi ends the process, too.
            (Packing::Java, kind::STRUCT | kind::COMPLEX) => abort(),
            (Packing::Java, kind::UINT64 | kind::SINT64 | kind::DOUBLE) => 2,
            (Packing::Java, _) => 1,
        }
    }

    /// Where an integer that is smaller than a word begins in it.
    fn offset(self, ty: &FfiType) -> usize {
        let integer = matches!(ty.kind, kind::INT | kind::UINT8..=kind::SINT32);
        match self {
            _ if !integer || cfg!(target_endian = "little") => 0,
            Packing::Raw => size_of::<Word>() - ty.size,
            Packing::Java => size_of::<u32>() - ty.size,
        }
    }

    fn size(self, cif: &Cif) -> usize {
        cif.arg_types().map(|ty| self.words(ty)).sum::<usize>() * size_of::<Word>()
    }

    /// Pointers to the arguments in the words.
    ///
    /// # Safety
    ///
    /// There are the words of this cif, and there is room for as many pointers.
    unsafe fn unpack(self, cif: &Cif, mut word: *mut Word, mut value: *mut *mut c_void) {
        for ty in cif.arg_types() {
            let pointer = match ty.kind {
                // SAFETY: such a word holds a pointer.
                kind::STRUCT | kind::COMPLEX => unsafe { word.cast::<*mut c_void>().read() },
                _ => word.cast::<c_void>().wrapping_byte_add(self.offset(ty)),
            };
            // SAFETY: our own condition.
            unsafe { value.write(pointer) };
            word = word.wrapping_add(self.words(ty));
            value = value.wrapping_add(1);
        }
    }

    /// The arguments that pointers point to, in words.
    ///
    /// # Safety
    ///
    /// There are pointers to arguments of this cif, and there is room for their words.
    unsafe fn pack(self, cif: &Cif, mut value: *const *mut c_void, mut word: *mut Word) {
        for ty in cif.arg_types() {
            // SAFETY: our own condition, here and below.
            let from = unsafe { *value };
            let integer = match ty.kind {
                // SAFETY: as above.
                kind::UINT8 => Some(unsafe { from.cast::<u8>().read() }.into()),
                // SAFETY: as above.
                kind::SINT8 => Some(unsafe { from.cast::<i8>().read() }.into()),
                // SAFETY: as above.
                kind::UINT16 => Some(unsafe { from.cast::<u16>().read_unaligned() }.into()),
                // SAFETY: as above.
                kind::SINT16 => Some(unsafe { from.cast::<i16>().read_unaligned() }.into()),
                // SAFETY: as above.
                kind::UINT32 => Some(unsafe { from.cast::<u32>().read_unaligned() }.into()),
                kind::SINT32 | kind::INT => {
                    // SAFETY: as above.
                    Some(i64::from(unsafe { from.cast::<i32>().read_unaligned() }))
                }
                _ => None,
            };
            match (integer, ty.kind) {
                (Some(integer), _) if cfg!(target_endian = "big") && self == Packing::Java => {
                    // SAFETY: as above.
                    unsafe { word.cast::<i32>().write(integer as i32) };
                }
                // SAFETY: as above.
                (Some(integer), _) => unsafe { word.write(integer as u64) },
                // SAFETY: as above.
                (_, kind::STRUCT | kind::COMPLEX) => unsafe {
                    word.cast::<*mut c_void>().write(from)
                },
                // SAFETY: as above.
                _ => unsafe { copy_nonoverlapping(from.cast::<u8>(), word.cast(), ty.size) },
            }
            word = word.wrapping_add(self.words(ty));
            value = value.wrapping_add(1);
        }
    }

    /// Calls a function with arguments in words.
    ///
    /// # Safety
    ///
    /// As for [`ffi_call`], with the words of this cif.
    unsafe fn call(
        self,
        cif: *const Cif,
        target: *const c_void,
        result: *mut c_void,
        words: *mut Word,
    ) {
        let mut values = MaybeUninit::<[*mut c_void; Signature::MAX_PARAMS]>::uninit();
        let values = values.as_mut_ptr().cast();
        // SAFETY: the program's promises; a cif has no more parameters.
        unsafe { self.unpack(&*cif, words, values) };
        // SAFETY: the program's promises.
        unsafe { ffi_call(cif, target, result, values.cast_const().cast()) };
    }

    /// Calls the function of a raw closure.
    ///
    /// # Safety
    ///
    /// It is a raw closure of this packing, and the others are what the cif says.
    unsafe fn deliver(
        self,
        cif: *mut Cif,
        result: *mut c_void,
        values: *mut *mut c_void,
        closure: *const RawClosure,
    ) {
        // An argument takes two words, or is a `long double` or such, which do too.
        let mut words = MaybeUninit::<[Word; 2 * Signature::MAX_PARAMS]>::uninit();
        let words = words.as_mut_ptr().cast();
        // SAFETY: the closure's caller passes arguments of this cif.
        unsafe { self.pack(&*cif, values, words) };
        // SAFETY: a raw closure, says the caller, that is prepared.
        let RawClosure { function, data, .. } = unsafe { &*closure };
        // SAFETY: the program's function and what it wants.
        unsafe { function(cif, result, words, *data) };
    }
}

/// Where Java's packing has a result of less than eight bytes on machines that have the high
/// half first.
const HALF: u32 = if cfg!(target_endian = "big") { 32 } else { 0 };

/// Shifts an integer result into or out of the first half of its word.
///
/// # Safety
///
/// The result is one of this cif, or null.
unsafe fn shift(cif: *const Cif, result: *mut c_void, by: impl FnOnce(i64, bool) -> i64) {
    // SAFETY: our own conditions.
    let rtype = unsafe { &*cif }.rtype();
    let signed = matches!(rtype.kind, kind::SINT8 | kind::SINT16 | kind::SINT32 | kind::INT);
    let integer = signed || matches!(rtype.kind, kind::UINT8 | kind::UINT16 | kind::UINT32);
    if HALF != 0 && integer && !result.is_null() {
        // SAFETY: an integer result fills a word.
        unsafe { *result.cast::<i64>() = by(*result.cast::<i64>(), signed) };
    }
}

/// `ffi_raw_closure` and `ffi_java_raw_closure`: a closure, and behind it what to call with
/// words.
#[derive(Debug)]
#[repr(C)]
pub struct RawClosure {
    trampoline: [u8; TRAMPOLINE_SIZE],
    cif: *mut Cif,
    /// The function and the data of the closure that this begins as.
    translate: Function,
    this: *mut c_void,
    function: RawFunction,
    data: *mut c_void,
}

/// What a raw closure calls.
type RawFunction = unsafe extern "C-unwind" fn(*mut Cif, *mut c_void, *mut Word, *mut c_void);

const _: () = assert!(
    std::mem::offset_of!(RawClosure, translate) == std::mem::offset_of!(Closure, function)
        && std::mem::offset_of!(RawClosure, function) == size_of::<Closure>()
);

/// Makes a raw closure the implementation of its function pointer.
///
/// # Safety
///
/// As libffi's manual has it.
unsafe fn prep(
    closure: *mut RawClosure,
    cif: *mut Cif,
    function: RawFunction,
    data: *mut c_void,
    code: *const c_void,
    translate: Function,
) -> Status {
    // SAFETY: the program's promises.
    let status =
        unsafe { ffi_prep_closure_loc(closure.cast(), cif, translate, closure.cast(), code) };
    if status == Status::Ok {
        // SAFETY: it is memory for a raw closure, says the program.
        unsafe { ((*closure).function, (*closure).data) = (function, data) };
    }
    status
}

macro_rules! raw {
    ($($packing:ident: $size:ident, $unpack:ident, $pack:ident, $call:ident, $prep:ident,
        $prep_loc:ident;)*) => {$(
        /// How many bytes the words of a cif's arguments have.
        ///
        /// # Safety
        ///
        /// The cif is prepared.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $size(cif: *const Cif) -> usize {
            // SAFETY: our own condition.
            Packing::$packing.size(unsafe { &*cif })
        }

        /// Pointers to arguments that are in words.
        ///
        /// # Safety
        ///
        /// The cif is prepared; there are its words, and room for as many pointers.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $unpack(cif: *const Cif, raw: *mut Word, args: *mut *mut c_void) {
            // SAFETY: our own conditions.
            unsafe { Packing::$packing.unpack(&*cif, raw, args) }
        }

        /// Words of arguments that there are pointers to.
        ///
        /// # Safety
        ///
        /// The cif is prepared; there are pointers to its arguments, and room for the words.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $pack(cif: *const Cif, args: *const *mut c_void, raw: *mut Word) {
            // SAFETY: our own conditions.
            unsafe { Packing::$packing.pack(&*cif, args, raw) }
        }

        /// Calls a function with arguments in words.
        ///
        /// # Safety
        ///
        /// As for [`ffi_call`], with the words of this cif.
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $call(
            cif: *const Cif,
            target: *const c_void,
            result: *mut c_void,
            raw: *mut Word,
        ) {
            // SAFETY: our own conditions.
            unsafe { Packing::$packing.call(cif, target, result, raw) };
            if Packing::$packing == Packing::Java {
                // SAFETY: as above; the result is there.
                unsafe { shift(cif, result, |value, _| value << HALF) };
            }
        }

        /// Makes a raw closure the implementation of its function pointer.
        ///
        /// # Safety
        ///
        /// As for [`ffi_prep_closure_loc`], with memory for a raw closure.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $prep_loc(
            closure: *mut RawClosure,
            cif: *mut Cif,
            function: RawFunction,
            data: *mut c_void,
            code: *const c_void,
        ) -> Status {
            unsafe extern "C-unwind" fn translate(
                cif: *mut Cif,
                result: *mut c_void,
                values: *mut *mut c_void,
                closure: *mut c_void,
            ) {
                // SAFETY: a closure calls this with arguments of its cif and itself.
                unsafe { Packing::$packing.deliver(cif, result, values, closure.cast()) };
                if Packing::$packing == Packing::Java {
                    let back = |value: i64, signed| {
                        if signed { value >> HALF } else { (value as u64 >> HALF) as i64 }
                    };
                    // SAFETY: as above; the function has left a result.
                    unsafe { shift(cif, result, back) };
                }
            }
            // SAFETY: our own conditions.
            unsafe { prep(closure, cif, function, data, code, translate) }
        }

        /// Refuses: the code would have to be in the closure.
        #[unsafe(no_mangle)]
        pub extern "C" fn $prep(
            _: *mut RawClosure,
            _: *mut Cif,
            _: RawFunction,
            _: *mut c_void,
        ) -> Status {
            Status::BadAbi
        }
    )*};
}

raw! {
    Raw: ffi_raw_size, ffi_raw_to_ptrarray, ffi_ptrarray_to_raw, ffi_raw_call,
        ffi_prep_raw_closure, ffi_prep_raw_closure_loc;
    Java: ffi_java_raw_size, ffi_java_raw_to_ptrarray, ffi_java_ptrarray_to_raw,
        ffi_java_raw_call, ffi_prep_java_raw_closure, ffi_prep_java_raw_closure_loc;
}
