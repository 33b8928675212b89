//! Contracts in this process, on this disk: one ledger, a log that is the ground, and checkpoints that trail it.
//!
//! ```text
//! DIR/store.json       what the store was made with: the cell's name, money of the beginning
//! DIR/log              every batch, in order, and the digest that executing it has left
//! DIR/contracts.redb   checkpoints
//! DIR/lock             one process at a time
//! ```
//!
//! A batch is one transaction here. Whatever is asked as of an older batch is answered by executing the log up to it.

mod log;

use super::reach::{About, AccountRow, Contracts, LibraryRow, Past, Proven, ViewOf};
use anyhow::{Context, Result, bail, ensure};
use log::{Log, Record};
use replicode_contract_store::{Checkpoints, Every, Keeping, RedbStore, keep, start};
use replicode_contracts::account::{Account, Address};
use replicode_contracts::backend::{AccountNow, Against, Backend, Ledger, Sealed, View, account_of};
use replicode_contracts::collection::CollectionId;
use replicode_contracts::event::{Filter, Found, Place};
use replicode_contracts::hash::Hash;
use replicode_contracts::kv::Memory;
use replicode_contracts::proof::{AccountContent, Batch, Question};
use replicode_contracts::receipt::Receipt;
use replicode_contracts::run::{Config, Moment, Viewed};
use replicode_contracts::state::{PastEntry, Storage};
use replicode_contracts::transaction::{Action, Transaction};
use replicode_contracts::tree::Name;
use replicode_wasm::contracts::{ContractEngine, ContractLoader, ContractSettings};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Batches whose states are kept in memory.
const HISTORY: usize = 256;
/// Batches that a start may have to execute again: with more behind it, a checkpoint is written at the end.
const BEHIND: u64 = 64;
/// Bytes that redb may keep of the file.
const CACHE: usize = 16 << 20;
/// Checkpoints that are kept: were the newest damaged, the one before it would do.
const CHECKPOINTS: usize = 2;

/// What a store was made with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Genesis {
    version: u32,
    /// Names the cell: 64 hexadecimal digits.
    cell: String,
    /// Money of the beginning: address, and digits.
    fund: Vec<(String, String)>,
}

/// Contracts in this process.
pub struct Local {
    dir: PathBuf,
    genesis: Genesis,
    loader: Arc<ContractLoader>,
    ledger: Ledger<Memory>,
    log: Log,
    /// None: only looked at.
    kept: Option<Kept>,
    /// The state after an older batch, for the next question about it.
    past: Option<(u64, Ledger<Memory>)>,
}

/// What only the process has that writes.
struct Kept {
    checkpoints: Keeping<RedbStore>,
    // Given back when this is dropped.
    _lock: File,
}

