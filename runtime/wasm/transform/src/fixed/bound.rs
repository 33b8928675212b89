//! How often a loop can run, where a local counts it.
//!
//! Recognised is what compilers make of counted loops: a local `i` that is a known constant before the loop, is changed at one place only, at
//! the top level of the loop's body, by adding or subtracting a constant, and is compared with a constant (or with zero) by a `br_if` at the top
//! level, which leaves the loop or is its only way back. Then nothing but the constants decides, and the rounds are counted out, with
//! whatever wraps around. Everything else has no bound.
//!
//! Why this suffices: control in a body only goes forward, except to loop headers. An operator at the top level of a loop's body is inside no
//! construct that could be left over it, so each path from the header to something behind it passes it, exactly once a round.

use crate::gas::branches;
use crate::module::Body;
use std::collections::{BTreeMap, BTreeSet};
use wasmparser::{Operator, ValType};

/// Loops of a body by the operator that opens them, each with its bound if it has one. `steps` is what may be counted out, and is used up.
pub(crate) fn loops(body: &Body<'_>, params: u32, steps: &mut u64) -> Vec<(usize, Option<u64>)> {
    let mut found = Vec::new();
    let mut known = Known::at_entry(body, params);
    let mut open: Vec<usize> = Vec::new();
    for (i, op) in body.ops.iter().enumerate() {
        match op {
            Operator::Block { .. } | Operator::If { .. } => open.push(i),
            Operator::Loop { .. } => {
                open.push(i);
                let end = close_of(body, i);
                let counted = Loop { body, start: i, end };
                found.push((i, counted.bound(&known, steps)));
                known.forget(body, i, end);
            }
            // Paths may join here that came by other assignments inside.
            Operator::Else | Operator::End => {
                let start = if matches!(op, Operator::End) { open.pop() } else { open.last().copied() };
                if let Some(start) = start {
                    known.forget(body, start, i);
                }
            }
            Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                let value = i.checked_sub(1).and_then(|before| constant(&body.ops[before]));
                known.set(*local_index, value);
            }
            _ => {}
        }
    }
    found
}

/// Locals whose value is known here on every path.
struct Known(BTreeMap<u32, u64>);

impl Known {
    /// Locals begin as zero, parameters as anything.
    fn at_entry(body: &Body<'_>, params: u32) -> Known {
        let types = body.locals.iter().flat_map(|(count, ty)| (0..*count).map(move |_| *ty));
        let numbered = (params..).zip(types).filter(|(_, ty)| matches!(ty, ValType::I32 | ValType::I64));
        Known(numbered.map(|(local, _)| (local, 0)).collect())
    }

    fn set(&mut self, local: u32, value: Option<u64>) {
        match value {
            Some(value) => self.0.insert(local, value),
            None => self.0.remove(&local),
        };
    }

    /// Forgets what is assigned between two operators.
    fn forget(&mut self, body: &Body<'_>, start: usize, end: usize) {
        for op in body.ops.get(start..end).unwrap_or_default() {
            if let Operator::LocalSet { local_index } | Operator::LocalTee { local_index } = op {
                self.0.remove(local_index);
            }
        }
    }
}

/// The `end` of a construct.
fn close_of(body: &Body<'_>, start: usize) -> usize {
    let mut depth = 0u32;
    for (i, op) in body.ops.iter().enumerate().skip(start) {
        match op {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => depth += 1,
            Operator::End => {
                depth -= 1;
                if depth == 0 {
                    return i;
                }
            }
            _ => {}
        }
    }
    body.ops.len()
}

/// The value that an operator pushes, if it is an integer constant: as 64 bits, 32 of them zero for an `i32`.
fn constant(op: &Operator<'_>) -> Option<u64> {
    match op {
        Operator::I32Const { value } => Some(value.cast_unsigned().into()),
        Operator::I64Const { value } => Some(value.cast_unsigned()),
        _ => None,
    }
}

struct Loop<'b, 'a> {
    body: &'b Body<'a>,
    start: usize,
    end: usize,
}

/// A comparison of a counter with a constant.
#[derive(Clone, Copy)]
struct Condition {
    local: u32,
    compare: Compare,
    with: u64,
    negated: bool,
    wide: bool,
}

