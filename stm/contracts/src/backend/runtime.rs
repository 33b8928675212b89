//! The books around an executor: which batch, what is open, what was sealed.

use super::contents::{Behind, Opened};
use super::seal::{Layouts, Leaf, Sealed, fault, seal, take_in};
use super::{
    AccountNow, Against, Backend, Error, Ledger, Listener, OneByOne, Parallel, Result, Settings, Together, View,
};
use crate::account::Address;
use crate::event::{Filter, Found, Index, Place};
use crate::functions::limits;
use crate::hash::Hash;
use crate::kv::KeyValue;
use crate::proof::{self, Contents, Proof, Question};
use crate::receipt::{Receipt, Skipped, Status};
use crate::run::{Around, Config, Left, Loader, Moment, Sequential, Source, Viewed, cells};
use crate::state::{self, Changes, Contract, Received, Session, Shared, Storage};
use crate::tree::{self, Name};
use std::collections::VecDeque;
use std::sync::Arc;

/// What an executor stands on.
pub struct Ground<'a, K> {
    /// The store below; constant while it executes.
    pub shared: &'a Arc<Shared<K>>,
    /// What has to be equal on all nodes.
    pub config: &'a Config,
    /// Makes code of templates.
    pub loader: &'a (dyn Loader + Send + Sync),
    /// The batch.
    pub moment: Moment,
    /// Whose transactions these are.
    pub source: Source,
}

impl<K> Ground<'_, K> {
    pub(super) fn around(&self) -> Around<'_> {
        Around { config: self.config, loader: self.loader, moment: self.moment }
    }
}

/// How far a batch is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The place of its next transaction.
    pub position: u32,
    /// Gas that its further transactions may burn.
    pub gas_left: u64,
    /// What its further functions may do together, see [`limits::BATCH`].
    pub room: u64,
}

impl Progress {
    /// A transaction has been executed, which has taken so much of the room for functions.
    pub fn after(&mut self, receipt: Receipt, work: u64) -> Receipt {
        self.position += 1;
        self.gas_left = self.gas_left.saturating_sub(receipt.gas.burnt);
        self.room = self.room.saturating_sub(work);
        receipt
    }

    pub(super) const fn left(&self) -> Left {
        Left { gas: self.gas_left, room: self.room }
    }
}

/// Executes transactions. All of them give the same receipts and the same changes.
pub trait Executor<K>: Send {
    /// Executes further transactions of a batch, and says how far it is then.
    ///
    /// # Errors
    /// When this node cannot go on.
    fn execute(
        &mut self,
        ground: &Ground<'_, K>,
        progress: &mut Progress,
        transactions: &[Vec<u8>],
    ) -> Result<Vec<Receipt>>;

    /// Hands over what was written since the last time, and takes it for stored when `f` has succeeded.
    ///
    /// # Errors
    /// Those of `f`.
    fn take(&mut self, f: &mut dyn FnMut(&Changes<'_>) -> Result<()>) -> Result<()>;

    /// Forgets everything that it keeps: the store below is another one.
    ///
    /// # Errors
    /// When it cannot be built again.
    fn reset(&mut self, ground: &Ground<'_, K>) -> Result<()>;
}

/// A backend: an executor and the books around it.
pub struct Runtime<K, E> {
    pub(super) shared: Arc<Shared<K>>,
    pub(super) executor: E,
    pub(super) config: Config,
    pub(super) loader: Arc<dyn Loader + Send + Sync>,
    /// Batches whose states are kept, the newest last.
    pub(super) heads: VecDeque<proof::Batch>,
    /// When the newest was.
    pub(super) moment: Moment,
    open: Option<Open>,
    /// Contents that have changed and are in no sealed batch yet.
    pub(super) carried: Vec<Leaf>,
    pub(super) layouts: Layouts,
    pub(super) events: Index,
    listeners: Vec<Box<dyn Listener>>,
    stopped: Option<String>,
}

/// A batch that has begun.
struct Open {
    moment: Moment,
    receipts: Vec<Receipt>,
    progress: Progress,
    /// Contents that had changed before.
    carried: usize,
}

impl<K: KeyValue + Send + 'static> Ledger<K> {
    /// A ledger on an empty store.
    pub fn new(storage: Storage<K>, config: Config, loader: Arc<dyn Loader + Send + Sync>) -> Self {
        Self::with(Arc::new(Shared::new(storage)), OneByOne::default(), config, loader)
    }
}

impl<K: KeyValue + Send + 'static> Parallel<K> {
    /// A parallel executor on an empty store.
    ///
    /// # Errors
    /// When the engine's settings are impossible, or the system gives no threads.
    pub fn new(
        storage: Storage<K>,
        config: Config,
        loader: Arc<dyn Loader + Send + Sync>,
        settings: Settings,
    ) -> Result<Self> {
        let shared = Arc::new(Shared::new(storage));
        let executor = Together::new(settings, &shared)?;
        Ok(Self::with(shared, executor, config, loader))
    }

    /// What the engine has counted.
    #[must_use]
    pub fn stats(&self) -> replicode_stm::Stats {
        self.executor.stats()
    }
}

impl<K: KeyValue + Send + 'static, E: Executor<K>> Runtime<K, E> {
    fn with(shared: Arc<Shared<K>>, executor: E, config: Config, loader: Arc<dyn Loader + Send + Sync>) -> Self {
        Self {
            shared,
            executor,
            config,
            loader,
            heads: VecDeque::new(),
            moment: Moment::default(),
            open: None,
            carried: Vec::new(),
            layouts: Layouts::default(),
            events: Index::new(),
            listeners: Vec::new(),
            stopped: None,
        }
    }

