//! What clients are answered: every limit at its edge, every bad request by its status, and the command lines.

#![allow(clippy::unwrap_used)]

use replicode_stm_service::client::{Ask, Failure, Session, Told};
use replicode_stm_service::proto::counter_client::CounterClient;
use replicode_stm_service::proto::{
    Answer, BatchRequest, GetRequest, IncrementRequest, IncrementStatus, OpenRequest, Operation, RootRequest, answer,
    operation,
};
use replicode_stm_service::rpc::MAX_MESSAGE;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use tonic::Code;
use tonic::transport::Channel;

struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(data: &Path, more: &[&str]) -> Server {
        let mut child = command(data, more).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = format!("http://{}", line.trim().strip_prefix("listening on ").unwrap());
        Server { child, address }
    }
    async fn client(&self) -> CounterClient<Channel> {
        CounterClient::connect(self.address.clone()).await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(data: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stm-counter-server"));
    command.args(["--listen", "127.0.0.1:0", "--data"]).arg(data).args(more);
    command
}

/// Runs a server that is not expected to start.
fn refused(data: &Path, more: &[&str]) -> (i32, String) {
    let out = command(data, more).output().unwrap();
    (out.status.code().unwrap(), String::from_utf8_lossy(&out.stderr).into_owned())
}

fn inc(key: &str, by: i64, session: u64, sequence: u64) -> IncrementRequest {
    IncrementRequest { key: key.to_string(), by, session, sequence }
}

fn operation(r: IncrementRequest) -> Operation {
    Operation { kind: Some(operation::Kind::Increment(r)) }
}

fn get(key: &str) -> Operation {
    Operation { kind: Some(operation::Kind::Get(GetRequest { key: key.to_string() })) }
}

fn statuses(answers: &[Answer]) -> Vec<IncrementStatus> {
    let one = |a: &Answer| match &a.kind {
        Some(answer::Kind::Increment(i)) => i.status(),
        other => panic!("{other:?}"),
    };
    answers.iter().map(one).collect()
}

async fn code(client: &mut CounterClient<Channel>, r: IncrementRequest) -> (Code, String) {
    match client.increment(r).await {
        Ok(_) => (Code::Ok, String::new()),
        Err(why) => (why.code(), why.message().to_string()),
    }
}

#[tokio::test]
async fn limits_hold_at_their_edges() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["--max-key-bytes", "8", "--max-batch", "3", "--max-keys", "2", "--max-sessions", "2"];
    let server = Server::start(dir.path(), &args);
    let mut c = server.client().await;
    let opened = c.open(OpenRequest {}).await.unwrap().into_inner();
    assert_eq!((opened.session, opened.remembered), (1, 2));

    // Keys: 0, 8 and 9 bytes.
    assert_eq!(code(&mut c, inc("12345678", 1, 1, 1)).await.0, Code::Ok);
    let (status, why) = code(&mut c, inc("123456789", 1, 1, 2)).await;
    assert_eq!((status, why.as_str()), (Code::InvalidArgument, "a key of 9 bytes: at least 1, at most 8"));
    assert_eq!(code(&mut c, inc("", 1, 1, 2)).await.0, Code::InvalidArgument);
    assert_eq!(c.get(GetRequest { key: String::new() }).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(c.get(GetRequest { key: "ä".repeat(5) }).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(c.get(GetRequest { key: "ä".repeat(4) }).await.unwrap().into_inner().value, 0);

    // Batches of 3 and 4, and one with an empty operation: refused as a whole, before anything is done.
    let three = vec![operation(inc("a", 1, 1, 2)), get("a"), operation(inc("a", 1, 1, 3))];
    let four = BatchRequest { operations: [three.clone(), vec![get("a")]].concat() };
    let why = c.batch(four.clone()).await.unwrap_err();
    assert_eq!((why.code(), why.message()), (Code::InvalidArgument, "a batch of 4 operations: at most 3"));
    let mut stream = c.stream(tokio_stream::iter([four])).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap_err().code(), Code::InvalidArgument);
    let hollow = BatchRequest { operations: vec![operation(inc("a", 1, 1, 2)), Operation { kind: None }] };
    assert_eq!(c.batch(hollow).await.unwrap_err().code(), Code::InvalidArgument);
    let answers = c.batch(BatchRequest { operations: three }).await.unwrap().into_inner().answers;
    assert_eq!(answers.len(), 3);
    assert_eq!(c.get(GetRequest { key: "a".into() }).await.unwrap().into_inner().value, 2, "nothing happened before");
    assert!(c.batch(BatchRequest { operations: vec![] }).await.unwrap().into_inner().answers.is_empty());

    // A message beyond every limit, which the library refuses before we see it: not the code of a sum out of range.
    let huge = GetRequest { key: "k".repeat(MAX_MESSAGE + 1) };
    let why = c.get(huge.clone()).await.unwrap_err();
    assert_eq!(why.code(), Code::ResourceExhausted, "{why}");
    assert!(why.message().contains("a message of more than 16777216 bytes"), "{why}");
    let huge = BatchRequest { operations: vec![Operation { kind: Some(operation::Kind::Get(huge)) }] };
    assert_eq!(c.batch(huge.clone()).await.unwrap_err().code(), Code::ResourceExhausted);
    let mut stream = c.stream(tokio_stream::iter([huge])).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap_err().code(), Code::ResourceExhausted);

    // Keys: there are two.
    let (status, why) = code(&mut c, inc("b", 1, 1, 4)).await;
    assert_eq!(status, Code::ResourceExhausted, "{why}");
    let again = vec![operation(inc("b", 1, 1, 4)), operation(inc("a", 1, 1, 5)), operation(inc("c", 1, 1, 6))];
    let answers = c.batch(BatchRequest { operations: again }).await.unwrap().into_inner().answers;
    assert_eq!(statuses(&answers), [IncrementStatus::NoRoom, IncrementStatus::Applied, IncrementStatus::NoRoom]);
}

