//! The macros of `replicode-contract`: see there.
//!
//! ```text
//! module ─ model (what is in it; every complaint at its place) ─┬─ document   the JSON that says so
//!                                                               ├─ expand     exports, values, errors, events
//!                                                               └─ client     calls of it, for others and for tests
//! ```
#![warn(missing_docs)]

mod client;
mod document;
mod expand;
mod function;
mod library;
mod model;
mod types;

use proc_macro::TokenStream;

/// Makes a contract of a module: see the crate `replicode-contract`.
///
/// In the module stand one struct with `#[storage]`, and, as needed, structs with `#[event]` and `#[value]`, enums with `#[error]` and
/// `#[value]`. Methods of the storage struct are functions of the contract when they bear one of
///
/// | mark | it |
/// |---|---|
/// | `#[init]` | runs once, when an account is made of the contract |
/// | `#[call]` | may change state |
/// | `#[view]` | only reads: takes `&self` |
/// | `#[verify]` | `(&self, transaction: Hash, proof: Bytes) -> bool`: whether a transaction of this account is authorised |
/// | `#[upgrade]` | `(&self, sender: Address, template: Hash) -> bool`: whether the account may be given other code; without it never |
/// | `#[migrate]` | runs when the account is given this code; `#[migrate(changes(a, b))]` names variables whose type or place is another one |
///
/// and besides `#[payable]` (money may come with it) or `#[reentrant]` (it may be called while its account is running). `#[topic]` marks fields of
/// events that they can be found by, `#[code(7)]` the code of an error (otherwise its place, from 1), `#[call_failed]` the variant
/// `{ status: u32, code: u32 }` that `?` makes of a call that did not succeed.
#[proc_macro_attribute]
pub fn contract(attribute: TokenStream, item: TokenStream) -> TokenStream {
    done(model::Contract::read(attribute.into(), item.into()).map(|contract| expand::contract(&contract)))
}

/// Makes typed calls of a trait: `Token::at(address).transfer(to, 30).gas(50_000).send()?`.
///
/// With `library = "mathlib", native = contract_mathlib::mathlib` the trait is that of a library instead, and its functions are called as they
/// are: `MathLib::root(2)`. `native` is the library's module, which tests run.
#[proc_macro_attribute]
pub fn interface(attribute: TokenStream, item: TokenStream) -> TokenStream {
    done(client::interface(attribute.into(), item.into()))
}

/// Makes a library of a module: its public functions are linked by contracts, and run in their account, gas and storage.
#[proc_macro_attribute]
pub fn library(attribute: TokenStream, item: TokenStream) -> TokenStream {
    done(library::library(&attribute.into(), item.into()))
}

fn done(result: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    result.unwrap_or_else(|error| error.to_compile_error()).into()
}
