//! Contracts as wasm: deployed, spawned, called; on the node's engine and on another one.

mod gas;
mod hostile;
mod libraries;
mod life;
mod other_engine;
mod refused;
mod smith;
mod world;
