//! epoll: sets of watches, each with a list of those that may have something to tell.
//!
//! What changes says so ([`Epolls::news`]): every watch of it that asks for such a change goes to the end of its set's
//! ready list. [`Epolls::take`] looks only at that list, so what it costs does not depend on how many are watched. It
//! takes watches from the head and asks each anew whether it is ready. A level-triggered one that is goes to the end
//! again, so that with little room for events nobody starves; one that is not, an edge-triggered one, and one that is to
//! fire once leave the list until the next news. This is Linux's algorithm (`fs/eventpoll.c`), so that order and edges are
//! Linux's too.
//!
//! A watch belongs to a number *and* an open file description (epoll(7), "Q6"): it stays when its number is closed, as
//! long as the description lives in another one, and goes with the description.

mod nesting;
#[cfg(test)]
mod tests;

use crate::abi::Errno;
use crate::abi::types::epoll::{ALWAYS, EDGE, EXCLUSIVE, EXCLUSIVE_MAY, IN, ONESHOT, PRIVATE, RDNORM, WAKEUP};
use crate::slab::Slab;
use crate::watched::{Source, Watched};
use borsh::{BorshDeserialize, BorshSerialize};
use replicode_log::Pid;
use std::collections::{BTreeMap, BTreeSet};

/// A set of watches: its position in [`Epolls`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub(crate) struct EpollId(u32);

/// News that concern every watch, whatever it asks for: a connection begins or ends, an error.
pub(crate) const ANYTHING: u32 = u32::MAX;

/// No watch: the end of a ready list.
const NONE: u32 = u32::MAX;

/// What a program asks for: bits of `EPOLL*`, and what it wants to be told with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Asked {
    pub(crate) events: u32,
    pub(crate) data: u64,
}

/// One watch.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Watch {
    fd: u32,
    list: Watched,
    source: Source,
    asked: Asked,
    /// Whether it is in the ready list, and its neighbours there.
    queued: bool,
    before: u32,
    after: u32,
}

/// One set.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Epoll {
    owner: Pid,
    watches: Slab<Watch>,
    by_key: BTreeMap<(u32, Watched), u32>,
    /// Those of its watches that are of other sets.
    nested: BTreeSet<u32>,
    /// The ready list.
    head: u32,
    tail: u32,
    ready: u32,
    /// Number of the wait that news of it end.
    wait: u64,
    /// Who watches it.
    watched: Option<Watched>,
    /// The last news that it passed on.
    passed: u64,
}

impl Epoll {
    /// Puts a watch at the end of the ready list, unless it is there.
    fn link(&mut self, index: u32) {
        let tail = self.tail;
        let Some(watch) = self.watches.get_mut(index).filter(|watch| !watch.queued) else { return };
        watch.queued = true;
        watch.before = tail;
        watch.after = NONE;
        match self.watches.get_mut(tail) {
            Some(last) => last.after = index,
            None => self.head = index,
        }
        self.tail = index;
        self.ready += 1;
    }

    /// Takes a watch out of the ready list, if it is there.
    fn unlink(&mut self, index: u32) {
        let Some(watch) = self.watches.get_mut(index).filter(|watch| watch.queued) else { return };
        watch.queued = false;
        let (before, after) = (watch.before, watch.after);
        match self.watches.get_mut(before) {
            Some(watch) => watch.after = after,
            None => self.head = after,
        }
        match self.watches.get_mut(after) {
            Some(watch) => watch.before = before,
            None => self.tail = before,
        }
        self.ready -= 1;
    }
}

/// Who watches one open file description, in the order in which they began.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct List {
    by: Vec<(EpollId, u32)>,
}

/// All sets of a cell, and who is in them.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Epolls {
    sets: Slab<Epoll>,
    lists: Slab<List>,
    /// How many watches each process has.
    held: BTreeMap<Pid, u32>,
    /// Number of the present news.
    news: u64,
}

impl Epolls {
    /// A new empty set of a process.
    pub(crate) fn create(&mut self, owner: Pid) -> EpollId {
        EpollId(self.sets.insert(Epoll {
            owner,
            watches: Slab::default(),
            by_key: BTreeMap::new(),
            nested: BTreeSet::new(),
            head: NONE,
            tail: NONE,
            ready: 0,
            wait: 0,
            watched: None,
            passed: 0,
        }))
    }

    /// Removes a set, and its watches with it.
    pub(crate) fn close(&mut self, id: EpollId) {
        let Some(set) = self.sets.remove(id.0) else { return };
        for (index, watch) in set.watches.iter() {
            self.unlist(watch.list, id, index);
        }
        self.release(set.owner, set.watches.len() as u32);
    }

