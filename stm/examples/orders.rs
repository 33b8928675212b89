//! Orders against a stock, in parallel, with the result of taking them one by one.
//!
//! `cargo run -p replicode-stm --release --example orders`

use replicode_stm::{Outcome, Stm, TxMap};

/// Customer, article, pieces, price of one.
type Order = (&'static str, &'static str, u64, i64);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut stm = Stm::builder().threads(2).build()?;
    let stock: TxMap<String, u64> = stm.map_from([("apple".to_string(), 10), ("pear".to_string(), 2)]);
    let takings = stm.counter(0); // additions commute: no conflicts
    let receipts = stm.bag::<String>(); // appends too, and they land in the order of the batch

    let orders: [Order; 4] =
        [("ann", "apple", 6, 3), ("bob", "apple", 6, 3), ("cid", "pear", 2, 4), ("dan", "fig", 1, 9)];
    let outcomes = stm.execute(&orders, |tx, (who, what, pieces, price)| {
        let left = stock.get(tx, *what)?.unwrap_or(0);
        tx.require(left >= *pieces, "sold out")?;
        // Whatever a frame does is dropped if it reverts; the transaction may go on.
        let _ = tx.frame(|tx| {
            receipts.push(tx, format!("{who}: {pieces} {what}"))?;
            tx.require(*who != "cid", "cid wants no receipt")
        })?;
        takings.add(tx, *pieces as i64 * price)?;
        if left == *pieces {
            stock.remove(tx, *what)?;
        } else {
            stock.set(tx, what.to_string(), left - pieces)?;
        }
        Ok(left - pieces)
    })?;

    for (order, outcome) in orders.iter().zip(&outcomes) {
        match outcome {
            Outcome::Committed(left) => println!("{}: done, {left} left", order.0),
            Outcome::Reverted(why) => println!("{}: {}", order.0, why.reason()),
        }
    }
    let now = stm.run(|tx| Ok((stock.range(tx, ..)?, takings.get(tx)?, receipts.items(tx)?)))?;
    println!("{now:?}");
    // Always this, on any number of threads.
    let want = (vec![("apple".to_string(), 4)], 26, vec!["ann: 6 apple".to_string()]);
    assert_eq!(now, Outcome::Committed(want));
    Ok(())
}
