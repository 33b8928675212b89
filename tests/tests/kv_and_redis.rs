//! `kv` beside a real `redis-server`: generated commands over all value shapes, replies byte for byte, how connections
//! end.

use anyhow::{Context, Result, bail};
use replicode_tests::cluster::Server;
use replicode_tests::process::Process;
use replicode_tests::resp::{Resp, Value};
use replicode_tests::{check, eventually, free_ports, guest};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::time::{Duration, SystemTime};

const TIMEOUT: Duration = Duration::from_secs(60);

/// Every command with the kinds of its arguments, separated by spaces. `?` after a kind: may be absent; `*`: up to three
/// times; `+`: one to four times. Words in capitals are themselves, `A|B` one of them.
const COMMANDS: &[(&str, &str)] = &[
    ("GET", "key"),
    ("SET", "key value"),
    ("SET", "key value set-option*"),
    ("SETNX", "key value"),
    ("SETEX", "key seconds value"),
    ("PSETEX", "key milliseconds value"),
    ("MSET", "key value pair*"),
    ("MGET", "key+"),
    ("GETSET", "key value"),
    ("GETDEL", "key"),
    ("STRLEN", "key"),
    ("APPEND", "key value"),
    ("INCR", "key"),
    ("DECR", "key"),
    ("INCRBY", "key number"),
    ("DECRBY", "key number"),
    ("LPUSH", "key value+"),
    ("RPUSH", "key value+"),
    ("LPUSHX", "key value+"),
    ("RPUSHX", "key value+"),
    ("LPOP", "key number?"),
    ("RPOP", "key number?"),
    ("LLEN", "key"),
    ("LRANGE", "key number number"),
    ("LINDEX", "key number"),
    ("HSET", "key value value pair*"),
    ("HMSET", "key value value pair*"),
    ("HGET", "key value"),
    ("HMGET", "key value+"),
    ("HINCRBY", "key value number"),
    ("HGETALL", "key"),
    ("HKEYS", "key"),
    ("HVALS", "key"),
    ("HLEN", "key"),
    ("HEXISTS", "key value"),
    ("HDEL", "key value+"),
    ("SADD", "key value+"),
    // Which members it takes is random: all, none, or the only one.
    ("SPOP", "key 100000|0|-1|x"),
    ("SADD", "single m"),
    ("SPOP", "single"),
    ("SMEMBERS", "key"),
    ("SCARD", "key"),
    ("SISMEMBER", "key value"),
    ("SREM", "key value+"),
    ("DEL", "key+"),
    ("DEL", "key+"),
    ("UNLINK", "key+"),
    ("EXISTS", "key+"),
    ("TYPE", "key"),
    ("EXPIRE", "key seconds expire-option*"),
    ("PEXPIRE", "key milliseconds expire-option*"),
    ("TTL", "key"),
    ("PTTL", "key"),
    ("PERSIST", "key"),
    ("KEYS", "pattern"),
    ("SCAN", "0 COUNT 1000000 scan-option*"),
    ("SCAN", "number COUNT 0|x"),
    ("PING", "value?"),
    ("ECHO", "value"),
    ("SELECT", "0|1|x"),
    ("DBSIZE", ""),
    ("FLUSHDB", "SYNC|ASYNC|FOO"),
    ("FLUSHALL", "FOO|x"),
    ("CLIENT", "SETNAME name"),
    ("CONFIG", "GET appendonly|none|databases"),
    ("COMMAND", "DOCS nosuchcommand"),
    ("NOSUCH", "value*"),
];

/// What `kv` has and Redis answers otherwise by its nature: the version, and protocol 3. `QUIT` ends connections, below.
const NOT_COMPARED: &[&str] = &["INFO", "HELLO", "QUIT"];

struct Generator {
    state: u64,
    /// No two times to live are close to each other: what is compared must not hang on milliseconds.
    seconds: u64,
    now: u64,
}

