//! Mistakes that are planted must be found, each by the checker that is meant to find it.

use crate::faults::Kinds;
use crate::outcome::{Outcome, Verdict};
use crate::plan::Plan;
use crate::profiles::Profile;

/// A mistake.
#[derive(Clone, Copy, Debug)]
pub struct Mutant {
    /// Its name.
    pub name: &'static str,
    /// The verdicts that are meant to find it, by name.
    pub meant: &'static [&'static str],
    /// A seed by which it was found once: where to begin if there is little time.
    pub known: u64,
}

const APPEND: &str = "an append is durable before it is acknowledged";
const VOTE: &str = "a vote is durable before it is given";

const fn mutant(name: &'static str, known: u64, meant: &'static [&'static str]) -> Mutant {
    Mutant { name, meant, known }
}

/// All that the consensus profile can meet.
pub const ALL: [Mutant; 16] = [
    mutant("ack-before-sync", 0, &[APPEND, "S3"]),
    mutant("vote-before-sync", 0, &[VOTE]),
    mutant("names", 0, &[APPEND, "S3", VOTE]),
    mutant("cut-at-bad-sum", 8, &["S7"]),
    mutant("sync-again", 2, &[APPEND, "S3", VOTE]),
    mutant("void-once-more", 78, &["S3", "log matching", "died", "leader completeness", "committed for good", "S1"]),
    mutant("cache-forgets", 15, &["died", "stuck"]),
    mutant("vote-after-truncation", 3, &["log matching", VOTE]),
    mutant("unchained-batch", 144, &["S1", "committed for good"]),
    mutant("early-output", 0, &["S3"]),
    mutant("pre-vote-always", 0, &["election restriction"]),
    mutant("wiped-votes", 5, &["S12"]),
    mutant("slow-restart", 174, &["L1"]),
    mutant("wedge", 10, &["stuck", "L1"]),
    mutant("refuses", 0, &["died"]),
    mutant("syncs", 0, &[APPEND, "S3", VOTE]),
];

/// A seed that finds a mistake.
#[derive(Clone, Debug)]
pub struct Found {
    /// The seed.
    pub seed: u64,
    /// Its plan.
    pub plan: Plan,
    /// What came of it.
    pub outcome: Outcome,
    /// How many seeds were tried.
    pub tried: u64,
    /// What others of them came to, by verdicts that are not meant to find it.
    pub others: Vec<String>,
}

/// The first of `seeds` from `from` on by which a mistake is found, again and again, and without which nothing is wrong.
///
/// # Errors
/// It is not found, or a seed does not repeat.
pub fn find(mutant: Mutant, from: u64, seeds: u64) -> anyhow::Result<Found> {
    let Mutant { name, meant, .. } = mutant;
    let profile = Profile::Consensus;
    let mut others = Vec::new();
    for (tried, seed) in (from..from + seeds).enumerate() {
        let bare = profile.plan(seed, Kinds::ALL);
        let plan = Plan { plant: Some(name.to_string()), ..bare.clone() };
        let outcome = profile.run(seed, &plan, false)?;
        if outcome.verdict == Verdict::Kept {
            continue;
        }
        if !meant.contains(&outcome.verdict.name()) {
            others.push(format!("{seed}: {}", outcome.verdict));
            continue;
        }
        anyhow::ensure!(
            profile.run(seed, &plan, false)? == outcome,
            "{name}: seed {seed} is another run the second time"
        );
        let without = profile.run(seed, &bare, false)?.verdict;
        anyhow::ensure!(without == Verdict::Kept, "{name}: seed {seed} fails without it too: {without}");
        return Ok(Found { seed, plan, outcome, tried: tried as u64 + 1, others });
    }
    anyhow::bail!(
        "{name}: not found by {} within {seeds} seeds from {from} on{}",
        meant.join(" or "),
        others.first().map(|other| format!("; but seed {other}")).unwrap_or_default()
    )
}
