//! A server: a socket at a path, the drivers behind it, and its end.

use super::driver::{Driver, Inbox};
use super::syncer::Syncer;
use crate::beyond::Beyond;
use crate::service::{Options, Service, StartError};
use mio::net::UnixListener;
use nix::sys::stat::{Mode, umask};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

/// Where a server is and what it is made of.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Path of the socket.
    pub socket: PathBuf,
    /// A group whose members may connect, too.
    pub group: Option<u32>,
    /// Registry, state, limits.
    pub service: Options,
}

/// A running server. When it is dropped without [`Server::wait`] its threads go on.
pub struct Server {
    service: Arc<Service>,
    inboxes: Vec<Arc<Inbox>>,
    syncer: Arc<Syncer>,
    sync_thread: Option<JoinHandle<()>>,
    socket: PathBuf,
    /// The socket's own number, to remove no other.
    inode: u64,
}

impl Server {
    /// Starts a server. Returns what is damaged and was left out, too.
    ///
    /// # Errors
    /// When the path is taken, or the directory, the state or the engine cannot be used.
    pub fn start(options: &ServerOptions) -> Result<(Self, Vec<String>), StartError> {
        Self::start_before(options, None)
    }

    /// The same for a server that executes nothing itself, if somebody is beyond it who does.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_before(
        options: &ServerOptions,
        beyond: Option<Arc<dyn Beyond>>,
    ) -> Result<(Self, Vec<String>), StartError> {
        check_path(&options.socket)?;
        let (service, warnings) = Service::open(&options.service)?;
        if let Some(beyond) = beyond {
            // The service is new: there is nobody yet.
            let _ = service.beyond.set(beyond);
        }
        let system = |what: &str| {
            let what = what.to_string();
            move |error| StartError::System { what, error }
        };
        let syncer = Arc::new(Syncer::default());
        let mut drivers = Vec::new();
        for _ in 0..service.threads {
            drivers.push(Driver::new(&service, &syncer).map_err(system("make a poll"))?);
        }
        let inboxes: Vec<_> = drivers.iter().map(|driver| driver.inbox()).collect();
        let listener = bind(&options.socket, options.group)
            .map_err(|error| StartError::Place { path: options.socket.display().to_string(), error })?;
        let inode = std::fs::symlink_metadata(&options.socket).map_or(0, |about| about.ino());
        for driver in &mut drivers {
            driver.know(inboxes.clone());
        }
        if let Some(first) = drivers.first_mut() {
            first.listen(listener).map_err(system("listen"))?;
        }
        let (sync, for_sync, to_wake) = (Arc::clone(&syncer), Arc::clone(&service), inboxes.clone());
        let thread = std::thread::Builder::new().name("functions-sync".into());
        let sync_thread = thread.spawn(move || sync.work(&for_sync, || to_wake.iter().for_each(|inbox| inbox.wake())));
        let sync_thread = Some(sync_thread.map_err(system("start a thread"))?);
        for driver in drivers {
            service.crew.go_on(driver);
        }
        Ok((Self { service, inboxes, syncer, sync_thread, socket: options.socket.clone(), inode }, warnings))
    }

    /// Registry, state and counters.
    #[must_use]
    pub const fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// From now on nothing begins; what runs ends by itself, or with `now` at once.
    pub fn begin_to_stop(&self, now: bool) {
        self.service.shut_down(now);
        self.inboxes.iter().for_each(|inbox| inbox.wake());
    }

    /// Waits for the end: everybody has been answered, everything is kept, the socket is gone.
    ///
    /// # Errors
    /// What broke, if anything did.
    pub fn wait(mut self) -> Result<(), String> {
        self.service.crew.wait(self.inboxes.len());
        self.syncer.end();
        if let Some(thread) = self.sync_thread.take() {
            // It does not panic; if it did, what it had to say has been said.
            let _ = thread.join();
        }
        if std::fs::symlink_metadata(&self.socket).is_ok_and(|about| about.ino() == self.inode) {
            let _ = std::fs::remove_file(&self.socket);
        }
        let closed = self.service.close();
        match (self.service.broken.get(), closed) {
            (Some(why), _) => Err(why.to_string()),
            (None, closed) => closed.map_err(|error| error.to_string()),
        }
    }
}

/// What is at the path must be nothing, or the socket of a server that is dead.
fn check_path(path: &Path) -> Result<(), StartError> {
    let about = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(StartError::Place { path: path.display().to_string(), error }),
        Ok(about) => about,
    };
    let shown = path.display();
    if !about.file_type().is_socket() {
        return Err(StartError::Socket(format!("{shown} exists and is no socket: give another --socket")));
    }
    match UnixStream::connect(path) {
        Ok(_) => {
            Err(StartError::Socket(format!("a server listens at {shown} already: stop it, or give another --socket")))
        }
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(|error| StartError::Place { path: shown.to_string(), error })
        }
        Err(error) => {
            Err(StartError::Socket(format!("{shown} exists, and whether its server lives cannot be told ({error})")))
        }
    }
}

/// Binds a socket that nobody else may connect to, not even for a moment.
fn bind(path: &Path, group: Option<u32>) -> io::Result<UnixListener> {
    let before = umask(Mode::from_bits_truncate(0o177));
    let bound = UnixListener::bind(path);
    umask(before);
    let listener = bound?;
    if let Some(group) = group {
        std::os::unix::fs::chown(path, None, Some(group))?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    }
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::time::Duration;

    #[test]
    fn who_sends_all_and_its_end_at_once_is_let_go() {
        let directory = tempfile::tempdir().unwrap();
        let options = ServerOptions { socket: directory.path().join("s"), group: None, service: Options::default() };
        let (server, _) = Server::start(&options).unwrap();
        for round in 0..2000 {
            let mut stream = UnixStream::connect(&options.socket).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            stream.write_all(if round % 2 == 0 { b"RFN1" } else { b"{\"op\":\"ping\"}\n" }).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let mut answers = Vec::new();
            stream.read_to_end(&mut answers).unwrap();
            assert_eq!(answers.is_empty(), round % 2 == 0);
        }
        server.begin_to_stop(false);
        server.wait().unwrap();
    }
}
