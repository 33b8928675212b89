//! `TxCounters`: 128-bit sums under fixed-size byte keys, whose additions commute.

use crate::arena::Arena;
use crate::base::CounterBase;
use crate::chain::{self, Rec, Unit};
use crate::engine::Stm;
use crate::error::{Revert, Stop, TxResult};
use crate::keyed::{Held, Keyed, Source};
use crate::memory::{cell, exists, generation};
use crate::table::hash;
use crate::tx::{Mode, Tx};
use crate::vault::Vault;
use std::ops::RangeInclusive;
use std::sync::Arc;

impl Held for i128 {
    fn weight(&self) -> usize {
        0
    }
    fn newest(
        vault: &mut Vault,
        recs: &Arena<Rec>,
        cell: &Unit,
        limit: u32,
        now: Option<&i128>,
    ) -> Option<Option<i128>> {
        let (_kind, _) = chain::newest(recs, cell, limit)?;
        #[cfg(feature = "mutants")]
        if crate::mutants::on(crate::mutants::Mutant::AbsentDelta)
            && now.is_none()
            && matches!(_kind, chain::Kind::WideDelta | chain::Kind::WideFolded)
        {
            return None;
        }
        Some(vault.fold(recs, cell, limit, now.copied()).0)
    }
    fn same(vault: &Vault, a: u64, b: u64) -> bool {
        vault.wide(a) == vault.wide(b)
    }
    fn sum(&self) -> Option<i128> {
        Some(*self)
    }
}

/// Counters under keys of `N` bytes: balances, fees, supplies. Made and removed in transactions; otherwise as
/// [`crate::TxCounter`], with 128 bits.
///
/// A counter that is not there counts as 0, and an addition makes it. [`TxCounters::add`] wraps around at the ends of `i128`,
/// [`TxCounters::try_add`] never does.
///
/// | operation | observes | conflicts with a lower |
/// |---|---|---|
/// | `add`, `sub` | nothing | nothing |
/// | `try_add`, `try_sub` | whether the bounds hold | change that flips that answer |
/// | `get` | the sum, or that there is none | change of the sum |
/// | `contains_key` | whether there is a sum | making, removal |
/// | `set`, `unset` | nothing | nothing |
///
/// ```
/// # use replicode_stm::{Stm, TxCounters};
/// let mut stm = Stm::builder().threads(2).build()?;
/// let balance: TxCounters<1> = stm.counters();
/// let moves = [(b'a', b'b', 5), (b'a', b'b', 90), (b'b', b'a', 5)];
/// stm.run(|tx| balance.set(tx, b"a", 50))?;
/// let moved = stm.execute(&moves, |tx, (from, to, amount)| {
///     let enough = balance.try_sub(tx, &[*from], *amount, 0..=i128::MAX)?;
///     tx.require(enough, "poor")?;
///     balance.add(tx, &[*to], *amount)
/// })?;
/// assert_eq!(moved.iter().map(|o| o.is_committed()).collect::<Vec<_>>(), [true, false, true]);
/// assert_eq!(stm.run(|tx| balance.get(tx, b"b"))?.committed(), Some(Some(0)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TxCounters<const N: usize> {
    pub(crate) engine: u32,
    pub(crate) part: u32,
}

/// A key of [`TxCounters`] that has been looked up, as [`crate::MemoryRef`].
pub struct CounterRef<const N: usize> {
    pub(crate) engine: u32,
    pub(crate) part: u32,
    pub(crate) id: u32,
    pub(crate) generation: u32,
    pub(crate) hash: u64,
    pub(crate) key: [u8; N],
}

fn get(tx: &mut Tx<'_>, id: u32) -> TxResult<Option<i128>> {
    match &mut tx.mode {
        Mode::Direct(d) => Ok(d.wide_sum(id)),
        Mode::Spec(s) => s.wide_sum(id),
    }
}

fn set<const N: usize>(tx: &mut Tx<'_>, id: u32, value: i128) {
    match &mut tx.mode {
        Mode::Direct(d) => d.put::<N, i128>(id, Some(value)),
        Mode::Spec(s) => s.wide_set(id, value),
    }
}

