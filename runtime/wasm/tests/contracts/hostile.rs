//! Every host function with numbers at and beyond every edge: pointers, lengths, registers, slices, handles. No call may stop the node,
//! each must end alike on both engines, and a trap burns what the frame had.

use crate::world::{Pair, World, template};
use replicode_contracts::abi::host::{Row, ValueType, table};
use replicode_contracts::account::Address;
use replicode_contracts::receipt::{Receipt, Status, Trap};
use replicode_contracts::template::Template;
use std::fmt::Write as _;

/// Bytes of the prober's memory.
const MEMORY: u32 = 1 << 16;
/// Where probes leave their results.
const RESULT: u32 = 0x400;

/// Storage of every kind, and a function for each host function: it takes its arguments from the input, 8 bytes each, calls, and returns
/// the result in 8 bytes. Handles 0 to 3 are a list, a map, a set and a sorted set, with something in them.
pub fn prober() -> Template {
    let rows: Vec<&Row> = table().iter().filter(|row| !row.is_debug()).collect();
    let functions: Vec<_> = rows
        .iter()
        .map(
            |row| serde_json::json!({"name": row.name, "kind": "call", "args": [{"name": "raw", "type": "list<u64>"}]}),
        )
        .collect();
    let document = serde_json::json!({
        "abi": 1, "name": "prober", "functions": functions,
        "events": [{"name": "Seen", "fields": [{"name": "what", "type": "u64", "topic": true}]}],
        "storage": [
            {"name": "four", "type": "u32", "slice": 0},
            {"name": "eight", "type": "u64", "slice": 1},
            {"name": "wide", "type": "u256", "slice": 2},
            {"name": "count", "type": "counter", "slice": 3},
            {"name": "list", "type": "list<u64>", "slice": 4},
            {"name": "map", "type": "map<u64, map<u64, u64>>", "slice": 5},
            {"name": "set", "type": "set<u64>", "slice": 6},
            {"name": "sorted", "type": "sorted_set<u64>", "slice": 7},
        ],
    });
    template(document, &text(&rows))
}

fn text(rows: &[&Row]) -> String {
    let mut text = String::from("(module\n");
    for row in rows {
        let params: Vec<&str> = row.params.iter().map(|(_, ty)| ty.name()).collect();
        let result = row.result.map_or(String::new(), |ty| format!("(result {})", ty.name()));
        let _ =
            writeln!(text, "(import \"svm\" \"{0}\" (func $i_{0} (param {1}) {result}))", row.name, params.join(" "));
    }
    let _ = writeln!(text, "(memory (export \"memory\") 1)");
    // Something to point at: 256 different bytes, and bounds of a counter.
    let _ =
        writeln!(text, "(data (i32.const 0x100) \"\\00\\01\\02\\03\\04\\05\\06\\07\\08\\09\\0a\\0b\\0c\\0d\\0e\\0f\")");
    let _ = writeln!(text, "(func $prepare");
    for slice in 4..8 {
        let _ = writeln!(text, "  (drop (call $i_open (i32.const {slice})))");
    }
    let _ = writeln!(
        text,
        "  (drop (call $i_list_push (i32.const 0) (i32.const 0x100) (i32.const 8)))
  (drop (call $i_map_insert (i32.const 1) (i32.const 0x100) (i32.const 8) (i32.const 0x108) (i32.const 8)))
  (drop (call $i_create_key (i32.const 1) (i32.const 3) (i32.const 0x108) (i32.const 8)))
  (drop (call $i_set_insert (i32.const 2) (i32.const 0x100) (i32.const 8)))
  (drop (call $i_set_insert (i32.const 3) (i32.const 0x100) (i32.const 8)))
  (call $i_input (i32.const 0) (i32.const 0) (call $i_input_len)))"
    );
    for row in rows {
        let _ = write!(text, "(func (export \"{}\") (call $prepare) ", row.name);
        // The list's count comes first, 4 bytes.
        let argument = |(number, (_, ty)): (usize, &(&str, ValueType))| {
            format!("({}.load (i32.const {}))", ty.name(), 4 + 8 * number)
        };
        let arguments: Vec<String> = row.params.iter().enumerate().map(argument).collect();
        let call = format!("(call $i_{} {})", row.name, arguments.join(" "));
        let _ = match row.result {
            Some(ty) => writeln!(
                text,
                "({}.store (i32.const {RESULT}) {call}) (call $i_output (i32.const {RESULT}) (i32.const 8)))",
                ty.name()
            ),
            None => writeln!(text, "{call} (call $i_output (i32.const 0x100) (i32.const 16)))"),
        };
    }
    text.push(')');
    text
}

