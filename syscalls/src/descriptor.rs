//! The descriptor table of a process: numbers, each with its close-on-exec flag and the open file that it leads to.
//!
//! Processes here share no descriptors (there is no `fork`), so the open files of a process live in its table, too.

use crate::abi::Errno;
use crate::open_file::OpenFile;
use borsh::{BorshDeserialize, BorshSerialize};

/// One descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Descriptor {
    /// Position of its open file.
    file: u32,
    /// `FD_CLOEXEC`: belongs to the number, and is not duplicated. There is no `exec`; it is kept to be read back.
    cloexec: bool,
}

/// An open file and how many descriptors lead to it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Shared {
    file: OpenFile,
    descriptors: u32,
}

/// The open descriptors of a process and what they lead to. A new one gets the lowest free number (POSIX.1-2017, 2.14).
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Descriptors {
    slots: Vec<Option<Descriptor>>,
    /// One bit per number, set when it is open, so that the lowest free one is found 64 at a time.
    used: Vec<u64>,
    open: u32,
    files: Vec<Option<Shared>>,
    /// Positions in `files` that are free, the last one first in use again.
    free: Vec<u32>,
}

impl Descriptors {
    /// How many descriptors are open.
    pub(crate) const fn len(&self) -> usize {
        self.open as usize
    }

    fn descriptor(&self, fd: u32) -> Result<Descriptor, Errno> {
        self.slots.get(fd as usize).copied().flatten().ok_or(Errno::BadF)
    }

    /// The open file that `fd` leads to.
    pub(crate) fn get(&self, fd: u32) -> Result<&OpenFile, Errno> {
        let at = self.descriptor(fd)?.file as usize;
        self.files.get(at).and_then(Option::as_ref).map(|it| &it.file).ok_or(Errno::BadF)
    }

    /// The open file that `fd` leads to.
    pub(crate) fn get_mut(&mut self, fd: u32) -> Result<&mut OpenFile, Errno> {
        let at = self.descriptor(fd)?.file as usize;
        self.files.get_mut(at).and_then(Option::as_mut).map(|it| &mut it.file).ok_or(Errno::BadF)
    }

    /// A name for the open file that `fd` leads to, the same for all descriptors that share it: its position in the
    /// table, which is given to another one only when the last of them is closed.
    pub(crate) fn file_number(&self, fd: u32) -> Result<u32, Errno> {
        self.descriptor(fd).map(|it| it.file)
    }

    /// Whether no other descriptor leads to the open file of `fd`.
    pub(crate) fn is_last(&self, fd: u32) -> bool {
        let file = self.descriptor(fd).ok().and_then(|it| self.files.get(it.file as usize)?.as_ref());
        file.is_some_and(|it| it.descriptors == 1)
    }

    pub(crate) fn cloexec(&self, fd: u32) -> Result<bool, Errno> {
        self.descriptor(fd).map(|it| it.cloexec)
    }

    pub(crate) fn set_cloexec(&mut self, fd: u32, cloexec: bool) -> Result<(), Errno> {
        let slot = self.slots.get_mut(fd as usize).and_then(Option::as_mut).ok_or(Errno::BadF)?;
        slot.cloexec = cloexec;
        Ok(())
    }

    /// The number that the next descriptor gets; `EMFILE` when there are `max` already. Nothing is taken yet, so a call
    /// that fails afterwards has nothing to give back.
    pub(crate) fn lowest_free(&self, max: u32) -> Result<u32, Errno> {
        self.lowest_free_from(0, max)
    }

    /// The lowest free number from `min` on and below `max`; `EMFILE` when there is none.
    pub(crate) fn lowest_free_from(&self, min: u32, max: u32) -> Result<u32, Errno> {
        let first = min as usize / 64;
        // Numbers below `min` count as open.
        let below = (1_u64 << (min % 64)) - 1;
        let word = self.used.get(first).copied().unwrap_or(0) | below;
        let fd = if word == u64::MAX {
            let rest = self.used.get(first + 1..).unwrap_or_default();
            let full = first + 1 + rest.iter().take_while(|word| **word == u64::MAX).count();
            full as u64 * 64 + u64::from(self.used.get(full).map_or(0, |word| word.trailing_ones()))
        } else {
            first as u64 * 64 + u64::from(word.trailing_ones())
        };
        u32::try_from(fd).ok().filter(|fd| *fd < max).ok_or(Errno::MFile)
    }

    /// Two numbers that two new descriptors get, as [`Descriptors::lowest_free`].
    pub(crate) fn two_lowest_free(&self, max: u32) -> Result<(u32, u32), Errno> {
        let first = self.lowest_free(max)?;
        Ok((first, self.lowest_free_from(first + 1, max)?))
    }

