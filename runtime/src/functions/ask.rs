//! Commands that ask a server, each one request.

use super::{config, input, plain, put, read};
use crate::args::{EnvVar, FnChainArgs, FnExecuteArgs, FnLoadArgs, FnStateArgs, FnStateCommand, InputArgs, ServerArg};
use crate::show::{self, Table, bytes, print, print_json};
use crate::telemetry;
use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use replicode_functions_client::{Client, ClientError};
use replicode_log::FsNode;
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

pub(super) fn connect(at: &ServerArg) -> Result<Client> {
    let mut client = Client::connect_as(at.path(), token(at)?.as_deref()).map_err(told)?;
    if let Some(tenant) = &at.tenant {
        client.request(json!({"op": "hello", "tenant": tenant})).map_err(told)?;
    }
    Ok(client)
}

/// The token of the tenant to be: a file keeps it out of lists of processes.
fn token(at: &ServerArg) -> Result<Option<String>> {
    if let Some(path) = &at.token_file {
        let token = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        return Ok(Some(token.trim_end().to_string()));
    }
    // Who says whom to be is not whom the environment says.
    let said = std::env::var(replicode_functions_client::TOKEN_VARIABLE).ok();
    Ok(said.filter(|token| !token.is_empty() && at.tenant.is_none()))
}

fn ask(at: &ServerArg, request: Value) -> Result<Value> {
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
    if args.wasi {
        program(args, &mut request)?;
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

/// What a program finds, into a request.
fn program(args: &FnLoadArgs, request: &mut Value) -> Result<()> {
    request["kind"] = json!("wasi");
    let imports: Vec<_> = args.dir.iter().map(|dir| dir.0.clone()).collect();
    // Nothing of a server's is left out: what is sent is what the user names.
    let image = crate::import::read(&imports, &replicode_log::Limits::default(), std::path::Path::new(""))?;
    let mut files = Vec::new();
    for entry in image.entries {
        let path = String::from_utf8(entry.path).context("a file's name is not UTF-8")?;
        let mut file = json!({"path": path, "write": !entry.read_only});
        match entry.node {
            FsNode::Directory => {}
            FsNode::File(bytes) => match String::from_utf8(bytes) {
                Ok(text) => file["text"] = json!(text),
                Err(error) => file["b64"] = json!(STANDARD.encode(error.into_bytes())),
            },
            FsNode::Symlink(to) => file["link"] = json!(String::from_utf8(to).context("a link is not UTF-8")?),
        }
        files.push(file);
    }
    if !files.is_empty() {
        (request["files"], request["preopens"]) = (json!(files), json!(image.preopens));
    }
    let env: serde_json::Map<String, Value> =
        args.env.iter().map(|EnvVar(name, value)| (name.clone(), json!(value))).collect();
    request["env"] = json!(env);
    if !args.arg.is_empty() {
        let name = request["name"].as_str().unwrap_or("function").to_string();
        let all: Vec<&str> = std::iter::once(name.as_str()).chain(args.arg.iter().map(String::as_str)).collect();
        request["args"] = json!(all);
    }
    Ok(())
}

fn with_io(mut request: Value, io: &InputArgs) -> Result<Value> {
    put_bytes(&mut request, "input", input(io)?);
    if let Some(config) = config(&io.config).to_json() {
        request["config"] = config;
    }
    request["logs"] = json!(io.logs);
    Ok(request)
}

fn finish(at: &ServerArg, io: &InputArgs, request: Value, stages: bool, json: bool) -> Result<u8> {
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
pub fn list(at: &ServerArg, json: bool) -> Result<u8> {
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
pub fn unload(at: &ServerArg, function: &str, now: bool, json: bool) -> Result<u8> {
    let answer = ask(at, json!({"op": "unload", "uuid": function, "now": now}))?;
    if json { print_json(&[answer]) } else { Ok(0) }
}

/// `fn info`.
pub fn info(at: &ServerArg, function: &str, json: bool) -> Result<u8> {
    let answer = ask(at, json!({"op": "info", "uuid": function}))?;
    if json { print_json(&[answer]) } else { fields(&answer) }
}

/// `fn stats`.
pub fn stats(at: &ServerArg, json: bool) -> Result<u8> {
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
pub fn logs(at: &ServerArg, function: &str, follow: bool, json: bool) -> Result<u8> {
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
pub fn ping(at: &ServerArg, json: bool) -> Result<u8> {
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
pub fn stop(at: &ServerArg, json: bool) -> Result<u8> {
    let mut client = connect(at)?;
    let pid = end(&mut client)?;
    drop(client);
    let path = at.path();
    let patience = Instant::now() + Duration::from_secs(30);
    while std::os::unix::net::UnixStream::connect(&path).is_ok() {
        if Instant::now() > patience {
            bail!("process {pid} has been told to end and still serves: what runs may take until its time-out");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    if json {
        return print_json(&[json!({"stopped": pid})]);
    }
    telemetry::say(&format!("the server, process {pid}, has ended"));
    Ok(0)
}

/// Tells the process at the other end of the connection to end. Who that is the system says, not the server: a socket may be anybody's.
#[cfg(target_os = "linux")]
fn end(client: &mut Client) -> Result<i32> {
    use rustix::process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal};
    let descriptor = client.descriptor().context("the connection has ended")?;
    let other = nix::sys::socket::getsockopt(&descriptor, nix::sys::socket::sockopt::PeerCredentials);
    let pid = Pid::from_raw(other.context("cannot ask who serves")?.pid());
    let pid = pid.context("the server is a process that cannot be seen from here")?;
    if pid == getpid() || pid.is_init() {
        bail!("process {} is no server of functions", pid.as_raw_pid());
    }
    let process = pidfd_open(pid, PidfdFlags::empty()).with_context(|| format!("cannot end process {pid:?}"))?;
    // It answers, so it lives, and the process that was opened is no other that has got its number since.
    let hello = client.request(json!({"op": "hello"})).map_err(told)?;
    let server = hello["server"].as_str().unwrap_or_default();
    if !server.starts_with("replicode-functions ") {
        bail!("what serves there is '{}', and no server of functions", plain(server));
    }
    pidfd_send_signal(&process, Signal::TERM).with_context(|| format!("cannot end process {}", pid.as_raw_pid()))?;
    Ok(pid.as_raw_pid())
}

/// Where the system does not tell who serves, the server is believed if it is the user's own, which only the system decides.
#[cfg(not(target_os = "linux"))]
fn end(client: &mut Client) -> Result<i32> {
    let hello = client.request(json!({"op": "hello"})).map_err(told)?;
    let pid = hello["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 1);
    let pid = nix::unistd::Pid::from_raw(pid.context("the server does not say which process it is")?);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM)
        .with_context(|| format!("cannot end process {pid}"))?;
    Ok(pid.as_raw())
}
