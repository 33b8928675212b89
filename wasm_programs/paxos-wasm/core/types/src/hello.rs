//! The first frame of every connection, the same whatever serializer follows.
//!
//! ```text
//! "RPXS" | protocol u16 | cluster u64 | node u16 | role u8 | serializer u8 | incarnation u64
//! ```

use crate::ids::{ClusterId, Incarnation, NodeId, Role};
use crate::wire::{Put, Reader, WireError};

/// The version of everything that crosses a connection. Whoever speaks another one is refused by number.
pub const PROTOCOL: u16 = 1;
const MAGIC: &[u8; 4] = b"RPXS";

/// How the messages after the hello are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Serializer {
    /// [`crate::codec`].
    Compact,
    /// `shared/paxos.proto`.
    Protobuf,
}

impl Serializer {
    /// Its name in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Serializer::Compact => "compact",
            Serializer::Protobuf => "protobuf",
        }
    }

    /// The serializer of that name.
    pub fn from_name(name: &str) -> Option<Serializer> {
        [Serializer::Compact, Serializer::Protobuf].into_iter().find(|s| s.name() == name)
    }
}

/// Who is calling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hello {
    /// The protocol version.
    pub protocol: u16,
    /// The cluster.
    pub cluster: ClusterId,
    /// The node; 0 for a client.
    pub node: NodeId,
    /// The role.
    pub role: Role,
    /// The form of the messages.
    pub serializer: Serializer,
    /// The incarnation of the caller's storage, 0 where it has none.
    pub incarnation: Incarnation,
}

impl Hello {
    /// The encoded hello.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(26);
        out.extend_from_slice(MAGIC);
        out.put_u16(self.protocol);
        out.put_u64(self.cluster.0);
        out.put_u16(self.node.0);
        out.put_u8(self.role.code());
        out.put_u8(match self.serializer {
            Serializer::Compact => 0,
            Serializer::Protobuf => 1,
        });
        out.put_u64(self.incarnation.0);
        out
    }

    /// Reads a hello; what is no hello and what is of another protocol is refused with the reason.
    pub fn decode(bytes: &[u8]) -> Result<Hello, WireError> {
        let mut r = Reader::new(bytes);
        if r.take(4, "a hello's mark").ok() != Some(MAGIC) {
            return Err(WireError::new(0, "this is no hello of this protocol: it must begin with RPXS"));
        }
        let protocol = r.u16("a hello's protocol")?;
        if protocol != PROTOCOL {
            return Err(WireError::new(
                4,
                format!("the peer speaks protocol {protocol}, this program {PROTOCOL}: bring both to one version"),
            ));
        }
        let cluster = ClusterId(r.u64("a hello's cluster")?);
        let node = NodeId(r.u16("a hello's node")?);
        let role = r.u8("a hello's role")?;
        let role = Role::from_code(role).ok_or_else(|| WireError::new(16, format!("no role has the number {role}")))?;
        let serializer = match r.u8("a hello's serializer")? {
            0 => Serializer::Compact,
            1 => Serializer::Protobuf,
            other => return Err(WireError::new(17, format!("no serializer has the number {other}"))),
        };
        let incarnation = Incarnation(r.u64("a hello's incarnation")?);
        r.end("a hello")?;
        Ok(Hello { protocol, cluster, node, role, serializer, incarnation })
    }

    /// Whether this caller may talk to a member of `cluster` that uses `serializer`; the reason if not.
    pub fn check(&self, cluster: ClusterId, serializer: Serializer) -> Result<(), String> {
        if self.cluster != cluster {
            return Err(format!(
                "the peer belongs to cluster {}, this node to {cluster}: an address is wrong, or they differ in the cluster's name, its nodes \
                 or limits.sessions; give all nodes the same config.yaml",
                self.cluster
            ));
        }
        if self.role != Role::Client && self.serializer != serializer {
            return Err(format!(
                "the peer's serializer is {}, this node's {}: set the same one in all configurations",
                self.serializer.name(),
                serializer.name()
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_comes_back_and_others_are_named() {
        let hello = Hello {
            protocol: PROTOCOL,
            cluster: ClusterId::from_name("demo"),
            node: NodeId(2),
            role: Role::Acceptor,
            serializer: Serializer::Protobuf,
            incarnation: Incarnation(77),
        };
        let bytes = hello.encode();
        assert_eq!(bytes.len(), 26);
        assert_eq!(Hello::decode(&bytes), Ok(hello));
        assert!(Hello::decode(b"GET / HTTP/1.1\r\n\r\n").is_err());
        let mut old = bytes.clone();
        old[4] = 0;
        assert!(Hello::decode(&old).is_err_and(|e| e.what.contains("speaks protocol 0")));
        assert!(hello.check(ClusterId(1), Serializer::Protobuf).is_err_and(|e| e.contains("cluster")));
        assert!(hello.check(hello.cluster, Serializer::Compact).is_err_and(|e| e.contains("serializer")));
        assert_eq!(hello.check(hello.cluster, Serializer::Protobuf), Ok(()));
    }
}
