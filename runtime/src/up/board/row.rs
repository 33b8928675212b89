//! One node's line of the table that `up` shows.

use super::View;
use crate::admin::Replayed;
use replicode_log::NodeId;

/// Clients' addresses shown per node.
const CLIENTS: usize = 4;

pub(super) fn row(node: NodeId, view: &View) -> [String; 10] {
    let dash = || "-".to_string();
    let Some(status) = &view.status else {
        let state = match (&view.died, view.child) {
            (Some(how), _) => format!("dead: {how}"),
            // It has answered before.
            (None, Some(_)) if view.announced.is_some() => "silent".to_string(),
            (None, Some(_)) => "starting".to_string(),
            (None, None) => "not running".to_string(),
        };
        let pid = view.child.map_or_else(dash, |pid| pid.to_string());
        return [node.get().to_string(), pid, state, dash(), dash(), dash(), dash(), dash(), dash(), dash()];
    };
    let mut clients = format!("{}", status.clients.len());
    for client in status.clients.iter().take(CLIENTS) {
        clients.push(' ');
        clients.push_str(client);
    }
    if status.clients.len() > CLIENTS {
        clients.push_str(" …");
    }
    let applied = match &status.executing {
        Some(long) => format!("{} (#{} for {:.0} s)", status.applied_index, long.batch, long.ms as f64 / 1000.0),
        None => status.applied_index.to_string(),
    };
    let contracts = status.contracts.iter().filter_map(|contracts| contracts.listen.as_deref());
    let listens: Vec<&str> = status.published.iter().map(|port| port.listen.as_str()).chain(contracts).collect();
    [
        node.get().to_string(),
        status.pid.to_string(),
        match status.replay {
            Some(Replayed { applied, of }) => format!("{} {} %", status.role, applied * 100 / of.max(1)),
            None if status.leads_alone() => "leader, no majority".to_string(),
            None => status.role.clone(),
        },
        status.term.to_string(),
        status.commit_index.to_string(),
        applied,
        format!("{:.0}", status.batches_per_s),
        status.digest.get(..8).unwrap_or_default().to_string(),
        listens.join(" "),
        clients,
    ]
}
