//! More thunks for callbacks: the pages of `callback_block` are mapped again, from where they
//! came from, with a fresh table behind them.
//!
//! A thunk finds its entry by the distance from the program counter, so each copy has a table
//! of its own. No page is ever writable and executable, and none becomes executable after it
//! was writable. What is mapped is the program's own text, and is compared with it before use.
//! Nothing is ever unmapped, so a late call of a callback finds an empty entry.

use alloc::boxed::Box;
use core::{
    ffi::{c_int, c_void},
    ptr::null_mut,
    slice,
};

use super::{
    VMOpaqueContext,
    atomics::AtomicPtr,
    callback_thunks::{Block, Code},
    port::symbol,
};
use crate::encode::constants::constant;

type Entry = AtomicPtr<VMOpaqueContext>;

const BLOCK_SIZE: usize = constant("BLOCK_SIZE");
const COUNT: usize = BLOCK_SIZE / size_of::<Code>();
const TABLE_SIZE: usize = COUNT * size_of::<Entry>();

unsafe extern "C" {
    /// Thunks that are not called where they are.
    #[link_name = symbol!(callback_block)]
    safe static BLOCK: [Code; COUNT];
}

// Of the C library.
unsafe extern "C" {
    fn mmap(
        address: *mut c_void,
        length: usize,
        protection: c_int,
        flags: c_int,
        file: c_int,
        offset: i64,
    ) -> *mut c_void;
    fn munmap(address: *mut c_void, length: usize) -> c_int;
}

const PROT_NONE: c_int = 0;
const PROT_READ: c_int = 1;
const PROT_WRITE: c_int = 2;
#[cfg(not(target_vendor = "apple"))]
const PROT_EXEC: c_int = 4;
const MAP_PRIVATE: c_int = 2;
const MAP_FIXED: c_int = 0x10;
const MAP_ANONYMOUS: c_int = if cfg!(target_vendor = "apple") { 0x1000 } else { 0x20 };
const MAP_FAILED: *mut c_void = usize::MAX as *mut c_void;

/// Address space for a block and its table. It is unmapped again if it gets no block.
struct Place(*mut c_void);

impl Place {
    fn new() -> Option<Place> {
        let (length, flags) = (BLOCK_SIZE + TABLE_SIZE, MAP_PRIVATE | MAP_ANONYMOUS);
        // SAFETY: where nothing is.
        let place = unsafe { mmap(null_mut(), length, PROT_NONE, flags, -1, 0) };
        (place != MAP_FAILED).then_some(Place(place))
    }

    fn table(&self) -> Option<&'static [Entry]> {
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
        // SAFETY: within the place.
        let table = unsafe { self.0.byte_add(BLOCK_SIZE) };
        // SAFETY: the place is ours, and nothing refers to it.
        let mapped = unsafe { mmap(table, TABLE_SIZE, PROT_READ | PROT_WRITE, flags, -1, 0) };
        (mapped != MAP_FAILED).then(|| {
            // SAFETY: so many bytes, zero and so null, for ever.
            unsafe { slice::from_raw_parts(mapped.cast::<Entry>(), COUNT) }
        })
    }

    /// The thunks that are mapped here, if they are those of the program.
    fn thunks(&self) -> Option<&'static [Code]> {
        // SAFETY: so many bytes, which are never written to.
        let thunks = unsafe { slice::from_raw_parts(self.0.cast::<Code>(), COUNT) };
        (*thunks == BLOCK).then_some(thunks)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // SAFETY: nothing refers to it.
        unsafe { munmap(self.0, BLOCK_SIZE + TABLE_SIZE) };
    }
}

/// A block of thunks that are ready to be taken, or what is in the way.
pub(super) fn map() -> Result<&'static Block, &'static str> {
    let place = Place::new().ok_or(NO_MEMORY)?;
    text::map(place.0)?;
    let thunks = place.thunks().ok_or("the program's file has changed since it was loaded")?;
    let entries = place.table().ok_or(NO_MEMORY)?;
    core::mem::forget(place);
    Ok(Box::leak(Box::new(Block { entries, thunks, next: AtomicPtr::new(null_mut()) })))
}

