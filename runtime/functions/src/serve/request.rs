//! One request in JSON. Text without escapes is not copied.

use crate::error::{ErrorCode, ServiceError};
use crate::limits::ExecutionConfig;
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Text that is borrowed from the line when it can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrow;
        impl<'de> Visitor<'de> for Borrow {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_string())))
            }
        }
        deserializer.deserialize_str(Borrow)
    }
}

/// What a client calls a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Id {
    Negative(i64),
    Number(u64),
    Text(String),
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Id;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or a whole number of up to 64 bits as id")
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Id, E> {
                Ok(Id::Number(number))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Id, E> {
                Ok(Id::Negative(number))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Id, E> {
                Ok(Id::Text(text.to_string()))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// All fields that any request may have.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Request<'a> {
    pub(super) id: Option<Id>,
    #[serde(borrow)]
    pub(super) op: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) uuid: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) input: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) input_b64: Option<Text<'a>>,
    pub(super) config: Option<ExecutionConfig>,
    #[serde(borrow)]
    pub(super) entry: Option<Text<'a>>,
    pub(super) logs: bool,
    pub(super) bytes: bool,
    pub(super) detach: bool,
    pub(super) read_only: bool,
    #[serde(borrow)]
    pub(super) uuids: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    pub(super) path: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) wasm_b64: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) state: Option<Text<'a>>,
    pub(super) replace: bool,
    #[serde(borrow)]
    pub(super) files: Option<Vec<FileText<'a>>>,
    pub(super) preopens: Option<Vec<String>>,
    pub(super) env: Option<std::collections::BTreeMap<String, String>>,
    pub(super) args: Option<Vec<String>>,
    pub(super) now: bool,
    pub(super) ordered: bool,
    pub(super) frames: bool,
    #[serde(borrow)]
    pub(super) token: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) tenant: Option<Text<'a>>,
    pub(super) target: Option<Id>,
    #[serde(borrow)]
    pub(super) get: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) set: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) delete: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) list: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) value: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) value_b64: Option<Text<'a>>,
    pub(super) from: u64,
    pub(super) client: Option<u64>,
    pub(super) sequence: Option<u64>,
}

/// One file, directory or link that a program is given.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileText<'a> {
    /// Where it stands, from the root.
    #[serde(borrow)]
    pub(super) path: Text<'a>,
    /// Its content as text, or in base64; a directory has neither, nor a link.
    #[serde(borrow, default)]
    pub(super) text: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) b64: Option<Text<'a>>,
    /// Where it leads.
    #[serde(borrow, default)]
    pub(super) link: Option<Text<'a>>,
    /// Whether the program may change it, for itself and until it ends.
    #[serde(default)]
    pub(super) write: bool,
}

/// Reads a line.
pub(super) fn parse(line: &[u8]) -> Result<Request<'_>, ServiceError> {
    let told = |error: serde_json::Error| {
        // The words of the parser quote names of fields at most.
        if error.classify() == serde_json::error::Category::Data {
            return ServiceError::new(ErrorCode::BadRequest, format!("this is no request: {error}"));
        }
        ServiceError::new(ErrorCode::BadJson, format!("a line must be one JSON object: {error}"))
    };
    if line.trim_ascii_start().first() == Some(&b'[') {
        // A list would be taken for the values of all fields in their order.
        serde_json::from_slice::<de::IgnoredAny>(line).map_err(told)?;
        return Err(ServiceError::new(ErrorCode::BadRequest, "this is no request: a line must be one JSON object"));
    }
    serde_json::from_slice(line).map_err(told)
}

/// The id of a line whose request cannot be read, as far as it can be found.
pub(super) fn id_of(line: &[u8]) -> Option<Id> {
    #[derive(Deserialize)]
    struct Only {
        id: Option<Id>,
    }
    serde_json::from_slice::<Only>(line).ok()?.id
}

/// For fuzzers: whatever the bytes are, reading them gives a request or an error.
pub fn fuzz_request(line: &[u8]) -> bool {
    let _ = id_of(line);
    parse(line).is_ok()
}

/// What is missing in a request.
pub(super) fn missing(op: &str, field: &str) -> ServiceError {
    ServiceError::new(ErrorCode::BadRequest, format!("'{op}' needs the field '{field}'"))
}

/// Bytes given as text or in base64; empty without both.
pub(super) fn bytes<'r>(
    text: Option<&'r Text<'_>>,
    base64: Option<&Text<'_>>,
    field: &str,
) -> Result<Cow<'r, [u8]>, ServiceError> {
    use base64::Engine as _;
    match (text, base64) {
        (Some(_), Some(_)) => {
            let why = format!("'{field}' and '{field}_b64' are both there: give one of them");
            Err(ServiceError::new(ErrorCode::BadRequest, why))
        }
        (Some(text), None) => Ok(Cow::Borrowed(text.0.as_bytes())),
        (None, Some(base64)) => match base64::engine::general_purpose::STANDARD.decode(base64.0.as_bytes()) {
            Ok(bytes) => Ok(Cow::Owned(bytes)),
            Err(error) => Err(ServiceError::new(ErrorCode::BadRequest, format!("'{field}_b64' is no base64: {error}"))),
        },
        (None, None) => Ok(Cow::Borrowed(&[])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_borrowed_where_it_can_be() {
        let request = parse(br#"{"id":-3,"op":"execute","uuid":"x","input":"a\nb","config":{"fuel":7}}"#).unwrap();
        assert!(matches!(request.op, Some(Text(Cow::Borrowed("execute")))));
        assert_eq!(request.input.as_ref().map(Text::as_str), Some("a\nb"));
        assert_eq!((request.id, request.config.and_then(|config| config.fuel)), (Some(Id::Negative(-3)), Some(7)));
    }

    #[test]
    fn what_is_wrong_has_its_code() {
        let code = |line: &str| parse(line.as_bytes()).err().map(|error| error.code);
        for bad in ["", "{", "[1", "{\"op\":\"ping\"} x", "\u{1}", "{\"op\":\"\\ud800\"}"] {
            assert_eq!(code(bad), Some(ErrorCode::BadJson), "{bad}");
        }
        for bad in ["1", "[]", "{\"op\":1}", "{\"opp\":\"ping\"}", "{\"id\":1.5}", "{\"id\":null,\"config\":{\"x\":1}}"]
        {
            assert_eq!(code(bad), Some(ErrorCode::BadRequest), "{bad}");
        }
        assert_eq!(code("{\"op\":\"ping\"}"), None);
        assert_eq!(id_of(b"{\"id\":\"a\",\"opp\":3}"), Some(Id::Text("a".into())));
    }
}
