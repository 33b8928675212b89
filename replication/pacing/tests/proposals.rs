//! The batcher against an engine that refuses, drops, delays and reorders: whatever it does, once it behaves again every
//! input is applied, once, in order, and nobody waits for ever.

use proptest::prelude::*;
use replicode_log::{Batch, BatchIndex, BootNo, ConnId, Digest, Input, LogicalTime, Mono, NodeId, Pid, Tip};
use replicode_pacing::stall::{Lead, Sight, Stall, Wait};
use replicode_pacing::{Batcher, Outgoing, Progress, Proposal};
use std::time::Duration;

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    /// Inputs arrive.
    Offer(u8),
    /// The driver proposes what it can.
    Propose,
    /// The engine takes one of the proposals that it was given: the oldest, or another one.
    Take(u8),
    /// It refuses one; the answer is on its way.
    Refuse(u8),
    /// It forgets one without a word.
    Drop(u8),
    /// One of the answers on their way arrives, in any order.
    Answer(u8),
    /// Entries of its log are agreed on.
    Commit(u8),
    /// The machine applies what was delivered.
    Apply(u8),
    /// Time passes, and the driver looks at its watch.
    Sleep(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1u8..4).prop_map(Step::Offer),
        4 => Just(Step::Propose),
        4 => (0u8..4).prop_map(Step::Take),
        2 => (0u8..4).prop_map(Step::Refuse),
        1 => (0u8..4).prop_map(Step::Drop),
        2 => (0u8..4).prop_map(Step::Answer),
        3 => (1u8..4).prop_map(Step::Commit),
        3 => (1u8..4).prop_map(Step::Apply),
        2 => (1u16..700).prop_map(Step::Sleep),
    ]
}

/// The driver's part that decides, and a world around it.
struct World {
    outgoing: Outgoing,
    offered: u64,
    batcher: Batcher,
    stall: Stall,
    now: Mono,
    /// Given to the engine, which has not looked at it yet.
    given: Vec<Proposal>,
    /// Refusals on their way.
    answers: Vec<(BatchIndex, u64)>,
    log: Vec<Proposal>,
    logged: BatchIndex,
    committed: usize,
    /// The end of history as every node sees it, and the inputs in it.
    tip: Tip,
    delivered: Vec<(BatchIndex, u64)>,
    inputs: Vec<u64>,
    machine: BatchIndex,
}

impl World {
    fn new(depth: usize) -> Self {
        let Ok(node) = NodeId::new(1) else { unreachable!("1 is a node number") };
        let mut outgoing = Outgoing::new(node, 3, 1 << 20);
        outgoing.booted(BootNo(1));
        let mut batcher = Batcher::new(depth, 5, 1 << 20);
        let tip = Tip::genesis(Digest::of(b"config"));
        batcher.lead(tip);
        Self {
            outgoing,
            offered: 0,
            batcher,
            stall: Stall::default(),
            now: Mono::LONG_AGO,
            given: Vec::new(),
            answers: Vec::new(),
            log: Vec::new(),
            logged: tip.index,
            committed: 0,
            tip,
            delivered: Vec::new(),
            inputs: Vec::new(),
            machine: tip.index,
        }
    }

    fn sight(&self) -> Sight {
        let (oldest, logged, delivered) = (self.batcher.oldest(), self.logged, self.tip.index);
        Sight { lead: Lead::Own(1), builds: true, oldest, logged, delivered, inputs: None }
    }

