//! What happened in a run, in order: faults, leaders, batches, ends, and the first thing that went wrong. One column for each node.

use crate::plan::{Act, MS};
use crate::world::executor::Nanos;
use std::fmt::Write;

#[derive(Clone, Debug)]
struct Line {
    at: Nanos,
    /// Nobody's: it is about all.
    node: Option<usize>,
    text: String,
    /// Batches are many: of those in a row one line is made.
    batch: Option<u64>,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Story {
    /// Whether anybody wants to hear it.
    pub wanted: bool,
    /// The moment now, as far as it is known.
    pub now: Nanos,
    lines: Vec<Line>,
}

const WIDTH: usize = 26;

impl Story {
    /// Something happens, to a node or to all.
    pub fn tell(&mut self, node: Option<usize>, text: String) {
        if self.wanted {
            self.lines.push(Line { at: self.now, node, text, batch: None });
        }
    }

    /// An event of the plan.
    pub fn act(&mut self, act: &Act) {
        let nodes = act.nodes();
        match nodes[..] {
            [node] if !matches!(act, Act::Offer(..)) => self.tell(Some(node), format!("* {act:?}")),
            [] | [_, _, ..] => self.tell(None, format!("* {act:?}")),
            [_] => {}
        }
    }

    /// A batch is seen for the first time, on a node.
    pub fn batch(&mut self, node: usize, batch: u64, entry: u64, term: u64) {
        if !self.wanted {
            return;
        }
        if let Some(last) = self.lines.last_mut()
            && last.node == Some(node)
            && let Some(first) = last.batch
        {
            last.text = format!("batches {first}..{batch}, term {term}");
            return;
        }
        let text = format!("batch {batch}, entry {entry}, term {term}");
        self.lines.push(Line { at: self.now, node: Some(node), text, batch: Some(batch) });
    }

    /// As text, for so many nodes.
    #[must_use]
    pub fn print(&self, nodes: usize) -> String {
        let mut out = String::new();
        let mut row = |time: String, cells: Vec<String>| {
            let cells: Vec<String> = cells.into_iter().map(|cell| format!("{cell:WIDTH$}")).collect();
            let _ = writeln!(out, "{time:>11}  {}", cells.join(" ").trim_end());
        };
        row("ms".to_string(), (1..=nodes).map(|node| format!("node {node}")).collect());
        for Line { at, node, text, .. } in &self.lines {
            let time = format!("{:.3}", *at as f64 / MS as f64);
            let Some(node) = *node else {
                row(time, vec![format!("-- {text}")]);
                continue;
            };
            // What is longer than a column goes on below.
            let mut rest: Vec<char> = text.chars().collect();
            let mut time = Some(time);
            while !rest.is_empty() {
                let most = if node + 1 == nodes { 60 } else { WIDTH };
                let piece: String = rest.drain(..rest.len().min(most)).collect();
                let mut cells = vec![String::new(); node];
                cells.push(piece);
                row(time.take().unwrap_or_default(), cells);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_node_has_a_column_and_batches_in_a_row_are_one_line() {
        let mut story = Story { wanted: true, ..Story::default() };
        story.batch(1, 4, 6, 2);
        story.batch(1, 5, 7, 2);
        story.now = 2_500_000;
        story.act(&Act::Crash(0));
        story.act(&Act::Offer(0, 3));
        story.act(&Act::Open);
        let text = story.print(2);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert_eq!(lines[1].find("batches 4..5, term 2"), lines[0].find("node 2"));
        assert_eq!(lines[2].find("* Crash(0)"), lines[0].find("node 1"));
        assert!(lines[2].contains("2.500") && lines[3].contains("-- * Open"));
    }

    #[test]
    fn nobody_pays_for_a_story_that_nobody_wants() {
        let mut story = Story::default();
        story.tell(None, "it was a dark night".to_string());
        assert_eq!(story.print(1).lines().count(), 1);
    }
}
