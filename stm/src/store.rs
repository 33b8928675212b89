//! The committed state between blocks: cells, columns of values, indexes of containers.
//!
//! During a parallel segment the store is shared and its committed part is constant; what a block adds (cells of new
//! keys, values of new versions) goes to append-only places beside it. [`Store::settle`] then moves the outcome into
//! the committed part, with exclusive access.

use crate::arena::Arena;
use crate::chain::{self, Kind, Rec, Unit};
use crate::error::{Stop, TxResult};
use crate::limits::Limits;
use crate::reclaim::Chore;
use crate::sync::{AtomicBool, Mutex, Relaxed, lock};
use crate::vault::Vault;
use std::any::Any;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32 as IdCounter, Ordering};

/// Ids of units must leave room for a tag in a read-set word.
pub(crate) const MAX_CELLS: usize = 1 << 28;

/// Something that keeps values or keys for cells. Part 0 does not exist: those cells are plain words.
pub(crate) trait Part: Any + Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn as_any_mut(&mut self) -> &mut dyn Any;
    /// Makes the value of version `word` (`None`: no value) the committed one at `base`; returns the new `base`.
    fn fold(&mut self, base: u64, _word: Option<u64>) -> u64 {
        base
    }
    /// Bags: appends the lists of these versions, oldest first.
    fn append(&mut self, _words: &[u64]) {}
    /// Containers: takes over the keys of this block, drops keys without a value into `freed`.
    fn settle_keys(&mut self, _cells: &Arena<Unit>, _freed: &mut Vec<u32>) {}
    /// Forgets all values of versions, and hands out the dropping of them if there are many.
    fn end_block(&mut self) -> Option<Chore> {
        None
    }
    /// Takes back the newest direct write.
    fn undo(&mut self) {}
    /// Direct writes so far are final.
    fn forget_undo(&mut self) {}
    /// The cell that used place `base` is gone.
    fn release(&mut self, _base: u64) {}
    /// More was asked for in this block than there is.
    fn overdrawn(&self) -> bool {
        false
    }
    /// Name of a cell within this container, for people.
    fn label(&self, _id: u32, _cell: &Unit) -> Option<String> {
        None
    }
    /// Keyed containers: takes over what transactions below `limit` wrote to `cell`, and says that it did.
    fn settle_cell(&mut self, _vault: &mut Vault, _recs: &Arena<Rec>, _cell: &Unit, _limit: u32) -> bool {
        false
    }
    /// Keyed containers: whether two versions of this kind say the same.
    fn same(&self, _vault: &Vault, _kind: Kind, _a: u64, _b: u64) -> bool {
        false
    }
    /// Memories: the committed bytes at this place.
    fn committed_bytes(&self, _base: u64) -> Option<&[u8]> {
        None
    }
    /// Keyed counters: the committed sum at this place.
    fn committed_sum(&self, _base: u64) -> Option<i128> {
        None
    }
}

pub(crate) struct Store {
    pub(crate) engine: u32,
    pub(crate) limits: Limits,
    pub(crate) cells: Arena<Unit>,
    /// Values of versions of keyed containers.
    pub(crate) vault: Vault,
    parts: Vec<Box<dyn Part>>,
    free: Mutex<Vec<u32>>,
    /// Somebody has asked for a cell when there was none.
    short: AtomicBool,
    /// What a base has answered instead of a value.
    pub(crate) failed: Mutex<Option<String>>,
    cell_names: BTreeMap<u32, String>,
    part_names: BTreeMap<u32, String>,
}

impl Store {
    pub(crate) fn new(limits: Limits) -> Self {
        static NEXT: IdCounter = IdCounter::new(1);
        Store {
            engine: NEXT.fetch_add(1, Ordering::Relaxed),
            limits,
            cells: Arena::limited(1, MAX_CELLS),
            vault: Vault::new(),
            parts: Vec::new(),
            free: Mutex::new(Vec::new()),
            short: AtomicBool::new(false),
            failed: Mutex::new(None),
            cell_names: BTreeMap::new(),
            part_names: BTreeMap::new(),
        }
    }

    pub(crate) fn add_part(&mut self, part: Box<dyn Part>) -> u32 {
        self.parts.push(part);
        self.parts.len() as u32
    }

    /// The number that [`Store::add_part`] will give next.
    pub(crate) fn next_part(&self) -> u32 {
        self.parts.len() as u32 + 1
    }

