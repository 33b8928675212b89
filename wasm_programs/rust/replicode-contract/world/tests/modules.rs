//! The examples as wasm modules, which `test.sh` has built: what a node would look at before it stores one.

use replicode_contract_world::contracts::abi::Abi;
use replicode_contract_world::contracts::abi::host::table::{Row, ValueType, table};
use replicode_contract_world::contracts::abi::host::{LIBRARY, MODULE};
use replicode_contract_world::contracts::registers::Shape;
use replicode_contract_world::contracts::template::{Builder, Class, Kind, Limits, STANDARD_MEMORY, Template};
use std::path::PathBuf;
use wasmparser::{Parser, Payload, TypeRef, ValType};

/// The module of an example; nothing where none was built (`cargo test` alone builds none).
fn module(name: &str) -> Option<Vec<u8>> {
    let folder = PathBuf::from(std::env::var_os("CONTRACTS")?);
    let path = folder.join(format!("contract_{name}.wasm"));
    Some(std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

struct Parts {
    imports: Vec<(String, Vec<ValType>, Vec<ValType>)>,
    /// Bytes without custom sections.
    bytes: usize,
    pages: u64,
}

fn parts(module: &[u8]) -> Parts {
    let (mut types, mut parts) = (Vec::new(), Parts { imports: Vec::new(), bytes: module.len(), pages: 0 });
    for payload in Parser::new(0).parse_all(module) {
        match payload.expect("a module") {
            Payload::TypeSection(section) => {
                for group in section {
                    types.extend(group.expect("types").into_types().map(|ty| ty.unwrap_func().clone()));
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.expect("an import");
                    let TypeRef::Func(ty) = import.ty else { panic!("{} is no function", import.name) };
                    let ty = &types[ty as usize];
                    if import.module.starts_with(LIBRARY) {
                        // Bytes lie down beside the call.
                        assert!(ty.params().is_empty() && ty.results().is_empty(), "{}", import.name);
                        continue;
                    }
                    assert_eq!(import.module, MODULE, "{}", import.name);
                    parts.imports.push((import.name.into(), ty.params().to_vec(), ty.results().to_vec()));
                }
            }
            Payload::MemorySection(section) => {
                parts.pages = section.into_iter().map(|memory| memory.expect("a memory").initial).sum();
            }
            Payload::CustomSection(section) => parts.bytes -= section.range().len() + 2,
            _ => {}
        }
    }
    parts
}

fn value(ty: ValueType) -> ValType {
    match ty {
        ValueType::I32 => ValType::I32,
        ValueType::I64 => ValType::I64,
    }
}

/// What is imported is in the host's table, with the same types: the table is the node's, the declarations are the library's.
#[test]
fn imports_are_those_of_the_table() {
    let rows: &[Row] = table();
    for name in ["counter", "escrow", "exchange", "factory", "geometry", "mathlib", "nested", "token", "wallet"] {
        let Some(module) = module(name) else { return };
        let imports = parts(&module).imports;
        assert!(imports.len() >= 3, "{imports:?}");
        for (import, params, results) in imports {
            let row =
                rows.iter().find(|row| row.name == import).unwrap_or_else(|| panic!("{import} is not in the table"));
            let expected: Vec<ValType> = row.params.iter().map(|(_, ty)| value(*ty)).collect();
            assert_eq!((params, results), (expected, row.result.map(value).into_iter().collect()), "{import}");
        }
    }
}

/// A template is made of each, whose document is that of the native build, and it is small.
#[test]
fn modules_become_templates() {
    let documents = [
        ("counter", <contract_counter::counter::Counter as replicode_contract::Contract>::ABI, 9),
        ("token", <contract_token::token::Token as replicode_contract::Contract>::ABI, 12),
    ];
    for (name, document, kilobytes) in documents {
        let Some(module) = module(name) else { return };
        let builder = Builder {
            kind: Kind::Contract,
            version: "1".into(),
            registers: Shape::STANDARD,
            libraries: Vec::new(),
            class: Class::Metered,
            memory: STANDARD_MEMORY,
        };
        let bytes = builder.build(&module, &Limits::STANDARD).unwrap_or_else(|error| panic!("{name}: {error}"));
        let template = Template::decode(&bytes, &Limits::STANDARD).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(Ok(template.abi), Abi::parse(document.as_bytes()));
        let parts = parts(&module);
        println!("{name}: {} bytes of code and data, {} pages of memory", parts.bytes, parts.pages);
        assert!(parts.bytes <= kilobytes << 10, "{name}: {} bytes", parts.bytes);
        assert_eq!(parts.pages, 1, "{name} has the memory that a template has which says nothing");
    }
}

/// A library is a template of its own kind: no storage, no functions that are called from outside.
#[test]
fn a_library_is_one() {
    let Some(module) = module("mathlib") else { return };
    let builder = Builder {
        kind: Kind::Library,
        version: "1".into(),
        registers: Shape::STANDARD,
        libraries: Vec::new(),
        class: Class::Metered,
        memory: STANDARD_MEMORY,
    };
    let bytes = builder.build(&module, &Limits::STANDARD).unwrap_or_else(|error| panic!("{error}"));
    let template = Template::decode(&bytes, &Limits::STANDARD).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((template.header.name.as_str(), template.abi.functions.len()), ("mathlib", 0));
}
