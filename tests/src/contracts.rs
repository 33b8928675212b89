//! Contracts in a cell under test: a token, its transactions, and questions.

use crate::cluster::{Cluster, START};
use crate::{eventually, guest};
use anyhow::{Context, Result, ensure};
use replicode_contract_api::{Client, proto};
use replicode_contracts::abi::{Abi, FunctionKind};
use replicode_contracts::account::Address;
use replicode_contracts::receipt::{Receipt, Status};
use replicode_contracts::registers::Shape;
use replicode_contracts::template::builder::Builder;
use replicode_contracts::template::{Class, Kind, Limits};
use replicode_contracts::transaction::{Action, Body, Proof as Sign, Transaction, VERSION};
use std::path::Path;
use std::time::Duration;

/// How long a client asks again: longer than an election.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The gas limit of transactions.
pub const GAS: u64 = 50_000_000;
/// What a token has in all.
pub const SUPPLY: u128 = 1_000_000;

/// A transaction of the account of a bare name.
#[must_use]
pub fn signed_by_name(name: &str, nonce: u64, actions: Vec<Action>) -> Vec<u8> {
    let principal = Address::of_name(name);
    let body = Body { version: VERSION, principal, nonce, gas_limit: GAS, gas_price: 0, actions };
    Transaction { body, proof: Sign::Name { name: name.into() } }.encode()
}

/// A call without money.
#[must_use]
pub fn call(account: Address, function: &str, arguments: Vec<u8>) -> Action {
    Action::Call { account, function: function.into(), arguments, value: 0 }
}

/// A transfer of tokens to the account of a name.
#[must_use]
pub fn transfer(token: Address, to: &str, amount: u128) -> Action {
    call(token, "transfer", [&Address::of_name(to).as_bytes()[..], &amount.to_le_bytes()].concat())
}

/// The template of an example contract.
///
/// # Errors
/// When it was not built.
pub fn template(name: &str) -> Result<Vec<u8>> {
    let module = std::fs::read(guest(&format!("contract-{name}")))?;
    let build = Builder {
        kind: Kind::Contract,
        version: "1".into(),
        registers: Shape::STANDARD,
        libraries: Vec::new(),
        class: Class::Metered,
        memory: replicode_contracts::template::STANDARD_MEMORY,
    };
    Ok(build.build(&module, &Limits::STANDARD)?)
}

/// The name of a template's constructor.
fn constructor(template: &[u8]) -> Result<String> {
    let template = replicode_contracts::template::Template::decode(template, &Limits::STANDARD);
    let template = template.map_err(|wrong| anyhow::anyhow!("{wrong}"))?;
    let abi: &Abi = &template.abi;
    let found = abi.functions.iter().find(|function| function.kind == FunctionKind::Init);
    Ok(found.context("no constructor")?.name.clone())
}

/// The receipt, if it says that all went well.
///
/// # Errors
/// When it does not.
pub fn success(receipt: Option<Receipt>) -> Result<Receipt> {
    let receipt = receipt.context("no receipt")?;
    ensure!(receipt.is_success(), "{}", receipt.status);
    Ok(receipt)
}

/// Where the nodes of a cluster serve contracts, as their status tells, once they do.
///
/// # Errors
/// When they do not.
pub fn addresses(cluster: &Cluster) -> Result<Vec<String>> {
    let one = |node| {
        eventually("contracts to be served", START, || {
            let status = cluster.status(node)?;
            let served = status["boot"].as_u64() > Some(0);
            ensure!(served, "node {node} is not admitted yet");
            Ok(status["contracts"]["listen"].as_str().context("no address")?.to_string())
        })
        .with_context(|| cluster.output())
    };
    (1..=cluster.nodes).map(one).collect()
}

/// Ann deploys and spawns a token.
///
/// # Errors
/// When that fails.
pub async fn token(client: &mut Client) -> Result<Address> {
    let template = template("token")?;
    let constructor = Some(constructor(&template)?);
    let hash = replicode_contracts::template::Template::hash_of(&template);
    let spawn = Action::Spawn { template: hash, constructor, arguments: SUPPLY.to_le_bytes().to_vec(), value: 0 };
    let deployed = client.submit(&signed_by_name("ann", 0, vec![Action::Deploy { template }, spawn])).await?;
    success(deployed.receipt)?.spawned.first().copied().context("nothing was spawned")
}

/// What an account of a name has of a token.
///
/// # Errors
/// When nobody answers.
pub async fn balance(client: &mut Client, token: Address, of: &str) -> Result<u128> {
    let request = proto::ViewRequest {
        account: token.as_bytes().to_vec(),
        function: "balance_of".into(),
        arguments: Address::of_name(of).as_bytes().to_vec(),
        ..proto::ViewRequest::default()
    };
    let viewed = client.channel().await?.view(request).await?.into_inner();
    let status: Status = borsh_of(&viewed.status)?;
    ensure!(status == Status::Success, "{status}");
    Ok(u128::from_le_bytes(viewed.returned.try_into().map_err(|_| anyhow::anyhow!("not an amount"))?))
}

/// A value out of a message.
///
/// # Errors
/// When it is none.
pub fn borsh_of<T: borsh::BorshDeserialize>(bytes: &[u8]) -> Result<T> {
    Ok(borsh::from_slice(bytes)?)
}

/// The nonce of an account.
///
/// # Errors
/// When nobody answers.
pub async fn nonce(client: &mut Client, of: &Address) -> Result<u64> {
    let request = proto::AccountRequest { account: of.as_bytes().to_vec(), batch: None };
    Ok(client.channel().await?.account(request).await?.into_inner().nonce)
}

/// What drives the client.
///
/// # Errors
/// When there is none.
pub fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// A cell of contracts and nothing else, in which ann has 1,000,000.
///
/// # Errors
/// When it does not start.
pub fn start(data: &Path, nodes: u16) -> Result<Cluster> {
    Cluster::start_bare(nodes, data, &["--contracts", "--fund", "ann=1000000"])
}
