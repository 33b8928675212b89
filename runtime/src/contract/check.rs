//! `contract check`: the node's verdict without a node. Everything that stands against a module is said at once.

use super::module::{self, Module};
use super::sections;
use crate::show;
use anyhow::{Context, Result};
use replicode_contracts::abi::Abi;
use replicode_contracts::abi::host::LIBRARY;
use replicode_contracts::hash::Hash;
use replicode_contracts::run::Loader;
use replicode_contracts::template::{ABI_SECTION, Class, FixedPrice, Kind, LibraryPin, Limits, Template};
use replicode_transform::{CodeClass, Wish};
use replicode_wasm::Facts;
use replicode_wasm::contracts::{ContractLoader, ContractSettings};
use serde_json::{Value as Json, json};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What is said of a module.
pub struct Verdict {
    /// The template that it would be; none when it is refused.
    pub template: Option<Template>,
    /// Its template's bytes.
    pub bytes: usize,
    /// The gas of each function, where it is proven: also of a metered module that could be of class fixed.
    pub prices: Vec<FixedPrice>,
    /// Why it cannot be of class fixed.
    pub not_fixed: Option<String>,
    /// What stands against it.
    pub complaints: Vec<String>,
    /// What stands against nothing, and should be known.
    pub warnings: Vec<String>,
}

/// Judges a module. `libraries` are modules that stand for the libraries that it imports.
///
/// # Errors
/// When a library's file cannot be used, or this machine cannot run contracts.
pub fn judge(module: &Module, kind: Kind, libraries: &[(String, PathBuf)]) -> Result<Verdict> {
    let (loader, limits) = (module::loader()?, Limits::STANDARD);
    let mut pins = Vec::new();
    for (name, path) in libraries {
        pins.push(library(&loader, name, path, &limits)?);
    }
    let mut verdict = Verdict {
        template: None,
        bytes: 0,
        prices: Vec::new(),
        not_fixed: None,
        complaints: Vec::new(),
        warnings: Vec::new(),
    };
    for name in module.libraries.iter().filter(|name| pins.iter().all(|pin| pin.name != **name)) {
        verdict.complaints.push(format!(
            "the module imports from {LIBRARY}{name}: give its module with --with {name}=FILE.wasm, or check on deploying"
        ));
    }
    match module.template(kind, pins, &loader, &limits) {
        Ok(bytes) => {
            verdict.bytes = bytes.len();
            let template = Template::decode(&bytes, &limits)?;
            if verdict.complaints.is_empty()
                && let Err(wrong) = loader.transformed(&template)
            {
                verdict.complaints.extend(wrong.lines().map(str::to_string));
            }
            if kind == Kind::Contract {
                match module::prices(&loader, &template) {
                    Ok(prices) => verdict.prices = prices,
                    Err(why) => verdict.not_fixed = Some(why),
                }
            }
            verdict.template = Some(template);
        }
        Err(error) => {
            verdict.complaints.extend(format!("{error:#}").lines().map(str::to_string));
            verdict.complaints.extend(of_code(module));
        }
    }
    // The same may be found on both ways; each is said once, in the order in which it was found.
    let mut said = std::collections::BTreeSet::new();
    verdict.complaints.retain(|complaint| said.insert(complaint.clone()));
    if !verdict.complaints.is_empty() {
        verdict.template = None;
    }
    warn(module, &mut verdict);
    Ok(verdict)
}

/// What stands against the code of a module that is no template: its document may be missing, and its code wrong besides.
fn of_code(module: &Module) -> Vec<String> {
    let class = if module.build.class == "fixed" { CodeClass::Fixed } else { CodeClass::Metered };
    let wish = Wish { class, memory_bytes: module.build.memory.into() };
    let settings = ContractSettings::default().transform(class);
    match replicode_transform::verdict(&module.wasm, &settings, &wish) {
        Ok(()) => Vec::new(),
        // What libraries answer is not known here.
        Err(error) => error.to_string().lines().filter(|line| !line.contains(LIBRARY)).map(str::to_string).collect(),
    }
}

fn warn(module: &Module, verdict: &mut Verdict) {
    let Some(template) = &verdict.template else { return };
    let mut warn = |text: String| verdict.warnings.push(text);
    if template.code.len() > 64 << 10 {
        warn(format!("the code has {}: each byte is paid for on deploying", show::bytes(template.code.len() as u64)));
    }
    if template.memory > replicode_contracts::template::STANDARD_MEMORY {
        warn(format!(
            "each call needs {} of memory: link with a smaller stack and less data",
            show::bytes(template.memory.into())
        ));
    }
    if template.abi.functions.is_empty() && template.header.kind == Kind::Contract {
        warn("no function can be called".into());
    }
    if Facts::read(&module.wasm, false).debug_info {
        warn("the module holds debug information, which a deployment leaves out: 'contract build' keeps it in a file of its own".into());
    }
    if template.class == Class::Metered && verdict.not_fixed.is_none() && !verdict.prices.is_empty() {
        warn("it could be of class fixed, which runs without counting: build with --class fixed".into());
    }
}

