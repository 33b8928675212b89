//! Finds out soon that a way is open again.
//!
//! QUIC says again what is not acknowledged, but after pauses that double (RFC 9002, 6.2.1): when a way was closed for two seconds
//! the next attempt may be two more away, and nothing that waits in the connection moves until then. So while something that
//! was sent is not acknowledged, something new is sent at every look. The first of it that arrives is acknowledged at once,
//! and shows the sender what was lost before it. A way that is open, idle or not, gets nothing more than before.
//!
//! A connection that has as much on its way as congestion control allows can say nothing new, and does not until its next
//! attempt at the old. The log's is soon so while the peer is out of hearing. When the other connection to the same peer is heard
//! and that one is not, it is given up for a new one. A nudge finds room however much is on its way ([`super::congestion`]), so that comes last.

use super::congestion;
use super::endpoint::RECEIVE_WINDOW;
use super::peer::{Lane, Peer};
use crate::host;
use std::sync::Arc;
use std::time::Duration;

/// How often a connection is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// Looks without an acknowledgement, though one is due, after which there is a nudge at every look.
const PATIENCE: u32 = 2;

/// What a connection says of itself.
#[derive(Clone, Copy, Debug, Default)]
struct Report {
    round_trip: Duration,
    /// Frames sent that ask for an acknowledgement.
    sent: u64,
    /// Packets sent, and received.
    packets: (u64, u64),
}

/// Whether what was sent is heard, and what is heard is answered. Pure.
///
/// A packet that says nothing new may still carry an acknowledgement, of what was heard long ago. One of something new measures
/// the round trip, to the nanosecond: a figure that has changed is what tells the two apart.
///
/// Whoever speaks to a connection hears something soon, an acknowledgement if nothing else. One that is spoken to and says nothing has no
/// room to speak: all that it may send is on its way.
#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    /// The round trip by the last look at which it had changed.
    round_trip: Duration,
    /// What had been sent by then that asks for an acknowledgement.
    sent: u64,
    /// Looks since, with something sent and nothing new acknowledged.
    looks: u32,
    /// Looks at which there was something newly acknowledged.
    times: u64,
    /// Packets sent and received by the last look.
    packets: (u64, u64),
    /// Looks at which something had been received, since anything was sent.
    mute: u32,
}

impl Heard {
    /// A look. Answers whether to nudge.
    fn look(&mut self, report: Report) -> bool {
        let Report { round_trip, sent, packets } = report;
        if packets.0 != self.packets.0 {
            self.mute = 0;
        } else if packets.1 != self.packets.1 {
            self.mute = self.mute.saturating_add(1);
        }
        self.packets = packets;
        if round_trip != self.round_trip {
            *self = Self { round_trip, sent, looks: 0, times: self.times + 1, ..*self };
        } else if sent != self.sent {
            self.looks = self.looks.saturating_add(1);
        }
        self.looks >= PATIENCE || self.mute >= PATIENCE
    }
}

/// A connection that is looked after.
struct Ear {
    connection: quinn::Connection,
    heard: Heard,
    window: u32,
}

impl Ear {
    fn new(connection: quinn::Connection) -> Self {
        Self { connection, heard: Heard::default(), window: RECEIVE_WINDOW }
    }

    /// Whether to nudge.
    fn look(&mut self) -> bool {
        let stats = self.connection.stats();
        let sent = stats.frame_tx.stream + stats.frame_tx.ping + stats.frame_tx.max_data;
        let packets = (stats.udp_tx.datagrams, stats.udp_rx.datagrams);
        let unheard = self.heard.look(Report { round_trip: stats.path.rtt, sent, packets });
        let (id, path) = (self.connection.stable_id(), &stats.path);
        tracing::trace!(
            id, addr = %self.connection.remote_address(), looks = self.heard.looks, mute = self.heard.mute, times = self.heard.times, sent,
            received = stats.udp_rx.datagrams, round_trip = ?path.rtt, window = path.cwnd, lost = path.lost_packets,
            closed = ?self.connection.close_reason(), "a look at a connection"
        );
        unheard
    }

    /// Says the smallest thing that there is to say to whoever may not be listening for streams: there is room for a byte more.
    fn nudge(&mut self) {
        congestion::let_through(&self.connection);
        self.window = self.window.saturating_add(1);
        self.connection.set_receive_window(self.window.into());
    }
}

/// Looks after a connection that a peer has dialled, until it is closed.
pub async fn attend(connection: quinn::Connection) {
    let mut ear = Ear::new(connection);
    while ear.connection.close_reason().is_none() {
        host::sleep(LOOK).await;
        if ear.look() {
            ear.nudge();
        }
    }
}

/// When to give up a connection that is not heard. Pure.
#[derive(Clone, Copy, Debug, Default)]
struct Blocked {
    /// How often the other connection had been heard when this one began to hear nothing.
    times: Option<u64>,
    looks: u32,
}

