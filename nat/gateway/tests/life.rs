//! The gateway's own life: starting, boots, limits, ending, and being killed.

mod common;

use common::{BOOT, Rig, assert_reset, config, conn, connect, node, rest, web};
use replicode_gateway::{GatewayError, Published};
use replicode_log::{BootNo, ConnId, Input, Output};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

struct Nobody;

impl replicode_gateway::InputSink for Nobody {
    fn offer(&mut self, _inputs: &mut Vec<Input>) {}
}

#[test]
fn a_port_that_is_taken_is_named() {
    let rig = Rig::new(1, 1);
    let mut config = config(1, 1, 1);
    config.publish = vec![Published { listen: rig.addr, service: web() }];
    let error = replicode_gateway::start(config, Nobody).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.starts_with(&format!("cannot listen on {} for web:80: ", rig.addr)), "{error}");
    assert!(error.ends_with("another program has the port: stop it, or publish another port"), "{error}");
}

#[test]
fn an_address_is_published_once() {
    let listen = "127.0.0.1:4711".parse().expect("this is an address");
    let mut twice = config(1, 1, 1);
    twice.publish = vec![Published { listen, service: web() }; 2];
    let error = replicode_gateway::start(twice, Nobody).err();
    assert!(matches!(error, Some(GatewayError::PublishedTwice(addr)) if addr == listen), "{error:?}");
    let mut chosen = config(1, 1, 1);
    chosen.publish = vec![chosen.publish[0].clone(); 2];
    let gateway = replicode_gateway::start(chosen, Nobody).expect("port 0 is another one each time");
    assert_ne!(gateway.local_addrs()[0], gateway.local_addrs()[1]);
}

#[test]
fn each_published_address_leads_to_its_service() {
    let mut config = config(10, 10, 10);
    let listen = config.publish[0].listen;
    let db = replicode_log::Service { process: "db".into(), port: 5432 };
    config.publish.push(Published { listen, service: db.clone() });
    config.publish.push(Published { listen: "[::1]:0".parse().expect("this is an address"), service: web() });
    let rig = Rig::waiting(config);
    rig.gateway.admit(BOOT);
    for (i, service) in [web(), db, web()].into_iter().enumerate() {
        let client = connect(rig.gateway.local_addrs()[i]);
        let opened = rig.next();
        assert!(matches!(&opened, Input::Open { to, .. } if *to == service), "{opened:?}");
        drop(client);
        assert!(matches!(rig.next(), Input::HalfClose { .. }));
    }
}

#[test]
fn clients_wait_until_the_node_is_admitted() {
    let rig = Rig::waiting(config(10, 10, 10));
    let mut client = connect(rig.addr);
    client.write_all(b"early").expect("the operating system takes it");
    rig.settle();
    assert_eq!(rig.gateway.clients(), []);
    rig.gateway.admit(BOOT);
    assert!(matches!(rig.next(), Input::Open { conn: c, .. } if c == conn(0)));
    assert_eq!(rig.read(conn(0), 0, 5), b"early");
}

#[test]
fn a_boot_that_is_over_resets_its_clients_and_the_next_takes_new_ones() {
    let rig = Rig::new(10, 10);
    let (mut old, c) = rig.client();
    rig.gateway.suspend();
    assert_reset(&mut old);
    rig.settle();
    let mut waiting = connect(rig.addr);
    rig.send(c, 0, b"late");
    rig.settle();
    assert_eq!(rig.gateway.clients(), []);
    rig.gateway.admit(BootNo(2));
    let next = ConnId::new(node(), BootNo(2), 0).expect("a valid number");
    assert!(matches!(rig.next(), Input::Open { conn, .. } if conn == next));
    rig.gateway.admit(BootNo(2));
    rig.send(next, 0, b"welcome");
    let mut bytes = [0; 7];
    waiting.read_exact(&mut bytes).expect("being admitted twice changes nothing");
    rig.gateway.admit(BootNo(3));
    assert_reset(&mut waiting);
}

