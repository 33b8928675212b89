//! Whether what a leader says contradicts what this node has acknowledged.
//!
//! Once a quorum has acknowledged an entry, every later leader has it: so it is as long as nobody's log goes back in time.
//! When a directory has been replaced by an older copy of itself, a quorum may be found that has forgotten. The engine takes
//! what is agreed on for equal and does not look again; so it is looked at here, before the engine sees it, by the node
//! that knows better, or by the one that has forgotten. Either stops.

use crate::log_store::record::{Body, Entry, EntryId};
use crate::log_store::{Log, LogError};
use crate::raft::{self, TypeConfig, entry_id};
use openraft::raft::AppendEntriesRequest;
use replicode_log::{BatchHeader, Digest};

/// What is wrong with a request of a leader, if it contradicts what this node has acknowledged. `matched`: the leader has
/// this node's word for the entry that the request builds on, as it has for every heartbeat. The request comes back. Nobody
/// waits for a disk on this thread: what is not in memory is compared on another one.
///
/// # Errors
/// When this node's own log cannot be read.
pub async fn contradiction(
    log: &Log,
    request: AppendEntriesRequest<TypeConfig>,
    matched: bool,
) -> Result<(AppendEntriesRequest<TypeConfig>, Option<String>), LogError> {
    let held = |from, to| Ok(log.read_held(from, to, usize::MAX));
    if let Some(found) = compare(log, &request, matched, &held)? {
        return Ok((request, found));
    }
    log.elsewhere(move |log| {
        let read = |from, to| log.read(from, to, usize::MAX).map(Some);
        let found = compare(log, &request, matched, &read)?.flatten();
        Ok((request, found))
    })
    .await?
}

/// Reads this node's own entries; `None`: they cannot be read here.
type Read<'a> = &'a dyn Fn(u64, u64) -> Result<Option<Vec<Entry>>, LogError>;

/// See [`contradiction`]. `None`: what the request must be compared with cannot be read here.
fn compare(
    log: &Log,
    request: &AppendEntriesRequest<TypeConfig>,
    matched: bool,
    read: Read<'_>,
) -> Result<Option<Option<String>>, LogError> {
    // A leader of the past may well differ. The log's vote is the newest there is: the engine writes it down before it
    // changes any entry for a new leader's sake.
    if log.vote().is_some_and(|vote| vote.term > request.vote.leader_id.term) {
        return Ok(Some(None));
    }
    let leader = || {
        let vote = &request.vote.leader_id;
        format!("node {}, which leads term {}", vote.voted_for, vote.term)
    };
    let prev = request.prev_log_id.as_ref().map(entry_id);
    if matched && let Some(prev) = prev {
        let Some(mut held) = read(prev.index, prev.index.saturating_add(1))? else { return Ok(None) };
        let held = held.pop();
        if held.as_ref().map(|entry| entry.id) != Some(prev) {
            let (_, last) = log.ends();
            let last = last.map_or("no entry".to_string(), name);
            return Ok(Some(Some(format!(
                "{} has this node's word that it holds {}, but its log holds {} there and ends with {last} (an older copy of its directory?)",
                leader(),
                name(prev),
                held.map_or("nothing".to_string(), |entry| describe(&entry)),
            ))));
        }
    }
    let Some(agreed) = log.noted_committed() else { return Ok(Some(None)) };
    // All that is new comes after what is agreed on: nothing to compare.
    if prev.is_some_and(|prev| prev.index >= agreed.index) {
        return Ok(Some(None));
    }
    // No further than the request goes: a new leader looks for the end of what is common, beginning in the middle of the log.
    let first = prev.map_or(0, |prev| prev.index);
    let last = request.entries.last().map_or(first, |entry| entry.log_id.index()).min(agreed.index);
    let Some(held) = read(first, last.saturating_add(1))? else { return Ok(None) };
    let from = held.first().map_or(0, |entry| entry.id.index);
    let ours = |index: u64| held.get(usize::try_from(index.checked_sub(from)?).ok()?).filter(|it| it.id.index == index);
    if let Some(prev) = prev
        && let Some(ours) = ours(prev.index).filter(|ours| ours.id != prev)
    {
        return Ok(Some(Some(differs(&leader(), &name(prev), ours, agreed))));
    }
    for theirs in request.entries.iter().take_while(|entry| entry.log_id.index() <= agreed.index) {
        let Some(ours) = ours(theirs.log_id.index()) else { continue };
        let Ok(theirs) = raft::to_log(theirs.clone()) else { continue };
        if ours.id != theirs.id || ours.body != theirs.body {
            return Ok(Some(Some(differs(&leader(), &describe(&theirs), ours, agreed))));
        }
    }
    Ok(Some(None))
}

