//! The SDK that `wasm_programs/build.sh --sdk` makes: what its wrappers accept, drop and refuse, and that what they build runs.
//! The tests stand in a script beside the SDK, as they are about command lines.

use anyhow::Result;
use replicode_tests::process::run;
use replicode_tests::{binary, check, root};
use std::process::Command;
use std::time::Duration;

#[test]
fn the_sdk_builds_what_make_configure_cmake_meson_and_cargo_ask_for() -> Result<()> {
    let programs = root().join("wasm_programs");
    let sdk = programs.join("build/sdk");
    check(sdk.join("bin/replicode-cc").exists(), || {
        format!("there is no {}; run wasm_programs/build.sh --sdk", sdk.display())
    })?;
    let mut command = Command::new(programs.join("sdk/tests/run.sh"));
    command.arg(sdk).arg(binary());
    let output = run(&mut command, b"", Duration::from_secs(300))?;
    print!("{}", String::from_utf8_lossy(&output.stdout));
    check(output.status.success(), || String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn what_the_page_for_users_says_about_their_own_programs_is_so_word_for_word() -> Result<()> {
    let mut command = Command::new(root().join("wasm_programs/sdk/tests/readme.sh"));
    let output = run(command.arg(binary()), b"", Duration::from_secs(300))?;
    print!("{}", String::from_utf8_lossy(&output.stdout));
    check(output.status.success(), || String::from_utf8_lossy(&output.stderr).into_owned())
}
