//! From a module on this disk to a template: its document, its class, its memory, its libraries.
//!
//! A build leaves in the module what it knows and the document does not say, in a section `replicode.build`. Modules without it
//! are taken as they come: version 0.1.0, metered, with the memory that they start with.

use super::sections;
use super::session::Session;
use crate::Usage;
use crate::args::contract::Link;
use anyhow::{Context, Result, bail};
use replicode_contracts::abi::Names;
use replicode_contracts::abi::host::LIBRARY;
use replicode_contracts::account::Address;
use replicode_contracts::hash::Hash;
use replicode_contracts::registers::Shape;
use replicode_contracts::template::{self, Builder, Class, FixedPrice, Kind, LibraryPin, STANDARD_MEMORY, Template};
use replicode_wasm::Facts;
use replicode_wasm::contracts::{ContractEngine, ContractLoader, ContractSettings};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The section that a build leaves.
pub const BUILD_SECTION: &str = "replicode.build";

/// What a build leaves in a module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// The contract's version.
    pub version: String,
    /// `metered` or `fixed`.
    pub class: String,
    /// Bytes that its memory may have.
    pub memory: u32,
}

/// Which libraries a contract is linked with: `NAME.lock.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lock(pub BTreeMap<String, Locked>);

/// A library in the lock file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    /// Who has published it.
    pub publisher: String,
    /// Under this name.
    pub name: String,
    /// And version.
    pub version: String,
    /// Hash of its template: this is what is linked.
    pub hash: String,
}

/// A module that was read.
pub struct Module {
    /// Its bytes.
    pub wasm: Vec<u8>,
    /// What the build has left in it.
    pub build: Build,
    /// Libraries that it imports functions of, by name.
    pub libraries: Vec<String>,
}

impl Module {
    /// Reads a module.
    ///
    /// # Errors
    /// When the file cannot be read or is no module.
    pub fn read(path: &Path) -> Result<Self> {
        let wasm = fs::read(path).with_context(|| format!("cannot read the module {}", path.display()))?;
        Self::of(wasm).with_context(|| format!("{} is no module that can be used", path.display()))
    }

    /// Of a module's bytes.
    ///
    /// # Errors
    /// When they are no module.
    pub fn of(wasm: Vec<u8>) -> Result<Self> {
        let custom = sections::custom(&wasm)?;
        let facts = Facts::read(&wasm, false);
        let memory = facts.memory.max(u64::from(STANDARD_MEMORY));
        let mut build = Build {
            version: "0.1.0".into(),
            class: "metered".into(),
            memory: u32::try_from(memory).unwrap_or(u32::MAX),
        };
        if let Some(section) = custom.iter().find(|(name, _)| name == BUILD_SECTION) {
            build = serde_json::from_slice(&section.1)
                .with_context(|| format!("the section {BUILD_SECTION:?} does not say how the module was built"))?;
        }
        let mut libraries = Vec::new();
        for import in &facts.imports {
            if let Some(name) = import.module.strip_prefix(LIBRARY)
                && !libraries.iter().any(|known| known == name)
            {
                libraries.push(name.to_string());
            }
        }
        Ok(Self { wasm, build, libraries })
    }

    /// The bytes of its template.
    ///
    /// # Errors
    /// Everything that is wrong with it, a line each.
    pub fn template(
        &self,
        kind: Kind,
        libraries: Vec<LibraryPin>,
        loader: &ContractLoader,
        limits: &template::Limits,
    ) -> Result<Vec<u8>> {
        let builder = |class: Class| Builder {
            kind,
            version: self.build.version.clone(),
            registers: Shape::STANDARD,
            libraries: libraries.clone(),
            class,
            memory: self.build.memory,
        };
        let bytes = builder(Class::Metered).build(&self.wasm, limits)?;
        if self.build.class != "fixed" {
            return Ok(bytes);
        }
        let mut metered = Template::decode(&bytes, limits)?;
        metered.class = Class::Fixed(Vec::new());
        let prices = prices(loader, &metered).map_err(anyhow::Error::msg)?;
        Ok(builder(Class::Fixed(prices)).build(&self.wasm, limits)?)
    }
}

/// The proven prices of a template's functions, or everything that stands against class fixed.
///
/// # Errors
/// Every reason, a line each.
pub fn prices(loader: &ContractLoader, template: &Template) -> Result<Vec<FixedPrice>, String> {
    let mut fixed = template.clone();
    fixed.class = Class::Fixed(Vec::new());
    let transformed = loader.transformed(&fixed)?;
    let price = |function: &replicode_contracts::abi::Function| {
        let export = transformed.functions.iter().find(|export| export.name == function.name)?;
        let gas = export.gas?.saturating_add(transformed.instance_gas);
        Some(FixedPrice { function: function.name.clone(), gas })
    };
    Ok(template.abi.functions.iter().filter_map(price).collect())
}

