//! Contracts as wasm: deployed, spawned, called; on the node's engine and on another one.

mod gas;
mod hostile;
mod in_c;
mod libraries;
mod life;
mod lost;
mod other_engine;
mod refused;
mod smith;
mod world;