    fn pick<T>(from: &mut Vec<T>, at: u8) -> Option<T> {
        (!from.is_empty()).then(|| from.remove(usize::from(at) % from.len()))
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Offer(count) => {
                let input = |n| Input::Data { conn: ConnId::console(Pid(1)), offset: n, bytes: vec![7] };
                self.outgoing.offer(&mut (0..u64::from(count)).map(|n| input(self.offered + n)).collect());
                self.offered += u64::from(count);
            }
            Step::Propose => {
                while let Some(parcel) = self.outgoing.take() {
                    self.batcher.push(parcel);
                }
                while let Some(proposal) = self.batcher.next(LogicalTime::from_nanos(self.now.nanos()), || 0) {
                    self.logged = self.logged.min(BatchIndex(proposal.index.0 - 1));
                    self.given.push(proposal);
                }
            }
            Step::Take(at) => {
                if let Some(proposal) = Self::pick(&mut self.given, at) {
                    self.logged = proposal.index;
                    self.log.push(proposal);
                }
            }
            Step::Refuse(at) => {
                if let Some(proposal) = Self::pick(&mut self.given, at) {
                    self.answers.push((proposal.index, proposal.attempt));
                }
            }
            Step::Drop(at) => drop(Self::pick(&mut self.given, at)),
            Step::Answer(at) => {
                if let Some((index, attempt)) = Self::pick(&mut self.answers, at) {
                    self.batcher.refused(index, attempt);
                }
            }
            Step::Commit(count) => self.commit(count)?,
            Step::Apply(count) => {
                for _ in 0..count {
                    let Some((index, next_seq)) = self.delivered.first().copied() else { break };
                    self.delivered.remove(0);
                    prop_assert!(index > self.machine);
                    self.machine = index;
                    self.outgoing.applied(next_seq);
                    self.batcher.applied(Progress { index, next_deadline: None, next_seq });
                }
            }
            Step::Sleep(millis) => self.sleep(Duration::from_millis(u64::from(millis)))?,
        }
        Ok(())
    }

    fn commit(&mut self, count: u8) -> Result<(), TestCaseError> {
        for _ in 0..count {
            let Some(entry) = self.log.get(self.committed) else { break };
            self.committed += 1;
            // As every node does: what does not continue the history is skipped.
            let Some(tip) = self.tip.advance(&entry.encoded) else { continue };
            self.tip = tip;
            let Ok(batch) = Batch::decode(&entry.encoded) else { return Err(TestCaseError::fail("no batch")) };
            for input in batch.sections.into_iter().flat_map(|section| section.inputs) {
                let Input::Data { offset, .. } = input else { continue };
                self.inputs.push(offset);
            }
            self.delivered.push((tip.index, self.inputs.len() as u64 + 1));
            prop_assert!(self.batcher.agrees(self.tip), "history is what was proposed");
        }
        Ok(())
    }

    /// Sleeps, but wakes up for the deadline.
    fn sleep(&mut self, time: Duration) -> Result<(), TestCaseError> {
        let until = self.now.plus(time);
        loop {
            self.stall.handle_sight(&self.sight(), self.now);
            let overdue = self.stall.poll_overdue();
            if overdue.is_some_and(|overdue| matches!(overdue.wait, Wait::Log(_) | Wait::Quorum(_))) {
                self.batcher.recall();
            }
            prop_assert!(self.sight().wait().is_none() || self.stall.deadline().is_some(), "something waits for ever");
            match self.stall.deadline().filter(|deadline| *deadline <= until) {
                Some(deadline) => self.now = deadline.max(self.now.plus(Duration::from_millis(1))),
                None => break,
            }
        }
        self.now = until.max(self.now);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_engine_does_every_input_is_applied_once(depth in 1usize..5, steps in proptest::collection::vec(step(), 0..120)) {
        let mut world = World::new(depth);
        for step in &steps {
            world.step(step)?;
        }
        // The engine behaves from now on. Patience may have grown to a minute and a half; a round takes a second.
        world.step(&Step::Offer(1))?;
        for _ in 0..400 {
            for step in [Step::Propose, Step::Take(0), Step::Answer(0), Step::Commit(255), Step::Apply(255)] {
                world.step(&step)?;
            }
            if world.inputs.len() as u64 == world.offered && world.sight().wait().is_none() {
                break;
            }
            world.sleep(Duration::from_secs(1))?;
        }
        prop_assert_eq!(&world.inputs, &(0..world.offered).collect::<Vec<_>>());
        prop_assert_eq!(world.outgoing.bytes(), 0, "whoever waits is told");
        prop_assert_eq!(world.batcher.oldest(), None);
    }
}
