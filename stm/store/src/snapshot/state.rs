//! A backend's state on its way to another backend, in two rounds.
//!
//! What a page refers to depends on its contract's layout, and that is in the template. So accounts, templates and what is beside them
//! come first, against the roots that the manifest names; pages and collections come then, against the states in the accounts.
//!
//! ```text
//! sender: manifest, send                       receiver: Arrival
//!   accounts, receipts, codes, beside ── chunks, in any order ──► first round
//!   pages, collections                ── chunks, in any order ──► second round ──► into
//! ```

use std::collections::BTreeMap;

use replicode_contracts::backend::{Backend, account_of};
use replicode_contracts::hash::Hash;
use replicode_contracts::proof::{AccountContent, Contents as Behind};
use replicode_contracts::state::{Contents, Received};
use replicode_contracts::template::{Limits as TemplateLimits, Template};
use replicode_contracts::tree::{Change as TreeChange, Forest, Name, Schema, View, Whole};

use super::{Chunk, Install, InstallError, Limits, NotProvided, Want, provide};
use crate::Manifest;
use crate::load::TOPS;

/// Why a state was not sent, or has not arrived.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The backend has not got it.
    #[error(transparent)]
    Backend(#[from] replicode_contracts::backend::Error),
    /// There is no batch yet, so there is nothing to send.
    #[error("could not send a snapshot: there was no batch yet")]
    NoBatch,
    /// The sender has no such thing.
    #[error(transparent)]
    NotProvided(#[from] NotProvided),
    /// What has arrived is not believed, or is not all.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// The manifest is not that of the batch.
    #[error("the manifest names root {has} for {name}, and the batch has {root}")]
    Manifest {
        /// Which tree.
        name: Name,
        /// What it names.
        has: Hash,
        /// What it should name.
        root: Hash,
    },
}

/// The trees that the first round brings: what their contents refer to comes later.
#[derive(Clone, Copy, Debug, Default)]
struct Tops;

impl Schema for Tops {
    fn leaf(&self, name: &Name, content: &[u8]) -> Option<(Hash, Hash)> {
        Whole(Contents::default()).leaf(name, content)
    }

    fn children(&self, _: &Name, _: &[u8]) -> Vec<(Name, Hash)> {
        Vec::new()
    }

    fn describe(&self, name: &Name, content: &[u8]) -> String {
        Whole(Contents::default()).describe(name, content)
    }
}

/// What the state after a kept batch is called, none: after the last one. Whoever knows the digest of the batch can believe it.
///
/// # Errors
/// When the backend does not keep it.
pub fn manifest(backend: &dyn Backend) -> Result<Manifest, StateError> {
    let tip = backend.tip().ok_or(StateError::NoBatch)?;
    let mut manifest = None;
    backend.look(Some(tip.index), &mut |view, _| manifest = Some(Manifest::of(tip, view)))?;
    manifest.ok_or(StateError::NoBatch)
}

/// A chunk of what is wanted of the state after `batch`.
///
/// # Errors
/// When the backend does not keep that state, or there is no such thing in it.
pub fn send(backend: &dyn Backend, batch: u64, wants: &[Want], limits: Limits) -> Result<Chunk, StateError> {
    let of_tops = |want: &Want| TOPS.contains(&want.name);
    let first = wants.first().is_some_and(of_tops);
    let wants: Vec<Want> = wants.iter().filter(|want| of_tops(want) == first).cloned().collect();
    let mut chunk = Ok(Chunk { version: 1, sections: Vec::new() });
    let schema = if first { None } else { Some(backend.schema()?) };
    backend.look(Some(batch), &mut |view, contents| {
        chunk = match &schema {
            Some(schema) => provide(view, schema, contents, &wants, limits),
            None => provide(view, &Tops, contents, &wants, limits),
        };
    })?;
    Ok(chunk?)
}

/// Contents that have arrived.
#[derive(Clone, Debug, Default)]
struct Arrived(BTreeMap<(Name, Hash), Vec<u8>>);

impl Behind for Arrived {
    fn content(&mut self, name: &Name, key: &Hash, _: &Hash) -> Result<Vec<u8>, String> {
        self.0.get(&(*name, *key)).cloned().ok_or_else(|| "it has not arrived".to_string())
    }
}

enum Round {
    Tops(Install<Tops, Arrived>),
    Storage(Install<Whole<Contents>, Arrived>),
}

/// A state that is arriving.
pub struct Arrival {
    round: Round,
    contents: Arrived,
    manifest: Manifest,
    limits: TemplateLimits,
}

impl Arrival {
    /// Waits for the state that the manifest names. Its batch must be known to be right, by its digest say.
    ///
    /// # Errors
    /// When the manifest names other roots than its batch.
    pub fn of(manifest: Manifest, depth: usize, limits: TemplateLimits) -> Result<Self, StateError> {
        Self::begin(manifest, Arrived::default(), depth, limits)
    }

    /// The same where `own` state is here already: only what differs is wanted.
    ///
    /// # Errors
    /// As [`Arrival::of`], and when the backend cannot be read.
    pub fn over(own: &dyn Backend, manifest: Manifest, depth: usize) -> Result<Self, StateError> {
        let mut contents = Arrived::default();
        let mut wrong = Ok(());
        own.look(None, &mut |view, behind| wrong = copy(view, behind, &mut contents))?;
        wrong?;
        Self::begin(manifest, contents, depth, own.config().limits.template)
    }

    fn begin(manifest: Manifest, contents: Arrived, depth: usize, limits: TemplateLimits) -> Result<Self, StateError> {
        let batch = &manifest.batch;
        for (name, root) in [(Name::Accounts, batch.root), (Name::Receipts, batch.receipts)] {
            let has = manifest.roots.iter().find(|(other, _)| *other == name).map_or(Hash::ZERO, |(_, root)| *root);
            if has != root {
                return Err(StateError::Manifest { name, has, root });
            }
        }
        let forest = planted(&contents, batch.index, depth)?;
        let install = Install::new(Tops, manifest.clone(), forest, contents.clone())?;
        let mut arrival = Self { round: Round::Tops(install), contents, manifest, limits };
        arrival.next_round()?;
        Ok(arrival)
    }

    /// What is missing in this round. Nothing: all has arrived.
    #[must_use]
    pub fn wanted(&self) -> Vec<Want> {
        match &self.round {
            Round::Tops(install) => install.wanted().cloned().collect(),
            Round::Storage(install) => install.wanted().cloned().collect(),
        }
    }

    /// Takes a chunk in, of this round; it may come twice, in any order, from anybody.
    ///
    /// # Errors
    /// When it is not believed. Nothing has happened then, and another sender may have a better one.
    pub fn take(&mut self, chunk: &Chunk) -> Result<(), StateError> {
        let changes = match &mut self.round {
            Round::Tops(install) => install.take(chunk)?,
            Round::Storage(install) => install.take(chunk)?,
        };
        self.keep(changes);
        self.next_round()
    }

    fn keep(&mut self, changes: Vec<super::Change>) {
        for (name, key, content) in changes {
            match content {
                Some(content) => self.contents.0.insert((name, key), content),
                None => self.contents.0.remove(&(name, key)),
            };
        }
    }

    /// When the first round is over the second begins.
    fn next_round(&mut self) -> Result<(), StateError> {
        let Round::Tops(install) = &self.round else { return Ok(()) };
        if install.wanted().next().is_some() {
            return Ok(());
        }
        let forest = planted(&self.contents, self.manifest.batch.index, 0)?;
        let placeholder =
            Install::resume(Tops, self.manifest.clone(), forest, Arrived::default(), super::Pending::default());
        let Round::Tops(install) = std::mem::replace(&mut self.round, Round::Tops(placeholder)) else { return Ok(()) };
        let (forest, changes) = install.finish()?;
        self.keep(changes);
        let storage = self.storage();
        let schema = Whole(Contents { layouts: self.layouts() });
        self.round = Round::Storage(Install::new(schema, storage, forest, self.contents.clone())?);
        Ok(())
    }

    /// The manifest of the second round: it names the state of every contract as well.
    fn storage(&self) -> Manifest {
        let accounts = self.contents.0.range((Name::Accounts, Hash::ZERO)..);
        let states = accounts.take_while(|((name, _), _)| *name == Name::Accounts).filter_map(|(_, content)| {
            let account = AccountContent::decode(content)?;
            (account.state != Hash::ZERO).then_some((Name::Pages { account: account.address }, account.state))
        });
        let roots = self.manifest.roots.iter().copied().chain(states).collect();
        Manifest { roots, ..self.manifest.clone() }
    }

    fn layouts(&self) -> BTreeMap<[u8; 20], replicode_contracts::slice::Layout> {
        let of = |wanted: Name| {
            let all = self.contents.0.range((wanted, Hash::ZERO)..);
            all.take_while(move |((name, _), _)| *name == wanted).map(|(_, content)| content)
        };
        let templates: BTreeMap<Hash, _> = of(Name::Codes)
            .filter_map(|code| {
                let layout = Template::decode(code, &self.limits).ok()?.layout.to_storage().ok()?;
                Some((Template::hash_of(code), layout))
            })
            .collect();
        of(Name::Accounts)
            .filter_map(|content| {
                let (address, record, _) = account_of(content)?;
                Some((*address.as_bytes(), templates.get(&record.template?)?.clone()))
            })
            .collect()
    }

    /// Gives the state to a backend, whose own goes.
    ///
    /// # Errors
    /// When something is missing, or the backend does not take it.
    pub fn into(mut self, backend: &mut dyn Backend) -> Result<(), StateError> {
        let placeholder = Round::Tops(Install::resume(
            Tops,
            self.manifest.clone(),
            Forest::new(0, 0),
            Arrived::default(),
            super::Pending::default(),
        ));
        let (mut forest, changes) = match std::mem::replace(&mut self.round, placeholder) {
            Round::Tops(install) => return Err(InstallError::Unfinished(install.wanted().count()).into()),
            Round::Storage(install) => install.finish()?,
        };
        self.keep(changes);
        forest.forget();
        backend.install(self.manifest.batch, Received { forest, contents: &mut self.contents })?;
        Ok(())
    }
}

/// All contents of a state.
fn copy(view: View<'_>, behind: &mut dyn Behind, into: &mut Arrived) -> Result<(), InstallError> {
    for name in view.names() {
        for (key, value) in view.leaves(&name) {
            let content = behind.content(&name, &key, &value);
            let content = content.map_err(|why| InstallError::Content { name, key, why })?;
            into.0.insert((name, key), content);
        }
    }
    Ok(())
}

/// The trees of these contents, as of a batch.
fn planted(contents: &Arrived, batch: u64, depth: usize) -> Result<Forest, InstallError> {
    let mut changes: Vec<(Name, Vec<TreeChange>)> = Vec::new();
    for ((name, key), content) in &contents.0 {
        let Some((_, value)) = Tops.leaf(name, content) else { continue };
        match changes.last_mut().filter(|(last, _)| last == name) {
            Some((_, leaves)) => leaves.push((*key, Some(value))),
            None => changes.push((*name, vec![(*key, Some(value))])),
        }
    }
    let mut forest = Forest::new(batch, depth);
    forest.update_all(&changes)?;
    forest.forget();
    Ok(forest)
}
