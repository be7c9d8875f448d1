//! Functions that the C compiler made, called through a trampoline, and their callers,
//! which call a callback.
//!
//! A function copies its parameters to `arguments`, integers also to `wide`, overwrites
//! them, and returns what is in `results`. A caller passes what is in `arguments`, integers
//! with what is above them, and copies the result to `results`, an integer also to `wide`.
//! Sizes, offsets and signedness are the compiler's.

use std::{
    cell::Cell,
    ffi::c_void,
    ptr, slice,
    sync::{Mutex, Once},
};

use vmtrampoline::{
    Abi, CTrampoline, Callback, Error, HostFunc, Layout, Prototype, Signature, Slot, VMContext,
    VMOpaqueContext, ValRaw, private::Shape as Body,
};

use super::{
    c::Compiled,
    ctype::{CSignature, CType, Kind, LARGEST, Leaf, SCALARS, Scalar, typedefs},
    guard_pages::{Edge, Guarded},
    random::Random,
};

/// What slots hold where there is no value. Extending an integer gives no such byte.
const POISON: u8 = 0xa5;

/// No function has more parameters.
const MOST: usize = 32;

const PRELUDE: &str = "\
#pragma GCC diagnostic ignored \"-Wvarargs\"
unsigned char arguments[32][512] __attribute__((aligned(64)));
unsigned char results[512] __attribute__((aligned(64)));
long long wide[32];
int misaligned[32];

