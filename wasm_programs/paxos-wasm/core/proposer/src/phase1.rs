//! On the way to leading: a round that was never used, promises of a majority, and what they tell.

use crate::leading::Window;
use crate::{Output, Phase, Proposer};
use paxos_types::{AcceptedValue, Ballot, Bytes, Endpoint, Instant, Message, NodeId, Record, Role, Slot, Target};
use std::collections::{BTreeMap, BTreeSet};

/// Asking acceptors which rounds they have promised, when the own disk is empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Survey {
    answered: BTreeSet<NodeId>,
    pub(crate) sent: Instant,
}

/// Collecting promises.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Preparing {
    pub(crate) ballot: Ballot,
    from: Slot,
    /// For each acceptor the slot from which on it has still to tell; `None`: it has told everything.
    promises: BTreeMap<NodeId, Option<Slot>>,
    /// Of each slot the value with the highest ballot.
    values: BTreeMap<Slot, (Ballot, Bytes)>,
    /// No acceptor has trimmed anything from here on.
    floor: Slot,
    pub(crate) sent: Instant,
}

impl Survey {
    pub(crate) fn renamed(self, name: impl Fn(NodeId) -> NodeId) -> Self {
        Survey { answered: self.answered.into_iter().map(name).collect(), ..self }
    }
}

impl Preparing {
    pub(crate) fn renamed(self, name: impl Fn(NodeId) -> NodeId) -> Self {
        Preparing { promises: self.promises.into_iter().map(|(node, from)| (name(node), from)).collect(), ..self }
    }
}

impl Proposer {
    /// Begins at the next [`Proposer::tick`].
    pub(crate) fn try_to_lead(&mut self, now: Instant) {
        self.phase = Phase::Waiting { until: now };
    }

    pub(crate) fn tick(&mut self, now: Instant, out: &mut Vec<Output>) {
        let retransmit = self.config.retransmit;
        match &mut self.phase {
            // The own learner has to say first where to begin.
            Phase::Waiting { until } if now >= *until && self.executed.is_some() => self.begin(now, out),
            Phase::Persisting { position, .. } if self.durable >= *position => self.prepare(now, out),
            Phase::Surveying(survey) if now >= survey.sent.plus(retransmit) => {
                survey.sent = now;
                self.ask_for_rounds(out);
            }
            Phase::Preparing(preparing) if now >= preparing.sent.plus(retransmit) => {
                preparing.sent = now;
                self.ask_again(out);
            }
            Phase::Leading(_) if self.lost.is_some_and(|(_, until)| now >= until) => {
                // Nobody could tell the own learner what it has lost. Proposing it again will.
                self.step_down(Phase::Waiting { until: now }, out);
            }
            _ => {}
        }
    }

    fn begin(&mut self, now: Instant, out: &mut Vec<Output>) {
        if !self.surveyed && !self.forgets_rounds() {
            self.phase = Phase::Surveying(Survey { answered: BTreeSet::new(), sent: now });
            return self.ask_for_rounds(out);
        }
        self.round += 1;
        let round = self.round;
        if self.forgets_rounds() {
            self.phase = Phase::Persisting { round, position: 0 };
        } else {
            self.appended += 1;
            out.push(Output::Append(Bytes::from(Record::Round(round).encode())));
            self.phase = Phase::Persisting { round, position: self.appended };
        }
        if let Phase::Persisting { position, .. } = self.phase
            && self.durable >= position
        {
            self.prepare(now, out);
        }
    }

    /// A prepare in round 0 is never promised: it is refused with the ballot that was.
    fn ask_for_rounds(&self, out: &mut Vec<Output>) {
        let message = Message::Prepare { ballot: Ballot::new(0, self.config.node), from: Slot::FIRST };
        out.push(Output::Send { to: Target::All(Role::Acceptor), message });
    }

    fn prepare(&mut self, now: Instant, out: &mut Vec<Output>) {
        let Phase::Persisting { round, position } = self.phase else { return };
        let ballot = Ballot::new(round, self.config.node);
        let from = self.executed().next();
        if position > 1 {
            out.push(Output::Truncate { before: position });
        }
        if self.skips_phase_1() {
            return self.lead(now, Window::new(ballot, from, BTreeMap::new()));
        }
        self.phase = Phase::Preparing(Preparing {
            ballot,
            from,
            promises: BTreeMap::new(),
            values: BTreeMap::new(),
            floor: from,
            sent: now,
        });
        out.push(Output::Send { to: Target::All(Role::Acceptor), message: Message::Prepare { ballot, from } });
    }

