//! `golden`: checks, blesses and adds golden recordings. People call `tests/golden.sh`.

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use replicode_golden::store::Store;
use replicode_golden::{bless, compare, coverage, execute, import, scenes};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// Golden recordings: what this program answers to recorded histories.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Executes all recordings, or those named, and says where one first goes another way than it went.
    Check {
        /// Names of recordings.
        names: Vec<String>,
    },
    /// Makes what is answered now what is expected; recordings that are new are listed.
    Bless {
        /// What changes for users, for CHANGELOG.md.
        sentence: Option<String>,
    },
    /// Adds a recording, from a stopped node's directory.
    Import {
        /// Its name.
        name: String,
        /// The directory.
        dir: PathBuf,
        /// The most batches to take.
        #[arg(long, default_value_t = usize::MAX)]
        batches: usize,
    },
    /// Adds the scenes that are no recordings yet.
    Scenes {
        /// Only says where answers are not the expected ones, and what no scene touches.
        #[arg(long)]
        dry: bool,
    },
    /// Says what no recording touches.
    Missing,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("golden: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    let store = Store::here();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    match command {
        Command::Check { names } => return check(&store, names),
        Command::Bless { sentence } => {
            let blessed = bless::bless(&store, &root.join("CHANGELOG.md"), sentence.as_deref())?;
            for difference in &blessed.changed {
                println!("{difference}");
            }
            let (before, after) = &blessed.behaviour;
            println!("{} added, {} changed; behaviour {before} -> {after}", blessed.added.len(), blessed.changed.len());
        }
        Command::Import { name, dir, batches } => {
            let imported = import::import(&dir, batches)?;
            store.add(&name, &imported.history, &imported.modules)?;
            println!(
                "{name}: {} batches, {} with other outputs than in the run; bless it next",
                imported.history.batches.len(),
                imported.differing
            );
        }
        Command::Scenes { dry: true } => {
            let mut covered = BTreeSet::new();
            for scene in scenes::all()? {
                let (history, modules) = scene.book.clone().finish()?;
                let mut module = |digest| {
                    let found = modules.iter().find(|(known, _)| *known == digest);
                    found.map(|(_, wasm)| wasm.clone()).context("a scene has its modules")
                };
                let results = execute::results_with(&history, &mut module).with_context(|| scene.name)?;
                scene.surprises(&results).iter().for_each(|line| println!("{line}"));
                let calls: usize = results.0.iter().map(|it| it.calls.len()).sum();
                println!("{}: {} batches, {calls} calls", scene.name, results.0.len());
                covered.extend(coverage::touched(&history, &results));
            }
            missing(&root, &covered)?;
        }
        Command::Scenes { dry: false } => {
            for scene in scenes::all()? {
                let (history, modules) = scene.book.clone().finish()?;
                store.add(scene.name, &history, &modules).with_context(|| scene.name)?;
            }
        }
        Command::Missing => {
            let mut covered = store.covered()?;
            for name in store.names()? {
                if let Ok(results) = store.results(&name) {
                    covered.extend(coverage::touched(&store.history(&name)?, &results));
                }
            }
            missing(&root, &covered)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn missing(root: &Path, covered: &BTreeSet<String>) -> Result<()> {
    for line in coverage::wanted(&root.join("syscalls/src"))?.difference(covered) {
        println!("nothing touches: {line}");
    }
    Ok(())
}

fn check(store: &Store, names: Vec<String>) -> Result<ExitCode> {
    let began = Instant::now();
    let names: Vec<String> = if names.is_empty() { store.names()?.into_iter().collect() } else { names };
    let mut differing = 0;
    for result in compare::check_all(store, &names) {
        if let Some(difference) = result? {
            differing += 1;
            println!("{difference}");
        }
    }
    println!("{} recordings, {differing} differ; {:.1} s", names.len(), began.elapsed().as_secs_f64());
    if differing > 0 {
        println!("if that is meant: tests/golden.sh bless 'what changes for users'");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}
