//! What `kv` does when a request is larger than it takes, and when its memory is full.

use anyhow::{Context, Result};
use replicode_tests::cluster::Server;
use replicode_tests::resp::{Resp, Value};
use replicode_tests::{check, eventually, guest};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(60);

fn connect(port: u16) -> Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.set_write_timeout(Some(Duration::from_secs(20)))?;
    Ok(stream)
}

#[test]
fn kv_takes_large_requests_up_to_its_limit_and_says_so_beyond() -> Result<()> {
    let dir = tempfile::tempdir()?;
    // Many arguments, each as long as an argument may be, in one request, as Redis takes it.
    let large = ["--", "--max-bulk", "8000000"];
    let server = Server::run_kv(&guest("kv"), 6379, &dir.path().join("large"), &large)?;
    let mut resp = Resp::connect(server.port, TIMEOUT)?;
    let value = vec![b'x'; 7_000_000];
    resp.send(&[b"MSET", b"a", &value, b"b", &value, b"c", &value])?;
    assert_eq!(resp.reply()?, Value::Simple("OK".into()));
    assert_eq!(resp.command(&["STRLEN", "c"])?, Value::Integer(7_000_000));
    drop(server);

    let small = ["--", "--max-request", "1000000"];
    let server = Server::run_kv(&guest("kv"), 6379, &dir.path().join("small"), &small)?;
    let mut resp = Resp::connect(server.port, TIMEOUT)?;
    resp.send(&[b"SET", b"a", &value[..900_000]])?;
    assert_eq!(resp.reply()?, Value::Simple("OK".into()));
    let mut request = b"*7\r\n$4\r\nMSET\r\n$1\r\na\r\n$400000\r\n".to_vec();
    request.extend_from_slice(&value[..400_000]);
    request.extend_from_slice(b"\r\n$1\r\nb\r\n$700000\r\n"); // and more to come
    let mut stream = connect(server.port)?;
    stream.write_all(&request)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    assert_eq!(answer, "-ERR Protocol error: a request of more than 1000000 bytes (--max-request)\r\n");
    assert_eq!(resp.command(&["STRLEN", "a"])?, Value::Integer(900_000), "the others go on");
    Ok(())
}

fn is_oom(value: &Value) -> bool {
    *value == Value::Error("OOM command not allowed when used memory > 'maxmemory'.".into())
}

#[test]
fn kv_says_oom_to_what_does_not_fit_and_goes_on() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let limit = ["--limit", "memory_bytes=64M"];
    let mut server = Server::run_kv(&guest("kv"), 6379, &dir.path().join("kv"), &limit)?;
    let mut resp = Resp::connect(server.port, TIMEOUT)?;
    resp.command(&["SET", "precious", "data"])?;
    resp.command(&["RPUSH", "list", "one"])?;
    let value = vec![b'x'; 100_000];
    let mut fitted = 0;
    loop {
        resp.send(&[b"SET", format!("k{fitted}").as_bytes(), &value])?;
        match resp.reply()? {
            Value::Simple(_) => fitted += 1,
            other => {
                assert!(is_oom(&other), "{other:?}");
                break;
            }
        }
    }
    assert!((400..640).contains(&fitted), "{fitted} values of 100 kB in 64 MiB");

    // Reads go on, on this connection and on others; every command that stores is refused.
    assert_eq!(resp.command(&["GET", "precious"])?.text().as_deref(), Some("data"));
    assert_eq!(
        Resp::connect(server.port, TIMEOUT)?.command(&["LRANGE", "list", "0", "-1"])?,
        Value::Array(vec![Value::Bulk(Some(b"one".to_vec()))])
    );
    let long = "y".repeat(200_000);
    for request in [
        &["SET", "k0x", &long][..],
        &["MSET", "a", &long, "b", &long],
        &["APPEND", "precious", &long],
        &["RPUSH", "list", &long],
        &["HSET", "hash", "field", &long],
        &["SADD", "set", &long],
        &["SETEX", "e", "100", &long],
        &["GETSET", "precious", &long],
    ] {
        let answer = resp.command(request).with_context(|| request[0].to_string())?;
        assert!(is_oom(&answer), "{}: {answer:?}", request[0]);
    }
    // What is larger than all memory, and a reply that is: refused, and the connection goes on.
    let huge = vec![b'z'; 20_000_000];
    resp.send(&[b"SET", b"huge", &huge])?;
    assert!(is_oom(&resp.reply().context("a value that is larger than what is left")?));
    let keys: Vec<String> = (0..fitted).map(|k| format!("k{k}")).collect();
    let mget: Vec<&str> = std::iter::once("MGET").chain(keys.iter().map(String::as_str)).collect();
    assert!(is_oom(&resp.command(&mget).context("a reply that is larger than what is left")?));
    // Many connections that begin something and do not end it.
    let mut half = Vec::new();
    for _ in 0..30 {
        let mut stream = connect(server.port)?;
        stream.write_all(b"*2\r\n$4\r\nECHO\r\n$9000000\r\n")?;
        stream.write_all(&value)?;
        stream.write_all(&value)?;
        half.push(stream);
    }
    let many = [b"*1000000\r\n".as_slice(), &b"$1\r\nx\r\n".repeat(100_000)].concat();
    let mut stream = connect(server.port)?;
    stream.write_all(&many)?;
    half.push(stream);
    assert_eq!(resp.command(&["GET", "precious"])?.text().as_deref(), Some("data"));
    drop(half);
    // Deleting makes room.
    for key in &keys[..100] {
        assert_eq!(resp.command(&["DEL", key])?, Value::Integer(1));
    }
    eventually("room", TIMEOUT, || {
        let answer = resp.command(&["SET", "again", &long])?;
        check(answer == Value::Simple("OK".into()), || format!("{answer:?}"))
    })?;
    assert_eq!(resp.command(&["STRLEN", &keys[100]])?, Value::Integer(100_000));
    assert!(server.process.is_running()?, "{}", server.process.output());
    Ok(())
}

