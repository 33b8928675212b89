//! Where the `http` guest sees a request end (RFC 9112): absolute targets, bodies in chunks, and what must be refused.

use anyhow::{Context, Result};
use replicode_tests::cluster::replicode;
use replicode_tests::process::{Process, run};
use replicode_tests::{check, eventually, free_ports, guest};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(60);

fn connect(port: u16) -> Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    Ok(stream)
}

/// Everything that comes back until the server ends the connection.
fn exchange(port: u16, parts: &[&[u8]]) -> Result<String> {
    let mut stream = connect(port)?;
    for part in parts {
        stream.write_all(part)?;
    }
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        // What was refused may lie unread, and then the end is a reset.
        Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => Err(error.into()),
        _ => Ok(String::from_utf8_lossy(&answer).into_owned()),
    }
}

fn status(answer: &str) -> &str {
    answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).unwrap_or(answer)
}

fn curl(args: &[&str], input: &[u8]) -> Result<String> {
    let output = run(Command::new("curl").args(["-sS", "-m", "10", "-w", " %{http_code}"]).args(args), input, TIMEOUT)?;
    String::from_utf8(output.stdout).context("curl printed no text")
}

#[test]
fn http_reads_absolute_targets_and_chunked_bodies_and_refuses_what_two_readers_would_read_differently() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let port = free_ports(1);
    let mut command = replicode(&["run"]);
    command.arg(guest("http")).args(["--publish", &format!("{port}:8080"), "--data"]).arg(dir.path().join("data"));
    let _server = Process::start(&mut command, &dir.path().join("log"))?;
    let url = format!("http://127.0.0.1:{port}");
    eventually("the http guest", TIMEOUT, || {
        let answer = curl(&[&format!("{url}/healthz")], b"")?;
        check(answer.ends_with(" 200"), || answer)
    })?;

    // A client that does not know the length beforehand, and one that believes this is its proxy.
    let item = format!("{url}/items/a");
    let long = format!("\"{}\"", "x".repeat(300_000));
    assert_eq!(curl(&["-T", "-", "-H", "Transfer-Encoding: chunked", &item], long.as_bytes())?, format!("{long} 201"));
    let through = format!("127.0.0.1:{port}");
    assert_eq!(curl(&["-x", &through, "http://example.org/items/a?x=y"], b"")?, format!("{long} 200"));
    let put = ["-x", &through, "-T", "-", "-H", "Transfer-Encoding: chunked", "http://example.org/items/b"];
    assert_eq!(curl(&put, b"[1, 2]")?, "[1,2] 201");

    // Cut in two at every place: the same answers.
    let head = "PUT http://example.org/items/c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let body = "1;a=b\r\n4\r\nA\r\n2         \r\n0\r\nTrailer: t\r\n\r\n";
    let next = "GET /items/c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let whole = format!("{head}{body}{next}");
    for at in (0..whole.len()).step_by(7).chain(head.len()..whole.len()) {
        let (first, second) = whole.as_bytes().split_at(at);
        let answer = exchange(port, &[first, second])?;
        assert_eq!(
            (answer.matches("HTTP/1.1 20").count(), answer.matches("\r\n\r\n42").count()),
            (2, 2),
            "{at}: {answer}"
        );
    }

    let put = "PUT /items/z HTTP/1.1\r\nHost: x\r\n";
    let chunked = "Transfer-Encoding: chunked\r\n";
    for (want, request) in [
        ("400", format!("{put}{chunked}Content-Length: 6\r\n\r\n1\r\n1\r\n0\r\n\r\n")),
        ("400", format!("{put}Content-Length: 6\r\n{chunked}\r\n1\r\n1\r\n0\r\n\r\n")),
        ("400", format!("{put}{chunked}{chunked}\r\n1\r\n1\r\n0\r\n\r\n")),
        ("400", format!("PUT /items/z HTTP/1.0\r\n{chunked}\r\n1\r\n1\r\n0\r\n\r\n")),
        ("501", format!("{put}Transfer-Encoding: gzip, chunked\r\n\r\n")),
        ("400", format!("{put}Transfer-Encoding : chunked\r\n\r\n")),
        ("400", format!("{put}X: a\r\n folded\r\nContent-Length: 1\r\n\r\n1")),
        ("400", format!("{put}Content-Length: 1\r\nContent-Length: 2\r\n\r\n1")),
        ("400", format!("{put}{chunked}\r\n-1\r\n")),
        ("400", format!("{put}{chunked}\r\n0x1\r\n")),
        ("400", format!("{put}{chunked}\r\n1\n1\r\n")),
        ("400", format!("{put}{chunked}\r\n1\r\n12\r\n")),
        ("400", format!("{put}{chunked}\r\n0\r\nX: a\r\n folded\r\n\r\n")),
        ("413", format!("{put}{chunked}\r\nffffffffffffffffffff\r\n")),
        ("400", "GET /items HTTP/1.1\r\n\r\n".to_string()),
        ("400", "GET http://x/items HTTP/1.1\r\n\r\n".to_string()),
        ("400", "GET ftp://x/items HTTP/1.1\r\nHost: x\r\n\r\n".to_string()),
        ("400", "GET items HTTP/1.1\r\nHost: x\r\n\r\n".to_string()),
        ("400", "GET /items HTTP/1.1\r\nHost: x/y\r\n\r\n".to_string()),
        ("501", "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n".to_string()),
    ] {
        // Refused, and what follows is not taken for a request.
        let answer = exchange(port, &[request.as_bytes()])?;
        assert_eq!(status(&answer), want, "{request:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{request:?}: {answer}");
    }
    assert!(curl(&[&format!("{url}/items/z")], b"")?.ends_with(" 404"), "none of them stored anything");
    Ok(())
}
