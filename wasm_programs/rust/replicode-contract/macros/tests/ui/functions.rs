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
        pub fn writes(&mut self) {}

        #[call]
        pub fn alone(amount: u64) {}

        #[call]
        pub fn takes(self) {}

        #[view]
        #[call]
        pub fn both(&self) {}

        #[view]
        #[payable]
        pub fn paid(&self) {}

        #[payable]
        pub fn unmarked(&mut self) {}

        #[call]
        pub fn generic<T>(&mut self) {}

        #[call]
        pub fn pattern(&mut self, (a, b): u64) {}

        #[call]
        pub fn memory(&mut self) {}

        #[call]
        pub fn fails(&mut self) -> Result<(), String> {
            Ok(())
        }
    }
}

fn main() {}
