//! The genuine article: `VMTrampoline`s compiled by Cranelift 0.95, with the
//! settings of Wasmtime 8.0.1.

use std::sync::OnceLock;

use object::write::{Object, StandardSegment};
use object::{SectionKind, write};
use vmtrampoline::{ArrayCall, Signature, VMFunctionBody, VMTrampoline, ValType};
use wasmtime_environ::{
    Compiler, FunctionLoc, ObjectKind, Tunables, WasmFuncType, WasmType, obj::ELF_WASM_BTI,
};
use wasmtime_jit::{CodeMemory, ObjectBuilder};

use crate::scalars;

/// One compiled trampoline per signature, side by side in executable memory.
pub struct Compiled {
    memory: CodeMemory,
    places: Vec<FunctionLoc>,
}

impl Compiled {
    pub fn new<'a>(signatures: impl IntoIterator<Item = &'a Signature>) -> Compiled {
        let compile = |signature| {
            let code = compiler().compile_host_to_wasm_trampoline(&func_type(signature));
            (String::from("trampoline"), code.expect("Cranelift compiles a trampoline"))
        };
        let functions: Vec<_> = signatures.into_iter().map(compile).collect();

        let tunables = Tunables::default();
        let mut object = compiler().object(ObjectKind::Module).expect("this machine is supported");
        let placed = compiler()
            .append_code(&mut object, &functions, &tunables, &|_, _| unreachable!("no calls"))
            .expect("the code fits an object");
        append_bti(&mut object);
        let image = ObjectBuilder::new(object, &tunables).finish().expect("memory for an object");
        let mut memory = CodeMemory::new(image).expect("an object of Wasmtime's own");
        memory.publish().expect("executable memory");
        Compiled { memory, places: placed.into_iter().map(|(_, place)| place).collect() }
    }

    /// The trampoline of the signature at this index; valid while `self` is.
    pub fn trampoline(&self, index: usize) -> VMTrampoline {
        // SAFETY: at this place there is a function that Cranelift has compiled
        // to be a `VMTrampoline`, in memory that has been published.
        let genuine = unsafe { self.memory.vmtrampoline(self.places[index]) };
        // SAFETY: the two function pointer types differ in the names of their
        // pointees only; `ValRaw` has 16 bytes in both.
        unsafe { std::mem::transmute(genuine) }
    }

    /// Its machine code.
    pub fn machine_code(&self, index: usize) -> &[u8] {
        let place = self.places[index];
        &self.memory.text()[place.start as usize..][..place.length as usize]
    }
}

/// A `wasm_to_host` stub: what Wasmtime compiled for a host function, which
/// native code calls and which calls the function with value slots.
pub struct HostStub {
    memory: CodeMemory,
    place: FunctionLoc,
}

impl HostStub {
    /// The stub's code holds the address of the function.
    pub fn new(signature: &Signature, function: ArrayCall) -> HostStub {
        let mut object = compiler().object(ObjectKind::Module).expect("this machine is supported");
        let (_, place) = compiler()
            .emit_trampoline_obj(&func_type(signature), function as usize, &mut object)
            .expect("Cranelift compiles a stub");
        append_bti(&mut object);
        let image = ObjectBuilder::new(object, &Tunables::default()).finish();
        let mut memory =
            CodeMemory::new(image.expect("memory for an object")).expect("an object of its own");
        memory.publish().expect("executable memory");
        HostStub { memory, place }
    }

    /// What native code calls; valid while `self` is.
    pub fn code(&self) -> *const VMFunctionBody {
        self.memory.text()[self.place.start as usize..].as_ptr().cast()
    }
}

/// Cranelift for this machine, set up as an engine of Wasmtime does it.
fn compiler() -> &'static dyn Compiler {
    static COMPILER: OnceLock<Box<dyn Compiler>> = OnceLock::new();
    &**COMPILER.get_or_init(|| {
        let mut builder = wasmtime_cranelift::builder();
        for (name, value) in [
            ("opt_level", "speed"),
            ("enable_verifier", "false"),
            ("preserve_frame_pointers", "true"),
            ("unwind_info", "true"),
            ("enable_safepoints", "true"),
            ("enable_simd", "true"),
            ("enable_probestack", "true"),
            ("probestack_strategy", "inline"),
        ] {
            builder.set(name, value).expect("a setting of Cranelift 0.95");
        }
        builder.build().expect("this machine is supported")
    })
}

/// Images say whether their code has landing pads.
fn append_bti(object: &mut Object<'static>) {
    let segment = object.segment_name(StandardSegment::Data).to_vec();
    let section: write::SectionId =
        object.add_section(segment, ELF_WASM_BTI.as_bytes().to_vec(), SectionKind::ReadOnlyData);
    object.append_section_data(section, &[u8::from(compiler().is_branch_protection_enabled())], 1);
}

fn func_type(signature: &Signature) -> WasmFuncType {
    let types = |types: Vec<ValType>| types.into_iter().map(wasm_type).collect();
    WasmFuncType::new(types(scalars::params(signature)), types(scalars::results(signature)))
}

fn wasm_type(ty: ValType) -> WasmType {
    match ty {
        ValType::I32 => WasmType::I32,
        ValType::I64 => WasmType::I64,
        ValType::F32 => WasmType::F32,
        ValType::F64 => WasmType::F64,
        ValType::V128 => WasmType::V128,
        ValType::FuncRef => WasmType::FuncRef,
        ValType::ExternRef => WasmType::ExternRef,
        _ => unreachable!("no type of WebAssembly"),
    }
}
