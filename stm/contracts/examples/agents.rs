//! A simulation of agents: a market whose rules are a contract, agents that look at it and act, ticks that are batches, and a
//! question that simulations ask: what if?
//!
//! `cargo run --release -p replicode-contracts --example agents`

use replicode_contracts::account::Address;
use replicode_contracts::backend::stm::Stm;
use replicode_contracts::backend::{Backend, Parallel, Sealed, Settings, View};
use replicode_contracts::cell::Bounds;
use replicode_contracts::event::Filter;
use replicode_contracts::hash::{self, Hash};
use replicode_contracts::kv::Memory;
use replicode_contracts::run::native::slices;
use replicode_contracts::run::{Config, Halt, Host, Moment, Native, Natives};
use replicode_contracts::state::Storage;
use replicode_contracts::template::{Limits, Template, builder};
use replicode_contracts::transaction::{Action, Body, Proof, Transaction, VERSION};
use std::error::Error;
use std::sync::Arc;

const AGENTS: usize = 50;
const TICKS: u64 = 20;

/// Grain in a store: agents take and bring. The price is what is left says.
const MARKET: &str = r#"{
  "abi": 1, "name": "market",
  "functions": [
    {"name": "open", "kind": "init", "args": [{"name": "grain", "type": "u64"}]},
    {"name": "buy", "kind": "call", "args": [{"name": "amount", "type": "u64"}]},
    {"name": "harvest", "kind": "call", "args": [{"name": "amount", "type": "u64"}]},
    {"name": "look", "kind": "view", "returns": "i128"}
  ],
  "errors": [{"name": "SoldOut", "code": 1}],
  "events": [{"name": "Bought", "fields": [{"name": "by", "type": "address", "topic": true}, {"name": "amount", "type": "u64"}]}],
  "storage": [
    {"name": "grain", "type": "counter", "slice": 0},
    {"name": "bought", "type": "map<address, counter>", "slice": 1}
  ]
}"#;

fn market(function: &str, arguments: &[u8], host: &mut dyn Host) -> Result<Vec<u8>, Halt> {
    if function == "look" {
        return slices(host, |slices, host| slices.sum(host, 0)).map(|grain| grain.to_le_bytes().to_vec());
    }
    // Decoded by the document before code runs.
    let amount = arguments.try_into().map_or(0, u64::from_le_bytes);
    let sender = host.message().sender;
    // Counters commute: agents of one tick meet only where the store runs empty.
    let delta = if function == "buy" { -i128::from(amount) } else { i128::from(amount) };
    if !slices(host, |slices, host| slices.add(host, 0, delta, Bounds::NOT_NEGATIVE))? {
        return Err(host.revert(1, vec![]));
    }
    if function == "buy" {
        slices(host, |slices, host| {
            let bought = slices.collection(1)?.map()?;
            bought.add(host, sender.as_bytes(), amount.into(), Bounds::NOT_NEGATIVE)
        })?;
        host.emit(0, &[sender.as_bytes().as_slice(), &amount.to_le_bytes()].concat(), None)?;
    }
    Ok(vec![])
}

struct Simulation {
    backend: Parallel<Memory>,
    market: Address,
    nonces: Vec<u64>,
}

fn name(agent: usize) -> String {
    format!("agent {agent}")
}

impl Simulation {
    fn new(threads: usize) -> Result<Self, Box<dyn Error>> {
        let mut config = Config::standard(Hash::new([2; 32]));
        config.trust_names = true;
        let loader = Arc::new(Natives::new([("market", market as Native)]));
        let settings = Settings { stm: Stm::builder().threads(threads), ..Settings::default() };
        let backend = Parallel::new(Storage::new(Memory::new(), TICKS as usize + 1), config, loader, settings)?;
        let template = builder::native(MARKET.as_bytes(), "1", &Limits::STANDARD)?;
        let hash = Template::hash_of(&template);
        let market = Address::spawned(&Address::of_name(&name(0)), 0, &hash);
        let mut simulation = Self { backend, market, nonces: vec![0; AGENTS] };
        let constructor = Some("open".to_string());
        let arguments = 3_000_u64.to_le_bytes().to_vec();
        let spawn = Action::Spawn { template: hash, constructor, arguments, value: 0 };
        let first = simulation.by(0, vec![Action::Deploy { template }, spawn]);
        simulation.tick(1, &[first])?;
        Ok(simulation)
    }

