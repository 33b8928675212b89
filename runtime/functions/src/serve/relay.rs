//! Requests that somebody beyond the server answers: read here, and handed on.

use super::answer;
use super::driver::{Asked, Driver, Ticket, fail};
use super::frames;
use super::operations::{bad, load_of, read_of};
use super::request::{Id, Request, bytes, missing};
use crate::beyond::{Answer, Beyond, Order, Reply, StateAct, What};
use crate::error::{ErrorCode, ServiceError};
use crate::limits::{ExecutionConfig, MOST_STAGES, ServerLimits};
use crate::service::Service;
use crate::tenants::Tenant;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;

/// Milliseconds that anything but an execution may take.
const PATIENCE_MS: u64 = 30_000;

impl Driver {
    /// A line, for whoever is beyond. What is the server's own is not taken, and handed back.
    pub(super) fn relay_line(
        self: Box<Self>,
        beyond: &Arc<dyn Beyond>,
        at: usize,
        number: u64,
        asked: &Asked,
        op: &str,
        request: &Request<'_>,
    ) -> Result<Box<Self>, Box<Self>> {
        if matches!(op, "ping" | "hello" | "stats" | "cancel") {
            return Err(self);
        }
        let what = what_of(&self.service, &self.service.tenants.own(), op, request);
        let what = match what {
            Ok(Some(what)) => what,
            Ok(None) => return Err(self),
            Err(error) => return Ok(self.refused(at, number, asked, error)),
        };
        let numbered = match (request.client, request.sequence) {
            (Some(client), Some(sequence)) => Some((client, sequence)),
            (None, None) => None,
            _ => {
                let error = bad("'client' and 'sequence' belong together: op 'open' gives a client");
                return Ok(self.refused(at, number, asked, error));
            }
        };
        let timeout_ms = match &what {
            What::Execute { config, .. } => config.timeout_ms.unwrap_or(5000),
            _ => PATIENCE_MS,
        };
        let most = most_of(&self.service.limits);
        Ok(self.relay(beyond, at, number, asked.clone(), Order { what, numbered, timeout_ms, most }))
    }

    /// A frame, for whoever is beyond.
    pub(super) fn relay_frame(
        self: Box<Self>,
        beyond: &Arc<dyn Beyond>,
        at: usize,
        number: u64,
        mut asked: Asked,
        frame: Result<frames::Frame<'_>, ServiceError>,
    ) -> Box<Self> {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => return self.refused(at, number, &asked, error),
        };
        asked.detach = frame.detach;
        let (stages, chain) = match &frame.what {
            frames::What::Execute(uuid) => (vec![uuid.to_string()], false),
            frames::What::Chain(uuids) => (uuids.iter().map(ToString::to_string).collect(), true),
        };
        let what = What::Execute {
            stages,
            chain,
            entry: None,
            input: frame.input.to_vec(),
            config: frame.config,
            read_only: frame.read_only,
            lines: false,
        };
        let timeout_ms = frame.config.timeout_ms.unwrap_or(5000);
        let most = most_of(&self.service.limits);
        self.relay(beyond, at, number, asked, Order { what, numbered: None, timeout_ms, most })
    }

    fn refused(mut self: Box<Self>, at: usize, number: u64, asked: &Asked, error: ServiceError) -> Box<Self> {
        self.reply(at, number, asked, Err(error));
        self
    }

    fn relay(
        mut self: Box<Self>,
        beyond: &Arc<dyn Beyond>,
        at: usize,
        number: u64,
        asked: Asked,
        order: Order,
    ) -> Box<Self> {
        if self.service.is_shutting_down() {
            return self.refused(at, number, &asked, crate::execute::shutting_down());
        }
        let most = self.service.limits.timeout_ms;
        if order.timeout_ms == 0 || order.timeout_ms > most {
            let text = format!("timeout_ms is {}: from 1 to {most} is possible on this server", order.timeout_ms);
            return self.refused(at, number, &asked, bad(text));
        }
        if let Err(error) = check(&order.what, &self.service.limits) {
            return self.refused(at, number, &asked, error);
        }
        let chain = matches!(&order.what, What::Execute { chain: true, .. });
        let executes = matches!(&order.what, What::Execute { .. });
        let counted = executes.then(|| (Arc::clone(&self.service), Instant::now()));
        match self.depart(at, number, asked.clone()) {
            Ok((ticket, control)) => beyond.take(order, Reply::new(ticket, control, chain, counted)),
            Err(error) => return self.refused(at, number, &asked, error),
        }
        self
    }
}

