//! What a server does that executes nothing itself: it speaks both languages with its clients, and somebody beyond it answers, in the words
//! of the same protocol. That is a node of a cell for `fn serve --node`; this crate knows neither.

use crate::crew::Control;
use crate::error::ServiceError;
use crate::execute::Report;
use crate::limits::ExecutionConfig;
use crate::serve::Ticket;
use crate::service::Service;
use serde_json::Value;
use std::sync::Arc;
use std::time::Instant;

/// Who answers.
pub trait Beyond: Send + Sync {
    /// Takes an order, and answers it by its reply, now or later, from any thread. It must not wait.
    fn take(&self, order: Order, reply: Reply);

    /// What was taken so far is to be sent on: whoever gathers has no more for now.
    fn flush(&self);

    /// Adds what there is to say to the answers of `hello` and `stats`.
    fn describe(&self, into: &mut Value);
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// What.
    pub what: What,
    /// Client and number that the one who asks has for it: with the same ones it is not done twice.
    pub numbered: Option<(u64, u64)>,
    /// Milliseconds that whoever asks waits.
    pub timeout_ms: u64,
    /// What this server allows an execution at most: nothing that is asked for is above it, and what nobody has asked for must not get more.
    pub most: ExecutionConfig,
}

/// The operations that are not the server's own.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A number to count orders with.
    Open,
    /// Loads a function.
    Load {
        /// Its module.
        wasm: Vec<u8>,
        /// What it is to be called.
        name: String,
        /// The namespace of its state.
        state: Option<String>,
        /// What its executions may use.
        config: ExecutionConfig,
        /// Whether the name may be taken from another function.
        replace: bool,
    },
    /// Unloads a function.
    Unload(String),
    /// Runs functions.
    Execute {
        /// Their names or numbers.
        stages: Vec<String>,
        /// Whether it is a chain.
        chain: bool,
        /// The function of the module that is called, if not the usual one.
        entry: Option<String>,
        /// Input of the first.
        input: Vec<u8>,
        /// What all of it may use.
        config: ExecutionConfig,
        /// Whether it may only read state.
        read_only: bool,
        /// Whether lines of log are wanted.
        lines: bool,
    },
    /// Reads or changes state.
    State(String, StateAct),
    /// All functions.
    List,
    /// One function.
    Info(String),
}

/// What is to be done with state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateAct {
    /// Looks a key up.
    Get(Vec<u8>),
    /// Sets a key.
    Set(Vec<u8>, Vec<u8>),
    /// Deletes a key.
    Delete(Vec<u8>),
    /// Keys with a prefix.
    List(Vec<u8>),
}

/// What came of it.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Anything but an execution.
    Value(Value),
    /// What stands under a key.
    Bytes(Option<Vec<u8>>),
    /// An execution.
    Executed {
        /// Fuel, memory, stages.
        report: Report,
        /// Output of the last stage.
        output: Vec<u8>,
        /// What was logged, if that was wanted.
        lines: Vec<String>,
    },
}

/// The way back to whoever has asked.
pub struct Reply {
    ticket: Ticket,
    control: Arc<Control>,
    chain: bool,
    /// Where an execution is counted, and when it began.
    counted: Option<(Arc<Service>, Instant)>,
}

impl Reply {
    pub(crate) const fn new(
        ticket: Ticket,
        control: Arc<Control>,
        chain: bool,
        counted: Option<(Arc<Service>, Instant)>,
    ) -> Self {
        Self { ticket, control, chain, counted }
    }

    /// Whether nobody waits for it any more, or it was cancelled, or the server is ended at once.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.control.is_cancelled()
    }

    /// Answers that it was cancelled.
    pub fn cancelled(self) {
        let failure = self.control.failure();
        let text = format!("{failure} here: what is in the log already is executed all the same");
        let error = ServiceError::new(crate::error::code_of(&failure), text);
        self.send(Err(error), Vec::new());
    }

    /// Answers. Lines are for failures; a success has its own.
    pub fn send(self, result: Result<Answer, ServiceError>, lines: Vec<String>) {
        let Self { ticket, chain, counted, .. } = self;
        let mut result = result;
        if let Some((service, began)) = counted {
            let nanos = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
            let (code, fuel) = match &mut result {
                Ok(Answer::Executed { report, .. }) => {
                    report.us = nanos as f64 / 1000.0;
                    (None, report.fuel)
                }
                Ok(_) => (None, 0),
                Err(error) => (Some(error.code), error.fuel.unwrap_or(0)),
            };
            service.stats.ended(code, nanos, fuel);
        }
        ticket.send_answer(result, &lines, chain);
    }
}

/// Of these names the one that was probably meant.
pub fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    /// Bytes of the longest name: comparing takes as long as both are long.
    const MOST: usize = 64;
    let length = name.chars().count();
    let most = 1 + length / 3;
    let alike = |known: &&str| name.len() <= MOST && known.len().abs_diff(length) <= most;
    let near = known.filter(alike).map(|known| (strsim::osa_distance(name, known), known)).min();
    near.filter(|(edits, _)| *edits <= most).map(|(_, known)| known)
}
