//! What is answered now becomes what is expected.
//!
//! A blessing rewrites results, never histories. It wants a sentence for those who use the program, which it puts into
//! CHANGELOG.md, with the name of the new behaviour: a cell that is refused for its behaviour says which one made it.

use crate::compare::first_difference;
use crate::coverage::touched;
use crate::execute;
use crate::list::{Entry, List};
use crate::recording::stand_in;
use crate::store::{Store, write};
use anyhow::{Context, Result, bail, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// What a blessing has changed.
#[derive(Debug, PartialEq, Eq)]
pub struct Blessed {
    /// Recordings that were added to the list.
    pub added: Vec<String>,
    /// Recordings with other results than before, each with its first difference.
    pub changed: Vec<String>,
    /// The behaviour before, and after.
    pub behaviour: (String, String),
}

/// Blesses a folder of recordings. `sentence` says what changes for users; where results change there must be one.
///
/// # Errors
/// When a listed recording is gone or has another history, when something that was covered no longer is, when there is
/// no sentence, or a file cannot be written. Nothing is changed then.
pub fn bless(store: &Store, changelog: &Path, sentence: Option<&str>) -> Result<Blessed> {
    let before = store.list()?;
    let names = store.names()?;
    for (name, _) in before.all() {
        ensure!(names.contains(name), "recording '{name}' is gone, and recordings are only added: restore it");
    }
    let mut all = Vec::new();
    let mut entries = BTreeMap::new();
    let mut covered = BTreeSet::new();
    let (mut added, mut changed) = (Vec::new(), Vec::new());
    for name in names {
        let history = store.history(&name)?;
        ensure!(history.config.engine == stand_in(), "recording '{name}' carries a real fingerprint: import it");
        let results = execute::results(store, &history).with_context(|| format!("recording '{name}'"))?;
        let entry = Entry::of(&history, &results);
        match before.get(&name) {
            None => added.push(name.clone()),
            Some(known) if known.history != entry.history => {
                bail!(
                    "recording '{name}' has another history than the list says, and recordings are only added: restore it"
                )
            }
            Some(known) if known == &entry => {}
            Some(_) => {
                let then = store.results(&name)?;
                let difference = first_difference(store, &name, &history, &then);
                changed.push(difference.map_or_else(|| format!("recording {name}"), |it| it.to_string()));
            }
        }
        covered.extend(touched(&history, &results));
        entries.insert(name.clone(), entry);
        all.push((name, results));
    }
    let lost: Vec<String> = store.covered()?.difference(&covered).cloned().collect();
    ensure!(
        lost.is_empty(),
        "no recording touches any more:\n  {}\nadd one that does; where there is no such behaviour any more, take the line out of \
         covered.txt by hand, so that whoever reads the change sees it",
        lost.join("\n  ")
    );
    let after = before.next(entries);
    let behaviour = (before.behaviour().short(), after.behaviour().short());
    if behaviour.0 != behaviour.1 {
        let sentence = sentence.map(str::trim).filter(|sentence| !sentence.is_empty()).with_context(|| {
            format!(
                "{}\nthe behaviour changes from {} to {}: say in a sentence what changes for users; it goes into CHANGELOG.md",
                changed.join("\n"),
                behaviour.0,
                behaviour.1
            )
        })?;
        tell(changelog, &behaviour.1, sentence)?;
    }
    for (name, results) in &all {
        store.put_results(name, results)?;
    }
    write(&store.file("results.txt"), after.to_string().as_bytes())?;
    write(&store.file("covered.txt"), covered_text(&covered).as_bytes())?;
    Ok(Blessed { added, changed, behaviour })
}

fn covered_text(covered: &BTreeSet<String>) -> String {
    let head = "# Written by tests/golden.sh bless: what the recordings touch. Lines are only added; a line whose behaviour is gone\n\
                # is taken out by hand.\n";
    covered.iter().fold(head.to_string(), |text, line| text + line + "\n")
}

/// Puts the sentence before all others.
fn tell(changelog: &Path, behaviour: &str, sentence: &str) -> Result<()> {
    let text = fs::read_to_string(changelog).with_context(|| format!("cannot read {}", changelog.display()))?;
    let at = text.find("\n- ").with_context(|| format!("{} has no list to add to", changelog.display()))? + 1;
    let line = format!("- Behaviour {behaviour}: {sentence}\n");
    write(changelog, [&text[..at], &line, &text[at..]].concat().as_bytes())
}

/// Whether the changelog says what came with a behaviour.
///
/// # Errors
/// When it does not, or cannot be read.
pub fn is_told(changelog: &Path, list: &List) -> Result<()> {
    let text = fs::read_to_string(changelog).with_context(|| format!("cannot read {}", changelog.display()))?;
    let name = list.behaviour().short();
    ensure!(
        text.contains(&format!("Behaviour {name}: ")),
        "{} has no line 'Behaviour {name}: …': tests/golden.sh bless writes it",
        changelog.display()
    );
    Ok(())
}
