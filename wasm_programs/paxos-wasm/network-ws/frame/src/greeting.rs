//! What both ends must agree on before anything else.
//!
//! Each end sends a hello as its first frame, without waiting for the other's, and checks the other's: so both know the
//! reason when they part, and what follows the hello needs no round trip. Whoever refuses closes the connection. A client is
//! told the reason in a last frame ([`paxos_types::ClientFrame::Refused`]).

use crate::frame;
use bytes::Bytes;
use paxos_types::{ClusterId, Endpoint, Hello, Incarnation, NodeId, PROTOCOL, Role, Serializer};
use std::fmt;

/// The longest first frame: more is no hello.
pub const HELLO_LIMIT: usize = 64;

/// Why the other end's hello is not taken. The connection must be closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

/// Our side of a greeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    own: Hello,
    nodes: Vec<NodeId>,
}

impl Greeting {
    /// Of a member of the cluster `cluster` with these nodes.
    #[must_use]
    pub fn new(
        cluster: &str,
        own: Endpoint,
        serializer: Serializer,
        incarnation: Incarnation,
        nodes: Vec<NodeId>,
    ) -> Self {
        let cluster = ClusterId::from_name(cluster);
        let own = Hello { protocol: PROTOCOL, cluster, node: own.node, role: own.role, serializer, incarnation };
        Self { own, nodes }
    }

    /// Of the end that serves clients. It says no node: clients know whom they called.
    #[must_use]
    pub fn of_client_server(cluster: &str) -> Self {
        let own = Endpoint { node: NodeId(0), role: Role::Proposer };
        Self::new(cluster, own, Serializer::Compact, Incarnation(0), Vec::new())
    }

    /// Of a client.
    #[must_use]
    pub fn of_client(cluster: &str) -> Self {
        let own = Endpoint { node: NodeId(0), role: Role::Client };
        Self::new(cluster, own, Serializer::Compact, Incarnation(0), Vec::new())
    }

    /// The frame to send first.
    #[must_use]
    pub fn frame(&self) -> Bytes {
        frame(&self.own.encode())
    }

    /// Checks the first frame of a peer that connected to us.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn check_peer(&self, body: &[u8]) -> Result<Hello, Refusal> {
        let hello = self.check(body)?;
        if hello.role == Role::Client {
            return Err(Refusal("a client, and this is the address for nodes: use the node's `client` address".into()));
        }
        if !self.nodes.contains(&hello.node) {
            return Err(Refusal(format!(
                "node {}, which this node's configuration does not list: give all nodes the same config.yaml",
                hello.node
            )));
        }
        Ok(hello)
    }

    /// Checks the first frame of whom we have connected to.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn check_called(&self, body: &[u8], called: Endpoint) -> Result<Hello, Refusal> {
        let hello = self.check(body)?;
        let found = Endpoint { node: hello.node, role: hello.role };
        if found != called {
            return Err(Refusal(format!(
                "the {found} answers where the {called} was called: give all nodes the same config.yaml"
            )));
        }
        Ok(hello)
    }

    /// Checks the first frame of a client.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn check_client(&self, body: &[u8]) -> Result<Hello, Refusal> {
        let hello = self.check(body)?;
        if hello.role == Role::Client {
            return Ok(hello);
        }
        Err(Refusal(format!(
            "the {} of node {}, and this is the address for clients: give all nodes the same config.yaml",
            hello.role, hello.node
        )))
    }

    fn check(&self, body: &[u8]) -> Result<Hello, Refusal> {
        let hello = Hello::decode(body).map_err(|error| Refusal(error.to_string()))?;
        hello.check(self.own.cluster, self.own.serializer).map_err(Refusal)?;
        Ok(hello)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FrameReader, HEADER};

    const ACCEPTOR: Endpoint = Endpoint { node: NodeId(2), role: Role::Acceptor };
    const PROPOSER: Endpoint = Endpoint { node: NodeId(1), role: Role::Proposer };

    fn greeting(cluster: &str, own: Endpoint, serializer: Serializer) -> Greeting {
        Greeting::new(cluster, own, serializer, Incarnation(7), vec![NodeId(1), NodeId(2), NodeId(3)])
    }

    fn body(greeting: &Greeting) -> Vec<u8> {
        greeting.frame()[HEADER..].to_vec()
    }

    #[test]
    fn members_take_each_other() {
        let (a, b) = (greeting("demo", ACCEPTOR, Serializer::Compact), greeting("demo", PROPOSER, Serializer::Compact));
        let hello = a.check_peer(&body(&b)).expect("taken");
        assert_eq!((hello.node, hello.role, hello.incarnation), (NodeId(1), Role::Proposer, Incarnation(7)));
        assert!(b.check_called(&body(&a), ACCEPTOR).is_ok());
        let server = Greeting::of_client_server("demo");
        assert!(server.check_client(&body(&Greeting::of_client("demo"))).is_ok());
        let mut reader = FrameReader::new(HELLO_LIMIT);
        reader.push(&a.frame());
        assert!(matches!(reader.next_frame(), Ok(Some(_))));
    }

    #[test]
    fn others_are_refused_by_name() {
        let own = greeting("demo", ACCEPTOR, Serializer::Compact);
        let refused = |other: &Greeting| own.check_peer(&body(other)).expect_err("refused").to_string();
        assert!(refused(&greeting("other", PROPOSER, Serializer::Compact)).contains("belongs to cluster"));
        assert!(refused(&greeting("demo", PROPOSER, Serializer::Protobuf)).contains("serializer is protobuf"));
        assert!(refused(&Greeting::of_client("demo")).contains("use the node's `client` address"));
        let stranger = Endpoint { node: NodeId(9), role: Role::Learner };
        assert!(refused(&greeting("demo", stranger, Serializer::Compact)).contains("node 9"));
        let wrong = own.check_called(&body(&greeting("demo", PROPOSER, Serializer::Compact)), ACCEPTOR);
        assert!(wrong.expect_err("refused").to_string().contains("answers where the acceptor of node 2 was called"));
        let mut old = body(&own);
        old[4] = 9;
        assert!(own.check_peer(&old).expect_err("refused").to_string().contains("speaks protocol 9"));
        assert!(own.check_peer(b"GET / HTTP/1.1").is_err());
        let server = Greeting::of_client_server("demo");
        assert!(server.check_client(&body(&own)).expect_err("refused").to_string().contains("the address for clients"));
    }
}
