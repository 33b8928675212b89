//! HTTP/1.1 requests as bytes, and what a response consists of (RFC 9112).

use std::borrow::Cow;

use serde_json::json;

use crate::chunked::{Chunked, Seen, decode};

/// Longest request line and headers together, bytes.
const MAX_HEAD: usize = 16 * 1024;
/// Longest request body, bytes.
pub const MAX_BODY: usize = 1024 * 1024;
const MAX_HEADERS: usize = 64;

/// A complete request; it borrows from the bytes it was found in.
#[derive(Debug)]
pub struct Request<'a> {
    /// Upper case by the standard, and compared as it is.
    pub method: &'a str,
    /// Without the query; of a target in absolute form what follows the authority.
    pub path: &'a str,
    /// As long as `Content-Length` says, or all chunks together.
    pub body: Cow<'a, [u8]>,
    /// Whether the connection stays open after the response.
    pub keep_alive: bool,
    /// For `HEAD`: the response has the headers of `GET` but no body.
    pub head_only: bool,
    /// Bytes from the start of this request to the start of the next.
    pub length: usize,
}

/// What the bytes at the start of a connection's input are.
#[derive(Debug)]
pub enum Parsed<'a> {
    /// The beginning of a request; the client may be waiting to be told to send its body.
    Incomplete {
        /// It sent `Expect: 100-continue` and its headers are complete.
        wants_continue: bool,
    },
    /// Nothing that can be answered otherwise than by this, and then closing.
    Refused(Response),
    /// A request.
    Request(Request<'a>),
}

/// Status and JSON body.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Sent unless the status is 204.
    pub body: Vec<u8>,
    /// For status 405: what the resource allows.
    pub allow: Option<&'static str>,
}

impl Response {
    /// A response with this JSON value.
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self { status, body: body.to_string().into_bytes(), allow: None }
    }

    /// `{"error": message}`.
    pub fn error(status: u16, message: &str) -> Self {
        Self::json(status, &json!({ "error": message }))
    }

    /// The text that goes with the status.
    pub fn reason(&self) -> &'static str {
        match self.status {
            200 => "OK",
            201 => "Created",
            204 => "No Content",
            400 => "Bad Request",
            404 => "Not Found",
            405 => "Method Not Allowed",
            413 => "Content Too Large",
            431 => "Request Header Fields Too Large",
            501 => "Not Implemented",
            505 => "HTTP Version Not Supported",
            _ => "Unknown",
        }
    }
}

/// The headers this server cares for.
#[derive(Default)]
struct Headers {
    content_length: Option<usize>,
    /// The last coding is `chunked`, and there is no other.
    chunked: bool,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
    host: bool,
}

/// Looks at the start of `input`. Cheap for the usual short request; for a long body it looks at the head again each time,
/// and at its chunks from where `seen` is.
pub fn parse<'a>(input: &'a [u8], seen: &mut Seen) -> Parsed<'a> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let head_len = match head.parse(input) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) if input.len() > MAX_HEAD => return refuse(431, "headers are too long"),
        Ok(httparse::Status::Partial) => return Parsed::Incomplete { wants_continue: false },
        Err(httparse::Error::TooManyHeaders) => return refuse(431, "too many headers"),
        Err(httparse::Error::Version) => return refuse(505, "only HTTP/1.0 and HTTP/1.1 are spoken here"),
        Err(_) => return refuse(400, "not an HTTP request"),
    };
    if head_len > MAX_HEAD {
        return refuse(431, "headers are too long");
    }
    let (Some(method), Some(target), Some(version)) = (head.method, head.path, head.version) else {
        return refuse(400, "not an HTTP request");
    };
    if method == "CONNECT" {
        return refuse(501, "this is no proxy");
    }
    let Some(path) = path_of(target) else {
        return refuse(400, "the target is neither a path nor an http URI");
    };
    let fields = match read_headers(head.headers) {
        Ok(fields) => fields,
        Err(response) => return Parsed::Refused(response),
    };
    if version == 1 && !fields.host {
        return refuse(400, "header Host is missing");
    }
    if fields.chunked && (version == 0 || fields.content_length.is_some()) {
        // Two framings, or one that the sender cannot know: how requests get smuggled past a proxy (RFC 9112 section 6.1).
        return refuse(400, "Transfer-Encoding does not go with Content-Length or HTTP/1.0");
    }
    let incomplete = Parsed::Incomplete { wants_continue: fields.expects_continue && version == 1 };
    let (body, length) = if fields.chunked {
        match decode(input.get(head_len..).unwrap_or_default(), MAX_BODY, seen) {
            Chunked::Incomplete => return incomplete,
            Chunked::Malformed(why) => return refuse(400, why),
            Chunked::TooLong => return refuse(413, "the body is too long"),
            Chunked::Whole(body, length) => (Cow::Owned(body), head_len + length),
        }
    } else {
        let length = fields.content_length.unwrap_or(0);
        if length > MAX_BODY {
            return refuse(413, "the body is too long");
        }
        let Some(body) = input.get(head_len..head_len + length) else { return incomplete };
        (Cow::Borrowed(body), head_len + length)
    };
    let keep_alive = !fields.close && (version == 1 || fields.keep_alive);
    Parsed::Request(Request { method, path, body, keep_alive, head_only: method == "HEAD", length })
}