pub fn arguments(values: &[u64]) -> Vec<u8> {
    crate::world::encoded(&values.to_vec())
}

/// Numbers that are worth trying, by what a parameter is for.
fn edges(name: &str, ty: ValueType) -> Vec<u64> {
    let pointer = |end: u64| {
        vec![0, 0x100, end - 33, end - 32, end - 20, end - 16, end - 8, end - 1, end, end + 1, u64::from(u32::MAX)]
    };
    let length = vec![0, 1, 4, 8, 16, 32, 64, 65, 256, 257, 65_535, 65_536, 65_537, u64::from(u32::MAX)];
    match name {
        "to" | "from" | "key" | "account" | "list" if ty == ValueType::I32 => pointer(MEMORY.into()),
        "end" | "args" | "bounds" | "signature" | "template" => pointer(MEMORY.into()),
        "len" | "key_len" | "from_len" | "end_len" | "cap" | "args_len" | "count" => length,
        "slice" => vec![0, 1, 2, 3, 4, 5, 7, 8, u64::from(u32::MAX)],
        "bits" | "a_bits" | "b_bits" | "to_bits" | "from_bits" => {
            vec![0, 32, 64, 128, 160, 256, 512, 1024, u64::from(u32::MAX)]
        }
        "a" | "b" | "m" | "index" if ty == ValueType::I32 => vec![0, 3, 4, 7, 8, 15, 16, u64::from(u32::MAX)],
        "offset" => vec![0, 1, 4, 28, 32, 60, 64, 4095, 4096, u64::from(u32::MAX)],
        "map" | "set" | "collection" => vec![0, 1, 2, 3, 4, 1024, u64::from(u32::MAX)],
        "flags" => vec![0, 1, 2, 3, 4, 16, 31, 32, u64::from(u32::MAX)],
        "kind" => vec![0, 1, 2, 5, 6, 256, u64::from(u32::MAX)],
        "limit" => vec![0, 1, 256, 257, u64::from(u32::MAX)],
        _ => match ty {
            ValueType::I32 => vec![0, 1, 2, 0x7fff_ffff, 0x8000_0000, 0xffff_0000, u64::from(u32::MAX)],
            ValueType::I64 => vec![0, 1, u64::MAX >> 1, 1 << 63, u64::MAX],
        },
    }
}

/// Arguments with which a function does its work.
fn good(row: &Row) -> Vec<u64> {
    let handle = |name: &str| match (row.name, name) {
        (_, "map") => 1,
        (_, "collection") => 1,
        ("set_insert", "set") => 2,
        (_, "set") => 3,
        _ => 0,
    };
    let value = |(name, ty): &(&str, ValueType)| match *name {
        "map" | "collection" | "set" => handle(name),
        "list" if row.name.starts_with("list") || row.name.contains("_at") => 0,
        "slice" => match row.name {
            "get64" | "set64" | "get64_be" | "set64_be" => 1,
            "open" => 4,
            name if name.starts_with("counter") => 3,
            name if name.starts_with("reg") => 2,
            _ => 0,
        },
        "bits" | "a_bits" | "b_bits" | "to_bits" | "from_bits" => match row.name {
            "svm_get_balance_from_reg" => 160,
            _ => 256,
        },
        "kind" => 3,
        "len" | "key_len" | "cap" | "args_len" => 4,
        "count" | "offset" | "flags" | "big" | "backward" | "event" | "code" => 0,
        "key" if row.name == "open_key" => 0x108,
        "from_len" | "end_len" => 8,
        _ if *ty == ValueType::I64 => 0,
        "index" | "a" | "b" | "m" => 0,
        _ => 0x100,
    };
    let mut values: Vec<u64> = row.params.iter().map(value).collect();
    if row.name == "reg_copy" {
        (values[1], values[3]) = (1, 0);
    }
    if row.name.starts_with("reg_") && row.params[1].0 == "to" {
        values[1] = 2;
    }
    match row.name {
        // Keys of their own, so that no call finds what another one has made.
        "create_key" => values[2] = 0x104,
        "map_try_add" => values[4] = 0x10c,
        _ => {}
    }
    if row.name == "open_key" {
        values[2] = 8;
    }
    if row.name == "emit" {
        values[3] = 8;
    }
    values
}

