//! What is answered from the state, between two batches: in steps of bounded work, for the machine goes before whoever asks.
//!
//! A question that walks through many things is a value with a `step`: each step looks at [`STEP`] of them, and what it answers is the
//! state after one batch, the one that the first step has seen. Pages go on behind the last thing of the page before.

use replicode_contract_api::{convert, proto};
use replicode_contracts::account::Address;
use replicode_contracts::backend::{AccountNow, Backend, Error, account_of};
use replicode_contracts::collection::CollectionId;
use replicode_contracts::event::{Filter, Found, Place};
use replicode_contracts::hash::{Hash, key};
use replicode_contracts::proof::{AccountContent, Batch};
use replicode_contracts::state::{Contract, Elements as Entries, PastEntry};
use replicode_contracts::tree::Name;

/// Things looked at in one step: a fraction of a millisecond, unless they are large.
pub const STEP: usize = 256;
/// Events looked at in one step: nothing is read for them.
const EVENTS: usize = 4096;
/// Accounts or elements in one answer.
const PAGE: usize = 1000;
/// About how many bytes of elements are in one answer.
const PAGE_BYTES: usize = 1 << 20;

type Result<T> = std::result::Result<T, Error>;

/// Leaves of a tree with their values, behind a key, at most so many, and whether there are more.
fn leaves(
    backend: &dyn Backend,
    batch: Option<u64>,
    name: Name,
    after: Option<&Hash>,
    most: usize,
) -> Result<(Vec<(Hash, Hash)>, bool)> {
    let (mut found, mut more) = (Vec::new(), false);
    backend.look(batch, &mut |view, _| {
        let mut leaves = match after {
            Some(after) => view.leaves_behind(&name, after),
            None => view.leaves(&name),
        };
        found.extend(leaves.by_ref().take(most));
        more = leaves.next().is_some();
    })?;
    Ok((found, more))
}

fn content_of(backend: &dyn Backend, name: Name, at: &Hash, batch: Option<u64>) -> Result<Option<Vec<u8>>> {
    let mut found = Ok(None);
    backend.look(batch, &mut |view, contents| {
        if let Some(value) = view.get(&name, at) {
            found = contents.content(&name, at, &value).map(Some);
        }
    })?;
    found.map_err(Error::Fault)
}

fn account_in(content: &[u8]) -> Option<(Address, AccountNow)> {
    let (address, record, balance) = account_of(content)?;
    Some((address, AccountNow { record, balance, state: AccountContent::decode(content)?.state }))
}

/// An account, now or after a kept batch.
///
/// # Errors
/// When that batch is not kept.
pub fn account(backend: &dyn Backend, address: &Address, batch: Option<u64>) -> Result<AccountNow> {
    let Some(batch) = batch else { return backend.account(address) };
    let content = content_of(backend, Name::Accounts, &key(address.as_bytes()), Some(batch))?;
    let nothing = AccountNow { record: Default::default(), balance: 0, state: Hash::ZERO };
    Ok(content.as_deref().and_then(account_in).map_or(nothing, |(_, now)| now))
}

/// A page of accounts, in the order of their addresses' hashes.
pub struct Accounts {
    /// The batch after which they are as told; none before the first one.
    pub batch: Option<u64>,
    after: Option<Hash>,
    limit: usize,
    /// What was found so far.
    pub found: Vec<(Address, AccountNow)>,
    /// Whether there are more behind these.
    pub more: bool,
}

impl Accounts {
    /// Those behind an address, as of a kept batch or now.
    #[must_use]
    pub fn new(after: Option<Address>, limit: usize, batch: Option<u64>) -> Self {
        let after = after.map(|after| key(after.as_bytes()));
        Self { batch, after, limit: limit.clamp(1, PAGE), found: Vec::new(), more: true }
    }

    /// Looks at some; whether the page is done.
    ///
    /// # Errors
    /// When the batch is not kept, or the store is damaged.
    pub fn step(&mut self, backend: &dyn Backend) -> Result<bool> {
        self.batch = self.batch.or(backend.tip().map(|tip| tip.index));
        let most = STEP.min(self.limit - self.found.len());
        let (leaves, more) = leaves(backend, self.batch, Name::Accounts, self.after.as_ref(), most)?;
        self.more = more;
        self.after = leaves.last().map(|(key, _)| *key).or(self.after);
        let mut failed = None;
        backend.look(self.batch, &mut |_, contents| {
            for (at, value) in &leaves {
                match contents.content(&Name::Accounts, at, value) {
                    Ok(content) => self.found.extend(account_in(&content)),
                    Err(why) => failed = Some(why),
                }
            }
        })?;
        if let Some(why) = failed {
            return Err(Error::Fault(why));
        }
        Ok(!self.more || self.found.len() >= self.limit)
    }
}

/// Hashes of all templates and libraries.
#[derive(Default)]
pub struct Templates {
    after: Option<Hash>,
    /// What was found so far.
    pub found: Vec<Hash>,
}

impl Templates {
    /// Looks at some; whether these are all.
    ///
    /// # Errors
    /// When this node cannot go on.
    pub fn step(&mut self, backend: &dyn Backend) -> Result<bool> {
        let (leaves, more) = leaves(backend, None, Name::Codes, self.after.as_ref(), STEP)?;
        self.after = leaves.last().map(|(key, _)| *key).or(self.after);
        self.found.extend(leaves.into_iter().map(|(_, value)| value));
        Ok(!more)
    }
}

