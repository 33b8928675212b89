//! The floor plan of `docs/ARCHITECTURE.md` is the floor plan of the code: same crates, same folders, no arrow up.

use cargo_metadata::{DependencyKind, MetadataCommand};
use std::collections::{BTreeMap, BTreeSet};

struct Row {
    floor: u32,
    folder: String,
    may_import: BTreeSet<String>,
    never: BTreeSet<String>,
}

fn words(cell: &str) -> BTreeSet<String> {
    cell.split([' ', ','])
        .map(|word| word.trim_matches('`').to_string())
        .filter(|word| !word.is_empty() && word != "–")
        .collect()
}

fn plan() -> BTreeMap<String, Row> {
    let page = include_str!("../../docs/ARCHITECTURE.md");
    let table = page.split("## Floor plan").nth(1).expect("the page has a floor plan");
    let mut rows = BTreeMap::new();
    for line in table.lines().skip_while(|line| !line.starts_with("|--")).skip(1).take_while(|l| l.starts_with('|')) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [floor, name, folder, may_import, never] = cells[..] else { panic!("five cells expected: {line}") };
        let row = Row {
            floor: floor.parse().expect("a floor is a number"),
            folder: folder.trim_matches('`').to_string(),
            may_import: words(may_import),
            never: words(never),
        };
        rows.insert(name.trim_matches('`').to_string(), row);
    }
    rows
}

#[test]
fn the_code_has_the_floors_that_the_page_shows() {
    let plan = plan();
    let metadata = MetadataCommand::new().exec().expect("cargo metadata");
    let root = metadata.workspace_root.clone();
    let ours: BTreeSet<String> = metadata.workspace_packages().iter().map(|p| p.name.to_string()).collect();
    let planned: BTreeSet<String> = plan.keys().cloned().collect();
    assert_eq!(ours, planned, "crates of the workspace, and crates of the floor plan");

    for package in metadata.workspace_packages() {
        let Some(row) = plan.get(package.name.as_str()) else { continue };
        let folder = package.manifest_path.parent().expect("a manifest lies in a folder");
        assert_eq!(folder.strip_prefix(&root).expect("inside the workspace"), row.folder, "{}", package.name);
        // What tests import is their own business, except that it must not be a room above.
        for dependency in package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development) {
            let name = dependency.name.as_str();
            if ours.contains(name) {
                assert!(row.may_import.contains(name), "{} must not import {name}", package.name);
                assert!(plan[name].floor < row.floor, "{} imports {name}, which is not below it", package.name);
            }
            assert!(!row.never.contains(name), "{} must never name {name}", package.name);
        }
    }
}

#[test]
fn rooms_have_their_walls() {
    let plan = plan();
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    for (name, row) in plan.iter().filter(|(_, row)| row.floor <= 3) {
        let wall = std::fs::read_to_string(format!("{root}/{}/clippy.toml", row.folder))
            .unwrap_or_else(|error| panic!("{name} has no clippy.toml: {error}"));
        for banned in [
            "std::collections::HashMap",
            "std::time::Instant",
            "std::time::SystemTime",
            "std::thread::spawn",
            "std::thread::Builder",
            "std::fs::File",
            "std::fs::OpenOptions",
            "std::net::UdpSocket",
        ] {
            assert!(wall.contains(banned), "{name}: the wall does not ban {banned}");
        }
    }
}
