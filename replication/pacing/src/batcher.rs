//! What the leader puts into a batch, and when. Pure.
//!
//! Natural batching: when no batch is on its way, whatever has gathered becomes the next one at once. While batches are
//! on their way what arrives gathers, and sets out beside them, as far as the pipeline takes it, as soon as it is as
//! heavy as all of them together: pipelining must hide a long way, and must not split what could have shared a sync
//! into ever smaller batches. A batch is on its way until this node's machine has applied it: only then are its clients
//! answered, and ask again. No timer is involved here. A batch without inputs is made only when the machine's next
//! deadline is due: an idle cluster writes nothing.
//!
//! A batch that is on its way is kept until it is applied. The engine may refuse it, or lose it: then it is proposed
//! again, byte for byte the same, and so are those after it, which cannot fit without it. A repeat of a batch that was
//! taken after all does no harm: it does not continue the history any more, and every node skips it alike.

use crate::outgoing::Parcel;
use bytes::{BufMut, Bytes};
use replicode_log::{Batch, BatchHeader, BatchIndex, Digest, LogicalTime, Tip, codec};
use std::collections::VecDeque;

/// How far the machine above has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The last batch it applied.
    pub index: BatchIndex,
    /// When it wants to be given a batch even if nothing arrives; `None`: never.
    pub next_deadline: Option<LogicalTime>,
    /// The sequence number it expects next from this node's current boot (`Machine::origin`).
    pub next_seq: u64,
}

/// Gathers parcels into batches while this node leads.
#[derive(Debug)]
pub struct Batcher {
    depth: usize,
    max_inputs: usize,
    max_bytes: usize,
    /// The last batch made or, before the first one, the last one known; `None` while this node does not lead.
    tip: Option<Tip>,
    /// The batches on their way, oldest first; the last one is that of the tip.
    on_their_way: VecDeque<Out>,
    /// How many of these, from the oldest, the engine has and has not given back.
    given: usize,
    /// Counts what was given to the engine.
    attempts: u64,
    progress: Option<Progress>,
    queue: VecDeque<Parcel>,
    queued_bytes: usize,
}

/// A batch that has been made.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// The encoded batch.
    pub encoded: Bytes,
    /// Its number.
    pub index: BatchIndex,
    /// Tells proposals of the same batch apart: an answer to an earlier one says nothing about the latest.
    pub attempt: u64,
}

/// A batch on its way.
#[derive(Debug)]
struct Out {
    proposal: Proposal,
    content: Digest,
    /// Bytes of its inputs.
    weight: usize,
}

impl Batcher {
    /// A batcher that does not lead. `depth` batches may be on their way at once.
    #[must_use]
    pub fn new(depth: usize, max_inputs: usize, max_bytes: usize) -> Self {
        Self {
            depth: depth.max(1),
            max_inputs,
            max_bytes: max_bytes.min(Batch::MAX_ENCODED - 1024),
            tip: None,
            on_their_way: VecDeque::new(),
            given: 0,
            attempts: 0,
            progress: None,
            queue: VecDeque::new(),
            queued_bytes: 0,
        }
    }

    /// This node leads, and `tip` is the end of history: all entries of earlier terms have been applied.
    pub fn lead(&mut self, tip: Tip) {
        self.tip = Some(tip);
        self.forget();
    }

    /// This node does not lead (any more). What has gathered is dropped: its origins send it again.
    pub fn follow(&mut self) {
        self.tip = None;
        self.queue.clear();
        self.queued_bytes = 0;
        self.forget();
    }

    fn forget(&mut self) {
        self.on_their_way.clear();
        self.given = 0;
    }

    /// Whether batches are made.
    #[must_use]
    pub const fn leads(&self) -> bool {
        self.tip.is_some()
    }

    /// Inputs to be put into a batch.
    pub fn push(&mut self, parcel: Parcel) {
        self.queued_bytes += parcel.bytes.len();
        self.queue.push_back(parcel);
    }

