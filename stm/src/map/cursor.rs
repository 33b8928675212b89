//! Walking over a map in steps: forwards or backwards, with a limit, keys only or with values, from where one left off.

use super::walk::{AtPresence, AtValue};
use super::{Key, Span, TxMap};
use crate::error::TxResult;
use crate::tx::Tx;
use crate::value::Value;
use std::ops::{Bound, ControlFlow, RangeBounds};

/// Which way to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Direction {
    /// From the least key to the greatest.
    #[default]
    Up,
    /// From the greatest to the least.
    Down,
}

/// A place in a range of keys, which is advanced entry by entry; each step costs a look-up. A plain value: it may be kept,
/// copied, and used in another transaction, where it goes on behind the last key that it has given.
///
/// What it has walked over is observed, and nothing beyond: changes behind the cursor's head are no conflict.
///
/// ```
/// # use replicode_stm::{Cursor, Direction, Stm};
/// let mut stm = Stm::builder().threads(2).build()?;
/// let book = stm.map_from((0..100u64).map(|price| (price, "order")));
/// let mut best = Cursor::new(..=60, Direction::Down, 3);
/// let prices = stm.execute(&[()], |tx, ()| {
///     let (mut cursor, mut prices) = (best.clone(), Vec::new());
///     while let Some(price) = cursor.next_key(tx, &book)? {
///         prices.push(price);
///     }
///     Ok((prices, cursor))
/// })?;
/// let (prices, left_off) = prices[0].clone().committed().expect("nothing reverts it");
/// assert_eq!(prices, [60, 59, 58]);
/// best = left_off.limit(1);
/// let next = stm.run(|tx| best.clone().next(tx, &book))?.committed();
/// assert_eq!(next, Some(Some((57, "order"))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor<K> {
    span: Span<K>,
    direction: Direction,
    left: usize,
}

impl<K: Key> Cursor<K> {
    /// At the beginning of `range` (at its end, if it goes down), for at most `limit` entries.
    pub fn new(range: impl RangeBounds<K>, direction: Direction, limit: usize) -> Self {
        Cursor { span: (range.start_bound().cloned(), range.end_bound().cloned()), direction, left: limit }
    }

    /// From here on, for at most `limit` entries.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.left = limit;
        self
    }

    /// Back the way that it came: the entry given last is not given again.
    #[must_use]
    pub fn turn(mut self, rest: impl RangeBounds<K>) -> Self {
        let given = match self.direction {
            Direction::Up => self.span.0,
            Direction::Down => self.span.1,
        };
        (self.direction, self.span) = match self.direction {
            Direction::Up => (Direction::Down, (rest.start_bound().cloned(), given)),
            Direction::Down => (Direction::Up, (given, rest.end_bound().cloned())),
        };
        self
    }

    fn pass(&mut self, key: K) {
        self.left -= 1;
        match self.direction {
            Direction::Up => self.span.0 = Bound::Excluded(key),
            Direction::Down => self.span.1 = Bound::Excluded(key),
        }
    }

    /// The next entry of `map`; `None` at the end of the range, or when the limit is used up.
    ///
    /// # Errors
    /// A stop to be passed on; then the cursor has not moved.
    pub fn next<V: Value>(&mut self, tx: &mut Tx<'_>, map: &TxMap<K, V>) -> TxResult<Option<(K, V)>> {
        if self.left == 0 {
            return Ok(None);
        }
        let found = map.entries(tx, self.span.clone(), self.direction == Direction::Down, 1)?.pop();
        if let Some((key, _)) = &found {
            self.pass(key.clone());
        }
        Ok(found)
    }

    /// The key of the next entry. Observes that there is one, not its value.
    ///
    /// # Errors
    /// As [`Cursor::next`].
    pub fn next_key<V: Value>(&mut self, tx: &mut Tx<'_>, map: &TxMap<K, V>) -> TxResult<Option<K>> {
        if self.left == 0 {
            return Ok(None);
        }
        let mut found = None;
        map.visit_keys(tx, self.span.clone(), self.direction, |key| {
            found = Some(key.clone());
            ControlFlow::Break(())
        })?;
        if let Some(key) = &found {
            self.pass(key.clone());
        }
        Ok(found)
    }
}

impl<K: Key, V: Value> TxMap<K, V> {
    /// Shows the entries of a range to `f` until it has enough. Observes what it has walked over, and nothing beyond.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn visit(
        &self,
        tx: &mut Tx<'_>,
        range: impl RangeBounds<K>,
        direction: Direction,
        mut f: impl FnMut(&K, V) -> ControlFlow<()>,
    ) -> TxResult<()> {
        let span = (range.start_bound().cloned(), range.end_bound().cloned());
        self.scan::<AtValue<V>>(tx, span, direction == Direction::Down, &mut |key, value| f(key, value).is_continue())
    }

    /// As [`TxMap::visit`], without looking at the values: changes of them are no conflict.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn visit_keys(
        &self,
        tx: &mut Tx<'_>,
        range: impl RangeBounds<K>,
        direction: Direction,
        mut f: impl FnMut(&K) -> ControlFlow<()>,
    ) -> TxResult<()> {
        let span = (range.start_bound().cloned(), range.end_bound().cloned());
        self.scan::<AtPresence>(tx, span, direction == Direction::Down, &mut |key, ()| f(key).is_continue())
    }

    /// At most `limit` entries of a range.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn page(
        &self,
        tx: &mut Tx<'_>,
        range: impl RangeBounds<K>,
        direction: Direction,
        limit: usize,
    ) -> TxResult<Vec<(K, V)>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        self.entries(tx, range, direction == Direction::Down, limit)
    }

    /// The entry after `key`, whether that is there or not.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn after(&self, tx: &mut Tx<'_>, key: &K) -> TxResult<Option<(K, V)>> {
        self.first_in(tx, (Bound::Excluded(key.clone()), Bound::Unbounded))
    }

    /// The entry before `key`, whether that is there or not.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn before(&self, tx: &mut Tx<'_>, key: &K) -> TxResult<Option<(K, V)>> {
        self.last_in(tx, (Bound::Unbounded, Bound::Excluded(key.clone())))
    }
}
