//! Whether a directory's node has taken part before. Then its log must be there: a node that forgot what it voted for
//! and what it stored could vote a second time, and so undo what the others hold for agreed.
//!
//! The file `joined` says it. It is made durable before the node can say its first word, and stays for ever.

use crate::datadir::{self, DataDir};
use anyhow::{Context, Result, bail};
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

const CONTENT: &[u8] = b"This directory's node has taken part. If log/ is lost, do not start it with an empty one.\n";

/// Leave to start, given by [`Joined::check`].
#[derive(Debug)]
pub struct Joined {
    /// This is the first start: the log may be founded.
    pub first: bool,
    marker: PathBuf,
}

impl Joined {
    /// Looks whether the node may start, and takes down that it does.
    ///
    /// # Errors
    /// When it has taken part before and its log is gone; when the disk fails.
    pub fn check(dir: &DataDir, alone: bool) -> Result<Self> {
        let marker = dir.file("joined");
        let has_log = has_log(dir)?;
        // Directories from before there were markers have one of the others.
        let first = !marker.exists() && !has_log && !dir.file("digests.bin").exists();
        if first {
            datadir::write_atomically(&marker, CONTENT)?;
        } else if !has_log {
            let (log, root) = (dir.log(), dir.root().display());
            if alone {
                bail!(
                    "the log in {} is gone, and with it everything that ran here: put it back, or remove {root} to \
                     begin anew",
                    log.display()
                );
            }
            bail!(
                "the log in {} is gone, but this node has taken part in its cluster: with an empty log it could vote a \
                 second time and undo what was agreed. put the log back as it was when the node last stopped (an older \
                 copy is as dangerous as none). this version cannot rebuild a node from the others: without its log the \
                 node must stay down. the cluster goes on while a majority of its nodes runs; to have all nodes again, \
                 make a new cluster",
                log.display()
            );
        }
        Ok(Self { first, marker })
    }

    /// The replica could not be started: a first start has said nothing, and the next one is a first start again.
    pub fn withdraw(self) {
        if self.first {
            // If it stays, the next start is refused: a nuisance, but safe.
            let _ = fs::remove_file(self.marker);
        }
    }
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
        assert!(Joined::check(&dir, false)?.first);
        make_log(&dir)?;
        assert!(!Joined::check(&dir, false)?.first);
        fs::remove_dir_all(dir.log())?;
        for (alone, advice) in [(false, "must stay down"), (true, "to begin anew")] {
            let refused = Joined::check(&dir, alone).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(refused.contains(advice), "{refused}");
        }
        Ok(())
    }

    #[test]
    fn a_start_that_failed_was_none() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let dir = DataDir::at(tmp.path());
        Joined::check(&dir, false)?.withdraw();
        fs::create_dir(dir.log())?;
        fs::write(dir.log().join("lock"), b"")?;
        assert!(Joined::check(&dir, false)?.first);
        fs::remove_dir_all(dir.log())?;
        make_log(&dir)?;
        Joined::check(&dir, false)?.withdraw();
        fs::remove_dir_all(dir.log())?;
        assert!(Joined::check(&dir, false).is_err(), "only a first start can be withdrawn");
        Ok(())
    }

    #[test]
    fn directories_from_before_have_joined() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let dir = DataDir::at(tmp.path());
        fs::write(dir.file("digests.bin"), b"")?;
        assert!(Joined::check(&dir, false).is_err());
        make_log(&dir)?;
        fs::remove_file(dir.file("digests.bin"))?;
        assert!(!Joined::check(&dir, false)?.first);
        Ok(())
    }
}
