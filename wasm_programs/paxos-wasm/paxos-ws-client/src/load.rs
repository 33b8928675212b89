//! A load: many logical clients on one connection, each of which asks, waits for the answer, and asks again.
//!
//! Everything happens in one thread and in turns: what all clients that are ready ask goes out in one write, then one
//! read takes all answers there are. When the connection is lost or led elsewhere, whatever is not answered is sent
//! again, byte for byte, under the same sequence numbers.

use crate::history::{self, Ending, Entry, Op, Writer};
use crate::link::{Heard, Link};
use crate::nodes::Nodes;
use crate::report::Report;
use crate::workload::{Dice, Workload};
use paxos_types::reply::Replies;
use paxos_types::{ClientId, Command, Op as Ask, Outcome, Reply};
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

/// Commands of one frame are at most about this many bytes.
const FRAME: usize = 1 << 20;
/// Between two looks at the clock for deadlines and progress, when nothing happens.
const TICK: Duration = Duration::from_millis(50);

/// What to do.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The cluster.
    pub nodes: Nodes,
    /// Logical clients.
    pub clients: u32,
    /// Requests of all of them together, besides the opening of their sessions.
    pub requests: u64,
    /// What they ask.
    pub workload: Workload,
    /// The seed of everything that is drawn.
    pub seed: u64,
    /// The number of the first client: several processes of a run have different ones.
    pub first: u64,
    /// Instead of the workload: read every key once.
    pub audit: bool,
    /// A request that has no answer after this time is given up.
    pub deadline: Duration,
    /// A node that owes an answer and sends nothing for this time is left.
    pub patience: Duration,
    /// No new request is begun after this time.
    pub time: Option<Duration>,
    /// Where the history goes.
    pub history: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Has nothing to ask yet.
    Idle,
    /// Has a command to send.
    Ready,
    /// Waits for an answer.
    Waiting,
    /// Is finished, or has given up.
    Over,
}

struct Client {
    id: ClientId,
    number: u64,
    dice: Dice,
    state: State,
    seq: u64,
    left: u64,
    op: Op,
    key: u32,
    expected: String,
    command: Vec<u8>,
    sent: u64,
    /// When it was sent for the last time.
    resent: u64,
    tries: u32,
}

/// The load of one process.
pub struct Load {
    settings: Settings,
    clients: Vec<Client>,
    over: usize,
    ready: Vec<u32>,
    /// By key: the last value that a client of this process saw there, without its dots. For what cas expects.
    seen: Vec<String>,
    /// Keys that an audit has asked for.
    audited: u32,
    history: Option<Writer>,
    report: Report,
    last_answer: u64,
    scratch: Scratch,
}

#[derive(Default)]
struct Scratch {
    key: String,
    value: String,
    expected: String,
    name: String,
    commands: Vec<u8>,
    frame: Vec<u8>,
}

/// 112 random bits; the last 16 of a client's id are its index in the process.
fn random_id() -> Result<u128, String> {
    let mut bytes = [0u8; 16];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|e| format!("cannot read random bytes from /dev/urandom: {e}"))?;
    Ok(u128::from_le_bytes(bytes) & !0xffff)
}

impl Load {
    /// Prepares a load; nothing is sent yet.
    ///
    /// # Errors
    /// When settings make no sense or the history cannot be written.
    pub fn new(settings: Settings) -> Result<Self, String> {
        if settings.clients == 0 || settings.clients > 0xffff {
            return Err(format!("{} logical clients: one process has 1 to 65535", settings.clients));
        }
        if settings.workload.keys == 0 {
            return Err("0 keys: there must be at least one".to_owned());
        }
        let base = random_id()?;
        let (clients, total) = (u64::from(settings.clients), settings.requests);
        let clients = (0..clients)
            .map(|n| Client {
                id: ClientId(base | u128::from(n)),
                number: settings.first + n,
                dice: Dice::new(settings.seed, settings.first + n),
                state: State::Idle,
                seq: 0,
                left: total / clients + u64::from(n < total % clients),
                op: Op::Open,
                key: 0,
                expected: String::new(),
                command: Vec::new(),
                sent: 0,
                resent: 0,
                tries: 0,
            })
            .collect::<Vec<_>>();
        let history = settings
            .history
            .as_ref()
            .map(|path| Writer::create(path).map_err(|e| format!("cannot write the history {}: {e}", path.display())));
        let seen = vec![String::new(); settings.workload.keys as usize];
        Ok(Self {
            ready: Vec::with_capacity(clients.len()),
            clients,
            over: 0,
            seen,
            audited: 0,
            history: history.transpose()?,
            report: Report::default(),
            last_answer: 0,
            scratch: Scratch::default(),
            settings,
        })
    }

