//! What WebAssembly exports: the page asks for room for a text, writes it there, asks for
//! the answer, and reads that.

use std::cell::RefCell;

thread_local! {
    static TEXT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static ANSWER: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Room for a text of so many bytes. It stays where it is until the next call.
#[unsafe(no_mangle)]
pub extern "C" fn room(bytes: usize) -> *mut u8 {
    TEXT.with_borrow_mut(|text| {
        text.clear();
        text.resize(bytes, 0);
        text.as_mut_ptr()
    })
}

/// The page for the text, as JSON; its size is [`answer_bytes`].
#[unsafe(no_mangle)]
pub extern "C" fn answer() -> *const u8 {
    let text = TEXT.with_borrow(|text| String::from_utf8_lossy(text).into_owned());
    let json = serde_json::to_string(&crate::page(&text)).expect("a page has no maps");
    ANSWER.with_borrow_mut(|answer| {
        *answer = json;
        answer.as_ptr()
    })
}

/// How many bytes the last [`answer`] has.
#[unsafe(no_mangle)]
pub extern "C" fn answer_bytes() -> usize {
    ANSWER.with_borrow(String::len)
}
