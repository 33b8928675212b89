//! Lanes: the threads of a real node. One does one thing at a time; who comes while it is busy waits in line, and is next in that
//! order, or by a draw: nobody waits for ever.

use super::executor::{Core, Event, Nanos, ProcessId};
use super::seeds::Stream;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::VecDeque;

/// How the next task is chosen among those that can run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Who could first.
    #[default]
    First,
    /// Drawn.
    Random,
    /// Each lane of each node has a rank that is drawn once: whoever has the highest is next. Of one lane, who could first.
    Ranked,
}

/// A thread of a process.
pub(super) struct Lane {
    pub(super) busy_until: Nanos,
    /// Tasks that can run and found it busy, in that order.
    pub(super) waiting: VecDeque<(usize, u64)>,
    /// When it is looked at again, while any wait.
    pub(super) due: Option<Nanos>,
    /// How long turns take, and who is next.
    pub(super) draws: Stream,
    pub(super) rank: u64,
}

impl Lane {
    /// A lane of a run of a node.
    pub(super) fn new(seed: u64, node: u64, life: u64, lane: u64) -> Self {
        Self {
            busy_until: 0,
            waiting: VecDeque::new(),
            due: None,
            draws: Stream::new(seed, &[5, node, life, lane]),
            rank: Stream::new(seed, &[6, node, lane]).draw() >> 1,
        }
    }
}

impl Core {
    /// Stops one lane of a process for a while.
    pub fn starve(&mut self, process: ProcessId, lane: usize, until: Nanos) {
        if let Some(lane) = self.processes[process].lanes.get_mut(lane) {
            lane.busy_until = lane.busy_until.max(until);
        }
    }

    /// Sees to it that a lane is looked at when it is free, if any wait for it.
    pub(super) fn call_lane(&mut self, process: ProcessId, at: usize) {
        let (now, held) = (self.now, &mut self.processes[process]);
        let lane = &mut held.lanes[at];
        if lane.waiting.is_empty() || lane.due.is_some() {
            return;
        }
        let free = lane.busy_until.max(held.paused_until).max(now);
        lane.due = Some(free);
        self.push(free, Event::Lane(process, at));
    }

    /// Which of those that could run at this moment is next.
    pub(super) fn choose(&mut self, ready: &[(usize, u64)]) -> usize {
        match self.order {
            _ if ready.len() == 1 => 0,
            Order::First => 0,
            Order::Random => {
                let many = if self.choices.0 == self.now { self.choices.1 + 1 } else { 0 };
                self.choices = (self.now, many);
                Stream::new(self.seed, &[1, self.now, many]).range(0, ready.len() as u64) as usize
            }
            Order::Ranked => {
                let rank = |(task, life): &(usize, u64)| match self.tasks.get(*task) {
                    Some(Some(task)) if task.waker.life == *life => self.processes[task.process].lanes[task.lane].rank,
                    _ => u64::MAX,
                };
                let best = (0..ready.len()).max_by_key(|at| (rank(&ready[*at]), Reverse(*at)));
                best.unwrap_or(0)
            }
        }
    }

    /// Who is next of those that wait for a lane, if it is free.
    pub(super) fn next_waiting(&mut self, process: ProcessId, at: usize) -> Option<(usize, u64)> {
        let (now, order) = (self.now, self.order);
        let held = &mut self.processes[process];
        let lane = &mut held.lanes[at];
        if lane.due != Some(now) {
            // It was called for another moment since.
            return None;
        }
        lane.due = None;
        if lane.busy_until.max(held.paused_until) > now {
            self.call_lane(process, at);
            return None;
        }
        loop {
            let lane = &mut self.processes[process].lanes[at];
            let next = match order {
                Order::First | Order::Ranked => 0,
                Order::Random if lane.waiting.len() < 2 => 0,
                Order::Random => lane.draws.range(0, lane.waiting.len() as u64) as usize,
            };
            let (task, life) = lane.waiting.remove(next)?;
            if matches!(self.tasks.get(task), Some(Some(held)) if held.waker.life == life) {
                return Some((task, life));
            }
        }
    }
}
