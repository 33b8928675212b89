//! A node that has found what it had acknowledged contradicted by the others does not take part again by itself: whoever
//! is right, the difference does not heal, and the next start would not see it before it had voted and acknowledged anew.
//!
//! The file `contradicted` says what it found. A start refuses as long as it is there.

use crate::datadir::{self, DataDir};
use anyhow::{Error, Result};
use replicode_replication::Fault;
use std::fs;
use std::io::ErrorKind;

const NOTE: &str = "contradicted";
/// The most of a note that is told.
const TOLD: usize = 64 << 10;

/// Takes down what was found, if this fault is of that kind, and answers it as the reason for the node's end.
#[must_use]
pub fn take_down(dir: &DataDir, fault: Fault) -> Error {
    let noted = if fault.contradicted {
        datadir::write_atomically(&dir.file(NOTE), format!("{fault}\n").as_bytes())
    } else {
        Ok(())
    };
    if let Err(error) = noted {
        // The reason itself is what counts.
        tracing::error!("cannot note that this node must not be started again: {error:#}");
    }
    Error::new(fault)
}

/// Refuses a directory whose node has found that.
///
/// # Errors
/// When it has: of the kind that it had then.
pub fn refuse(dir: &DataDir) -> Result<()> {
    let note = dir.file(NOTE);
    if fs::metadata(&note).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return Ok(());
    }
    let found = match datadir::read_bounded(&note, TOLD) {
        Ok(found) => String::from_utf8_lossy(&found).trim().to_string(),
        Err(error) => format!("{error:#}"),
    };
    let why = format!(
        "{found}; nothing repairs this by itself: compare the nodes' directories with 'replicode diff', put right the one \
         that was replaced by an older copy, and when this one is to take part again, remove {}",
        note.display()
    );
    Err(Fault { what: "this node has stopped because it found that".into(), why, contradicted: true }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_people_can_have_it_started_again() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let dir = DataDir::at(tmp.path());
        let fault = |contradicted| Fault { what: "the history".into(), why: "node 2 has another".into(), contradicted };
        assert_eq!(take_down(&dir, fault(false)).to_string(), "the history: node 2 has another");
        refuse(&dir)?;
        assert!(take_down(&dir, fault(true)).downcast_ref::<Fault>().is_some_and(|fault| fault.contradicted));
        for _ in 0..2 {
            let error = refuse(&dir).err().unwrap_or_else(|| anyhow::anyhow!("not refused"));
            let text = error.to_string();
            assert!(text.contains("node 2 has another") && text.ends_with("contradicted"), "{text}");
            assert!(error.downcast_ref::<Fault>().is_some_and(|fault| fault.contradicted));
        }
        fs::remove_file(dir.file(NOTE))?;
        refuse(&dir)
    }
}
