//! A client: connects, writes, reads, and knows by itself what it may read: the bytes that it has sent, or those of a source. Its
//! bytes are other ones for each of its connections, so what is another's, or comes twice, or is missing shows in them.

use super::guest::{Kind, PROGRAMS, SOURCE, source};
use super::plan::Manner;
use crate::world::executor::Nanos;
use crate::world::seeds::Stream;

/// What a client does with its connection.
#[derive(Clone, Debug)]
pub struct Talk {
    /// Which of the connections.
    pub tcp: usize,
    kind: Kind,
    key: u64,
    /// Bytes that it wants to send, and has sent.
    total: u64,
    sent: u64,
    /// Bytes that it has read.
    pub got: u64,
    /// It has ended its stream.
    ended: bool,
    /// It will be reset once so many bytes are sent.
    gives_up: Option<u64>,
    next_write: Nanos,
    next_read: Nanos,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By an end of the program's stream.
    Clean,
    /// By a reset that the client saw.
    Reset,
    /// By a reset of the client's own.
    GaveUp,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Client {
    manner: Manner,
    draws: Stream,
    number: u64,
    attempts: u64,
    /// The connection at hand.
    pub talk: Option<Talk>,
    /// When it connects again.
    pub again: Nanos,
    /// Connections that came to what they were for.
    pub done: u64,
    /// The same, since the beginning.
    pub finished: u64,
    /// Bytes read.
    pub read: u64,
    /// When it is to look next.
    pub wake: Option<Nanos>,
    /// In a hurry: faults are over.
    pub hurried: bool,
}

impl Client {
    /// A client that connects soon.
    #[must_use]
    pub fn new(seed: u64, number: u64, manner: Manner) -> Self {
        let mut draws = Stream::new(seed, &[44, number]);
        let again = draws.range(0, manner.think);
        Self {
            manner,
            draws,
            number,
            attempts: 0,
            talk: None,
            again,
            done: 0,
            finished: 0,
            read: 0,
            wake: None,
            hurried: false,
        }
    }

    /// How it behaves.
    #[must_use]
    pub const fn manner(&self) -> &Manner {
        &self.manner
    }

    /// Which node it tries next, of so many, and which program: its place among all.
    pub fn choose(&mut self, nodes: usize) -> (usize, usize) {
        (self.draws.range(0, nodes as u64) as usize, self.draws.range(0, PROGRAMS.len() as u64) as usize)
    }

    /// It could not connect.
    pub fn refused(&mut self, now: Nanos) {
        self.again = now + self.draws.range(1, self.manner.think.min(100_000_000) + 1_000_000);
    }

    /// It is connected.
    pub fn connected(&mut self, tcp: usize, program: usize, now: Nanos) {
        self.attempts += 1;
        let kind = PROGRAMS[program].1;
        let total = match kind {
            Kind::Echo => self.draws.range(0, self.manner.bytes + 1),
            Kind::Source => 0,
            // So that something is left unread.
            Kind::Rude => self.draws.range(17, 100),
        };
        let gives_up = self.draws.chance(self.manner.gives_up) && !self.hurried;
        let gives_up = gives_up.then(|| self.draws.range(0, total + 1));
        let key = self.number << 32 | self.attempts;
        let (next_write, next_read) = (now, now);
        self.talk =
            Some(Talk { tcp, kind, key, total, sent: 0, got: 0, ended: false, gives_up, next_write, next_read });
    }

    /// The connection is over.
    pub fn over(&mut self, how: Ended, now: Nanos) {
        if let Some(talk) = self.talk.take() {
            // The whole of what the program had to say, or the reset that it is known for.
            let whole = u64::from(how == Ended::Clean || (talk.kind == Kind::Rude && how == Ended::Reset));
            (self.done, self.finished) = (self.done + whole, self.finished + whole);
        }
        let think = if self.hurried { 1_000_000 } else { self.manner.think };
        self.again = now + self.draws.range(1, think + 1);
    }

