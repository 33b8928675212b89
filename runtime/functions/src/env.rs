//! The world of one execution: clock, state, log, and the way off the thread that serves the socket.

use crate::crew::Control;
use crate::limits::{Effective, MOST_DEPTH, SLICE, ServerLimits};
use crate::registry::{Function, Table};
use crate::serve::{Driver, Ticket};
use crate::service::Service;
use crate::state::{Namespace, Overlay, StateError};
use crate::tenants::Tenant;
use crate::uuid::Uuid;
use replicode_wasm::functions::{Failure, FunctionCode, Host};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Slices that an execution runs before others that wait have their turn: some ten milliseconds.
const TURN: u32 = 20;

/// What an execution is in. It is used again for the next one.
pub struct Env {
    pub(crate) service: Arc<Service>,
    /// What this thread does besides, until the execution has used up its first slice: then another thread goes on with it.
    pub(crate) driver: Option<Box<Driver>>,
    pub(crate) table: Arc<Table>,
    pub(crate) tenant: Arc<Tenant>,
    /// The functions of the request.
    pub(crate) functions: Vec<Uuid>,
    /// Whom to answer, once it has left the thread that serves the socket.
    pub(crate) ticket: Option<Ticket>,
    pub(crate) control: Arc<Control>,
    pub(crate) overlay: Overlay,
    pub(crate) lines: Vec<String>,
    pub(crate) read_only: bool,
    /// Whether it may leave its thread, or is alone on it.
    moves: bool,
    /// Whether it has one of the places of those who left.
    placed: bool,
    slices: u32,
    /// Fuel that its tenant has paid already.
    paid: u64,
    started: Instant,
    timeout: Duration,
    /// Bytes that what it has read and written of state may take.
    memory_bytes: u64,
    logged: u64,
    /// Functions that have begun and not ended: whose state, and the mark to which their changes can be undone.
    frames: Vec<(Namespace, usize)>,
}

impl Env {
    pub(crate) fn new(service: Arc<Service>) -> Self {
        Self {
            table: Arc::default(),
            tenant: service.tenants.own(),
            service,
            driver: None,
            functions: Vec::new(),
            ticket: None,
            control: Arc::default(),
            overlay: Overlay::default(),
            lines: Vec::new(),
            read_only: false,
            moves: false,
            placed: false,
            slices: 0,
            paid: 0,
            started: Instant::now(),
            timeout: Duration::ZERO,
            memory_bytes: 0,
            logged: 0,
            frames: Vec::new(),
        }
    }

    /// What the execution has logged.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// An execution begins.
    pub(crate) fn begin(&mut self, started: Instant, whole: &Effective, read_only: bool) {
        (self.started, self.timeout) = (started, Duration::from_millis(whole.timeout_ms));
        self.memory_bytes = whole.memory_bytes;
        self.overlay.belongs_to(self.tenant.owner());
        (self.read_only, self.slices, self.placed, self.paid) = (read_only, 0, false, 0);
        self.moves = self.driver.is_some();
        self.restart();
    }

    /// It begins once more, because of others.
    pub(crate) fn restart(&mut self) {
        self.overlay.clear();
        self.lines.clear();
        self.frames.clear();
        self.logged = 0;
    }

    /// A stage of it begins.
    pub(crate) fn stage(&mut self, function: &Function) {
        self.frames.clear();
        self.frames.push((function.namespace, self.overlay.mark()));
    }

    /// It has ended. True if it still is on the thread that it began on, with what that does besides.
    pub(crate) fn end(&mut self) -> Option<Box<Driver>> {
        if std::mem::take(&mut self.placed) {
            self.service.crew.places.give_back();
        }
        self.driver.take()
    }

    fn limits(&self) -> &ServerLimits {
        &self.service.limits
    }

    /// Leaves what the thread does besides to another one, and waits for a place among those who run for long.
    pub(crate) fn leave_first_slice(&mut self) -> Result<(), Failure> {
        if let Some(driver) = self.driver.take() {
            self.control = Arc::default();
            match driver.hand_over(&self.control, &self.functions) {
                Ok(ticket) => self.ticket = Some(ticket),
                Err((driver, failure)) => {
                    self.driver = Some(driver);
                    return Err(failure);
                }
            }
        }
        self.wait_for_place()
    }

    fn wait_for_place(&mut self) -> Result<(), Failure> {
        let service = Arc::clone(&self.service);
        let deadline = self.started + self.timeout;
        service.crew.places.take(&self.tenant.name, deadline, &self.control).map_err(|ended| self.ended(ended))?;
        self.placed = true;
        Ok(())
    }

    /// Does nothing until its tenant may burn fuel again.
    fn rest(&self, mut rests: Duration) -> Result<(), Failure> {
        loop {
            let left = self.timeout.saturating_sub(self.started.elapsed());
            if self.control.is_cancelled() {
                return Err(self.control.failure());
            }
            if left.is_zero() {
                return Err(Failure::Timeout(self.timeout.as_millis() as u64));
            }
            std::thread::sleep(rests.min(left).min(crate::crew::LOOK));
            match self.tenant.rests() {
                None => return Ok(()),
                Some(more) => rests = more,
            }
        }
    }

    /// What its tenant has not paid yet of what it has burnt; below nothing if it has paid too much.
    pub(crate) fn unpaid(&mut self, fuel: u64) -> i64 {
        let paid = std::mem::take(&mut self.paid);
        i64::try_from(fuel).unwrap_or(i64::MAX).saturating_sub(i64::try_from(paid).unwrap_or(i64::MAX))
    }

