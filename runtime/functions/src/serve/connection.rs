//! One client: bytes that came and are no whole request yet, answers that it has not taken yet, what it has in flight.

use super::frames;
use super::request::Id;
use crate::crew::Control;
use crate::limits::ServerLimits;
use crate::registry::Table;
use crate::tenants::Tenant;
use mio::net::UnixStream;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::sync::Arc;

/// Bytes of a buffer at first: a connection that sends little takes little.
const FIRST: usize = 4 << 10;
/// Bytes of a buffer that an idle connection keeps.
const KEPT: usize = 64 << 10;

/// Bytes as they came. Whoever works on a part of them shares the buffer; who reads more meanwhile takes another one.
#[derive(Debug)]
pub(super) struct Input {
    data: Arc<Vec<u8>>,
    start: usize,
    end: usize,
    /// No line ends before this.
    looked: usize,
}

/// What a read has brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// Bytes, and there may be more.
    Some,
    /// Bytes, and there are no more now.
    All,
    /// The other side sends no more.
    End,
}

impl Input {
    fn new() -> Self {
        Self { data: Arc::new(Vec::new()), start: 0, end: 0, looked: 0 }
    }

    fn unread(&self) -> &[u8] {
        self.data.get(self.start..self.end).unwrap_or_default()
    }

    /// Reads once. The buffer grows to what one message may have.
    fn fill(&mut self, from: &mut impl Read, most: usize) -> io::Result<Came> {
        let unread = self.end - self.start;
        if unread == 0 && self.data.len() > KEPT {
            self.data = Arc::new(Vec::new());
        }
        let full = unread == self.data.len();
        let wanted = if full { (2 * unread).clamp(FIRST, most.max(FIRST)) } else { self.data.len() };
        if Arc::get_mut(&mut self.data).is_none() || wanted != self.data.len() {
            let mut data = Vec::with_capacity(wanted);
            data.extend_from_slice(self.unread());
            data.resize(wanted, 0);
            self.data = Arc::new(data);
            (self.looked, self.start, self.end) = (self.looked.saturating_sub(self.start), 0, unread);
        }
        let Some(data) = Arc::get_mut(&mut self.data) else { return Ok(Came::All) };
        if unread == 0 {
            (self.start, self.end, self.looked) = (0, 0, 0);
        } else if self.end == data.len() {
            data.copy_within(self.start..self.end, 0);
            (self.looked, self.start, self.end) = (self.looked.saturating_sub(self.start), 0, unread);
        }
        let room = data.get_mut(self.end..).unwrap_or_default();
        let size = room.len();
        let count = loop {
            match from.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Came::All),
                result => break result?,
            }
        };
        self.end += count;
        Ok(match count {
            0 => Came::End,
            count if count < size => Came::All,
            _ => Came::Some,
        })
    }

    /// The next line, without its end.
    fn line(&mut self) -> Option<Range<usize>> {
        self.looked = self.looked.max(self.start);
        let found = memchr::memchr(b'\n', self.data.get(self.looked..self.end)?);
        let Some(found) = found else {
            self.looked = self.end;
            return None;
        };
        let line = self.start..self.looked + found;
        self.start = line.end + 1;
        Some(line)
    }

    /// The next frame, without its length; or that it is too long.
    fn frame(&mut self, most: usize) -> Result<Option<Range<usize>>, ()> {
        let Some((length, rest)) = self.unread().split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_le_bytes(*length) as usize;
        if length > most {
            return Err(());
        }
        if rest.len() < length {
            return Ok(None);
        }
        let start = self.start + 4;
        self.start = start + length;
        Ok(Some(start..self.start))
    }
}

/// The language of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    /// Its first bytes are not there yet.
    Unknown,
    Json,
    Frames,
}

/// What comes next from a client.
pub(super) enum Next {
    /// A whole message, and the buffer that it is in.
    Message(Arc<Vec<u8>>, Range<usize>),
    /// One that is longer than it may be.
    TooLong,
    /// Nothing whole yet.
    Nothing,
}

/// An execution that has left this thread.
pub(super) struct InFlight {
    pub(super) id: Option<Id>,
    pub(super) control: Arc<Control>,
    pub(super) detach: bool,
}

