//! What a component file says about itself, read before the engine sees it, so that what is wrong with it is said in
//! words: a core module, a file cut short, preview 3, an import that nobody has, an interface of another version.

use std::fmt;

/// The version of `replicode:paxos` that this host speaks.
pub const PAXOS_VERSION: &str = "1.0.0";

/// The interfaces of a component, as `namespace:package/interface@version`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// What it needs.
    pub imports: Vec<String>,
    /// What it has.
    pub exports: Vec<String>,
}

/// Why a file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No wasm at all.
    NotWasm,
    /// WebAssembly text.
    Text,
    /// A core module where a component is wanted.
    CoreModule,
    /// A component in another binary form.
    OtherForm(u16),
    /// The file ends too early.
    Cut(usize),
    /// The bytes are wrong.
    Malformed(String),
    /// Imports of preview 3, or with its async ABI.
    Preview3(Vec<String>),
    /// Imports that nobody provides.
    Unknown(Vec<String>),
    /// Interfaces of another version of ours.
    OtherVersion(Vec<String>),
    /// Interfaces that it should export and does not.
    Missing(Vec<String>),
    /// Interfaces that a composition should not import any more.
    Open(Vec<String>),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotWasm => f.write_str("is no WebAssembly: it does not begin with the four bytes `\\0asm`"),
            Self::Text => f.write_str("is WebAssembly text: turn it into a component with `wasm-tools parse`"),
            Self::CoreModule => f.write_str(
                "is a core module, and a component is wanted: build it for wasm32-wasip2, or wrap it with `wasm-tools component new`",
            ),
            Self::OtherForm(version) => {
                write!(f, "is a component in binary form {version:#x}, and this host reads 0xd: build it with current tools")
            }
            Self::Cut(length) => write!(f, "is cut short after {length} bytes: build or copy it again"),
            Self::Malformed(why) => write!(f, "is no valid component: {why}"),
            Self::Preview3(names) => {
                write!(f, "needs WASI preview 3 ({}), and this host has 0.2: build it for wasm32-wasip2", names.join(", "))
            }
            Self::Unknown(names) => write!(
                f,
                "imports {}, which nobody here has: a component may import replicode:paxos@{PAXOS_VERSION} and wasi:* 0.2",
                names.join(", ")
            ),
            Self::OtherVersion(names) => write!(
                f,
                "was built against {}, and this host speaks replicode:paxos@{PAXOS_VERSION}: build components and host from one version",
                names.join(", ")
            ),
            Self::Missing(names) => {
                write!(f, "does not export {}: it is another component under this name", names.join(", "))
            }
            Self::Open(names) => write!(
                f,
                "leaves {} open: compose it with a component that exports it, or let the host provide it (`providers`)",
                names.join(", ")
            ),
        }
    }
}

impl std::error::Error for Refusal {}

/// Reads a file's bytes.
///
/// # Errors
/// What is wrong with them, as far as that can be said without the engine.
pub fn inspect(bytes: &[u8]) -> Result<Facts, Refusal> {
    let Some((magic, rest)) = bytes.split_first_chunk::<4>() else {
        return Err(if bytes.is_empty() { Refusal::Cut(0) } else { Refusal::NotWasm });
    };
    if magic != b"\0asm" {
        let text = bytes.trim_ascii_start();
        return Err(if text.starts_with(b"(component") || text.starts_with(b"(module") {
            Refusal::Text
        } else {
            Refusal::NotWasm
        });
    }
    match rest.first_chunk::<4>() {
        None => return Err(Refusal::Cut(bytes.len())),
        Some([_, _, 0, 0]) => return Err(Refusal::CoreModule),
        Some([0x0d, 0, 1, 0]) => {}
        Some([low, high, _, _]) => return Err(Refusal::OtherForm(u16::from_le_bytes([*low, *high]))),
    }
    let facts = interfaces(bytes)?;
    validate(bytes)?;
    let async_wasi = |name: &&String| wasi_version(name).is_some_and(|version| !version.starts_with("0.2."));
    let preview3: Vec<String> = facts.imports.iter().filter(async_wasi).cloned().collect();
    if !preview3.is_empty() {
        return Err(Refusal::Preview3(preview3));
    }
    let ours = |name: &&String| name.starts_with("replicode:paxos/");
    let current = |name: &&String| name.rsplit_once('@').is_some_and(|(_, version)| version == PAXOS_VERSION);
    let others: Vec<String> =
        facts.imports.iter().chain(&facts.exports).filter(ours).filter(|name| !current(name)).cloned().collect();
    if !others.is_empty() {
        return Err(Refusal::OtherVersion(others));
    }
    let known = |name: &&String| ours(name) || wasi_version(name).is_some();
    let unknown: Vec<String> = facts.imports.iter().filter(|name| !known(name)).cloned().collect();
    if unknown.is_empty() { Ok(facts) } else { Err(Refusal::Unknown(unknown)) }
}

/// Whether it exports all of `wanted` and imports of ours nothing but `provided`, both by the interface's bare name.
///
/// # Errors
/// What is missing or left open.
pub fn fits(facts: &Facts, wanted: &[&str], provided: &dyn Fn(&str) -> bool) -> Result<(), Refusal> {
    let has = |name: &&&str| facts.exports.iter().any(|export| bare(export) == Some(**name));
    let missing: Vec<String> =
        wanted.iter().filter(|name| !has(name)).map(|name| format!("replicode:paxos/{name}@{PAXOS_VERSION}")).collect();
    if !missing.is_empty() {
        return Err(Refusal::Missing(missing));
    }
    let open = |name: &&String| bare(name).is_some_and(|name| !provided(name));
    let open: Vec<String> = facts.imports.iter().filter(open).cloned().collect();
    if open.is_empty() { Ok(()) } else { Err(Refusal::Open(open)) }
}

