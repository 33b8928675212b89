//! What `up` shows: a live table on a terminal, lines elsewhere, lines of JSON for scripts.

mod row;

use crate::admin::client::{AdminClient, Silent};
use crate::admin::{Ending, Request, Status};
use crate::show::Table;
use crate::telemetry;
use anyhow::Result;
use replicode_log::NodeId;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Ended processes shown below the table.
const ENDED: usize = 4;
/// Lines of what an ended process printed last; and in the live picture, whose place is small.
const SAID: usize = 10;
const SAID_LIVE: usize = 3;
/// Ended processes that are remembered; more than a node tells of.
const KEPT: usize = 256;
/// Lines of news kept below the table.
const NEWS: usize = 6;

/// Asks the node in a directory for its status; gives up soon, because a node may be stopped in the middle.
///
/// # Errors
/// When it does not answer.
pub fn ask(dir: &Path) -> Result<Status> {
    let mut client = AdminClient::connect(dir)?;
    client.set_patience(Duration::from_secs(1));
    client.ask(&Request::Status)
}

/// The role that `up` gives to a node whose process a signal has stopped.
const PAUSED: &str = "paused";

/// What is shown of a node now: as it says itself, or that it is paused; nothing when it does not answer.
#[must_use]
pub fn look(dir: &Path) -> Option<Status> {
    let paused = |error: anyhow::Error| matches!(error.downcast_ref(), Some(Silent { paused: true, .. }));
    match ask(dir) {
        Ok(status) => Some(status),
        Err(error) => paused(error).then(|| Status { role: PAUSED.into(), ..Status::default() }),
    }
}

/// Something worth a line.
#[derive(Clone, Debug)]
pub enum News {
    /// A node that `up` started has ended.
    Died {
        /// The node.
        node: NodeId,
        /// Its exit status.
        how: String,
        /// What it said last.
        last: Vec<String>,
    },
    /// A node serves.
    Serves {
        /// The node.
        node: NodeId,
        /// Its process.
        pid: u32,
        /// It was not started by this `up`.
        by_hand: bool,
        /// Where it publishes what.
        published: Vec<String>,
    },
    /// A node does not answer although its process lives.
    Silent(NodeId),
    /// A node's process was stopped by a signal.
    Paused(NodeId),
    /// A process has ended, on all nodes alike.
    Ended(Ending),
    /// It was started again.
    Again(Ending),
    /// Something is wrong in the way the cell is used.
    Hint(String),
    /// Somebody leads.
    Leads {
        /// The leader.
        node: u64,
        /// Its term.
        term: u64,
    },
}

/// How output is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Live,
    Lines,
    Json,
}

struct View {
    status: Option<Status>,
    child: Option<u32>,
    /// The process that was last announced as serving.
    announced: Option<u32>,
    died: Option<String>,
    /// What it said last about the way in which the cell is used.
    hint: Option<String>,
}

/// The picture of the cluster.
pub struct Board {
    name: String,
    root: PathBuf,
    style: Style,
    views: BTreeMap<NodeId, View>,
    leader: Option<(u64, u64)>,
    /// The processes that have ended last, by batch and number.
    ended: BTreeMap<(u64, u32), Ending>,
    /// The hints that were told; nodes say the same, at different moments.
    hints: BTreeSet<String>,
    news: Vec<String>,
    /// Lines of the table on the terminal now.
    drawn: usize,
    shown: String,
    served: bool,
    /// Standard output could not be written.
    lost_output: bool,
}

impl Board {
    /// A board before anything is known.
    #[must_use]
    pub fn new(name: &str, root: &Path, nodes: Vec<NodeId>, json: bool, terminal: bool) -> Self {
        let style = match (json, terminal) {
            (true, _) => Style::Json,
            (false, true) => Style::Live,
            (false, false) => Style::Lines,
        };
        let view = |node| (node, View { status: None, child: None, announced: None, died: None, hint: None });
        let views = nodes.into_iter().map(view).collect();
        let (name, root) = (name.to_string(), root.to_path_buf());
        Self {
            name,
            root,
            style,
            views,
            leader: None,
            ended: BTreeMap::new(),
            hints: BTreeSet::new(),
            news: vec![],
            drawn: 0,
            shown: String::new(),
            served: false,
            lost_output: false,
        }
    }

    /// Says what is started.
    pub fn intro(&mut self) {
        let (count, root) = (self.views.len(), self.root.display().to_string());
        let text = format!("{count} nodes of '{}' start; their files are in {root}; Ctrl-C stops them", self.name);
        self.tell(&text, &json!({"event": "start", "name": self.name, "nodes": count, "data": root}));
    }

    /// Whether any node has ever served.
    #[must_use]
    pub const fn ever_served(&self) -> bool {
        self.served
    }