impl Generator {
    fn new(seed: u64) -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs());
        Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, seconds: 100_000, now }
    }
    fn below(&mut self, n: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        ((self.state >> 16) % n as u64) as usize
    }
    fn of(&mut self, choices: &[&str]) -> Vec<u8> {
        choices[self.below(choices.len())].as_bytes().to_vec()
    }
    fn number(&mut self) -> Vec<u8> {
        const SHAPES: &[&str] = &[
            "0",
            "1",
            "-1",
            "2",
            "-2",
            "3",
            "10",
            "-10",
            "100",
            "-100",
            "9223372036854775807",
            "9223372036854775808",
            "-9223372036854775808",
            "-9223372036854775809",
            "18446744073709551615",
            "-0",
            "+1",
            " 1",
            "1 ",
            "01",
            "1.5",
            "1e3",
            "",
            "-",
            "x",
            "0x10",
            "99999999999999999999999",
        ];
        self.of(SHAPES)
    }
    fn value(&mut self) -> Vec<u8> {
        match self.below(16) {
            0..=2 => Vec::new(),
            3..=6 => self.number(),
            7 => vec![0],
            8 => b"\r\n".to_vec(),
            9 => b"\xff\xfe\0binary\r\n$3\r\n".to_vec(),
            10 => vec![b'v'; self.below(300)],
            11 => vec![b'w'; self.below(40_000)],
            12 => self.of(&["NX", "EX", "GET", "*", "hello world", "\"", "'"]),
            _ => self.of(&["a", "b", "c", "d"]),
        }
    }
    fn time(&mut self, unit: u64, absolute: bool) -> Vec<u8> {
        self.seconds += 1000;
        match self.below(8) {
            0 => self.of(&[
                "0",
                "-1",
                "-1000",
                "",
                "x",
                "1.5",
                "9223372036854775807",
                "9223372036854775",
                "-9223372036854775808",
            ]),
            _ => ((self.seconds + if absolute { self.now } else { 0 }) * unit).to_string().into_bytes(),
        }
    }
    /// Arguments of one kind.
    fn kind(&mut self, kind: &str, out: &mut Vec<Vec<u8>>) {
        match kind {
            "key" => {
                let key = self.of(&["k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "", "k\r\n\0"]);
                out.push(key);
            }
            "value" => out.push(self.value()),
            "pair" => {
                let pair = [self.of(&["k0", "k1", "a", "b", ""]), self.value()];
                out.extend(pair);
                if self.below(12) == 0 {
                    out.pop(); // half a pair
                }
            }
            "number" => out.push(self.number()),
            "seconds" => out.push(self.time(1, false)),
            "milliseconds" => out.push(self.time(1000, false)),
            "pattern" => {
                out.push(self.of(&["*", "k?", "k[0-3]", "k[^0]", "", "k\\0", "[", "*0*", "k[3-1]", "\\", "??"]))
            }
            "name" => out.push(self.of(&["me", "you"])),
            "set-option" => {
                let (unit, absolute) = match self.below(9) {
                    0 => (1, false),
                    1 => (1000, false),
                    2 => (1, true),
                    3 => (1000, true),
                    _ => return out.push(self.of(&["NX", "XX", "GET", "KEEPTTL", "xx", "FOO", ""])),
                };
                let name = match (unit, absolute) {
                    (1, false) => "EX",
                    (_, false) => "PX",
                    (1, true) => "EXAT",
                    _ => "PXAT",
                };
                out.push(name.into());
                if self.below(12) > 0 {
                    out.push(self.time(unit, absolute));
                }
            }
            "expire-option" => out.push(self.of(&["NX", "XX", "GT", "LT", "gt", "FOO"])),
            "scan-option" => {
                let option = self.of(&["MATCH", "TYPE", "COUNT", "FOO"]);
                let argument = match option.as_slice() {
                    b"MATCH" => self.of(&["*", "k?", "none"]),
                    b"TYPE" => self.of(&["string", "list", "hash", "set", "none"]),
                    _ => b"1000000".to_vec(),
                };
                out.extend([option, argument]);
            }
            literal => {
                let choices: Vec<&str> = literal.split('|').collect();
                out.push(self.of(&choices));
            }
        }
    }
    fn request(&mut self) -> Vec<Vec<u8>> {
        let (name, kinds) = COMMANDS[self.below(COMMANDS.len())];
        let mut out = vec![if self.below(10) == 0 { name.to_lowercase() } else { name.to_string() }.into_bytes()];
        for kind in kinds.split_whitespace() {
            let (kind, times) = match kind.as_bytes()[kind.len() - 1] {
                b'?' => (&kind[..kind.len() - 1], self.below(2)),
                b'*' => (&kind[..kind.len() - 1], self.below(4)),
                b'+' => (&kind[..kind.len() - 1], 1 + self.below(4)),
                _ => (kind, 1),
            };
            (0..times).for_each(|_| self.kind(kind, &mut out));
        }
        // Too few and too many; of the random ones only what cannot be another draw.
        if !["SPOP", "SCAN", "COMMAND", "CONFIG", "CLIENT"].contains(&name) && !kinds.starts_with("single") {
            match self.below(40) {
                0 if out.len() > 1 => out.truncate(out.len() - 1),
                1 => out.push(self.value()),
                _ => {}
            }
        }
        out
    }
}

/// A reply as it came.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Raw {
    Line(Vec<u8>),
    Bulk(Vec<u8>),
    Array(Vec<u8>, Vec<Raw>),
}

