//! `TxCell` and `TxCounter`: one value, one conflict unit.

use crate::error::{Stop, TxResult};
use crate::tx::{Mode, Tx};
use crate::value::Value;
use std::marker::PhantomData;
use std::ops::RangeInclusive;

/// A transactional variable. A small copyable handle; the value lives in the engine that made it.
///
/// ```
/// # use replicode_stm::{Stm, TxCell};
/// let mut stm = Stm::builder().threads(2).build()?;
/// let greeting: TxCell<String> = stm.cell("hello".to_string());
/// let out = stm.execute(&["world", "moon"], |tx, who| {
///     let text = format!("{} {who}", greeting.get(tx)?);
///     greeting.set(tx, text.clone())?;
///     Ok(text.len())
/// })?;
/// assert_eq!(out[1].clone().committed(), Some("hello world moon".len()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A handle is for values of exactly its type, lifetimes within it included:
///
/// ```compile_fail
/// # use replicode_stm::{Stm, TxCell};
/// let mut stm = Stm::builder().threads(1).build()?;
/// let f: for<'a> fn(&'a u8) -> u32 = |b| u32::from(*b);
/// let any: TxCell<for<'a> fn(&'a u8) -> u32> = stm.cell(f);
/// let one: TxCell<fn(&'static u8) -> u32> = any; // another type: a value of it would find no place
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TxCell<T> {
    pub(crate) engine: u32,
    pub(crate) id: u32,
    pub(crate) of: PhantomData<fn(T) -> T>,
}

impl<T: Value> TxCell<T> {
    /// The value as this transaction sees it.
    ///
    /// # Errors
    /// A stop to be passed on: a retry, or misuse (a cell of another engine).
    #[inline(always)]
    pub fn get(&self, tx: &mut Tx<'_>) -> TxResult<T> {
        tx.charge(self.engine)?;
        let value = match &mut tx.mode {
            Mode::Direct(d) => d.read::<T>(self.id)?,
            Mode::Spec(s) => s.read::<T>(self.id)?,
        };
        value.ok_or_else(|| Stop::broken("a cell has lost its value"))
    }

    /// Replaces the value. Never conflicts by itself: only readers above mind.
    ///
    /// # Errors
    /// A stop to be passed on.
    #[inline(always)]
    pub fn set(&self, tx: &mut Tx<'_>, value: T) -> TxResult<()> {
        tx.charge(self.engine)?;
        tx.admit(&value)?;
        match &mut tx.mode {
            Mode::Direct(d) => d.write(self.id, value),
            Mode::Spec(s) => s.write(self.id, value)?,
        }
        Ok(())
    }

    /// Reads, changes, writes; returns the new value.
    ///
    /// # Errors
    /// A stop to be passed on.
    #[inline]
    pub fn update(&self, tx: &mut Tx<'_>, f: impl FnOnce(T) -> T) -> TxResult<T> {
        let new = f(self.get(tx)?);
        self.set(tx, new.clone())?;
        Ok(new)
    }
}

/// A counter whose blind additions commute: transactions that only add never conflict with each other.
///
/// The value is an `i64`; [`TxCounter::add`] wraps around at its ends, [`TxCounter::try_add`] never does.
///
/// | operation | observes | conflicts with a lower |
/// |---|---|---|
/// | `add`, `sub` | nothing | nothing |
/// | `try_add`, `try_sub` | whether the bounds hold | change that flips that answer |
/// | `get` | the sum | change of the sum |
/// | `set` | nothing | nothing |
///
/// ```
/// # use replicode_stm::Stm;
/// let mut stm = Stm::builder().threads(2).build()?;
/// let stock = stm.counter(3);
/// let sold = stm.execute(&[1, 1, 2, 1], |tx, wanted| stock.try_sub(tx, *wanted, 0..=i64::MAX))?;
/// let sold: Vec<_> = sold.into_iter().filter_map(|o| o.committed()).collect();
/// assert_eq!(sold, [true, true, false, true], "the third finds only one left");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TxCounter {
    pub(crate) engine: u32,
    pub(crate) id: u32,
}

impl TxCounter {
    /// The sum as this transaction sees it.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn get(&self, tx: &mut Tx<'_>) -> TxResult<i64> {
        tx.charge(self.engine)?;
        Ok(match &mut tx.mode {
            Mode::Direct(d) => d.sum(self.id),
            Mode::Spec(s) => s.sum(self.id)?,
        } as i64)
    }

    /// Overwrites the sum.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn set(&self, tx: &mut Tx<'_>, value: i64) -> TxResult<()> {
        tx.charge(self.engine)?;
        match &mut tx.mode {
            Mode::Direct(d) => d.set_sum(self.id, value as u64),
            Mode::Spec(s) => s.set_sum(self.id, value as u64),
        }
        Ok(())
    }

    /// Adds without looking (wrapping).
    ///
    /// # Errors
    /// A stop to be passed on.
    #[inline]
    pub fn add(&self, tx: &mut Tx<'_>, delta: i64) -> TxResult<()> {
        tx.charge(self.engine)?;
        match &mut tx.mode {
            Mode::Direct(d) => {
                let now = d.sum(self.id);
                d.set_sum(self.id, now.wrapping_add(delta as u64));
            }
            Mode::Spec(s) => s.add(self.id, delta as u64),
        }
        Ok(())
    }

    /// Subtracts without looking (wrapping).
    ///
    /// # Errors
    /// A stop to be passed on.
    #[inline]
    pub fn sub(&self, tx: &mut Tx<'_>, delta: i64) -> TxResult<()> {
        self.add(tx, delta.wrapping_neg())
    }

    /// Adds if the result stays within `bounds`; says whether it did. Computed without overflow.
    ///
    /// # Errors
    /// A stop to be passed on.
    #[inline]
    pub fn try_add(&self, tx: &mut Tx<'_>, delta: i64, bounds: RangeInclusive<i64>) -> TxResult<bool> {
        tx.charge(self.engine)?;
        let (lo, hi) = (*bounds.start(), *bounds.end());
        match &mut tx.mode {
            Mode::Direct(d) => Ok(d.try_add(self.id, delta, lo, hi)),
            Mode::Spec(s) => s.try_add(self.id, delta, lo, hi),
        }
    }

    /// Subtracts if the result stays within `bounds`; says whether it did.
    ///
    /// # Errors
    /// A stop to be passed on; a revert if `delta` is `i64::MIN`, whose negation does not exist.
    #[inline]
    pub fn try_sub(&self, tx: &mut Tx<'_>, delta: i64, bounds: RangeInclusive<i64>) -> TxResult<bool> {
        match delta.checked_neg() {
            Some(d) => self.try_add(tx, d, bounds),
            None => {
                Err(Stop::revert(crate::Revert::BOUNDS, "cannot subtract i64::MIN: its negation does not fit an i64"))
            }
        }
    }
}
