//! What other nodes want from this one.

use super::endpoint::{HANDSHAKE, MAX_INCOMING, RETRY_FROM};
use super::hello::{Hello, Welcome};
use super::histories::contradiction;
use super::peer::Peers;
use super::{frame, nudge, tag, tls};
use crate::host::{self, Fact, wall_unix_ns};
use crate::log_store::Log;
use crate::mono;
use crate::raft::{self, TypeConfig, entry_id};
use bytes::Bytes;
use futures::StreamExt;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::raft::{AppendEntriesRequest, TransferLeaderRequest, VoteRequest};
use openraft::{Raft, storage::RaftStateMachine};
use replicode_log::{Mono, NodeId};
use replicode_pacing::Parcel;
#[cfg(feature = "planted")]
use replicode_store::planted::{Mistake, planted};
use serde::Serialize;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};

/// A term further ahead than this is no accident of elections but an attack or an error: following it would use terms up.
const MAX_TERM_JUMP: u64 = 1 << 32;

/// Inputs that a peer sent to this node as the leader of a term.
#[derive(Debug)]
pub struct Forwarded {
    /// The term.
    pub term: u64,
    /// The inputs.
    pub parcel: Parcel,
}

/// Answers questions for the floor above.
pub type Answer = dyn Fn(NodeId, &[u8]) -> Vec<u8> + Send + Sync;

/// Everything that serving takes.
pub struct Server<SM: RaftStateMachine<TypeConfig>> {
    /// The consensus engine.
    pub raft: Raft<TypeConfig, SM>,
    /// The members.
    pub peers: Arc<Peers>,
    /// Where forwarded inputs go. Bounded: a full one makes the senders wait.
    pub inbox: mpsc::Sender<Forwarded>,
    /// Answers questions.
    pub answer: Arc<Answer>,
    /// Who has been refused lately.
    pub refusals: Refusals,
    /// This node's log.
    pub log: Log,
    /// Stops the node, because what it has acknowledged is contradicted.
    pub contradicted: Arc<dyn Fn(&str) + Send + Sync>,
}

/// What was told about refused connections: the same is not told again within a while, nor anything twice in a moment, or
/// whoever knocks on the port could fill the node's log.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<(Option<(String, Mono)>, u64)>);

/// For how long the same is not told again.
const QUIET: Duration = Duration::from_secs(10);
/// For how long nothing is.
const MOMENT: Duration = Duration::from_secs(1);

impl Refusals {
    fn tell(&self, from: SocketAddr, why: &str) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = mono::now();
        let quiet = |(last, at): &(String, Mono)| now.since(*at) < if last == why { QUIET } else { MOMENT };
        if told.0.as_ref().is_some_and(quiet) {
            told.1 += 1;
            return;
        }
        let untold = std::mem::replace(&mut *told, (Some((why.to_string(), now)), 0)).1;
        tracing::info!(%from, untold, "refused a connection: {why}");
    }
}

type Streams = (quinn::SendStream, quinn::RecvStream);

/// Accepts connections until the endpoint is closed.
pub async fn serve<SM: RaftStateMachine<TypeConfig>>(endpoint: quinn::Endpoint, server: Arc<Server<SM>>) {
    let room = Arc::new(Semaphore::new(MAX_INCOMING));
    while let Some(incoming) = endpoint.accept().await {
        let Ok(permit) = room.clone().try_acquire_owned() else {
            incoming.refuse();
            continue;
        };
        let pending = MAX_INCOMING - room.available_permits();
        if pending > RETRY_FROM && incoming.may_retry() {
            // Cannot fail when a retry is allowed.
            let _ = incoming.retry();
            continue;
        }
        let server = server.clone();
        host::spawn(async move {
            let from = incoming.remote_address();
            let met = host::timeout(HANDSHAKE, meet(&server, incoming)).await;
            drop(permit);
            match met {
                Ok(Ok((connection, node))) => attend(&server, &connection, node).await,
                Ok(Err(why)) => server.refusals.tell(from, &why),
                Err(_) => server.refusals.tell(from, "no hello in time"),
            }
        });
    }
}

/// Handshake and hello: who is there?
async fn meet<SM: RaftStateMachine<TypeConfig>>(
    server: &Server<SM>,
    incoming: quinn::Incoming,
) -> Result<(quinn::Connection, NodeId), String> {
    let connection = incoming.await.map_err(|error| error.to_string())?;
    let (mut tx, mut rx) = connection.accept_bi().await.map_err(|error| error.to_string())?;
    let verdict = recognise(server, &connection, &mut rx).await;
    let welcome = match &verdict {
        Ok(node) => Welcome::Hello(server.peers.hello(node.get())),
        Err(refusal) => refusal.clone(),
    };
    let answered = frame::write(&mut tx, &welcome, &mut Vec::new()).await;
    let _ = tx.finish();
    match verdict {
        Ok(node) => answered.map(|()| (connection, node)).map_err(|error| error.to_string()),
        Err(refusal) => {
            // Give the reason time to arrive.
            let _ = tx.stopped().await;
            connection.close(1u32.into(), b"refused");
            Err(refusal.into_reason())
        }
    }
}