    fn by(&mut self, agent: usize, actions: Vec<Action>) -> Vec<u8> {
        let nonce = self.nonces[agent];
        self.nonces[agent] += 1;
        let principal = Address::of_name(&name(agent));
        let body = Body { version: VERSION, principal, nonce, gas_limit: 1_000_000, gas_price: 0, actions };
        Transaction { body, proof: Proof::Name { name: name(agent) } }.encode()
    }

    fn tick(&mut self, batch: u64, transactions: &[Vec<u8>]) -> Result<Arc<Sealed>, Box<dyn Error>> {
        self.backend.begin(Moment { batch, time: batch, seed: batch })?;
        self.backend.execute(transactions)?;
        Ok(self.backend.commit()?)
    }

    fn grain(&self) -> Result<i128, Box<dyn Error>> {
        let sender = Address::of_name("observer");
        let view =
            View { sender, account: self.market, function: "look", arguments: &[], gas: 1_000_000, moment: None };
        Ok(i128::from_le_bytes(self.backend.view(&view)?.outcome.returned.as_slice().try_into()?))
    }

    /// What agents do when they see so much grain. A drought: nobody harvests.
    fn act(&mut self, tick: u64, drought: bool) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
        let seen = self.grain()?;
        let mut all = Vec::new();
        for agent in 0..AGENTS {
            let mood = hash::key(&[tick.to_le_bytes(), (agent as u64).to_le_bytes()].concat()).as_bytes()[0];
            let (function, amount) = match (mood % 3, drought) {
                (0, false) => ("harvest", 20 + u64::from(mood % 16)),
                (0, true) => continue,
                _ => ("buy", if seen < 500 { 1 } else { 5 + u64::from(mood % 16) }),
            };
            let arguments = amount.to_le_bytes().to_vec();
            let call = Action::Call { account: self.market, function: function.into(), arguments, value: 0 };
            all.push(self.by(agent, vec![call]));
        }
        Ok(all)
    }

    fn run(&mut self, from: u64, drought: bool) -> Result<Hash, Box<dyn Error>> {
        for tick in from..=TICKS {
            let transactions = self.act(tick, drought)?;
            let sealed = self.tick(tick, &transactions)?;
            let failed = sealed.receipts.iter().filter(|receipt| !receipt.is_success()).count();
            println!(
                "tick {tick:2}: {:3} acts, {failed:2} found nothing left, grain {}",
                transactions.len(),
                self.grain()?
            );
        }
        Ok(self.backend.root()?)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut simulation = Simulation::new(2)?;
    let as_it_was = simulation.run(2, false)?;
    let sales = simulation.backend.events(&Filter::default(), None, usize::MAX).len();
    assert!(sales > 100);

    println!("what if nobody had harvested from tick 10 on?");
    let nonces = simulation.nonces.clone();
    simulation.backend.rewind(9)?;
    for (agent, nonce) in simulation.nonces.iter_mut().enumerate() {
        *nonce = simulation.backend.account(&Address::of_name(&name(agent)))?.record.nonce;
    }
    let drought = simulation.run(10, true)?;
    assert_ne!(drought, as_it_was);
    let dry = simulation.grain()?;

    println!("and as it was, again:");
    simulation.backend.rewind(9)?;
    for (agent, nonce) in simulation.nonces.iter_mut().enumerate() {
        *nonce = simulation.backend.account(&Address::of_name(&name(agent)))?.record.nonce;
    }
    assert_eq!(simulation.run(10, false)?, as_it_was, "history repeats itself");
    assert_eq!(simulation.nonces, nonces);
    assert!(simulation.grain()? > dry);

    let mut alone = Simulation::new(1)?;
    assert_eq!(alone.run(2, false)?, as_it_was, "one thread comes to the same world");
    Ok(())
}