    fn ask_again(&self, out: &mut Vec<Output>) {
        let Phase::Preparing(preparing) = &self.phase else { return };
        for node in self.config.nodes.iter().copied() {
            let from = match preparing.promises.get(&node) {
                None => preparing.from,
                Some(Some(from)) => *from,
                Some(None) => continue,
            };
            let message = Message::Prepare { ballot: preparing.ballot, from };
            out.push(Output::Send { to: Target::One(Endpoint::new(node, Role::Acceptor)), message });
        }
    }

    pub(crate) fn nack(&mut self, now: Instant, node: NodeId, ballot: Ballot, promised: Ballot, out: &mut Vec<Output>) {
        self.hear_of(promised);
        match &mut self.phase {
            Phase::Surveying(survey) if ballot.round == 0 && self.config.nodes.contains(&node) => {
                survey.answered.insert(node);
                if survey.answered.len() >= self.config.majority() {
                    self.surveyed = true;
                    self.begin(now, out);
                }
            }
            Phase::Preparing(Preparing { ballot: own, .. }) | Phase::Leading(Window { ballot: own, .. })
                if *own == ballot && promised > ballot =>
            {
                // Somebody else leads or tries to. Longer waits each time, and different ones on each node.
                self.attempts += 1;
                let place = self.config.nodes.iter().position(|n| *n == self.config.node).unwrap_or(0) as u64;
                let wait = self.config.phase.saturating_mul(self.attempts.min(4)) / 4;
                let until = now.plus(wait + self.config.phase / 8 * place);
                self.step_down(Phase::Waiting { until }, out);
            }
            _ => {}
        }
    }

    #[allow(clippy::too_many_arguments)]
    pub(crate) fn promise(
        &mut self,
        now: Instant,
        node: NodeId,
        ballot: Ballot,
        slot: Slot,
        first: Slot,
        accepted: Vec<AcceptedValue>,
        more: bool,
        out: &mut Vec<Output>,
    ) {
        let majority = self.config.majority();
        let Phase::Preparing(preparing) = &mut self.phase else { return };
        if preparing.ballot != ballot || !self.config.nodes.contains(&node) {
            return;
        }
        let from = preparing.from;
        let expected = preparing.promises.entry(node).or_insert(Some(from));
        // A repetition, or a part that comes before the one that is missing.
        if *expected != Some(slot) {
            return;
        }
        *expected = match accepted.last() {
            Some(last) if more => Some(last.slot.next()),
            _ => None,
        };
        let missing = *expected;
        preparing.floor = preparing.floor.max(first);
        for AcceptedValue { slot, ballot, batch } in accepted {
            match preparing.values.get_mut(&slot) {
                Some((highest, value)) if *highest < ballot => (*highest, *value) = (ballot, batch),
                Some(_) => {}
                None => {
                    preparing.values.insert(slot, (ballot, batch));
                }
            }
        }
        if let Some(from) = missing {
            preparing.sent = now;
            let message = Message::Prepare { ballot, from };
            out.push(Output::Send { to: Target::One(Endpoint::new(node, Role::Acceptor)), message });
        } else if preparing.promises.values().filter(|p| p.is_none()).count() >= majority {
            let floor = preparing.floor;
            let mut values = std::mem::take(&mut preparing.values);
            // What is below the floor is chosen; the own learner gets it from others, if they live.
            let values = values.split_off(&floor);
            self.attempts = 0;
            self.lead(now, Window::new(ballot, floor, values));
        }
    }

    fn lead(&mut self, now: Instant, mut window: Window) {
        // The own learner may have come further meanwhile.
        window.executed(self.executed());
        // Or it lacks slots that are chosen. The only node that knows what they hold may die before it has told: then another phase 1
        // finds them at acceptors that have not trimmed them.
        let begins = window.first();
        let lacks = begins > self.executed().next();
        self.lost = lacks.then(|| (begins.prev(), now.plus(self.config.phase)));
        self.phase = Phase::Leading(window);
    }

    #[cfg(feature = "planted")]
    fn forgets_rounds(&self) -> bool {
        self.config.mutation == Some(paxos_types::Mutation::ReuseBallot)
    }

    #[cfg(not(feature = "planted"))]
    fn forgets_rounds(&self) -> bool {
        false
    }

    #[cfg(feature = "planted")]
    fn skips_phase_1(&self) -> bool {
        self.config.mutation == Some(paxos_types::Mutation::SkipPhase1)
    }

    #[cfg(not(feature = "planted"))]
    fn skips_phase_1(&self) -> bool {
        false
    }
}