    /// An open file description is closed for good: its watches go.
    pub(crate) fn forget(&mut self, list: Watched) {
        let Some(List { by }) = self.lists.remove(list.0) else { return };
        for (id, index) in by {
            let Some(set) = self.sets.get_mut(id.0) else { continue };
            let owner = set.owner;
            if set.drop_watch(index).is_some() {
                self.release(owner, 1);
            }
        }
    }

    /// `EPOLL_CTL_ADD`: watches what `fd` stands for now, which is `source`. `watched` is what its open file description
    /// keeps of its watchers; the first watch makes one. `max` bounds the watches of a process.
    pub(crate) fn add(
        &mut self,
        id: EpollId,
        fd: u32,
        (watched, source): (&mut Option<Watched>, Source),
        asked: Asked,
        max: u32,
        look: &mut impl FnMut(Source) -> u32,
    ) -> Result<(), Errno> {
        let exclusive = asked.events & EXCLUSIVE != 0;
        if exclusive && (matches!(source, Source::Epoll(_)) || asked.events & !EXCLUSIVE_MAY != 0) {
            return Err(Errno::Inval);
        }
        if let Source::Epoll(inner) = source {
            self.check_nesting(id, inner)?;
        }
        let set = self.sets.get_mut(id.0).ok_or(Errno::BadF)?;
        if watched.is_some_and(|list| set.by_key.contains_key(&(fd, list))) {
            return Err(Errno::Exist);
        }
        let held = self.held.entry(set.owner).or_default();
        if *held >= max {
            return Err(Errno::NoSpc);
        }
        *held += 1;
        let list = *watched.get_or_insert_with(|| Watched(self.lists.insert(List::default())));
        let asked = Asked { events: (asked.events & !WAKEUP) | ALWAYS, ..asked };
        let watch = Watch { fd, list, source, asked, queued: false, before: NONE, after: NONE };
        let index = set.watches.insert(watch);
        set.by_key.insert((fd, list), index);
        if let Source::Epoll(inner) = source {
            set.nested.insert(index);
            if let Some(inner) = self.sets.get_mut(inner.0) {
                inner.watched = Some(list);
            }
        }
        if let Some(list) = self.lists.get_mut(list.0) {
            list.by.push((id, index));
        }
        self.look_at(id, index, look);
        Ok(())
    }

    /// `EPOLL_CTL_MOD`: asks for something else, and looks at once whether that is so.
    pub(crate) fn modify(
        &mut self,
        id: EpollId,
        fd: u32,
        watched: Option<Watched>,
        asked: Asked,
        look: &mut impl FnMut(Source) -> u32,
    ) -> Result<(), Errno> {
        if asked.events & EXCLUSIVE != 0 {
            return Err(Errno::Inval);
        }
        let set = self.sets.get_mut(id.0).ok_or(Errno::BadF)?;
        let index = set.index_of(fd, watched)?;
        let watch = set.watches.get_mut(index).ok_or(Errno::NoEnt)?;
        if watch.asked.events & EXCLUSIVE != 0 {
            return Err(Errno::Inval);
        }
        watch.asked = Asked { events: (asked.events & !WAKEUP) | ALWAYS, ..asked };
        self.look_at(id, index, look);
        Ok(())
    }

    /// `EPOLL_CTL_DEL`.
    pub(crate) fn delete(&mut self, id: EpollId, fd: u32, watched: Option<Watched>) -> Result<(), Errno> {
        let set = self.sets.get_mut(id.0).ok_or(Errno::BadF)?;
        let index = set.index_of(fd, watched)?;
        let owner = set.owner;
        if let Some(watch) = set.drop_watch(index) {
            self.unlist(watch.list, id, index);
            self.release(owner, 1);
        }
        Ok(())
    }

    /// Something happened to a watched description: bits of `EPOLL*` that may be so now, or [`ANYTHING`]. Answers
    /// whether that ends the wait of this number (0 for none), which is one of the process that owns the description.
    pub(crate) fn news(&mut self, list: Watched, bits: u32, wait: u64) -> bool {
        self.news += 1;
        self.spread(list, bits, wait)
    }

    /// The last to begin watching hears first, as on Linux. A set passes the same news on once, however many ways they
    /// came, so that the work is bounded by the number of watches.
    fn spread(&mut self, list: Watched, bits: u32, wait: u64) -> bool {
        let mut ends = false;
        let mut left = self.lists.get(list.0).map_or(0, |list| list.by.len());
        while left > 0 {
            left -= 1;
            let Some(&(id, index)) = self.lists.get(list.0).and_then(|list| list.by.get(left)) else { break };
            let Some(set) = self.sets.get_mut(id.0) else { continue };
            let Some(watch) = set.watches.get(index) else { continue };
            let events = watch.asked.events;
            // One that fired and was to fire once asks for nothing.
            if events & !PRIVATE == 0 || events & bits == 0 {
                continue;
            }
            set.link(index);
            ends |= self.told(id, wait);
        }
        ends
    }

