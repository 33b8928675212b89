//! Calls of the cell's contracts: `replicode_contract_v1`.

use super::{Answer, Ctx, Stop};
use crate::abi::Errno;
use crate::abi::types::contract::{DONT_WAIT, MAX_ASKED, ROOT_BYTES};
use crate::contracts::Question;
use crate::memory;
use crate::open_file::Object;
use replicode_log::LogicalTime;

/// Bytes that stand somewhere in the guest's memory.
type Place = (u32, u32);

impl Ctx<'_> {
    fn contracts_served(&self) -> Result<(), Errno> {
        if self.contracts.served { Ok(()) } else { Err(Errno::NotSup) }
    }

    /// Bytes that the guest gives: copied, and in the call's hash.
    fn given_bytes(&mut self, (ptr, len): Place) -> Result<Vec<u8>, Errno> {
        if len > MAX_ASKED {
            return Err(Errno::TooBig);
        }
        let bytes = memory::bytes(self.memory, ptr, len)?.to_vec();
        self.moved.data(&bytes);
        Ok(bytes)
    }

    fn given_address(&self, ptr: u32) -> Result<[u8; 20], Errno> {
        memory::bytes(self.memory, ptr, 20)?.try_into().map_err(|_| Errno::Fault)
    }

    pub(super) fn contract_submit(&mut self, transaction: Place, event: u32) -> Answer {
        self.contracts_served()?;
        let event = match event.cast_signed() {
            -1 => None,
            fd => match self.process.descriptors.get(fd.cast_unsigned())?.object {
                Object::Event(id) => Some(id),
                _ => return Err(Errno::Inval.into()),
            },
        };
        let bytes = self.given_bytes(transaction)?;
        let len = bytes.len() as u64;
        let ticket = self.contracts.submit(self.process.pid, bytes, event)?;
        self.process.turn.submitted += 1;
        self.process.turn.submitted_bytes += len;
        self.fruitful();
        Ok(ticket.cast_signed())
    }

    pub(super) fn contract_wait(&mut self, ticket: u32, (buf, len): Place, flags: u32) -> Answer {
        self.contracts_served()?;
        if flags & !DONT_WAIT != 0 {
            return Err(Errno::Inval.into());
        }
        self.check_out(buf, len)?;
        let pid = self.process.pid;
        let Some(receipt) = self.contracts.answer(pid, ticket).ok_or(Errno::BadF)? else {
            return Err(if flags & DONT_WAIT != 0 { self.would_block() } else { Stop::Wait(LogicalTime::NEVER) });
        };
        let size = receipt.len() as u32;
        // Whoever has no room is told how much it takes, and has the ticket still.
        if len == 0 {
            self.moved.note(size.into());
            return Ok(size.cast_signed());
        }
        if len < size {
            return Err(Errno::Range.into());
        }
        memory::write(self.memory, buf, receipt)?;
        self.moved.data(receipt);
        self.contracts.close(pid, ticket);
        self.fruitful();
        Ok(size.cast_signed())
    }

    /// Asks once, waits, and hands out the answer.
    fn ask_contracts(
        &mut self,
        (buf, len): Place,
        question: impl FnOnce(&mut Self) -> Result<Question, Errno>,
    ) -> Answer {
        self.contracts_served()?;
        self.check_out(buf, len)?;
        let pid = self.process.pid;
        if !self.contracts.has_asked(pid) {
            let question = question(self)?;
            self.contracts.at_once(pid, || question);
            return Err(Stop::Wait(LogicalTime::NEVER));
        }
        let nothing = || Question::Name(Vec::new());
        let Some(answer) = self.contracts.at_once(pid, nothing) else { return Err(Stop::Wait(LogicalTime::NEVER)) };
        self.fruitful();
        if answer.len() > len as usize {
            return Err(Errno::Range.into());
        }
        memory::write(self.memory, buf, &answer)?;
        self.moved.data(&answer);
        Ok((answer.len() as u32).cast_signed())
    }

    pub(super) fn contract_view(
        &mut self,
        account: u32,
        function: Place,
        arguments: Place,
        gas: u64,
        out: Place,
    ) -> Answer {
        self.ask_contracts(out, |ctx| {
            let account = ctx.given_address(account)?;
            ctx.moved.note_bytes(&account);
            let (function, arguments) = (ctx.given_bytes(function)?, ctx.given_bytes(arguments)?);
            Ok(Question::View { account, function, arguments, gas })
        })
    }

    pub(super) fn contract_account(&mut self, account: u32, out: Place) -> Answer {
        self.ask_contracts(out, |ctx| {
            let account = ctx.given_address(account)?;
            ctx.moved.note_bytes(&account);
            Ok(Question::Account(account))
        })
    }

    pub(super) fn contract_address(&mut self, name: Place, out: u32) -> Answer {
        self.ask_contracts((out, 20), |ctx| {
            let name = ctx.given_bytes(name)?;
            match std::str::from_utf8(&name) {
                Ok(_) => Ok(Question::Name(name)),
                Err(_) => Err(Errno::Ilseq),
            }
        })
    }

    pub(super) fn contract_state_root(&mut self, out: u32) -> Answer {
        self.contracts_served()?;
        self.check_out(out, ROOT_BYTES)?;
        let mut bytes = [0; ROOT_BYTES as usize];
        if let Some(sealed) = self.contracts.sealed {
            bytes[..8].copy_from_slice(&sealed.batch.to_le_bytes());
            bytes[8..40].copy_from_slice(&sealed.root);
            bytes[40..].copy_from_slice(&sealed.digest);
        }
        self.tell(out, &bytes)
    }
}
