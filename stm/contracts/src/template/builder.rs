//! A container from a compiled module and its document: what a build tool does with what a compiler has left.
//!
//! The document is in a custom section of the module, [`ABI_SECTION`]. Constructors and places of variables follow from
//! it. Custom sections do not go into the container, but for the one with the functions' names, which traps are shown
//! with: debug information stays where the contract was built.

use super::Limits;
use super::container::Complaints;
use super::layout::{Layout, SliceKind};
use super::section::{Class, HOST_INTERFACE, Header, Kind, LibraryPin, Template, kind_of};
use crate::abi::document::closest;
use crate::abi::{Abi, AbiError, FunctionKind};
use crate::registers::Shape;
use wasmparser::{ExternalKind, Parser, Payload};

/// The custom section that holds the document.
pub const ABI_SECTION: &str = "replicode.abi";

/// What cannot be read off the module.
#[derive(Clone, Debug)]
pub struct Builder {
    /// Contract or library.
    pub kind: Kind,
    /// The version, up to 32 bytes.
    pub version: String,
    /// How many registers of each width.
    pub registers: Shape,
    /// Libraries by name.
    pub libraries: Vec<LibraryPin>,
    /// How its gas is counted.
    pub class: Class,
    /// Bytes that its memory may have; [`super::STANDARD_MEMORY`] unless there is a reason.
    pub memory: u32,
}

/// Why no container came of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The bytes are no wasm module.
    #[error("not a wasm module: {why} at byte {offset}")]
    NotWasm {
        /// What the parser said.
        why: String,
        /// Where.
        offset: u64,
    },
    /// The document is missing.
    #[error(
        "the module has no custom section {ABI_SECTION:?}: build it with the contract library, or add the document to it"
    )]
    NoDocument,
    /// The document is not well formed.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Document(Vec<AbiError>),
    /// Functions of the document that the module does not export.
    #[error("{}", .0.join("\n"))]
    Exports(Vec<String>),
    /// A variable that does not fit a page.
    #[error("variable {name} does not fit a page of {page_size} bytes: make it a collection, or several variables")]
    TooLong {
        /// The variable.
        name: String,
        /// Bytes of a page.
        page_size: u32,
    },
    /// The container is not well formed.
    #[error(transparent)]
    Template(#[from] Complaints),
}

impl Builder {
    /// The bytes of the template that `module` becomes.
    ///
    /// # Errors
    /// [`BuildError`] says what is missing or wrong, with everything of the same kind at once.
    pub fn build(self, module: &[u8], limits: &Limits) -> Result<Vec<u8>, BuildError> {
        let parts = Parts::of(module)?;
        let document = parts.document.ok_or(BuildError::NoDocument)?;
        let abi = Abi::parse(document).map_err(BuildError::Document)?;
        check_exports(&abi, &parts.exports)?;
        let constructors = abi.functions.iter().filter(|f| f.kind == FunctionKind::Init).map(|f| f.name.clone());
        let template = Template {
            header: Header {
                kind: self.kind,
                interface: HOST_INTERFACE,
                name: abi.name.clone(),
                version: self.version,
            },
            code: parts.code,
            layout: layout_of(&abi, limits.page_size)?,
            constructors: constructors.collect(),
            abi,
            registers: self.registers,
            libraries: self.libraries,
            class: self.class,
            memory: self.memory,
        };
        let bytes = template.encode();
        Template::decode(&bytes, limits)?;
        Ok(bytes)
    }
}

/// The bytes of a template whose code is not in it: its functions are Rust functions of the program that embeds the runtime,
/// found by the name in the document ([`crate::run::native`]).
///
/// # Errors
/// As [`Builder::build`].
pub fn native(document: &[u8], version: &str, limits: &Limits) -> Result<Vec<u8>, BuildError> {
    let abi = Abi::parse(document).map_err(BuildError::Document)?;
    let constructors = abi.functions.iter().filter(|f| f.kind == FunctionKind::Init).map(|f| f.name.clone());
    let template = Template {
        header: Header {
            kind: Kind::Contract,
            interface: HOST_INTERFACE,
            name: abi.name.clone(),
            version: version.to_string(),
        },
        code: EMPTY_MODULE.to_vec(),
        layout: layout_of(&abi, limits.page_size)?,
        constructors: constructors.collect(),
        abi,
        registers: Shape::STANDARD,
        libraries: Vec::new(),
        class: Class::Metered,
        memory: super::STANDARD_MEMORY,
    };
    let bytes = template.encode();
    Template::decode(&bytes, limits)?;
    Ok(bytes)
}

