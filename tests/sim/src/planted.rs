//! The same program, with mistakes inside the replica that it can plant. See [`replicode_sim::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    replicode_sim::cli::main()
}