async fn recognise<SM: RaftStateMachine<TypeConfig>>(
    server: &Server<SM>,
    connection: &quinn::Connection,
    rx: &mut quinn::RecvStream,
) -> Result<NodeId, Welcome> {
    let (node, start) = belongs(server, connection, rx).await.map_err(Welcome::Refused)?;
    server.peers.meet(node, start).await?;
    if let Some(peer) = server.peers.get(node.get()) {
        peer.called();
    }
    if let Some(detours) = server.peers.detours() {
        detours.called(node, connection.remote_address());
    }
    Ok(node)
}

/// Which member it is, and its start, as it says.
async fn belongs<SM: RaftStateMachine<TypeConfig>>(
    server: &Server<SM>,
    connection: &quinn::Connection,
    rx: &mut quinn::RecvStream,
) -> Result<(NodeId, [u8; 16]), String> {
    if read_tag(rx).await.map_err(|error| error.to_string())? != tag::HELLO {
        return Err("it did not begin with a hello".to_string());
    }
    let hello: Option<Hello> = frame::read(rx, frame::SMALL).await.map_err(|error| error.to_string())?;
    let hello = hello.ok_or("it closed the connection without a word")?;
    let node = NodeId::new(hello.node).map_err(|error| error.to_string())?;
    server.peers.hello(hello.node).check(&hello)?;
    if server.peers.get(hello.node).is_none() {
        return Err(format!("{node} is not another member of this cluster"));
    }
    tls::check_peer(connection, node, &server.peers.owner().identity.cluster)?;
    Ok((node, hello.start))
}

/// Writes an answer, and before it what this node's wall clock shows.
async fn stamped<T: Serialize>(tx: &mut quinn::SendStream, answer: &T) -> io::Result<()> {
    frame::write(tx, &(wall_unix_ns(), answer), &mut Vec::new()).await
}

async fn read_tag(rx: &mut quinn::RecvStream) -> io::Result<u8> {
    let mut tag = [0];
    rx.read_exact(&mut tag).await.map_err(io::Error::other)?;
    Ok(tag[0])
}

/// Serves the streams of a connection until it ends.
async fn attend<SM: RaftStateMachine<TypeConfig>>(
    server: &Arc<Server<SM>>,
    connection: &quinn::Connection,
    node: NodeId,
) {
    host::spawn(nudge::attend(connection.clone()));
    while let Ok(streams) = connection.accept_bi().await {
        let (server, connection) = (server.clone(), connection.clone());
        host::spawn(async move {
            if let Err(error) = server.stream(node, streams).await {
                let gone = connection.close_reason().is_some();
                if !gone {
                    tracing::debug!(peer = %node, "a stream ended: {error}");
                }
            }
        });
    }
}

impl<SM: RaftStateMachine<TypeConfig>> Server<SM> {
    async fn stream(self: &Arc<Self>, node: NodeId, (mut tx, mut rx): Streams) -> io::Result<()> {
        match read_tag(&mut rx).await? {
            tag::APPEND => self.append(node, &mut tx, rx, false).await?,
            tag::HEARTBEAT => self.append(node, &mut tx, rx, true).await?,
            tag::VOTE => {
                let request: VoteRequest<TypeConfig> = self.ask(&mut rx).await?;
                self.check_term(request.vote.leader_id.term)?;
                let (vote, last) = (raft::vote_record(&request.vote), request.last_log_id.as_ref().map(entry_id));
                let answer = self.raft.vote(request).await.map_err(io::Error::other)?;
                if answer.vote_granted {
                    host::witness(&Fact::Voted { by: node, vote, last, pre: false });
                }
                stamped(&mut tx, &answer).await?;
            }
            tag::PRE_VOTE => {
                let request: VoteRequest<TypeConfig> = self.ask(&mut rx).await?;
                self.check_term(request.vote.leader_id.term)?;
                let (vote, last) = (raft::vote_record(&request.vote), request.last_log_id.as_ref().map(entry_id));
                #[allow(unused_mut, reason = "unless a mistake is planted")]
                let mut answer = self.raft.pre_vote(request).await.map_err(io::Error::other)?;
                #[cfg(feature = "planted")]
                if planted(Mistake::PreVoteAlways) {
                    answer.vote_granted = true;
                }
                if answer.vote_granted {
                    host::witness(&Fact::Voted { by: node, vote, last, pre: true });
                }
                stamped(&mut tx, &answer).await?;
            }
            tag::TRANSFER => {
                let request: TransferLeaderRequest<TypeConfig> = self.ask(&mut rx).await?;
                self.check_term(request.from_leader().leader_id.term)?;
                let answer = self.raft.handle_transfer_leader(request).await.map_err(io::Error::other)?;
                stamped(&mut tx, &answer).await?;
            }
            tag::FORWARD => self.forwarded(node, &mut rx).await?,
            tag::DETOUR => {
                while let Some(bytes) = frame::read_bytes(&mut rx, frame::DETOUR).await? {
                    if let Some(detours) = self.peers.detours() {
                        detours.pass(node, bytes)?;
                    }
                }
            }
            tag::ASK => {
                let question = frame::read_bytes(&mut rx, frame::ASK).await?;
                let question = question.ok_or_else(|| io::Error::other("no question"))?;
                let answer = self.answer.clone();
                let answer = host::blocking(move || answer(node, &question)).await;
                frame::write_bytes(&mut tx, Bytes::from(answer.map_err(io::Error::other)?)).await?;
            }
            other => return Err(io::Error::other(format!("an unknown kind of stream: {other:#x}"))),
        }
        // A stream that the other side has closed already needs no end from here.
        let _ = tx.finish();
        Ok(())
    }

