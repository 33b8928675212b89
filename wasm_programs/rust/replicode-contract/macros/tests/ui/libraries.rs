use replicode_contract::{interface, library};

#[library]
pub mod wrong {
    pub fn slice(text: &str) {}

    pub fn float(of: u32) -> f32 {
        0.0
    }

    pub fn generic<T>(of: u64) {}
}

#[interface(library = "mathlib")]
pub trait NoModule {
    fn root(number: u128) -> u128;
}

#[interface(library = "mathlib", native = mathlib)]
pub trait Selfish {
    fn root(&self) -> u128;
}

fn main() {}