/// What stands in a slice, now or after a kept batch.
///
/// # Errors
/// When that batch is not kept, or the store is damaged.
pub fn slice(backend: &dyn Backend, address: &Address, index: u32, batch: Option<u64>) -> Result<Option<PastEntry>> {
    opened(backend, address, batch, |contract| contract.slice(index))
}

/// A page of the elements of a collection, in the order of their keys' hashes.
pub struct Elements {
    id: CollectionId,
    /// The batch after which they are as told; none before the first one.
    pub batch: Option<u64>,
    after: Option<Vec<u8>>,
    limit: usize,
    bytes: usize,
    /// What was found so far.
    pub found: Entries,
    /// Whether there may be more behind these.
    pub more: bool,
}

impl Elements {
    /// Those behind a key, as of a kept batch or now.
    #[must_use]
    pub fn new(id: CollectionId, after: Option<Vec<u8>>, limit: usize, batch: Option<u64>) -> Self {
        Self { id, batch, after, limit: limit.clamp(1, PAGE), bytes: 0, found: Vec::new(), more: true }
    }

    /// Looks at some; whether the page is done.
    ///
    /// # Errors
    /// When the batch is not kept, or the store is damaged.
    pub fn step(&mut self, backend: &dyn Backend) -> Result<bool> {
        self.batch = self.batch.or(backend.tip().map(|tip| tip.index));
        // Elements may be large: fewer of them in a step than of other things.
        let most = (STEP / 8).min(self.limit - self.found.len());
        let (id, after) = (self.id, self.after.as_deref());
        let address = Address::from_bytes(id.account);
        let some = opened(backend, &address, self.batch, |it| it.some_elements(&id, after, most).map(Some))?;
        let some = some.unwrap_or_default();
        self.more = some.len() == most;
        self.after = some.last().map(|(key, _)| key.clone()).or_else(|| self.after.take());
        let size = |(key, entry): &(Vec<u8>, PastEntry)| match entry {
            PastEntry::Bytes(bytes) => key.len() + bytes.len(),
            _ => key.len() + 64,
        };
        self.bytes += some.iter().map(size).sum::<usize>();
        self.found.extend(some);
        Ok(!self.more || self.found.len() >= self.limit || self.bytes >= PAGE_BYTES)
    }
}

/// Events behind a place.
pub struct Events {
    filter: Filter,
    /// Behind which to go on.
    pub after: Option<Place>,
    limit: usize,
    /// What was found so far.
    pub found: Vec<Found>,
}

impl Events {
    /// At most so many.
    #[must_use]
    pub const fn new(filter: Filter, after: Option<Place>, limit: usize) -> Self {
        Self { filter, after, limit, found: Vec::new() }
    }

    /// Looks at some; whether there are as many as are wanted, or no more.
    ///
    /// # Errors
    /// None: as the others.
    pub fn step(&mut self, backend: &dyn Backend) -> Result<bool> {
        let left = self.limit - self.found.len();
        let (found, more) = backend.search_events(&self.filter, self.after, left, EVENTS);
        self.after = more.or(found.last().map(|found| found.place)).or(self.after);
        self.found.extend(found);
        Ok(more.is_none() || self.found.len() >= self.limit)
    }
}

fn opened<T>(
    backend: &dyn Backend,
    address: &Address,
    batch: Option<u64>,
    f: impl FnOnce(&mut dyn Contract) -> std::result::Result<Option<T>, replicode_contracts::state::Fault>,
) -> Result<Option<T>> {
    let state = account(backend, address, batch)?.state;
    match backend.open(address, &state)? {
        Some(mut contract) => Ok(f(&mut *contract)?),
        None => Ok(None),
    }
}

/// An entry as a message.
#[must_use]
pub fn entry(key: Vec<u8>, entry: PastEntry) -> proto::Entry {
    use proto::entry::Kind;
    let kind = match entry {
        PastEntry::Bytes(bytes) => Kind::Value(bytes),
        PastEntry::Sum(sum) => Kind::Sum(sum.to_le_bytes().to_vec()),
        PastEntry::Collection { kind, id, state } => Kind::Collection(proto::Collection {
            kind: kind as u32,
            name: id.name.to_vec(),
            state: state.as_bytes().to_vec(),
        }),
    };
    proto::Entry { key, kind: Some(kind) }
}

/// A kept batch, or the newest; none before the first.
///
/// # Errors
/// When that batch is not kept.
pub fn batch(backend: &dyn Backend, at: Option<u64>) -> Result<Option<Batch>> {
    let tip = backend.tip();
    let Some(index) = at.filter(|at| tip.is_none_or(|tip| tip.index != *at)) else { return Ok(tip) };
    // A proof against the digest has the batch in it.
    let question = replicode_contracts::proof::Question::Account { address: [0; 20] };
    Ok(backend.prove(&question, index, replicode_contracts::backend::Against::Digest)?.batch)
}

/// An account as a message.
#[must_use]
pub fn row((address, now): &(Address, AccountNow)) -> proto::AccountReply {
    convert::account(address, now)
}
