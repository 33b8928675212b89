//! Answers in JSON, written without a tree of values in between.

use super::request::Id;
use crate::error::ServiceError;
use crate::execute::Report;
use std::io::Write as _;

/// Writes text as a JSON string.
pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut from = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if *byte >= 0x20 && *byte != b'"' && *byte != b'\\' {
            continue;
        }
        out.extend_from_slice(bytes.get(from..at).unwrap_or_default());
        from = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            other => {
                let _ = write!(out, "\\u{other:04x}");
            }
        }
    }
    out.extend_from_slice(bytes.get(from..).unwrap_or_default());
    out.push(b'"');
}

/// Writes a whole number.
pub(super) fn number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        if let Some(digit) = digits.get_mut(at) {
            *digit = b'0' + (number % 10) as u8;
        }
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(at..).unwrap_or_default());
}

/// Writes microseconds with one digit behind the point.
fn micros(out: &mut Vec<u8>, us: f64) {
    let tenths = (us * 10.0).round() as u64;
    number(out, tenths / 10);
    out.push(b'.');
    out.push(b'0' + (tenths % 10) as u8);
}

/// Begins an answer, as far as its `ok` or `error`.
fn begin(out: &mut Vec<u8>, id: Option<&Id>, what: &str) {
    out.extend_from_slice(b"{");
    if let Some(id) = id {
        out.extend_from_slice(b"\"id\":");
        match id {
            Id::Number(id) => number(out, *id),
            Id::Negative(id) => {
                let _ = write!(out, "{id}");
            }
            Id::Text(id) => string(out, id),
        }
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(what.as_bytes());
    out.extend_from_slice(b"\":");
}

/// An answer whose content is a JSON value.
pub(super) fn value(out: &mut Vec<u8>, id: Option<&Id>, value: &serde_json::Value) {
    begin(out, id, "ok");
    // Writing to memory does not fail, and the keys of these values are text.
    let _ = serde_json::to_writer(&mut *out, value);
    out.extend_from_slice(b"}\n");
}

/// Bytes as text where they are text, else in base64.
pub(super) fn output(out: &mut Vec<u8>, name: &str, bytes: &[u8], as_bytes: bool) {
    use base64::Engine as _;
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    match std::str::from_utf8(bytes).ok().filter(|_| !as_bytes) {
        Some(text) => {
            out.extend_from_slice(b"\":");
            string(out, text);
        }
        None => {
            out.extend_from_slice(b"_b64\":\"");
            let start = out.len();
            let length = base64::encoded_len(bytes.len(), true).unwrap_or(0);
            out.resize(start + length, 0);
            let room = out.get_mut(start..).unwrap_or_default();
            let _ = base64::engine::general_purpose::STANDARD.encode_slice(bytes, room);
            out.push(b'"');
        }
    }
}

/// What an execution has done.
pub(super) fn report(
    out: &mut Vec<u8>,
    id: Option<&Id>,
    report: &Report,
    bytes: &[u8],
    as_bytes: bool,
    lines: Option<&[String]>,
    is_chain: bool,
) {
    begin(out, id, "ok");
    out.push(b'{');
    output(out, "output", bytes, as_bytes);
    out.extend_from_slice(b",\"code\":0,\"fuel\":");
    number(out, report.fuel);
    out.extend_from_slice(b",\"us\":");
    micros(out, report.us);
    out.extend_from_slice(b",\"memory\":");
    number(out, report.memory);
    if is_chain {
        out.extend_from_slice(b",\"stages\":[");
        for (at, stage) in report.stages.iter().enumerate() {
            out.extend_from_slice(if at == 0 { b"{\"fuel\":" } else { b",{\"fuel\":" });
            number(out, stage.fuel);
            out.extend_from_slice(b",\"us\":");
            micros(out, stage.us);
            out.extend_from_slice(b",\"bytes\":");
            number(out, stage.bytes);
            out.push(b'}');
        }
        out.push(b']');
    }
    if let Some(lines) = lines {
        logs(out, lines);
    }
    out.extend_from_slice(b"}}\n");
}

fn logs(out: &mut Vec<u8>, lines: &[String]) {
    out.extend_from_slice(b",\"logs\":[");
    for (at, line) in lines.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        string(out, line);
    }
    out.push(b']');
}

/// That a request failed.
pub(super) fn error(out: &mut Vec<u8>, id: Option<&Id>, error: &ServiceError, lines: Option<&[String]>) {
    begin(out, id, "error");
    out.extend_from_slice(b"{\"code\":");
    string(out, error.code.name());
    if let Some(stage) = error.stage {
        out.extend_from_slice(b",\"stage\":");
        number(out, stage.into());
    }
    out.extend_from_slice(b",\"message\":");
    string(out, &error.message);
    if let Some(returned) = error.returned {
        let _ = write!(out, ",\"returned\":{returned}");
    }
    if let Some(fuel) = error.fuel {
        out.extend_from_slice(b",\"fuel\":");
        number(out, fuel);
    }
    if let Some(lines) = lines {
        logs(out, lines);
    }
    out.extend_from_slice(b"}}\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_numbers_are_json() {
        let text: String = (0..0x250).filter_map(char::from_u32).chain("\u{1F600}\u{2028}".chars()).collect();
        let mut out = Vec::new();
        string(&mut out, &text);
        assert_eq!(serde_json::from_slice::<String>(&out).ok(), Some(text));
        for value in [0, 9, 10, 12345, u64::MAX] {
            let mut out = Vec::new();
            number(&mut out, value);
            assert_eq!(String::from_utf8(out).ok(), Some(value.to_string()));
        }
        let mut out = Vec::new();
        micros(&mut out, 3.1499);
        assert_eq!(out, b"3.1");
    }

    #[test]
    fn bytes_that_are_no_text_are_base64() {
        for (bytes, as_bytes, expected) in [
            (&b"HELLO"[..], false, "\"output\":\"HELLO\""),
            (b"HELLO", true, "\"output_b64\":\"SEVMTE8=\""),
            (b"\xff\x00", false, "\"output_b64\":\"/wA=\""),
            (b"", true, "\"output_b64\":\"\""),
        ] {
            let mut out = Vec::new();
            output(&mut out, "output", bytes, as_bytes);
            assert_eq!(String::from_utf8(out).ok().as_deref(), Some(expected));
        }
    }
}
