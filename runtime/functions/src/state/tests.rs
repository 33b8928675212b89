//! State against a map, through restarts and cut files.

use super::*;
use std::collections::BTreeMap;

const SPACE: Namespace = [7; 16];
type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

fn set(state: &State, key: &[u8], value: Option<&[u8]>) -> Result<Commit> {
    let mut overlay = Overlay::default();
    overlay.set(&SPACE, key, value);
    Ok(state.commit(&overlay)?)
}

fn keys(state: &State) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let all = state.list(&SPACE, u64::MAX)?.ok_or("too many")?;
    let value = |key: &[u8]| Ok((key[16..].to_vec(), state.get(key)?.ok_or("a listed key is there")?.to_vec()));
    all.iter().map(|key| value(key)).collect()
}

#[test]
fn what_was_read_must_still_be_so() -> Result {
    let (state, _) = State::open(None, 10_000)?;
    set(&state, b"a", Some(b"1"))?;
    let mut slow = Overlay::default();
    assert_eq!(slow.get(&state, &SPACE, b"a")?.as_deref(), Some(&b"1"[..]));
    slow.set(&SPACE, b"b", Some(b"from a"));
    set(&state, b"a", Some(b"2"))?;
    assert_eq!(state.commit(&slow)?, Commit::Conflict);
    assert_eq!(keys(&state)?, [(b"a".to_vec(), b"2".to_vec())]);
    // A list conflicts with a new key in it, and with nothing else.
    let mut lists = Overlay::default();
    lists.list(&state, &SPACE, b"x", u64::MAX, &mut |_| true)?;
    lists.set(&SPACE, b"sum", Some(b"0"));
    set(&state, b"y", Some(b""))?;
    assert!(state.holds(&lists)?);
    set(&state, b"x1", Some(b""))?;
    assert_eq!(state.commit(&lists)?, Commit::Conflict);
    Ok(())
}

#[test]
fn an_execution_sees_what_it_has_written_and_can_go_back() -> Result {
    let (state, _) = State::open(None, 10_000)?;
    set(&state, b"a1", Some(b"1"))?;
    set(&state, b"a2", Some(b"2"))?;
    let mut run = Overlay::default();
    run.set(&SPACE, b"a1", None);
    run.set(&SPACE, b"a3", Some(b"3"));
    let mark = run.mark();
    run.set(&SPACE, b"a4", Some(b"4"));
    run.set(&SPACE, b"a3", Some(b"33"));
    let list = |run: &mut Overlay| -> Result<Vec<Vec<u8>>> {
        let mut found = Vec::new();
        run.list(&state, &SPACE, b"a", u64::MAX, &mut |key| {
            found.push(key.to_vec());
            true
        })?;
        Ok(found)
    };
    assert_eq!(list(&mut run)?, [b"a2", b"a3", b"a4"]);
    run.roll_back(mark);
    assert_eq!(list(&mut run)?, [b"a2", b"a3"]);
    assert_eq!(run.get(&state, &SPACE, b"a3")?.as_deref(), Some(&b"3"[..]));
    assert_eq!(run.get(&state, &SPACE, b"a1")?, None);
    assert_eq!(state.commit(&run)?, Commit::Done(3));
    assert_eq!(keys(&state)?, [(b"a2".to_vec(), b"2".to_vec()), (b"a3".to_vec(), b"3".to_vec())]);
    Ok(())
}

#[test]
fn marks_within_marks_are_gone_back_to() -> Result {
    let (state, _) = State::open(None, 1 << 20)?;
    let mut number = 7u64;
    let mut dice = |most: u64| {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (number >> 33) % most
    };
    for _ in 0..200 {
        let mut run = Overlay::default();
        // What is written, and what was at the marks that are open.
        let mut model: BTreeMap<Vec<u8>, Option<Vec<u8>>> = BTreeMap::new();
        let mut open = vec![(run.mark(), model.clone())];
        for step in 0..100u8 {
            match dice(10) {
                0 => open.push((run.mark(), model.clone())),
                1 | 2 if open.len() > 1 => {
                    let Some((mark, before)) = open.pop() else { break };
                    if dice(2) == 0 {
                        run.roll_back(mark);
                        model = before;
                    }
                    run.resume(open.last().map_or(0, |(mark, _)| *mark));
                }
                _ => {
                    let key = vec![dice(5) as u8];
                    let value = (dice(4) > 0).then(|| vec![step; usize::from(step)]);
                    run.set(&SPACE, &key, value.as_deref());
                    model.insert(key, value);
                }
            }
            let written: BTreeMap<Vec<u8>, Option<Vec<u8>>> = run
                .writes()
                .iter()
                .map(|(key, value)| (key[16..].to_vec(), value.as_ref().map(|value| value.to_vec())))
                .collect();
            assert_eq!(written, model);
            for (key, value) in &model {
                assert_eq!(run.get(&state, &SPACE, key)?.as_deref(), value.as_deref());
            }
        }
        run.roll_back(0);
        assert_eq!((run.writes().len(), run.bytes()), (0, 0));
    }
    Ok(())
}

/// By how much an act makes it grow.
fn growth(run: &mut Overlay, act: &mut dyn FnMut(&mut Overlay) -> Result) -> Result<u64> {
    let before = run.bytes();
    act(run)?;
    Ok(run.bytes() - before)
}

