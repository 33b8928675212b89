//! Executions and chains, from what is to be run to what came of it.

use crate::env::Env;
use crate::error::{ErrorCode, ServiceError, code_of};
use crate::limits::{Effective, ExecutionConfig, FIRST_SLICE, SLICE};
use crate::registry::Function;
use crate::service::Service;
use crate::state::Commit;
use replicode_wasm::functions::{Failure, Run, RunLimits, code::ENTRY};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// How often an execution runs again because of others.
const MOST_CONFLICTS: u32 = 1000;

/// What is to be run.
pub struct Job {
    /// The functions, one behind the other.
    pub stages: Stages,
    /// What all of it may use.
    pub config: ExecutionConfig,
    /// The function of the module that is called, if not the usual one.
    pub entry: Option<String>,
    /// Whether it may only read state.
    pub read_only: bool,
}

/// One function, or a chain of them.
pub enum Stages {
    /// One.
    One(Arc<Function>),
    /// Several, each with the output of the one before.
    Chain(Vec<Arc<Function>>),
}

impl Stages {
    /// Whether it is a chain, of however many.
    #[must_use]
    pub const fn is_chain(&self) -> bool {
        matches!(self, Self::Chain(_))
    }

    /// The functions in their order.
    #[must_use]
    pub fn all(&self) -> &[Arc<Function>] {
        match self {
            Self::One(function) => std::slice::from_ref(function),
            Self::Chain(functions) => functions,
        }
    }
}

/// What one stage of a chain has done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StageReport {
    /// Fuel.
    pub fuel: u64,
    /// Microseconds.
    pub us: f64,
    /// Bytes of output.
    pub bytes: u64,
}

/// What an execution has done. Its output is that of the run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Fuel of all stages.
    pub fuel: u64,
    /// Microseconds of all of it.
    pub us: f64,
    /// Bytes of the largest memory.
    pub memory: u64,
    /// Which commit of the state it is, 0 if it has changed nothing.
    pub commit: u64,
    /// What the stages of a chain have done.
    pub stages: Vec<StageReport>,
}

/// A failure, with the stage that it happened in and the fuel until then.
struct Failed {
    failure: Failure,
    stage: usize,
    fuel: u64,
}

/// Runs a job. The run is given back in any case.
pub fn perform(
    service: &Service,
    mut run: Box<Run<Env>>,
    job: &Job,
    input: &[u8],
) -> (Box<Run<Env>>, Result<Report, ServiceError>) {
    let started = Instant::now();
    // Whatever becomes of it, it tells nobody of the execution before.
    run.host.restart();
    let first = job.stages.all().first();
    let whole = job.config.or(first.map_or(ExecutionConfig::DEFAULT, |function| function.config));
    let whole = match whole.effective(&service.limits) {
        Ok(whole) => whole,
        Err(error) => return (run, Err(error)),
    };
    run.host.begin(started, &whole, job.read_only);
    if let Some(rests) = run.host.tenant.rests() {
        let most = run.host.tenant.quotas.fuel_per_second.unwrap_or(0);
        let text =
            format!("you may burn {most} units of fuel a second, and have: try again in {} ms", rests.as_millis());
        return (run, Err(ServiceError::new(ErrorCode::Busy, text)));
    }
    let mut conflicts = 0;
    let mut report = Report::default();
    let result = loop {
        report.stages.clear();
        let result;
        (run, result) = once(service, run, job, &whole, input, &mut report);
        // What a failure is due to may have been a mixture of before and after.
        let settled = match &result {
            Ok(()) => commit(service, &run.host, &mut report),
            Err(failed) if run.host.overlay.reads() > 1 && !is_final(&failed.failure) => {
                match service.state.holds(&run.host.overlay) {
                    Ok(true) => Ok(()),
                    Ok(false) => Err(None),
                    Err(error) => Err(Some(Failure::Host(error.to_string()))),
                }
            }
            Err(_) => Ok(()),
        };
        let stage = job.stages.all().len().saturating_sub(1);
        match settled {
            Ok(()) => break result,
            Err(Some(failure)) => break Err(Failed { failure, stage, fuel: report.fuel }),
            Err(None) if conflicts == MOST_CONFLICTS => {
                break Err(Failed { failure: Failure::Conflict(conflicts), stage, fuel: report.fuel });
            }
            Err(None) => {
                conflicts += 1;
                service.stats.conflicts.fetch_add(1, Ordering::Relaxed);
                run.host.restart();
            }
        }
    };
    let nanos = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
    report.us = nanos as f64 / 1000.0;
    let result = result.map_err(|failed| told(job, failed));
    let (fuel, code) = match &result {
        Ok(()) => (report.fuel, None),
        Err(error) => (error.fuel.unwrap_or(0), Some(error.code)),
    };
    service.stats.ended(code, nanos, fuel);
    if !run.host.tenant.is_own() {
        run.host.tenant.stats.ended(code, nanos, fuel);
        let unpaid = run.host.unpaid(fuel);
        run.host.tenant.burn(unpaid);
    }
    count(service, &run.host, job, &report, result.as_ref().err(), nanos);
    (run, result.map(|()| report))
}