    /// Opens `fd`, which must be free (a number that [`Descriptors::lowest_free`] answered), for a new open file.
    pub(crate) fn put(&mut self, fd: u32, file: OpenFile, cloexec: bool) {
        let shared = Some(Shared { file, descriptors: 1 });
        let at = if let Some(at) = self.free.pop() {
            self.files[at as usize] = shared;
            at
        } else {
            self.files.push(shared);
            // There are no more open files than descriptors.
            (self.files.len() - 1) as u32
        };
        self.set(fd, Descriptor { file: at, cloexec });
    }

    /// Opens `fd`, which must be free, for the open file of `from`.
    pub(crate) fn dup(&mut self, from: u32, fd: u32, cloexec: bool) -> Result<(), Errno> {
        let at = self.descriptor(from)?.file;
        self.files.get_mut(at as usize).and_then(Option::as_mut).ok_or(Errno::BadF)?.descriptors += 1;
        self.set(fd, Descriptor { file: at, cloexec });
        Ok(())
    }

    fn set(&mut self, fd: u32, descriptor: Descriptor) {
        let index = fd as usize;
        if self.slots.len() <= index {
            self.slots.resize(index + 1, None);
            self.used.resize(index / 64 + 1, 0);
        }
        assert!(self.slots[index].is_none(), "descriptor {fd} is open already");
        self.slots[index] = Some(descriptor);
        self.used[index / 64] |= 1 << (index % 64);
        self.open += 1;
    }

    fn clear(&mut self, fd: u32) -> Result<Descriptor, Errno> {
        let index = fd as usize;
        let descriptor = self.slots.get_mut(index).and_then(Option::take).ok_or(Errno::BadF)?;
        self.used[index / 64] &= !(1 << (index % 64));
        self.open -= 1;
        Ok(descriptor)
    }

    /// Closes `fd`; answers its open file if this was the last descriptor that led to it.
    pub(crate) fn take(&mut self, fd: u32) -> Result<Option<OpenFile>, Errno> {
        let at = self.clear(fd)?.file;
        let Some(entry) = self.files.get_mut(at as usize) else { return Ok(None) };
        match entry {
            Some(shared) if shared.descriptors > 1 => {
                shared.descriptors -= 1;
                Ok(None)
            }
            _ => {
                self.free.push(at);
                Ok(entry.take().map(|shared| shared.file))
            }
        }
    }

    /// Moves the descriptor `from` to the number `to`, which must be free.
    pub(crate) fn rename(&mut self, from: u32, to: u32) -> Result<(), Errno> {
        let descriptor = self.clear(from)?;
        self.set(to, descriptor);
        Ok(())
    }

