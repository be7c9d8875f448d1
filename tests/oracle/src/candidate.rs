//! What makes the calls: this crate, its rivals, and liars.

use std::ffi::c_void;

use vmtrampoline::{CTrampoline, Signature, Trampoline, VMTrampoline, ValRaw, ValType};
use wasmtime::{AsContextMut, Trap};
use wasmtime_runtime::prepare_host_to_wasm_trampoline;

use crate::{guest::Target, registers, scalars, traps};

/// A trampoline of one signature, of whatever make.
pub struct Candidate {
    pub signature: Signature,
    entry: Entry,
    lie: Option<Lie>,
}

enum Entry {
    /// This crate, VM convention.
    Vm(Trampoline),
    /// The same, which traps leave.
    Leavable(Trampoline),
    /// This crate, C convention: the contexts are not passed.
    C(CTrampoline),
    /// A function pointer, such as Cranelift makes.
    Pointer(VMTrampoline),
    /// Wasmtime's entry into WebAssembly, which goes on to this function pointer.
    Inner(VMTrampoline),
}

/// Where a function pointer stands on the way into WebAssembly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Position {
    /// Wasmtime's entry → pointer → WebAssembly: the place of Wasmtime's own.
    Inner,
    /// Pointer → Wasmtime's entry → WebAssembly.
    Outer,
}

impl Position {
    pub const BOTH: [Position; 2] = [Position::Inner, Position::Outer];
}

/// What a trampoline can do wrong, on purpose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lie {
    /// The first two results are exchanged.
    SwapsResults,
    /// A signalling NaN arrives as a quiet one.
    QuietsNans,
    /// A callee-saved register comes back as zero.
    LosesRegister,
    /// A trap is said to be another one.
    MistakesTraps,
}

impl Lie {
    /// Those that every trampoline can tell.
    pub const ALL: [Lie; 3] = [Lie::SwapsResults, Lie::QuietsNans, Lie::LosesRegister];
}

/// How a call has come to its end.
#[derive(Clone, Copy)]
pub struct Called {
    /// Whether the callee-saved registers have been kept.
    pub kept: bool,
    /// For which trap it has been left.
    pub trap: Option<Trap>,
}

/// Makes the candidate of a signature.
pub type Maker = dyn Fn(&Signature) -> Candidate;

impl Candidate {
    pub fn vm(signature: &Signature) -> Candidate {
        let trampoline = Trampoline::new(signature).expect("this machine has a port");
        Candidate::new(signature, Entry::Vm(trampoline))
    }

    /// For calls inside [`Traps::watch`](traps::Traps::watch) alone.
    pub fn leavable(signature: &Signature) -> Candidate {
        let trampoline = Trampoline::new(signature).expect("this machine has a port");
        Candidate::new(signature, Entry::Leavable(trampoline))
    }

    pub fn c(signature: &Signature) -> Candidate {
        let trampoline = CTrampoline::new(signature).expect("a signature of C");
        Candidate::new(signature, Entry::C(trampoline))
    }

    /// `pointer` has this signature.
    pub fn pointer(signature: &Signature, pointer: VMTrampoline) -> Candidate {
        Candidate::new(signature, Entry::Pointer(pointer))
    }

    /// `pointer` has this signature. In inner position, it is for a [`StoreDoor`] alone.
    ///
    /// [`StoreDoor`]: crate::store_door::StoreDoor
    pub fn placed(signature: &Signature, pointer: VMTrampoline, position: Position) -> Candidate {
        Candidate::new(
            signature,
            match position {
                Position::Inner => Entry::Inner(pointer),
                Position::Outer => Entry::Pointer(pointer),
            },
        )
    }

    /// A function pointer of this crate, made at run time.
    pub fn made(signature: &Signature, position: Position) -> Candidate {
        let trampoline = Trampoline::new(signature).expect("this machine has a port");
        let pointer = trampoline.pointer().expect("fewer signatures than thunks");
        Candidate::placed(signature, pointer, position)
    }

