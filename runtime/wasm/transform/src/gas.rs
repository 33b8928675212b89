//! Where in a body gas is charged, and how much: two ways of placing charges, one form of result.
//!
//! Neither sees bulk operands and host calls: what those cost beyond their base is charged where they stand.

mod blocks;
mod heaviest;

pub(crate) use blocks::blocks;
pub(crate) use heaviest::heaviest;

use crate::module::Body;
use crate::price::GasTable;
use crate::settings::Metering;
use wasmparser::Operator;

/// Gas that is charged before an operator is executed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Charge {
    /// Index of the operator.
    pub at: usize,
    /// How much; never 0.
    pub gas: u64,
}

/// The charges of a body, in order. The first stands before the first operator and contains the entry.
pub(crate) fn charges(body: &Body<'_>, table: &GasTable, metering: Metering) -> Vec<Charge> {
    match metering {
        Metering::Heaviest => heaviest(body, table),
        Metering::Blocks => blocks(body, table),
    }
}

/// For each `end` and `else`, the operator that opened the construct; the function itself is opened by no operator.
pub(crate) fn openers(body: &Body<'_>) -> Vec<Option<usize>> {
    let mut open = Vec::new();
    let mut openers = vec![None; body.ops.len()];
    for (i, op) in body.ops.iter().enumerate() {
        match op {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => open.push(i),
            Operator::Else => openers[i] = open.last().copied(),
            Operator::End => openers[i] = open.pop(),
            _ => {}
        }
    }
    openers
}

/// What branches go where, for each operator that opens a construct.
pub(crate) struct Targets {
    /// Something branches to its label.
    pub targeted: Vec<bool>,
    /// Something branches to its label out of a loop that is inside it.
    pub left_to: Vec<bool>,
}

/// Finds out where branches go. Loops whose label nothing branches to run once; they are no loops here.
pub(crate) fn targets(body: &Body<'_>) -> Targets {
    let n = body.ops.len();
    let mut targeted = vec![false; n];
    walk_branches(body, |_| false, |opener, _| targeted[opener] = true);
    let mut left_to = vec![false; n];
    walk_branches(body, |at| targeted[at] && is_loop(body, at), |opener, leaves| left_to[opener] |= leaves);
    Targets { targeted, left_to }
}

/// Whether an operator opens a loop.
pub(crate) fn is_loop(body: &Body<'_>, at: usize) -> bool {
    matches!(body.ops.get(at), Some(Operator::Loop { .. }))
}

/// Calls `each` for every branch, with the opener of the construct that it goes to and whether it leaves a loop inside that.
fn walk_branches(body: &Body<'_>, loops: impl Fn(usize) -> bool, mut each: impl FnMut(usize, bool)) {
    // Each open construct, and how many of the open ones the innermost loop is deep.
    let mut open: Vec<(usize, usize)> = Vec::new();
    for (i, op) in body.ops.iter().enumerate() {
        match op {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                let around = open.last().map_or(0, |(_, deep)| *deep);
                open.push((i, if loops(i) { open.len() + 1 } else { around }));
            }
            Operator::End => {
                open.pop();
            }
            _ => {
                let innermost = open.last().map_or(0, |(_, deep)| *deep);
                branches(op, |depth| {
                    let target = open.len().checked_sub(1 + depth as usize);
                    if let Some((opener, _)) = target.and_then(|target| open.get(target)) {
                        each(*opener, target.is_some_and(|target| innermost > target + 1));
                    }
                });
            }
        }
    }
}

/// Calls `each` with the depth of every label that an operator may branch to.
pub(crate) fn branches(op: &Operator<'_>, mut each: impl FnMut(u32)) {
    match op {
        Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => each(*relative_depth),
        Operator::BrTable { targets } => {
            // A table that does not decode did not validate.
            targets.targets().map_while(Result::ok).for_each(&mut each);
            each(targets.default());
        }
        _ => {}
    }
}

#[cfg(test)]
pub(crate) mod test {
    use crate::limits::Limits;
    use crate::module::{Body, read};
    use crate::verdict::Verdict;

    /// Gives the body of a function with one parameter, written as text.
    pub(crate) fn body<T>(text: &str, use_it: impl FnOnce(&Body<'_>) -> T) -> T {
        let wasm = wat::parse_str(format!("(module (func (param i32) (local i32 i32) {text}))")).unwrap();
        let mut verdict = Verdict::default();
        let module = read(&wasm, &Limits::default(), &mut verdict);
        assert_eq!(verdict, Verdict::default());
        use_it(&module.code[0])
    }
}
