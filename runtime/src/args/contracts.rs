//! `--contracts` and what goes with it.

use clap::Args;
use replicode_contracts::account::Address;
use replicode_log::ContractsConfig;
use replicode_wasm::contracts::cell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

/// Contracts of a cell.
#[derive(Debug, Clone, Default, Args)]
pub struct CellContracts {
    /// The cell has contracts, which clients reach over gRPC on any node (127.0.0.1).
    #[arg(long)]
    pub contracts: bool,
    /// Money that an account has before the first batch. May be repeated.
    ///
    /// The account is a bare name's, which 'replicode contract' calls name:NAME where there is a key of this name, a key's (64
    /// hexadecimal digits of its public half) or an address (40 digits).
    #[arg(long, value_name = "NAME|KEY|ADDRESS=AMOUNT", requires = "contracts")]
    pub fund: Vec<Fund>,
    /// The same for the account of the key in a file, as 'replicode contract key new' makes one. May be repeated.
    #[arg(long, value_name = "FILE=AMOUNT", requires = "contracts")]
    pub fund_key: Vec<FundKey>,
    /// Accounts of names are not in use: every transaction is signed with a key. Without this, whoever reaches a node may act for
    /// any name.
    #[arg(long, requires = "contracts")]
    pub keys_only: bool,
}

/// `--fund`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fund {
    account: Address,
    /// If it is the account of a name.
    name: Option<String>,
    amount: u128,
}

/// `--fund-key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FundKey {
    file: PathBuf,
    amount: u128,
}

fn split(text: &str) -> Result<(&str, u128), String> {
    let (who, amount) = text.rsplit_once('=').ok_or("an account and an amount are expected: ann=1000000")?;
    let amount = amount.replace('_', "");
    let amount = amount.parse().map_err(|_| format!("expected an amount, 0 to 2^127 - 1, got {amount:?}"))?;
    Ok((who, amount))
}

fn key(digits: &str) -> Option<[u8; 32]> {
    replicode_log::Digest::parse(digits).map(|bytes| *bytes.bytes())
}

impl FromStr for Fund {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (who, amount) = split(text)?;
        if let Some(key) = key(who) {
            return Ok(Self { account: Address::of_key(&key), name: None, amount });
        }
        if let Ok(account) = who.parse() {
            return Ok(Self { account, name: None, amount });
        }
        let most = replicode_contracts::transaction::proof::MAX_NAME;
        if who.is_empty() || who.len() > most {
            return Err(format!("a name of {} bytes: it has 1 to {most}", who.len()));
        }
        Ok(Self { account: Address::of_name(who), name: Some(who.to_string()), amount })
    }
}

impl FromStr for FundKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (file, amount) = split(text)?;
        Ok(Self { file: file.into(), amount })
    }
}

impl CellContracts {
    /// What the cell's configuration says of contracts.
    ///
    /// # Errors
    /// When a key cannot be read, or a name is funded that nobody could use.
    pub fn config(&self) -> anyhow::Result<Option<ContractsConfig>> {
        if !self.contracts {
            return Ok(None);
        }
        let mut funds = BTreeMap::<[u8; 20], u128>::new();
        let mut add = |account: Address, amount: u128| {
            let fund = funds.entry(*account.as_bytes()).or_default();
            *fund = fund.saturating_add(amount);
        };
        // Whoever has no keys has none of these names.
        let book = crate::contract::book::Book::read().ok();
        for fund in &self.fund {
            let name = fund.name.as_deref();
            if let Some(name) = name.filter(|name| book.as_ref().is_some_and(|book| book.keys().contains_key(*name))) {
                crate::telemetry::say(&format!(
                    "--fund {name}: the money is in the account of the bare name, name:{name}; 'replicode contract' takes {name} for your \
                     key of that name, whose account --fund-key funds"
                ));
            }
            if name.is_some() && self.keys_only {
                let why = "--fund: with --keys-only nobody could use an account of a name: name its key or its address";
                return Err(crate::Usage(why.to_string()).into());
            }
            add(fund.account, fund.amount);
        }
        for fund in &self.fund_key {
            let text = crate::datadir::read_bounded(&fund.file, 64 << 10)?;
            let text = String::from_utf8_lossy(&text);
            let file: Option<serde_json::Value> = serde_json::from_str(&text).ok();
            let account = file.as_ref().and_then(|file| file["account"].as_str()?.parse().ok()).ok_or_else(|| {
                let file = fund.file.display();
                crate::Usage(format!("--fund-key: {file} is no key that 'replicode contract key new' has made"))
            })?;
            add(account, fund.amount);
        }
        let standard = ContractsConfig::standard(cell::settings().fingerprint());
        let funds = funds.into_iter().collect();
        Ok(Some(ContractsConfig { trust_names: !self.keys_only, funds, ..standard }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_told_apart() {
        let fund = |text: &str| text.parse::<Fund>();
        let ann = Address::of_name("ann");
        assert_eq!(fund("ann=1_000"), Ok(Fund { account: ann, name: Some("ann".into()), amount: 1_000 }));
        assert_eq!(fund(&format!("{ann}=5")), Ok(Fund { account: ann, name: None, amount: 5 }));
        let key = "07".repeat(32);
        assert_eq!(fund(&format!("{key}=5")).map(|it| it.account), Ok(Address::of_key(&[7; 32])));
        for wrong in ["ann", "=5", "ann=", "ann=-1", "ann=x", &format!("{}=1", "n".repeat(65))] {
            assert!(fund(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_name_that_nobody_could_use_is_not_funded() -> anyhow::Result<()> {
        let args = |keys_only| CellContracts {
            contracts: true,
            fund: vec![Fund { account: Address::of_name("ann"), name: Some("ann".into()), amount: 5 }; 2],
            keys_only,
            ..CellContracts::default()
        };
        let config = args(false).config()?.unwrap_or_else(|| unreachable!("there are contracts"));
        assert_eq!((config.funds, config.trust_names), (vec![(*Address::of_name("ann").as_bytes(), 10)], true));
        assert!(args(true).config().is_err());
        Ok(())
    }
}
