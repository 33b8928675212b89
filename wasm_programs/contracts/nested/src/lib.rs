//! All collections in each other, and values of every type.
#![cfg_attr(target_family = "wasm", no_std)]

use replicode_contract::contract;

/// The contract.
#[contract]
pub mod nested {
    use replicode_contract::prelude::*;

    #[value]
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Side {
        Buy,
        Sell { price: u64, note: String },
    }

    #[value]
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Order {
        pub side: Side,
        pub by: Address,
        pub tags: Vec<Bytes>,
        pub limits: BTreeMap<String, Option<i64>>,
        pub wide: Vec<U256>,
    }

    #[storage]
    pub struct Nested {
        last: Var<Option<u64>>,
        total: Counter,
        orders: List<Order>,
        books: Map<String, List<Map<i32, SortedSet<u64>>>>,
        seen: Set<Hash>,
        sums: List<Counter>,
        ranks: SortedSet<i16>,
    }

    impl Nested {
        #[call]
        pub fn order(&mut self, order: Order) -> u64 {
            self.total.add(1);
            let place = self.orders.push(&order);
            self.last.set(&Some(place));
            place
        }

        #[view]
        pub fn orders(&self, from: u64, limit: u32) -> Vec<Order> {
            self.orders.page(from, limit)
        }

        #[view]
        pub fn totals(&self) -> Option<i128> {
            self.last.get().map(|_| self.total.get())
        }

        #[call]
        pub fn put(&mut self, book: String, level: i32, id: u64) -> bool {
            let mut levels = self.books.create(&book);
            let mut map = levels.open(0).unwrap_or_else(|| levels.push_new());
            map.create(&level).insert(&id)
        }

        #[view]
        pub fn ids(&self, book: String, level: i32) -> Vec<u64> {
            let level = self.books.open(&book).and_then(|levels| levels.open(0)).and_then(|map| map.open(&level));
            level.map_or_else(Vec::new, |ids| ids.keys_after(None, 100))
        }

        #[call]
        pub fn rank(&mut self, number: i16) -> u64 {
            self.ranks.insert(&number);
            self.ranks.rank(&number)
        }

        #[view]
        pub fn around(&self, number: i16) -> Vec<Option<i16>> {
            let ranks = &self.ranks;
            [ranks.first(), ranks.previous(&number), ranks.next(&number), ranks.last(), ranks.at_rank(1)].into()
        }

        #[call]
        pub fn seen(&mut self, hash: Hash) -> bool {
            !self.seen.insert(&hash)
        }

        #[call]
        pub fn sum(&mut self, index: u64, amount: i128) -> Option<i128> {
            while self.sums.len() <= index {
                self.sums.push_sum(0);
            }
            self.sums.add(index, amount).then(|| self.sums.sum(index)).flatten()
        }

        #[call]
        pub fn forget(&mut self, book: String) -> bool {
            self.books.remove(&book)
        }

        #[call]
        pub fn pop(&mut self) -> Option<Order> {
            self.orders.pop()
        }
    }
}

#[cfg(test)]
mod tests;
