//! Running ahead: the token holder takes the next transactions itself and commits each as it ends.
//!
//! Where transactions are tiny, or conflict much, a second core does not help: handing a version from core to core costs
//! more than making it. The engine notices: a run takes next to no time, or nearly every commit needed a second run.
//! Then the holder closes the claims, lets what is in flight finish, claims the index at the commit turn itself and runs
//! it under the token. That is I2 without a first run: everything below is final, so nothing has to be certified or
//! swapped. The others spin a little and sleep.
//!
//! When to begin and to end is a hint like all others: measured, and of no consequence for results.

use crate::error::TxResult;
use crate::execute::Why;
use crate::run::{Segment, Shared, Worker};
use crate::sync::{AcqRel, Acquire, AtomicBool, AtomicU32, Relaxed, Release, SeqCst};
use crate::tx::Tx;

/// Below this many nanoseconds per transaction one core is faster than two.
const TINY: u64 = 150;
/// Longest stretch between two looks at the clock.
const STRETCH: u32 = 64;
/// How many transactions are run ahead because of conflicts: the first time, and at most.
const STAY_MIN: u32 = 512;
const STAY_MAX: u32 = 1 << 14;

/// Whether to run ahead.
pub(crate) struct Ahead {
    /// Claims are closed: whoever holds the token runs ahead.
    on: AtomicBool,
    /// Token holder: transactions still to be run ahead whatever they cost.
    owed: AtomicU32,
    /// Token holder: how many it will be next time.
    stay: AtomicU32,
    /// The engine may run ahead, and has a clock to judge by.
    pub(crate) measured: bool,
}

impl Ahead {
    pub(crate) fn new(on: bool, measured: bool) -> Ahead {
        let (owed, stay) = (AtomicU32::new(0), AtomicU32::new(STAY_MIN));
        Ahead { on: AtomicBool::new(on && measured), owed, stay, measured }
    }

    #[inline(always)]
    pub(crate) fn on(&self) -> bool {
        self.on.load(Relaxed)
    }

    /// A few claimed transactions took this long.
    pub(crate) fn sample(&self, nanos: u64, transactions: u64) {
        if nanos < TINY * transactions {
            self.on.store(true, Release);
        }
    }

    /// Token holder: nearly everything conflicts.
    pub(crate) fn contention(&self) {
        let stay = self.stay.load(Relaxed);
        self.invite(stay);
        self.stay.store((stay * 4).min(STAY_MAX), Relaxed);
    }

    /// Token holder: hardly anything conflicts.
    pub(crate) fn calm(&self) {
        self.stay.store((self.stay.load(Relaxed) / 2).max(STAY_MIN), Relaxed);
    }

    /// Runs ahead for at least `n` transactions.
    pub(crate) fn invite(&self, n: u32) {
        self.owed.store(n, Relaxed);
        self.on.store(true, Release);
    }
}

impl Shared<'_> {
    /// Whether the token holder could run ahead from commit index `c`: nothing is in flight.
    #[inline(always)]
    pub(crate) fn may_run_ahead(&self, c: u32) -> bool {
        self.ahead.on() && self.next.load(Acquire) == c && c < self.n
    }
}

impl<J, R, F> Segment<'_, J, R, F>
where
    F: Fn(&mut Tx<'_>, &J) -> TxResult<R> + Sync,
{
    /// Token holder, at commit index `c`: runs ahead while that pays. Returns the new commit index.
    #[cold]
    #[inline(never)]
    pub(crate) fn run_ahead(&self, mut c: u32, w: &mut Worker<R>) -> u32 {
        let sh = self.shared;
        let (mut length, mut spent, mut ran) = (1, 0, 0);
        let mut before = sh.ahead.measured.then(|| sh.now());
        while !sh.finished(c) {
            let owed = sh.ahead.owed.load(Relaxed);
            // A hook may end the block with any transaction: then one at a time.
            let take = length.min(sh.n - c).min(if sh.hook.is_some() { 1 } else { STRETCH }).min(if before.is_none() {
                owed.max(1)
            } else {
                STRETCH
            });
            // A late claimer may have been faster; what it took is certified as usual.
            if sh.next.compare_exchange(c, c + take, AcqRel, Relaxed).is_err() {
                break;
            }
            let upto = self.each(w, c..c + take, Why::Final);
            let done = upto - c;
            w.scratch.counts.commits += u64::from(done);
            w.scratch.counts.ahead += u64::from(done);
            sh.ahead.owed.store(owed.saturating_sub(done), Relaxed);
            c = upto;
            sh.turn.commit.store(c, Release);
            if done < take {
                break;
            }
            length = (length * 2).min(STRETCH);
            let pays = match before {
                None => false,
                Some(then) => {
                    let now = sh.now();
                    (spent, ran) = (spent / 2 + (now - then), ran / 2 + u64::from(done));
                    before = Some(now);
                    // The first transaction of a block pays for cold caches.
                    spent < TINY * ran || (ran < 16 && spent < 20 * TINY)
                }
            };
            if !pays && owed <= done {
                sh.ahead.on.store(false, SeqCst);
                break;
            }
        }
        sh.forget(c);
        c
    }
}
