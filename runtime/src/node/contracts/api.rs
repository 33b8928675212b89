//! The gRPC service `replicode.contract.v1`, on a thread of its own.
//!
//! Transactions go into the log and are answered when their batch has been executed here (`submitting`). Questions are answered from
//! this node's state, by one thread at a time, between two batches and in steps ([`super::gate`]); none is by a node that would answer
//! from the past.

use super::{Contracts, answers};
use anyhow::{Context as _, Result};
use replicode_contract_api::proto;
use replicode_contract_api::proto::contract_server::{Contract, ContractServer};
use replicode_contract_api::{MAX_REQUEST, convert};
use replicode_contracts::account::Address;
use replicode_contracts::backend::{self, Against, Backend, Error, View};
use replicode_contracts::clients::WINDOW;
use replicode_contracts::collection::CollectionId;
use replicode_contracts::event::Place;
use replicode_contracts::hash::Hash;
use replicode_contracts::proof::Question;
use replicode_contracts::transaction::{Limits, Transaction};
use replicode_log::codec::encode;
use replicode_replication::Replica;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::{Notify, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

/// Events that are asked for at once.
const EVENTS: usize = 256;
/// Gas of a view that names none, and the most of any, and of a dry run: the machine waits for it, as for a step of any question.
const VIEW_GAS: u64 = 100_000_000;

type Reply<T> = std::result::Result<Response<T>, Status>;
type Replies<T> = Pin<Box<dyn Stream<Item = std::result::Result<T, Status>> + Send>>;

/// What the service needs of its node.
#[derive(Clone)]
pub struct Service {
    pub(super) contracts: Arc<Contracts>,
    pub(super) replica: Replica,
}

/// Serves until dropped.
pub struct Api {
    listen: SocketAddr,
    stop: Arc<Notify>,
}

impl Drop for Api {
    fn drop(&mut self) {
        self.stop.notify_one();
    }
}

impl Api {
    /// Where it listens.
    #[must_use]
    pub const fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Serves on a socket that is bound already.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub fn serve(listener: TcpListener, contracts: Arc<Contracts>, replica: Replica) -> Result<Self> {
        let listen = listener.local_addr().context("cannot tell where contracts are served")?;
        listener.set_nonblocking(true).context("cannot serve contracts")?;
        let stop = Arc::new(Notify::new());
        // One thread for questions: each that runs contracts needs room in the engine's pools.
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().max_blocking_threads(1).build().context("cannot serve contracts")?;
        let service = Service { contracts, replica };
        let stopped = stop.clone();
        let serving = async move {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
            let service = ContractServer::new(service).max_decoding_message_size(MAX_REQUEST);
            let server = Server::builder().add_service(service).serve_with_incoming(incoming);
            tokio::select! {
                served = server => served.map_err(anyhow::Error::from),
                () = stopped.notified() => Ok(()),
            }
        };
        let run = move || {
            if let Err(error) = runtime.block_on(serving) {
                tracing::error!("contracts are not served any more: {error:#}");
            }
            // Whoever waits for a question that takes long is not waited for.
            runtime.shutdown_background();
        };
        std::thread::Builder::new().name("contracts".into()).spawn(run).context("cannot serve contracts")?;
        Ok(Self { listen, stop })
    }
}

/// Whether bytes may be tried out here: by anybody who reaches the port, so only what is bounded.
fn may_run_dry(transaction: &[u8]) -> std::result::Result<(), Status> {
    // Who may ask functions something is decided by their socket, and what they burn is no gas.
    if replicode_contracts::functions::Request::is_marked(transaction) {
        let text = "a request of functions is no transaction: 'replicode fn serve --node' is asked for what only reads";
        return Err(Status::invalid_argument(text));
    }
    let decoded = Transaction::decode(transaction, &Limits::STANDARD);
    match decoded.map(|it| it.body.gas_limit).ok().filter(|limit| *limit > VIEW_GAS) {
        Some(limit) => Err(Status::failed_precondition(format!(
            "a dry run with a gas limit of {limit}: on a node it may be {VIEW_GAS} at most, for calls wait meanwhile; state a lower \
             one (--gas)"
        ))),
        None => Ok(()),
    }
}

fn bad(error: convert::BadField) -> Status {
    Status::invalid_argument(error.to_string())
}

/// How many things a page may have: as many as it can unless stated.
const fn limit_of(stated: u32) -> usize {
    if stated == 0 { usize::MAX } else { stated as usize }
}

fn of_backend(error: Error) -> Status {
    match error {
        Error::Order { .. } => Status::failed_precondition(error.to_string()),
        Error::NotProven(_) => Status::not_found(error.to_string()),
        Error::Store(_) | Error::Fault(_) | Error::Stopped(_) => Status::internal(error.to_string()),
    }
}

impl Service {
    /// Does something on the one thread for questions.
    async fn on_thread<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Contracts) -> std::result::Result<T, Status> + Send + 'static,
    ) -> std::result::Result<T, Status> {
        let contracts = self.contracts.clone();
        let asked = tokio::task::spawn_blocking(move || {
            contracts.current().map_err(Status::unavailable)?;
            f(&contracts)
        });
        asked.await.map_err(|_| Status::internal("the question was not answered"))?
    }

    /// Asks the state, in one step: the work is bounded.
    async fn ask<T: Send + 'static>(
        &self,
        f: impl FnOnce(&dyn Backend) -> backend::Result<T> + Send + 'static,
    ) -> std::result::Result<T, Status> {
        self.on_thread(|contracts| step_of(contracts, f)).await
    }

    /// Asks the state in steps until one says that it was the last. The machine goes before each of them.
    async fn ask_on<T: Send + 'static>(
        &self,
        mut question: T,
        step: impl Fn(&mut T, &dyn Backend) -> backend::Result<bool> + Send + 'static,
    ) -> std::result::Result<T, Status> {
        let walk = move |contracts: &Contracts| {
            while !step_of(contracts, |backend| step(&mut question, backend))? {}
            Ok(question)
        };
        self.on_thread(walk).await
    }
}