    /// The store, for one at a time. What is changed past the backend is not in its books.
    ///
    /// # Errors
    /// When the store was left in the middle of something.
    pub fn storage<T>(&self, f: impl FnOnce(&mut Storage<K>) -> T) -> Result<T> {
        Ok(self.shared.with(f)?)
    }

    fn going(&self) -> Result<()> {
        self.stopped.as_ref().map_or(Ok(()), |why| Err(Error::Stopped(why.clone())))
    }

    /// A failure that the state may be half of ends everything.
    fn or_stop<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(error @ (Error::Store(_) | Error::Fault(_))) = &result {
            self.stopped = Some(error.to_string());
        }
        result
    }

    pub(super) fn closed(&self, verb: &'static str) -> Result<()> {
        self.going()?;
        match &self.open {
            Some(open) => Err(Error::Order { verb, why: format!("batch {} has begun", open.moment.batch) }),
            None => Ok(()),
        }
    }

    fn begun(&mut self, verb: &'static str) -> Result<&mut Open> {
        self.going()?;
        self.open.as_mut().ok_or_else(|| Error::Order { verb, why: "no batch has begun".into() })
    }

    /// Brings what was executed into the store and its trees.
    fn bring_in(&mut self) -> Result<()> {
        let Self { shared, executor, config, carried, layouts, .. } = self;
        executor.take(&mut |changes| shared.with(|storage| take_in(storage, changes, layouts, config, carried))?)
    }

    fn reset(&mut self) -> Result<()> {
        let Self { shared, executor, config, loader, moment, .. } = self;
        executor.reset(&Ground { shared, config, loader: &**loader, moment: *moment, source: Source::Client })
    }

    fn go_back(&mut self, batch: u64) -> Result<()> {
        let Self { shared, config, layouts, .. } = self;
        let events = shared.with(|storage| -> Result<_> {
            let cells = storage.rewind(batch)?;
            layouts.after_rewind(storage, &cells, config)?;
            super::install::beside(storage)
        })??;
        self.events = events.index;
        self.heads.retain(|head| head.index <= batch);
        self.moment = Moment { batch: self.heads.back().map_or(0, |head| head.index), ..events.moment };
        self.reset()
    }

    fn tell_rewound(&mut self) -> Result<()> {
        let (tip, listeners) = (self.tip(), &mut self.listeners);
        self.shared.with(|storage| {
            let view = storage.forest().now();
            listeners.iter_mut().for_each(|listener| listener.rewound(tip.as_ref(), view, &mut Behind(storage)));
        })?;
        Ok(())
    }

    /// Runs something on the state as it is, and takes it back.
    fn ask<T>(&self, f: impl FnOnce(&mut Sequential<'_, Session<'_, Storage<K>>>) -> Result<T>) -> Result<T> {
        self.ask_at(self.open.as_ref().map_or(self.moment, |open| open.moment), f)
    }

    /// The same at some time.
    fn ask_at<T>(
        &self,
        moment: Moment,
        f: impl FnOnce(&mut Sequential<'_, Session<'_, Storage<K>>>) -> Result<T>,
    ) -> Result<T> {
        self.going()?;
        self.shared.with(|storage| {
            let mut session = storage.session();
            f(&mut Sequential::new(&mut session, &self.config, &*self.loader, moment))
        })?
    }

    fn cells<T>(
        &self,
        f: impl FnOnce(&mut Session<'_, Storage<K>>) -> std::result::Result<T, crate::run::Fault<state::Fault>>,
    ) -> Result<T> {
        self.going()?;
        self.shared.with(|storage| f(&mut storage.session()).map_err(fault))?
    }

    fn receipt_of(&self, transaction: &Hash) -> Result<Option<Receipt>> {
        let key = crate::hash::key(transaction.as_bytes());
        let mut last = None;
        for head in self.heads.iter().rev() {
            let found = self.shared.with(|storage| -> std::result::Result<_, state::Fault> {
                let Ok(view) = storage.forest().at(head.index) else { return Ok(None) };
                let Some(value) = view.get(&Name::Receipts, &key) else { return Ok(None) };
                let content = storage.content(&Name::Receipts, &key, &value)?;
                let receipt = content.get(32..).and_then(|bytes| Receipt::decode(bytes).ok());
                Ok(Some(receipt.ok_or(state::Fault::Content { name: Name::Receipts, hash: value })?))
            })??;
            match found {
                Some(receipt) if matches!(receipt.status, Status::Skipped { .. }) => last = last.or(Some(receipt)),
                Some(receipt) => return Ok(Some(receipt)),
                None => {}
            }
        }
        Ok(last)
    }
}

