//! Each basic block pays at its head for exactly what it does.
//!
//! Fair to early ways out, and dearer to run: every `if`, `br_if` and join is looked at. A block ends where control may part and begins where it may
//! join; labels that nothing branches to are no joins.

use super::{Charge, is_loop, openers, targets};
use crate::module::Body;
use crate::price::GasTable;
use wasmparser::Operator;

/// See the module.
pub(crate) fn blocks(body: &Body<'_>, table: &GasTable) -> Vec<Charge> {
    let openers = openers(body);
    let targeted = targets(body).targeted;
    let mut charges = Vec::new();
    let mut open = Charge { at: 0, gas: table.entry(body.local_count()) };
    let mut dead = false;
    let mut close = |open: &mut Charge, next: usize| {
        if open.gas > 0 {
            charges.push(*open);
        }
        *open = Charge { at: next, gas: 0 };
    };
    for (i, op) in body.ops.iter().enumerate() {
        if !dead {
            open.gas += table.fixed(op);
        }
        let joins = |i: usize| targeted.get(i).copied().unwrap_or(false);
        match op {
            Operator::Loop { .. } if joins(i) => close(&mut open, i + 1),
            Operator::If { .. } | Operator::BrIf { .. } => close(&mut open, i + 1),
            Operator::Else => {
                close(&mut open, i + 1);
                dead = false;
            }
            Operator::End => {
                let opener = openers[i];
                let arms = opener.is_some_and(|at| matches!(body.ops.get(at), Some(Operator::If { .. })));
                let looped = opener.is_some_and(|at| is_loop(body, at));
                if arms || (opener.is_some_and(joins) && !looped) {
                    close(&mut open, i + 1);
                    dead = false;
                }
            }
            Operator::Br { .. }
            | Operator::BrTable { .. }
            | Operator::Return
            | Operator::Unreachable
            | Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. } => {
                close(&mut open, i + 1);
                dead = true;
            }
            _ => {}
        }
    }
    close(&mut open, 0);
    charges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gas::test::body;

    fn points(text: &str) -> Vec<(usize, u64)> {
        let table = GasTable { entry: 1000, local: 0, ..GasTable::default() };
        body(text, |body| blocks(body, &table).iter().map(|c| (c.at, c.gas)).collect())
    }

    #[test]
    fn each_arm_pays_for_itself() {
        let text = "local.get 0 if nop else i32.const 1 i32.const 1 i32.div_u drop end i32.const 1 drop";
        assert_eq!(points(text), [(0, 1002), (4, 14), (9, 1)]);
    }

    #[test]
    fn a_label_without_branches_is_no_join() {
        assert_eq!(points("block i32.const 1 drop end i32.const 1 drop"), [(0, 1002)]);
        assert_eq!(points("loop i32.const 1 drop end i32.const 1 drop"), [(0, 1002)]);
    }

    #[test]
    fn code_that_cannot_run_is_free() {
        assert_eq!(points("block br 0 i32.const 1 drop end i32.const 1 drop"), [(0, 1001), (5, 1)]);
    }

    #[test]
    fn a_loop_pays_at_each_round() {
        let text = "loop local.get 0 br_if 0 end i32.const 9 drop";
        assert_eq!(points(text), [(0, 1000), (1, 2), (3, 1)]);
    }
}
