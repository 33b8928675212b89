//! The table of prices that people read is the table that nodes use.

use replicode_transform::GasTable;

#[test]
fn the_page_shows_the_prices() {
    let page = include_str!("../../../../../docs/contracts-abi.md");
    let table = page.split("### Prices, version ").nth(1).unwrap();
    let version: u32 = table.split_whitespace().next().unwrap().parse().unwrap();
    let rows: Vec<(String, [u32; 3])> = table
        .lines()
        .take_while(|line| !line.starts_with('#'))
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let number = |i: usize| cells[i].parse().unwrap();
            (cells[1].trim_matches('`').to_string(), [number(2), number(3), number(4)])
        })
        .collect();
    let prices = GasTable::default();
    let expected: Vec<(String, [u32; 3])> =
        prices.rows().map(|(name, rate)| (name.to_string(), [rate.base, rate.each, rate.shift.into()])).collect();
    assert_eq!(version, prices.version);
    assert_eq!(rows, expected);
}
