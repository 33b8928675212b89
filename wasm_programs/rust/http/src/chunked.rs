//! Bodies in chunks (RFC 9112 section 7.1): where one ends, and what is in it.
//!
//! ```text
//! 4;extension\r\n
//! data\r\n
//! 0\r\n
//! Trailer: field\r\n
//! \r\n
//! ```
//!
//! Whatever could be read in two ways is refused, since a proxy in front may read it the other way: lines that end with
//! a bare LF, sizes with signs, spaces or too many digits, data that is longer than its size says.

/// Longest line of a chunk: its size and extensions, bytes. They have no use here.
const MAX_LINE: usize = 1024;
/// Longest trailer section, bytes. Its fields are read and not used, as section 7.1.2 allows.
const MAX_TRAILERS: usize = 8 * 1024;

/// What a chunked body is, as far as it has come.
#[derive(Debug, PartialEq, Eq)]
pub enum Chunked {
    /// There is more to come.
    Incomplete,
    /// The whole of it, and how many bytes it took.
    Whole(Vec<u8>, usize),
    /// Not a chunked body.
    Malformed(&'static str),
    /// Longer than allowed.
    TooLong,
}

/// How far a body has been looked at: behind its last complete chunk. It begins again with each body.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Bytes of the body as it is sent.
    at: usize,
    /// Bytes of the chunks' data.
    total: usize,
}

/// Reads the body at the start of `input`, of at most `max` bytes. It may be twice as long as it is sent. What `seen` says
/// of the same body, as far as it had come before, is not looked at again before it is whole.
pub fn decode(input: &[u8], max: usize, seen: &mut Seen) -> Chunked {
    match scan(input, max, seen, &mut |_| {}) {
        Ok(length) => {
            let mut body = Vec::with_capacity(seen.total);
            let _ = scan(input, max, &mut Seen::default(), &mut |data| body.extend_from_slice(data));
            Chunked::Whole(body, length)
        }
        Err(other) => other,
    }
}

/// Goes through the chunks from where `seen` is; the length of the whole body.
fn scan<'a>(input: &'a [u8], max: usize, seen: &mut Seen, each: &mut dyn FnMut(&'a [u8])) -> Result<usize, Chunked> {
    loop {
        let Seen { mut at, mut total } = *seen;
        if at > 2 * max + MAX_LINE {
            return Err(Chunked::TooLong); // chunks of a few bytes, each with a line of its own
        }
        let line = line_at(input, at, MAX_LINE)?;
        let size = size_of(line)?;
        at += line.len() + 2;
        if size == 0 {
            return trailers(input, at);
        }
        total += size;
        if size > max || total > max {
            return Err(Chunked::TooLong);
        }
        let (data, end) = (input.get(at..at + size), input.get(at + size..));
        let (Some(data), Some(end)) = (data, end) else { return Err(Chunked::Incomplete) };
        if end.len() < 2 {
            let begun = end.first().is_none_or(|b| *b == b'\r');
            return Err(if begun { Chunked::Incomplete } else { Chunked::Malformed(AFTER_DATA) });
        }
        if !end.starts_with(b"\r\n") {
            return Err(Chunked::Malformed(AFTER_DATA));
        }
        each(data);
        *seen = Seen { at: at + size + 2, total };
    }
}

const AFTER_DATA: &str = "a chunk is longer than its size says";

/// The line at `at`, without its end.
fn line_at(input: &[u8], at: usize, max: usize) -> Result<&[u8], Chunked> {
    let rest = input.get(at..).unwrap_or_default();
    match rest.iter().position(|b| *b == b'\n') {
        Some(end) if end > max => Err(Chunked::Malformed("a line of a chunked body is too long")),
        Some(end) => match rest[..end].split_last() {
            Some((b'\r', line)) if !line.contains(&b'\r') => Ok(line),
            _ => Err(Chunked::Malformed("a line of a chunked body does not end with CR LF")),
        },
        None if rest.len() > max => Err(Chunked::Malformed("a line of a chunked body is too long")),
        None => Err(Chunked::Incomplete),
    }
}

/// `chunk-size [chunk-ext]`: hexadecimal digits, then nothing or extensions.
fn size_of(line: &[u8]) -> Result<usize, Chunked> {
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let (number, extensions) = line.split_at(digits);
    let extensions = extensions.trim_ascii_start(); // BWS, for the sake of old senders
    let printable = |b: &u8| *b == b'\t' || (*b >= b' ' && *b != 0x7f);
    if number.is_empty() || !(extensions.is_empty() || extensions[0] == b';') || !line.iter().all(printable) {
        return Err(Chunked::Malformed("a chunk does not begin with its size"));
    }
    let significant = number.iter().position(|b| *b != b'0').map_or(&number[..0], |first| &number[first..]);
    if significant.len() > 7 {
        return Err(Chunked::TooLong);
    }
    Ok(significant.iter().fold(0, |n, b| n * 16 + char::from(*b).to_digit(16).unwrap_or(0) as usize))
}