    fn ended(&self, cancelled: bool) -> Failure {
        if cancelled { self.control.failure() } else { Failure::Timeout(self.timeout.as_millis() as u64) }
    }

    fn failed(&self, error: &StateError) -> Failure {
        Failure::Host(error.to_string())
    }

    fn namespace(&self) -> Namespace {
        self.frames.last().map_or([0; 16], |(namespace, _)| *namespace)
    }

    /// What it has read and written of state is held in the server's memory until it ends.
    fn check_memory(&self) -> Result<(), Failure> {
        let (asked, limit) = (self.overlay.bytes(), self.memory_bytes);
        if asked > limit {
            return Err(Failure::Memory { asked, limit });
        }
        Ok(())
    }

    fn check_key(&self, key: &[u8]) -> Result<(), Failure> {
        let most = self.limits().key_bytes;
        if key.len() as u64 > most {
            return Err(Failure::State(format!(
                "a key of its state has {} bytes, at most {most} are possible",
                key.len()
            )));
        }
        Ok(())
    }
}

impl Host for Env {
    fn slice(&mut self) -> Result<(), Failure> {
        if self.moves && !self.placed {
            self.leave_first_slice()?;
        }
        self.slices += 1;
        if self.control.is_cancelled() {
            return Err(self.control.failure());
        }
        if self.started.elapsed() >= self.timeout {
            return Err(Failure::Timeout(self.timeout.as_millis() as u64));
        }
        if !self.placed {
            return Ok(());
        }
        // What it burns beyond its first slice is paid as it goes, and what it has not burnt given back at the end.
        self.tenant.burn(SLICE as i64);
        self.paid = self.paid.saturating_add(SLICE);
        if let Some(rests) = self.tenant.rests() {
            self.placed = false;
            self.service.crew.places.give_back();
            self.rest(rests)?;
            self.wait_for_place()?;
        } else if self.slices.is_multiple_of(TURN) && self.service.crew.places.is_wanted() {
            self.placed = false;
            self.service.crew.places.give_back();
            self.wait_for_place()?;
        }
        Ok(())
    }

    fn get(&mut self, key: &[u8], value: &mut Vec<u8>) -> Result<bool, Failure> {
        self.check_key(key)?;
        let namespace = self.namespace();
        let found = self.overlay.get(&self.service.state, &namespace, key).map_err(|error| self.failed(&error))?;
        self.check_memory()?;
        if let Some(found) = &found {
            value.extend_from_slice(found);
        }
        Ok(found.is_some())
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), Failure> {
        self.check_key(key)?;
        let most = self.limits().value_bytes;
        if value.len() as u64 > most {
            let text = format!("a value of its state has {} bytes, at most {most} are possible", value.len());
            return Err(Failure::State(text));
        }
        if self.read_only {
            return Err(Failure::ReadOnly);
        }
        let namespace = self.namespace();
        self.overlay.set(&namespace, key, Some(value));
        self.check_memory()
    }

    fn delete(&mut self, key: &[u8]) -> Result<bool, Failure> {
        self.check_key(key)?;
        if self.read_only {
            return Err(Failure::ReadOnly);
        }
        let namespace = self.namespace();
        let found = self.overlay.get(&self.service.state, &namespace, key).map_err(|error| self.failed(&error))?;
        if found.is_some() {
            self.overlay.set(&namespace, key, None);
        }
        self.check_memory()?;
        Ok(found.is_some())
    }

    fn list(&mut self, prefix: &[u8], each: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), Failure> {
        self.check_key(prefix)?;
        let namespace = self.namespace();
        let (held, limit) = (self.overlay.bytes(), self.memory_bytes);
        let most = limit.saturating_sub(held);
        let listed = self.overlay.list(&self.service.state, &namespace, prefix, most, each);
        if !listed.map_err(|error| self.failed(&error))? {
            // How much it would have been is not counted: looking further is what the limit is there against.
            return Err(Failure::Memory { asked: limit.saturating_add(1), limit });
        }
        self.check_memory()
    }

    fn log(&mut self, line: &[u8]) -> Result<(), Failure> {
        let limit = self.limits().log_bytes;
        // A line has its price in memory, however short it is.
        let wrote = self.logged + line.len() as u64 + 16;
        if wrote > limit {
            return Err(Failure::Log { wrote, limit });
        }
        self.logged = wrote;
        self.lines.push(String::from_utf8_lossy(line).into_owned());
        Ok(())
    }

    fn enter(&mut self, name: &[u8]) -> Result<Option<Arc<FunctionCode<Self>>>, Failure> {
        if self.frames.len() as u32 >= MOST_DEPTH {
            return Err(Failure::Depth(MOST_DEPTH));
        }
        let function = std::str::from_utf8(name).ok().and_then(|name| self.table.find(name)).cloned();
        let Some(function) = function else { return Ok(None) };
        if function.code.get().is_none() && self.driver.is_some() {
            // Compiling takes as long as many executions: not here, where others wait.
            self.leave_first_slice()?;
        }
        let code = self.service.registry.code(&function).map_err(|error| Failure::Host(error.message))?;
        function.used(self.service.registry.tick());
        self.frames.push((function.namespace, self.overlay.mark()));
        Ok(Some(code))
    }

    fn leave(&mut self, well: bool) {
        if let Some((_, mark)) = self.frames.pop()
            && !well
        {
            self.overlay.roll_back(mark);
        }
        self.overlay.resume(self.frames.last().map_or(0, |(_, mark)| *mark));
    }
}
