//! What callbacks of one signature share.

use core::{ffi::c_void, fmt};

use static_assertions::assert_impl_all;

use super::{
    ArrayCall,
    callback::{Callback, LocalCallback},
    host::{Encoded, Source},
};
use crate::{error::Error, signature::Signature, valraw::ValRaw};

/// Makes callbacks of one signature. It works out the signature once, so each callback takes
/// half the time.
///
/// ```
/// use std::mem::transmute;
/// use vmtrampoline::{Prototype, ValRaw};
///
/// let unary = Prototype::new(&"(f64) -> f64".parse()?)?;
/// let functions = [f64::sin, f64::cos, f64::sqrt].map(|function| {
///     unary.callback(move |slots| slots[0] = ValRaw::from(function(slots[0].get_f64())))
/// });
/// let [_, _, root] = functions;
/// let root = root?;
///
/// // SAFETY: the callback has this signature.
/// let code: extern "C" fn(f64) -> f64 = unsafe { transmute(root.code()) };
/// assert_eq!(code(2.25), 1.5);
/// # Ok::<(), vmtrampoline::Error>(())
/// ```
///
/// The callbacks do not borrow it.
#[derive(Clone)]
pub struct Prototype {
    encoded: Encoded,
}

assert_impl_all!(Prototype: Send, Sync, Unpin);

impl Prototype {
    /// The prototype of this signature.
    ///
    /// # Errors
    ///
    /// As for [`Callback::new`], but for exhaustion.
    pub fn new(signature: &Signature) -> Result<Prototype, Error> {
        Encoded::new(signature).map(|encoded| Prototype { encoded })
    }

    /// As [`Callback::new`].
    ///
    /// # Errors
    ///
    /// [`Error::CallbacksExhausted`].
    pub fn callback<'f, F>(&self, function: F) -> Result<Callback<'f>, Error>
    where
        F: Fn(&mut [ValRaw]) + Send + Sync + 'f,
    {
        Callback::closure(self.source(), false, function)
    }

    /// As [`Callback::new_unwind`].
    ///
    /// # Errors
    ///
    /// [`Error::CallbacksExhausted`].
    pub fn callback_unwind<'f, F>(&self, function: F) -> Result<Callback<'f>, Error>
    where
        F: Fn(&mut [ValRaw]) + Send + Sync + 'f,
    {
        Callback::closure(self.source(), true, function)
    }

    /// As [`LocalCallback::new`].
    ///
    /// # Errors
    ///
    /// [`Error::CallbacksExhausted`].
    pub fn local_callback<'f, F>(&self, function: F) -> Result<LocalCallback<'f>, Error>
    where
        F: Fn(&mut [ValRaw]) + 'f,
    {
        LocalCallback::closure(self.source(), false, function)
    }

    /// As [`LocalCallback::new_unwind`].
    ///
    /// # Errors
    ///
    /// [`Error::CallbacksExhausted`].
    pub fn local_callback_unwind<'f, F>(&self, function: F) -> Result<LocalCallback<'f>, Error>
    where
        F: Fn(&mut [ValRaw]) + 'f,
    {
        LocalCallback::closure(self.source(), true, function)
    }

    /// As [`Callback::from_raw`].
    ///
    /// # Errors
    ///
    /// [`Error::CallbacksExhausted`].
    ///
    /// # Safety
    ///
    /// As for [`Callback::from_raw`], with the signature that this was made from.
    pub unsafe fn callback_from_raw<'f>(
        &self,
        function: ArrayCall,
        data: *mut c_void,
    ) -> Result<Callback<'f>, Error> {
        // SAFETY: our own conditions.
        unsafe { Callback::raw(self.source(), function, data) }
    }

    fn source(&self) -> Source<'_> {
        Source::Encoded(&self.encoded)
    }
}

impl fmt::Debug for Prototype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prototype").finish_non_exhaustive()
    }
}
