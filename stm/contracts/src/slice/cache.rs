//! Page slice cache: turns slices into bytes of pages. What stands behind contracts in the sequential store and below a batch.

use std::collections::BTreeMap;

use super::Slice;
use crate::page::{PageCache, PageError, PageSource};

/// Slices over a [`PageCache`]. Writes wait here and become bytes of pages when they are committed.
#[derive(Debug, Default)]
pub struct SliceCache {
    pages: PageCache,
    dirty: BTreeMap<([u8; 20], u32), Dirty>,
}

#[derive(Debug)]
struct Dirty {
    slice: Slice,
    page_size: u32,
    bytes: Vec<u8>,
}

impl SliceCache {
    /// Nothing in it.
    #[must_use]
    pub fn new() -> SliceCache {
        SliceCache::default()
    }

    /// The pages below.
    #[must_use]
    pub const fn pages(&self) -> &PageCache {
        &self.pages
    }

    /// The bytes of slice `index`, which stands at `slice` in pages of `size` bytes.
    pub fn read(
        &mut self,
        from: &mut impl PageSource,
        account: &[u8; 20],
        (index, slice, size): (u32, &Slice, u32),
    ) -> Result<Vec<u8>, PageError> {
        if let Some(dirty) = self.dirty.get(&(*account, index)) {
            return Ok(dirty.bytes.clone());
        }
        let page = self.pages.read(from, account, slice.page, size)?;
        Ok(page.iter().skip(slice.offset as usize).take(slice.length as usize).copied().collect())
    }

    /// Sets the bytes of a slice. Its page is loaded first: a write to what cannot be read fails at once and not at the end.
    pub fn write(
        &mut self,
        from: &mut impl PageSource,
        account: &[u8; 20],
        (index, slice, size): (u32, &Slice, u32),
        bytes: &[u8],
    ) -> Result<(), PageError> {
        self.pages.read(from, account, slice.page, size)?;
        self.dirty.insert((*account, index), Dirty { slice: *slice, page_size: size, bytes: bytes.to_vec() });
        Ok(())
    }

    /// The slices that are dirty, by account and index.
    pub fn dirty(&self) -> impl Iterator<Item = (&[u8; 20], u32)> {
        self.dirty.keys().map(|(account, index)| (account, *index))
    }

    /// The run has succeeded: writes the dirty slices, and no other byte, into their pages, and returns the dirty pages. They are clean
    /// for the cache after [`SliceCache::committed`], when they are stored.
    pub fn flush(&mut self, from: &mut impl PageSource) -> Result<&PageCache, PageError> {
        for ((account, _), Dirty { slice, page_size, bytes }) in std::mem::take(&mut self.dirty) {
            self.pages.write(from, &account, (slice.page, page_size), slice.offset, &bytes)?;
        }
        Ok(&self.pages)
    }

    /// The dirty pages are stored.
    pub fn committed(&mut self) {
        self.pages.commit();
    }

    /// The run has failed: dirty slices and pages are dropped.
    pub fn discard(&mut self) {
        self.dirty.clear();
        self.pages.discard();
    }

    /// Forgets clean pages.
    pub fn forget(&mut self) {
        self.pages.forget();
    }
}
