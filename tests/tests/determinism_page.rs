//! `docs/determinism.md` lists every import that a guest can name, with its class: as the table in the kernel has it.
//!
//! `REPLICODE_BLESS=1 cargo test -p replicode-tests --test determinism_page` writes the list anew.

use replicode_syscalls::abi::{IMPORTS, ValType};
use std::fmt::Write as _;

const BEGIN: &str = "<!-- imports: begin, written by tests/tests/determinism_page.rs -->\n";
const END: &str = "<!-- imports: end -->";

fn list() -> String {
    let mut out = String::new();
    let mut module = "";
    for import in IMPORTS {
        if import.module != module {
            module = import.module;
            let _ = write!(out, "\n### `{module}`\n\n| function | class | how |\n|---|---|---|\n");
        }
        let params: Vec<String> = import
            .params
            .iter()
            .map(|p| format!("{}{}", p.name, if p.ty == ValType::I64 { ": i64" } else { "" }))
            .collect();
        let _ = writeln!(out, "| `{}({})` | {} | {} |", import.name, params.join(", "), import.class, import.note);
    }
    out.push('\n');
    out
}

#[test]
fn the_page_lists_what_the_kernel_serves() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/determinism.md");
    let page = std::fs::read_to_string(path).expect("docs/determinism.md");
    let (head, rest) = page.split_once(BEGIN).expect("the page has a begin mark");
    let (found, tail) = rest.split_once(END).expect("the page has an end mark");
    let wanted = list();
    if std::env::var_os("REPLICODE_BLESS").is_some() {
        std::fs::write(path, format!("{head}{BEGIN}{wanted}{END}{tail}")).expect("writing the page");
        return;
    }
    assert_eq!(
        found, wanted,
        "docs/determinism.md is not what the kernel serves: bless it (see the head of this test)"
    );
}
