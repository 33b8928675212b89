use replicode_contract::contract;

#[contract]
mod wrong {
    use replicode_contract::prelude::*;

    #[storage]
    pub struct Wrong {}

    impl Wrong {
        #[verify]
        pub fn check(&self, proof: Bytes) -> bool {
            true
        }

        #[upgrade]
        pub fn may(&mut self, sender: Address, template: Hash) -> bool {
            false
        }

        #[migrate]
        pub fn first(&mut self) {}

        #[migrate]
        pub fn second(&mut self) {}
    }
}

fn main() {}
