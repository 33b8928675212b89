//! Block after block on the sequential store: executed, committed, and sealed with a root and a digest.
//!
//! ```text
//! transactions ─ Sequential over a Session ─ changes ─ states, innermost first ─ accounts ─ root ┐
//!                          └─ receipts, filled with the states ───────────── receipts' root ─┴─ digest
//! ```

use super::frames::{Fault, Frames};
use super::host::Loader;
use super::sequential::Sequential;
use super::{Config, Moment, cells};
use crate::account::{Account, Address};
use crate::hash::{self, Domain, Hash};
use crate::kv::KeyValue;
use crate::proof;
use crate::receipt::{Receipt, StateAfter};
use crate::state::{self, Session, Storage, Stored};
use crate::transaction::encode;
use crate::tree::Name;
use std::collections::{BTreeMap, BTreeSet};

/// What a batch leaves behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// One for each transaction, in their order.
    pub receipts: Vec<Receipt>,
    /// Roots, and the batch before.
    pub batch: proof::Batch,
    /// Contents of the leaves of accounts that have changed; none for accounts that are no more.
    pub accounts: BTreeMap<Address, Option<Vec<u8>>>,
}

/// Contracts from their first block on: the specification of state, receipts and root.
pub struct Ledger<K> {
    storage: Storage<K>,
    config: Config,
    parent: Hash,
}

type Done<T> = Result<T, Fault<state::Fault>>;

fn stored<T, E: Into<state::Fault>>(result: Result<T, E>) -> Done<T> {
    result.map_err(|error| Fault::Access(error.into()))
}

/// The content of an account's leaf behind address and state: template, nonce, spawns and balance, borsh.
#[must_use]
pub fn account_rest(record: &Account, balance: u128) -> Vec<u8> {
    encode(&(record, balance))
}

impl<K: KeyValue> Ledger<K> {
    /// A ledger on an empty store.
    pub fn new(storage: Storage<K>, config: Config) -> Self {
        Self { storage, config, parent: Hash::ZERO }
    }

    /// Gives money to accounts before the first block.
    ///
    /// # Errors
    /// When the store fails.
    pub fn fund(&mut self, balances: &[(Address, u128)]) -> Done<()> {
        let mut session = self.storage.session();
        for (account, balance) in balances {
            cells::credit(&mut session, account, *balance)?;
        }
        let written = session.finish();
        stored(self.storage.commit(&written))?;
        let accounts = balances.iter().map(|(account, _)| *account).collect();
        self.update_accounts(&accounts).map(drop)
    }

    /// Executes a batch and seals it.
    ///
    /// # Errors
    /// When this node cannot go on: the ledger is then of no use.
    pub fn execute(&mut self, moment: Moment, transactions: &[Vec<u8>], loader: &dyn Loader) -> Done<Sealed> {
        let mut receipts = Vec::new();
        let mut layouts = Vec::new();
        let mut session = self.storage.session();
        let mut block = Sequential::new(&mut session, &self.config, loader, moment);
        for bytes in transactions {
            let name = hash::parts(Domain::Transaction, &[&[1], bytes]);
            block.cells().begin_transaction(*name.as_bytes());
            receipts.push(block.execute(bytes)?);
        }
        // Accounts that have got code, or other code, in this batch.
        for (account, template) in templates_of(&mut session, &receipts, transactions, &self.config)? {
            let mut frames = Frames::new(&mut session, &self.config, loader, moment, account, 0);
            if let Some(loaded) = frames.loaded(&template)? {
                layouts.push((account, loaded.layout.clone()));
            }
        }
        let written = session.finish();
        for (account, layout) in layouts {
            self.storage.set_layout(*account.as_bytes(), layout);
        }
        let committed = stored(self.storage.commit(&written))?;
        let changes = written.changes();
        let keys =
            changes.bytes().iter().map(|change| &change.key).chain(changes.sums().iter().map(|change| &change.key));
        let mut changed: BTreeSet<Address> = keys.filter_map(cells::account_of).collect();
        changed.extend(committed.states.keys().map(|account| Address::from_bytes(*account)));
        let accounts = self.update_accounts(&changed)?;
        for receipt in &mut receipts {
            receipt.states = self.states_after(receipt);
        }
        let receipts_root = self.update_receipts(&receipts)?;
        stored(self.storage.seal(moment.batch))?;
        let root = self.storage.forest().root(&Name::Accounts);
        let batch = proof::Batch { index: moment.batch, parent: self.parent, root, receipts: receipts_root };
        self.parent = batch.digest();
        Ok(Sealed { receipts, batch, accounts })
    }

