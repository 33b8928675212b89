use replicode_contract::contract;

#[contract]
mod wrong {
    use replicode_contract::prelude::*;

    #[storage]
    pub struct One {}

    #[storage]
    pub struct Two {}

    #[error]
    pub enum Error {
        Tuple(u64),
        #[code(7)]
        Seven,
        #[code(7)]
        AlsoSeven,
        #[call_failed]
        Failed { status: u64 },
    }

    #[event]
    pub enum Event {
        A,
    }

    #[event]
    pub struct Many {
        #[topic]
        pub a: u8,
        #[topic]
        pub b: u8,
        #[topic]
        pub c: u8,
        #[topic]
        pub d: u8,
        #[topic]
        pub e: u8,
    }

    #[value]
    pub struct Empty {}
}

fn main() {}
