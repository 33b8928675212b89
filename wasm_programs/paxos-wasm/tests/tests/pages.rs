//! What pages say is what the code says.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

#[test]
fn the_page_has_every_key_of_the_configuration() {
    let page = include_str!("../../../../docs/paxos.md");
    let table = paxos_config::keys::markdown();
    if !page.contains(&table) {
        panic!("docs/paxos.md lacks the table of keys as it is now; put this there:\n{table}");
    }
}

#[test]
fn the_shipped_configurations_are_right() {
    let folder = paxos_tests::workspace();
    let mut count = 0;
    for place in ["runner-ws", "shared"] {
        for entry in std::fs::read_dir(folder.join(place)).unwrap().flatten() {
            let file = entry.path();
            if file.extension().is_some_and(|end| end == "yaml") {
                if let Err(e) = paxos_config::Config::load(&file) {
                    panic!("{e}");
                }
                count += 1;
            }
        }
    }
    assert!(count >= 3, "{count} configurations");
}
