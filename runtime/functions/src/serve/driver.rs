//! One thread's share of the connections. It reads a request, executes it on the spot, and writes the answer; an execution that takes
//! long takes the thread with it, and another thread goes on with the driver.

use super::answer;
use super::connection::{Came, Connection, InFlight, Language, Next};
use super::frames;
use super::request::Id;
use super::syncer::Syncer;
use crate::crew::Control;
use crate::env::Env;
use crate::error::{ErrorCode, ServiceError};
use crate::execute::{Job, Report, perform};
use crate::registry::Table;
use crate::service::Service;
use crate::state::Sync;
use crate::tenants::Tenant;
use mio::event::Event;
use mio::net::{UnixListener, UnixStream};
use mio::{Events, Interest, Poll, Token, Waker};
use replicode_wasm::functions::{Failure, Run};
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const LISTENER: Token = Token(0);
const INBOX: Token = Token(1);
/// Tokens of connections begin here.
const FIRST: usize = 2;
/// Connections that have their turn before the poll is asked again: who has many holds up nobody who has none of them.
const ROUND: usize = 64;
/// Requests of one connection before others have their turn.
const TURN: u32 = 64;
/// When to look again for a client that could not be accepted.
const AGAIN: Duration = Duration::from_millis(50);
/// How often a server that ends looks whether it may.
const LOOK: Duration = Duration::from_millis(100);
/// How long a server that ends waits for clients to take their answers.
const GRACE: Duration = Duration::from_secs(5);
/// Bytes of answers that are written before the rest of a turn is executed.
const ENOUGH: usize = 64 << 10;

/// What others have for a driver.
pub(super) enum Mail {
    /// A client, and whose it is.
    Client(UnixStream, Arc<Tenant>),
    /// An answer.
    Answer(Ticket, Vec<u8>),
}

/// Where others leave it.
pub(super) struct Inbox {
    waker: Waker,
    mail: Mutex<Vec<Mail>>,
}

impl Inbox {
    pub(super) fn send(&self, mail: Mail) {
        let mut waiting = self.mail.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push(mail);
        let first = waiting.len() == 1;
        drop(waiting);
        if first {
            self.wake();
        }
    }

    pub(super) fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            tracing::error!("a thread cannot be woken: {error}");
        }
    }
}

/// What a request is answered with, and how.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) id: Option<Id>,
    pub(super) frame: bool,
    pub(super) as_bytes: bool,
    pub(super) lines: bool,
    pub(super) detach: bool,
}

/// Which request of which connection an answer belongs to.
pub struct Ticket {
    inbox: Arc<Inbox>,
    at: usize,
    generation: u32,
    number: u64,
    pub(super) asked: Asked,
    /// Its number among those that run, and whose it is.
    running: Option<(u64, Arc<Tenant>)>,
}

impl Ticket {
    /// Gives the answer.
    pub(super) fn send(self, answer: Vec<u8>) {
        let inbox = Arc::clone(&self.inbox);
        inbox.send(Mail::Answer(self, answer));
    }
}

/// The request that is executed right now.
struct Current {
    at: usize,
    number: u64,
    asked: Asked,
}

/// See the module.
pub struct Driver {
    pub(super) service: Arc<Service>,
    poll: Poll,
    events: Events,
    inbox: Arc<Inbox>,
    listener: Option<UnixListener>,
    /// Inboxes of all drivers: new clients are shared out.
    all: Vec<Arc<Inbox>>,
    next: usize,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    /// Connections with something to do: a line for each tenant that has some, the one whose turn is next first.
    ready: VecDeque<(String, VecDeque<usize>)>,
    generation: u32,
    run: Option<Box<Run<Env>>>,
    current: Option<Current>,
    /// Clients may wait to be accepted of whom no event will tell.
    owed: bool,
    /// Since when it has ended, or the last answer has come since.
    ends: Option<Instant>,
    /// Something was committed and is not with the operating system yet.
    unwritten: bool,
    syncer: Arc<Syncer>,
}

