//! Connections as they come in, as many as there are descriptors for; further clients wait, and the log has its own.
//!
//! A server that runs out of descriptors must neither end nor spin, and its log must still be able to open the files of
//! a compaction. So a connection is accepted only while some more descriptors could be opened; else the clients wait in
//! the kernel's queue until a connection ends.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Descriptors left free for the log, which opens one file at a time, and what else the process may need.
const SPARE: usize = 8;
/// How long it waits when there are none, or when the system cannot accept.
const PAUSE: Duration = Duration::from_millis(20);

/// Between two notes that clients wait.
const NOTE_AGAIN: Duration = Duration::from_secs(60);

/// Whether another connection leaves enough descriptors.
fn has_room(listener: &TcpListener) -> io::Result<()> {
    let spare: io::Result<Vec<OwnedFd>> = (0..=SPARE).map(|_| listener.as_fd().try_clone_to_owned()).collect();
    spare.map(|_| ())
}

/// The connections that a listener takes, for [`tonic::transport::Server`]; it never ends. `note` is told when clients
/// have to wait, at most once a minute.
pub fn connections(
    listener: TcpListener,
    note: impl Fn(&io::Error) + Send + 'static,
) -> ReceiverStream<io::Result<TcpStream>> {
    let (send, receive) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut noted: Option<Instant> = None;
        loop {
            let accepted = match has_room(&listener) {
                Ok(()) => tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = send.closed() => return,
                },
                Err(why) => Err(why),
            };
            match accepted {
                Ok((stream, _)) => {
                    if send.send(Ok(stream)).await.is_err() {
                        return;
                    }
                }
                Err(why) if is_of_one_client(&why) => {}
                Err(why) => {
                    if noted.is_none_or(|at| at.elapsed() >= NOTE_AGAIN) {
                        note(&why);
                        noted = Some(Instant::now());
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    });
    ReceiverStream::new(receive)
}

/// A client that went away before it was accepted (accept(2)): the next one may be well.
fn is_of_one_client(why: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, WouldBlock};
    matches!(why.kind(), ConnectionAborted | ConnectionReset | Interrupted | WouldBlock)
}
