//! The client on tokio: many tasks share one connection, and each waits for its own answer.

use crate::message::{self, Answer, ClientError, Config};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::{Mutex as AsyncMutex, oneshot};

type Waiting = Arc<Mutex<Option<BTreeMap<u64, oneshot::Sender<Value>>>>>;

/// A connection in JSON, shared by tasks. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AsyncClient {
    path: PathBuf,
    link: Arc<AsyncMutex<Link>>,
}

#[derive(Debug)]
struct Link {
    writer: Option<OwnedWriteHalf>,
    /// Whoever waits; `None` when the connection has ended.
    waiting: Waiting,
    next: u64,
}

fn lock(waiting: &Waiting) -> std::sync::MutexGuard<'_, Option<BTreeMap<u64, oneshot::Sender<Value>>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

impl AsyncClient {
    /// Connects to a server.
    ///
    /// # Errors
    /// [`ClientError::NoServer`].
    pub async fn connect(path: impl AsRef<Path>) -> Result<Self, ClientError> {
        let link = Link { writer: None, waiting: Arc::default(), next: 1 };
        let client = Self { path: path.as_ref().into(), link: Arc::new(AsyncMutex::new(link)) };
        client.connected(&mut *client.link.lock().await).await?;
        Ok(client)
    }

    async fn connected(&self, link: &mut Link) -> Result<(), ClientError> {
        if link.writer.is_some() && lock(&link.waiting).is_some() {
            return Ok(());
        }
        let no_server = |error| ClientError::NoServer { path: self.path.display().to_string(), error };
        let (reader, writer) = UnixStream::connect(&self.path).await.map_err(no_server)?.into_split();
        link.writer = Some(writer);
        link.waiting = Arc::new(Mutex::new(Some(BTreeMap::new())));
        let waiting = Arc::clone(&link.waiting);
        tokio::spawn(async move {
            let mut lines = BufReader::with_capacity(64 << 10, reader).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let Ok(answer) = serde_json::from_str::<Value>(&line) else { break };
                let id = answer.get("id").and_then(Value::as_u64);
                let waits = id.and_then(|id| lock(&waiting).as_mut()?.remove(&id));
                if let Some(waits) = waits {
                    // Whoever asked may have lost interest.
                    let _ = waits.send(answer);
                }
            }
            // Everybody who waits learns that nothing comes any more.
            lock(&waiting).take();
        });
        Ok(())
    }

    /// Sends any request and waits for its answer.
    ///
    /// # Errors
    /// When there is no server, the connection ends, or the server says that the request failed.
    pub async fn request(&self, mut request: Value) -> Result<Value, ClientError> {
        let answer = {
            let mut link = self.link.lock().await;
            self.connected(&mut link).await?;
            let id = link.next;
            link.next += 1;
            request["id"] = json!(id);
            let mut line = request.to_string();
            line.push('\n');
            let (sender, answer) = oneshot::channel();
            let lost = || ClientError::Lost(io::ErrorKind::UnexpectedEof.into());
            lock(&link.waiting).as_mut().ok_or_else(lost)?.insert(id, sender);
            let writer = link.writer.as_mut().ok_or_else(lost)?;
            if let Err(error) = writer.write_all(line.as_bytes()).await {
                link.writer = None;
                return Err(ClientError::Lost(error));
            }
            answer
        };
        let lost = |_| ClientError::Lost(io::ErrorKind::UnexpectedEof.into());
        message::open(answer.await.map_err(lost)?)
    }

    /// Loads a module. Returns its UUID.
    ///
    /// # Errors
    /// As [`AsyncClient::request`].
    pub async fn load(&self, wasm: &[u8], name: Option<&str>) -> Result<String, ClientError> {
        message::uuid(&self.request(message::load(wasm, name)).await?)
    }

    /// Executes a function, by name or UUID.
    ///
    /// # Errors
    /// As [`AsyncClient::request`].
    pub async fn execute(&self, function: &str, input: &[u8], config: &Config) -> Result<Answer, ClientError> {
        message::answer(&self.request(message::execute(function, input, config)).await?)
    }

    /// Executes functions one behind the other.
    ///
    /// # Errors
    /// As [`AsyncClient::request`].
    pub async fn chain(&self, functions: &[&str], input: &[u8], config: &Config) -> Result<Answer, ClientError> {
        message::answer(&self.request(message::chain(functions, input, config)).await?)
    }
}
