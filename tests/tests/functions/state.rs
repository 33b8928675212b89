//! State: whole executions or nothing, whatever happens at the same time.

use crate::server::{PLAIN, Server, failure};
use anyhow::Result;
use serde_json::json;

const CLIENTS: u64 = 32;
const EACH: u64 = 10_000;

#[test]
fn thirty_two_clients_count_exactly() -> Result<()> {
    let server = Server::start(&["--threads", "3", "--sync", "never"])?;
    server.load("counter")?;
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    let mut client = server.client()?;
                    let mut last = 0;
                    for _ in 0..EACH / 50 {
                        let request = json!({"op": "execute", "uuid": "counter"});
                        let ids: Vec<u64> = (0..50).map(|_| client.send(request.clone())).collect::<Result<_, _>>()?;
                        for id in ids {
                            let count: u64 = String::from_utf8(client.receive_answer(id)?.output)?.parse()?;
                            assert!(count > last, "{count} after {last}");
                            last = count;
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        clients.into_iter().try_for_each(|client| client.join().expect("a client"))
    })?;
    let mut client = server.client()?;
    assert_eq!(client.execute("counter", b"0", &PLAIN)?.output, (CLIENTS * EACH).to_string().into_bytes());
    Ok(())
}

#[test]
fn a_failing_execution_leaves_nothing_and_neither_does_a_chain() -> Result<()> {
    let server = Server::start(&[])?;
    server.load("hostile")?;
    server.load("counter")?;
    let mut client = server.client()?;
    client.execute("hostile", b"set 5", &PLAIN)?;
    assert_eq!(failure(client.execute("hostile", b"set-and-fail", &PLAIN)).code, "plugin");
    let get = |client: &mut replicode_functions_client::Client| client.execute("hostile", b"get", &PLAIN);
    assert_eq!(get(&mut client)?.output, [5, 0, 0, 0]);
    // The counter of the first stage is as it was when a later one fails.
    client.execute("counter", b"7", &PLAIN)?;
    assert_eq!(failure(client.chain(&["counter", "hostile"], b"1", &PLAIN)).stage, Some(1));
    assert_eq!(client.execute("counter", b"0", &PLAIN)?.output, b"7");
    // The same function twice in a chain sees what it did before.
    assert_eq!(client.chain(&["counter", "counter"], b"1", &PLAIN)?.output, b"16");
    Ok(())
}

#[test]
fn state_is_looked_at_changed_shared_and_kept() -> Result<()> {
    let mut server = Server::start(&["--sync", "always"])?;
    server.load("counter")?;
    let mut client = server.client()?;
    let shared = client.request(json!({
        "op": "load", "wasm_b64": base64(&crate::server::wasm("counter")?), "name": "shared", "state": "all",
    }))?;
    assert_ne!(shared["uuid"], client.request(json!({"op": "info", "uuid": "counter"}))?["uuid"]);
    client.execute("counter", b"3", &PLAIN)?;
    client.execute("shared", b"4", &PLAIN)?;
    server.says(&["state", "counter", "set", "note", "kept"])?;
    assert_eq!(server.says(&["state", "counter", "get", "note"])?, "kept\n");
    assert_eq!(server.says(&["state", "counter", "list"])?, "count\nnote\n");
    assert_eq!(server.complains(&["state", "shared", "get", "note"])?.0, 1);
    server.stop()?;
    server.revive()?;
    assert_eq!(server.says(&["state", "counter", "get", "note"])?, "kept\n");
    assert_eq!(server.says(&["execute", "counter", "--input", "0"])?, "3");
    assert_eq!(server.says(&["execute", "shared", "--input", "0"])?, "4");
    server.says(&["state", "counter", "delete", "note"])?;
    assert_eq!(server.says(&["state", "counter", "list", "n"])?, "");
    Ok(())
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let word = group.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= group.len() { digit as char } else { '=' });
        }
    }
    text
}
