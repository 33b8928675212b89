//! `replicode sim check`: what clients of a real cluster were answered while its leader dies is explained by one order, and is
//! not with one answer changed.

use anyhow::{Context, Result};
use replicode_tests::cluster::{Cluster, replicode};
use replicode_tests::draw::Draw;
use replicode_tests::process::run;
use replicode_tests::resp::{Resp, Value};
use replicode_tests::{check, eventually, guest};
use serde_json::{Value as Json, json};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Asks until it is told to stop, and writes down what happened, with the time.
fn client(number: usize, ports: &[u16], began: Instant, (stop, answered): (&AtomicBool, &AtomicUsize)) -> Vec<Json> {
    let (mut lines, mut draw, mut connection) = (Vec::new(), Draw::new(number as u64 + 1), None);
    let (mut port, mut value) = (number, 0);
    let mut name = format!("{number}.0");
    while !stop.load(Ordering::Relaxed) {
        let Some(resp) = connection.as_mut() else {
            port += 1;
            connection = Resp::connect(ports[port % ports.len()], Duration::from_secs(3)).ok();
            // A few each millisecond are enough, and do not fill the disk with refusals.
            std::thread::sleep(Duration::from_millis(2));
            continue;
        };
        let mut note = |name: &str, mut line: Json| {
            line["client"] = json!(name);
            line["time"] = json!(began.elapsed().as_nanos() as u64);
            lines.push(line);
        };
        let key = ["a", "b", "c"][draw.below(3) as usize];
        value += 1;
        let written = format!("{number}:{value}");
        let (asked, command): (Json, Vec<&str>) = match draw.below(5) {
            0 | 1 => (json!({"op": "get", "key": key}), vec!["GET", key]),
            2 => (json!({"op": "add", "key": "n"}), vec!["INCR", "n"]),
            3 => (json!({"op": "delete", "key": key}), vec!["DEL", key]),
            _ => (json!({"op": "set", "key": key, "value": written}), vec!["SET", key, &written]),
        };
        let mut line = asked.clone();
        line["type"] = json!("invoke");
        note(&name, line);
        let answer = match (command[0], resp.command(&command)) {
            ("GET", Ok(Value::Bulk(None))) => json!({"type": "ok", "result": null}),
            ("GET", Ok(value @ Value::Bulk(_))) => json!({"type": "ok", "result": value.text()}),
            ("INCR", Ok(Value::Integer(sum))) => json!({"type": "ok", "result": sum}),
            ("DEL", Ok(Value::Integer(gone))) => json!({"type": "ok", "result": gone == 1}),
            ("SET", Ok(Value::Simple(_))) => json!({"type": "ok"}),
            (_, Ok(other)) => json!({"type": "ok", "result": format!("{other:?}")}),
            (_, Err(_)) => json!({"type": "unknown"}),
        };
        if answer["type"] == "unknown" {
            connection = None;
        } else {
            answered.fetch_add(1, Ordering::Relaxed);
        }
        note(&name, answer);
        if connection.is_none() {
            // What it has asked may still happen, so it is another client from now on.
            name = format!("{number}.{value}");
        }
    }
    lines
}

fn judged(history: &str) -> Result<(Option<i32>, Json)> {
    let mut command = replicode(&["sim", "check", "-", "--model", "kv", "--json"]);
    let output = run(&mut command, history.as_bytes(), Duration::from_secs(120))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let verdict = serde_json::from_str(&said)
        .with_context(|| format!("it said {said}{}", String::from_utf8_lossy(&output.stderr)))?;
    Ok((output.status.code(), verdict))
}

