//! What the server offers: the resources and the store behind them.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::message::{Request, Response};

/// Longest key, bytes.
const MAX_KEY: usize = 256;

/// All items, by key.
#[derive(Default)]
pub struct Store {
    items: BTreeMap<String, Value>,
}

impl Store {
    /// The response to one request.
    pub fn answer(&mut self, request: &Request<'_>) -> Response {
        let method = if request.head_only { "GET" } else { request.method };
        match (request.path, method) {
            ("/healthz", "GET") => Response::json(200, &json!({ "status": "ok" })),
            ("/time", "GET") => Response::json(200, &json!({ "unix_ms": unix_ms() })),
            ("/items", "GET") => Response::json(
                200,
                &json!({ "count": self.items.len(), "keys": self.items.keys().collect::<Vec<_>>() }),
            ),
            ("/healthz" | "/time" | "/items", _) => not_allowed("GET, HEAD"),
            (path, method) => match path.strip_prefix("/items/") {
                None => Response::error(404, "there is no such resource"),
                Some(encoded) => match decode_key(encoded) {
                    None => Response::error(400, "the key is empty, too long or not well encoded"),
                    Some(key) => self.item(key, method, &request.body),
                },
            },
        }
    }

    fn item(&mut self, key: String, method: &str, body: &[u8]) -> Response {
        match method {
            "GET" => match self.items.get(&key) {
                Some(value) => Response::json(200, value),
                None => Response::error(404, "there is no item with this key"),
            },
            "PUT" => match serde_json::from_slice::<Value>(body) {
                Ok(value) => {
                    let status = if self.items.contains_key(&key) { 200 } else { 201 };
                    let response = Response::json(status, &value);
                    self.items.insert(key, value);
                    response
                }
                Err(error) => Response::error(400, &format!("the body is not JSON: {error}")),
            },
            "DELETE" => match self.items.remove(&key) {
                Some(_) => Response { status: 204, body: Vec::new(), allow: None },
                None => Response::error(404, "there is no item with this key"),
            },
            _ => not_allowed("GET, HEAD, PUT, DELETE"),
        }
    }
}

fn not_allowed(methods: &'static str) -> Response {
    Response { allow: Some(methods), ..Response::error(405, "this resource does not allow this method") }
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Undoes percent-encoding; the key must be UTF-8 and must not be empty.
fn decode_key(encoded: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' {
            let mut digit = || rest.next().and_then(|b| char::from(b).to_digit(16));
            u8::try_from(digit()? * 16 + digit()?).ok()?
        } else {
            byte
        });
    }
    String::from_utf8(bytes).ok().filter(|key| (1..=MAX_KEY).contains(&key.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(store: &mut Store, method: &str, path: &str, body: &str) -> (u16, String) {
        let head_only = method == "HEAD";
        let body = body.as_bytes().into();
        let request = Request { method, path, body, keep_alive: true, head_only, length: 0 };
        let response = store.answer(&request);
        (response.status, String::from_utf8(response.body).unwrap_or_default())
    }

    #[test]
    fn items_are_stored_replaced_and_removed() {
        let mut s = Store::default();
        assert_eq!(ask(&mut s, "GET", "/items/a", "").0, 404);
        assert_eq!(ask(&mut s, "PUT", "/items/a", "[1, 2]"), (201, "[1,2]".into()));
        assert_eq!(ask(&mut s, "PUT", "/items/a", "3"), (200, "3".into()));
        assert_eq!(ask(&mut s, "PUT", "/items/b%2Fc", "{}").0, 201);
        assert_eq!(ask(&mut s, "GET", "/items", ""), (200, r#"{"count":2,"keys":["a","b/c"]}"#.into()));
        assert_eq!(ask(&mut s, "DELETE", "/items/a", "").0, 204);
        assert_eq!(ask(&mut s, "DELETE", "/items/a", "").0, 404);
    }

    #[test]
    fn wrong_requests_change_nothing() {
        let mut s = Store::default();
        assert_eq!(ask(&mut s, "PUT", "/items/a", "{").0, 400);
        assert_eq!(ask(&mut s, "PUT", "/items/", "1").0, 400);
        assert_eq!(ask(&mut s, "PUT", "/items/%zz", "1").0, 400);
        assert_eq!(ask(&mut s, "PUT", "/items/%ff", "1").0, 400);
        assert_eq!(ask(&mut s, "POST", "/items/a", "1").0, 405);
        assert_eq!(ask(&mut s, "DELETE", "/items", "").0, 405);
        assert_eq!(ask(&mut s, "GET", "/nothing", "").0, 404);
        assert!(s.items.is_empty());
    }
}
