//! The `replicode` command.

fn main() -> std::process::ExitCode {
    replicode::main()
}