const fn most_of(limits: &ServerLimits) -> ExecutionConfig {
    ExecutionConfig {
        timeout_ms: Some(limits.timeout_ms),
        memory_limit_mb: Some(limits.memory_mb),
        fuel: Some(limits.fuel),
        output_limit_mb: Some(limits.output_mb),
    }
}

/// Whether something is within what this server offers; whoever is beyond has limits of its own.
fn check(what: &What, limits: &ServerLimits) -> Result<(), ServiceError> {
    let long = |what: &str, bytes: usize, most: u64| match bytes as u64 > most {
        true => Err(bad(format!("the {what} has {bytes} bytes, at most {most} are possible on this server"))),
        false => Ok(()),
    };
    match what {
        What::Execute { config, .. } => config.effective(limits).map(drop),
        What::Load { wasm, config, .. } => {
            config.effective(limits)?;
            let (bytes, most) = (wasm.len(), limits.module_bytes);
            if bytes as u64 > most {
                let text = format!(
                    "the module has {bytes} bytes, and this server takes {most}: raise module_bytes in its limits"
                );
                return Err(ServiceError::new(ErrorCode::BadModule, text));
            }
            Ok(())
        }
        What::State(_, act) => match act {
            StateAct::Get(key) | StateAct::Delete(key) | StateAct::List(key) => {
                long("key", key.len(), limits.key_bytes)
            }
            StateAct::Set(key, value) => {
                long("key", key.len(), limits.key_bytes)?;
                long("value", value.len(), limits.value_bytes)
            }
        },
        _ => Ok(()),
    }
}

/// What a request wants of whoever is beyond; none of what nobody knows.
fn what_of(
    service: &Service,
    tenant: &Arc<Tenant>,
    op: &str,
    request: &Request<'_>,
) -> Result<Option<What>, ServiceError> {
    let name = || {
        let name = request.uuid.as_ref().ok_or_else(|| missing(op, "uuid"))?;
        Ok::<_, ServiceError>(name.as_str().to_string())
    };
    Ok(Some(match op {
        "open" => What::Open,
        "execute" | "chain" => {
            let chain = op == "chain";
            let stages = match (&request.uuids, chain) {
                (None, false) => vec![name()?],
                (Some(names), true) => names.iter().map(|name| name.as_str().to_string()).collect(),
                (None, true) => return Err(missing("chain", "uuids")),
                (Some(_), false) => return Err(bad("'uuids' belongs to 'chain'")),
            };
            if stages.is_empty() || stages.len() > MOST_STAGES {
                return Err(bad(format!("a chain of {} stages: 1 to {MOST_STAGES} are possible", stages.len())));
            }
            What::Execute {
                stages,
                chain,
                entry: request.entry.as_ref().map(|entry| entry.as_str().to_string()),
                input: bytes(request.input.as_ref(), request.input_b64.as_ref(), "input")?.into_owned(),
                config: request.config.unwrap_or_default(),
                read_only: request.read_only,
                lines: request.logs,
            }
        }
        "load" => {
            if request.kind.as_ref().is_some_and(|kind| kind.as_str() == "wasi") {
                return Err(bad("a server beside a node loads plugins only: the log knows no programs"));
            }
            let (load, wasm) = read_of(load_of(request, tenant)?, service)?;
            What::Load {
                name: load.called(&wasm),
                wasm,
                state: load.recipe.state.clone(),
                config: ExecutionConfig { timeout_ms: None, ..load.config },
                replace: load.replace,
            }
        }
        "unload" => What::Unload(name()?),
        "list" => What::List,
        "info" => What::Info(name()?),
        "state" => {
            let key = |text: &super::request::Text<'_>| text.as_str().as_bytes().to_vec();
            let act = match (&request.get, &request.set, &request.delete, &request.list) {
                (Some(get), None, None, None) => StateAct::Get(key(get)),
                (None, Some(set), None, None) => {
                    if request.value.is_none() && request.value_b64.is_none() {
                        return Err(missing("state", "value"));
                    }
                    let value = bytes(request.value.as_ref(), request.value_b64.as_ref(), "value")?;
                    StateAct::Set(key(set), value.into_owned())
                }
                (None, None, Some(delete), None) => StateAct::Delete(key(delete)),
                (None, None, None, Some(list)) => StateAct::List(key(list)),
                _ => return Err(bad("'state' needs one of the fields 'get', 'set', 'delete' and 'list'")),
            };
            What::State(name()?, act)
        }
        "logs" => {
            let text =
                "a server beside a node keeps no lines of functions: ask for those of an execution with \"logs\":true";
            return Err(bad(text));
        }
        _ => return Ok(None),
    }))
}

