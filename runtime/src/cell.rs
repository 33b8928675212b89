//! From the command line to a cell: what is to be run, put together once and then equal on all nodes.

use crate::args::{CellArgs, LimitSetting};
use crate::datadir::{self, DataDir, Genesis};
use crate::{Usage, import, starting, telemetry};
use anyhow::{Context, Result, bail, ensure};
use replicode_log::config::check_name;
use replicode_log::{ClusterConfig, Digest, FsImage, Limits, ModuleEntry, NodeId, ProgramSpec, Restart, codec};
use replicode_wasm::{WasmEngine, behaviour};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// Where the files of a planned cell come from.
#[derive(Clone, Copy, Debug)]
pub enum Files<'a> {
    /// Read from this machine, now: a new cell, to be kept in this directory.
    Import(&'a Path),
    /// Imported when the cell was made. The plan has none; [`differences_from`] compares what is asked for.
    Recorded,
}

impl<'a> Files<'a> {
    /// Of a cell that is kept in `dir`, whose genesis may stand there already.
    #[must_use]
    pub fn of(dir: &'a Path, exists: bool) -> Self {
        if exists { Self::Recorded } else { Self::Import(dir) }
    }
}

/// Puts a new cell together: reads modules and directories, checks names and limits.
///
/// # Errors
/// The first thing that is wrong, in the words of the command line.
pub fn plan(args: &CellArgs, nodes: Vec<NodeId>, stdin: bool, files: Files<'_>) -> Result<Genesis> {
    let limits = limits(&args.limit)?;
    let name = name(args)?;
    let mut modules: Vec<(Digest, Vec<u8>)> = Vec::new();
    let mut paths: Vec<PathBuf> = Vec::new();
    let mut entries: Vec<ModuleEntry> = Vec::new();
    let mut module_of = |path: &Path| -> Result<Digest> {
        let wasm = read_module(path, limits.module_bytes)?;
        let digest = Digest::of(&wasm);
        if !entries.iter().any(|entry| entry.digest == digest) {
            entries.push(ModuleEntry { digest, name: stem(path) });
            modules.push((digest, wasm));
            paths.push(path.to_path_buf());
        }
        Ok(digest)
    };
    let mut programs = Vec::new();
    if let Some(module) = &args.module {
        programs.push(ProgramSpec {
            module: module_of(module)?,
            args: std::iter::once(name.clone()).chain(args.args.iter().cloned()).collect(),
            env: env(args),
            stdin,
            listeners: args.listen_fd.clone(),
            at_genesis: true,
            restart: Restart::Never,
            name: name.clone(),
        });
    }
    for also in &args.also {
        programs.push(ProgramSpec {
            name: also.name.clone(),
            module: module_of(&also.module)?,
            args: std::iter::once(also.name.clone()).chain(also.args.iter().cloned()).collect(),
            env: Vec::new(),
            stdin: false,
            listeners: Vec::new(),
            at_genesis: true,
            restart: Restart::Never,
        });
    }
    // A standard input that comes through the log is the mark of a `run`, which is about one run of its program.
    set_policies(args, &mut programs, if stdin { Restart::Never } else { Restart::OnFailure })?;
    // Servers that the main program connects to are there before it makes its first call.
    let main = usize::from(args.module.is_some());
    programs.rotate_left(main);
    let image = match files {
        Files::Import(data) => import::read(&args.dir, &limits, data)?,
        Files::Recorded => FsImage::default(),
    };
    let epoch = SystemTime::now().duration_since(UNIX_EPOCH).context("this machine's clock stands before 1970")?;
    let config = ClusterConfig {
        cluster: datadir::random()?,
        name,
        nodes,
        epoch_unix_ns: u64::try_from(epoch.as_nanos()).context("this machine's clock stands after 2554")?,
        engine: WasmEngine::fingerprint(&limits),
        limits,
        modules: entries,
        programs,
        image: Digest::of(&codec::encode(&image)),
        made_by: version().into(),
        contracts: args.contracts.config()?,
    };
    config.validate().map_err(usage)?;
    for publish in &args.publish {
        let service = publish.service(&config.name);
        if config.program(&service.process).is_none() {
            let known: Vec<&str> = config.programs.iter().map(|program| program.name.as_str()).collect();
            let missing = format!("there is no process '{}'; the cell has {}", service.process, known.join(", "));
            return Err(usage(format!("--publish {publish}: {missing}")));
        }
    }
    Ok(Genesis { config, image, modules, paths })
}

