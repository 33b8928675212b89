//! Checking and blessing a folder of recordings: what is found, what is refused, what is written.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use anyhow::Result;
use replicode_golden::bless::{Blessed, bless, is_told};
use replicode_golden::compare::{What, check};
use replicode_golden::list::Entry;
use replicode_golden::scenes;
use replicode_golden::store::{Store, write};
use std::fs;
use std::path::PathBuf;

struct Folder {
    _dir: tempfile::TempDir,
    store: Store,
    changelog: PathBuf,
}

impl Folder {
    /// An empty folder beside a changelog.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let changelog = dir.path().join("CHANGELOG.md");
        fs::write(&changelog, "# Changelog\n\n- The first line.\n").unwrap();
        Self { store: Store::at(dir.path().join("golden")), changelog, _dir: dir }
    }

    /// One with a recording, blessed.
    fn with_traps() -> Self {
        let folder = Self::new();
        folder.add("scene-traps");
        folder.bless(Some("programs end.")).unwrap();
        folder
    }

    fn add(&self, name: &str) {
        let scene = scenes::all().unwrap().into_iter().find(|scene| scene.name == name).unwrap();
        let (history, modules) = scene.book.finish().unwrap();
        self.store.add(name, &history, &modules).unwrap();
    }

    fn bless(&self, sentence: Option<&str>) -> Result<Blessed> {
        bless(&self.store, &self.changelog, sentence)
    }

    fn refusal(&self, sentence: Option<&str>) -> String {
        let before = fs::read_to_string(self.store.file("results.txt")).unwrap_or_default();
        let refusal = format!("{:#}", self.bless(sentence).unwrap_err());
        assert_eq!(fs::read_to_string(self.store.file("results.txt")).unwrap_or_default(), before);
        refusal
    }

    /// Makes the recorded results look as if an earlier program had given them.
    fn as_if_before(&self, name: &str, change: impl FnOnce(&mut replicode_golden::recording::Results)) {
        let mut results = self.store.results(name).unwrap();
        change(&mut results);
        self.store.put_results(name, &results).unwrap();
        let mut list = self.store.list().unwrap();
        let entry = Entry::of(&self.store.history(name).unwrap(), &results);
        *list.counted.get_mut(name).unwrap() = entry;
        write(&self.store.file("results.txt"), list.to_string().as_bytes()).unwrap();
    }
}

#[test]
fn a_blessing_that_changes_the_behaviour_wants_a_sentence_and_tells_it() {
    let folder = Folder::new();
    folder.add("scene-traps");
    assert!(folder.refusal(None).contains("say in a sentence what changes for users"));
    assert!(folder.refusal(Some("  ")).contains("say in a sentence"));
    let first = folder.bless(Some("programs end.")).unwrap();
    assert_eq!((first.added, first.changed), (vec!["scene-traps".to_string()], vec![]));
    let changelog = fs::read_to_string(&folder.changelog).unwrap();
    let line = format!("\n- Behaviour {}: programs end.\n- The first line.\n", first.behaviour.1);
    assert!(changelog.ends_with(&line), "{changelog}");
    assert!(check(&folder.store, "scene-traps").unwrap().is_none());

    // Nothing has changed, and more of the same is no change.
    let again = folder.bless(None).unwrap();
    assert_eq!((again.added.len(), &again.behaviour.1), (0, &first.behaviour.1));
    folder.add("scene-restarts");
    let more = folder.bless(None).unwrap();
    assert_eq!((more.added.len(), &more.behaviour.1), (1, &first.behaviour.1));
    let list = folder.store.list().unwrap();
    assert_eq!((list.counted.len(), list.since.len()), (1, 1));
    is_told(&folder.changelog, &list).unwrap();
    fs::write(&folder.changelog, "nothing").unwrap();
    assert!(is_told(&folder.changelog, &list).is_err());
}

