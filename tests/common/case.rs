//! A signature with values, called through the recorder and judged by its
//! layout.

use std::ffi::c_void;

use proptest::prelude::*;
use vmtrampoline::{
    Abi, CTrampoline, Descriptor, Error, Layout, Signature, Slot, Trampoline, VMTrampoline, ValRaw,
    ValType,
    private::{Convention, Shape},
};

use super::{
    descriptor_judge::constant,
    guard_pages::{Edge, Guarded},
    port,
    random::Random,
    recorder::{self, Recording, Unused, checked, record},
    scalars,
    strategies::{passes, types_of},
};

/// A call: everything else follows from these.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) convention: Convention,
    pub(crate) signature: Signature,
    /// All values are made from this,
    pub(crate) seed: u64,
    /// but not these: the results, then what the slots hold before the call, from the
    /// first on.
    pub(crate) chosen: Vec<u128>,
}

/// How a call is made.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Route {
    /// By the method `call`.
    Method,
    /// By its body in the assembly, straight from the checker of callee-saved
    /// registers: a method is Rust, which saves what it uses, so that behind it
    /// nothing would be missed.
    Body,
    /// By this function pointer, straight from that checker.
    Pointer(VMTrampoline),
    /// Like `Body`, but by this function, which claims to be the body.
    Liar(*const c_void),
    /// Like `Body`, but by this function, which is `leavable` or claims to be.
    Leavable(*const c_void),
}

impl Route {
    pub(crate) const BOTH: [Route; 2] = [Route::Method, Route::Body];
}

/// A trampoline of either convention, for an array of these slots.
#[derive(Debug)]
pub(crate) enum EitherTrampoline<S = ValRaw> {
    Vm(Trampoline<S>),
    C(CTrampoline<S>),
}

/// A slot that knows its bytes.
pub(crate) trait SlotBits: Slot {
    /// The slot that begins as these do.
    fn new(bits: u128) -> Self;

    fn bits(self) -> u128;
}

impl SlotBits for ValRaw {
    fn new(bits: u128) -> ValRaw {
        ValRaw::v128(bits)
    }

    fn bits(self) -> u128 {
        self.get_v128()
    }
}

impl SlotBits for u64 {
    fn new(bits: u128) -> u64 {
        (bits as u64).to_le()
    }

    fn bits(self) -> u128 {
        u64::from_le(self).into()
    }
}

/// A landing place, as the assembly sees it.
#[derive(Debug, PartialEq)]
#[repr(C)]
pub(crate) struct LandingPlace {
    pub(crate) sp: usize,
    body: *const c_void,
    word: usize,
}

impl LandingPlace {
    /// One that no call uses.
    pub(crate) fn new(body: *const c_void) -> LandingPlace {
        LandingPlace { sp: 0, body, word: 0x5a5a }
    }
}

/// Where slots and descriptor lie during a call.
#[derive(Debug)]
pub(crate) struct Ground {
    slots: Guarded,
    descriptor: Guarded,
}

/// The row of this convention on this machine.
pub(crate) fn abi(convention: Convention) -> &'static Abi {
    let abi = match convention {
        Convention::Vm => Abi::HOST_VM,
        Convention::C => Abi::HOST_C,
    };
    abi.expect("a port has conventions")
}

/// The signature of this text, with `i64` for what the convention cannot pass.
pub(crate) fn signature(convention: Convention, text: &str) -> Signature {
    let signature: Signature = text.parse().expect(text);
    let types = |types: &[ValType]| {
        let passed = |ty| if passes(abi(convention), ty) { ty } else { ValType::I64 };
        types.iter().copied().map(passed).collect::<Vec<_>>()
    };
    Signature::new(types(&scalars::params(&signature)), types(&scalars::results(&signature)))
        .expect(text)
}

/// The symbols of the assembly.
mod bodies {
    symbols! { bare short_cut fixed variable }
}

impl EitherTrampoline {
    pub(crate) fn new(
        convention: Convention,
        signature: &Signature,
        shape: Shape,
    ) -> Result<EitherTrampoline, Error> {
        EitherTrampoline::for_slots(convention, signature, shape)
    }

    /// One for every shape that can take the signature, shortest first.
    pub(crate) fn all(convention: Convention, signature: &Signature) -> Vec<EitherTrampoline> {
        EitherTrampoline::all_for_slots(convention, signature)
    }
}

impl EitherTrampoline<u64> {
    /// [`EitherTrampoline::all`] for 8-byte slots; none if they are too small.
    pub(crate) fn small(
        convention: Convention,
        signature: &Signature,
    ) -> Vec<EitherTrampoline<u64>> {
        let (params, results) = (scalars::params(signature), scalars::results(signature));
        if params.iter().chain(&results).any(|ty| *ty == ValType::V128) {
            return Vec::new();
        }
        EitherTrampoline::all_for_slots(convention, signature)
    }
}

