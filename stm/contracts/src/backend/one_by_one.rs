//! One transaction after the other over the store: the executor that the specification is.

use super::Result;
use super::runtime::{Executor, Ground, Progress};
use super::seal::fault;
use crate::kv::KeyValue;
use crate::receipt::Receipt;
use crate::run::{Arrived, execute};
use crate::state::{Changes, Session, Written};

/// What a batch has written so far. Nothing else is kept from one transaction to the next.
#[derive(Debug, Default)]
pub struct OneByOne {
    written: Written,
}

impl<K: KeyValue + Send + 'static> Executor<K> for OneByOne {
    fn execute(
        &mut self,
        ground: &Ground<'_, K>,
        progress: &mut Progress,
        transactions: &[Vec<u8>],
    ) -> Result<Vec<Receipt>> {
        let written = std::mem::take(&mut self.written);
        let (written, receipts) = ground.shared.with(|storage| -> Result<(Written, Vec<Receipt>)> {
            let mut session = Session::resume(storage, written);
            let mut receipts = Vec::with_capacity(transactions.len());
            for bytes in transactions {
                let arrived = Arrived::of(ground.source, bytes, &ground.config.limits);
                session.begin_transaction(*arrived.name.as_bytes());
                let done = execute(&mut session, ground.around(), progress.position, &arrived, progress.left());
                let (receipt, work) = done.map_err(fault)?;
                receipts.push(progress.after(receipt, work));
            }
            Ok((session.finish(), receipts))
        })??;
        self.written = written;
        Ok(receipts)
    }

    fn take(&mut self, f: &mut dyn FnMut(&Changes<'_>) -> Result<()>) -> Result<()> {
        let written = std::mem::take(&mut self.written);
        f(&written.changes())
    }

    fn reset(&mut self, _: &Ground<'_, K>) -> Result<()> {
        self.written = Written::default();
        Ok(())
    }
}
