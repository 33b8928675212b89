//! Tenants: what one has does not exist for another, and what one does costs another no more than its share.

use crate::server::{PLAIN, Server, TIMEOUT, failure, wasm, wasm_path};
use anyhow::{Context, Result};
use replicode_functions_client::{Client, ClientError, Config, FrameClient};
use replicode_tests::{check, eventually};
use serde_json::{Value, json};

/// A server with tenants `a` and `b`, known by the tokens `token a` and `token b`.
fn server(quotas: &str, limits: &str, arguments: &[&str]) -> Result<Server> {
    let dir = tempfile::tempdir()?;
    let digest = |name: &str| blake3::hash(format!("token {name}").as_bytes()).to_hex();
    let mut text = String::new();
    for name in ["a", "b"] {
        text += &format!("[tenant.{name}]\ntoken_blake3 = \"{}\"\nquotas = {{ {quotas} }}\n", digest(name));
    }
    let file = dir.path().join("tenants.toml");
    std::fs::write(&file, text)?;
    let path = file.display().to_string();
    let arguments: Vec<&str> = arguments.iter().copied().chain(["--tenants", path.as_str()]).collect();
    let mut server = Server::with_limits(limits, &arguments)?;
    server.keep(dir);
    Ok(server)
}

fn client(server: &Server, name: &str) -> Result<Client> {
    let mut client = Client::connect_as(server.socket(), Some(&format!("token {name}")))?;
    client.set_timeout(Some(TIMEOUT));
    Ok(client)
}

fn code<T: std::fmt::Debug>(result: Result<T, ClientError>) -> String {
    match result {
        Ok(_) => "ok".into(),
        Err(error) => failure::<()>(Err(error)).code,
    }
}

#[test]
fn what_another_tenant_has_does_not_exist() -> Result<()> {
    let mut server = server("", "", &[])?;
    let mut uuids = Vec::new();
    for name in ["a", "b"] {
        let mut client = client(&server, name)?;
        uuids.push(client.load(&wasm("counter")?, Some("counter"))?);
        client.request(json!({"op": "load", "path": wasm_path("hostile"), "name": format!("only-{name}")}))?;
    }
    assert_ne!(uuids[0], uuids[1]);
    let own = server.load("counter")?;
    assert!(!uuids.contains(&own));
    let (mut a, mut b, mut mine) = (client(&server, "a")?, client(&server, "b")?, server.client()?);
    // State: each counts for itself, also in a namespace of the same name.
    for (client, times) in [(&mut a, 3), (&mut b, 5), (&mut mine, 7)] {
        for count in 1..=times {
            assert_eq!(client.execute("counter", b"", &PLAIN)?.output, count.to_string().into_bytes());
        }
        let load = json!({"op": "load", "path": wasm_path("counter"), "name": "shared", "state": "space"});
        client.request(load)?;
        assert_eq!(client.execute("shared", b"", &PLAIN)?.output, b"1");
    }
    // Names and numbers, in every operation.
    for foreign in [uuids[0].as_str(), "only-a", own.as_str()] {
        for request in [
            json!({"op": "execute", "uuid": foreign}),
            json!({"op": "chain", "uuids": ["counter", foreign]}),
            json!({"op": "info", "uuid": foreign}),
            json!({"op": "logs", "uuid": foreign}),
            json!({"op": "unload", "uuid": foreign}),
            json!({"op": "state", "uuid": foreign, "get": "count"}),
            json!({"op": "state", "uuid": foreign, "set": "count", "value": "9"}),
            json!({"op": "state", "uuid": foreign, "list": ""}),
        ] {
            let failure = failure(b.request(request.clone()));
            assert_eq!(failure.code, "not_found", "{request}");
            assert!(!failure.message.contains("did you mean 'only-a'"), "{}", failure.message);
        }
    }
    let mut frames = FrameClient::connect_as(server.socket(), Some("token b"))?;
    assert_eq!(code(frames.execute(&uuids[0], b"", &PLAIN)), "not_found");
    assert_eq!(frames.execute(&uuids[1], b"", &PLAIN)?.0, b"6");
    // A function finds only its own tenant's when it calls.
    let names = |client: &mut Client| -> Result<Vec<Value>> {
        Ok(client.list()?.into_iter().map(|function| function["name"].clone()).collect())
    };
    assert_eq!(names(&mut a)?, ["counter", "only-a", "shared"]);
    assert_eq!(names(&mut b)?, ["counter", "only-b", "shared"]);
    assert_eq!(names(&mut mine)?, ["counter", "shared"]);
    // Statistics.
    let stats = a.request(json!({"op": "stats"}))?;
    assert_eq!((&stats["executions"], &stats["functions"], &stats["threads"]), (&json!(4), &json!(3), &Value::Null));
    let whole = mine.request(json!({"op": "stats"}))?;
    assert_eq!((&whole["executions"], &whole["functions"]), (&json!(19), &json!(8)));
    assert!(stats["state_bytes"].as_u64() > Some(0) && stats["state_bytes"].as_u64() < whole["state_bytes"].as_u64());
    // And all of it after a start.
    server.stop()?;
    server.revive()?;
    let (mut a, mut b) = (client(&server, "a")?, client(&server, "b")?);
    assert_eq!(names(&mut a)?, ["counter", "only-a", "shared"]);
    assert_eq!(a.execute("counter", b"", &PLAIN)?.output, b"4");
    assert_eq!(b.execute("counter", b"", &PLAIN)?.output, b"7");
    assert_eq!(a.request(json!({"op": "stats"}))?["state_bytes"], stats["state_bytes"]);
    // One who unloads takes nothing away from others, though the bytes are the same.
    a.unload("counter")?;
    assert_eq!(b.execute("counter", b"", &PLAIN)?.output, b"8");
    Ok(())
}

