use replicode_contract::prelude::*;

#[interface]
pub trait Wrong {
    fn unmarked(&self);

    #[init]
    fn made(&mut self);

    #[view]
    fn has_a_body(&self) -> u64 {
        0
    }

    #[view]
    fn writes(&mut self) -> u64;

    const NUMBER: u64;
}

fn main() {}
