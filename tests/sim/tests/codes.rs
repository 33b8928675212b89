//! The command line: exit codes, runs that are kept, repeated, told and made smaller.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn sim(arguments: &[&str]) -> Output {
    let program = Command::new(env!("CARGO_BIN_EXE_replicode-sim")).args(arguments).output();
    program.expect("the program can be run")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it ends by itself")
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("it is text")
}

fn dir(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    // It may be there from before.
    drop(std::fs::remove_dir_all(&dir));
    dir
}

#[test]
fn kept_broken_and_died_have_their_codes_and_so_has_wrong_use() {
    assert_eq!(code(&sim(&["--seed", "1", "--calm"])), 0);
    let broken = sim(&["--seed", "1", "--calm", "--plant", "syncs"]);
    assert_eq!(code(&broken), 1, "{}", text(&broken));
    let died = sim(&["--seed", "1", "--calm", "--plant", "refuses"]);
    assert_eq!(code(&died), 4, "{}", text(&died));
    assert_eq!(code(&sim(&["--seed", "1", "--plant", "nothing of the kind"])), 2);
    assert_eq!(code(&sim(&["repro", "/nowhere/at/all"])), 2);
}

#[test]
fn what_fails_is_kept_repeated_told_and_made_smaller() {
    let dir = dir("kept");
    let path = dir.join("1");
    let run = path.to_str().expect("it is text");
    let failed = sim(&["--seed", "1", "--calm", "--plant", "refuses", "--keep", dir.to_str().expect("it is text")]);
    assert_eq!(code(&failed), 4);
    assert!(text(&failed).contains(run), "{}", text(&failed));
    let again = sim(&["repro", run]);
    assert_eq!(code(&again), 4);
    assert!(text(&again).contains("to the last decision"), "{}", text(&again));
    let why = sim(&["why", run]);
    assert_eq!(code(&why), 4);
    for words in ["node 1", "* Start(0)", "leads term", "batch", "nobody knows why"] {
        assert!(text(&why).contains(words), "{words}: {}", text(&why));
    }
    let shrunk = sim(&["shrink", run, "--minutes", "0"]);
    assert_eq!(code(&shrunk), 0, "{}", String::from_utf8_lossy(&shrunk.stderr));
    assert_eq!(code(&sim(&["repro", path.with_extension("small").to_str().expect("it is text")])), 4);
}

#[test]
fn who_does_not_converge_is_stuck() {
    let dir = dir("stuck");
    let path = dir.join("1");
    let failed = sim(&["--seed", "1", "--calm", "--plant", "refuses", "--keep", dir.to_str().expect("it is text")]);
    assert_eq!(code(&failed), 4);
    // The same, but no mistake is planted, and the machine takes minutes for a batch.
    let kept = std::fs::read_to_string(&path).expect("it was kept");
    let mut kept: serde_json::Value = serde_json::from_str(&kept).expect("it is JSON");
    kept["plan"]["plant"] = serde_json::Value::Null;
    kept["plan"]["effort"] = 200_000_000_000u64.into();
    kept["expected"] = "stuck".into();
    std::fs::write(&path, kept.to_string()).expect("it can be written");
    let stuck = sim(&["repro", path.to_str().expect("it is text")]);
    assert_eq!(code(&stuck), 3, "{}", text(&stuck));
    assert!(text(&stuck).contains("not within 30 s"), "{}", text(&stuck));
    // A run of another format is not tried.
    kept["format"] = 99.into();
    std::fs::write(&path, kept.to_string()).expect("it can be written");
    assert_eq!(code(&sim(&["repro", path.to_str().expect("it is text")])), 2);
}

#[test]
fn the_corpus_ends_as_it_is_to() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus");
    let runs = sim(&["corpus", corpus]);
    assert_eq!(code(&runs), 0, "{}{}", text(&runs), String::from_utf8_lossy(&runs.stderr));
}
