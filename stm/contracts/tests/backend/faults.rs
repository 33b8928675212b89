//! A store that fails in the middle: what was sealed before is right, nothing more is ever answered, and no answer is wrong.

use super::chain::{self, execute, write_down};
use super::equal::engines;
use proptest::prelude::*;
use replicode_contracts::backend::{Backend, Error, Ledger, Parallel, Settings};
use replicode_contracts::kv::{Batch, KeyValue, KvError, Memory, Record};
use replicode_contracts::state::Storage;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Fails from the n-th verb on.
struct Failing {
    memory: Memory,
    left: Arc<AtomicI64>,
}

impl Failing {
    fn act(&self, verb: &'static str) -> Result<(), KvError> {
        match self.left.fetch_sub(1, Ordering::Relaxed) {
            1.. => Ok(()),
            _ => Err(KvError { verb, reason: "the disk is on fire".into() }),
        }
    }
}

impl KeyValue for Failing {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        self.act("read")?;
        self.memory.get(key)
    }
    fn scan(&self, from: &[u8], limit: usize) -> Result<Vec<Record>, KvError> {
        self.act("read")?;
        self.memory.scan(from, limit)
    }
    fn write(&mut self, batch: &Batch) -> Result<(), KvError> {
        self.act("write")?;
        self.memory.write(batch)
    }
    fn sync(&mut self) -> Result<(), KvError> {
        Ok(())
    }
    fn bytes(&self) -> Result<u64, KvError> {
        self.memory.bytes()
    }
}

/// Whether it got to the end.
fn run(
    backend: &mut dyn Backend,
    transactions: &[Vec<Vec<u8>>],
    sealed: &[Arc<replicode_contracts::backend::Sealed>],
) -> bool {
    for ((batch, some), expected) in (1..).zip(transactions).zip(sealed) {
        match execute(backend, batch, std::slice::from_ref(some), 7) {
            Ok(done) => assert_eq!(&done[0], expected),
            Err(error) => {
                assert!(error.to_string().contains("on fire"), "{error}");
                let after = backend.begin(chain::moment(99)).unwrap_err();
                assert!(matches!(after, Error::Stopped(_)), "{after}");
                assert!(matches!(backend.root(), Err(Error::Stopped(_))));
                return false;
            }
        }
    }
    true
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(12) })]

    #[test]
    fn a_store_that_fails_stops_the_backend_and_changes_no_answer(batches in chain::batches(10), seed: u64) {
        let (transactions, sealed) = write_down(&mut chain::ledger(4, 1 << 40), &batches);
        let (mut ended, mut failed) = (0, 0);
        for n in 0..16_i64 {
            // From the first verb on up to far beyond the last.
            let left = Arc::new(AtomicI64::new(i64::MAX));
            let kv = || Failing { memory: Memory::new(), left: Arc::clone(&left) };
            let mut one = Ledger::new(Storage::new(kv(), 4), chain::config(1 << 40), chain::loader());
            one.fund(&chain::funds()).unwrap();
            let engines = engines(seed);
            let (stm, budget) = engines[n as usize % engines.len()].clone();
            let settings = Settings { stm, budget };
            let mut other = Parallel::new(Storage::new(kv(), 4), chain::config(1 << 40), chain::loader(), settings).unwrap();
            other.fund(&chain::funds()).unwrap();
            for backend in [&mut one as &mut dyn Backend, &mut other] {
                left.store(n * n * n, Ordering::Relaxed);
                match run(backend, &transactions, &sealed) {
                    true => ended += 1,
                    false => failed += 1,
                }
            }
        }
        prop_assert!(failed > 4, "{} failed, {} ended", failed, ended);
    }
}
