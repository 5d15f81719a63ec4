//! What is counted: allocations and their size, hashes, comparisons and clones of keys, clones of wakers.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hash::{Hash, Hasher};
use std::task::{RawWaker, RawWakerVTable, Waker};

thread_local! {
    /// All that is counted on this thread.
    pub(crate) static WORK: Cell<usize> = const { Cell::new(0) };
    /// Keys that live.
    pub(crate) static KEYS: Cell<isize> = const { Cell::new(0) };
}

/// A thread that ends has no counters any more: then nobody asks.
fn count(operations: usize) {
    let _ = WORK.try_with(|work| work.set(work.get() + operations));
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

/// An allocation is one operation, and one more for each cache line of it: a copy of all keys is work, however it is made.
fn allocates(size: usize) {
    count(1 + size / 64);
}

// SAFETY: every call goes to `System` with what the caller gave, who keeps `GlobalAlloc`'s contract; counting touches a
// constant-initialised cell without a destructor, so it neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        allocates(layout.size());
        // SAFETY: the caller's layout, of non-zero size as `alloc` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block came from `System`, by this layout.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        allocates(size);
        // SAFETY: the block came from `System`, by this layout; the caller vouches for the new size.
        unsafe { System.realloc(block, layout, size) }
    }
}

/// A key whose hashes, comparisons and clones are counted.
#[derive(Debug)]
pub(crate) struct Key(usize);

impl Key {
    pub(crate) fn new(number: usize) -> Self {
        KEYS.set(KEYS.get() + 1);
        Self(number)
    }
}

impl Clone for Key {
    fn clone(&self) -> Self {
        count(1);
        Self::new(self.0)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        let _ = KEYS.try_with(|keys| keys.set(keys.get() - 1));
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        count(1);
        self.0 == other.0
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        count(1);
        self.0.hash(state);
    }
}

/// A waker that is another one each time, so that whoever keeps it must clone it; clones are counted.
pub(crate) fn fresh_waker() -> Waker {
    const VTABLE: RawWakerVTable = RawWakerVTable::new(
        |data| {
            count(1);
            RawWaker::new(data, &VTABLE)
        },
        |_| {},
        |_| {},
        |_| {},
    );
    thread_local! {
        static NEXT: Cell<usize> = const { Cell::new(0) };
    }
    NEXT.set(NEXT.get() + 1);
    let data = std::ptr::without_provenance(NEXT.get());
    // SAFETY: the functions of the table do nothing with the data, from any thread.
    unsafe { Waker::from_raw(RawWaker::new(data, &VTABLE)) }
}