impl Driver {
    pub(super) fn new(service: &Arc<Service>, syncer: &Arc<Syncer>) -> io::Result<Box<Self>> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), INBOX)?;
        Ok(Box::new(Self {
            service: Arc::clone(service),
            poll,
            events: Events::with_capacity(256),
            inbox: Arc::new(Inbox { waker, mail: Mutex::default() }),
            listener: None,
            all: Vec::new(),
            next: 0,
            connections: Vec::new(),
            free: Vec::new(),
            ready: VecDeque::new(),
            generation: 0,
            run: None,
            current: None,
            owed: false,
            ends: None,
            unwritten: false,
            syncer: Arc::clone(syncer),
        }))
    }

    pub(super) fn inbox(&self) -> Arc<Inbox> {
        Arc::clone(&self.inbox)
    }

    /// Whom it shares clients with, and wakes when something breaks.
    pub(super) fn know(&mut self, all: Vec<Arc<Inbox>>) {
        self.all = all;
    }

    pub(super) fn listen(&mut self, mut listener: UnixListener) -> io::Result<()> {
        self.poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        self.listener = Some(listener);
        Ok(())
    }

    /// Goes on until the server ends, which is true, or until an execution has taken this thread with it.
    pub(crate) fn drive(self: Box<Self>) -> bool {
        let mut driver = self;
        loop {
            match driver.turn() {
                Some(same) => driver = same,
                None => return false,
            }
            if driver.service.is_shutting_down() && driver.close_idle() {
                return true;
            }
        }
    }

    fn turn(mut self: Box<Self>) -> Option<Box<Self>> {
        let patience = match (self.ready.is_empty(), self.owed) {
            (false, _) => Some(Duration::ZERO),
            (true, true) => Some(AGAIN),
            (true, false) => self.service.is_shutting_down().then_some(LOOK),
        };
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        match self.poll.poll(&mut events, patience) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                self.break_down(format!("the sockets cannot be waited for: {error}"));
            }
            _ => {}
        }
        for event in &events {
            match event.token() {
                LISTENER => self.accept(),
                INBOX => self.open_mail(),
                Token(token) => self.happened(token - FIRST, event),
            }
        }
        self.events = events;
        if std::mem::take(&mut self.owed) {
            self.accept();
        }
        self.service.look_at_clock();
        // Each of those that are ready now once, as many as fit: then others may be.
        let ready: usize = self.ready.iter().map(|(_, line)| line.len()).sum();
        for _ in 0..ready.min(ROUND) {
            let Some(at) = self.next_ready() else { break };
            self.refresh(at);
            self = self.serve(at)?;
        }
        if let Some(beyond) = self.service.beyond.get() {
            beyond.flush();
        }
        Some(self)
    }

    /// The connection whose turn it is: one of each tenant, one after the other.
    fn next_ready(&mut self) -> Option<usize> {
        let (tenant, mut line) = self.ready.pop_front()?;
        let at = line.pop_front();
        if !line.is_empty() {
            self.ready.push_back((tenant, line));
        }
        if let Some(connection) = at.and_then(|at| self.connection(at)) {
            connection.queued = false;
        }
        at
    }

    /// Has a connection see the functions that there are now.
    fn refresh(&mut self, at: usize) {
        let registry = &self.service.registry;
        let version = registry.version();
        if let Some(connection) = self.connections.get_mut(at).and_then(Option::as_mut)
            && connection.version != version
        {
            (connection.table, connection.version) = (registry.table(&connection.tenant.name), version);
        }
    }

    pub(super) fn connection(&mut self, at: usize) -> Option<&mut Connection> {
        self.connections.get_mut(at)?.as_mut()
    }

    /// The functions that a connection's tenant has.
    pub(super) fn table(&self, at: usize) -> Arc<Table> {
        self.connections
            .get(at)
            .and_then(Option::as_ref)
            .map(|connection| Arc::clone(&connection.table))
            .unwrap_or_default()
    }

    /// Whose a connection is.
    pub(super) fn tenant(&self, at: usize) -> Arc<Tenant> {
        let connection = self.connections.get(at).and_then(Option::as_ref);
        connection.map_or_else(|| self.service.tenants.own(), |connection| Arc::clone(&connection.tenant))
    }

    /// A connection is another tenant's from now on.
    ///
    /// # Errors
    /// When that one has as many as it may have.
    pub(super) fn becomes(&mut self, at: usize, tenant: Arc<Tenant>) -> Result<(), ServiceError> {
        let Some(connection) = self.connections.get_mut(at).and_then(Option::as_mut) else { return Ok(()) };
        self.service.changes_hands(&connection.tenant, &tenant)?;
        (connection.tenant, connection.version) = (tenant, 0);
        self.refresh(at);
        Ok(())
    }

    fn queue(&mut self, at: usize) {
        let Some(connection) = self.connections.get_mut(at).and_then(Option::as_mut).filter(|it| !it.queued) else {
            return;
        };
        connection.queued = true;
        let name = &connection.tenant.name;
        match self.ready.iter_mut().find(|(tenant, _)| tenant == name) {
            Some((_, line)) => line.push_back(at),
            None => self.ready.push_back((name.clone(), VecDeque::from([at]))),
        }
    }

    fn accept(&mut self) {
        loop {
            let Some(listener) = &self.listener else { return };
            match listener.accept() {
                Ok((stream, _)) => {
                    let tenant = match self.whose(&stream) {
                        Ok(tenant) => tenant,
                        Err(error) => {
                            refuse(stream, &error);
                            continue;
                        }
                    };
                    self.next = (self.next + 1) % self.all.len().max(1);
                    match self.all.get(self.next).filter(|inbox| !Arc::ptr_eq(inbox, &self.inbox)) {
                        Some(inbox) => inbox.send(Mail::Client(stream, tenant)),
                        None => self.take_client(stream, tenant),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // Out of descriptors, mostly. Who is there goes on; looking again at once would help nobody.
                    tracing::warn!("a client cannot be accepted: {error}");
                    self.owed = true;
                    return;
                }
            }
        }
    }

    /// The tenant at the other end, by what the operating system says of it. It is counted as connected.
    fn whose(&self, stream: &UnixStream) -> Result<Arc<Tenant>, ServiceError> {
        let tenant = match peer(stream) {
            Some(user) => self.service.tenants.of_user(user),
            None => self.service.tenants.own(),
        };
        self.service.connected(&tenant)?;
        Ok(tenant)
    }

    fn take_client(&mut self, mut stream: UnixStream, tenant: Arc<Tenant>) {
        let at = self.free.pop().unwrap_or(self.connections.len());
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut stream, Token(at + FIRST), interest) {
            tracing::warn!("a client cannot be served: {error}");
            self.free.push(at);
            self.service.disconnected(&tenant);
            return;
        }
        self.generation = self.generation.wrapping_add(1);
        let connection = Connection::new(stream, self.generation, tenant);
        if at == self.connections.len() {
            self.connections.push(Some(connection));
        } else if let Some(place) = self.connections.get_mut(at) {
            *place = Some(connection);
        }
        self.queue(at);
    }

    fn open_mail(&mut self) {
        let mail = std::mem::take(&mut *self.inbox.mail.lock().unwrap_or_else(PoisonError::into_inner));
        for mail in mail {
            match mail {
                Mail::Client(stream, tenant) => self.take_client(stream, tenant),
                Mail::Answer(ticket, bytes) => {
                    if self.ends.is_some() {
                        self.ends = Some(Instant::now());
                    }
                    if let Some((running, tenant)) = &ticket.running {
                        self.service.ran(*running);
                        let left = self.service.dismiss(tenant);
                        if left == 0 && self.service.is_shutting_down() {
                            // All drivers wait for the last one.
                            self.all.iter().for_each(|inbox| inbox.wake());
                        }
                    }
                    let (at, generation, number) = (ticket.at, ticket.generation, ticket.number);
                    let Some(connection) = self.connection(at).filter(|c| c.generation == generation) else { continue };
                    connection.in_flight.remove(&number);
                    connection.answer(number, |out| out.extend_from_slice(&bytes));
                    self.queue(at);
                }
            }
        }
    }

    fn happened(&mut self, at: usize, event: &Event) {
        let Some(connection) = self.connection(at) else { return };
        connection.readable |= event.is_readable() || event.is_read_closed();
        connection.half_closed |= event.is_read_closed();
        connection.writable |= event.is_writable();
        // Both directions are closed: nobody is there who could read an answer.
        connection.gone |= event.is_write_closed() || event.is_error();
        self.queue(at);
    }

    /// Serves one connection for a turn.
    fn serve(mut self: Box<Self>, at: usize) -> Option<Box<Self>> {
        let service = Arc::clone(&self.service);
        let limits = &service.limits;
        let mut turn = TURN;
        loop {
            let Some(connection) = self.connection(at) else { return Some(self) };
            if connection.held() > ENOUGH {
                self.flush(at);
                let Some(connection) = self.connection(at) else { return Some(self) };
                if connection.held() as u64 > limits.waiting_bytes {
                    // It is not read from until it reads, or the answer comes that all others wait for.
                    return Some(self);
                }
            }
            let Some(connection) = self.connection(at) else { return Some(self) };
            match connection.next(limits) {
                Next::Message(data, range) => {
                    let number = connection.number();
                    let language = connection.language;
                    let message = data.get(range).unwrap_or_default();
                    self = match language {
                        Language::Frames => self.frame(at, number, message)?,
                        _ => self.line(at, number, message)?,
                    };
                    turn -= 1;
                    if turn == 0 {
                        self.queue(at);
                        break;
                    }
                }
                Next::TooLong => {
                    let number = connection.number();
                    let frame = connection.language == Language::Frames;
                    let text = format!("a request may have {} bytes, and this one has more", limits.line_bytes);
                    let error = ServiceError::new(ErrorCode::TooLong, text);
                    connection.answer(number, |out| {
                        if frame { frames::error(out, 0, &error) } else { answer::error(out, None, &error, None) }
                    });
                    connection.closing = true;
                }
                Next::Nothing => {
                    // When the server ends, who still waits for something is refused the rest; others are not listened to any more.
                    let heard = !connection.in_flight.is_empty() || !service.is_shutting_down();
                    if !heard || !connection.readable || connection.ended || connection.closing {
                        break;
                    }
                    match connection.read(limits) {
                        Ok(Came::Some) => {}
                        // Behind the last bytes stands the end, of which no other event will tell.
                        Ok(Came::All) => connection.readable = connection.half_closed,
                        Ok(Came::End) => (connection.ended, connection.readable) = (true, false),
                        Err(_) => {
                            connection.gone = true;
                            break;
                        }
                    }
                }
            }
        }
        self.flush(at);
        Some(self)
    }

    /// Writes what waits for a client, and closes its connection when that was all.
    fn flush(&mut self, at: usize) {
        if std::mem::take(&mut self.unwritten)
            && let Err(error) = self.service.state.write()
        {
            self.break_down(error.to_string());
        }
        if self.service.broken.get().is_some() {
            // What cannot be kept is not told.
            self.close(at);
            return;
        }
        let Some(connection) = self.connection(at) else { return };
        if !connection.gone && connection.write().is_err() {
            connection.gone = true;
        }
        if connection.is_over() {
            self.close(at);
        }
    }

    fn close(&mut self, at: usize) {
        let Some(mut connection) = self.connections.get_mut(at).and_then(Option::take) else { return };
        connection.abandon();
        let _ = self.poll.registry().deregister(&mut connection.stream);
        if connection.queued {
            self.ready.iter_mut().for_each(|(_, line)| line.retain(|ready| *ready != at));
            self.ready.retain(|(_, line)| !line.is_empty());
        }
        self.free.push(at);
        self.service.disconnected(&connection.tenant);
    }

    /// Closes connections that have nothing under way, or all of them when something broke. Who does not take an answer is waited for only
    /// so long. True when none is left.
    fn close_idle(&mut self) -> bool {
        self.listener = None;
        let broken = self.service.broken.get().is_some();
        let late = self.ends.get_or_insert_with(Instant::now).elapsed() >= GRACE;
        for at in 0..self.connections.len() {
            let over = |connection: &mut Connection| {
                broken || (connection.is_idle() && !connection.queued) || (late && connection.in_flight.is_empty())
            };
            if self.connection(at).is_some_and(over) {
                self.close(at);
            }
        }
        self.connections.iter().all(Option::is_none) && self.service.crew.away.load(Ordering::Relaxed) == 0
    }

    fn break_down(&self, why: String) {
        tracing::error!("{why}");
        self.service.broken.set(why);
        self.service.shut_down(true);
        self.all.iter().for_each(|inbox| inbox.wake());
    }

    /// Answers a request that was done on the spot.
    pub(super) fn reply(
        &mut self,
        at: usize,
        number: u64,
        asked: &Asked,
        result: Result<serde_json::Value, ServiceError>,
    ) {
        let Some(connection) = self.connection(at) else { return };
        connection.answer(number, |out| match &result {
            Ok(value) => answer::value(out, asked.id.as_ref(), value),
            Err(error) => fail(out, asked, error),
        });
    }

    fn asked_now(&mut self, at: usize, number: u64, asked: Asked) {
        self.current = Some(Current { at, number, asked });
    }

    /// Runs a job, on the spot as long as it is short.
    pub(super) fn run(
        mut self: Box<Self>,
        at: usize,
        number: u64,
        asked: Asked,
        job: &Job,
        input: &[u8],
    ) -> Option<Box<Self>> {
        if self.service.is_shutting_down() {
            self.reply(at, number, &asked, Err(crate::execute::shutting_down()));
            return Some(self);
        }
        let service = Arc::clone(&self.service);
        let mut run = self.run.take().unwrap_or_else(|| service.take_run());
        if let Some(connection) = self.connection(at) {
            if !Arc::ptr_eq(&run.host.table, &connection.table) {
                run.host.table = Arc::clone(&connection.table);
            }
            if !Arc::ptr_eq(&run.host.tenant, &connection.tenant) {
                run.host.tenant = Arc::clone(&connection.tenant);
            }
        }
        run.host.functions.clear();
        run.host.functions.extend(job.stages.all().iter().map(|function| function.uuid));
        self.asked_now(at, number, asked);
        run.host.driver = Some(self);
        let (mut run, result) = perform(&service, run, job, input);
        let Some(mut driver) = run.host.end() else {
            away(&service, run, job, &result);
            return None;
        };
        let Some(Current { at, number, asked }) = driver.current.take() else { return Some(driver) };
        // Who has read what another one has committed tells of it, too.
        let tells = run.host.overlay.reads() > 0 || result.as_ref().is_ok_and(|report| report.commit > 0);
        if tells && service.sync == Sync::Always && !service.state.is_synced() {
            let mut bytes = Vec::new();
            write(&mut bytes, &asked, &result, job, &run);
            driver.run = Some(run);
            let ticket = driver.ticket(at, number, asked, None, &Arc::default());
            driver.syncer.wait_for_disk(ticket, bytes);
            return Some(driver);
        }
        driver.unwritten |= tells;
        if let Some(connection) = driver.connection(at) {
            connection.answer(number, |out| write(out, &asked, &result, job, &run));
        }
        driver.run = Some(run);
        Some(driver)
    }

    /// What an answer needs that comes from another thread. The request is in flight from here on.
    fn ticket(
        &mut self,
        at: usize,
        number: u64,
        asked: Asked,
        running: Option<(u64, Arc<Tenant>)>,
        control: &Arc<Control>,
    ) -> Ticket {
        let inbox = Arc::clone(&self.inbox);
        let mut generation = 0;
        if let Some(connection) = self.connection(at) {
            generation = connection.generation;
            let in_flight = InFlight { id: asked.id.clone(), control: Arc::clone(control), detach: asked.detach };
            connection.in_flight.insert(number, in_flight);
        }
        Ticket { inbox, at, generation, number, asked, running }
    }

    /// The current request takes this thread with it; another one goes on with the driver.
    ///
    /// # Errors
    /// When too much is in flight. The driver stays here then.
    pub(crate) fn hand_over(
        mut self: Box<Self>,
        control: &Arc<Control>,
        functions: &[crate::uuid::Uuid],
    ) -> Result<Ticket, (Box<Self>, Failure)> {
        let Some(current) = self.current.take() else {
            return Err((self, Failure::Host("an execution belongs to no request".into())));
        };
        let tenant = self.tenant(current.at);
        let most = self.service.limits.in_flight;
        let mine = self.connection(current.at).map_or(0, |connection| connection.in_flight.len() as u64);
        if mine >= most {
            self.current = Some(current);
            let text =
                format!("this connection has {mine} executions in flight, which is the most: wait for some answers");
            return Err((self, Failure::Busy(text)));
        }
        if let Err(failure) = self.service.admit(&tenant) {
            self.current = Some(current);
            return Err((self, failure));
        }
        self.service.stats.moved.fetch_add(1, Ordering::Relaxed);
        let running = self.service.runs(control, functions.to_vec());
        if self.service.broken.get().is_some() {
            // Those that ran by then have been told.
            control.shut_down();
        }
        let Current { at, number, asked } = current;
        let ticket = self.ticket(at, number, asked, Some((running, tenant)), control);
        self.queue(at);
        let crew = Arc::clone(&self.service.crew);
        crew.go_on(self);
        Ok(ticket)
    }

    /// The request leaves for somebody beyond the server, who answers later.
    ///
    /// # Errors
    /// When too much is in flight.
    pub(super) fn depart(
        &mut self,
        at: usize,
        number: u64,
        asked: Asked,
    ) -> Result<(Ticket, Arc<Control>), ServiceError> {
        let most = self.service.limits.in_flight;
        let mine = self.connection(at).map_or(0, |connection| connection.in_flight.len() as u64);
        if mine >= most {
            let text =
                format!("this connection has {mine} executions in flight, which is the most: wait for some answers");
            return Err(ServiceError::new(ErrorCode::Busy, text));
        }
        let tenant = self.tenant(at);
        if let Err(failure) = self.service.admit(&tenant) {
            return Err(ServiceError::new(crate::error::code_of(&failure), failure.to_string()));
        }
        let control = Arc::new(Control::default());
        let running = self.service.runs(&control, Vec::new());
        let ticket = self.ticket(at, number, asked, Some((running, tenant)), &control);
        Ok((ticket, control))
    }

    /// Something that takes long and is no execution: it takes this thread with it. It is told how it can be ended.
    pub(super) fn slowly(
        mut self: Box<Self>,
        at: usize,
        number: u64,
        asked: Asked,
        act: impl FnOnce(&Arc<Service>, &Control) -> Result<serde_json::Value, ServiceError>,
    ) -> Option<Box<Self>> {
        let service = Arc::clone(&self.service);
        self.asked_now(at, number, asked.clone());
        let control = Arc::default();
        match self.hand_over(&control, &[]) {
            Ok(ticket) => {
                let mut bytes = Vec::new();
                match act(&service, &control) {
                    Ok(value) => answer::value(&mut bytes, asked.id.as_ref(), &value),
                    Err(error) => fail(&mut bytes, &asked, &error),
                }
                ticket.send(bytes);
                None
            }
            Err((mut driver, failure)) => {
                driver.current = None;
                let error = ServiceError::new(crate::error::code_of(&failure), failure.to_string());
                driver.reply(at, number, &asked, Err(error));
                Some(driver)
            }
        }
    }

    /// Ends what a client has in flight under an id.
    pub(super) fn cancel(&mut self, at: usize, target: &Id) -> usize {
        let Some(connection) = self.connection(at) else { return 0 };
        let of_it = connection.in_flight.values().filter(|in_flight| in_flight.id.as_ref() == Some(target));
        of_it.map(|in_flight| in_flight.control.cancel()).count()
    }
}