/// Goes behind the trailer section that begins at `start`.
fn trailers(input: &[u8], start: usize) -> Result<usize, Chunked> {
    let mut at = start;
    loop {
        let line = line_at(input, at, MAX_TRAILERS)?;
        at += line.len() + 2;
        if at - start > MAX_TRAILERS {
            return Err(Chunked::Malformed("the trailer section is too long"));
        }
        if line.is_empty() {
            return Ok(at);
        }
        let colon = line.iter().position(|b| *b == b':').unwrap_or(0);
        let token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
        if colon == 0 || !line[..colon].iter().all(token) {
            return Err(Chunked::Malformed("a trailer is not a field")); // obs-fold, too
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(input: &str) -> (String, usize) {
        match decode(input.as_bytes(), 100, &mut Seen::default()) {
            Chunked::Whole(body, length) => (String::from_utf8_lossy(&body).into_owned(), length),
            other => panic!("{input:?} gave {other:?}"),
        }
    }

    #[test]
    fn chunks_are_joined_and_every_shorter_prefix_is_incomplete() {
        for (input, body) in [
            ("0\r\n\r\n", ""),
            ("000\r\n\r\n", ""),
            ("3\r\nabc\r\n0\r\n\r\n", "abc"),
            ("3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n", "abc0123456789"),
            ("00000000000003\r\na\r\n\r\n0\r\n\r\n", "a\r\n"),
            ("3;name=value;other=\"a;b\"\r\nabc\r\n0;last\r\n\r\n", "abc"),
            ("3 ;x\r\nabc\r\n0\r\nTrailer: x\r\nOther:\r\n\r\n", "abc"),
        ] {
            assert_eq!(whole(&format!("{input}GET")), (body.to_string(), input.len()));
            let mut seen = Seen::default();
            for n in 0..input.len() {
                assert_eq!(
                    decode(&input.as_bytes()[..n], 100, &mut seen),
                    Chunked::Incomplete,
                    "{n} bytes of {input:?}"
                );
                let gave = decode(&input.as_bytes()[..n], 100, &mut Seen::default());
                assert_eq!(gave, Chunked::Incomplete, "{n} bytes of {input:?}");
            }
            assert_eq!(decode(input.as_bytes(), 100, &mut seen), Chunked::Whole(body.into(), input.len()));
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for input in [
            "\r\n",
            ";x\r\n",
            "-1\r\n",
            "+1\r\n",
            "0x1\r\n",
            " 1\r\n",
            "1 1\r\n",
            "g\r\n",
            "1\nx",
            "1\r\nxyz\r\n",
            "1\r\nx\n0\r\n\r\n",
            "1\r\nx\rz",
            "0\r\n folded\r\n\r\n",
            "0\r\nno colon\r\n\r\n",
            "0\r\nName : x\r\n\r\n",
            "0\r\nA: b\n\r\n",
            "1\r;\r\nx",
            "1;\0\r\nx\r\n",
            "0\r\n: x\r\n\r\n",
        ] {
            assert!(matches!(decode(input.as_bytes(), 100, &mut Seen::default()), Chunked::Malformed(_)), "{input:?}");
        }
        let long = |line: String| decode(line.as_bytes(), 100, &mut Seen::default());
        assert!(matches!(long(format!("1;{}", "x".repeat(2000))), Chunked::Malformed(_)));
        assert!(matches!(long(format!("0\r\nA: {}", "x".repeat(9000))), Chunked::Malformed(_)));
        assert!(matches!(long(format!("0\r\n{}", "A: b\r\n".repeat(2000))), Chunked::Malformed(_)));
    }

    #[test]
    fn what_is_too_long_is_told_as_soon_as_it_is_known() {
        assert_eq!(decode(b"65\r\n", 100, &mut Seen::default()), Chunked::TooLong);
        assert_eq!(decode(b"fffffffffffffffffffffffffffffff\r\n", 100, &mut Seen::default()), Chunked::TooLong);
        assert_eq!(decode(b"3c\r\n", 100, &mut Seen::default()), Chunked::Incomplete);
        let twice = format!("3c\r\n{}\r\n3c\r\n", "x".repeat(60));
        assert_eq!(decode(twice.as_bytes(), 100, &mut Seen::default()), Chunked::TooLong);
        let small = "1;xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\nx\r\n".repeat(90);
        assert_eq!(decode(small.as_bytes(), 100, &mut Seen::default()), Chunked::TooLong);
    }
}
