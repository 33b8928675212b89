//! `contract build`: a folder's source to a module, its document, and the module with debug information.
//!
//! ```text
//! Cargo.toml ─ cargo ─┐                          ┌─ NAME.wasm        what is deployed: no debug information, and how it was built
//! NAME.c ──── the C ──┴─ module with document ───┼─ NAME.abi.json    the document, with the gas of fixed functions
//! NAME.abi.json      compiler                    └─ NAME.debug.wasm  as the compiler has left it
//! ```

use super::check::{self, Verdict};
use super::module::{BUILD_SECTION, Build, Module};
use super::sections;
use crate::{Usage, show};
use anyhow::{Context, Result, bail, ensure};
use replicode_contracts::abi::Abi;
use replicode_contracts::template::{ABI_SECTION, Kind};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a folder is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Built by cargo.
    Rust,
    /// Built by a C compiler, from one file of the project's name.
    C,
}

/// A folder with a contract in it.
pub struct Project {
    /// The folder.
    pub dir: PathBuf,
    /// What the contract calls itself: of its folder's manifest, or its source's file.
    pub name: String,
    /// What it is written in.
    pub language: Language,
    /// Its version.
    pub version: String,
}

impl Project {
    /// Looks at a folder.
    ///
    /// # Errors
    /// When there is no contract in it.
    pub fn find(dir: &Path) -> Result<Self> {
        if let Ok(manifest) = fs::read_to_string(dir.join("Cargo.toml")) {
            let manifest: toml::Table =
                manifest.parse().with_context(|| format!("cannot read {}", dir.join("Cargo.toml").display()))?;
            let package = manifest
                .get("package")
                .context("the manifest has no [package]: name the folder of the contract itself")?;
            let text = |key: &str| package.get(key).and_then(toml::Value::as_str).map(str::to_string);
            let name = text("name").context("the manifest has no name")?;
            let version = text("version").unwrap_or_else(|| "0.1.0".into());
            return Ok(Self { dir: dir.into(), name: name.replace('-', "_"), language: Language::Rust, version });
        }
        let mut documents = Vec::new();
        for entry in fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            documents.extend(name.strip_suffix(".contract.json").map(str::to_string));
        }
        let [name] = documents.as_slice() else {
            bail!(Usage(format!(
                "{} has no Cargo.toml and not one NAME.contract.json: it is no folder of a contract ('replicode contract new' makes one)",
                dir.display()
            )));
        };
        Ok(Self { dir: dir.into(), name: name.clone(), language: Language::C, version: "0.1.0".into() })
    }

    fn path(&self, ending: &str) -> PathBuf {
        self.dir.join(format!("{}.{ending}", self.name))
    }

    /// The module as the compiler leaves it, with its document in it.
    ///
    /// # Errors
    /// When it does not compile.
    fn compile(&self) -> Result<Vec<u8>> {
        match self.language {
            Language::Rust => self.cargo(),
            Language::C => self.c(),
        }
    }

    fn cargo(&self) -> Result<Vec<u8>> {
        let target = "wasm32-unknown-unknown";
        let status = Command::new(cargo())
            .args(["build", "--release", "--target", target, "--lib"])
            .current_dir(&self.dir)
            .status();
        let status = status.context("cannot start cargo: install Rust, with the target wasm32-unknown-unknown")?;
        ensure!(status.success(), "cargo could not build {}: its reasons are above", self.dir.display());
        let own = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.dir.join("target"), PathBuf::from);
        let path = own.join(target).join("release").join(format!("{}.wasm", self.name));
        fs::read(&path)
            .with_context(|| format!("cargo has not left {}: the crate's type has to be cdylib", path.display()))
    }

    fn c(&self) -> Result<Vec<u8>> {
        let source = self.path("c");
        let (compiler, before) = compiler()?;
        let out = tempfile::NamedTempFile::new().context("cannot make a file for the module")?;
        let status = Command::new(&compiler)
            .args(before)
            .args(["-std=gnu11", "-Os", "-g", "-Wall", "-Wextra", "-ffreestanding", "-nostdlib", "-fno-builtin"])
            .args(["-Wl,--no-entry", "-Wl,--export-memory", "-Wl,-z,stack-size=8192", "-I"])
            .args([self.dir.as_os_str(), source.as_os_str(), "-o".as_ref(), out.path().as_os_str()])
            .status()
            .with_context(|| format!("cannot start the C compiler {}", compiler.display()))?;
        ensure!(
            status.success(),
            "{} could not compile {}: its reasons are above",
            compiler.display(),
            source.display()
        );
        let wasm = fs::read(out.path()).context("cannot read the module that was compiled")?;
        let path = self.path("contract.json");
        let document = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let abi = Abi::parse(&document).map_err(|wrong| {
            let lines: Vec<String> = wrong.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("{}: {}", path.display(), lines.join("\n"))
        })?;
        Ok(sections::with(&wasm, ABI_SECTION, &abi.to_json()))
    }

    /// Builds everything.
    ///
    /// # Errors
    /// When it does not compile, or files cannot be written.
    pub fn build(&self, class: &str) -> Result<(PathBuf, Verdict)> {
        let whole = self.compile()?;
        let plain = sections::without(&whole, |name| name != "name" && name != ABI_SECTION)?;
        let mut module = Module::of(plain.clone())?;
        let abi = check::document(&whole)?;
        let kind = if abi.functions.is_empty() { Kind::Library } else { Kind::Contract };
        module.build = Build { version: self.version.clone(), class: class.into(), ..module.build };
        module.wasm = sections::with(&plain, BUILD_SECTION, &serde_json::to_vec(&module.build)?);
        let libraries = self.libraries(&module);
        let verdict = check::judge(&module, kind, &libraries)?;
        let write = |path: &Path, bytes: &[u8]| {
            fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
        };
        let path = self.path("wasm");
        write(&path, &module.wasm)?;
        write(&self.path("debug.wasm"), &whole)?;
        let mut document = verdict.template.as_ref().map_or(abi, |template| template.abi.clone());
        if class == "fixed" {
            for function in &mut document.functions {
                let price = verdict.prices.iter().find(|price| price.function == function.name);
                function.gas = price.map(|price| price.gas);
            }
        }
        let pretty: serde_json::Value = serde_json::from_slice(&document.to_json())?;
        write(&self.path("abi.json"), format!("{}\n", serde_json::to_string_pretty(&pretty)?).as_bytes())?;
        Ok((path, verdict))
    }

    /// Modules of libraries that lie beside: `NAME.wasm` in the folder `libraries`.
    fn libraries(&self, module: &Module) -> Vec<(String, PathBuf)> {
        let path = |name: &String| self.dir.join("libraries").join(format!("{name}.wasm"));
        module.libraries.iter().map(|name| (name.clone(), path(name))).filter(|(_, path)| path.is_file()).collect()
    }
}

