//! What a command works with: contracts somewhere, the names that people use, and documents as far as they were asked for.

use super::book::Book;
use super::local::Local;
use super::reach::{About, Contracts};
use super::remote::Remote;
use crate::Usage;
use crate::admin::client::AdminClient;
use crate::admin::{Request, Status};
use crate::args::contract::Target;
use anyhow::{Context, Result, bail};
use replicode_contracts::abi::document::closest;
use replicode_contracts::abi::{Function, FunctionKind, Names};
use replicode_contracts::account::Address;
use replicode_contracts::hash::Hash;
use replicode_contracts::template::Template;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

/// A template that is stored, and its hash.
pub type Stored = Rc<(Hash, Template)>;

/// What a command works with.
pub struct Session {
    /// The contracts.
    pub reach: Box<dyn Contracts>,
    /// The cell's rules.
    pub about: About,
    /// Keys and names.
    pub book: Book,
    templates: BTreeMap<Hash, Stored>,
}

/// The store of `--local`, or what the environment names.
fn local(target: &Target) -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let elsewhere = target.node.is_some() || target.api.is_some();
    target.local.clone().or_else(|| variable("REPLICODE_LOCAL").filter(|_| !elsewhere))
}

/// Where a node serves its cell's contracts.
fn address(target: &Target) -> Result<String> {
    if let Some(api) = &target.api {
        return Ok(api.clone());
    }
    let variable = std::env::var_os("REPLICODE_NODE").filter(|value| !value.is_empty()).map(PathBuf::from);
    let Some(dir) = target.node.clone().or(variable) else {
        bail!(Usage(
            "where are the contracts? --node DIR, --api HOST:PORT or REPLICODE_NODE names a node; --local DIR, or REPLICODE_LOCAL, \
             a store of this machine"
                .into()
        ));
    };
    let status: Status = AdminClient::connect(&dir)?.ask(&Request::Status)?;
    let name = status.name;
    let contracts = status
        .contracts
        .with_context(|| format!("the cell '{name}' has no contracts: it was made without --contracts"))?;
    contracts.listen.with_context(|| format!("the node in {} does not serve contracts", dir.display()))
}

/// The contracts that the command line names.
fn reach(target: &Target, book: &Book) -> Result<Box<dyn Contracts>> {
    let Some(dir) = local(target) else { return Ok(Box::new(Remote::new(vec![address(target)?])?)) };
    let mut fund = Vec::new();
    for text in &target.fund {
        let expected = || Usage(format!("--fund {text}: expected NAME=N, a name or an address and a number"));
        let (name, value) = text.split_once('=').ok_or_else(expected)?;
        let to = book.address(name).or_else(|| name.parse().ok());
        let Some(to) = to else {
            bail!(Usage(format!(
                "--fund {text}: there is no key {name}; make it with 'replicode contract key new {name}'"
            )));
        };
        fund.push((to, value.replace('_', "").parse().map_err(|_| expected())?));
    }
    Ok(Box::new(Local::open(&dir, &fund)?))
}

impl Session {
    /// Reaches the contracts that the command line names.
    ///
    /// # Errors
    /// When nothing is named, or nobody answers.
    pub fn open(target: &Target) -> Result<Self> {
        let book = Book::read()?;
        let reach = reach(target, &book)?;
        Self::with(reach, book)
    }

