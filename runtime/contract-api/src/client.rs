//! A client: each transaction executed at most once, its receipt delivered, whichever node dies meanwhile.
//!
//! ```text
//! number ─ send ─┬─ reply ─────────────────────────────► Submitted
//!                └─ no reply: the same number again, on the next node
//! ```

use crate::proto::contract_client::ContractClient;
use crate::proto::{self, Outcome};
use crate::{MAX_MESSAGE, convert};
use replicode_contracts::receipt::Receipt;
use replicode_contracts::transaction::Transaction;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status, Streaming};

/// Between two attempts when no node answers.
const PAUSE: Duration = Duration::from_millis(50);
/// How long a node may take for one attempt before the next one is asked.
const ATTEMPT: Duration = Duration::from_secs(5);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(2);

/// What became of a transaction.
#[derive(Clone, Debug)]
pub struct Submitted {
    /// The batch in which it was executed.
    pub batch: u64,
    /// Its place there.
    pub position: u32,
    /// Whether the answer was to a repeat.
    pub repeated: bool,
    /// Its receipt; none where a repeat was answered by a node that keeps it no longer.
    pub receipt: Option<Receipt>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No node answered in time.
    #[error(
        "no node answered within {seconds} s ({last}); whether it was executed is not known: the same client may ask again"
    )]
    Deadline {
        /// The time that was given.
        seconds: u64,
        /// What the last attempt ended with.
        last: String,
    },
    /// A node refuses, and any other would.
    #[error("{0}")]
    Refused(String),
    /// The log has forgotten the client: what it submitted before stands.
    #[error("the cell has forgotten this client, or never knew it: whether it was executed is not known")]
    Forgotten,
    /// An answer that cannot be read.
    #[error("a node's answer cannot be read: {0}")]
    Answer(String),
}

struct Stream {
    requests: mpsc::Sender<proto::SubmitRequest>,
    replies: Streaming<proto::SubmitReply>,
}

/// A client with a number of its own. One transaction is on its way at a time.
pub struct Client {
    nodes: Vec<String>,
    at: usize,
    channel: Option<ContractClient<Channel>>,
    stream: Option<Stream>,
    number: Option<u64>,
    /// The number of the transaction that is on its way, or the last one.
    sequence: u64,
    /// The transaction with that number, until there is an answer.
    pending: Option<Vec<u8>>,
    patience: Duration,
}

impl Client {
    /// A client of these nodes (`HOST:PORT`), the first one first. It waits for an answer as long as `patience`.
    #[must_use]
    pub fn new(nodes: Vec<String>, patience: Duration) -> Self {
        Self { nodes, at: 0, channel: None, stream: None, number: None, sequence: 0, pending: None, patience }
    }

    /// The node that is asked now, for questions.
    ///
    /// # Errors
    /// When none can be reached.
    pub async fn channel(&mut self) -> Result<ContractClient<Channel>, ClientError> {
        let end = Instant::now() + self.patience;
        loop {
            match self.connected(end).await {
                Ok(channel) => return Ok(channel),
                Err(why) => self.next_node(why, end).await?,
            }
        }
    }

    /// Has a transaction executed, and waits for its receipt.
    ///
    /// # Errors
    /// When there is no answer. The transaction may have been executed unless the error says that a node refuses it; who submits
    /// the same bytes again asks for what became of it, with its old number.
    pub async fn submit(&mut self, transaction: &[u8]) -> Result<Submitted, ClientError> {
        let end = Instant::now() + self.patience;
        if self.pending.as_deref().is_some_and(|pending| pending != transaction) {
            // What became of that number is not known, so that the next one may be one too many.
            self.anew();
        }
        self.open(end).await?;
        if self.pending.is_none() {
            self.sequence += 1;
            self.pending = Some(transaction.to_vec());
        }
        loop {
            match self.attempt(transaction, end).await {
                Ok(reply) => {
                    self.pending = None;
                    return self.judge(reply, transaction);
                }
                Err(status) if matches!(status.code(), Code::InvalidArgument | Code::FailedPrecondition) => {
                    // Nothing was offered: the number is free.
                    self.sequence -= 1;
                    (self.stream, self.pending) = (None, None);
                    return Err(ClientError::Refused(status.message().to_string()));
                }
                Err(status) => self.next_node(text(&status), end).await?,
            }
        }
    }

    /// Forgets the number: the next transaction asks for another one.
    fn anew(&mut self) {
        (self.number, self.sequence, self.stream, self.pending) = (None, 0, None, None);
    }

