//! The node's end of the admin socket: a thread that accepts, and a short-lived one for each connection.

use super::{Answer, MAX_REQUEST, Request};
use anyhow::{Context, Result};
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, UnixAddr, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Connections served at once; more are closed at once.
const CONNECTIONS: usize = 8;
/// A peer that neither sends nor reads for so long is dropped.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs until dropped; then the socket's file is gone.
#[derive(Debug)]
pub struct AdminServer {
    path: PathBuf,
    stop: Arc<AtomicBool>,
}

impl Drop for AdminServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the accepting thread so that it sees the flag.
        let _ = connect(&self.path);
        let _ = fs::remove_file(&self.path);
    }
}

/// Serves `answer` on a Unix socket at `path`. The caller holds the directory's lock, so a file left there is stale.
///
/// # Errors
/// When the socket cannot be made.
pub fn serve<F>(path: &Path, answer: F) -> Result<AdminServer>
where
    F: Fn(Request) -> Result<serde_json::Value> + Send + Sync + 'static,
{
    let what = || format!("cannot listen on {}", path.display());
    if path.exists() {
        fs::remove_file(path).with_context(what)?;
    }
    let listener = with_short_path(path, |short| UnixListener::bind(short)).with_context(what)?;
    fs::set_permissions(path, Permissions::from_mode(0o600)).with_context(what)?;
    let stop = Arc::new(AtomicBool::new(false));
    let (flag, answer, open) = (stop.clone(), Arc::new(answer), Arc::new(AtomicUsize::new(0)));
    std::thread::Builder::new().name("admin".into()).spawn(move || {
        for stream in listener.incoming() {
            if flag.load(Ordering::Relaxed) {
                return;
            }
            let Ok(stream) = stream else {
                // Out of descriptors, most likely: give the others time to close some.
                std::thread::sleep(Duration::from_millis(100));
                continue;
            };
            if open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS {
                open.fetch_sub(1, Ordering::Relaxed);
                continue;
            }
            let (answer, place) = (answer.clone(), Place(open.clone()));
            let served = std::thread::Builder::new().name("admin client".into()).spawn(move || {
                let _place = place;
                if let Err(error) = converse(&stream, &*answer) {
                    tracing::debug!("admin connection: {error:#}");
                }
            });
            if let Err(error) = served {
                tracing::warn!("cannot start a thread for an admin connection: {error}");
            }
        }
    })?;
    Ok(AdminServer { path: path.into(), stop })
}

struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn converse(stream: &UnixStream, answer: &dyn Fn(Request) -> Result<serde_json::Value>) -> Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let peer = socket::getsockopt(stream, sockopt::PeerCredentials)?;
    let me = nix::unistd::geteuid().as_raw();
    if peer.uid() != me && peer.uid() != 0 {
        return say(stream, &Answer::Error(format!("user {} may not ask a node of user {me}", peer.uid())));
    }
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        let mut bounded = (&mut reader).take(MAX_REQUEST as u64);
        if bounded.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if line.last() != Some(&b'\n') {
            let why = format!("a request is one line of at most {MAX_REQUEST} bytes");
            return say(stream, &Answer::Error(why));
        }
        let reply = match serde_json::from_slice(&line) {
            Ok(request) => answer(request).map_or_else(|error| Answer::Error(format!("{error:#}")), Answer::Ok),
            Err(error) => Answer::Error(format!("not a request: {error}")),
        };
        say(stream, &reply)?;
    }
}

fn say(mut stream: &UnixStream, answer: &Answer) -> Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    Ok(stream.write_all(&line)?)
}

/// Connects to a socket file, however long its path. Does not wait for long when nobody accepts: `WouldBlock`.
pub fn connect(path: &Path) -> std::io::Result<UnixStream> {
    let kind = (AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC);
    with_short_path(path, |short| {
        let socket = socket::socket(kind.0, kind.1, kind.2, None)?;
        // Bounds how long a full queue is waited for (socket(7), SO_SNDTIMEO).
        socket::setsockopt(&socket, sockopt::SendTimeout, &TimeVal::seconds(2))?;
        socket::connect(socket.as_raw_fd(), &UnixAddr::new(short)?)?;
        Ok(UnixStream::from(socket))
    })
}

/// A socket's address holds about 100 bytes of path. A longer path is reached through an open descriptor of its
/// directory.
///
/// # Errors
/// When the directory cannot be opened, and those of `act`.
pub fn with_short_path<T>(path: &Path, act: impl FnOnce(&Path) -> std::io::Result<T>) -> std::io::Result<T> {
    if path.as_os_str().len() < 100 {
        return act(path);
    }
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else { return act(path) };
    let dir = fs::File::open(dir)?;
    act(&PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd())).join(name))
}

#[cfg(test)]
mod tests {
    use super::super::client;
    use super::*;
    use anyhow::bail;

    fn start(dir: &Path) -> Result<(AdminServer, PathBuf)> {
        let path = dir.join("admin.sock");
        let server = serve(&path, |request| match request {
            Request::Log { from, limit } => Ok(serde_json::json!([from, limit])),
            Request::Status => Ok(serde_json::json!({"node": 3})),
            _ => bail!("not today"),
        })?;
        Ok((server, path))
    }

    #[test]
    fn questions_are_answered_and_the_socket_is_private() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let (server, path) = start(tmp.path())?;
        assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);
        let mut client = client::AdminClient::connect(tmp.path())?;
        let echo: (Option<u64>, u64) = client.ask(&Request::Log { from: None, limit: 7 })?;
        assert_eq!(echo, (None, 7));
        let error = client.ask::<Vec<u8>>(&Request::Ps).map_err(|e| e.to_string());
        assert!(error.is_err_and(|e| e.contains("not today")));
        drop(server);
        assert!(!path.exists());
        assert!(client::AdminClient::connect(tmp.path()).is_err());
        Ok(())
    }

    #[test]
    fn garbage_is_answered_with_an_error_and_disturbs_nobody() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let (_server, path) = start(tmp.path())?;
        for garbage in
            [&b"GET / HTTP/1.1\r\n"[..], b"{\"ask\":\"tea\"}\n", b"\xff\xfe\n", b"{\"ask\":\"log\",\"limit\":-1}\n"]
        {
            let mut stream = connect(&path)?;
            stream.write_all(garbage)?;
            stream.shutdown(std::net::Shutdown::Write)?;
            let mut reply = String::new();
            stream.read_to_string(&mut reply)?;
            assert!(reply.starts_with("{\"error\""), "{reply}");
        }
        let mut stream = connect(&path)?;
        // The server may hang up while this is still being written.
        let _ = stream.write_all(&vec![b'x'; MAX_REQUEST + 1]);
        let mut reply = String::new();
        let _ = stream.read_to_string(&mut reply);
        assert!(reply.is_empty() || reply.contains("at most"), "{reply}");
        let status: serde_json::Value = client::AdminClient::connect(tmp.path())?.ask(&Request::Status)?;
        assert_eq!(status["node"], 3);
        Ok(())
    }

    #[test]
    fn long_paths_work() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let deep = tmp.path().join("d".repeat(80)).join("e".repeat(80));
        fs::create_dir_all(&deep)?;
        let (_server, _) = start(&deep)?;
        let status: serde_json::Value = client::AdminClient::connect(&deep)?.ask(&Request::Status)?;
        assert_eq!(status["node"], 3);
        Ok(())
    }
}
