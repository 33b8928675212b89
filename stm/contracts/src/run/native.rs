//! Contracts whose code is Rust: for programs that embed the runtime and need no other code than their own, and for tests.
//!
//! A template names its contract, and the program knows the function for the name. Everything else, documents and layouts,
//! gas of host functions, frames, receipts, is as with wasm; only instructions cost nothing.
//!
//! ```
//! use replicode_contracts::cell::Bounds;
//! use replicode_contracts::run::native::{Natives, slices};
//! use replicode_contracts::run::{Halt, Host};
//! use replicode_contracts::template::{Limits, builder};
//!
//! let document = r#"{"abi": 1, "name": "visits", "functions": [{"name": "come", "kind": "call"}],
//!                    "storage": [{"name": "count", "type": "counter", "slice": 0}]}"#;
//! fn visits(function: &str, _arguments: &[u8], host: &mut dyn Host) -> Result<Vec<u8>, Halt> {
//!     assert_eq!(function, "come", "the document has no other");
//!     slices(host, |slices, host| slices.add(host, 0, 1, Bounds::NOT_NEGATIVE))?;
//!     Ok(Vec::new())
//! }
//! let template = builder::native(document.as_bytes(), "1.0", &Limits::STANDARD)?;
//! let loader = Natives::new([("visits", visits as replicode_contracts::run::Native)]);
//! # let _ = (template, loader);
//! # Ok::<(), replicode_contracts::template::builder::BuildError>(())
//! ```

use super::host::{Code, Entry, Halt, Host, Loaded, Loader, Unloaded};
use crate::cell;
use crate::hash::Hash;
use crate::slice::Slices;
use crate::template::Template;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// A contract's code: which function, its arguments encoded, the host; what it returns, encoded. A function of what it is given
/// and of what the host answers.
pub type Native = fn(&str, &[u8], &mut dyn Host) -> Result<Vec<u8>, Halt>;

struct Function(Native);

impl Code for Function {
    fn run(&self, entry: Entry<'_>, host: &mut dyn Host) -> Result<Vec<u8>, Halt> {
        (self.0)(entry.function, entry.arguments, host)
    }
}

/// The contracts that a program knows, by name.
#[derive(Default)]
pub struct Natives {
    codes: BTreeMap<String, Native>,
    at_hand: RwLock<BTreeMap<Hash, Arc<Loaded>>>,
}

impl Natives {
    /// These contracts.
    pub fn new<N: Into<String>>(codes: impl IntoIterator<Item = (N, Native)>) -> Self {
        let codes = codes.into_iter().map(|(name, code)| (name.into(), code)).collect();
        Self { codes, at_hand: RwLock::default() }
    }
}

impl Loader for Natives {
    fn at_hand(&self, template: &Hash) -> Option<Arc<Loaded>> {
        self.at_hand.read().unwrap_or_else(PoisonError::into_inner).get(template).cloned()
    }

    fn load(&self, hash: &Hash, template: Template) -> Result<Arc<Loaded>, Unloaded> {
        let Some(native) = self.codes.get(template.header.name.as_str()) else {
            return Err(format!("there is no code for {}", template.header.name).into());
        };
        let layout = template
            .layout
            .to_storage()
            .map_err(|wrong| wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
        let loaded = Arc::new(Loaded { hash: *hash, template, layout, code: Arc::new(Function(*native)) });
        self.at_hand.write().unwrap_or_else(PoisonError::into_inner).insert(*hash, Arc::clone(&loaded));
        Ok(loaded)
    }
}

/// Does something with the slices of the contract that runs. What storage refuses ends the frame, as for wasm.
///
/// # Errors
/// When the frame has ended.
pub fn slices<T>(
    host: &mut dyn Host,
    f: impl FnOnce(Slices<'_>, &mut dyn Host) -> Result<T, cell::Error<Halt>>,
) -> Result<T, Halt> {
    let program = host.program();
    let account = *host.message().account.as_bytes();
    f(Slices::of(&account, &program.layout), host).map_err(|error| host.storage_error(error))
}
