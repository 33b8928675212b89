//! The consensus engine's requests to other nodes.

use super::peer::{Lane, Peers};
use super::{frame, tag};
use crate::clock::sample::Sample;
use crate::host::{self, boot_time};
use crate::raft::{TypeConfig, Vote};
use futures::{FutureExt, Stream, StreamExt};
use openraft::OptionalSend;
use openraft::alias::SnapshotOf;
use openraft::base::{BoxFuture, BoxStream};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{
    Backoff, NetBackoff, NetSnapshot, NetStreamAppend, NetTransferLeader, NetVote, RPCOption, RaftNetworkFactory,
};
use openraft::raft::{
    AppendEntriesRequest, SnapshotResponse, StreamAppendResult, TransferLeaderRequest, TransferLeaderResponse,
    VoteRequest, VoteResponse,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// The least time a connection is given to come about, however short a request's patience is.
const PATIENCE: Duration = Duration::from_millis(250);

/// Makes [`Client`]s.
#[derive(Clone)]
pub struct Network(pub Arc<Peers>);

/// Requests to one node over one connection.
pub struct Client {
    peers: Arc<Peers>,
    to: u64,
    lane: Lane,
}

type Failure = RPCError<TypeConfig>;

fn broken(error: impl std::error::Error + 'static) -> Failure {
    RPCError::Network(NetworkError::new(&error))
}

fn unreachable(why: impl ToString) -> Failure {
    RPCError::Unreachable(Unreachable::from_string(why))
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Client;

    async fn new_client(&mut self, to: u64, (): &()) -> Client {
        Client { peers: self.0.clone(), to, lane: Lane::Bulk }
    }

    async fn new_heartbeat_client(&mut self, to: u64, (): &()) -> Client {
        Client { peers: self.0.clone(), to, lane: Lane::Control }
    }
}

impl Client {
    /// For single requests.
    #[must_use]
    pub const fn control(peers: Arc<Peers>, to: u64) -> Self {
        Self { peers, to, lane: Lane::Control }
    }

    async fn open(
        &self,
        lane: Lane,
        tag: u8,
        patience: Duration,
    ) -> Result<(quinn::SendStream, quinn::RecvStream), Failure> {
        let opening = async {
            let connection = self.peers.connection(self.to, lane).await.map_err(unreachable)?;
            let (mut tx, rx) = connection.open_bi().await.map_err(unreachable)?;
            tx.write_all(&[tag]).await.map_err(unreachable)?;
            Ok((tx, rx))
        };
        match host::timeout(patience.max(PATIENCE), opening).await {
            Ok(result) => result,
            Err(_) => Err(unreachable(format!("node {} does not answer", self.to))),
        }
    }

    /// One request, one answer, and with it what the other node's clock shows.
    async fn request<Q: Serialize, A: DeserializeOwned>(
        &self,
        tag: u8,
        question: &Q,
        option: &RPCOption,
    ) -> Result<A, Failure> {
        let exchange = async {
            let (mut tx, mut rx) = self.open(Lane::Control, tag, option.soft_ttl()).await?;
            let asked = boot_time();
            frame::write(&mut tx, question, &mut Vec::new()).await.map_err(broken)?;
            // A stream that is gone shows when the answer is read.
            let _ = tx.finish();
            let answer = frame::read(&mut rx, frame::SMALL).await.map_err(broken)?;
            let (clock, answer) = answer.ok_or_else(|| unreachable(format!("node {} gave no answer", self.to)))?;
            Ok::<_, Failure>((Sample::new(clock, asked, boot_time()), answer))
        };
        let (sample, answer) = match host::timeout(option.soft_ttl().max(PATIENCE), exchange).await {
            Ok(result) => result?,
            Err(_) => return Err(unreachable(format!("node {} does not answer", self.to))),
        };
        if let Some(peer) = self.peers.get(self.to) {
            peer.heard();
            peer.told(sample);
        }
        Ok(answer)
    }
}

/// Ends a task with its owner.
struct AbortOnDrop(host::Task<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl NetStreamAppend<TypeConfig> for Client {
    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<BoxStream<'s, Result<StreamAppendResult<TypeConfig>, Failure>>, Failure>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        let tag = match self.lane {
            Lane::Bulk => tag::APPEND,
            Lane::Control => tag::HEARTBEAT,
        };
        Box::pin(async move {
            let (mut tx, rx) = self.open(self.lane, tag, option.soft_ttl()).await?;
            let asked = (self.lane == Lane::Control).then(boot_time);
            let writer = AbortOnDrop(host::spawn(async move {
                let (mut buffer, mut input) = (Vec::new(), input.fuse());
                let mut next = input.next().await;
                while let Some(request) = next {
                    if request.entries.is_empty() {
                        // Only tells what is committed. When that lets the next batch set out, as it does under load,
                        // the batch says it too: one packet less, and one less for its answer.
                        host::yield_now().await;
                        if let Some(Some(following)) = input.next().now_or_never() {
                            next = Some(following);
                            continue;
                        }
                    }
                    // A stream that is gone shows on the reading side.
                    if frame::write(&mut tx, &request, &mut buffer).await.is_err() {
                        return;
                    }
                    next = input.next().await;
                }
                let _ = tx.finish();
            }));
            let peer = self.peers.get(self.to).cloned();
            let answers = futures::stream::unfold(Some((rx, writer, peer)), move |state| async move {
                let (mut rx, writer, peer) = state?;
                match read_answer(&mut rx, asked).await {
                    Ok(Some((sample, answer))) => {
                        if let Some(peer) = &peer {
                            peer.heard();
                            sample.into_iter().for_each(|sample| peer.told(sample));
                        }
                        Some((Ok(answer), Some((rx, writer, peer))))
                    }
                    Ok(None) => None,
                    Err(error) => Some((Err(unreachable(error)), None)),
                }
            });
            Ok(Box::pin(answers) as BoxStream<'s, _>)
        })
    }
}

/// An answer to an append request; with one to a heartbeat, which was sent at `asked`, comes what the other node's clock
/// shows.
async fn read_answer(
    rx: &mut quinn::RecvStream,
    asked: Option<Duration>,
) -> io::Result<Option<(Option<Sample>, StreamAppendResult<TypeConfig>)>> {
    let Some(asked) = asked else { return Ok(frame::read(rx, frame::SMALL).await?.map(|answer| (None, answer))) };
    let stamped: Option<(u64, _)> = frame::read(rx, frame::SMALL).await?;
    Ok(stamped.map(|(clock, answer)| (Some(Sample::new(clock, asked, boot_time())), answer)))
}

impl NetVote<TypeConfig> for Client {
    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, Failure> {
        self.request(tag::VOTE, &request, &option).await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, Failure> {
        self.request(tag::PRE_VOTE, &request, &option).await
    }
}

impl NetSnapshot<TypeConfig> for Client {
    type SnapshotData = ();

    async fn full_snapshot(
        &mut self,
        _vote: Vote,
        _snapshot: SnapshotOf<TypeConfig, ()>,
        _cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        Err(StreamingError::Unreachable(Unreachable::from_string("there are no snapshots yet")))
    }
}

impl NetBackoff<TypeConfig> for Client {
    fn backoff(&self) -> Option<Backoff> {
        let waits = [20, 50, 100, 200, 400].into_iter().chain(std::iter::repeat(800));
        Some(Backoff::new(waits.map(Duration::from_millis)))
    }
}

impl NetTransferLeader<TypeConfig> for Client {
    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, Failure> {
        self.request(tag::TRANSFER, &request, &option).await
    }
}
