//! Lending a transaction to what runs below a closure and cannot be given it: host functions of a wasm store, say.
//!
//! A store wants owned data, and a [`Tx`] borrows. So it is left, while the store runs, in scoped thread-local storage, where
//! host functions find it again; whoever has it there takes it away for that while, so there are never two. No unsafe
//! code here; the crate `scoped-tls-hkt` has the little that it takes.

use crate::tx::Tx;
use scoped_tls_hkt::scoped_thread_local;

/// Gives a transaction of whatever lifetime to a closure.
trait Lender {
    fn give(&mut self, f: &mut dyn FnMut(&mut Tx<'_>));
}

impl Lender for Tx<'_> {
    fn give(&mut self, f: &mut dyn FnMut(&mut Tx<'_>)) {
        f(self);
    }
}

scoped_thread_local!(static mut LENT: for<'a> &'a mut dyn Lender);

impl Tx<'_> {
    /// Lends this transaction to [`lent`] on this thread, while `f` runs.
    ///
    /// ```
    /// # use replicode_stm::{Stm, lent};
    /// let mut stm = Stm::builder().threads(2).build()?;
    /// let total = stm.cell(0u64);
    /// // Somewhere below, in code that is only called by value, say as an import of a wasm module:
    /// let host_function = move |n: u64| lent(|tx| total.update(tx, |v| v + n)).expect("called by a guest only");
    /// let out = stm.execute(&[1u64, 2, 3], |tx, n| tx.lend(|| host_function(*n)))?;
    /// assert_eq!(out[2].clone().committed(), Some(6));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lend<R>(&mut self, f: impl FnOnce() -> R) -> R {
        LENT.set(self, f)
    }
}

/// The transaction that [`Tx::lend`] has lent to this thread, innermost first. `None` outside of it, and while somebody below
/// has it already.
#[inline]
pub fn lent<R>(f: impl FnOnce(&mut Tx<'_>) -> R) -> Option<R> {
    if !LENT.is_set() {
        return None;
    }
    let (mut f, mut result) = (Some(f), None);
    LENT.with(|lender| {
        lender.give(&mut |tx| {
            if let Some(f) = f.take() {
                result = Some(f(tx));
            }
        });
    });
    result
}