#[tokio::test]
async fn sessions_numbers_and_sums() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path(), &["--max-sessions", "2"]);
    let mut c = server.client().await;
    assert_eq!(code(&mut c, inc("a", 1, 0, 1)).await.0, Code::InvalidArgument, "no session");
    assert_eq!(code(&mut c, inc("a", 1, 1, 1)).await.0, Code::NotFound, "never opened");
    assert_eq!(c.open(OpenRequest {}).await.unwrap().into_inner().session, 1);
    assert_eq!(code(&mut c, inc("a", 1, 1, 0)).await.0, Code::InvalidArgument, "numbers begin at 1");
    assert_eq!(code(&mut c, inc("a", 1, 1, 2)).await.0, Code::FailedPrecondition, "a gap");
    assert_eq!(code(&mut c, inc("a", i64::MAX, 1, 1)).await.0, Code::Ok);
    assert_eq!(code(&mut c, inc("a", i64::MAX, 1, 1)).await.0, Code::Ok, "a repetition");
    let (status, why) = code(&mut c, inc("a", 1, 1, 2)).await;
    assert_eq!(status, Code::OutOfRange, "{why}");

    // Decided is decided, over a crash, and although it would fit now.
    assert_eq!(code(&mut c, inc("a", -9, 1, 3)).await.0, Code::Ok);
    let root = c.root(RootRequest {}).await.unwrap().into_inner();
    drop(server);
    server = Server::start(dir.path(), &["--threads", "1"]);
    let mut c = server.client().await;
    assert_eq!(c.root(RootRequest {}).await.unwrap().into_inner(), root);
    assert_eq!(code(&mut c, inc("a", 1, 1, 2)).await.0, Code::OutOfRange);
    assert_eq!(c.get(GetRequest { key: "a".into() }).await.unwrap().into_inner().value, i64::MAX - 9);

    // Two more sessions push the first one out; what it repeats is refused, not counted again.
    assert_eq!(c.open(OpenRequest {}).await.unwrap().into_inner().session, 2);
    assert_eq!(c.open(OpenRequest {}).await.unwrap().into_inner().session, 3);
    let (status, why) = code(&mut c, inc("a", i64::MIN, 1, 1)).await;
    assert_eq!(status, Code::FailedPrecondition);
    assert!(why.contains("2 others were used since"), "{why}");
    let mut lost = Session::resume(server.address.clone(), 1, 4);
    let why = lost.ask(&[Ask::Increment("a".into(), 1)]).await.unwrap_err();
    assert!(matches!(why, Failure::Lost(_)), "{why}");
    assert_eq!(c.get(GetRequest { key: "a".into() }).await.unwrap().into_inner().value, i64::MAX - 9);

    // The library's session tells refusals apart and goes on after them.
    let mut session = Session::open(server.address.clone()).await.unwrap();
    let told =
        session.ask(&[Ask::Increment("a".into(), 10), Ask::Increment("a".into(), 9), Ask::Get("a".into())]).await;
    assert_eq!(told.unwrap(), [Told::Overflow, Told::Counted, Told::Value(i64::MAX)]);
    let long = session.ask(&[Ask::Get("k".repeat(257))]).await.unwrap_err();
    assert!(matches!(&long, Failure::Refused(why) if why.code() == Code::InvalidArgument), "{long}");
}