impl<S: Slot> EitherTrampoline<S> {
    fn for_slots(
        convention: Convention,
        signature: &Signature,
        shape: Shape,
    ) -> Result<EitherTrampoline<S>, Error> {
        Ok(match convention {
            Convention::Vm => {
                EitherTrampoline::Vm(Trampoline::for_slots_with_shape(signature, shape)?)
            }
            Convention::C => {
                EitherTrampoline::C(CTrampoline::for_slots_with_shape(signature, shape)?)
            }
        })
    }

    fn all_for_slots(convention: Convention, signature: &Signature) -> Vec<EitherTrampoline<S>> {
        let mut trampolines: Vec<EitherTrampoline<S>> = Vec::new();
        for shape in Shape::ALL {
            let trampoline =
                EitherTrampoline::for_slots(convention, signature, shape).expect("it fits");
            if trampolines.last().is_none_or(|last| last.shape() != trampoline.shape()) {
                trampolines.push(trampoline);
            }
        }
        trampolines
    }

    pub(crate) fn shape(&self) -> Shape {
        match self {
            EitherTrampoline::Vm(trampoline) => trampoline.shape(),
            EitherTrampoline::C(trampoline) => trampoline.shape(),
        }
    }

    pub(crate) fn descriptor(&self) -> &Descriptor {
        match self {
            EitherTrampoline::Vm(trampoline) => trampoline.descriptor(),
            EitherTrampoline::C(trampoline) => trampoline.descriptor(),
        }
    }

    /// The address of its body.
    pub(crate) fn body(&self) -> *const c_void {
        body(self.shape())
    }

    /// # Safety
    ///
    /// Those of [`Trampoline::call`] and [`CTrampoline::call`].
    pub(crate) unsafe fn call(
        &self,
        [callee, caller]: [usize; 2],
        target: *const c_void,
        slots: &mut [S],
    ) -> Result<(), Error> {
        match self {
            // SAFETY: our own conditions.
            EitherTrampoline::Vm(trampoline) => unsafe {
                trampoline.call(callee as *mut _, caller as *mut _, target.cast(), slots)
            },
            // SAFETY: our own conditions.
            EitherTrampoline::C(trampoline) => unsafe { trampoline.call(target, slots) },
        }
    }
}

/// The address of the body of this shape.
pub(crate) fn body(shape: Shape) -> *const c_void {
    let body: unsafe extern "C" fn() = match shape {
        Shape::Bare => bodies::bare,
        Shape::ShortCut => bodies::short_cut,
        Shape::Fixed => bodies::fixed,
        Shape::Variable => bodies::variable,
    };
    body as *const c_void
}

/// The value of this type at the start of a slot.
pub(crate) fn value(slot: u128, ty: ValType) -> u128 {
    slot & (u128::MAX >> (128 - 8 * scalars::size(ty)))
}

/// Calls of at most so many parameters and results.
pub(crate) fn cases(
    convention: Convention,
    params: usize,
    results: usize,
) -> impl Strategy<Value = Case> {
    let (abi, seed) = (abi(convention), any::<u64>());
    (types_of(abi, params), types_of(abi, results), seed).prop_map(
        move |(params, results, seed)| {
            Case::new(convention, Signature::new(params, results).unwrap(), seed)
        },
    )
}

impl Ground {
    pub(crate) fn new() -> Ground {
        Ground { slots: Guarded::new(), descriptor: Guarded::new() }
    }
}

impl Case {
    pub(crate) fn new(convention: Convention, signature: Signature, seed: u64) -> Case {
        Case { convention, signature, seed, chosen: Vec::new() }
    }

    /// Sixteen random bytes; `kind` and `index` tell them apart.
    fn bits(&self, kind: u64, index: usize) -> u128 {
        let mut random = Random::at(self.seed, kind << 32 | (index as u64) << 1);
        u128::from(random.word()) << 64 | u128::from(random.word())
    }

    pub(crate) fn contexts(&self) -> [usize; 2] {
        [self.bits(1, 0) as usize, self.bits(1, 1) as usize]
    }

    /// What the first two integer argument registers hold: the contexts, or, in
    /// plain C, parameters.
    pub(crate) fn first_integers(&self, layout: &Layout) -> [usize; 2] {
        let nothing = Signature::new(ValType::NONE, ValType::NONE).unwrap();
        let registers = Layout::new(&nothing, abi(Convention::Vm)).unwrap();
        let mut integers = self.contexts();
        for (integer, register) in integers.iter_mut().zip(registers.contexts()) {
            if let Some(i) =
                scalars::locations(layout.params()).iter().position(|at| at == register)
            {
                *integer = self.slots(i + 1)[i] as usize;
                if port::EXTENDS && scalars::params(&self.signature)[i] == ValType::I32 {
                    *integer = *integer as i32 as usize;
                }
            }
        }
        integers
    }

