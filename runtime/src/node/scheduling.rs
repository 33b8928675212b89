//! How the operating system is asked to schedule a node's threads.

use anyhow::Context as _;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::{Pid, SysconfVar, sysconf};
use replicode_log::NodeId;
use replicode_replication::Leadership;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};

/// Asks for `SCHED_BATCH` for this thread, and so for all that it starts: a thread that becomes ready then waits for its
/// turn instead of interrupting the one that runs.
///
/// A request crosses four threads. When processors are scarce, each hand-over that interrupts somebody splits what could
/// have been one batch, and the clients' next bytes find the gateway awake for a single request. On two processors with
/// three nodes this alone is worth a fifth more throughput (`docs/performance.md`). An idle processor takes a ready
/// thread at once under either policy, so latency at low load stays the same.
pub fn prefer_throughput() {
    if let Err(error) = batch() {
        // A wish, not a need: some sandboxes forbid it.
        tracing::info!("the system does not schedule this process as a batch: {error}");
    }
}

/// `SCHED_BATCH` for the calling thread, at the niceness that it has: who shares the machine is to have no advantage.
fn batch() -> anyhow::Result<()> {
    let nice = rustix::process::getpriority_process(None)?;
    let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch);
    // The crate sets a niceness with the policy, and names it by a number from 0 to 99, several for each.
    let same = |priority: &ThreadPriority| priority.to_posix(policy).is_ok_and(|it| it == nice);
    let named = (0..=u8::MAX).filter_map(|n| Some(ThreadPriority::Crossplatform(n.try_into().ok()?))).find(same);
    let priority = named.with_context(|| format!("no priority stands for niceness {nice}"))?;
    set_thread_priority_and_policy(thread_native_id(), priority, policy)?;
    Ok(())
}

/// Where the threads of a node run that shares a machine, and fewer processors than there are nodes, with other nodes of
/// its cluster: members with the same IP address.
///
/// Whoever waits for the disk is woken on the processor that takes the disk's interrupts, and stays there: Linux looks for
/// an idle processor only while few are busy. On two processors the consensus threads of all followers end up on the same
/// one, in each other's way, while the other one idles for half of the time. So a follower's threads for consensus and for
/// the machine keep to one processor, the next follower's to the next one. A leader's go where they like, for it has the
/// most to do, and so do all while nobody leads. What that is worth: `docs/performance.md`.
///
/// Left alone is who has a machine, or enough processors, for itself, and who has been given a part of the machine's
/// processors by somebody else. A thread that is started by one of these two threads inherits its processor.
#[derive(Debug)]
pub struct Placement {
    node: NodeId,
    /// All processors, in order; empty where nobody is bound.
    processors: Vec<usize>,
    /// The members on this machine.
    neighbours: Vec<NodeId>,
    /// The processor that a follower's threads keep to; `ANY`: none.
    home: AtomicUsize,
}

/// No processor in particular.
const ANY: usize = usize::MAX;

/// Where a thread is that is not told of leadership itself: not bound before it has to be.
#[derive(Debug)]
pub struct ThreadPlace {
    placement: Arc<Placement>,
    at: usize,
}

impl Placement {
    /// The place of `node` among the `members` of its cluster, on the processors of this machine.
    #[must_use]
    pub fn of(node: NodeId, members: &BTreeMap<NodeId, SocketAddr>) -> Self {
        let neighbours = neighbours(node, members);
        let mut processors = usable();
        let online = sysconf(SysconfVar::_NPROCESSORS_ONLN).ok().flatten().and_then(|n| usize::try_from(n).ok());
        if processors.len() >= neighbours.len() || online != Some(processors.len()) {
            processors.clear();
        }
        Self { node, processors, neighbours, home: AtomicUsize::new(ANY) }
    }

    /// Who leads has changed: the calling thread, which must be the same one each time, moves to where it belongs. Other
    /// threads follow when they take their [`ThreadPlace`].
    pub fn follow(&self, leadership: Leadership) {
        let home = leadership.leader.and_then(|leader| self.place(leader)).unwrap_or(ANY);
        if self.home.swap(home, Ordering::Relaxed) != home {
            self.bind(home);
        }
    }

    /// Binds the calling thread to `home`, or to nothing.
    fn bind(&self, home: usize) {
        let mut set = CpuSet::new();
        for processor in self.processors.iter().filter(|processor| home == ANY || **processor == home) {
            // Whatever was usable has a place in the set.
            let _ = set.set(*processor);
        }
        if let Err(error) = sched_setaffinity(Pid::from_raw(0), &set) {
            // A wish, not a need, as above.
            tracing::info!("the system does not let a thread choose its processor: {error}");
        }
    }

    /// The processor of this node while `leader` leads: followers take turns.
    fn place(&self, leader: NodeId) -> Option<usize> {
        let mut followers = self.neighbours.iter().filter(|node| **node != leader);
        let rank = followers.position(|node| *node == self.node)?;
        self.processors.get(rank.checked_rem(self.processors.len())?).copied()
    }
}

