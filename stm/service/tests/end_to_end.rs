//! The checker against the real server: kills included.

#![allow(clippy::unwrap_used)]

use std::process::Command;

#[test]
fn killed_and_restarted_servers_count_exactly_once() {
    for seed in ["1", "2"] {
        let dir = tempfile::tempdir().unwrap();
        let out = Command::new(env!("CARGO_BIN_EXE_stm-counter-check"))
            .args(["--server", env!("CARGO_BIN_EXE_stm-counter-server"), "--seed", seed])
            .args(["--clients", "8", "--readers", "2", "--increments", "3000", "--kills", "3"])
            .arg("--data")
            .arg(dir.path())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&out.stdout);
        assert!(out.status.success(), "{text}\n{}", String::from_utf8_lossy(&out.stderr));
        assert!(
            text.contains("exactly once: 24000") && text.contains("linearizable") && text.contains("equal roots"),
            "{text}"
        );
    }
}