/// Whether a failure has nothing to do with what was read: the time is over, or nobody waits, or there is no room. Once more would change
/// nothing, or go on after its end.
const fn is_final(failure: &Failure) -> bool {
    matches!(
        failure,
        Failure::Timeout(_) | Failure::Cancelled | Failure::Busy(_) | Failure::Overloaded(_) | Failure::ShuttingDown
    )
}

/// Runs it, whatever others do meanwhile.
fn once(
    service: &Service,
    mut run: Box<Run<Env>>,
    job: &Job,
    whole: &Effective,
    input: &[u8],
    report: &mut Report,
) -> (Box<Run<Env>>, Result<(), Failed>) {
    let entry = job.entry.as_deref().unwrap_or(ENTRY);
    let stages = job.stages.all();
    let chain = job.stages.is_chain();
    let mut between = Vec::new();
    let mut at = if chain { Instant::now() } else { UNUSED.with(|unused| *unused) };
    let (mut fuel, mut memory) = (0u64, 0);
    for (stage, function) in stages.iter().enumerate() {
        let limits = match limits_of(service, function, job, whole, fuel) {
            Ok(limits) => limits,
            Err(failure) => return (run, Err(Failed { failure, stage, fuel })),
        };
        run.begin(limits);
        let code = match code_of_function(service, &mut run.host, function) {
            Ok(code) => code,
            Err(failure) => return (run, Err(Failed { failure, stage, fuel })),
        };
        run.host.stage(function);
        function.used(service.registry.tick());
        let result;
        (run, result) = run.execute(&code, entry, if stage == 0 { input } else { &between });
        if let Err(failure) = result {
            let fuel = fuel.saturating_add(run.fuel());
            return (run, Err(Failed { failure, stage, fuel }));
        }
        let burnt = run.fuel();
        fuel = fuel.saturating_add(burnt);
        memory = memory.max(run.memory());
        if chain {
            let now = Instant::now();
            let us = now.duration_since(at).as_nanos() as f64 / 1000.0;
            at = now;
            report.stages.push(StageReport { fuel: burnt, us, bytes: run.output.len() as u64 });
            if stage + 1 < stages.len() {
                std::mem::swap(&mut between, &mut run.output);
            }
        }
    }
    (report.fuel, report.memory) = (fuel, memory);
    (run, Ok(()))
}

thread_local! {
    /// Some moment, for where none is needed.
    static UNUSED: Instant = Instant::now();
}

/// What a stage may use: what its function was loaded with, within what is left of the whole.
fn limits_of(
    service: &Service,
    function: &Function,
    job: &Job,
    whole: &Effective,
    burnt: u64,
) -> Result<RunLimits, Failure> {
    let own = if job.stages.is_chain() && function.config != ExecutionConfig::default() {
        let own = job.config.or(function.config).effective(&service.limits);
        own.map_err(|error| Failure::Host(error.message))?
    } else {
        *whole
    };
    let left = whole.fuel.saturating_sub(burnt);
    Ok(RunLimits {
        fuel: own.fuel.min(left),
        first_slice: FIRST_SLICE,
        slice: SLICE,
        memory_bytes: own.memory_bytes,
        output_bytes: own.output_bytes,
        instances: service.instances_each(),
    })
}