#[test]
fn who_somebody_is_says_the_system_or_a_token() -> Result<()> {
    let server = server("", "", &[])?;
    assert!(matches!(Client::connect_as(server.socket(), Some("token c")), Err(ClientError::Failed(_))));
    let mut a = client(&server, "a")?;
    assert_eq!(a.request(json!({"op": "hello"}))?["tenant"], "a");
    for wrong in
        [json!({"tenant": "b"}), json!({"tenant": ""}), json!({"token": "x"}), json!({"token": "x", "tenant": "b"})]
    {
        let mut request = json!({"op": "hello"});
        if let (Some(request), Value::Object(wrong)) = (request.as_object_mut(), wrong) {
            request.extend(wrong);
        }
        assert_eq!(failure(a.request(request)).code, "bad_request");
    }
    a.load(&wasm("echo")?, Some("echo"))?;
    // The server's own user is whoever it wants to be.
    let mut mine = server.client()?;
    assert_eq!(mine.request(json!({"op": "hello"}))?["tenant"], "");
    assert_eq!(failure(mine.request(json!({"op": "hello", "tenant": "nobody"}))).code, "bad_request");
    assert_eq!(mine.request(json!({"op": "hello", "tenant": "a"}))?["tenant"], "a");
    assert_eq!(mine.execute("echo", b"x", &PLAIN)?.output, b"x");
    let listed = server.says(&["list", "--as", "a"])?;
    assert!(listed.contains("echo") && !server.says(&["list"])?.contains("echo"), "{listed}");
    let token = server.dir.path().join("token");
    std::fs::write(&token, "token a\n")?;
    let token = token.display().to_string();
    assert_eq!(server.says(&["execute", "echo", "--input", "y", "--token-file", &token])?, "y");
    Ok(())
}

#[test]
fn another_user_is_another_tenant() -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        // Only root can be somebody else.
        return Ok(());
    }
    let group = nix::unistd::Group::from_gid(65534.into())?.context("a group for nobody")?.name;
    let server = Server::start(&["--group", &group])?;
    server.load("echo")?;
    // Somebody else has to get there.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(server.dir.path(), open)?;
    let script = "