/// Gives each program its policy: what was said of it by name, or of all, or the default.
fn set_policies(args: &CellArgs, programs: &mut [ProgramSpec], default: Restart) -> Result<()> {
    let names: Vec<&str> = programs.iter().map(|program| program.name.as_str()).collect();
    for setting in &args.restart {
        if let Some(name) = setting.name.as_deref().filter(|name| !names.contains(name)) {
            let known = names.join(", ");
            let policy = setting.policy;
            return Err(usage(format!(
                "--restart {name}={policy}: there is no process '{name}'; the cell has {known}"
            )));
        }
    }
    for program in programs {
        let named = args.restart.iter().rev().find(|it| it.name.as_ref() == Some(&program.name));
        let found = named.or_else(|| args.restart.iter().rev().find(|it| it.name.is_none()));
        program.restart = found.map_or(default, |it| it.policy);
    }
    Ok(())
}

/// The main program's name: the cell's name, and that of the directory it is kept in, too.
///
/// # Errors
/// When it is no name, or the module's file name gives none.
pub fn name(args: &CellArgs) -> Result<String> {
    if let Some(name) = &args.name {
        check_name(name).map_err(|why| usage(format!("--name: {why}")))?;
        return Ok(name.clone());
    }
    let Some(module) = &args.module else { return Ok("contracts".to_string()) };
    let name = stem(module);
    ensure!(
        check_name(&name).is_ok(),
        "cannot name the process after {}: give it a name with --name",
        module.display()
    );
    Ok(name)
}

/// The variables of the main program; the last of equal names counts, as in a shell.
#[must_use]
pub fn env(args: &CellArgs) -> Vec<(String, String)> {
    let mut env: Vec<(String, String)> = Vec::new();
    for var in &args.env {
        env.retain(|(key, _)| *key != var.0);
        env.push((var.0.clone(), var.1.clone()));
    }
    env
}

/// What a file is called, without its ending and without what a process's name cannot hold.
fn stem(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let fit = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    stem.chars().take(63).map(fit).collect()
}

/// The bytes of a module's file.
///
/// # Errors
/// When it cannot be read, or is larger than `max`.
pub fn read_module(path: &Path, max: u64) -> Result<Vec<u8>> {
    let what = || format!("cannot read module {}", path.display());
    starting::at(format!("reading module {}", path.display()));
    // A pipe will do; it has no length beforehand.
    let file = File::open(path).with_context(what)?;
    let known = file.metadata().with_context(what)?.len();
    let wasm = if known > max { Vec::new() } else { starting::read_all(file.take(max + 1)).with_context(what)? };
    let len = known.max(wasm.len() as u64);
    ensure!(
        len <= max,
        "module {} has {len} bytes{}, more than the limit 'module_bytes' of {max}: raise it with --limit module_bytes={len}",
        path.display(),
        if known < len { " or more" } else { "" }
    );
    Ok(wasm)
}

/// What was asked for contradicts itself: exit code 2.
fn usage(why: impl ToString) -> anyhow::Error {
    Usage(why.to_string()).into()
}

/// The limits that were asked for.
///
/// # Errors
/// When there is no limit of that name, or its value is out of range.
pub fn limits(settings: &[LimitSetting]) -> Result<Limits> {
    let mut table = serde_json::to_value(Limits::default()).context("cannot list the limits")?;
    let Some(fields) = table.as_object_mut() else { bail!("cannot list the limits") };
    for setting in settings {
        if !fields.contains_key(&setting.name) {
            let known: Vec<&str> = fields.keys().map(String::as_str).collect();
            return Err(usage(format!(
                "--limit {}: there is no such limit; there are {}",
                setting.name,
                known.join(", ")
            )));
        }
        fields.insert(setting.name.clone(), setting.value.into());
    }
    let limits: Limits =
        serde_json::from_value(table).map_err(|error| usage(format!("a limit is out of range: {error}")))?;
    limits.validate().map_err(usage)?;
    Ok(limits)
}

