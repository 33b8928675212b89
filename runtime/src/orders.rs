//! `replicode start` and `replicode kill`: an operator's word to a running cell.

use crate::admin::client::AdminClient;
use crate::admin::{Ordered, Request};
use crate::args::OrderArgs;
use crate::show;
use anyhow::Result;

/// `replicode start`.
///
/// # Errors
/// When no node answers, or the program is unknown or runs already.
pub fn start(args: &OrderArgs, json: bool) -> Result<u8> {
    let done = give(args, &Request::Start { program: args.name.clone() })?;
    tell(&done, json, &format!("started '{}' as {}", done.program, processes(&done.pids)))
}

/// `replicode kill`.
///
/// # Errors
/// When no node answers, or the program is unknown or does not run.
pub fn kill(args: &OrderArgs, json: bool) -> Result<u8> {
    let done = give(args, &Request::Kill { program: args.name.clone() })?;
    let text = match done.pids.is_empty() {
        true => format!("'{}' did not run; its next start is called off", done.program),
        false => format!("ended '{}', {}; it is not started again by itself", done.program, processes(&done.pids)),
    };
    tell(&done, json, &text)
}

fn give(args: &OrderArgs, request: &Request) -> Result<Ordered> {
    AdminClient::connect(&args.dir)?.ask(request)
}

fn tell(done: &Ordered, json: bool, text: &str) -> Result<u8> {
    if json { show::print_json(&[done]) } else { show::print(&format!("{text}\n")) }
}

fn processes(pids: &[u32]) -> String {
    let numbers: Vec<_> = pids.iter().map(ToString::to_string).collect();
    format!("process{} {}", if pids.len() == 1 { "" } else { "es" }, numbers.join(", "))
}
