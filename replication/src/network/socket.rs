//! The peer socket with detours: datagrams that came through another node are received as if they had come directly, and
//! those for a node that needs it are sent both ways. While all ways are open this costs a look at one flag.

use super::detour::{Arrival, Detours};
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// See the module.
#[derive(Debug)]
pub struct DetourSocket {
    inner: Arc<dyn AsyncUdpSocket>,
    detours: Arc<Detours>,
    arrivals: Mutex<mpsc::Receiver<Arrival>>,
    /// Whether the endpoint knows all addresses in IPv6's form, as one that listens there does.
    v6: bool,
}

impl DetourSocket {
    /// Wraps a socket.
    #[must_use]
    pub fn new(inner: Arc<dyn AsyncUdpSocket>, detours: Arc<Detours>, arrivals: mpsc::Receiver<Arrival>) -> Self {
        let v6 = inner.local_addr().is_ok_and(|addr| addr.is_ipv6());
        Self { inner, detours, arrivals: Mutex::new(arrivals), v6 }
    }

    /// Hands over what has come on a detour; answers how many datagrams.
    fn arrived(&self, cx: &mut Context<'_>, bufs: &mut [IoSliceMut<'_>], meta: &mut [RecvMeta]) -> usize {
        let mut arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        let mut count = 0;
        for (buffer, meta) in bufs.iter_mut().zip(meta) {
            let Poll::Ready(Some((addr, bytes))) = arrivals.poll_recv(cx) else { break };
            let addr = match addr {
                SocketAddr::V4(v4) if self.v6 => SocketAddr::from((v4.ip().to_ipv6_mapped(), v4.port())),
                addr => addr,
            };
            // One that does not fit is lost, as it would be in a network.
            let len = if bytes.len() <= buffer.len() { bytes.len() } else { 0 };
            buffer[..len].copy_from_slice(&bytes[..len]);
            *meta = RecvMeta { addr, len, stride: len, ecn: None, dst_ip: None };
            count += 1;
        }
        count
    }
}

impl AsyncUdpSocket for DetourSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        self.inner.clone().create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let sent = self.inner.try_send(transmit);
        // What is tried again is not sent twice.
        if sent.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            return sent;
        }
        let size = transmit.segment_size.unwrap_or(transmit.contents.len());
        self.detours.send(transmit.destination, transmit.contents, size);
        sent
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let count = self.arrived(cx, bufs, meta);
        if count > 0 {
            return Poll::Ready(Ok(count));
        }
        let received = self.inner.poll_recv(cx, bufs, meta);
        if let Poll::Ready(Ok(count)) = &received {
            // Mostly all of a round are from one node.
            let mut last = None;
            for meta in meta.iter().take(*count) {
                if last.replace(meta.addr) != Some(meta.addr) {
                    self.detours.heard(meta.addr);
                }
            }
        }
        received
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.inner.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.inner.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }
}