/// `acceptor` of `replicode:paxos/acceptor@1.0.0`; nothing of what is not ours.
#[must_use]
pub fn bare(name: &str) -> Option<&str> {
    name.strip_prefix("replicode:paxos/").map(|rest| rest.split_once('@').map_or(rest, |(bare, _)| bare))
}

/// The version of a `wasi:` interface.
fn wasi_version(name: &str) -> Option<&str> {
    name.strip_prefix("wasi:").map(|rest| rest.rsplit_once('@').map_or("", |(_, version)| version))
}

/// Imports and exports of the outermost component.
fn interfaces(bytes: &[u8]) -> Result<Facts, Refusal> {
    use wasmparser::Payload;
    let fault = |error: wasmparser::BinaryReaderError| broken(&error, bytes);
    let mut facts = Facts { imports: Vec::new(), exports: Vec::new() };
    let mut depth = 0u32;
    let mut ended = false;
    for payload in wasmparser::Parser::new(0).parse_all(bytes) {
        match payload.map_err(fault)? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) if depth == 0 => ended = true,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    facts.imports.push(import.map_err(fault)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    facts.exports.push(export.map_err(fault)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    if ended { Ok(facts) } else { Err(Refusal::Cut(bytes.len())) }
}

/// Everything is valid, in the language of preview 2.
fn validate(bytes: &[u8]) -> Result<(), Refusal> {
    use wasmparser::{Validator, WasmFeatures};
    let without = WasmFeatures::default() - WasmFeatures::CM_ASYNC;
    match Validator::new_with_features(without).validate_all(bytes) {
        Ok(_) => Ok(()),
        Err(error) => match Validator::new_with_features(WasmFeatures::all()).validate_all(bytes) {
            Ok(_) if error.message().contains("async") => Err(Refusal::Preview3(vec![error.message().to_owned()])),
            _ => Err(broken(&error, bytes)),
        },
    }
}

fn broken(error: &wasmparser::BinaryReaderError, bytes: &[u8]) -> Refusal {
    let offset = error.offset();
    let message = error.message();
    if message.contains("unexpected end") || message.contains("unexpected eof") || offset as u64 >= bytes.len() as u64 {
        Refusal::Cut(bytes.len())
    } else {
        Refusal::Malformed(format!("{message} (at byte {offset})"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(text: &str) -> Result<Facts, Refusal> {
        inspect(&wat::parse_str(text).expect("valid text"))
    }

    const GOOD: &str = r#"(component
        (import "wasi:io/poll@0.2.12" (instance))
        (import "replicode:paxos/storage@1.0.0" (instance $s))
        (export "replicode:paxos/acceptor@1.0.0" (instance $s)))"#;

    #[test]
    fn what_is_taken() {
        let facts = component(GOOD).expect("good");
        assert_eq!(facts.exports, ["replicode:paxos/acceptor@1.0.0"]);
        assert_eq!(facts.imports.len(), 2);
        assert_eq!(fits(&facts, &["acceptor"], &|name| name == "storage"), Ok(()));
        let open = fits(&facts, &["acceptor"], &|_| false).expect_err("open").to_string();
        assert!(open.starts_with("leaves replicode:paxos/storage@1.0.0 open"), "{open}");
        let missing = fits(&facts, &["acceptor", "learner"], &|_| true).expect_err("missing").to_string();
        assert!(missing.starts_with("does not export replicode:paxos/learner@1.0.0"), "{missing}");
    }

    #[test]
    fn what_is_refused_by_name() {
        assert_eq!(component("(module)"), Err(Refusal::CoreModule));
        assert_eq!(inspect(b"(component)"), Err(Refusal::Text));
        assert_eq!(inspect(b"#!/bin/sh\n"), Err(Refusal::NotWasm));
        assert_eq!(inspect(b""), Err(Refusal::Cut(0)));
        assert_eq!(inspect(b"\0asm\x0c\0\x01\0"), Err(Refusal::OtherForm(12)));
        let p3 = component(r#"(component (import "wasi:clocks/monotonic-clock@0.3.0-rc-2025-09-16" (instance)))"#);
        assert_eq!(p3, Err(Refusal::Preview3(vec!["wasi:clocks/monotonic-clock@0.3.0-rc-2025-09-16".into()])));
        let abi = component(r#"(component (import "wasi:io/poll@0.2.12" (instance (export "f" (func async)))))"#);
        assert!(matches!(abi, Err(Refusal::Preview3(_))), "{abi:?}");
        let unknown = component(r#"(component (import "acme:disk/raw@1.0.0" (instance)))"#);
        assert_eq!(unknown, Err(Refusal::Unknown(vec!["acme:disk/raw@1.0.0".into()])));
        let other = component(r#"(component (import "replicode:paxos/storage@2.0.0" (instance)))"#);
        assert_eq!(other, Err(Refusal::OtherVersion(vec!["replicode:paxos/storage@2.0.0".into()])));
    }

    #[test]
    fn cut_anywhere() {
        let whole = wat::parse_str(GOOD).expect("valid text");
        let all = inspect(&whole).expect("good");
        for length in 4..whole.len() {
            // Between two sections the rest is a whole component again, which then lacks its export.
            match inspect(&whole[..length]) {
                Err(Refusal::Cut(at)) => assert_eq!(at, length),
                Ok(facts) if facts == all => {
                    assert_eq!(whole[length], 0, "{length}: more than custom sections")
                }
                Ok(facts) => assert!(fits(&facts, &["acceptor"], &|_| true).is_err(), "{length}"),
                other => panic!("{length}: {other:?}"),
            }
        }
    }
}
