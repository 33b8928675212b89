//! A client whose increments count exactly once: it numbers them, and repeats after a failure what was not answered.

use crate::proto::counter_client::CounterClient;
use crate::proto::{self, IncrementStatus, answer, operation};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint};

/// What a session asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Add to a counter.
    Increment(String, i64),
    /// Read a counter.
    Get(String),
}

/// What it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The increment counts, exactly once.
    Counted,
    /// The counter would have left the range of `i64`: it does not count.
    Overflow,
    /// The server holds as many keys as it may: it does not count.
    NoRoom,
    /// The value of the counter.
    Value(i64),
}

/// Why a session gave up.
#[derive(Debug)]
pub enum Failure {
    /// The server refused the request itself; repeating cannot help.
    Refused(Box<tonic::Status>),
    /// The session is forgotten, or was never opened: the increments that were not answered may have counted or not,
    /// and nobody knows any more. Open another one.
    Lost(String),
    /// The server's answer makes no sense.
    Broken(String),
    /// No server within the patience.
    Unreachable(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Refused(why) => write!(f, "the server refused: {}", reason(why)),
            Failure::Lost(why) => write!(f, "the session is lost: {why}"),
            Failure::Broken(why) => write!(f, "the server's answer makes no sense: {why}"),
            Failure::Unreachable(why) => write!(f, "no server: {why}"),
        }
    }
}

impl std::error::Error for Failure {}

struct Batch {
    request: proto::BatchRequest,
}

struct Link {
    send: mpsc::Sender<proto::BatchRequest>,
    receive: Streaming<proto::BatchReply>,
}

/// Codes that say that the request itself is wrong, not the moment.
fn is_refusal(code: tonic::Code) -> bool {
    use tonic::Code;
    matches!(
        code,
        Code::InvalidArgument
            | Code::ResourceExhausted
            | Code::OutOfRange
            | Code::FailedPrecondition
            | Code::NotFound
            | Code::Unimplemented
    )
}

/// Pause between attempts to reach a server.
const PAUSE: Duration = Duration::from_millis(20);

/// One writer: a session on a stream, reconnected as often as needed.
///
/// Several batches may be on their way; answers come in order. After a failure all unanswered batches are sent again,
/// in order, unchanged, with their old sequence numbers: those that had been counted are recognised.
pub struct Session {
    address: String,
    id: u64,
    next: u64,
    unanswered: VecDeque<Batch>,
    link: Option<Link>,
    /// Attempts before giving up, [`PAUSE`] apart.
    patience: u32,
    /// Attempts since the last answer.
    attempts: u32,
}