/// The cargo to call.
pub fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// The C compiler for modules, and its first arguments: `REPLICODE_CONTRACT_CC`, or clang with wasm-ld, or zig.
fn compiler() -> Result<(PathBuf, Vec<String>)> {
    let named = std::env::var_os("REPLICODE_CONTRACT_CC").map(PathBuf::from);
    let on_path = |name: &str| {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&paths).map(|dir| dir.join(name)).find(|path| path.is_file())
    };
    let found =
        named.or_else(|| on_path("wasm-ld").and_then(|_| on_path("clang"))).or_else(|| on_path("zig")).context(
            "there is no C compiler for wasm: install clang and lld, or zig, or name one in REPLICODE_CONTRACT_CC",
        )?;
    let zig = found.file_stem().is_some_and(|name| name == "zig");
    let words: &[&str] = if zig { &["cc", "-target", "wasm32-freestanding"] } else { &["--target=wasm32"] };
    Ok((found, words.iter().map(ToString::to_string).collect()))
}

/// `contract build`. Exit code 1 when a node would refuse what was built.
///
/// # Errors
/// When it does not compile.
pub fn run(dir: &Path, class: &str, json: bool) -> Result<u8> {
    let (path, verdict) = Project::find(dir)?.build(class)?;
    match json {
        true => show::print_json(&[check::as_json(&path, &verdict)])?,
        false => show::print(&check::as_text(&path, &verdict))?,
    };
    Ok(u8::from(!verdict.complaints.is_empty()))
}
