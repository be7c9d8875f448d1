//! Call interfaces: what `ffi_prep_cif` makes of types, once for each signature.
//!
//! A cif has no destructor. Programs copy it, keep it on the stack, free it, and prepare it anew
//! for each call. So what is made for a signature is kept for ever, in a table, and the cif holds
//! its address where libffi keeps two numbers of its own. A copy of a cif is as good as the cif.
//! To prepare one again is a search. The table grows with the signatures that a program has, not
//! with its calls. Entries never change, so nothing is locked.

use std::{
    array,
    ffi::{c_uint, c_void},
    iter,
    ptr::{null, null_mut},
    slice,
    sync::atomic::{
        AtomicPtr,
        Ordering::{Acquire, Release},
    },
};

use vmtrampoline::{
    CTrampoline, Error, Layout, Location, Piece, Placement, Signature, Type, ValRaw, ValType,
};

use crate::{
    Status,
    call::{self, Argument, Call, Outcome},
    closure::SHORT,
    spelling::{Key, spell},
    types::{ABI, FfiType, kind},
};

/// `ffi_cif`
#[derive(Debug)]
#[repr(C)]
pub struct Cif {
    pub(crate) abi: c_uint,
    nargs: c_uint,
    arg_types: *mut *mut FfiType,
    rtype: *mut FfiType,
    /// libffi's `bytes` and `flags`.
    interface: *const Interface,
    /// Numbers of libffi's own.
    #[cfg(target_arch = "riscv64")]
    unused: [c_uint; 2],
    #[cfg(all(target_arch = "aarch64", target_vendor = "apple"))]
    unused: c_uint,
}

/// `FFI_DEFAULT_ABI`: the only one that there is.
pub(crate) const DEFAULT_ABI: c_uint = if cfg!(target_arch = "x86_64") { 2 } else { 1 };

/// Whether `al` counts the vector registers of a variadic call.
const COUNTED: bool = cfg!(target_arch = "x86_64");

/// What calls with one signature need.
pub(crate) struct Interface {
    key: Key,
    /// The words that tell the signature from others with this key, if there may be any.
    spelling: Box<[u64]>,
    /// The one that was put into the table before it, with the same hash.
    next: *const Interface,
    pub(crate) trampoline: CTrampoline<u64>,
    /// What makes a call.
    pub(crate) call: Call,
    pub(crate) arguments: Box<[Argument]>,
    pub(crate) outcome: Outcome,
    /// None if there is no callback of this signature.
    pub(crate) closed: Option<Closed>,
}

impl Interface {
    /// For a closure that has been prepared with it.
    #[inline(always)]
    pub(crate) fn closed(&self) -> &Closed {
        match &self.closed {
            Some(closed) => closed,
            None => unreachable!("no closure has such a signature"),
        }
    }
}

/// What closures of one signature need.
pub(crate) struct Closed {
    pub(crate) signature: Signature,
    /// At which byte of the slots each argument is.
    pub(crate) places: Box<[u32]>,
    /// The first of them, with others if there are fewer.
    pub(crate) first: [u32; SHORT],
    /// The slots of arguments whose second word is in the next slot, a bit each.
    pub(crate) split: u64,
}