    /// What the slots hold before the call: random bytes everywhere, or chosen ones.
    pub(crate) fn slots(&self, count: usize) -> Vec<u128> {
        let results = self.signature.results().len();
        let chosen = |i: usize| self.chosen.get(results + i).copied();
        (0..count).map(|i| chosen(i).unwrap_or_else(|| self.bits(2, i))).collect()
    }

    /// What the target returns.
    pub(crate) fn results(&self) -> Vec<u128> {
        let types = scalars::results(&self.signature).into_iter().enumerate();
        let bits = |i| self.chosen.get(i).copied().unwrap_or_else(|| self.bits(3, i));
        types.map(|(i, ty)| value(bits(i), ty)).collect()
    }

    /// What the slots hold after the call.
    pub(crate) fn slots_after(&self, count: usize) -> Vec<u128> {
        let mut slots = self.slots(count);
        let results = scalars::results(&self.signature).into_iter().zip(self.results());
        for (slot, (ty, result)) in slots.iter_mut().zip(results) {
            // A scalar fills bytes 0..8, the others stay.
            *slot = if ty == ValType::V128 { result } else { *slot >> 64 << 64 | result };
        }
        slots
    }

    /// Where the values go.
    pub(crate) fn layout(&self) -> Layout {
        Layout::new(&self.signature, abi(self.convention)).expect("it fits")
    }

    /// Makes the call in every shape that can, with slots of both sizes if the
    /// values fit, by both routes, with the slots at both edges of the memory.
    /// Returns the shapes, or says what was wrong.
    pub(crate) fn check(&self) -> Result<Vec<Shape>, String> {
        let shapes = self.check_all(&EitherTrampoline::all(self.convention, &self.signature))?;
        let small = self.check_all(&EitherTrampoline::small(self.convention, &self.signature))?;
        ensure!(small.is_empty() || small == shapes, "{shapes:?}, but {small:?} with 8-byte slots");
        Ok(shapes)
    }

    fn check_all<S: SlotBits>(
        &self,
        trampolines: &[EitherTrampoline<S>],
    ) -> Result<Vec<Shape>, String> {
        let (layout, ground) = (self.layout(), Ground::new());
        for trampoline in trampolines {
            for route in Route::BOTH {
                for edge in Edge::BOTH {
                    self.call(&layout, trampoline, route, edge, &ground)?;
                }
            }
        }
        Ok(trampolines.iter().map(EitherTrampoline::shape).collect())
    }

    /// Makes the call, and judges it by this layout.
    pub(crate) fn call<S: SlotBits>(
        &self,
        layout: &Layout,
        trampoline: &EitherTrampoline<S>,
        route: Route,
        edge: Edge,
        ground: &Ground,
    ) -> Result<(), String> {
        self.judge(layout, trampoline, route, edge, ground).map_err(|error| {
            let (case, shape, size) = (&self.signature, trampoline.shape(), size_of::<S>());
            format!(
                "{case}, {:?}, {shape:?} by {route:?}, {size}-byte slots at {edge:?}: {error}",
                self.convention
            )
        })
    }

