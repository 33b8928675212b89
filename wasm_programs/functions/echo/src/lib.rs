//! Gives back what it is given.

use replicode_plugin::{Result, plugin};

/// Gives the input back.
#[plugin]
pub fn echo(input: &[u8]) -> Result<Vec<u8>> {
    Ok(input.to_vec())
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_gives_back_what_it_is_given() {
        assert_eq!(super::echo(b"abc").unwrap(), b"abc");
    }
}