#[test]
fn a_difference_names_recording_batch_and_system_call() {
    let folder = Folder::new();
    folder.add("scene-restarts");
    folder.bless(Some("programs begin again.")).unwrap();
    // In the first batch every process draws random numbers.
    let batch = 0;
    folder.as_if_before("scene-restarts", |results| {
        results.0[batch].calls[1].hash ^= 1;
        results.0[batch].calls[1].result = 28;
        results.0.last_mut().unwrap().digest = replicode_log::Digest::ZERO;
    });
    let found = check(&folder.store, "scene-restarts").unwrap().unwrap();
    assert_eq!(found.batch.as_ref().map(|(index, ..)| index.0), Some(1));
    let text = found.to_string();
    assert!(text.starts_with("recording scene-restarts, batch #1 at "), "{text}");
    let What::Call { at: 2, then: Some(then), now: Some(now) } = found.what else { panic!("{text}") };
    assert!(then.ends_with(" = -1 EINVAL"), "{then}");
    assert!(now.contains("wasi ") && !now.contains("EINVAL"), "{now}");
    // The blessing tells it, too, and all recordings count from then on.
    assert!(folder.refusal(None).contains(&text));
    let blessed = folder.bless(Some("something else.")).unwrap();
    assert_eq!(blessed.changed, [text]);
    assert!(check(&folder.store, "scene-restarts").unwrap().is_none());
}

#[test]
fn differences_that_no_call_shows_are_found() {
    let folder = Folder::with_traps();
    let whole = folder.store.results("scene-traps").unwrap();
    let what = |change: &dyn Fn(&mut replicode_golden::recording::Results)| {
        let mut results = whole.clone();
        change(&mut results);
        folder.store.put_results("scene-traps", &results).unwrap();
        check(&folder.store, "scene-traps").unwrap().unwrap()
    };
    let output = what(&|results| _ = results.0[0].outputs.pop());
    assert!(matches!(output.what, What::Output { then: None, now: Some(_), .. }), "{output}");
    let deadline = what(&|results| results.0[0].deadline = Some(replicode_log::LogicalTime::from_nanos(7)));
    assert!(matches!(deadline.what, What::Deadline { now: None, .. }), "{deadline}");
    let digest = what(&|results| results.0[1].digest = replicode_log::Digest::ZERO);
    assert!(matches!(digest.what, What::Digest) && digest.batch.is_some(), "{digest}");
    let fewer = what(&|results| _ = results.0.pop());
    assert!(matches!(fewer.what, What::Length), "{fewer}");
}

#[test]
fn recordings_are_only_added() {
    let folder = Folder::with_traps();
    folder.add("scene-restarts");
    folder.bless(None).unwrap();

    // What was covered stays covered.
    let path = folder.store.file("covered.txt");
    let covered = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{covered}errno EDOM\n")).unwrap();
    assert!(folder.refusal(Some("x")).contains("no recording touches any more:\n  errno EDOM\n"));
    fs::write(&path, covered).unwrap();

    // Another history under a name that is known.
    let scene = scenes::all().unwrap().into_iter().find(|scene| scene.name == "scene-traps").unwrap();
    let (mut history, modules) = scene.book.finish().unwrap();
    history.batches.pop();
    assert!(folder.store.add("scene-traps", &history, &modules).is_err());
    let file = folder.store.file("recordings/scene-traps.history");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, history.pack().unwrap()).unwrap();
    assert!(folder.refusal(Some("x")).contains("'scene-traps' has another history than the list says"));
    fs::write(&file, bytes).unwrap();
    folder.bless(None).unwrap();

    // One that is gone, and one that carries a real fingerprint.
    fs::remove_file(folder.store.file("recordings/scene-restarts.history")).unwrap();
    assert!(folder.refusal(Some("x")).contains("recording 'scene-restarts' is gone"));
    folder.add("scene-restarts");
    history.config.engine = replicode_log::Digest::ZERO;
    folder.store.add("real", &history, &[]).unwrap();
    assert!(folder.refusal(Some("x")).contains("'real' carries a real fingerprint"));
}
