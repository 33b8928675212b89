use replicode_contract::contract;

#[contract]
mod wrong {
    use replicode_contract::prelude::*;

    #[value]
    pub struct Named {
        pub name: String,
    }

    #[storage]
    pub struct Wrong {
        named: Var<Named>,
    }
}

fn main() {}
