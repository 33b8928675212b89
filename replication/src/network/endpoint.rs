//! The UDP socket and QUIC's settings, in one place.

use super::congestion::OpenConfig;
use super::detour::{Arrival, Detours};
use super::socket::DetourSocket;
use super::tls::Handshake;
use crate::host::{self, Bound};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;

/// Bytes of the socket's buffers. The system's default drops packets even on loopback.
const SOCKET_BUFFER: usize = 8 << 20;
/// Handshakes under way at once; more are refused.
pub const MAX_INCOMING: usize = 64;
/// From this many on, a client must first prove its address.
pub const RETRY_FROM: usize = 16;
/// A handshake must be complete, and a hello spoken, within this time.
pub const HANDSHAKE: Duration = Duration::from_secs(3);
/// A peer that is silent for so long is gone.
pub const IDLE: Duration = Duration::from_secs(3);
/// Something is sent this often, so that a live peer is not taken for gone.
const KEEP_ALIVE: Duration = Duration::from_millis(500);
/// Largest packet tried for: where the path takes more than Ethernet's usual 1500 bytes (jumbo frames, one machine), a batch
/// costs a quarter of the packets. Ten of them, which is what quinn hands to the system at once, stay below its 64 KiB.
const MAX_PACKET: u16 = 6400;
/// Bytes on their way before anything is known of the path: a full batch, which must not wait for the acknowledgement of its own
/// first packets. Peers are few, and their links are made for this.
const INITIAL_WINDOW: u64 = 1 << 20;
/// Bytes that a peer may send ahead of what is read.
pub const RECEIVE_WINDOW: u32 = 64 << 20;
/// Longest wait of an acknowledgement for a packet to travel in.
const ACK_DELAY: Duration = Duration::from_millis(5);

/// Binds the socket on which peers are listened to.
///
/// # Errors
/// As the system says: the address is in use, or not one of this host's.
pub fn bind(addr: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_recv_buffer_size(SOCKET_BUFFER)?;
    socket.set_send_buffer_size(SOCKET_BUFFER)?;
    // Linux answers twice what it uses.
    let got = socket.recv_buffer_size()?.min(socket.send_buffer_size()?) / 2;
    if got < SOCKET_BUFFER / 2 {
        tracing::info!(
            wanted = SOCKET_BUFFER,
            got,
            "the system limits the peer socket's buffers: raise net.core.rmem_max and net.core.wmem_max for more throughput"
        );
    }
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    Ok(socket.into())
}

fn transport() -> quinn::TransportConfig {
    let mut transport = quinn::TransportConfig::default();
    // Nearly everything sent here is answered within a millisecond, and the answer carries the acknowledgement.
    let mut acks = quinn::AckFrequencyConfig::default();
    acks.ack_eliciting_threshold(16u32.into()).max_ack_delay(Some(ACK_DELAY));
    let mut mtu = quinn::MtuDiscoveryConfig::default();
    mtu.upper_bound(MAX_PACKET);
    transport
        .ack_frequency_config(Some(acks))
        .mtu_discovery_config(Some(mtu))
        .congestion_controller_factory(Arc::new(OpenConfig::new(INITIAL_WINDOW)))
        .max_idle_timeout(Some(quinn::IdleTimeout::from(quinn::VarInt::from_u32(IDLE.as_millis() as u32))))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .initial_rtt(Duration::from_millis(2))
        .max_concurrent_bidi_streams(1024u32.into())
        .max_concurrent_uni_streams(0u32.into())
        .stream_receive_window((32u32 << 20).into())
        .receive_window(RECEIVE_WINDOW.into())
        .send_window(64 << 20)
        .send_fairness(false)
        .datagram_receive_buffer_size(None);
    transport
}

/// The endpoint, accepting.
///
/// # Errors
/// As the system says.
pub fn endpoint(socket: Box<dyn Bound>, handshake: &Handshake) -> io::Result<quinn::Endpoint> {
    assemble(socket.open()?, handshake)
}

/// The same, with detours.
///
/// # Errors
/// As the system says.
pub fn with_detours(
    socket: Box<dyn Bound>,
    handshake: &Handshake,
    detours: Arc<Detours>,
    arrivals: mpsc::Receiver<Arrival>,
) -> io::Result<quinn::Endpoint> {
    assemble(Arc::new(DetourSocket::new(socket.open()?, detours, arrivals)), handshake)
}

