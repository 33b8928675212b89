//! Mistakes that tests plant inside the replica are in no program that is shipped: nothing turns the feature on, and the binary does
//! not know their names.

use cargo_metadata::MetadataCommand;

const FEATURE: &str = "planted";

#[test]
fn nothing_turns_planted_mistakes_on_by_itself() {
    let metadata = MetadataCommand::new().exec().expect("cargo metadata");
    let mut known = 0;
    for package in metadata.workspace_packages() {
        for (feature, implies) in &package.features {
            known += usize::from(feature == FEATURE);
            let plants = implies.iter().any(|other| other == FEATURE || other.ends_with("/planted"));
            assert!(!plants || feature == FEATURE, "{}: the feature {feature} plants mistakes", package.name);
        }
        for dependency in &package.dependencies {
            let plants = dependency.features.iter().any(|feature| feature == FEATURE);
            assert!(!plants, "{} asks {} for planted mistakes", package.name, dependency.name);
        }
    }
    assert_eq!(known, 3, "of the log, the replica and the simulator");
}

#[test]
fn the_program_knows_none_of_their_names() {
    let program = replicode_tests::binary();
    let bytes = std::fs::read(program).expect("the program has been built");
    let source = include_str!("../../replication/store/src/planted.rs");
    let table = source.split("pub const ALL").nth(1).and_then(|rest| rest.split("];").next()).expect("it has a table");
    let names: Vec<&str> = table.split('"').skip(1).step_by(2).collect();
    assert!(names.len() >= 13, "{names:?}");
    let text = String::from_utf8_lossy(&bytes);
    for name in names.iter().filter(|name| name.len() > 8) {
        assert!(!text.contains(name), "the program knows {name:?}");
    }
}