#[derive(Clone, Copy)]
enum Compare {
    Eq,
    Ne,
    LtU,
    LtS,
    GtU,
    GtS,
    LeU,
    LeS,
    GeU,
    GeS,
}

impl Condition {
    fn holds(&self, value: u64) -> bool {
        let signed = |v: u64| if self.wide { v.cast_signed() } else { i64::from((v as u32).cast_signed()) };
        let (a, b) = (value, self.with);
        let plain = match self.compare {
            Compare::Eq => a == b,
            Compare::Ne => a != b,
            Compare::LtU => a < b,
            Compare::LtS => signed(a) < signed(b),
            Compare::GtU => a > b,
            Compare::GtS => signed(a) > signed(b),
            Compare::LeU => a <= b,
            Compare::LeS => signed(a) <= signed(b),
            Compare::GeU => a >= b,
            Compare::GeS => signed(a) >= signed(b),
        };
        plain != self.negated
    }
}

/// A `br_if` at the top level that decides about another round.
struct Guard {
    at: usize,
    condition: Condition,
    /// Whether the loop ends where the condition holds; otherwise it goes on there.
    leaves: bool,
}

/// The one place where a counter changes.
struct Step {
    at: usize,
    add: u64,
    wide: bool,
}

impl Loop<'_, '_> {
    fn bound(&self, known: &Known, steps: &mut u64) -> Option<u64> {
        let (guards, backs) = self.scan();
        if backs.is_empty() {
            return Some(1);
        }
        let first_back = *backs.first()?;
        let mut best = None;
        for guard in guards {
            // One that goes on where it holds bounds the rounds only if there is no other way back.
            let decides = if guard.leaves { guard.at < first_back } else { backs == [guard.at] };
            let local = guard.condition.local;
            let (true, Some(start), Some(step)) = (decides, known.0.get(&local), self.step(local)) else { continue };
            if step.at > first_back || step.wide != guard.condition.wide {
                continue;
            }
            let mask = if step.wide { u64::MAX } else { u32::MAX.into() };
            // A `local.tee` that is compared on the spot stands before its guard, as any step above it does.
            let mut value = if step.at < guard.at { start.wrapping_add(step.add) & mask } else { *start };
            let mut rounds = 1u64;
            while guard.condition.holds(value) != guard.leaves {
                let (Some(left), true) = (steps.checked_sub(1), best.is_none_or(|best| rounds < best)) else { break };
                *steps = left;
                rounds += 1;
                value = value.wrapping_add(step.add) & mask;
            }
            if guard.condition.holds(value) == guard.leaves {
                best = Some(best.map_or(rounds, |best: u64| best.min(rounds)));
            }
        }
        #[cfg(feature = "mutants")]
        let best = best.map(round_too_few);
        best
    }

    /// Guards at the top level, and all ways back to the header, in order.
    fn scan(&self) -> (Vec<Guard>, Vec<usize>) {
        let (mut guards, mut backs) = (Vec::new(), Vec::new());
        let mut depth = 0u32;
        let inside = self.body.ops.get(self.start + 1..self.end).unwrap_or_default();
        for (i, op) in (self.start + 1..).zip(inside) {
            match op {
                Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => depth += 1,
                Operator::End => depth = depth.saturating_sub(1),
                _ => {}
            }
            let mut back = false;
            branches(op, |target| back |= target == depth);
            if back {
                backs.push(i);
            }
            if let (Operator::BrIf { .. }, 0, Some(condition)) = (op, depth, self.condition(i)) {
                guards.push(Guard { at: i, condition, leaves: !back });
            }
        }
        (guards, backs)
    }

