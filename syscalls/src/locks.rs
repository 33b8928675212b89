//! Locks on files: record locks of processes (POSIX.1-2017, fcntl) and of open files (Linux, `F_OFD_*`), and `flock`.
//!
//! They are advice: they exclude each other and nothing else. Record locks and `flock` do not see each other, as on Linux.
//! Who releases is told who waits and could go on ([`Locks::take_woken`]); such a process makes its call again.

use crate::abi::Errno;
use crate::fs::Ino;
use borsh::{BorshDeserialize, BorshSerialize};
use replicode_log::Pid;
use std::collections::{BTreeMap, BTreeSet};

/// The most locked regions in a cell. Each request looks at all of its file's, so that the bound is one of time, too.
pub(crate) const MOST: usize = 8192;

/// The last byte that can be locked.
pub(crate) const LAST: u64 = i64::MAX as u64;

/// Who holds a lock. Locks of one owner do not exclude each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub(crate) enum Owner {
    Process(Pid),
    /// An open file of a process, by its number there.
    File(Pid, u32),
}

impl Owner {
    const fn pid(self) -> Pid {
        match self {
            Self::Process(pid) | Self::File(pid, _) => pid,
        }
    }
}

/// A region that somebody has locked or wants to lock: from `start` to `end`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Record {
    pub(crate) owner: Owner,
    /// Excludes everybody else; otherwise only those that want to write.
    pub(crate) write: bool,
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl Record {
    const fn overlaps(&self, other: &Self) -> bool {
        self.start <= other.end && other.start <= self.end
    }

    fn excludes(&self, other: &Self) -> bool {
        self.owner != other.owner && (self.write || other.write) && self.overlaps(other)
    }
}

/// What a process waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) enum Wanted {
    Record(Record),
    /// `flock`: an owner, and whether it excludes everybody else.
    Whole(Owner, bool),
}

/// A process that waits for a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Waiting {
    ino: Ino,
    wanted: Wanted,
    /// Number of the wait; those who began first are woken first.
    since: u64,
    wait: u64,
}

/// The locks on one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Locked {
    /// By start, then owner. Those of one owner neither overlap nor, if they are of a kind, touch.
    records: Vec<Record>,
    /// By `flock`: whether it excludes everybody else.
    whole: BTreeMap<Owner, bool>,
}

impl Locked {
    fn is_empty(&self) -> bool {
        self.records.is_empty() && self.whole.is_empty()
    }

    fn len(&self) -> usize {
        self.records.len() + self.whole.len()
    }

    fn stands_in_the_way(&self, wanted: &Wanted) -> bool {
        match wanted {
            Wanted::Record(wanted) => self.records.iter().any(|it| it.excludes(wanted)),
            Wanted::Whole(owner, write) => self.whole.iter().any(|(it, writes)| it != owner && (*write || *writes)),
        }
    }

    /// Gives an owner this region, or takes it away from it: what it had there is cut, split or joined.
    fn set(&mut self, mut new: Record, locks: bool) {
        let mut kept = Vec::with_capacity(self.records.len() + 2);
        for old in self.records.drain(..) {
            if old.owner != new.owner {
                kept.push(old);
            } else if locks && old.write == new.write {
                // Also those that only touch.
                if old.start <= new.end.saturating_add(1) && new.start <= old.end.saturating_add(1) {
                    new.start = new.start.min(old.start);
                    new.end = new.end.max(old.end);
                } else {
                    kept.push(old);
                }
            } else if old.overlaps(&new) {
                if old.start < new.start {
                    kept.push(Record { end: new.start - 1, ..old });
                }
                if old.end > new.end {
                    kept.push(Record { start: new.end + 1, ..old });
                }
            } else {
                kept.push(old);
            }
        }
        if locks {
            kept.push(new);
        }
        kept.sort_unstable_by_key(|it| (it.start, it.owner));
        self.records = kept;
    }
}

/// All locks of a cell, and who waits for one.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Locks {
    files: BTreeMap<Ino, Locked>,
    /// How many regions are locked.
    count: usize,
    waiting: BTreeMap<Pid, Waiting>,
    /// Processes that can go on, with the number of the wait that ends.
    woken: Vec<(Pid, u64)>,
}

