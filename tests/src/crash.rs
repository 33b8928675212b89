//! At which of a program's changes to files it is killed (`src/bin/crashpoint.rs`).

/// Which of `changes` moments are tried, from 1: about `sample` of them, others each time, or all with `REPLICODE_CRASH_POINTS=all`.
pub fn moments(changes: usize, sample: usize) -> impl Iterator<Item = usize> {
    let all = std::env::var("REPLICODE_CRASH_POINTS").is_ok_and(|which| which == "all");
    let step = if all { 1 } else { (changes / sample).max(1) };
    (1 + std::process::id() as usize % step..=changes).step_by(step)
}