/* Takes note of an argument, and overwrites it. */
static __attribute__((noinline)) void keep(int i, volatile unsigned char *p, unsigned size, unsigned align) {
    unsigned k;
    __asm__(\"\" : \"+r\"(p));
    misaligned[i] = (__UINTPTR_TYPE__)p % align != 0;
    for (k = 0; k < size; k++) { arguments[i][k] = p[k]; p[k] = 0x5a; }
}

/* Takes note of a result. */
static __attribute__((noinline)) void note(volatile unsigned char *p, unsigned size) {
    unsigned k;
    __asm__(\"\" : \"+r\"(p));
    for (k = 0; k < size; k++) results[k] = p[k];
}
";

/// What C's types are called here, and what the compiler says of itself.
fn prelude() -> String {
    // Where the tests pretend to be on Windows, the compiler's own types are not Windows'.
    let (long, wchar) = match cfg!(any(vmtrampoline_windows, vmtrampoline_arm_windows)) {
        true => ("int", "unsigned short"),
        false => ("long", "__WCHAR_TYPE__"),
    };
    let mut text = format!("#define LONG {long}\n#define WCHAR {wchar}\n") + &typedefs();
    text += PRELUDE;
    text += "#ifndef __clang__\n#define __clang_major__ 0\n#endif\n";
    text += "const int facts[] = { __LDBL_MANT_DIG__, __clang_major__, __GNUC__";
    for scalar in &SCALARS {
        text += &match scalar.kind {
            Kind::Integer => format!(", (t_{})-1 < 0", scalar.name),
            _ => ", 0".into(),
        };
    }
    text + " };\n"
}

/// What the compiler has said of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// The bytes of a `long double` that count.
    extended: usize,
    /// Zero if it is not clang.
    pub(crate) clang: i32,
    gnu: i32,
    signed: [bool; SCALARS.len()],
}

impl Facts {
    fn read(library: &Compiled) -> Facts {
        let facts = library.address::<[i32; 3 + SCALARS.len()]>("facts");
        // SAFETY: this is what the text declares.
        let facts = unsafe { *facts };
        Facts {
            // Intel's has no bit that is not stored, but 6 bytes of padding.
            extended: if facts[0] == 64 { 10 } else { usize::MAX },
            clang: facts[1],
            gnu: facts[2],
            signed: std::array::from_fn(|i| facts[3 + i] != 0),
        }
    }

    /// What C makes of an integer of these bytes as a `long long`.
    fn widened(&self, ty: &LaidOut, image: &[u8]) -> Option<i64> {
        let (Some(Kind::Integer | Kind::Bool), CType::Scalar(scalar)) = (ty.small(), &ty.ty) else {
            return None;
        };
        let mut word = ty.swap(image.to_vec());
        let known = SCALARS.iter().position(|known| known == *scalar).expect("known");
        let negative = self.signed[known] && word[ty.size - 1] >= 0x80;
        word.resize(8, if negative { 0xff } else { 0 });
        Some(i64::from_le_bytes(word.try_into().expect("eight")))
    }

    pub(crate) fn compiler(&self) -> String {
        match self.clang {
            0 => format!("gcc {}", self.gnu),
            clang => format!("clang {clang}"),
        }
    }
}

/// A type as the compiler has laid it out.
#[derive(Debug)]
pub(crate) struct LaidOut {
    pub(crate) ty: CType,
    pub(crate) size: usize,
    pub(crate) align: usize,
    /// Offset and size of each.
    pub(crate) leaves: Vec<(Leaf, usize, usize)>,
    /// Where each member of each union ends, in the order of [`CType::unions`].
    pub(crate) ends: Vec<usize>,
    /// The bytes that are not padding.
    counts: Vec<bool>,
}

impl LaidOut {
    /// The text that tells [`LaidOut::read`] about type `name`.
    fn table(ty: &CType, name: &str) -> String {
        let mut text = format!("sizeof({name}), _Alignof({name}), ");
        for Leaf { path, .. } in ty.leaves() {
            text += &match path.as_str() {
                "" => format!("0, sizeof({name}), "),
                path => {
                    format!("__builtin_offsetof({name}, {path}), sizeof((({name} *)0)->{path}), ")
                }
            };
        }
        for path in ty.unions().iter().flatten() {
            text +=
                &format!("__builtin_offsetof({name}, {path}) + sizeof((({name} *)0)->{path}), ");
        }
        text
    }

    fn read(ty: &CType, table: &mut impl Iterator<Item = usize>, facts: &Facts) -> LaidOut {
        let mut next = || table.next().expect("a number");
        let (size, align) = (next(), next());
        let leaves = ty.leaves().into_iter().map(|leaf| (leaf, next(), next())).collect::<Vec<_>>();
        let ends = ty.unions().iter().flatten().map(|_| next()).collect();
        let mut counts = vec![false; size];
        for (leaf, offset, len) in &leaves {
            for byte in 0..*len {
                let extended = leaf.scalar.kind == Kind::Extended && byte % 16 >= facts.extended;
                counts[offset + byte] |= !extended;
            }
        }
        LaidOut { ty: ty.clone(), size, align, leaves, ends, counts }
    }

    /// The scalar, if it is one that has a slot for itself.
    fn small(&self) -> Option<Kind> {
        match &self.ty {
            CType::Scalar(scalar) if self.size <= 8 && scalar.kind != Kind::Wide => {
                Some(scalar.kind)
            }
            _ => None,
        }
    }

    /// How many slots of this size it takes.
    fn slots(&self, slot: usize) -> usize {
        if self.small().is_some() { 1 } else { self.size.div_ceil(slot) }
    }

    /// A value of random bytes as C has it, poison in its padding.
    fn image(&self, random: &mut Random) -> Vec<u8> {
        let mut image: Vec<_> =
            self.counts.iter().map(|counts| if *counts { random.byte() } else { POISON }).collect();
        for (leaf, offset, len) in &self.leaves {
            if leaf.scalar.kind == Kind::Bool {
                image[*offset..offset + len].iter_mut().for_each(|byte| *byte &= 1);
            }
        }
        image
    }

    /// From C's bytes to a slot's, or back.
    fn swap(&self, bytes: Vec<u8>) -> Vec<u8> {
        self.swapped(bytes)
    }

    /// The same of anything that there is for each byte.
    fn swapped<T>(&self, mut bytes: Vec<T>) -> Vec<T> {
        let little = match &self.ty {
            CType::Scalar(scalar) => !matches!(scalar.kind, Kind::Wide | Kind::Extended),
            _ => false,
        };
        if cfg!(target_endian = "big") && little {
            bytes.reverse();
        }
        bytes
    }
}

/// The function of this signature, in C, and the table of its types.
fn function(name: &str, signature: &CSignature) -> String {
    let CSignature { params, named, result } = signature;
    assert!(params.len() <= MOST);
    let (mut text, mut table, mut names) = (String::new(), String::new(), Vec::new());
    for (i, ty) in params.iter().chain(result).enumerate() {
        let ty_name = match ty {
            CType::Scalar(scalar) => format!("t_{}", scalar.name),
            _ => {
                let ty_name = format!("{name}_t{i}");
                text += &format!("typedef {};\n", ty.declaration(&ty_name));
                ty_name
            }
        };
        table += &LaidOut::table(ty, &ty_name);
        names.push(ty_name);
    }
    text += &format!("const unsigned {name}_types[] = {{ {table} }};\n");

    let first_unnamed = named.unwrap_or(params.len());
    let mut list: Vec<_> =
        names[..first_unnamed].iter().enumerate().map(|(i, ty)| format!("{ty} p{i}")).collect();
    match named {
        Some(_) => list.push("...".into()),
        None if list.is_empty() => list.push("void".into()),
        None => {}
    }
    let result_name = if result.is_some() { &names[params.len()] } else { "void" };
    text += &format!("{result_name} {name}({}) {{\n", list.join(", "));
    if named.is_some() {
        text += "    __builtin_va_list list;\n";
        text += &format!("    __builtin_va_start(list, p{});\n", first_unnamed - 1);
    }
    for (i, (ty, name)) in params.iter().zip(&names).enumerate() {
        if i >= first_unnamed {
            text += &format!("    {name} p{i} = __builtin_va_arg(list, {name});\n");
        }
        // An integer whose address is taken is stored before it is widened: compilers
        // would rely on nothing above it.
        let integer = |scalar: &Scalar| matches!(scalar.kind, Kind::Integer | Kind::Bool);
        let mut kept = format!("p{i}");
        if matches!(ty, CType::Scalar(scalar) if integer(scalar)) {
            text += &format!("    wide[{i}] = p{i}; {name} q{i} = p{i};\n");
            kept = format!("q{i}");
        }
        text += &format!("    keep({i}, (void *)&{kept}, sizeof {kept}, _Alignof({name}));\n");
    }
    if named.is_some() {
        text += "    __builtin_va_end(list);\n";
    }
    match result {
        // What is above it stays where the convention leaves that open.
        Some(CType::Scalar(scalar)) if scalar.kind == Kind::Integer => {
            text += &format!("    return ({result_name})*(volatile long long *)results;\n");
        }
        Some(_) => text += &format!("    return *({result_name} *)results;\n"),
        None => {}
    }
    text += "}\n";
    if named.is_none() {
        text += &caller(name, signature, &names);
    }
    text
}

/// A caller of such a function, in C; `types` are the names of its types.
fn caller(name: &str, CSignature { params, result, .. }: &CSignature, types: &[String]) -> String {
    let (params, types) = (params.iter().enumerate(), types.split_at(params.len()));
    let argument = |(i, ty): (usize, &CType)| match ty {
        // What is above an integer is passed where the convention leaves that open.
        CType::Scalar(scalar) if scalar.kind == Kind::Integer => {
            format!("({})*(volatile long long *)arguments[{i}]", types.0[i])
        }
        _ => format!("*({} *)arguments[{i}]", types.0[i]),
    };
    let call = format!("code({})", params.map(argument).collect::<Vec<_>>().join(", "));
    let list = if types.0.is_empty() { "void".into() } else { types.0.join(", ") };
    let [ty] = types.1 else {
        return format!("void {name}_calls(void (*code)({list})) {{ {call}; }}\n");
    };
    let widened = match result {
        Some(CType::Scalar(scalar)) if matches!(scalar.kind, Kind::Integer | Kind::Bool) => {
            format!("{ty} r = {call}; wide[0] = r; {ty} q = r; note((void *)&q, sizeof q);")
        }
        _ => format!("{ty} r = {call}; note((void *)&r, sizeof r);"),
    };
    format!("void {name}_calls({ty} (*code)({list})) {{ {widened} }}\n")
}

/// Compiled functions.
#[derive(Debug)]
pub(crate) struct Functions {
    library: Compiled,
    pub(crate) facts: Facts,
    pub(crate) signatures: Vec<CSignature>,
}

impl Functions {
    /// Compiles a function for each signature, to files of this name.
    pub(crate) fn compile(name: &str, signatures: Vec<CSignature>) -> Functions {
        let functions = signatures.iter().enumerate().map(|(i, s)| function(&format!("f{i}"), s));
        let library = Compiled::from_text(name, &(prelude() + &functions.collect::<String>()));
        let facts = Facts::read(&library);
        Functions { library, facts, signatures }
    }

    /// The types of parameters and result of function `index`.
    pub(crate) fn types(&self, index: usize) -> Vec<LaidOut> {
        let CSignature { params, result, .. } = &self.signatures[index];
        let table = self.library.address::<u32>(&format!("f{index}_types"));
        // SAFETY: as many as `read` asks for.
        let mut numbers = (0..).map(|i| unsafe { *table.add(i) } as usize);
        params.iter().chain(result).map(|ty| LaidOut::read(ty, &mut numbers, &self.facts)).collect()
    }

    /// Calls function `index` as what it is, and has its caller call. Returns the number of
    /// calls, or says what was wrong.
    pub(crate) fn check(&self, index: usize) -> Result<usize, String> {
        let text = self.signatures[index].to_string();
        let calls = self.check_as(index, &text).map_err(|error| format!("{text}: {error}"))?;
        let called = self.check_caller(index, &text);
        Ok(calls + called.map_err(|error| format!("{text}: {error}"))?)
    }

    /// Has the caller of function `index` call callbacks of another text, whose types have
    /// the same sizes, unless it is variadic.
    pub(crate) fn check_caller(&self, index: usize, text: &str) -> Result<usize, String> {
        self.check_caller_of(index, text, |code| code)
    }

    /// The same, of what is called in the place of a callback's code.
    pub(crate) fn check_caller_of(
        &self,
        index: usize,
        text: &str,
        in_place_of: fn(*const c_void) -> *const c_void,
    ) -> Result<usize, String> {
        let signature = text.parse().map_err(|error| format!("no signature: {error}"))?;
        if self.signatures[index].named.is_some() {
            let made = Callback::new(&signature, |_| {}).unwrap_err();
            ensure!(made == Error::VariadicCallback, "a variadic callback: {made}");
            return Ok(0);
        }
        let types = self.types(index);
        for (i, kind) in Called::ALL.into_iter().enumerate() {
            let random = Random::new((index * 16 + i) as u64);
            named_if_it_crashes(&format!("{signature}, {kind:?}"), || {
                self.judge_caller(index, &signature, &types, (kind, in_place_of), random)
            })
            .map_err(|error| format!("{kind:?}: {error}"))?;
        }
        Ok(Called::ALL.len())
    }

    /// Has a caller call once.
    fn judge_caller(
        &self,
        index: usize,
        signature: &Signature,
        types: &[LaidOut],
        (kind, in_place_of): (Called, fn(*const c_void) -> *const c_void),
        mut random: Random,
    ) -> Result<(), String> {
        let (params, result) = types.split_at(self.signatures[index].params.len());
        let arguments = self.library.address::<[[u8; LARGEST]; MOST]>("arguments");
        let mut judge = Judge { params: Vec::new(), slots: 0, result: Vec::new(), said: None };
        for (i, param) in params.iter().enumerate() {
            let image = param.image(&mut random);
            let mut passed = image.clone();
            if param.small() == Some(Kind::Integer) {
                passed = param.swap(passed);
                passed.resize_with(8, || random.byte());
                if cfg!(target_endian = "big") {
                    passed.reverse();
                }
            }
            // SAFETY: this is what the text declares, and no other code uses it now.
            unsafe { (&mut *arguments)[i][..passed.len()].copy_from_slice(&passed) };
            let first = Callback::argument(signature, i).map_err(|error| error.to_string())?;
            ensure!(first == judge.slots, "argument {i} begins at slot {first}");
            judge.slots += param.slots(16);
            judge.params.push(Param {
                first,
                value: param.swap(image),
                counts: param.swapped(param.counts.clone()),
                scalar: param.small().is_some(),
            });
        }
        let given = result.first().map_or(Vec::new(), |result| result.image(&mut random));
        if let Some(result) = result.first() {
            judge.slots = judge.slots.max(result.slots(16));
            judge.result = result.swap(given.clone());
        }
        let results = self.library.address::<[u8; LARGEST]>("results");
        let wide = self.library.address::<[i64; MOST]>("wide");
        // SAFETY: as above.
        unsafe {
            *results = [!POISON; LARGEST];
            (*wide)[0] = i64::MIN;
        }
        native! { type Caller = fn(*const c_void); }
        let caller = self.library.address::<c_void>(&format!("f{index}_calls"));
        // SAFETY: this is how the text declares it.
        let caller = unsafe { std::mem::transmute::<*mut c_void, Caller>(caller) };
        let refused = |error: Error| format!("refused: {error}");
        let judge = Mutex::new(judge);
        let locked = || judge.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if kind == Called::Closure {
            let callback = Callback::new(signature, |slots| locked().call(slots));
            caller(in_place_of(callback.map_err(refused)?.code()));
        } else if kind == Called::Prototype {
            let prototype = Prototype::new(signature).map_err(refused)?;
            let callback = prototype.callback(|slots| locked().call(slots));
            drop(prototype);
            caller(in_place_of(callback.map_err(refused)?.code()));
        } else {
            let (data, shape) = ((&raw const judge).cast_mut().cast(), kind.shape());
            // SAFETY: `judged` fits every signature, and this is its data.
            let callback = unsafe { Callback::with_shape(signature, shape, judged, data) };
            caller(in_place_of(callback.map_err(refused)?.code()));
        }
        match &locked().said {
            None => return Err("not called".into()),
            Some(said) => said.clone()?,
        }
        let Some(result) = result.first() else { return Ok(()) };
        // SAFETY: as above.
        let (is, wide) = unsafe { (&(&*results)[..result.size], (*wide)[0]) };
        if (0..result.size).any(|at| result.counts[at] && is[at] != given[at]) {
            return Err(format!("result: {is:02x?}, not {given:02x?}"));
        }
        if let Some(must) = self.facts.widened(result, &given) {
            ensure!(wide == must, "result widened: {wide:#x}, not {must:#x}");
        }
        Ok(())
    }

    /// Calls function `index` by another text, whose types have the same sizes: with slots of
    /// both sizes, at both edges of the memory, by every body that can.
    pub(crate) fn check_as(&self, index: usize, text: &str) -> Result<usize, String> {
        let signature: Signature =
            text.parse().map_err(|error| format!("no signature: {error}"))?;
        let types = self.types(index);
        self.judge_sizes(&signature, &types)?;
        let ground = Guarded::new();
        let mut calls = 0;
        for edge in Edge::BOTH {
            calls += self.call::<ValRaw>(index, &signature, &types, edge, &ground)?;
            calls += self.call::<u64>(index, &signature, &types, edge, &ground)?;
        }
        Ok(calls)
    }

    /// The crate's sizes are the compiler's.
    fn judge_sizes(&self, signature: &Signature, types: &[LaidOut]) -> Result<(), String> {
        let abi = abi();
        let own = signature.params().iter().chain(signature.results());
        for (i, (ty, laid_out)) in own.zip(types).enumerate() {
            let (is, must) = ((ty.size(abi), ty.align(abi)), (laid_out.size, laid_out.align));
            ensure!(is == must, "size and alignment of type {i}: {is:?}, for C {must:?}");
        }
        Ok(())
    }

    /// Calls by every body that can, with slots at this edge.
    fn call<S: Slot>(
        &self,
        index: usize,
        signature: &Signature,
        types: &[LaidOut],
        edge: Edge,
        ground: &Guarded,
    ) -> Result<usize, String> {
        let mut bodies = Vec::new();
        for body in Body::ALL {
            let trampoline = CTrampoline::<S>::for_slots_with_shape(signature, body);
            let trampoline = trampoline.map_err(|error| format!("refused: {error}"))?;
            if bodies.contains(&trampoline.shape()) {
                continue;
            }
            bodies.push(trampoline.shape());
            let size = size_of::<S>();
            let what = format!("{:?}, {size}-byte slots at {edge:?}", trampoline.shape());
            let random = Random::new((index * 16 + bodies.len() * 2 + size / 16) as u64);
            named_if_it_crashes(&format!("{signature}, {what}"), || {
                self.judge(index, &trampoline, types, random, edge, ground)
            })
            .map_err(|error| format!("{what}: {error}"))?;
        }
        Ok(bodies.len())
    }

    /// Makes one call.
    fn judge<S: Slot>(
        &self,
        index: usize,
        trampoline: &CTrampoline<S>,
        types: &[LaidOut],
        mut random: Random,
        edge: Edge,
        ground: &Guarded,
    ) -> Result<(), String> {
        let target = self.library.address::<c_void>(&format!("f{index}"));
        let params = self.signatures[index].params.len();
        let (params, result) = (&types[..params], types.get(params));

        // What C is to return.
        let mut image = result.map_or(Vec::new(), |result| result.image(&mut random));
        let returned = result.map_or(Vec::new(), |result| result.swap(image.clone()));
        if result.and_then(LaidOut::small) == Some(Kind::Integer) {
            let mut word = returned.clone();
            word.resize_with(8, || random.byte());
            if cfg!(target_endian = "big") {
                word.reverse();
            }
            image = word;
        }
        let results = self.library.address::<[u8; LARGEST]>("results");
        // SAFETY: this is what the text declares, and no other code uses it now.
        unsafe { (&mut *results)[..image.len()].copy_from_slice(&image) };

        // Arguments in slots.
        let slot = size_of::<S>();
        let mut values = result.map_or(0, |result| result.slots(slot));
        let (mut images, mut places) = (Vec::new(), Vec::new());
        let mut at = 0;
        for (i, param) in params.iter().enumerate() {
            let is = trampoline.argument(i);
            ensure!(is == at, "argument {i} begins at slot {is}, not {at}");
            places.push(at * slot);
            images.push(param.image(&mut random));
            at += param.slots(slot);
        }
        values = values.max(at);
        let count = trampoline.slots();
        ensure!(count >= values, "{count} slots for {values} of values");
        let mut bytes = vec![POISON; count * slot];
        for ((param, image), at) in params.iter().zip(&images).zip(&places) {
            let value = param.swap(image.clone());
            bytes[*at..at + value.len()].copy_from_slice(&value);
        }

        let arguments = self.library.address::<[[u8; LARGEST]; MOST]>("arguments");
        let wide = self.library.address::<[i64; MOST]>("wide");
        let misaligned = self.library.address::<[i32; MOST]>("misaligned");
        // SAFETY: as above.
        unsafe {
            *arguments = [[!POISON; LARGEST]; MOST];
            *wide = [i64::MIN; MOST];
            *misaligned = [0; MOST];
        }
        // SAFETY: any bytes are a slot, and there are as many.
        let slots =
            unsafe { slice::from_raw_parts(bytes.as_ptr().cast::<[u8; 8]>(), bytes.len() / 8) };
        let slots = ground.put(edge, slots);
        // SAFETY: `put` has put them there, for us alone, aligned as slots are.
        let slots = unsafe { slice::from_raw_parts_mut(slots.cast::<S>(), count) };
        // SAFETY: the function is of this signature, or should show that it is not.
        let called = unsafe { trampoline.call(target.cast_const(), slots) };
        called.map_err(|error| format!("not called: {error}"))?;
        // SAFETY: slots are bytes.
        let after = unsafe { slice::from_raw_parts(slots.as_ptr().cast::<u8>(), bytes.len()) };

        // What C was given.
        // SAFETY: as above.
        let (arguments, wide, misaligned) = unsafe { (&*arguments, &*wide, &*misaligned) };
        let layout = Layout::new(&trampoline.signature(), abi()).expect("a trampoline has one");
        for (i, (param, image)) in params.iter().zip(&images).enumerate() {
            let differs = |at: &usize| param.counts[*at] && arguments[i][*at] != image[*at];
            if let Some(at) = (0..param.size).find(differs) {
                let is = &arguments[i][..param.size];
                return Err(format!("argument {i}, byte {at}: {is:02x?}, not {image:02x?}"));
            }
            // C itself puts together what is split between a register and the stack.
            let split = layout.params()[i].pieces().len() > 1;
            // On s390x gcc looks at a copy on its own stack, which is aligned to 8.
            let split = split || cfg!(target_arch = "s390x");
            ensure!(misaligned[i] == 0 || split, "argument {i} is misaligned in memory");
            if let Some(must) = self.facts.widened(param, image) {
                ensure!(wide[i] == must, "argument {i} widened: {:#x}, not {must:#x}", wide[i]);
            }
        }
        // What it returned.
        let mut kept = vec![true; values * slot];
        if let Some(result) = result {
            let len = returned.len();
            kept[..len].fill(false);
            // A slot may have another order of bytes than C, but then all of them count.
            if (0..len).any(|at| result.counts[at] && after[at] != returned[at]) {
                return Err(format!("result: {:02x?}, not {returned:02x?}", &after[..len]));
            }
            if result.small().is_some() {
                let above = &after[len..8];
                ensure!(above.iter().all(|byte| *byte == 0), "above the result: {above:02x?}");
                kept[..8].fill(false);
            }
        }
        if let Some(at) = (0..kept.len()).find(|at| kept[*at] && after[*at] != bytes[*at]) {
            let (is, must) = (after[at], bytes[at]);
            return Err(format!("byte {at} of the slots: {is:#x} afterwards, not {must:#x}"));
        }
        Ok(())
    }
}

/// What a caller calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Called {
    /// A function, by the shortest entry that will do.
    Function,
    /// A function, by the entry for everything.
    FunctionByAny,
    Closure,
    /// A closure, by a prototype.
    Prototype,
}

