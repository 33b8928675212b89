//! The descriptor table of a process.
//!
//! Preview 1 has no `dup`, so each descriptor is an open file of its own: position, listing and flags live in the table.

use crate::abi::Errno;
use crate::abi::types::{fdflags, rights};
use crate::fs::{Ino, Listing};
use crate::sockets::Slot;
use borsh::{BorshDeserialize, BorshSerialize};
use replicode_log::ConsoleStream;

/// What a descriptor stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) enum Object {
    /// Standard input.
    Stdin,
    /// Standard output or standard error.
    Console(ConsoleStream),
    /// A regular file and the position in it.
    File { ino: Ino, offset: u64 },
    /// A directory. A preopened one is what paths without another start from resolve against.
    Directory { ino: Ino, preopen: bool },
    /// A stream socket.
    Socket(Slot),
}

/// One open file.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Descriptor {
    pub(crate) object: Object,
    /// `fdflags` as in [`fdflags`].
    pub(crate) flags: u32,
    /// What it may be used for.
    pub(crate) base: u64,
    /// What descriptors opened through it may be used for.
    pub(crate) inheriting: u64,
    /// For a directory, how far it has been listed.
    pub(crate) listing: Listing,
}

impl Descriptor {
    pub(crate) const fn new(object: Object, flags: u32, base: u64, inheriting: u64) -> Self {
        Self { object, flags, base, inheriting, listing: Listing::Unread }
    }

    pub(crate) const fn stdin() -> Self {
        Self::new(Object::Stdin, 0, rights::STDIN, 0)
    }

    pub(crate) const fn console(stream: ConsoleStream) -> Self {
        // Writes to a console always append.
        Self::new(Object::Console(stream), fdflags::APPEND, rights::STDOUT, 0)
    }

    pub(crate) const fn preopen(ino: Ino) -> Self {
        Self::new(Object::Directory { ino, preopen: true }, 0, rights::DIRECTORY, rights::ALL)
    }

    pub(crate) const fn socket(slot: Slot, flags: u32) -> Self {
        Self::new(Object::Socket(slot), flags, rights::SOCKET, rights::SOCKET)
    }

    /// Whether calls answer `EAGAIN` instead of waiting.
    pub(crate) const fn nonblocking(&self) -> bool {
        self.flags & fdflags::NONBLOCK != 0
    }

    /// Checks a right.
    ///
    /// A file that was not opened for reading or writing answers `EBADF`, as POSIX `read` and `write` do; any other
    /// missing right answers `ENOTCAPABLE`, as preview 1 has it.
    pub(crate) const fn check(&self, right: u64) -> Result<(), Errno> {
        if self.base & right == right {
            Ok(())
        } else if right & (rights::FD_READ | rights::FD_WRITE) != 0 {
            Err(Errno::BadF)
        } else {
            Err(Errno::NotCapable)
        }
    }
}

/// The open descriptors of a process. A new one gets the lowest free number (POSIX.1-2017, 2.14).
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Descriptors {
    slots: Vec<Option<Descriptor>>,
    /// One bit per number, set when it is open, so that the lowest free one is found 64 at a time.
    used: Vec<u64>,
    open: u32,
}

impl Descriptors {
    pub(crate) const fn len(&self) -> usize {
        self.open as usize
    }

    pub(crate) fn get(&self, fd: u32) -> Result<&Descriptor, Errno> {
        self.slots.get(fd as usize).and_then(Option::as_ref).ok_or(Errno::BadF)
    }

    pub(crate) fn get_mut(&mut self, fd: u32) -> Result<&mut Descriptor, Errno> {
        self.slots.get_mut(fd as usize).and_then(Option::as_mut).ok_or(Errno::BadF)
    }

    /// The number that the next descriptor gets; `EMFILE` when there are `max` already. Nothing is taken yet, so a call
    /// that fails afterwards has nothing to give back.
    pub(crate) fn lowest_free(&self, max: u32) -> Result<u32, Errno> {
        let full = self.used.iter().take_while(|word| **word == u64::MAX).count();
        let bit = self.used.get(full).map_or(0, |word| word.trailing_ones());
        let fd = full as u64 * 64 + u64::from(bit);
        u32::try_from(fd).ok().filter(|fd| *fd < max).ok_or(Errno::MFile)
    }