fn code_of_function(
    service: &Service,
    env: &mut Env,
    function: &Arc<Function>,
) -> Result<Arc<replicode_wasm::functions::FunctionCode<Env>>, Failure> {
    if let Some(code) = function.code.get() {
        return Ok(Arc::clone(code));
    }
    // Compiling takes as long as many executions: not here, where others wait.
    if env.driver.is_some() {
        env.leave_first_slice()?;
    }
    service.stats.compiled.fetch_add(1, Ordering::Relaxed);
    service.registry.code(function).map_err(|error| Failure::Host(error.message))
}

/// `Err(None)`: it has to run again.
fn commit(service: &Service, env: &Env, report: &mut Report) -> Result<(), Option<Failure>> {
    let overlay = &env.overlay;
    if overlay.reads() == 0 && overlay.is_read_only() {
        return Ok(());
    }
    match service.state.commit(overlay) {
        Ok(Commit::Done(number)) => {
            report.commit = number;
            Ok(())
        }
        Ok(Commit::Conflict) => Err(None),
        Ok(Commit::Quota(most)) => {
            Err(Some(Failure::State(format!("your state may have {most} bytes, and it would have more"))))
        }
        Ok(Commit::Full) => {
            let most = service.limits.state_bytes;
            Err(Some(Failure::State(format!("the state of this server may have {most} bytes, and it would have more"))))
        }
        Err(error) => Err(Some(Failure::Host(error.to_string()))),
    }
}

fn told(job: &Job, failed: Failed) -> ServiceError {
    let Failed { failure, stage, fuel } = failed;
    let stages = job.stages.all();
    let name = stages.get(stage).map_or("", |function| function.name());
    let chain = job.stages.is_chain();
    let message = if chain { format!("stage {stage} ('{name}'): {failure}") } else { format!("'{name}': {failure}") };
    let returned = match failure {
        Failure::Plugin { code, .. } => Some(code),
        _ => None,
    };
    ServiceError { code: code_of(&failure), message, stage: chain.then_some(stage as u32), fuel: Some(fuel), returned }
}

/// What the functions have done, for `list` and `logs`.
fn count(service: &Service, env: &Env, job: &Job, report: &Report, error: Option<&ServiceError>, nanos: u64) {
    let stages = job.stages.all();
    let failed = error.map(|error| error.stage.unwrap_or(0) as usize);
    for (at, function) in stages.iter().enumerate().take(failed.map_or(stages.len(), |failed| failed + 1)) {
        let stats = &function.stats;
        stats.executions.fetch_add(1, Ordering::Relaxed);
        let stage = report.stages.get(at);
        stats.latency.add(stage.map_or(nanos, |stage| (stage.us * 1000.0) as u64));
        stats.fuel.fetch_add(stage.map_or(report.fuel, |stage| stage.fuel), Ordering::Relaxed);
        if failed == Some(at) {
            stats.failures.fetch_add(1, Ordering::Relaxed);
        }
        stats.last_used_ms.store(service.coarse_ms(), Ordering::Relaxed);
    }
    if let (Some(last), false) = (stages.get(failed.unwrap_or(stages.len().saturating_sub(1))), env.lines.is_empty()) {
        last.keep_lines(&env.lines);
    }
    if nanos > service.slow_nanos {
        let names: Vec<&str> = stages.iter().map(|function| function.name()).collect();
        let how = error.map_or("well", |error| error.code.name());
        tracing::warn!("slow execution: {} took {} ms and ended {how}", names.join(" | "), nanos / 1_000_000);
    }
}

/// Milliseconds since 1970.
#[must_use]
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// That a server is about to end.
#[must_use]
pub(crate) fn shutting_down() -> ServiceError {
    ServiceError::new(ErrorCode::ShuttingDown, "the server is shutting down: try again when it is back")
}
