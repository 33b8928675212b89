//! Terms, and how far a log is agreed on, only grow while a node lives.

use std::collections::BTreeMap;

/// See the module.
#[derive(Debug, Default)]
pub struct Monotonic {
    /// By run of a node.
    seen: BTreeMap<usize, (u64, Option<u64>)>,
}

impl Monotonic {
    /// A run of a node tells its term, and how far its log is agreed on.
    ///
    /// # Errors
    /// Either was more before.
    pub fn handle(&mut self, process: usize, term: u64, agreed: Option<u64>) -> Result<(), String> {
        let now = (term, agreed);
        match self.seen.insert(process, now) {
            Some(before) if before.0 > term || before.1 > agreed => {
                Err(format!("its term and its last agreed entry went from {before:?} to {now:?}"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_goes_back() {
        let mut seen = Monotonic::default();
        assert!(seen.handle(0, 1, None).is_ok());
        assert!(seen.handle(0, 2, Some(4)).is_ok());
        assert!(seen.handle(1, 1, Some(1)).is_ok(), "another run");
        assert!(seen.handle(0, 2, Some(3)).is_err());
        assert!(seen.handle(0, 1, Some(3)).is_err());
    }
}