/// What stands where a module would.
const EMPTY_MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// Whether a module exports every function of its document.
///
/// # Errors
/// Every one that is missing, with the export that was probably meant.
fn check_exports(abi: &Abi, exports: &[String]) -> Result<(), BuildError> {
    let missing = abi.functions.iter().filter(|f| !exports.contains(&f.name)).map(|f| {
        let meant = closest(&f.name, exports.iter().map(String::as_str));
        let hint = meant.map(|name| format!("; did you mean {name:?}?")).unwrap_or_default();
        format!("the module does not export the function {:?}{hint}", f.name)
    });
    let missing: Vec<String> = missing.collect();
    if missing.is_empty() { Ok(()) } else { Err(BuildError::Exports(missing)) }
}

/// Places by slice number. Numbers without a variable are left without bytes of their own: they take one byte each.
fn layout_of(abi: &Abi, page_size: u32) -> Result<Layout, BuildError> {
    let count = abi.storage.iter().map(|v| v.slice as usize + 1).max().unwrap_or(0).min(u16::MAX.into());
    let variable = |slice: usize| abi.storage.iter().find(|v| v.slice as usize == slice);
    let size = |slice: usize| match variable(slice) {
        Some(v) => (kind_of(&v.ty), abi.slice_len(&v.ty).unwrap_or(usize::MAX)),
        None => (SliceKind::Bytes, 1),
    };
    let sizes: Vec<(SliceKind, usize)> = (0..count).map(size).collect();
    Layout::place(&sizes, page_size).map_err(|slice| {
        let name = variable(slice).map_or_else(|| format!("slice {slice}"), |v| v.name.clone());
        BuildError::TooLong { name, page_size }
    })
}

/// What of a module goes where.
struct Parts<'a> {
    code: Vec<u8>,
    document: Option<&'a [u8]>,
    exports: Vec<String>,
}

impl<'a> Parts<'a> {
    fn of(module: &'a [u8]) -> Result<Self, BuildError> {
        let not_wasm = |error: wasmparser::BinaryReaderError| BuildError::NotWasm {
            why: error.message().to_string(),
            offset: error.offset() as u64,
        };
        let mut parts = Self { code: Vec::new(), document: None, exports: Vec::new() };
        // Bytes up to here are in `code` or dropped.
        let mut done = 0;
        for payload in Parser::new(0).parse_all(module) {
            match payload.map_err(not_wasm)? {
                Payload::ExportSection(reader) => {
                    for export in reader {
                        let export = export.map_err(not_wasm)?;
                        if export.kind == ExternalKind::Func {
                            parts.exports.push(export.name.to_string());
                        }
                    }
                }
                Payload::CustomSection(section) if section.name() != "name" => {
                    // A section begins with its number and its length, which the range leaves out.
                    let end = section.range().end;
                    let start = section_start(module, done, section.range().start);
                    parts.code.extend_from_slice(&module[done..start]);
                    done = end;
                    if section.name() == ABI_SECTION {
                        parts.document = Some(section.data());
                    }
                }
                _ => {}
            }
        }
        parts.code.extend_from_slice(&module[done..]);
        Ok(parts)
    }
}

