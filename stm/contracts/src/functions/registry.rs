//! Which functions there are: numbers to what they are, names to numbers, digests to modules.

use super::answer::{Code, Entry};
use super::engine::{Facts, Refused};
use super::limits;
use super::number::Number;
use super::place::{self, Result, bytes, fault, functions, names};
use super::request::{Config, Which};
use crate::cell::{Access, CellKey};
use crate::collection::{Map, Range};
use crate::hash::Hash;
use crate::run::Fault;
use crate::transaction::encode;
use std::collections::BTreeSet;

/// What this module answers: a fault, a refusal, or what was asked for.
pub(super) type Answer<T, A> = Result<std::result::Result<T, Refused>, A>;

pub(super) fn refused<T, E>(
    code: Code,
    message: impl Into<String>,
) -> std::result::Result<std::result::Result<T, Refused>, E> {
    Ok(Err(Refused { code, message: message.into(), returned: None }))
}

fn decode<E>(bytes: &[u8]) -> std::result::Result<Entry, Fault<E>> {
    borsh::from_slice(bytes).map_err(|_| Fault::Damaged { cell: CellKey([0; 32]), what: "an element is no function" })
}

/// The function of a number.
pub(super) fn by_number<A: Access>(cells: &mut A, number: Number) -> Result<Option<Entry>, A> {
    match bytes(cells, functions(), &number.0)? {
        Some(found) => decode(&found).map(Some),
        None => Ok(None),
    }
}

fn by_name<A: Access>(cells: &mut A, name: &str) -> Result<Option<Number>, A> {
    if name.is_empty() || name.len() > limits::NAME {
        return Ok(None);
    }
    let found = bytes(cells, names(), name.as_bytes())?;
    Ok(found.and_then(|number| Some(Number(number.try_into().ok()?))))
}

/// A function.
pub(super) fn find<A: Access>(cells: &mut A, which: &Which) -> Result<Option<Entry>, A> {
    let number = match which {
        Which::Number(number) => Some(*number),
        Which::Name(name) => by_name(cells, name)?,
    };
    match number {
        Some(number) => by_number(cells, number),
        None => Ok(None),
    }
}

/// A function, or that there is none.
pub(super) fn found<A: Access>(cells: &mut A, which: &Which) -> Answer<Entry, A> {
    if let Some(entry) = find(cells, which)? {
        return Ok(Ok(entry));
    }
    let shown = match which {
        Which::Number(number) => number.to_string(),
        Which::Name(name) => name.chars().take(100).collect::<String>().escape_debug().to_string(),
    };
    refused(Code::NotFound, format!("no function is called '{shown}': 'replicode fn list' shows all"))
}

/// Names go into files, terminals and requests.
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !name.is_empty() && name.len() <= limits::NAME && name.bytes().all(plain) && Number::parse(name).is_none()
}

/// What an engine says of a module.
type Checked = std::result::Result<std::result::Result<Facts, Refused>, String>;

/// What is to be loaded.
pub(super) struct Load<'a> {
    pub(super) wasm: &'a [u8],
    pub(super) name: &'a str,
    pub(super) namespace: Option<&'a str>,
    pub(super) config: Config,
    pub(super) replace: bool,
}

/// Loads a function. With it, whether it was there already.
pub(super) fn load<A: Access>(
    cells: &mut A,
    load: &Load<'_>,
    check: impl FnOnce(&[u8; 32]) -> Checked,
) -> Answer<(Entry, bool), A> {
    let name = load.name;
    if !is_name(name) {
        let shown: String = name.chars().take(80).collect();
        let most = limits::NAME;
        let text = format!(
            "'{}' cannot be a name: 1 to {most} letters, digits, '-', '_' and '.', and not what a UUID looks like",
            shown.escape_debug()
        );
        return refused(Code::BadRequest, text);
    }
    if load.namespace.is_some_and(|name| name.is_empty() || name.len() > limits::NAMESPACE) {
        return refused(Code::BadRequest, format!("the name of a namespace has 1 to {} bytes", limits::NAMESPACE));
    }
    let length = load.wasm.len();
    if length > limits::MODULE_BYTES {
        let text = format!("the module has {length} bytes, and a cell takes {}", limits::MODULE_BYTES);
        return refused(Code::BadModule, text);
    }
    let digest = super::number::digest(load.wasm);
    let number = Number::of_function(&digest, load.namespace);
    let other = by_name(cells, name)?.filter(|other| *other != number);
    if let Some(other) = other.filter(|_| !load.replace) {
        return refused(
            Code::BadRequest,
            format!("'{name}' is another function, {other}: give another name, or --replace"),
        );
    }
    let old = by_number(cells, number)?;
    let cached = old.is_some();
    let mut entry = match old {
        Some(old) => Entry { config: load.config, ..old },
        None => match add(cells, load, &digest, number, check)? {
            Ok(entry) => entry,
            Err(refused) => return Ok(Err(refused)),
        },
    };
    if !entry.names.iter().any(|own| own == name) {
        entry.names.push(name.to_string());
    }
    if encode(&entry).len() > limits::VALUE {
        let names = entry.names.len();
        return refused(
            Code::Overloaded,
            format!("{number} with {names} names takes more room than a function may have: unload it first"),
        );
    }
    if let Some(other) = other {
        take_name(cells, other, name)?;
    }
    names().insert(cells, name.as_bytes(), &number.0).map_err(fault)?;
    put(cells, &entry)?;
    Ok(Ok((entry, cached)))
}