impl Blocked {
    /// A look: whether this one is to be nudged, and how often the other was heard. Answers whether to give this one up.
    fn look(&mut self, unheard: bool, other: u64) -> bool {
        if !unheard {
            *self = Self::default();
            return false;
        }
        // It may have been made anew meanwhile, and count from nothing.
        let before = self.times.map_or(other, |times| times.min(other));
        self.times = Some(before);
        self.looks = if other > before { self.looks + 1 } else { 0 };
        self.looks >= PATIENCE
    }
}

/// Looks after the connections to a peer that this node has dialled. Never ends.
pub async fn watch(peer: Arc<Peer>) {
    let (mut bulk, mut control, mut blocked) = (None, None, Blocked::default());
    loop {
        host::sleep(LOOK).await;
        for (ear, lane) in [(&mut bulk, Lane::Bulk), (&mut control, Lane::Control)] {
            renew(ear, peer.up(lane));
        }
        let unheard = bulk.as_mut().is_some_and(Ear::look);
        if let Some(control) = &mut control
            && (control.look() | unheard)
        {
            control.nudge();
        }
        if unheard && let Some(bulk) = &mut bulk {
            bulk.nudge();
        }
        let other = control.as_ref().map_or(0, |control| control.heard.times);
        if blocked.look(unheard, other) {
            blocked = Blocked::default();
            tracing::info!(peer = %peer.node, "a peer is heard, but not where the log goes: that connection is made anew");
            peer.hang_up(Lane::Bulk);
        }
    }
}