/// Where a custom section whose content begins at `content` begins: its number 0, then its length in one to five bytes,
/// all but the last of them with the top bit set.
fn section_start(module: &[u8], from: usize, content: usize) -> usize {
    let mut at = content.saturating_sub(1);
    while at > from && module.get(at - 1).is_some_and(|byte| byte & 0x80 != 0) && content - at < 5 {
        at -= 1;
    }
    at.saturating_sub(1).max(from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::tests_support::token;

    fn builder() -> Builder {
        Builder {
            kind: Kind::Contract,
            version: "1.0.0".into(),
            registers: Shape::STANDARD,
            libraries: vec![],
            class: Class::Metered,
            memory: crate::template::STANDARD_MEMORY,
        }
    }

    /// A module with these exports and a custom section of this name and content between its other sections.
    fn module(exports: &[&str], section: &str, content: &[u8]) -> Vec<u8> {
        let exports: String = exports.iter().map(|name| format!("(export \"{name}\" (func $f))")).collect();
        let data: String = content.iter().map(|byte| format!("\\{byte:02x}")).collect();
        let text = format!("(module (@custom \"{section}\" (before code) \"{data}\") (func $f) {exports})");
        wat::parse_str(text).expect("a module")
    }

    const ALL: [&str; 3] = ["new", "transfer", "balance_of"];

    #[test]
    fn a_module_with_its_document_becomes_a_template() {
        let bytes = builder().build(&module(&ALL, ABI_SECTION, &token().to_json()), &Limits::STANDARD).expect("built");
        let template = Template::decode(&bytes, &Limits::STANDARD).expect("well formed");
        assert_eq!(template.abi, token());
        assert_eq!(template.constructors, ["new"]);
        let places: Vec<_> = template.layout.places();
        assert_eq!(places, [(0, 0, 16), (0, 16, 32), (0, 48, 21)]);
    }

    /// The module without the document is the module that never had one, whatever the length of the section's length.
    #[test]
    fn custom_sections_are_cut_out_exactly() {
        for len in [0, 1, 100, 126, 127, 128, 129, 20_000] {
            let with = module(&ALL, "junk", &vec![0xff; len]);
            let without = module(&ALL, "junk", &[]);
            let (a, b) = (Parts::of(&with).expect("a module"), Parts::of(&without).expect("a module"));
            assert_eq!(a.code, b.code, "{len} bytes");
            assert!(a.code.len() < without.len());
            assert_eq!(a.exports, ALL);
            assert_eq!(Parts::of(&a.code).expect("still a module").exports, ALL);
        }
    }

    #[test]
    fn function_names_stay() {
        let names = wat::parse_str("(module (func $inner_name))").expect("a module");
        assert_eq!(Parts::of(&names).expect("a module").code, names);
    }

    #[test]
    fn what_is_missing_is_said() {
        let build = |module: &[u8]| builder().build(module, &Limits::STANDARD).expect_err("refused").to_string();
        assert!(build(&module(&ALL, "junk", &[])).starts_with("the module has no custom section \"replicode.abi\""));
        let said = build(&module(&["new", "tranfser"], ABI_SECTION, &token().to_json()));
        assert_eq!(
            said,
            "the module does not export the function \"transfer\"; did you mean \"tranfser\"?\n\
             the module does not export the function \"balance_of\""
        );
        assert!(build(b"\x7fELF").starts_with("not a wasm module"));
        assert!(build(&module(&ALL, ABI_SECTION, b"{")).starts_with("line 1 column"));
        let mut wide = token();
        wide.storage[0].ty = "Wide".parse().expect("a name");
        let fields = (0..129).map(|_| "hash");
        let halves = |name: &str| {
            let fields = fields.clone().enumerate().skip(if name == "A" { 64 } else { 0 }).take(64);
            crate::abi::Definition::Struct(
                fields.map(|(i, ty)| crate::abi::Field::new(&format!("f{i}"), ty.parse().expect("a type"))).collect(),
            )
        };
        wide.types.insert("A".into(), halves("A"));
        wide.types.insert("B".into(), halves("B"));
        let both = ["A", "B", "u8"].map(|ty| crate::abi::Field::new(&ty.to_lowercase(), ty.parse().expect("a type")));
        wide.types.insert("Wide".into(), crate::abi::Definition::Struct(both.to_vec()));
        let said = build(&module(&ALL, ABI_SECTION, &wide.to_json()));
        assert_eq!(
            said,
            "variable supply does not fit a page of 4096 bytes: make it a collection, or several variables"
        );
    }
}
