//! What frames answer to the code that runs in them. Charged before it is done; refused where the frame only reads.

use super::cells;
use super::frames::{Fault, Frame, Frames, Invocation, Outcome, Purpose};
use super::host::{CallRequest, Halt, Host, Loaded, Message, SpawnRequest};
use crate::account::Address;
use crate::cell::{Access, Bounds, CellKey, Class, Error, Mark};
use crate::event::Event;
use crate::event::form::{MAX_DATA, MAX_IN_TRANSACTION};
use crate::hash::Hash;
use crate::receipt::{GasKind, Status, Trap};
use crate::registers::Registers;
use std::sync::Arc;

type Answer<T> = Result<T, Halt>;

impl<A: Access> Frames<'_, A> {
    /// The frame that runs. Only a running frame's code has the host in hand.
    fn current(&self) -> &Frame {
        match self.stack.last() {
            Some(frame) => frame,
            None => unreachable!("code runs in a frame, and the frame is on the stack until it has ended"),
        }
    }

    fn current_mut(&mut self) -> &mut Frame {
        match self.stack.last_mut() {
            Some(frame) => frame,
            None => unreachable!("code runs in a frame, and the frame is on the stack until it has ended"),
        }
    }

    fn end(&mut self, status: Status) -> Halt {
        // The first reason stands.
        self.current_mut().ending.get_or_insert(status);
        Halt(())
    }

    /// A fault ends everything: it is kept for whoever runs the transaction.
    fn fault_of<T>(&mut self, result: Result<T, Fault<A::Error>>) -> Answer<T> {
        result.map_err(|fault| {
            self.fault.get_or_insert(fault);
            self.end(Status::Trapped { trap: Trap::Host })
        })
    }

    fn access_of<T>(&mut self, result: Result<T, A::Error>) -> Answer<T> {
        self.fault_of(result.map_err(Fault::Access))
    }

    /// A frame that has ended does nothing more, whatever its code goes on to ask.
    fn running(&self) -> Answer<()> {
        if self.current().ending.is_some() || self.fault.is_some() { Err(Halt(())) } else { Ok(()) }
    }

    fn may_change(&mut self) -> Answer<()> {
        self.running()?;
        if self.current().message.read_only { Err(self.trap(Trap::ReadOnly)) } else { Ok(()) }
    }

    fn per_byte(base: u64, byte: u64, len: usize) -> u64 {
        base.saturating_add(byte.saturating_mul(len as u64))
    }

    /// Slices of other accounts and the cells of accounts themselves are not this frame's to reach.
    fn own(&mut self, key: &CellKey, written: bool) -> Answer<()> {
        let account = self.current().message.account;
        let foreign = key.as_slice().is_some_and(|(owner, _)| owner != *account.as_bytes());
        match key.class() {
            Some(_) if foreign => return Err(self.trap(Trap::Storage)),
            Some(Class::Slice | Class::SliceSum | Class::Element | Class::ElementSum) => {
                self.touch(account, key, written);
            }
            Some(_) => {}
            None => return Err(self.trap(Trap::Storage)),
        }
        Ok(())
    }

    fn write_cell(&mut self, key: &CellKey, len: usize) -> Answer<()> {
        self.may_change()?;
        let prices = self.config.prices;
        self.charge(GasKind::Write, Self::per_byte(prices.write, prices.write_byte, len))?;
        self.own(key, true)
    }
}

impl<A: Access> Access for Frames<'_, A> {
    type Error = Halt;

    /// A slice that was never written is zeros, whether the store below has a page for it or not: price and answer
    /// depend on the layout only.
    fn get(&mut self, key: &CellKey, into: &mut Vec<u8>) -> Answer<bool> {
        self.charge(GasKind::Read, self.config.prices.read)?;
        self.own(key, false)?;
        let slice = key.as_slice().and_then(|(_, index)| self.current().loaded.layout.get(index)).copied();
        let result = self.cells.get(key, into);
        let there = self.access_of(result)?;
        if let Some(slice) = slice.filter(|_| !there) {
            into.resize(slice.length as usize, 0);
        }
        self.charge(GasKind::Read, Self::per_byte(0, self.config.prices.read_byte, into.len()))?;
        Ok(there || slice.is_some())
    }

    fn set(&mut self, key: &CellKey, value: &[u8]) -> Answer<()> {
        self.write_cell(key, value.len())?;
        let result = self.cells.set(key, value);
        self.access_of(result)
    }

    fn remove(&mut self, key: &CellKey) -> Answer<()> {
        self.write_cell(key, 0)?;
        let result = self.cells.remove(key);
        self.access_of(result)
    }

    fn sum(&mut self, key: &CellKey) -> Answer<i128> {
        self.charge(GasKind::Read, self.config.prices.read)?;
        self.own(key, false)?;
        let result = self.cells.sum(key);
        self.access_of(result)
    }

    fn add(&mut self, key: &CellKey, delta: i128, within: Bounds) -> Answer<bool> {
        self.write_cell(key, 16)?;
        let result = self.cells.add(key, delta, within);
        self.access_of(result)
    }

    fn fresh(&mut self) -> Answer<[u8; 32]> {
        self.may_change()?;
        let result = self.cells.fresh();
        self.access_of(result)
    }

    fn mark(&mut self) -> Mark {
        self.cells.mark()
    }

    fn roll_back(&mut self, to: Mark) {
        self.cells.roll_back(to);
    }
}

