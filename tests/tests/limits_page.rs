//! `docs/operations.md` lists every limit with its default and its range, as the code has them; and each limit has a test
//! that goes up to it and beyond.

use replicode_log::Limits;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Where each limit is tested at the limit: file and function.
const TESTED: &[(&str, &str, &str)] = &[
    ("processes", "syscalls/tests/startup.rs", "what_cannot_be_started_is_named"),
    ("memory_bytes", "runtime/wasm/tests/guests.rs", "memory_grows_up_to_the_cap_and_then_says_no"),
    ("module_bytes", "runtime/wasm/tests/modules.rs", "size_and_memory_have_limits"),
    ("args_bytes", "syscalls/tests/startup.rs", "what_cannot_be_started_is_named"),
    ("descriptors", "syscalls/tests/files.rs", "limits_of_calls_are_answered_not_crossed"),
    ("connections", "nat/tests/exhaustion.rs", "a_full_table_refuses_clients_and_neighbours_until_there_is_room"),
    ("backlog", "syscalls/tests/sockets.rs", "the_backlog_is_bounded"),
    ("recv_window", "syscalls/tests/sockets.rs", "the_receive_window_moves_in_quarters"),
    ("send_window", "nat/tests/clients.rs", "a_slow_client_stops_the_program_at_the_window"),
    ("file_bytes", "syscalls/tests/files.rs", "limits_of_space_are_answered_not_crossed"),
    ("file_size", "syscalls/tests/files.rs", "limits_of_space_are_answered_not_crossed"),
    ("inodes", "syscalls/tests/files.rs", "limits_of_space_are_answered_not_crossed"),
    ("path_bytes", "syscalls/src/fs/tests/paths.rs", "lengths_are_limited"),
    ("path_depth", "syscalls/src/fs/tests/limits.rs", "directories_have_a_depth"),
    ("listing_bytes", "syscalls/src/fs/tests/listing.rs", "listings_keep_no_more_than_their_limit"),
    ("iovecs", "syscalls/tests/files.rs", "limits_of_calls_are_answered_not_crossed"),
    ("call_bytes", "syscalls/tests/files.rs", "limits_of_calls_are_answered_not_crossed"),
    ("subscriptions", "syscalls/tests/poll.rs", "what_cannot_be_waited_for_is_refused_before_anything_is_written"),
    ("fruitless_calls", "syscalls/tests/turns.rs", "a_loop_of_yields"),
    ("clock_calls", "syscalls/tests/turns.rs", "a_loop_that_watches_the_clock"),
    ("turn_calls", "syscalls/tests/turns.rs", "a_loop_of_calls_that_never_wait"),
    ("turn_console_bytes", "syscalls/tests/turns.rs", "printing_without_end"),
    ("spin_quantum_ns", "syscalls/tests/turns.rs", "a_loop_of_yields"),
    ("clock_step_ns", "syscalls/tests/startup.rs", "clocks_show_the_batch_and_step_at_each_look"),
    (
        "stack_bytes",
        "runtime/wasm/tests/guests.rs",
        "the_stack_ends_at_the_same_depth_each_time_and_grows_with_its_limit",
    ),
];

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A number as the page writes it.
fn number(text: &str) -> u64 {
    let (digits, unit) = text.split_once(' ').unwrap_or((text, ""));
    let factor = match unit {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "s" => 1_000_000_000,
        other => panic!("unit '{other}' in '{text}'"),
    };
    match digits {
        "2^32-1" => u32::MAX.into(),
        digits => factor * digits.parse::<u64>().unwrap_or_else(|_| panic!("'{text}'")),
    }
}

/// Default, least and most of every limit, by the table under "Limits".
fn page() -> BTreeMap<String, [u64; 3]> {
    let page = read("docs/operations.md");
    let (_, section) = page.split_once("\n## Limits\n").expect("the page has a section about limits");
    let (section, _) = section.split_once("\n## ").expect("it is not the last one");
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, name, default, _, range, ..] = cells[..] else { panic!("{row}") };
        let (least, most) = range.split_once(" to ").unwrap_or_else(|| panic!("{row}"));
        (name.trim_matches('`').to_string(), [number(default), number(least), number(most)])
    })
    .collect()
}

/// The limits with one of them changed.
fn with(name: &str, value: u64) -> Option<Limits> {
    let mut all = serde_json::to_value(Limits::default()).expect("limits are plain numbers");
    all[name] = Value::from(value);
    // A value that does not fit the field's type is out of range, too.
    serde_json::from_value(all).ok()
}

/// The same, by the code.
fn code() -> BTreeMap<String, [u64; 3]> {
    let defaults = serde_json::to_value(Limits::default()).expect("limits are plain numbers");
    let fields = defaults.as_object().expect("a structure");
    let range = |(name, default): (&String, &Value)| {
        // Whichever end is refused names both; a limit from 0 on is refused at the other end.
        let refused = [0, u32::MAX.into(), u64::MAX].into_iter().find_map(|value| {
            with(name, value).and_then(|limits| limits.validate().err()).filter(|error| error.name == name)
        });
        let error = refused.unwrap_or_else(|| panic!("'{name}' takes any value"));
        (name.clone(), [default.as_u64().expect("a number"), error.least, error.most])
    };
    fields.iter().map(range).collect()
}

#[test]
fn the_page_lists_every_limit_as_it_is() {
    assert_eq!(page(), code());
}

#[test]
fn ranges_are_exact() {
    for (name, [default, least, most]) in code() {
        for (value, good) in [(default, true), (least, true), (most, true), (most + 1, false)] {
            let valid = with(&name, value).is_some_and(|limits| limits.validate().is_ok());
            assert_eq!(valid, good, "{name} = {value}");
        }
        if let Some(less) = least.checked_sub(1) {
            assert!(with(&name, less).is_some_and(|limits| limits.validate().is_err()), "{name} = {less}");
        }
    }
}

#[test]
fn every_limit_is_tested_at_the_limit() {
    let tested: Vec<&str> = TESTED.iter().map(|(name, ..)| *name).collect();
    let mut all: Vec<String> = code().into_keys().collect();
    all.sort_by_key(|name| tested.iter().position(|tested| tested == name));
    assert_eq!(tested, all, "each limit has one line");
    for (name, file, function) in TESTED {
        let text = read(file);
        assert!(text.contains(&format!("fn {function}(")), "{file} has no test {function}, which tries '{name}'");
    }
}
