//! `fn serve --node`: the server beside a node. It speaks with clients, and the node's log executes.
//!
//! ```text
//! client ─ driver ─ take ─ lanes ─ frame ─> node ─ log ─ receipt ─> reader ─ reply ─> driver ─ client
//!                                     ^                └─ lost, gap, another connection: said again, with the same number
//! ```
//!
//! | module | it is |
//! |---|---|
//! | [`lanes`] | clients and numbers |
//! | `dial` | the node, and that it is the same cell's |
//! | [`words`] | the service's words and the log's |

mod dial;
pub mod lanes;
pub mod words;

use crate::node::functions::wire;
use anyhow::{Context, Result};
use lanes::{Assigned, LANES, Lanes, Tag};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, send};
use replicode_contracts::clients::WINDOW;
use replicode_contracts::functions::{Request, limits};
use replicode_functions::beyond::{Answer, Order, Reply, What};
use replicode_functions::{Beyond, ErrorCode, ServiceError};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::BufReader;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// How often those who wait are looked after.
const LOOK: Duration = Duration::from_millis(10);
/// Until something that may be lost is said again.
const AGAIN: Duration = Duration::from_millis(20);
/// Until somebody who wants to be a client says so again, for the first time; then twice as long each time, up to [`OPEN_MOST`].
const OPEN_AGAIN: Duration = Duration::from_secs(1);
/// See [`OPEN_AGAIN`].
const OPEN_MOST: Duration = Duration::from_secs(30);
/// Bytes that wait for a node that does not read; beyond them nothing is said until it does.
const OUT: usize = 8 << 20;
/// Until a node that has gone is looked for again.
const BACK: Duration = Duration::from_millis(100);
/// Bytes that are read at once.
const BUFFER: usize = 256 << 10;

/// How an order goes to the node.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// A lane wants a client.
    Lane(usize),
    /// Somebody wants to be a client.
    Open,
    /// Into the log, on a lane if it has got a number.
    Log(Option<Assigned>),
    /// Into the log, under the number of who asks.
    Numbered(u64, u64),
    /// Past the log.
    Ask,
}

/// An order that is not answered.
struct Pending {
    way: Way,
    body: Vec<u8>,
    /// None once whoever asks has been told something: what is in the log goes on.
    reply: Option<Reply>,
    deadline: Instant,
    timeout_ms: u64,
    /// When it is to be said again.
    again: Option<Instant>,
    /// How often it was said.
    said: u32,
    /// The name that a load was asked for.
    called: Option<String>,
    /// A failure that waits for the list of all functions, to say which was meant.
    missing: Option<ServiceError>,
}

#[derive(Default)]
struct State {
    pending: BTreeMap<Tag, Pending>,
    next: Tag,
    lanes: Lanes,
    stream: Option<UnixStream>,
    out: Vec<u8>,
}

/// See the module.
pub struct Beside {
    socket: PathBuf,
    state: Mutex<State>,
    /// There is somebody to look after.
    called: Condvar,
    /// The digest of the cell that all answers come from.
    cell: OnceLock<[u8; 32]>,
}

/// Milliseconds until a deadline, one at least.
fn left_ms(deadline: Instant, now: Instant) -> u64 {
    u64::try_from(deadline.saturating_duration_since(now).as_millis()).unwrap_or(u64::MAX).max(1)
}

/// Replies that are given once nobody holds the state.
type Replies = Vec<(Reply, Result<Answer, ServiceError>, Vec<String>)>;

fn give(replies: Replies) {
    for (reply, result, lines) in replies {
        reply.send(result, lines);
    }
}