fn unset<const N: usize>(tx: &mut Tx<'_>, id: u32) {
    match &mut tx.mode {
        Mode::Direct(d) => d.put::<N, i128>(id, None),
        Mode::Spec(s) => s.remove(id),
    }
}

fn add<const N: usize>(tx: &mut Tx<'_>, id: u32, delta: i128) {
    match &mut tx.mode {
        Mode::Direct(d) => {
            let now = d.wide_sum(id).unwrap_or(0);
            d.put::<N, i128>(id, Some(now.wrapping_add(delta)));
        }
        Mode::Spec(s) => s.wide_add(id, delta),
    }
}

fn try_add<const N: usize>(tx: &mut Tx<'_>, id: u32, delta: i128, bounds: &RangeInclusive<i128>) -> TxResult<bool> {
    let (lo, hi) = (*bounds.start(), *bounds.end());
    match &mut tx.mode {
        Mode::Direct(d) => Ok(d.wide_try_add::<N>(id, delta, lo, hi)),
        Mode::Spec(s) => s.wide_try_add(id, delta, lo, hi),
    }
}

fn negated(delta: i128) -> TxResult<i128> {
    delta
        .checked_neg()
        .ok_or_else(|| Stop::revert(Revert::BOUNDS, "cannot subtract i128::MIN: its negation does not fit an i128"))
}

impl<const N: usize> TxCounters<N> {
    #[inline(always)]
    fn cell(&self, tx: &mut Tx<'_>, key: &[u8; N]) -> TxResult<u32> {
        tx.charge(self.engine)?;
        cell::<N, i128>(tx, self.part, hash(key), key)
    }

    /// Looks `key` up, to be used again.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn at(&self, tx: &mut Tx<'_>, key: &[u8; N]) -> TxResult<CounterRef<N>> {
        let id = self.cell(tx, key)?;
        let generation = generation(tx, id);
        Ok(CounterRef { engine: self.engine, part: self.part, id, generation, hash: hash(key), key: *key })
    }

    /// The sum at `key`.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn get(&self, tx: &mut Tx<'_>, key: &[u8; N]) -> TxResult<Option<i128>> {
        let id = self.cell(tx, key)?;
        get(tx, id)
    }

    /// Whether there is a counter at `key`.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn contains_key(&self, tx: &mut Tx<'_>, key: &[u8; N]) -> TxResult<bool> {
        let id = self.cell(tx, key)?;
        exists(tx, id)
    }

    /// Overwrites the sum at `key`; makes the counter if there is none.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn set(&self, tx: &mut Tx<'_>, key: &[u8; N], value: i128) -> TxResult<()> {
        let id = self.cell(tx, key)?;
        set::<N>(tx, id, value);
        Ok(())
    }

    /// Removes the counter at `key`, without looking.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn unset(&self, tx: &mut Tx<'_>, key: &[u8; N]) -> TxResult<()> {
        let id = self.cell(tx, key)?;
        unset::<N>(tx, id);
        Ok(())
    }

    /// Adds without looking (wrapping); makes the counter if there is none.
    ///
    /// # Errors
    /// A stop to be passed on.
    #[inline]
    pub fn add(&self, tx: &mut Tx<'_>, key: &[u8; N], delta: i128) -> TxResult<()> {
        let id = self.cell(tx, key)?;
        add::<N>(tx, id, delta);
        Ok(())
    }

    /// Subtracts without looking (wrapping); makes the counter if there is none.
    ///
    /// # Errors
    /// A stop to be passed on.
    #[inline]
    pub fn sub(&self, tx: &mut Tx<'_>, key: &[u8; N], delta: i128) -> TxResult<()> {
        self.add(tx, key, delta.wrapping_neg())
    }

    /// Adds if the result stays within `bounds`; says whether it did. Computed without overflow. A counter that is not there
    /// counts as 0, and is made if it did.
    ///
    /// # Errors
    /// A stop to be passed on.
    #[inline]
    pub fn try_add(&self, tx: &mut Tx<'_>, key: &[u8; N], delta: i128, bounds: RangeInclusive<i128>) -> TxResult<bool> {
        let id = self.cell(tx, key)?;
        try_add::<N>(tx, id, delta, &bounds)
    }

    /// Subtracts if the result stays within `bounds`; says whether it did.
    ///
    /// # Errors
    /// A stop to be passed on; a revert if `delta` is `i128::MIN`, whose negation does not exist.
    #[inline]
    pub fn try_sub(&self, tx: &mut Tx<'_>, key: &[u8; N], delta: i128, bounds: RangeInclusive<i128>) -> TxResult<bool> {
        self.try_add(tx, key, negated(delta)?, bounds)
    }
}