    /// Runs it to its end. `progress` is called now and then with the report so far.
    ///
    /// # Errors
    /// When the cluster refuses us or the history cannot be written.
    pub fn run(mut self, mut progress: impl FnMut(&Report)) -> Result<Report, String> {
        let mut link = Link::new(self.settings.nodes.clone(), self.settings.first as usize / self.clients.len().max(1));
        for at in 0..self.clients.len() {
            self.open(at)?;
        }
        let began = history::now();
        (self.report.began, self.last_answer) = (began, began);
        let mut heard = began;
        let mut told = began;
        while self.over < self.clients.len() {
            match link.connect(TICK) {
                Some(true) => {
                    self.again();
                    heard = history::now();
                }
                Some(false) => {}
                None => {
                    let now = history::now();
                    self.tick(now, &mut told, &link, &mut progress)?;
                    continue;
                }
            }
            self.send(&mut link);
            match link.hear(TICK, |bytes| self.replies(bytes))? {
                Heard::Something => heard = history::now(),
                Heard::Nothing | Heard::Lost => {}
            }
            let now = history::now();
            if now.saturating_sub(heard) > self.settings.patience.as_nanos() as u64 {
                link.leave("it owes answers and is silent");
                heard = now;
            }
            if now - told > TICK.as_nanos() as u64 {
                self.tick(now, &mut told, &link, &mut progress)?;
            }
        }
        if let Some(history) = &mut self.history {
            history.flush().map_err(|e| format!("cannot write the history: {e}"))?;
        }
        self.report.reconnects = link.connections().saturating_sub(1);
        self.report.processor = processor_time();
        progress(&self.report);
        Ok(self.report)
    }

    /// Everything that is waited for has to be sent again.
    fn again(&mut self) {
        self.ready.clear();
        for (at, client) in self.clients.iter_mut().enumerate() {
            if client.state == State::Waiting {
                client.state = State::Ready;
                self.report.retries += 1;
            }
            if client.state == State::Ready {
                self.ready.push(at as u32);
            }
        }
    }

    /// Deadlines and progress.
    fn tick(
        &mut self,
        now: u64,
        told: &mut u64,
        link: &Link,
        progress: &mut impl FnMut(&Report),
    ) -> Result<(), String> {
        *told = now;
        let limit = self.settings.time.map_or(u64::MAX, |time| time.as_nanos() as u64);
        if now - self.report.began > limit {
            self.clients.iter_mut().for_each(|client| client.left = 0);
        }
        self.report.reconnects = link.connections().saturating_sub(1);
        let deadline = self.settings.deadline.as_nanos() as u64;
        let patience = self.settings.patience.as_nanos() as u64;
        for at in 0..self.clients.len() {
            // One answer may be lost where others come: then it is asked for again, less and less often.
            let client = &mut self.clients[at];
            let owed = now.saturating_sub(client.resent);
            if client.state == State::Waiting && owed > patience.saturating_mul(u64::from(client.tries.min(8))) {
                client.state = State::Ready;
                self.report.retries += 1;
                self.ready.push(at as u32);
            }
            let client = &self.clients[at];
            if client.state != State::Over && client.sent > 0 && now.saturating_sub(client.sent) > deadline {
                self.report.unanswered += 1;
                let why = format!("no answer within {:?}; {}", self.settings.deadline, link.trouble());
                self.write(at, now, Ending::Unknown, None, None, None, Some(&why))?;
                self.finish(at);
            }
        }
        progress(&self.report);
        Ok(())
    }

