//! Servers that others wrote, built from their pristine source, beside native builds of the same: `tests/ports.sh` for the quick
//! ones. It judges all of them when it is called without a name.

use anyhow::Result;
use replicode_tests::process::run;
use replicode_tests::{binary, check, root};
use std::process::Command;
use std::time::Duration;

/// Building them takes most of it, and only the first time.
const TIMEOUT: Duration = Duration::from_secs(600);

fn judged(ports: &[&str]) -> Result<()> {
    let mut command = Command::new(root().join("tests/ports.sh"));
    let output = run(command.args(ports).env("REPLICODE", binary()), b"", TIMEOUT)?;
    let (said, why) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    check(output.status.success(), || format!("tests/ports.sh {ports:?}: {}\n{said}{why}", output.status))?;
    // Every one of them by its name: a port that was left out must not look like one that passed.
    for port in ports {
        check(said.contains(&format!("ok      {port}: ")), || format!("{port} was not judged:\n{said}"))?;
    }
    Ok(())
}

#[test]
fn beanstalkd_lua_and_a_server_in_cpp_answer_as_their_native_builds_and_outlive_nodes() -> Result<()> {
    judged(&["beanstalkd", "lua", "jsonrpc"])
}
