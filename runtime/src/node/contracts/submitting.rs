//! Transactions on their way: offered to the log, and answered when their batch has been executed here.

use super::api::Service;
use super::waiting::Answer;
use crate::datadir;
use replicode_contract_api::proto::{self, Outcome};
use replicode_contracts::transaction::{Limits, Transaction};
use replicode_log::{Call, Called, Input};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tonic::Status;

/// How long the log may take for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks whether the log takes more.
const CONGESTED: Duration = Duration::from_millis(2);

fn gone<E>(_: E) -> Status {
    Status::unavailable(
        "this node cannot tell what became of it, because it was cut off from the others or stops: ask again, with the old number",
    )
}

fn late<E>(_: E) -> Status {
    Status::deadline_exceeded(format!(
        "the cluster has not agreed on it within {} s: it may yet; ask again, with the old number",
        PATIENCE.as_secs()
    ))
}

impl Service {
    /// Until the log takes more.
    async fn room(&self) -> Result<(), Status> {
        let room = async {
            while self.replica.congested() {
                tokio::time::sleep(CONGESTED).await;
            }
        };
        timeout(PATIENCE, room).await.map_err(late)
    }

    /// Whoever waits is noted before: nothing comes between, so that those who wait stand in the order of what was offered.
    fn offer(&self, call: Call) {
        self.replica.offer(&mut vec![Input::Call(call)]);
    }

    /// Asks the log for a client's number.
    pub(super) async fn open_one(&self) -> Result<u64, Status> {
        let token = datadir::random().map_err(|error| Status::internal(error.to_string()))?;
        let token = u64::from_le_bytes(token);
        self.room().await?;
        let told = self.contracts.waiting.open(token);
        self.offer(Call::Open { token });
        let client = timeout(PATIENCE, told).await.map_err(late)?.map_err(gone)?;
        client.ok_or_else(|| Status::failed_precondition("the cell has no contracts"))
    }

    /// Offers a transaction to the log.
    pub(super) async fn submit_one(&self, request: proto::SubmitRequest) -> Result<Pending, Status> {
        let proto::SubmitRequest { client, sequence, transaction } = request;
        if client == 0 || sequence == 0 {
            let what = if client == 0 { "client 0: call Open first" } else { "number 0: a client counts from 1" };
            return Err(Status::invalid_argument(what));
        }
        // What is no transaction never enters the log; what passes may still be skipped.
        Transaction::decode(&transaction, &Limits::STANDARD).map_err(|wrong| {
            let lines: Vec<_> = wrong.iter().map(ToString::to_string).collect();
            Status::invalid_argument(lines.join("\n"))
        })?;
        self.room().await?;
        let told = self.contracts.waiting.call(client, sequence);
        self.offer(Call::Submit { client, sequence, transaction });
        Ok(Pending { sequence, told })
    }
}

/// A transaction on its way.
pub(super) struct Pending {
    sequence: u64,
    told: oneshot::Receiver<Answer>,
}

impl Pending {
    /// What became of it.
    pub(super) async fn reply(self) -> Result<proto::SubmitReply, Status> {
        let Answer { batch, outcome, receipt } = timeout(PATIENCE, self.told).await.map_err(late)?.map_err(gone)?;
        let mut reply = proto::SubmitReply { sequence: self.sequence, ..proto::SubmitReply::default() };
        let outcome = match outcome {
            Called::Executed { position } => {
                (reply.batch, reply.position) = (batch.0, position);
                Outcome::Executed
            }
            Called::Repeated { batch, position } => {
                (reply.batch, reply.position) = (batch.0, position);
                Outcome::Repeated
            }
            Called::Forgotten => Outcome::Forgotten,
            Called::Gap { next } => {
                reply.next = next;
                Outcome::Gap
            }
            Called::ExpiredClient => Outcome::ExpiredClient,
            Called::UnknownClient => Outcome::UnknownClient,
            Called::NoContracts => return Err(Status::failed_precondition("the cell has no contracts")),
        };
        reply.outcome = outcome.into();
        reply.receipt = receipt.map(|receipt| receipt.to_vec()).unwrap_or_default();
        Ok(reply)
    }
}