impl std::fmt::Debug for Raw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Line(bytes) | Self::Bulk(bytes) => write!(f, "{}", bytes[..bytes.len().min(80)].escape_ascii()),
            Self::Array(head, elements) => write!(f, "{} {elements:?}", head.escape_ascii()),
        }
    }
}

fn read_raw(from: &mut impl BufRead) -> Result<Raw> {
    let mut line = Vec::new();
    if from.read_until(b'\n', &mut line)? == 0 {
        bail!("the connection has ended");
    }
    let number = || std::str::from_utf8(&line[1..]).ok().and_then(|n| n.trim_end().parse::<i64>().ok());
    match line[0] {
        b'$' => {
            let Ok(len) = usize::try_from(number().context("no length")?) else { return Ok(Raw::Line(line)) };
            let mut bytes = vec![0; len + 2];
            from.read_exact(&mut bytes)?;
            Ok(Raw::Bulk([line, bytes].concat()))
        }
        b'*' => {
            let count = number().context("no count")?;
            let elements = (0..count).map(|_| read_raw(from)).collect::<Result<_>>()?;
            Ok(Raw::Array(line, elements))
        }
        _ => Ok(Raw::Line(line)),
    }
}

fn encode(request: &[Vec<u8>], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("*{}\r\n", request.len()).as_bytes());
    for argument in request {
        out.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        out.extend_from_slice(argument);
        out.extend_from_slice(b"\r\n");
    }
}

/// A reply without what is not defined: the order of members, of fields with their values, and of keys.
fn ordered(name: &[u8], reply: Raw) -> Raw {
    let Raw::Array(head, mut elements) = reply else { return reply };
    match name.to_ascii_uppercase().as_slice() {
        b"KEYS" | b"SMEMBERS" | b"HKEYS" | b"HVALS" | b"SPOP" => elements.sort(),
        b"HGETALL" => {
            let mut pairs: Vec<Vec<Raw>> = elements.chunks(2).map(<[Raw]>::to_vec).collect();
            pairs.sort();
            elements = pairs.concat();
        }
        b"SCAN" => {
            if let Some(Raw::Array(_, keys)) = elements.get_mut(1) {
                keys.sort();
            }
        }
        _ => {}
    }
    Raw::Array(head, elements)
}

/// Equal, but for the moments between two servers' clocks.
fn same(name: &[u8], ours: &Raw, theirs: &Raw) -> bool {
    let slack = match name.to_ascii_uppercase().as_slice() {
        b"TTL" => 5,
        b"PTTL" => 5000,
        _ => return ours == theirs,
    };
    let number = |r: &Raw| match r {
        Raw::Line(l) => {
            std::str::from_utf8(l).ok()?.trim_end().strip_prefix(':')?.parse::<i64>().ok().filter(|n| *n > 0)
        }
        _ => None,
    };
    match (number(ours), number(theirs)) {
        (Some(a), Some(b)) => (a - b).abs() <= slack,
        _ => ours == theirs,
    }
}

struct Pair {
    kv: u16,
    redis: u16,
    _kv: Server,
    _redis: Process,
    _dir: tempfile::TempDir,
}

fn both() -> Result<Pair> {
    let dir = tempfile::tempdir()?;
    let server = Server::run_kv(&guest("kv"), 6379, &dir.path().join("kv"), &[])?;
    let redis = free_ports(1);
    let args =
        ["--save", "", "--databases", "1", "--proto-max-bulk-len", "64mb", "--port", &redis.to_string(), "--dir"];
    let process =
        Process::start(Command::new("redis-server").args(args).arg(dir.path()), &dir.path().join("redis.log"))?;
    eventually("redis-server", TIMEOUT, || replicode_tests::cluster::ping(redis))?;
    Ok(Pair { kv: server.port, redis, _kv: server, _redis: process, _dir: dir })
}

fn connect(port: u16) -> Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.set_write_timeout(Some(Duration::from_secs(20)))?;
    Ok(stream)
}

fn shown(request: &[Vec<u8>]) -> String {
    let short = |a: &Vec<u8>| format!("{}[{}]", a[..a.len().min(40)].escape_ascii(), a.len());
    request.iter().map(short).collect::<Vec<_>>().join(" ")
}