/// How a recorded cell differs from the one asked for, in words; empty when a run can go on. Identity, epoch and the
/// engine are the recording's own; the main program's arguments and environment are judged by the caller.
#[must_use]
pub fn differences(recorded: &ClusterConfig, asked: &ClusterConfig) -> Vec<String> {
    let mut found = Vec::new();
    let mut differ = |what: String| found.push(what);
    if recorded.nodes.len() != asked.nodes.len() {
        differ(format!("nodes: {} recorded, {} asked for", recorded.nodes.len(), asked.nodes.len()));
    }
    if recorded.name != asked.name {
        differ(format!("program: '{}' recorded, '{}' asked for", recorded.name, asked.name));
    }
    let names = |config: &ClusterConfig| config.programs.iter().map(|p| p.name.clone()).collect::<Vec<_>>().join(", ");
    if names(recorded) != names(asked) {
        differ(format!("processes: {} recorded, {} asked for", names(recorded), names(asked)));
    }
    for asked_program in &asked.programs {
        let Some(program) = recorded.program(&asked_program.name) else { continue };
        let name = &program.name;
        if program.module != asked_program.module {
            differ(format!(
                "module of '{name}': {} recorded, {} asked for",
                program.module.short(),
                asked_program.module.short()
            ));
        }
        if program.listeners != asked_program.listeners {
            differ(format!(
                "listeners of '{name}': {:?} recorded, {:?} asked for",
                program.listeners, asked_program.listeners
            ));
        }
        if program.restart != asked_program.restart {
            differ(format!("restart of '{name}': {} recorded, {} asked for", program.restart, asked_program.restart));
        }
        if program.stdin != asked_program.stdin {
            differ(format!("standard input of '{name}': recorded by 'run' on one side only"));
        }
        if *name != recorded.name && (&program.args, &program.env) != (&asked_program.args, &asked_program.env) {
            differ(format!("arguments of '{name}': {:?} recorded, {:?} asked for", program.args, asked_program.args));
        }
    }
    match (&recorded.contracts, &asked.contracts) {
        (None, Some(_)) => differ("contracts: the recorded cell has none".to_string()),
        (Some(_), None) => differ("contracts: the recorded cell has some, and --contracts is not given".to_string()),
        (Some(old), Some(new)) if old.funds != new.funds => {
            differ(
                "contracts: accounts were funded differently when the cell was made (--fund, --fund-key)".to_string(),
            );
        }
        (Some(old), Some(new)) if old.trust_names != new.trust_names => {
            differ("contracts: whether names are trusted (--keys-only) is not what was recorded".to_string());
        }
        _ => {}
    }
    if recorded.image != asked.image {
        differ("imported directories: their content is not the recorded one".to_string());
    }
    if let (Ok(serde_json::Value::Object(old)), Ok(serde_json::Value::Object(new))) =
        (serde_json::to_value(&recorded.limits), serde_json::to_value(&asked.limits))
    {
        for (name, value) in &old {
            if let Some(other) = new.get(name).filter(|other| *other != value) {
                differ(format!("limit '{name}': {value} recorded, {other} asked for"));
            }
        }
    }
    found
}

/// How what is asked for differs from a cell that is there, files included. `planned`: made with [`Files::Recorded`].
///
/// # Errors
/// When the recorded files cannot be read.
pub fn differences_from(recorded: &DataDir, args: &CellArgs, planned: &ClusterConfig) -> Result<Vec<String>> {
    let config = recorded.config()?;
    let asked = ClusterConfig { image: config.image, ..planned.clone() };
    let mut found = differences(&config, &asked);
    found.extend(import::differences(&args.dir, &recorded.image(&config)?));
    Ok(found)
}

