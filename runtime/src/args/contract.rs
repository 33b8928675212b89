//! What the command line says of contracts.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Arguments of `contract`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  replicode contract key new ann
  replicode contract deploy token.wasm --as ann --local ./cell
  replicode contract spawn token --as ann --name tok --local ./cell -- --supply 1000000
  replicode contract call tok transfer --as ann --local ./cell -- --to bob --amount 30
  replicode contract state tok --local ./cell
  replicode contract proof tok 'balances[bob]' --local ./cell >p.json && replicode contract verify p.json --root HEX

Where the contracts are: --local DIR, a store in this process; --node DIR, a running node on this machine; --api HOST:PORT, any
node. Without one of them REPLICODE_LOCAL, then REPLICODE_NODE. Keys and names are kept in ~/.config/replicode, or in REPLICODE_CONFIG.

Exit codes: 0 done; 1 failed: reverted, out of gas, skipped, does not verify; 2 wrong usage, wrong arguments among it.")]
pub struct ContractArgs {
    /// Where the contracts are.
    #[command(flatten)]
    pub target: Target,
    /// What to do.
    #[command(subcommand)]
    pub what: ContractCommand,
}

/// Where the contracts are.
#[derive(Debug, Clone, Default, Args)]
pub struct Target {
    /// A store of contracts in this process, without a cell; made when it does not exist.
    #[arg(long, global = true, value_name = "DIR", conflicts_with_all = ["node", "api"])]
    pub local: Option<PathBuf>,
    /// The directory of a running node.
    #[arg(long, global = true, value_name = "DIR", conflicts_with = "api")]
    pub node: Option<PathBuf>,
    /// The gRPC address of a node.
    #[arg(long, global = true, value_name = "HOST:PORT")]
    pub api: Option<String>,
    /// Money of accounts before the first batch, when --local makes a store. May be repeated.
    #[arg(long, global = true, value_name = "NAME=N")]
    pub fund: Vec<String>,
}

/// Whose transaction, and what it may burn.
#[derive(Debug, Clone, Args)]
pub struct Sign {
    /// Whose key signs: a name in the directory of keys.
    #[arg(long = "as", value_name = "NAME")]
    pub principal: String,
    /// The most gas that it may burn; K, M and G are thousands, millions and thousands of millions.
    #[arg(long, value_name = "N", default_value = "100M", value_parser = gas)]
    pub gas: u64,
    /// Say what would happen: the exact gas and receipt. Nothing enters the log.
    #[arg(long)]
    pub dry_run: bool,
}

/// `1M`: a number with a decimal suffix.
fn gas(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'K' | b'k') => (&text[..text.len() - 1], 1_000),
        Some(b'M' | b'm') => (&text[..text.len() - 1], 1_000_000),
        Some(b'G' | b'g') => (&text[..text.len() - 1], 1_000_000_000),
        _ => (text, 1),
    };
    let digits: String = digits.chars().filter(|c| *c != '_').collect();
    let number: u64 = digits.parse().map_err(|_| format!("'{text}' is not a number (K, M and G may follow one)"))?;
    number.checked_mul(unit).ok_or_else(|| format!("'{text}' is too large"))
}

/// Names of libraries that a module imports, with what stands for them.
#[derive(Debug, Clone, Default, Args)]
pub struct Link {
    /// A library that the module imports as lib:NAME: its hash, or NAME@VERSION, or PUBLISHER/NAME@VERSION. May be repeated.
    ///
    /// Without it the lock file beside the module says which one (NAME.lock.json), or the only published one of that name is taken,
    /// and noted in the lock file.
    #[arg(long = "lib", value_name = "NAME=LIBRARY")]
    pub libraries: Vec<String>,
}

/// What contracts are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Lang {
    /// Rust, with the library `replicode-contract`.
    Rust,
    /// C, with one header.
    C,
}

impl Lang {
    /// The same for those who build.
    pub fn language(self) -> crate::contract::Language {
        match self {
            Self::Rust => crate::contract::Language::Rust,
            Self::C => crate::contract::Language::C,
        }
    }
}

/// How a contract's gas is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ClassName {
    /// Any code, with a counter.
    Metered,
    /// Code whose price is proven before it runs.
    Fixed,
}

impl ClassName {
    /// As files have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Metered => "metered",
            Self::Fixed => "fixed",
        }
    }
}

