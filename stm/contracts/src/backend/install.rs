//! Taking over a state from elsewhere: contents become cells, layouts and events again.

use super::contents::Behind;
use super::runtime::{Executor, Runtime};
use super::seal::{Layouts, MOMENT, fault};
use super::{Error, Result};
use crate::account::{Account, Address};
use crate::cell::{Access, CellKey};
use crate::event::{Event, Index, Place};
use crate::kv::KeyValue;
use crate::proof::{self, AccountContent, Contents};
use crate::run::{Config, Moment, cells};
use crate::slice::Layout;
use crate::state::{self, Nothing, Received, Session, Storage, Written, read};
use crate::tree::{Name, View, beside_parts};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// What is kept beside the state.
#[derive(Default)]
pub(super) struct Beside {
    pub(super) index: Index,
    pub(super) moment: Moment,
    /// Cells of no contract and no account.
    cells: Vec<(CellKey, Vec<u8>)>,
}

impl Beside {
    fn of(view: View<'_>, contents: &mut dyn Contents) -> Result<Self> {
        let mut all = Self::default();
        for (key, value) in view.leaves(&Name::Beside) {
            let content = read(contents, &Name::Beside, &key, &value)?;
            all.take(&content).ok_or(state::Fault::Content { name: Name::Beside, hash: value })?;
        }
        Ok(all)
    }

    fn take(&mut self, content: &[u8]) -> Option<()> {
        let (key, bytes) = beside_parts(content)?;
        let (kind, key) = key.split_first()?;
        match kind {
            b'c' => self.cells.push((CellKey(key.try_into().ok()?), bytes.to_vec())),
            b'e' => {
                let (batch, key) = key.split_first_chunk()?;
                let (position, number) = key.split_first_chunk()?;
                let place = Place {
                    batch: u64::from_be_bytes(*batch),
                    position: u32::from_be_bytes(*position),
                    number: u32::from_be_bytes(number.try_into().ok()?),
                };
                self.index.insert(place, borsh::from_slice::<Event>(bytes).ok()?);
            }
            _ if kind == &MOMENT[0] => (self.moment.time, self.moment.seed) = borsh::from_slice(bytes).ok()?,
            _ => return None,
        }
        Some(())
    }
}

/// What is kept beside the state now.
pub(super) fn beside<K: KeyValue>(storage: &Storage<K>) -> Result<Beside> {
    Beside::of(storage.forest().now(), &mut Behind(storage))
}

/// All that is not in contents as it is in the store.
struct Unpacked {
    written: Written,
    layouts: BTreeMap<[u8; 20], Arc<Layout>>,
    beside: Beside,
}

/// Accounts, templates, and what is beside them, as cells.
fn unpack(received: &mut Received<'_>, known: &mut Layouts, config: &Config) -> Result<Unpacked> {
    let (view, contents) = (received.forest.now(), &mut *received.contents);
    let beside = Beside::of(view, contents)?;
    let (mut nothing, mut layouts) = (Nothing, BTreeMap::new());
    let mut session = Session::new(&mut nothing);
    for (key, value) in view.leaves(&Name::Codes) {
        let bytes = read(contents, &Name::Codes, &key, &value)?;
        cells::store_template(&mut session, &value, &bytes).map_err(fault)?;
    }
    for (key, value) in view.leaves(&Name::Accounts) {
        let content = read(contents, &Name::Accounts, &key, &value)?;
        let (address, record, balance) =
            account_of(&content).ok_or(state::Fault::Content { name: Name::Accounts, hash: value })?;
        if record != Account::default() {
            cells::set_record(&mut session, &address, &record).map_err(fault)?;
        }
        cells::credit(&mut session, &address, balance).map_err(fault)?;
        if let Some(template) = record.template {
            layouts.insert(*address.as_bytes(), known.of(&mut session, &template, config)?);
        }
    }
    for (key, bytes) in &beside.cells {
        session.set(key, bytes)?;
    }
    Ok(Unpacked { written: session.finish(), layouts, beside })
}

/// Address, record and balance of an account, from the content of its leaf.
#[must_use]
pub fn account_of(content: &[u8]) -> Option<(Address, Account, u128)> {
    let account = AccountContent::decode(content)?;
    let (record, balance) = borsh::from_slice(account.rest).ok()?;
    Some((Address::from_bytes(account.address), record, balance))
}

impl<K: KeyValue + Send + 'static, E: Executor<K>> Runtime<K, E> {
    pub(super) fn take_over(&mut self, batch: proof::Batch, mut received: Received<'_>) -> Result<()> {
        let view = received.forest.now();
        for (name, root) in [(Name::Accounts, batch.root), (Name::Receipts, batch.receipts)] {
            let has = view.root(&name);
            if has != root {
                let why = format!("{name} have root {has}, and batch {} has {root}", batch.index);
                return Err(Error::Order { verb: "install a state", why });
            }
        }
        if received.forest.newest() != batch.index {
            let why =
                format!("the trees are those after batch {}, and this is {}", received.forest.newest(), batch.index);
            return Err(Error::Order { verb: "install a state", why });
        }
        let Unpacked { written, layouts, beside } = unpack(&mut received, &mut self.layouts, &self.config)?;
        self.storage(|storage| storage.install(received, layouts, &written))??;
        self.heads = VecDeque::from([batch]);
        self.moment = Moment { batch: batch.index, ..beside.moment };
        self.events = beside.index;
        self.carried.clear();
        Ok(())
    }
}
