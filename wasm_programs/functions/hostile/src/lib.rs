//! What a function must not be able to do to others; its input says what it tries.

use replicode_plugin::{Error, Result, call, fuel_left, log, output, plugin, state};

/// Does it.
#[plugin]
pub fn hostile(input: &[u8]) -> Result<Vec<u8>> {
    let text = std::str::from_utf8(input)?;
    let (what, much) = text.split_once(' ').unwrap_or((text, "0"));
    let much: usize = much.parse()?;
    match what {
        "loop" => loop {
            std::hint::black_box(0);
        },
        "spin" => {
            let mut sum = 0usize;
            for round in 0..much {
                sum = std::hint::black_box(sum ^ round);
            }
            return Ok(sum.to_string().into_bytes());
        }
        "trap" => panic!("as I was told"),
        "grow" => {
            // Megabytes, each touched.
            let mut all = Vec::new();
            for _ in 0..much {
                all.push(std::hint::black_box(vec![1u8; 1 << 20]));
            }
            return Ok(all.len().to_string().into_bytes());
        }
        "flood" => {
            let piece = vec![b'x'; 1 << 16];
            let mut left = much;
            while left > 0 {
                let now = left.min(piece.len());
                output(&piece[..now]);
                left -= now;
            }
        }
        "log" => {
            let line = "l".repeat(84);
            for _ in 0..much {
                log(&line);
            }
        }
        "recurse" => return Ok(recurse(much).to_string().into_bytes()),
        "call" => {
            if much > 0 {
                let answer = call("hostile", format!("call {}", much - 1).as_bytes())?;
                return answer.ok_or_else(|| Error::new("I am not called hostile"));
            }
        }
        "key" => state::set(&vec![b'k'; much], b"v"),
        "value" => state::set(b"value", &vec![b'v'; much]),
        // One key, written again and again, 32 KiB each time.
        "again" => (0..much).for_each(|round| state::set(b"again", &vec![round as u8; 32 << 10])),
        "get-value" => return Ok(state::get(b"value").unwrap_or_default().len().to_string().into_bytes()),
        "list" => {
            (0..much).for_each(|number| state::set(format!("key {number:05}").as_bytes(), b""));
            return Ok(state::list(b"key ").len().to_string().into_bytes());
        }
        "set" => state::set(b"set", &much.to_le_bytes()),
        "set-and-fail" => {
            state::set(b"set", b"never seen");
            return Err(Error::with_code(7, "set, and failed"));
        }
        "get" => return Ok(state::get(b"set").unwrap_or_default()),
        "code" => return Err(Error::with_code(much as i32, "as I was told")),
        "fuel" => return Ok(fuel_left().to_string().into_bytes()),
        other => return Err(Error::new(format!("I do not know how to {other}"))),
    }
    Ok(Vec::new())
}

#[inline(never)]
fn recurse(depth: usize) -> usize {
    let here = std::hint::black_box([depth; 8]);
    if depth == 0 { 0 } else { recurse(depth - 1) + here[3] / depth }
}

#[cfg(test)]
mod tests {
    use super::hostile;

    #[test]
    fn what_can_be_tried_without_a_host() {
        assert_eq!(hostile(b"recurse 10").unwrap(), b"10");
        assert_eq!(hostile(b"code 3").unwrap_err().code, 3);
        assert!(hostile(b"nothing").is_err());
    }
}
