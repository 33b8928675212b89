//! `paxos-compose SOURCES COMPONENTS`: composes all processes; see the library.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [sources, components] = arguments.as_slice() else {
        eprintln!("usage: paxos-compose FOLDER_OF_WAC_FILES FOLDER_OF_COMPONENTS");
        return ExitCode::from(2);
    };
    match paxos_compose::compose_all(Path::new(sources), Path::new(components)) {
        Ok((all, made)) => {
            println!("{} compositions in {components}, {made} of them made now", all.len());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("paxos-compose: {error}");
            ExitCode::FAILURE
        }
    }
}