#[test]
fn one_order_explains_what_clients_were_answered_and_not_one_answer_more() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut cluster = Cluster::start_kv(&guest("kv"), 3, &dir.path().join("c"), &[])?;
    let (stop, ports, began) = (AtomicBool::new(false), cluster.ports(), Instant::now());
    let answered = AtomicUsize::new(0);
    let mut lines = std::thread::scope(|scope| -> Result<Vec<Json>> {
        let (stop, ports, answered) = (&stop, &ports, &answered);
        let run = move |number| client(number, ports, began, (stop, answered));
        let clients: Vec<_> = (0..6).map(|number| scope.spawn(move || run(number))).collect();
        // Whatever comes of this, the clients must end.
        let killed = (|| {
            let answers = |more: usize| {
                let before = answered.load(Ordering::Relaxed);
                eventually("answers", Duration::from_secs(60), || {
                    check(answered.load(Ordering::Relaxed) >= before + more, || "too few".into())
                })
            };
            answers(300)?;
            let leader = cluster.leader()?;
            cluster.kill(leader)?;
            answers(300)
        })();
        stop.store(true, Ordering::Relaxed);
        let lines = clients.into_iter().flat_map(|client| client.join().unwrap_or_default()).collect();
        killed.map(|()| lines)
    })?;
    let text = |lines: &[Json]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let (code, verdict) = judged(&text(&lines))?;
    check((code, verdict["verdict"].as_str()) == (Some(0), Some("explained")), || format!("{verdict:#}"))?;
    let operations = verdict["operations"].as_u64().context("a number of operations")?;
    check(operations >= 600, || format!("only {operations} operations: this proves nothing"))?;
    println!("{operations} operations, {} of unknown outcome", verdict["unknown"]);

    // A value that was never written, told in the middle.
    let told = |line: &Json| line["type"] == "ok" && line["result"].is_string();
    let middle = lines.len() / 2;
    let at = (middle..lines.len()).find(|at| told(&lines[*at])).context("a value that was told")?;
    lines[at]["result"] = json!("never written");
    let (code, verdict) = judged(&text(&lines))?;
    check((code, &verdict["broken"]["line"]) == (Some(1), &json!(at + 1)), || format!("line {}: {verdict:#}", at + 1))?;
    cluster.stop()
}

#[test]
fn what_cannot_be_judged_is_said() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("h.jsonl");
    let ask = |text: &str, args: &[&str]| -> Result<(Option<i32>, String)> {
        std::fs::write(&path, text)?;
        let mut command = replicode(&["sim", "check"]);
        command.arg(&path).args(args);
        let output = run(&mut command, b"", Duration::from_secs(60))?;
        let said = [output.stdout, output.stderr].concat();
        Ok((output.status.code(), String::from_utf8_lossy(&said).into_owned()))
    };
    let asked = "{\"client\":1,\"type\":\"invoke\",\"op\":\"get\"}\n";
    let (code, said) = ask(&format!("{asked}{asked}"), &["--model", "kv"])?;
    check(code == Some(2) && said.contains("line 2: client 1 asks while it waits"), || format!("{code:?}: {said}"))?;
    let (code, said) = ask(asked, &["--model", "stack"])?;
    check(code == Some(2) && said.contains("possible values: kv"), || format!("{code:?}: {said}"))?;
    let (code, said) = ask("", &["--model", "kv"])?;
    check(code == Some(0) && said.contains("0 operations"), || format!("{code:?}: {said}"))?;
    // Everything overlaps with everything.
    let mut text = String::new();
    for number in 0..40 {
        text += &format!("{{\"client\":{number},\"type\":\"invoke\",\"op\":\"push\",\"value\":{number}}}\n");
    }
    for number in 0..40 {
        text += &format!("{{\"client\":{number},\"type\":\"ok\"}}\n");
    }
    text += "{\"client\":0,\"type\":\"invoke\",\"op\":\"pop\"}\n{\"client\":0,\"type\":\"ok\",\"result\":99}\n";
    let (code, said) = ask(&text, &["--model", "queue", "--steps", "10000"])?;
    check(code == Some(3) && said.contains("raise --steps"), || format!("{code:?}: {said}"))?;
    std::fs::remove_file(&path)?;
    let output = run(replicode(&["sim", "check", "--model", "kv"]).arg(&path), b"", Duration::from_secs(60))?;
    check(output.status.code() == Some(2), || format!("{output:?}"))
}
