//! What a batch leaves behind: from changed cells to layouts, states, accounts, receipts, events, roots and a digest.
//!
//! ```text
//! changes ─ layouts of new contracts ─ states, innermost first ─ accounts, templates, what is beside ─ root ┐
//!               receipts, filled with the states ──────────────────────────────── root of the receipts ─────┴─ digest
//! ```

use super::{Error, Result};
use crate::account::{Account, Address};
use crate::cell::CellKey;
use crate::event::{Index, Place};
use crate::hash::{self, Hash};
use crate::kv::KeyValue;
use crate::proof;
use crate::receipt::{Receipt, StateAfter, Status};
use crate::run::cells::{self, About};
use crate::run::{Config, Fault, Moment};
use crate::slice::Layout;
use crate::state::{self, Changes, Content, Session, Storage, Stored};
use crate::template::Template;
use crate::transaction::encode;
use crate::tree::{Name, beside};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A content that has changed: tree, key in it, and what stands there now.
pub type Leaf = (Name, Hash, Option<Vec<u8>>);

/// What a batch leaves behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// When it was.
    pub moment: Moment,
    /// One for each transaction, in their order.
    pub receipts: Vec<Receipt>,
    /// Roots, and the batch before.
    pub batch: proof::Batch,
    /// The roots of the trees that no other refers to.
    pub tops: Vec<(Name, Hash)>,
    /// Contents that have changed since the batch before, those of receipts excepted: the receipts are these and no others.
    pub contents: Vec<Leaf>,
}

/// Trees that no other refers to.
pub(crate) const TOPS: [Name; 4] = [Name::Accounts, Name::Receipts, Name::Codes, Name::Beside];

/// Expired events whose space a batch frees. More than one batch can emit, so the space is bounded.
const RECLAIMED: usize = 1 << 16;

/// The content of an account's leaf behind address and state: template, nonce, spawns and balance, borsh.
#[must_use]
pub fn account_rest(record: &Account, balance: u128) -> Vec<u8> {
    encode(&(record, balance))
}

/// What a fault of a run over the store is for a backend.
pub(super) fn fault(fault: Fault<state::Fault>) -> Error {
    match fault {
        Fault::Access(fault) => Error::Store(fault),
        other => Error::Fault(other.to_string()),
    }
}

impl Sealed {
    /// The content of an account's leaf, if the batch has changed it; none within for one that is no more.
    #[must_use]
    pub fn account(&self, account: &Address) -> Option<Option<&[u8]>> {
        let key = hash::key(account.as_bytes());
        let found = self.contents.iter().rev().find(|(name, at, _)| *name == Name::Accounts && *at == key);
        found.map(|(_, _, content)| content.as_deref())
    }

    /// Contents of the leaves of the batch's receipts, by their keys.
    pub fn receipt_contents(&self) -> impl Iterator<Item = (Hash, Vec<u8>)> {
        receipt_contents(&self.receipts).into_iter()
    }
}

/// Of the same transaction several times in a batch, the receipt with an effect: its nonce allows one at most. Without any, the last.
fn receipt_contents(receipts: &[Receipt]) -> BTreeMap<Hash, Vec<u8>> {
    let mut stands: BTreeMap<Hash, &Receipt> = BTreeMap::new();
    for receipt in receipts {
        let skipped = |receipt: &Receipt| matches!(receipt.status, Status::Skipped { .. });
        let stood = stands.entry(receipt.transaction).or_insert(receipt);
        if skipped(stood) {
            *stood = receipt;
        }
    }
    let content = |receipt: &Receipt| [receipt.transaction.as_bytes().as_slice(), &receipt.encode()].concat();
    stands.into_values().map(|it| (hash::key(it.transaction.as_bytes()), content(it))).collect()
}

/// Layouts by template: accounts of one template share one.
#[derive(Default)]
pub(super) struct Layouts {
    by_template: BTreeMap<Hash, Arc<Layout>>,
}