    fn judge<S: SlotBits>(
        &self,
        layout: &Layout,
        trampoline: &EitherTrampoline<S>,
        route: Route,
        edge: Edge,
        ground: &Ground,
    ) -> Result<(), String> {
        // Where memory begins there is room for slots that are not needed.
        let count = scalars::slots(&self.signature) + if edge == Edge::Start { 2 } else { 0 };
        let slots: Vec<_> = self.slots(count).into_iter().map(S::new).collect();
        let slots = ground.slots.put(edge, &slots);
        let results = self.results();

        // Calls at both edges see both.
        let unused = Unused::BOTH[edge as usize];
        let (mut left, mut intact, mut dead) = (None, true, true);
        let recording = record(layout, &results, |target| match route {
            Route::Method => {
                // SAFETY: `put` has put them there, for us alone.
                let slots = unsafe { std::slice::from_raw_parts_mut(slots, count) };
                // SAFETY: the recorder fits every signature.
                let called = unsafe { trampoline.call(self.contexts(), target, slots) };
                called.expect("enough slots");
            }
            Route::Body | Route::Liar(_) | Route::Leavable(_) => {
                let function = match route {
                    Route::Liar(function) | Route::Leavable(function) => function,
                    _ => trampoline.body(),
                };
                let words = self.descriptor_words(trampoline);
                let descriptor = ground.descriptor.put(edge, &words);
                let [callee, caller] = self.first_integers(layout);
                let mut place = LandingPlace::new(trampoline.body());
                let mut arguments =
                    vec![callee, caller, target as usize, slots as usize, descriptor as usize];
                if let Route::Leavable(_) = route {
                    arguments.push((&raw mut place) as usize);
                }
                // SAFETY: the recorder fits every signature, and the body is
                // that of the descriptor, which may lie anywhere.
                left = Some(unsafe { checked(function, &arguments, unused) });
                dead = place == LandingPlace::new(trampoline.body());
                // SAFETY: `put` has put them there.
                let after = unsafe { std::slice::from_raw_parts(descriptor, words.len()) };
                intact = words == after;
            }
            Route::Pointer(pointer) => {
                let [callee, caller] = self.contexts();
                let arguments = [callee, caller, target as usize, slots as usize];
                // SAFETY: the recorder fits every signature.
                left = Some(unsafe { checked(pointer as *const c_void, &arguments, unused) });
            }
        });

        self.judge_arguments(layout, &recording)?;
        ensure!(intact, "the descriptor has changed");
        ensure!(dead, "the landing place is not as it was");
        let mut after = self.slots_after(count);
        if let Some(left) = left {
            ensure!(left.lost.is_empty(), "lost: {}", left.lost.join(", "));
            let changed = recording.changed_controls();
            ensure!(changed.is_empty(), "the target found changed: {}", changed.join(", "));
            let first = scalars::locations(layout.results())
                .into_iter()
                .zip(scalars::results(&self.signature));
            let leaves_vector = port::LEAVES_VECTORS && trampoline.shape() < Shape::Variable;
            let first = first.take(1).find(|(_, ty)| *ty != ValType::V128 || leaves_vector);
            if let (Route::Body | Route::Liar(_) | Route::Leavable(_), Some((at, ty))) =
                (route, first)
            {
                // It leaves result 0 in its register, and the slot alone unless it stores that, too.
                if !(port::VARIABLE_STORES && trampoline.shape() == Shape::Variable) {
                    after[0] = self.slots(1)[0];
                }
                let width = if ty == ValType::V128 { u128::MAX } else { u64::MAX.into() };
                let (is, must) = (left.bits(at), port::register(results[0], ty));
                ensure!((is ^ must) & width == 0, "left in {at}: {is:#x}, not {must:#x}");
            }
        }
        for (i, must) in after.into_iter().enumerate() {
            // SAFETY: slot i of count.
            let (is, must) = (unsafe { *slots.add(i) }.bits(), S::new(must).bits());
            ensure!(is == must, "slot {i} afterwards: {is:#034x}, not {must:#034x}");
        }
        Ok(())
    }

    /// What the target was given.
    pub(crate) fn judge_arguments(
        &self,
        layout: &Layout,
        recording: &Recording,
    ) -> Result<(), String> {
        ensure!(recording.calls == 1, "the target was called {} times", recording.calls);
        let align = port::STACK_ALIGNMENT;
        ensure!(recording.sp % align == 0, "the stack pointer at the call was {:#x}", recording.sp);
        for (i, (&at, context)) in layout.contexts().iter().zip(self.contexts()).enumerate() {
            let is = recording.read(at, ValType::I64);
            ensure!(is == context as u128, "context {i} in {at}: {is:#x}, not {context:#x}");
        }
        let params =
            scalars::locations(layout.params()).into_iter().zip(scalars::params(&self.signature));
        for (i, ((at, ty), slot)) in params.zip(self.slots(layout.params().len())).enumerate() {
            let (is, must) = (recording.read(at, ty), value(slot, ty));
            ensure!(is == must, "p{i} in {at}: {is:#x}, not {must:#x}");
        }
        if let Some(pointer) = recording.return_pointer {
            let lowest = recording.sp + layout.argument_area() as usize;
            ensure!(
                pointer % align == 0 && (lowest..lowest + recorder::FRAME).contains(&pointer),
                "return pointer {pointer:#x}, stack pointer {:#x}",
                recording.sp
            );
        }
        Ok(())
    }

    /// The descriptor as far as the assembly may read it: without the types,
    /// which end its lists, and what is reserved beyond them.
    fn descriptor_words<S: Slot>(&self, trampoline: &EitherTrampoline<S>) -> Vec<u64> {
        let descriptor = trampoline.descriptor();
        // SAFETY: a descriptor is aligned to 8 and has no padding.
        let words = |len: usize| unsafe {
            std::slice::from_raw_parts((&raw const *descriptor).cast::<u64>(), len)
        };
        let header = words(size_of::<Descriptor<[u16; 0]>>() / 8);
        let entry = |byte: usize| (header[byte / 8].to_ne_bytes()[byte % 8], byte);
        let at = constant("D_SIGNATURE");
        let entries = u16::from_ne_bytes([entry(at).0, entry(at + 1).0]);
        // The entries of the signature are more than those that fill up eight bytes.
        words(header.len() + usize::from(entries).div_ceil(4)).to_vec()
    }
}
