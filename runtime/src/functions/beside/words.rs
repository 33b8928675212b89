//! From the words of the service to those of the log, and back.

use replicode_contracts::functions::{Config, Done, Entry, Failed, Request, StateAct, Which, limits};
use replicode_contracts::receipt::{Receipt, Status};
use replicode_functions::beyond::{self, Answer, What};
use replicode_functions::execute::{Report, StageReport};
use replicode_functions::{ErrorCode, ExecutionConfig, ServiceError};
use serde_json::{Value, json};

/// What the log, or a node, is asked; none of an open. `most` is what the server allows an execution.
pub fn request_of(what: What, most: ExecutionConfig) -> Option<Request> {
    Some(match what {
        What::Open => return None,
        What::Load { wasm, name, state, config, replace } => {
            Request::Load { wasm, name, namespace: state, config: config_of(config), replace }
        }
        What::Unload(name) => Request::Unload(Which::of(&name)),
        What::Execute { stages, chain, entry, input, config, read_only, lines } => Request::Execute {
            stages: stages.iter().map(|name| Which::of(name)).collect(),
            chain,
            entry,
            input,
            config: within(config_of(config), config_of(most), read_only),
            read_only,
            lines,
        },
        What::State(name, act) => Request::State(Which::of(&name), act_of(act)),
        What::List => Request::List,
        What::Info(name) => Request::Info(Which::of(&name)),
    })
}

const fn config_of(config: ExecutionConfig) -> Config {
    Config { memory_mb: config.memory_limit_mb, fuel: config.fuel, output_mb: config.output_limit_mb }
}

/// What nobody has said is the log's to decide, unless the server allows less than that.
fn within(config: Config, most: Config, read_only: bool) -> Config {
    let fuel = if read_only { limits::READ_FUEL } else { limits::FUEL };
    let less = |said: Option<u64>, most: Option<u64>, standard: u64| said.or(most.filter(|most| *most < standard));
    Config {
        memory_mb: less(config.memory_mb, most.memory_mb, limits::MEMORY_MB),
        fuel: less(config.fuel, most.fuel, fuel),
        output_mb: less(config.output_mb, most.output_mb, limits::OUTPUT_MB),
    }
}

fn act_of(act: beyond::StateAct) -> StateAct {
    match act {
        beyond::StateAct::Get(key) => StateAct::Get(key),
        beyond::StateAct::Set(key, value) => StateAct::Set(key, value),
        beyond::StateAct::Delete(key) => StateAct::Delete(key),
        beyond::StateAct::List(prefix) => StateAct::List(prefix),
    }
}

/// That the node, or the cell behind it, cannot do what it has to.
pub fn node(why: impl Into<String>) -> ServiceError {
    ServiceError::new(ErrorCode::Node, why)
}

/// What a receipt says. `called` is the name that a load was asked for.
pub fn answer_of(receipt: &[u8], called: Option<&str>) -> (Result<Answer, ServiceError>, Vec<String>) {
    let Ok(receipt) = Receipt::decode(receipt) else {
        return (Err(node("the node's answer is no receipt: it is of another version")), Vec::new());
    };
    let wrong = || node("the node's receipt is none of a function: it is of another version");
    match &receipt.status {
        Status::Success => match borsh::from_slice::<Done>(&receipt.returned) {
            Ok(done) => (Ok(success(done, called)), Vec::new()),
            Err(_) => (Err(wrong()), Vec::new()),
        },
        Status::Reverted { code, data } => match borsh::from_slice::<Failed>(data) {
            Ok(failed) => {
                let code = ErrorCode::ALL.iter().find(|known| **known as u32 == *code);
                let error = ServiceError {
                    code: code.copied().unwrap_or(ErrorCode::Node),
                    message: failed.message,
                    stage: failed.stage,
                    fuel: failed.fuel,
                    returned: failed.returned,
                };
                (Err(error), text(failed.lines))
            }
            Err(_) => (Err(wrong()), Vec::new()),
        },
        other => (Err(node(format!("the log has taken it for none of its requests: {other}"))), Vec::new()),
    }
}

fn text(lines: Vec<Vec<u8>>) -> Vec<String> {
    lines.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect()
}

fn success(done: Done, called: Option<&str>) -> Answer {
    Answer::Value(match done {
        Done::Loaded { entry, cached } => json!({
            "uuid": entry.number.to_string(),
            "name": called.or_else(|| entry.names.first().map(String::as_str)),
            "digest": hex(&entry.digest),
            "bytes": entry.bytes,
            "kind": "plugin",
            "cached": cached,
            "imports": entry.imports,
        }),
        Done::Unloaded { number, name } => json!({"uuid": number.to_string(), "name": name, "cut": 0}),
        Done::Executed { output, fuel, memory, stages, lines } => {
            let stage = |stage: &replicode_contracts::functions::StageDone| StageReport {
                fuel: stage.fuel,
                us: 0.0,
                bytes: stage.bytes,
            };
            let stages = stages.iter().map(stage).collect();
            let report = Report { fuel, us: 0.0, memory, commit: 0, stages };
            return Answer::Executed { report, output, lines: text(lines) };
        }
        Done::Value(value) => return Answer::Bytes(value),
        Done::Set(bytes) => json!({"bytes": bytes}),
        Done::Deleted(deleted) => json!({"deleted": deleted}),
        Done::Keys(keys) => {
            json!({"keys": keys.iter().map(|key| String::from_utf8_lossy(key)).collect::<Vec<_>>()})
        }
        Done::List(all) => Value::Array(all.iter().map(entry).collect()),
        Done::Info(found) => entry(&found),
    })
}

