//! The same seed gives the same run: twice in this process, in another one, with two at a time.

use replicode_sim::consensus::run;
use replicode_sim::faults::Kinds;
use replicode_sim::plan::Plan;
use std::process::Command;

/// As the program prints them, sorted by seed.
fn lines(jobs: &str) -> Vec<String> {
    let program = Command::new(env!("CARGO_BIN_EXE_replicode-sim"))
        .args(["--seed", "100", "--seeds", "6", "--each", "--keep-going", "--jobs", jobs])
        .current_dir(std::env::temp_dir())
        .output()
        .expect("a world can be made, and a program run");
    let text = String::from_utf8(program.stdout).expect("a world can be made, and a program run");
    let mut lines: Vec<String> = text.lines().filter(|line| line.starts_with("10")).map(str::to_string).collect();
    lines.sort();
    lines
}

#[test]
fn the_same_seed_is_the_same_run_everywhere() {
    let here: Vec<String> = (100..106)
        .map(|seed| {
            let plan = Plan::of(seed, Kinds::ALL);
            let (first, second) = (
                run(seed, &plan, false).expect("a world can be made, and a program run"),
                run(seed, &plan, false).expect("a world can be made, and a program run"),
            );
            assert_eq!(first, second, "seed {seed}, twice");
            format!("{seed} {:016x} {}", first.trace, first.verdict.code())
        })
        .collect();
    assert_eq!(lines("1"), here, "in another process");
    assert_eq!(lines("2"), here, "two at a time");
}

#[test]
fn different_seeds_are_different_runs() {
    let hash =
        |seed| run(seed, &Plan::of(seed, Kinds::NONE), false).expect("a world can be made, and a program run").trace;
    assert_ne!(hash(1), hash(2));
}
