//! Simulated clients: closed loop, one session each, retries with the same number, and what they saw.

use crate::random::Random;
use paxos_types::reply::Replies;
use paxos_types::{Bytes, ClientFrame, ClientId, Command, NodeId, Op, Outcome, Reply};

/// What a client asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Asked {
    /// Opens the session.
    Open,
    /// Reads.
    Get(u8),
    /// Writes a value that nobody else writes.
    Put(u8, u64),
    /// Removes.
    Delete(u8),
    /// Writes if the value is the expected one.
    Cas(u8, Option<u64>, u64),
}

/// What it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done.
    Done,
    /// The value read, or found by a cas that failed; `None`: no such key.
    Value(Option<u64>),
}

/// One operation of a history.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The client.
    pub client: usize,
    /// Its session.
    pub id: ClientId,
    /// Its number in the session.
    pub seq: u64,
    /// What was asked.
    pub asked: Asked,
    /// When it was first sent.
    pub begin: u64,
    /// When it was answered.
    pub end: Option<u64>,
    /// Answer, index and version.
    pub answer: Option<(Answer, u64, u64)>,
}

/// Numbers from here on are those of reads that take no place in the log (a planted bug).
pub const OUTSIDE: u64 = 1 << 63;

/// A client.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its place.
    pub number: usize,
    id: ClientId,
    seq: u64,
    keys: u64,
    outside: Option<u64>,
    /// The last value it saw of any key, so that a cas succeeds now and then.
    seen: Option<(u8, u64)>,
    /// The node it talks to.
    pub node: NodeId,
    /// Counts connections: what comes on an old one is not read.
    pub generation: u64,
    /// The operation it waits for: its place in the history.
    pub waits_for: Option<usize>,
    /// The bytes of that.
    pub request: Bytes,
    /// When it loses patience.
    pub patience_until: u64,
    /// How many operations it still wants.
    pub left: u64,
    /// Its session was forgotten: it opens a new one.
    forgotten: bool,
    /// It has asked again since nothing fails any more.
    pub asked_since_calm: bool,
}

/// The connection of a client's `generation`.
pub fn connection(client: usize, generation: u64) -> u64 {
    generation * 1000 + client as u64
}

/// The client of a connection.
pub fn client_of(connection: u64) -> (usize, u64) {
    ((connection % 1000) as usize, connection / 1000)
}

fn key_bytes(key: u8) -> [u8; 2] {
    [b'k', key]
}

impl Client {
    /// A client that wants `left` operations on `keys` keys.
    pub fn new(number: usize, node: NodeId, keys: u64, left: u64, reads_outside: bool) -> Client {
        Client {
            number,
            id: ClientId(number as u128 + 1),
            forgotten: false,
            asked_since_calm: false,
            seq: 0,
            keys,
            outside: reads_outside.then_some(OUTSIDE),
            seen: None,
            node,
            generation: 0,
            waits_for: None,
            request: Bytes::new(),
            patience_until: 0,
            left,
        }
    }

    /// The next operation, put into the history.
    pub fn next(&mut self, now: u64, random: &mut Random, history: &mut Vec<Operation>) {
        if std::mem::take(&mut self.forgotten) {
            self.id = ClientId(self.id.0 + (1 << 64));
            self.seq = 0;
        }
        self.seq += 1;
        let key = random.below(self.keys) as u8;
        // No value is ever written twice.
        let unique = history.len() as u64 + 1;
        let asked = match random.below(10) {
            _ if self.seq == 1 => Asked::Open,
            0..4 => Asked::Put(key, unique),
            4..8 => Asked::Get(key),
            8 => match self.seen {
                Some((key, value)) if random.below(3) > 0 => Asked::Cas(key, Some(value), unique),
                _ => Asked::Cas(key, None, unique),
            },
            _ => Asked::Delete(key),
        };
        let mut seq = self.seq;
        if let (Some(outside), Asked::Get(_)) = (&mut self.outside, &asked) {
            *outside += 1;
            seq = *outside;
            self.seq -= 1;
        }
        self.request = Bytes::from(encode(self.id, seq, &asked));
        self.waits_for = Some(history.len());
        history.push(Operation { client: self.number, id: self.id, seq, asked, begin: now, end: None, answer: None });
    }

