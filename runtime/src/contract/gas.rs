//! What calls burn: what tests have done, done once more on a node's engine.

use super::module::{self, Module};
use crate::show::{self, Table};
use anyhow::{Context, Result, bail, ensure};
use replicode_contracts::account::Address;
use replicode_contracts::cell::Maps;
use replicode_contracts::hash::Hash;
use replicode_contracts::receipt::Receipt;
use replicode_contracts::run::{Config, Loaded, Loader, Moment, Sequential, Unloaded, cells};
use replicode_contracts::template::{Kind, LibraryPin, Limits, Template};
use replicode_wasm::contracts::ContractLoader;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Code of templates whose modules lie in a folder: what tests deploy holds no code.
pub struct FromFolder {
    inner: ContractLoader,
    folder: PathBuf,
    /// Contracts' names, by template.
    names: Mutex<BTreeMap<Hash, String>>,
}

impl FromFolder {
    fn library(&self, name: &str) -> Result<LibraryPin> {
        let module = Module::read(&self.path(name))?;
        let bytes = module.template(Kind::Library, Vec::new(), &self.inner, &Limits::STANDARD)?;
        let (hash, template) = (Template::hash_of(&bytes), Template::decode(&bytes, &Limits::STANDARD)?);
        self.inner.load(&hash, template).map_err(anyhow::Error::msg)?;
        Ok(LibraryPin { name: name.to_string(), hash })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("contract_{name}.wasm"))
    }

    fn with_code(&self, mut template: Template) -> Result<Template> {
        let module = Module::read(&self.path(&template.header.name))?;
        template.libraries = module.libraries.iter().map(|name| self.library(name)).collect::<Result<_>>()?;
        template.memory = module.build.memory;
        template.code = module.wasm;
        Ok(template)
    }
}

impl Loader for FromFolder {
    fn at_hand(&self, template: &Hash) -> Option<Arc<Loaded>> {
        self.inner.at_hand(template)
    }

    fn load(&self, hash: &Hash, template: Template) -> Result<Arc<Loaded>, Unloaded> {
        let name = template.header.name.clone();
        let whole = self.with_code(template).map_err(|error| format!("{error:#}"))?;
        self.names.lock().unwrap_or_else(PoisonError::into_inner).insert(*hash, name);
        self.inner.load(hash, whole)
    }
}

/// What was burnt, by contract and function.
pub struct Measured {
    loader: FromFolder,
    calls: BTreeMap<(String, String), Vec<u64>>,
}

impl Measured {
    /// Nothing yet; modules lie in this folder.
    ///
    /// # Errors
    /// When this machine cannot run contracts.
    pub fn new(folder: &Path) -> Result<Self> {
        let loader = FromFolder { inner: module::loader()?, folder: folder.into(), names: Mutex::default() };
        Ok(Self { loader, calls: BTreeMap::new() })
    }

    /// The code that is measured.
    pub fn loader(&self) -> &dyn Loader {
        &self.loader
    }

    /// Takes in what a transaction has burnt, if it succeeded.
    ///
    /// # Errors
    /// When the cells are damaged.
    pub fn receipt(&mut self, receipt: &Receipt, cells: &mut Maps) -> Result<()> {
        if !receipt.is_success() {
            return Ok(());
        }
        let mut rest: &[_] = &receipt.gas.frames;
        while let Some((frame, after)) = rest.split_first() {
            // A frame with all that it has called.
            let below = after.iter().take_while(|inner| inner.depth > frame.depth);
            let burnt = below.fold(frame.total(), |sum, inner| sum.saturating_add(inner.total()));
            let template = cells::record(cells, &frame.account)?.template.unwrap_or(Hash::ZERO);
            let names = self.loader.names.lock().unwrap_or_else(PoisonError::into_inner);
            let name = names.get(&template).cloned().unwrap_or_else(|| frame.account.to_string());
            drop(names);
            self.calls.entry((name, frame.function.clone())).or_default().push(burnt);
            rest = after;
        }
        Ok(())
    }

    /// Does again what the worlds of tests have written down in a folder.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn folder(&mut self, folder: &Path) -> Result<()> {
        let entries = fs::read_dir(folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
        let mut paths: Vec<PathBuf> =
            entries.context("cannot list what the tests have done")?.iter().map(fs::DirEntry::path).collect();
        paths.sort();
        for path in paths {
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            self.steps(&text).with_context(|| format!("{} cannot be done again", path.display()))?;
        }
        Ok(())
    }

    fn steps(&mut self, text: &str) -> Result<()> {
        let mut config = Config::standard(Hash::ZERO);
        config.trust_names = true;
        let mut maps = Maps::new();
        for line in text.lines() {
            match line.split(' ').collect::<Vec<_>>().as_slice() {
                ["fund", to, amount] => {
                    let credited = cells::credit(&mut maps, &to.parse::<Address>()?, amount.parse()?)?;
                    ensure!(credited, "an account cannot have {amount} more");
                }
                ["run", batch, time, seed, bytes] => {
                    let moment = Moment { batch: batch.parse()?, time: time.parse()?, seed: seed.parse()? };
                    let bytes = super::prove::unhex(bytes)?;
                    let mut block = Sequential::new(&mut maps, &config, &self.loader, moment);
                    let receipt = block.execute(&bytes)?;
                    self.receipt(&receipt, &mut maps)?;
                }
                _ => bail!("no step: {line}"),
            }
        }
        Ok(())
    }

    /// Prints the table.
    ///
    /// # Errors
    /// When standard output fails.
    pub fn show(&self, json: bool) -> Result<u8> {
        let mut table = Table::new(["CONTRACT", "FUNCTION", "CALLS", "LEAST GAS", "MEDIAN", "MOST"]);
        let mut values = Vec::new();
        for ((contract, function), burnt) in &self.calls {
            let mut sorted = burnt.clone();
            sorted.sort_unstable();
            let (least, most) = (sorted.first().copied().unwrap_or(0), sorted.last().copied().unwrap_or(0));
            let median = sorted.get(sorted.len() / 2).copied().unwrap_or(0);
            values.push(json!({
                "contract": contract, "function": function, "calls": sorted.len(), "least": least, "median": median, "most": most,
            }));
            let numbers = [sorted.len() as u64, least, median, most].map(|number| number.to_string());
            let [calls, least, median, most] = numbers;
            table.row([contract.clone(), function.clone(), calls, least, median, most]);
        }
        if json { show::print_json(&values) } else { show::print(&table.to_string()) }
    }
}
