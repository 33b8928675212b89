//! Runs seeds. See [`replicode_sim::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    replicode_sim::cli::main()
}