#[test]
fn kv_answers_with_a_large_old_value_only_when_the_new_one_fits_besides() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let limit = ["--limit", "memory_bytes=64M"];
    let mut server = Server::run_kv(&guest("kv"), 6379, &dir.path().join("kv"), &limit)?;
    let mut resp = Resp::connect(server.port, TIMEOUT)?;
    let (old, new, filling) = (vec![b'o'; 12_000_000], vec![b'n'; 3_000_000], vec![b'x'; 100_000]);
    resp.send(&[b"SET", b"old", &old])?;
    assert_eq!(resp.reply()?, Value::Simple("OK".into()));
    let mut filled = 0;
    loop {
        resp.send(&[b"SET", format!("k{filled}").as_bytes(), &filling])?;
        if is_oom(&resp.reply()?) {
            break;
        }
        filled += 1;
    }
    let (mut refused, mut answered) = (0, false);
    for k in 0..filled {
        if k % 8 == 0 && !answered {
            match k % 16 {
                0 => resp.send(&[b"GETSET", b"old", &new])?,
                _ => resp.send(&[b"SET", b"old", &new, b"GET"])?,
            }
            let answer =
                resp.reply().with_context(|| format!("{k} of {filled} deleted: {}", server.process.output()))?;
            answered = answer == Value::Bulk(Some(old.clone()));
            assert!(answered || is_oom(&answer), "another answer than the old value");
            refused += u32::from(!answered);
        }
        assert_eq!(resp.command(&["DEL", &format!("k{k}")])?, Value::Integer(1));
    }
    assert!(answered && refused > 5, "{refused} were refused");
    assert_eq!(resp.command(&["STRLEN", "old"])?, Value::Integer(3_000_000));
    // Where the old value ended up decides whether one of its first size fits again in one piece; this one does.
    resp.send(&[b"SET", b"again", &new])?;
    assert_eq!(resp.reply()?, Value::Simple("OK".into()));
    assert!(server.process.is_running()?, "{}", server.process.output());
    Ok(())
}

#[test]
fn kv_stores_again_after_scattered_deletes() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let limit = ["--limit", "memory_bytes=24M"];
    let server = Server::run_kv(&guest("kv"), 6379, &dir.path().join("kv"), &limit)?;
    let mut resp = Resp::connect(server.port, TIMEOUT)?;
    let value = [b'x'; 100];
    let mut keys: Vec<String> = Vec::new();
    let mut full = false;
    while !full {
        let some: Vec<String> = (0..500).map(|k| format!("k{}", keys.len() + k)).collect();
        for key in &some {
            resp.send(&[b"SET", key.as_bytes(), &value])?;
        }
        for key in some {
            match resp.reply()? {
                Value::Simple(_) => keys.push(key),
                other => {
                    assert!(is_oom(&other), "{other:?}");
                    full = true;
                }
            }
        }
    }
    assert!(keys.len() > 50_000, "{} keys of 100 bytes in 24 MiB", keys.len());
    // Scattered, but equal in every run.
    let mut state = 1_u64;
    keys.retain(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        !(state >> 33).is_multiple_of(10)
    });
    for some in keys.chunks(500) {
        let request: Vec<&[u8]> =
            std::iter::once("DEL").chain(some.iter().map(String::as_str)).map(str::as_bytes).collect();
        resp.send(&request)?;
        assert_eq!(resp.reply()?, Value::Integer(some.len() as i64));
    }
    for some in keys.chunks(500) {
        some.iter().try_for_each(|key| resp.send(&[b"SET", key.as_bytes(), &value]))?;
        for key in some {
            assert_eq!(resp.reply()?, Value::Simple("OK".into()), "{key}");
        }
    }
    Ok(())
}
