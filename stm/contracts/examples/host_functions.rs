//! Writes the table of host functions into `docs/contracts-abi.md`, of which it is a part, and as a header for C.
//!
//! ```text
//! cargo run -p replicode-contracts --example host_functions
//! ```

use replicode_contracts::abi::host::page::{BEGIN, END, header, page};

#[expect(clippy::disallowed_methods, reason = "it writes a page for people; the room does not use it")]
fn main() -> std::io::Result<()> {
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wasm_programs/contracts/svm.h"), header())?;
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/contracts-abi.md");
    let text = std::fs::read_to_string(path)?;
    let parts = text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let Some((before, behind)) = parts else {
        return Err(std::io::Error::other("the page has no place for the table"));
    };
    std::fs::write(path, format!("{before}{BEGIN}\n{}\n{END}{behind}", page()))
}
