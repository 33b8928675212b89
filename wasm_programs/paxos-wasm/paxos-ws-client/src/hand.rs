//! One request by hand: opens a session, asks, and tells the answer in words.

use crate::link::{Heard, Link};
use crate::nodes::Nodes;
use paxos_types::reply::Replies;
use paxos_types::{ClientId, Command, Op, Outcome};
use std::io::Read;
use std::time::{Duration, Instant};

/// What the cluster answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The place in the one order of all requests.
    pub index: u64,
    /// What the reply says about a version.
    pub version: u64,
    /// How it ended.
    pub end: End,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Written or removed.
    Done,
    /// The value that was read.
    Value(Vec<u8>),
    /// No such key.
    Absent,
    /// A compare-and-set that found this value instead (`None`: no such key) and wrote nothing.
    Differs(Option<Vec<u8>>),
    /// Not executed, and why.
    Refused(String),
    /// No answer within the deadline: it may or may not have been executed. And the last trouble.
    Unknown(String),
}

/// A session for requests one at a time.
pub struct Session {
    link: Link,
    id: ClientId,
    seq: u64,
    deadline: Duration,
    patience: Duration,
}

impl Session {
    /// A session that is not opened yet, with a random id.
    ///
    /// # Errors
    /// When there are no random bytes.
    pub fn new(nodes: Nodes, deadline: Duration) -> Result<Self, String> {
        let mut bytes = [0u8; 16];
        std::fs::File::open("/dev/urandom")
            .and_then(|mut file| file.read_exact(&mut bytes))
            .map_err(|e| format!("cannot read random bytes from /dev/urandom: {e}"))?;
        let id = ClientId(u128::from_le_bytes(bytes));
        Ok(Self { link: Link::new(nodes, 0), id, seq: 0, deadline, patience: Duration::from_secs(1) })
    }

    /// Asks one thing, and waits for its answer; the first one opens the session.
    pub fn ask(&mut self, op: Op<'_>) -> Answer {
        if self.seq == 0 {
            let opened = self.ask_as(1, Op::Open);
            if opened.end != End::Done {
                return opened;
            }
            self.seq = 1;
        }
        let answer = self.ask_as(self.seq + 1, op);
        if !matches!(answer.end, End::Refused(_)) {
            self.seq += 1;
        }
        answer
    }

    /// Asks under a number of the caller's choice.
    pub fn ask_as(&mut self, seq: u64, op: Op<'_>) -> Answer {
        let mut command = Vec::new();
        Command { client: self.id, seq, op }.encode(&mut command);
        let mut answer = None;
        let mut scratch = Vec::new();
        let began = Instant::now();
        let mut sent = None::<Instant>;
        while began.elapsed() < self.deadline && answer.is_none() {
            let wait = Duration::from_millis(20).min(self.deadline);
            let Some(new) = self.link.connect(wait) else { continue };
            if new || sent.is_none() {
                self.link.send(&command, &mut scratch);
                sent = Some(Instant::now());
            }
            let id = self.id;
            let heard = self.link.hear(wait, |bytes| {
                for reply in Replies::new(bytes) {
                    let reply = reply.map_err(|e| format!("a reply of the cluster cannot be read: {e}"))?;
                    if reply.client == id && reply.seq == seq {
                        answer =
                            Some(Answer { index: reply.index, version: reply.version, end: End::of(&reply.outcome) });
                    }
                }
                Ok(())
            });
            match heard {
                Err(why) => return Answer { index: 0, version: 0, end: End::Refused(why) },
                Ok(Heard::Nothing) if sent.is_some_and(|sent| sent.elapsed() > self.patience) => {
                    self.link.leave("it owes an answer and is silent");
                }
                Ok(_) => {}
            }
        }
        answer.unwrap_or_else(|| {
            let why = format!("no answer within {:?}; {}", self.deadline, self.link.trouble());
            Answer { index: 0, version: 0, end: End::Unknown(why) }
        })
    }
}

impl End {
    fn of(outcome: &Outcome<'_>) -> Self {
        match outcome {
            Outcome::Done => Self::Done,
            Outcome::Value(value) => Self::Value(value.to_vec()),
            Outcome::Absent => Self::Absent,
            Outcome::Mismatch(value) => Self::Differs(Some(value.to_vec())),
            Outcome::MismatchAbsent => Self::Differs(None),
            Outcome::Stale => {
                Self::Refused("an old retry: a later request of this session has been executed".to_owned())
            }
            Outcome::Gap => Self::Refused("a sequence number of this session was left out".to_owned()),
            Outcome::UnknownSession => {
                Self::Refused("the cluster does not know this session: it was never opened, or forgotten".to_owned())
            }
            Outcome::Refused => Self::Refused("the request is above a limit of the cluster".to_owned()),
        }
    }

    /// The exit code that tells it: 0 done, 1 no such key or another value, 3 unknown, 4 refused.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::Done | Self::Value(_) => 0,
            Self::Absent | Self::Differs(_) => 1,
            Self::Unknown(_) => 3,
            Self::Refused(_) => 4,
        }
    }
}

impl Answer {
    /// For programs.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        let text = |value: &[u8]| serde_json::Value::from(String::from_utf8_lossy(value));
        let (result, value, why) = match &self.end {
            End::Done => ("done", None, None),
            End::Value(value) => ("value", Some(text(value)), None),
            End::Absent => ("absent", None, None),
            End::Differs(value) => ("differs", value.as_deref().map(text), None),
            End::Refused(why) => ("refused", None, Some(why.as_str())),
            End::Unknown(why) => ("unknown", None, Some(why.as_str())),
        };
        serde_json::json!({"result": result, "value": value, "version": self.version, "index": self.index, "why": why})
    }
}
