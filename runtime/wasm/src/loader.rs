//! The modules of a cell, compiled, and the processes started from them.

use crate::guest::WasmGuest;
use crate::module::CompiledModule;
use replicode_log::{Digest, Pid};
use replicode_machine::{Guest, GuestLoader, LoadError};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Starts processes from modules found by their digest.
#[derive(Clone, Debug, Default)]
pub struct WasmLoader {
    modules: BTreeMap<Digest, Arc<CompiledModule>>,
}

impl WasmLoader {
    /// A loader without modules.
    #[must_use]
    pub const fn new() -> Self {
        Self { modules: BTreeMap::new() }
    }

    /// Adds a module, under the digest of its bytes.
    pub fn add(&mut self, module: CompiledModule) {
        self.modules.insert(module.digest(), Arc::new(module));
    }

    /// Whether one of the modules calls the cell's contracts.
    #[must_use]
    pub fn calls_contracts(&self) -> bool {
        self.modules.values().any(|module| module.calls_contracts())
    }

    /// The module with that digest.
    #[must_use]
    pub fn get(&self, digest: Digest) -> Option<&CompiledModule> {
        self.modules.get(&digest).map(Arc::as_ref)
    }
}

impl GuestLoader for WasmLoader {
    fn start(&mut self, pid: Pid, module: Digest) -> Result<Box<dyn Guest>, LoadError> {
        let module = self.modules.get(&module).ok_or(LoadError::Unknown(module))?;
        Ok(Box::new(WasmGuest::new(pid, Arc::clone(module))))
    }
}