/// What judges modules as a node does.
///
/// # Errors
/// When this machine cannot run contracts.
pub fn loader() -> Result<ContractLoader> {
    Ok(ContractLoader::new(ContractEngine::new(&ContractSettings::default(), 1)?))
}

/// The libraries of a module: as the command line says, else as the lock file does, else the only one of that name, which is then
/// noted in the lock file.
///
/// # Errors
/// When one cannot be told.
pub fn pins(session: &mut Session, module: &Module, path: &Path, link: &Link) -> Result<Vec<LibraryPin>> {
    let mut given = BTreeMap::new();
    for text in &link.libraries {
        let (name, what) = text
            .split_once('=')
            .ok_or_else(|| Usage(format!("--lib {text}: expected NAME=HASH or NAME=LIBRARY@VERSION")))?;
        given.insert(name.to_string(), what.to_string());
    }
    if let Some(name) = given.keys().find(|name| !module.libraries.contains(name)) {
        bail!(Usage(format!("--lib {name}: the module imports nothing from lib:{name}")));
    }
    let lock_path = path.with_extension("lock.json");
    let mut lock = match fs::read(&lock_path) {
        Ok(bytes) => serde_json::from_slice::<Lock>(&bytes)
            .with_context(|| format!("{} is no lock file", lock_path.display()))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Lock::default(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", lock_path.display())),
    };
    let before = lock.clone();
    let mut pins = Vec::new();
    for name in &module.libraries {
        let hash = match (given.get(name), lock.0.get(name)) {
            (Some(what), _) => find(session, what)?,
            (None, Some(locked)) => locked.hash.parse().with_context(|| format!("{}: {name}", lock_path.display()))?,
            (None, None) => {
                let of_name: Vec<_> = session.reach.libraries()?.into_iter().filter(|row| row.name == *name).collect();
                let [row] = of_name.as_slice() else {
                    let many = if of_name.is_empty() {
                        "none is published under that name"
                    } else {
                        "several are published under that name"
                    };
                    bail!(Usage(format!(
                        "the module imports from lib:{name}, and {many}: say which with --lib {name}=HASH"
                    )));
                };
                let locked = Locked {
                    publisher: row.publisher.to_string(),
                    name: row.name.clone(),
                    version: row.version.clone(),
                    hash: row.template.to_string(),
                };
                lock.0.insert(name.clone(), locked);
                row.template
            }
        };
        pins.push(LibraryPin { name: name.clone(), hash });
    }
    if lock != before {
        fs::write(&lock_path, serde_json::to_vec_pretty(&lock)?)
            .with_context(|| format!("cannot write {}", lock_path.display()))?;
    }
    Ok(pins)
}

/// A library by `NAME@VERSION`, `PUBLISHER/NAME@VERSION` or hash.
///
/// # Errors
/// When there is none, or several publishers have it.
pub fn find(session: &mut Session, text: &str) -> Result<Hash> {
    if let Ok(hash) = text.parse::<Hash>() {
        return Ok(hash);
    }
    let expected = || Usage(format!("{text:?}: expected NAME@VERSION, PUBLISHER/NAME@VERSION or a hash"));
    let (name, version) = text.split_once('@').ok_or_else(expected)?;
    let (publisher, name) = match name.split_once('/') {
        Some((publisher, name)) => (Some(session.who(publisher)?), name),
        None => (None, name),
    };
    let by = |row: &Address| publisher.is_none_or(|publisher| publisher == *row);
    let rows = session.reach.libraries()?;
    let found: Vec<_> =
        rows.iter().filter(|row| row.name == name && row.version == version && by(&row.publisher)).collect();
    match found.as_slice() {
        [row] => Ok(row.template),
        [] => bail!("no library {text} is published"),
        many => {
            let publishers: Vec<String> = many
                .iter()
                .map(|row| session.book.name(&row.publisher).unwrap_or_else(|| row.publisher.to_string()))
                .collect();
            bail!(Usage(format!("{text} is published by {}: write PUBLISHER/{text}", publishers.join(" and "))))
        }
    }
}

/// Makes the libraries of a template known to a loader, libraries of libraries first.
///
/// # Errors
/// When one is not stored, or cannot be used.
pub fn load_libraries(session: &mut Session, loader: &ContractLoader, pins: &[LibraryPin]) -> Result<()> {
    use replicode_contracts::run::Loader;
    for pin in pins {
        if loader.at_hand(&pin.hash).is_some() {
            continue;
        }
        let stored = session.template(&pin.hash).with_context(|| format!("the library {}", pin.name))?;
        load_libraries(session, loader, &stored.1.libraries.clone())?;
        loader.load(&pin.hash, stored.1.clone()).map_err(anyhow::Error::msg)?;
    }
    Ok(())
}
