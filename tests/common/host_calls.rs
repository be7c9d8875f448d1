//! Judges what the host is given when native code calls it.

use std::{ffi::c_void, mem::transmute, ptr::null_mut};

use vmtrampoline::{
    ArrayCall, Callback, HostFunc, Layout, Location, Signature, VMContext, VMOpaqueContext, ValRaw,
    ValType,
    private::{Convention, Shape},
};

use super::{
    case::{Case, EitherTrampoline, SlotBits, abi, signature, value},
    every_path::{HOST_SIGNATURES, wide},
    guard_pages::{Edge, Guarded},
    port,
    recorder::{POISON, Unused, checked, native, record},
    scalars,
};

/// A host function of either convention.
#[derive(Debug)]
pub(crate) enum EitherHost<'f> {
    Vm(HostFunc<'f>),
    C(Callback<'f>),
}

impl<'f> EitherHost<'f> {
    /// By the shortest entry that can serve the signature, or by the one that
    /// serves all.
    pub(crate) const SHAPES: [Shape; 2] = [Shape::Bare, Shape::Variable];

    /// # Safety
    ///
    /// As for [`HostFunc::from_raw`].
    pub(crate) unsafe fn raw(
        convention: Convention,
        signature: &Signature,
        shape: Shape,
        function: ArrayCall,
        data: *mut c_void,
    ) -> EitherHost<'f> {
        // SAFETY: our own conditions.
        unsafe {
            match convention {
                Convention::Vm => {
                    EitherHost::Vm(HostFunc::with_shape(signature, shape, function, data).unwrap())
                }
                Convention::C => {
                    EitherHost::C(Callback::with_shape(signature, shape, function, data).unwrap())
                }
            }
        }
    }

    pub(crate) fn closure(
        convention: Convention,
        signature: &Signature,
        function: impl Fn(*mut VMContext, &mut [ValRaw]) + Send + Sync + 'f,
    ) -> EitherHost<'f> {
        match convention {
            Convention::Vm => EitherHost::Vm(HostFunc::new(signature, function).unwrap()),
            Convention::C => {
                let function = move |slots: &mut [ValRaw]| function(null_mut(), slots);
                EitherHost::C(Callback::new_unwind(signature, function).unwrap())
            }
        }
    }

    pub(crate) fn code(&self) -> *const c_void {
        match self {
            EitherHost::Vm(function) => function.code().cast(),
            EitherHost::C(callback) => callback.code(),
        }
    }

    pub(crate) fn context(&self) -> *mut VMOpaqueContext {
        match self {
            EitherHost::Vm(function) => function.context(),
            EitherHost::C(callback) => callback.context(),
        }
    }
}

/// What a host function is to be given, and was.
struct Judge<'a> {
    case: &'a Case,
    /// Callee context and caller context.
    contexts: [usize; 2],
    calls: usize,
    wrong: Vec<String>,
}

impl Judge<'_> {
    fn equal(&mut self, what: &str, is: u128, must: u128) {
        if is != must {
            self.wrong.push(format!("{what} is {is:#x}, not {must:#x}"));
        }
    }

    fn call(&mut self, contexts: [usize; 2], slots: *mut ValRaw, count: usize) {
        self.calls += 1;
        self.equal("the callee context", contexts[0] as u128, self.contexts[0] as u128);
        self.equal("the caller context", contexts[1] as u128, self.contexts[1] as u128);
        self.equal("the slots' alignment", slots as u128 % 16, 0);
        self.equal(
            "the number of slots",
            count as u128,
            scalars::slots(&self.case.signature) as u128,
        );
        if !self.wrong.is_empty() {
            return;
        }
        // SAFETY: so many slots, as E8 has it and we have just compared.
        let slots = unsafe { std::slice::from_raw_parts_mut(slots, count) };
        let types = scalars::params(&self.case.signature);
        let params = types.into_iter().zip(self.case.slots(count)).zip(&*slots);
        for (i, ((ty, given), slot)) in params.enumerate() {
            let (is, must) = (value(slot.get_v128(), ty), value(given, ty));
            self.equal(&format!("parameter {i}"), is, must);
        }
        self.case.answer(slots);
    }
}