impl Local {
    /// Opens a store, or makes it with the money of the beginning.
    ///
    /// # Errors
    /// When files cannot be read or written, are damaged, or another process has the store; or when there is a store already
    /// that was made with other money.
    pub fn open(dir: &Path, fund: &[(Address, u128)]) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("cannot make the store {}", dir.display()))?;
        let lock = lock(dir)?;
        let genesis = genesis(dir, fund)?;
        let (loader, mut ledger) = begin(&genesis)?;
        let log = Log::open(&dir.join("log"), true)?;
        let place = dir.join("contracts.redb");
        let file = RedbStore::open(&place, CACHE).with_context(|| format!("cannot open {}", place.display()))?;
        let mut checkpoints = Checkpoints::new(file, place.display().to_string(), CHECKPOINTS);
        let started = start(&mut ledger, &mut checkpoints, HISTORY)
            .context("no checkpoint can be read; remove the file, and the log is executed from its beginning")?;
        match &started {
            Some(started) => {
                for damage in &started.passed {
                    crate::telemetry::say(&format!("a checkpoint is damaged, and an older one was taken: {damage}"));
                }
                fits(&log, &started.batch).with_context(|| {
                    format!(
                        "{} and {} are not of one store; remove the first, and the log is executed from its beginning",
                        place.display(),
                        dir.join("log").display()
                    )
                })?;
            }
            None => ledger.fund(&funds(&genesis)?)?,
        }
        // When a checkpoint is due is decided at the end: a command is short.
        let every = Every { batches: u64::MAX, bytes: usize::MAX };
        let checkpoints = keep(&mut ledger, checkpoints, every)?;
        let kept = Some(Kept { checkpoints, _lock: lock });
        let mut local = Self { dir: dir.to_path_buf(), genesis, loader, ledger, log, kept, past: None };
        local.catch_up()?;
        Ok(local)
    }

    /// A store that another process may be writing to, to be looked at: its log is executed as it grows.
    ///
    /// # Errors
    /// When there is no such store, or it is damaged.
    pub fn look(dir: &Path) -> Result<Self> {
        let genesis =
            read_genesis(dir)?.with_context(|| format!("there is no store of contracts in {}", dir.display()))?;
        let (loader, mut ledger) = begin(&genesis)?;
        ledger.fund(&funds(&genesis)?)?;
        let log = Log::open(&dir.join("log"), false)?;
        let mut local = Self { dir: dir.to_path_buf(), genesis, loader, ledger, log, kept: None, past: None };
        local.catch_up()?;
        Ok(local)
    }

    /// Executes what the log has behind the ledger.
    fn catch_up(&mut self) -> Result<()> {
        let tip = self.ledger.tip().map_or(0, |tip| tip.index);
        replay(&mut self.ledger, &self.log, tip, u64::MAX, &mut |_| Ok(()))
            .with_context(|| format!("the store {} cannot be brought up to its log", self.dir.display()))
    }

    /// A ledger as of a batch.
    fn at(&mut self, at: Option<u64>) -> Result<&mut Ledger<Memory>> {
        let tip = self.ledger.tip().map_or(0, |tip| tip.index);
        let Some(at) = at.filter(|at| *at != tip) else { return Ok(&mut self.ledger) };
        ensure!(at < tip, "there is no batch {at} yet: the newest is {tip}");
        let ledger = match self.past.take() {
            Some((batch, ledger)) if batch == at => ledger,
            _ => self.again(at, &mut |_| Ok(()))?,
        };
        Ok(&mut self.past.insert((at, ledger)).1)
    }

    /// Executes the log again, from its beginning up to a batch.
    fn again(&self, to: u64, each: &mut dyn FnMut(&Sealed) -> Result<()>) -> Result<Ledger<Memory>> {
        let mut ledger = ledger(&self.genesis, &self.loader)?;
        ledger.fund(&funds(&self.genesis)?)?;
        replay(&mut ledger, &self.log, 0, to, each)?;
        Ok(ledger)
    }

    /// Executes the whole log of a store again and compares every batch with what it has left before: how many there are, and
    /// the last one.
    ///
    /// # Errors
    /// When there is no store, or a batch comes out otherwise; it names the first one.
    pub fn again_of(dir: &Path) -> Result<(usize, Option<Batch>)> {
        let local = Self::look(dir)?;
        Ok((local.log.batches().len(), local.ledger.tip()))
    }

    /// The contract's storage as of a batch.
    fn storage<T>(
        &mut self,
        account: &Address,
        at: Option<u64>,
        f: impl FnOnce(&mut dyn replicode_contracts::state::Contract) -> Result<T>,
    ) -> Result<Option<T>> {
        let ledger = self.at(at)?;
        let state = ledger.account(account)?.state;
        match ledger.open(account, &state)? {
            Some(mut contract) => f(&mut *contract).map(Some),
            None => Ok(None),
        }
    }

    fn end(&mut self) -> Result<()> {
        let Some(kept) = &self.kept else { return Ok(()) };
        let tip = self.ledger.tip().map_or(0, |tip| tip.index);
        if tip.saturating_sub(kept.checkpoints.newest().unwrap_or(0)) >= BEHIND {
            kept.checkpoints.flush().context("cannot write a checkpoint")?;
        }
        Ok(())
    }
}

/// Whether a checkpoint's batch is one of the log: what it has left is what the log has noted, and what the batch before has.
fn fits(log: &Log, batch: &Batch) -> Result<()> {
    let index = batch.index;
    let at = log.batches().binary_search_by_key(&index, |logged| logged.moment.batch);
    let Ok(at) = at else { bail!("the checkpoint is of batch {index}, which the log does not have") };
    let differ = |at: usize, digest: Hash| log.batches()[at].digest.is_some_and(|noted| noted != digest);
    ensure!(!differ(at, batch.digest()), "the checkpoint's batch {index} is another one than the log's");
    let parent = at.checked_sub(1);
    ensure!(
        parent.map_or(batch.parent == Hash::ZERO, |before| !differ(before, batch.parent)),
        "what was before the checkpoint's batch {index} is not what the log has"
    );
    Ok(())
}

fn lock(dir: &Path) -> Result<File> {
    let path = dir.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => {
            // Commands are short: whoever has it will be done soon.
            file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
            Ok(file)
        }
        Err(fs::TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
    }
}

