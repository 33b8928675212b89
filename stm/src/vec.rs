//! `TxVec`: one conflict unit per element and one for the length.

use crate::arena::Arena;
use crate::chain::Unit;
use crate::error::{Revert, Stop, TxResult};
use crate::store::{Part, Store};
use crate::sync::Relaxed;
use crate::tx::{Mode, Tx};
use crate::value::Value;
use std::any::Any;
use std::marker::PhantomData;
use std::sync::{PoisonError, RwLock};

/// Position to cell: a prefix that is constant within a block, and what this block has added.
pub(crate) struct VecIndex {
    known: Vec<u32>,
    fresh: RwLock<Vec<u32>>,
    column: u32,
    me: u32,
}

impl VecIndex {
    pub(crate) fn new(known: Vec<u32>, column: u32, me: u32) -> Self {
        VecIndex { known, fresh: RwLock::new(Vec::new()), column, me }
    }

    /// Elements that have a cell.
    #[cfg(all(test, not(any(loom, shuttle))))]
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    /// The cell at `at`, if any transaction of any run has ever pushed that far.
    fn existing(&self, at: u64) -> Option<u32> {
        let at = usize::try_from(at).ok()?;
        match self.known.get(at) {
            Some(&id) => Some(id),
            None => self.fresh.read().unwrap_or_else(PoisonError::into_inner).get(at - self.known.len()).copied(),
        }
    }

    /// The cell at `at`, made if needed. A run whose view of the length is torn may ask for more than one ahead; the
    /// length it saw was some transaction's, so the gap is at most the pushes of this block.
    fn grown(&self, store: &Store, at: u64) -> TxResult<u32> {
        if let Some(id) = self.existing(at) {
            return Ok(id);
        }
        let over = at - self.known.len() as u64;
        let mut fresh = self.fresh.write().unwrap_or_else(PoisonError::into_inner);
        while fresh.len() as u64 <= over {
            fresh.push(store.new_cell_tx(self.column, self.me)?);
        }
        Ok(fresh[over as usize])
    }
}

impl Part for VecIndex {
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
    fn settle_keys(&mut self, cells: &Arena<Unit>, freed: &mut Vec<u32>) {
        let fresh = self.fresh.get_mut().unwrap_or_else(PoisonError::into_inner);
        // What only runs that were thrown away have pushed goes back: how many cells are taken must not depend on them.
        while let Some(id) = fresh.pop_if(|id| !cells.get(*id).present()) {
            freed.push(id);
        }
        self.known.append(fresh);
    }
    fn label(&self, cell: u32, _: &Unit) -> Option<String> {
        self.known.iter().position(|&c| c == cell).map(|k| k.to_string())
    }
}

/// A growable vector. `get` and `set` of different positions never conflict; `push` and `pop` conflict with each
/// other and with `len`, through the length. (For appends that commute, see [`crate::TxBag`].)
pub struct TxVec<T> {
    pub(crate) engine: u32,
    pub(crate) part: u32,
    pub(crate) len: u32,
    pub(crate) of: PhantomData<fn(T) -> T>,
}

impl<T: Value> TxVec<T> {
    #[inline]
    fn existing(&self, tx: &mut Tx<'_>, at: u64) -> TxResult<Option<u32>> {
        let store: &Store = match &tx.mode {
            Mode::Direct(d) => d.store,
            Mode::Spec(s) => s.shared.store,
        };
        match store.part::<VecIndex>(self.part) {
            Some(index) => Ok(index.existing(at)),
            None => Err(Stop::broken("a vector has lost its index")),
        }
    }

