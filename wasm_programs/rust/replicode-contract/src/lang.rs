//! What a program without the standard library brings itself: memory, and the end of a panic.
//!
//! An instance lives for one call, so memory is taken from the front and only what was taken last is given back: a few instructions, and enough
//! for loops whose values come and go.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::fmt::Write;
use core::panic::PanicInfo;

struct Bump(UnsafeCell<usize>);

// SAFETY: contracts have one thread.
unsafe impl Sync for Bump {}

const PAGE: usize = 65536;

unsafe extern "C" {
    /// The linker's: the first byte behind everything that it has placed.
    static __heap_base: u8;
}

// SAFETY: each allocation is a range of memory that begins where the one before has ended, so none overlaps another, and it is aligned.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: one thread, and nothing below borrows it.
        let next = unsafe { &mut *self.0.get() };
        if *next == 0 {
            *next = (&raw const __heap_base) as usize;
        }
        let begin = (*next + layout.align() - 1) & !(layout.align() - 1);
        let end = begin.saturating_add(layout.size());
        let have = core::arch::wasm32::memory_size(0) * PAGE;
        if end > have && core::arch::wasm32::memory_grow(0, (end - have).div_ceil(PAGE)) == usize::MAX {
            return core::ptr::null_mut();
        }
        *next = end;
        begin as *mut u8
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: as above.
        let next = unsafe { &mut *self.0.get() };
        if old as usize + layout.size() == *next {
            *next = old as usize;
        }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        let next = unsafe { &mut *self.0.get() };
        // The last one grows where it is.
        if old as usize + layout.size() == *next && old as usize + size <= core::arch::wasm32::memory_size(0) * PAGE {
            *next = old as usize + size;
            return old;
        }
        // SAFETY: the caller keeps the rules of `realloc`; the new range is apart from the old one.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                core::ptr::copy_nonoverlapping(old, new, layout.size().min(size));
            }
            new
        }
    }
}

#[global_allocator]
static MEMORY: Bump = Bump(UnsafeCell::new(0));

/// The message of a panic, cut to what is worth paying for.
struct Text {
    bytes: [u8; 256],
    len: usize,
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for byte in text.bytes() {
            if let Some(place) = self.bytes.get_mut(self.len) {
                *place = byte;
                self.len += 1;
            }
        }
        Ok(())
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let mut text = Text { bytes: [0; 256], len: 0 };
    // Constant messages only: formatting takes more code than most contracts.
    let _ = text.write_str(info.message().as_str().unwrap_or("panicked"));
    crate::sys::revert(crate::entry::PANIC, text.bytes.get(..text.len).unwrap_or_default())
}