impl Ticket {
    /// Gives the answer of whoever is beyond.
    pub(crate) fn send_answer(self, result: Result<Answer, ServiceError>, lines: &[String], chain: bool) {
        let mut out = Vec::new();
        let asked = &self.asked;
        let id = asked.id.as_ref();
        match (result, asked.frame) {
            (Ok(Answer::Executed { report, output, .. }), true) => {
                if let Some(Id::Number(id)) = asked.id {
                    frames::ok(&mut out, id, report.fuel, &output);
                }
            }
            (Ok(Answer::Executed { report, output, lines }), false) => {
                let lines = asked.lines.then_some(lines.as_slice());
                answer::report(&mut out, id, &report, &output, asked.as_bytes, lines, chain);
            }
            (Ok(Answer::Value(value)), _) => answer::value(&mut out, id, &value),
            (Ok(Answer::Bytes(bytes)), _) => answer::value(&mut out, id, &value_of(bytes.as_deref())),
            (Err(error), false) => answer::error(&mut out, id, &error, asked.lines.then_some(lines)),
            (Err(error), true) => fail(&mut out, asked, &error),
        }
        self.send(out);
    }
}

/// A value of state, as text where it is text.
fn value_of(bytes: Option<&[u8]>) -> Value {
    use base64::Engine as _;
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => json!({"value": null}),
        Some((_, Ok(text))) => json!({"value": text}),
        Some((bytes, Err(_))) => json!({"value_b64": base64::engine::general_purpose::STANDARD.encode(bytes)}),
    }
}

/// That a number to count with is given only beside a node.
pub(super) fn alone(op: &str, request: &Request<'_>) -> Result<(), ServiceError> {
    if op == "open" || request.client.is_some() || request.sequence.is_some() {
        return Err(bad("clients are numbered beside a node of a cell only: 'replicode fn serve --node'"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_allows_holds_for_what_it_hands_on() {
        let limits = ServerLimits {
            memory_mb: 2,
            fuel: 100,
            output_mb: 1,
            key_bytes: 3,
            value_bytes: 4,
            module_bytes: 5,
            ..ServerLimits::default()
        };
        let execute = |config| What::Execute {
            stages: vec!["f".into()],
            chain: false,
            entry: None,
            input: Vec::new(),
            config,
            read_only: false,
            lines: false,
        };
        let load = |wasm: &[u8], config| What::Load {
            wasm: wasm.to_vec(),
            name: "f".into(),
            state: None,
            config,
            replace: false,
        };
        let plain = ExecutionConfig::default();
        let state = |act| What::State("f".into(), act);
        let set = |key: &[u8], value: &[u8]| state(StateAct::Set(key.to_vec(), value.to_vec()));
        for (what, good) in [
            (execute(plain), true),
            (execute(ExecutionConfig { fuel: Some(100), ..plain }), true),
            (execute(ExecutionConfig { fuel: Some(101), ..plain }), false),
            (execute(ExecutionConfig { memory_limit_mb: Some(3), ..plain }), false),
            (execute(ExecutionConfig { output_limit_mb: Some(2), ..plain }), false),
            (load(b"12345", plain), true),
            (load(b"123456", plain), false),
            (load(b"1", ExecutionConfig { fuel: Some(101), ..plain }), false),
            (set(b"abc", b"1234"), true),
            (set(b"abcd", b"1"), false),
            (set(b"a", b"12345"), false),
            (state(StateAct::Get(b"abcd".to_vec())), false),
            (state(StateAct::Delete(b"abcd".to_vec())), false),
            (state(StateAct::List(b"abcd".to_vec())), false),
            (What::List, true),
        ] {
            assert_eq!(check(&what, &limits).is_ok(), good, "{what:?}");
        }
        assert_eq!(most_of(&limits).fuel, Some(100));
    }
}