/// One step of a question. Whether the node is up to date is asked in it once more: it may have waited for long.
fn step_of<T>(
    contracts: &Contracts,
    f: impl FnOnce(&dyn Backend) -> backend::Result<T>,
) -> std::result::Result<T, Status> {
    contracts.with(|backend| {
        contracts.current().map_err(Status::unavailable)?;
        f(backend).map_err(of_backend)
    })
}

#[tonic::async_trait]
impl Contract for Service {
    async fn open(&self, _: Request<proto::OpenRequest>) -> Reply<proto::OpenReply> {
        let client = self.open_one().await?;
        Ok(Response::new(proto::OpenReply { client, window: WINDOW as u32 }))
    }

    type SubmitStream = Replies<proto::SubmitReply>;

    async fn submit(&self, request: Request<Streaming<proto::SubmitRequest>>) -> Reply<Self::SubmitStream> {
        let mut requests = request.into_inner();
        let service = self.clone();
        // As many may be on their way as the log remembers.
        let (send, receive) = mpsc::channel(WINDOW);
        tokio::spawn(async move {
            loop {
                let next = async {
                    match requests.message().await {
                        Ok(Some(request)) => Some(service.submit_one(request).await),
                        Ok(None) => None,
                        Err(status) => Some(Err(status)),
                    }
                };
                // A client that has gone takes no replies: what it still has to say is not waited for, nor is room in the log.
                let next = tokio::select! {
                    next = next => next,
                    () = send.closed() => return,
                };
                let Some(next) = next else { return };
                let failed = next.is_err();
                if send.send(next).await.is_err() || failed {
                    return;
                }
            }
        });
        let replies = ReceiverStream::new(receive).then(|pending| async { pending?.reply().await });
        Ok(Response::new(Box::pin(replies)))
    }

    async fn view(&self, request: Request<proto::ViewRequest>) -> Reply<proto::ViewReply> {
        let it = request.into_inner();
        let sender = if it.sender.is_empty() { vec![0; 20] } else { it.sender };
        let (sender, account) =
            (convert::address("sender", &sender).map_err(bad)?, convert::address("account", &it.account).map_err(bad)?);
        let gas = if it.gas == 0 { VIEW_GAS } else { it.gas.min(VIEW_GAS) };
        let asked = move |backend: &dyn Backend| {
            let view = View { sender, account, function: &it.function, arguments: &it.arguments, gas, moment: None };
            Ok((backend.view(&view)?, backend.tip()))
        };
        let (viewed, tip) = self.ask(asked).await?;
        let burnt = viewed.frames.iter().map(replicode_contracts::receipt::FrameGas::total).sum();
        Ok(Response::new(proto::ViewReply {
            status: encode(&viewed.outcome.status),
            returned: viewed.outcome.returned,
            frames: viewed.frames.iter().map(encode).collect(),
            batch: tip.map_or(0, |tip| tip.index),
            burnt,
        }))
    }