impl Locks {
    /// The first lock that stands in the way of one.
    pub(crate) fn find(&self, ino: Ino, wanted: &Record) -> Option<Record> {
        self.files.get(&ino)?.records.iter().find(|it| it.excludes(wanted)).copied()
    }

    /// Locks a region. `EAGAIN` if another lock stands in the way, `ENOLCK` if there are too many.
    pub(crate) fn lock(&mut self, ino: Ino, wanted: Record) -> Result<(), Errno> {
        self.check(ino, &Wanted::Record(wanted))?;
        self.change(ino, |file| file.set(wanted, true));
        Ok(())
    }

    /// Unlocks a region, as far as the owner has it.
    pub(crate) fn unlock(&mut self, ino: Ino, region: Record) -> Result<(), Errno> {
        let Some(file) = self.files.get(&ino) else { return Ok(()) };
        // A hole in a region makes two of it.
        let splits = |it: &Record| it.owner == region.owner && it.start < region.start && region.end < it.end;
        if self.count >= MOST && file.records.iter().any(splits) {
            return Err(Errno::NoLck);
        }
        self.change(ino, |file| file.set(region, false));
        Ok(())
    }

    /// `flock`. As on Linux an owner that has a lock of the other kind loses it first, whatever then comes of the new one.
    pub(crate) fn lock_whole(&mut self, ino: Ino, owner: Owner, write: bool) -> Result<(), Errno> {
        if self.files.get(&ino).and_then(|file| file.whole.get(&owner)) == Some(&write) {
            return Ok(());
        }
        self.unlock_whole(ino, owner);
        self.check(ino, &Wanted::Whole(owner, write))?;
        self.change(ino, |file| {
            file.whole.insert(owner, write);
        });
        Ok(())
    }

    pub(crate) fn unlock_whole(&mut self, ino: Ino, owner: Owner) {
        if self.files.get(&ino).is_some_and(|file| file.whole.contains_key(&owner)) {
            self.change(ino, |file| {
                file.whole.remove(&owner);
            });
        }
    }

    /// Releases all locks of an owner on a file.
    pub(crate) fn release(&mut self, ino: Ino, owner: Owner) {
        if let Some(file) = self.files.get(&ino)
            && (file.whole.contains_key(&owner) || file.records.iter().any(|it| it.owner == owner))
        {
            self.change(ino, |file| {
                file.whole.remove(&owner);
                file.records.retain(|it| it.owner != owner);
            });
        }
    }

    /// A process ends: all its locks go, and its wait.
    pub(crate) fn forget(&mut self, pid: Pid) {
        self.stop_waiting(pid);
        let files: Vec<Ino> = self.files.keys().copied().collect();
        for ino in files {
            self.change(ino, |file| {
                file.whole.retain(|owner, _| owner.pid() != pid);
                file.records.retain(|it| it.owner.pid() != pid);
            });
        }
    }

