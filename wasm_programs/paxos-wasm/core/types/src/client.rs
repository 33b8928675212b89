//! Frames between a client and the node it talks to. The hello goes first, in a frame of its own.
//!
//! ```text
//! request   1 u8 | command …
//! replies   2 u8 | reply …
//! redirect  3 u8 | known u8 | leader u16
//! refused   4 u8 | reason in UTF-8
//! ```

use crate::ids::NodeId;
use crate::wire::{Put, Reader, WireError};

/// One frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientFrame<'a> {
    /// To the node: encoded commands, one after the other. See [`crate::command`].
    Request(&'a [u8]),
    /// To the client: encoded replies, one after the other, in no particular order. See [`crate::reply`].
    Replies(&'a [u8]),
    /// To the client: this node does not lead. Everything that is not answered yet has to be sent again, with the same sequence
    /// numbers, to `leader` if there is one, else to any node after a while.
    Redirect {
        /// The leader this node knows of.
        leader: Option<NodeId>,
    },
    /// To the client: the last frame before the node closes the connection.
    Refused(&'a str),
}

impl<'a> ClientFrame<'a> {
    /// Appends the encoded frame.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            ClientFrame::Request(commands) => {
                out.put_u8(1);
                out.extend_from_slice(commands);
            }
            ClientFrame::Replies(replies) => {
                out.put_u8(2);
                out.extend_from_slice(replies);
            }
            ClientFrame::Redirect { leader } => {
                out.put_u8(3);
                out.put_u8(u8::from(leader.is_some()));
                out.put_u16(leader.map_or(0, |node| node.0));
            }
            ClientFrame::Refused(reason) => {
                out.put_u8(4);
                out.extend_from_slice(reason.as_bytes());
            }
        }
    }

    /// Reads a frame. Commands and replies are not looked into.
    pub fn decode(bytes: &'a [u8]) -> Result<ClientFrame<'a>, WireError> {
        let mut r = Reader::new(bytes);
        let kind = r.u8("a client frame's kind")?;
        match kind {
            1 => Ok(ClientFrame::Request(&bytes[1..])),
            2 => Ok(ClientFrame::Replies(&bytes[1..])),
            3 => {
                let known = r.u8("a redirect's flag")?;
                let leader = NodeId(r.u16("a redirect's leader")?);
                r.end("a redirect")?;
                Ok(ClientFrame::Redirect { leader: (known != 0).then_some(leader) })
            }
            4 => std::str::from_utf8(&bytes[1..])
                .map(ClientFrame::Refused)
                .map_err(|_| WireError::new(1, "a refusal's reason is not UTF-8")),
            other => Err(WireError::new(0, format!("no client frame has the number {other}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_comes_back() {
        for frame in [
            ClientFrame::Request(b"abc"),
            ClientFrame::Replies(b""),
            ClientFrame::Redirect { leader: None },
            ClientFrame::Redirect { leader: Some(NodeId(3)) },
            ClientFrame::Refused("a key has 3 bytes"),
        ] {
            let mut out = Vec::new();
            frame.encode(&mut out);
            assert_eq!(ClientFrame::decode(&out), Ok(frame));
        }
        assert!(ClientFrame::decode(&[]).is_err());
        assert!(ClientFrame::decode(&[9]).is_err());
    }
}
