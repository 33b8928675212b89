//! Memory of a function: what lies between its data and the end of the memory that it begins with, then more.
//!
//! An execution is short and its instance is thrown away, so what counts is to touch few pages and to ask for none. Blocks are of powers of
//! two; what is freed is given out again for the same size.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;

const PAGE: usize = 1 << 16;
const SMALLEST: u32 = 4;

struct Heap(UnsafeCell<State>);

struct State {
    /// Freed blocks of each power of two; the first word of a block is the next one.
    free: [usize; 32],
    next: usize,
    end: usize,
}

// SAFETY: a module has one thread.
unsafe impl Sync for Heap {}

#[global_allocator]
static HEAP: Heap = Heap(UnsafeCell::new(State { free: [0; 32], next: 0, end: 0 }));

unsafe extern "C" {
    /// Where the linker's own data ends.
    static __heap_base: u8;
}

/// The power of two of a block for a layout.
fn power(layout: Layout) -> u32 {
    let size = layout.size().max(layout.align()).max(1);
    (usize::BITS - (size - 1).leading_zeros()).max(SMALLEST)
}

impl State {
    fn fresh(&mut self, size: usize) -> usize {
        if self.end == 0 {
            self.next = (&raw const __heap_base).addr();
            self.end = core::arch::wasm32::memory_size(0) * PAGE;
        }
        // Up to 64 KiB a block lies at a multiple of its size, and with it whatever alignment it was asked for.
        let align = size.min(PAGE);
        let Some(start) = self.next.checked_next_multiple_of(align) else { return 0 };
        let Some(end) = start.checked_add(size) else { return 0 };
        if end > self.end {
            let pages = (end - self.end).div_ceil(PAGE);
            if core::arch::wasm32::memory_grow(0, pages) == usize::MAX {
                return 0;
            }
            self.end += pages * PAGE;
        }
        self.next = end;
        start
    }
}

// SAFETY: blocks that are given out do not overlap and are as large and aligned as asked for: each is a power of two that holds both, taken
// from memory that nobody else has, or one that was given back.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let power = power(layout);
        if power > 31 || layout.align() > PAGE {
            return std::ptr::null_mut();
        }
        // SAFETY: there is one thread, and nothing here allocates.
        let state = unsafe { &mut *self.0.get() };
        let freed = state.free[power as usize];
        if freed != 0 {
            // SAFETY: a freed block holds the next one in its first word.
            state.free[power as usize] = unsafe { *(freed as *const usize) };
            return freed as *mut u8;
        }
        state.fresh(1 << power) as *mut u8
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let power = power(layout);
        // SAFETY: there is one thread, and nothing here allocates.
        let state = unsafe { &mut *self.0.get() };
        // SAFETY: nobody uses the block any more, and it is 16 bytes at least.
        unsafe { *(block as *mut usize) = state.free[power as usize] };
        state.free[power as usize] = block as usize;
    }
}
