use replicode_contract::contract;

#[contract]
mod wrong {
    #[storage]
    pub struct Wrong {}

    #[error]
    pub enum Error {
        First,
        #[code(1)]
        AlsoOne,
    }

    #[error]
    pub enum Other {
        #[code(9)]
        First,
    }

    #[error]
    pub enum Third {
        #[code(0xffff_0000)]
        Reserved,
        #[code(1)]
        Again,
    }
}

fn main() {}