#[test]
fn one_client_too_many_is_reset() {
    let rig = Rig::waiting(config(10, 10, 2));
    rig.gateway.admit(BOOT);
    let (first, c) = rig.client();
    let (_second, _) = rig.client();
    let mut third = connect(rig.addr);
    assert_reset(&mut third);
    first.shutdown(Shutdown::Both).expect("open");
    assert_eq!(rig.next(), Input::HalfClose { conn: c, offset: 0 });
    rig.say(Output::Closed { conn: c });
    rig.settle();
    let (_fourth, number) = rig.client();
    assert_eq!(number, conn(2), "who was not welcome had no number");
}

#[test]
fn draining_closes_the_ports_and_keeps_the_clients() {
    let rig = Rig::new(10, 10);
    let (mut client, c) = rig.client();
    rig.gateway.drain();
    rig.settle();
    assert!(TcpStream::connect(rig.addr).is_err());
    client.write_all(b"here").expect("open");
    assert_eq!(rig.read(c, 0, 4), b"here");
    rig.gateway.admit(BootNo(2));
    assert_reset(&mut client);
}

#[test]
fn dropping_the_gateway_resets_its_clients() {
    let rig = Rig::new(10, 10);
    let (mut client, c) = rig.client();
    let (mut closed, d) = rig.client();
    rig.send(c, 0, b"half of th");
    rig.send(d, 0, b"all of it");
    rig.say(Output::Closed { conn: d });
    rig.settle();
    let gateway = Arc::into_inner(rig.gateway).expect("nobody else holds it");
    gateway.close();
    assert_eq!(rest(&mut closed), (b"all of it".to_vec(), Ok(())), "its close was complete");
    assert_reset(&mut client);
    assert!(TcpStream::connect(rig.addr).is_err());
}

/// The tests below need a gateway in a process of its own: this binary again, running only this "test".
#[test]
fn child() {
    if std::env::var_os("GATEWAY_CHILD").is_none() {
        return;
    }
    let rig = Rig::waiting(config(1 << 16, 1 << 16, 1000));
    rig.gateway.admit(BOOT);
    println!("\nlistening {}", rig.addr);
    let _gateway = rig.echo(1 << 16, 1 << 16);
    // Until the parent kills us, or is gone itself.
    let _ = std::io::stdin().read(&mut [0]);
}

struct Gateway(Child);

impl Gateway {
    fn start(ulimit: &str) -> (Self, std::net::SocketAddr) {
        let child = Command::new("sh")
            .arg("-c")
            .arg(format!("{ulimit} exec \"$0\" child --exact --nocapture --test-threads 1"))
            .arg(std::env::current_exe().expect("tests are files"))
            .env("GATEWAY_CHILD", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("there is a shell");
        let mut gateway = Self(child);
        let lines = BufReader::new(gateway.0.stdout.take().expect("piped")).lines();
        let said = lines.map_while(Result::ok).find_map(|line| Some(line.strip_prefix("listening ")?.to_string()));
        let addr = said.expect("the child says its address").parse().expect("it is one");
        (gateway, addr)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_killed_node_resets_its_clients() {
    let (mut gateway, addr) = Gateway::start("");
    let mut client = connect(addr);
    client.write_all(b"hello").expect("open");
    let mut bytes = [0; 5];
    client.read_exact(&mut bytes).expect("echoed");
    gateway.0.kill().expect("it runs");
    assert_reset(&mut client);
}

#[test]
fn a_node_without_descriptors_serves_clients_as_others_leave() {
    let (_gateway, addr) = Gateway::start("ulimit -n 20;");
    let mut clients: Vec<_> = (0..40).map(|_| connect(addr)).collect();
    for client in &mut clients {
        client.write_all(b"me").expect("the operating system takes it");
    }
    for mut client in clients {
        let mut bytes = [0; 2];
        client.read_exact(&mut bytes).expect("echoed");
    }
}
