use replicode_contract::contract;

#[contract]
mod wrong {
    use replicode_contract::prelude::*;

    #[storage]
    pub struct Wrong {
        count: Var<u64>,
    }

    impl Wrong {
        #[view]
        pub fn sneaky(&self) {
            self.count.set(&1);
        }
    }
}

fn main() {}
