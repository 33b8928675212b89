//! The gRPC surface: checks what clients send, hands it to the block thread, translates the answers.

use crate::counters::{Answer, Increment, Operation};
use crate::gather::Request as Work;
use crate::limits::Admission;
use crate::proto::counter_server::Counter;
use crate::proto::{self, IncrementStatus, answer, operation};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::{Stream, StreamExt, wrappers::ReceiverStream};
use tonic::codegen::{Service as Serve, http};
use tonic::server::NamedService;
use tonic::{Code, Request, Response, Status, Streaming};

/// Requests of one stream that are on their way at a time.
const PIPELINE: usize = 64;
/// Largest message that is taken: the largest batch of the longest keys fits.
pub const MAX_MESSAGE: usize = 16 << 20;
const _: () = assert!(crate::limits::HARD_MAX_BATCH * (crate::limits::HARD_MAX_KEY + 64) <= MAX_MESSAGE);

/// The service: a door to the block thread.
#[derive(Clone)]
pub struct Service {
    work: mpsc::Sender<Work>,
    limits: Admission,
    max_sessions: u64,
}

impl Admission {
    fn key(&self, key: String) -> Result<String, Status> {
        if key.is_empty() || key.len() > self.max_key_bytes {
            let (n, most) = (key.len(), self.max_key_bytes);
            return Err(Status::invalid_argument(format!("a key of {n} bytes: at least 1, at most {most}")));
        }
        Ok(key)
    }

    fn increment(&self, r: proto::IncrementRequest) -> Result<Operation, Status> {
        if r.sequence == 0 {
            return Err(Status::invalid_argument("sequence number 0: a session counts from 1"));
        }
        if r.session == 0 {
            return Err(Status::invalid_argument(
                "an increment without a session: call Open first, and name what it returns",
            ));
        }
        let key = self.key(r.key)?;
        Ok(Operation::Increment(Increment { key, by: r.by, session: r.session, sequence: r.sequence }))
    }

    fn operations(&self, request: proto::BatchRequest) -> Result<Vec<Operation>, Status> {
        let n = request.operations.len();
        if n > self.max_batch {
            let most = self.max_batch;
            return Err(Status::invalid_argument(format!("a batch of {n} operations: at most {most}")));
        }
        let one = |op: proto::Operation| match op.kind {
            Some(operation::Kind::Increment(r)) => self.increment(r),
            Some(operation::Kind::Get(r)) => Ok(Operation::Get(self.key(r.key)?)),
            None => Err(Status::invalid_argument("an operation that is neither an increment nor a get")),
        };
        request.operations.into_iter().map(one).collect()
    }
}

/// The status of an increment within a batch.
fn status(answer: Answer) -> Result<IncrementStatus, Status> {
    Ok(match answer {
        Answer::Applied => IncrementStatus::Applied,
        Answer::Duplicate => IncrementStatus::Duplicate,
        Answer::Gap => IncrementStatus::Gap,
        Answer::Overflow => IncrementStatus::Overflow,
        Answer::NoRoom => IncrementStatus::NoRoom,
        Answer::UnknownSession => IncrementStatus::UnknownSession,
        Answer::ExpiredSession => IncrementStatus::ExpiredSession,
        Answer::Forgotten => IncrementStatus::Forgotten,
        Answer::Value(_) | Answer::Opened(_) => {
            return Err(Status::internal("an increment was answered by something else"));
        }
    })
}

/// The same for a call of its own: an increment that does not count is an error.
fn single(status: IncrementStatus, max_sessions: u64) -> Result<IncrementStatus, Status> {
    match status {
        IncrementStatus::Applied | IncrementStatus::Duplicate => Ok(status),
        IncrementStatus::Gap => {
            Err(Status::failed_precondition("an earlier sequence number of this session is missing; send that first"))
        }
        IncrementStatus::Overflow => {
            Err(Status::out_of_range("not counted: the counter would leave the range of a 64-bit integer"))
        }
        IncrementStatus::NoRoom => Err(Status::resource_exhausted("not counted: no room for another key")),
        IncrementStatus::UnknownSession => Err(Status::not_found("not counted: no such session; call Open first")),
        IncrementStatus::ExpiredSession => Err(Status::failed_precondition(format!(
            "this session has expired: {max_sessions} others were used since; whether earlier tries of this increment \
             counted is forgotten. Open another session"
        ))),
        IncrementStatus::Forgotten => {
            Err(Status::failed_precondition("this number was decided long ago and its answer is forgotten"))
        }
        IncrementStatus::Unspecified => Err(Status::internal("an increment without a status")),
    }
}

fn reply(answers: Vec<Answer>) -> Result<proto::BatchReply, Status> {
    let one = |a: Answer| {
        let kind = match a {
            Answer::Value(value) => answer::Kind::Get(proto::GetReply { value }),
            other => answer::Kind::Increment(proto::IncrementReply { status: status(other)? as i32 }),
        };
        Ok(proto::Answer { kind: Some(kind) })
    };
    let answers: Result<Vec<_>, Status> = answers.into_iter().map(one).collect();
    Ok(proto::BatchReply { answers: answers? })
}

fn gone<T>(_: T) -> Status {
    Status::unavailable("the service is stopping")
}

