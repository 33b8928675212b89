//! A document that tests of several modules use.

use super::Abi;

/// A token with a little of everything.
pub(crate) fn token() -> Abi {
    let json = serde_json::json!({
        "abi": 1,
        "name": "token",
        "types": {
            "Point": {"struct": [{"name": "x", "type": "u32"}, {"name": "y", "type": "i32"}]},
            "Side": {"enum": [{"name": "Buy"}, {"name": "Sell", "fields": [{"name": "price", "type": "u64"}]}]},
        },
        "functions": [
            {"name": "new", "kind": "init", "payable": true, "args": [{"name": "supply", "type": "u128"}]},
            {"name": "transfer", "kind": "call",
             "args": [{"name": "to", "type": "address"}, {"name": "amount", "type": "u128"}], "returns": "bool"},
            {"name": "balance_of", "kind": "view", "args": [{"name": "owner", "type": "address"}], "returns": "u128"},
        ],
        "errors": [
            {"name": "InsufficientFunds", "code": 1,
             "fields": [{"name": "have", "type": "u128"}, {"name": "need", "type": "u128"}]},
            {"name": "Paused", "code": 2},
        ],
        "events": [
            {"name": "Transfer", "fields": [
                {"name": "from", "type": "address", "topic": true},
                {"name": "to", "type": "address", "topic": true},
                {"name": "amount", "type": "u128"},
            ]},
        ],
        "storage": [
            {"name": "supply", "type": "u128", "slice": 0},
            {"name": "balances", "type": "map<address, counter>", "slice": 1},
            {"name": "owner", "type": "option<address>", "slice": 2},
        ],
    });
    Abi::parse(json.to_string().as_bytes()).expect("a good document")
}