    /// Number of elements.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn len(&self, tx: &mut Tx<'_>) -> TxResult<u64> {
        tx.charge(self.engine)?;
        let len = match &mut tx.mode {
            Mode::Direct(d) => d.read::<u64>(self.len)?,
            Mode::Spec(s) => s.read::<u64>(self.len)?,
        };
        len.ok_or_else(|| Stop::broken("a vector has lost its length"))
    }

    /// Whether there are no elements.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn is_empty(&self, tx: &mut Tx<'_>) -> TxResult<bool> {
        Ok(self.len(tx)? == 0)
    }

    /// The element at `at`, `None` beyond the end.
    ///
    /// # Errors
    /// A stop to be passed on.
    #[inline]
    pub fn get(&self, tx: &mut Tx<'_>, at: u64) -> TxResult<Option<T>> {
        tx.charge(self.engine)?;
        match self.existing(tx, at)? {
            Some(id) => match &mut tx.mode {
                Mode::Direct(d) => d.read::<T>(id),
                Mode::Spec(s) => s.read::<T>(id),
            },
            // No cell yet: the answer "beyond the end" rests on the length.
            None if self.length_uncharged(tx)? <= at => Ok(None),
            None => {
                // The length was another's push, whose cell has come into being since we looked.
                let id = self.grown(tx, at)?;
                match &mut tx.mode {
                    Mode::Direct(d) => d.read::<T>(id),
                    Mode::Spec(s) => s.read::<T>(id),
                }
            }
        }
    }

    fn length_uncharged(&self, tx: &mut Tx<'_>) -> TxResult<u64> {
        let len = match &mut tx.mode {
            Mode::Direct(d) => d.read::<u64>(self.len)?,
            Mode::Spec(s) => s.read::<u64>(self.len)?,
        };
        Ok(len.unwrap_or(0))
    }

    fn grown(&self, tx: &mut Tx<'_>, at: u64) -> TxResult<u32> {
        let store: &Store = match &tx.mode {
            Mode::Direct(d) => d.store,
            Mode::Spec(s) => s.shared.store,
        };
        match store.part::<VecIndex>(self.part) {
            Some(index) => index.grown(store, at),
            None => Err(Stop::broken("a vector has lost its index")),
        }
    }

    /// Replaces the element at `at`.
    ///
    /// # Errors
    /// A revert with [`Revert::BOUNDS`] beyond the end; or a stop to be passed on.
    #[inline]
    pub fn set(&self, tx: &mut Tx<'_>, at: u64, value: T) -> TxResult<()> {
        tx.charge(self.engine)?;
        tx.admit(&value)?;
        let there = match self.existing(tx, at)? {
            Some(id) => {
                let there = match &mut tx.mode {
                    Mode::Direct(d) => d.exists(id),
                    Mode::Spec(s) => s.exists(id)?,
                };
                there.then_some(id)
            }
            None if self.length_uncharged(tx)? <= at => None,
            None => Some(self.grown(tx, at)?),
        };
        match there {
            Some(id) => match &mut tx.mode {
                Mode::Direct(d) => d.write(id, value),
                Mode::Spec(s) => s.write(id, value)?,
            },
            None => {
                return Err(beyond(at));
            }
        }
        Ok(())
    }

    /// Appends an element; returns its position.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn push(&self, tx: &mut Tx<'_>, value: T) -> TxResult<u64> {
        let len = self.len(tx)?;
        tx.admit(&value)?;
        let id = self.grown(tx, len)?;
        match &mut tx.mode {
            Mode::Direct(d) => {
                d.write(id, value);
                d.write(self.len, len + 1);
            }
            Mode::Spec(s) => {
                s.write(id, value)?;
                s.write(self.len, len + 1)?;
            }
        }
        Ok(len)
    }

    /// The last element.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn last(&self, tx: &mut Tx<'_>) -> TxResult<Option<T>> {
        match self.len(tx)?.checked_sub(1) {
            Some(last) => self.get(tx, last),
            None => Ok(None),
        }
    }

    /// Replaces the element at `at` by what `f` makes of it; returns the new one.
    ///
    /// # Errors
    /// A revert with [`Revert::BOUNDS`] beyond the end; or a stop to be passed on.
    pub fn update(&self, tx: &mut Tx<'_>, at: u64, f: impl FnOnce(T) -> T) -> TxResult<T> {
        let Some(old) = self.get(tx, at)? else { return Err(beyond(at)) };
        let new = f(old);
        self.set(tx, at, new.clone())?;
        Ok(new)
    }

    /// Removes and returns the last element.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn pop(&self, tx: &mut Tx<'_>) -> TxResult<Option<T>> {
        let Some(last) = self.len(tx)?.checked_sub(1) else { return Ok(None) };
        let id = self.grown(tx, last)?;
        let value = match &mut tx.mode {
            Mode::Direct(d) => {
                let v = d.read::<T>(id)?;
                d.remove::<T>(id);
                d.write(self.len, last);
                v
            }
            Mode::Spec(s) => {
                let v = s.read::<T>(id)?;
                s.remove(id);
                s.write(self.len, last)?;
                v
            }
        };
        Ok(value)
    }
}

#[cold]
fn beyond(at: u64) -> Stop {
    Stop::revert(Revert::BOUNDS, format!("cannot set element {at}: beyond the end of the vector"))
}

/// Starts a vector: cells with values, and the length.
pub(crate) fn seed(store: &mut Store, len: u32, n: u64) {
    let cell = store.cells.get(len);
    cell.base.store(n, Relaxed);
    cell.set_meta(0, true);
}