/// What is said of a message longer than [`MAX_MESSAGE`], if this is what it says. The library calls that
/// `OUT_OF_RANGE`, which here means a sum; gRPC's own list of codes has `RESOURCE_EXHAUSTED` for it.
fn too_large(status: &Status) -> Option<Status> {
    let theirs = status.code() == Code::OutOfRange && status.message().contains("decoded message length too large");
    theirs.then(|| {
        Status::resource_exhausted(format!("a message of more than {MAX_MESSAGE} bytes; send smaller batches"))
    })
}

/// The service with the statuses that the README promises, also where the library answers before we are asked.
#[derive(Clone)]
pub struct Statuses<S>(pub S);

impl<S: NamedService> NamedService for Statuses<S> {
    const NAME: &'static str = S::NAME;
}

/// The answer of [`Statuses`], once it is there.
pub struct Restated<F>(F);

impl<F, B, E> Future for Restated<F>
where
    F: Future<Output = Result<http::Response<B>, E>> + Unpin,
    B: Default,
{
    type Output = F::Output;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let answered = std::task::ready!(Pin::new(&mut self.0).poll(cx));
        Poll::Ready(answered.map(|response| {
            // Refused before it was begun: the status stands among the headers.
            let status = Status::from_header_map(response.headers());
            status.as_ref().and_then(too_large).map_or(response, Status::into_http)
        }))
    }
}

impl<S, R, B> Serve<R> for Statuses<S>
where
    S: Serve<R, Response = http::Response<B>>,
    S::Future: Unpin,
    B: Default,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Restated<S::Future>;
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }
    fn call(&mut self, request: R) -> Self::Future {
        Restated(self.0.call(request))
    }
}

impl Service {
    /// A service in front of the block thread that reads from the other end of `work`. `max_sessions` is what clients
    /// are told; the log decides.
    #[must_use]
    pub fn new(work: mpsc::Sender<Work>, limits: Admission, max_sessions: u64) -> Self {
        Service { work, limits, max_sessions }
    }

    async fn submit(&self, ops: Vec<Operation>) -> Result<oneshot::Receiver<Vec<Answer>>, Status> {
        let (send, receive) = oneshot::channel();
        self.work.send(Work::Batch(ops, send)).await.map_err(gone)?;
        Ok(receive)
    }

    async fn one(&self, op: Operation) -> Result<Answer, Status> {
        let answers = self.submit(vec![op]).await?.await.map_err(gone)?;
        answers.first().copied().ok_or_else(|| Status::internal("no answer"))
    }
}

#[tonic::async_trait]
impl Counter for Service {
    async fn open(&self, _: Request<proto::OpenRequest>) -> Result<Response<proto::OpenReply>, Status> {
        match self.one(Operation::Open).await? {
            Answer::Opened(session) => Ok(Response::new(proto::OpenReply { session, remembered: self.max_sessions })),
            _ => Err(Status::internal("an opening was not answered by a session")),
        }
    }

    async fn increment(
        &self,
        request: Request<proto::IncrementRequest>,
    ) -> Result<Response<proto::IncrementReply>, Status> {
        let answer = self.one(self.limits.increment(request.into_inner())?).await?;
        let status = single(status(answer)?, self.max_sessions)?;
        Ok(Response::new(proto::IncrementReply { status: status as i32 }))
    }

    async fn get(&self, request: Request<proto::GetRequest>) -> Result<Response<proto::GetReply>, Status> {
        match self.one(Operation::Get(self.limits.key(request.into_inner().key)?)).await? {
            Answer::Value(value) => Ok(Response::new(proto::GetReply { value })),
            _ => Err(Status::internal("a get was not answered by a value")),
        }
    }

    async fn batch(&self, request: Request<proto::BatchRequest>) -> Result<Response<proto::BatchReply>, Status> {
        let answers = self.submit(self.limits.operations(request.into_inner())?).await?.await.map_err(gone)?;
        Ok(Response::new(reply(answers)?))
    }

    type StreamStream = Pin<Box<dyn Stream<Item = Result<proto::BatchReply, Status>> + Send>>;

    async fn stream(
        &self,
        request: Request<Streaming<proto::BatchRequest>>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        let (send, receive) = mpsc::channel::<Result<oneshot::Receiver<Vec<Answer>>, Status>>(PIPELINE);
        let (service, mut requests) = (self.clone(), request.into_inner());
        // Requests enter the queue as they come; their answers are awaited in order.
        tokio::spawn(async move {
            loop {
                let next = match requests.message().await {
                    Ok(Some(batch)) => match service.limits.operations(batch) {
                        Ok(ops) => service.submit(ops).await,
                        Err(why) => Err(why),
                    },
                    Ok(None) => break,
                    Err(why) => Err(too_large(&why).unwrap_or(why)),
                };
                let failed = next.is_err();
                if send.send(next).await.is_err() || failed {
                    break;
                }
            }
        });
        let replies = ReceiverStream::new(receive).then(|pending| async { reply(pending?.await.map_err(gone)?) });
        Ok(Response::new(Box::pin(replies)))
    }

    async fn root(&self, _: Request<proto::RootRequest>) -> Result<Response<proto::RootReply>, Status> {
        let (send, receive) = oneshot::channel();
        self.work.send(Work::Root(send)).await.map_err(gone)?;
        let (root, blocks) = receive.await.map_err(gone)?;
        Ok(Response::new(proto::RootReply { root: root.to_vec(), blocks }))
    }
}
