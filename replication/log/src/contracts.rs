//! Contracts in a cell: what must be equal on all nodes where there are any. A cell without them says nothing of them.

use crate::Digest;
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeSet;

/// What a cell's contracts begin with, and what all nodes do alike with them.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ContractsConfig {
    /// Engine, prices and limits of their code, as one hash. Nodes that have another one are refused.
    pub engine: Digest,
    /// Whether accounts of names are in use: anybody who reaches a node may act for them.
    pub trust_names: bool,
    /// Gas that a batch may burn, 2^62 at most.
    pub batch_gas: u64,
    /// Batches with calls whose states can be read and proven, the newest included.
    pub history: u32,
    /// Clients that are remembered. One more makes the cell forget whoever was heard of longest ago.
    pub clients: u32,
    /// Money of accounts before the first batch, by address, ascending.
    pub funds: Vec<([u8; 20], u128)>,
}

/// Contracts that cannot be had like this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContractsError {
    /// A number is out of range.
    #[error("'{name}' of contracts is {value}: it must be {least} to {most}")]
    Range {
        /// Which.
        name: &'static str,
        /// What was asked for.
        value: u64,
        /// Smallest meaningful value.
        least: u64,
        /// Largest meaningful value.
        most: u64,
    },
    /// An account is listed twice, or the list is not in order.
    #[error("the funds must list accounts in ascending order, each once")]
    Order,
    /// There is more money than a balance can hold.
    #[error("the funds come to more than 2^127 - 1, which no balance can hold: give less")]
    Sum,
}

impl ContractsConfig {
    /// What a cell has that configures nothing else.
    #[must_use]
    pub fn standard(engine: Digest) -> Self {
        Self { engine, trust_names: false, batch_gas: 10_000_000_000, history: 256, clients: 65_536, funds: Vec::new() }
    }

    /// Checks that they can be had like this.
    ///
    /// # Errors
    /// The first contradiction.
    pub fn validate(&self) -> Result<(), ContractsError> {
        let check = |name, value: u64, least: u64, most: u64| {
            if (least..=most).contains(&value) {
                Ok(())
            } else {
                Err(ContractsError::Range { name, value, least, most })
            }
        };
        check("batch_gas", self.batch_gas, 1, 1 << 62)?;
        check("history", self.history.into(), 1, 1 << 20)?;
        check("clients", self.clients.into(), 1, 1 << 20)?;
        let mut seen = BTreeSet::new();
        let ordered = self.funds.is_sorted_by(|a, b| a.0 < b.0);
        if !ordered || !self.funds.iter().all(|(account, _)| seen.insert(account)) {
            return Err(ContractsError::Order);
        }
        let sum = self.funds.iter().try_fold(0_u128, |sum, (_, amount)| sum.checked_add(*amount));
        sum.filter(|sum| *sum <= i128::MAX.unsigned_abs()).map(drop).ok_or(ContractsError::Sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_contradicts_itself_is_named() {
        let base = ContractsConfig::standard(Digest::ZERO);
        assert_eq!(base.validate(), Ok(()));
        let range = ContractsConfig { clients: 0, ..base.clone() }.validate().map_err(|error| error.to_string());
        assert_eq!(range, Err("'clients' of contracts is 0: it must be 1 to 1048576".to_string()));
        for funds in [vec![([1; 20], 1), ([1; 20], 1)], vec![([2; 20], 1), ([1; 20], 1)]] {
            assert_eq!(ContractsConfig { funds, ..base.clone() }.validate(), Err(ContractsError::Order));
        }
        let all = i128::MAX.unsigned_abs();
        for (funds, fits) in [
            (vec![([1; 20], all)], true),
            (vec![([1; 20], all), ([2; 20], 1)], false),
            (vec![([1; 20], u128::MAX), ([2; 20], u128::MAX)], false),
        ] {
            assert_eq!(ContractsConfig { funds, ..base.clone() }.validate().is_ok(), fits);
        }
    }
}
