//! A call site: a loop of calls by one method.

use vmtrampoline::ValRaw;

use crate::{clock::Lane, methods::Method};

/// A call site where no call's arguments are written: each is what the last call has left
/// in its slot, its result or what was there before, as on an interpreter's stack.
pub fn dependent<M: Method + 'static>(
    name: &'static str,
    slots: usize,
    method: M,
) -> Lane<'static> {
    lane::<0, _>(name, slots, method)
}

/// A call site where every call's arguments are written anew, by 8-byte stores,
/// as an interpreter would have done just before. The first `WRITTEN` slots are
/// parameters.
pub fn lane<const WRITTEN: usize, M: Method + 'static>(
    name: &'static str,
    slots: usize,
    mut method: M,
) -> Lane<'static> {
    let mut slots = vec![ValRaw::i64(0); slots.max(1)];
    Lane::new(name, move |calls| {
        let slots = slots.as_mut_ptr();
        for call in 0..calls {
            for i in 0..WRITTEN {
                // SAFETY: there is a slot for every parameter.
                unsafe { slots.add(i).cast::<usize>().write(call) };
            }
            // SAFETY: these are all the slots of the signature.
            unsafe { method.call(slots) };
        }
    })
}
