//! Commands that ask a server, each one request.

use super::{config, input, plain, put, read};
use crate::args::{FnChainArgs, FnExecuteArgs, FnLoadArgs, FnStateArgs, FnStateCommand, InputArgs, SocketArg};
use crate::show::{self, Table, bytes, print, print_json};
use crate::telemetry;
use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use replicode_functions_client::{Client, ClientError};
use serde_json::{Value, json};
use std::io::Write;
use std::time::{Duration, Instant};

/// What failed requests are called for people; the code stands first for who greps.
fn told(error: ClientError) -> anyhow::Error {
    match error {
        ClientError::Failed(failure) => anyhow::anyhow!("{}: {}", plain(&failure.code), plain(&failure.message)),
        other => other.into(),
    }
}

pub(super) fn connect(at: &SocketArg) -> Result<Client> {
    Ok(Client::connect(at.path())?)
}

fn ask(at: &SocketArg, request: Value) -> Result<Value> {
    connect(at)?.request(request).map_err(told)
}

/// Bytes under a name: as text where they are text, else in base64, as the server does it.
pub(super) fn put_bytes(request: &mut Value, name: &str, content: Vec<u8>) {
    match String::from_utf8(content) {
        Ok(text) => request[name] = json!(text),
        Err(error) => request[format!("{name}_b64")] = json!(STANDARD.encode(error.into_bytes())),
    }
}

fn get_bytes(answer: &Value, name: &str) -> Result<Option<Vec<u8>>> {
    if let Some(text) = answer[name].as_str() {
        return Ok(Some(text.as_bytes().to_vec()));
    }
    match answer[format!("{name}_b64")].as_str() {
        Some(text) => Ok(Some(STANDARD.decode(text).context("the server's answer is no base64")?)),
        None => Ok(None),
    }
}

/// `fn load`.
pub fn load(args: &FnLoadArgs, json: bool) -> Result<u8> {
    let wasm = read(&args.module)?;
    let stem = args.module.file_stem().map(|stem| stem.to_string_lossy().into_owned()).filter(|stem| stem != "-");
    let mut request = json!({"op": "load", "wasm_b64": STANDARD.encode(&wasm), "replace": args.replace});
    if let Some(name) = args.name.clone().or(stem) {
        request["name"] = json!(name);
    }
    if let Some(state) = &args.state {
        request["state"] = json!(state);
    }
    if let Some(config) = config(&args.config).to_json() {
        request["config"] = config;
    }
    let answer = ask(&args.at, request).with_context(|| format!("cannot load {}", args.module.display()))?;
    if json {
        return print_json(&[answer]);
    }
    print(&format!("{}\n", answer["uuid"].as_str().unwrap_or_default()))
}

fn with_io(mut request: Value, io: &InputArgs) -> Result<Value> {
    put_bytes(&mut request, "input", input(io)?);
    if let Some(config) = config(&io.config).to_json() {
        request["config"] = config;
    }
    request["logs"] = json!(io.logs);
    Ok(request)
}

fn finish(at: &SocketArg, io: &InputArgs, request: Value, stages: bool, json: bool) -> Result<u8> {
    let answer = match connect(at)?.request(request) {
        Err(ClientError::Failed(failure)) => {
            tell_logs(&failure.logs);
            return Err(told(ClientError::Failed(failure)));
        }
        other => other.map_err(told)?,
    };
    if json {
        return print_json(&[answer]);
    }
    let lines = answer["logs"].as_array().into_iter().flatten().filter_map(Value::as_str);
    tell_logs(&lines.map(str::to_string).collect::<Vec<_>>());
    if stages {
        let functions = answer["stages"].as_array().into_iter().flatten().enumerate();
        for (at, stage) in functions {
            let (fuel, us, bytes) = (&stage["fuel"], &stage["us"], &stage["bytes"]);
            let _ = writeln!(std::io::stderr(), "stage {at}: {us} µs, {fuel} units of fuel, {bytes} bytes");
        }
    }
    put(io, &get_bytes(&answer, "output")?.context("the server's answer has no output")?)?;
    Ok(0)
}