    fn op(&self, at: usize, back: usize) -> Option<&Operator<'_>> {
        let index = at.checked_sub(back).filter(|index| *index > self.start)?;
        self.body.ops.get(index)
    }

    /// What a `br_if` looks at, if it is a local and a constant.
    fn condition(&self, at: usize) -> Option<Condition> {
        let mut before = 1;
        let mut negated = false;
        let mut tested = None;
        while let Some(Operator::I32Eqz | Operator::I64Eqz) = self.op(at, before) {
            let wide = matches!(self.op(at, before), Some(Operator::I64Eqz));
            // `eqz` of a local is a test of the local; of a comparison, its negation.
            if matches!(self.op(at, before + 1), Some(Operator::LocalGet { .. } | Operator::LocalTee { .. })) {
                tested = Some(wide);
                before += 1;
                break;
            }
            if wide {
                return None;
            }
            negated = !negated;
            before += 1;
        }
        let local = |op: &Operator<'_>| match op {
            Operator::LocalGet { local_index } | Operator::LocalTee { local_index } => Some(*local_index),
            _ => None,
        };
        if let Some(found) = self.op(at, before).and_then(local) {
            let (compare, wide) = match tested {
                Some(wide) => (Compare::Eq, wide),
                None => (Compare::Ne, false),
            };
            return Some(Condition { local: found, compare, with: 0, negated, wide });
        }
        let (compare, wide) = comparison(self.op(at, before)?)?;
        let with = constant(self.op(at, before + 1)?)?;
        let found = local(self.op(at, before + 2)?)?;
        Some(Condition { local: found, compare, with, negated, wide })
    }

    /// How a local changes in a round, if it does so once, at the top level, by a constant.
    fn step(&self, local: u32) -> Option<Step> {
        let mut depth = 0u32;
        let mut found = None;
        let mut sites = BTreeSet::new();
        let inside = self.body.ops.get(self.start + 1..self.end)?;
        for (i, op) in (self.start + 1..).zip(inside) {
            match op {
                Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => depth += 1,
                Operator::End => depth = depth.saturating_sub(1),
                Operator::LocalSet { local_index } | Operator::LocalTee { local_index } if *local_index == local => {
                    sites.insert(i);
                    if depth == 0 {
                        found = self.added(i, local);
                    }
                }
                _ => {}
            }
        }
        found.filter(|_| sites.len() == 1)
    }

    fn added(&self, at: usize, local: u32) -> Option<Step> {
        let (wide, subtract) = match self.op(at, 1)? {
            Operator::I32Add => (false, false),
            Operator::I32Sub => (false, true),
            Operator::I64Add => (true, false),
            Operator::I64Sub => (true, true),
            _ => return None,
        };
        let get = |op: &Operator<'_>| matches!(op, Operator::LocalGet { local_index } if *local_index == local);
        let (second, first) = (self.op(at, 2)?, self.op(at, 3)?);
        let add = match (constant(second), constant(first)) {
            (Some(add), _) if get(first) => add,
            (_, Some(add)) if get(second) && !subtract => add,
            _ => return None,
        };
        Some(Step { at, add: if subtract { add.wrapping_neg() } else { add }, wide })
    }
}

fn comparison(op: &Operator<'_>) -> Option<(Compare, bool)> {
    use Operator as O;
    Some(match op {
        O::I32Eq => (Compare::Eq, false),
        O::I32Ne => (Compare::Ne, false),
        O::I32LtU => (Compare::LtU, false),
        O::I32LtS => (Compare::LtS, false),
        O::I32GtU => (Compare::GtU, false),
        O::I32GtS => (Compare::GtS, false),
        O::I32LeU => (Compare::LeU, false),
        O::I32LeS => (Compare::LeS, false),
        O::I32GeU => (Compare::GeU, false),
        O::I32GeS => (Compare::GeS, false),
        O::I64Eq => (Compare::Eq, true),
        O::I64Ne => (Compare::Ne, true),
        O::I64LtU => (Compare::LtU, true),
        O::I64LtS => (Compare::LtS, true),
        O::I64GtU => (Compare::GtU, true),
        O::I64GtS => (Compare::GtS, true),
        O::I64LeU => (Compare::LeU, true),
        O::I64LeS => (Compare::LeS, true),
        O::I64GeU => (Compare::GeU, true),
        O::I64GeS => (Compare::GeS, true),
        _ => return None,
    })
}

