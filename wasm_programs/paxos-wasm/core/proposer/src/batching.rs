//! Commands on their way into a batch: joined as they are, with a note of whose they are.

use crate::Config;
use paxos_types::reply::REPLY_HEAD;
use paxos_types::{BatchBuilder, BatchId, Bytes, Instant};
use std::collections::{BTreeSet, VecDeque};

/// Bytes that the answers to a batch may take, where it is joined of several requests, and those to a single request: a short command may
/// have a long answer, and whoever executes a batch holds all answers to it.
const ANSWERS_OF_A_BATCH: usize = 64 << 20;
const ANSWERS_OF_A_REQUEST: usize = 1 << 30;

/// The longest answer to a command. Also a command that writes can have it: sent again under the number of one that reads.
fn longest_answer(config: &Config) -> usize {
    4 + REPLY_HEAD + config.max_value
}

fn at_most(answers: usize, config: &Config) -> u32 {
    u32::try_from(answers / longest_answer(config)).unwrap_or(u32::MAX).max(1)
}

/// Commands that are joined to a batch at most.
fn most_commands(config: &Config) -> u32 {
    config.max_commands.min(at_most(ANSWERS_OF_A_BATCH, config))
}

/// Commands that a request may have.
pub(crate) fn most_in_a_request(config: &Config) -> u32 {
    at_most(ANSWERS_OF_A_REQUEST, config)
}

/// Neighbouring commands of one batch that came on one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Segment {
    pub(crate) connection: u64,
    pub(crate) count: u32,
}

/// A batch that is being filled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Filling {
    builder: BatchBuilder,
    segments: Vec<Segment>,
    since: Instant,
}

/// Batches that wait for a slot: all but the last are full.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Queue {
    batches: VecDeque<Filling>,
    bytes: usize,
    commands: u64,
}

impl Queue {
    /// Bytes of waiting commands.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many commands wait.
    pub(crate) fn commands(&self) -> u64 {
        self.commands
    }

    /// Since when the oldest command waits.
    pub(crate) fn since(&self) -> Option<Instant> {
        self.batches.front().map(|b| b.since)
    }

    pub(crate) fn push(&mut self, now: Instant, connection: u64, commands: &[u8], count: u32, config: &Config) {
        self.bytes += commands.len();
        self.commands += u64::from(count);
        let fits = self.batches.back().is_some_and(|b| {
            b.builder.count().saturating_add(count) <= most_commands(config)
                && b.builder.len() + commands.len() <= config.max_bytes
        });
        if !fits {
            self.batches.push_back(Filling { since: now, ..Filling::default() });
        }
        let Some(batch) = self.batches.back_mut() else { return };
        batch.builder.push(commands, count);
        match batch.segments.last_mut() {
            Some(last) if last.connection == connection => last.count += count,
            _ => batch.segments.push(Segment { connection, count }),
        }
    }

    /// Whether the oldest batch is to go now, given a free slot. `collecting`: more requests are about to come. `idle`: nothing is open,
    /// so there is nothing to wait for.
    pub(crate) fn ripe(&self, now: Instant, collecting: bool, idle: bool, config: &Config) -> bool {
        let Some(first) = self.batches.front() else { return false };
        // Another one behind it: it is full.
        self.batches.len() > 1
            || first.builder.count() >= most_commands(config)
            || first.builder.len() >= config.max_bytes
            || (!collecting && (idle || now.since(first.since) >= config.max_delay))
    }

    pub(crate) fn pop(&mut self, id: BatchId) -> Option<(Bytes, Vec<Segment>)> {
        let mut batch = self.batches.pop_front()?;
        self.commands = self.commands.saturating_sub(u64::from(batch.builder.count()));
        let bytes = batch.builder.finish(id);
        self.bytes = self.bytes.saturating_sub(bytes.len() - paxos_types::batch::BATCH_HEAD);
        Some((bytes, batch.segments))
    }

    /// Forgets everything; returns whom it came from.
    pub(crate) fn clear(&mut self) -> BTreeSet<u64> {
        self.bytes = 0;
        self.commands = 0;
        self.batches.drain(..).flat_map(|b| b.segments).map(|s| s.connection).collect()
    }
}
