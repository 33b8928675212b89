//! Contracts of a cell, asked of one of its nodes over gRPC.

use super::reach::{About, AccountRow, Contracts, LibraryRow, Past, Proven, ViewOf};
use anyhow::{Context, Result, anyhow, bail, ensure};
use replicode_contract_api::proto::contract_client::ContractClient;
use replicode_contract_api::{Client, convert, proto};
use replicode_contracts::account::Address;
use replicode_contracts::backend::{AccountNow, Against};
use replicode_contracts::collection::CollectionId;
use replicode_contracts::event::{Filter, Found, Place};
use replicode_contracts::hash::Hash;
use replicode_contracts::proof::{Batch, Question};
use replicode_contracts::receipt::{FrameGas, Receipt, Status};
use replicode_contracts::run::{Config, Outcome, Viewed};
use replicode_contracts::slice::Kind;
use replicode_contracts::state::PastEntry;
use std::time::Duration;
use tokio::runtime::Runtime;
use tonic::transport::Channel;

/// How long the cell may take to agree on a transaction.
const PATIENCE: Duration = Duration::from_secs(30);
/// Accounts asked for at once.
const ACCOUNTS: u32 = 1000;

/// See the module.
pub struct Remote {
    runtime: Runtime,
    client: Client,
}

fn told(status: tonic::Status) -> anyhow::Error {
    anyhow!("the node answers: {}", status.message())
}

fn entry_of(account: [u8; 20], entry: proto::Entry) -> Result<(Vec<u8>, PastEntry)> {
    use proto::entry::Kind as E;
    let value = match entry.kind.context("an entry without content")? {
        E::Value(bytes) => PastEntry::Bytes(bytes),
        E::Sum(bytes) => {
            let bytes: [u8; 16] = bytes.try_into().map_err(|_| anyhow!("a sum of another length"))?;
            PastEntry::Sum(i128::from_le_bytes(bytes))
        }
        E::Collection(it) => {
            let kind =
                Kind::ALL.into_iter().find(|kind| *kind as u32 == it.kind).context("a kind that is not known")?;
            let name = *convert::hash("name", &it.name)?.as_bytes();
            PastEntry::Collection {
                kind,
                id: CollectionId { account, name },
                state: convert::hash("state", &it.state)?,
            }
        }
    };
    Ok((entry.key, value))
}

/// What a node answers, if it does.
async fn soon<T>(answer: impl Future<Output = T>) -> Result<T> {
    let answer = tokio::time::timeout(PATIENCE, answer).await;
    answer.map_err(|_| anyhow!("the node has not answered within {} s: ask another one (--api)", PATIENCE.as_secs()))
}

impl Remote {
    /// Of these nodes (`HOST:PORT`). Nothing is asked yet.
    ///
    /// # Errors
    /// When this process cannot ask.
    pub fn new(nodes: Vec<String>) -> Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot ask a node")?;
        Ok(Self { runtime, client: Client::new(nodes, PATIENCE) })
    }

    fn ask<T, F: Future<Output = std::result::Result<tonic::Response<T>, tonic::Status>>>(
        &mut self,
        f: impl FnOnce(ContractClient<Channel>) -> F,
    ) -> Result<T> {
        let Self { runtime, client } = self;
        runtime.block_on(async {
            let channel = client.channel().await?;
            Ok(soon(f(channel)).await?.map_err(told)?.into_inner())
        })
    }

    fn root(&mut self, batch: Option<u64>) -> Result<(proto::RootReply, Option<Batch>)> {
        let reply = self.ask(|mut it| async move { it.root(proto::RootRequest { batch }).await })?;
        let tip = (!reply.batch.is_empty()).then(|| convert::decode("batch", &reply.batch)).transpose()?;
        Ok((reply, tip))
    }
}

impl Contracts for Remote {
    fn about(&mut self) -> Result<About> {
        let (reply, tip) = self.root(None)?;
        let mut config = Config::standard(convert::hash("cell", &reply.cell)?);
        (config.trust_names, config.batch_gas) = (reply.trust_names, reply.batch_gas);
        Ok(About { config, gas_price: 0, tip, time: reply.time })
    }

    fn submit(&mut self, transaction: &[u8]) -> Result<Receipt> {
        let submitted = self.runtime.block_on(self.client.submit(transaction))?;
        submitted.receipt.with_context(|| {
            format!("it was executed in batch {} before, and this node keeps its receipt no longer", submitted.batch)
        })
    }

    fn dry_run(&mut self, transaction: &[u8]) -> Result<Receipt> {
        let request = proto::DryRunRequest { transaction: transaction.to_vec() };
        Ok(Receipt::decode(&self.ask(|mut it| async move { it.dry_run(request).await })?.receipt)?)
    }

    fn view(&mut self, view: &ViewOf) -> Result<Viewed> {
        if view.at.is_some() && self.root(None)?.1.map(|tip| tip.index) != view.at {
            bail!(
                "a node runs functions on its newest state only; 'state --at' and 'proof' show what was stored before"
            );
        }
        let request = proto::ViewRequest {
            sender: view.sender.as_bytes().to_vec(),
            account: view.account.as_bytes().to_vec(),
            function: view.function.clone(),
            arguments: view.arguments.clone(),
            gas: view.gas,
        };
        let reply = self.ask(|mut it| async move { it.view(request).await })?;
        if view.at.is_some_and(|at| at != reply.batch) {
            bail!("the cell went on to batch {} meanwhile: ask again", reply.batch);
        }
        let status: Status = convert::decode("status", &reply.status)?;
        let frames = reply.frames.iter().map(|frame| convert::decode("frame", frame));
        let frames: Vec<FrameGas> = frames.collect::<std::result::Result<_, _>>()?;
        Ok(Viewed { outcome: Outcome { status, returned: reply.returned, burnt: reply.burnt }, frames })
    }