fn genesis(dir: &Path, fund: &[(Address, u128)]) -> Result<Genesis> {
    let mut fund: Vec<(String, String)> = fund.iter().map(|(to, value)| (to.to_string(), value.to_string())).collect();
    fund.sort();
    if let Some(found) = read_genesis(dir)? {
        ensure!(
            fund.is_empty() || fund == found.fund,
            "{} was made with other money: --fund is for a store that is not there yet",
            dir.display()
        );
        return Ok(found);
    }
    let mut cell = [0; 32];
    let random = File::open("/dev/urandom").and_then(|mut file| std::io::Read::read_exact(&mut file, &mut cell));
    random.context("cannot read /dev/urandom")?;
    let genesis = Genesis { version: 1, cell: Hash::new(cell).to_string(), fund };
    let path = dir.join("store.json");
    fs::write(&path, serde_json::to_vec_pretty(&genesis)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(genesis)
}

fn read_genesis(dir: &Path) -> Result<Option<Genesis>> {
    let path = dir.join("store.json");
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let genesis: Genesis =
        serde_json::from_slice(&bytes).with_context(|| format!("{} is no description of a store", path.display()))?;
    ensure!(
        genesis.version == 1,
        "{} is of version {}, and this program reads version 1",
        path.display(),
        genesis.version
    );
    Ok(Some(genesis))
}

fn funds(genesis: &Genesis) -> Result<Vec<(Address, u128)>> {
    let one = |(to, value): &(String, String)| Ok((to.parse::<Address>()?, value.parse()?));
    genesis.fund.iter().map(one).collect::<Result<_>>().context("store.json: money of the beginning")
}

fn begin(genesis: &Genesis) -> Result<(Arc<ContractLoader>, Ledger<Memory>)> {
    let engine = ContractEngine::new(&ContractSettings::default(), 1)?;
    let loader = Arc::new(ContractLoader::new(engine));
    let ledger = ledger(genesis, &loader)?;
    Ok((loader, ledger))
}

fn ledger(genesis: &Genesis, loader: &Arc<ContractLoader>) -> Result<Ledger<Memory>> {
    let config = Config::standard(genesis.cell.parse::<Hash>().context("store.json: cell")?);
    Ok(Ledger::new(Storage::new(Memory::new(), HISTORY), config, Arc::clone(loader) as _))
}

/// Executes the log's batches behind `after`, up to `to`, and compares them with what they have left before.
fn replay(
    ledger: &mut Ledger<Memory>,
    log: &Log,
    after: u64,
    to: u64,
    each: &mut dyn FnMut(&Sealed) -> Result<()>,
) -> Result<()> {
    for logged in log.batches().iter().filter(|logged| logged.moment.batch > after && logged.moment.batch <= to) {
        let index = logged.moment.batch;
        ledger.begin(logged.moment)?;
        ledger.execute(&logged.transactions)?;
        let sealed = ledger.commit()?;
        if let Some(digest) = logged.digest.filter(|digest| *digest != sealed.batch.digest()) {
            bail!(
                "batch {index} comes out with digest {}, and had {digest} before: this program computes otherwise",
                sealed.batch.digest()
            );
        }
        each(&sealed)?;
    }
    Ok(())
}

impl Drop for Local {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            crate::telemetry::say(&format!("{error:#}; nothing is lost: the log has it"));
        }
    }
}

impl Contracts for Local {
    fn about(&mut self) -> Result<About> {
        let (tip, time) = (self.ledger.tip(), self.ledger.moment().time);
        Ok(About { config: self.ledger.config().clone(), gas_price: 0, tip, time })
    }

    fn submit(&mut self, transaction: &[u8]) -> Result<Receipt> {
        ensure!(self.kept.is_some(), "this store is only looked at");
        let before = self.ledger.moment();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let time = u64::try_from(now).unwrap_or(u64::MAX).max(before.time + 1);
        let parent = self.ledger.tip().map_or(Hash::ZERO, |tip| tip.digest());
        let seed = u64::from_le_bytes(parent.prefix());
        let moment = Moment { batch: before.batch + 1, time, seed };
        let transactions = vec![transaction.to_vec()];
        self.log.append(Record::Batch { moment: (moment.batch, time, seed), transactions: transactions.clone() })?;
        self.ledger.begin(moment)?;
        self.ledger.execute(&transactions)?;
        let sealed = self.ledger.commit()?;
        let digest = *sealed.batch.digest().as_bytes();
        self.log.append(Record::Sealed { batch: moment.batch, digest })?;
        sealed.receipts.first().cloned().context("the batch has no receipt")
    }

    fn dry_run(&mut self, transaction: &[u8]) -> Result<Receipt> {
        Ok(self.ledger.dry_run(transaction)?)
    }

    fn view(&mut self, view: &ViewOf) -> Result<Viewed> {
        let ViewOf { sender, account, function, arguments, gas, at } = view;
        let asked = View { sender: *sender, account: *account, function, arguments, gas: *gas, moment: None };
        Ok(self.at(*at)?.view(&asked)?)
    }