impl Closed {
    /// For calls of this signature. No callback is variadic, which is an error where arguments of
    /// the variable part go elsewhere.
    fn new(called: &Signature, outcome: Outcome) -> Result<Closed, Error> {
        let signature = Signature::new(called.params(), called.results())?;
        let [there, here] = [Layout::new(called, ABI)?, Layout::new(&signature, ABI)?];
        if there.params() != here.params() {
            return Err(Error::VariadicCallback);
        }
        let result: Vec<_> = match outcome {
            // The function returns the address that it gets.
            Outcome::Memory => vec![ValType::Ptr.into()],
            _ => signature.results().into_iter().collect(),
        };
        let make = |params: &[Vec<Type<'_>>]| Signature::new(params.concat(), &result);
        let floats = Layout::new(&Signature::new([ValType::F64; 8], &result)?, ABI)?;
        let types = signature.params().into_iter().zip(here.params());
        let mut params: Vec<_> = types
            .map(|(ty, at)| words(&ty, at, &floats).unwrap_or_else(|| vec![whole(ty)]))
            .collect();
        let mut split_up = make(&params);
        let layout = split_up.as_ref().ok().and_then(|split_up| Layout::new(split_up, ABI).ok());
        let same = layout.is_some_and(|layout| locations(&layout).eq(locations(&here)));
        // There is a bit for each slot.
        if !same || params.iter().map(slots).sum::<usize>() > u64::BITS as usize {
            params = signature.params().into_iter().map(|ty| vec![whole(ty)]).collect();
            split_up = make(&params);
        }

        let (mut places, mut split, mut slot) = (Vec::new(), 0, 0);
        for param in &params {
            places.push((slot * size_of::<ValRaw>()) as u32);
            if param.len() > 1 {
                split |= 1 << slot;
            }
            slot += slots(param);
        }
        // The address is for no argument of the program's.
        if let Outcome::Memory = outcome {
            places.remove(0);
        }
        let first = array::from_fn(|i| places.get(i).copied().unwrap_or(0));
        Ok(Closed { signature: split_up?, places: places.into(), first, split })
    }
}

/// How many slots of a closure these fill.
fn slots(types: &Vec<Type<'_>>) -> usize {
    types.iter().map(|ty| ty.size(ABI).div_ceil(size_of::<ValRaw>())).sum()
}

/// Where all pieces of all arguments go.
fn locations(layout: &Layout) -> impl Iterator<Item = Location> {
    layout.params().iter().flat_map(|param| param.pieces()).map(|piece| piece.location)
}

/// Scalars of eight bytes in place of a structure that goes to one or two registers: a callback
/// of these has no plan, and two words are put together faster here. `floats` says which registers
/// are for floats.
fn words(ty: &Type<'_>, at: &Placement, floats: &Layout) -> Option<Vec<Type<'static>>> {
    let pieces = at.pieces();
    if cfg!(target_endian = "big")
        || ty.scalar().is_some()
        || at.by_reference()
        || !matches!(pieces.len(), 1 | 2)
    {
        return None;
    }
    let word = |(index, piece): (usize, &Piece)| {
        let float = locations(floats).any(|location| location == piece.location);
        let register = matches!(piece.location, Location::Register(_));
        let word = register && piece.size <= 8 && piece.offset as usize == 8 * index;
        word.then_some(if float { ValType::F64 } else { ValType::I64 }.into())
    };
    pieces.iter().enumerate().map(word).collect()
}

/// A scalar of eight bytes that goes where this one does, as a closure's function reads no more
/// of it than there is. So the callback need not clear what is above.
fn whole(ty: Type<'_>) -> Type<'_> {
    use ValType::*;
    // Apple packs the words of the stack.
    if cfg!(target_vendor = "apple") {
        return ty;
    }
    match ty.scalar() {
        Some(I8 | U8 | I16 | U16 | I32 | U32) => I64.into(),
        // Elsewhere a small float is in another part of its register, or has ones above it.
        Some(F32) if cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) => F64.into(),
        _ => ty,
    }
}

/// The signature that a program asks for.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    /// How many parameters precede the variable part.
    named: Option<usize>,
    result: *mut FfiType,
    params: &'a [*mut FfiType],
}

impl<'a> Wanted<'a> {
    /// Spells the signature: gives each of its words to a function, until that says false.
    ///
    /// # Safety
    ///
    /// The types have a key.
    unsafe fn spell(self, mut word: impl FnMut(u64) -> bool) -> bool {
        let types = iter::once(&self.result).chain(self.params);
        word(self.named.map_or(u64::MAX, |named| named as u64))
            // SAFETY: they are the program's or ours.
            && types.into_iter().all(|ty| unsafe { spell(*ty, &mut word) })
    }

    /// Whether this is how the signature is spelled.
    ///
    /// # Safety
    ///
    /// The types have a key.
    #[inline(never)]
    unsafe fn is(self, spelling: &[u64]) -> bool {
        let mut rest = spelling.iter();
        // SAFETY: our own condition.
        unsafe { self.spell(|word| rest.next() == Some(&word)) }
    }

    fn params(self) -> impl Iterator<Item = &'a FfiType> + Clone {
        // SAFETY: each is a type of the program, which `key` has completed.
        self.params.iter().map(|ty| unsafe { &**ty })
    }

    /// # Safety
    ///
    /// The types have this key.
    #[cold]
    unsafe fn interface(self, key: Key) -> Option<Box<Interface>> {
        let mut spelling = Vec::new();
        // SAFETY: our own condition.
        let spelled = key.is_exact()
            || unsafe {
                self.spell(|word| {
                    spelling.push(word);
                    true
                })
            };
        let types: Option<Vec<_>> = self.params().map(FfiType::to_type).collect();
        let types = types.filter(|_| spelled)?;
        // SAFETY: our own condition.
        let result = unsafe { &*self.result };
        let mut outcome = Outcome::new(result);
        let result = match result.kind {
            kind::VOID => None,
            _ => Some(result.to_type()?),
        };
        let mut signature = signature(self.named, &types, result).ok()?;
        let arguments: Box<[_]> = self.params().map(Argument::new).collect();
        if let (Outcome::Bytes(_), Some(other)) = (outcome, with_pointer(&signature)) {
            (signature, outcome) = (other, Outcome::Memory);
        }
        let trampoline = CTrampoline::for_slots(&signature).ok()?;
        Some(Box::new(Interface {
            key,
            closed: Closed::new(&signature, outcome).ok(),
            spelling: spelling.into(),
            next: null(),
            call: call::choose(&arguments, outcome, trampoline.slots()),
            trampoline,
            arguments,
            outcome,
        }))
    }
}