pub(super) struct Connection {
    pub(super) stream: UnixStream,
    /// Whose it is, and that one's functions as of a version of the registry.
    pub(super) tenant: Arc<Tenant>,
    pub(super) table: Arc<Table>,
    pub(super) version: u64,
    pub(super) generation: u32,
    pub(super) language: Language,
    input: Input,
    output: Vec<u8>,
    written: usize,
    pub(super) readable: bool,
    pub(super) writable: bool,
    /// The system has said that the other side sends no more: what it sent may still be unread.
    pub(super) half_closed: bool,
    /// The other side sends no more, and all that it sent has been read.
    pub(super) ended: bool,
    /// The other side is gone.
    pub(super) gone: bool,
    /// To be closed when everything has been written.
    pub(super) closing: bool,
    /// It is in the list of those to be looked at.
    pub(super) queued: bool,
    pub(super) ordered: bool,
    next_number: u64,
    next_answer: u64,
    /// Answers whose turn has not come, and their bytes.
    early: BTreeMap<u64, Vec<u8>>,
    early_bytes: usize,
    pub(super) in_flight: BTreeMap<u64, InFlight>,
}

impl Connection {
    pub(super) fn new(stream: UnixStream, generation: u32, tenant: Arc<Tenant>) -> Self {
        Self {
            stream,
            tenant,
            table: Arc::default(),
            version: 0,
            generation,
            language: Language::Unknown,
            input: Input::new(),
            output: Vec::new(),
            written: 0,
            readable: true,
            writable: true,
            half_closed: false,
            ended: false,
            gone: false,
            closing: false,
            queued: false,
            ordered: false,
            next_number: 0,
            next_answer: 0,
            early: BTreeMap::new(),
            early_bytes: 0,
            in_flight: BTreeMap::new(),
        }
    }

    /// The next message, if all of it is there.
    pub(super) fn next(&mut self, limits: &ServerLimits) -> Next {
        if self.closing {
            return Next::Nothing;
        }
        let most = usize::try_from(limits.line_bytes).unwrap_or(usize::MAX);
        if self.language == Language::Unknown {
            let unread = self.input.unread();
            let begins = unread.iter().zip(frames::MAGIC).take_while(|(a, b)| a == b).count();
            if begins == frames::MAGIC.len() {
                self.input.start += begins;
                self.language = Language::Frames;
            } else if begins < unread.len() {
                self.language = Language::Json;
            } else {
                return Next::Nothing;
            }
        }
        let range = if self.language == Language::Frames {
            match self.input.frame(most.saturating_add(frames::HEAD)) {
                Ok(range) => range,
                Err(()) => return Next::TooLong,
            }
        } else {
            let line = self.input.line();
            let length = line.as_ref().map_or(self.input.end - self.input.start, Range::len);
            if length > most {
                return Next::TooLong;
            }
            line
        };
        range.map_or(Next::Nothing, |range| Next::Message(Arc::clone(&self.input.data), range))
    }

    /// Reads once.
    pub(super) fn read(&mut self, limits: &ServerLimits) -> io::Result<Came> {
        // One byte more than a line with its end tells one that is too long.
        let most = usize::try_from(limits.line_bytes).unwrap_or(usize::MAX).saturating_add(2 + frames::HEAD + 4);
        self.input.fill(&mut self.stream, most)
    }