    /// Whether a few batches' worth has gathered already: whoever brings more should wait.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.queued_bytes >= 4 * self.max_bytes
    }

    /// Whether a batch's worth has gathered.
    #[must_use]
    pub const fn is_heavy(&self) -> bool {
        self.queued_bytes >= self.max_bytes
    }

    /// The oldest batch on its way.
    #[must_use]
    pub fn oldest(&self) -> Option<BatchIndex> {
        self.on_their_way.front().map(|out| out.proposal.index)
    }

    /// The machine has come this far.
    pub fn applied(&mut self, progress: Progress) {
        self.progress = Some(progress);
        let Some(tip) = self.tip else { return };
        let left = tip.index.0.saturating_sub(progress.index.0) as usize;
        let done = self.on_their_way.len().saturating_sub(left);
        self.on_their_way.drain(..done);
        self.given = self.given.saturating_sub(done);
    }

    /// The engine has refused or lost a proposal: that batch and those after it are to be proposed again. Answers whether
    /// that is so; an answer to a proposal that has been replaced changes nothing.
    pub fn refused(&mut self, index: BatchIndex, attempt: u64) -> bool {
        let Some(at) = self.place(index).filter(|at| *at < self.given) else { return false };
        let current = self.on_their_way.get(at).is_some_and(|out| out.proposal.attempt == attempt);
        if current {
            self.given = at;
        }
        current
    }

    /// Everything on its way is to be proposed again, whatever has become of it.
    pub const fn recall(&mut self) {
        self.given = 0;
    }

    /// Whether history, as it was agreed on up to `tip`, is made of what this leader has proposed. If not, nothing that it
    /// proposes can fit any more.
    #[must_use]
    pub fn agrees(&self, tip: Tip) -> bool {
        let Some(ours) = self.tip else { return true };
        match self.place(tip.index) {
            Some(at) => self.on_their_way.get(at).is_some_and(|out| out.content == tip.content),
            None if tip.index == ours.index => tip.content == ours.content,
            None => tip.index < ours.index,
        }
    }

    /// Where a batch is among those on their way.
    fn place(&self, index: BatchIndex) -> Option<usize> {
        let at = index.0.checked_sub(self.oldest()?.0)? as usize;
        (at < self.on_their_way.len()).then_some(at)
    }

    /// The next batch that was proposed before and has to be again.
    fn again(&mut self) -> Option<Proposal> {
        let out = self.on_their_way.get_mut(self.given)?;
        self.given += 1;
        self.attempts += 1;
        out.proposal.attempt = self.attempts;
        Some(out.proposal.clone())
    }

    /// The next batch, if one is to be proposed now: first those that were proposed in vain. `seed` is only drawn for one
    /// that is made.
    pub fn next(&mut self, now: LogicalTime, seed: impl FnOnce() -> u64) -> Option<Proposal> {
        let tip = self.tip?;
        if let Some(again) = self.again() {
            return Some(again);
        }
        if self.on_their_way.len() >= self.depth || self.queued_bytes < self.floor() {
            return None;
        }
        if self.queue.is_empty() && self.deadline().is_none_or(|deadline| now < deadline) {
            return None;
        }
        let header =
            BatchHeader { index: tip.index.next(), time: now.max(tip.time.plus(1)), seed: seed(), parent: tip.content };
        let before = self.queued_bytes;
        let (sections, count) = self.gather();
        let weight = before - self.queued_bytes;
        // The canonical encoding of a batch, from encoded sections.
        let mut encoded = Vec::with_capacity(BatchHeader::LEN + 4 + sections.iter().map(Bytes::len).sum::<usize>());
        encoded.extend_from_slice(&codec::encode(&header));
        encoded.put_u32_le(count);
        for section in sections {
            encoded.extend_from_slice(&section);
        }
        let tip = tip.advance(&encoded)?;
        self.tip = Some(tip);
        self.given += 1;
        self.attempts += 1;
        let proposal = Proposal { encoded: encoded.into(), index: tip.index, attempt: self.attempts };
        self.on_their_way.push_back(Out { proposal: proposal.clone(), content: tip.content, weight });
        Some(proposal)
    }

    /// How heavy a batch must be to set out now.
    fn floor(&self) -> usize {
        self.on_their_way.iter().map(|out| out.weight).sum::<usize>().min(self.max_bytes)
    }

    /// How many bytes of inputs must arrive before a batch can set out, unless another one is applied first. `patient`: the
    /// next batch waits for more anyway, unless it is full.
    #[must_use]
    pub fn lacks(&self, patient: bool) -> usize {
        if self.on_their_way.len() >= self.depth || self.is_full() {
            return usize::MAX;
        }
        let wanted = if patient { self.max_bytes } else { self.floor() };
        wanted.saturating_sub(self.queued_bytes).max(1)
    }

    /// Takes sections off the queue, up to the caps, one at least.
    fn gather(&mut self) -> (Vec<Bytes>, u32) {
        let (mut sections, mut inputs, mut bytes) = (Vec::new(), 0, 0);
        while let Some(parcel) = self.queue.pop_front_if(|parcel| {
            let fits =
                inputs + parcel.count as usize <= self.max_inputs && bytes + parcel.bytes.len() <= self.max_bytes;
            sections.is_empty() || fits
        }) {
            inputs += parcel.count as usize;
            bytes += parcel.bytes.len();
            self.queued_bytes -= parcel.bytes.len();
            sections.push(parcel.bytes);
        }
        let count = sections.len() as u32;
        (sections, count)
    }

    /// When a batch is due even if nothing arrives. Nothing is due while a batch is on its way: its execution will say
    /// what comes next.
    #[must_use]
    pub fn deadline(&self) -> Option<LogicalTime> {
        let tip = self.tip?;
        self.progress.filter(|progress| progress.index == tip.index)?.next_deadline
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outgoing::Outgoing;
    use replicode_log::{BootNo, ConnId, Digest, Input, NodeId, Pid};

    fn at(nanos: u64) -> LogicalTime {
        LogicalTime::from_nanos(nanos)
    }

    fn parcels(count: u8, per_parcel: usize) -> Vec<Parcel> {
        let node = NodeId::new(1).unwrap_or_else(|_| unreachable!("1 is a node number"));
        let mut outgoing = Outgoing::new(node, per_parcel, 1 << 20);
        outgoing.booted(BootNo(1));
        let input = |n| Input::Data { conn: ConnId::console(Pid(1)), offset: u64::from(n), bytes: vec![n] };
        outgoing.offer(&mut (0..count).map(input).collect());
        std::iter::from_fn(|| outgoing.take()).collect()
    }

    fn leader(depth: usize, max_inputs: usize) -> Batcher {
        let mut batcher = Batcher::new(depth, max_inputs, 1 << 20);
        batcher.lead(Tip::genesis(Digest::of(b"config")));
        batcher
    }

    fn progress(index: u64, next_deadline: Option<LogicalTime>) -> Progress {
        Progress { index: BatchIndex(index), next_deadline, next_seq: 1 }
    }

    fn decode(proposal: &Proposal) -> Batch {
        Batch::decode(&proposal.encoded).unwrap_or_else(|error| unreachable!("it is a batch: {error}"))
    }

    #[test]
    fn batches_chain_and_time_grows() {
        let mut batcher = leader(4, 100);
        let mut tip = Tip::genesis(Digest::of(b"config"));
        for parcel in parcels(3, 1) {
            batcher.push(parcel);
            let Some(proposal) = batcher.next(at(5), || 9) else { unreachable!("there is room") };
            let Some(next) = tip.advance(&proposal.encoded) else { unreachable!("it chains") };
            assert_eq!((next.index, decode(&proposal).len()), (proposal.index, 1));
            batcher.applied(progress(next.index.0, None));
            tip = next;
        }
        assert_eq!(tip.time, at(7));
        assert!(batcher.next(at(5), || 9).is_none());
    }

    #[test]
    fn what_gathers_while_the_pipeline_is_full_becomes_one_batch() {
        let mut batcher = leader(1, 100);
        let mut parcels = parcels(5, 1).into_iter();
        parcels.next().into_iter().for_each(|parcel| batcher.push(parcel));
        assert!(batcher.next(at(1), || 0).is_some());
        parcels.for_each(|parcel| batcher.push(parcel));
        assert!(batcher.next(at(2), || 0).is_none(), "one is on its way");
        batcher.applied(progress(1, None));
        let Some(proposal) = batcher.next(at(3), || 0) else { unreachable!("there is room") };
        assert_eq!(decode(&proposal).len(), 4);
    }

    #[test]
    fn a_batch_sets_out_beside_others_once_it_is_as_heavy_as_they_are_together() {
        let mut batcher = leader(3, 100);
        let mut parcels = parcels(20, 1).into_iter();
        // After how many more inputs the next batch is made, while none is committed.
        let mut until_next = || {
            let mut gathered = 0;
            for parcel in parcels.by_ref() {
                batcher.push(parcel);
                gathered += 1;
                if let Some(proposal) = batcher.next(at(1), || 0) {
                    assert_eq!(decode(&proposal).len(), gathered);
                    return Some(gathered);
                }
            }
            None
        };
        assert_eq!([until_next(), until_next(), until_next()], [Some(1), Some(1), Some(2)]);
        assert_eq!(until_next(), None, "the pipeline is full");
        batcher.applied(progress(2, None));
        assert!(batcher.next(at(2), || 0).is_some(), "sixteen are heavier than two");
    }

    #[test]
    fn the_next_batch_lacks_what_makes_it_as_heavy_as_those_on_their_way() {
        let mut batcher = leader(2, 100);
        assert_eq!(batcher.lacks(false), 1, "anything sets out when nothing is on its way");
        assert_eq!(batcher.lacks(true), 1 << 20, "a full batch does not wait");
        let weight = |parcels: &[Parcel]| parcels.iter().map(|parcel| parcel.bytes.len()).sum::<usize>();
        let (first, second) = (parcels(3, 1), parcels(1, 1));
        first.iter().for_each(|parcel| batcher.push(parcel.clone()));
        assert!(batcher.next(at(1), || 0).is_some());
        assert_eq!(batcher.lacks(false), weight(&first));
        second.iter().for_each(|parcel| batcher.push(parcel.clone()));
        assert_eq!(batcher.lacks(false), weight(&first) - weight(&second));
        first.iter().for_each(|parcel| batcher.push(parcel.clone()));
        assert!(batcher.next(at(2), || 0).is_some());
        assert_eq!(batcher.lacks(false), usize::MAX, "the pipeline is full");
        batcher.applied(progress(2, None));
        assert_eq!(batcher.lacks(false), 1);
    }

    #[test]
    fn caps_split_batches() {
        let mut batcher = leader(9, 5);
        parcels(12, 3).into_iter().for_each(|parcel| batcher.push(parcel));
        let mut next = || {
            let proposal = batcher.next(at(1), || 0)?;
            batcher.applied(progress(proposal.index.0, None));
            Some(decode(&proposal).len())
        };
        let sizes: Vec<_> = std::iter::from_fn(&mut next).collect();
        assert_eq!(sizes, [3, 3, 3, 3]);
    }

    #[test]
    fn a_tick_is_made_when_due_and_nothing_is_on_its_way() {
        let mut batcher = leader(4, 100);
        assert!(batcher.next(at(100), || 0).is_none(), "idle: nothing is written");
        batcher.applied(progress(0, Some(at(50))));
        assert!(batcher.next(at(49), || 0).is_none());
        let Some(tick) = batcher.next(at(50), || 0) else { unreachable!("it is due") };
        assert!(decode(&tick).is_empty());
        assert!(batcher.next(at(60), || 0).is_none(), "the tick is on its way");
        batcher.applied(progress(1, None));
        assert!(batcher.next(at(70), || 0).is_none());
    }

    #[test]
    fn a_follower_makes_nothing_and_keeps_nothing() {
        let mut batcher = leader(4, 100);
        parcels(2, 1).into_iter().for_each(|parcel| batcher.push(parcel));
        batcher.follow();
        assert!(batcher.next(at(1), || 0).is_none() && !batcher.leads());
        batcher.lead(Tip::genesis(Digest::of(b"config")));
        assert!(batcher.next(at(1), || 0).is_none());
    }
}
