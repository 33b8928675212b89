//! Contracts: storage in layers, the tree above it, and the life of a contract on the transactional memory. Pure.

pub mod abi;
pub mod account;
pub mod backend;
pub mod cell;
pub mod clients;
pub mod collection;
pub mod event;
pub mod functions;
pub mod hash;
pub mod kv;
pub mod page;
pub mod proof;
pub mod receipt;
pub mod registers;
pub mod run;
pub mod slice;
pub mod state;
pub mod template;
pub mod transaction;
pub mod tree;