    #[inline]
    pub(crate) fn part<P: Part>(&self, part: u32) -> Option<&P> {
        self.parts.get((part as usize).wrapping_sub(1))?.as_any().downcast_ref()
    }

    #[inline]
    pub(crate) fn part_mut<P: Part>(&mut self, part: u32) -> Option<&mut P> {
        self.parts.get_mut((part as usize).wrapping_sub(1))?.as_any_mut().downcast_mut()
    }

    /// The part for values of type column `P`, made on first use.
    pub(crate) fn column_of<P: Part>(&mut self, make: impl FnOnce() -> P) -> u32 {
        match self.parts.iter().position(|p| p.as_any().is::<P>()) {
            Some(at) => at as u32 + 1,
            None => self.add_part(Box::new(make())),
        }
    }

    /// A cell without a value. May be called during a block.
    ///
    /// Speculative runs take cells too, for keys that no transaction turns out to have named. So which transaction takes
    /// the last one depends on scheduling, and running out of them is not its affair: see [`Store::fault`].
    pub(crate) fn new_cell(&self, part: u32, owner: u32) -> Option<u32> {
        let free = lock(&self.free).pop();
        let id = free.or_else(|| self.cells.claim_one())?;
        let cell = self.cells.get(id);
        cell.base.store(0, Relaxed);
        cell.set_meta(part, false);
        cell.owner.store(owner, Relaxed);
        cell.heat.store(0, Relaxed);
        Some(id)
    }

    /// As [`Store::new_cell`], in a transaction: which stops the engine if there is none, even should its closure swallow
    /// the stop.
    pub(crate) fn new_cell_tx(&self, part: u32, owner: u32) -> TxResult<u32> {
        self.new_cell(part, owner).ok_or_else(|| {
            self.short.store(true, Relaxed);
            Stop::broken(self.out_of_cells())
        })
    }

    /// What to say when there are no cells left.
    #[cold]
    pub(crate) fn out_of_cells(&self) -> String {
        let most = self.cells.limit;
        format!(
            "out of cells: an engine holds at most {most}, one for each cell, counter, bag, vector element and map key; \
             use several engines"
        )
    }

    /// Why the engine cannot go on, if a run of this block has asked for more than there is, whatever became of that run.
    pub(crate) fn fault(&self) -> Option<String> {
        if self.short.load(Relaxed) {
            return Some(self.out_of_cells());
        }
        if let Some(why) = lock(&self.failed).clone() {
            return Some(why);
        }
        if self.vault.overdrawn() {
            return Some(crate::arena::full(u32::MAX as usize));
        }
        self.parts.iter().any(|p| p.overdrawn()).then(|| crate::arena::full(u32::MAX as usize))
    }

    /// As [`Store::new_cell`], between blocks.
    pub(crate) fn new_cell_mut(&mut self, part: u32, owner: u32) -> Option<u32> {
        if !lock(&self.free).is_empty() {
            return self.new_cell(part, owner);
        }
        let id = self.cells.claim_one()?;
        self.cells.get(id).owner.store(owner, Relaxed);
        Some(id)
    }

    /// The part of [`Store::settle_cells`] that concerns cells whose value is a word: needs no exclusive access, so
    /// workers may do it side by side, each for cells of its own, once the segment is over. Leaves in `touched` what
    /// has values elsewhere.
    pub(crate) fn settle_words(&self, recs: &Arena<Rec>, touched: &mut Vec<u32>, limit: u32) {
        touched.retain(|&id| {
            let cell = self.cells.get(id);
            if cell.part() != 0 {
                return true;
            }
            match chain::newest(recs, cell, limit) {
                None => {}
                Some((Kind::Write, word)) => {
                    cell.base.store(word, Relaxed);
                    cell.set_meta(0, true);
                }
                Some((Kind::Tombstone, _)) => cell.set_meta(0, false),
                Some((Kind::Delta | Kind::Folded, _)) => cell.base.store(chain::fold(recs, cell, limit).0, Relaxed),
                Some((Kind::Append | Kind::WideDelta | Kind::WideFolded, _)) => return true,
            }
            cell.clear_chain();
            false
        });
    }

