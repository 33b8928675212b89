//! How much a guest may grow: decided by configuration only, never by what the host happens to have left.

use crate::engine::MAX_TABLE_ELEMENTS;
use crate::trap::HostFault;
use wasmtime::{Error, ResourceLimiter, Result};

/// The caps of one guest, and how much of them is used.
pub struct GrowthCap {
    memory_bytes: u64,
    table_elements: usize,
}

impl GrowthCap {
    pub(crate) const fn new(memory_bytes: u64) -> Self {
        Self { memory_bytes, table_elements: 0 }
    }
}

impl ResourceLimiter for GrowthCap {
    fn memory_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        // The module's own maximum is answered here too, so that every failure after this point is the host's.
        Ok(desired as u64 <= self.memory_bytes && maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn memory_grow_failed(&mut self, error: Error) -> Result<()> {
        Err(HostFault(format!("the host cannot give a guest the memory that its limit allows: {error:#}")).into())
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
        Err(HostFault(format!("the host cannot give a guest the table that its limit allows: {error:#}")).into())
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
    fn all_tables_share_one_cap() -> Result<()> {
        let mut cap = GrowthCap::new(0);
        assert!(cap.table_growing(0, MAX_TABLE_ELEMENTS - 1, None)?);
        assert!(!cap.table_growing(0, 2, None)?);
        assert!(cap.table_growing(0, 1, None)?);
        Ok(())
    }
}