#[test]
fn what_an_execution_holds_is_counted() -> Result {
    let (state, _) = State::open(None, 1 << 20)?;
    for key in 0..100u8 {
        set(&state, &[b'k', key], Some(&[key; 1000]))?;
    }
    let mut run = Overlay::default();
    // The same key again and again takes no more than it and what it was before.
    let _ = run.mark();
    let once = growth(&mut run, &mut |run| {
        run.set(&SPACE, b"x", Some(&[1; 1000]));
        Ok(())
    })?;
    let often = growth(&mut run, &mut |run| {
        (0..1000).for_each(|_| run.set(&SPACE, b"x", Some(&[2; 1000])));
        Ok(())
    })?;
    assert!((1000..1500).contains(&once) && often == 0, "{once}, {often}");
    // In a function that is called, what to go back to is kept once more.
    let _ = run.mark();
    let called = growth(&mut run, &mut |run| {
        (0..1000).for_each(|_| run.set(&SPACE, b"x", Some(&[3; 1000])));
        Ok(())
    })?;
    assert!((1000..1500).contains(&called), "{called}");
    // Reads and lists count where they are new.
    for expected in [100_000..120_000, 0..1] {
        let read = growth(&mut run, &mut |run| {
            (0..100u8).try_for_each(|key| run.get(&state, &SPACE, &[b'k', key]).map(drop))?;
            Ok(())
        })?;
        assert!(expected.contains(&read), "{read}");
    }
    for expected in [1_000..20_000, 0..1] {
        let listed =
            growth(&mut run, &mut |run| Ok(run.list(&state, &SPACE, b"k", u64::MAX, &mut |_| true).map(drop)?))?;
        assert!(expected.contains(&listed), "{listed}");
    }
    run.clear();
    assert_eq!(run.bytes(), 0);
    Ok(())
}

#[test]
fn bytes_are_counted_and_bounded() -> Result {
    let (state, _) = State::open(None, 100 + ENTRY)?;
    assert_eq!(set(&state, b"k", Some(&[0; 83]))?, Commit::Done(1));
    assert_eq!(state.bytes(), 100 + ENTRY);
    assert_eq!(set(&state, b"k", Some(&[0; 84]))?, Commit::Full);
    assert_eq!(set(&state, b"l", Some(b""))?, Commit::Full);
    assert_eq!(set(&state, b"k", None)?, Commit::Done(2));
    assert_eq!(state.bytes(), 0);
    Ok(())
}

#[test]
fn a_file_that_ends_anywhere_holds_the_commits_before() -> Result {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("state.log");
    let mut after = vec![Vec::new()];
    let mut lengths = vec![8];
    {
        let (state, _) = State::open(Some(directory.path()), 1 << 20)?;
        for step in 0..12u8 {
            let value = vec![step; usize::from(step) * 3];
            set(&state, &[step % 5], (step % 4 != 3).then_some(&value))?;
            state.write()?;
            after.push(keys(&state)?);
            lengths.push(std::fs::metadata(&path)?.len());
        }
    }
    let whole = std::fs::read(&path)?;
    for cut in 0..=whole.len() {
        std::fs::write(&path, &whole[..cut])?;
        let (state, warnings) = State::open(Some(directory.path()), 1 << 20)?;
        let commits = lengths.iter().rposition(|length| *length <= cut as u64).unwrap_or(0);
        assert_eq!(keys(&state)?, after[commits], "cut at {cut}");
        let clean = cut == 0 || lengths.contains(&(cut as u64));
        assert_eq!(warnings.is_empty(), clean, "cut at {cut}: {warnings:?}");
        // And it goes on from there.
        set(&state, b"more", Some(b"!"))?;
        state.write()?;
        drop(state);
        let (state, warnings) = State::open(Some(directory.path()), 1 << 20)?;
        assert!(warnings.is_empty() && keys(&state)?.len() == after[commits].len() + 1, "{warnings:?}");
    }
    Ok(())
}

#[test]
fn a_long_log_is_made_short() -> Result {
    let directory = tempfile::tempdir()?;
    let (state, _) = State::open(Some(directory.path()), 1 << 20)?;
    for step in 0..2000u32 {
        set(&state, b"counter", Some(&step.to_le_bytes()))?;
    }
    state.sync()?;
    assert!(!state.compact(1 << 20)? && state.compact(1000)?);
    set(&state, b"other", Some(b"1"))?;
    state.write()?;
    assert!(std::fs::metadata(directory.path().join("state.log"))?.len() < 200);
    let before = keys(&state)?;
    drop(state);
    let (state, warnings) = State::open(Some(directory.path()), 1 << 20)?;
    assert_eq!((keys(&state)?, warnings), (before, Vec::new()));
    Ok(())
}

#[test]
fn what_is_on_the_disk_is_known_to_those_who_only_read() -> Result {
    let directory = tempfile::tempdir()?;
    let (state, _) = State::open(Some(directory.path()), 1 << 20)?;
    assert!(state.is_synced());
    set(&state, b"a", Some(b"1"))?;
    assert!(!state.is_synced());
    state.write()?;
    assert!(!state.is_synced());
    state.sync()?;
    assert!(state.is_synced());
    Ok(())
}

#[test]
fn a_list_looks_no_further_than_it_may() -> Result {
    let (state, _) = State::open(None, 1 << 20)?;
    for key in 0..100u8 {
        set(&state, &[b'k', key], Some(&[key]))?;
    }
    // 18 bytes of key, and what each takes besides.
    let all = 100 * (18 + ENTRY);
    assert_eq!(state.list(&SPACE, all)?.map(|keys| keys.len()), Some(100));
    assert_eq!(state.list(&SPACE, all - 1)?, None);
    let mut run = Overlay::default();
    let mut called = 0;
    let mut each = |_: &[u8]| {
        called += 1;
        true
    };
    assert!(!run.list(&state, &SPACE, b"k", all - 1, &mut each)?);
    assert_eq!(called, 0);
    Ok(())
}
