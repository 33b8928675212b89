//! The table is well formed, and the page shows it.

use super::page::{BEGIN, END, header, page};
use super::table;
use crate::run::Prices;
use std::collections::BTreeSet;

#[test]
fn the_page_shows_the_table() {
    let text = include_str!("../../../../../docs/contracts-abi.md");
    let shown =
        text.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END)).expect("the page has a place for it").0;
    assert_eq!(shown.trim(), page().trim(), "run the example that is named there");
}

#[test]
fn the_header_for_c_is_the_table() {
    assert_eq!(
        include_str!("../../../../../wasm_programs/contracts/svm.h"),
        header(),
        "run the example that is named there"
    );
}

#[test]
fn every_function_has_one_row_with_words_and_a_price() {
    let mut names = BTreeSet::new();
    for row in table() {
        assert!(names.insert(row.name), "{} is there twice", row.name);
        assert!(row.docs.iter().any(|line| line.trim().len() > 10), "{}", row.name);
        assert!(row.price.base > 0 && row.price.shift < 32, "{}", row.name);
        // What is priced by length has the length as its last parameter, as the transform wants it.
        let last = row.params.last().map(|(name, _)| *name);
        let length = matches!(last, Some("len" | "cap" | "key_len" | "args_len" | "count"));
        assert_eq!(row.price.each > 0, length, "{}: {last:?}", row.name);
    }
}

#[test]
fn known_charges_are_those_of_the_host() {
    let charge = |name: &str| table().iter().find(|row| row.name == name).expect(name).charge.known(&Prices::STANDARD);
    assert_eq!(charge("get64"), Some(208));
    assert_eq!(charge("set32"), Some(1020));
    assert_eq!(charge("counter_add"), Some(1080));
    assert_eq!(charge("svm_get_balance_from_reg"), Some(200));
    assert_eq!(charge("reg_add"), Some(0));
    assert_eq!(charge("load"), None);
}
