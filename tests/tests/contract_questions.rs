//! Questions to a cell's contracts: in pages of one state while calls go on, and never answered from the past.

use anyhow::{Context, Result, ensure};
use replicode_contract_api::{Client, proto};
use replicode_contracts::account::Address;
use replicode_contracts::proof::Batch;
use replicode_contracts::transaction::Action;
use replicode_tests::cluster::START;
use replicode_tests::contracts::{
    PATIENCE, SUPPLY, addresses, borsh_of, runtime, signed_by_name, start, success, token, transfer,
};
use replicode_tests::{check, eventually};
use std::collections::BTreeSet;

/// Names that are given something, and their transactions' size.
const MANY: usize = 2_560;
const AT_ONCE: usize = 64;

async fn tip(client: &mut Client) -> Result<u64> {
    let root = client.channel().await?.root(proto::RootRequest::default()).await?.into_inner();
    Ok(borsh_of::<Batch>(&root.batch)?.index)
}

/// A walk through all accounts, and one through all elements of a map, with a call between each two pages: every call is executed,
/// and the pages are of the one state that was there at the beginning.
#[test]
fn calls_go_on_during_a_long_question_and_its_pages_are_of_one_state() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let mut cluster = start(&tmp.path().join("cell"), 1)?;
    let nodes = addresses(&cluster)?;
    runtime()?.block_on(async {
        let mut client = Client::new(nodes, PATIENCE);
        let token = token(&mut client).await?;
        let mut nonce = 1;
        let mut done = async |client: &mut Client, actions: Vec<Action>| -> Result<()> {
            success(client.submit(&signed_by_name("ann", nonce, actions)).await?.receipt)?;
            nonce += 1;
            Ok(())
        };
        let names: Vec<String> = (0..MANY).map(|n| format!("n{n}")).collect();
        for some in names.chunks(AT_ONCE / 2) {
            let gifts = some
                .iter()
                .flat_map(|name| [transfer(token, name, 1), Action::Transfer { to: Address::of_name(name), value: 1 }]);
            done(&mut client, gifts.collect()).await?;
        }
        let mut channel = client.channel().await?;

        let before = tip(&mut client).await?;
        let (mut found, mut sum, mut pages) = (BTreeSet::new(), 0, 0);
        let mut request = proto::AccountsRequest { limit: 500, ..proto::AccountsRequest::default() };
        loop {
            let page = channel.accounts(request).await?.into_inner();
            pages += 1;
            ensure!(page.batch == Some(before), "page {pages} is of batch {:?}, not {before}", page.batch);
            for account in &page.accounts {
                ensure!(found.insert(account.account.clone()), "an account is told twice: {account:?}");
                sum += u128::from_le_bytes(account.balance.as_slice().try_into()?);
            }
            // Money moves to somebody new, and from somebody who was told already or was not.
            let gift = Action::Transfer { to: Address::of_name(&format!("late{pages}")), value: 7 };
            done(&mut client, vec![gift, transfer(token, &format!("late{pages}"), 7)]).await?;
            let after = page.accounts.last().context("an empty page")?.account.clone();
            request = proto::AccountsRequest { after, limit: 500, batch: page.batch };
            if !page.more {
                break;
            }
        }
        // All who were given something, ann, and the token.
        ensure!(found.len() == MANY + 2 && sum == 1_000_000 && pages == 6, "{} {sum} {pages}", found.len());
        ensure!(tip(&mut client).await? >= before + 6, "calls have not gone on");

        let mut channel = client.channel().await?;
        let slices = 0..8_u32;
        let mut map = None;
        for index in slices {
            let request = proto::SliceRequest { account: token.as_bytes().to_vec(), index, batch: None };
            let entry = channel.slice(request).await?.into_inner().entry.and_then(|entry| entry.kind);
            if let Some(proto::entry::Kind::Collection(it)) = entry {
                map = map.or(Some(it.name));
            }
        }
        let before = tip(&mut client).await?;
        let (mut keys, mut sum, mut pages) = (BTreeSet::new(), 0, 0);
        let mut request = proto::ElementsRequest {
            account: token.as_bytes().to_vec(),
            collection: map.context("the token has a map")?,
            limit: 1000,
            ..proto::ElementsRequest::default()
        };
        loop {
            let page = channel.elements(request.clone()).await?.into_inner();
            pages += 1;
            ensure!(page.batch == Some(before), "page {pages} is of batch {:?}, not {before}", page.batch);
            for element in &page.elements {
                ensure!(keys.insert(element.key.clone()), "an element is told twice: {element:?}");
                let Some(proto::entry::Kind::Sum(amount)) = &element.kind else { continue };
                sum += i128::from_le_bytes(amount.as_slice().try_into()?);
            }
            done(&mut client, vec![transfer(token, &format!("later{pages}"), 7)]).await?;
            if !page.more {
                break;
            }
            let last = page.elements.last().context("an empty page")?.key.clone();
            request = proto::ElementsRequest { after: Some(last), batch: page.batch, ..request };
        }
        // All who were given something, those who were during the first walk, and ann.
        ensure!(keys.len() == MANY + 6 + 1 && sum == SUPPLY as i128, "{} {sum} {pages}", keys.len());
        Ok(())
    })?;
    cluster.stop()
}

/// A node that has executed its log, but not heard yet that this is all there is, refuses to answer, and says so.
#[test]
fn a_node_that_has_not_caught_up_does_not_answer_from_the_past() -> Result<()> {
    let tmp = tempfile::tempdir()?;
    let mut cluster = start(&tmp.path().join("cell"), 3)?;
    let nodes = addresses(&cluster)?;
    let runtime = runtime()?;
    runtime.block_on(async { token(&mut Client::new(nodes, PATIENCE)).await.map(drop) })?;
    cluster.await_agreement(PATIENCE)?;
    ensure!(cluster.status(1)?["contracts"]["current"] == true);
    for node in 1..=3 {
        cluster.kill(node)?;
    }
    // Alone it is no majority: it cannot know what the others have agreed on meanwhile.
    cluster.revive(1)?;
    let address = eventually("contracts to be served", START, || {
        let status = cluster.status(1)?;
        Ok(status["contracts"]["listen"].as_str().context("no address")?.to_string())
    })?;
    let root = |address: String| {
        runtime.block_on(async {
            let mut channel = Client::new(vec![address], PATIENCE).channel().await?;
            anyhow::Ok(channel.root(proto::RootRequest::default()).await)
        })
    };
    let refused = root(address.clone())?.err().context("it answers")?;
    ensure!(
        refused.message().contains("has not caught up with the others") && refused.message().contains("another node")
    );
    ensure!(cluster.status(1)?["contracts"]["current"] == false);
    for node in 2..=3 {
        cluster.revive(node)?;
    }
    eventually("the node to answer", PATIENCE, || root(address.clone())?.map(drop).context("refused"))?;
    // All were killed, perhaps before `up` had seen one of them serve: then it has ended, and says so.
    cluster.stop().or_else(|error| {
        let said = format!("{error:#}");
        check(said.contains("no node could be started"), || said.clone())
    })
}
