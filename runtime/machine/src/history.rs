//! What the machine remembers of the recent past: enough to say at which batch, and at which system call, two nodes
//! parted. It is this node's memory only: nothing in it influences a run.

use replicode_log::{BatchIndex, Digest};
use replicode_syscalls::StepRecord;
use std::collections::VecDeque;

/// State digests that are kept, one per batch.
pub const DIGESTS: usize = 4096;

/// System calls that are kept, over all batches together: a few MiB. Of the batches whose digests are kept only.
pub const STEPS: usize = 200_000;

/// The digest chain's end, and the last system calls.
#[derive(Debug, Default)]
pub struct History {
    last: BatchIndex,
    digests: VecDeque<Digest>,
    steps: VecDeque<(BatchIndex, Vec<StepRecord>)>,
    kept_steps: usize,
}

impl History {
    /// A history whose digest before any batch is `genesis`.
    #[must_use]
    pub fn new(genesis: Digest) -> Self {
        Self { digests: VecDeque::from([genesis]), ..Self::default() }
    }

    /// The last batch.
    #[must_use]
    pub const fn last(&self) -> BatchIndex {
        self.last
    }

    /// The state digest after the last batch.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digests.back().copied().unwrap_or_default()
    }

    /// The next batch amounted to `digest` and made these system calls (the first of them, if it made very many).
    pub fn push(&mut self, digest: Digest, mut steps: Vec<StepRecord>) {
        self.last = self.last.next();
        if self.digests.len() == DIGESTS {
            self.digests.pop_front();
        }
        self.digests.push_back(digest);

        steps.truncate(STEPS);
        steps.shrink_to_fit();
        if steps.is_empty() {
            return;
        }
        self.kept_steps += steps.len();
        self.steps.push_back((self.last, steps));
        while self.kept_steps > STEPS || self.steps.len() > DIGESTS {
            let Some((_, dropped)) = self.steps.pop_front() else { break };
            self.kept_steps -= dropped.len();
        }
    }

    /// The state digest after a batch, if it is recent enough.
    #[must_use]
    pub fn digest_of(&self, index: BatchIndex) -> Option<Digest> {
        let age = usize::try_from(self.last.0.checked_sub(index.0)?).ok()?;
        self.digests.get(self.digests.len().checked_sub(1 + age)?).copied()
    }

    /// The system calls of a batch, in order; `None` when it made none or is too long ago.
    #[must_use]
    pub fn steps_of(&self, index: BatchIndex) -> Option<&[StepRecord]> {
        let at = self.steps.binary_search_by_key(&index, |(index, _)| *index).ok()?;
        Some(&self.steps[at].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use replicode_log::{Pid, StepHash};

    fn digest(n: usize) -> Digest {
        Digest::of(&n.to_le_bytes())
    }

    #[test]
    fn digests_are_found_by_batch_until_they_are_too_old() {
        let mut history = History::new(digest(0));
        assert_eq!(history.digest_of(BatchIndex(0)), Some(digest(0)));
        for n in 1..=DIGESTS + 9 {
            history.push(digest(n), Vec::new());
        }
        let last = DIGESTS + 9;
        assert_eq!((history.last(), history.digest()), (BatchIndex(last as u64), digest(last)));
        assert_eq!(history.digest_of(BatchIndex(last as u64 + 1)), None);
        assert_eq!(history.digest_of(BatchIndex(10)), Some(digest(10)));
        assert_eq!(history.digest_of(BatchIndex(9)), None);
    }

    fn record(hash: u64) -> StepRecord {
        StepRecord { pid: Pid(1), call: 3, hash: StepHash(hash) }
    }

    #[test]
    fn steps_are_kept_as_long_as_digests() {
        let mut history = History::new(digest(0));
        for n in 1..=DIGESTS + 1 {
            history.push(digest(n), vec![record(n as u64)]);
        }
        assert_eq!(history.steps_of(BatchIndex(1)), None);
        assert_eq!(history.steps_of(BatchIndex(2)), Some(&[record(2)][..]));
        assert_eq!((history.steps.len(), history.kept_steps), (DIGESTS, DIGESTS));
    }

    #[test]
    fn steps_are_kept_up_to_a_bound() {
        let mut history = History::new(digest(0));
        history.push(digest(1), vec![record(1)]);
        history.push(digest(2), Vec::new());
        history.push(digest(3), vec![record(3); STEPS - 1]);
        assert_eq!(history.steps_of(BatchIndex(1)), Some(&[record(1)][..]));
        assert_eq!(history.steps_of(BatchIndex(2)), None);
        history.push(digest(4), vec![record(4)]);
        assert_eq!(history.steps_of(BatchIndex(1)), None, "dropped for the newest");
        assert_eq!(history.steps_of(BatchIndex(3)).map(<[_]>::len), Some(STEPS - 1));
        assert_eq!(history.steps_of(BatchIndex(4)), Some(&[record(4)][..]));
    }
}
