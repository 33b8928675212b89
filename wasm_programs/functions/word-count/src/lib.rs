//! How often each word stands in its input: a line for each, the most frequent first, then in the order of bytes.

use replicode_plugin::{Result, plugin};
use std::collections::BTreeMap;

/// Counts words. What lies between white space of ASCII is one.
#[plugin]
pub fn word_count(input: &[u8]) -> Result<Vec<u8>> {
    let mut counts: BTreeMap<&[u8], u64> = BTreeMap::new();
    let space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    for word in input.split(space).filter(|word| !word.is_empty()) {
        *counts.entry(word).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut out = Vec::new();
    for (word, count) in counts {
        out.extend_from_slice(count.to_string().as_bytes());
        out.push(b' ');
        out.extend_from_slice(word);
        out.push(b'\n');
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    #[test]
    fn words_are_counted() {
        assert_eq!(super::word_count(b" b a\tb\n").unwrap(), b"2 b\n1 a\n");
        assert_eq!(super::word_count(b"").unwrap(), b"");
    }
}