    async fn ask<Q: serde::de::DeserializeOwned>(&self, rx: &mut quinn::RecvStream) -> io::Result<Q> {
        frame::read(rx, frame::SMALL).await?.ok_or_else(|| io::Error::other("no request"))
    }

    fn term(&self) -> u64 {
        self.raft.metrics().borrow_watched().current_term
    }

    /// Answers this node's own term.
    fn check_term(&self, term: u64) -> io::Result<u64> {
        let ours = self.term();
        if term > ours.saturating_add(MAX_TERM_JUMP) {
            return Err(io::Error::other(format!("term {term} is out of all proportion to ours, {ours}")));
        }
        Ok(ours)
    }

    /// A leader's request, if it may be taken.
    async fn check(
        &self,
        request: AppendEntriesRequest<TypeConfig>,
        heartbeat: bool,
    ) -> io::Result<AppendEntriesRequest<TypeConfig>> {
        let (term, ours) = (request.vote.leader_id.term, self.check_term(request.vote.leader_id.term)?);
        if term < ours {
            return Ok(request);
        }
        self.peers.led();
        match contradiction(&self.log, request, heartbeat).await.map_err(io::Error::other)? {
            (request, None) => Ok(request),
            (_, Some(why)) => {
                (self.contradicted)(&why);
                Err(io::Error::other(why))
            }
        }
    }

    /// Entries and heartbeats of a leader. `heartbeats`: only these.
    async fn append(
        self: &Arc<Self>,
        by: NodeId,
        tx: &mut quinn::SendStream,
        rx: quinn::RecvStream,
        heartbeats: bool,
    ) -> io::Result<()> {
        let requests = futures::stream::unfold((self.clone(), rx), move |(server, mut rx)| async move {
            let request = frame::read::<AppendEntriesRequest<TypeConfig>>(&mut rx, frame::APPEND).await;
            let request = match request {
                Ok(Some(request)) => server.check(request, heartbeats).await.map(Some),
                other => other,
            };
            match request {
                Ok(request) => request.map(|request| (request, (server, rx))),
                Err(error) => {
                    tracing::debug!("an append stream ended: {error}");
                    None
                }
            }
        });
        let mut answers = Box::pin(self.raft.stream_append(requests));
        let (mut buffer, mut last) = (Vec::new(), None);
        while let Some(answer) = answers.next().await {
            let answer = answer.map_err(io::Error::other)?;
            if let Ok(Some(upto)) = &answer {
                host::witness(&Fact::Holds { by, upto: entry_id(upto) });
            }
            if heartbeats {
                stamped(tx, &answer).await?;
                continue;
            }
            // How far the logs match is news only when it has changed: a request that merely told what is committed has
            // no answer. Whether this node lives is asked on the other lane.
            if last.as_ref() != Some(&answer) {
                frame::write(tx, &answer, &mut buffer).await?;
                last = Some(answer);
            }
        }
        Ok(())
    }

    /// Inputs of a node that takes this one for the leader. The stream ends when it is wrong, and the node looks again.
    async fn forwarded(&self, node: NodeId, rx: &mut quinn::RecvStream) -> io::Result<()> {
        let term: u64 = self.ask(rx).await?;
        while let Some(bytes) = frame::read_bytes(rx, frame::FORWARD).await? {
            let parcel = Parcel::from_peer(node, bytes).map_err(io::Error::other)?;
            let gone = self.inbox.send(Forwarded { term, parcel }).await.is_err();
            if gone || self.term() != term {
                return Err(io::Error::other(format!("this node does not lead term {term}")));
            }
        }
        Ok(())
    }
}