    /// Whether something that was to be shown could not be.
    #[must_use]
    pub const fn lost_output(&self) -> bool {
        self.lost_output
    }

    /// Standard output may be gone or full; the cluster goes on, and whoever reads standard error is told so once.
    fn write_out(&mut self, text: &str) {
        let mut out = std::io::stdout().lock();
        if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush())
            && !std::mem::replace(&mut self.lost_output, true)
        {
            telemetry::say(&format!("cannot write to standard output: {error}; the cluster goes on"));
        }
    }

    /// A line of a node's standard error.
    pub fn line(&mut self, node: NodeId, line: &str) {
        // What nodes say at start is in the table; the rest is for people who read lines.
        if self.style == Style::Lines {
            self.write_out(&format!("node {}: {}\n", node.get(), line.trim_start_matches("replicode: ")));
        }
    }

    /// What a node's admin socket says now; `child` is the process that `up` started and that lives.
    pub fn seen(&mut self, node: NodeId, child: Option<u32>, status: Option<Status>) {
        let Some(view) = self.views.get_mut(&node) else { return };
        view.child = child;
        if status.as_ref().is_some_and(|status| status.role == PAUSED) {
            // What it said last stays in the picture.
            let known = view.status.get_or_insert_default();
            if std::mem::replace(&mut known.role, PAUSED.into()) != PAUSED {
                self.news(News::Paused(node));
            }
            return;
        }
        let was_silent = view.status.is_none();
        view.status = status;
        let Some(status) = &view.status else {
            if !was_silent && child.is_some() {
                self.news(News::Silent(node));
            }
            return;
        };
        view.died = None;
        self.served = true;
        let ports = status.published.iter().map(|port| format!("{} -> {}", port.listen, port.service));
        let contracts = status.contracts.iter().filter_map(|contracts| contracts.listen.as_ref());
        let published = ports.chain(contracts.map(|listen| format!("{listen} -> contracts (gRPC)"))).collect();
        let (pid, leads) = (status.pid, status.leader.map(|leader| (status.term, leader)));
        let place = |it: &Ending| (it.batch, it.pid);
        let oldest = self.ended.first_key_value().filter(|_| self.ended.len() >= KEPT).map(|(place, _)| *place);
        let fresh =
            |it: &&Ending| !self.ended.contains_key(&place(it)) && oldest.is_none_or(|oldest| place(it) > oldest);
        let ended: Vec<_> = status.ended.iter().filter(fresh).cloned().collect();
        // A node that lags, or does not know yet, does not take back what another one has said.
        let goes_on = |known: &Ending, it: &Ending| {
            let step = |ending: &Ending| ending.again.as_ref().map(|again| (again.pid, again.failures));
            step(it) > step(known)
        };
        let again = |it: &&Ending| self.ended.get(&place(it)).is_some_and(|known| goes_on(known, it));
        let again: Vec<_> = status.ended.iter().filter(again).cloned().collect();
        let hint = status.hint.clone().filter(|hint| view.hint.as_ref() != Some(hint));
        view.hint = hint.clone().or_else(|| view.hint.take());
        if view.announced != Some(pid) {
            view.announced = Some(pid);
            let by_hand = child.is_some_and(|child| child != pid) || child.is_none();
            self.news(News::Serves { node, pid, by_hand, published });
        }
        if let Some((term, leader)) = leads
            && self.leader.is_none_or(|(known, _)| term > known)
        {
            self.leader = Some((term, leader));
            self.news(News::Leads { node: leader, term });
        }
        for ending in ended {
            self.ended.insert(place(&ending), ending.clone());
            if self.ended.len() > KEPT {
                self.ended.pop_first();
            }
            self.news(News::Ended(ending));
        }
        for ending in again {
            self.ended.insert(place(&ending), ending.clone());
            self.news(News::Again(ending));
        }
        if let Some(hint) = hint
            && self.hints.insert(hint.clone())
        {
            if self.hints.len() > KEPT {
                self.hints = BTreeSet::from([hint.clone()]);
            }
            self.news(News::Hint(hint));
        }
    }

    /// Tells news.
    pub fn news(&mut self, news: News) {
        match news {
            News::Died { node, how, last } => {
                if let Some(view) = self.views.get_mut(&node) {
                    view.died = Some(how.clone());
                    view.child = None;
                }
                let dir = crate::cluster::node_dir(&self.root, node);
                let mut text = format!(
                    "node {} has ended ({how}); start it again with: replicode node --data {}",
                    node.get(),
                    dir.display()
                );
                // On a terminal its last words were not shown yet; one that was killed had none about it.
                let words = last.last().filter(|_| self.style == Style::Live && how.starts_with("exit")).cloned();
                if let Some(words) = words {
                    text = format!("{text}; it said: {words}");
                }
                self.tell(&text, &json!({"event": "died", "node": node, "status": how, "said": last}));
            }
            News::Serves { node, pid, by_hand, published } => {
                let who = if by_hand { ", started by hand," } else { "" };
                let ports = if published.is_empty() { String::new() } else { format!(": {}", published.join(", ")) };
                let text = format!("node {}{who} runs as process {pid}{ports}", node.get());
                self.tell(
                    &text,
                    &json!({"event": "serves", "node": node, "pid": pid, "by_hand": by_hand, "published": published}),
                );
            }
            News::Silent(node) => {
                let text = format!("node {} does not answer", node.get());
                self.tell(&text, &json!({"event": "silent", "node": node}));
            }
            News::Paused(node) => {
                let text = format!("node {} is paused: a signal has stopped its process", node.get());
                self.tell(&text, &json!({"event": "paused", "node": node}));
            }
            News::Ended(ending) => {
                // In the live picture it stands in a place of its own.
                if self.style != Style::Live {
                    self.tell(&ending.story(SAID), &json!({"event": "ended", "ended": ending}));
                }
            }
            News::Again(ending) => {
                if self.style != Style::Live {
                    let text = format!("process {} '{}'{}", ending.pid, ending.process, ending.then().replace(';', ""));
                    self.tell(&text, &json!({"event": "again", "ended": ending}));
                }
            }
            News::Hint(hint) => self.tell(&hint, &json!({"event": "hint", "hint": hint})),
            News::Leads { node, term } => {
                let text = format!("node {node} leads in term {term}");
                self.tell(&text, &json!({"event": "leader", "node": node, "term": term}));
            }
        }
    }

    fn tell(&mut self, text: &str, value: &serde_json::Value) {
        match self.style {
            Style::Json => self.write_out(&format!("{value}\n")),
            Style::Lines => self.write_out(&format!("{text}\n")),
            Style::Live => {
                self.news.push(text.to_string());
                let extra = self.news.len().saturating_sub(NEWS);
                self.news.drain(..extra);
            }
        }
    }

    /// Renews the picture if it changed.
    pub fn draw(&mut self) {
        match self.style {
            Style::Lines => {}
            Style::Json => {
                let nodes: Vec<_> = self.views.values().filter_map(|view| view.status.as_ref()).collect();
                // Uptime and memory change always; what is decided by the log is the news.
                let key: Vec<_> = nodes.iter().map(|s| (s.node, s.applied_index, &s.role, s.clients.len())).collect();
                let key = format!("{key:?}");
                if key != self.shown {
                    self.shown = key;
                    self.write_out(&format!("{}\n", json!({"event": "status", "nodes": nodes})));
                }
            }
            Style::Live => {
                let picture = self.picture();
                if picture != self.shown {
                    let up = if self.drawn > 0 { format!("\x1b[{}A", self.drawn) } else { String::new() };
                    let lines: String = picture.lines().map(|line| format!("\x1b[2K{line}\n")).collect();
                    // Lines too long for the terminal are cut instead of wrapped, so that the count of lines is right.
                    self.write_out(&format!("\x1b[?7l{up}{lines}\x1b[0J\x1b[?7h"));
                    self.drawn = picture.lines().count();
                    self.shown = picture;
                }
            }
        }
    }

    fn picture(&self) -> String {
        let heads = ["NODE", "PID", "ROLE", "TERM", "COMMIT", "APPLIED", "BATCHES/S", "DIGEST", "PUBLISHED", "CLIENTS"];
        let mut table = Table::new(heads);
        for (node, view) in &self.views {
            table.row(row::row(*node, view));
        }
        let mut text = format!("replicode up: '{}' in {}\n{table}", self.name, self.root.display());
        for ending in self.ended.values().rev().take(ENDED).rev() {
            text.push_str(&ending.story(SAID_LIVE));
            text.push('\n');
        }
        for line in &self.news {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// Leaves the live picture; what follows stands below it.
    pub fn leave(&mut self) {
        self.draw();
        self.drawn = 0;
    }

    /// The last word. `started`: the processes that were stopped.
    pub fn goodbye(&mut self, started: &[(NodeId, u32)]) {
        let by_hand = |(node, view): (&NodeId, &View)| {
            let pid = view.status.as_ref()?.pid;
            (!started.contains(&(*node, pid))).then_some((*node, pid))
        };
        let left: Vec<(NodeId, u32)> = self.views.iter().filter_map(by_hand).collect();
        if self.style == Style::Json {
            self.write_out(&format!(
                "{}\n",
                json!({"event": "stopped", "left_running": left.iter().map(|(_, pid)| pid).collect::<Vec<_>>()})
            ));
            return;
        }
        // The terminal has shown `^C` at the start of this line.
        self.write_out(if self.style == Style::Live { "\r\x1b[2Kstopped\n" } else { "stopped\n" });
        for (node, pid) in left {
            self.write_out(&format!("node {} (process {pid}) was started by hand and goes on\n", node.get()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::Again;

    fn node(n: u64) -> NodeId {
        NodeId::new(n).expect("valid")
    }

    fn live() -> Board {
        Board::new("kv", Path::new("data"), vec![node(1), node(2)], false, true)
    }

    fn status(n: u64, pid: u32) -> Status {
        let (role, digest) = ("leader".to_string(), "0123456789abcdef".to_string());
        let clients = (0..6).map(|i| format!("127.0.0.1:{i}")).collect();
        Status { node: n, pid, role, digest, clients, term: 3, leader: Some(n), applied_index: 7, ..Status::default() }
    }

    #[test]
    fn the_table_shows_every_node() {
        let mut board = live();
        board.seen(node(1), Some(11), Some(status(1, 11)));
        board.news(News::Died { node: node(2), how: "signal: 9".into(), last: vec![] });
        let picture = board.picture();
        let lines: Vec<&str> = picture.lines().collect();
        assert!(lines[2].starts_with("1     11   leader") && lines[2].contains("01234567  "), "{picture}");
        assert!(lines[2].ends_with("6 127.0.0.1:0 127.0.0.1:1 127.0.0.1:2 127.0.0.1:3 …"), "{picture}");
        assert!(lines[3].contains("dead: signal: 9"), "{picture}");
        assert!(picture.contains("node 1 leads in term 3") && picture.contains("replicode node --data data/node-2"));
    }

    #[test]
    fn a_program_that_ended_stays_in_the_picture() {
        let mut board = live();
        let (process, how) = ("kv".to_string(), "exit 3".to_string());
        let mut ended = vec![Ending { pid: 1, process, batch: 9, code: Some(3), how, text: None, ..Ending::default() }];
        for n in [1, 2, 1] {
            board.seen(node(n), Some(n as u32), Some(Status { ended: ended.clone(), ..status(n, n as u32) }));
        }
        let told = "\nprocess 1 'kv' ended in batch #9: exit 3\n";
        assert_eq!(board.picture().matches(told).count(), 1, "{}", board.picture());
        board.seen(node(1), None, None);
        board.seen(node(2), None, None);
        assert!(board.picture().contains(told), "{}", board.picture());
        ended[0].again = Some(Again { pause_ms: 100, failures: 1, pid: Some(2) });
        board.seen(node(2), Some(2), Some(Status { ended: ended.clone(), ..status(2, 2) }));
        ended[0].again = None;
        board.seen(node(1), Some(1), Some(Status { ended, ..status(1, 1) }));
        let told = "\nprocess 1 'kv' ended in batch #9: exit 3; started again as process 2\n";
        assert_eq!(board.picture().matches(told).count(), 1, "{}", board.picture());
    }

    #[test]
    fn a_paused_node_is_told_once_and_keeps_its_place() {
        let mut board = live();
        board.seen(node(1), Some(11), Some(status(1, 11)));
        for _ in 0..2 {
            board.seen(node(1), Some(11), Some(Status { role: PAUSED.into(), ..Status::default() }));
        }
        let picture = board.picture();
        assert!(picture.contains("\n1     11   paused") && picture.contains("  3     0       7  "), "{picture}");
        assert_eq!(picture.matches("node 1 is paused").count(), 1, "{picture}");
        board.seen(node(1), Some(11), None);
        assert!(board.picture().contains("\n1     11   silent"), "{}", board.picture());
    }

    #[test]
    fn a_node_started_by_hand_is_noticed_once() {
        let mut board = live();
        board.seen(node(2), Some(22), Some(status(2, 22)));
        board.news(News::Died { node: node(2), how: "signal: 9".into(), last: vec![] });
        board.seen(node(2), None, None);
        for _ in 0..3 {
            board.seen(node(2), None, Some(status(2, 99)));
        }
        let by_hand = board.news.iter().filter(|line| line.contains("started by hand")).count();
        assert_eq!(by_hand, 1, "{:?}", board.news);
        assert!(board.picture().contains("99   leader"), "{}", board.picture());
    }

    #[test]
    fn each_hint_is_told_once_whoever_says_it() {
        let mut board = live();
        for hints in [["a", "b"], ["a", "b"], ["b", "b"], ["b", "a"], ["c", "b"]] {
            for (n, hint) in (1..).zip(hints) {
                let hint = Some(format!("hint {hint}"));
                board.seen(node(n), Some(n as u32), Some(Status { hint, ..status(n, n as u32) }));
            }
        }
        let hints: Vec<_> = board.news.iter().filter(|line| line.starts_with("hint")).collect();
        assert_eq!(hints, ["hint a", "hint b", "hint c"]);
    }
}
