use replicode_contract::contract;

#[contract]
mod wrong {
    use replicode_contract::prelude::*;

    #[storage]
    pub struct Wrong {
        plain: u64,
        text: Var<String>,
        keys: Map<Vec<u8>, u64>,
        pairs: Map<u64, Vec<u64>>,
        double: Map<u64>,
    }

    pub struct Point {
        pub x: u32,
    }

    impl Wrong {
        #[call]
        pub fn all(&mut self, size: usize, rate: f64, point: Point, name: &str, hash: hash, list: List<u8>) {}
    }
}

fn main() {}