impl Layouts {
    pub(super) fn of<S: Stored>(
        &mut self,
        cells: &mut Session<'_, S>,
        template: &Hash,
        config: &Config,
    ) -> Result<Arc<Layout>> {
        if let Some(layout) = self.by_template.get(template) {
            return Ok(Arc::clone(layout));
        }
        let bad = |why: &str| Error::Fault(format!("template {template} has no layout: {why}"));
        let bytes = cells::template(cells, template).map_err(fault)?.ok_or_else(|| bad("it is not stored"))?;
        self.read(template, &bytes, config)
    }

    /// Of a template's bytes.
    pub(super) fn read(&mut self, template: &Hash, bytes: &[u8], config: &Config) -> Result<Arc<Layout>> {
        let bad = |why: &str| Error::Fault(format!("template {template} has no layout: {why}"));
        let decoded = Template::decode(bytes, &config.limits.template).map_err(|why| bad(&why.to_string()))?;
        let layout = decoded.layout.to_storage().map_err(|_| bad("its slices do not fit"))?;
        let layout = Arc::new(layout);
        self.by_template.insert(*template, Arc::clone(&layout));
        Ok(layout)
    }

    /// Accounts are what they were before: so are their layouts.
    pub(super) fn after_rewind<K: KeyValue>(
        &mut self,
        storage: &mut Storage<K>,
        changed: &[CellKey],
        config: &Config,
    ) -> Result<()> {
        for key in changed {
            let Some(About::Record(account)) = cells::about(key) else { continue };
            let mut session = storage.session();
            match cells::record(&mut session, &account).map_err(fault)?.template {
                Some(template) => {
                    let layout = self.of(&mut session, &template, config)?;
                    storage.set_layout(*account.as_bytes(), layout);
                }
                None => storage.forget_layout(account.as_bytes()),
            }
        }
        Ok(())
    }
}

/// The store as it is with the changes.
struct With<'a, 'c, K> {
    storage: &'a mut Storage<K>,
    changes: &'a Changes<'c>,
}

impl<K: KeyValue> Stored for With<'_, '_, K> {
    fn cell(&mut self, key: &CellKey) -> std::result::Result<Option<Vec<u8>>, state::Fault> {
        match self.changes.of(key) {
            Some(change) => Ok(change.new.map(<[u8]>::to_vec)),
            None => self.storage.cell(key),
        }
    }

    fn sum(&mut self, key: &CellKey) -> std::result::Result<i128, state::Fault> {
        match self.changes.of_sum(key) {
            Some(change) => Ok(change.new),
            None => self.storage.sum(key),
        }
    }
}

/// Stores what was executed: states, accounts, templates, and what is beside them.
pub(super) fn take_in<K: KeyValue>(
    storage: &mut Storage<K>,
    changes: &Changes<'_>,
    layouts: &mut Layouts,
    config: &Config,
    carried: &mut Vec<Leaf>,
) -> Result<()> {
    let (mut accounts, mut codes, mut others) = (BTreeSet::new(), Vec::new(), BTreeMap::new());
    let mut laid_out = Vec::new();
    for change in changes.bytes().iter().filter(|change| change.key.class().is_none()) {
        match cells::about(&change.key) {
            Some(About::Record(account)) => {
                accounts.insert(account);
                let template = |bytes: Option<&[u8]>| borsh::from_slice::<Account>(bytes?).ok()?.template;
                if let Some(template) = template(change.new).filter(|new| template(change.old) != Some(*new)) {
                    let mut with = With { storage, changes };
                    laid_out.push((account, layouts.of(&mut Session::new(&mut with), &template, config)?));
                }
            }
            Some(About::Template) => codes.extend(change.new.and_then(cells::stored_template)),
            Some(About::Other) => {
                let key = [b"c", change.key.0.as_slice()].concat();
                others.insert(hash::key(&key), change.new.map(|value| beside(&key, value)));
            }
            Some(About::Balance(_) | About::Chunk) | None => {}
        }
    }
    for (account, layout) in laid_out {
        storage.set_layout(*account.as_bytes(), layout);
    }
    let balances = changes.sums().iter().filter_map(|change| match cells::about(&change.key) {
        Some(About::Balance(account)) => Some(account),
        _ => None,
    });
    accounts.extend(balances);
    let committed = storage.apply(changes)?;
    accounts.extend(committed.states.keys().map(|account| Address::from_bytes(*account)));
    carry(carried, committed.contents);
    let mut contents = BTreeMap::new();
    for account in &accounts {
        contents.insert(hash::key(account.as_bytes()), account_content(storage, account)?);
    }
    carry(carried, storage.put(Name::Accounts, contents)?);
    let mut templates = BTreeMap::new();
    for template in codes {
        let bytes = cells::template(&mut storage.session(), &template).map_err(fault)?;
        templates.insert(hash::key(template.as_bytes()), bytes);
    }
    carry(carried, storage.put(Name::Codes, templates)?);
    carry(carried, storage.put(Name::Beside, others)?);
    Ok(())
}