    /// What it writes now, if it does: the bytes, or that it ends or gives up.
    pub fn writes(&mut self, now: Nanos) -> Option<Write> {
        let (manner, hurried) = (self.manner, self.hurried);
        let talk = self.talk.as_mut()?;
        if talk.gives_up.is_some_and(|after| talk.sent >= after) {
            return Some(Write::GiveUp);
        }
        if talk.ended || now < talk.next_write {
            return None;
        }
        if talk.sent == talk.total {
            // Whoever is served by a source has nothing to say, and waits for the end of what that says.
            return (talk.kind == Kind::Echo).then_some(Write::End);
        }
        let most =
            if manner.one_byte { 1 } else { self.draws.range(manner.chunk.0, manner.chunk.1.max(manner.chunk.0 + 1)) };
        let most = if hurried { most.max(1000) } else { most };
        let until = (talk.sent + most).min(talk.total);
        Some(Write::Bytes((talk.sent..until).map(|at| byte(talk.key, at)).collect()))
    }

    /// So many bytes of that were taken.
    pub fn wrote(&mut self, count: usize, now: Nanos) {
        let pause = if self.hurried { 0 } else { self.draws.range(0, self.manner.pause + 1) };
        if let Some(talk) = &mut self.talk {
            talk.sent += count as u64;
            talk.next_write = now + pause;
        }
    }

    /// Its stream has ended.
    pub const fn has_ended(&mut self) {
        if let Some(talk) = &mut self.talk {
            talk.ended = true;
        }
    }

    /// How many bytes it reads now.
    #[must_use]
    pub fn reads(&self, now: Nanos) -> usize {
        match &self.talk {
            Some(_) if self.hurried => 1 << 20,
            Some(talk) if now >= talk.next_read => self.manner.read.0,
            _ => 0,
        }
    }

    /// It has read these.
    ///
    /// # Errors
    /// They cannot be for it.
    pub fn took(&mut self, bytes: &[u8], now: Nanos) -> Result<(), String> {
        let number = self.number;
        let Some(talk) = &mut self.talk else { return Ok(()) };
        for (at, found) in (talk.got..).zip(bytes) {
            let known = match talk.kind {
                Kind::Echo if at < talk.sent => byte(talk.key, at),
                Kind::Source if at < SOURCE => source(at),
                _ => return Err(format!("client {number} was sent a byte at {at} that nobody owes it")),
            };
            if known != *found {
                return Err(format!("client {number} was sent {found:#04x} at {at} and not {known:#04x}"));
            }
        }
        talk.got += bytes.len() as u64;
        talk.next_read = now + self.manner.read.1;
        self.read += bytes.len() as u64;
        Ok(())
    }

    /// It has read an end.
    ///
    /// # Errors
    /// That cannot be all.
    pub fn ends(&self) -> Result<(), String> {
        let Some(talk) = &self.talk else { return Ok(()) };
        let whole = match talk.kind {
            Kind::Echo => talk.ended && talk.got == talk.total,
            Kind::Source => talk.got == SOURCE,
            // It may have come before the rest; whether it was said, others know.
            Kind::Rude => true,
        };
        if whole {
            return Ok(());
        }
        let (number, got, sent, total) = (self.number, talk.got, talk.sent, talk.total);
        Err(format!("client {number} of a {:?} saw an end after {got} bytes, having sent {sent} of {total}", talk.kind))
    }

    /// When it wants to do something next, if nothing comes.
    #[must_use]
    pub fn deadline(&self, now: Nanos) -> Option<Nanos> {
        let Some(talk) = &self.talk else { return Some(self.again) };
        let write = (!talk.ended && (talk.sent < talk.total || talk.kind == Kind::Echo)).then_some(talk.next_write);
        let read = (talk.next_read > now).then_some(talk.next_read);
        [write, read].into_iter().flatten().filter(|at| *at > now).min()
    }
}

/// What a client writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Bytes.
    Bytes(Vec<u8>),
    /// An end of its stream.
    End,
    /// A reset.
    GiveUp,
}

/// The byte at a position of a connection.
const fn byte(key: u64, at: u64) -> u8 {
    let mixed = (key ^ at.rotate_left(20)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 56) as u8
}