    /// Moves what transactions below `limit` wrote to `touched` into the committed state and empties the chains.
    pub(crate) fn settle_cells(&mut self, recs: &Arena<Rec>, touched: &[u32], limit: u32) {
        let Store { cells, vault, parts, .. } = self;
        for &id in touched {
            let cell = cells.get(id);
            if let Some(p) = (cell.part() as usize).checked_sub(1).and_then(|p| parts.get_mut(p))
                && p.settle_cell(vault, recs, cell, limit)
            {
                cell.clear_chain();
                continue;
            }
            if let Some((kind, word)) = chain::newest(recs, cell, limit) {
                let (part, base) = (cell.part(), cell.base.load(Relaxed));
                let keeper = (part as usize).checked_sub(1).and_then(|p| parts.get_mut(p));
                match (kind, keeper) {
                    (Kind::Write, None) => {
                        cell.base.store(word, Relaxed);
                        cell.set_meta(part, true);
                    }
                    (Kind::Write, Some(p)) => {
                        cell.base.store(p.fold(base, Some(word)), Relaxed);
                        cell.set_meta(part, true);
                    }
                    (Kind::Tombstone, keeper) => {
                        if let Some(p) = keeper {
                            cell.base.store(p.fold(base, None), Relaxed);
                        }
                        cell.set_meta(part, false);
                    }
                    (Kind::Delta | Kind::Folded, _) => cell.base.store(chain::fold(recs, cell, limit).0, Relaxed),
                    // Only in keyed containers, which have been here already.
                    (Kind::WideDelta | Kind::WideFolded, _) => {}
                    (Kind::Append, keeper) => {
                        let mut words = Vec::new();
                        chain::for_each(recs, cell, limit, |_, _, word| words.push(word));
                        words.reverse();
                        if let Some(p) = keeper {
                            p.append(&words);
                        }
                    }
                }
            }
            cell.clear_chain();
        }
    }

    /// After the cells: keys and value memory. Returns what may be done later.
    pub(crate) fn settle_parts(&mut self) -> Vec<Chore> {
        let mut chores = Vec::new();
        self.cells.settle();
        let mut freed = Vec::new();
        for part in &mut self.parts {
            part.settle_keys(&self.cells, &mut freed);
            chores.extend(part.end_block());
        }
        self.give_back(freed);
        chores
    }

    /// Between blocks: these cells are nobody's any more.
    pub(crate) fn give_back(&mut self, freed: Vec<u32>) {
        for &id in &freed {
            let cell = self.cells.get(id);
            cell.generation.store(cell.generation.load(Relaxed).wrapping_add(1), Relaxed);
            let part = cell.part();
            if let Some(p) = (part as usize).checked_sub(1).and_then(|p| self.parts.get_mut(p)) {
                p.release(cell.base.swap(0, Relaxed));
            }
        }
        lock(&self.free).extend(freed);
    }

    /// Whoever keeps the values of `cell`.
    #[inline(always)]
    pub(crate) fn keeper(&self, cell: &Unit) -> Option<&dyn Part> {
        self.parts.get((cell.part() as usize).wrapping_sub(1)).map(|p| &**p)
    }

    /// The committed bytes of `cell`, of a memory.
    #[inline(always)]
    pub(crate) fn committed_bytes(&self, cell: &Unit) -> Option<&[u8]> {
        self.keeper(cell)?.committed_bytes(cell.base.load(Relaxed))
    }

    /// The committed sum of `cell`, of keyed counters.
    #[inline(always)]
    pub(crate) fn committed_sum(&self, cell: &Unit) -> Option<i128> {
        self.keeper(cell)?.committed_sum(cell.base.load(Relaxed))
    }

    /// Takes back the newest direct write of `part`.
    pub(crate) fn undo_part(&mut self, part: u32) {
        if let Some(p) = (part as usize).checked_sub(1).and_then(|p| self.parts.get_mut(p)) {
            p.undo();
        }
    }

    pub(crate) fn forget_undo(&mut self, part: u32) {
        if let Some(p) = (part as usize).checked_sub(1).and_then(|p| self.parts.get_mut(p)) {
            p.forget_undo();
        }
    }

    pub(crate) fn name_cell(&mut self, id: u32, name: String) {
        self.cell_names.insert(id, name);
    }

    pub(crate) fn name_part(&mut self, part: u32, name: String) {
        self.part_names.insert(part, name);
    }

