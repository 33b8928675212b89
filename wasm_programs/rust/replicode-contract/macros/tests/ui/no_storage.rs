use replicode_contract::contract;

#[contract]
mod wrong {
    pub struct Wrong;
}

#[contract]
struct NoModule;

#[contract(title = "x")]
mod titled {
    #[storage]
    pub struct Wrong {}
}

fn main() {}