impl Called {
    const ALL: [Called; 4] =
        [Called::Function, Called::FunctionByAny, Called::Closure, Called::Prototype];

    fn shape(self) -> Body {
        if self == Called::FunctionByAny { Body::Variable } else { Body::Bare }
    }
}

/// What a callback is to be given.
struct Param {
    first: usize,
    value: Vec<u8>,
    /// The bytes that are not padding.
    counts: Vec<bool>,
    scalar: bool,
}

/// Judges what a callback is given, and returns a result.
struct Judge {
    params: Vec<Param>,
    slots: usize,
    result: Vec<u8>,
    said: Option<Result<(), String>>,
}

impl Judge {
    fn call(&mut self, slots: &mut [ValRaw]) {
        let count = slots.len();
        // SAFETY: slots are bytes.
        let bytes =
            unsafe { slice::from_raw_parts_mut(slots.as_mut_ptr().cast::<u8>(), 16 * count) };
        self.said = Some(match self.said {
            None => self.judge(count, bytes),
            Some(_) => Err("called twice".into()),
        });
        bytes.fill(POISON);
        if let Some(to) = bytes.get_mut(..self.result.len()) {
            to.copy_from_slice(&self.result);
        }
    }

    fn judge(&self, count: usize, bytes: &[u8]) -> Result<(), String> {
        ensure!(count == self.slots, "{count} slots, not {}", self.slots);
        ensure!(bytes.as_ptr().addr() % 16 == 0, "slots at {:p}", bytes.as_ptr());
        for (i, Param { first, value, counts, scalar }) in self.params.iter().enumerate() {
            let (at, len) = (16 * first, value.len());
            let is = &bytes[at..at + len];
            if (0..len).any(|at| counts[at] && is[at] != value[at]) {
                return Err(format!("argument {i}: {is:02x?}, not {value:02x?}"));
            }
            if *scalar {
                let above = &bytes[at + len..at + len.next_multiple_of(8)];
                ensure!(above.iter().all(|byte| *byte == 0), "above argument {i}: {above:02x?}");
            }
        }
        Ok(())
    }
}