    /// What a person would call this cell.
    pub(crate) fn label(&self, id: u32) -> String {
        if let Some(name) = self.cell_names.get(&id) {
            return name.clone();
        }
        let cell = self.cells.get(id);
        let owner = cell.owner.load(Relaxed);
        let inner = self.parts.get((owner as usize).wrapping_sub(1)).and_then(|p| p.label(id, cell));
        match (self.part_names.get(&owner), inner) {
            (Some(name), Some(inner)) => format!("{name}[{inner}]"),
            (Some(name), None) => name.clone(),
            (None, Some(inner)) => format!("[{inner}]"),
            (None, None) => "unnamed".to_string(),
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use crate::{Builder, FatalCause, Mode, Stm, Tx, TxResult};

    fn engines() -> Vec<(&'static str, Builder)> {
        let spec = Stm::builder().mode(Mode::Speculative);
        vec![
            ("sequential", Stm::builder().sequential()),
            ("direct", Stm::builder().threads(2).mode(Mode::Direct)),
            ("auto", Stm::builder().threads(2)),
            ("alternating", Stm::builder().threads(2).mode(Mode::Alternate(3))),
            ("one thread", spec.clone().threads(1)),
            ("two threads", spec.clone().threads(2)),
            ("four threads, long way", spec.clone().threads(4).run_ahead(false)),
            ("eight threads in groups", spec.clone().threads(8).group_certification(true)),
            ("chaos", spec.clone().threads(3).chaos(5)),
            ("seeded", spec.seeded(3, 3)),
        ]
    }

    /// The last cell goes to whoever is first, and that is nobody's place in the order: so it stops the engine, in the
    /// same words everywhere, whatever the closure makes of it.
    #[test]
    fn running_out_of_cells_is_a_fault_alike_for_every_executor() {
        for swallow in [false, true] {
            let mut said = Vec::new();
            for (name, builder) in engines() {
                let mut stm = builder.build().expect("a small engine");
                let (map, list) = (stm.map::<u64, u64>(), stm.vec([0u64]));
                let total = stm.cell(0u64);
                stm.store.cells.limit = 200;
                let body = |tx: &mut Tx<'_>, k: &u64| -> TxResult<u64> {
                    let grown = if k.is_multiple_of(2) { map.set(tx, *k, 1) } else { list.push(tx, *k).map(|_| ()) };
                    if !swallow {
                        grown?;
                    }
                    total.update(tx, |v| v + 1)
                };
                // What fits, fits everywhere.
                let out = stm.execute(&(0..100).collect::<Vec<u64>>(), body).expect("there is room");
                assert!(out.iter().all(|o| o.is_committed()), "{name}");
                let stopped = stm.execute(&(100..400).collect::<Vec<u64>>(), body).expect_err(name);
                assert_eq!((stopped.at, stopped.outcomes.len()), (0, 0), "{name}: there is no place");
                assert_eq!(stopped.fatal.cause(), FatalCause::Fault, "{name}");
                assert!(stopped.fatal.reason().contains("out of cells"), "{name}: {}", stopped.fatal);
                let later = stm.run(|tx| total.get(tx)).expect_err(name);
                assert_eq!(later.fatal, stopped.fatal, "{name}: and it stays so");
                said.push(stopped.fatal);
            }
            assert!(said.iter().all(|f| *f == said[0]), "{said:?}");
        }
    }

    /// What is left in the engine does not depend on how often runs were thrown away: a tight bound holds for ever.
    #[test]
    fn thrown_away_runs_leave_no_cells_behind() {
        for (name, builder) in engines() {
            let mut stm = builder.build().expect("a small engine");
            let (list, map, hot) = (stm.vec(Vec::<String>::new()), stm.map::<u64, u64>(), stm.cell(0u64));
            for round in 0..60u64 {
                let out = stm.execute(&(0..24u64).collect::<Vec<_>>(), |tx, k| {
                    let v = hot.update(tx, |v| v + 1)?;
                    // Which keys, and how far the vector grows meanwhile, depends on what was read.
                    map.set(tx, v % 7, *k)?;
                    map.unset(tx, &(v % 7))?;
                    if !v.is_multiple_of(2) {
                        list.push(tx, v.to_string()).map(|_| ())
                    } else {
                        list.pop(tx).map(|_| ())
                    }
                });
                assert_eq!(out.expect("nothing stops it").len(), 24, "{name}");
                let used = stm.store.cells.used() - super::lock(&stm.store.free).len();
                assert!(used <= 4 + 64, "{name}, round {round}: {used} cells");
                let kept = stm.store.part::<crate::vec::VecIndex>(list.part).map_or(0, |v| v.len());
                assert!(kept <= 1, "{name}, round {round}: the vector has kept {kept} cells");
            }
        }
    }
}