import os, sys
sys.path.insert(0, sys.argv[1])
import replicode_fn
os.setgroups([]); os.setgid(65534); os.setuid(4001)
with replicode_fn.Client(sys.argv[2], timeout=60) as client:
    print(client.request(op='hello')['tenant'], [f['name'] for f in client.list()])
    try:
        client.execute('echo')
    except replicode_fn.Failed as failed:
        print(failed.code)
    try:
        client.request(op='hello', tenant='')
    except replicode_fn.Failed as failed:
        print(failed.code)
";
    let clients = tempfile::tempdir()?;
    std::fs::set_permissions(clients.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let client = replicode_tests::root().join("runtime/functions/clients/python/replicode_fn.py");
    std::fs::copy(client, clients.path().join("replicode_fn.py"))?;
    let mut python = std::process::Command::new("python3");
    python.args(["-B", "-c", script]).arg(clients.path()).arg(server.socket());
    let said = replicode_tests::process::run(&mut python, b"", TIMEOUT)?;
    let words = String::from_utf8_lossy(&said.stdout);
    assert_eq!(words.trim(), "uid:4001 []\nnot_found\nbad_request", "{}", String::from_utf8_lossy(&said.stderr));
    assert!(server.says(&["list", "--as", "uid:4001"])?.lines().count() == 1);
    Ok(())
}

#[test]
fn each_quota_holds_below_at_and_above_it() -> Result<()> {
    let echo = wasm("echo")?.len();
    let quotas = format!(
        "functions = 2, modules_bytes = {}, state_bytes = 500, in_flight = 2, connections = 3",
        echo + wasm("hostile")?.len()
    );
    let server = server(&quotas, "", &[])?;
    let mut a = client(&server, "a")?;
    // Functions, and bytes of modules: exactly so many.
    a.load(&wasm("echo")?, Some("echo"))?;
    assert_eq!(code(a.load(&[wasm("hostile")?, vec![0, 3, 1, b'x', 0]].concat(), Some("hostile"))), "overloaded");
    a.load(&wasm("hostile")?, Some("hostile"))?;
    assert_eq!(code(a.load(&wasm("counter-c")?, Some("more"))), "overloaded");
    a.load(&wasm("echo")?, Some("again"))?;
    // State: a key counts 64 bytes more than it has, and the namespace's sixteen.
    let mut set = |bytes: usize| {
        let value = "v".repeat(bytes);
        code(a.request(json!({"op": "state", "uuid": "hostile", "set": "k", "value": value})))
    };
    let most = 500 - 64 - 16 - 1;
    assert_eq!((set(most - 1), set(most), set(most + 1)), ("ok".into(), "ok".into(), "state_conflict".into()));
    assert_eq!(code(a.execute("hostile", b"set 1", &PLAIN)), "state_conflict");
    a.request(json!({"op": "state", "uuid": "hostile", "delete": "k"}))?;
    assert_eq!(code(a.execute("hostile", b"set 1", &PLAIN)), "ok");
    // Executions in flight, over all connections.
    let loops = json!({"op": "execute", "uuid": "hostile", "input": "loop", "config": {"timeout_ms": 600_000}});
    let mut other = client(&server, "a")?;
    let (one, two) = (a.send(loops.clone())?, other.send(loops.clone())?);
    eventually("both to run", TIMEOUT, || {
        let stats = server.client()?.request(json!({"op": "stats"}))?;
        check(stats["in_flight"] == 2, || stats.to_string())
    })?;
    assert_eq!(code(a.request(loops)), "busy");
    assert_eq!(code(a.execute("hostile", b"spin 1", &PLAIN)), "ok");
    a.request(json!({"op": "cancel", "target": one}))?;
    other.request(json!({"op": "cancel", "target": two}))?;
    // Connections.
    let third = client(&server, "a")?;
    let refused = Client::connect_as(server.socket(), Some("token a"));
    assert!(matches!(&refused, Err(ClientError::Failed(failure)) if failure.code == "overloaded"), "{refused:?}");
    drop(third);
    eventually("a place", TIMEOUT, || client(&server, "a").map(drop))?;
    // Others have quotas of their own.
    let mut b = client(&server, "b")?;
    b.load(&wasm("echo")?, Some("echo"))?;
    assert_eq!(b.execute("echo", b"x", &PLAIN)?.output, b"x");
    Ok(())
}