impl<A: Access> Host for Frames<'_, A> {
    fn message(&self) -> &Message {
        &self.current().message
    }

    fn program(&self) -> Arc<Loaded> {
        Arc::clone(&self.current().loaded)
    }

    fn registers(&mut self) -> &mut Registers {
        let frame = self.current_mut();
        let shape = frame.loaded.template.registers;
        frame.registers.get_or_insert_with(|| Registers::new(shape))
    }

    fn gas_left(&self) -> u64 {
        self.current().meter.left()
    }

    fn charge(&mut self, kind: GasKind, gas: u64) -> Answer<()> {
        self.running()?;
        if self.current_mut().meter.charge(kind, gas) { Ok(()) } else { Err(self.end(Status::OutOfGas)) }
    }

    fn revert(&mut self, code: u32, data: Vec<u8>) -> Halt {
        self.end(Status::Reverted { code, data })
    }

    fn trap(&mut self, trap: Trap) -> Halt {
        self.end(Status::Trapped { trap })
    }

    fn out_of_gas(&mut self) -> Halt {
        self.end(Status::OutOfGas)
    }

    fn fault(&mut self, why: String) -> Halt {
        let template = self.current().message.template;
        self.fault.get_or_insert(Fault::Engine { template, why });
        self.end(Status::Trapped { trap: Trap::Host })
    }

    fn is_lost(&self) -> bool {
        self.fault.is_some()
    }

    fn storage_error(&mut self, error: Error<Halt>) -> Halt {
        match error {
            Error::Access(halt) => halt,
            Error::Refused(_) => self.trap(Trap::Storage),
            Error::Damaged { cell, what } => {
                self.fault.get_or_insert(Fault::Damaged { cell, what });
                self.end(Status::Trapped { trap: Trap::Host })
            }
        }
    }

    fn balance(&mut self, account: &Address) -> Answer<u128> {
        self.charge(GasKind::Read, self.config.prices.read)?;
        let result = cells::balance(self.cells, account);
        self.fault_of(result)
    }

    fn nonce(&mut self, account: &Address) -> Answer<u64> {
        self.charge(GasKind::Read, self.config.prices.read)?;
        let result = cells::record(self.cells, account);
        Ok(self.fault_of(result)?.nonce)
    }

    fn transfer(&mut self, to: &Address, value: u128) -> Answer<bool> {
        self.may_change()?;
        self.charge(GasKind::Write, self.config.prices.write.saturating_mul(2))?;
        let from = self.current().message.account;
        let result = cells::pay(self.cells, &from, to, value);
        self.fault_of(result)
    }

    fn call(&mut self, request: CallRequest) -> Answer<Outcome> {
        if request.value > 0 {
            self.may_change()?;
        }
        self.charge(GasKind::Call, self.config.prices.call)?;
        let left = self.gas_left();
        let frame = self.current();
        let invocation = Invocation {
            purpose: Purpose::Call,
            account: request.account,
            function: &request.function,
            arguments: &request.arguments,
            sender: frame.message.account,
            value: request.value,
            gas: request.gas.min(left - left / 64),
            read_only: request.read_only || frame.message.read_only,
            may_reenter: request.may_reenter,
        };
        let result = self.invoke(&invocation);
        let outcome = self.fault_of(result)?;
        let frame = self.current_mut();
        frame.meter.burn_below(outcome.burnt);
        frame.last = Some(outcome.clone());
        Ok(outcome)
    }

    fn last_outcome(&self) -> Option<&Outcome> {
        self.current().last.as_ref()
    }

    fn spawn(&mut self, request: SpawnRequest) -> Answer<(Option<Address>, Outcome)> {
        self.may_change()?;
        self.charge(GasKind::Call, self.config.prices.call.saturating_add(self.config.prices.spawn))?;
        let left = self.gas_left();
        let author = self.current().message.account;
        let request = SpawnRequest { gas: request.gas.min(left - left / 64), ..request };
        let result = self.spawn_for(&author, &request);
        let (address, outcome) = self.fault_of(result)?;
        let frame = self.current_mut();
        frame.meter.burn_below(outcome.burnt);
        frame.last = Some(outcome.clone());
        Ok((address, outcome))
    }

    fn deploy(&mut self, template: &[u8]) -> Answer<Result<Hash, Status>> {
        self.may_change()?;
        let prices = self.config.prices;
        self.charge(GasKind::Write, Self::per_byte(prices.write, prices.template_byte, template.len()))?;
        let result = self.store(template, crate::template::Kind::Contract);
        self.fault_of(result)
    }

    fn emit(&mut self, event: u32, data: &[u8], expires: Option<u64>) -> Answer<()> {
        self.may_change()?;
        let prices = self.config.prices;
        self.charge(GasKind::Event, Self::per_byte(prices.event, prices.event_byte, data.len()))?;
        let frame = self.current();
        let (account, template) = (frame.message.account, frame.message.template);
        let abi = &frame.loaded.template.abi;
        let made = abi.events.get(event as usize).filter(|_| data.len() <= MAX_DATA).and_then(|form| {
            let values = abi.decode_fields(&form.fields, data).ok()?;
            Some((form.name.clone(), form.topics(abi, &values).ok()?))
        });
        let Some((name, topics)) = made else { return Err(self.trap(Trap::Host)) };
        let expires = expires.unwrap_or(self.moment.time.saturating_add(self.config.event_life));
        let event = Event { account, template, name, topics, data: data.to_vec(), expires };
        let bytes = self.made.event_bytes + event.encoded_len();
        if bytes > MAX_IN_TRANSACTION {
            return Err(self.trap(Trap::Host));
        }
        self.made.event_bytes = bytes;
        self.made.events.push(event);
        Ok(())
    }
}