/// Says once per start what a `--dir` means for a cell that is there.
pub fn say_whose_files(args: &CellArgs, data: &Path, json: bool) {
    if args.dir.is_empty() {
        return;
    }
    let text = format!(
        "--dir: the files are those that were imported when {} was made; what this machine holds now has no effect",
        data.display()
    );
    if json {
        telemetry::say_json(&serde_json::json!({"note": text}));
    } else {
        telemetry::say(&text);
    }
}

/// The version of this program, with the name of its behaviour: two programs of one version may answer differently, while
/// the version is being worked on.
#[must_use]
pub fn version() -> &'static str {
    static VERSION: LazyLock<String> =
        LazyLock::new(|| format!("{} (behaviour {})", env!("CARGO_PKG_VERSION"), behaviour::digest().short()));
    &VERSION
}

/// Checks that a recording was made by this engine.
///
/// # Errors
/// When it was not: results could differ from the recorded ones without anybody noticing at first.
pub fn check_engine(config: &ClusterConfig) -> Result<()> {
    let ours = WasmEngine::fingerprint(&config.limits);
    ensure!(
        config.engine == ours,
        "'{}' was made by replicode {}, and this is replicode {}, which may answer differently: the engine's fingerprint \
         is {} there, {} here ({}). Use the replicode version that made it",
        config.name,
        config.made_by.escape_debug(),
        version(),
        config.engine.short(),
        ours.short(),
        WasmEngine::fingerprint_text(&config.limits).trim_end().replace('\n', "; ")
    );
    if let Some(contracts) = &config.contracts {
        let settings = replicode_wasm::contracts::cell::settings();
        ensure!(
            contracts.engine == settings.fingerprint(),
            "'{}' was made by replicode {}, and this is replicode {}, which may execute contracts differently: the fingerprint of \
             their engine is {} there, {} here. Use the replicode version that made it",
            config.name,
            config.made_by.escape_debug(),
            version(),
            contracts.engine.short(),
            settings.fingerprint().short()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new() -> Files<'static> {
        Files::Import(Path::new("no-such-directory"))
    }

    fn module(dir: &Path, name: &str, wasm: &[u8]) -> Result<std::path::PathBuf> {
        let path = dir.join(name);
        std::fs::write(&path, wasm)?;
        Ok(path)
    }

    fn args(module: std::path::PathBuf) -> CellArgs {
        CellArgs { module: Some(module), ..CellArgs::default() }
    }

    fn message<T>(result: Result<T>) -> String {
        result.err().map(|error| format!("{error:#}")).unwrap_or_default()
    }

    #[test]
    fn a_plan_says_what_was_asked_for() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let main = module(tmp.path(), "my server.wasm", b"main")?;
        let kv = module(tmp.path(), "kv.wasm", b"kv")?;
        let mut args = args(main);
        args.also = vec![format!("kv={} --fast", kv.display()).parse().map_err(anyhow::Error::msg)?];
        args.env = ["A=1", "B=2", "A=3"].map(|e| e.parse().expect("valid")).into();
        args.limit = vec!["memory_bytes=64M".parse().map_err(anyhow::Error::msg)?];
        args.args = vec!["x".into()];
        let config = plan(&args, vec![NodeId::new(1)?], true, new())?.config;
        assert_eq!(config.name, "my-server");
        assert_eq!(config.limits.memory_bytes, 64 << 20);
        let programs: Vec<_> = config.programs.iter().map(|p| (p.name.as_str(), p.args.join(" "))).collect();
        assert_eq!(programs, [("kv", "kv --fast".to_string()), ("my-server", "my-server x".to_string())]);
        assert_eq!(
            config.program("my-server").map(|p| p.env.clone()),
            Some(vec![("B".into(), "2".into()), ("A".into(), "3".into())])
        );
        Ok(())
    }

    #[test]
    fn each_program_has_a_policy() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let mut args = args(module(tmp.path(), "a.wasm", b"main")?);
        let kv = module(tmp.path(), "kv.wasm", b"kv")?;
        args.also = vec![format!("kv={}", kv.display()).parse().map_err(anyhow::Error::msg)?];
        let policies = |args: &CellArgs, stdin| -> Result<Vec<String>> {
            let config = plan(args, vec![NodeId::new(1)?], stdin, new())?.config;
            Ok(config.programs.iter().map(|it| format!("{} {}", it.name, it.restart)).collect())
        };
        assert_eq!(policies(&args, true)?, ["kv never", "a never"]);
        assert_eq!(policies(&args, false)?, ["kv on-failure", "a on-failure"]);
        let set = |words: &[&str]| words.iter().map(|word| word.parse().expect("valid")).collect();
        args.restart = set(&["kv=never", "always"]);
        assert_eq!(policies(&args, false)?, ["kv never", "a always"]);
        args.restart = set(&["a=always", "a=never"]);
        assert_eq!(policies(&args, false)?, ["kv on-failure", "a never"]);
        Ok(())
    }

    #[test]
    fn mistakes_are_named() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let good = args(module(tmp.path(), "a.wasm", b"main")?);
        let nodes = vec![NodeId::new(1)?];
        let try_with = |change: &dyn Fn(&mut CellArgs)| {
            let mut args = good.clone();
            change(&mut args);
            message(plan(&args, nodes.clone(), true, new()))
        };
        assert_eq!(try_with(&|_| ()), "");
        let limit = |text: &str| text.parse().expect("valid syntax");
        assert!(try_with(&|a| a.limit = vec![limit("tea=1")]).contains("no such limit"));
        assert!(try_with(&|a| a.limit = vec![limit("descriptors=4")]).contains("'descriptors' is 4"));
        assert!(try_with(&|a| a.limit = vec![limit("descriptors=9999999999")]).contains("out of range"));
        assert!(try_with(&|a| a.limit = vec![limit("module_bytes=8")]).is_empty());
        for name in ["a b", "..", "a/b"] {
            assert!(try_with(&|a| a.name = Some(name.into())).contains("not a program name"));
        }
        assert!(try_with(&|a| a.module = Some(tmp.path().join(".."))).contains("with --name"));
        let restart = |text: &str| text.parse().expect("valid syntax");
        assert!(try_with(&|a| a.restart = vec![restart("web=always")]).contains("no process 'web'; the cell has a"));
        assert!(try_with(&|a| a.module = Some(tmp.path().join("none.wasm"))).contains("none.wasm"));
        assert!(try_with(&|a| a.publish = vec!["80:web:80".parse().expect("valid")]).contains("no process 'web'"));
        Ok(())
    }

    #[test]
    fn another_engine_is_refused_with_both_versions() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let args = args(module(tmp.path(), "a.wasm", b"main")?);
        let mut config = plan(&args, vec![NodeId::new(1)?], true, new())?.config;
        assert_eq!(config.made_by, version());
        check_engine(&config)?;
        config.engine = Digest::ZERO;
        config.made_by = "0.0.7 (behaviour 0123abcd)".into();
        let message = message(check_engine(&config));
        assert!(
            message.starts_with("'a' was made by replicode 0.0.7 (behaviour 0123abcd), and this is replicode "),
            "{message}"
        );
        assert!(message.contains(version()), "{message}");
        Ok(())
    }

    #[test]
    fn differences_are_listed() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let nodes = vec![NodeId::new(1)?];
        let first = args(module(tmp.path(), "a.wasm", b"main")?);
        let recorded = plan(&first, nodes.clone(), true, new())?.config;
        assert_eq!(differences(&recorded, &plan(&first, nodes.clone(), true, new())?.config), Vec::<String>::new());
        let mut second = first.clone();
        second.limit = vec!["inodes=10".parse().map_err(anyhow::Error::msg)?];
        module(tmp.path(), "a.wasm", b"other")?;
        let found = differences(&recorded, &plan(&second, nodes, true, new())?.config);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("module of 'a'") && found[1] == "limit 'inodes': 100000 recorded, 10 asked for");
        Ok(())
    }
}