const NO_MEMORY: &str = "the system maps no more memory";

/// From the file that the program was loaded from.
#[cfg(not(target_vendor = "apple"))]
mod text {
    use alloc::{ffi::CString, vec::Vec};
    use core::{
        ffi::{CStr, c_char},
        str::from_utf8,
    };

    use super::*;

    unsafe extern "C" {
        fn open(path: *const c_char, flags: c_int, ...) -> c_int;
        fn read(file: c_int, buffer: *mut c_void, count: usize) -> isize;
        fn lseek(file: c_int, offset: i64, whence: c_int) -> i64;
        fn close(file: c_int) -> c_int;
    }

    pub(super) const O_RDONLY: c_int = 0;
    pub(super) const O_CLOEXEC: c_int = 0o2000000;
    pub(super) const SEEK_END: c_int = 2;
    /// Ways to map code: with branch targets enforced, where that exists.
    const EXECUTABLE: &[c_int] = if cfg!(target_arch = "aarch64") {
        &[PROT_READ | PROT_EXEC | PROT_BTI, PROT_READ | PROT_EXEC]
    } else {
        &[PROT_READ | PROT_EXEC]
    };
    const PROT_BTI: c_int = 0x10;

    /// A file that is closed when this is dropped.
    struct File(c_int);

    impl File {
        fn open(path: &CStr) -> Option<File> {
            // SAFETY: a string.
            let file = unsafe { open(path.as_ptr(), O_RDONLY | O_CLOEXEC) };
            (file >= 0).then_some(File(file))
        }

        fn len(&self) -> i64 {
            // SAFETY: a number that is no file's would be an error.
            unsafe { lseek(self.0, 0, SEEK_END) }
        }

        fn read(&self) -> Option<Vec<u8>> {
            let mut all = Vec::new();
            loop {
                let mut some = [0u8; 1024];
                // SAFETY: the buffer, and its length.
                let count = unsafe { read(self.0, some.as_mut_ptr().cast(), some.len()) };
                match usize::try_from(count).ok()? {
                    0 => return Some(all),
                    count => all.extend_from_slice(&some[..count]),
                }
            }
        }
    }

    impl Drop for File {
        fn drop(&mut self) {
            // SAFETY: ours, and open.
            unsafe { close(self.0) };
        }
    }

    /// Maps the block to this place.
    pub(super) fn map(place: *mut c_void) -> Result<(), &'static str> {
        let maps = File::open(c"/proc/self/maps").and_then(|file| file.read());
        let maps = maps.ok_or("/proc/self/maps cannot be read")?;
        let (path, offset) = maps
            .split(|&byte| byte == b'\n')
            .find_map(|line| origin(line, (&raw const BLOCK).addr()))
            .ok_or("/proc/self/maps does not tell the program's file")?;
        let file = File::open(&path).ok_or("the program's file cannot be opened")?;
        // Pages behind the end of a file are there, and fault.
        if file.len() < offset + BLOCK_SIZE as i64 {
            return Err("the program's file is shorter than when it was loaded");
        }
        let flags = MAP_PRIVATE | MAP_FIXED;
        EXECUTABLE
            .iter()
            // SAFETY: the place is ours, and nothing refers to it.
            .map(|&how| unsafe { mmap(place, BLOCK_SIZE, how, flags, file.0, offset) })
            .find(|&mapped| mapped == place)
            .map(|_| ())
            .ok_or("the system does not map the program's file")
    }

    /// The file and the offset in it that an address is mapped from, if this line of
    /// `/proc/self/maps` tells: `from-to rwxp offset device inode   path`.
    pub(super) fn origin(line: &[u8], address: usize) -> Option<(CString, i64)> {
        let hex = |digits| usize::from_str_radix(from_utf8(digits).ok()?, 16).ok();
        let mut fields = line.splitn(6, |&byte| byte == b' ');
        let mut range = fields.next()?.splitn(2, |&byte| byte == b'-').map(hex);
        let (from, to) = (range.next()??, range.next()??);
        let offset = hex(fields.nth(1)?)?;
        let path = CString::new(fields.nth(2)?.trim_ascii_start()).ok()?;
        let offset = i64::try_from(offset + address.checked_sub(from)?).ok()?;
        (address < to && path.as_bytes().starts_with(b"/")).then_some((path, offset))
    }
}

