//! What is answered from the state, between two batches.

use replicode_contract_api::{convert, proto};
use replicode_contracts::account::Address;
use replicode_contracts::backend::{AccountNow, Backend, Error, account_of};
use replicode_contracts::collection::CollectionId;
use replicode_contracts::hash::{Hash, key};
use replicode_contracts::proof::{AccountContent, Batch};
use replicode_contracts::state::{Contract, PastEntry};
use replicode_contracts::tree::Name;

/// Accounts in one answer.
const ACCOUNTS: usize = 1000;

type Result<T> = std::result::Result<T, Error>;

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

/// Accounts behind one, addresses ascending, and whether there are more.
///
/// # Errors
/// When the store is damaged.
pub fn accounts(
    backend: &dyn Backend,
    after: Option<Address>,
    limit: usize,
) -> Result<(Vec<(Address, AccountNow)>, bool)> {
    let (limit, mut all, mut failed) = (limit.clamp(1, ACCOUNTS), Vec::new(), None);
    backend.look(None, &mut |view, contents| {
        for (at, value) in view.leaves(&Name::Accounts) {
            match contents.content(&Name::Accounts, &at, &value) {
                Ok(content) => all.extend(account_in(&content)),
                Err(why) => failed = Some(why),
            }
        }
    })?;
    if let Some(why) = failed {
        return Err(Error::Fault(why));
    }
    all.retain(|(address, _)| after.is_none_or(|after| *address > after));
    all.sort_by_key(|(address, _)| *address);
    let more = all.len() > limit;
    all.truncate(limit);
    Ok((all, more))
}

/// Hashes of all templates and libraries.
///
/// # Errors
/// When this node cannot go on.
pub fn templates(backend: &dyn Backend) -> Result<Vec<Hash>> {
    let mut all = Vec::new();
    backend.look(None, &mut |view, _| all.extend(view.leaves(&Name::Codes).map(|(_, value)| value)))?;
    all.sort_unstable();
    Ok(all)
}

/// What stands in a slice, now or after a kept batch.
///
/// # Errors
/// When that batch is not kept, or the store is damaged.
pub fn slice(backend: &dyn Backend, address: &Address, index: u32, batch: Option<u64>) -> Result<Option<PastEntry>> {
    opened(backend, address, batch, |contract| contract.slice(index))
}

/// The elements of a collection.
///
/// # Errors
/// As [`slice`].
pub fn elements(
    backend: &dyn Backend,
    address: &Address,
    name: [u8; 32],
    batch: Option<u64>,
) -> Result<Vec<(Vec<u8>, PastEntry)>> {
    let id = CollectionId { account: *address.as_bytes(), name };
    let found = opened(backend, address, batch, |contract| contract.elements(&id).map(Some))?;
    Ok(found.unwrap_or_default())
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
