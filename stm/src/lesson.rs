//! What blocks have taught: which of two ways was faster for blocks of about this length.
//!
//! A short block is over before anything can be measured in it, so what one has shown is kept for the next. The two ways
//! are *direct* (one by one, in place) and *open* (`batch` measures within the block and speculates). Both are timed over
//! whole blocks, or pieces of long ones; the better is taken, and the other is tried again now and then: the rarer, the more
//! a trial costs and the oftener it has said the same.
//!
//! Nothing of this is ever visible in results.

use std::num::NonZero;

/// Times of this many blocks are kept of each way.
const KEPT: usize = 5;
/// Blocks between two trials, at least and at most.
const PERIOD_MIN: u32 = 4;
const PERIOD_MAX: u32 = 512;
/// What a trial loses is so small a share of the time until the next one.
const SHARE: u64 = 16;
/// Blocks of each way before they are compared: one may have been disturbed.
const ENOUGH: usize = 2;
/// Longest trial, and piece of a block, in nanoseconds.
const TRIAL_NANOS: u64 = 1_000_000;
const PIECE_NANOS: u64 = 16_000_000;
/// Length of a block's first piece while nothing is known.
const FIRST_PIECE: usize = 1 << 14;

/// Nanoseconds per transaction, of the last few blocks that went this way.
#[derive(Clone, Copy, Default, Debug)]
struct Way {
    recent: [u64; KEPT],
    blocks: usize,
}

impl Way {
    fn note(&mut self, cost: u64) {
        self.recent[self.blocks % KEPT] = cost;
        self.blocks = if self.blocks + 1 >= 2 * KEPT { KEPT } else { self.blocks + 1 };
    }

    /// The median, the lower one of two: what disturbs a measurement makes it longer.
    fn usual(&self) -> Option<NonZero<u64>> {
        let mut sorted = self.recent;
        let known = self.blocks.min(KEPT);
        let sorted = &mut sorted[..known];
        sorted.sort_unstable();
        NonZero::new(*sorted.get(known.checked_sub(1)? / 2)?)
    }
}

/// How to run a piece.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Choice {
    Open,
    Direct,
    /// So many transactions directly, to see; the rest as before.
    TryDirect(usize),
    TryOpen(usize),
}

/// What is known about blocks of one class of lengths.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Lesson {
    direct: Way,
    open: Way,
    /// Blocks until the next trial, and since the last.
    wait: u32,
    since: u32,
    period: u32,
    /// What the better way took at the last trial.
    compared: u64,
    /// Transactions to run in direct mode before speculation is tried again within a block; grows while it keeps failing.
    pub(crate) stay_direct: usize,
}

impl Lesson {
    /// What one transaction takes in direct mode, as far as is known.
    pub(crate) fn alone(&self) -> Option<u64> {
        self.direct.usual().map(NonZero::get)
    }

    pub(crate) fn note_direct(&mut self, cost: u64) {
        self.note(|l| l.direct.note(cost.max(1)));
    }

    pub(crate) fn note_open(&mut self, cost: u64) {
        self.note(|l| l.open.note(cost.max(1)));
    }

    fn note(&mut self, what: impl FnOnce(&mut Lesson)) {
        let before = self.prefers_direct();
        what(self);
        if before.is_some() && before != self.prefers_direct() {
            (self.period, self.wait) = (PERIOD_MIN, PERIOD_MIN);
        }
    }

    fn prefers_direct(&self) -> Option<bool> {
        Some(self.direct.usual()? <= self.open.usual()?)
    }

    /// How the next piece is to be run.
    pub(crate) fn choose(&mut self) -> Choice {
        let Some(open) = self.open.usual().map(NonZero::get) else { return Choice::Open };
        let Some(direct) = self.direct.usual().map(NonZero::get) else { return Choice::TryDirect(few(open)) };
        if self.open.blocks < ENOUGH {
            return Choice::TryOpen(few(direct));
        }
        if self.direct.blocks < ENOUGH {
            return Choice::TryDirect(few(open));
        }
        let (better, worse) = (direct.min(open), direct.max(open));
        let dear = (SHARE.saturating_mul(worse - better) / better).min(8 * u64::from(PERIOD_MAX)) as u32;
        // Where blocks have become another thing, what is known about the other way is worth nothing.
        let forget = better.abs_diff(self.compared) > self.compared / 4 && self.since >= dear.max(PERIOD_MIN);
        self.since = self.since.saturating_add(1);
        if self.wait > 0 && !forget {
            self.wait -= 1;
            return if direct <= open { Choice::Direct } else { Choice::Open };
        }
        self.period = if forget { PERIOD_MIN } else { (2 * self.period).clamp(PERIOD_MIN, PERIOD_MAX) };
        (self.wait, self.since, self.compared) = (self.period.max(dear), 0, better);
        let (choice, other) = if direct <= open {
            (Choice::TryOpen(few(direct)), &mut self.open)
        } else {
            (Choice::TryDirect(few(open)), &mut self.direct)
        };
        if forget {
            *other = Way::default();
        }
        choice
    }
}

