//! What the command line says of programs that end: policies, orders, and how to get at their files.

use clap::Args;
use replicode_log::Restart;
use std::path::PathBuf;
use std::str::FromStr;

/// `--restart [NAME=]POLICY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartSetting {
    /// The process that it is for; all of them without a name.
    pub name: Option<String>,
    /// The policy.
    pub policy: Restart,
}

impl FromStr for RestartSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, word) = match text.rsplit_once('=') {
            Some(("", _)) => return Err("expected POLICY or NAME=POLICY".to_string()),
            Some((name, word)) => (Some(name.to_string()), word),
            None => (None, text),
        };
        Ok(Self { name, policy: word.parse()? })
    }
}

/// Arguments of `start` and `kill`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  replicode kill ./replicode-data/kv-up/node-1 kv
  replicode start ./replicode-data/kv-up/node-1 kv

Any node can be asked, and all do it at the same point of the log. A process that was killed so is not started again by
itself, whatever --restart says; one that waits for its next start is called off. Files are kept.")]
pub struct OrderArgs {
    /// Directory of a running node (or its admin.sock).
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Name of the program's process, as 'replicode ps' shows it.
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// Arguments of `export`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  replicode export ./replicode-data/kv ./files
  replicode export ./replicode-data/kv-up/node-1 ./before --until 40

The recording is executed again up to that batch, as by 'replay', and the cell's files as they are then are written to
OUT, which must not exist or be empty: it has all of them, or is not there. Exit code 1 when a name could not be given to
a file here; each such name is told, the others are written.")]
pub struct ExportArgs {
    /// Directory of a stopped node or of a stopped `run`.
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Directory to make.
    #[arg(value_name = "OUT")]
    pub out: PathBuf,
    /// The files as they were after this batch; by default after the last one.
    #[arg(long, value_name = "BATCH")]
    pub until: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_may_have_a_name() {
        let parse = |text: &str| text.parse::<RestartSetting>().map(|it| (it.name, it.policy));
        assert_eq!(parse("always"), Ok((None, Restart::Always)));
        assert_eq!(parse("kv=on-failure"), Ok((Some("kv".into()), Restart::OnFailure)));
        for text in ["", "=never", "kv=", "kv=no", "on_failure"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
