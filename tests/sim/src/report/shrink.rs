//! The same verdict with less: time, nodes, faults and offers are taken away as long as the same goes wrong.

use super::bundle::Bundle;
use crate::outcome::{Outcome, Verdict};
use crate::plan::{Act, Plan, Step};
use std::collections::BTreeSet;

/// What comes of a plan that was made smaller: whether the same goes wrong, and when.
struct Trial<'a> {
    bundle: &'a Bundle,
    goes_on: &'a dyn Fn() -> bool,
    runs: usize,
}

impl Trial<'_> {
    /// The outcome, if the same goes wrong.
    fn fails(&mut self, plan: &Plan) -> Option<Outcome> {
        if !(self.goes_on)() {
            return None;
        }
        self.runs += 1;
        let outcome = self.bundle.profile.run(self.bundle.seed, plan, false).ok()?;
        (outcome.verdict.name() == self.bundle.expected).then_some(outcome)
    }
}

/// Makes a run that fails smaller, as long as `goes_on`. Answers it, and how many runs it took.
///
/// # Errors
/// The run that is given does not fail, or not as it says.
pub fn shrink(bundle: &Bundle, goes_on: &dyn Fn() -> bool) -> anyhow::Result<(Bundle, usize)> {
    let first = bundle.run(false)?;
    anyhow::ensure!(
        first.verdict != Verdict::Kept && first.verdict.name() == bundle.expected,
        "this run is to end with {:?}, and ended with {:?}: there is nothing to make smaller",
        bundle.expected,
        first.verdict.name()
    );
    let mut trial = Trial { bundle, goes_on, runs: 1 };
    let mut plan = bundle.plan.clone();
    later(&mut trial, &mut plan, first.time);
    loop {
        let before = (plan.steps.len(), plan.nodes);
        nodes(&mut trial, &mut plan);
        steps(&mut trial, &mut plan);
        counts(&mut trial, &mut plan);
        if (plan.steps.len(), plan.nodes) == before {
            break;
        }
    }
    rest(&mut trial, &mut plan);
    let runs = trial.runs;
    let outcome = bundle.profile.run(bundle.seed, &plan, false)?;
    let about = bundle.about.clone();
    Ok((Bundle { about, ..Bundle::of(bundle.profile, bundle.seed, &plan, &outcome) }, runs))
}

/// What was to happen after it had gone wrong did not matter.
fn later(trial: &mut Trial<'_>, plan: &mut Plan, over: u64) {
    let mut shorter = plan.clone();
    shorter.steps.retain(|step| step.at <= over);
    shorter.faulty = shorter.faulty.min(over + 1);
    if trial.fails(&shorter).is_some() {
        *plan = shorter;
    }
}

/// Fewer nodes.
fn nodes(trial: &mut Trial<'_>, plan: &mut Plan) {
    for nodes in [3, 5] {
        if nodes < plan.nodes {
            let mut smaller = Plan { nodes, ..plan.clone() };
            smaller.steps.retain(|step| step.act.nodes().iter().all(|node| *node < nodes));
            if trial.fails(&smaller).is_some() {
                *plan = smaller;
                return;
            }
        }
    }
}

/// Fewer events: halves first, then smaller pieces, then one by one. Whatever comes after it has gone wrong goes too.
fn steps(trial: &mut Trial<'_>, plan: &mut Plan) {
    let mut piece = plan.steps.len().div_ceil(2).max(1);
    loop {
        let mut from = 0;
        while from < plan.steps.len() {
            let mut smaller = plan.clone();
            smaller.steps.drain(from..(from + piece).min(plan.steps.len()));
            match trial.fails(&smaller) {
                Some(outcome) => {
                    smaller.steps.retain(|step| step.at <= outcome.time);
                    *plan = smaller;
                }
                None => from += piece,
            }
        }
        if piece == 1 {
            return;
        }
        piece = piece.div_ceil(2);
    }
}

/// Fewer inputs at once, and failures that come at once: what led up to them may go then.
fn counts(trial: &mut Trial<'_>, plan: &mut Plan) {
    for at in 0..plan.steps.len() {
        let act = match plan.steps[at].act {
            Act::Offer(node, count) if count > 1 => Act::Offer(node, 1),
            Act::Disk(node, changes) if changes > 0 => Act::Disk(node, 0),
            Act::BadSync(node, syncs) if syncs > 0 => Act::BadSync(node, 0),
            _ => continue,
        };
        let mut smaller = plan.clone();
        smaller.steps[at] = Step { act, ..smaller.steps[at] };
        if trial.fails(&smaller).is_some() {
            *plan = smaller;
        }
    }
}

/// Less of everything else.
fn rest(trial: &mut Trial<'_>, plan: &mut Plan) {
    let last = plan.steps.last().map_or(0, |step| step.at) + 1;
    let mut smaller = Plan { faulty: last.min(plan.faulty), ..plan.clone() };
    for simpler in [
        |plan: &mut Plan| plan.faulty = plan.faulty.max(1),
        |plan: &mut Plan| plan.effort = 0,
        |plan: &mut Plan| plan.slow_syncs = 0,
        |plan: &mut Plan| plan.clocks = Vec::new(),
    ] {
        simpler(&mut smaller);
        if trial.fails(&smaller).is_some() {
            *plan = smaller.clone();
        } else {
            smaller = plan.clone();
        }
    }
}

/// How many events a plan has besides the first start of each node.
#[must_use]
pub fn events(plan: &Plan) -> usize {
    let mut started = BTreeSet::new();
    plan.steps.iter().filter(|step| !matches!(step.act, Act::Start(node) if started.insert(node))).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_starts_are_no_events() {
        let acts = [Act::Start(0), Act::Start(1), Act::Crash(1), Act::Start(1), Act::Offer(0, 2)];
        let steps = acts.map(|act| Step { at: 0, act }).to_vec();
        assert_eq!(events(&Plan { steps, ..Plan::default() }), 3);
    }
}
