//! Trampolines for signatures known when the program is compiled.

use crate::ValType;

/// For the macros: the type of this name, or no program.
#[doc(hidden)]
pub const fn val_type(name: &str) -> ValType {
    match ValType::from_name(name) {
        Some(ty) => ty,
        None => panic!("not a value type: i32, i64, f32, f64, v128, funcref, externref, ptr"),
    }
}

/// A [`Trampoline`](crate::Trampoline) for a signature known at compile time: a
/// constant expression that allocates nothing.
///
/// A type or signature that the VM convention of the target lacks does not
/// compile, nor does anything on a target without assembly.
///
/// ```
/// use vmtrampoline::{Trampoline, trampoline};
///
/// static DIVIDE: Trampoline = trampoline!((i32, i32) -> (i32, i32));
/// assert_eq!(DIVIDE.signature().to_string(), "(i32, i32) -> (i32, i32)");
/// ```
///
/// ```compile_fail
/// const T: vmtrampoline::Trampoline = vmtrampoline::trampoline!((f16) -> f64);
/// ```
#[macro_export]
macro_rules! trampoline {
    ($($signature:tt)*) => {
        $crate::__constant!(Trampoline, Vm, $($signature)*)
    };
}

/// A [`CTrampoline`](crate::CTrampoline) for a signature known at compile time;
/// see [`trampoline!`](crate::trampoline).
///
/// ```
/// use vmtrampoline::{CTrampoline, c_trampoline};
///
/// const STRLEN: CTrampoline = c_trampoline!((ptr) -> i64);
/// assert_eq!(STRLEN.slots(), 1);
/// ```
#[macro_export]
macro_rules! c_trampoline {
    ($($signature:tt)*) => {
        $crate::__constant!(CTrampoline, C, $($signature)*)
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __constant {
    ($ty:ident, $convention:ident, ($($param:ident),* $(,)?)) => {
        $crate::__constant!($ty, $convention, ($($param),*) -> ())
    };
    ($ty:ident, $convention:ident, ($($param:ident),* $(,)?) -> $result:ident) => {
        $crate::__constant!($ty, $convention, ($($param),*) -> ($result))
    };
    ($ty:ident, $convention:ident, ($($param:ident),* $(,)?) -> ($($result:ident),* $(,)?)) => {{
        const CONVENTION: $crate::private::Convention = $crate::private::Convention::$convention;
        const PARAMS: &[$crate::ValType] = &[$($crate::private::val_type(stringify!($param))),*];
        const RESULTS: &[$crate::ValType] = &[$($crate::private::val_type(stringify!($result))),*];
        const LEN: usize = $crate::private::list_len(CONVENTION, PARAMS, RESULTS);
        const DESCRIPTOR: &$crate::Descriptor =
            &$crate::Descriptor::<[u16; LEN]>::constant(CONVENTION, PARAMS, RESULTS);
        $crate::$ty::from_descriptor(DESCRIPTOR)
    }};
}