fn compare_commands(pair: &Pair, seed: u64, batches: usize) -> Result<()> {
    let (mut kv, mut redis) = (BufReader::new(connect(pair.kv)?), BufReader::new(connect(pair.redis)?));
    let mut generator = Generator::new(seed);
    for batch in 0..batches {
        let mut requests: Vec<_> = (0..100).map(|_| generator.request()).collect();
        if batch % 20 == 0 {
            requests[0] = vec![b"FLUSHALL".to_vec()];
        }
        let mut bytes = Vec::new();
        requests.iter().for_each(|r| encode(r, &mut bytes));
        // Sent while it is read: a batch and its replies may be more than all buffers hold.
        let replies = |server: &mut BufReader<TcpStream>| -> Result<Vec<Raw>> {
            let mut writer = server.get_ref().try_clone()?;
            std::thread::scope(|scope| {
                let writing = scope.spawn(|| writer.write_all(&bytes));
                let read = requests.iter().map(|r| Ok(ordered(&r[0], read_raw(server)?))).collect();
                let _ = writing.join();
                read
            })
        };
        let theirs = replies(&mut redis).context("redis-server")?;
        let ours = replies(&mut kv).with_context(|| format!("kv, seed {seed}, batch {batch}"))?;
        for (k, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            check(same(&requests[k][0], ours, theirs), || {
                let before: Vec<String> = requests[k.saturating_sub(15)..k].iter().map(|r| shown(r)).collect();
                let text = |r: &Raw| format!("{r:?}").chars().take(600).collect::<String>();
                format!(
                    "seed {seed}, batch {batch}, request {k}: {}\nkv:    {}\nredis: {}\nbefore: {}",
                    shown(&requests[k]),
                    text(ours),
                    text(theirs),
                    before.join("\n        ")
                )
            })?;
        }
    }
    Ok(())
}

/// Every command that `kv` says it has stands in the table above.
fn table_is_complete(port: u16) -> Result<()> {
    let Value::Array(all) = Resp::connect(port, TIMEOUT)?.command(&["COMMAND"])? else {
        bail!("COMMAND gave no array")
    };
    for command in all {
        let Value::Array(parts) = command else { bail!("{command:?}") };
        let name = parts[0].text().context("a name")?.to_uppercase();
        let known = COMMANDS.iter().any(|(n, _)| *n == name) || NOT_COMPARED.contains(&name.as_str());
        check(known, || format!("{name} is not compared with Redis"))?;
    }
    Ok(())
}

#[test]
fn kv_answers_as_redis_does_over_generated_commands_and_values() -> Result<()> {
    let pair = both()?;
    table_is_complete(pair.kv)?;
    (1..=3).try_for_each(|seed| compare_commands(&pair, seed, 150))
}

/// Pieces of what a client may send, whole requests and what is none.
const PIECES: &[&[u8]] = &[
    b"*1\r\n$4\r\nPING\r\n",
    b"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n",
    b"*3\r\n$3\r\nSET\r\n$0\r\n\r\n$0\r\n\r\n",
    b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n",
    b"PING\r\n",
    b"SET a 'x y'\r\n",
    b"GET a\n",
    b"\r\n",
    b"*0\r\n",
    b"*-1\r\n",
    b"POST / HTTP/1.1\r\n",
    b"post\r\n",
    b"*1\r\n$4\r\nPOST\r\n",
    b"Host: localhost:6379\r\n",
    b"HOST:\r\n",
    b"*2\r\n$5\r\nhost:\r\n$1\r\nx\r\n",
    b"GET / HTTP/1.1\r\n",
    b"POSTED\r\n",
    b"QUIT\r\n",
    b"*1\r\n$4\r\nquit\r\n",
    b"*x\r\n",
    b"*1\r\n$-1\r\n",
    b"*1\r\n:1\r\n",
    b"*2147483648\r\n",
    b"*1\r\n$99999999999\r\n",
    b"\"unbalanced\r\n",
    b"SET \"a\"b c\r\n",
    b"*2\r\n$4\r\nECHO\r\n$9\r\nabc",
    b"\xff\xfe\x00\r\n",
    b"$3\r\nfoo\r\n",
];

fn conversation(port: u16, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut stream = connect(port)?;
    stream.write_all(bytes)?;
    let _ = stream.shutdown(Shutdown::Write); // it may be gone already
    let mut got = Vec::new();
    match stream.read_to_end(&mut got) {
        Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => Err(error.into()),
        _ => Ok(got),
    }
}

#[test]
fn kv_ends_connections_as_redis_does() -> Result<()> {
    let pair = both()?;
    let mut generator = Generator::new(7);
    for n in 0..PIECES.len() + 200 {
        let mut bytes = match PIECES.get(n) {
            Some(piece) => piece.to_vec(),
            None => (0..1 + generator.below(5)).flat_map(|_| PIECES[generator.below(PIECES.len())].to_vec()).collect(),
        };
        bytes.extend_from_slice(b"PING\r\n"); // is it still answered?
        let (theirs, ours) = (conversation(pair.redis, &bytes)?, conversation(pair.kv, &bytes)?);
        check(ours == theirs, || {
            let [sent, ours, theirs] = [&bytes, &ours, &theirs].map(|b| b.escape_ascii().to_string());
            format!("{sent}\nkv:    {ours}\nredis: {theirs}")
        })?;
    }
    Ok(())
}