impl Session {
    /// Opens a session with the server at `address`, such as `http://127.0.0.1:4000`; waits up to half a minute for one.
    ///
    /// # Errors
    /// No server can be reached, or it refuses.
    pub async fn open(address: String) -> Result<Self, Failure> {
        let mut last = String::new();
        for _ in 0..1500 {
            match open_once(&address).await {
                Ok(id) => return Ok(Session::resume(address, id, 1)),
                Err(why) if is_refusal(why.code()) => return Err(Failure::Refused(Box::new(why))),
                Err(why) => last = why.message().to_string(),
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(Failure::Unreachable(last))
    }

    /// A session that was opened before, whose next new increment has the number `next`.
    #[must_use]
    pub fn resume(address: String, id: u64, next: u64) -> Self {
        Session { address, id, next, unanswered: VecDeque::new(), link: None, patience: 1500, attempts: 0 }
    }

    /// The number that the server gave it.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Batches on their way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.unanswered.len()
    }

    /// Sends a batch; the answers come from [`Session::receive`].
    ///
    /// # Errors
    /// No server can be reached.
    pub async fn send(&mut self, asks: &[Ask]) -> Result<(), Failure> {
        let operations = asks
            .iter()
            .map(|ask| {
                let kind = match ask {
                    Ask::Increment(key, by) => {
                        let sequence = self.next;
                        self.next += 1;
                        operation::Kind::Increment(proto::IncrementRequest {
                            key: key.clone(),
                            by: *by,
                            session: self.id,
                            sequence,
                        })
                    }
                    Ask::Get(key) => operation::Kind::Get(proto::GetRequest { key: key.clone() }),
                };
                proto::Operation { kind: Some(kind) }
            })
            .collect();
        let request = proto::BatchRequest { operations };
        self.unanswered.push_back(Batch { request: request.clone() });
        match &self.link {
            // A dead link is noticed and repaired on receiving; the batch is among the unanswered already.
            Some(link) => {
                if link.send.send(request).await.is_err() {
                    self.link = None;
                }
                Ok(())
            }
            None => self.connect().await,
        }
    }

    async fn connect(&mut self) -> Result<(), Failure> {
        loop {
            let why = match self.try_connect().await {
                Ok(link) => {
                    self.link = Some(link);
                    return Ok(());
                }
                Err(why) => why,
            };
            self.pause(why).await?;
        }
    }

    /// After a failed attempt: waits a moment, or gives up.
    async fn pause(&mut self, why: String) -> Result<(), Failure> {
        self.attempts += 1;
        if self.attempts >= self.patience {
            return Err(Failure::Unreachable(why));
        }
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }

    async fn try_connect(&self) -> Result<Link, String> {
        let endpoint = Endpoint::from_shared(self.address.clone()).map_err(|e| e.to_string())?;
        let channel = endpoint.connect_timeout(Duration::from_secs(1)).connect().await.map_err(|e| deepest(&e))?;
        let mut client = CounterClient::new(channel).max_decoding_message_size(crate::rpc::MAX_MESSAGE);
        let (send, outgoing) = mpsc::channel(self.unanswered.len() + 64);
        for batch in &self.unanswered {
            send.send(batch.request.clone()).await.map_err(|e| e.to_string())?;
        }
        let receive = client.stream(ReceiverStream::new(outgoing)).await.map_err(|e| e.to_string())?.into_inner();
        Ok(Link { send, receive })
    }

    /// The answers to the oldest unanswered batch.
    ///
    /// # Errors
    /// The server refused the request, answered nonsense, or stayed away.
    pub async fn receive(&mut self) -> Result<Vec<Told>, Failure> {
        loop {
            if self.link.is_none() {
                self.connect().await?;
            }
            let Some(link) = &mut self.link else { continue };
            match link.receive.message().await {
                Ok(Some(reply)) => {
                    let Some(batch) = self.unanswered.pop_front() else {
                        return Err(Failure::Broken("an answer to no request".to_string()));
                    };
                    self.attempts = 0;
                    return told(&batch.request, &reply);
                }
                Ok(None) => {
                    self.link = None;
                    self.pause("the server ended the stream".to_string()).await?;
                }
                Err(why) if is_refusal(why.code()) => return Err(Failure::Refused(Box::new(why))),
                Err(why) => {
                    self.link = None;
                    self.pause(why.message().to_string()).await?;
                }
            }
        }
    }

    /// Sends one batch and waits for its answers.
    ///
    /// # Errors
    /// As [`Session::receive`].
    pub async fn ask(&mut self, asks: &[Ask]) -> Result<Vec<Told>, Failure> {
        self.send(asks).await?;
        loop {
            let last = self.unanswered.len() == 1;
            let told = self.receive().await?;
            if last {
                return Ok(told);
            }
        }
    }
}

fn told(request: &proto::BatchRequest, reply: &proto::BatchReply) -> Result<Vec<Told>, Failure> {
    if request.operations.len() != reply.answers.len() {
        let (n, m) = (request.operations.len(), reply.answers.len());
        return Err(Failure::Broken(format!("{m} answers to {n} operations")));
    }
    let one = |a: &proto::Answer| match &a.kind {
        Some(answer::Kind::Get(g)) => Ok(Told::Value(g.value)),
        Some(answer::Kind::Increment(i)) => match i.status() {
            IncrementStatus::Applied | IncrementStatus::Duplicate => Ok(Told::Counted),
            IncrementStatus::Overflow => Ok(Told::Overflow),
            IncrementStatus::NoRoom => Ok(Told::NoRoom),
            IncrementStatus::ExpiredSession => Err(Failure::Lost("the server has forgotten it".to_string())),
            IncrementStatus::UnknownSession => Err(Failure::Lost("the server never opened it".to_string())),
            IncrementStatus::Forgotten => {
                Err(Failure::Lost("a number was decided so long ago that the answer is forgotten".to_string()))
            }
            other => Err(Failure::Broken(format!("an increment was answered by {other:?}"))),
        },
        None => Err(Failure::Broken("an empty answer".to_string())),
    };
    reply.answers.iter().map(one).collect()
}

async fn open_once(address: &str) -> Result<u64, tonic::Status> {
    let endpoint = Endpoint::from_shared(address.to_string())
        .map_err(|e| tonic::Status::invalid_argument(format!("{address} is no address: {e}")))?;
    let unavailable = |e: tonic::transport::Error| tonic::Status::unavailable(format!("{address}: {}", deepest(&e)));
    let channel = endpoint.connect_timeout(Duration::from_secs(1)).connect().await.map_err(unavailable)?;
    Ok(CounterClient::new(channel).open(proto::OpenRequest {}).await?.into_inner().session)
}

/// What a status says, and below it the lowest layer.
#[must_use]
pub fn reason(status: &tonic::Status) -> String {
    match std::error::Error::source(status) {
        Some(cause) => format!("{}: {}", status.message(), deepest(cause)),
        None => status.message().to_string(),
    }
}

/// What the lowest layer says: `transport error` helps nobody.
fn deepest(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// A connection for single calls.
///
/// # Errors
/// No server.
pub async fn connect(address: &str) -> Result<CounterClient<Channel>, Failure> {
    let endpoint = Endpoint::from_shared(address.to_string())
        .map_err(|e| Failure::Unreachable(format!("{address} is no address: {e}")))?;
    let channel = endpoint
        .connect_timeout(Duration::from_secs(5))
        .connect()
        .await
        .map_err(|e| Failure::Unreachable(format!("{address}: {}", deepest(&e))))?;
    Ok(CounterClient::new(channel).max_decoding_message_size(crate::rpc::MAX_MESSAGE))
}

/// The server's state digest and the number of logged blocks it covers.
///
/// # Errors
/// No server, or it failed.
pub async fn root(address: &str) -> Result<(Vec<u8>, u64), Failure> {
    let mut client = connect(address).await?;
    let reply = client.root(proto::RootRequest {}).await.map_err(|e| Failure::Refused(Box::new(e)))?.into_inner();
    Ok((reply.root, reply.blocks))
}