/// What can be done with contracts.
#[derive(Debug, Subcommand)]
pub enum ContractCommand {
    /// Make a folder with a contract, its tests and a page about it.
    New {
        /// The contract's name, and the folder's.
        #[arg(value_name = "NAME")]
        name: String,
        /// What it is written in.
        #[arg(long, value_enum, default_value = "rust")]
        lang: Lang,
    },
    /// Build a contract: NAME.wasm, NAME.abi.json, NAME.debug.wasm.
    Build {
        /// The contract's folder.
        #[arg(value_name = "DIR", default_value = ".")]
        dir: PathBuf,
        /// How its gas is counted.
        #[arg(long, value_enum, default_value = "metered")]
        class: ClassName,
    },
    /// Say whether a node would take a module, without one: everything that stands against it at once.
    Check {
        /// The module.
        #[arg(value_name = "MODULE.wasm")]
        module: PathBuf,
        /// It is a library.
        #[arg(long)]
        library: bool,
        /// The module of a library that it imports. May be repeated.
        #[arg(long, value_name = "NAME=FILE.wasm")]
        with: Vec<String>,
    },
    /// Run a contract's tests: natively, then against the wasm; print the gas of each call.
    Test {
        /// The contract's folder.
        #[arg(value_name = "DIR", default_value = ".")]
        dir: PathBuf,
    },
    /// Write a typed client of a contract to standard output: rust (an #[interface] for other contracts) or python.
    Bindings {
        /// Its module or its document.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The language.
        #[arg(long, value_name = "LANG", default_value = "rust")]
        lang: String,
    },
    /// Make or list keys.
    Key {
        /// What to do with them.
        #[command(subcommand)]
        what: KeyCommand,
    },
    /// Store a template: a contract's code and what it says about itself.
    Deploy {
        /// The module, as `contract build` leaves it.
        #[arg(value_name = "MODULE.wasm")]
        module: PathBuf,
        /// Whose transaction.
        #[command(flatten)]
        sign: Sign,
        /// Its libraries.
        #[command(flatten)]
        link: Link,
    },
    /// Make an account from a stored template.
    Spawn {
        /// The template: its hash, or the name of one that was deployed.
        #[arg(value_name = "TEMPLATE")]
        template: String,
        /// Whose transaction.
        #[command(flatten)]
        sign: Sign,
        /// What to call the account from now on, on this machine.
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// Which constructor, of several.
        #[arg(long, value_name = "FUNCTION")]
        constructor: Option<String>,
        /// The account's first balance.
        #[arg(long, value_name = "N", default_value_t = 0)]
        value: u128,
        /// The constructor's arguments: --NAME VALUE.
        #[arg(last = true, value_name = "ARG", allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Call a function.
    Call {
        /// The contract: a name or an address.
        #[arg(value_name = "CONTRACT")]
        account: String,
        /// The function.
        #[arg(value_name = "FUNCTION")]
        function: String,
        /// Whose transaction.
        #[command(flatten)]
        sign: Sign,
        /// Money that comes with the call.
        #[arg(long, value_name = "N", default_value_t = 0)]
        value: u128,
        /// The function's arguments: --NAME VALUE.
        #[arg(last = true, value_name = "ARG", allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Ask a function that only reads.
    View {
        /// The contract: a name or an address.
        #[arg(value_name = "CONTRACT")]
        account: String,
        /// The function.
        #[arg(value_name = "FUNCTION")]
        function: String,
        /// Who asks, as the contract sees it; nobody unless stated.
        #[arg(long = "as", value_name = "NAME")]
        principal: Option<String>,
        /// The most gas that it may burn.
        #[arg(long, value_name = "N", default_value = "100M", value_parser = gas)]
        gas: u64,
        /// As of the end of this batch.
        #[arg(long, value_name = "BATCH")]
        at: Option<u64>,
        /// The function's arguments: --NAME VALUE.
        #[arg(last = true, value_name = "ARG", allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Show what a contract has stored.
    State {
        /// The contract: a name or an address.
        #[arg(value_name = "CONTRACT")]
        account: String,
        /// Pages and slices instead of variables.
        #[arg(long)]
        raw: bool,
        /// As of the end of this batch.
        #[arg(long, value_name = "BATCH")]
        at: Option<u64>,
    },
    /// List events.
    Events(EventsArgs),
    /// Show what became of a transaction.
    Receipt {
        /// Its hash.
        #[arg(value_name = "TX")]
        transaction: String,
    },
    /// Make a proof that a client checks alone.
    #[command(after_help = "\
Forms:
  proof CONTRACT VARIABLE                a variable, or a counter
  proof CONTRACT 'balances[bob]'         an element; 'allowed[ann][bob]' of a collection in a collection, 'list[3]'
  proof absent CONTRACT 'balances[eve]'  that there is no such element
  proof account ACCOUNT                  an account: template, balance, nonce, state
  proof receipt TX                       a receipt, against the digest of its batch")]
    Proof {
        /// What is to be proven.
        #[arg(value_name = "WHAT", num_args = 2..=3, required = true)]
        what: Vec<String>,
        /// As of the end of this batch.
        #[arg(long, value_name = "BATCH")]
        at: Option<u64>,
        /// Against the digest of the batch instead of the root of the state.
        #[arg(long)]
        digest: bool,
    },
    /// Check a proof, offline.
    Verify {
        /// What `proof` has written; `-` is standard input.
        #[arg(value_name = "PROOF.json")]
        file: PathBuf,
        /// The root that is believed.
        #[arg(long, value_name = "HEX", required_unless_present = "digest", conflicts_with = "digest")]
        root: Option<String>,
        /// The digest of a batch that is believed.
        #[arg(long, value_name = "HEX")]
        digest: Option<String>,
    },
    /// Give an account other code, if its present code allows that.
    Upgrade {
        /// The contract: a name or an address.
        #[arg(value_name = "CONTRACT")]
        account: String,
        /// The new module.
        #[arg(value_name = "MODULE.wasm")]
        module: PathBuf,
        /// Whose transaction.
        #[command(flatten)]
        sign: Sign,
        /// Its libraries.
        #[command(flatten)]
        link: Link,
        /// Arguments of `migrate`: --NAME VALUE.
        #[arg(last = true, value_name = "ARG", allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Store a library: code without an account, linked by hash.
    Publish {
        /// The module.
        #[arg(value_name = "MODULE.wasm")]
        module: PathBuf,
        /// Whose transaction.
        #[command(flatten)]
        sign: Sign,
        /// Its name; what it calls itself unless stated.
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// Its version; what the build has noted in it unless stated.
        #[arg(long, value_name = "VERSION")]
        version: Option<String>,
        /// Libraries that it uses itself.
        #[command(flatten)]
        link: Link,
    },
    /// List published libraries.
    Libraries,
    /// Write the code of a template or library to a file.
    Fetch {
        /// NAME@VERSION, PUBLISHER/NAME@VERSION, or a hash.
        #[arg(value_name = "LIBRARY")]
        library: String,
        /// Where to; NAME.wasm unless stated.
        #[arg(long, short, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Show the root of the state, and the digest of the batch.
    Root {
        /// As of the end of this batch.
        #[arg(long, value_name = "BATCH")]
        at: Option<u64>,
    },
    /// Show an account's money.
    Balance {
        /// Whose: a name or an address.
        #[arg(value_name = "ACCOUNT")]
        account: String,
        /// As of the end of this batch.
        #[arg(long, value_name = "BATCH")]
        at: Option<u64>,
    },
    /// Pay an account.
    Send {
        /// Whom: a name or an address.
        #[arg(value_name = "TO")]
        to: String,
        /// How much.
        #[arg(value_name = "N")]
        value: u128,
        /// Whose transaction.
        #[command(flatten)]
        sign: Sign,
    },
    /// List accounts.
    Accounts,
    /// List stored templates.
    Templates,
    /// List what has changed a contract's state.
    History {
        /// The contract: a name or an address.
        #[arg(value_name = "CONTRACT")]
        account: String,
    },
    /// Execute a local store's log again and compare root and receipts of every batch.
    Replay {
        /// The store's directory.
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
    /// Print the prices: instructions, host functions, what the host does.
    GasTable,
}

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make an Ed25519 key; print its account.
    New {
        /// What to call it.
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// List keys and their accounts.
    List,
}

/// Arguments of `contract events`.
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// Of this contract.
    #[arg(long, value_name = "CONTRACT")]
    pub contract: Option<String>,
    /// Of this name.
    #[arg(long, value_name = "EVENT")]
    pub name: Option<String>,
    /// With this value of a topic; needs --contract and --name. May be repeated.
    #[arg(long = "where", value_name = "FIELD=VALUE", requires_all = ["contract", "name"])]
    pub topics: Vec<String>,
    /// From this batch on.
    #[arg(long, value_name = "BATCH")]
    pub from: Option<u64>,
    /// Up to this batch.
    #[arg(long, value_name = "BATCH")]
    pub to: Option<u64>,
    /// So many at most.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: usize,
    /// Go on with those to come, until interrupted or --limit is reached.
    #[arg(long)]
    pub follow: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gas_has_decimal_suffixes() {
        assert_eq!((gas("7"), gas("1M"), gas("2_000K")), (Ok(7), Ok(1_000_000), Ok(2_000_000)));
        for text in ["", "M", "-1", "1.5M", "99999999999G"] {
            assert!(gas(text).is_err(), "{text}");
        }
    }
}
