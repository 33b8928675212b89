//! The lines of the reference that are shown as typed: each is run by a shell, as it stands.

use crate::protocol::alike;
use crate::server::{Server, TIMEOUT};
use anyhow::{Context, Result};
use replicode_tests::process::run;
use serde_json::Value;
use std::process::Command;

/// What takes the place of `nc -NU PATH` where there is no such program: sends what it is given, says that this was all, prints what comes.
const NC: &str = r#"nc() { python3 -c '
import socket, sys
stream = socket.socket(socket.AF_UNIX)
stream.settimeout(60)
stream.connect(sys.argv[-1])
stream.sendall(sys.stdin.buffer.read())
stream.shutdown(socket.SHUT_WR)
while data := stream.recv(65536):
    sys.stdout.buffer.write(data)
' "$@"; }
"#;

#[test]
fn what_the_reference_shows_as_typed_is_what_is_printed() -> Result<()> {
    let page = std::fs::read_to_string(replicode_tests::root().join("docs/functions/API_REFERENCE.md"))?;
    let server = Server::start(&[])?;
    for name in ["uppercase", "counter"] {
        server.load(name)?;
    }
    let there = run(Command::new("sh").args(["-c", "command -v nc"]), b"", TIMEOUT)?.status.success();
    let mut commands = 0;
    for block in page.split("```console\n").skip(1) {
        let block = block.split("```").next().context("the end of a block")?;
        for one in block.split("$ ").skip(1) {
            let (command, written) = one.split_once('\n').context("a line of its own")?;
            let script = if there { command.to_string() } else { format!("{NC}{command}") };
            let done = run(Command::new("bash").args(["-c", &script]).env("SOCKET", server.socket()), b"", TIMEOUT)?;
            let printed = String::from_utf8(done.stdout)?;
            let values = |text: &str| -> Result<Vec<Value>> {
                text.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_string())).collect()
            };
            let (found, written) = (values(&printed)?, values(written)?);
            let same = found.len() == written.len() && found.iter().zip(&written).all(|(a, b)| alike(a, b));
            assert!(same, "{command}\nprints {printed}{}", String::from_utf8_lossy(&done.stderr));
            commands += 1;
        }
    }
    assert!(commands >= 5, "{commands}");
    Ok(())
}
