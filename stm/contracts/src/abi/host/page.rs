//! The table as people read it, a part of `docs/contracts-abi.md`, and as C has it, `wasm_programs/contracts/svm.h`. A test compares them.

use super::table::{Charge, Group, Row, ValueType, table};
use std::fmt::Write as _;

/// The line before the generated part of the page.
pub const BEGIN: &str = "<!-- made by: cargo run -p replicode-contracts --example host_functions -->";
/// The line behind it.
pub const END: &str = "<!-- end of the table -->";

/// The tables of all groups, as Markdown.
#[must_use]
pub fn page() -> String {
    let mut page = String::new();
    for group in Group::ALL {
        let _ = write!(page, "\n### {}\n\n", group.title());
        page.push_str("| function | price | does |\n|---|---|---|\n");
        for row in table().iter().filter(|row| row.group == group) {
            let docs = row.docs.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
            let _ = writeln!(page, "| `{}` | {} | {docs} |", signature(row), price(row));
        }
    }
    page
}

/// Name, parameters and result.
#[must_use]
pub fn signature(row: &Row) -> String {
    let params: Vec<String> = row.params.iter().map(|(name, ty)| format!("{name}: {}", ty.name())).collect();
    let result = row.result.map_or(String::new(), |ty| format!(" -> {}", ty.name()));
    format!("{}({}){result}", row.name, params.join(", "))
}

/// The declarations of all functions, for C.
#[must_use]
pub fn header() -> String {
    let c = |ty: ValueType| match ty {
        ValueType::I32 => "uint32_t",
        ValueType::I64 => "uint64_t",
    };
    let mut header = String::from(
        "/* What a contract can import. Made by: cargo run -p replicode-contracts --example host_functions\n \
         * Every function is described in docs/contracts-abi.md; pointers are given as svm_at(pointer). */\n\
         #ifndef SVM_H\n#define SVM_H\n\n#include <stdint.h>\n\n\
         #define svm_at(pointer) ((uint32_t)(uintptr_t)(pointer))\n\
         #define SVM_EXPORT(name) __attribute__((export_name(#name))) void name(void)\n\
         #define SVM_IMPORT(name) __attribute__((import_module(\"svm\"), import_name(name)))\n",
    );
    for group in Group::ALL {
        let _ = writeln!(header, "\n/* {} */", group.title());
        for row in table().iter().filter(|row| row.group == group) {
            let prefix = if row.name.starts_with("svm_") { "" } else { "svm_" };
            let params: Vec<String> = row.params.iter().map(|(name, ty)| format!("{} {name}", c(*ty))).collect();
            let params = if params.is_empty() { "void".to_string() } else { params.join(", ") };
            let (result, name) = (row.result.map_or("void", c), row.name);
            let _ = writeln!(header, "SVM_IMPORT(\"{name}\") {result} {prefix}{name}({params});");
        }
    }
    header.push_str("\n#endif\n");
    header
}

fn price(row: &Row) -> String {
    let mut price = row.price.base.to_string();
    if row.price.each > 0 {
        let last = row.params.last().map_or("", |(name, _)| name);
        let _ = match row.price.shift {
            0 => write!(price, " + {} a `{last}`", row.price.each),
            shift => write!(price, " + {} a started {} of `{last}`", row.price.each, 1u32 << shift),
        };
    }
    price.push_str(match row.charge {
        Charge::Nothing | Charge::Look => "",
        Charge::Debug => "; debugging only",
        Charge::Host => ", and what is found",
        Charge::Read(_) | Charge::Write(_) => "",
    });
    let _ = match row.charge {
        Charge::Read(0) => write!(price, ", and a read"),
        Charge::Read(bytes) => write!(price, ", and a read of {bytes} bytes"),
        Charge::Write(bytes) => write!(price, ", and a write of {bytes} bytes"),
        _ => Ok(()),
    };
    price
}
