//! Names of things: nodes, roles, ballots, slots, sessions, and the time that is handed in.

use std::fmt;

/// A node of the cluster. Every node has one proposer, one acceptor and one learner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NodeId(pub u16);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What a process (or a part of one) does. Every role has an address of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Orders the commands of clients.
    Proposer,
    /// Remembers what it promised and accepted.
    Acceptor,
    /// Finds out what was chosen and executes it.
    Learner,
    /// A client's connection; no member of the cluster.
    Client,
}

impl Role {
    /// The roles that make a node.
    pub const OF_A_NODE: [Role; 3] = [Role::Proposer, Role::Acceptor, Role::Learner];

    /// The byte that stands for the role on the wire.
    pub fn code(self) -> u8 {
        match self {
            Role::Proposer => 0,
            Role::Acceptor => 1,
            Role::Learner => 2,
            Role::Client => 3,
        }
    }

    /// The role that `code` stands for.
    pub fn from_code(code: u8) -> Option<Role> {
        [Role::Proposer, Role::Acceptor, Role::Learner, Role::Client].into_iter().find(|r| r.code() == code)
    }

    /// The role's name as in configurations and messages to people.
    pub fn name(self) -> &'static str {
        match self {
            Role::Proposer => "proposer",
            Role::Acceptor => "acceptor",
            Role::Learner => "learner",
            Role::Client => "client",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One role of one node: where messages go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// The node.
    pub node: NodeId,
    /// Its role.
    pub role: Role,
}

impl Endpoint {
    /// The endpoint of `role` at `node`.
    pub fn new(node: NodeId, role: Role) -> Self {
        Endpoint { node, role }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of node {}", self.role, self.node)
    }
}

/// The number of a leadership. Ordered by round, then node; since each node uses a round at most once, no two leaderships share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ballot {
    /// Chosen by the proposer, above every round it has heard of, and on its disk before the first message bears it.
    pub round: u64,
    /// The proposer's node.
    pub node: NodeId,
}

impl Ballot {
    /// Below every ballot of a leadership: what an acceptor has promised before it has promised anything.
    pub const ZERO: Ballot = Ballot { round: 0, node: NodeId(0) };

    /// Higher rounds are nobody's: counting up from 1 does not get there, and one that did could never be surpassed.
    pub const MAX_ROUND: u64 = u64::MAX / 2;

    /// Whether it can be the ballot of a leadership.
    pub fn is_possible(self) -> bool {
        (1..=Ballot::MAX_ROUND).contains(&self.round)
    }

    /// The ballot of `node` in `round`.
    pub fn new(round: u64, node: NodeId) -> Self {
        Ballot { round, node }
    }
}

impl fmt::Display for Ballot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.round, self.node)
    }
}

/// A place in the log. The first is 1; 0 stands for "before the first".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Slot(pub u64);

impl Slot {
    /// Before the first slot.
    pub const ZERO: Slot = Slot(0);
    /// The first slot of the log.
    pub const FIRST: Slot = Slot(1);

    /// The slot after this one. Stays at the end of the range, which no log reaches.
    pub fn next(self) -> Slot {
        Slot(self.0.saturating_add(1))
    }

    /// The slot before this one, at least [`Slot::ZERO`].
    pub fn prev(self) -> Slot {
        Slot(self.0.saturating_sub(1))
    }

    /// This slot and `n` further.
    pub fn plus(self, n: u64) -> Slot {
        Slot(self.0.saturating_add(n))
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Nanoseconds of one process's monotonic clock. Only differences mean anything, and only inside that process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(pub u64);

impl Instant {
    /// This instant and `nanos` later.
    pub fn plus(self, nanos: u64) -> Instant {
        Instant(self.0.saturating_add(nanos))
    }

    /// Nanoseconds since `earlier`; 0 when the clock went back, so a clock that jumps delays and never speeds up.
    pub fn since(self, earlier: Instant) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A client's session: 128 random bits, chosen by the client once per session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ClientId(pub u128);

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// The random number a storage got when it was created. A node that comes back with another one has lost its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Incarnation(pub u64);

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Which cluster a connection or a storage belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ClusterId(pub u64);

impl ClusterId {
    /// The id of the cluster with that name in its configuration (FNV-1a, 64 bit).
    pub fn from_name(name: &str) -> ClusterId {
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        for byte in name.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        ClusterId(hash)
    }
}

/// What the members of a cluster have to agree on besides its name: who they are, since majorities are counted, and how many sessions are
/// kept, since that shows in what is answered. As one word: members call their cluster by it, to each other and on their disks, so that
/// one with another list is a stranger. (Clients use the plain name.)
pub fn agreed_name(name: &str, nodes: impl IntoIterator<Item = NodeId>, sessions: u64) -> String {
    let mut nodes: Vec<u16> = nodes.into_iter().map(|n| n.0).collect();
    nodes.sort_unstable();
    format!("{name}, nodes {nodes:?}, {sessions} sessions")
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_that_do_not_agree_are_strangers() {
        let of = |nodes: &[u16], sessions| agreed_name("demo", nodes.iter().copied().map(NodeId), sessions);
        assert_eq!(of(&[3, 1, 2], 10), of(&[1, 2, 3], 10));
        let ids = [of(&[1, 2, 3], 10), of(&[1, 2, 3, 4, 5], 10), of(&[1, 2, 3], 20), "demo".to_string()];
        for (i, a) in ids.iter().enumerate() {
            for b in &ids[i + 1..] {
                assert_ne!(ClusterId::from_name(a), ClusterId::from_name(b));
            }
        }
    }
}
