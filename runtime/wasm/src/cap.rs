//! How much a guest may grow: decided by configuration only, never by what the host happens to have left.
//!
//! A growth that the configuration allows and the host cannot give is remembered here. The engine does not always pass
//! that failure on: when it is the heap of exceptions that cannot grow, it goes on as if that heap were full, and the
//! guest ends in a trap, on this node alone. So whoever looks at a guest's end asks [`GrowthCap::take_failure`] first.

use crate::engine::MAX_TABLE_ELEMENTS;
use crate::trap::HostFault;
use wasmtime::{Error, ResourceLimiter, Result};

/// The caps of one guest, and how much of them is used.
pub struct GrowthCap {
    memory_bytes: u64,
    table_elements: usize,
    /// The first thing that the host could not give.
    failure: Option<String>,
}

impl GrowthCap {
    pub(crate) const fn new(memory_bytes: u64) -> Self {
        Self { memory_bytes, table_elements: 0, failure: None }
    }

    /// What the host could not give although the guest may have it, if there was anything: the node is at fault then,
    /// whatever became of the guest.
    pub(crate) const fn take_failure(&mut self) -> Option<String> {
        self.failure.take()
    }

    fn failed(&mut self, what: &str, error: &Error) -> Error {
        let text = format!("the host cannot give a guest the {what} that its limit allows: {error:#}");
        self.failure.get_or_insert_with(|| text.clone());
        HostFault(text).into()
    }
}

impl ResourceLimiter for GrowthCap {
    fn memory_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        // The module's own maximum is answered here too, so that every failure after this point is the host's.
        Ok(desired as u64 <= self.memory_bytes && maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn memory_grow_failed(&mut self, error: Error) -> Result<()> {
        Err(self.failed("memory", &error))
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        let total = self.table_elements.saturating_add(desired.saturating_sub(current));
        let allowed = total <= MAX_TABLE_ELEMENTS && maximum.is_none_or(|maximum| desired <= maximum);
        if allowed {
            self.table_elements = total;
        }
        Ok(allowed)
    }

    fn table_grow_failed(&mut self, error: Error) -> Result<()> {
        Err(self.failed("table", &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_grows_up_to_the_smaller_of_both_bounds() -> Result<()> {
        let mut cap = GrowthCap::new(3 << 16);
        assert!(cap.memory_growing(0, 3 << 16, None)?);
        assert!(!cap.memory_growing(0, 4 << 16, None)?);
        assert!(!cap.memory_growing(0, 3 << 16, Some(2 << 16))?);
        Ok(())
    }

    #[test]
    fn what_the_host_could_not_give_is_remembered() {
        let mut cap = GrowthCap::new(3 << 16);
        assert_eq!(cap.take_failure(), None);
        assert!(cap.memory_grow_failed(Error::msg("mprotect failed")).is_err());
        assert!(cap.table_grow_failed(Error::msg("later")).is_err());
        assert!(cap.take_failure().is_some_and(|why| why.contains("memory") && why.ends_with("mprotect failed")));
    }

    #[test]
    fn all_tables_share_one_cap() -> Result<()> {
        let mut cap = GrowthCap::new(0);
        assert!(cap.table_growing(0, MAX_TABLE_ELEMENTS - 1, None)?);
        assert!(!cap.table_growing(0, 2, None)?);
        assert!(cap.table_growing(0, 1, None)?);
        Ok(())
    }
}