    fn account(&mut self, account: &Address, at: Option<u64>) -> Result<AccountNow> {
        Ok(self.at(at)?.account(account)?)
    }

    fn accounts(&mut self) -> Result<Vec<AccountRow>> {
        let mut rows = Vec::new();
        let mut wrong = None;
        self.ledger.look(None, &mut |view, contents| {
            for (key, value) in view.leaves(&Name::Accounts) {
                match contents.content(&Name::Accounts, &key, &value) {
                    Ok(content) => rows.extend(row(&content)),
                    Err(why) => wrong = Some(why),
                }
            }
        })?;
        ensure!(wrong.is_none(), "an account cannot be read: {}", wrong.unwrap_or_default());
        rows.sort_by_key(|row| row.address);
        Ok(rows)
    }

    fn template(&mut self, template: &Hash) -> Result<Option<Vec<u8>>> {
        Ok(self.ledger.template(template)?)
    }

    fn templates(&mut self) -> Result<Vec<Hash>> {
        let mut hashes = Vec::new();
        self.ledger.look(None, &mut |view, _| hashes.extend(view.leaves(&Name::Codes).map(|(_, value)| value)))?;
        hashes.sort();
        Ok(hashes)
    }

    fn libraries(&mut self) -> Result<Vec<LibraryRow>> {
        let mut rows = Vec::new();
        let limits = self.ledger.config().limits;
        for bytes in self.log.batches().iter().flat_map(|logged| &logged.transactions) {
            let Ok(transaction) = Transaction::decode(bytes, &limits) else { continue };
            let publisher = transaction.body.principal;
            for action in transaction.body.actions {
                let Action::Publish { name, version, .. } = action else { continue };
                // Only one transaction has published it, and that one maybe not.
                let Some(template) = self.ledger.library(&publisher, &name, &version)? else { continue };
                let row = LibraryRow { publisher, name, version, template };
                if !rows.contains(&row) {
                    rows.push(row);
                }
            }
        }
        Ok(rows)
    }

    fn slice(&mut self, account: &Address, index: u32, at: Option<u64>) -> Result<Option<PastEntry>> {
        Ok(self.storage(account, at, |contract| Ok(contract.slice(index)?))?.flatten())
    }

    fn elements(&mut self, collection: &CollectionId, at: Option<u64>) -> Result<Vec<(Vec<u8>, PastEntry)>> {
        let account = Address::from_bytes(collection.account);
        Ok(self.storage(&account, at, |contract| Ok(contract.elements(collection)?))?.unwrap_or_default())
    }

    fn receipt(&mut self, transaction: &Hash) -> Result<Option<Receipt>> {
        if let Some(receipt) = self.ledger.receipt(transaction)? {
            return Ok(Some(receipt));
        }
        let limits = self.ledger.config().limits;
        let has = |bytes: &Vec<u8>| Transaction::decode(bytes, &limits).is_ok_and(|found| found.hash() == *transaction);
        let found = self.log.batches().iter().rev().find(|logged| logged.transactions.iter().any(has));
        let Some(batch) = found.map(|logged| logged.moment.batch) else { return Ok(None) };
        Ok(self.at(Some(batch))?.receipt(transaction)?)
    }

    fn events(&mut self, filter: &Filter, after: Option<Place>, limit: usize) -> Result<Vec<Found>> {
        if self.kept.is_none() {
            self.log.read_on()?;
            self.catch_up()?;
        }
        Ok(self.ledger.events(filter, after, limit))
    }

    fn prove(&mut self, question: &Question, at: Option<u64>, against: Against) -> Result<Proven> {
        let ledger = self.at(at)?;
        let batch = ledger.tip().context("there was no batch yet: nothing can be proven")?;
        Ok(Proven { proof: ledger.prove(question, batch.index, against)?, batch })
    }

    fn batch(&mut self, at: Option<u64>) -> Result<Option<Batch>> {
        Ok(self.at(at)?.tip())
    }

    fn history(&mut self, account: &Address) -> Result<Vec<Past>> {
        let mut past = Vec::new();
        self.again(u64::MAX, &mut |sealed| {
            for receipt in &sealed.receipts {
                let of = receipt.states.iter().filter(|after| after.account == *account);
                past.extend(of.map(|after| Past {
                    batch: receipt.batch,
                    transaction: receipt.transaction,
                    state: after.state,
                }));
            }
            Ok(())
        })?;
        Ok(past)
    }
}

fn row(content: &[u8]) -> Option<AccountRow> {
    let state = AccountContent::decode(content)?.state;
    let (address, record, balance): (Address, Account, u128) = account_of(content)?;
    Some(AccountRow { address, now: AccountNow { record, balance, state } })
}
