//! A run that is kept (`docs/formats/bundle.md`): its plan and its seed, and what came of it. The plan is whole, so a bundle means
//! the same when the generator of plans has become another one.

use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::profiles::Profile;
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The format that is written here.
pub const FORMAT: u32 = 1;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// [`FORMAT`].
    pub format: u32,
    /// The version of replicode that made it: with another one the run may be another.
    pub version: String,
    /// Why it is kept, in a line, for people.
    #[serde(default)]
    pub about: String,
    /// The profile.
    pub profile: Profile,
    /// The seed: all draws but the plan's.
    pub seed: u64,
    /// The verdict that is to come of it, by its name.
    pub expected: String,
    /// What came of it, in words.
    pub found: String,
    /// The hash of everything that was decided, in hexadecimal digits.
    pub trace: String,
    /// What happens.
    pub plan: Plan,
}

impl Bundle {
    /// Of a run.
    #[must_use]
    pub fn of(profile: Profile, seed: u64, plan: &Plan, outcome: &Outcome) -> Self {
        Self {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_string(),
            about: String::new(),
            profile,
            seed,
            expected: outcome.verdict.name().to_string(),
            found: outcome.verdict.to_string(),
            trace: format!("{:016x}", outcome.trace),
            plan: plan.clone(),
        }
    }

    /// Reads one.
    ///
    /// # Errors
    /// The file cannot be read, or is no bundle of this format.
    #[allow(clippy::disallowed_methods, reason = "what is kept is in files")]
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read the run in {}", path.display()))?;
        let bundle: Self = serde_json::from_str(&text)
            .with_context(|| format!("{} holds no run of format {FORMAT} that this version knows", path.display()))?;
        anyhow::ensure!(
            bundle.format == FORMAT,
            "{} holds a run of format {}: this version reads {FORMAT}",
            path.display(),
            bundle.format
        );
        Ok(bundle)
    }

    /// Writes it, one event a line.
    ///
    /// # Errors
    /// The file cannot be written.
    #[allow(clippy::disallowed_methods, reason = "what is kept is in files")]
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).with_context(|| format!("cannot make the directory {}", dir.display()))?;
        }
        std::fs::write(path, self.text()?).with_context(|| format!("cannot write the run to {}", path.display()))
    }

    fn text(&self) -> anyhow::Result<String> {
        let bare = Self { plan: Plan { steps: Vec::new(), ..self.plan.clone() }, ..self.clone() };
        let steps: Vec<String> = self.plan.steps.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        let text = serde_json::to_string_pretty(&bare)?;
        Ok(text.replace("\"steps\": []", &format!("\"steps\": [\n      {}\n    ]", steps.join(",\n      "))) + "\n")
    }

    /// Runs it again. `story`: whether what happens is to be told.
    ///
    /// # Errors
    /// The world cannot be made.
    pub fn run(&self, story: bool) -> anyhow::Result<Outcome> {
        self.profile.run(self.seed, &self.plan, story)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Kinds;
    use crate::outcome::Verdict;

    #[test]
    fn what_is_written_is_read_back() {
        for seed in 0..50 {
            let outcome = Outcome {
                verdict: Verdict::Stuck("here".to_string()),
                trace: 7,
                time: 0,
                polls: 0,
                datagrams: (0, 0),
                batches: 0,
                inputs: 0,
                terms: 0,
                crashes: 0,
                disks: 0,
                losses: 0,
                spots: 0,
                converged: 0,
                story: String::new(),
            };
            let bundle = Bundle::of(Profile::Consensus, seed, &Plan::of(seed, Kinds::ALL), &outcome);
            let text = bundle.text().unwrap();
            assert_eq!(serde_json::from_str::<Bundle>(&text).unwrap(), bundle, "seed {seed}");
            assert!(text.lines().count() >= bundle.plan.steps.len());
        }
    }
}