impl Beside {
    /// Connects to the node of a directory.
    ///
    /// # Errors
    /// When no node answers there.
    pub fn connect(node: &Path) -> Result<Arc<Self>> {
        let socket = node.join("functions.sock");
        let beside = Arc::new(Self { socket, state: Mutex::default(), called: Condvar::new(), cell: OnceLock::new() });
        let stream = beside.dial().with_context(|| {
            format!(
                "no node serves functions at {}: start it ('replicode up' or 'replicode start'); only nodes of a cell made with --contracts do",
                beside.socket.display()
            )
        })?;
        {
            let mut state = beside.lock();
            for lane in 0..LANES {
                state.add(Way::Lane(lane), Vec::new(), None, 0, None);
            }
        }
        let reader = beside.clone();
        let thread = std::thread::Builder::new().name("fn-node".into());
        thread.spawn(move || reader.read(stream)).context("cannot start a thread")?;
        let sweeper = beside.clone();
        let thread = std::thread::Builder::new().name("fn-look".into());
        thread.spawn(move || sweeper.look()).context("cannot start a thread")?;
        Ok(beside)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Whole at every moment at which its holder could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn dial(&self) -> std::io::Result<UnixStream> {
        dial::dial(&self.socket, &self.cell)
    }

    /// The thread that hears what the node says, and looks for it when it has gone.
    fn read(&self, first: UnixStream) {
        let mut stream = Some(first);
        let mut told = String::new();
        loop {
            let now = match stream.take().map_or_else(|| self.dial(), Ok) {
                Ok(now) => now,
                Err(error) => {
                    let why = error.to_string();
                    if why != told {
                        tracing::warn!("the node cannot be reached: {why}");
                        told = why;
                    }
                    std::thread::sleep(BACK);
                    continue;
                }
            };
            told.clear();
            if let Err(error) = self.converse(now) {
                tracing::warn!("the node was cut off: {error}");
            }
            self.lock().stream = None;
            std::thread::sleep(LOOK);
        }
    }

    fn converse(&self, stream: UnixStream) -> std::io::Result<()> {
        let mut from = BufReader::with_capacity(BUFFER, stream.try_clone()?);
        {
            let mut state = self.lock();
            state.stream = Some(stream);
            state.out.clear();
            state.say_everything();
            state.flush();
        }
        while let Some(frame) = wire::take(&mut from)? {
            let mut replies = Replies::new();
            let mut state = self.lock();
            state.heard(frame, &mut replies);
            let last = !wire::is_whole(from.buffer());
            if last {
                state.flush();
            }
            drop(state);
            give(replies);
        }
        Ok(())
    }

    /// The thread that looks after those who wait.
    fn look(&self) {
        let mut state = self.lock();
        loop {
            if state.pending.is_empty() {
                state = self.called.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            let mut replies = Replies::new();
            let mut cancelled = Vec::new();
            state.look(Instant::now(), &mut replies, &mut cancelled);
            state.flush();
            drop(state);
            give(replies);
            cancelled.into_iter().for_each(Reply::cancelled);
            std::thread::sleep(LOOK);
            state = self.lock();
        }
    }
}

impl Beyond for Beside {
    fn take(&self, order: Order, reply: Reply) {
        let Order { what, numbered, timeout_ms, most } = order;
        let called = match &what {
            What::Load { name, .. } => Some(name.clone()),
            _ => None,
        };
        let request = request_of(what, most);
        let body = request.as_ref().map(Request::body).unwrap_or_default();
        if body.len() > limits::REQUEST_BYTES {
            let (length, most) = (body.len(), limits::REQUEST_BYTES);
            let text = format!("a request of {length} bytes is too long for the log: {most} are possible");
            return reply.send(Err(ServiceError::new(ErrorCode::BadRequest, text)), Vec::new());
        }
        let way = match (&request, numbered) {
            (None, _) => Way::Open,
            (Some(request), _) if request.is_question() => Way::Ask,
            (_, Some((client, sequence))) => Way::Numbered(client, sequence),
            _ => Way::Log(None),
        };
        let mut state = self.lock();
        let first = state.pending.is_empty();
        state.add(way, body, Some(reply), timeout_ms, called);
        drop(state);
        if first {
            self.called.notify_all();
        }
    }

    fn flush(&self) {
        self.lock().flush();
    }

    fn describe(&self, into: &mut Value) {
        let state = self.lock();
        into["node"] = json!(self.socket.parent().map(|node| node.display().to_string()));
        into["connected"] = json!(state.stream.is_some());
        into["unanswered"] = json!(state.pending.len());
        into["log_limits"] = words::bounds();
    }
}

use words::request_of;

impl State {
    fn add(&mut self, way: Way, body: Vec<u8>, reply: Option<Reply>, timeout_ms: u64, called: Option<String>) {
        let tag = self.next;
        self.next += 1;
        let way = match way {
            Way::Log(_) => Way::Log(self.lanes.board(tag)),
            other => other,
        };
        let deadline = Instant::now() + Duration::from_millis(timeout_ms);
        let (again, missing) = (None, None);
        let pending = Pending { way, body, reply, deadline, timeout_ms, again, said: 0, called, missing };
        self.pending.insert(tag, pending);
        self.say(tag);
    }

    /// Says an order to the node, if it is there.
    fn say(&mut self, tag: Tag) {
        let Some(pending) = self.pending.get_mut(&tag).filter(|_| self.stream.is_some()) else { return };
        let now = Instant::now();
        if self.out.len() > OUT {
            // It is kept here as it is; a second time among what is to be sent it would only take room.
            pending.again = Some(now + AGAIN);
            return;
        }
        if matches!(pending.way, Way::Lane(_) | Way::Open) {
            // A node that has just begun may drop it, and tells nobody. A second client of the log costs little.
            pending.again = Some(now + OPEN_AGAIN.saturating_mul(1 << pending.said.min(8)).min(OPEN_MOST));
            pending.said = pending.said.saturating_add(1);
        }
        let (what, client, sequence) = match pending.way {
            Way::Lane(_) | Way::Open => (wire::OPEN, 0, 0),
            Way::Log(Some(assigned)) => (wire::SUBMIT, assigned.client, assigned.sequence),
            Way::Log(None) => return,
            Way::Numbered(client, sequence) => (wire::SUBMIT, client, sequence),
            Way::Ask => (wire::ASK, left_ms(pending.deadline, now), 0),
        };
        wire::put(&mut self.out, what, tag, client, sequence, &pending.body);
    }

    /// Says what is on its way on a lane once more, in order.
    fn say_lane(&mut self, lane: usize) {
        let flying: Vec<Tag> =
            self.lanes.lane(lane).into_iter().flat_map(|lane| lane.flying()).map(|(_, tag)| tag).collect();
        for tag in flying {
            if let Some(pending) = self.pending.get_mut(&tag) {
                pending.again = None;
            }
            self.say(tag);
        }
    }

    /// The node is another one, as far as it knows.
    fn say_everything(&mut self) {
        (0..LANES).for_each(|lane| self.say_lane(lane));
        let others: Vec<Tag> = self
            .pending
            .iter()
            .filter(|(_, pending)| !matches!(pending.way, Way::Log(_)))
            .map(|(tag, _)| *tag)
            .collect();
        others.into_iter().for_each(|tag| self.say(tag));
    }

    /// Sends what can be sent without waiting; the rest goes the next time.
    fn flush(&mut self) {
        let Some(stream) = &self.stream else { return };
        let mut sent = 0;
        while let Some(rest) = self.out.get(sent..).filter(|rest| !rest.is_empty()) {
            match send(stream.as_raw_fd(), rest, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL) {
                Ok(count) => sent += count,
                Err(Errno::EINTR) => {}
                // Full, or gone: who reads finds that.
                Err(_) => break,
            }
        }
        self.out.drain(..sent);
    }

    /// Something is answered, whatever that is.
    fn done(&mut self, tag: Tag) -> Option<Pending> {
        let pending = self.pending.remove(&tag)?;
        if let Way::Log(Some(assigned)) = pending.way {
            self.lanes.landed(assigned);
            self.board();
        }
        Some(pending)
    }

    /// Those who wait for a number get one, as far as there are any.
    fn board(&mut self) {
        while let Some((tag, assigned)) = self.lanes.next() {
            if let Some(pending) = self.pending.get_mut(&tag) {
                pending.way = Way::Log(Some(assigned));
                self.say(tag);
            }
        }
    }

    fn heard(&mut self, frame: wire::Frame, replies: &mut Replies) {
        let wire::Frame { what, tag, a, b, body } = frame;
        let Some(way) = self.pending.get(&tag).map(|pending| pending.way) else { return };
        let result = match (what, way) {
            (wire::OPENED, Way::Lane(lane)) => {
                self.pending.remove(&tag);
                self.lanes.opened(lane, a);
                return self.board();
            }
            (wire::OPENED, _) => (Ok(Answer::Value(json!({"client": a, "window": WINDOW}))), Vec::new()),
            (wire::RECEIPT, _) => {
                let called = self.pending.get(&tag).and_then(|pending| pending.called.clone());
                words::answer_of(&body, called.as_deref())
            }
            (wire::LOST, _) | (wire::GAP, Way::Log(_)) => {
                if let Some(pending) = self.pending.get_mut(&tag) {
                    pending.again = Some(Instant::now() + AGAIN);
                }
                return;
            }
            // The number that is due is on its way itself, and so is this one, once more, behind it.
            (wire::GAP, Way::Numbered(client, sequence)) if self.is_pending_before(client, sequence) => {
                if let Some(pending) = self.pending.get_mut(&tag) {
                    pending.again = Some(Instant::now() + AGAIN);
                }
                return;
            }
            (wire::GAP, _) => {
                let text = format!("number {a} of this client is due: numbers are given in order");
                (Err(ServiceError::new(ErrorCode::BadRequest, text)), Vec::new())
            }
            (wire::EXPIRED, Way::Log(Some(assigned))) => return self.expired(assigned, replies),
            (wire::EXPIRED, _) => {
                let text = "the log knows no such client, or not any more: op 'open' gives another one";
                (Err(ServiceError::new(ErrorCode::NotFound, text)), Vec::new())
            }
            (wire::UNKEPT, _) => {
                let text = format!(
                    "it was executed in batch {a} at place {b}, and this node does not keep what came of it any more"
                );
                (Err(words::node(text)), Vec::new())
            }
            (wire::FORGOTTEN, _) => {
                let text =
                    "it was executed, so many numbers ago that the log does not know any more where and how it ended";
                (Err(words::node(text)), Vec::new())
            }
            (wire::FULL, _) => {
                let text = String::from_utf8_lossy(&body).into_owned();
                (Err(ServiceError::new(ErrorCode::Overloaded, text)), Vec::new())
            }
            (wire::REFUSED, _) => (Err(words::node(String::from_utf8_lossy(&body))), Vec::new()),
            (other, _) => {
                (Err(words::node(format!("the node has answered {other}: it is of another version"))), Vec::new())
            }
        };
        let Some(Pending { reply: Some(reply), missing, timeout_ms, .. }) = self.done(tag) else { return };
        match (missing, result) {
            (Some(missing), (Ok(list), _)) => replies.push((reply, Err(words::meant(missing, &list)), Vec::new())),
            (Some(missing), _) => replies.push((reply, Err(missing), Vec::new())),
            (None, (Err(error), _)) if words::missing(&error).is_some() => {
                // Whoever has mistyped a name is told which there is; whoever has not waits a moment longer.
                let asked = self.next;
                self.add(Way::Ask, Request::List.body(), Some(reply), timeout_ms, None);
                if let Some(pending) = self.pending.get_mut(&asked) {
                    pending.missing = Some(error);
                }
            }
            (None, (result, lines)) => replies.push((reply, result, lines)),
        }
    }

    /// Whether an earlier number of a client is on its way here.
    fn is_pending_before(&self, client: u64, sequence: u64) -> bool {
        let earlier = |way: Way| matches!(way, Way::Numbered(of, its) if of == client && its < sequence);
        self.pending.values().any(|pending| earlier(pending.way))
    }

    /// The log has forgotten a lane's client: so many others were opened.
    fn expired(&mut self, assigned: Assigned, replies: &mut Replies) {
        if self.lanes.lane(assigned.lane).and_then(|lane| lane.client) != Some(assigned.client) {
            return;
        }
        for tag in self.lanes.expired(assigned.lane) {
            let Some(pending) = self.pending.remove(&tag) else { continue };
            let text = "the log has forgotten this server for others, and what became of it cannot be told";
            replies.extend(pending.reply.map(|reply| (reply, Err(words::node(text)), Vec::new())));
        }
        self.add(Way::Lane(assigned.lane), Vec::new(), None, 0, None);
    }

    fn look(&mut self, now: Instant, replies: &mut Replies, cancelled: &mut Vec<Reply>) {
        let connected = self.stream.is_some();
        let (mut gone, mut lanes, mut again) = (Vec::new(), [false; LANES], Vec::new());
        for (tag, pending) in &mut self.pending {
            if pending.again.is_some_and(|at| at <= now) {
                pending.again = None;
                match pending.way {
                    Way::Log(Some(assigned)) => {
                        lanes.iter_mut().skip(assigned.lane).take(1).for_each(|lane| *lane = true)
                    }
                    _ => again.push(*tag),
                }
            }
            let late = pending.deadline <= now;
            let Some(reply) = pending.reply.take_if(|reply| late || reply.is_cancelled()) else { continue };
            gone.push(*tag);
            if reply.is_cancelled() {
                cancelled.push(reply);
                continue;
            }
            let ms = pending.timeout_ms;
            let error = match connected {
                true => ServiceError::new(
                    ErrorCode::Timeout,
                    format!("it was not answered within {ms} ms; what is in the log already is executed all the same"),
                ),
                false => {
                    words::node(format!("the node was not there for the {ms} ms that it may take: is it running?"))
                }
            };
            replies.push((reply, Err(error), Vec::new()));
        }
        for tag in gone {
            // What has a number of a lane keeps it until the log has said what became of it: later ones wait for it.
            let Some(way) = self.pending.get(&tag).map(|pending| pending.way) else { continue };
            if !matches!(way, Way::Log(Some(_))) {
                self.lanes.give_up(tag);
                self.pending.remove(&tag);
            }
            if matches!(way, Way::Ask) && connected && self.out.len() <= OUT {
                wire::put(&mut self.out, wire::GIVE_UP, tag, 0, 0, &[]);
            }
        }
        for (lane, _) in lanes.iter().enumerate().filter(|(_, due)| **due) {
            self.say_lane(lane);
        }
        again.into_iter().for_each(|tag| self.say(tag));
    }
}