impl<const N: usize> CounterRef<N> {
    /// The key that was looked up.
    #[must_use]
    pub fn key(&self) -> &[u8; N] {
        &self.key
    }

    #[inline(always)]
    fn cell(&self, tx: &mut Tx<'_>) -> TxResult<u32> {
        tx.charge(self.engine)?;
        if generation(tx, self.id) == self.generation {
            return Ok(self.id);
        }
        cell::<N, i128>(tx, self.part, self.hash, &self.key)
    }

    /// As [`TxCounters::get`].
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn get(&self, tx: &mut Tx<'_>) -> TxResult<Option<i128>> {
        let id = self.cell(tx)?;
        get(tx, id)
    }

    /// As [`TxCounters::contains_key`].
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn exists(&self, tx: &mut Tx<'_>) -> TxResult<bool> {
        let id = self.cell(tx)?;
        exists(tx, id)
    }

    /// As [`TxCounters::set`].
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn set(&self, tx: &mut Tx<'_>, value: i128) -> TxResult<()> {
        let id = self.cell(tx)?;
        set::<N>(tx, id, value);
        Ok(())
    }

    /// As [`TxCounters::unset`].
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn unset(&self, tx: &mut Tx<'_>) -> TxResult<()> {
        let id = self.cell(tx)?;
        unset::<N>(tx, id);
        Ok(())
    }

    /// As [`TxCounters::add`].
    ///
    /// # Errors
    /// A stop to be passed on.
    #[inline]
    pub fn add(&self, tx: &mut Tx<'_>, delta: i128) -> TxResult<()> {
        let id = self.cell(tx)?;
        add::<N>(tx, id, delta);
        Ok(())
    }

    /// As [`TxCounters::sub`].
    ///
    /// # Errors
    /// A stop to be passed on.
    #[inline]
    pub fn sub(&self, tx: &mut Tx<'_>, delta: i128) -> TxResult<()> {
        self.add(tx, delta.wrapping_neg())
    }

    /// As [`TxCounters::try_add`].
    ///
    /// # Errors
    /// A stop to be passed on.
    #[inline]
    pub fn try_add(&self, tx: &mut Tx<'_>, delta: i128, bounds: RangeInclusive<i128>) -> TxResult<bool> {
        let id = self.cell(tx)?;
        try_add::<N>(tx, id, delta, &bounds)
    }

    /// As [`TxCounters::try_sub`].
    ///
    /// # Errors
    /// As [`TxCounters::try_sub`].
    #[inline]
    pub fn try_sub(&self, tx: &mut Tx<'_>, delta: i128, bounds: RangeInclusive<i128>) -> TxResult<bool> {
        self.try_add(tx, negated(delta)?, bounds)
    }
}

impl Stm {
    /// New counters, with nothing below: all stay resident.
    pub fn counters<const N: usize>(&mut self) -> TxCounters<N> {
        let part = self.add_keyed::<N, i128>(None, usize::MAX);
        TxCounters { engine: self.store.engine, part }
    }

    /// New counters above `base`, evicted as [`Stm::memory_over`] says.
    pub fn counters_over<const N: usize>(&mut self, base: Arc<dyn CounterBase<N>>, budget: usize) -> TxCounters<N> {
        let source: Source<N, i128> = Box::new(move |key| base.load(key));
        let part = self.add_keyed(Some(source), budget);
        TxCounters { engine: self.store.engine, part }
    }

    /// Gives counters a name, as [`Stm::name_memory`].
    pub fn name_counters<const N: usize>(
        &mut self,
        counters: &TxCounters<N>,
        name: impl Into<String>,
        namer: impl Fn(&[u8; N]) -> String + Send + Sync + 'static,
    ) {
        self.store.name_part(counters.part, name.into());
        if let Some(keyed) = self.store.part_mut::<Keyed<N, i128>>(counters.part) {
            keyed.namer = Some(Box::new(namer));
        }
    }
}
