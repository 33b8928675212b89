//! Decisions in the order of the batch: a hook at the commit turn, which may end the block.
//!
//! A gas limit of a block is the example. What a transaction burns is known when it has run, and whether it still fits
//! depends on all before it; so it is decided where everything before it is final, once per transaction, in order.

use crate::error::{give_up, panic_fault};
use crate::publish::Ending;
use crate::run::{STOP, Shared};
use crate::slot::Slot;
use crate::spec::Buffer;
use crate::sync::{AcqRel, Mutex, Relaxed, SeqCst, lock};
use crate::tx::Tx;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A transaction whose turn to commit has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Its index in the batch.
    pub index: usize,
    /// What it said last with [`Tx::weigh`]; 0 if it said nothing or panicked.
    pub weight: u64,
    /// Whether it has reverted.
    pub reverted: bool,
}

/// What is to become of it, and of the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It takes effect (or its revert does), and the next one comes.
    Proceed,
    /// The block ends before it: it has no effect and no outcome.
    EndBefore,
    /// The block ends with it.
    EndAfter,
}

/// Asked by whoever holds the commit turn.
pub(crate) trait Ask: Sync {
    fn ask(&self, index: u32, weight: u64, reverted: bool) -> Verdict;
}

/// A closure that is asked.
pub(crate) struct Hook<'a>(Mutex<&'a mut (dyn FnMut(Turn) -> Verdict + Send)>);

impl<'a> Hook<'a> {
    pub(crate) fn new(f: &'a mut (dyn FnMut(Turn) -> Verdict + Send)) -> Self {
        Hook(Mutex::new(f))
    }
}

impl Ask for Hook<'_> {
    fn ask(&self, index: u32, weight: u64, reverted: bool) -> Verdict {
        let mut f = lock(&self.0);
        let turn = Turn { index: index as usize, weight, reverted };
        // A panic here is no closure's, wherever the turn came; unwind safety: the engine refuses everything afterwards.
        let verdict = catch_unwind(AssertUnwindSafe(|| f(turn)));
        drop(f);
        verdict.unwrap_or_else(|payload| give_up(panic_fault(&*payload)))
    }
}

impl Shared<'_> {
    /// Token holder, at the turn of the executed `c`: hook and audit, if there are any. True if the block ends before `c`.
    #[cold]
    #[inline(never)]
    pub(crate) fn turn_of(&self, slot: &Slot, c: u32, flags: u32) -> bool {
        if let Some(hook) = self.hook
            && flags & 1 == 0
            && self.ask(hook, c, slot.weight.load(Relaxed), flags & 4 != 0)
        {
            return true;
        }
        if let Some(audit) = self.audit {
            let words = (0..slot.reads_len()).map(|k| slot.read(self.log, k)).collect();
            let ranges = (0..).map_while(|k| slot.range(k)).collect();
            lock(audit).push((c, words, ranges));
        }
        false
    }

    /// The same for `c` whose run is final and ends now.
    #[cold]
    #[inline(never)]
    pub(crate) fn final_turn(&self, buf: &Buffer, c: u32, end: Ending) -> bool {
        if let Some(hook) = self.hook
            && !end.fatal
            && self.ask(hook, c, end.weight, end.reverted)
        {
            return true;
        }
        if let Some(audit) = self.audit {
            lock(audit).push((c, buf.reads.clone(), buf.ranges.clone()));
        }
        false
    }

    /// Token holder, at the turn of `c`: asks the hook. True if the block ends before `c`.
    fn ask(&self, hook: &dyn Ask, c: u32, weight: u64, reverted: bool) -> bool {
        match hook.ask(c, weight, reverted) {
            Verdict::Proceed => false,
            Verdict::EndBefore => {
                self.cut_at(c);
                true
            }
            Verdict::EndAfter => {
                let late = u32::from(late_cut());
                self.cut_at(c + 1 + late);
                false
            }
        }
    }

    /// Token holder: the block ends before `c`.
    fn cut_at(&self, c: u32) {
        self.next.fetch_or(STOP, AcqRel);
        self.cut.store(true, Relaxed);
        self.end.fetch_min(c, SeqCst);
    }
}

fn late_cut() -> bool {
    #[cfg(feature = "mutants")]
    return crate::mutants::on(crate::mutants::Mutant::LateCut);
    #[cfg(not(feature = "mutants"))]
    false
}

impl Tx<'_> {
    /// What this transaction counts for when its turn comes ([`crate::Stm::execute_until`]): gas burnt, say. The last word
    /// counts; a revert does not take it back.
    #[inline(always)]
    pub fn weigh(&mut self, weight: u64) {
        (self.weight, self.used) = (weight, true);
    }
}
