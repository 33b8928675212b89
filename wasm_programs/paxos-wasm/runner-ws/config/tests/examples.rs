//! The configurations that are shipped: each one is taken, and the shipped one names every key.

use paxos_config::{Config, keys};
use std::path::{Path, PathBuf};

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config.yaml")
}

#[test]
fn every_example_is_taken_and_has_addresses_of_its_own() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let examples = std::fs::read_dir(folder).expect("the folder shared").filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<PathBuf> = examples.filter(|path| path.extension().is_some_and(|e| e == "yaml")).collect();
    files.push(shipped());
    assert!(files.len() > 5, "{files:?}");
    let mut addresses = std::collections::BTreeSet::new();
    let mut clusters = std::collections::BTreeSet::new();
    for file in files {
        let config = Config::load(&file).unwrap_or_else(|error| panic!("{error}"));
        assert!(
            clusters.insert(config.cluster.clone()),
            "{}: the cluster {} is another's",
            file.display(),
            config.cluster
        );
        for node in config.nodes {
            for address in [node.proposer, node.acceptor, node.learner, node.client] {
                assert!(addresses.insert(address), "{}: {address} is another example's", file.display());
            }
        }
    }
}

#[test]
fn the_shipped_one_names_every_key_and_is_the_standalone_model() {
    let text = std::fs::read_to_string(shipped()).expect("readable");
    for key in keys::KEYS {
        let name = key.path.rsplit('.').next().unwrap_or(key.path);
        assert!(text.contains(&format!("{name}:")), "{} is not shown", key.path);
    }
    let config = Config::load(&shipped()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.model.word(), "standalone");
}
