//! An allocator that counts the bytes that a thread holds.
#![expect(unsafe_code, reason = "only an allocator of its own can count bytes")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static BYTES: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

struct Holding;

impl Holding {
    fn counted(freed: usize, taken: usize) {
        BYTES.with(|bytes| {
            let (held, most) = bytes.get();
            let held = held.saturating_sub(freed).saturating_add(taken);
            bytes.set((held, most.max(held)));
        });
    }
}

// SAFETY: everything is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Holding {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::counted(0, layout.size());
        // SAFETY: the caller's promise is the system allocator's condition.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        Self::counted(layout.size(), 0);
        // SAFETY: the caller's promise is the system allocator's condition.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // It may be moved, and is there twice meanwhile.
        Self::counted(0, size);
        Self::counted(layout.size(), 0);
        // SAFETY: the caller's promise is the system allocator's condition.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Holding = Holding;

/// The bytes that this thread holds, and the most that it held since [`forget_most`].
pub(crate) fn held() -> (usize, usize) {
    BYTES.with(Cell::get)
}

/// Begins to look for the most anew.
pub(crate) fn forget_most() {
    BYTES.with(|bytes| bytes.set((bytes.get().0, bytes.get().0)));
}