fn signature(
    named: Option<usize>,
    params: &[Type<'_>],
    result: Option<Type<'_>>,
) -> Result<Signature, Error> {
    // Programs call variadic functions by plain cifs, too.
    match named.or(COUNTED.then_some(params.len())) {
        Some(named) => Signature::variadic(&params[..named], &params[named..], result),
        None => Signature::new(params, result),
    }
}

/// The signature that has in place of a result in memory the address for it as its first
/// parameter, where that goes where the convention has it, and all others go where they do.
fn with_pointer(plain: &Signature) -> Option<Signature> {
    let pointer = [ValType::Ptr.into()];
    let params: Vec<_> = pointer.into_iter().chain(plain.params()).collect();
    let other = signature(plain.named().map(|named| named + 1), &params, None).ok()?;
    let [there, here] = [Layout::new(plain, ABI).ok()?, Layout::new(&other, ABI).ok()?];
    let (first, rest) = here.params().split_first()?;
    (first.location() == there.return_pointer() && rest == there.params()).then_some(other)
}

const BUCKETS: usize = 1024;
/// By key, the last one of a list.
static TABLE: [AtomicPtr<Interface>; BUCKETS] = [const { AtomicPtr::new(null_mut()) }; BUCKETS];

/// The interface in this list that has this key and another property.
#[inline(always)]
fn find(
    mut list: *const Interface,
    key: Key,
    also: impl Fn(&Interface) -> bool,
) -> Option<&'static Interface> {
    // SAFETY: what is in the table is never freed or changed.
    while let Some(interface) = unsafe { list.as_ref() } {
        if interface.key == key && also(interface) {
            return Some(interface);
        }
        list = interface.next;
    }
    None
}