    fn finish(&mut self, at: usize) {
        self.clients[at].state = State::Over;
        self.over += 1;
    }

    /// The first request of a session.
    fn open(&mut self, at: usize) -> Result<(), String> {
        let client = &mut self.clients[at];
        (client.seq, client.op, client.sent, client.tries) = (1, Op::Open, 0, 0);
        client.command.clear();
        Command { client: client.id, seq: 1, op: Ask::Open }.encode(&mut client.command);
        client.state = State::Ready;
        self.ready.push(at as u32);
        Ok(())
    }

    /// The next request of a client, or its end.
    fn ask(&mut self, at: usize) {
        let audit = self.settings.audit;
        let client = &mut self.clients[at];
        let all_audited = audit && self.audited >= self.settings.workload.keys;
        if all_audited || (!audit && client.left == 0) {
            return self.finish(at);
        }
        let workload = &self.settings.workload;
        let (mut op, key) = if audit {
            self.audited += 1;
            (Op::Get, self.audited - 1)
        } else {
            client.left -= 1;
            workload.next(&mut client.dice)
        };
        client.seq += 1;
        let Scratch { key: key_text, value, expected, .. } = &mut self.scratch;
        workload.key(key, key_text);
        let seen = &self.seen[key as usize];
        if op == Op::Cas && seen.is_empty() {
            // Nothing to expect: write, so that there is something next time.
            op = Op::Put;
        }
        let ask = match op {
            Op::Open | Op::Get => Ask::Get { key: key_text.as_bytes() },
            Op::Delete => Ask::Delete { key: key_text.as_bytes() },
            Op::Put => {
                workload.value(client.number, client.seq, value);
                Ask::Put { key: key_text.as_bytes(), value: value.as_bytes() }
            }
            Op::Cas => {
                workload.value(client.number, client.seq, value);
                client.expected.clone_from(seen);
                workload.fill(seen, expected);
                Ask::Cas { key: key_text.as_bytes(), expected: Some(expected.as_bytes()), value: value.as_bytes() }
            }
        };
        (client.op, client.key, client.sent, client.tries) = (op, key, 0, 0);
        client.command.clear();
        Command { client: client.id, seq: client.seq, op: ask }.encode(&mut client.command);
        client.state = State::Ready;
        self.ready.push(at as u32);
    }

    /// Sends what is ready.
    fn send(&mut self, link: &mut Link) {
        if self.ready.is_empty() {
            return;
        }
        let now = history::now();
        let mut ready = std::mem::take(&mut self.ready);
        let Scratch { commands, frame, .. } = &mut self.scratch;
        commands.clear();
        for at in ready.drain(..) {
            let client = &mut self.clients[at as usize];
            if client.state != State::Ready {
                continue;
            }
            client.state = State::Waiting;
            client.tries += 1;
            client.resent = now;
            if client.sent == 0 {
                client.sent = now;
            }
            commands.extend_from_slice(&client.command);
            if commands.len() >= FRAME {
                link.send(commands, frame);
                commands.clear();
            }
        }
        if !commands.is_empty() {
            link.send(commands, frame);
        }
        self.ready = ready;
    }

    fn replies(&mut self, bytes: &[u8]) -> Result<(), String> {
        let now = history::now();
        for reply in Replies::new(bytes) {
            let reply = reply.map_err(|e| format!("a reply of the cluster cannot be read: {e}"))?;
            let at = (reply.client.0 & 0xffff) as usize;
            let Some(client) = self.clients.get(at).filter(|client| client.id == reply.client) else {
                return Err(format!("the cluster answered client {}, which is none of this process", reply.client));
            };
            // An answer to a request that has been answered before, as it had been sent twice.
            if reply.seq != client.seq || !matches!(client.state, State::Waiting | State::Ready) {
                continue;
            }
            self.answer(at, now, &reply)?;
        }
        Ok(())
    }