fn differs(leader: &str, theirs: &str, ours: &Entry, agreed: EntryId) -> String {
    format!(
        "{leader}, has {theirs} where this node holds {}, which was agreed on (up to {}) (an older copy of another node's directory?)",
        describe(ours),
        name(agreed),
    )
}

fn name(id: EntryId) -> String {
    format!("entry {} of term {}", id.index, id.term)
}

fn describe(entry: &Entry) -> String {
    let what = match &entry.body {
        Body::Batch(bytes) => match BatchHeader::peek(bytes) {
            Ok(header) => format!("batch {}, content {}", header.index, Digest::of(bytes).short()),
            Err(_) => "no batch".to_string(),
        },
        Body::Blank => "a leader's first".to_string(),
        Body::Membership(_) => "a set of members".to_string(),
    };
    format!("{} ({what})", name(entry.id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_store::record::VoteRecord;
    use crate::log_store::sim_disk::SimDisk;
    use crate::log_store::tests::{no_fault, options, owner};
    use bytes::Bytes;
    use std::sync::Arc;

    fn log(disk: &SimDisk, entries: u64) -> Log {
        // Nearly nothing is cached: what is looked at is read.
        let opened = Log::open(Arc::new(disk.clone()), owner(), options(64 << 10, 1), no_fault(), &mut |_| {});
        let Ok(log) = opened else { unreachable!("an empty disk gives a log") };
        let entry = |index| Entry { id: EntryId { term: 1, index }, body: Body::Batch(Bytes::from(vec![7; 400])) };
        let (tx, written) = std::sync::mpsc::channel();
        let entries: Vec<Entry> = (0..entries).map(entry).collect();
        let last = entries.last().map(|entry| entry.id);
        assert!(log.append(entries, true, Box::new(move |result| drop(tx.send(result)))).is_ok());
        assert!(written.recv().is_ok_and(|result| result.is_ok()));
        assert!(last.is_some_and(|last| log.note_committed(last).is_ok()));
        log
    }

    /// What a new leader asks first: whether an entry in the middle is common.
    fn probe(prev: EntryId) -> AppendEntriesRequest<TypeConfig> {
        AppendEntriesRequest {
            vote: raft::vote(VoteRecord { term: 2, node: 2, committed: true }),
            prev_log_id: Some(raft::log_id(prev)),
            entries: Vec::new(),
            leader_commit: None,
        }
    }

    #[test]
    fn a_probe_reads_what_it_is_about_however_long_the_log_is() {
        let disk = SimDisk::new();
        let log = log(&disk, 5_000);
        let found = |prev, matched| {
            futures::executor::block_on(contradiction(&log, probe(prev), matched)).map(|(_, found)| found)
        };
        let before = disk.reads();
        assert!(matches!(found(EntryId { term: 1, index: 2_500 }, false), Ok(None)));
        assert!(disk.reads() - before <= 8, "{} reads", disk.reads() - before);
        let other = found(EntryId { term: 2, index: 2_500 }, false);
        assert!(matches!(&other, Ok(Some(why)) if why.contains("entry 2500 of term 1")), "{other:?}");
        assert!(matches!(found(EntryId { term: 2, index: u64::MAX }, true), Ok(Some(_))));
        log.close();
    }
}