    /// The same to look on while others write.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub fn look(target: &Target) -> Result<Self> {
        match local(target) {
            Some(dir) => Self::with(Box::new(Local::look(&dir)?), Book::read()?),
            None => Self::open(target),
        }
    }

    fn with(mut reach: Box<dyn Contracts>, mut book: Book) -> Result<Self> {
        let about = reach.about()?;
        book.enter(&about.config.cell, about.config.trust_names)?;
        Ok(Self { reach, about, book, templates: BTreeMap::new() })
    }

    /// The account that a name or an address means.
    ///
    /// # Errors
    /// When it means none.
    pub fn who(&self, text: &str) -> Result<Address> {
        let found = self.book.address(text).or_else(|| text.parse().ok());
        if found.is_none()
            && let Some(why) = self.book.bad_keys().get(text)
        {
            bail!("{why}");
        }
        found.ok_or_else(|| {
            Usage(format!("{text:?} is neither a name that is known here nor an address of 40 hexadecimal digits"))
                .into()
        })
    }

    /// What an account is called here, or its address.
    pub fn called(&self, account: &Address) -> String {
        self.book.name(account).unwrap_or_else(|| account.to_string())
    }

    /// A stored template.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn template(&mut self, hash: &Hash) -> Result<Stored> {
        if let Some(known) = self.templates.get(hash) {
            return Ok(Rc::clone(known));
        }
        let bytes = self.reach.template(hash)?.with_context(|| format!("there is no template {hash}"))?;
        let template = Template::decode(&bytes, &self.about.config.limits.template)
            .with_context(|| format!("template {hash} cannot be read"))?;
        let stored = Rc::new((*hash, template));
        self.templates.insert(*hash, Rc::clone(&stored));
        Ok(stored)
    }

    /// A stored template, if it is there and can be read: for showing things.
    pub fn document(&mut self, hash: &Hash) -> Option<Stored> {
        self.template(hash).ok()
    }

    /// The template of an account, if it has one: for showing things.
    pub fn document_of(&mut self, account: &Address) -> Option<Stored> {
        let hash = self.reach.account(account, None).ok()?.record.template?;
        self.document(&hash)
    }

    /// A contract by name or address, with its template (as of a batch).
    ///
    /// # Errors
    /// When there is no such contract.
    pub fn contract(&mut self, text: &str, at: Option<u64>) -> Result<(Address, Stored)> {
        let account = self.who(text)?;
        let now = self.reach.account(&account, at)?;
        let Some(hash) = now.record.template else {
            bail!(
                "there is no contract at {text} ({account}){}",
                at.map(|at| format!(" as of batch {at}")).unwrap_or_default()
            );
        };
        Ok((account, self.template(&hash)?))
    }

    /// A template by its hash or name.
    ///
    /// # Errors
    /// When it means none, or more than one.
    pub fn find_template(&mut self, text: &str) -> Result<Stored> {
        if let Ok(hash) = text.parse::<Hash>() {
            return self.template(&hash);
        }
        if let Some(hash) = self.book.template(text) {
            return self.template(&hash);
        }
        let (mut found, mut names) = (Vec::new(), Vec::new());
        for hash in self.reach.templates()? {
            let stored = self.template(&hash)?;
            match stored.1.header.name == text {
                true => found.push(stored),
                false => names.push(stored.1.header.name.clone()),
            }
        }
        match found.as_slice() {
            [one] => Ok(Rc::clone(one)),
            [] => {
                let meant = closest(text, names.iter().map(String::as_str));
                let meant = meant.map(|name| format!("; did you mean {name}?")).unwrap_or_default();
                bail!(Usage(format!("there is no template called {text}{meant}")))
            }
            many => {
                let hashes: Vec<String> = many.iter().map(|stored| stored.0.to_string()).collect();
                bail!(Usage(format!(
                    "there are {} templates called {text}: name one by its hash, {}",
                    many.len(),
                    hashes.join(" or ")
                )))
            }
        }
    }
}

/// A function of a document that may be asked for from outside.
///
/// # Errors
/// When there is none of this name, with the one that was probably meant.
pub fn function<'t>(template: &'t Template, name: &str) -> Result<&'t Function> {
    let callable = |function: &&Function| matches!(function.kind, FunctionKind::Call | FunctionKind::View);
    match template.abi.function(name) {
        Some(function) if callable(&function) => Ok(function),
        Some(function) => bail!(Usage(format!("{name} is of kind {}, which the runtime calls itself", function.kind))),
        None => {
            let names = || template.abi.functions.iter().filter(callable).map(|function| function.name.as_str());
            let hint = match closest(name, names()) {
                Some(meant) => format!("did you mean {meant}?"),
                None => format!("it has {}", names().collect::<Vec<_>>().join(", ")),
            };
            bail!(Usage(format!("{} has no function {name:?}; {hint}", template.header.name)))
        }
    }
}