    /// A set has something new in its ready list.
    fn told(&mut self, id: EpollId, wait: u64) -> bool {
        let Some(set) = self.sets.get_mut(id.0) else { return false };
        let ends = wait != 0 && set.wait == wait;
        match set.watched {
            Some(list) if set.passed != self.news => {
                set.passed = self.news;
                self.spread(list, IN | RDNORM, wait) | ends
            }
            _ => ends,
        }
    }

    /// Looks at one watch, and puts it in the ready list if it is ready.
    fn look_at(&mut self, id: EpollId, index: u32, look: &mut impl FnMut(Source) -> u32) {
        let Some(watch) = self.sets.get(id.0).and_then(|set| set.watches.get(index)) else { return };
        let (source, events, queued) = (watch.source, watch.asked.events, watch.queued);
        if !queued && self.readiness(source, look) & events != 0 {
            if let Some(set) = self.sets.get_mut(id.0) {
                set.link(index);
            }
            self.news += 1;
            self.told(id, 0);
        }
    }

    /// Marks the set as awaited by a wait.
    pub(crate) fn await_news(&mut self, id: EpollId, wait: u64) {
        if let Some(set) = self.sets.get_mut(id.0) {
            set.wait = wait;
        }
    }

    /// Takes up to `max` events, oldest first, and hands each to `give`; answers how many.
    pub(crate) fn take(
        &mut self,
        id: EpollId,
        max: u32,
        look: &mut impl FnMut(Source) -> u32,
        mut give: impl FnMut(Asked),
    ) -> u32 {
        // Those that go to the end again are not taken twice.
        let mut left = self.sets.get(id.0).map_or(0, |set| set.ready);
        let mut given = 0;
        while given < max && left > 0 {
            left -= 1;
            let Some((index, source, asked)) = self.first(id) else { break };
            let events = self.readiness(source, look) & asked.events;
            let Some(set) = self.sets.get_mut(id.0) else { break };
            set.unlink(index);
            if events == 0 {
                continue;
            }
            give(Asked { events, data: asked.data });
            given += 1;
            if asked.events & ONESHOT != 0 {
                if let Some(watch) = set.watches.get_mut(index) {
                    watch.asked.events &= PRIVATE;
                }
            } else if asked.events & EDGE == 0 {
                set.link(index);
            }
        }
        given
    }

    /// What is so about a source: `look` says it of everything but sets.
    pub(crate) fn readiness(&mut self, source: Source, look: &mut impl FnMut(Source) -> u32) -> u32 {
        match source {
            Source::Epoll(id) if self.has_something(id, look) => IN | RDNORM,
            Source::Epoll(_) => 0,
            source => look(source),
        }
    }

    /// Whether [`Epolls::take`] would find something. Those at the head of the list that are not ready leave it.
    fn has_something(&mut self, id: EpollId, look: &mut impl FnMut(Source) -> u32) -> bool {
        while let Some((index, source, asked)) = self.first(id) {
            if self.readiness(source, look) & asked.events != 0 {
                return true;
            }
            if let Some(set) = self.sets.get_mut(id.0) {
                set.unlink(index);
            }
        }
        false
    }

    fn first(&self, id: EpollId) -> Option<(u32, Source, Asked)> {
        let set = self.sets.get(id.0)?;
        let watch = set.watches.get(set.head)?;
        Some((set.head, watch.source, watch.asked))
    }

    fn unlist(&mut self, list: Watched, id: EpollId, index: u32) {
        if let Some(list) = self.lists.get_mut(list.0)
            && let Some(at) = list.by.iter().position(|it| *it == (id, index))
        {
            list.by.remove(at);
        }
    }

    fn release(&mut self, owner: Pid, count: u32) {
        if let Some(held) = self.held.get_mut(&owner) {
            *held -= count;
            if *held == 0 {
                self.held.remove(&owner);
            }
        }
    }

    /// How many sets and lists of watchers there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> (usize, usize) {
        (self.sets.len(), self.lists.len())
    }
}

impl Epoll {
    fn index_of(&self, fd: u32, watched: Option<Watched>) -> Result<u32, Errno> {
        watched.and_then(|list| self.by_key.get(&(fd, list)).copied()).ok_or(Errno::NoEnt)
    }

    /// Removes a watch from everything but its description's list.
    fn drop_watch(&mut self, index: u32) -> Option<Watch> {
        self.unlink(index);
        let watch = self.watches.remove(index)?;
        self.by_key.remove(&(watch.fd, watch.list));
        self.nested.remove(&index);
        Some(watch)
    }
}
