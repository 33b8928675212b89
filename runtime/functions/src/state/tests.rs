//! State against a map, through restarts and cut files.

use super::*;

const SPACE: Namespace = [7; 16];
type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

fn set(state: &State, key: &[u8], value: Option<&[u8]>) -> Result<Commit> {
    let mut overlay = Overlay::default();
    overlay.set(&SPACE, key, value);
    Ok(state.commit(&overlay)?)
}

fn keys(state: &State) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let all = state.list(&SPACE)?;
    Ok(all.into_iter().map(|(key, value)| (key[16..].to_vec(), value.to_vec())).collect())
}

#[test]
fn what_was_read_must_still_be_so() -> Result {
    let (state, _) = State::open(None, 1000)?;
    set(&state, b"a", Some(b"1"))?;
    let mut slow = Overlay::default();
    assert_eq!(slow.get(&state, &SPACE, b"a")?.as_deref(), Some(&b"1"[..]));
    slow.set(&SPACE, b"b", Some(b"from a"));
    set(&state, b"a", Some(b"2"))?;
    assert_eq!(state.commit(&slow)?, Commit::Conflict);
    assert_eq!(keys(&state)?, [(b"a".to_vec(), b"2".to_vec())]);
    // A list conflicts with a new key in it, and with nothing else.
    let mut lists = Overlay::default();
    lists.list(&state, &SPACE, b"x", &mut |_| {})?;
    lists.set(&SPACE, b"sum", Some(b"0"));
    set(&state, b"y", Some(b""))?;
    assert!(state.holds(&lists)?);
    set(&state, b"x1", Some(b""))?;
    assert_eq!(state.commit(&lists)?, Commit::Conflict);
    Ok(())
}

#[test]
fn an_execution_sees_what_it_has_written_and_can_go_back() -> Result {
    let (state, _) = State::open(None, 1000)?;
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
        run.list(&state, &SPACE, b"a", &mut |key| found.push(key.to_vec()))?;
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
fn bytes_are_counted_and_bounded() -> Result {
    let (state, _) = State::open(None, 100)?;
    assert_eq!(set(&state, b"k", Some(&[0; 83]))?, Commit::Done(1));
    assert_eq!(state.bytes(), 100);
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
