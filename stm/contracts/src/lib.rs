//! Contracts: storage in layers, the tree above it, and the life of a contract on the transactional memory. Pure.

pub mod cell;
pub mod collection;
pub mod hash;
pub mod kv;
pub mod page;
pub mod proof;
pub mod slice;
pub mod state;
pub mod tree;
