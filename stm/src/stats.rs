//! Why was it slow? Counters, the hottest cells, and a trace for people to look at.

use std::fmt;
use std::fmt::Write as _;

/// Counters of one worker, added up after each segment.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) executions: u64,
    pub(crate) commits: u64,
    pub(crate) failed_certifications: u64,
    pub(crate) takeovers: u64,
    pub(crate) group_commits: u64,
    pub(crate) ahead: u64,
    pub(crate) at_turn: u64,
    pub(crate) pushed: u64,
    pub(crate) own: u64,
    pub(crate) invented: u64,
    pub(crate) estimates: u64,
    pub(crate) doomed: u64,
    pub(crate) waits: u64,
    pub(crate) parks: u64,
}

/// What the engine has done since it was built (or since [`crate::Stm::reset_stats`]).
///
/// None of it influences results, and none of it is the same from run to run except `transactions`.
///
/// # How to read it
///
/// * `executions_per_transaction` near 1: no conflicts to speak of. If it is slow all the same, transactions are too
///   small for two cores, or wait for memory.
/// * near 2 or above: look at `hottest`. A cell that leads by far serialises the batch: make it a
///   [`crate::TxCounter`] or [`crate::TxBag`] if its changes commute, or split it.
/// * `by_certification` high, `by_push` low: conflicts are found late, typically because transactions are tiny.
/// * `direct_share` near 1: the engine found that speculation does not pay here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// Transactions that reached their outcome.
    pub transactions: u64,
    /// Of these, in direct mode (one by one, in place).
    pub direct: u64,
    /// Runs of closures in speculative mode.
    pub executions: u64,
    /// Runs thrown away because certification, at the commit turn, found them stale.
    pub by_certification: u64,
    /// Runs thrown away because a lower transaction published another value of something they had read.
    pub by_push: u64,
    /// Runs that found themselves stale as soon as they had finished.
    pub by_own_check: u64,
    /// Runs that left at a read because somebody had marked them.
    pub by_doom: u64,
    /// Runs that met a value about to change and waited for it.
    pub by_estimate: u64,
    /// Runs taken over at their commit turn by the token holder while waiting or queued.
    pub takeovers: u64,
    /// Runs thrown away by the chaos mode without any cause.
    pub by_chaos: u64,
    /// Re-executions held back because a writer below was still at work.
    pub waits: u64,
    /// Times a worker went to sleep for want of work.
    pub parks: u64,
    /// Transactions that the token holder ran and committed itself, ahead of all others, because they were tiny or nearly
    /// all in conflict.
    pub run_ahead: u64,
    /// Transactions that others ran beside, but which began when all lower ones were committed: final as they ended, with
    /// nothing to certify. Not counted in `run_ahead`.
    pub at_turn: u64,
    /// Transactions certified in groups.
    pub group_commits: u64,
    /// Switches from speculation to direct mode within a block.
    pub switches: u64,
    /// Audited transactions (only with [`crate::Builder::audit`]) whose committed reads were not those of a sequential run. Anything but 0 is a bug of this crate.
    pub audit_failures: u64,
    /// Audited transactions.
    pub audited: u64,
    /// The cells that caused most re-executions, by name, hottest first (at most ten).
    pub hottest: Vec<(String, u32)>,
}

impl Stats {
    pub(crate) fn add(&mut self, c: &Counts) {
        self.transactions += c.commits;
        self.executions += c.executions;
        self.by_certification += c.failed_certifications;
        self.by_push += c.pushed;
        self.by_own_check += c.own;
        self.by_doom += c.doomed;
        self.by_estimate += c.estimates;
        self.takeovers += c.takeovers;
        self.by_chaos += c.invented;
        self.waits += c.waits;
        self.parks += c.parks;
        self.group_commits += c.group_commits;
        self.run_ahead += c.ahead;
        self.at_turn += c.at_turn;
    }

    /// Runs per transaction in speculative mode; 1 is perfect.
    #[must_use]
    pub fn executions_per_transaction(&self) -> f64 {
        let speculative = self.transactions - self.direct;
        if speculative == 0 { 1.0 } else { self.executions as f64 / speculative as f64 }
    }

    /// Share of transactions that ran in direct mode, 0 to 1.
    #[must_use]
    pub fn direct_share(&self) -> f64 {
        if self.transactions == 0 { 0.0 } else { self.direct as f64 / self.transactions as f64 }
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} transactions, {:.1} % direct, {:.2} executions each",
            self.transactions,
            100.0 * self.direct_share(),
            self.executions_per_transaction()
        )?;
        writeln!(
            f,
            "thrown away: {} by certification, {} by push, {} by own check, {} by doom, {} at an estimate; {} taken over",
            self.by_certification, self.by_push, self.by_own_check, self.by_doom, self.by_estimate, self.takeovers
        )?;
        write!(
            f,
            "waits {}, parks {}, group commits {}, run ahead {}, at the turn {}, switches {}",
            self.waits, self.parks, self.group_commits, self.run_ahead, self.at_turn, self.switches
        )?;
        for (name, n) in &self.hottest {
            write!(f, "\n{n:>10} conflicts at {name}")?;
        }
        Ok(())
    }
}

/// What a worker did for a while.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TraceKind {
    Execute,
    UnderToken,
    Direct,
}

/// One bar of the trace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TraceEvent {
    pub(crate) kind: TraceKind,
    pub(crate) txn: u32,
    pub(crate) incarnation: u32,
    /// Nanoseconds since the engine was built.
    pub(crate) began: u64,
    pub(crate) ended: u64,
}

/// Chrome's trace format: an array of complete events, one row per worker, microseconds.
pub(crate) fn chrome_trace(events: &[(usize, TraceEvent)]) -> String {
    let mut out = String::from("[");
    for (k, (worker, e)) in events.iter().enumerate() {
        let name = match e.kind {
            TraceKind::Execute => "execute",
            TraceKind::UnderToken => "execute under token",
            TraceKind::Direct => "direct",
        };
        let _ = write!(
            out,
            "{}{{\"name\":\"{name} {}\",\"cat\":\"{name}\",\"ph\":\"X\",\"pid\":1,\"tid\":{worker},\"ts\":{}.{:03},\"dur\":{}.{:03},\"args\":{{\"transaction\":{},\"incarnation\":{}}}}}",
            if k == 0 { "\n" } else { ",\n" },
            e.txn,
            e.began / 1000,
            e.began % 1000,
            (e.ended - e.began) / 1000,
            (e.ended - e.began) % 1000,
            e.txn,
            e.incarnation
        );
    }
    out.push_str("\n]\n");
    out
}
