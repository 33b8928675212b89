//! A recording, executed now: a machine and Wasmtime guests in this process, as at every replay.

use crate::recording::{Call, History, Outcome, Results};
use crate::store::Store;
use anyhow::{Context, Result, ensure};
use replicode_log::{Batch, BatchIndex, ClusterConfig, Digest, FsImage};
use replicode_machine::{Applied, InPlace, Machine};
use replicode_syscalls::{Recording as Keep, TraceRecord};
use replicode_wasm::contracts::cell;
use replicode_wasm::{WasmEngine, WasmLoader};

/// A cell in the middle of a recording.
pub struct Cell {
    machine: Machine<WasmLoader>,
}

impl Cell {
    /// A cell before its first batch.
    ///
    /// # Errors
    /// When a module does not compile, or configuration and image do not fit each other.
    pub fn new(
        config: &ClusterConfig,
        image: &FsImage,
        module: &mut dyn FnMut(Digest) -> Result<Vec<u8>>,
    ) -> Result<Self> {
        let engine = WasmEngine::new(&config.limits).context("cannot set the wasm engine up")?;
        let mut loader = WasmLoader::new();
        for entry in &config.modules {
            let compiled = engine.compile(&module(entry.digest)?);
            loader.add(compiled.with_context(|| format!("module '{}' cannot be compiled", entry.name))?);
        }
        let mut machine = Machine::new(config, image, loader).context("cannot build the cell")?;
        if let Some(contracts) = &config.contracts
            && let Some(mut backend) = cell::backend(config, 2).map_err(anyhow::Error::msg)?
        {
            cell::fund(&mut backend, contracts).map_err(anyhow::Error::msg)?;
            machine.set_executor(Box::new(InPlace(Box::new(backend))));
        }
        Ok(Self { machine })
    }

    /// A cell before the first batch of a recording of a store.
    ///
    /// # Errors
    /// As [`Cell::new`].
    pub fn of(store: &Store, history: &History) -> Result<Self> {
        Self::new(&history.config, &history.image, &mut |digest| store.module(digest))
    }

    /// Chooses what is kept of each system call.
    pub fn keep(&mut self, keep: Keep) {
        self.machine.set_recording(keep);
    }

    /// Executes a batch; the calls in the outcome stand there if [`Keep::Steps`] was chosen, without their results.
    ///
    /// # Errors
    /// When the machine cannot.
    pub fn apply(&mut self, batch: &Batch) -> Result<Outcome> {
        let index = batch.header.index;
        let content = Digest::of(&batch.encode());
        let applied = self.machine.apply(batch.clone(), content).with_context(|| format!("batch {index}"))?;
        let steps = self.machine.steps_of(index).unwrap_or_default();
        let calls =
            steps.iter().map(|it| Call { pid: it.pid.0, import: it.call, result: 0, hash: it.hash.0 as u32 }).collect();
        let Applied { digest, outputs, next_deadline: deadline, .. } = applied;
        Ok(Outcome { digest, outputs, deadline, calls })
    }

    /// The decoded calls since the last time; empty unless [`Keep::Trace`] was chosen.
    pub fn trace(&mut self) -> Vec<TraceRecord> {
        self.machine.take_trace()
    }
}

/// What comes of a history now. It is executed twice: a call is kept as a hash or with its result, not as both.
///
/// # Errors
/// When it cannot be executed, or the two executions differ.
pub fn results(store: &Store, history: &History) -> Result<Results> {
    results_with(history, &mut |digest| store.module(digest))
}

/// As [`results`], with modules from anywhere.
///
/// # Errors
/// As [`results`].
pub fn results_with(history: &History, module: &mut dyn FnMut(Digest) -> Result<Vec<u8>>) -> Result<Results> {
    let mut hashed = Cell::new(&history.config, &history.image, module)?;
    hashed.keep(Keep::Steps);
    let mut traced = Cell::new(&history.config, &history.image, module)?;
    traced.keep(Keep::Trace);
    let mut outcomes = Vec::new();
    for batch in &history.batches {
        let mut outcome = hashed.apply(batch)?;
        let again = traced.apply(batch)?;
        let trace = traced.trace();
        let index = batch.header.index;
        ensure!(outcome.digest == again.digest, "batch {index} gives two digests: the program is not deterministic");
        ensure!(
            outcome.calls.len() == trace.len(),
            "batch {index} makes {} calls, more than are kept: record less at once",
            trace.len()
        );
        for (call, record) in outcome.calls.iter_mut().zip(&trace) {
            ensure!((call.pid, call.import) == (record.pid.0, record.call), "batch {index} gives two lists of calls");
            call.result = record.result;
        }
        outcomes.push(outcome);
    }
    Ok(Results(outcomes))
}

/// The decoded calls of one batch.
///
/// # Errors
/// When the recording cannot be executed so far.
pub fn trace_of(store: &Store, history: &History, index: BatchIndex) -> Result<Vec<TraceRecord>> {
    let mut cell = Cell::of(store, history)?;
    for batch in &history.batches {
        if batch.header.index == index {
            cell.keep(Keep::Trace);
        }
        cell.apply(batch)?;
        if batch.header.index == index {
            return Ok(cell.trace());
        }
    }
    Ok(Vec::new())
}