    fn judge(&mut self, reply: proto::SubmitReply, transaction: &[u8]) -> Result<Submitted, ClientError> {
        let proto::SubmitReply { batch, position, receipt, .. } = reply;
        let read = |bytes: Vec<u8>| {
            let receipt = (!bytes.is_empty()).then(|| Receipt::decode(&bytes)).transpose();
            let receipt = receipt.map_err(|error| ClientError::Answer(error.to_string()))?;
            // Numbers are guessed easily, so somebody else may have used this one.
            let ours = Transaction::hash_of(transaction);
            match receipt {
                Some(receipt) if receipt.transaction != ours => Err(ClientError::Answer(
                    "another transaction has this client's number: the receipt is not of the one that was sent".into(),
                )),
                receipt => Ok(receipt),
            }
        };
        match Outcome::try_from(reply.outcome).unwrap_or_default() {
            Outcome::Executed => Ok(Submitted { batch, position, repeated: false, receipt: read(receipt)? }),
            Outcome::Repeated => Ok(Submitted { batch, position, repeated: true, receipt: read(receipt)? }),
            Outcome::ExpiredClient | Outcome::UnknownClient | Outcome::Forgotten => {
                self.anew();
                Err(ClientError::Forgotten)
            }
            Outcome::Gap => {
                self.anew();
                Err(ClientError::Answer(format!("number {} is said to be missing", reply.next)))
            }
            Outcome::Unspecified => Err(ClientError::Answer("an outcome that this client does not know".into())),
        }
    }

    /// Asks for a number, unless there is one.
    async fn open(&mut self, end: Instant) -> Result<(), ClientError> {
        while self.number.is_none() {
            match self.ask_for_number(end).await {
                Ok(number) => self.number = Some(number),
                Err(why) => self.next_node(why, end).await?,
            }
        }
        Ok(())
    }

    async fn ask_for_number(&mut self, end: Instant) -> Result<u64, String> {
        let mut channel = self.connected(end).await?;
        let opened = timeout_at(limit(end), channel.open(proto::OpenRequest {})).await;
        let opened = opened.map_err(|_| "no answer".to_string())?.map_err(|status| text(&status))?;
        Ok(opened.into_inner().client)
    }

    async fn connected(&mut self, end: Instant) -> Result<ContractClient<Channel>, String> {
        if let Some(channel) = &self.channel {
            return Ok(channel.clone());
        }
        let node = self.nodes.get(self.at).ok_or("no node is named")?;
        let endpoint = Endpoint::from_shared(format!("http://{node}")).map_err(|error| format!("{node}: {error}"))?;
        let endpoint = endpoint.connect_timeout(CONNECT).tcp_nodelay(true);
        let connected = timeout_at(limit(end), endpoint.connect()).await.map_err(|_| format!("{node}: no answer"))?;
        let channel = connected.map_err(|error| format!("{node}: {}", causes(&error)))?;
        let channel = ContractClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
        self.channel = Some(channel.clone());
        Ok(channel)
    }

    async fn attempt(&mut self, transaction: &[u8], end: Instant) -> Result<proto::SubmitReply, Status> {
        let mut channel = self.connected(end).await.map_err(Status::unavailable)?;
        let client = self.number.unwrap_or_default();
        let request = proto::SubmitRequest { client, sequence: self.sequence, transaction: transaction.to_vec() };
        let late = |_| Status::deadline_exceeded("the node has not answered");
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let (requests, receive) = mpsc::channel(1);
                let opening = channel.submit(ReceiverStream::new(receive));
                let replies = timeout_at(limit(end), opening).await.map_err(late)??.into_inner();
                Stream { requests, replies }
            }
        };
        stream.requests.send(request).await.map_err(|_| Status::unavailable("the stream has ended"))?;
        loop {
            let reply = timeout_at(limit(end), stream.replies.message()).await.map_err(late)??;
            let reply = reply.ok_or_else(|| Status::unavailable("the stream has ended"))?;
            if reply.sequence == self.sequence {
                self.stream = Some(stream);
                return Ok(reply);
            }
        }
    }

    /// Goes on to another node after a failure, or gives up.
    async fn next_node(&mut self, why: String, end: Instant) -> Result<(), ClientError> {
        (self.channel, self.stream) = (None, None);
        self.at = (self.at + 1) % self.nodes.len().max(1);
        if Instant::now() + PAUSE >= end {
            return Err(ClientError::Deadline { seconds: self.patience.as_secs(), last: why });
        }
        sleep(PAUSE).await;
        Ok(())
    }
}

fn limit(end: Instant) -> Instant {
    end.min(Instant::now() + ATTEMPT)
}

fn text(status: &Status) -> String {
    format!("{:?}: {}", status.code(), status.message())
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// A hash in a message.
///
/// # Errors
/// When it has another length.
pub fn hash_of(field: &'static str, bytes: &[u8]) -> Result<replicode_contracts::hash::Hash, ClientError> {
    convert::hash(field, bytes).map_err(|error| ClientError::Answer(error.to_string()))
}
