//! Reads histories into a compact form: clients, keys and values become numbers.

use crate::history::{Ending, Entry, Head, Op, Place, VERSION};
use std::collections::HashMap;
use std::io::BufRead;
use std::path::Path;

/// One request, with numbers for its texts.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Which file it came from, and so which clock its times are of.
    pub file: u32,
    /// Its line in that file.
    pub line: u32,
    /// Number of the session.
    pub session: u32,
    /// Its number in the session.
    pub seq: u64,
    /// What was asked.
    pub op: Op,
    /// Number of the key.
    pub key: u32,
    /// Number of the written value.
    pub value: Option<u32>,
    /// Number of the expected value.
    pub expected: Option<u32>,
    /// First sent.
    pub sent: u64,
    /// Answered, or given up.
    pub ended: u64,
    /// How it ended.
    pub end: Ending,
    /// Where it was executed.
    pub place: Option<Place>,
    /// The version that it found.
    pub found: Option<Place>,
    /// Number of the value that it read.
    pub got: Option<u32>,
}

impl Request {
    /// Whether it was executed and wrote or removed something.
    #[must_use]
    pub fn writes(&self) -> bool {
        !matches!(self.op, Op::Open | Op::Get) && self.end == Ending::Ok
    }
}

/// Texts by number.
#[derive(Default)]
struct Texts {
    numbers: HashMap<Box<str>, u32>,
    texts: Vec<Box<str>>,
}

impl Texts {
    fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.texts.len() as u32;
        self.texts.push(text.into());
        self.numbers.insert(text.into(), number);
        number
    }

    fn text(&self, number: u32) -> &str {
        self.texts.get(number as usize).map_or("?", |text| text)
    }
}

/// The histories of all clients of a run.
#[derive(Default)]
pub struct Histories {
    /// All requests, file by file, in the order of the files' lines.
    pub requests: Vec<Request>,
    files: Vec<(String, u32)>,
    clocks: Texts,
    clients: Texts,
    keys: Texts,
    values: Texts,
    whys: HashMap<usize, String>,
}

impl Histories {
    /// Adds a history from a file.
    ///
    /// # Errors
    /// When it cannot be read or is not a history; file and line are named.
    pub fn add_file(&mut self, path: &Path) -> Result<(), String> {
        let name = path.display().to_string();
        let file = std::fs::File::open(path)
            .map_err(|e| format!("cannot read the history {name}: {e}; is it the file that --history named?"))?;
        self.add(&name, std::io::BufReader::with_capacity(1 << 20, file))
    }

    /// Adds a history called `name`.
    ///
    /// # Errors
    /// When it cannot be read or is not a history; `name` and line are named.
    pub fn add(&mut self, name: &str, mut lines: impl BufRead) -> Result<(), String> {
        let mut line = String::new();
        let mut at = 0u32;
        let file = self.files.len() as u32;
        loop {
            line.clear();
            at += 1;
            let read = lines.read_line(&mut line).map_err(|e| format!("cannot read line {at} of {name}: {e}"))?;
            if read == 0 {
                break;
            }
            if !line.ends_with('\n') {
                return Err(format!(
                    "{name} is cut short in line {at}: the client was stopped while it wrote; \
                     what it did not write down may have been executed, so nothing can be said"
                ));
            }
            if at == 1 {
                let head: Head = serde_json::from_str(&line)
                    .map_err(|e| format!("{name} does not begin as a history of paxos-client does: {e}"))?;
                if head.history != VERSION {
                    return Err(format!("{name} is a history of version {}, known is {VERSION}", head.history));
                }
                let clock = self.clocks.number(&head.clock);
                self.files.push((name.to_owned(), clock));
                continue;
            }
            let entry: Entry<'_> = serde_json::from_str(&line)
                .map_err(|e| format!("line {at} of {name} is no entry of a history: {e}"))?;
            self.push(file, at, &entry).map_err(|e| format!("line {at} of {name}: {e}"))?;
        }
        if at == 1 {
            return Err(format!("{name} is empty: the client was stopped before it wrote its first line"));
        }
        Ok(())
    }

    fn push(&mut self, file: u32, line: u32, entry: &Entry<'_>) -> Result<(), String> {
        let executed = !matches!(entry.end, Ending::Unknown | Ending::Refused);
        if executed != entry.place.is_some() {
            return Err("an executed request has a place, and only such a one".to_owned());
        }
        if entry.sent > entry.ended {
            return Err(format!("it ended at {}, before it was sent at {}", entry.ended, entry.sent));
        }
        if let Some(why) = &entry.why {
            self.whys.insert(self.requests.len(), why.clone().into_owned());
        }
        self.requests.push(Request {
            file,
            line,
            session: self.clients.number(&entry.client),
            seq: entry.seq,
            op: entry.op,
            key: self.keys.number(&entry.key),
            value: entry.value.as_deref().map(|value| self.values.number(value)),
            expected: entry.expected.as_deref().map(|value| self.values.number(value)),
            sent: entry.sent,
            ended: entry.ended,
            end: entry.end,
            place: entry.place,
            found: entry.found,
            got: entry.got.as_deref().map(|value| self.values.number(value)),
        });
        Ok(())
    }

    /// How many sessions there are.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.clients.texts.len()
    }

    /// How many keys.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.keys.texts.len()
    }

    /// How many different values.
    #[must_use]
    pub fn values(&self) -> usize {
        self.values.texts.len()
    }

    /// How many clocks.
    #[must_use]
    pub fn clocks(&self) -> usize {
        self.clocks.texts.len()
    }

    /// The number of the clock of a request.
    #[must_use]
    pub fn clock(&self, request: &Request) -> u32 {
        self.files.get(request.file as usize).map_or(0, |file| file.1)
    }

    /// The text of a value.
    #[must_use]
    pub fn value(&self, number: u32) -> &str {
        self.values.text(number)
    }

    /// Why a request was refused.
    #[must_use]
    pub fn why(&self, request: usize) -> &str {
        self.whys.get(&request).map_or("no reason given", String::as_str)
    }

    /// A request in words: who asked what, and what the answer was.
    #[must_use]
    pub fn describe(&self, request: usize) -> String {
        let Some(r) = self.requests.get(request) else { return "?".to_owned() };
        let mut text = format!("{} {}", r.op.name(), self.keys.text(r.key));
        if let Some(expected) = r.expected {
            text += &format!(" {}", self.value(expected));
        }
        if let Some(value) = r.value {
            text += &format!(" {}", self.value(value));
        }
        text += &format!(" (request {} of client {}", r.seq, self.clients.text(r.session));
        if let Some((file, _)) = self.files.get(r.file as usize) {
            text += &format!(", {file}:{}", r.line);
        }
        text += &format!(") → {}", r.end.name());
        if let Some(got) = r.got {
            text += &format!(" {}", self.value(got));
        }
        if let Some(found) = r.found {
            text += &format!(", found version {found}");
        }
        if let Some(place) = r.place {
            text += &format!(", executed at {place}");
        }
        text
    }
}