/// A function as it is listed: what of it follows from the log. Counters are each server's own, of all functions together.
fn entry(entry: &Entry) -> Value {
    let config = ExecutionConfig {
        timeout_ms: None,
        memory_limit_mb: entry.config.memory_mb,
        fuel: entry.config.fuel,
        output_limit_mb: entry.config.output_mb,
    };
    json!({
        "name": entry.names.first(),
        "names": entry.names,
        "uuid": entry.number.to_string(),
        "digest": hex(&entry.digest),
        "kind": "plugin",
        "bytes": entry.bytes,
        "memory": entry.memory,
        "state": entry.namespace,
        "stateful": entry.stateful,
        "config": config,
        "imports": entry.imports,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The name in a failure that no function has.
pub fn missing(error: &ServiceError) -> Option<&str> {
    if error.code != ErrorCode::NotFound {
        return None;
    }
    error.message.strip_prefix(MISSING)?.split_once(BEHIND).map(|(name, _)| name)
}

const MISSING: &str = "no function is called '";
const BEHIND: &str = "':";

/// The same failure, with the function of a list that was probably meant.
pub fn meant(mut error: ServiceError, list: &Answer) -> ServiceError {
    let Answer::Value(Value::Array(all)) = list else { return error };
    let names = all.iter().flat_map(|entry| entry["names"].as_array()).flatten().filter_map(Value::as_str);
    let near = missing(&error).and_then(|name| beyond::nearest(name, names));
    if let Some(near) = near {
        error.message = error.message.replacen(BEHIND, &format!("{BEHIND} did you mean '{near}'?"), 1);
    }
    error
}

/// What holds in the log, for `hello` and `stats`.
pub fn bounds() -> Value {
    json!({
        "fuel": limits::FUEL,
        "read_only_fuel": limits::READ_FUEL,
        "memory_mb": limits::MOST_MEMORY_MB,
        "output_mb": limits::OUTPUT_MB,
        "request_bytes": limits::REQUEST_BYTES,
        "module_bytes": limits::MODULE_BYTES,
        "functions": limits::FUNCTIONS,
        "key_bytes": limits::KEY,
        "value_bytes": limits::VALUE,
        "state_bytes": limits::STATE,
        "log_bytes": limits::LOG,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use replicode_contracts::functions::{Code, Number, number};
    use replicode_functions::registry::{Kind, Recipe};

    #[test]
    fn codes_and_numbers_are_those_of_the_service() {
        for code in Code::ALL {
            let same = ErrorCode::ALL.iter().find(|known| **known as u8 == *code as u8);
            assert_eq!(same.map(|same| format!("{same:?}")), Some(format!("{code:?}")));
        }
        let digest = number::digest(b"module");
        assert_eq!(digest, *blake3_of(b"module"));
        for state in [None, Some("shared".to_string())] {
            let ours = Number::of_function(&digest, state.as_deref());
            let theirs = Recipe { kind: Kind::Plugin, state, ..Recipe::default() }.uuid(&digest);
            assert_eq!(ours.to_string(), theirs.to_string());
            assert_eq!(Number::parse(&theirs.to_string()), Some(ours));
        }
    }

    #[test]
    fn a_server_that_allows_less_than_the_log_says_so_for_who_says_nothing() {
        let most = |fuel, memory| Config { fuel: Some(fuel), memory_mb: Some(memory), output_mb: Some(1024) };
        let nothing = Config::default();
        assert_eq!(within(nothing, most(1 << 62, 1024), false), nothing);
        let less = Config { fuel: Some(7), memory_mb: Some(8), output_mb: None };
        assert_eq!(within(nothing, most(7, 8), false), less);
        assert_eq!(within(Config { fuel: Some(3), ..nothing }, most(7, 8), false).fuel, Some(3));
        // Between the two standards only one is above it.
        assert_eq!(within(nothing, most(limits::READ_FUEL, 64), true), nothing);
        assert_eq!(within(nothing, most(limits::READ_FUEL, 64), false).fuel, Some(limits::READ_FUEL));
    }

    #[test]
    fn who_mistypes_a_name_is_told_which_was_meant() {
        let told = |name: &str| {
            let text = format!("no function is called '{name}': 'replicode fn list' shows all");
            let list = Answer::Value(json!([{"names": ["transform", "other"]}, {"names": ["hash"]}]));
            meant(ServiceError::new(ErrorCode::NotFound, text), &list).message
        };
        let meant = "no function is called 'transfrom': did you mean 'transform'? 'replicode fn list' shows all";
        assert_eq!(told("transfrom"), meant);
        assert_eq!(told("nothing"), "no function is called 'nothing': 'replicode fn list' shows all");
    }

    /// The digest that a server without a cell shows, by the module of another crate.
    fn blake3_of(bytes: &[u8]) -> Box<[u8; 32]> {
        Box::new(*replicode_log::Digest::of(bytes).bytes())
    }
}
