//! The interfaces `tcp` and `tcp-create-socket` over [`Socket`].

use super::bindings::wasi::sockets::{tcp, tcp_create_socket};
use super::socket::{Ends, Socket};
use crate::state::State;
use socket2::TcpKeepalive;
use std::net::Shutdown;
use std::time::Duration;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddressFamily, IpSocketAddress};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable, Network, subscribe};

/// A trap, or an answer.
type Outcome<T> = wasmtime::Result<Result<T, ErrorCode>>;

/// The two streams of a connection, as a component gets them.
type Streams = (Resource<DynInputStream>, Resource<DynOutputStream>);

/// Seconds that probing may wait: what systems take, and none of it is nothing.
const PROBE_SECONDS: (u64, u64) = (1, 32_767);
/// Unanswered probes after which a connection is over.
const PROBES: (u32, u32) = (1, 127);

impl State {
    fn socket(&mut self, socket: &Resource<Socket>) -> wasmtime::Result<&mut Socket> {
        Ok(self.table.get_mut(socket)?)
    }

    /// Streams are their socket's children: it cannot go before them.
    fn streams(&mut self, socket: &Resource<Socket>, (reader, writer): Ends) -> wasmtime::Result<Streams> {
        let reader: DynInputStream = Box::new(reader);
        let writer: DynOutputStream = Box::new(writer);
        Ok((self.table.push_child(reader, socket)?, self.table.push_child(writer, socket)?))
    }
}