fn library(loader: &ContractLoader, name: &str, path: &Path, limits: &Limits) -> Result<LibraryPin> {
    let module = Module::read(path)?;
    let bytes = module.template(Kind::Library, Vec::new(), loader, limits)?;
    let hash: Hash = Template::hash_of(&bytes);
    let template = Template::decode(&bytes, limits)?;
    loader.load(&hash, template).map_err(anyhow::Error::msg).with_context(|| format!("the library {name}"))?;
    Ok(LibraryPin { name: name.to_string(), hash })
}

/// `contract check`. Exit code 1 when a node would refuse it.
///
/// # Errors
/// When the file cannot be read or is no module.
pub fn run(path: &Path, is_library: bool, with: &[String], json: bool) -> Result<u8> {
    let module = Module::read(path)?;
    let mut libraries = Vec::new();
    for text in with {
        let (name, file) =
            text.split_once('=').ok_or_else(|| crate::Usage(format!("--with {text}: expected NAME=FILE.wasm")))?;
        libraries.push((name.to_string(), PathBuf::from(file)));
    }
    let kind = if is_library { Kind::Library } else { Kind::Contract };
    let verdict = judge(&module, kind, &libraries)?;
    let code = u8::from(!verdict.complaints.is_empty());
    match json {
        true => show::print_json(&[as_json(path, &verdict)])?,
        false => show::print(&as_text(path, &verdict))?,
    };
    Ok(code)
}

/// A verdict for scripts.
pub fn as_json(path: &Path, verdict: &Verdict) -> Json {
    let template = verdict.template.as_ref();
    let prices: serde_json::Map<String, Json> =
        verdict.prices.iter().map(|price| (price.function.clone(), price.gas.into())).collect();
    json!({
        "module": path, "deploys": verdict.complaints.is_empty(), "complaints": verdict.complaints,
        "warnings": verdict.warnings,
        "name": template.map(|template| &template.header.name),
        "class": template.map(|template| if template.class == Class::Metered { "metered" } else { "fixed" }),
        "template": template.map(|template| Template::hash_of(&template.encode()).to_string()),
        "template_bytes": verdict.bytes, "code_bytes": template.map(|template| template.code.len()),
        "memory": template.map(|template| template.memory), "gas": prices, "not_fixed": verdict.not_fixed,
    })
}

/// A verdict for people.
pub fn as_text(path: &Path, verdict: &Verdict) -> String {
    let mut out = String::new();
    if let Some(template) = &verdict.template {
        let class = if template.class == Class::Metered { "metered" } else { "fixed" };
        let _ = writeln!(out, "{}: {} {}", path.display(), template.header.name, template.header.version);
        let _ = writeln!(out, "template  {}", Template::hash_of(&template.encode()));
        let _ = writeln!(out, "class     {class}");
        let _ = writeln!(
            out,
            "size      {} of code, {} in all",
            show::bytes(template.code.len() as u64),
            show::bytes(verdict.bytes as u64)
        );
        let _ = writeln!(out, "memory    {}", show::bytes(template.memory.into()));
        if class == "fixed" {
            for price in &verdict.prices {
                let _ = writeln!(out, "gas       {}: {}", price.function, price.gas);
            }
        }
    }
    for warning in &verdict.warnings {
        let _ = writeln!(out, "warning: {warning}");
    }
    for complaint in &verdict.complaints {
        let _ = writeln!(out, "refused: {complaint}");
    }
    if verdict.complaints.is_empty() {
        out.push_str("a node would take it\n");
    }
    out
}

/// The document of a module, from its section.
///
/// # Errors
/// When there is none, or it is not well formed.
pub fn document(wasm: &[u8]) -> Result<Abi> {
    let custom = sections::custom(wasm)?;
    let found = custom.iter().find(|(name, _)| name == ABI_SECTION);
    let (_, bytes) =
        found.with_context(|| format!("the module has no section {ABI_SECTION:?}: it was not built as a contract"))?;
    Abi::parse(bytes)
        .map_err(|wrong| anyhow::anyhow!(wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))
}