/// The end of an execution that has taken its thread with it.
fn away(service: &Arc<Service>, mut run: Box<Run<Env>>, job: &Job, result: &Result<Report, ServiceError>) {
    if let Some(ticket) = run.host.ticket.take() {
        let mut bytes = Vec::new();
        write(&mut bytes, &ticket.asked, result, job, &run);
        // What is committed is kept before anybody is told, also by those who have only read it.
        let tells = run.host.overlay.reads() > 0 || result.as_ref().is_ok_and(|report| report.commit > 0);
        match if tells { service.settle() } else { Ok(()) } {
            Ok(()) => ticket.send(bytes),
            Err(error) => {
                tracing::error!("{error}");
                service.broken.set(error.to_string());
                service.shut_down(true);
                // It is not told, but its driver has to know that nothing runs any more.
                ticket.send(Vec::new());
            }
        }
    }
    service.give_run(run);
}

pub(super) fn fail(out: &mut Vec<u8>, asked: &Asked, error: &ServiceError) {
    match (asked.frame, &asked.id) {
        (true, Some(Id::Number(id))) => frames::error(out, *id, error),
        (true, _) => frames::error(out, 0, error),
        (false, id) => answer::error(out, id.as_ref(), error, None),
    }
}

fn write(out: &mut Vec<u8>, asked: &Asked, result: &Result<Report, ServiceError>, job: &Job, run: &Run<Env>) {
    let lines = asked.lines.then_some(run.host.lines.as_slice());
    match (result, asked.frame) {
        (Ok(report), true) => {
            let Some(Id::Number(id)) = asked.id else { return };
            frames::ok(out, id, report.fuel, &run.output);
        }
        (Ok(report), false) => {
            let chain = job.stages.is_chain();
            answer::report(out, asked.id.as_ref(), report, &run.output, asked.as_bytes, lines, chain);
        }
        (Err(error), true) => fail(out, asked, error),
        (Err(error), false) => answer::error(out, asked.id.as_ref(), error, lines),
    }
}

/// The user at the other end of a connection, where the system tells.
#[cfg(target_os = "linux")]
fn peer(stream: &UnixStream) -> Option<u32> {
    use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
    getsockopt(stream, PeerCredentials).ok().map(|peer| peer.uid())
}

#[cfg(not(target_os = "linux"))]
fn peer(stream: &UnixStream) -> Option<u32> {
    use std::os::fd::AsFd as _;
    nix::unistd::getpeereid(stream.as_fd()).ok().map(|(user, _)| user.as_raw())
}

fn refuse(mut stream: UnixStream, error: &ServiceError) {
    use std::io::Write as _;
    let mut bytes = Vec::new();
    answer::error(&mut bytes, None, error, None);
    // A fresh socket takes that much.
    let _ = stream.write(&bytes);
}