    /// The numbers of the open descriptors, in ascending order.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u32> + '_ {
        self.numbers_from(0)
    }

    /// Those from `first` on.
    pub(crate) fn numbers_from(&self, first: u32) -> impl Iterator<Item = u32> + '_ {
        (first..).zip(self.slots.iter().skip(first as usize)).filter_map(|(fd, slot)| slot.is_some().then_some(fd))
    }

    /// Closes everything in ascending order of the descriptors; the open files come in the order in which the last
    /// descriptor of each is closed.
    pub(crate) fn drain(&mut self) -> Vec<OpenFile> {
        let mut table = std::mem::take(self);
        let numbers: Vec<u32> = table.numbers().collect();
        numbers.into_iter().filter_map(|fd| table.take(fd).ok().flatten()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::open_file::{Access, Object};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// A file that can be told from others.
    fn marked(mark: u64) -> OpenFile {
        let ino = borsh::from_slice(&[0; 8]).expect("any number is one");
        OpenFile::new(Object::File { ino, offset: mark }, 0, Access::READ)
    }

    #[derive(Clone, Debug)]
    enum Op {
        Open(bool),
        Dup(u32, u32, bool),
        DupTo(u32, u32, bool),
        Close(u32),
        Rename(u32, u32),
        Cloexec(u32, bool),
        Change(u32),
    }

    fn op() -> impl Strategy<Value = Op> {
        let fd = || prop_oneof![0_u32..10, 0_u32..140];
        prop_oneof![
            4 => any::<bool>().prop_map(Op::Open),
            3 => (fd(), fd(), any::<bool>()).prop_map(|(fd, min, cloexec)| Op::Dup(fd, min, cloexec)),
            3 => (fd(), fd(), any::<bool>()).prop_map(|(fd, to, cloexec)| Op::DupTo(fd, to, cloexec)),
            4 => fd().prop_map(Op::Close),
            1 => (fd(), fd()).prop_map(|(from, to)| Op::Rename(from, to)),
            1 => (fd(), any::<bool>()).prop_map(|(fd, cloexec)| Op::Cloexec(fd, cloexec)),
            1 => fd().prop_map(Op::Change),
        ]
    }

    const MAX: u32 = 130;

    /// The obvious model: numbers that lead to marks, and marks that lead to a shared value. A mark is closed when no
    /// number leads to it any more.
    #[derive(Default)]
    struct Model {
        numbers: BTreeMap<u32, (u64, bool)>,
        values: BTreeMap<u64, u32>,
    }

    impl Model {
        fn lowest(&self, min: u32) -> Result<u32, Errno> {
            (min..MAX).find(|fd| !self.numbers.contains_key(fd)).ok_or(Errno::MFile)
        }

        /// The mark, if it is closed with that.
        fn close(&mut self, fd: u32) -> Result<Option<u64>, Errno> {
            let (mark, _) = self.numbers.remove(&fd).ok_or(Errno::BadF)?;
            let last = !self.numbers.values().any(|(other, _)| *other == mark);
            Ok(last.then(|| {
                self.values.remove(&mark);
                mark
            }))
        }
    }

    fn mark_of_file(file: &OpenFile) -> u64 {
        if let Object::File { offset, .. } = file.object { offset } else { u64::MAX }
    }

    fn mark_of(file: Option<OpenFile>) -> Option<u64> {
        file.as_ref().map(mark_of_file)
    }

    proptest! {
        #[test]
        fn descriptions_are_shared_until_their_last_descriptor_is_closed(
            ops in prop::collection::vec(op(), 0..300),
        ) {
            let (mut table, mut model) = (Descriptors::default(), Model::default());
            for (mark, op) in (0_u64..).zip(ops) {
                match op {
                    Op::Open(cloexec) => {
                        prop_assert_eq!(table.lowest_free(MAX), model.lowest(0));
                        if let Ok(fd) = model.lowest(0) {
                            table.put(fd, marked(mark), cloexec);
                            model.numbers.insert(fd, (mark, cloexec));
                            model.values.insert(mark, 0);
                        }
                    }
                    Op::Dup(fd, min, cloexec) => {
                        prop_assert_eq!(table.lowest_free_from(min, MAX), model.lowest(min));
                        let Ok(to) = model.lowest(min) else { continue };
                        let from = model.numbers.get(&fd).copied();
                        prop_assert_eq!(table.dup(fd, to, cloexec), from.map(|_| ()).ok_or(Errno::BadF));
                        if let Some((mark, _)) = from {
                            model.numbers.insert(to, (mark, cloexec));
                        }
                    }
                    Op::DupTo(fd, to, cloexec) => {
                        let Some((mark, _)) = model.numbers.get(&fd).copied().filter(|_| fd != to) else { continue };
                        prop_assert_eq!(table.take(to).map(mark_of), model.close(to));
                        prop_assert_eq!(table.dup(fd, to, cloexec), Ok(()));
                        model.numbers.insert(to, (mark, cloexec));
                    }
                    Op::Close(fd) => prop_assert_eq!(table.take(fd).map(mark_of), model.close(fd)),
                    Op::Rename(from, to) => {
                        if model.numbers.contains_key(&to) {
                            continue;
                        }
                        let moved = model.numbers.remove(&from);
                        prop_assert_eq!(table.rename(from, to), moved.map(|_| ()).ok_or(Errno::BadF));
                        model.numbers.extend(moved.map(|it| (to, it)));
                    }
                    Op::Cloexec(fd, cloexec) => {
                        let slot = model.numbers.get_mut(&fd).map(|it| it.1 = cloexec);
                        prop_assert_eq!(table.set_cloexec(fd, cloexec), slot.ok_or(Errno::BadF));
                    }
                    Op::Change(fd) => {
                        // What one descriptor changes in the description, all of them see.
                        if let Ok(file) = table.get_mut(fd) {
                            file.flags += 1;
                        }
                        if let Some((mark, _)) = model.numbers.get(&fd) {
                            *model.values.entry(*mark).or_default() += 1;
                        }
                    }
                }
                prop_assert_eq!(table.len(), model.numbers.len());
                prop_assert_eq!(table.files.iter().flatten().count(), model.values.len());
                for fd in 0..140 {
                    let got = table.get(fd).ok().map(|it| (mark_of_file(it), it.flags));
                    let want = model.numbers.get(&fd).map(|(mark, _)| (*mark, model.values[mark]));
                    prop_assert_eq!(got, want);
                    prop_assert_eq!(table.cloexec(fd).ok(), model.numbers.get(&fd).map(|it| it.1));
                }
            }
            let numbers: Vec<u32> = model.numbers.keys().copied().collect();
            let last: Vec<u64> = numbers.into_iter().filter_map(|fd| model.close(fd).ok().flatten()).collect();
            prop_assert_eq!(table.drain().into_iter().map(|it| mark_of_file(&it)).collect::<Vec<_>>(), last);
            prop_assert_eq!(table.len(), 0);
        }
    }
}
