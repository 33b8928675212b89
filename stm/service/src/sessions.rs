//! Who may count: the table of sessions, bounded, and the rule by which one is forgotten.
//!
//! * A session is opened by the server, which numbers them 1, 2, 3, …; ids are never used again. So a session that is
//!   not in the table either was never opened (its id is still to come) or has expired: the two cannot be confused, and
//!   an increment of an expired session is refused, never counted a second time.
//! * The table holds `max_sessions`. Opening one more forgets the one that was *named by an increment* longest ago,
//!   counted in blocks; of several in the same block, the one with the smallest id.
//! * Within a session a number is decided once: counted, or refused (overflow, no room). The highest decided number and
//!   the refused ones are remembered, of the latter the newest [`MAX_REFUSED`]: repeating an older one than those is
//!   answered by "forgotten". Gaps decide nothing.
//!
//! Which sessions exist follows from the log alone, read in order; it is settled before a block's transactions run. What
//! a session has counted is transactional state like the counters.

use crate::limits::MAX_REFUSED;
use crate::state::SessionState;
use replicode_stm::{Stm, Tx, TxCell, TxResult};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Numbers of a session that were decided against.
#[derive(Clone, Default, Debug)]
pub(crate) struct Refused {
    /// Answers below are forgotten.
    floor: u64,
    /// Ascending.
    numbers: Vec<u64>,
}

/// The transactional part of a session.
#[derive(Clone, Copy)]
pub(crate) struct Progress {
    last: TxCell<u64>,
    refused: TxCell<Option<Arc<Refused>>>,
}

/// What a session says to a sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It is the next one, and is now used up: decide it.
    Decide,
    /// It was counted.
    Counted,
    /// It was refused.
    Refused,
    /// It was decided so long ago that the decision is forgotten.
    Forgotten,
    /// An earlier number is missing.
    Gap,
}

impl Progress {
    fn new(stm: &mut Stm, last: u64, refused: Option<Refused>) -> Progress {
        Progress { last: stm.cell(last), refused: stm.cell(refused.map(Arc::new)) }
    }

    /// Takes the next number, or says what became of an old one.
    pub(crate) fn take(&self, tx: &mut Tx<'_>, sequence: u64) -> TxResult<Turn> {
        let last = self.last.get(tx)?;
        if sequence > last {
            // `last` is below another u64, so one can be added.
            if sequence != last + 1 {
                return Ok(Turn::Gap);
            }
            self.last.set(tx, sequence)?;
            return Ok(Turn::Decide);
        }
        Ok(match self.refused.get(tx)? {
            Some(r) if sequence < r.floor => Turn::Forgotten,
            Some(r) if r.numbers.binary_search(&sequence).is_ok() => Turn::Refused,
            _ => Turn::Counted,
        })
    }

    /// Notes that the number just taken is decided against.
    pub(crate) fn refuse(&self, tx: &mut Tx<'_>, sequence: u64) -> TxResult<()> {
        let mut refused = self.refused.get(tx)?.map_or_else(Refused::default, |r| (*r).clone());
        refused.numbers.push(sequence);
        if refused.numbers.len() > MAX_REFUSED {
            refused.floor = refused.numbers.remove(0) + 1;
        }
        self.refused.set(tx, Some(Arc::new(refused)))
    }

    fn reset(&self, tx: &mut Tx<'_>) -> TxResult<()> {
        self.last.set(tx, 0)?;
        self.refused.set(tx, None)
    }

    fn read(&self, tx: &mut Tx<'_>) -> TxResult<Reading> {
        Ok(Reading { last: self.last.get(tx)?, refused: self.refused.get(tx)? })
    }
}

/// What stands in the cells of a session.
pub(crate) struct Reading {
    last: u64,
    refused: Option<Arc<Refused>>,
}

struct Slot {
    used: u64,
    progress: Progress,
}

/// An id, looked up.
pub(crate) enum Found {
    Known(Progress),
    Expired,
    Unknown,
}

/// The table.
pub(crate) struct Sessions {
    known: BTreeMap<u64, Slot>,
    /// Block of last use, id: the first one is the next to be forgotten.
    by_use: BTreeSet<(u64, u64)>,
    next: u64,
    max: u64,
    /// Cells of sessions forgotten in this block, and cells that can be used again.
    leaving: Vec<Progress>,
    spare: Vec<Progress>,
}

impl Sessions {
    pub(crate) fn restore(stm: &mut Stm, next: u64, max: u64, sessions: Vec<SessionState>) -> Sessions {
        let by_use = sessions.iter().map(|s| (s.used, s.id)).collect();
        let slot = |s: SessionState| {
            let refused = Refused { floor: s.floor, numbers: s.refused };
            let any = refused.floor > 0 || !refused.numbers.is_empty();
            (s.id, Slot { used: s.used, progress: Progress::new(stm, s.last, any.then_some(refused)) })
        };
        let known = sessions.into_iter().map(slot).collect();
        Sessions { known, by_use, next, max, leaving: Vec::new(), spare: Vec::new() }
    }

    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// A new session, in this block.
    pub(crate) fn open(&mut self, stm: &mut Stm, block: u64) -> u64 {
        while self.known.len() as u64 >= self.max {
            let Some((_, oldest)) = self.by_use.pop_first() else { break };
            self.leaving.extend(self.known.remove(&oldest).map(|s| s.progress));
        }
        let id = self.next;
        self.next += 1;
        let progress = self.spare.pop().unwrap_or_else(|| Progress::new(stm, 0, None));
        self.known.insert(id, Slot { used: block, progress });
        self.by_use.insert((block, id));
        id
    }

    /// The session that an increment of this block names.
    pub(crate) fn find(&mut self, id: u64, block: u64) -> Found {
        let Some(slot) = self.known.get_mut(&id) else {
            return if (1..self.next).contains(&id) { Found::Expired } else { Found::Unknown };
        };
        if slot.used != block {
            self.by_use.remove(&(slot.used, id));
            self.by_use.insert((block, id));
            slot.used = block;
        }
        Found::Known(slot.progress)
    }

    /// The cells of sessions that were forgotten in this block. They may still be written in it; when it has run they
    /// are to be emptied ([`Sessions::reset`]) and given back.
    pub(crate) fn take_leaving(&mut self) -> Vec<Progress> {
        std::mem::take(&mut self.leaving)
    }

    pub(crate) fn reset(tx: &mut Tx<'_>, leaving: &[Progress]) -> TxResult<()> {
        leaving.iter().try_for_each(|p| p.reset(tx))
    }

    pub(crate) fn give_back(&mut self, empty: Vec<Progress>) {
        self.spare.extend(empty);
    }

    /// The cells to be read for [`Sessions::state`], in the order of ids.
    pub(crate) fn progresses(&self) -> Vec<Progress> {
        self.known.values().map(|s| s.progress).collect()
    }

    /// Reads some of them.
    pub(crate) fn read(tx: &mut Tx<'_>, part: &[Progress]) -> TxResult<Vec<Reading>> {
        part.iter().map(|p| p.read(tx)).collect()
    }

    /// Everything, given what was read.
    pub(crate) fn state(&self, read: Vec<Reading>) -> Vec<SessionState> {
        let known = self.known.iter().zip(read);
        known
            .map(|((id, slot), Reading { last, refused })| {
                let Refused { floor, numbers } = refused.map_or_else(Refused::default, |r| (*r).clone());
                SessionState { id: *id, last, used: slot.used, floor, refused: numbers }
            })
            .collect()
    }
}