    /// Takes a frame; says what is to be done now.
    pub fn receive(
        &mut self,
        now: u64,
        frame: &[u8],
        history: &mut [Operation],
        may_forget: bool,
    ) -> Result<Then, String> {
        match ClientFrame::decode(frame).map_err(|e| e.to_string())? {
            ClientFrame::Redirect { leader } => Ok(Then::Redirected(leader)),
            ClientFrame::Replies(replies) => {
                let mut then = Then::Nothing;
                for reply in Replies::new(replies) {
                    let reply = reply.map_err(|e| e.to_string())?;
                    if reply.client.0 as u64 != self.id.0 as u64 {
                        return Err(format!("client {} got the reply of {}", self.id, reply.client));
                    }
                    let Some(at) = self.waits_for else { continue };
                    let Some(operation) = history.get_mut(at).filter(|o| (o.id, o.seq) == (reply.client, reply.seq))
                    else {
                        continue;
                    };
                    // An `open` that was sent again may come after the session was forgotten, and opens an empty one of that name.
                    let opened_late = reply.outcome == Outcome::Gap && reply.version == 1;
                    if (reply.outcome == Outcome::UnknownSession || opened_late) && may_forget {
                        // It may have taken effect before, so there is no answer; the session is gone for good.
                        self.forgotten = true;
                        self.waits_for = None;
                        then = Then::Forgotten;
                        continue;
                    }
                    operation.answer = Some((answer(&reply)?, reply.index, reply.version));
                    operation.end = Some(now);
                    if let (Asked::Get(key), Some((Answer::Value(Some(value)), ..))) =
                        (&operation.asked, &operation.answer)
                    {
                        self.seen = Some((*key, *value));
                    }
                    self.waits_for = None;
                    self.left = self.left.saturating_sub(1);
                    then = Then::Answered(at);
                }
                Ok(then)
            }
            other => Err(format!("client {} got {other:?}", self.id)),
        }
    }

    /// Its session.
    pub fn id(&self) -> ClientId {
        self.id
    }
}

/// What a client does after a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Then {
    /// It still waits.
    Nothing,
    /// It goes on with the next one; that one of the history was answered.
    Answered(usize),
    /// Its session is no longer known: it goes on with another one.
    Forgotten,
    /// It asks there.
    Redirected(Option<NodeId>),
}

/// The encoded command.
pub fn encode(client: ClientId, seq: u64, asked: &Asked) -> Vec<u8> {
    let mut out = Vec::new();
    let (k, v, e);
    let op = match asked {
        Asked::Open => Op::Open,
        Asked::Get(key) => {
            k = key_bytes(*key);
            Op::Get { key: &k }
        }
        Asked::Put(key, value) => {
            k = key_bytes(*key);
            v = value.to_le_bytes();
            Op::Put { key: &k, value: &v }
        }
        Asked::Delete(key) => {
            k = key_bytes(*key);
            Op::Delete { key: &k }
        }
        Asked::Cas(key, expected, value) => {
            k = key_bytes(*key);
            v = value.to_le_bytes();
            e = expected.map(u64::to_le_bytes);
            Op::Cas { key: &k, expected: e.as_ref().map(|e| &e[..]), value: &v }
        }
    };
    Command { client, seq, op }.encode(&mut out);
    out
}

fn number(bytes: &[u8]) -> Result<u64, String> {
    bytes.try_into().map(u64::from_le_bytes).map_err(|_| format!("a value of {} bytes", bytes.len()))
}

fn answer(reply: &Reply<'_>) -> Result<Answer, String> {
    match reply.outcome {
        Outcome::Done => Ok(Answer::Done),
        Outcome::Value(v) | Outcome::Mismatch(v) => Ok(Answer::Value(Some(number(v)?))),
        Outcome::Absent | Outcome::MismatchAbsent => Ok(Answer::Value(None)),
        other => Err(format!("client {} got {other:?} to its command {}", reply.client, reply.seq)),
    }
}