fn tell_logs(lines: &[String]) {
    for line in lines {
        let _ = writeln!(std::io::stderr(), "log: {}", plain(line));
    }
}

/// `fn execute`.
pub fn execute(args: &FnExecuteArgs, json: bool) -> Result<u8> {
    let mut request = json!({"op": "execute", "uuid": args.function, "read_only": args.read_only});
    if let Some(entry) = &args.entry {
        request["entry"] = json!(entry);
    }
    finish(&args.at, &args.io, with_io(request, &args.io)?, false, json)
}

/// `fn chain`.
pub fn chain(args: &FnChainArgs, json: bool) -> Result<u8> {
    let request = with_io(json!({"op": "chain", "uuids": args.functions}), &args.io)?;
    finish(&args.at, &args.io, request, args.show_stages, json)
}

fn age(ms: u64) -> String {
    if ms == 0 {
        return "never".into();
    }
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |now| now.as_millis() as u64);
    match now.saturating_sub(ms) / 1000 {
        seconds @ 0..60 => format!("{seconds} s ago"),
        seconds @ 60..3600 => format!("{} min ago", seconds / 60),
        seconds @ 3600..86400 => format!("{} h ago", seconds / 3600),
        seconds => format!("{} d ago", seconds / 86400),
    }
}

/// `fn list`.
pub fn list(at: &SocketArg, json: bool) -> Result<u8> {
    let Value::Array(functions) = ask(at, json!({"op": "list"}))? else { bail!("the server's answer is no list") };
    if json {
        return print_json(&functions);
    }
    let mut table =
        Table::new(["NAME", "UUID", "DIGEST", "KIND", "BYTES", "MEMORY", "RUNS", "FAILED", "P50", "P99", "LAST USED"]);
    for function in &functions {
        let number = |name: &str| function[name].as_u64().unwrap_or(0);
        let text = |name: &str| plain(function[name].as_str().unwrap_or_default());
        // Beside a node nobody counts by function.
        let none = || "–".to_string();
        let count = |name: &str| function[name].as_u64().map_or_else(none, |count| count.to_string());
        let us = |name: &str| function[name].as_f64().map_or_else(none, |us| format!("{us:.1} µs"));
        table.row([
            text("name"),
            text("uuid"),
            text("digest").chars().take(12).collect(),
            text("kind"),
            bytes(number("bytes")),
            function["memory"].as_u64().map_or_else(|| "–".into(), bytes),
            count("executions"),
            count("failures"),
            us("p50_us"),
            us("p99_us"),
            function["last_used_ms"].as_u64().map_or_else(none, age),
        ]);
    }
    print(&table.to_string())
}

/// `fn unload`.
pub fn unload(at: &SocketArg, function: &str, now: bool, json: bool) -> Result<u8> {
    let answer = ask(at, json!({"op": "unload", "uuid": function, "now": now}))?;
    if json { print_json(&[answer]) } else { Ok(0) }
}

/// `fn info`.
pub fn info(at: &SocketArg, function: &str, json: bool) -> Result<u8> {
    let answer = ask(at, json!({"op": "info", "uuid": function}))?;
    if json { print_json(&[answer]) } else { fields(&answer) }
}

/// `fn stats`.
pub fn stats(at: &SocketArg, json: bool) -> Result<u8> {
    let answer = ask(at, json!({"op": "stats"}))?;
    if json { print_json(&[answer]) } else { fields(&answer) }
}

/// One field of an object a line.
fn fields(object: &Value) -> Result<u8> {
    let mut text = String::new();
    for (name, value) in object.as_object().into_iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), plain);
        text.push_str(&format!("{name:<14} {value}\n"));
    }
    print(&text)
}

