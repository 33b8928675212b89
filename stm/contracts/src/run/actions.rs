//! What a transaction's actions do, one at a time.

use super::cells;
use super::frames::{Fault, Frames, Invocation, Outcome, Purpose, Run};
use super::host::{SpawnRequest, Unloaded};
use crate::abi::compare::{Side, clashes};
use crate::abi::{Abi, FunctionKind};
use crate::account::Address;
use crate::cell::Access;
use crate::hash::Hash;
use crate::receipt::status::Rule;
use crate::receipt::{GasKind, Status};
use crate::template::{Kind, Layout, Template};
use crate::transaction::{Action, encode};

/// What a rule of an account answers that says yes.
const YES: [u8; 1] = [1];

impl<A: Access> Frames<'_, A> {
    /// Does what a transaction asks for, for its principal.
    pub(super) fn act(&mut self, action: &Action) -> Run<Outcome, A> {
        let prices = self.config.prices;
        let by_bytes = |template: &[u8]| prices.template_byte.saturating_mul(template.len() as u64);
        let (kind, price) = match action {
            Action::Call { .. } | Action::Upgrade { .. } => (GasKind::Call, prices.call),
            Action::Transfer { .. } => (GasKind::Write, prices.write.saturating_mul(2)),
            Action::Spawn { .. } => (GasKind::Call, prices.call.saturating_add(prices.spawn)),
            Action::Deploy { template } | Action::Publish { template, .. } => {
                (GasKind::Write, prices.write.saturating_add(by_bytes(template)))
            }
        };
        if !self.outside.charge(kind, price) {
            self.outside.lose_the_rest();
            return Ok(Outcome::failed(Status::OutOfGas));
        }
        let principal = self.principal;
        let outcome = match action {
            Action::Call { account, function, arguments, value } => self.invoke(&Invocation {
                purpose: Purpose::Call,
                account: *account,
                function,
                arguments,
                sender: principal,
                value: *value,
                gas: self.outside.left(),
                read_only: false,
                may_reenter: false,
            })?,
            Action::Transfer { to, value } => match cells::pay(self.cells, &principal, to, *value)? {
                true => Outcome::failed(Status::Success),
                false => Outcome::failed(Status::NoMoney { need: *value }),
            },
            Action::Deploy { template } => stored(self.store(template, Kind::Contract)?),
            Action::Spawn { template, constructor, arguments, value } => {
                let request = SpawnRequest {
                    template: *template,
                    constructor: constructor.clone(),
                    arguments: arguments.clone(),
                    value: *value,
                    gas: self.outside.left(),
                };
                self.spawn_for(&principal, &request)?.1
            }
            Action::Upgrade { account, template, arguments } => self.upgrade(account, template, arguments)?,
            Action::Publish { name, version, template } => self.publish(name, version, template)?,
        };
        self.outside.burn_below(outcome.burnt);
        Ok(outcome)
    }

    /// Stores a template that may run here.
    pub(super) fn store(&mut self, bytes: &[u8], kind: Kind) -> Run<Result<Hash, Status>, A> {
        let hash = Template::hash_of(bytes);
        if !cells::has_template(self.cells, &hash)? {
            let refused = |why: String| Ok(Err(Status::Refused { why }));
            let template = match Template::decode(bytes, &self.config.limits.template) {
                Ok(template) => template,
                Err(complaints) => return refused(complaints.to_string()),
            };
            if template.header.kind != kind {
                return Ok(Err(Status::NotAllowed { what: Rule::Library }));
            }
            if let Err(why) = self.linked(&template)? {
                return refused(why);
            }
            match self.loader.load(&hash, template) {
                Ok(_) => {}
                Err(Unloaded::Refused(why)) => return refused(why),
                Err(Unloaded::Host(why)) => return Err(Fault::Engine { template: hash, why }),
            }
            cells::store_template(self.cells, &hash, bytes)?;
        }
        self.made.deployed.push(hash);
        Ok(Ok(hash))
    }

    fn publish(&mut self, name: &str, version: &str, template: &[u8]) -> Run<Outcome, A> {
        let publisher = self.principal;
        if cells::library(self.cells, &publisher, name, version)?.is_some() {
            return Ok(Outcome::failed(Status::NotAllowed { what: Rule::Published }));
        }
        match self.store(template, Kind::Library)? {
            Ok(hash) => {
                cells::set_library(self.cells, &publisher, name, version, &hash)?;
                Ok(Outcome::failed(Status::Success))
            }
            Err(status) => Ok(Outcome::failed(status)),
        }
    }

    /// Makes an account and runs its constructor; nothing of it stays when that fails.
    pub(super) fn spawn_for(&mut self, author: &Address, request: &SpawnRequest) -> Run<(Option<Address>, Outcome), A> {
        let point = self.point();
        let (address, outcome) = self.try_spawn(author, request)?;
        if outcome.is_success() {
            return Ok((Some(address), outcome));
        }
        self.take_back(point);
        Ok((None, outcome))
    }

    fn try_spawn(&mut self, author: &Address, request: &SpawnRequest) -> Run<(Address, Outcome), A> {
        let template = request.template;
        let mut record = cells::record(self.cells, author)?;
        let address = Address::spawned(author, record.spawned, &template);
        let failed = |status: Status| Ok((address, Outcome::failed(status)));
        let Some(loaded) = self.loaded(&template)? else { return failed(Status::TemplateNotFound { template }) };
        if loaded.template.header.kind == Kind::Library {
            return failed(Status::NotAllowed { what: Rule::Library });
        }
        record.spawned += 1;
        cells::set_record(self.cells, author, &record)?;
        let mut account = cells::record(self.cells, &address)?;
        if account.template.replace(template).is_some() {
            return failed(Status::NotAllowed { what: Rule::Taken });
        }
        cells::set_record(self.cells, &address, &account)?;
        self.made.spawned.push(address);
        if !cells::pay(self.cells, author, &address, request.value)? {
            return failed(Status::NoMoney { need: request.value });
        }
        let function = request.constructor.clone().unwrap_or_default();
        if request.constructor.is_none() && loaded.template.constructors.is_empty() {
            return match request.arguments.is_empty() {
                true => failed(Status::Success),
                false => failed(Status::BadArguments { why: "there is no constructor to take them".into() }),
            };
        }
        let outcome = self.invoke(&Invocation {
            purpose: Purpose::Construct,
            account: address,
            function: &function,
            arguments: &request.arguments,
            sender: *author,
            value: request.value,
            gas: request.gas,
            read_only: false,
            may_reenter: false,
        })?;
        // A constructor that is not named is not found: say what is wrong with the spawn.
        let status = match outcome.status {
            Status::FunctionNotFound { function } => Status::NotAConstructor { function },
            status => status,
        };
        Ok((address, Outcome { status, ..outcome }))
    }

    /// Gives an account other code.
    fn upgrade(&mut self, account: &Address, template: &Hash, arguments: &[u8]) -> Run<Outcome, A> {
        let failed = |status: Status| Ok(Outcome::failed(status));
        let mut record = cells::record(self.cells, account)?;
        let old = match record.template {
            Some(old) => self.loaded(&old)?,
            None => None,
        };
        let Some(old) = old else { return failed(Status::AccountNotFound { account: *account }) };
        let asked = encode(&(self.principal, *template));
        let rule = self.rule(account, &old.template.abi, FunctionKind::Upgrade, &asked, self.outside.left())?;
        let Some(rule) = rule.filter(|rule| rule.is_success() && rule.returned == YES) else {
            return failed(Status::NotAllowed { what: Rule::Upgrade });
        };
        let failed = |status: Status| Ok(Outcome { burnt: rule.burnt, ..Outcome::failed(status) });
        let Some(new) = self.loaded(template)? else { return failed(Status::TemplateNotFound { template: *template }) };
        if new.template.header.kind == Kind::Library {
            return failed(Status::NotAllowed { what: Rule::Library });
        }
        let wrong = taken_over(&old.template, &new.template);
        if !wrong.is_empty() {
            return failed(Status::Refused { why: wrong.join("\n") });
        }
        record.template = Some(*template);
        cells::set_record(self.cells, account, &record)?;
        let left = self.outside.left() - rule.burnt;
        match self.rule(account, &new.template.abi, FunctionKind::Migrate, arguments, left)? {
            Some(migrated) => Ok(Outcome { burnt: rule.burnt + migrated.burnt, ..migrated }),
            None if arguments.is_empty() => failed(Status::Success),
            None => failed(Status::BadArguments { why: "there is no migrate to take them".into() }),
        }
    }

    /// Runs the one function of a kind that the runtime calls; none when the account has no such function.
    pub(super) fn rule(
        &mut self,
        account: &Address,
        abi: &Abi,
        kind: FunctionKind,
        arguments: &[u8],
        gas: u64,
    ) -> Run<Option<Outcome>, A> {
        let Some(function) = abi.function_of_kind(kind) else { return Ok(None) };
        let invocation = Invocation {
            purpose: Purpose::Rule(kind),
            account: *account,
            function: &function.name,
            arguments,
            sender: self.principal,
            value: 0,
            gas,
            read_only: kind != FunctionKind::Migrate,
            may_reenter: false,
        };
        self.invoke(&invocation).map(Some)
    }

    /// Whether the principal's own code takes a transaction for its own.
    pub(super) fn verify(&mut self, template: &Hash, signed: &Hash, proof: &[u8]) -> Run<Option<u64>, A> {
        let Some(loaded) = self.loaded(template)? else {
            return Err(Fault::Template { template: *template, why: "an account has it and it is not stored".into() });
        };
        let gas = self.config.verify_gas.min(self.outside.left());
        let arguments = encode(&(*signed, proof.to_vec()));
        let principal = self.principal;
        let outcome = self.rule(&principal, &loaded.template.abi, FunctionKind::Verify, &arguments, gas)?;
        Ok(outcome.filter(|outcome| outcome.is_success() && outcome.returned == YES).map(|outcome| outcome.burnt))
    }
}

fn stored(result: Result<Hash, Status>) -> Outcome {
    match result {
        Ok(_) => Outcome::failed(Status::Success),
        Err(status) => Outcome::failed(status),
    }
}

/// Why what `old` has stored cannot be taken over by `new`, a line each.
///
/// Slices keep number, kind and place, because what is stored is found by them: a variable that changes more than its
/// type gets a new slice, and `migrate` copies.
fn taken_over(old: &Template, new: &Template) -> Vec<String> {
    let (old_places, new_places) = (old.layout.places(), new.layout.places());
    let sides = (Side { abi: &old.abi, places: &old_places }, Side { abi: &new.abi, places: &new_places });
    let mut wrong: Vec<String> = clashes(sides.0, sides.1).iter().map(ToString::to_string).collect();
    let kept = |layout: &Layout, number: usize| layout.slices.get(number).copied();
    for (number, slice) in old.layout.slices.iter().enumerate() {
        if kept(&new.layout, number) != Some(*slice) {
            wrong.push(format!(
                "slice {number} is not where and what it was: slices stay, and what changes gets a new one behind them"
            ));
        }
    }
    wrong
}