#[test]
fn fuel_flows_in_at_a_rate() -> Result<()> {
    let server = server("fuel_per_second = 20000000", "", &[])?;
    let (mut a, mut b) = (client(&server, "a")?, client(&server, "b")?);
    for client in [&mut a, &mut b] {
        client.load(&wasm("hostile")?, Some("hostile"))?;
    }
    // Far more than a second's share: it is executed, in its time, and costs what it costs.
    let long = Config { timeout_ms: Some(60_000), ..PLAIN };
    let began = std::time::Instant::now();
    let burnt = a.execute("hostile", b"spin 10000000", &long)?.fuel;
    assert!(burnt > 40_000_000, "{burnt}");
    let least = (burnt as f64 - 22_000_000.0) / 20_000_000.0;
    assert!(began.elapsed().as_secs_f64() > least, "{burnt} units in {:?}", began.elapsed());
    // One who is in debt is told when to come again; another tenant is not.
    let mut refused = None;
    for _ in 0..100_000 {
        if let Err(error) = a.execute("hostile", b"spin 5000", &PLAIN) {
            refused = Some(failure::<()>(Err(error)));
            break;
        }
    }
    let refused = refused.context("it never had to rest")?;
    assert!(refused.code == "busy" && refused.message.contains("20000000 units of fuel a second"), "{refused:?}");
    b.execute("hostile", b"spin 20000", &PLAIN)?;
    eventually("fuel to flow in", TIMEOUT, || Ok(a.execute("hostile", b"spin 1", &PLAIN).map(drop)?))
}

#[test]
fn one_who_floods_leaves_room_for_others() -> Result<()> {
    let server = server("", "queue = 8\n", &["--threads", "1"])?;
    let (mut a, mut b) = (client(&server, "a")?, client(&server, "b")?);
    for client in [&mut a, &mut b] {
        client.load(&wasm("hostile")?, Some("hostile"))?;
    }
    let loops = json!({"op": "execute", "uuid": "hostile", "input": "loop", "config": {"timeout_ms": 600_000}});
    let ids: Vec<u64> = (0..20).map(|_| a.send(loops.clone())).collect::<Result<_, _>>()?;
    // Half of the queue is its share while there are others.
    let mut refused = 0;
    for id in &ids[4..] {
        assert_eq!(code(a.receive(*id)), "overloaded");
        refused += 1;
    }
    assert_eq!(refused, 16);
    // What takes long gets its turns beside four that never end, and what is short needs none.
    let long = Config { timeout_ms: Some(120_000), ..PLAIN };
    assert!(!b.execute("hostile", b"spin 20000000", &long)?.output.is_empty());
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| -> Result<()> {
        let flood = || -> Result<()> {
            let mut a = client(&server, "a")?;
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                let one = json!({"op": "execute", "uuid": "hostile", "input": "spin 5000"});
                let ids: Vec<u64> = (0..64).map(|_| a.send(one.clone())).collect::<Result<_, _>>()?;
                ids.into_iter().try_for_each(|id| a.receive(id).map(drop))?;
            }
            Ok(())
        };
        let floods: Vec<_> = (0..8).map(|_| scope.spawn(flood)).collect();
        for _ in 0..100 {
            assert_eq!(b.execute("hostile", b"spin 1", &PLAIN)?.output, b"0");
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        floods.into_iter().try_for_each(|flood| flood.join().expect("a flood"))
    })
}
