//! How a transaction ends: outcome, revert, fatal stop; and how an engine refuses bad use.

use std::borrow::Cow;
use std::fmt;

/// What a transaction closure returns.
pub type TxResult<T> = Result<T, Stop>;

/// Why a closure leaves early. Pass it on with `?`; who must know more asks for its [`Stop::kind`].
///
/// Inside is one of three things: *retry* (this run was speculative and has read something that is already known to
/// be wrong; the engine runs the transaction again), *revert* (the transaction's own decision) or *fatal* (stop the
/// stream here). A closure cannot make a retry, and swallowing one does not help: the run is discarded either way. The
/// same holds for misuse, and for a fatal stop that has left a [`crate::Tx::frame`]: the stream stops, whatever the closure
/// returns. A revert may be swallowed, as [`crate::Tx::frame`] does.
///
/// [`Revert`] and [`Fatal`] become a `Stop` under `?`, so `tx.frame(..)??` passes a frame's revert on.
#[derive(Debug)]
pub struct Stop(pub(crate) Reason);

/// What a [`Stop`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopKind<'a> {
    /// This run was speculative and is known to be wrong; the transaction is run again. Whatever the closure does now is
    /// thrown away, so it should return as soon as it can; nothing of this run may be shown to anybody.
    Retry,
    /// The transaction (or frame) is rolled back for this reason.
    Revert(&'a Revert),
    /// The stream stops at this transaction.
    Fatal(&'a Fatal),
}

#[derive(Debug)]
pub(crate) enum Reason {
    Retry,
    Revert(Revert),
    Fatal(Fatal),
}

impl Stop {
    /// Drops the effects of this transaction (or frame) and keeps the reason.
    pub fn revert(code: u32, reason: impl Into<Cow<'static, str>>) -> Stop {
        Stop(Reason::Revert(Revert::new(code, reason)))
    }

    /// Stops the whole stream at this transaction: all lower ones are committed, this one and all higher ones have no
    /// effect. Takes effect only if this run turns out to be the committed one.
    pub fn fatal(reason: impl Into<Cow<'static, str>>) -> Stop {
        Stop(Reason::Fatal(Fatal::new(FatalCause::Stopped, reason)))
    }

    /// This node cannot go on: what the closure's host needs, a disk say, has failed. If this run turns out to be the committed
    /// one, the stream stops here as with [`Stop::fatal`], with [`FatalCause::HostFault`], and the engine refuses all later
    /// batches. A host failure must never become an answer of a transaction, or nodes would differ.
    pub fn fault(reason: impl Into<Cow<'static, str>>) -> Stop {
        Stop(Reason::Fatal(Fatal::new(FatalCause::HostFault, reason)))
    }

    /// What this is: for a host between the engine and foreign code, which must tell a retry from a revert.
    #[must_use]
    pub fn kind(&self) -> StopKind<'_> {
        match &self.0 {
            Reason::Retry => StopKind::Retry,
            Reason::Revert(why) => StopKind::Revert(why),
            Reason::Fatal(why) => StopKind::Fatal(why),
        }
    }

    /// The engine itself cannot go on.
    #[cold]
    pub(crate) fn broken(reason: impl Into<Cow<'static, str>>) -> Stop {
        Stop(Reason::Fatal(Fatal::fault(reason)))
    }

    pub(crate) const RETRY: Stop = Stop(Reason::Retry);
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Reason::Retry => f.write_str("this run has read something that is known to be wrong, and is done again"),
            Reason::Revert(why) => why.fmt(f),
            Reason::Fatal(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for Stop {}

impl From<Revert> for Stop {
    fn from(why: Revert) -> Stop {
        Stop(Reason::Revert(why))
    }
}

impl From<Fatal> for Stop {
    /// Stops the stream as [`Stop::fatal`] does: what was wrong elsewhere, with another engine say, is this transaction's
    /// reason.
    fn from(why: Fatal) -> Stop {
        Stop::fatal(why.0.reason)
    }
}

/// Why a transaction or frame was rolled back. A function of what it read, so equal on every executor.
#[derive(Clone, PartialEq, Eq)]
pub struct Revert(Box<(u32, Cow<'static, str>)>);

impl Revert {
    /// Code of a transaction whose closure panicked; the reason is the panic message.
    pub const PANIC: u32 = u32::MAX;
    /// Code of a frame nested deeper than [`crate::MAX_DEPTH`].
    pub const DEPTH: u32 = u32::MAX - 1;
    /// Code of a transaction with more than [`crate::MAX_ACCESSES`] reads or writes, or with a key or value above the
    /// engine's limit ([`crate::Builder::max_key_bytes`], [`crate::Builder::max_value_bytes`]).
    pub const LIMIT: u32 = u32::MAX - 2;
    /// Code of an index beyond the end of a vector.
    pub const BOUNDS: u32 = u32::MAX - 3;

    pub(crate) fn new(code: u32, reason: impl Into<Cow<'static, str>>) -> Revert {
        Revert(Box::new((code, reason.into())))
    }
    /// The code given by the closure, or one of the constants above.
    #[must_use]
    pub fn code(&self) -> u32 {
        self.0.0
    }
    /// The reason given by the closure.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.0.1
    }
}

impl fmt::Debug for Revert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Revert({}, {:?})", self.code(), self.reason())
    }
}

impl fmt::Display for Revert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "reverted with code {}: {}", self.code(), self.reason())
    }
}

