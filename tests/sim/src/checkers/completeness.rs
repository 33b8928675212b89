//! Leader completeness: whoever leads a term holds all that was agreed on in the terms before (Ongaro and Ousterhout, figure 3).

use super::committed::ForGood;
use super::logs::Held;
use replicode_log::NodeId;

/// Whether the log of the leader of a term is complete.
///
/// # Errors
/// What it lacks.
pub fn of_leader(node: NodeId, term: u64, log: &Held, agreed: &ForGood) -> Result<(), String> {
    for (at, content) in agreed.before(term) {
        let held = log.entries.get(&at);
        if held.is_none_or(|entry| entry.1 != Some(content)) {
            return Err(format!(
                "{node} leads term {term}, and holds {held:?} at entry {at}, where a batch was agreed on"
            ));
        }
    }
    Ok(())
}