    fn account(&mut self, account: &Address, at: Option<u64>) -> Result<AccountNow> {
        let request = proto::AccountRequest { account: account.as_bytes().to_vec(), batch: at };
        let reply = self.ask(|mut it| async move { it.account(request).await })?;
        Ok(convert::account_of(&reply)?.1)
    }

    fn accounts(&mut self) -> Result<Vec<AccountRow>> {
        let (mut rows, mut batch): (Vec<AccountRow>, _) = (Vec::new(), None);
        loop {
            let after = rows.last().map(|row| row.address.as_bytes().to_vec()).unwrap_or_default();
            let request = proto::AccountsRequest { after, limit: ACCOUNTS, batch };
            let reply = self.ask(|mut it| async move { it.accounts(request).await })?;
            batch = reply.batch;
            for account in &reply.accounts {
                let (address, now) = convert::account_of(account)?;
                rows.push(AccountRow { address, now });
            }
            if !reply.more || reply.accounts.is_empty() {
                rows.sort_by_key(|row| row.address);
                return Ok(rows);
            }
        }
    }

    fn template(&mut self, template: &Hash) -> Result<Option<Vec<u8>>> {
        let request = proto::TemplateRequest { template: template.as_bytes().to_vec() };
        Ok(self.ask(|mut it| async move { it.template(request).await })?.content)
    }

    fn templates(&mut self) -> Result<Vec<Hash>> {
        let reply = self.ask(|mut it| async move { it.templates(proto::TemplatesRequest {}).await })?;
        let hashes = reply.templates.iter().map(|hash| convert::hash("template", hash));
        Ok(hashes.collect::<std::result::Result<_, _>>()?)
    }

    fn libraries(&mut self) -> Result<Vec<LibraryRow>> {
        let reply = self.ask(|mut it| async move { it.libraries(proto::LibrariesRequest {}).await })?;
        let row = |it: proto::LibraryRow| -> Result<LibraryRow> {
            let (publisher, template) =
                (convert::address("publisher", &it.publisher)?, convert::hash("template", &it.template)?);
            Ok(LibraryRow { publisher, name: it.name, version: it.version, template })
        };
        reply.libraries.into_iter().map(row).collect()
    }

    fn slice(&mut self, account: &Address, index: u32, at: Option<u64>) -> Result<Option<PastEntry>> {
        let request = proto::SliceRequest { account: account.as_bytes().to_vec(), index, batch: at };
        let reply = self.ask(|mut it| async move { it.slice(request).await })?;
        Ok(reply.entry.map(|entry| entry_of(*account.as_bytes(), entry)).transpose()?.map(|(_, entry)| entry))
    }

    fn elements(&mut self, collection: &CollectionId, at: Option<u64>) -> Result<Vec<(Vec<u8>, PastEntry)>> {
        let (mut all, mut batch): (Vec<(Vec<u8>, PastEntry)>, _) = (Vec::new(), at);
        loop {
            let (account, name) = (collection.account.to_vec(), collection.name.to_vec());
            let after = all.last().map(|(key, _)| key.clone());
            let request = proto::ElementsRequest { account, collection: name, batch, after, limit: 0 };
            let reply = self.ask(|mut it| async move { it.elements(request).await })?;
            batch = reply.batch;
            let (more, before) = (reply.more, all.len());
            for entry in reply.elements {
                all.push(entry_of(collection.account, entry)?);
            }
            if !more || all.len() == before {
                return Ok(all);
            }
        }
    }

    fn receipt(&mut self, transaction: &Hash) -> Result<Option<Receipt>> {
        let request = proto::ReceiptRequest { transaction: transaction.as_bytes().to_vec() };
        let reply = self.ask(|mut it| async move { it.receipt(request).await })?;
        Ok(reply.receipt.map(|receipt| Receipt::decode(&receipt)).transpose()?)
    }

    fn events(&mut self, filter: &Filter, after: Option<Place>, limit: usize) -> Result<Vec<Found>> {
        let request = convert::filter(filter, after, limit);
        let mut events = self.ask(|mut it| async move { it.events(request).await })?;
        self.runtime.block_on(async {
            let mut all = Vec::new();
            while let Some(event) = soon(events.message()).await?.map_err(told)? {
                all.push(convert::event_of(event)?);
            }
            Ok(all)
        })
    }

    fn prove(&mut self, question: &Question, at: Option<u64>, against: Against) -> Result<Proven> {
        let digest = against == Against::Digest;
        let request = proto::ProofRequest { question: borsh::to_vec(question)?, batch: at, digest };
        let reply = self.ask(|mut it| async move { it.proof(request).await })?;
        Ok(Proven { proof: convert::decode("proof", &reply.proof)?, batch: convert::decode("batch", &reply.batch)? })
    }

    fn batch(&mut self, at: Option<u64>) -> Result<Option<Batch>> {
        Ok(self.root(at)?.1)
    }

    fn history(&mut self, account: &Address) -> Result<Vec<Past>> {
        let request = proto::HistoryRequest { account: account.as_bytes().to_vec() };
        let reply = self.ask(|mut it| async move { it.history(request).await })?;
        let past = |it: proto::Past| -> Result<Past> {
            let (transaction, state) =
                (convert::hash("transaction", &it.transaction)?, convert::hash("state", &it.state)?);
            Ok(Past { batch: it.batch, transaction, state })
        };
        let all: Vec<Past> = reply.changes.into_iter().map(past).collect::<Result<_>>()?;
        ensure!(all.is_sorted_by_key(|past| past.batch), "the node's answer is out of order");
        Ok(all)
    }
}