fn refuse(status: u16, message: &str) -> Parsed<'static> {
    Parsed::Refused(Response::error(status, message))
}

/// The path of a request target in origin, absolute or asterisk form (RFC 9112 section 3.2), without the query. The authority
/// of an absolute one counts instead of `Host`, and this server answers for all.
fn path_of(target: &str) -> Option<&str> {
    let hierarchical = match target.split_once("://") {
        Some((scheme, rest)) if !target.starts_with('/') => {
            if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
                return None;
            }
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let (authority, path) = rest.split_at(end);
            if authority.is_empty() || authority.starts_with(':') || !is_host(authority.as_bytes()) {
                return None;
            }
            if path.starts_with('/') { path } else { "/" }
        }
        _ if target.starts_with('/') || target == "*" => target,
        _ => return None,
    };
    hierarchical.split(['?', '#']).next()
}

/// Whether these can be the bytes of a host and port; no user, no path, no space (RFC 9110 sections 4.2.4 and 7.2).
fn is_host(value: &[u8]) -> bool {
    value.iter().all(|b| b.is_ascii_graphic() && !b"/?#@\\\"<>^`{|}".contains(b))
}

fn read_headers(headers: &[httparse::Header<'_>]) -> Result<Headers, Response> {
    let mut fields = Headers::default();
    let mut length = None;
    let mut codings = 0;
    for header in headers {
        let is = |name| header.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            let value =
                read_length(header.value).ok_or_else(|| Response::error(400, "Content-Length is not a number"))?;
            // Two different lengths are how requests get smuggled past a proxy.
            if length.replace(value).is_some_and(|other| other != value) {
                return Err(Response::error(400, "there are two Content-Length headers"));
            }
        } else if is("transfer-encoding") {
            for coding in header.value.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|c| !c.is_empty()) {
                codings += 1;
                if !coding.eq_ignore_ascii_case(b"chunked") {
                    return Err(Response::error(501, "of transfer codings only chunked is known here"));
                }
            }
            if codings != 1 {
                return Err(Response::error(400, "a body is chunked once"));
            }
            fields.chunked = true;
        } else if is("connection") {
            fields.close |= has_token(header.value, "close");
            fields.keep_alive |= has_token(header.value, "keep-alive");
        } else if is("expect") {
            fields.expects_continue = header.value.eq_ignore_ascii_case(b"100-continue");
        } else if is("host") {
            if fields.host {
                return Err(Response::error(400, "there are two Host headers"));
            }
            if !is_host(header.value) {
                return Err(Response::error(400, "header Host holds no host"));
            }
            fields.host = true;
        }
    }
    fields.content_length = length;
    Ok(fields)
}

/// Digits only; a number that does not fit is as good as infinite, and refused as too long.
fn read_length(value: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(value).ok()?;
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(usize::MAX))
}

