//! Slots that are used again.

/// Things with small numbers, in one piece of memory.
pub(super) struct Slab<T> {
    items: Vec<T>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub(super) const fn new() -> Slab<T> {
        Slab { items: Vec::new(), free: Vec::new() }
    }

    pub(super) fn put(&mut self, item: T) -> u32 {
        if let Some(index) = self.free.pop() {
            self.items[index as usize] = item;
            return index;
        }
        if self.items.len() == self.items.capacity() {
            // An eighth at a time: doubling would leave half of a large tree's memory unused.
            self.items.reserve_exact(self.items.len() / 8 + 64);
        }
        self.items.push(item);
        (self.items.len() - 1) as u32
    }

    /// The slot may be used again; whoever frees it knows that nothing refers to it.
    pub(super) fn free(&mut self, index: u32) {
        self.free.push(index);
    }

    pub(super) fn at(&self, index: u32) -> &T {
        &self.items[index as usize]
    }

    pub(super) fn at_mut(&mut self, index: u32) -> &mut T {
        &mut self.items[index as usize]
    }

    /// Slots in use.
    pub(super) fn used(&self) -> usize {
        self.items.len() - self.free.len()
    }

    /// Bytes that it occupies.
    pub(super) fn bytes(&self) -> usize {
        self.items.capacity() * size_of::<T>() + self.free.capacity() * size_of::<u32>()
    }
}
