//! A counter in state: adds the number that it is given, or 1, and says what it has come to.

use replicode_plugin::{Error, Result, plugin, state};

const KEY: &[u8] = b"count";

/// Adds to the count.
#[plugin]
pub fn add(input: &[u8]) -> Result<Vec<u8>> {
    let text = std::str::from_utf8(input)?.trim();
    let more: i64 = if text.is_empty() { 1 } else { text.parse()? };
    let now = match state::get(KEY) {
        Some(bytes) => i64::from_le_bytes(bytes.try_into().map_err(|_| Error::new("the count is no number"))?),
        None => 0,
    };
    let next = now.checked_add(more).ok_or_else(|| Error::with_code(2, "the count would be too large"))?;
    state::set(KEY, &next.to_le_bytes());
    Ok(next.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_adds() {
        assert_eq!(add(b"").unwrap(), b"1");
        assert_eq!(add(b" 41\n").unwrap(), b"42");
        assert_eq!(add(b"-50").unwrap(), b"-8");
        assert!(add(b"x").is_err());
        assert_eq!(add(i64::MIN.to_string().as_bytes()).unwrap_err().code, 2);
    }
}
