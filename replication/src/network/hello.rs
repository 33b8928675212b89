//! The first words on a connection: who is there, and whether the two belong together.

use crate::log_store::segment::Owner;
use crate::log_store::segment::hex;
use crate::starts::Start;
use serde::{Deserialize, Serialize};

/// The version of what flows between nodes.
pub const VERSION: u32 = 3;

/// Who speaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`VERSION`].
    pub version: u32,
    /// The cluster.
    pub cluster: [u8; 16],
    /// Digest of its configuration.
    pub config: [u8; 32],
    /// Engine fingerprint.
    pub engine: [u8; 32],
    /// The node that speaks.
    pub node: u64,
    /// The node that it takes the other one for.
    pub to: u64,
    /// The speaker's [`Start`].
    pub start: [u8; 16],
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Welcome {
    /// Who answers.
    Hello(Hello),
    /// Why the two do not belong together.
    Refused(String),
    /// The log of the one that is answered has gone back in time: see [`crate::starts`].
    Past(String),
}

impl Welcome {
    /// Why the two have nothing to say to each other; nothing where they have.
    #[must_use]
    pub fn into_reason(self) -> String {
        match self {
            Self::Hello(_) => String::new(),
            Self::Refused(why) | Self::Past(why) => why,
        }
    }
}

impl Hello {
    /// The words of `owner` to the node numbered `to`.
    #[must_use]
    pub fn new(owner: &Owner, start: Start, to: u64) -> Self {
        Self {
            version: VERSION,
            cluster: owner.identity.cluster,
            config: *owner.identity.config.bytes(),
            engine: *owner.identity.engine.bytes(),
            node: owner.node.get(),
            to,
            start: start.bytes(),
        }
    }

    /// Whether `other` belongs to the same cluster as this one and means this node.
    ///
    /// # Errors
    /// What differs, with both values.
    pub fn check(&self, other: &Self) -> Result<(), String> {
        let differ = |what: &str, theirs: String, ours: String| {
            Err(format!("node {} has {what} {theirs}, node {} has {ours}", other.node, self.node))
        };
        if other.version != self.version {
            return differ("protocol version", other.version.to_string(), self.version.to_string());
        }
        if other.cluster != self.cluster {
            return differ("cluster id", hex(&other.cluster), hex(&self.cluster));
        }
        if other.config != self.config {
            return differ("configuration", hex(&other.config), hex(&self.config));
        }
        if other.engine != self.engine {
            return differ("engine fingerprint", hex(&other.engine), hex(&self.engine));
        }
        if other.to != self.node {
            return Err(format!("node {} expects node {} here, but this is node {}", other.node, other.to, self.node));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named() {
        let base = Hello {
            version: VERSION,
            cluster: [1; 16],
            config: [2; 32],
            engine: [3; 32],
            node: 1,
            to: 2,
            start: [0; 16],
        };
        let peer = Hello { node: 2, to: 1, ..base.clone() };
        assert_eq!(base.check(&peer), Ok(()));
        let cases: [(&str, Hello); 5] = [
            ("protocol version", Hello { version: VERSION + 1, ..peer.clone() }),
            ("cluster id", Hello { cluster: [9; 16], ..peer.clone() }),
            ("configuration", Hello { config: [9; 32], ..peer.clone() }),
            ("engine fingerprint", Hello { engine: [9; 32], ..peer.clone() }),
            ("this is node 1", Hello { to: 3, ..peer.clone() }),
        ];
        for (what, other) in cases {
            assert!(base.check(&other).is_err_and(|why| why.contains(what)), "{what}");
        }
    }
}