    /// Whether nobody has a lock, or waits for one.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.waiting.is_empty()
    }

    fn check(&self, ino: Ino, wanted: &Wanted) -> Result<(), Errno> {
        if self.files.get(&ino).is_some_and(|file| file.stands_in_the_way(wanted)) {
            return Err(Errno::Again);
        }
        // One request makes two more regions at most.
        if self.count + 2 > MOST { Err(Errno::NoLck) } else { Ok(()) }
    }

    fn change(&mut self, ino: Ino, change: impl FnOnce(&mut Locked)) {
        let file = self.files.entry(ino).or_default();
        let before = file.len();
        change(file);
        self.count = self.count + file.len() - before;
        if file.is_empty() {
            self.files.remove(&ino);
        }
        self.wake(ino);
    }

    /// Finds those who wait for a lock on a file and could have it now.
    fn wake(&mut self, ino: Ino) {
        if self.waiting.is_empty() {
            return;
        }
        let file = self.files.get(&ino);
        let free = |it: &Waiting| it.ino == ino && !file.is_some_and(|file| file.stands_in_the_way(&it.wanted));
        let mut free: Vec<_> = self.waiting.iter().filter(|(_, it)| free(it)).collect();
        free.sort_unstable_by_key(|(_, it)| it.since);
        self.woken.extend(free.into_iter().map(|(pid, it)| (*pid, it.wait)));
    }

    /// Whether some process can go on.
    pub(crate) const fn has_woken(&self) -> bool {
        !self.woken.is_empty()
    }

    /// Takes the processes that can go on, in order, each with the number of the wait that ends.
    pub(crate) fn take_woken(&mut self) -> Vec<(Pid, u64)> {
        std::mem::take(&mut self.woken)
    }

    /// A process begins to wait. `since` is the number of its call's first wait, `wait` that of the present one.
    pub(crate) fn wait(&mut self, pid: Pid, ino: Ino, wanted: Wanted, since: u64, wait: u64) {
        self.waiting.insert(pid, Waiting { ino, wanted, since, wait });
    }

    /// A process waits no longer; answers the number of its call's first wait.
    pub(crate) fn stop_waiting(&mut self, pid: Pid) -> Option<u64> {
        self.waiting.remove(&pid).map(|it| it.since)
    }

    /// Whether a process that waited for this region would wait for itself: for one that waits for one that waits for
    /// it, and so on. As on Linux only locks of processes count.
    pub(crate) fn would_deadlock(&self, ino: Ino, wanted: &Record) -> bool {
        let mut seen = BTreeSet::new();
        let mut next = vec![(ino, *wanted)];
        while let Some((ino, wanted)) = next.pop() {
            let Some(file) = self.files.get(&ino) else { continue };
            for blocker in file.records.iter().filter(|it| it.excludes(&wanted)) {
                let Owner::Process(pid) = blocker.owner else { continue };
                if !seen.insert(pid) {
                    continue;
                }
                if let Some(Waiting { ino, wanted: Wanted::Record(record), .. }) = self.waiting.get(&pid)
                    && record.owner == blocker.owner
                {
                    next.push((*ino, *record));
                }
            }
        }
        seen.contains(&wanted.owner.pid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Files end here in the tests.
    const BYTES: u64 = 20;

    #[derive(Clone, Debug)]
    enum Op {
        Lock(usize, usize, bool, u64, u64),
        Unlock(usize, usize, u64, u64),
        Whole(usize, usize, bool),
        UnlockWhole(usize, usize),
        Release(usize, usize),
        Forget(u32),
    }

    const OWNERS: [Owner; 5] = [
        Owner::Process(Pid(1)),
        Owner::Process(Pid(2)),
        Owner::Process(Pid(3)),
        Owner::File(Pid(1), 7),
        Owner::File(Pid(1), 8),
    ];

    fn region() -> impl Strategy<Value = (u64, u64)> {
        (0..BYTES, 0..BYTES).prop_map(|(a, b)| (a.min(b), a.max(b)))
    }

    fn op() -> impl Strategy<Value = Op> {
        let (owner, ino) = (0..OWNERS.len(), 0_usize..2);
        let at = || (owner.clone(), ino.clone());
        prop_oneof![
            8 => (at(), any::<bool>(), region()).prop_map(|((o, i), write, (a, b))| Op::Lock(o, i, write, a, b)),
            4 => (at(), region()).prop_map(|((o, i), (a, b))| Op::Unlock(o, i, a, b)),
            2 => (at(), any::<bool>()).prop_map(|((o, i), write)| Op::Whole(o, i, write)),
            1 => at().prop_map(|(o, i)| Op::UnlockWhole(o, i)),
            1 => at().prop_map(|(o, i)| Op::Release(o, i)),
            1 => (1_u32..4).prop_map(Op::Forget),
        ]
    }

    /// For each file, owner and byte: whether it is locked, and for writing.
    #[derive(Default)]
    struct Model {
        bytes: BTreeMap<(usize, usize, u64), bool>,
        whole: BTreeMap<(usize, usize), bool>,
    }

    impl Model {
        /// The locks of everybody else that stand in the way, as runs of bytes of one owner and kind; by start and owner.
        fn in_the_way(&self, owner: usize, ino: usize, write: bool, start: u64, end: u64) -> Option<Record> {
            let mut found = Vec::new();
            for other in (0..OWNERS.len()).filter(|other| *other != owner) {
                let mut at = 0;
                while at < BYTES {
                    let Some(&kind) = self.bytes.get(&(ino, other, at)) else {
                        at += 1;
                        continue;
                    };
                    let first = at;
                    while self.bytes.get(&(ino, other, at)) == Some(&kind) {
                        at += 1;
                    }
                    if (write || kind) && first <= end && start < at {
                        found.push(Record { owner: OWNERS[other], write: kind, start: first, end: at - 1 });
                    }
                }
            }
            found.into_iter().min_by_key(|it| (it.start, it.owner))
        }
    }

    fn inos() -> [Ino; 2] {
        let mut fs = crate::fs::Fs::new(&replicode_log::FsImage::default(), &replicode_log::Limits::default()).unwrap();
        let root = fs.root();
        fs.mkdir(root, b"d", replicode_log::LogicalTime::GENESIS).unwrap();
        [root, fs.lookup(root, b"d", false).unwrap()]
    }

    proptest! {
        /// Against locks of single bytes.
        #[test]
        fn regions_behave_as_bytes(ops in prop::collection::vec(op(), 0..80)) {
            let inos = inos();
            let (mut locks, mut model) = (Locks::default(), Model::default());
            for op in ops {
                match op {
                    Op::Lock(owner, ino, write, start, end) => {
                        let wanted = Record { owner: OWNERS[owner], write, start, end };
                        let conflict = model.in_the_way(owner, ino, write, start, end);
                        prop_assert_eq!(locks.find(inos[ino], &wanted), conflict);
                        let want = if conflict.is_some() { Err(Errno::Again) } else { Ok(()) };
                        prop_assert_eq!(locks.lock(inos[ino], wanted), want);
                        if want.is_ok() {
                            model.bytes.extend((start..=end).map(|at| ((ino, owner, at), write)));
                        }
                    }
                    Op::Unlock(owner, ino, start, end) => {
                        let region = Record { owner: OWNERS[owner], write: false, start, end };
                        prop_assert_eq!(locks.unlock(inos[ino], region), Ok(()));
                        model.bytes.retain(|(i, o, at), _| (*i, *o) != (ino, owner) || !(start..=end).contains(at));
                    }
                    Op::Whole(owner, ino, write) => {
                        let same = model.whole.get(&(ino, owner)) == Some(&write);
                        model.whole.remove(&(ino, owner));
                        let free = !model.whole.iter().any(|((i, _), other)| *i == ino && (write || *other));
                        let want = if same || free { Ok(()) } else { Err(Errno::Again) };
                        prop_assert_eq!(locks.lock_whole(inos[ino], OWNERS[owner], write), want);
                        if want.is_ok() {
                            model.whole.insert((ino, owner), write);
                        }
                    }
                    Op::UnlockWhole(owner, ino) => {
                        locks.unlock_whole(inos[ino], OWNERS[owner]);
                        model.whole.remove(&(ino, owner));
                    }
                    Op::Release(owner, ino) => {
                        locks.release(inos[ino], OWNERS[owner]);
                        model.bytes.retain(|(i, o, _), _| (*i, *o) != (ino, owner));
                        model.whole.remove(&(ino, owner));
                    }
                    Op::Forget(pid) => {
                        locks.forget(Pid(pid));
                        model.bytes.retain(|(_, o, _), _| OWNERS[*o].pid() != Pid(pid));
                        model.whole.retain(|(_, o), _| OWNERS[*o].pid() != Pid(pid));
                    }
                }
                prop_assert_eq!(locks.count, locks.files.values().map(Locked::len).sum::<usize>());
                prop_assert_eq!(locks.is_empty(), model.bytes.is_empty() && model.whole.is_empty());
            }
        }

        /// Whoever waits is woken when, and only when, it could have the lock; and a circle of waits is seen when the
        /// last of it is asked for.
        #[test]
        fn waits_end_and_circles_are_seen(
            ops in prop::collection::vec((0_usize..3, 0_usize..2, any::<bool>(), region(), any::<bool>()), 0..60),
        ) {
            let inos = inos();
            let mut locks = Locks::default();
            let mut waiting: BTreeMap<usize, (usize, Record)> = BTreeMap::new();
            for (n, (owner, ino, write, (start, end), unlocks)) in (1_u64..).zip(ops) {
                if waiting.contains_key(&owner) {
                    continue;
                }
                let wanted = Record { owner: OWNERS[owner], write, start, end };
                if unlocks {
                    locks.unlock(inos[ino], wanted).unwrap();
                } else if locks.lock(inos[ino], wanted).is_err() {
                    // Floyd and Warshall's closure of who waits for whom, with this wait in it.
                    let mut waits = waiting.clone();
                    waits.insert(owner, (ino, wanted));
                    let mut for_whom = [[false; 3]; 3];
                    for (who, (ino, record)) in &waits {
                        for (whom, other) in OWNERS[..3].iter().enumerate() {
                            let held = locks.files.get(&inos[*ino]).map_or(&[][..], |it| &it.records);
                            for_whom[*who][whom] = held.iter().any(|it| it.owner == *other && it.excludes(record));
                        }
                    }
                    for middle in 0..3 {
                        for from in 0..3 {
                            for to in 0..3 {
                                for_whom[from][to] |= for_whom[from][middle] && for_whom[middle][to];
                            }
                        }
                    }
                    prop_assert_eq!(locks.would_deadlock(inos[ino], &wanted), for_whom[owner][owner]);
                    if !for_whom[owner][owner] {
                        locks.wait(Pid(owner as u32 + 1), inos[ino], Wanted::Record(wanted), n, n);
                        waiting.insert(owner, (ino, wanted));
                    }
                }
                // Each that was woken asks again; what it gets may leave the next one waiting, or let another one go on: a lock for
                // reading in place of its own for writing.
                while locks.has_woken() {
                    for (pid, _) in locks.take_woken() {
                        let who = pid.0 as usize - 1;
                        let Some((ino, record)) = waiting.get(&who).copied() else { continue };
                        if locks.lock(inos[ino], record).is_ok() {
                            locks.stop_waiting(pid);
                            waiting.remove(&who);
                        }
                    }
                }
                for (ino, record) in waiting.values() {
                    prop_assert!(locks.find(inos[*ino], record).is_some(), "nobody stands in the way of {record:?}");
                }
            }
        }
    }

    /// What is got in place of something stronger lets others go on, also while those that were woken are served.
    #[test]
    fn who_waits_for_a_lock_that_is_weakened_is_woken() {
        let [ino, _] = inos();
        let mut locks = Locks::default();
        let of = |owner: usize, write, start, end| Record { owner: OWNERS[owner], write, start, end };
        locks.lock(ino, of(2, true, 0, 2)).unwrap();
        locks.lock(ino, of(1, true, 8, 8)).unwrap();
        for (n, (pid, wanted)) in (1..).zip([(Pid(1), of(0, false, 0, 0)), (Pid(3), of(2, false, 0, 8))]) {
            assert_eq!(locks.lock(ino, wanted), Err(Errno::Again));
            locks.wait(pid, ino, Wanted::Record(wanted), n, n);
        }
        locks.unlock(ino, of(1, true, 0, 8)).unwrap();
        assert_eq!(locks.take_woken(), [(Pid(3), 2)]);
        locks.stop_waiting(Pid(3));
        assert_eq!(locks.lock(ino, of(2, false, 0, 8)), Ok(()));
        assert_eq!(locks.take_woken(), [(Pid(1), 1)]);
    }

    #[test]
    fn there_are_so_many_and_no_more() {
        let [ino, _] = inos();
        let mut locks = Locks::default();
        let at = |start| Record { owner: OWNERS[0], write: true, start, end: start };
        for n in 0..MOST as u64 - 1 {
            locks.lock(ino, at(2 * n)).unwrap();
        }
        assert_eq!(locks.lock(ino, at(2 * MOST as u64)), Err(Errno::NoLck));
        let all = Record { end: LAST, ..at(0) };
        assert_eq!(locks.unlock(ino, all), Ok(()));
        assert!(locks.is_empty());
        assert_eq!(locks.lock(ino, all), Ok(()));
        assert_eq!(locks.find(ino, &Record { owner: OWNERS[1], ..at(LAST) }), Some(all));
    }
}