native! {
    unsafe fn judge(
        callee: *mut VMOpaqueContext,
        caller: *mut VMContext,
        slots: *mut ValRaw,
        count: usize,
    ) {
        // SAFETY: the context that `judged` has made; it waits for us.
        let judge = unsafe { &mut *HostFunc::data(callee).cast::<Judge<'_>>() };
        judge.call([callee as usize, caller as usize], slots, count);
    }
}

impl Case {
    /// Puts the results in the slots, and other bits in all the rest of them.
    pub(crate) fn answer(&self, slots: &mut [ValRaw]) {
        let noise = Case::new(self.convention, self.signature.clone(), !self.seed);
        for (slot, bits) in slots.iter_mut().zip(noise.slots(scalars::slots(&self.signature))) {
            *slot = ValRaw::v128(bits);
        }
        for ((slot, result), ty) in
            slots.iter_mut().zip(self.results()).zip(scalars::results(&self.signature))
        {
            *slot = ValRaw::v128(slot.get_v128() & !value(u128::MAX, ty) | result);
        }
    }

    /// Has native code call a host function of this signature: `call` is given
    /// the contexts and the code. The host function judges its arguments and
    /// returns the case's results.
    pub(crate) fn judged(
        &self,
        shape: Shape,
        call: impl FnOnce([usize; 2], *const c_void),
    ) -> Result<(), String> {
        let mut state = Judge { case: self, contexts: [0; 2], calls: 0, wrong: Vec::new() };
        let data = &raw mut state;
        // SAFETY: `judge` fits every signature, and this is its data, which we
        // leave alone until it has returned.
        let host =
            unsafe { EitherHost::raw(self.convention, &self.signature, shape, judge, data.cast()) };
        let caller = if self.convention == Convention::Vm { self.contexts()[1] } else { 0 };
        let contexts = [host.context() as usize, caller];
        // SAFETY: as above.
        unsafe { (*data).contexts = contexts };
        call(contexts, host.code());
        if state.calls != 1 {
            state.wrong.push(format!("it was called {} times", state.calls));
        }
        if state.wrong.is_empty() {
            return Ok(());
        }
        Err(format!("{}, {:?}, {shape:?}: {:?}", self.signature, self.convention, state.wrong))
    }

    /// The two directions against each other: a trampoline calls a host function,
    /// in all shapes of both, with slots of both sizes if the values fit.
    pub(crate) fn round_trips(&self) -> Result<(), String> {
        self.round_trips_of(&EitherTrampoline::all(self.convention, &self.signature))?;
        self.round_trips_of(&EitherTrampoline::small(self.convention, &self.signature))
    }

    fn round_trips_of<S: SlotBits>(
        &self,
        trampolines: &[EitherTrampoline<S>],
    ) -> Result<(), String> {
        let count = scalars::slots(&self.signature);
        let before: Vec<_> = self.slots(count).into_iter().map(S::new).collect();
        let compare = |what: &str, slots: &[S]| {
            for (i, (slot, must)) in slots.iter().zip(self.slots_after(count)).enumerate() {
                let (is, must) = (slot.bits(), S::new(must).bits());
                if is != must {
                    let (signature, convention, size) =
                        (&self.signature, self.convention, size_of::<S>());
                    return Err(format!(
                        "{signature}, {convention:?}, {what}, {size}-byte slots: \
                        slot {i} is {is:#034x}, not {must:#034x}"
                    ));
                }
            }
            Ok(())
        };
        for trampoline in trampolines {
            for shape in EitherHost::SHAPES {
                let mut slots = before.clone();
                self.judged(shape, |contexts, code| {
                    // SAFETY: the code is of this signature.
                    unsafe { trampoline.call(contexts, code, &mut slots) }.expect("enough slots");
                })?;
                compare(&format!("{:?}, {shape:?}", trampoline.shape()), &slots)?;
            }

            let given: Vec<_> = self.slots(count);
            let params = scalars::params(&self.signature);
            let seen = std::sync::Mutex::new((0, Vec::new()));
            let host = EitherHost::closure(self.convention, &self.signature, |caller, slots| {
                *seen.lock().unwrap() = (caller as usize, slots.to_vec());
                self.answer(slots);
            });
            let mut slots = before.clone();
            let contexts = [host.context() as usize, self.contexts()[1]];
            // SAFETY: the code is of this signature, and `host` alive.
            unsafe { trampoline.call(contexts, host.code(), &mut slots) }.expect("enough slots");
            compare("closure", &slots)?;
            drop(host);
            let (caller, seen) = seen.into_inner().unwrap();
            if self.convention == Convention::Vm && caller != contexts[1] {
                return Err(format!("{}, closure: its caller is {caller:#x}", self.signature));
            }
            for (i, ((slot, given), ty)) in seen.iter().zip(given).zip(&params).enumerate() {
                // A scalar is extended to eight bytes.
                let counts = if *ty == ValType::V128 { u128::MAX } else { u64::MAX.into() };
                let (is, must) = (slot.get_v128() & counts, value(given, *ty));
                if is != must {
                    return Err(format!(
                        "{}, closure: slot {i} is {is:#034x}, not {must:#034x}",
                        self.signature
                    ));
                }
            }
            if seen.len() != count {
                return Err(format!("{}: {} slots", self.signature, seen.len()));
            }
        }
        Ok(())
    }
}

/// Calls a host function, or a liar in its place, straight from the checker of
/// callee-saved registers, with integers in registers and the return area at the end of
/// the memory. The host function is the recorder, which overwrites all that it may and
/// leaves the slots alone: results are the parameters. Says what was wrong.
pub(crate) fn kept(
    convention: Convention,
    text: &str,
    shape: Shape,
    liar: Option<*const c_void>,
) -> Result<(), String> {
    Unused::BOTH.into_iter().try_for_each(|unused| kept_by(convention, text, shape, liar, unused))
}

fn kept_by(
    convention: Convention,
    text: &str,
    shape: Shape,
    liar: Option<*const c_void>,
    unused: Unused,
) -> Result<(), String> {
    let case = Case::new(convention, signature(convention, text), 1);
    let (layout, signature) = (case.layout(), &case.signature);
    let mut places = scalars::locations(layout.params()).into_iter().chain(layout.return_pointer());
    if places.any(|at| !matches!(at, Location::Register(_))) {
        return Ok(()); // the checker passes registers alone
    }
    // What a host function is given, as C has it.
    let given = "(i64, i64, i64, i64)".parse().unwrap();
    let given = Layout::new(&given, abi(Convention::C)).unwrap();
    let offsets = || {
        let results =
            scalars::locations(layout.results()).into_iter().zip(scalars::results(signature));
        results.enumerate().filter_map(|(i, (at, ty))| match at {
            Location::ReturnArea(offset) => Some((i, offset as usize, scalars::size(ty))),
            _ => None,
        })
    };
    let size = offsets().next_back().map_or(0, |(_, offset, size)| offset + size);
    let memory = Guarded::new();
    let area = memory.put(Edge::End, &vec![POISON as u8; size]);

    let slots = case.slots(scalars::slots(signature));
    let (mut left, mut contexts, mut changed) = (None, [0; 2], false);
    let recording = record(&given, &[], |recorder| {
        // SAFETY: the recorder fits every signature; it never uses its data.
        let function = unsafe { transmute::<*const c_void, ArrayCall>(recorder) };
        // SAFETY: as above.
        let host = unsafe { EitherHost::raw(convention, signature, shape, function, null_mut()) };
        let mut arguments: Vec<usize> = slots[..signature.params().len()]
            .iter()
            .map(|&slot| slot as usize)
            .chain((size > 0).then_some(area as usize))
            .collect();
        contexts[0] = host.context() as usize;
        if convention == Convention::Vm {
            contexts[1] = case.contexts()[1];
            arguments.splice(..0, contexts);
        }
        // SAFETY: the context is alive and longer than this.
        let context = || unsafe { host.context().cast::<[usize; 5]>().read_volatile() };
        let before = context();
        // SAFETY: the arguments of this signature, all in registers.
        left = Some(unsafe { checked(liar.unwrap_or(host.code()), &arguments, unused) });
        changed = context() != before;
    });
    let left = left.expect("a call");
    let mut wrong = Vec::new();
    let mut equal = |what: &str, is: u128, must: u128| {
        if is != must {
            wrong.push(format!("{what} is {is:#x}, not {must:#x}"));
        }
    };
    equal("the number of calls", recording.calls as u128, 1);
    equal("the stack pointer's alignment", recording.sp as u128 % 16, 0);
    equal("a change of the context", changed.into(), 0);
    if recording.calls != 0 {
        let read = |i: usize| recording.read(scalars::locations(given.params())[i], ValType::I64);
        equal("the callee context", read(0), contexts[0] as u128);
        equal("the caller context", read(1), contexts[1] as u128);
        equal("the slots' alignment", read(2) % 16, 0);
        equal("the number of slots", read(3), scalars::slots(signature) as u128);
    }
    let first =
        scalars::locations(layout.results()).into_iter().zip(scalars::results(signature)).next();
    if let Some((at, ty)) = first {
        equal("result 0", left.value(at, ty) as u64 as u128, value(slots[0], ty) as u64 as u128);
    }
    let mut must = vec![POISON as u8; size];
    for (i, offset, size) in offsets() {
        must[offset..offset + size].copy_from_slice(&native(slots[i], size));
    }
    // SAFETY: `put` has put it there.
    let is = unsafe { std::slice::from_raw_parts(area, size) };
    for (i, (&is, &must)) in is.iter().zip(&must).enumerate() {
        // A slot's upper half is not a parameter.
        let half = if cfg!(target_endian = "big") { 0 } else { 8 };
        let upper_half =
            offsets().any(|(_, at, size)| size == 16 && (at + half..at + half + 8).contains(&i));
        if !upper_half {
            equal(&format!("byte {i} of the return area"), is.into(), must.into());
        }
    }
    wrong.extend(left.lost.iter().map(|lost| format!("lost: {lost}")));
    if recording.calls != 0 {
        wrong.extend(recording.changed_controls().iter().map(|it| format!("found changed: {it}")));
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(format!("{text}, {convention:?}, {shape:?}, {unused:?}: {wrong:?}"))
    }
}

/// Hands over calls of host functions that together take every path through every
/// entry: a name, the code, and the first integer arguments, some of which may be
/// too many. The host function is this one, which takes no notice of its own.
pub(crate) fn every_host_path(
    function: ArrayCall,
    mut take: impl FnMut(&str, *const c_void, [usize; 5]),
) {
    let integers = Layout::new(&"(i64, i64, i64, i64, i64)".parse().unwrap(), abi(Convention::C));
    let integers = integers.unwrap();
    // On the stack, where parameters are read that were not passed.
    let mut area = [0u128; 400];
    let wide = wide();
    let many = format!("({})", ["i64"; 300].join(", "));
    for text in port::CALLBACK_SIGNATURES {
        for shape in EitherHost::SHAPES {
            let signature = text.parse().expect(text);
            // SAFETY: the function takes no notice of its arguments.
            let host =
                unsafe { EitherHost::raw(Convention::C, &signature, shape, function, null_mut()) };
            let arguments = [0x1111, 0x2222, 0x3333, 0x4444, 0x5555];
            take(&format!("{text}, {shape:?}"), host.code(), arguments);
            #[cfg(target_arch = "x86_64")]
            // SAFETY: takes a result away from where no Rust has anything.
            unsafe {
                std::arch::asm!("emms");
            }
        }
    }
    for text in HOST_SIGNATURES.into_iter().chain([&*wide, &*many]) {
        for convention in [Convention::Vm, Convention::C] {
            let (params, results) = text.split_at(text.find(" -> ").unwrap_or(text.len()));
            // Rust has a part in narrow arguments of C.
            let widened = params.replace("i32", "i64").replace("f32", "f64") + results;
            let text = if convention == Convention::C { &widened } else { text };
            let signature = signature(convention, text);
            let Ok(layout) = Layout::new(&signature, abi(convention)) else { continue };
            for shape in EitherHost::SHAPES {
                // SAFETY: the function takes no notice of its arguments.
                let host =
                    unsafe { EitherHost::raw(convention, &signature, shape, function, null_mut()) };
                let mut arguments = [0x1111, 0x2222, 0x3333, 0x4444, 0x5555];
                if convention == Convention::Vm {
                    arguments[0] = host.context() as usize;
                }
                if let Some(pointer) = layout.return_pointer() {
                    let index =
                        scalars::locations(integers.params()).iter().position(|&at| at == pointer);
                    let Some(index) = index else { continue };
                    arguments[index] = area.as_mut_ptr() as usize;
                }
                take(&format!("{text}, {convention:?}, {shape:?}"), host.code(), arguments);
            }
        }
    }
}
