//! Election safety: at most one node leads in a term (Ongaro and Ousterhout, figure 3).

use replicode_log::NodeId;
use replicode_replication::Leadership;
use std::collections::BTreeMap;

/// See the module.
#[derive(Debug, Default)]
pub struct Election {
    leaders: BTreeMap<u64, NodeId>,
}

impl Election {
    /// A node says who leads.
    ///
    /// # Errors
    /// Somebody else does, by what was said before.
    pub fn handle(&mut self, node: NodeId, Leadership { term, leader }: Leadership) -> Result<(), String> {
        let Some(leader) = leader else { return Ok(()) };
        match self.leaders.insert(term.0, leader) {
            Some(before) if before != leader => {
                Err(format!("term {} was led by {before}, and {node} says by {leader}", term.0))
            }
            _ => Ok(()),
        }
    }

    /// How many terms had a leader.
    #[must_use]
    pub fn terms(&self) -> usize {
        self.leaders.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use replicode_log::Term;

    #[test]
    fn two_leaders_of_a_term_are_noticed() {
        let node = |n| NodeId::new(n).unwrap();
        let leads = |term, n| Leadership { term: Term(term), leader: Some(node(n)) };
        let mut election = Election::default();
        assert!(election.handle(node(1), leads(3, 1)).is_ok());
        assert!(election.handle(node(2), leads(3, 1)).is_ok());
        assert!(election.handle(node(2), Leadership { term: Term(3), leader: None }).is_ok());
        assert!(election.handle(node(2), leads(4, 2)).is_ok());
        assert!(election.handle(node(3), leads(3, 2)).is_err());
        assert_eq!(election.terms(), 2);
    }
}
