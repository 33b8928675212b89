//! A few contracts, kept twice: as plain maps, from which all contents and roots follow by brute force, and as a forest that is only
//! told what has changed.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use replicode_contracts::hash::{self, Domain, Hash};
use replicode_contracts::proof::{Contents, account_content, element_content};
use replicode_contracts::tree::{Forest, Name, Schema, Whole, oracle};

/// What happens to a contract.
#[derive(Clone, Debug)]
pub enum Op {
    /// An element of its map.
    Put { account: u8, key: Vec<u8>, value: Vec<u8> },
    /// An element of a map that is an element of its map.
    Nest { account: u8, key: Vec<u8>, inner: Vec<u8>, value: Vec<u8> },
    /// The element goes, and all that is in it.
    Remove { account: u8, key: Vec<u8> },
    /// The element stands at another key now, as in a list from which one was removed.
    Move { account: u8, key: Vec<u8>, to: Vec<u8> },
    /// A byte of its pages, behind the map's state.
    Byte { account: u8, page: u32, offset: u32, value: u8 },
    /// The account itself, without its contract's state.
    Rest { account: u8, rest: Vec<u8> },
    /// The account goes.
    Close { account: u8 },
}

/// Any of them, on few accounts, keys and pages.
pub fn op() -> impl Strategy<Value = Op> {
    let account = 0..6_u8;
    let key = || proptest::collection::vec(0..4_u8, 0..4);
    let value = || proptest::collection::vec(any::<u8>(), 0..80);
    prop_oneof![
        8 => (account.clone(), key(), value()).prop_map(|(account, key, value)| Op::Put { account, key, value }),
        4 => (account.clone(), key(), key(), value())
            .prop_map(|(account, key, inner, value)| Op::Nest { account, key, inner, value }),
        3 => (account.clone(), key()).prop_map(|(account, key)| Op::Remove { account, key }),
        2 => (account.clone(), key(), key()).prop_map(|(account, key, to)| Op::Move { account, key, to }),
        6 => (account.clone(), 0..3_u32, prop_oneof![40..90_u32, 32..4096_u32], any::<u8>())
            .prop_map(|(account, page, offset, value)| Op::Byte { account, page, offset, value }),
        1 => (account.clone(), value()).prop_map(|(account, rest)| Op::Rest { account, rest }),
        1 => account.prop_map(|account| Op::Close { account }),
    ]
}

#[derive(Clone, Debug)]
pub enum Value {
    Bytes(Vec<u8>),
    Map(Hash, BTreeMap<Vec<u8>, Vec<u8>>),
}

#[derive(Clone, Debug, Default)]
pub struct Account {
    pub pages: BTreeMap<u32, Vec<u8>>,
    pub map: BTreeMap<Vec<u8>, Value>,
    pub rest: Vec<u8>,
}

/// Contents by tree and key.
pub type All = BTreeMap<(Name, Hash), Vec<u8>>;

pub struct World {
    pub accounts: BTreeMap<u8, Account>,
    pub forest: Forest,
    pub all: All,
    serial: u64,
}

pub const PAGE: usize = 4096;

pub fn address(account: u8) -> [u8; 20] {
    hash::of(Domain::Address, &[account]).prefix()
}

/// The name of a contract's map, whose state stands in the first 32 bytes of its page 0.
pub fn map_of(address: &[u8; 20]) -> Name {
    Name::Collection { account: *address, id: hash::of(Domain::Cell, address) }
}

/// The meaning of these contracts' pages and elements.
#[derive(Clone, Copy, Debug, Default)]
pub struct Toy;

impl Schema for Toy {
    fn leaf(&self, name: &Name, content: &[u8]) -> Option<(Hash, Hash)> {
        match name {
            Name::Pages { account } => {
                let (index, bytes) = content.split_first_chunk()?;
                let trimmed = bytes.last().is_some_and(|last| *last != 0);
                let hash = hash::page(account, u32::from_le_bytes(*index), bytes);
                trimmed.then(|| (hash::key(index), hash))
            }
            Name::Collection { .. } => {
                let (length, rest) = content.split_first_chunk()?;
                let key = rest.get(..usize::from(u16::from_le_bytes(*length)))?;
                Some((hash::key(key), hash::of(Domain::Element, content)))
            }
            _ => None,
        }
    }

    fn children(&self, name: &Name, content: &[u8]) -> Vec<(Name, Hash)> {
        match name {
            Name::Pages { account } if content[..4] == [0; 4] => {
                let mut page = content[4..].to_vec();
                page.resize(PAGE, 0);
                let state: [u8; 32] = page[..32].try_into().expect("32 bytes");
                vec![(map_of(account), Hash::new(state))]
            }
            Name::Collection { account, .. } => {
                let length = usize::from(u16::from_le_bytes([content[0], content[1]]));
                let value = &content[2 + length..];
                match value.first() {
                    Some(3) => {
                        let id: [u8; 32] = value[1..33].try_into().expect("32 bytes");
                        let state: [u8; 32] = value[33..].try_into().expect("32 bytes");
                        vec![(Name::Collection { account: *account, id: Hash::new(id) }, Hash::new(state))]
                    }
                    _ => Vec::new(),
                }
            }
            _ => Vec::new(),
        }
    }

