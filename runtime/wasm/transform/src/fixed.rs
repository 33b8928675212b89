//! Class fixed: the price of every export is proven before it runs, so that it runs without counters.
//!
//! No loops but bounded ones, no recursion, no calls through tables, no floats, no lengths that are not constants. The price is the heaviest path with
//! each loop taken as often as its bound allows; nothing that the function does can cost more.

mod bound;
mod price;

use crate::module::Module;
use crate::settings::Settings;
use crate::verdict::{Complaint, NotFixed, Place, Verdict};
use std::collections::BTreeMap;
use wasmparser::{ExternalKind, Operator};

/// What the exports cost.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct FixedPrices {
    /// Gas of each exported function, by its index.
    pub(crate) gas: BTreeMap<u32, u64>,
}

/// Steps of loops that are counted out in one module, so that a verdict takes bounded time: what four functions at the limit would need.
fn steps(settings: &Settings) -> u64 {
    settings.bounds.fixed_gas.saturating_mul(4).min(1 << 24)
}

/// Proves the price of all exported functions, or says what stands against it.
pub(crate) fn prove(
    module: &Module<'_>,
    frames: &[u32],
    settings: &Settings,
    verdict: &mut Verdict,
) -> Option<FixedPrices> {
    let before = verdict.complaints.len();
    let mut prover = Prover {
        module,
        settings,
        imported: crate::transform::host_prices(module, settings),
        open_ended: crate::transform::open_ended(module, settings),
        frames,
        steps: steps(settings),
        known: BTreeMap::new(),
        verdict,
    };
    let mut prices = FixedPrices::default();
    for export in module.exports.iter().filter(|export| export.kind == ExternalKind::Func) {
        let (gas, stack) = prover.function(export.index);
        let place = || Place::Function(module.name_of(export.index), 0);
        let (most, deepest) = (settings.bounds.fixed_gas, u64::from(settings.bounds.stack_bytes));
        if gas > most {
            prover.verdict.add(Complaint::NotFixed { place: place(), reason: NotFixed::Price(gas, most) });
        }
        if stack > deepest {
            prover.verdict.add(Complaint::NotFixed { place: place(), reason: NotFixed::Stack(stack, deepest) });
        }
        prices.gas.insert(export.index, gas);
    }
    (verdict.complaints.len() == before).then_some(prices)
}

/// What is known about functions on the way.
pub(crate) struct Prover<'m, 'v> {
    module: &'m Module<'m>,
    settings: &'m Settings,
    imported: Vec<crate::price::Rate>,
    open_ended: Vec<bool>,
    frames: &'m [u32],
    steps: u64,
    /// Gas and bytes of stack of each function that was looked at. `None`: being looked at, so whoever asks has found a cycle.
    known: BTreeMap<u32, Option<(u64, u64)>>,
    verdict: &'v mut Verdict,
}

impl<'m> Prover<'m, '_> {
    fn complain(&mut self, function: u32, op: usize, reason: NotFixed) {
        let defined = (function as usize).saturating_sub(self.module.imported_count() as usize);
        let at = self.module.code.get(defined).map_or(0, |body| body.byte(op));
        self.verdict.add(Complaint::NotFixed { place: Place::Function(self.module.name_of(function), at), reason });
    }

    /// Gas and stack of a function with everything that it calls: callees first, on a stack of our own, since chains can be as long as the module.
    fn function(&mut self, root: u32) -> (u64, u64) {
        let mut work = vec![(root, false)];
        while let Some((function, callees_done)) = work.pop() {
            if callees_done {
                let price = self.price(function);
                self.known.insert(function, Some(price));
                continue;
            }
            if self.known.contains_key(&function) {
                continue;
            }
            self.known.insert(function, None);
            work.push((function, true));
            for (op, callee) in self.callees(function) {
                match self.known.get(&callee) {
                    Some(None) => self.complain(function, op, NotFixed::Recursion(self.module.name_of(callee))),
                    Some(Some(_)) => {}
                    None => work.push((callee, false)),
                }
            }
        }
        self.known.get(&root).copied().flatten().unwrap_or((u64::MAX, u64::MAX))
    }

    /// Direct calls of functions that the module defines, with the operator that calls.
    fn callees(&self, function: u32) -> Vec<(usize, u32)> {
        let imported = self.module.imported_count();
        let body = function.checked_sub(imported).and_then(|defined| self.module.code.get(defined as usize));
        let ops = body.map_or(&[][..], |body| &body.ops);
        let callee = |op: &Operator<'_>| match op {
            Operator::Call { function_index } | Operator::ReturnCall { function_index } => Some(*function_index),
            _ => None,
        };
        let calls = ops.iter().enumerate().filter_map(|(i, op)| Some((i, callee(op)?)));
        calls.filter(|(_, callee)| *callee >= imported).collect()
    }
}