/// From the program's own memory.
#[cfg(target_vendor = "apple")]
mod text {
    use core::ffi::c_uint;

    use super::*;

    unsafe extern "C" {
        /// What `mach_task_self()` is.
        safe static mach_task_self_: c_uint;

        fn vm_remap(
            target: c_uint,
            address: *mut usize,
            size: usize,
            mask: usize,
            flags: c_int,
            source: c_uint,
            from: usize,
            copy: c_uint,
            protection: *mut c_int,
            maximum: *mut c_int,
            inheritance: c_uint,
        ) -> c_int;
    }

    const VM_FLAGS_FIXED: c_int = 0;
    const VM_FLAGS_OVERWRITE: c_int = 0x4000;
    const VM_INHERIT_SHARE: c_uint = 0;

    /// Maps the block to this place.
    pub(super) fn map(place: *mut c_void) -> Result<(), &'static str> {
        let (mut address, (mut protection, mut maximum)) = (place.addr(), (0, 0));
        // SAFETY: the place is ours, and nothing refers to it; the other pointers are
        // good for one number each.
        let code = unsafe {
            vm_remap(
                mach_task_self_,
                &mut address,
                BLOCK_SIZE,
                0,
                VM_FLAGS_FIXED | VM_FLAGS_OVERWRITE,
                mach_task_self_,
                (&raw const BLOCK).addr(),
                0,
                &mut protection,
                &mut maximum,
                VM_INHERIT_SHARE,
            )
        };
        let mapped = code == 0 && address == place.addr();
        mapped.then_some(()).ok_or("the system does not map the program's pages again")
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::{text::*, *};

    #[test]
    fn constants_are_those_of_the_c_library() {
        let ours = [PROT_NONE, PROT_READ, PROT_WRITE, PROT_EXEC, MAP_PRIVATE, MAP_FIXED];
        let theirs = [
            libc::PROT_NONE,
            libc::PROT_READ,
            libc::PROT_WRITE,
            libc::PROT_EXEC,
            libc::MAP_PRIVATE,
            libc::MAP_FIXED,
        ];
        assert_eq!(ours, theirs);
        let ours = [MAP_ANONYMOUS, O_RDONLY, O_CLOEXEC, SEEK_END];
        let theirs = [libc::MAP_ANONYMOUS, libc::O_RDONLY, libc::O_CLOEXEC, libc::SEEK_END];
        assert_eq!(ours, theirs);
        assert_eq!(MAP_FAILED, libc::MAP_FAILED);
        assert_eq!(size_of::<libc::off_t>(), size_of::<i64>());
    }

    #[test]
    fn lines_of_maps_are_understood() {
        let origin = |line: &str, address| {
            let (path, offset) = origin(line.as_bytes(), address)?;
            Some((path.into_string().unwrap(), offset))
        };
        let line = "55e0000-55f0000 r-xp 0000f000 fd:01 1234                       /a b/c";
        assert_eq!(origin(line, 0x55e0000), Some(("/a b/c".into(), 0xf000)));
        assert_eq!(origin(line, 0x55effff), Some(("/a b/c".into(), 0x1efff)));
        assert_eq!(origin(line, 0x55f0000), None);
        assert_eq!(origin(line, 0x55dffff), None);
        assert_eq!(origin("55e0000-55f0000 r-xp 00000000 00:00 0 ", 0x55e0000), None);
        assert_eq!(origin("55e0000-55f0000 r-xp 00000000 00:00 0    [vdso]", 0x55e0000), None);
        assert_eq!(origin("", 0), None);
        assert_eq!(origin("55e0000", 0x55e0000), None);
    }
}