    async fn dry_run(&self, request: Request<proto::DryRunRequest>) -> Reply<proto::DryRunReply> {
        let transaction = request.into_inner().transaction;
        may_run_dry(&transaction)?;
        let receipt = self.ask(move |backend| backend.dry_run(&transaction)).await?;
        Ok(Response::new(proto::DryRunReply { receipt: receipt.encode() }))
    }

    async fn account(&self, request: Request<proto::AccountRequest>) -> Reply<proto::AccountReply> {
        let it = request.into_inner();
        let address = convert::address("account", &it.account).map_err(bad)?;
        let now = self.ask(move |backend| answers::account(backend, &address, it.batch)).await?;
        Ok(Response::new(convert::account(&address, &now)))
    }

    async fn accounts(&self, request: Request<proto::AccountsRequest>) -> Reply<proto::AccountsReply> {
        let it = request.into_inner();
        let after = (!it.after.is_empty()).then(|| convert::address("after", &it.after)).transpose().map_err(bad)?;
        let question = answers::Accounts::new(after, limit_of(it.limit), it.batch);
        let page = self.ask_on(question, answers::Accounts::step).await?;
        let accounts = page.found.iter().map(answers::row).collect();
        Ok(Response::new(proto::AccountsReply { accounts, more: page.more, batch: page.batch }))
    }

    async fn template(&self, request: Request<proto::TemplateRequest>) -> Reply<proto::TemplateReply> {
        let hash = convert::hash("template", &request.into_inner().template).map_err(bad)?;
        let content = self.ask(move |backend| backend.template(&hash)).await?;
        Ok(Response::new(proto::TemplateReply { content }))
    }

    async fn templates(&self, _: Request<proto::TemplatesRequest>) -> Reply<proto::TemplatesReply> {
        let mut all = self.ask_on(answers::Templates::default(), answers::Templates::step).await?;
        all.found.sort_unstable();
        let templates = all.found.iter().map(|hash| hash.as_bytes().to_vec()).collect();
        Ok(Response::new(proto::TemplatesReply { templates }))
    }

    async fn library(&self, request: Request<proto::LibraryRequest>) -> Reply<proto::LibraryReply> {
        let it = request.into_inner();
        let publisher = convert::address("publisher", &it.publisher).map_err(bad)?;
        let found = self.ask(move |backend| backend.library(&publisher, &it.name, &it.version)).await?;
        Ok(Response::new(proto::LibraryReply { template: found.map(|hash| hash.as_bytes().to_vec()) }))
    }

    async fn libraries(&self, _: Request<proto::LibrariesRequest>) -> Reply<proto::LibrariesReply> {
        let all = self.on_thread(|contracts| contracts.libraries().map_err(of_backend)).await?;
        let row = |(publisher, name, version, template): (Address, String, String, Hash)| proto::LibraryRow {
            publisher: publisher.as_bytes().to_vec(),
            name,
            version,
            template: template.as_bytes().to_vec(),
        };
        Ok(Response::new(proto::LibrariesReply { libraries: all.into_iter().map(row).collect() }))
    }

    async fn history(&self, request: Request<proto::HistoryRequest>) -> Reply<proto::HistoryReply> {
        let address = convert::address("account", &request.into_inner().account).map_err(bad)?;
        let all = self.on_thread(move |contracts| Ok(contracts.history(&address))).await?;
        let past = |(batch, transaction, state): (u64, Hash, Hash)| proto::Past {
            batch,
            transaction: transaction.as_bytes().to_vec(),
            state: state.as_bytes().to_vec(),
        };
        Ok(Response::new(proto::HistoryReply { changes: all.into_iter().map(past).collect() }))
    }

    async fn slice(&self, request: Request<proto::SliceRequest>) -> Reply<proto::SliceReply> {
        let it = request.into_inner();
        let address = convert::address("account", &it.account).map_err(bad)?;
        let found = self.ask(move |backend| answers::slice(backend, &address, it.index, it.batch)).await?;
        Ok(Response::new(proto::SliceReply { entry: found.map(|entry| answers::entry(Vec::new(), entry)) }))
    }

    async fn elements(&self, request: Request<proto::ElementsRequest>) -> Reply<proto::ElementsReply> {
        let it = request.into_inner();
        let address = convert::address("account", &it.account).map_err(bad)?;
        let name = *convert::hash("collection", &it.collection).map_err(bad)?.as_bytes();
        let id = CollectionId { account: *address.as_bytes(), name };
        let question = answers::Elements::new(id, it.after, limit_of(it.limit), it.batch);
        let page = self.ask_on(question, answers::Elements::step).await?;
        let (more, batch) = (page.more, page.batch);
        let elements = page.found.into_iter().map(|(key, entry)| answers::entry(key, entry)).collect();
        Ok(Response::new(proto::ElementsReply { elements, more, batch }))
    }

