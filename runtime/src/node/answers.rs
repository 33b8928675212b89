//! What the machine thread answers between two batches, in the words of whoever asks.

use super::files;
use super::inbox::{Answered, Query, Reply};
use super::vitals::Vitals;
use crate::rows;
use replicode_machine::GuestLoader;
use replicode_node::Core;
use replicode_node::queries::Answer;

/// Answers a question.
///
/// # Errors
/// A text for whoever asked.
pub fn answer<L: GuestLoader>(core: &Core<L>, vitals: &Vitals, query: Query) -> Reply {
    let query = match query {
        Query::Files(query) => return files::answer(core.machine(), &query).map(Answered::Files),
        Query::Cell(query) => query,
    };
    let rows = match core.answer(query)? {
        Answer::ToCome(to_come) => {
            let state = "not started: nothing has been agreed on yet";
            let row = |(pid, name): (replicode_log::Pid, String)| rows::known_by_name(pid.0, name, state.into());
            serde_json::to_value(to_come.into_iter().map(row).collect::<Vec<_>>())
        }
        Answer::Processes(infos) => serde_json::to_value(rows::processes(infos, &vitals.ended())),
        Answer::Nat(nat) => serde_json::to_value(nat.into_iter().map(rows::line).collect::<Vec<_>>()),
        Answer::Batches(batches) => serde_json::to_value(batches.iter().map(rows::batch).collect::<Vec<_>>()),
        Answer::Peer(bytes) => return Ok(Answered::Bytes(bytes)),
    };
    rows.map(Answered::Json).map_err(|error| error.to_string())
}
