//! Trampolines for signatures known when the program is compiled.

/// A [`Trampoline`](crate::Trampoline) for a signature known at compile time: a
/// constant expression that allocates nothing.
///
/// A signature that the target's VM convention cannot pass does not compile. On a target
/// without assembly, no signature does.
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
/// const STRLEN: CTrampoline = c_trampoline!((ptr) -> size_t);
/// assert_eq!(STRLEN.slots(), 1);
///
/// static DIV: CTrampoline = c_trampoline!((int, int) -> {int, int});
/// static PRINTF: CTrampoline = c_trampoline!((ptr, ...f64) -> int);
/// # assert_eq!(DIV.signature().to_string(), "(i32, i32) -> {i32, i32}");
/// ```
///
/// ```compile_fail
/// // C passes a double.
/// const T: vmtrampoline::CTrampoline = vmtrampoline::c_trampoline!((ptr, ...f32) -> int);
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
    ($ty:ident, $convention:ident, $($signature:tt)*) => {{
        const CONVENTION: $crate::private::Convention = $crate::private::Convention::$convention;
        const TEXT: &str = stringify!($($signature)*);
        const WORDS: usize = $crate::private::words_len(CONVENTION, TEXT);
        const LEN: usize = $crate::private::list_len::<WORDS>(CONVENTION, TEXT);
        const DESCRIPTOR: &$crate::Descriptor =
            &$crate::Descriptor::<[u16; LEN]>::constant::<WORDS>(CONVENTION, TEXT);
        $crate::$ty::from_descriptor(DESCRIPTOR)
    }};
}
