//! What C programs find: every function that a header declares is in the table and links, and small programs print here
//! what they print on Linux, but for the differences that `posix/deviations` gives reasons for.

use anyhow::Result;
use replicode_tests::process::run;
use replicode_tests::{binary, check, guest, root};
use std::process::Command;
use std::time::Duration;

/// Runs a script of this repository with the binary and the SDK of this build; on failure its words.
fn script(path: &str) -> Result<()> {
    let _ = guest("hello"); // was built with the SDK; when it is missing this says how to build both
    let mut command = Command::new(root().join(path));
    let output = run(command.env("REPLICODE", binary()), b"", Duration::from_secs(300))?;
    check(output.status.success(), || {
        format!("{path}:\n{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    })
}

#[test]
fn every_declared_function_is_in_the_table_and_links() -> Result<()> {
    script("wasm_programs/libposix/check.sh")
}

#[test]
fn programs_print_what_they_print_on_linux() -> Result<()> {
    script("tests/posix/run.sh")
}