impl std::error::Error for Revert {}

/// What became of one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome<R> {
    /// It took effect and returned this.
    Committed(R),
    /// It had no effect.
    Reverted(Revert),
}

impl<R> Outcome<R> {
    /// The returned value, if it took effect.
    pub fn committed(self) -> Option<R> {
        match self {
            Outcome::Committed(r) => Some(r),
            Outcome::Reverted(_) => None,
        }
    }
    /// Whether it took effect.
    pub fn is_committed(&self) -> bool {
        matches!(self, Outcome::Committed(_))
    }
    /// The reason, if it had no effect.
    #[must_use]
    pub fn reverted(&self) -> Option<&Revert> {
        match self {
            Outcome::Committed(_) => None,
            Outcome::Reverted(r) => Some(r),
        }
    }
}

/// Who stopped the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FatalCause {
    /// A transaction asked for it with [`Stop::fatal`].
    Stopped,
    /// The engine was used wrongly, for example with a cell of another engine.
    Misuse,
    /// The engine itself could not go on: code of the user's types panicked outside a closure, or cells or version memory
    /// are used up. Speculative runs take of both too, so the place would depend on scheduling: there is none. The outcome
    /// of the batch is unknown, and the engine refuses all later ones with the same reason. A node that replays a log stops
    /// here.
    Fault,
    /// A transaction said that its host cannot go on ([`Stop::fault`]), or panicked where panics are faults
    /// ([`crate::Builder::panics_are_faults`]). All lower transactions are committed and have outcomes; the engine refuses all
    /// later batches with the same reason.
    HostFault,
}

/// What to call a panic outside closures.
#[cold]
pub(crate) fn panic_fault(payload: &(dyn std::any::Any + Send)) -> String {
    match payload.downcast_ref::<Broken>() {
        Some(Broken(why)) => why.clone(),
        None => format!("a panic outside a closure: {}", panic_revert(payload).reason()),
    }
}

/// Payload of the unwinding by which the engine itself gives up, so that it is not taken for a panic of a closure.
pub(crate) struct Broken(pub(crate) String);

/// Gives up. The worker's frame turns this into [`FatalCause::Fault`].
#[cold]
pub(crate) fn give_up(why: String) -> ! {
    std::panic::resume_unwind(Box::new(Broken(why)))
}

/// What a stop is that its run cannot have made.
#[cold]
pub(crate) fn foreign_stop() -> Fatal {
    Fatal::new(FatalCause::Misuse, "a closure returned a stop that belongs to another run")
}

/// Reason of a stopped stream.
#[derive(Clone, PartialEq, Eq)]
pub struct Fatal(Box<FatalInner>);

#[derive(Clone, PartialEq, Eq)]
struct FatalInner {
    cause: FatalCause,
    reason: Cow<'static, str>,
}

impl Fatal {
    pub(crate) fn new(cause: FatalCause, reason: impl Into<Cow<'static, str>>) -> Fatal {
        Fatal(Box::new(FatalInner { cause, reason: reason.into() }))
    }
    #[cold]
    pub(crate) fn fault(reason: impl Into<Cow<'static, str>>) -> Fatal {
        Fatal::new(FatalCause::Fault, reason)
    }
    /// Who stopped the stream.
    #[must_use]
    pub fn cause(&self) -> FatalCause {
        self.0.cause
    }
    /// Why.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.0.reason
    }
}

impl fmt::Debug for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fatal({:?}, {:?})", self.cause(), self.reason())
    }
}

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cause = match self.cause() {
            FatalCause::Stopped => "stopped",
            FatalCause::Misuse => "misuse",
            FatalCause::Fault => "fault",
            FatalCause::HostFault => "host fault",
        };
        write!(f, "{cause}: {}", self.reason())
    }
}

impl std::error::Error for Fatal {}

/// A block that was stopped by a fatal transaction, or by a fault of the engine: then there are no outcomes, and
/// [`Stopped::at`] is 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped<R> {
    /// Outcomes of the transactions below [`Stopped::at`]; their effects are committed.
    pub outcomes: Vec<Outcome<R>>,
    /// Index of the transaction that stopped the stream. It and all later ones have no effect.
    pub at: usize,
    /// Why.
    pub fatal: Fatal,
}

impl<R> fmt::Display for Stopped<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block stopped at transaction {}: {}", self.at, self.fatal.reason())
    }
}

impl<R: fmt::Debug> std::error::Error for Stopped<R> {}

/// An engine that cannot be built as asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError(pub(crate) String);

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BuildError {}

/// A panic of a closure, where that is a failure of this node.
#[cold]
pub(crate) fn host_panic(why: &Revert) -> Fatal {
    Fatal::new(FatalCause::HostFault, format!("a closure has panicked: {}", why.reason()))
}

/// The reason of a panic, as far as it is text. A function of the closure's inputs, like every outcome.
pub(crate) fn panic_revert(payload: &(dyn std::any::Any + Send)) -> Revert {
    let text = if let Some(s) = payload.downcast_ref::<&'static str>() {
        Cow::Borrowed(*s)
    } else if let Some(s) = payload.downcast_ref::<String>() {
        Cow::Owned(s.clone())
    } else {
        Cow::Borrowed("panic without a text message")
    };
    Revert::new(Revert::PANIC, text)
}