/// The interface for a signature of few scalars, if there is one already.
///
/// # Safety
///
/// The types are the program's or ours.
#[inline(always)]
unsafe fn find_scalars(wanted: Wanted<'_>) -> Option<&'static Interface> {
    // SAFETY: our own condition.
    let key = unsafe { Key::of_scalars(wanted.named, wanted.result, wanted.params)? };
    find(TABLE[key.bucket::<BUCKETS>()].load(Acquire), key, |_| true)
}

/// The interface for a signature, which is made if there is none. No type of the crate, or no
/// trampoline, is a bad type.
///
/// # Safety
///
/// The types are the program's or ours, or null.
#[inline(never)]
unsafe fn find_or_make(wanted: Wanted<'_>) -> Result<&'static Interface, Status> {
    // SAFETY: our own condition.
    let key = unsafe { Key::new(wanted.named, wanted.result, wanted.params)? };
    if let Some(named) = wanted.named {
        let variable = Wanted { params: &wanted.params[named..], ..wanted };
        if variable.params().any(promoted) {
            return Err(Status::BadArgtype);
        }
    }
    let last = &TABLE[key.bucket::<BUCKETS>()];
    let (mut made, mut head) = (None, last.load(Acquire));
    loop {
        // SAFETY: the types have a key.
        let also = |it: &Interface| key.is_exact() || unsafe { wanted.is(&it.spelling) };
        if let Some(interface) = find(head, key, also) {
            return Ok(interface);
        }
        // SAFETY: as above.
        let make = || unsafe { wanted.interface(key) }.ok_or(Status::BadTypedef);
        let mut interface = made.take().map_or_else(make, Ok)?;
        interface.next = head;
        let new = Box::into_raw(interface);
        match last.compare_exchange(head, new, Release, Acquire) {
            // SAFETY: it is in the table now.
            Ok(_) => return Ok(unsafe { &*new }),
            Err(there) => {
                // SAFETY: it has not been put into the table, so it is still ours.
                made = Some(unsafe { Box::from_raw(new) });
                head = there;
            }
        }
    }
}

impl Cif {
    /// What its calls need.
    pub(crate) fn interface(&self) -> &'static Interface {
        // SAFETY: a program uses a cif after it has been prepared, when this is an entry of the
        // table.
        unsafe { &*self.interface }
    }

    pub(crate) fn arg_types(&self) -> impl Iterator<Item = &FfiType> {
        let types = (0..self.nargs as usize).map(|i| self.arg_types.wrapping_add(i));
        // SAFETY: the types that the cif was prepared with.
        types.map(|ty| unsafe { &**ty })
    }

    pub(crate) fn rtype(&self) -> &FfiType {
        // SAFETY: the type that the cif was prepared with.
        unsafe { &*self.rtype }
    }
}

/// Prepares a cif.
///
/// # Safety
///
/// The cif may be written to; the types are the program's or ours, and so many.
#[inline(always)]
unsafe fn prep(
    cif: *mut Cif,
    abi: c_uint,
    named: Option<c_uint>,
    nargs: c_uint,
    rtype: *mut FfiType,
    arg_types: *mut *mut FfiType,
) -> Result<(), Status> {
    if abi != DEFAULT_ABI {
        return Err(Status::BadAbi);
    }
    let named = named.map(|named| named.min(nargs) as usize);
    let params: &[*mut FfiType] = match nargs {
        0 => &[],
        // SAFETY: our own condition.
        _ => unsafe { slice::from_raw_parts(arg_types, nargs as usize) },
    };
    let wanted = Wanted { named, result: rtype, params };
    // SAFETY: our own condition.
    let interface = match unsafe { find_scalars(wanted) } {
        Some(interface) => interface,
        // SAFETY: our own condition.
        None => unsafe { find_or_make(wanted)? },
    };
    // SAFETY: our own condition.
    unsafe {
        cif.write(Cif {
            abi,
            nargs,
            arg_types,
            rtype,
            interface,
            #[cfg(target_arch = "riscv64")]
            unused: [0; 2],
            #[cfg(all(target_arch = "aarch64", target_vendor = "apple"))]
            unused: 0,
        });
    }
    Ok(())
}

/// Whether C promotes an argument of this type in the variable part.
fn promoted(ty: &FfiType) -> bool {
    let aggregate = matches!(ty.kind, kind::STRUCT | kind::COMPLEX);
    ty.kind == kind::FLOAT || !aggregate && ty.size < size_of::<std::ffi::c_int>()
}

/// Prepares a cif of a function that is not variadic.
///
/// # Safety
///
/// As libffi's manual has it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ffi_prep_cif(
    cif: *mut Cif,
    abi: c_uint,
    nargs: c_uint,
    rtype: *mut FfiType,
    arg_types: *mut *mut FfiType,
) -> Status {
    // SAFETY: the program's promises.
    unsafe { prep(cif, abi, None, nargs, rtype, arg_types) }.into()
}

/// Prepares a cif of one call of a variadic function.
///
/// # Safety
///
/// As libffi's manual has it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ffi_prep_cif_var(
    cif: *mut Cif,
    abi: c_uint,
    named: c_uint,
    nargs: c_uint,
    rtype: *mut FfiType,
    arg_types: *mut *mut FfiType,
) -> Status {
    // SAFETY: the program's promises.
    unsafe { prep(cif, abi, Some(named), nargs, rtype, arg_types) }.into()
}

/// Offsets of the fields of a structure, whose size and alignment are filled in.
///
/// # Safety
///
/// As libffi's manual has it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ffi_get_struct_offsets(
    abi: c_uint,
    ty: *mut FfiType,
    offsets: *mut usize,
) -> Status {
    if abi != DEFAULT_ABI {
        return Status::BadAbi;
    }
    // SAFETY: a type of the program.
    if unsafe { (*ty).kind } != kind::STRUCT {
        return Status::BadTypedef;
    }
    let mut next = offsets;
    let offset = |offset| {
        if !offsets.is_null() {
            // SAFETY: the program has room for as many offsets as there are fields.
            unsafe { next.write(offset) };
            next = next.wrapping_add(1);
        }
    };
    // SAFETY: the program's promises.
    unsafe { crate::types::measure(ty, offset) }.into()
}

/// A plan of libffi 3.7 is what a cif already has. It lasts for ever.
///
/// # Safety
///
/// The cif has been prepared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ffi_call_plan_alloc(cif: *const Cif) -> *const c_void {
    // SAFETY: our own condition.
    (&raw const *unsafe { &*cif }.interface()).cast()
}

/// Nothing is to be freed.
#[unsafe(no_mangle)]
pub extern "C" fn ffi_call_plan_free(_: *const c_void) {}

/// Of an entry that other plans and cifs share, which is what a plan is.
#[unsafe(no_mangle)]
pub extern "C" fn ffi_call_plan_size(plan: *const c_void) -> usize {
    if plan.is_null() { 0 } else { size_of::<Interface>() }
}