/// How many transactions of this cost a trial takes.
fn few(cost: u64) -> usize {
    (TRIAL_NANOS / cost).max(1) as usize
}

/// Lessons by length, a class for each power of two.
pub(crate) struct Lessons {
    classes: [Lesson; usize::BITS as usize],
    /// What a transaction took lately, nanoseconds on the wall.
    cost: u64,
}

impl Lessons {
    pub(crate) fn new() -> Lessons {
        Lessons { classes: [Lesson::default(); usize::BITS as usize], cost: 0 }
    }

    pub(crate) fn of(&mut self, transactions: usize) -> &mut Lesson {
        &mut self.classes[transactions.max(1).ilog2() as usize]
    }

    /// A piece of so many transactions took this long, whatever way.
    pub(crate) fn took(&mut self, nanos: u64, transactions: usize) -> u64 {
        let cost = nanos / transactions.max(1) as u64;
        self.cost = cost;
        cost
    }

    /// Transactions of the next piece of a block of which `left` are left: long enough that its ends do not count.
    pub(crate) fn piece(&self, left: usize, workers: usize) -> usize {
        let piece = match self.cost {
            0 => FIRST_PIECE,
            cost => (PIECE_NANOS / cost) as usize,
        };
        let piece = piece.max(64 * workers);
        // No crumbs at the end.
        if left < piece + piece / 2 { left } else { piece }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    /// Blocks that take `direct` and `open` nanoseconds a transaction, but for every seventh, which was disturbed: how
    /// often each way was taken, and the mean cost of the last half.
    fn run(lesson: &mut Lesson, blocks: u32, direct: u64, open: u64) -> (u32, u32, u64) {
        let (mut directs, mut opens, mut spent) = (0, 0, 0);
        for k in 0..blocks {
            let noise = if k % 7 == 3 { 5 } else { 1 };
            let way = lesson.choose();
            let cost = match way {
                Choice::Direct | Choice::TryDirect(_) => {
                    directs += 1;
                    lesson.note_direct(direct * noise);
                    direct
                }
                Choice::Open | Choice::TryOpen(_) => {
                    opens += 1;
                    lesson.note_open(open * noise);
                    open
                }
            };
            if k >= blocks / 2 {
                spent += cost;
            }
        }
        (directs, opens, spent / u64::from(blocks - blocks / 2))
    }

    #[test]
    fn the_better_way_is_found_and_the_other_rarely_tried() {
        for (direct, open) in [(1_000, 8_000), (1_000, 1_300), (1_000, 550), (20_000, 15_000), (70, 7_000)] {
            let mut lesson = Lesson::default();
            let (directs, opens, mean) = run(&mut lesson, 400, direct, open);
            let best = direct.min(open);
            assert!(mean <= best + best / 8, "{direct} and {open}: {mean}, {directs} direct, {opens} open");
            let (right, wrong) = if direct < open { (directs, opens) } else { (opens, directs) };
            assert!(wrong >= 3 && wrong < right / 8, "{direct} and {open}: {directs} direct, {opens} open");
        }
    }

    #[test]
    fn blocks_that_have_changed_are_learnt_anew() {
        let mut lesson = Lesson::default();
        run(&mut lesson, 2_000, 1_000, 4_000);
        // Ten times as much work, now without conflicts.
        let (_, _, mean) = run(&mut lesson, 200, 10_000, 5_500);
        assert!(mean < 6_200, "{mean}");
        let (_, _, mean) = run(&mut lesson, 200, 1_000, 4_000);
        assert!(mean < 1_300, "{mean}");
    }

    #[test]
    fn pieces_are_long_and_leave_no_crumbs() {
        let mut lessons = Lessons::new();
        assert_eq!(lessons.piece(10_000, 2), 10_000, "nothing known, not long");
        assert_eq!(lessons.piece(100_000, 2), FIRST_PIECE);
        lessons.took(10_000_000, 1_000); // 10 us each
        assert_eq!(lessons.piece(100_000, 2), 1_600);
        assert_eq!(lessons.piece(2_000, 2), 2_000);
        lessons.took(10_000_000, 1);
        assert_eq!(lessons.piece(100_000, 4), 256);
    }
}
