//! Durations and sizes as people write them: `5ms`, `1s`, `64KiB`, `1048576`.

use std::time::Duration;

/// A whole number with `us`, `ms`, `s` or `min` behind it.
///
/// # Errors
/// What is wrong with the text.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let nanos: u64 = match unit {
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "min" => 60_000_000_000,
        _ => return Err(format!("`{text}` is no duration: a whole number and us, ms, s or min, such as 50ms")),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| format!("`{text}` is no duration: a whole number and us, ms, s or min, such as 50ms"))?;
    number.checked_mul(nanos).map(Duration::from_nanos).ok_or_else(|| format!("`{text}` is longer than 500 years"))
}

/// A whole number of bytes, or with `KiB`, `MiB` or `GiB` behind it.
///
/// # Errors
/// What is wrong with the text.
pub fn bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let factor: u64 = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(format!("`{text}` is no size: a whole number, or one with KiB, MiB or GiB, such as 64KiB")),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| format!("`{text}` is no size: a whole number, or one with KiB, MiB or GiB, such as 64KiB"))?;
    number.checked_mul(factor).ok_or_else(|| format!("`{text}` is more bytes than can be counted"))
}

/// Digits, and what follows them.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim_start())
}

/// A duration in the shortest form that is exact.
#[must_use]
pub fn show_duration(duration: Duration) -> String {
    let micros = duration.as_micros();
    if !micros.is_multiple_of(1_000) {
        format!("{micros}us")
    } else if !micros.is_multiple_of(1_000_000) {
        format!("{}ms", micros / 1_000)
    } else {
        format!("{}s", micros / 1_000_000)
    }
}

/// A size in the shortest form that is exact.
#[must_use]
pub fn show_bytes(bytes: u64) -> String {
    for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if bytes >> shift > 0 && bytes.is_multiple_of(1 << shift) {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write() {
        assert_eq!(duration("5ms"), Ok(Duration::from_millis(5)));
        assert_eq!(duration("250 us"), Ok(Duration::from_micros(250)));
        assert_eq!(duration("2min"), Ok(Duration::from_secs(120)));
        assert_eq!(bytes("64KiB"), Ok(65_536));
        assert_eq!(bytes("7"), Ok(7));
        for wrong in ["5", "ms", "", "-5ms", "1.5s", "5 years", "99999999999999999999s", "18446744073709551615min"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        for wrong in ["KiB", "", "-1", "64kb", "1e3", "18446744073709551615GiB"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shown_as_written() {
        for text in ["5ms", "250us", "3s"] {
            assert_eq!(duration(text).map(show_duration).as_deref(), Ok(text));
        }
        for text in ["64KiB", "3MiB", "1000"] {
            assert_eq!(bytes(text).map(show_bytes).as_deref(), Ok(text));
        }
    }
}
