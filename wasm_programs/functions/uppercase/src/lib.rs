//! Text in capital letters, as Unicode has them.

use replicode_plugin::{Result, plugin};

/// Makes text capital.
#[plugin]
pub fn uppercase(input: &[u8]) -> Result<Vec<u8>> {
    if input.is_ascii() {
        return Ok(input.to_ascii_uppercase());
    }
    Ok(std::str::from_utf8(input)?.to_uppercase().into_bytes())
}

#[cfg(test)]
mod tests {
    #[test]
    fn text_becomes_capital() {
        assert_eq!(super::uppercase("straße 9 é".as_bytes()).unwrap(), "STRASSE 9 É".as_bytes());
        assert_eq!(super::uppercase(b"\xff").unwrap_err().code, 1);
    }
}
