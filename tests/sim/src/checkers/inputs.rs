//! Inputs: what was acknowledged is applied, nothing twice, all in the same order everywhere (S2, S6).

use replicode_log::NodeId;
use std::collections::{BTreeMap, BTreeSet};

/// See the module.
#[derive(Debug, Default)]
pub struct Inputs {
    /// The order in which numbers are applied, by whoever was first.
    order: Vec<u64>,
    places: BTreeMap<u64, u64>,
    /// Numbers whose node knows that they are applied.
    acknowledged: BTreeSet<u64>,
    /// Numbers that were offered after everything was healed.
    asked: BTreeSet<u64>,
    /// The last number that each node has offered and that was applied: they are offered in order.
    last: BTreeMap<NodeId, u64>,
}

impl Inputs {
    /// A node has applied a number as its `nth` one, from 1.
    ///
    /// # Errors
    /// It was applied before, or others applied another one then.
    pub fn applied(&mut self, node: NodeId, from: NodeId, number: u64, nth: u64) -> Result<(), String> {
        if let Some(known) = usize::try_from(nth).ok().and_then(|nth| self.order.get(nth - 1)) {
            return if *known == number {
                Ok(())
            } else {
                Err(format!("{node} applied {number} as its input {nth}, others applied {known}"))
            };
        }
        if self.order.len() as u64 + 1 != nth {
            return Err(format!("{node} applied its input {nth}, and nobody one before"));
        }
        if let Some(before) = self.places.insert(number, nth) {
            return Err(format!("{node} applied {number} of {from} as input {nth}: it was input {before} already"));
        }
        if self.last.insert(from, number).is_some_and(|last| last >= number) {
            return Err(format!("{node} applied {number} of {from} out of order"));
        }
        self.order.push(number);
        Ok(())
    }

    /// Whoever offered a number knows that it is applied.
    pub fn acknowledged(&mut self, number: u64) {
        self.acknowledged.insert(number);
    }

    /// How many are acknowledged.
    #[must_use]
    pub fn count(&self) -> usize {
        self.acknowledged.len()
    }

    /// These were offered after everything was healed: a node that has applied all that there is has them.
    pub fn asked(&mut self, numbers: impl Iterator<Item = u64>) {
        self.asked.extend(numbers);
    }

    /// Whether a node that has applied `numbers` has all that were offered after everything was healed.
    ///
    /// # Errors
    /// One that it has not.
    pub fn answers(&self, numbers: &[u64]) -> Result<(), String> {
        let applied: BTreeSet<u64> = numbers.iter().copied().collect();
        match self.asked.difference(&applied).next() {
            Some(number) => Err(format!("{number} was offered after everything was healed, and is not applied")),
            None => Ok(()),
        }
    }

    /// An acknowledged number that a node has not applied which has applied so many.
    #[must_use]
    pub fn missing(&self, numbers: &[u64]) -> Option<u64> {
        let applied: BTreeSet<u64> = numbers.iter().copied().collect();
        self.acknowledged.difference(&applied).next().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_applied_once_and_in_one_order() {
        let node = |n| NodeId::new(n).unwrap();
        let mut inputs = Inputs::default();
        assert!(inputs.applied(node(1), node(2), 10, 1).is_ok());
        assert!(inputs.applied(node(1), node(2), 11, 2).is_ok());
        assert!(inputs.applied(node(2), node(2), 10, 1).is_ok());
        assert!(inputs.applied(node(2), node(2), 12, 2).is_err(), "another order");
        assert!(inputs.applied(node(1), node(2), 10, 3).is_err(), "twice");
        assert!(inputs.applied(node(1), node(1), 5, 5).is_err(), "a gap");
        inputs.acknowledged(11);
        assert_eq!(inputs.missing(&[10, 11]), None);
        assert_eq!(inputs.missing(&[10]), Some(11));
        inputs.asked(20..22);
        assert!(inputs.answers(&[10, 11, 20, 21]).is_ok());
        assert!(inputs.answers(&[10, 11, 20]).is_err());
    }
}
