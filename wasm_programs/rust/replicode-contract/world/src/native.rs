//! Contracts as code that runs here, and which code belongs to which template.

use crate::bridge::{Bridge, Halted};
use crate::module::InModule;
use replicode_contract::{Contract, sys};
use replicode_contracts::hash::{self, Domain, Hash};
use replicode_contracts::receipt::Trap;
use replicode_contracts::run::{Code, Entry, Halt, Host, Loaded, Loader, Unloaded};
use replicode_contracts::template::Template;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

type Run = fn(&str) -> bool;

/// Code by the hash of its template.
#[derive(Default)]
pub(crate) struct Natives {
    codes: BTreeMap<Hash, Arc<dyn Code>>,
    /// Modules are taken from here, instead of native code.
    modules: Option<PathBuf>,
    at_hand: RefCell<BTreeMap<Hash, Arc<Loaded>>>,
}

impl Natives {
    /// From now on this template runs this contract.
    pub(crate) fn know<C: Contract>(&mut self, template: &[u8]) {
        let hash = hash::of(Domain::Code, template);
        if self.codes.contains_key(&hash) {
            return;
        }
        let code: Arc<dyn Code> = match &self.modules {
            None => Arc::new(Native(C::run)),
            Some(folder) => Arc::new(InModule::new(folder, C::NAME).unwrap_or_else(|error| panic!("{error}"))),
        };
        self.codes.insert(hash, code);
    }

    /// Takes modules from a folder.
    pub(crate) fn of_modules(folder: PathBuf) -> Self {
        Self { modules: Some(folder), ..Self::default() }
    }
}

impl Loader for Natives {
    fn at_hand(&self, template: &Hash) -> Option<Arc<Loaded>> {
        self.at_hand.borrow().get(template).cloned()
    }

    fn load(&self, hash: &Hash, template: Template) -> Result<Arc<Loaded>, Unloaded> {
        let Some(code) = self.codes.get(hash) else {
            let why = format!("this world has no code for {}: deploy the contract itself", template.header.name);
            return Err(why.into());
        };
        let layout = template.layout.to_storage().map_err(|wrong| format!("{wrong:?}"))?;
        let loaded = Arc::new(Loaded { hash: *hash, template, layout, code: Arc::clone(code) });
        self.at_hand.borrow_mut().insert(*hash, Arc::clone(&loaded));
        Ok(loaded)
    }
}

struct Native(Run);

impl Code for Native {
    fn run(&self, entry: Entry<'_>, host: &mut dyn Host) -> Result<Vec<u8>, Halt> {
        let mut bridge = Bridge::new(host, entry.arguments);
        let ended = catch_unwind(AssertUnwindSafe(|| sys::enter(&mut bridge, || (self.0)(entry.function))));
        match ended {
            Ok(true) => Ok(bridge.output),
            Ok(false) => Err(bridge.host.trap(Trap::Host)),
            Err(payload) if payload.is::<Halted>() => match bridge.halt.take() {
                Some(halt) => Err(halt),
                None => Err(bridge.host.trap(Trap::Host)),
            },
            // As in wasm: a panic ends the call with its message.
            Err(payload) => {
                let text = payload.downcast_ref::<&str>().map(|text| (*text).to_string());
                let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
                let text = text.unwrap_or_else(|| "panicked".into());
                Err(bridge.host.revert(replicode_contract::entry::PANIC, text.into_bytes()))
            }
        }
    }
}
