//! Page cache: each page is loaded once, however often it is asked for; changed ones are dirty until they are committed or dropped.
//!
//! Contracts cannot reach it: they have [`crate::slice::Slices`] and nothing below.

use std::collections::BTreeMap;

use super::PageError;

/// Where the cache gets what it has not.
pub trait PageSource {
    /// The content of a page; what is missing at its end is zero.
    fn load(&mut self, account: &[u8; 20], index: u32) -> Result<Vec<u8>, PageError>;
}

/// Pages by account and index.
#[derive(Debug, Default)]
pub struct PageCache {
    pages: BTreeMap<([u8; 20], u32), Cached>,
    loads: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Cached {
    content: Vec<u8>,
    /// Of a dirty page, what was there when it was last clean.
    clean: Option<Vec<u8>>,
}

impl PageCache {
    /// Nothing in it.
    #[must_use]
    pub fn new() -> PageCache {
        PageCache::default()
    }

    /// How many pages have been loaded from below.
    #[must_use]
    pub const fn loads(&self) -> u64 {
        self.loads
    }

    /// Bytes of the pages that are held.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    fn page(
        &mut self,
        from: &mut impl PageSource,
        account: &[u8; 20],
        index: u32,
        size: u32,
    ) -> Result<&mut Cached, PageError> {
        use std::collections::btree_map::Entry;
        match self.pages.entry((*account, index)) {
            Entry::Occupied(cached) => Ok(cached.into_mut()),
            Entry::Vacant(place) => {
                let mut content = from.load(account, index)?;
                self.loads += 1;
                content.resize(size as usize, 0);
                self.bytes += content.len();
                Ok(place.insert(Cached { content, clean: None }))
            }
        }
    }

    /// The bytes of a page of this size.
    pub fn read(
        &mut self,
        from: &mut impl PageSource,
        account: &[u8; 20],
        index: u32,
        size: u32,
    ) -> Result<&[u8], PageError> {
        Ok(&self.page(from, account, index, size)?.content)
    }

    /// Puts bytes into a page, which is loaded first and dirty from then on. The bytes lie within the page: layouts are checked.
    pub fn write(
        &mut self,
        from: &mut impl PageSource,
        account: &[u8; 20],
        (index, size): (u32, u32),
        offset: u32,
        bytes: &[u8],
    ) -> Result<(), PageError> {
        let page = self.page(from, account, index, size)?;
        if page.clean.is_none() {
            page.clean = Some(page.content.clone());
        }
        for (to, byte) in page.content.iter_mut().skip(offset as usize).zip(bytes) {
            *to = *byte;
        }
        Ok(())
    }

    /// The dirty pages, by account and index.
    pub fn dirty(&self) -> impl Iterator<Item = (&[u8; 20], u32, &[u8])> {
        self.pages
            .iter()
            .filter(|(_, page)| page.clean.is_some())
            .map(|((account, index), page)| (account, *index, page.content.as_slice()))
    }

    /// The run has succeeded and the dirty pages are stored: they are clean now.
    pub fn commit(&mut self) {
        for page in self.pages.values_mut() {
            page.clean = None;
        }
    }

    /// The run has failed: dirty pages are what they were.
    pub fn discard(&mut self) {
        for page in self.pages.values_mut() {
            if let Some(clean) = page.clean.take() {
                page.content = clean;
            }
        }
    }

    /// Forgets all clean pages; the next batch loads what it needs.
    pub fn forget(&mut self) {
        self.pages.retain(|_, page| page.clean.is_some());
        self.bytes = self.pages.values().map(|page| page.content.len()).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pages full of their index; refuses page 9.
    struct Counted(Vec<u32>);

    impl PageSource for Counted {
        fn load(&mut self, account: &[u8; 20], index: u32) -> Result<Vec<u8>, PageError> {
            self.0.push(index);
            let hash = crate::hash::Hash::ZERO;
            if index == 9 {
                Err(PageError::Missing { account: *account, index, hash })
            } else {
                Ok(vec![index as u8; 4])
            }
        }
    }

    const ANN: [u8; 20] = [1; 20];

    #[test]
    fn reads_and_writes_of_a_page_load_it_once() {
        let (mut cache, mut below) = (PageCache::new(), Counted(Vec::new()));
        for _ in 0..3 {
            assert_eq!(cache.read(&mut below, &ANN, 5, 8).unwrap(), [5, 5, 5, 5, 0, 0, 0, 0]);
            cache.write(&mut below, &ANN, (6, 8), 2, &[9]).unwrap();
        }
        assert_eq!(cache.read(&mut below, &[2; 20], 5, 8).unwrap().len(), 8, "another account's page");
        assert_eq!(below.0, [5, 6, 5]);
        assert_eq!((cache.loads(), cache.bytes()), (3, 24));
    }

    #[test]
    fn dirty_pages_are_kept_or_dropped_as_a_whole() {
        let (mut cache, mut below) = (PageCache::new(), Counted(Vec::new()));
        cache.write(&mut below, &ANN, (1, 4), 0, &[7]).unwrap();
        cache.read(&mut below, &ANN, 2, 4).unwrap();
        assert_eq!(cache.dirty().collect::<Vec<_>>(), [(&ANN, 1, &[7, 1, 1, 1][..])]);
        cache.commit();
        assert_eq!(cache.dirty().count(), 0);
        cache.write(&mut below, &ANN, (1, 4), 1, &[8, 8]).unwrap();
        cache.write(&mut below, &ANN, (1, 4), 3, &[9]).unwrap();
        cache.discard();
        assert_eq!(cache.read(&mut below, &ANN, 1, 4).unwrap(), [7, 1, 1, 1]);
        cache.forget();
        assert_eq!(cache.read(&mut below, &ANN, 1, 4).unwrap(), [1, 1, 1, 1], "loaded again");
        assert_eq!(cache.loads(), 3);
    }

    #[test]
    fn what_could_not_be_loaded_is_asked_for_again() {
        let (mut cache, mut below) = (PageCache::new(), Counted(Vec::new()));
        assert!(cache.read(&mut below, &ANN, 9, 4).is_err());
        assert!(cache.write(&mut below, &ANN, (9, 4), 0, &[1]).is_err());
        assert_eq!((below.0.len(), cache.loads(), cache.dirty().count()), (2, 0, 0));
    }
}