/// Settings under which the next process of this node knows the connections of this one by their ids, and ends them with a
/// token that the peers take for its own (stateless reset, RFC 9000, 10.3). Otherwise a peer would speak to a process that is
/// gone until its silence is noticed, and the node that is back would hear nothing for so long.
fn lasting(secret: &[u8; 32]) -> quinn::EndpointConfig {
    let mut config = quinn::EndpointConfig::new(Arc::new(ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret)));
    let ids = blake3::keyed_hash(secret, b"connection ids");
    let ids = ids.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    config.cid_generator(move || host::connection_ids(ids));
    config
}

/// The wall clock, for tokens that prove an address.
struct HostTime;

impl quinn_proto::TimeSource for HostTime {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(host::wall_unix_ns())
    }
}

pub(super) fn assemble(socket: Arc<dyn quinn::AsyncUdpSocket>, handshake: &Handshake) -> io::Result<quinn::Endpoint> {
    let (mut seed, mut tokens) = ([0; 32], [0; 64]);
    host::fill(&mut seed)?;
    host::fill(&mut tokens)?;
    // As `ServerConfig::with_crypto` does, with the host's random numbers.
    let tokens = ring::hkdf::Salt::new(ring::hkdf::HKDF_SHA256, &[]).extract(&tokens);
    let mut server = quinn::ServerConfig::new(handshake.server.clone(), Arc::new(tokens));
    server
        .time_source(Arc::new(HostTime))
        .transport_config(Arc::new(transport()))
        .migration(false)
        .max_incoming(MAX_INCOMING)
        .incoming_buffer_size(64 << 10)
        .incoming_buffer_size_total(4 << 20);
    let runtime = host::quic();
    let mut config = lasting(&handshake.lasting);
    config.rng_seed(Some(seed));
    config.max_udp_payload_size(MAX_PACKET).map_err(io::Error::other)?;
    let mut endpoint = quinn::Endpoint::new_with_abstract_socket(config, Some(server), socket, runtime)?;
    let mut client = quinn::ClientConfig::new(handshake.client.clone());
    client.transport_config(Arc::new(transport()));
    if let Some(ids) = host::initial_ids() {
        client.initial_dst_cid_provider(ids);
    }
    endpoint.set_default_client_config(client);
    Ok(endpoint)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the tests are on the real host")]
mod tests {
    use super::super::tls::{Authority, handshake, node_name};
    use super::*;
    use replicode_log::NodeId;
    use tokio::runtime::{Builder, Runtime};

    type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

    /// A process: what it runs ends with it at once, and nobody is told.
    fn process() -> io::Result<Runtime> {
        Builder::new_multi_thread().worker_threads(1).enable_all().build()
    }

    #[test]
    fn a_peer_that_was_killed_and_is_back_says_that_its_connections_are_gone() -> Outcome<()> {
        let (authority, cluster) = (Authority::new([7; 16])?, [7; 16]);
        let (us, them) = (NodeId::new(1)?, NodeId::new(2)?);
        let own = handshake(&authority.node(us)?, us, &cluster)?;
        let theirs = handshake(&authority.node(them)?, them, &cluster)?;
        let serve = |process: &Runtime, addr: SocketAddr| -> io::Result<SocketAddr> {
            let _inside = process.enter();
            let endpoint = endpoint(Box::new(bind(addr)?), &theirs)?;
            let addr = endpoint.local_addr()?;
            process.spawn(async move {
                let mut kept = Vec::new();
                while let Some(incoming) = endpoint.accept().await {
                    kept.extend(incoming.await);
                }
            });
            Ok(addr)
        };
        let before = process()?;
        let addr = serve(&before, "127.0.0.1:0".parse()?)?;

        let here = process()?;
        let connection = here.block_on(async {
            let endpoint = endpoint(Box::new(bind("127.0.0.1:0".parse()?)?), &own)?;
            let connection = endpoint.connect(addr, &node_name(them, &cluster))?.await?;
            Outcome::Ok((endpoint, connection))
        });
        let (_endpoint, connection) = connection?;
        before.shutdown_background();
        let after = process()?;
        // Until the process is gone its port is in use.
        let back = (0..200).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            serve(&after, addr).is_ok()
        });
        assert!(back, "the port stays in use");
        let why = here.block_on(async {
            // Anything that is sent is answered so; what would be sent of itself comes twice a second.
            let _asked = connection.open_bi().await;
            connection.closed().await
        });
        assert_eq!(why, quinn::ConnectionError::Reset);
        Ok(())
    }
}