fn put<A: Access>(cells: &mut A, entry: &Entry) -> Result<(), A> {
    functions().insert(cells, &entry.number.0, &encode(entry)).map_err(fault)?;
    Ok(())
}

/// A function that is not there yet: its module is checked and stored.
fn add<A: Access>(
    cells: &mut A,
    load: &Load<'_>,
    digest: &[u8; 32],
    number: Number,
    check: impl FnOnce(&[u8; 32]) -> Checked,
) -> Answer<Entry, A> {
    let count = functions().len(cells).map_err(fault)?;
    if count >= limits::FUNCTIONS {
        let text = format!("the cell has {count} functions and takes {}: unload some", limits::FUNCTIONS);
        return refused(Code::Overloaded, text);
    }
    let facts = match check(digest) {
        Ok(Ok(facts)) => facts,
        Ok(Err(refused)) => return Ok(Err(refused)),
        Err(why) => return Err(Fault::Engine { template: Hash::new(*digest), why }),
    };
    let mut imports = facts.imports;
    let mut seen = BTreeSet::new();
    imports.retain(|import| seen.insert(import.clone()));
    place::found(cells)?;
    let bytes = load.wasm.len() as u64;
    if !is_stored(cells, digest)? {
        if !place::count_module(cells, bytes.into())? {
            let most = limits::MODULES_BYTES;
            return refused(Code::Overloaded, format!("all modules of a cell may have {most} bytes: unload some"));
        }
        place::put_module(cells, digest, load.wasm)?;
    }
    users(cells, digest, 1)?;
    Ok(Ok(Entry {
        number,
        digest: *digest,
        bytes,
        namespace: load.namespace.map(str::to_string),
        config: load.config,
        names: Vec::new(),
        imports,
        memory: facts.memory,
        stateful: facts.stateful,
    }))
}

/// How many functions are made of a module: beside its bytes, in the table of names, under a key that is no name.
fn users_key(digest: &[u8; 32]) -> [u8; 33] {
    let mut key = [0; 33];
    for (to, from) in key.iter_mut().skip(1).zip(digest) {
        *to = *from;
    }
    key
}

fn count_users<A: Access>(cells: &mut A, digest: &[u8; 32]) -> Result<u32, A> {
    let found = bytes(cells, names(), &users_key(digest))?;
    Ok(found.and_then(|count| Some(u32::from_le_bytes(count.try_into().ok()?))).unwrap_or(0))
}

fn is_stored<A: Access>(cells: &mut A, digest: &[u8; 32]) -> Result<bool, A> {
    Ok(count_users(cells, digest)? > 0)
}

/// One more, or one fewer. How many there are now.
fn users<A: Access>(cells: &mut A, digest: &[u8; 32], delta: i32) -> Result<u32, A> {
    let now = count_users(cells, digest)?.saturating_add_signed(delta);
    let key = users_key(digest);
    match now {
        0 => _ = names().remove(cells, &key).map_err(fault)?,
        _ => _ = names().insert(cells, &key, &now.to_le_bytes()).map_err(fault)?,
    }
    Ok(now)
}

/// Takes a name away from a function, and the function itself with its last one.
fn take_name<A: Access>(cells: &mut A, number: Number, name: &str) -> Result<(), A> {
    let Some(mut entry) = by_number(cells, number)? else { return Ok(()) };
    entry.names.retain(|own| own != name);
    if entry.names.is_empty() { remove(cells, &entry) } else { put(cells, &entry) }
}

fn remove<A: Access>(cells: &mut A, entry: &Entry) -> Result<(), A> {
    functions().remove(cells, &entry.number.0).map_err(fault)?;
    if users(cells, &entry.digest, -1)? == 0 {
        place::count_module(cells, -i128::from(entry.bytes))?;
        place::remove_module(cells, &entry.digest, entry.bytes)?;
    }
    Ok(())
}

/// Unloads a function with all its names.
pub(super) fn unload<A: Access>(cells: &mut A, which: &Which) -> Answer<(Number, String), A> {
    let entry = match found(cells, which)? {
        Ok(entry) => entry,
        Err(refused) => return Ok(Err(refused)),
    };
    for name in &entry.names {
        names().remove(cells, name.as_bytes()).map_err(fault)?;
    }
    remove(cells, &entry)?;
    Ok(Ok((entry.number, entry.names.into_iter().next().unwrap_or_default())))
}

/// All functions, in the order of their first names.
pub(super) fn all<A: Access>(cells: &mut A) -> Result<Vec<Entry>, A> {
    let map: Map = functions();
    let found = map.iterate(cells, &Range::forward(limits::FUNCTIONS as usize)).map_err(fault)?;
    let mut all = Vec::with_capacity(found.len());
    for (_, entry) in found {
        if let crate::collection::Entry::Bytes(bytes) = entry {
            all.push(decode(&bytes)?);
        }
    }
    all.sort_by(|a, b| a.names.cmp(&b.names).then(a.number.cmp(&b.number)));
    Ok(all)
}
