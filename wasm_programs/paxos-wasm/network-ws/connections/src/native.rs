//! [`Sockets`] over `std::net`, for programs that are native. Who waits on them polls.

use crate::sockets::{Read, Sockets};
use paxos_frame::{FrameReader, OutQueue};
use std::io::{ErrorKind, IoSlice, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// The sockets of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct NativeSockets;

/// A connection.
#[derive(Debug)]
pub struct NativeStream(pub TcpStream);

fn ready(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)
}

impl Sockets for NativeSockets {
    type Listener = TcpListener;
    type Stream = NativeStream;

    fn listen(&mut self, address: SocketAddr) -> Result<TcpListener, String> {
        let listener = TcpListener::bind(address).map_err(|e| format!("cannot listen at {address}: {e}"))?;
        listener.set_nonblocking(true).map_err(|e| format!("cannot listen at {address} without blocking: {e}"))?;
        Ok(listener)
    }

    fn accept(&mut self, listener: &mut TcpListener) -> Result<Option<(NativeStream, String)>, String> {
        match listener.accept() {
            Ok((stream, from)) => {
                ready(&stream).map_err(|e| e.to_string())?;
                Ok(Some((NativeStream(stream), from.to_string())))
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(e) => Err(e.to_string()),
        }
    }

    fn connect(&mut self, address: SocketAddr) -> Result<NativeStream, String> {
        // Only this blocks, and not for long.
        let stream = TcpStream::connect_timeout(&address, Duration::from_millis(200)).map_err(|e| e.to_string())?;
        ready(&stream).map_err(|e| e.to_string())?;
        Ok(NativeStream(stream))
    }

    fn connected(&mut self, _: &mut NativeStream) -> Result<bool, String> {
        Ok(true)
    }

    fn read(&mut self, stream: &mut NativeStream, into: &mut FrameReader) -> Result<Read, String> {
        let mut full = false;
        let count = into.read(|room| {
            let count = std::io::Read::read(&mut stream.0, room)?;
            full = count == room.len();
            Ok(count)
        });
        match count {
            Ok(0) => Ok(Read::End),
            Ok(count) if full => Ok(Read::More(count)),
            Ok(count) => Ok(Read::All(count)),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(Read::All(0)),
            Err(e) => Err(e.to_string()),
        }
    }

    fn write(&mut self, stream: &mut NativeStream, queue: &mut OutQueue) -> Result<usize, String> {
        let mut slices = [IoSlice::new(&[]); 64];
        let filled = queue.slices(&mut slices);
        match stream.0.write_vectored(slices.get(..filled).unwrap_or_default()) {
            Ok(count) => {
                queue.advance(count);
                Ok(count)
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(0),
            Err(e) => Err(e.to_string()),
        }
    }

    fn close(&mut self, _: NativeStream) {}

    fn close_listener(&mut self, _: TcpListener) {}
}