/// The mistake of [`crate::mutants::Mutant::RoundTooFew`].
#[cfg(feature = "mutants")]
fn round_too_few(rounds: u64) -> u64 {
    if crate::mutants::on(crate::mutants::Mutant::RoundTooFew) { rounds.saturating_sub(1).max(1) } else { rounds }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gas::test::body;

    /// Bounds of the loops in a body with the parameter 0 and the locals 1 and 2, both `i32`.
    fn bounds(text: &str) -> Vec<Option<u64>> {
        body(text, |body| loops(body, 1, &mut 100_000).into_iter().map(|(_, bound)| bound).collect())
    }

    #[test]
    fn counting_down_to_zero() {
        let text = "i32.const 10 local.set 1 loop local.get 1 i32.const -1 i32.add local.tee 1 br_if 0 end";
        assert_eq!(bounds(text), [Some(10)]);
        // Zero wraps around: four thousand million rounds, which nobody counts out.
        let text = "loop local.get 1 i32.const -1 i32.add local.tee 1 br_if 0 end";
        assert_eq!(bounds(text), [None]);
    }

    #[test]
    fn counting_up_with_the_test_at_the_head() {
        let text = "block loop local.get 1 i32.const 7 i32.ge_u br_if 1
            local.get 1 i32.const 2 i32.add local.set 1 br 0 end end";
        assert_eq!(bounds(text), [Some(5)]);
    }

    #[test]
    fn counting_up_with_the_test_at_the_foot() {
        let text = "loop local.get 1 i32.const 1 i32.add local.tee 1 i32.const 100 i32.ne br_if 0 end";
        assert_eq!(bounds(text), [Some(100)]);
        let text = "loop local.get 1 i32.const 3 i32.add local.set 1 local.get 1 i32.const 100 i32.lt_s br_if 0 end";
        assert_eq!(bounds(text), [Some(34)]);
    }

    #[test]
    fn loops_in_loops() {
        let text = "loop i32.const 0 local.set 2
            loop local.get 2 i32.const 1 i32.add local.tee 2 i32.const 4 i32.lt_u br_if 0 end
            local.get 1 i32.const 1 i32.add local.tee 1 i32.const 3 i32.lt_u br_if 0 end";
        assert_eq!(bounds(text), [Some(3), Some(4)]);
        // Without the reset the inner counter is not known at the second round of the outer loop.
        let text = "loop
            loop local.get 2 i32.const 1 i32.add local.tee 2 i32.const 4 i32.lt_u br_if 0 end
            local.get 1 i32.const 1 i32.add local.tee 1 i32.const 3 i32.lt_u br_if 0 end";
        assert_eq!(bounds(text), [Some(3), None]);
    }

    #[test]
    fn a_loop_that_nobody_repeats() {
        assert_eq!(bounds("loop nop end"), [Some(1)]);
    }

    #[test]
    fn what_has_no_bound() {
        for text in [
            // From a parameter.
            "loop local.get 0 i32.const -1 i32.add local.tee 0 br_if 0 end",
            // Two places of change.
            "i32.const 9 local.set 1 loop local.get 0 if i32.const 9 local.set 1 end
             local.get 1 i32.const -1 i32.add local.tee 1 br_if 0 end",
            // The step can be skipped.
            "i32.const 9 local.set 1 loop block local.get 0 br_if 0 local.get 1 i32.const -1 i32.add local.set 1 end
             local.get 1 br_if 0 end",
            // Another way back, before the test.
            "i32.const 9 local.set 1 loop local.get 0 br_if 0 local.get 1 i32.const -1 i32.add local.tee 1 br_if 0 end",
            // Way back before the step.
            "block loop local.get 1 i32.const 9 i32.ge_u br_if 1 local.get 0 br_if 0
             local.get 1 i32.const 1 i32.add local.set 1 br 0 end end",
            // Compared with a parameter.
            "loop local.get 1 i32.const 1 i32.add local.tee 1 local.get 0 i32.lt_u br_if 0 end",
            // Known on one path only.
            "local.get 0 if i32.const 5 local.set 1 end
             loop local.get 1 i32.const -1 i32.add local.tee 1 br_if 0 end",
            // Forever.
            "loop br 0 end",
        ] {
            assert_eq!(bounds(text), [None], "{text}");
        }
    }

    #[test]
    fn what_may_be_counted_out_is_bounded() {
        let text = "loop local.get 1 i32.const 1 i32.add local.tee 1 i32.const 100 i32.ne br_if 0 end";
        body(text, |body| {
            assert_eq!(loops(body, 1, &mut 98), [(0, None)]);
            assert_eq!(loops(body, 1, &mut 99), [(0, Some(100))]);
        });
    }
}