fn has_token(value: &[u8], token: &str) -> bool {
    value.split(|b| *b == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(input: &str) -> (String, String, Vec<u8>, bool, usize) {
        match parse(input.as_bytes(), &mut Seen::default()) {
            Parsed::Request(r) => (r.method.into(), r.path.into(), r.body.into_owned(), r.keep_alive, r.length),
            other => panic!("{input:?} gave {other:?}"),
        }
    }

    fn refused(input: &str) -> u16 {
        match parse(input.as_bytes(), &mut Seen::default()) {
            Parsed::Refused(response) => response.status,
            other => panic!("{input:?} gave {other:?}"),
        }
    }

    #[test]
    fn a_request_ends_where_its_length_says() {
        let one = "PUT /items/a?x=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n12";
        let two = format!("{one}GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(request(&two), ("PUT".into(), "/items/a".into(), b"12".to_vec(), true, one.len()));
    }

    #[test]
    fn every_shorter_prefix_is_incomplete() {
        let whole = "PUT /items/a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n12";
        for n in 0..whole.len() {
            assert!(
                matches!(parse(&whole.as_bytes()[..n], &mut Seen::default()), Parsed::Incomplete { .. }),
                "prefix of {n} bytes"
            );
        }
    }

    #[test]
    fn keep_alive_depends_on_version_and_header() {
        assert!(request("GET / HTTP/1.1\r\nHost: h\r\n\r\n").3);
        assert!(!request("GET / HTTP/1.1\r\nHost: h\r\nConnection: x, Close\r\n\r\n").3);
        assert!(!request("GET / HTTP/1.0\r\n\r\n").3);
        assert!(request("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").3);
    }

    #[test]
    fn what_cannot_be_framed_is_refused() {
        assert_eq!(refused("nonsense\r\n\r\n"), 400);
        assert_eq!(refused("GET / HTTP/1.1\r\n\r\n"), 400);
        assert_eq!(refused("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
        assert_eq!(refused("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n"), 400);
        assert_eq!(refused("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"), 400);
        assert_eq!(refused("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1048577\r\n\r\n"), 413);
        assert_eq!(refused("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999999\r\n\r\n"), 413);
        assert_eq!(refused(&format!("GET /{} HTTP/1.1\r\n", "x".repeat(MAX_HEAD))), 431);
    }

    #[test]
    fn a_target_may_be_absolute() {
        let path = |target: &str| request(&format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n")).1;
        for (target, want) in [
            ("/items?x=http://y/z", "/items"),
            ("/http://y/z", "/http://y/z"),
            ("http://host/items/a?x", "/items/a"),
            ("HTTP://host:80/items", "/items"),
            ("https://[::1]:8080/items", "/items"),
            ("http://host", "/"),
            ("http://host?x=/y", "/"),
            ("*", "*"),
        ] {
            assert_eq!(path(target), want, "{target}");
        }
        for target in ["items", "ftp://host/x", "http:///x", "http://:80/x", "http://user@host/x", "host:80"] {
            assert_eq!(refused(&format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n")), 400, "{target}");
        }
        assert_eq!(refused("GET http://h/ HTTP/1.1\r\n\r\n"), 400, "Host must be there all the same");
        assert_eq!(refused("CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n"), 501);
        for host in ["a b", "a/b", "u@h", "h\\"] {
            assert_eq!(refused(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")), 400, "{host}");
        }
    }

    #[test]
    fn a_body_may_come_in_chunks_and_only_so_that_all_read_it_alike() {
        let head = "PUT /items/a HTTP/1.1\r\nHost: h\r\n";
        let whole = format!("{head}Transfer-Encoding: Chunked\r\n\r\n1\r\n4\r\n1;x\r\n2\r\n0\r\nT: x\r\n\r\n");
        let two = format!("{whole}GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(request(&two), ("PUT".into(), "/items/a".into(), b"42".to_vec(), true, whole.len()));
        for n in 0..whole.len() {
            assert!(
                matches!(parse(&whole.as_bytes()[..n], &mut Seen::default()), Parsed::Incomplete { .. }),
                "prefix of {n} bytes"
            );
        }
        for (status, fields) in [
            (400, "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
            (400, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
            (400, "Transfer-Encoding: chunked, chunked\r\n"),
            (400, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
            (400, "Transfer-Encoding:\r\n"),
            (400, "Transfer-Encoding : chunked\r\n"),
            (400, "X: y\r\n Transfer-Encoding: chunked\r\n"),
            (400, " X: y\r\n"),
            (400, "Content-Length: 1, 1\r\n"),
            (400, "Content-Length: +1\r\n"),
            (501, "Transfer-Encoding: gzip, chunked\r\n"),
            (501, "Transfer-Encoding: identity\r\n"),
        ] {
            assert_eq!(refused(&format!("{head}{fields}\r\n0\r\n\r\n")), status, "{fields:?}");
        }
        let bad = format!("{head}Transfer-Encoding: chunked\r\n\r\nx\r\n");
        assert_eq!(refused(&bad), 400);
        assert_eq!(refused("PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400);
        let long = format!("{head}Transfer-Encoding: chunked\r\n\r\n100001\r\n");
        assert_eq!(refused(&long), 413);
    }

    #[test]
    fn a_client_may_wait_for_continue() {
        let head = "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
        assert!(matches!(parse(head.as_bytes(), &mut Seen::default()), Parsed::Incomplete { wants_continue: true }));
    }
}
