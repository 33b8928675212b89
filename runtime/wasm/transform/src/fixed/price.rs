//! The price of one function: the heaviest path, with each loop as often as it can run.
//!
//! The same walk from end to beginning as for the metered class, except that a loop is a *region* of its own: inside, only the cost of one round counts;
//! what is ahead of its ways out is kept aside. Before the loop stand then `rounds × heaviest round + heaviest way out`.

use super::{Prover, bound};
use crate::gas::{branches, openers};
use crate::module::Body;
use crate::op;
use crate::price::Rate;
use crate::verdict::NotFixed;
use wasmparser::Operator;

struct Label {
    branch: u64,
    end: u64,
    otherwise: Option<u64>,
    /// Number of loops around the place that the label leads to.
    region: usize,
}

/// What is ahead of the ways out of a loop, in the measure of the region around it.
struct Region {
    exits: u64,
}

impl Prover<'_, '_> {
    /// Gas and stack of one function whose callees are known.
    pub(super) fn price(&mut self, function: u32) -> (u64, u64) {
        let module = self.module;
        let defined = function.saturating_sub(module.imported_count()) as usize;
        let Some(body) = module.code.get(defined) else {
            // An exported import has got a shim; nothing else lies outside.
            return (0, 0);
        };
        self.refuse_floats(function, body);
        let rounds = self.rounds(function, body);
        let gas = self.walk(function, body, &rounds).saturating_add(self.settings.gas.entry(body.local_count()));
        let below = self.callees(function).iter().map(|(_, callee)| self.known_of(*callee).1).max().unwrap_or(0);
        (gas, below.saturating_add(self.frames.get(defined).copied().unwrap_or(0).into()))
    }

    /// What a callee costs. One that is being looked at closes a cycle, which has been complained about.
    fn known_of(&self, callee: u32) -> (u64, u64) {
        self.known.get(&callee).copied().flatten().unwrap_or((0, 0))
    }

    fn refuse_floats(&mut self, function: u32, body: &Body<'_>) {
        use wasmparser::ValType::{F32, F64};
        let params = self.module.function_type(function).map_or(&[][..], |ty| ty.params());
        if params.iter().chain(body.locals.iter().map(|(_, ty)| ty)).any(|ty| matches!(ty, F32 | F64)) {
            self.complain(function, 0, NotFixed::Float("a local or parameter"));
        } else if let Some((i, op)) = body.ops.iter().enumerate().find(|(_, op)| op::is_float(op)) {
            self.complain(function, i, NotFixed::Float(op::describe(op).0));
        }
    }

    /// How often each loop can run, by the operator that opens it. Complains about those without a bound.
    fn rounds(&mut self, function: u32, body: &Body<'_>) -> Vec<u64> {
        let params = self.module.function_type(function).map_or(0, |ty| ty.params().len() as u32);
        let bounds = bound::loops(body, params, &mut self.steps);
        let mut rounds = vec![1; body.ops.len()];
        for (at, bound) in bounds {
            match bound {
                Some(bound) => rounds[at] = bound,
                None => self.complain(function, at, NotFixed::Loop),
            }
        }
        rounds
    }

    fn walk(&mut self, function: u32, body: &Body<'_>, rounds: &[u64]) -> u64 {
        let openers = openers(body);
        let mut labels: Vec<Label> = Vec::new();
        let mut regions: Vec<Region> = Vec::new();
        let mut ahead = 0u64;
        for (i, op) in body.ops.iter().enumerate().rev() {
            let cost = self.cost(function, body, i);
            match op {
                Operator::End => {
                    let looped = openers[i].is_some_and(|at| matches!(body.ops.get(at), Some(Operator::Loop { .. })));
                    if looped {
                        regions.push(Region { exits: ahead });
                        ahead = 0;
                    }
                    labels.push(Label { branch: ahead, end: ahead, otherwise: None, region: regions.len() });
                }
                Operator::Else => {
                    if let Some(label) = labels.last_mut() {
                        label.otherwise = Some(ahead);
                        ahead = label.end;
                    }
                }
                Operator::If { .. } => {
                    let otherwise = labels.pop().map_or(0, |label| label.otherwise.unwrap_or(label.end));
                    ahead = ahead.max(otherwise).saturating_add(cost);
                }
                Operator::Block { .. } => {
                    labels.pop();
                }
                Operator::Loop { .. } => {
                    labels.pop();
                    let exits = regions.pop().map_or(0, |region| region.exits);
                    ahead = ahead.saturating_mul(rounds[i]).saturating_add(exits).saturating_add(cost);
                }
                Operator::Br { .. } | Operator::BrIf { .. } | Operator::BrTable { .. } => {
                    let mut heaviest = if matches!(op, Operator::BrIf { .. }) { ahead } else { 0 };
                    branches(op, |depth| heaviest = heaviest.max(ahead_of(&labels, &mut regions, depth)));
                    ahead = heaviest.saturating_add(cost);
                }
                Operator::Return | Operator::Unreachable | Operator::ReturnCall { .. } => ahead = cost,
                Operator::ReturnCallIndirect { .. } => ahead = cost,
                _ => ahead = ahead.saturating_add(cost),
            }
        }
        ahead
    }

    /// The whole price of one operator, callees and operands included.
    fn cost(&mut self, function: u32, body: &Body<'_>, at: usize) -> u64 {
        let Some(op) = body.ops.get(at) else { return 0 };
        let fixed = self.settings.gas.fixed(op);
        if let Some(bulk) = op::bulk(op) {
            let rate = self.settings.gas.bulk(bulk);
            return fixed.saturating_add(self.variable(function, body, at, rate, NotFixed::Length(op::describe(op).0)));
        }
        match op {
            Operator::CallIndirect { .. } | Operator::ReturnCallIndirect { .. } => {
                self.complain(function, at, NotFixed::Indirect);
                fixed
            }
            Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                let callee = *function_index;
                let Some(rate) = self.imported.get(callee as usize).copied() else {
                    return fixed.saturating_add(self.known_of(callee).0);
                };
                let host = || {
                    let import = self.module.imports.get(callee as usize);
                    NotFixed::Host(import.map_or_else(String::new, |i| format!("{}.{}", i.module, i.name)))
                };
                let reason = host();
                if self.open_ended.get(callee as usize).copied().unwrap_or(true) {
                    self.complain(function, at, reason);
                    return fixed;
                }
                let base = fixed.saturating_add(rate.base.into());
                base.saturating_add(self.variable(function, body, at, rate, reason))
            }
            _ => fixed,
        }
    }

    /// The part of a rate that grows, where the operand is a constant right before the operator.
    fn variable(&mut self, function: u32, body: &Body<'_>, at: usize, rate: Rate, otherwise: NotFixed) -> u64 {
        if rate.each == 0 {
            return 0;
        }
        match at.checked_sub(1).and_then(|before| body.ops.get(before)) {
            Some(Operator::I32Const { value }) => rate.variable(value.cast_unsigned()),
            _ => {
                self.complain(function, at, otherwise);
                0
            }
        }
    }
}

/// What is ahead of one who branches to a label, in the measure of the innermost region. Ways out of regions are noted there.
fn ahead_of(labels: &[Label], regions: &mut [Region], depth: u32) -> u64 {
    let index = labels.len().checked_sub(1 + depth as usize);
    let Some(label) = index.and_then(|index| labels.get(index)) else { return 0 };
    match regions.get_mut(label.region) {
        // The label is in the region around this loop, or further out: the loop right below the label's region ends there.
        Some(region) => {
            region.exits = region.exits.max(label.branch);
            0
        }
        None => label.branch,
    }
}
