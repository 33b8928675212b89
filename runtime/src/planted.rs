//! The `replicode` command with a planted nondeterminism, for the tests that must find it: see `node/plant.rs`.

fn main() -> std::process::ExitCode {
    replicode::main()
}
