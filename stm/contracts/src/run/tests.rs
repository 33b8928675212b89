//! The executor against contracts in Rust closures: scenarios, limits at the limit, and a model that clones the world.

mod gas;
mod ledger;
mod life;
mod model;
mod rules;
mod support;
