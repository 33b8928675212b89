//! What goes over the wire in JSON, as values.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// What an execution may use; what is not said is as the function was loaded, or as the server likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Milliseconds.
    pub timeout_ms: Option<u64>,
    /// Megabytes of memory.
    pub memory_limit_mb: Option<u64>,
    /// Units of fuel.
    pub fuel: Option<u64>,
    /// Megabytes of output.
    pub output_limit_mb: Option<u64>,
}

impl Config {
    /// As a request has it; `None` when nothing is said.
    #[must_use]
    pub fn to_json(&self) -> Option<Value> {
        let all = [
            ("timeout_ms", self.timeout_ms),
            ("memory_limit_mb", self.memory_limit_mb),
            ("fuel", self.fuel),
            ("output_limit_mb", self.output_limit_mb),
        ];
        let said: Map<String, Value> =
            all.into_iter().filter_map(|(name, value)| Some((name.to_string(), json!(value?)))).collect();
        (!said.is_empty()).then_some(Value::Object(said))
    }
}

/// What a stage of a chain has done.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stage {
    /// Fuel.
    pub fuel: u64,
    /// Microseconds.
    pub us: f64,
    /// Bytes of output.
    pub bytes: u64,
}

/// What an execution has done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// What it wrote.
    pub output: Vec<u8>,
    /// Fuel.
    pub fuel: u64,
    /// Microseconds, as the server measured them.
    pub us: f64,
    /// Bytes of memory.
    pub memory: u64,
    /// What it logged, if that was asked for.
    pub logs: Vec<String>,
    /// What the stages of a chain have done.
    pub stages: Vec<Stage>,
}

/// What a server says about a request that failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The code, for programs.
    pub code: String,
    /// The words, for people.
    pub message: String,
    /// Which stage of a chain.
    pub stage: Option<u64>,
    /// Fuel burnt until then.
    pub fuel: Option<u64>,
    /// What it logged, if that was asked for.
    pub logs: Vec<String>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no server.
    #[error("no server listens at {path} ({error}): start one with 'replicode fn serve', or say where with --socket")]
    NoServer {
        /// Where.
        path: String,
        /// Why not.
        error: std::io::Error,
    },
    /// The connection has ended while an answer was waited for.
    #[error("the connection ended before the answer came ({0}): whether the request was executed is unknown")]
    Lost(std::io::Error),
    /// What came is no answer of this protocol.
    #[error("what came is no answer of a function server: {0}")]
    Protocol(String),
    /// The server says that the request failed.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// Reads text or base64 of that name.
pub(crate) fn bytes_of(value: &Value, name: &str) -> Option<Vec<u8>> {
    match value.get(name) {
        Some(text) => Some(text.as_str()?.as_bytes().to_vec()),
        None => STANDARD.decode(value.get(format!("{name}_b64"))?.as_str()?).ok(),
    }
}

/// Puts bytes into a request, as text where they are text.
pub(crate) fn put_bytes(request: &mut Value, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => request[name] = json!(text),
        Err(_) => request[format!("{name}_b64")] = json!(STANDARD.encode(bytes)),
    }
}

pub(crate) fn load(wasm: &[u8], name: Option<&str>) -> Value {
    let mut request = json!({"op": "load", "wasm_b64": STANDARD.encode(wasm)});
    if let Some(name) = name {
        request["name"] = json!(name);
    }
    request
}

pub(crate) fn execute(function: &str, input: &[u8], config: &Config) -> Value {
    let mut request = json!({"op": "execute", "uuid": function});
    put_bytes(&mut request, "input", input);
    if let Some(config) = config.to_json() {
        request["config"] = config;
    }
    request
}

pub(crate) fn chain(functions: &[&str], input: &[u8], config: &Config) -> Value {
    let mut request = json!({"op": "chain", "uuids": functions});
    put_bytes(&mut request, "input", input);
    if let Some(config) = config.to_json() {
        request["config"] = config;
    }
    request
}

/// The line that says whose a connection is to be, and whether frames follow it.
pub(crate) fn hello(token: &str, frames: bool) -> String {
    let mut line = json!({"op": "hello", "token": token, "frames": frames}).to_string();
    line.push('\n');
    line
}

/// What came for it.
pub(crate) fn welcome(line: &str) -> Result<(), ClientError> {
    if line.is_empty() {
        return Err(ClientError::Lost(std::io::ErrorKind::UnexpectedEof.into()));
    }
    let answer = serde_json::from_str(line).map_err(|error| ClientError::Protocol(error.to_string()))?;
    open(answer).map(drop)
}

fn lines(value: &Value) -> Vec<String> {
    let lines = value.get("logs").and_then(Value::as_array);
    lines.into_iter().flatten().filter_map(|line| Some(line.as_str()?.to_string())).collect()
}

/// The content of an answer, or the failure that it tells of.
pub(crate) fn open(mut answer: Value) -> Result<Value, ClientError> {
    if let Some(ok) = answer.get_mut("ok") {
        return Ok(ok.take());
    }
    let wrong = || ClientError::Protocol("an answer has neither 'ok' nor 'error'".into());
    let error = answer.get("error").ok_or_else(wrong)?;
    let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default().to_string();
    Err(ClientError::Failed(Failure {
        code: text("code"),
        message: text("message"),
        stage: error.get("stage").and_then(Value::as_u64),
        fuel: error.get("fuel").and_then(Value::as_u64),
        logs: lines(error),
    }))
}

/// What an execution has done.
pub(crate) fn answer(ok: &Value) -> Result<Answer, ClientError> {
    let wrong = || ClientError::Protocol("an execution's answer has no output".into());
    let number = |value: &Value, name: &str| value.get(name).and_then(Value::as_u64).unwrap_or(0);
    let us = |value: &Value| value.get("us").and_then(Value::as_f64).unwrap_or(0.0);
    let stages = ok.get("stages").and_then(Value::as_array);
    let stage = |stage: &Value| Stage { fuel: number(stage, "fuel"), us: us(stage), bytes: number(stage, "bytes") };
    Ok(Answer {
        output: bytes_of(ok, "output").ok_or_else(wrong)?,
        fuel: number(ok, "fuel"),
        us: us(ok),
        memory: number(ok, "memory"),
        logs: lines(ok),
        stages: stages.into_iter().flatten().map(stage).collect(),
    })
}

/// The UUID in the answer of a load.
pub(crate) fn uuid(ok: &Value) -> Result<String, ClientError> {
    let uuid = ok.get("uuid").and_then(Value::as_str);
    uuid.map(str::to_string).ok_or_else(|| ClientError::Protocol("a load's answer has no uuid".into()))
}
