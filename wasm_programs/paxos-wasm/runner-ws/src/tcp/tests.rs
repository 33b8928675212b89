#![allow(clippy::unwrap_used)] // A test fails by panicking.

use super::socket::{Ends, Socket};
use std::net::SocketAddr;
use std::time::Duration;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddressFamily};
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError};

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), test).await.unwrap() });
}

fn new() -> Socket {
    Socket::new(IpAddressFamily::Ipv4).unwrap()
}

fn listening() -> (Socket, SocketAddr) {
    let mut socket = new();
    socket.start_bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket.finish_bind().unwrap();
    socket.start_listen().unwrap();
    socket.finish_listen().unwrap();
    let address = socket.local_address().unwrap();
    (socket, address)
}

async fn connect(address: SocketAddr) -> Result<(Socket, Ends), ErrorCode> {
    let mut socket = new();
    socket.start_connect(address)?;
    socket.ready().await;
    let ends = socket.finish_connect()?;
    Ok((socket, ends))
}

async fn pair() -> ((Socket, Ends), (Socket, Ends)) {
    let (mut listener, address) = listening();
    let one = connect(address).await.unwrap();
    listener.ready().await;
    let other = listener.accept().unwrap();
    assert_eq!(one.0.local_address().unwrap(), other.0.remote_address().unwrap());
    (one, other)
}

async fn read_all(reader: &mut impl InputStream) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        reader.ready().await;
        match reader.read(1 << 20) {
            Ok(bytes) => all.extend_from_slice(&bytes),
            Err(StreamError::Closed) => return all,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn no_end_of_a_connection_waits_for_acknowledgements() {
    run(async {
        let (one, other) = pair().await;
        for (socket, _) in [&one, &other] {
            assert!(socket.option(|socket| socket.tcp_nodelay()).unwrap());
        }
    });
}

#[test]
fn more_than_the_system_takes_arrives_whole_while_its_writer_waits() {
    run(async {
        let ((_one, (_, mut writer)), (_other, (mut reader, _))) = pair().await;
        let sent: Vec<u8> = (0..8_000_000u32).map(|n| (n.wrapping_mul(7919) >> 3) as u8).collect();
        let reading = tokio::spawn(async move { read_all(&mut reader).await });
        let mut rest = sent.as_slice();
        let mut waits = 0;
        while !rest.is_empty() {
            let room = writer.check_write().unwrap().min(rest.len());
            if room == 0 {
                waits += 1;
                writer.ready().await;
                continue;
            }
            let (now, later) = rest.split_at(room);
            writer.write(now.to_vec().into()).unwrap();
            rest = later;
        }
        writer.cancel().await;
        drop(writer);
        assert_eq!(reading.await.unwrap(), sent);
        assert!(waits > 0, "the system took 8 MB at once");
    });
}

#[test]
fn a_refused_connection_says_so_and_a_socket_is_used_once() {
    run(async {
        let (listener, address) = listening();
        drop(listener);
        assert!(matches!(connect(address).await, Err(ErrorCode::ConnectionRefused)));
        let (mut listener, address) = listening();
        assert!(matches!(listener.accept(), Err(ErrorCode::WouldBlock)));
        assert!(matches!(listener.start_connect(address), Err(ErrorCode::InvalidState)));
        let mut second = new();
        assert!(matches!(second.start_bind(address), Err(ErrorCode::AddressInUse)));
        assert!(matches!(second.start_bind("[::1]:0".parse().unwrap()), Err(ErrorCode::InvalidArgument)));
        assert!(matches!(second.finish_connect(), Err(ErrorCode::NotInProgress)));
    });
}

#[test]
fn what_was_not_permitted_is_a_trap_and_an_end_stays_an_end() {
    run(async {
        let ((_one, (mut reader, mut writer)), other) = pair().await;
        assert!(reader.read(100).unwrap().is_empty());
        let much = writer.check_write().unwrap() + 1;
        assert!(matches!(writer.write(vec![0; much].into()), Err(StreamError::Trap(_))));
        drop(other);
        assert!(read_all(&mut reader).await.is_empty());
        assert!(matches!(reader.read(1), Err(StreamError::Closed)));
        reader.ready().await;
    });
}
