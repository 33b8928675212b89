//! The gRPC surface: checks what clients send, hands it to the block thread, translates the answers.

use crate::counters::{Answer, Increment, MAX_KEY, MAX_KEYS, Operation};
use crate::gather::Request as Work;
use crate::proto::counter_server::Counter;
use crate::proto::{self, IncrementStatus, answer, operation};
use std::pin::Pin;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::{Stream, StreamExt, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, Streaming};

/// Most operations of one request.
pub const MAX_BATCH: usize = 4096;
/// Requests of one stream that are on their way at a time.
const PIPELINE: usize = 64;

/// The service: a door to the block thread.
#[derive(Clone)]
pub struct Service {
    work: mpsc::Sender<Work>,
}

fn key(key: String) -> Result<String, Status> {
    if key.is_empty() || key.len() > MAX_KEY {
        return Err(Status::invalid_argument(format!("a key of {} bytes: at least 1, at most {MAX_KEY}", key.len())));
    }
    Ok(key)
}

fn increment(r: proto::IncrementRequest) -> Result<Operation, Status> {
    if r.sequence == 0 {
        return Err(Status::invalid_argument("sequence number 0: a session counts from 1"));
    }
    Ok(Operation::Increment(Increment { key: key(r.key)?, by: r.by, session: r.session, sequence: r.sequence }))
}

fn operations(request: proto::BatchRequest) -> Result<Vec<Operation>, Status> {
    let n = request.operations.len();
    if n > MAX_BATCH {
        return Err(Status::invalid_argument(format!("a batch of {n} operations: at most {MAX_BATCH}")));
    }
    let one = |op: proto::Operation| match op.kind {
        Some(operation::Kind::Increment(r)) => increment(r),
        Some(operation::Kind::Get(r)) => Ok(Operation::Get(key(r.key)?)),
        None => Err(Status::invalid_argument("an operation that is neither an increment nor a get")),
    };
    request.operations.into_iter().map(one).collect()
}

fn status(answer: Answer) -> Result<IncrementStatus, Status> {
    match answer {
        Answer::Applied => Ok(IncrementStatus::Applied),
        Answer::Duplicate => Ok(IncrementStatus::Duplicate),
        Answer::Gap => Ok(IncrementStatus::Gap),
        Answer::Overflow => Ok(IncrementStatus::Overflow),
        Answer::NoRoom => Err(Status::resource_exhausted(format!("no room for another key: at most {MAX_KEYS}"))),
        Answer::Value(_) => Err(Status::internal("an increment was answered by a value")),
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

impl Service {
    /// A service in front of the block thread that reads from the other end of `work`.
    #[must_use]
    pub fn new(work: mpsc::Sender<Work>) -> Self {
        Service { work }
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
    async fn increment(
        &self,
        request: Request<proto::IncrementRequest>,
    ) -> Result<Response<proto::IncrementReply>, Status> {
        let answer = self.one(increment(request.into_inner())?).await?;
        Ok(Response::new(proto::IncrementReply { status: status(answer)? as i32 }))
    }

    async fn get(&self, request: Request<proto::GetRequest>) -> Result<Response<proto::GetReply>, Status> {
        match self.one(Operation::Get(key(request.into_inner().key)?)).await? {
            Answer::Value(value) => Ok(Response::new(proto::GetReply { value })),
            _ => Err(Status::internal("a get was not answered by a value")),
        }
    }

    async fn batch(&self, request: Request<proto::BatchRequest>) -> Result<Response<proto::BatchReply>, Status> {
        let answers = self.submit(operations(request.into_inner())?).await?.await.map_err(gone)?;
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
                    Ok(Some(batch)) => match operations(batch) {
                        Ok(ops) => service.submit(ops).await,
                        Err(why) => Err(why),
                    },
                    Ok(None) => break,
                    Err(why) => Err(why),
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
