//! Whether the cell's table of connections is nearly full: when it is full, everybody else is turned away, on all nodes,
//! and whoever runs the cell should have heard of it before.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// How full the table is. Written by the machine thread, read by whoever asks for the node's status.
#[derive(Debug)]
pub struct Crowd {
    /// The limit `connections`.
    limit: u32,
    held: AtomicU32,
    crowded: AtomicBool,
}

impl Crowd {
    /// An empty table of `limit` connections.
    #[must_use]
    pub const fn new(limit: u32) -> Self {
        Self { limit, held: AtomicU32::new(0), crowded: AtomicBool::new(false) }
    }

    /// So many connections are in the table. Answers what is worth a word, if anything is: that nine tenths are taken, and
    /// later that two tenths are free again.
    pub fn look(&self, held: usize) -> Option<String> {
        let held = u32::try_from(held).unwrap_or(u32::MAX);
        // Nearly always nothing has changed.
        if self.held.swap(held, Ordering::Relaxed) == held {
            return None;
        }
        let (full, free) = (self.of(9), self.of(8));
        match self.crowded.load(Ordering::Relaxed) {
            false if held > 0 && held >= full => {
                self.crowded.store(true, Ordering::Relaxed);
                Some(format!("{held} connections are open; {}", self.words()))
            }
            true if held < free => {
                self.crowded.store(false, Ordering::Relaxed);
                Some(format!("the cell's table of connections has room again: {held} of {}", self.limit))
            }
            _ => None,
        }
    }

    /// Connections in the table, and how many there can be.
    #[must_use]
    pub fn seen(&self) -> (u32, u32) {
        (self.held.load(Ordering::Relaxed), self.limit)
    }

    /// What whoever looks at the node should know. The same words as long as it is so.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        self.crowded.load(Ordering::Relaxed).then(|| self.words())
    }

    fn of(&self, tenths: u64) -> u32 {
        u32::try_from((u64::from(self.limit) * tenths).div_ceil(10)).unwrap_or(u32::MAX)
    }

    fn words(&self) -> String {
        format!(
            "the cell's table of connections is nearly full (limit 'connections' {}): when it is full, clients are reset, \
             whichever node they come to; 'replicode nat' shows who holds it",
            self.limit
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_fills_up_is_told_once_and_once_when_it_has_room() {
        let crowd = Crowd::new(20);
        let told: Vec<usize> = (1..=20).filter(|held| crowd.look(*held).is_some()).collect();
        assert_eq!((told, crowd.seen(), crowd.hint().is_some()), (vec![18], (20, 20), true));
        let told: Vec<usize> = (0..20).rev().filter(|held| crowd.look(*held).is_some()).collect();
        assert_eq!((told, crowd.hint()), (vec![15], None));
        assert!(crowd.look(19).is_some_and(|text| text.starts_with("19 connections are open; the cell's table")));
    }

    #[test]
    fn a_cell_without_connections_is_not_crowded() {
        let crowd = Crowd::new(0);
        assert_eq!((crowd.look(0), crowd.hint()), (None, None));
        assert!(Crowd::new(1).look(1).is_some());
    }
}
