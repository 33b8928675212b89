//! Function entries, loop headers, and places where control leaves a loop pay for the heaviest path to the next of them.
//!
//! The places behind loops are there so that a round does not pay for what is behind its loop. They cost a check each time a loop ends, not
//! each time it goes round. A `loop` that nothing goes back to is no loop. Between two such points control flow has no cycle, so the heaviest path is found in one pass from the end of the body to its beginning:
//! `ahead` is the cost from here to the next point or the end, labels remember theirs, and where paths part the larger one counts.
//! An early way out pays for the long way; straight code pays nothing for being looked at.

use super::{Charge, branches, is_loop, openers, targets};
use crate::module::Body;
#[cfg(feature = "mutants")]
use crate::mutants::{Mutant, on};
use crate::price::GasTable;
use wasmparser::Operator;

struct Label {
    /// Cost ahead of one who branches here.
    branch: u64,
    /// Cost ahead of one who leaves at the end.
    end: u64,
    /// Cost ahead at the head of the `else` arm, once it was passed.
    otherwise: Option<u64>,
}

/// See the module.
pub(crate) fn heaviest(body: &Body<'_>, table: &GasTable) -> Vec<Charge> {
    let openers = openers(body);
    let targets = targets(body);
    let real_loop = |at: usize| is_loop(body, at) && targets.targeted[at];
    let mut labels: Vec<Label> = Vec::new();
    let mut charges = Vec::new();
    let mut ahead = 0u64;
    for (i, op) in body.ops.iter().enumerate().rev() {
        let cost = table.fixed(op);
        // A label that is not there did not validate.
        let to = |labels: &[Label], depth: u32| {
            let index = labels.len().checked_sub(1 + depth as usize);
            index.and_then(|index| labels.get(index)).map_or(0, |label| label.branch)
        };
        match op {
            Operator::End => {
                // Here control may come out of a loop: by the end of one, or by a branch.
                if openers[i].is_some_and(|at| real_loop(at) || targets.left_to[at]) {
                    charge(&mut charges, i + 1, ahead);
                    ahead = 0;
                }
                // The header of a loop charges for itself.
                let branch = if openers[i].is_some_and(|at| is_loop(body, at)) { 0 } else { ahead };
                labels.push(Label { branch, end: ahead, otherwise: None });
            }
            Operator::Else => {
                if let Some(label) = labels.last_mut() {
                    label.otherwise = Some(ahead);
                    ahead = label.end;
                }
            }
            Operator::If { .. } => {
                let label = labels.pop();
                let otherwise = label.map_or(0, |label| label.otherwise.unwrap_or(label.end));
                #[cfg(feature = "mutants")]
                let otherwise = if on(Mutant::ThenOnly) { 0 } else { otherwise };
                ahead = ahead.max(otherwise) + cost;
            }
            Operator::Block { .. } => {
                labels.pop();
            }
            Operator::Loop { .. } => {
                labels.pop();
                if real_loop(i) {
                    #[cfg(feature = "mutants")]
                    let ahead = if on(Mutant::FreeLoop) { 0 } else { ahead };
                    charge(&mut charges, i + 1, ahead);
                }
                ahead = if real_loop(i) { cost } else { ahead + cost };
            }
            Operator::Br { relative_depth } => ahead = to(&labels, *relative_depth) + cost,
            Operator::BrIf { relative_depth } => ahead = ahead.max(to(&labels, *relative_depth)) + cost,
            Operator::BrTable { .. } => {
                let mut heaviest = 0;
                #[cfg(feature = "mutants")]
                let mut seen = 0;
                branches(op, |depth| {
                    #[cfg(feature = "mutants")]
                    {
                        seen += 1;
                        if on(Mutant::FirstTarget) && seen > 1 {
                            return;
                        }
                    }
                    heaviest = to(&labels, depth).max(heaviest);
                });
                ahead = heaviest + cost;
            }
            Operator::Return
            | Operator::Unreachable
            | Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. } => ahead = cost,
            _ => ahead += cost,
        }
    }
    charges.push(Charge { at: 0, gas: ahead + table.entry(body.local_count()) });
    charges.reverse();
    charges
}

fn charge(charges: &mut Vec<Charge>, at: usize, gas: u64) {
    if gas > 0 {
        charges.push(Charge { at, gas });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gas::test::body;

    fn points(text: &str) -> Vec<(usize, u64)> {
        let table = GasTable { entry: 1000, local: 0, ..GasTable::default() };
        body(text, |body| heaviest(body, &table).iter().map(|c| (c.at, c.gas)).collect())
    }

    #[test]
    fn straight_code_is_one_number() {
        assert_eq!(points("i32.const 1 i32.const 2 i32.add drop"), [(0, 1003)]);
    }

    #[test]
    fn the_heavier_arm_counts() {
        let light = "local.get 0 if nop else i32.const 1 i32.const 1 i32.div_u drop end";
        let heavy = "local.get 0 if i32.const 1 i32.const 1 i32.div_u drop else nop end";
        assert_eq!(points(light), [(0, 1000 + 1 + 1 + 14)]);
        assert_eq!(points(heavy), points(light));
    }

    #[test]
    fn a_loop_pays_at_its_header() {
        // Entry: the constant before. Header: get, const, sub, tee, br_if. Behind the loop: the constant.
        let text =
            "i32.const 7 local.set 0 loop local.get 0 i32.const 1 i32.sub local.tee 0 br_if 0 end i32.const 9 drop";
        assert_eq!(points(text), [(0, 1002), (3, 5), (9, 1)]);
        // Nothing goes back: not a loop.
        assert_eq!(points("loop local.get 0 drop end i32.const 9 drop"), [(0, 1002)]);
    }

    #[test]
    fn what_is_behind_a_loop_is_paid_there() {
        let text = "block loop local.get 0 br_if 1 br 0 end end i32.const 1 i32.const 1 i32.div_u drop";
        assert_eq!(points(text), [(0, 1000), (2, 3), (7, 14)]);
        // Also by who comes there without the loop.
        let text = "block local.get 0 br_if 0 loop local.get 0 br_if 1 br 0 end end i32.const 9 drop";
        assert_eq!(points(text), [(0, 1002), (4, 3), (9, 1)]);
    }

    #[test]
    fn a_branch_out_carries_what_is_ahead_of_it() {
        let text = "block local.get 0 br_if 0 i32.const 1 i32.const 1 i32.div_u drop end i32.const 9 drop";
        assert_eq!(points(text), [(0, 1000 + 2 + 14 + 1)]);
        let early = "block local.get 0 br_if 0 return end i32.const 1 i32.const 1 i32.div_u drop";
        assert_eq!(points(early), [(0, 1000 + 2 + 14)]);
    }

    #[test]
    fn every_target_of_a_table_counts() {
        let text =
            "block block block local.get 0 br_table 0 1 2 end return end i32.const 1 i32.const 1 i32.div_u drop end";
        assert_eq!(points(text), [(0, 1000 + 1 + 4 + 14)]);
    }
}
