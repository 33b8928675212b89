//! From files to components: what a configuration loads, whether each file is fit for it, and the engine.

pub mod engine;
pub mod inspect;
pub mod plan;
