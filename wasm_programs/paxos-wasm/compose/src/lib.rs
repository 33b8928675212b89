//! Composition ahead of time: `.wac` files and parts in, one component per file and choice of providers out.
//!
//! A `.wac` file here describes the process with every part a component. Where the host is to provide a part, the lines that carry
//! its name in a comment are left out, and what is then missing becomes an import. The graph behind it is `wac-graph`'s.
#![forbid(unsafe_code)]

use indexmap::IndexMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use wac_graph::EncodeOptions;
use wac_parser::Document;
use wac_types::BorrowedPackageKey;

/// The processes that are composed, by the name of their `.wac` file.
pub const PROCESSES: [&str; 4] = ["acceptor", "combined", "learner", "proposer"];

/// What either a component or the host provides.
pub const PROVIDED: [&str; 3] = ["network", "serializer", "storage"];

/// Who provides each of [`PROVIDED`], in its order: true is a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Providers(pub [bool; 3]);

impl Providers {
    /// All eight choices.
    pub fn all() -> impl Iterator<Item = Providers> {
        (0..8u8).map(|bits| Providers([bits & 4 != 0, bits & 2 != 0, bits & 1 != 0]))
    }

    /// Whether a line of a `.wac` file is there under this choice.
    fn keeps(self, line: &str) -> bool {
        let Some((_, mark)) = line.rsplit_once("// ") else { return true };
        PROVIDED.iter().zip(self.0).all(|(name, component)| component || *name != mark.trim())
    }
}

impl fmt::Display for Providers {
    /// The middle of a composition's file name: `host-network.component-serializer.host-storage`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, component)) in PROVIDED.iter().zip(self.0).enumerate() {
            let dot = if at == 0 { "" } else { "." };
            write!(f, "{dot}{}-{name}", if component { "component" } else { "host" })?;
        }
        Ok(())
    }
}

/// A step that failed, and why.
#[derive(Debug)]
pub struct ComposeError(String);

impl fmt::Display for ComposeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ComposeError {}

fn failed(what: impl fmt::Display, path: &Path, why: impl fmt::Display) -> ComposeError {
    ComposeError(format!("{what} {}: {why}", path.display()))
}

/// The text of a `.wac` file under a choice of providers.
pub fn variant(source: &str, providers: Providers) -> String {
    source.lines().filter(|line| providers.keeps(line)).map(|line| format!("{line}\n")).collect()
}

/// The parts that a `.wac` document instantiates: `paxos:NAME`, each once.
fn parts_of(text: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
        let Some((_, rest)) = line.split_once("new paxos:") else { continue };
        let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        if !parts.contains(&name) {
            parts.push(name);
        }
    }
    parts
}

/// Composes the document `text` (from the file `origin`, for messages) of the parts in `parts/paxos/NAME.wasm`.
pub fn compose(text: &str, origin: &Path, parts: &Path) -> Result<Vec<u8>, ComposeError> {
    let document = Document::parse(text).map_err(|e| failed("cannot read", origin, e))?;

    let names: Vec<String> = parts_of(text).iter().map(|name| format!("paxos:{name}")).collect();
    let mut packages = IndexMap::new();
    for name in &names {
        let path = parts.join(format!("{}.wasm", name.replace(':', "/")));
        let bytes = std::fs::read(&path)
            .map_err(|e| failed("cannot read the part", &path, format!("{e}; `cargo build` makes it")))?;
        packages.insert(BorrowedPackageKey::from_name_and_version(name, None), bytes);
    }
    let resolution =
        document.resolve(packages).map_err(|e| failed("cannot join what is named in", origin, chain(&e)))?;
    resolution.encode(EncodeOptions::default()).map_err(|e| failed("cannot encode", origin, chain(&e)))
}

/// An error and what it came from.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// Writes a file as a whole: readers never see half of one.
fn write(path: &Path, bytes: &[u8]) -> Result<(), ComposeError> {
    let partial = path.with_extension("partial");
    std::fs::write(&partial, bytes).map_err(|e| failed("cannot write", &partial, e))?;
    std::fs::rename(&partial, path).map_err(|e| failed("cannot put in place", path, e))
}

/// When a file was written; the epoch where there is none.
fn written(path: &Path) -> SystemTime {
    std::fs::metadata(path).and_then(|found| found.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Composes every process under every choice of providers, from the `.wac` files in `sources`, into `components`, where the parts
/// lie in `paxos/`. What is younger than all that it is made of stays. Gives the paths, sorted, and how many were made.
pub fn compose_all(sources: &Path, components: &Path) -> Result<(Vec<PathBuf>, usize), ComposeError> {
    let mut all = Vec::new();
    let mut made = 0;
    let tool = std::env::current_exe().map_or(SystemTime::UNIX_EPOCH, |path| written(&path));
    for process in PROCESSES {
        let origin = sources.join(format!("{process}.wac"));
        let source = std::fs::read_to_string(&origin).map_err(|e| failed("cannot read", &origin, e))?;
        for providers in Providers::all() {
            let path = components.join(format!("{process}.{providers}.wasm"));
            let text = variant(&source, providers);
            let parts = parts_of(&text).into_iter().map(|name| written(&components.join(format!("paxos/{name}.wasm"))));
            let youngest = parts.chain([tool, written(&origin)]).max();
            if youngest >= Some(written(&path)) {
                write(&path, &compose(&text, &origin, components)?)?;
                made += 1;
            }
            all.push(path);
        }
    }
    all.sort();
    Ok((all, made))
}

/// What a component file asks for and offers: names of imports and exports, sorted.
pub fn interfaces(bytes: &[u8]) -> Result<(Vec<String>, Vec<String>), ComposeError> {
    let mut types = wac_types::Types::default();
    let package = wac_types::Package::from_bytes("inspected", None, bytes, &mut types);
    let package = package.map_err(|e| ComposeError(format!("not a component: {e:#}")))?;
    let world = &types[package.ty()];
    let sorted = |names: &mut dyn Iterator<Item = &String>| {
        let mut names: Vec<String> = names.cloned().collect();
        names.sort();
        names
    };
    Ok((sorted(&mut world.imports.keys()), sorted(&mut world.exports.keys())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wac_parser::Statement;

    #[test]
    fn names_follow_the_choice() {
        let names: Vec<String> = Providers::all().map(|p| p.to_string()).collect();
        assert_eq!(names.len(), 8);
        assert_eq!(names[0], "host-network.host-serializer.host-storage");
        assert_eq!(names[5], "component-network.host-serializer.component-storage");
    }

    #[test]
    fn lines_of_the_host_go() {
        let source = "a // keep\nb     // storage\nc     // network\nd\n";
        assert_eq!(variant(source, Providers([true, true, false])), "a // keep\nc     // network\nd\n");
        assert_eq!(variant(source, Providers([true; 3])), source);
    }

    #[test]
    fn every_file_parses_in_every_variant() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        for process in PROCESSES {
            let source = std::fs::read_to_string(here.join(format!("{process}.wac"))).expect("a file of this folder");
            for providers in Providers::all() {
                let text = variant(&source, providers);
                let document = Document::parse(&text).unwrap_or_else(|e| panic!("{process} {providers}: {e}"));
                assert!(document.statements.iter().any(|s| matches!(s, Statement::Export(_))));
                assert_eq!(parts_of(&text).contains(&"storage".to_string()), providers.0[2]);
            }
        }
    }
}
