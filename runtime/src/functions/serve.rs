//! `fn serve`: the server, in front.

use super::beside::Beside;
use crate::Usage;
use crate::args::{FnServeArgs, SyncSetting};
use crate::node::signals::{Hangup, Signals, Word};
use crate::{starting, telemetry};
use anyhow::{Context, Result, anyhow};
use replicode_functions::{Confined, Modules, Options, Server, ServerLimits, ServerOptions, Sync, TenantsConfig};
use std::path::Path;
use std::sync::{Arc, mpsc};

/// Runs the server until a signal ends it.
///
/// # Errors
/// When it cannot start, or something breaks.
pub fn run(args: &FnServeArgs, json: bool) -> Result<u8> {
    let options = ServerOptions {
        socket: args.at.path(),
        group: args.group.as_deref().map(group).transpose()?,
        service: Options {
            // Beside a node everything is in its log.
            data: args.node.is_none().then(|| args.data.clone()),
            threads: args.threads.map(usize::from),
            limits: args.limits.as_deref().map(limits).transpose()?.unwrap_or_default(),
            sync: match args.sync {
                SyncSetting::Always => Sync::Always,
                SyncSetting::Interval(ms) => Sync::Interval(ms),
                SyncSetting::Never => Sync::Never,
            },
            modules: modules(args.modules.as_deref())?,
            slow_ms: args.slow.0,
            each_read: starting::one_more,
            tenants: args.tenants.as_deref().map(tenants).transpose()?.unwrap_or_default(),
        },
    };
    let signals = Signals::catch(Hangup::Stops)?;
    let beyond = match &args.node {
        Some(node) => Some(Beside::connect(node)? as Arc<dyn replicode_functions::Beyond>),
        None => None,
    };
    starting::at(format!("reading functions in {}", args.data.display()));
    let (server, warnings) = Server::start_before(&options, beyond)?;
    starting::over();
    for warning in &warnings {
        telemetry::say(&format!("warning: {warning}"));
    }
    if let Some(address) = args.metrics {
        let served = replicode_functions::metrics::serve(address, server.service());
        let address = served.with_context(|| format!("cannot answer at --metrics {address}"))?;
        telemetry::say(&format!("counters are served at http://{address}/metrics"));
    }
    let functions = server.service().registry.held().functions;
    let socket = options.socket.display().to_string();
    if let Some(node) = &args.node {
        let node = node.display().to_string();
        if json {
            telemetry::say_json(&serde_json::json!({"socket": socket, "node": node, "pid": std::process::id()}));
        } else {
            telemetry::say(&format!("functions are served at {socket}; the log of the node in {node} executes them"));
        }
    } else if json {
        telemetry::say_json(&serde_json::json!({
            "socket": socket, "data": args.data, "functions": functions, "damaged": warnings.len(), "pid": std::process::id(),
        }));
    } else {
        telemetry::say(&format!(
            "functions are served at {socket}; {functions} are loaded, kept in {}",
            args.data.display()
        ));
    }
    let (stop, stopped) = mpsc::channel();
    signals.then(move |word| {
        if let Word::Stop(_) = word {
            // Nobody listens only when the server has ended by itself.
            let _ = stop.send(());
        }
    });
    // A server that breaks down ends by itself: the thread that waits for signals must not hold it up.
    let service = Arc::clone(server.service());
    loop {
        match stopped.recv_timeout(std::time::Duration::from_millis(200)) {
            Err(mpsc::RecvTimeoutError::Timeout) if service.broken.get().is_none() => {}
            _ => break,
        }
    }
    server.begin_to_stop(false);
    server.wait().map_err(|why| anyhow!("the server has ended: {why}"))?;
    Ok(0)
}

fn limits(path: &Path) -> Result<ServerLimits> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).map_err(|error| Usage(format!("{}: {error}", path.display())).into())
}

fn tenants(path: &Path) -> Result<TenantsConfig> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let wrong = |why: &dyn std::fmt::Display| anyhow::Error::from(Usage(format!("{}: {why}", path.display())));
    let config: TenantsConfig = toml::from_str(&text).map_err(|error| wrong(&error))?;
    config.check().map_err(|why| wrong(&why))?;
    Ok(config)
}

fn modules(directory: Option<&Path>) -> Result<Modules> {
    match directory {
        None => Ok(Modules::Any),
        Some(off) if off == Path::new("off") => Ok(Modules::Off),
        Some(directory) => {
            let confined = Confined::new(directory);
            Ok(Modules::Within(Arc::new(
                confined.with_context(|| format!("cannot use --modules {}", directory.display()))?,
            )))
        }
    }
}

fn group(name: &str) -> Result<u32> {
    let found = nix::unistd::Group::from_name(name).with_context(|| format!("cannot look up the group {name}"))?;
    Ok(found.ok_or_else(|| Usage(format!("there is no group '{name}'")))?.gid.as_raw())
}