    fn states_after(&self, receipt: &Receipt) -> Vec<StateAfter> {
        let written = receipt
            .touched
            .iter()
            .filter(|touched| touched.elements_written > 0 || touched.slices.iter().any(|slice| slice.written));
        let state = |account: Address| StateAfter { account, state: self.storage.state(account.as_bytes()) };
        written.map(|touched| state(touched.account)).collect()
    }

    fn update_accounts(&mut self, changed: &BTreeSet<Address>) -> Done<BTreeMap<Address, Option<Vec<u8>>>> {
        let mut contents = BTreeMap::new();
        for account in changed {
            let state = self.storage.state(account.as_bytes());
            let mut session = self.storage.session();
            let record = cells::record(&mut session, account)?;
            let balance = cells::balance(&mut session, account)?;
            let there = record != Account::default() || balance > 0 || state != Hash::ZERO;
            let content = || proof::account_content(account.as_bytes(), &state, &account_rest(&record, balance));
            contents.insert(*account, there.then(content));
        }
        let leaf = |(account, content): (&Address, &Option<Vec<u8>>)| {
            (hash::key(account.as_bytes()), content.as_ref().map(|content| hash::of(Domain::Account, content)))
        };
        let mut leaves: Vec<(Hash, Option<Hash>)> = contents.iter().map(leaf).collect();
        leaves.sort();
        stored(self.storage.forest_mut().update(Name::Accounts, &leaves))?;
        Ok(contents)
    }

    fn update_receipts(&mut self, receipts: &[Receipt]) -> Done<Hash> {
        // The same transaction twice in a batch: the first receipt is the one with an effect.
        let mut leaves = BTreeMap::new();
        for receipt in receipts {
            leaves.entry(hash::key(receipt.transaction.as_bytes())).or_insert_with(|| Some(receipt.hash()));
        }
        let leaves: Vec<(Hash, Option<Hash>)> = leaves.into_iter().collect();
        let forest = self.storage.forest_mut();
        forest.clear(Name::Receipts);
        stored(forest.update(Name::Receipts, &leaves))
    }

    /// The store: states, proofs, history.
    pub fn storage(&mut self) -> &mut Storage<K> {
        &mut self.storage
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }
}

/// The templates, after the batch, of the accounts that were spawned or upgraded in it.
fn templates_of<S: Stored>(
    session: &mut Session<'_, S>,
    receipts: &[Receipt],
    transactions: &[Vec<u8>],
    config: &Config,
) -> Done<BTreeMap<Address, Hash>> {
    let mut accounts = BTreeSet::new();
    for (receipt, bytes) in receipts.iter().zip(transactions).filter(|(receipt, _)| receipt.is_success()) {
        accounts.extend(receipt.spawned.iter().copied());
        let Ok(transaction) = crate::transaction::Transaction::decode(bytes, &config.limits) else { continue };
        let upgraded = transaction.body.actions.iter().filter_map(|action| match action {
            crate::transaction::Action::Upgrade { account, .. } => Some(*account),
            _ => None,
        });
        accounts.extend(upgraded);
    }
    let mut templates = BTreeMap::new();
    for account in accounts {
        if let Some(template) = cells::record(session, &account)?.template {
            templates.insert(account, template);
        }
    }
    Ok(templates)
}
