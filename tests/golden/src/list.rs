//! The list of all recordings. What stands before its last part is the behaviour: its digest is part of the engine
//! fingerprint (`runtime/wasm/src/behaviour.rs`).
//!
//! ```text
//! # comment
//! NAME BATCHES HISTORY RESULTS
//! # since …
//! NAME BATCHES HISTORY RESULTS       recordings added after the last change: not part of the behaviour
//! ```

use crate::recording::{History, Results};
use anyhow::{Context, Result, ensure};
use replicode_log::Digest;
use replicode_wasm::behaviour::{self, SINCE};
use std::collections::BTreeMap;
use std::fmt;

/// One recording in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// How many batches it has.
    pub batches: usize,
    /// Digest of what goes in.
    pub history: Digest,
    /// Digest of all that comes out: the state digest after the last batch, which everything before is chained into.
    pub results: Digest,
}

impl Entry {
    /// The entry of a recording.
    #[must_use]
    pub fn of(history: &History, results: &Results) -> Self {
        Self { batches: history.batches.len(), history: history.digest(), results: results.digest() }
    }
}

/// The list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// What makes the behaviour.
    pub counted: BTreeMap<String, Entry>,
    /// What was added since.
    pub since: BTreeMap<String, Entry>,
}

impl List {
    /// Reads it.
    ///
    /// # Errors
    /// When a line is none of a list.
    pub fn parse(text: &str) -> Result<Self> {
        let mut list = Self::default();
        let mut since = false;
        for line in text.lines() {
            since |= line.starts_with(SINCE);
            if line.starts_with('#') || line.is_empty() {
                continue;
            }
            let words: Vec<&str> = line.split(' ').collect();
            let [name, batches, history, results] = words[..] else {
                anyhow::bail!("'{line}' is not NAME BATCHES HISTORY RESULTS");
            };
            let digest = |word| Digest::parse(word).with_context(|| format!("'{word}' is not a digest"));
            let entry = Entry {
                batches: batches.parse().with_context(|| format!("'{batches}' is not a number of batches"))?,
                history: digest(history)?,
                results: digest(results)?,
            };
            let part = if since { &mut list.since } else { &mut list.counted };
            ensure!(part.insert(name.to_string(), entry).is_none(), "'{name}' is listed twice");
        }
        Ok(list)
    }

    /// All entries, by name.
    pub fn all(&self) -> impl Iterator<Item = (&String, &Entry)> {
        self.counted.iter().chain(&self.since)
    }

    /// The entry of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.counted.get(name).or_else(|| self.since.get(name))
    }

    /// The list after a blessing. Where the result of a listed recording is another one, the behaviour is another one,
    /// and all recordings are part of it from now on; where recordings were only added it stays what it was.
    #[must_use]
    pub fn next(&self, entries: BTreeMap<String, Entry>) -> Self {
        let changed = self.all().any(|(name, entry)| entries.get(name) != Some(entry));
        if changed || self.counted.is_empty() {
            return Self { counted: entries, since: BTreeMap::new() };
        }
        let since = entries.into_iter().filter(|(name, _)| !self.counted.contains_key(name)).collect();
        Self { counted: self.counted.clone(), since }
    }

    /// The digest of the behaviour.
    #[must_use]
    pub fn behaviour(&self) -> Digest {
        behaviour::of(&self.to_string())
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = |f: &mut fmt::Formatter<'_>, part: &BTreeMap<String, Entry>| {
            part.iter().try_for_each(|(name, it)| writeln!(f, "{name} {} {} {}", it.batches, it.history, it.results))
        };
        writeln!(
            f,
            "# Written by tests/golden.sh bless: recording, batches, digest of what goes in, digest of what comes out."
        )?;
        writeln!(f, "# The digest of these lines is the behaviour, which is part of the engine fingerprint.")?;
        lines(f, &self.counted)?;
        if !self.since.is_empty() {
            writeln!(
                f,
                "{SINCE} the last change of a result: more recordings of the same behaviour, not part of its digest."
            )?;
            lines(f, &self.since)?;
        }
        Ok(())
    }
}

/// The digest of the behaviour that this program was built with.
#[must_use]
pub fn linked() -> Digest {
    behaviour::digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(n: u8) -> Entry {
        Entry { batches: n.into(), history: Digest::of(&[n]), results: Digest::of(&[n, n]) }
    }

    fn entries(of: &[(&str, u8)]) -> BTreeMap<String, Entry> {
        of.iter().map(|(name, n)| (name.to_string(), entry(*n))).collect()
    }

    #[test]
    fn a_list_comes_back() {
        let list = List { counted: entries(&[("a", 1), ("b", 2)]), since: entries(&[("c", 3)]) };
        assert_eq!(List::parse(&list.to_string()).unwrap(), list);
        assert!(List::parse("a 1 2\n").is_err());
        assert!(List::parse(&format!("a x {} {}\n", Digest::ZERO, Digest::ZERO)).is_err());
    }

    #[test]
    fn only_a_change_of_results_changes_the_behaviour() {
        let first = List::default().next(entries(&[("b", 1)]));
        let more = first.next(entries(&[("a", 2), ("b", 1)]));
        assert_eq!((more.behaviour(), more.since.len()), (first.behaviour(), 1));
        let again = more.next(entries(&[("a", 2), ("b", 1), ("c", 3)]));
        assert_eq!((again.behaviour(), again.since.len()), (first.behaviour(), 2));
        // A change of one that was added since counts as much as any other.
        let changed = again.next(entries(&[("a", 9), ("b", 1), ("c", 3)]));
        assert_ne!(changed.behaviour(), first.behaviour());
        assert_eq!((changed.counted.len(), changed.since.len()), (3, 0));
        assert_eq!(changed.next(entries(&[("a", 9), ("b", 1), ("c", 3)])), changed);
    }
}