    /// Collects garbage now, if Wasmtime must not do so during a call by this candidate:
    /// the collector wants the module of everything that its entry has entered.
    pub fn collect_before(&self, mut store: impl AsContextMut) {
        if self.has_entry() {
            store.as_context_mut().gc();
        }
    }

    /// Whether it brings Wasmtime's entry with it.
    pub fn has_entry(&self) -> bool {
        matches!(self.entry, Entry::Inner(_))
    }

    /// Whether traps leave its calls by this crate.
    pub fn leaves(&self) -> bool {
        matches!(self.entry, Entry::Leavable(_))
    }

    fn new(signature: &Signature, entry: Entry) -> Candidate {
        Candidate { signature: signature.clone(), entry, lie: None }
    }

    pub fn lying(self, lie: Option<Lie>) -> Candidate {
        Candidate { lie, ..self }
    }

    /// Makes the call.
    ///
    /// # Safety
    ///
    /// The target has this signature, and its call with these arguments is
    /// sound. It may jump out of this function, which holds nothing to be freed.
    pub unsafe fn call(&self, target: Target, slots: &mut [ValRaw]) -> Called {
        if self.lie == Some(Lie::QuietsNans) {
            quiet_nans(&scalars::params(&self.signature), slots);
        }
        let mut call = Call { candidate: self, target, slots, trap: None };
        let mut make = registers::Call { function: make, data: (&raw mut call).cast() };
        // SAFETY: `make` is called with a `Call`, directly or by the liar.
        let kept = unsafe {
            match self.lie {
                Some(Lie::LosesRegister) => {
                    registers::kept_by(registers::lose_r15, (&raw mut make).cast())
                }
                _ => registers::kept_by(make.function, make.data),
            }
        };
        let mut trap = call.trap;
        match self.lie {
            Some(Lie::SwapsResults) if self.signature.results().len() > 1 => slots.swap(0, 1),
            Some(Lie::QuietsNans) => quiet_nans(&scalars::results(&self.signature), slots),
            Some(Lie::MistakesTraps) => trap = trap.map(|_| Trap::Interrupt),
            _ => (),
        }
        Called { kept, trap }
    }
}

/// What [`make`] is to do.
struct Call<'a> {
    candidate: &'a Candidate,
    target: Target,
    slots: &'a mut [ValRaw],
    trap: Option<Trap>,
}

/// Makes a call, for a caller that watches the registers.
unsafe extern "C" fn make(call: *mut c_void) {
    // SAFETY: [`Candidate::call`] passes a `Call`, to us alone.
    let Call { candidate, target, slots, trap } = unsafe { &mut *call.cast::<Call>() };
    let Target { callee, caller, code } = *target;
    // SAFETY: by contract of [`Candidate::call`] the target has this signature.
    unsafe {
        match &candidate.entry {
            Entry::Vm(trampoline) => {
                trampoline.call(callee, caller, code, slots).expect("enough slots")
            }
            Entry::Leavable(trampoline) => *trap = traps::call(trampoline, *target, slots),
            Entry::C(trampoline) => trampoline.call(code.cast(), slots).expect("enough slots"),
            Entry::Pointer(pointer) => pointer(callee, caller, code, slots.as_mut_ptr()),
            Entry::Inner(pointer) => {
                let entry = prepare_host_to_wasm_trampoline(caller.cast(), *pointer);
                entry(callee, caller, code, slots.as_mut_ptr());
            }
        }
    }
}

/// Sets the quiet bit of every NaN, which a signalling one has clear.
pub(crate) fn quiet_nans(types: &[ValType], slots: &mut [ValRaw]) {
    for (ty, slot) in types.iter().zip(slots) {
        match ty {
            ValType::F32 if slot.get_f32().is_nan() => {
                *slot = ValRaw::f32_bits(slot.get_f32_bits() | 1 << 22);
            }
            ValType::F64 if slot.get_f64().is_nan() => {
                *slot = ValRaw::f64_bits(slot.get_f64_bits() | 1 << 51);
            }
            _ => (),
        }
    }
}
