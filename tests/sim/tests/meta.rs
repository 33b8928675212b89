//! The same seed gives the same run: twice in this process, in another one, with two at a time.

use replicode_sim::consensus::run;
use replicode_sim::plan::{Kinds, Plan};
use std::process::Command;

/// As the program prints them, sorted by seed.
fn lines(jobs: &str) -> Vec<String> {
    let program = Command::new(env!("CARGO_BIN_EXE_replicode-sim"))
        .args(["--seed", "100", "--seeds", "6", "--each", "--keep-going", "--jobs", jobs])
        .current_dir(std::env::temp_dir())
        .output()
        .unwrap();
    let text = String::from_utf8(program.stdout).unwrap();
    let mut lines: Vec<String> = text.lines().filter(|line| line.starts_with("10")).map(str::to_string).collect();
    lines.sort();
    lines
}

#[test]
fn the_same_seed_is_the_same_run_everywhere() {
    let here: Vec<String> = (100..106)
        .map(|seed| {
            let plan = Plan::of(seed, Kinds::ALL);
            let (first, second) = (run(seed, &plan).unwrap(), run(seed, &plan).unwrap());
            assert_eq!(first, second, "seed {seed}, twice");
            format!("{seed} {:016x} {}", first.trace, first.verdict.code())
        })
        .collect();
    assert_eq!(lines("1"), here, "in another process");
    assert_eq!(lines("2"), here, "two at a time");
}

#[test]
fn different_seeds_are_different_runs() {
    let hash = |seed| run(seed, &Plan::of(seed, Kinds::NONE)).unwrap().trace;
    assert_ne!(hash(1), hash(2));
}
