//! Newtypes for everything that has a number, so that no number is taken for another.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A number that cannot be an id of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Node numbers are 1 to 255; 0 marks what belongs to no node.
    #[error("{0} is not a node number: nodes are numbered 1 to 255")]
    Node(u64),
    /// Boot numbers have 24 bits, because a [`ConnId`] carries one.
    #[error("boot number {0} does not fit 24 bits: recreate the node's identity")]
    Boot(u64),
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($int:ty), $prefix:literal) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, BorshSerialize, BorshDeserialize, Serialize,
            Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub $int);

        impl $name {
            /// The next number of this kind.
            ///
            /// # Panics
            /// When the counter is exhausted, which its width rules out in practice.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

number!(
    /// Position of a batch in the history of a cell; the first batch has index 1, and 0 means "before any".
    BatchIndex(u64), "#"
);
number!(
    /// A term of the consensus protocol (Raft, section 5.1). A new leader has a higher one.
    Term(u64), "t"
);
number!(
    /// How often a node has been started, as counted by the log; 0 means "not yet admitted". 24 bits.
    BootNo(u32), "b"
);
number!(
    /// A process of the cell. Numbers are used again only when all up to [`Pid::LAST`] have been.
    Pid(u32), "p"
);
number!(
    /// A stream socket inside the kernel. Numbers are never reused within a cell's life.
    SockId(u64), "s"
);

impl Pid {
    /// The largest number of a process: each has an address of its own.
    pub const LAST: Self = Self(65_535);

    /// The IPv4 address by which the processes of a cell know this one: 10.77.(pid / 256).(pid % 256). Kernel and NAT
    /// table both go by it. Processes beyond number 65535 cannot be addressed and show the network's own address.
    #[must_use]
    pub fn cell_address(self) -> [u8; 4] {
        let [high, low] = u16::try_from(self.0).unwrap_or(0).to_be_bytes();
        [10, 77, high, low]
    }

    /// The process that an address of the cell stands for; `None` for any other address.
    #[must_use]
    pub fn of_cell_address(address: [u8; 4]) -> Option<Self> {
        match address {
            [10, 77, high, low] => Some(Self(u16::from_be_bytes([high, low]).into())),
            _ => None,
        }
    }
}

/// A member of the cluster, 1 to 255. Zero is not a node: it marks what no node holds.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(try_from = "u64", into = "u64")]
pub struct NodeId(u8);

impl NodeId {
    /// A node number.
    ///
    /// # Errors
    /// [`IdError::Node`] unless `1 <= n <= 255`.
    pub fn new(n: u64) -> Result<Self, IdError> {
        match u8::try_from(n) {
            Ok(byte) if byte > 0 => Ok(Self(byte)),
            _ => Err(IdError::Node(n)),
        }
    }

    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0 as u64
    }
}

impl TryFrom<u64> for NodeId {
    type Error = IdError;
    fn try_from(n: u64) -> Result<Self, IdError> {
        Self::new(n)
    }
}

impl From<NodeId> for u64 {
    fn from(node: NodeId) -> u64 {
        node.get()
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A byte stream that enters from outside: a client's connection, or a process's standard input.
///
/// The number is chosen by the node that holds the stream, without asking anybody, and is unique for ever:
///
/// ```text
///  63      56 55                    32 31                            0
/// +----------+------------------------+-------------------------------+
/// | node     | boot number of node    | counter within that boot      |
/// +----------+------------------------+-------------------------------+
///   0 = console: the counter is the process whose standard input it is
/// ```
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ConnId(u64);

impl ConnId {
    /// The `counter`-th connection that `node` accepted during `boot`.
    ///
    /// # Errors
    /// [`IdError::Boot`] when the boot number needs more than 24 bits.
    pub fn new(node: NodeId, boot: BootNo, counter: u32) -> Result<Self, IdError> {
        if boot.0 >= 1 << 24 {
            return Err(IdError::Boot(boot.0.into()));
        }
        Ok(Self((u64::from(node.0) << 56) | (u64::from(boot.0) << 32) | u64::from(counter)))
    }

    /// The standard input of a process.
    #[must_use]
    pub const fn console(pid: Pid) -> Self {
        Self(pid.0 as u64)
    }

    /// The node whose gateway holds the stream; `None` for a console.
    #[must_use]
    pub const fn node(self) -> Option<NodeId> {
        match (self.0 >> 56) as u8 {
            0 => None,
            n => Some(NodeId(n)),
        }
    }

    /// The boot of that node in which the stream began.
    #[must_use]
    pub const fn boot(self) -> BootNo {
        BootNo(((self.0 >> 32) & 0xff_ffff) as u32)
    }

    /// The process whose standard input this is, if it is one.
    #[must_use]
    pub const fn console_pid(self) -> Option<Pid> {
        if self.0 >> 32 == 0 { Some(Pid(self.0 as u32)) } else { None }
    }

    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.node(), self.console_pid()) {
            (Some(node), _) => write!(f, "{node}.{}.{}", self.boot().0, self.0 as u32),
            (None, Some(pid)) => write!(f, "stdin.{}", pid.0),
            (None, None) => write!(f, "conn({:#x})", self.0),
        }
    }
}

impl fmt::Debug for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_numbers_are_1_to_255() {
        assert_eq!(NodeId::new(0), Err(IdError::Node(0)));
        assert_eq!(NodeId::new(1).map(NodeId::get), Ok(1));
        assert_eq!(NodeId::new(255).map(NodeId::get), Ok(255));
        assert_eq!(NodeId::new(256), Err(IdError::Node(256)));
    }

    #[test]
    fn a_connection_id_carries_its_parts() -> Result<(), IdError> {
        let conn = ConnId::new(NodeId::new(3)?, BootNo(7), 9)?;
        assert_eq!((conn.node(), conn.boot()), (Some(NodeId::new(3)?), BootNo(7)));
        assert_eq!(conn.console_pid(), None);
        assert_eq!(conn.to_string(), "n3.7.9");
        assert_eq!(ConnId::new(NodeId::new(3)?, BootNo(1 << 24), 0), Err(IdError::Boot(1 << 24)));
        Ok(())
    }

    #[test]
    fn cell_addresses_lead_to_processes() {
        assert_eq!(Pid(0x1234).cell_address(), [10, 77, 0x12, 0x34]);
        assert_eq!(Pid::of_cell_address([10, 77, 0x12, 0x34]), Some(Pid(0x1234)));
        assert_eq!(Pid::of_cell_address([10, 78, 0, 1]), None);
        assert_eq!(Pid(65_536).cell_address(), [10, 77, 0, 0]);
    }

    #[test]
    fn a_console_belongs_to_no_node() {
        let stdin = ConnId::console(Pid(4));
        assert_eq!((stdin.node(), stdin.console_pid()), (None, Some(Pid(4))));
        assert_eq!(stdin.to_string(), "stdin.4");
    }
}