native! {
    unsafe fn judged(
        callee: *mut VMOpaqueContext,
        caller: *mut VMContext,
        slots: *mut ValRaw,
        count: usize,
    ) {
        // SAFETY: the data that `judge_caller` has made.
        let judge = unsafe { &*HostFunc::data(callee).cast::<Mutex<Judge>>() };
        // SAFETY: so many slots, for us alone.
        let slots = unsafe { slice::from_raw_parts_mut(slots, count) };
        let mut judge = judge.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        judge.call(slots);
        if !caller.is_null() {
            judge.said = Some(Err(format!("the caller context is {caller:p}")));
        }
    }
}

/// The row of the functions that are compiled.
pub(crate) fn abi() -> &'static Abi {
    Abi::HOST_C.expect("a port has one")
}

thread_local! {
    static CURRENT: Cell<(*const u8, usize)> = const { Cell::new((ptr::dangling(), 0)) };
}

/// Prints `name` if the process dies in `call`.
fn named_if_it_crashes<T>(name: &str, call: impl FnOnce() -> T) -> T {
    extern "C" fn tell(signal: i32) {
        let (text, len) = CURRENT.get();
        // SAFETY: the text lives while it is current; these calls are safe in a handler.
        unsafe {
            for part in ["\ncrash in ".as_bytes(), slice::from_raw_parts(text, len), b"\n"] {
                libc::write(2, part.as_ptr().cast(), part.len());
            }
            libc::signal(signal, libc::SIG_DFL);
        }
    }
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGTRAP] {
            // SAFETY: a handler of this type.
            unsafe { libc::signal(signal, tell as extern "C" fn(i32) as usize) };
        }
    });
    CURRENT.set((name.as_ptr(), name.len()));
    let value = call();
    CURRENT.set((ptr::dangling(), 0));
    value
}