impl<K: KeyValue + Send + 'static, E: Executor<K>> Backend for Runtime<K, E> {
    fn config(&self) -> &Config {
        &self.config
    }

    fn fund(&mut self, balances: &[(Address, u128)]) -> Result<()> {
        self.closed("fund accounts")?;
        if let Some(tip) = self.tip() {
            return Err(Error::Order { verb: "fund accounts", why: format!("batch {} was before", tip.index) });
        }
        let Self { shared, config, carried, layouts, .. } = self;
        let done = shared.with(|storage| {
            let mut session = storage.session();
            for (account, balance) in balances {
                cells::credit(&mut session, account, *balance).map_err(fault)?;
            }
            let written = session.finish();
            take_in(storage, &written.changes(), layouts, config, carried)?;
            Ok(storage.forget()?)
        });
        self.or_stop(done.map_err(Error::from).flatten())?;
        self.reset()
    }

    fn begin(&mut self, moment: Moment) -> Result<()> {
        self.closed("begin a batch")?;
        let newest = self.moment.batch;
        if moment.batch <= newest {
            let why = format!("batch {} cannot come after batch {newest}", moment.batch);
            return Err(Error::Order { verb: "begin a batch", why });
        }
        let progress = Progress { position: 0, gas_left: self.config.batch_gas.min(1 << 62), room: limits::BATCH };
        self.open = Some(Open { moment, receipts: Vec::new(), progress, carried: self.carried.len() });
        Ok(())
    }

    fn execute_from(&mut self, source: Source, transactions: &[Vec<u8>]) -> Result<Vec<Receipt>> {
        let Open { moment, mut progress, .. } = *self.begun("execute")?;
        let Self { shared, executor, config, loader, .. } = self;
        let ground = Ground { shared, config, loader: &**loader, moment, source };
        let done = executor.execute(&ground, &mut progress, transactions);
        let receipts = self.or_stop(done)?;
        if let Some(open) = &mut self.open {
            open.progress = progress;
            open.receipts.extend_from_slice(&receipts);
        }
        Ok(receipts)
    }

    fn root(&mut self) -> Result<Hash> {
        self.going()?;
        let done = self.bring_in();
        self.or_stop(done)?;
        self.storage(|storage| storage.forest().root(&Name::Accounts))
    }

    fn commit(&mut self) -> Result<Arc<Sealed>> {
        self.begun("commit")?;
        let done = self.bring_in();
        self.or_stop(done)?;
        let Some(Open { moment, receipts, .. }) = self.open.take() else {
            return Err(Error::Order { verb: "commit", why: "no batch has begun".into() });
        };
        let parent = self.heads.back().map_or(Hash::ZERO, proof::Batch::digest);
        let (events, carried) = (&mut self.events, &mut self.carried);
        let done = self.shared.with(|storage| seal(storage, moment, parent, receipts, events, carried));
        let sealed = self.or_stop(done.map_err(Error::from).flatten())?;
        self.heads.push_back(sealed.batch);
        self.moment = moment;
        let oldest = self.storage(|storage| storage.forest().oldest())?;
        while self.heads.front().is_some_and(|head| head.index < oldest) {
            self.heads.pop_front();
        }
        let sealed = Arc::new(sealed);
        self.listeners.iter_mut().for_each(|listener| listener.sealed(&sealed));
        Ok(sealed)
    }

    fn rollback(&mut self) -> Result<()> {
        let carried = self.begun("roll back")?.carried;
        let done = self.go_back(self.moment.batch);
        self.or_stop(done)?;
        self.carried.truncate(carried);
        self.open = None;
        Ok(())
    }

    fn rewind(&mut self, batch: u64) -> Result<()> {
        self.going()?;
        let kept = self.storage(|storage| storage.forest().at(batch).map(drop))?;
        kept.map_err(|error| Error::Order { verb: "rewind", why: error.to_string() })?;
        let carried = self.open.as_ref().map_or(self.carried.len(), |open| open.carried);
        let done = self.go_back(batch);
        self.or_stop(done)?;
        self.carried.truncate(carried);
        self.open = None;
        self.tell_rewound()
    }

    fn stop(&mut self, why: &str) {
        self.stopped.get_or_insert_with(|| why.to_string());
    }

    fn tip(&self) -> Option<proof::Batch> {
        self.heads.back().copied()
    }

    fn moment(&self) -> Moment {
        self.moment
    }

    fn verify(&self, transaction: &[u8]) -> Result<Option<Skipped>> {
        self.ask(|run| run.verify(transaction).map_err(fault))
    }

    fn dry_run(&self, transaction: &[u8]) -> Result<Receipt> {
        self.ask(|run| run.execute(transaction).map_err(fault))
    }

    fn view(&self, view: &View<'_>) -> Result<Viewed> {
        let View { sender, account, function, arguments, gas, moment } = *view;
        let look = |run: &mut Sequential<'_, Session<'_, Storage<K>>>| {
            run.view(sender, account, function, arguments, gas, true).map_err(fault)
        };
        match moment {
            Some(moment) => self.ask_at(moment, look),
            None => self.ask(look),
        }
    }

    fn account(&self, account: &Address) -> Result<AccountNow> {
        let (record, balance) =
            self.cells(|cells| Ok((cells::record(cells, account)?, cells::balance(cells, account)?)))?;
        let state = self.storage(|storage| storage.state(account.as_bytes()))?;
        Ok(AccountNow { record, balance, state })
    }

    fn template(&self, template: &Hash) -> Result<Option<Vec<u8>>> {
        self.cells(|cells| cells::template(cells, template))
    }

    fn library(&self, publisher: &Address, name: &str, version: &str) -> Result<Option<Hash>> {
        self.cells(|cells| cells::library(cells, publisher, name, version))
    }

    fn open(&self, account: &Address, state: &Hash) -> Result<Option<Box<dyn Contract + '_>>> {
        self.going()?;
        Ok(Opened::of(&self.shared, *account.as_bytes(), *state)?.map(|opened| Box::new(opened) as _))
    }

    fn receipt(&self, transaction: &Hash) -> Result<Option<Receipt>> {
        self.going()?;
        self.receipt_of(transaction)
    }

    fn events(&self, filter: &Filter, after: Option<Place>, limit: usize) -> Vec<Found> {
        self.events.query(filter, self.moment.time, after, limit)
    }

    fn search_events(
        &self,
        filter: &Filter,
        after: Option<Place>,
        limit: usize,
        most: usize,
    ) -> (Vec<Found>, Option<Place>) {
        self.events.search(filter, self.moment.time, after, limit, most)
    }

    fn prove(&self, question: &Question, batch: u64, against: Against) -> Result<Proof> {
        self.going()?;
        let not_kept = || Error::Order { verb: "prove", why: format!("batch {batch} is not kept") };
        let head = *self.heads.iter().find(|head| head.index == batch).ok_or_else(not_kept)?;
        let head = (against == Against::Digest).then_some(head);
        let mut proof = Err(not_kept());
        let schema = self.storage(|storage| super::contents::schema_of(storage, question))?;
        self.look(Some(batch), &mut |view, contents| {
            proof = proof::prove(view, &schema, contents, question, head).map_err(Error::from);
        })?;
        proof
    }

    fn subscribe(&mut self, listener: Box<dyn Listener>) {
        self.listeners.push(listener);
    }

    fn look(&self, batch: Option<u64>, f: &mut dyn FnMut(tree::View<'_>, &mut dyn Contents)) -> Result<()> {
        self.going()?;
        self.shared.with(|storage| {
            let view = storage.at(batch).map_err(|fault| Error::Order { verb: "look", why: fault.to_string() })?;
            f(view, &mut Behind(storage));
            Ok(())
        })?
    }

    fn schema(&self) -> Result<tree::Whole<state::Contents>> {
        self.storage(|storage| super::contents::schema(storage))
    }

    fn install(&mut self, batch: proof::Batch, received: Received<'_>) -> Result<()> {
        self.closed("install a state")?;
        let done = self.take_over(batch, received);
        self.or_stop(done)?;
        self.reset()?;
        self.tell_rewound()
    }
}
