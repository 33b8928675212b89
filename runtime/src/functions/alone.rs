//! `fn run`: a module executed once, without a server.

use super::ask::put_bytes;
use super::{config, input, put, read};
use crate::args::FnRunArgs;
use crate::show::print_json;
use anyhow::{Context, Result, anyhow};
use replicode_functions::execute::{Job, Stages, perform};
use replicode_functions::registry::{Given, Kind, Load, Recipe};
use replicode_functions::tenants::Quotas;
use replicode_functions::{ExecutionConfig, Options, Service};
use serde_json::json;
use std::io::Write;

/// Runs the command.
///
/// # Errors
/// When the module cannot be run, or fails.
pub fn run(args: &FnRunArgs, json: bool) -> Result<u8> {
    let wasm = read(&args.module)?;
    let input = input(&args.io)?;
    let (service, _) = Service::open(&Options { threads: Some(1), ..Options::default() })?;
    let load = Load {
        wasm,
        name: "function".into(),
        recipe: if args.wasi {
            Recipe { kind: Kind::Wasi, program: Some(Given::default()), ..Recipe::default() }
        } else {
            Recipe::default()
        },
        files: Vec::new(),
        config: ExecutionConfig::default(),
        replace: false,
        quotas: Quotas::default(),
    };
    let loaded = service.registry.load(load);
    let (function, _) = loaded.with_context(|| format!("cannot run {}", args.module.display()))?;
    let config = config(&args.io.config);
    let config = ExecutionConfig {
        timeout_ms: config.timeout_ms,
        memory_limit_mb: config.memory_limit_mb,
        fuel: config.fuel,
        output_limit_mb: config.output_limit_mb,
    };
    let job = Job { stages: Stages::One(function), config, entry: None, read_only: false };
    let (run, result) = perform(&service, service.take_run(), &job, &input);
    if args.io.logs {
        for line in run.host.lines() {
            let _ = writeln!(std::io::stderr(), "log: {}", super::plain(line));
        }
    }
    let report = result.map_err(|error| anyhow!("{}: {}", error.code.name(), super::plain(&error.message)))?;
    if json {
        let mut value = json!({"code": 0, "fuel": report.fuel, "us": report.us, "memory": report.memory});
        put_bytes(&mut value, "output", run.output.clone());
        return print_json(&[value]);
    }
    put(&args.io, &run.output)?;
    Ok(0)
}