    /// A request begins: its number.
    pub(super) const fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number - 1
    }

    /// From now on answers come in the order of the requests, this one being the first.
    pub(super) const fn order(&mut self, number: u64) {
        self.ordered = true;
        self.next_answer = number;
    }

    /// Writes an answer behind what waits already.
    pub(super) fn answer(&mut self, number: u64, write: impl FnOnce(&mut Vec<u8>)) {
        if !self.ordered {
            write(&mut self.output);
            return;
        }
        if number != self.next_answer {
            let mut early = Vec::new();
            write(&mut early);
            self.early_bytes += early.len();
            self.early.insert(number, early);
            return;
        }
        write(&mut self.output);
        self.next_answer += 1;
        while let Some(early) = self.early.remove(&self.next_answer) {
            self.early_bytes = self.early_bytes.saturating_sub(early.len());
            self.output.extend_from_slice(&early);
            self.next_answer += 1;
        }
    }

    /// Bytes that wait to be written.
    pub(super) const fn waiting(&self) -> usize {
        self.output.len() - self.written
    }

    /// Bytes of answers that are held for it: those that wait to be written, and those whose turn has not come.
    pub(super) const fn held(&self) -> usize {
        self.waiting() + self.early_bytes
    }

    /// Writes as much as the other side takes.
    pub(super) fn write(&mut self) -> io::Result<()> {
        while self.waiting() > 0 && self.writable {
            let rest = self.output.get(self.written..).unwrap_or_default();
            match self.stream.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(error) => return Err(error),
            }
        }
        if self.waiting() == 0 {
            if self.output.capacity() > KEPT {
                self.output = Vec::new();
            }
            self.output.clear();
            self.written = 0;
        } else if self.written > KEPT && self.written > self.output.len() / 2 {
            // What is moved is less than what was written since the last time: all of it together is moved about once.
            self.output.drain(..self.written);
            self.written = 0;
        }
        Ok(())
    }

    /// Whether nothing will come of it any more.
    pub(super) fn is_over(&self) -> bool {
        let quiet = self.waiting() == 0 && self.in_flight.is_empty() && self.early.is_empty();
        self.gone || (quiet && (self.closing || self.ended))
    }

    /// Whether nothing of it is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting() == 0 && self.in_flight.is_empty()
    }

    /// Nobody waits for what it has started.
    pub(super) fn abandon(&self) {
        for in_flight in self.in_flight.values().filter(|in_flight| !in_flight.detach) {
            in_flight.control.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives so many bytes at a time.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(self.1).min(room.len());
            room[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    #[test]
    fn lines_come_out_as_they_went_in_however_they_are_cut() {
        let lines: Vec<String> = (0..200).map(|i| "x".repeat(i * i % 977)).collect();
        let all = lines.join("\n") + "\n";
        for piece in [1, 2, 3, 7, 100, 4095, 4096, 4097, 1 << 20] {
            let mut from = Pieces(all.as_bytes(), piece);
            let (mut input, mut found, mut held) = (Input::new(), Vec::new(), None);
            loop {
                while let Some(line) = input.line() {
                    found.push(String::from_utf8(input.data[line].to_vec()).unwrap());
                    // Now and then somebody still works on the buffer.
                    if found.len() % 5 == 0 {
                        held = Some(Arc::clone(&input.data));
                    }
                }
                if input.fill(&mut from, 1 << 20).unwrap() == Came::End {
                    break;
                }
            }
            assert_eq!(found, lines, "pieces of {piece}");
            drop(held);
        }
    }

    #[test]
    fn answers_come_in_order_and_those_that_wait_for_their_turn_are_counted() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let mut connection = Connection::new(ours, 0, Tenant::own());
        connection.order(0);
        let answer = |connection: &mut Connection, number: u64| {
            connection.answer(number, |out| out.extend(std::iter::repeat_n(number as u8, 100)));
        };
        for number in [2, 1, 4] {
            answer(&mut connection, number);
        }
        assert_eq!((connection.waiting(), connection.held()), (0, 300));
        answer(&mut connection, 0);
        assert_eq!((connection.waiting(), connection.held()), (300, 400));
        answer(&mut connection, 3);
        assert_eq!((connection.waiting(), connection.held()), (500, 500));
        let expected: Vec<u8> = (0..5).flat_map(|number| [number; 100]).collect();
        assert_eq!(connection.output, expected);
    }

    #[test]
    fn a_large_answer_arrives_whole_however_it_is_taken() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut connection = Connection::new(ours, 0, Tenant::own());
        let answer: Vec<u8> = (0..3_000_000u32).map(|at| (at % 251) as u8).collect();
        connection.answer(0, |out| out.extend_from_slice(&answer));
        let (mut taken, mut room) = (Vec::new(), vec![0; 50_000]);
        while taken.len() < answer.len() {
            connection.writable = true;
            connection.write().unwrap();
            let count = theirs.read(&mut room).unwrap();
            taken.extend_from_slice(&room[..count]);
        }
        assert!(taken == answer && connection.held() == 0);
    }

    #[test]
    fn frames_come_out_as_they_went_in() {
        let mut all = Vec::new();
        for i in 0..100u32 {
            all.extend_from_slice(&i.to_le_bytes());
            all.extend_from_slice(&vec![i as u8; i as usize]);
        }
        for piece in [1, 5, 64, 10_000] {
            let mut from = Pieces(&all, piece);
            let (mut input, mut next) = (Input::new(), 0);
            loop {
                while let Some(frame) = input.frame(100).unwrap() {
                    assert_eq!(input.data[frame], vec![next as u8; next]);
                    next += 1;
                }
                if input.fill(&mut from, 1 << 20).unwrap() == Came::End {
                    break;
                }
            }
            assert_eq!(next, 100);
        }
        let mut input = Input::new();
        input.fill(&mut Pieces(&101u32.to_le_bytes(), 4), 100).unwrap();
        assert_eq!(input.frame(100), Err(()));
    }
}
