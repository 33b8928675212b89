//! Listings: directories read in order of name, at one's own pace, with cookies that stay good while entries come and go.
//!
//! POSIX asks of `readdir` that an entry that is there during the whole listing is returned exactly once. A position in
//! the directory itself cannot promise that, because names in front of it come and go. So a listing begins with a
//! snapshot of the names, and positions are positions in the snapshot:
//!
//! ```text
//! position   0    1     2        3        4             the cookie of an entry is the position behind it;
//! name       .    ..    apple    pear     plum          they are small numbers, since `telldir` of wasm32
//! cookie     1    2     3        4        5             gives programs 32 bits only
//! ```
//!
//! Names that are gone when they are reached are left out; a name that leads to something else by then is reported as
//! what it is by then. A name that was added after the beginning is not in the snapshot, so a program that renames what
//! it reads comes to an end. The next listing (cookie 0, `rewinddir`) shows it.
//!
//! Snapshots live as long as somebody reads them, and their size counts against the limit `listing_bytes`: without one,
//! a program could keep a copy of a large directory in each of its descriptors.

use super::inode::{Ino, Inode};
use super::{DirEntry, Fs, Kind};
use crate::abi::errno::Errno;
use borsh::{BorshDeserialize, BorshSerialize};

/// Positions before the first name: `.` and `..`.
const DOTS: u64 = 2;

/// How far a directory has been listed through one descriptor. Whoever gives it up calls [`Fs::end_listing`].
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Listing {
    /// Not at all.
    #[default]
    Unread,
    /// A listing is under way.
    Reading(Box<Snapshot>),
    /// To the end: nothing was left behind this position. The names are forgotten; a smaller cookie begins anew.
    Read(u64),
}

/// The names of a directory at one moment, sorted, without `.` and `..`.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Snapshot {
    /// One name after the other.
    names: Vec<u8>,
    /// Where each name ends.
    ends: Vec<u32>,
}

impl Snapshot {
    pub(super) fn of<'a>(all: impl Iterator<Item = &'a [u8]> + Clone) -> Self {
        let mut names = Vec::with_capacity(all.clone().map(<[u8]>::len).sum());
        let mut ends = Vec::with_capacity(all.clone().count());
        for name in all {
            names.extend_from_slice(name);
            // The largest limit of inodes times the longest name stays below 2^32.
            ends.push(names.len() as u32);
        }
        Self { names, ends }
    }

    /// The size that the snapshot of a directory has, without making it.
    fn size_of<'a>(names: impl Iterator<Item = &'a [u8]>) -> u64 {
        names.map(|name| name.len() as u64 + size_of::<u32>() as u64).sum()
    }

    fn size(&self) -> u64 {
        (self.names.len() + self.ends.len() * size_of::<u32>()) as u64
    }

    /// The position behind the last name.
    fn end(&self) -> u64 {
        self.ends.len() as u64 + DOTS
    }

    /// The names from a position on, each with the position behind it.
    fn from(&self, position: u64) -> impl Iterator<Item = (&[u8], u64)> {
        let skipped = usize::try_from(position.saturating_sub(DOTS)).unwrap_or(usize::MAX);
        (skipped..self.ends.len()).map(|n| {
            let start = n.checked_sub(1).map_or(0, |before| self.ends[before]);
            (&self.names[start as usize..self.ends[n] as usize], n as u64 + DOTS + 1)
        })
    }
}

impl Listing {
    fn size(&self) -> u64 {
        if let Self::Reading(snapshot) = self { snapshot.size() } else { 0 }
    }

    /// Whether a snapshot has to be taken before one can go on at `cookie`.
    const fn begins_at(&self, cookie: u64) -> bool {
        match self {
            Self::Unread => true,
            Self::Reading(_) => cookie == 0,
            Self::Read(end) => cookie == 0 || cookie < *end,
        }
    }
}

impl Fs {
    /// Prepares to go on with the listing of a directory at `cookie`: 0 to begin, or the `next` of an entry to go on
    /// behind it. Takes a snapshot of the names at cookie 0, and where there is none.
    ///
    /// # Errors
    /// `ENOTDIR`; `ENOENT` for a directory that was removed; `ENOMEM` if the snapshot does not fit the limit
    /// `listing_bytes`.
    pub fn seek_listing(&mut self, ino: Ino, listing: &mut Listing, cookie: u64) -> Result<(), Errno> {
        self.seek_listing_of(ino, listing, cookie, |_| true)
    }

    /// As [`Fs::seek_listing`], without what came with the cell and is as it came.
    ///
    /// # Errors
    /// As [`Fs::seek_listing`].
    pub fn seek_own_listing(&mut self, ino: Ino, listing: &mut Listing, cookie: u64) -> Result<(), Errno> {
        self.seek_listing_of(ino, listing, cookie, |inode| !inode.given)
    }

    fn seek_listing_of(
        &mut self,
        ino: Ino,
        listing: &mut Listing,
        cookie: u64,
        shown: impl Fn(&Inode) -> bool,
    ) -> Result<(), Errno> {
        let directory = self.table.get(ino)?.directory()?;
        directory.parent.ok_or(Errno::NoEnt)?;
        if listing.begins_at(cookie) {
            let entries = directory.names().zip(directory.inodes());
            let names = entries.filter(|(_, ino)| self.table.get(*ino).is_ok_and(&shown)).map(|(name, _)| name);
            let (old, new) = (listing.size(), Snapshot::size_of(names.clone()));
            self.quota.check_listing(old, new)?;
            *listing = Listing::Reading(Box::new(Snapshot::of(names)));
            self.quota.listed(old, new);
        }
        Ok(())
    }

    /// What a listing shows from `cookie` on, for which it was prepared: `.` and `..`, then the other entries in order
    /// of name.
    ///
    /// # Errors
    /// `ENOTDIR`, and `ENOENT` for a directory that was removed.
    pub fn entries<'a>(
        &'a self,
        ino: Ino,
        listing: &'a Listing,
        cookie: u64,
    ) -> Result<impl Iterator<Item = DirEntry<'a>>, Errno> {
        let directory = self.table.get(ino)?.directory()?;
        let parent = directory.parent.ok_or(Errno::NoEnt)?;
        let snapshot = if let Listing::Reading(snapshot) = listing { Some(snapshot) } else { None };
        let dots: [(&[u8], Ino, u64); 2] = [(b".", ino, 1), (b"..", parent, 2)];
        let dots = dots.into_iter().filter(move |(.., next)| snapshot.is_some() && cookie < *next);
        let dots = dots.map(|(name, ino, next)| DirEntry { name, ino, kind: Kind::Directory, next });
        let names = snapshot.into_iter().flat_map(move |snapshot| snapshot.from(cookie));
        let entries = names.filter_map(|(name, next)| {
            let ino = directory.get(name)?;
            Some(DirEntry { name, ino, kind: self.kind(ino).ok()?, next })
        });
        Ok(dots.chain(entries))
    }

    /// Notes that a listing shows nothing more from `cookie` on, or that nobody will read on: its names are forgotten.
    /// Whatever is added, that cookie and larger ones go on to show nothing until a listing begins anew.
    pub fn end_listing(&mut self, listing: &mut Listing, cookie: u64) {
        if let Listing::Reading(snapshot) = listing {
            self.quota.listed(snapshot.size(), 0);
            // Names at the end may be gone, so this need not be where the snapshot ends.
            *listing = Listing::Read(cookie.min(snapshot.end()));
        }
    }
}