fn carry(carried: &mut Vec<Leaf>, contents: Vec<Content>) {
    carried.extend(contents.into_iter().map(|Content { name, key, new, .. }| (name, key, new.map(|(_, bytes)| bytes))));
}

fn account_content<K: KeyValue>(storage: &mut Storage<K>, account: &Address) -> Result<Option<Vec<u8>>> {
    let state = storage.state(account.as_bytes());
    let mut session = storage.session();
    let record = cells::record(&mut session, account).map_err(fault)?;
    let balance = cells::balance(&mut session, account).map_err(fault)?;
    let there = record != Account::default() || balance > 0 || state != Hash::ZERO;
    Ok(there.then(|| proof::account_content(account.as_bytes(), &state, &account_rest(&record, balance))))
}

/// Where an event is beside the state. Numbers are big-endian, so that bytes are in the order of history.
pub(super) fn event_key(place: &Place) -> Vec<u8> {
    let (batch, position, number) =
        (place.batch.to_be_bytes(), place.position.to_be_bytes(), place.number.to_be_bytes());
    [b"e".as_slice(), &batch, &position, &number].concat()
}

/// Where it is noted when the last batch was.
pub(super) const MOMENT: &[u8] = b"m";

/// Ends a batch whose changes are stored.
pub(super) fn seal<K: KeyValue>(
    storage: &mut Storage<K>,
    moment: Moment,
    parent: Hash,
    mut receipts: Vec<Receipt>,
    events: &mut Index,
    carried: &mut Vec<Leaf>,
) -> Result<Sealed> {
    for receipt in &mut receipts {
        receipt.states = states_after(storage, receipt);
    }
    let contents = receipt_contents(&receipts).into_iter().map(|(key, content)| (key, Some(content)));
    storage.replace(Name::Receipts, contents.collect())?;
    let mut others = BTreeMap::new();
    for place in events.expired(moment.time, RECLAIMED) {
        others.insert(hash::key(&event_key(&place)), None);
    }
    events.reclaim(moment.time, RECLAIMED);
    for receipt in &receipts {
        for (number, event) in (0u32..).zip(&receipt.events) {
            let place = Place { batch: moment.batch, position: receipt.position, number };
            let key = event_key(&place);
            others.insert(hash::key(&key), Some(beside(&key, &encode(event))));
            events.insert(place, event.clone());
        }
    }
    others.insert(hash::key(MOMENT), Some(beside(MOMENT, &encode(&(moment.time, moment.seed)))));
    carry(carried, storage.put(Name::Beside, others)?);
    storage.seal(moment.batch)?;
    let tops: Vec<(Name, Hash)> = TOPS.iter().map(|name| (*name, storage.forest().root(name))).collect();
    let root = |name: &Name| storage.forest().root(name);
    let batch =
        proof::Batch { index: moment.batch, parent, root: root(&Name::Accounts), receipts: root(&Name::Receipts) };
    Ok(Sealed { moment, receipts, batch, tops, contents: std::mem::take(carried) })
}

fn states_after<K: KeyValue>(storage: &Storage<K>, receipt: &Receipt) -> Vec<StateAfter> {
    let written = receipt
        .touched
        .iter()
        .filter(|touched| touched.elements_written > 0 || touched.slices.iter().any(|slice| slice.written));
    let state = |account: Address| StateAfter { account, state: storage.state(account.as_bytes()) };
    written.map(|touched| state(touched.account)).collect()
}
