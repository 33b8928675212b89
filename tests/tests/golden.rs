//! The golden recordings: what kernel, NAT table, machine and engine answered when they were last looked at is what they
//! answer now; together they touch everything there is; and the list that the engine fingerprint is made of is theirs.

use anyhow::{Context, Result};
use replicode_golden::coverage::{touched, wanted};
use replicode_golden::list::Entry;
use replicode_golden::recording::{History, Results, stand_in};
use replicode_golden::store::{MAX_BYTES, Store};
use replicode_golden::{bless, compare, scenes};
use replicode_log::Output;
use replicode_tests::root;
use std::collections::BTreeSet;

fn recordings() -> Result<Vec<(String, History, Results)>> {
    let store = Store::here();
    let read = |name: String| Ok((name.clone(), store.history(&name)?, store.results(&name)?));
    store.names()?.into_iter().map(read).collect()
}

#[test]
fn recordings_give_what_they_gave() -> Result<()> {
    let store = Store::here();
    let names: Vec<String> = store.names()?.into_iter().collect();
    let mut differences = Vec::new();
    for difference in compare::check_all(&store, &names) {
        differences.extend(difference?.map(|it| it.to_string()));
    }
    assert!(
        differences.is_empty(),
        "{}\nif that is meant: tests/golden.sh bless 'what changes for users'",
        differences.join("\n")
    );
    Ok(())
}

#[test]
fn the_list_is_that_of_the_recordings() -> Result<()> {
    let store = Store::here();
    let list = store.list()?;
    let listed: BTreeSet<String> = list.all().map(|(name, _)| name.clone()).collect();
    assert_eq!(listed, store.names()?, "recordings are only added, and each is blessed: tests/golden.sh bless");
    for (name, history, results) in recordings()? {
        assert_eq!(list.get(&name), Some(&Entry::of(&history, &results)), "{name}");
        assert_eq!(history.config.engine, stand_in(), "{name}: results must not depend on their own digest");
    }
    assert_eq!(list.behaviour(), replicode_golden::list::linked(), "the program was built from another list");
    bless::is_told(&root().join("CHANGELOG.md"), &list)?;
    let bytes = store.bytes()?;
    assert!(bytes <= MAX_BYTES, "{bytes} bytes of recordings are more than {MAX_BYTES}");
    Ok(())
}

#[test]
fn all_there_is_is_touched_and_stays_so() -> Result<()> {
    let mut found = BTreeSet::new();
    for (_, history, results) in recordings()? {
        found.extend(touched(&history, &results));
    }
    let missing: Vec<_> = wanted(&root().join("syscalls/src"))?.difference(&found).cloned().collect();
    assert!(
        missing.is_empty(),
        "no recording touches (add a scene in tests/golden/src/scenes):\n  {}",
        missing.join("\n  ")
    );
    let covered = Store::here().covered()?;
    let lost: Vec<_> = covered.difference(&found).cloned().collect();
    assert!(lost.is_empty(), "covered before, and no longer:\n  {}", lost.join("\n  "));
    let new: Vec<_> = found.difference(&covered).cloned().collect();
    assert!(new.is_empty(), "not in covered.txt, which tests/golden.sh bless writes:\n  {}", new.join("\n  "));
    Ok(())
}

#[test]
fn every_program_is_recorded() -> Result<()> {
    let recorded: BTreeSet<String> = recordings()?
        .into_iter()
        .flat_map(|(_, history, _)| history.config.modules)
        .map(|module| module.name)
        .collect();
    let list = std::fs::read_to_string(root().join("wasm_programs/programs.list"))?;
    for line in list.lines().filter(|line| !line.starts_with('#')) {
        let Some(name) = line.split_whitespace().next() else { continue };
        assert!(recorded.contains(name), "no recording of '{name}': tests/golden.sh import NAME DIR");
    }
    Ok(())
}

#[test]
fn the_kill_loop_is_recorded() -> Result<()> {
    let results = Store::here().results("kv-kill-loop")?;
    let over = results.0.iter().flat_map(|outcome| &outcome.outputs).filter_map(|output| match output {
        Output::BootOver { node, .. } => Some(node.get()),
        _ => None,
    });
    let over: Vec<u64> = over.collect();
    assert!(over.len() >= 10, "{} boots came to an end", over.len());
    assert_eq!(over.into_iter().collect::<BTreeSet<_>>(), BTreeSet::from([1, 2, 3]));
    Ok(())
}

/// What scripts expect was written after the documentation of the calls, not after what the kernel says.
#[test]
fn scenes_are_recorded_and_answered_as_expected() -> Result<()> {
    let store = Store::here();
    for scene in scenes::all()? {
        let (history, _) = scene.book.clone().finish()?;
        let recorded = store.history(scene.name).context("tests/golden.sh scenes adds new scenes")?;
        assert!(history == recorded, "{}: a scene is not changed once it is recorded; make a new one", scene.name);
        let surprises = scene.surprises(&store.results(scene.name)?);
        assert!(surprises.is_empty(), "{}", surprises.join("\n"));
    }
    Ok(())
}
