//! Which known word was meant.

/// The known word with the fewest edits (insert, delete, replace, swap of neighbours) to `word`, if they are few enough
/// that it can have been meant. Of two equally near the first one.
#[must_use]
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase().replace('_', "-");
    let bound = (word.chars().count() / 3).max(2);
    known.iter().map(|k| (edits(&word, k), *k)).filter(|(d, _)| *d <= bound).min_by_key(|(d, _)| *d).map(|(_, k)| k)
}

/// Optimal string alignment distance.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replace = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_finger() {
        let known = ["heartbeat", "suspect", "phase", "retransmit"];
        assert_eq!(nearest("hartbeat", &known), Some("heartbeat"));
        assert_eq!(nearest("supsect", &known), Some("suspect"));
        assert_eq!(nearest("Phase", &known), Some("phase"));
        assert_eq!(nearest("max_delay", &["max-delay"]), Some("max-delay"));
        assert_eq!(nearest("colour", &known), None);
    }

    #[test]
    fn distances_known_from_elsewhere() {
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("ca", "abc"), 3);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("ab", "ba"), 1);
    }
}
