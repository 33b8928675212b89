//! S5: each client's bytes are a prefix of what the execution produced for its connection, ended by exactly what that said, or by
//! a visible reset; never by a clean end that nobody asked for; and none of another connection.

use replicode_log::{ConnId, Output};
use std::collections::BTreeMap;

/// What the execution has said about a connection.
#[derive(Clone, Debug, Default)]
struct Said {
    bytes: Vec<u8>,
    /// It has said that nothing more comes, after so many bytes.
    end: Option<u64>,
}

/// All that the execution has said, from whichever node executed first: that all say the same is another promise.
#[derive(Clone, Debug, Default)]
pub struct Streams(BTreeMap<ConnId, Said>);

impl Streams {
    /// An output, in the order of history.
    ///
    /// # Errors
    /// It contradicts those before it.
    pub fn output(&mut self, output: &Output) -> Result<(), String> {
        let Some(conn) = output.conn() else { return Ok(()) };
        let said = self.0.entry(conn).or_default();
        let len = said.bytes.len() as u64;
        match output {
            Output::Data { offset, bytes, .. } => {
                if *offset != len || said.end.is_some() {
                    return Err(format!("{conn}: bytes at {offset} behind {len}, ended {:?}", said.end));
                }
                said.bytes.extend_from_slice(bytes);
            }
            Output::HalfClose { offset, .. } => {
                if *offset != len {
                    return Err(format!("{conn}: the end is said to be at {offset}, and {len} bytes were said"));
                }
                said.end = Some(len);
            }
            Output::Closed { .. } => said.end = Some(said.end.unwrap_or(len)),
            _ => {}
        }
        Ok(())
    }

    /// A client has read bytes at a position.
    ///
    /// # Errors
    /// They are not those that were said.
    pub fn read(&self, conn: ConnId, at: u64, bytes: &[u8]) -> Result<(), String> {
        let said = self.0.get(&conn).map_or(&[][..], |said| &said.bytes);
        let at = at as usize;
        match said.get(at..at + bytes.len()) {
            Some(part) if part == bytes => Ok(()),
            Some(_) => Err(format!("{conn}: its client has read other bytes at {at} than the program sent")),
            None => {
                Err(format!("{conn}: its client has read {} bytes, the program sent {}", at + bytes.len(), said.len()))
            }
        }
    }

    /// A client has read a clean end after so many bytes.
    ///
    /// # Errors
    /// Nobody has said that it ends there.
    pub fn end(&self, conn: ConnId, at: u64) -> Result<(), String> {
        let end = self.0.get(&conn).and_then(|said| said.end);
        if end == Some(at) {
            Ok(())
        } else {
            Err(format!("{conn}: its client saw an end after {at} bytes, said was {end:?}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use replicode_log::{BootNo, NodeId};

    #[test]
    fn other_bytes_more_bytes_and_false_ends_are_found() {
        let conn = |n| ConnId::new(NodeId::new(1).expect("valid"), BootNo(1), n).expect("valid");
        let mut streams = Streams::default();
        let data = |n, offset, bytes: &[u8]| Output::Data { conn: conn(n), offset, bytes: bytes.to_vec() };
        assert!(streams.output(&data(1, 0, b"abc")).is_ok() && streams.output(&data(1, 3, b"de")).is_ok());
        assert!(streams.output(&data(1, 3, b"de")).is_err(), "said twice");
        assert!(streams.output(&data(2, 0, b"xyz")).is_ok());
        assert!(streams.read(conn(1), 2, b"cde").is_ok() && streams.read(conn(1), 0, b"").is_ok());
        assert!(streams.read(conn(1), 0, b"xyz").is_err(), "another connection's");
        assert!(streams.read(conn(1), 3, b"def").is_err() && streams.read(conn(3), 0, b"a").is_err());
        assert!(streams.end(conn(1), 5).is_err(), "nobody has said so");
        assert!(streams.output(&Output::HalfClose { conn: conn(1), offset: 5 }).is_ok());
        assert!(streams.end(conn(1), 5).is_ok() && streams.end(conn(1), 4).is_err());
        assert!(streams.output(&data(1, 5, b"f")).is_err(), "behind the end");
    }
}
