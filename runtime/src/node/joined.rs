//! Whether a directory's node has taken part before. Then its log must be there: a node that forgot what it voted for
//! and what it stored could vote a second time, and so undo what the others hold for agreed.
//!
//! The file `joined` says it. It is made durable after the log has been founded and before the node can say its first
//! word, and stays for ever. So wherever a first start is cut short, the next one goes on: without `joined` nothing has
//! been said yet, and with it the log is there.

use crate::datadir::{self, DataDir};
use anyhow::{Context, Result, bail};
use std::fs;
use std::io::ErrorKind;

const MARKER: &str = "joined";
const CONTENT: &[u8] = b"This directory's node has taken part. If log/ is lost, do not start it with an empty one.\n";

/// Whether this is the node's first start, so that its log may be founded.
///
/// # Errors
/// When it has taken part before and its log is gone; when the disk fails.
pub fn is_first(dir: &DataDir, alone: bool) -> Result<bool> {
    if has_log(dir)? {
        return Ok(false);
    }
    // Directories from before there were markers have digests.
    if !dir.file(MARKER).exists() && !dir.file("digests.bin").exists() {
        return Ok(true);
    }
    let (log, root) = (dir.log(), dir.root().display());
    if alone {
        bail!(
            "the log in {} is gone, and with it everything that ran here: put it back, or remove {root} to begin anew",
            log.display()
        );
    }
    bail!(
        "the log in {} is gone, but this node has taken part in its cluster: with an empty log it could vote a second \
         time and undo what was agreed. put the log back as it was when the node last stopped (an older copy is as \
         dangerous as none). this version cannot rebuild a node from the others: without its log the node must stay \
         down. the cluster goes on while a majority of its nodes runs; to have all nodes again, make a new cluster",
        log.display()
    );
}

/// Takes down that the node takes part from now on. Its log is there and durable.
///
/// # Errors
/// When the disk fails.
pub fn take_down(dir: &DataDir) -> Result<()> {
    let marker = dir.file(MARKER);
    if marker.exists() {
        return Ok(());
    }
    datadir::write_atomically(&marker, CONTENT).context("cannot note that this node takes part from now on")
}

/// Whether there is a segment of the log. A directory without may be left over from a first start that failed.
fn has_log(dir: &DataDir) -> Result<bool> {
    let what = || format!("cannot list {}", dir.log().display());
    let entries = match fs::read_dir(dir.log()) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error).with_context(what),
    };
    for entry in entries {
        if entry.with_context(what)?.file_name().as_encoded_bytes().ends_with(b".log") {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make_log(dir: &DataDir) -> Result<()> {
        fs::create_dir(dir.log())?;
        Ok(fs::write(dir.log().join("000000000001.log"), b"x")?)
    }

    #[test]
    fn a_log_is_founded_once() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let dir = DataDir::at(tmp.path());
        assert!(is_first(&dir, false)?);
        make_log(&dir)?;
        take_down(&dir)?;
        assert!(!is_first(&dir, false)?);
        fs::remove_dir_all(dir.log())?;
        for (alone, advice) in [(false, "must stay down"), (true, "to begin anew")] {
            let refused = is_first(&dir, alone).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(refused.contains(advice), "{refused}");
        }
        Ok(())
    }

    #[test]
    fn a_start_that_was_cut_short_was_none() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let dir = DataDir::at(tmp.path());
        fs::create_dir(dir.log())?;
        fs::write(dir.log().join("lock"), b"")?;
        fs::write(dir.log().join("spare"), b"x")?;
        assert!(is_first(&dir, false)?, "nothing has been founded");
        fs::remove_dir_all(dir.log())?;
        make_log(&dir)?;
        assert!(!is_first(&dir, false)?, "founded, and nothing said yet");
        fs::remove_dir_all(dir.log())?;
        assert!(is_first(&dir, false)?, "what has said nothing may begin again");
        Ok(())
    }

    #[test]
    fn directories_from_before_have_joined() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let dir = DataDir::at(tmp.path());
        fs::write(dir.file("digests.bin"), b"")?;
        assert!(is_first(&dir, false).is_err());
        make_log(&dir)?;
        fs::remove_file(dir.file("digests.bin"))?;
        assert!(!is_first(&dir, false)?);
        Ok(())
    }
}
