//! The profile `sequenced`: the same seed is the same run, in another process too; and mistakes that are planted are found.

use replicode_sim::outcome::Verdict;
use replicode_sim::sequenced::plan::{Mistake, Plan};
use replicode_sim::sequenced::{Outcome, run};
use std::process::Command;

fn outcome(seed: u64, mistake: Option<Mistake>) -> Outcome {
    run(seed, &Plan { mistake, ..Plan::of(seed, false) }).expect("a world can be made")
}

/// As the program prints them, sorted by seed.
fn lines(jobs: &str) -> Vec<String> {
    let program = Command::new(env!("CARGO_BIN_EXE_replicode-sim-sequenced"))
        .args(["--seed", "100", "--seeds", "20", "--each", "--keep-going", "--jobs", jobs])
        .current_dir(std::env::temp_dir())
        .output()
        .expect("a program can be run");
    let text = String::from_utf8(program.stdout).expect("it prints text");
    let mut lines: Vec<String> = text.lines().filter(|line| line.starts_with('1')).map(str::to_string).collect();
    lines.sort();
    lines
}

#[test]
fn the_same_seed_is_the_same_run_everywhere() {
    let here: Vec<String> = (100..120)
        .map(|seed| {
            let first = outcome(seed, None);
            assert_eq!(first, outcome(seed, None), "seed {seed}, twice");
            format!("{seed} {:016x} {}", first.trace, first.verdict.code())
        })
        .collect();
    assert_eq!(lines("1"), here, "in another process");
    assert_eq!(lines("2"), here, "two at a time");
    assert_ne!(outcome(1, None).trace, outcome(2, None).trace);
}

/// Finds a planted mistake, by that promise, and again by the same seed; without the mistake the seed is sound.
fn found(mistake: Mistake, promises: &[&str]) {
    let seeds = (0..200).map(|seed| (seed, outcome(seed, Some(mistake)).verdict));
    let (seed, verdict) = seeds.into_iter().find(|(_, verdict)| *verdict != Verdict::Kept).expect("it is found");
    assert!(
        matches!(&verdict, Verdict::Broken(broken) if promises.contains(&&broken.promise[..])),
        "seed {seed}: {verdict:?}"
    );
    assert_eq!(outcome(seed, Some(mistake)).verdict, verdict, "seed {seed} again");
    assert_eq!(outcome(seed, None).verdict, Verdict::Kept, "seed {seed} without the mistake");
}

#[test]
fn a_node_that_ends_its_clients_as_it_dies_is_found() {
    found(Mistake::FalseEnd, &["S5"]);
}

#[test]
fn bytes_of_another_connection_are_found() {
    found(Mistake::Mixed, &["S5", "S5, S6"]);
}

#[test]
fn a_node_that_computes_something_else_is_found() {
    found(Mistake::Flip, &["S1"]);
}