    /// Opens `fd`, which must be free: a number that [`Descriptors::lowest_free`] answered.
    pub(crate) fn put(&mut self, fd: u32, descriptor: Descriptor) {
        let index = fd as usize;
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, || None);
            self.used.resize(index / 64 + 1, 0);
        }
        debug_assert!(self.slots[index].is_none(), "descriptor {fd} is open already");
        self.slots[index] = Some(descriptor);
        self.used[index / 64] |= 1 << (index % 64);
        self.open += 1;
    }

    /// Closes `fd` and answers what it stood for.
    pub(crate) fn take(&mut self, fd: u32) -> Result<Descriptor, Errno> {
        let index = fd as usize;
        let descriptor = self.slots.get_mut(index).and_then(Option::take).ok_or(Errno::BadF)?;
        self.used[index / 64] &= !(1 << (index % 64));
        self.open -= 1;
        Ok(descriptor)
    }

    /// Moves `from` to `to`, both open, and answers what `to` stood for; `None` when they are the same.
    pub(crate) fn renumber(&mut self, from: u32, to: u32) -> Result<Option<Descriptor>, Errno> {
        self.get(from)?;
        self.get(to)?;
        if from == to {
            return Ok(None);
        }
        let moved = self.take(from)?;
        let replaced = self.take(to)?;
        self.put(to, moved);
        Ok(Some(replaced))
    }

    /// Closes everything; the descriptors come in ascending order.
    pub(crate) fn drain(&mut self) -> Vec<Descriptor> {
        std::mem::take(self).slots.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn marked(mark: u64) -> Descriptor {
        Descriptor::new(Object::Stdin, 0, mark, 0)
    }

    #[derive(Clone, Debug)]
    enum Op {
        Open,
        Close(u32),
        Renumber(u32, u32),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            4 => Just(Op::Open),
            2 => (0_u32..140).prop_map(Op::Close),
            1 => (0_u32..140, 0_u32..140).prop_map(|(from, to)| Op::Renumber(from, to)),
        ]
    }

    const MAX: u32 = 130;

    proptest! {
        /// The table against the obvious model: an ordered map.
        #[test]
        fn behaves_as_an_ordered_map(ops in prop::collection::vec(op(), 0..400)) {
            let mut table = Descriptors::default();
            let mut model: BTreeMap<u32, u64> = BTreeMap::new();
            for (mark, op) in (0_u64..).zip(ops) {
                match op {
                    Op::Open => {
                        let want = (0..MAX).find(|fd| !model.contains_key(fd)).ok_or(Errno::MFile);
                        prop_assert_eq!(table.lowest_free(MAX), want);
                        if let Ok(fd) = want {
                            table.put(fd, marked(mark));
                            model.insert(fd, mark);
                        }
                    }
                    Op::Close(fd) => {
                        let got = table.take(fd).map(|descriptor| descriptor.base);
                        prop_assert_eq!(got, model.remove(&fd).ok_or(Errno::BadF));
                    }
                    Op::Renumber(from, to) => {
                        let got = table.renumber(from, to).map(|gone| gone.map(|descriptor| descriptor.base));
                        let want = match (model.get(&from).copied(), model.get(&to).copied()) {
                            (Some(_), Some(_)) if from == to => Ok(None),
                            (Some(moved), Some(gone)) => {
                                model.remove(&from);
                                model.insert(to, moved);
                                Ok(Some(gone))
                            }
                            _ => Err(Errno::BadF),
                        };
                        prop_assert_eq!(got, want);
                    }
                }
                prop_assert_eq!(table.len(), model.len());
                for fd in 0..140 {
                    prop_assert_eq!(table.get(fd).ok().map(|it| it.base), model.get(&fd).copied());
                }
            }
            let rest: Vec<u64> = table.drain().into_iter().map(|descriptor| descriptor.base).collect();
            prop_assert_eq!(rest, model.into_values().collect::<Vec<_>>());
            prop_assert_eq!(table.len(), 0);
        }
    }
}