    fn answer(&mut self, at: usize, now: u64, reply: &Reply<'_>) -> Result<(), String> {
        self.report.silence = self.report.silence.max(now.saturating_sub(self.last_answer));
        self.last_answer = now;
        let op = self.clients[at].op;
        let (end, found) = match (reply.outcome, op) {
            (Outcome::Done, Op::Open) => (Ending::Ok, 0),
            (Outcome::Done | Outcome::Value(_), _) => (Ending::Ok, reply.version),
            (Outcome::Absent | Outcome::MismatchAbsent, _) => (Ending::Absent, 0),
            (Outcome::Mismatch(_), _) => (Ending::Differs, reply.version),
            (Outcome::Stale | Outcome::Gap | Outcome::UnknownSession | Outcome::Refused, _) => (Ending::Refused, 0),
        };
        let found = Some(found).filter(|version| *version != 0);
        if end == Ending::Refused {
            self.report.refused += 1;
            let why = format!("{:?}", reply.outcome).to_lowercase();
            self.write(at, now, end, None, None, None, Some(&why))?;
            self.finish(at);
            return Ok(());
        }
        let mut name = std::mem::take(&mut self.scratch.name);
        name.clear();
        let got = match reply.outcome {
            Outcome::Value(value) | Outcome::Mismatch(value) => {
                match self.settings.workload.name(value) {
                    Some(text) => name.push_str(text),
                    // A value that is not as it was written: the judge will not know it.
                    None => name.push_str(&format!("damaged: {}", String::from_utf8_lossy(value))),
                }
                Some(name.as_str())
            }
            _ => None,
        };
        self.write(at, now, end, Some(reply.index), found, got.filter(|_| op == Op::Get), None)?;
        let client = &self.clients[at];
        let seen = &mut self.seen[client.key as usize];
        match (op, got) {
            (Op::Put, _) => self.settings.workload.name_of(client.number, client.seq, seen),
            (Op::Cas, None) if end == Ending::Ok => self.settings.workload.name_of(client.number, client.seq, seen),
            (_, Some(got)) => {
                seen.clear();
                seen.push_str(got);
            }
            (Op::Open, None) => {}
            (_, None) => seen.clear(),
        }
        self.scratch.name = name;
        if op != Op::Open {
            self.report.answered += 1;
            self.report.latencies.add(now.saturating_sub(client.sent));
        }
        self.report.ended = now;
        self.ask(at);
        Ok(())
    }

    #[allow(clippy::too_many_arguments)] // One line of a history has that many parts.
    fn write(
        &mut self,
        at: usize,
        now: u64,
        end: Ending,
        place: Option<u64>,
        found: Option<u64>,
        got: Option<&str>,
        why: Option<&str>,
    ) -> Result<(), String> {
        let Some(history) = &mut self.history else { return Ok(()) };
        let client = &self.clients[at];
        let Scratch { key, value, .. } = &mut self.scratch;
        key.clear();
        value.clear();
        if client.op != Op::Open {
            self.settings.workload.key(client.key, key);
        }
        if matches!(client.op, Op::Put | Op::Cas) {
            self.settings.workload.name_of(client.number, client.seq, value);
        }
        let mut id = [0u8; 32];
        hex(client.id.0, &mut id);
        history
            .add(&Entry {
                client: std::str::from_utf8(&id).unwrap_or_default().into(),
                seq: client.seq,
                op: client.op,
                key: key.as_str().into(),
                value: Some(value.as_str()).filter(|value| !value.is_empty()).map(Into::into),
                expected: Some(client.expected.as_str()).filter(|_| client.op == Op::Cas).map(Into::into),
                sent: client.sent,
                ended: now,
                tries: client.tries,
                end,
                place,
                found,
                got: got.map(Into::into),
                why: why.map(Into::into),
            })
            .map_err(|e| format!("cannot write the history: {e}"))
    }
}

fn hex(mut n: u128, out: &mut [u8; 32]) {
    for digit in out.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(n & 15) as usize];
        n >>= 4;
    }
}

/// Processor time of this process so far, in nanoseconds.
fn processor_time() -> u64 {
    use nix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)
        .map_or(0, |t| t.tv_sec() as u64 * 1_000_000_000 + t.tv_nsec() as u64)
}