#[test]
fn the_server_says_why_it_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("log");
    let server = Server::start(&data, &["--max-keys", "7"]);
    let (code, why) = refused(&data, &[]);
    assert_eq!(code, 1);
    assert!(why.contains("another server has it"), "{why}");
    drop(server);
    let (code, why) = refused(&data, &["--max-keys", "8"]);
    assert_eq!(code, 1);
    assert!(why.contains("made for 7 keys, not 8"), "{why}");
    drop(Server::start(&data, &["--max-keys", "7"]));

    for (option, value, word) in [
        ("--threads", "0", "0 threads"),
        ("--max-keys", "0", "keys of 0"),
        ("--max-sessions", "99999999", "at most 16777216"),
        ("--max-key-bytes", "1025", "at most 1024"),
        ("--max-batch", "0", "at least 1"),
        ("--segment-bytes", "many", "invalid value"),
    ] {
        let (code, why) = refused(&dir.path().join("new"), &[option, value]);
        assert_eq!(code, 2, "{option}: {why}");
        assert!(why.contains(word), "{option}: {why}");
    }
    assert!(!dir.path().join("new").exists(), "wrong usage leaves nothing behind");

    // A flipped bit in an acknowledged block, the last one even.
    let segment = data.join("000000000001.log");
    let clean = std::fs::read(&segment).unwrap();
    let server = Server::start(&data, &[]);
    assert!(client(&server.address, &["increment", "a"]).status.success());
    drop(server);
    let mut bytes = std::fs::read(&segment).unwrap();
    assert!(bytes.len() > clean.len());
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&segment, &bytes).unwrap();
    let (code, why) = refused(&data, &[]);
    assert_eq!(code, 1);
    assert!(why.contains("000000000001.log is damaged at byte"), "{why}");
    assert_eq!(std::fs::read(&segment).unwrap(), bytes, "nothing was changed");

    // Somebody else's folder.
    let other = dir.path().join("photos");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("cat.jpg"), "meow").unwrap();
    let (code, why) = refused(&other, &[]);
    assert_eq!(code, 1);
    assert!(why.contains("holds cat.jpg and no counter log"), "{why}");
}

fn client(address: &str, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stm-counter-client")).args(["--server", address]).args(args).output().unwrap()
}

#[test]
fn the_client_prints_results_and_ends_with_the_right_code() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let run = |args: &[&str]| {
        let out = client(&server.address, args);
        let text = |b: &[u8]| String::from_utf8_lossy(b).trim().to_string();
        (out.status.code().unwrap(), text(&out.stdout), text(&out.stderr))
    };
    assert_eq!(run(&["increment", "a", "-5"]), (0, "counted".into(), String::new()));
    assert_eq!(run(&["get", "a"]), (0, "-5".into(), String::new()));
    assert_eq!(run(&["get", "a", "--json"]).1, r#"{"key":"a","value":-5}"#);
    let (code, _, why) = run(&["increment", "a", "-9223372036854775808"]);
    assert_eq!(code, 1);
    assert!(why.contains("a was not changed"), "{why}");
    let (code, _, why) = run(&["get", ""]);
    assert_eq!(code, 1);
    assert!(why.contains("a key of 0 bytes"), "{why}");
    let (code, text, _) = run(&["root", "--json"]);
    assert_eq!(code, 0);
    let root: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(root["root"].as_str().map(str::len), Some(64), "{root}");
    let (code, text, _) = run(&["load", "--seconds", "0", "--json"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(run(&["frobnicate"]).0, 2);
    assert_eq!(run(&["--help"]).0, 0);
    // The port of a server that is gone.
    let address = server.address.clone();
    drop(server);
    let out = client(&address, &["get", "a"]);
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stderr).contains(&address["http://".len()..]), "{out:?}");
}