fn run(world: &mut World, account: Address, row: &Row, values: &[u64]) -> Receipt {
    world.call(account, row.name, arguments(values))
}

#[test]
fn every_function_does_its_work_alike_on_both_engines() {
    let mut pair = Pair::new();
    let account = pair.both(|world| world.place(&prober()));
    for row in table().iter().filter(|row| !row.is_debug()) {
        let values = good(row);
        let receipt = pair.both(|world| run(world, account, row, &values));
        match row.name {
            "revert" => assert!(matches!(receipt.status, Status::Reverted { code: 0, .. }), "{}", receipt.status),
            "reg_div" | "reg_rem" | "reg_mulmod" => {
                assert_eq!(receipt.status, Status::Trapped { trap: Trap::DivisionByZero }, "{}", row.name);
            }
            // Nothing has been returned or passed yet, and the list's first element is a value.
            "result" | "passed" => assert_eq!(receipt.status, Status::Trapped { trap: Trap::Host }, "{}", row.name),
            "open_at" | "list_try_add" => {
                assert_eq!(receipt.status, Status::Trapped { trap: Trap::Storage }, "{}", row.name)
            }
            _ => assert!(receipt.is_success(), "{}{values:?}: {}", row.name, receipt.status),
        }
    }
}

#[test]
fn edges_end_alike_on_both_engines_and_never_stop_the_node() {
    let mut pair = Pair::new();
    let account = pair.both(|world| world.place(&prober()));
    (pair.ours.gas_limit, pair.other.gas_limit) = (3_000_000, 3_000_000);
    let (mut runs, mut traps) = (0, 0);
    for row in table().iter().filter(|row| !row.is_debug()) {
        let base = good(row);
        for (at, (name, ty)) in row.params.iter().enumerate() {
            for edge in edges(name, *ty) {
                let mut values = base.clone();
                values[at] = edge;
                let receipt = pair.both(|world| run(world, account, row, &values));
                runs += 1;
                if matches!(receipt.status, Status::Trapped { .. } | Status::OutOfGas) {
                    traps += 1;
                    assert_eq!(receipt.gas.burnt, receipt.gas.limit, "{}{values:?}", row.name);
                }
            }
        }
    }
    assert!(runs > 1500 && traps > 400 && traps < runs, "{runs} runs, {traps} traps");
}

/// Two edges at once: a pointer with a length that leads exactly to the end, and one byte further.
#[test]
fn memory_is_reached_up_to_its_last_byte_and_not_beyond() {
    let mut world = World::new();
    let account = world.place(&prober());
    let end = u64::from(MEMORY);
    let mut status = |name: &str, values: &[u64]| world.call(account, name, arguments(values)).status;
    let memory = Status::Trapped { trap: Trap::Memory };
    for (name, before, len) in
        [("pass", vec![], 4), ("output", vec![], 4), ("blake3", vec![0u64], 64), ("emit", vec![0, 0], 8)]
    {
        let values = |at: u64| [before.clone(), vec![at, len]].concat();
        assert_eq!(
            status(name, &values(end - len)),
            // The last bytes are zeros, which are as good as any others.
            Status::Success,
            "{name}"
        );
        assert_eq!(status(name, &values(end - len + 1)), memory, "{name}");
        assert_eq!(status(name, &values(end)), memory, "{name}");
        assert_eq!(status(name, &values(u64::from(u32::MAX))), memory, "{name}");
    }
    for (name, bytes) in [("address", 20), ("sender", 20), ("principal", 20), ("template", 32), ("value", 16)] {
        assert_eq!(status(name, &[end - bytes]), Status::Success, "{name}");
        assert_eq!(status(name, &[end - bytes + 1]), memory, "{name}");
    }
    assert_eq!(status("pass", &[end, 0]), Status::Success, "nothing at the end");
    assert_eq!(status("pass", &[end + 1, 0]), memory, "nothing beyond the end");
}
