//! What whoever runs the cell should know about the way it is used: that its table of connections is nearly full, that a
//! client came to a port behind which there is nobody, that a program computes for long.

use replicode_log::BatchIndex;
use replicode_machine::Machine;
use replicode_nat::RowKind;
use std::time::Duration;

/// A batch that takes longer than this is worth a word.
pub const LONG: Duration = Duration::from_secs(1);

/// What is wrong in the way the cell is used, and whether that is news.
#[derive(Clone, Debug)]
pub struct Hints {
    crowd: Crowd,
    told: Option<String>,
}

impl Hints {
    /// Nothing is wrong in a cell of at most `limit` connections.
    #[must_use]
    pub const fn new(limit: u32) -> Self {
        Self { crowd: Crowd::new(limit), told: None }
    }

    /// So many connections are in the table. Answers what is worth a word, if anything is.
    pub fn handle_connections(&mut self, held: usize) -> Option<String> {
        self.crowd.handle_connections(held)
    }

    /// Something is wrong. Answers whether that is news.
    pub fn handle_hint(&mut self, hint: &str) -> bool {
        let news = self.told.as_deref() != Some(hint);
        if news {
            self.told = Some(hint.to_string());
        }
        news
    }

    /// What whoever looks at the node should know.
    #[must_use]
    pub fn current(&self) -> Option<String> {
        self.crowd.hint().or_else(|| self.told.clone())
    }
}

/// How full the cell's table of connections is: when it is full, everybody else is turned away, on all nodes, and whoever runs
/// the cell should have heard of it before.
#[derive(Clone, Debug)]
pub struct Crowd {
    /// The limit `connections`.
    limit: u32,
    held: u32,
    crowded: bool,
}

impl Crowd {
    /// An empty table of `limit` connections.
    #[must_use]
    pub const fn new(limit: u32) -> Self {
        Self { limit, held: 0, crowded: false }
    }

    /// So many connections are in the table. Answers what is worth a word, if anything is: that nine tenths are taken, and
    /// later that two tenths are free again.
    pub fn handle_connections(&mut self, held: usize) -> Option<String> {
        let held = u32::try_from(held).unwrap_or(u32::MAX);
        // Nearly always nothing has changed.
        if std::mem::replace(&mut self.held, held) == held {
            return None;
        }
        let (full, free) = (self.of(9), self.of(8));
        match self.crowded {
            false if held > 0 && held >= full => {
                self.crowded = true;
                Some(format!("{held} connections are open; {}", self.words()))
            }
            true if held < free => {
                self.crowded = false;
                Some(format!("the cell's table of connections has room again: {held} of {}", self.limit))
            }
            _ => None,
        }
    }

    /// What whoever looks at the node should know. The same words as long as it is so.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        self.crowded.then(|| self.words())
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

/// What to say when a client was led to a port on which nobody listens; nothing when that may only be too early, because a
/// program is about to be started again.
#[must_use]
pub fn nobody_listens<L>(machine: &Machine<L>) -> Option<String> {
    if machine.restarts().next().is_some() {
        return None;
    }
    let listeners = machine.nat_rows().filter(|row| matches!(row.kind, RowKind::Listener));
    let mut ports: Vec<(String, u16)> = listeners.filter_map(|row| Some((row.process, row.port?))).collect();
    ports.sort();
    let text = "a client was reset: nobody listens on the port of the cell to which it was led";
    if ports.is_empty() {
        return Some(format!("{text}, nor on any other"));
    }
    let all: Vec<String> = ports.iter().map(|(process, port)| format!("HOSTPORT:{process}:{port}")).collect();
    Some(format!("{text}. What is open could be published with --publish {}", all.join(" or ")))
}

/// Why a batch took long: a program that computes, or many system calls.
#[must_use]
pub fn took_long(index: BatchIndex, took: Duration, calls: u64) -> String {
    // No call takes nearly as long; so most of this time is the program's own.
    const OF_ITS_OWN: Duration = Duration::from_millis(10);
    let seconds = took.as_secs_f64();
    let each = u32::try_from(calls).ok().and_then(|calls| took.checked_div(calls));
    match each {
        None if calls == 0 => format!("batch {index} took {seconds:.1} s: a program computes without system calls"),
        Some(each) if each >= OF_ITS_OWN => {
            format!("batch {index} took {seconds:.1} s: a program computes, nearly without system calls ({calls})")
        }
        _ => format!("batch {index} took {seconds:.1} s: its programs made {calls} system calls"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_fills_up_is_told_once_and_once_when_it_has_room() {
        let mut crowd = Crowd::new(20);
        let told: Vec<usize> = (1..=20).filter(|held| crowd.handle_connections(*held).is_some()).collect();
        assert_eq!((told, crowd.hint().is_some()), (vec![18], true));
        let told: Vec<usize> = (0..20).rev().filter(|held| crowd.handle_connections(*held).is_some()).collect();
        assert_eq!((told, crowd.hint()), (vec![15], None));
        let text = crowd.handle_connections(19);
        assert!(text.is_some_and(|text| text.starts_with("19 connections are open; the cell's table")));
    }

    #[test]
    fn a_cell_without_connections_is_not_crowded() {
        let mut crowd = Crowd::new(0);
        assert_eq!((crowd.handle_connections(0), crowd.hint()), (None, None));
        assert!(Crowd::new(1).handle_connections(1).is_some());
    }

    #[test]
    fn a_hint_is_news_once_and_a_crowd_comes_first() {
        let mut hints = Hints::new(10);
        assert_eq!(hints.current(), None);
        assert!(hints.handle_hint("a") && !hints.handle_hint("a") && hints.handle_hint("b"));
        assert_eq!(hints.current().as_deref(), Some("b"));
        assert!(hints.handle_connections(9).is_some());
        assert!(hints.current().is_some_and(|hint| hint.contains("nearly full")));
        assert!(hints.handle_connections(2).is_some());
        assert_eq!(hints.current().as_deref(), Some("b"));
    }

    #[test]
    fn many_calls_are_told_from_computing() {
        let says = |calls| took_long(BatchIndex(7), Duration::from_millis(2300), calls);
        assert_eq!(says(0), "batch #7 took 2.3 s: a program computes without system calls");
        assert_eq!(says(9), "batch #7 took 2.3 s: a program computes, nearly without system calls (9)");
        assert_eq!(says(1 << 20), "batch #7 took 2.3 s: its programs made 1048576 system calls");
        assert_eq!(says(1 << 40), "batch #7 took 2.3 s: its programs made 1099511627776 system calls");
    }
}
