//! The verdict at deploy: what stands against a module, all of it at once.
//!
//! Order: sizes while reading (so nothing later can be made slow), then the language, then the validator, then what needs a valid module.
//! Later stages run only if the earlier ones left them something that they can trust.

mod features;
mod imports;
mod sizes;
mod validate;

pub(crate) use features::way_out;
pub(crate) use sizes::MemoryPlan;

use crate::fixed::{self, FixedPrices};
use crate::module::{self, Module};
use crate::settings::{CodeClass, RESERVED, Settings, Wish};
use crate::verdict::{Complaint, Verdict};
use std::collections::BTreeMap;

/// A module with nothing against it, and what was learned on the way.
pub(crate) struct Checked<'a> {
    pub module: Module<'a>,
    /// Bytes of stack that one frame of each defined function takes.
    pub frames: Vec<u32>,
    /// Prices of the exports, if the template asks for class fixed.
    pub fixed: Option<FixedPrices>,
    pub memory: Option<MemoryPlan>,
    /// Host functions that are referred to, and what takes their place.
    pub shims: BTreeMap<u32, u32>,
}

/// Looks at a module as it would be deployed.
pub(crate) fn check<'a>(wasm: &'a [u8], settings: &Settings, wish: &Wish) -> Result<Checked<'a>, Verdict> {
    let mut verdict = Verdict::default();
    let mut module = module::read(wasm, &settings.limits, &mut verdict);
    let whole = verdict.is_empty();
    features::check(&module, settings, &mut verdict);
    imports::check(&module, settings, &mut verdict);
    names(&module, &mut verdict);
    sizes::tables(&module, settings, &mut verdict);
    let memory = sizes::memory(&module, settings, wish, &mut verdict);
    sizes::segments(&module, memory.as_ref(), &mut verdict);
    // A module that is too large in some way is not given to the validator, whose time is bounded by those very sizes.
    let heights = if whole { validate::operand_heights(wasm, settings, &mut verdict) } else { None };
    let Some(mut heights) = heights else { return Err(verdict) };
    let shims = crate::shims::add(&mut module, &mut heights);
    let frames = crate::stack::frames(&module, &heights, settings, &mut verdict);
    let mut fixed = None;
    if wish.class == CodeClass::Fixed && verdict.is_empty() {
        fixed = fixed::prove(&module, &frames, settings, &mut verdict);
    }
    if !verdict.is_empty() {
        return Err(verdict);
    }
    if let Some(plan) = &memory {
        plan.apply(&mut module);
    }
    sizes::bound_tables(&mut module, settings);
    Ok(Checked { module, frames, fixed, memory, shims })
}

fn names(module: &Module<'_>, verdict: &mut Verdict) {
    for export in module.exports.iter().filter(|export| export.name.starts_with(RESERVED)) {
        verdict.add(Complaint::Reserved { name: export.name.to_string(), prefix: RESERVED });
    }
    if let Some((function, _)) = module.start {
        verdict.add(Complaint::Start { function: module.name_of(function) });
    }
}
