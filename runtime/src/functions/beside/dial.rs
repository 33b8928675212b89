//! The way to a node: a connection on which both have said who they are.

use crate::admin::server;
use crate::node::functions::wire;
use std::io::{Error, Read, Result, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::OnceLock;

/// Connects to the node that serves at a socket. `cell` is the digest of the cell that the first one was of.
pub(super) fn dial(socket: &Path, cell: &OnceLock<[u8; 32]>) -> Result<UnixStream> {
    let stream = server::connect(socket)?;
    (&stream).write_all(wire::MAGIC)?;
    hear(&stream, cell)?;
    Ok(stream)
}

fn hear(mut stream: &UnixStream, cell: &OnceLock<[u8; 32]>) -> Result<()> {
    let mut magic = [0; wire::MAGIC.len()];
    stream.read_exact(&mut magic)?;
    if magic != *wire::MAGIC {
        return Err(Error::other("the node is of another version"));
    }
    let mut theirs = [0; 32];
    stream.read_exact(&mut theirs)?;
    // Numbers of one cell are nothing in another: what was asked here must not be done there.
    if *cell.get_or_init(|| theirs) != theirs {
        let text = "the node there is now one of another cell than this server has begun with: start the server anew";
        return Err(Error::other(text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_of_another_cell_is_not_spoken_with() -> Result<()> {
        let cell = OnceLock::new();
        let say = |bytes: &[u8]| {
            let (ours, mut theirs) = UnixStream::pair()?;
            theirs.write_all(bytes)?;
            drop(theirs);
            hear(&ours, &cell)
        };
        let of = |cell: u8| [&wire::MAGIC[..], &[cell; 32]].concat();
        say(&of(1))?;
        say(&of(1))?;
        assert!(say(&of(2)).is_err_and(|error| error.to_string().contains("another cell")));
        assert!(say(b"RPFNODE1").is_err_and(|error| error.to_string().contains("version")));
        assert!(say(&of(1)[..20]).is_err());
        say(&of(1))
    }
}
