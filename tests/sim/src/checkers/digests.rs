//! S1: every node computes the same after every batch, however often it executes it.

use replicode_log::{BatchIndex, Digest};

/// The digest after each batch, from whichever node executed it first.
#[derive(Clone, Debug, Default)]
pub struct Digests(Vec<Digest>);

impl Digests {
    /// What a node computed. Answers whether it was the first.
    ///
    /// # Errors
    /// Another one computed something else.
    pub fn computed(&mut self, node: u64, index: BatchIndex, digest: Digest) -> Result<bool, String> {
        let at = (index.0 as usize).checked_sub(1).ok_or("there is no batch 0")?;
        match self.0.get(at) {
            None if at == self.0.len() => {
                self.0.push(digest);
                Ok(true)
            }
            Some(known) if *known == digest => Ok(false),
            Some(known) => {
                Err(format!("node {node} computed {} for batch {index}, another one {}", digest.short(), known.short()))
            }
            None => Err(format!("node {node} executed batch {index}, and nobody batch #{}", self.0.len() + 1)),
        }
    }

    /// The last one.
    #[must_use]
    pub fn last(&self) -> Option<Digest> {
        self.0.last().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_to_compute_is_the_measure() {
        let (one, other) = (Digest::of(b"1"), Digest::of(b"2"));
        let mut digests = Digests::default();
        assert_eq!(digests.computed(1, BatchIndex(1), one), Ok(true));
        assert_eq!(digests.computed(2, BatchIndex(1), one), Ok(false));
        assert!(digests.computed(3, BatchIndex(1), other).is_err_and(|why| why.contains("node 3")));
        assert!(digests.computed(1, BatchIndex(3), one).is_err(), "one is missing");
        assert_eq!(digests.last(), Some(one));
    }
}