    async fn receipt(&self, request: Request<proto::ReceiptRequest>) -> Reply<proto::ReceiptReply> {
        let hash = convert::hash("transaction", &request.into_inner().transaction).map_err(bad)?;
        self.contracts.current().map_err(Status::unavailable)?;
        let receipt = match self.contracts.receipt_of(&hash) {
            Some(receipt) => Some(receipt.to_vec()),
            None => self.ask(move |backend| backend.receipt(&hash)).await?.map(|receipt| receipt.encode()),
        };
        Ok(Response::new(proto::ReceiptReply { receipt }))
    }

    type EventsStream = Replies<proto::Event>;

    async fn events(&self, request: Request<proto::EventsRequest>) -> Reply<Self::EventsStream> {
        let it = request.into_inner();
        let filter = convert::filter_of(&it).map_err(bad)?;
        let mut after: Option<Place> = it.after.as_ref().map(convert::place_of);
        let mut left = if it.limit == 0 { usize::MAX } else { it.limit as usize };
        let (send, receive) = mpsc::channel(EVENTS);
        let service = self.clone();
        tokio::spawn(async move {
            let mut newest = service.contracts.newest();
            while left > 0 {
                newest.borrow_and_update();
                let limit = left.min(EVENTS);
                let question = answers::Events::new(filter.clone(), after, limit);
                let found = match service.ask_on(question, answers::Events::step).await {
                    Ok(found) => found,
                    Err(status) => return drop(send.send(Err(status)).await),
                };
                let full = found.found.len() == limit;
                after = found.after;
                for found in found.found {
                    left -= 1;
                    if send.send(Ok(convert::event(&found))).await.is_err() {
                        return;
                    }
                }
                if full {
                    continue;
                }
                if !it.follow {
                    return;
                }
                let goes_on = tokio::select! {
                    changed = newest.changed() => changed.is_ok(),
                    () = send.closed() => false,
                };
                if !goes_on {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receive))))
    }

    async fn proof(&self, request: Request<proto::ProofRequest>) -> Reply<proto::ProofReply> {
        let it = request.into_inner();
        let question: Question = convert::decode("question", &it.question).map_err(bad)?;
        let against = if it.digest { Against::Digest } else { Against::Root };
        let asked = move |backend: &dyn Backend| {
            let batch = answers::batch(backend, it.batch)?;
            let Some(batch) = batch else { return Ok(None) };
            Ok(Some((backend.prove(&question, batch.index, against)?, batch)))
        };
        let found = self.ask(asked).await?;
        let (proof, batch) = found.ok_or_else(|| Status::failed_precondition("there was no batch with calls yet"))?;
        Ok(Response::new(proto::ProofReply { proof: encode(&proof), batch: encode(&batch) }))
    }

    async fn root(&self, request: Request<proto::RootRequest>) -> Reply<proto::RootReply> {
        let at = request.into_inner().batch;
        let asked = move |backend: &dyn Backend| {
            let config = backend.config();
            Ok((answers::batch(backend, at)?, backend.moment().time, config.cell, config.trust_names, config.batch_gas))
        };
        let (batch, time, cell, trust_names, batch_gas) = self.ask(asked).await?;
        Ok(Response::new(proto::RootReply {
            batch: batch.as_ref().map(encode).unwrap_or_default(),
            digest: batch.map(|batch| batch.digest().as_bytes().to_vec()).unwrap_or_default(),
            time,
            cell: cell.as_bytes().to_vec(),
            trust_names,
            batch_gas,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use replicode_contracts::functions::{Config, Request, Which};

    #[test]
    fn nobody_runs_functions_past_their_socket() {
        let config = Config { fuel: Some(1), ..Config::default() };
        let execute = Request::Execute {
            stages: vec![Which::of("f")],
            chain: false,
            entry: None,
            input: Vec::new(),
            config,
            read_only: true,
            lines: false,
        };
        for request in [execute, Request::List] {
            let refused = may_run_dry(&request.encode(0, 0)).expect_err("it is no transaction");
            assert_eq!(refused.code(), tonic::Code::InvalidArgument);
        }
        assert!(may_run_dry(&[0xf1]).is_err(), "whatever it is, it begins like one");
        assert!(may_run_dry(b"rubbish").is_ok(), "its receipt says so");
    }
}