/// A time of probing, at least a second.
fn probe_time(nanoseconds: u64) -> Result<Duration, ErrorCode> {
    if nanoseconds == 0 {
        return Err(ErrorCode::InvalidArgument);
    }
    let seconds = Duration::from_nanos(nanoseconds).as_secs();
    Ok(Duration::from_secs(seconds.clamp(PROBE_SECONDS.0, PROBE_SECONDS.1)))
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A size of a buffer.
fn size(bytes: u64) -> Result<usize, ErrorCode> {
    if bytes == 0 {
        return Err(ErrorCode::InvalidArgument);
    }
    Ok(usize::try_from(bytes).unwrap_or(usize::MAX).min(i32::MAX as usize))
}

impl tcp::Host for State {}

impl tcp_create_socket::Host for State {
    fn create_tcp_socket(&mut self, family: IpAddressFamily) -> Outcome<Resource<Socket>> {
        if !self.may_use_tcp {
            return Ok(Err(ErrorCode::AccessDenied));
        }
        match Socket::new(family) {
            Ok(socket) => Ok(Ok(self.table.push(socket)?)),
            Err(error) => Ok(Err(error)),
        }
    }
}

impl tcp::HostTcpSocket for State {
    fn start_bind(
        &mut self,
        this: Resource<Socket>,
        _network: Resource<Network>,
        address: IpSocketAddress,
    ) -> Outcome<()> {
        Ok(self.socket(&this)?.start_bind(address.into()))
    }

    fn finish_bind(&mut self, this: Resource<Socket>) -> Outcome<()> {
        Ok(self.socket(&this)?.finish_bind())
    }

    fn start_connect(
        &mut self,
        this: Resource<Socket>,
        _network: Resource<Network>,
        address: IpSocketAddress,
    ) -> Outcome<()> {
        Ok(self.socket(&this)?.start_connect(address.into()))
    }

    fn finish_connect(&mut self, this: Resource<Socket>) -> Outcome<Streams> {
        match self.socket(&this)?.finish_connect() {
            Ok(ends) => Ok(Ok(self.streams(&this, ends)?)),
            Err(error) => Ok(Err(error)),
        }
    }

    fn start_listen(&mut self, this: Resource<Socket>) -> Outcome<()> {
        Ok(self.socket(&this)?.start_listen())
    }

    fn finish_listen(&mut self, this: Resource<Socket>) -> Outcome<()> {
        Ok(self.socket(&this)?.finish_listen())
    }

    fn accept(
        &mut self,
        this: Resource<Socket>,
    ) -> Outcome<(Resource<Socket>, Resource<DynInputStream>, Resource<DynOutputStream>)> {
        match self.socket(&this)?.accept() {
            Ok((socket, ends)) => {
                let socket = self.table.push(socket)?;
                let (reader, writer) = self.streams(&socket, ends)?;
                Ok(Ok((socket, reader, writer)))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    fn local_address(&mut self, this: Resource<Socket>) -> Outcome<IpSocketAddress> {
        Ok(self.socket(&this)?.local_address().map(Into::into))
    }

    fn remote_address(&mut self, this: Resource<Socket>) -> Outcome<IpSocketAddress> {
        Ok(self.socket(&this)?.remote_address().map(Into::into))
    }

    fn is_listening(&mut self, this: Resource<Socket>) -> wasmtime::Result<bool> {
        Ok(self.socket(&this)?.is_listening())
    }

    fn address_family(&mut self, this: Resource<Socket>) -> wasmtime::Result<IpAddressFamily> {
        Ok(self.socket(&this)?.family())
    }

    fn set_listen_backlog_size(&mut self, this: Resource<Socket>, value: u64) -> Outcome<()> {
        Ok(self.socket(&this)?.set_backlog(value))
    }

    fn keep_alive_enabled(&mut self, this: Resource<Socket>) -> Outcome<bool> {
        Ok(self.socket(&this)?.option(|socket| socket.keepalive()))
    }

    fn set_keep_alive_enabled(&mut self, this: Resource<Socket>, value: bool) -> Outcome<()> {
        Ok(self.socket(&this)?.option(|socket| socket.set_keepalive(value)))
    }

    fn keep_alive_idle_time(&mut self, this: Resource<Socket>) -> Outcome<u64> {
        Ok(self.socket(&this)?.option(|socket| socket.tcp_keepalive_time()).map(nanoseconds))
    }

    /// Whoever sets a time wants probes: it turns them on, too.
    fn set_keep_alive_idle_time(&mut self, this: Resource<Socket>, value: u64) -> Outcome<()> {
        let socket = self.socket(&this)?;
        Ok(probe_time(value)
            .and_then(|time| socket.option(|socket| socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(time)))))
    }

    fn keep_alive_interval(&mut self, this: Resource<Socket>) -> Outcome<u64> {
        Ok(self.socket(&this)?.option(|socket| socket.tcp_keepalive_interval()).map(nanoseconds))
    }

    fn set_keep_alive_interval(&mut self, this: Resource<Socket>, value: u64) -> Outcome<()> {
        let socket = self.socket(&this)?;
        Ok(probe_time(value).and_then(|time| {
            socket.option(|socket| socket.set_tcp_keepalive(&TcpKeepalive::new().with_interval(time)))
        }))
    }

    fn keep_alive_count(&mut self, this: Resource<Socket>) -> Outcome<u32> {
        Ok(self.socket(&this)?.option(|socket| socket.tcp_keepalive_retries()))
    }

    fn set_keep_alive_count(&mut self, this: Resource<Socket>, value: u32) -> Outcome<()> {
        if value == 0 {
            return Ok(Err(ErrorCode::InvalidArgument));
        }
        let probes = TcpKeepalive::new().with_retries(value.clamp(PROBES.0, PROBES.1));
        Ok(self.socket(&this)?.option(|socket| socket.set_tcp_keepalive(&probes)))
    }

    fn hop_limit(&mut self, this: Resource<Socket>) -> Outcome<u8> {
        let socket = self.socket(&this)?;
        let hops = match socket.family() {
            IpAddressFamily::Ipv4 => socket.option(|socket| socket.ttl_v4()),
            IpAddressFamily::Ipv6 => socket.option(|socket| socket.unicast_hops_v6()),
        };
        Ok(hops.map(|hops| u8::try_from(hops).unwrap_or(u8::MAX)))
    }

    fn set_hop_limit(&mut self, this: Resource<Socket>, value: u8) -> Outcome<()> {
        let socket = self.socket(&this)?;
        Ok(match socket.family() {
            _ if value == 0 => Err(ErrorCode::InvalidArgument),
            IpAddressFamily::Ipv4 => socket.option(|socket| socket.set_ttl_v4(value.into())),
            IpAddressFamily::Ipv6 => socket.option(|socket| socket.set_unicast_hops_v6(value.into())),
        })
    }

    fn receive_buffer_size(&mut self, this: Resource<Socket>) -> Outcome<u64> {
        Ok(self.socket(&this)?.option(|socket| socket.recv_buffer_size()).map(|bytes| bytes as u64))
    }

    fn set_receive_buffer_size(&mut self, this: Resource<Socket>, value: u64) -> Outcome<()> {
        let socket = self.socket(&this)?;
        Ok(size(value).and_then(|bytes| socket.option(|socket| socket.set_recv_buffer_size(bytes))))
    }

    fn send_buffer_size(&mut self, this: Resource<Socket>) -> Outcome<u64> {
        Ok(self.socket(&this)?.option(|socket| socket.send_buffer_size()).map(|bytes| bytes as u64))
    }

    fn set_send_buffer_size(&mut self, this: Resource<Socket>, value: u64) -> Outcome<()> {
        let socket = self.socket(&this)?;
        Ok(size(value).and_then(|bytes| socket.option(|socket| socket.set_send_buffer_size(bytes))))
    }

    fn subscribe(&mut self, this: Resource<Socket>) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(&mut self.table, this)
    }

    fn shutdown(&mut self, this: Resource<Socket>, how: tcp::ShutdownType) -> Outcome<()> {
        let how = match how {
            tcp::ShutdownType::Receive => Shutdown::Read,
            tcp::ShutdownType::Send => Shutdown::Write,
            tcp::ShutdownType::Both => Shutdown::Both,
        };
        Ok(self.socket(&this)?.shutdown(how))
    }

    fn drop(&mut self, this: Resource<Socket>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}