/// `fn logs`.
pub fn logs(at: &SocketArg, function: &str, follow: bool, json: bool) -> Result<u8> {
    let mut client = connect(at)?;
    let mut from = 0;
    loop {
        let answer = client.request(json!({"op": "logs", "uuid": function, "from": from})).map_err(told)?;
        for line in answer["lines"].as_array().into_iter().flatten() {
            if json {
                print_json(&[json!({"line": line})])?;
            } else {
                print(&format!("{}\n", plain(line.as_str().unwrap_or_default())))?;
            }
        }
        if !follow {
            return Ok(0);
        }
        from = answer["next"].as_u64().unwrap_or(from);
        std::thread::sleep(Duration::from_millis(250));
    }
}

/// `fn state`.
pub fn state(args: &FnStateArgs, json: bool) -> Result<u8> {
    let mut request = json!({"op": "state", "uuid": args.of.function});
    match &args.what {
        FnStateCommand::Get { key } => request["get"] = json!(key),
        FnStateCommand::Set { key, value } => (request["set"], request["value"]) = (json!(key), json!(value)),
        FnStateCommand::Delete { key } => request["delete"] = json!(key),
        FnStateCommand::List { prefix } => request["list"] = json!(prefix),
    }
    let answer = ask(&args.of.at, request)?;
    if json {
        return print_json(&[answer]);
    }
    match &args.what {
        FnStateCommand::Get { key } => match get_bytes(&answer, "value")? {
            Some(value) => {
                let mut out = std::io::stdout().lock();
                show::finish(out.write_all(&value).and_then(|()| out.write_all(b"\n")))?;
                Ok(0)
            }
            None => bail!("the state of '{}' has no key '{}'", plain(&args.of.function), plain(key)),
        },
        FnStateCommand::List { .. } => {
            let keys = answer["keys"].as_array().into_iter().flatten().filter_map(Value::as_str);
            print(&keys.map(|key| plain(key) + "\n").collect::<String>())
        }
        FnStateCommand::Set { .. } | FnStateCommand::Delete { .. } => Ok(0),
    }
}

/// `fn ping`.
pub fn ping(at: &SocketArg, json: bool) -> Result<u8> {
    const ROUNDS: usize = 1000;
    let mut client = connect(at)?;
    let hello = client.request(json!({"op": "hello"})).map_err(told)?;
    let mut nanos = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        client.request(json!({"op": "ping"})).map_err(told)?;
        nanos.push(start.elapsed().as_nanos() as f64);
    }
    nanos.sort_by(f64::total_cmp);
    let us = |part: usize| nanos.get(part).copied().unwrap_or(0.0) / 1000.0;
    let (p50, p99) = (us(ROUNDS / 2), us(ROUNDS * 99 / 100));
    if json {
        return print_json(&[json!({"server": hello["server"], "pid": hello["pid"], "p50_us": p50, "p99_us": p99})]);
    }
    let server = plain(hello["server"].as_str().unwrap_or_default());
    print(&format!(
        "{server} (process {}): {p50:.1} µs at the median of {ROUNDS}, 99 % within {p99:.1} µs\n",
        hello["pid"]
    ))
}

/// `fn stop`.
pub fn stop(at: &SocketArg, json: bool) -> Result<u8> {
    let hello = ask(at, json!({"op": "hello"}))?;
    let pid = hello["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 1);
    let pid = nix::unistd::Pid::from_raw(pid.context("the server does not say which process it is")?);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM)
        .with_context(|| format!("cannot end process {pid}"))?;
    let path = at.path();
    let patience = Instant::now() + Duration::from_secs(30);
    while std::os::unix::net::UnixStream::connect(&path).is_ok() {
        if Instant::now() > patience {
            bail!("process {pid} has been told to end and still serves: what runs may take until its time-out");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    if json {
        return print_json(&[json!({"stopped": pid.as_raw()})]);
    }
    telemetry::say(&format!("the server, process {pid}, has ended"));
    Ok(0)
}