    fn describe(&self, name: &Name, _: &[u8]) -> String {
        name.to_string()
    }
}

/// Contents from a map.
pub struct From<'a>(pub &'a All);

impl Contents for From<'_> {
    fn content(&mut self, name: &Name, key: &Hash, value: &Hash) -> Result<Vec<u8>, String> {
        let content = self.0.get(&(*name, *key)).ok_or("not there")?;
        match Whole(Toy).leaf(name, content) == Some((*key, *value)) {
            true => Ok(content.clone()),
            false => Err("another one".to_string()),
        }
    }
}

impl World {
    pub fn new(depth: usize) -> World {
        World { accounts: BTreeMap::new(), forest: Forest::new(0, depth), all: All::new(), serial: 0 }
    }

    pub fn apply(&mut self, op: &Op) {
        self.serial += 1;
        let id = hash::of(Domain::Cell, &self.serial.to_le_bytes());
        let (Op::Put { account, .. }
        | Op::Nest { account, .. }
        | Op::Remove { account, .. }
        | Op::Move { account, .. }
        | Op::Byte { account, .. }
        | Op::Rest { account, .. }
        | Op::Close { account }) = op;
        if let Op::Close { account } = op {
            self.accounts.remove(account);
            return;
        }
        let contract = self.accounts.entry(*account).or_default();
        match op {
            Op::Put { key, value, .. } => drop(contract.map.insert(key.clone(), Value::Bytes(value.clone()))),
            Op::Nest { key, inner, value, .. } => {
                let element = contract.map.entry(key.clone()).or_insert(Value::Map(id, BTreeMap::new()));
                if let Value::Bytes(_) = element {
                    *element = Value::Map(id, BTreeMap::new());
                }
                if let Value::Map(_, map) = element {
                    map.insert(inner.clone(), value.clone());
                }
            }
            Op::Remove { key, .. } => drop(contract.map.remove(key)),
            Op::Move { key, to, .. } => {
                if let Some(element) = contract.map.remove(key) {
                    contract.map.insert(to.clone(), element);
                }
            }
            Op::Byte { page, offset, value, .. } => {
                contract.pages.entry(*page).or_insert_with(|| vec![0; PAGE])[*offset as usize] = *value;
            }
            Op::Rest { rest, .. } => contract.rest.clone_from(rest),
            Op::Close { .. } => {}
        }
    }

    /// What changed, with the state after it in the forest.
    pub fn commit(&mut self) -> Vec<(Name, Hash, Option<Vec<u8>>)> {
        let all = contents(&self.accounts);
        let mut places: BTreeSet<(Name, Hash)> = self.all.keys().copied().collect();
        places.extend(all.keys());
        places.retain(|place| all.get(place) != self.all.get(place));
        let mut by_tree: BTreeMap<Name, Vec<(Hash, Option<Hash>)>> = BTreeMap::new();
        for (name, key) in &places {
            let value = all.get(&(*name, *key)).map(|content| Whole(Toy).leaf(name, content).expect("a leaf").1);
            by_tree.entry(*name).or_default().push((*key, value));
        }
        self.forest.update_all(&by_tree.into_iter().collect::<Vec<_>>()).expect("updates");
        self.all = all;
        places.into_iter().map(|(name, key)| (name, key, self.all.get(&(name, key)).cloned())).collect()
    }
}

/// All contents of these contracts, states innermost first, by the oracle.
pub fn contents(accounts: &BTreeMap<u8, Account>) -> All {
    let mut all = All::new();
    for (account, contract) in accounts {
        let address = address(*account);
        for (key, value) in &contract.map {
            let content = match value {
                Value::Bytes(value) => element_content(key, 0, value),
                Value::Map(id, map) => {
                    let name = Name::Collection { account: address, id: *id };
                    let inner = map.iter().map(|(key, value)| element_content(key, 0, value));
                    put_all(&mut all, name, inner);
                    element_content(key, 3, &[id.as_bytes().as_slice(), root(&all, name).as_bytes()].concat())
                }
            };
            put_all(&mut all, map_of(&address), [content]);
        }
        let mut pages = contract.pages.clone();
        let state = root(&all, map_of(&address));
        pages.entry(0).or_insert_with(|| vec![0; PAGE])[..32].copy_from_slice(state.as_bytes());
        let of_pages = pages.iter().filter_map(|(index, bytes)| {
            let end = bytes.iter().rposition(|byte| *byte != 0)? + 1;
            Some([index.to_le_bytes().as_slice(), &bytes[..end]].concat())
        });
        let name = Name::Pages { account: address };
        put_all(&mut all, name, of_pages);
        let state = root(&all, name);
        put_all(&mut all, Name::Accounts, [account_content(&address, &state, &contract.rest)]);
    }
    all
}

fn put_all(all: &mut All, name: Name, contents: impl IntoIterator<Item = Vec<u8>>) {
    for content in contents {
        let (key, _) = Whole(Toy).leaf(&name, &content).expect("a leaf");
        all.insert((name, key), content);
    }
}

/// The root of a tree over these contents.
pub fn root(all: &All, name: Name) -> Hash {
    let own = all.range((name, Hash::ZERO)..).take_while(|((other, _), _)| *other == name);
    oracle::root(&own.map(|((name, _), content)| Whole(Toy).leaf(name, content).expect("a leaf")).collect())
}
