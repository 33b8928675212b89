//! What the command line says of histories.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Arguments of `sim`.
#[derive(Debug, Args)]
pub struct SimArgs {
    /// What to do.
    #[command(subcommand)]
    pub what: SimCommand,
}

/// What `sim` can do.
#[derive(Debug, Subcommand)]
pub enum SimCommand {
    /// Judge a history of operations, recorded anywhere: can one order explain all that clients were answered?
    Check(SimCheckArgs),
}

/// Arguments of `sim check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  replicode sim check history.jsonl --model kv
  my-clients | replicode sim check - --model append

A line for each thing a client does: it asks, and later it is answered, is told that nothing was done, or does not know.
  {\"client\":1,\"type\":\"invoke\",\"op\":\"set\",\"key\":\"x\",\"value\":3}
  {\"client\":1,\"type\":\"ok\"}        also: \"fail\" (it certainly had no effect), \"unknown\"; \"result\" is the answer
Lines stand in the order in which things happened, or all have a \"time\" (docs/formats/history.md).

Exit codes: 0 explained, 1 not (an answer that nothing explains is told), 2 the history cannot be read, 3 undecided: more than
--steps were tried for one key.")]
pub struct SimCheckArgs {
    /// The history, one JSON object per line; '-' for standard input.
    #[arg(value_name = "HISTORY.jsonl")]
    pub history: PathBuf,
    /// What answers are judged by.
    #[arg(long, value_name = "MODEL")]
    pub model: HistoryModel,
    /// How many steps of an order to try for one key before giving up. Each may be remembered, in a hundred bytes or two.
    #[arg(long, value_name = "N", default_value_t = 5_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub steps: u64,
}

/// A specification that answers are judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HistoryModel {
    /// Keys with values: get, set, delete, cas (with "before"), add.
    Kv,
    /// One value: as kv, without keys.
    Register,
    /// Lists: append (each element once), read.
    Append,
    /// Numbers: add, read.
    Counter,
    /// First in, first out: push, pop.
    Queue,
    /// Elements: add, remove, contains, members.
    Set,
}