impl ThreadPlace {
    /// The calling thread's.
    #[must_use]
    pub const fn new(placement: Arc<Placement>) -> Self {
        Self { placement, at: ANY }
    }

    /// Moves the calling thread to where it belongs now. Costs nothing when it is there.
    pub fn take(&mut self) {
        let home = self.placement.home.load(Ordering::Relaxed);
        if home != self.at {
            self.at = home;
            self.placement.bind(home);
        }
    }
}

/// The members on the machine of `node`, itself included, in order.
fn neighbours(node: NodeId, members: &BTreeMap<NodeId, SocketAddr>) -> Vec<NodeId> {
    let machine = |addr: &SocketAddr| match addr.ip().to_canonical() {
        ip if ip.is_loopback() => IpAddr::from([127, 0, 0, 1]),
        ip => ip,
    };
    let here = members.get(&node).map(machine);
    members.iter().filter(|(_, addr)| Some(machine(addr)) == here).map(|(node, _)| *node).collect()
}

/// The processors that the calling thread may use, in order; none where the system does not say.
fn usable() -> Vec<usize> {
    let set = sched_getaffinity(Pid::from_raw(0)).unwrap_or_default();
    (0..CpuSet::count()).filter(|processor| set.is_set(*processor).unwrap_or(false)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use replicode_log::Term;

    fn node(n: usize) -> NodeId {
        NodeId::new(n as u64).unwrap_or_else(|_| unreachable!("a small number"))
    }

    #[test]
    fn a_batch_is_no_nicer_than_before() {
        let nice = || rustix::process::getpriority_process(None).unwrap_or(i32::MAX);
        // On threads of their own: both are properties of a thread.
        for add in [0, 1, 7] {
            let (before, after, policy) = std::thread::spawn(move || {
                let _ = rustix::process::nice(add);
                let before = nice();
                batch().unwrap_or_else(|error| unreachable!("an ordinary user may do that: {error}"));
                (before, nice(), thread_priority::thread_schedule_policy())
            })
            .join()
            .unwrap_or_else(|_| unreachable!("nothing panics there"));
            assert_eq!(after, before);
            assert_eq!(policy.ok(), Some(ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch)));
        }
    }

    fn cluster(addrs: &[&str]) -> BTreeMap<NodeId, SocketAddr> {
        let addr = |addr: &&str| addr.parse().unwrap_or_else(|_| unreachable!("{addr} is an address"));
        addrs.iter().enumerate().map(|(n, a)| (node(n + 1), addr(a))).collect()
    }

    fn together(addrs: &[&str]) -> Vec<u64> {
        neighbours(node(1), &cluster(addrs)).into_iter().map(NodeId::get).collect()
    }

    #[test]
    fn neighbours_have_one_address() {
        assert_eq!(together(&["127.0.0.1:7001", "127.0.0.2:7001", "[::ffff:127.0.0.1]:7003", "[::1]:1"]), [1, 2, 3, 4]);
        assert_eq!(together(&["10.0.0.1:7001", "10.0.0.2:7002", "[::ffff:10.0.0.1]:7003"]), [1, 3]);
        assert_eq!(together(&[]), [0; 0]);
    }

    /// Where each of three neighbours is while each of them leads.
    fn places(processors: &[usize]) -> Vec<Vec<Option<usize>>> {
        let neighbours = vec![node(1), node(2), node(3)];
        let of = |n| Placement {
            node: node(n),
            processors: processors.to_vec(),
            neighbours: neighbours.clone(),
            home: AtomicUsize::new(ANY),
        };
        (1..=3).map(|leader| (1..=3).map(|n| of(n).place(node(leader))).collect()).collect()
    }

    #[test]
    fn followers_take_turns_whoever_leads() {
        let (a, b) = (Some(4), Some(7));
        assert_eq!(places(&[4, 7]), [[None, a, b], [a, None, b], [a, b, None]]);
        assert_eq!(places(&[4]), [[None, a, a], [a, None, a], [a, a, None]]);
        assert_eq!(places(&[]), [[None; 3]; 3]);
    }

    #[test]
    fn a_follower_keeps_to_one_processor_and_a_leader_does_not() {
        let all = usable();
        let three = cluster(&["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"]);
        let mut placement = Placement::of(node(1), &three);
        assert!(placement.processors.is_empty() || placement.processors == all && all.len() < 3);
        placement.processors.clone_from(&all);
        let placement = Arc::new(placement);
        let mut place = ThreadPlace::new(placement.clone());
        for (leader, wanted) in
            [(None, &all[..]), (Some(2), &all[..1]), (Some(1), &all[..]), (Some(3), &all[..1]), (None, &all[..])]
        {
            placement.follow(Leadership { term: Term(1), leader: leader.map(node) });
            place.take();
            assert_eq!(usable(), wanted, "{leader:?} leads");
        }
    }

    #[test]
    fn who_has_a_machine_for_itself_is_left_alone() {
        let apart = cluster(&["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"]);
        assert_eq!(Placement::of(node(1), &apart).processors, [0; 0]);
    }
}
