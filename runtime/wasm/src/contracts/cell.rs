//! A cell's contracts, made from its configuration: rules, engine, and a backend with the first balances.

use super::{ContractEngine, ContractLoader, ContractSettings};
use replicode_contracts::account::Address;
use replicode_contracts::backend::stm::Stm;
use replicode_contracts::backend::{Backend, Parallel, Settings};
use replicode_contracts::hash::Hash;
use replicode_contracts::kv::Memory;
use replicode_contracts::run::Config;
use replicode_contracts::state::Storage;
use replicode_log::{ClusterConfig, ContractsConfig, Digest};
use std::sync::Arc;

/// Threads besides those that execute which may run contracts: whoever drives the backend, and whoever asks it something, of contracts or of
/// functions.
const OTHERS: u32 = 3;

/// What all nodes of every cell agree on about code: there is nothing to choose yet.
#[must_use]
pub fn settings() -> ContractSettings {
    ContractSettings::default()
}

/// The rules of a cell. `cell` is the digest of its configuration: what is signed for one cell is worth nothing in another.
#[must_use]
pub fn rules(cell: Digest, contracts: &ContractsConfig) -> Config {
    let mut config = Config::standard(Hash::new(*cell.bytes()));
    config.trust_names = contracts.trust_names;
    config.batch_gas = contracts.batch_gas;
    config
}

/// A backend before the first batch, which executes on so many threads. None where the cell has no contracts.
///
/// # Errors
/// When this host cannot have one, and why.
pub fn backend(cluster: &ClusterConfig, threads: usize) -> Result<Option<Parallel<Memory>>, String> {
    let Some(contracts) = &cluster.contracts else { return Ok(None) };
    let threads = threads.clamp(1, 64);
    let engine = ContractEngine::new(&settings(), threads as u32 + OTHERS).map_err(|error| error.to_string())?;
    let storage = Storage::new(Memory::new(), contracts.history as usize);
    let stm = Settings { stm: Stm::builder().threads(threads), ..Settings::default() };
    let loader = Arc::new(ContractLoader::new(engine));
    let backend = Parallel::new(storage, rules(cluster.digest(), contracts), loader, stm);
    backend.map(Some).map_err(|error| error.to_string())
}

/// Gives the accounts of the configuration their money. Before the first batch only.
///
/// # Errors
/// When there was one, or this node cannot go on.
pub fn fund(backend: &mut dyn Backend, contracts: &ContractsConfig) -> Result<(), String> {
    let funds: Vec<_> =
        contracts.funds.iter().map(|(account, amount)| (Address::from_bytes(*account), *amount)).collect();
    backend.fund(&funds).map_err(|error| error.to_string())
}
