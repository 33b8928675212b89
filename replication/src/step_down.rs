//! How a leader gives leadership up when it leads nowhere, without waiting for anybody's permission.
//!
//! The engine has no word for it, but a vote has: the leader votes for another node in the next term, as if that had asked.
//! That ends its leadership at once, and can do no harm, since a vote is only ever given away once per term. Then it tells
//! the others, who may hear it although it does not hear them, that it leads no longer: they need not wait until they have
//! missed it.

use crate::delivery::Delivery;
use crate::host;
use crate::log_store::record::{EntryId, VoteRecord};
use crate::mono;
use crate::network::client::Client;
use crate::raft::{self, TypeConfig};
use crate::replica::{Shared, locked};
use crate::state_machine::StateMachine;
use crate::status::SteppedDown;
use openraft::Raft;
use openraft::network::{NetTransferLeader, RPCOption};
use openraft::raft::{TransferLeaderRequest, VoteRequest};
use replicode_log::Term;
use std::sync::Arc;
use std::time::Duration;

/// How long the others are tried to be told.
const TELL: Duration = Duration::from_millis(500);

/// Gives up the leadership of `term`. Unless `surely`, only if no quorum has been heard meanwhile. Answers `false` if there
/// is nobody else who could lead.
pub(crate) async fn step_down<D: Delivery>(
    raft: &Raft<TypeConfig, StateMachine<D>>,
    shared: &Arc<Shared>,
    term: u64,
    surely: bool,
    why: &str,
) -> bool {
    let Some(heir) = shared.heir(|_| true) else { return shared.leads_in() != Some(term) };
    let vote = VoteRecord { term: term + 1, node: heir, committed: false };
    // Nobody's log is behind this one's for this purpose: it is the leader that asks itself.
    let last = raft::log_id(EntryId { term: term + 1, index: u64::MAX });
    let mut request = VoteRequest::new(raft::vote(vote), Some(last));
    request.leadership_transfer = surely;
    match raft.vote(request).await {
        Ok(answer) if answer.vote_granted => {}
        // A quorum was heard after all, somebody else leads, or the engine has stopped, which it says elsewhere.
        Ok(_) | Err(_) => return true,
    }
    tracing::warn!(term, heir, "this node does not lead any more: {why}");
    *locked(&shared.stepped_down) = Some(SteppedDown { term: Term(term), at: mono::now(), why: why.to_string() });
    let ours = VoteRecord { term, node: shared.node.get(), committed: true };
    for peer in shared.peers.iter() {
        let mut client = Client::control(shared.peers.clone(), peer.node.get());
        let request = TransferLeaderRequest::new(raft::vote(ours), heir, None);
        host::spawn(async move {
            // Who does not hear it will miss the leader soon.
            let _ = client.transfer_leader(request, RPCOption::new(TELL)).await;
        });
    }
    true
}