/// Takes the connection that there is now, if it is another one than before.
fn renew(ear: &mut Option<Ear>, connection: Option<quinn::Connection>) {
    let id = |connection: &quinn::Connection| connection.stable_id();
    if ear.as_ref().map(|ear| id(&ear.connection)) != connection.as_ref().map(id) {
        *ear = connection.map(Ear::new);
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the tests are on the real host")]
mod tests {
    use super::super::endpoint;
    use super::super::tls::{Authority, handshake, node_name};
    use super::*;
    use quinn::udp::{RecvMeta, Transmit};
    use quinn::{AsyncUdpSocket, Runtime, UdpPoller};
    use replicode_log::NodeId;
    use std::io::{self, IoSliceMut};
    use std::net::SocketAddr;
    use std::pin::Pin;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::{Context, Poll};
    use std::time::Instant;

    type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

    /// A socket whose way can be closed: what is sent is lost.
    #[derive(Debug)]
    struct Valve {
        inner: Arc<dyn AsyncUdpSocket>,
        closed: Arc<AtomicBool>,
    }

    impl AsyncUdpSocket for Valve {
        fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
            self.inner.clone().create_io_poller()
        }

        fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
            if self.closed.load(Ordering::Relaxed) { Ok(()) } else { self.inner.try_send(transmit) }
        }

        fn poll_recv(
            &self,
            cx: &mut Context<'_>,
            bufs: &mut [IoSliceMut<'_>],
            meta: &mut [RecvMeta],
        ) -> Poll<io::Result<usize>> {
            self.inner.poll_recv(cx, bufs, meta)
        }

        fn local_addr(&self) -> io::Result<SocketAddr> {
            self.inner.local_addr()
        }
    }

    /// Two endpoints, a way each, and what the second hears of the first, in pieces of 60 bytes.
    struct Ways {
        here: Arc<AtomicBool>,
        there: Arc<AtomicBool>,
        endpoint: quinn::Endpoint,
        addr: SocketAddr,
        name: String,
        arrivals: tokio::sync::mpsc::UnboundedReceiver<()>,
    }

    impl Ways {
        const CLOSED: Duration = Duration::from_millis(2_400);

        fn open() -> Outcome<Self> {
            let (authority, cluster) = (Authority::new([7; 16])?, [7; 16]);
            let (us, them) = (NodeId::new(1)?, NodeId::new(2)?);
            let open = |node: NodeId| -> Outcome<(quinn::Endpoint, Arc<AtomicBool>)> {
                let inner = quinn::TokioRuntime.wrap_udp_socket(endpoint::bind("127.0.0.1:0".parse()?)?)?;
                let closed = Arc::new(AtomicBool::new(false));
                let valve = Arc::new(Valve { inner, closed: closed.clone() });
                Ok((endpoint::assemble(valve, &handshake(&authority.node(node)?, node, &cluster)?)?, closed))
            };
            let ((endpoint, here), (listening, there)) = (open(us)?, open(them)?);
            let (arrived, arrivals) = tokio::sync::mpsc::unbounded_channel();
            let addr = listening.local_addr()?;
            tokio::spawn(async move {
                let Some(incoming) = listening.accept().await else { return };
                let Ok(connection) = incoming.await else { return };
                tokio::spawn(attend(connection.clone()));
                let Ok((_tx, mut rx)) = connection.accept_bi().await else { return };
                let mut piece = [0; 60];
                while rx.read_exact(&mut piece).await.is_ok() && arrived.send(()).is_ok() {}
            });
            Ok(Self { here, there, endpoint, addr, name: node_name(them, &cluster), arrivals })
        }

        async fn connect(&self) -> Outcome<quinn::Connection> {
            let connection = self.endpoint.connect(self.addr, &self.name)?.await?;
            tokio::spawn(attend(connection.clone()));
            Ok(connection)
        }

        /// Closes both ways for a while.
        async fn is_open_again_soon(&mut self, time: u32) -> Outcome<()> {
            let both = |closed| [&self.here, &self.there].map(|way| way.store(closed, Ordering::Relaxed));
            both(true);
            tokio::time::sleep(Self::CLOSED).await;
            // What was on its way when it was closed.
            while self.arrivals.try_recv().is_ok() {}
            both(false);
            let since = Instant::now();
            self.arrivals.recv().await.ok_or("the connection is gone")?;
            println!("time {time}: after {:.2?}", since.elapsed());
            assert!(since.elapsed() < Duration::from_millis(1_500), "time {time}: after {:.2?}", since.elapsed());
            Ok(())
        }
    }

    /// What heartbeats and their like need goes through soon after the way is open again, and so it does when the way was
    /// closed just before already.
    #[tokio::test]
    async fn a_way_that_was_closed_twice_is_in_use_again_soon() -> Outcome<()> {
        let mut ways = Ways::open()?;
        let connection = ways.connect().await?;
        let (mut tx, _rx) = connection.open_bi().await?;
        tokio::spawn(async move {
            while tx.write_all(&[1; 60]).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(8)).await;
            }
        });
        for time in 0..3 {
            ways.arrivals.recv().await.ok_or("the connection is gone")?;
            ways.is_open_again_soon(time).await?;
        }
        Ok(())
    }

    /// And where the log goes, when all that may be on its way is lost, and the first that is heard again is an acknowledgement of
    /// what had arrived before: it measures a round trip of seconds, and makes no room.
    #[tokio::test]
    async fn a_way_that_was_closed_when_it_was_full_is_in_use_again_soon() -> Outcome<()> {
        const PIECE: [u8; 60] = [1; 60];
        for time in 0..2 {
            let mut ways = Ways::open()?;
            let connection = ways.connect().await?;
            let (mut tx, _rx) = connection.open_bi().await?;
            for _ in 0..20 {
                tx.write_all(&PIECE).await?;
                ways.arrivals.recv().await.ok_or("the connection is gone")?;
            }
            ways.there.store(true, Ordering::Relaxed);
            tx.write_all(&PIECE).await?;
            ways.arrivals.recv().await.ok_or("the connection is gone")?;
            ways.here.store(true, Ordering::Relaxed);
            tx.write_all(&vec![1; 4 << 20]).await?;
            ways.is_open_again_soon(time).await?;
        }
        Ok(())
    }

    #[test]
    fn only_what_is_not_acknowledged_is_a_reason_to_nudge() {
        let ms = Duration::from_millis;
        let (mut heard, mut packets) = (Heard::default(), 0);
        let mut look = |round_trip, sent| {
            packets += 1;
            heard.look(Report { round_trip, sent, packets: (packets, packets) })
        };
        assert!(!look(ms(0), 0));
        assert!(!look(ms(5), 10));
        // Idle: nothing was sent since.
        assert!((0..100).all(|_| !look(ms(5), 10)));
        // Sent, and not heard, whatever comes that says what is known.
        assert_eq!([11, 11, 12, 13].map(|sent| look(ms(5), sent)), [false, true, true, true]);
        // Heard again.
        assert!(!look(ms(6), 14));
        assert!(!look(ms(6), 14));
        // Busy: acknowledgements come and go.
        assert!((7..100).all(|n| !look(ms(n), 10 * n)));
    }

    #[test]
    fn who_is_spoken_to_and_has_no_room_to_answer_is_nudged() {
        let mut heard = Heard::default();
        let mut look = |packets| heard.look(Report { round_trip: Duration::from_millis(5), sent: 10, packets });
        assert!((0..100).all(|n| !look((n, 7 * n))), "it answers");
        assert!((0..100).all(|n| !look((n, 700))), "it speaks to itself");
        // The acknowledgement of its last word, and nothing more.
        assert!((0..100).all(|_| !look((99, 701))), "idle");
        assert!(!look((100, 701)));
        assert_eq!([702, 702, 703, 704].map(|received| look((100, received))), [false, false, true, true]);
        assert!(!look((101, 705)), "it has answered");
    }

    #[test]
    fn a_connection_is_given_up_when_the_other_one_is_heard_again_and_it_is_not() {
        let mut blocked = Blocked::default();
        assert!((0..50).all(|n| !blocked.look(false, n)), "it is heard");
        assert!((0..50).all(|_| !blocked.look(true, 50)), "neither is");
        assert_eq!([51, 52].map(|other| blocked.look(true, other)), [false, true]);
        let mut blocked = Blocked::default();
        assert_eq!([5, 6].map(|other| blocked.look(true, other)), [false, false]);
        assert!(!blocked.look(false, 7), "heard in time");
        assert_eq!([7, 8, 9].map(|other| blocked.look(true, other)), [false, false, true]);
    }
}
