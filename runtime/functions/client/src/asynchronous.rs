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
    token: Option<String>,
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
        Self::connect_as(path, None).await
    }

    /// Connects to a server as the tenant that has a token, or whose the user is.
    ///
    /// # Errors
    /// [`ClientError::NoServer`]; or nobody has that token.
    pub async fn connect_as(path: impl AsRef<Path>, token: Option<&str>) -> Result<Self, ClientError> {
        let link = Link { writer: None, waiting: Arc::default(), next: 1 };
        let client = Self {
            path: path.as_ref().into(),
            token: token.map(str::to_string),
            link: Arc::new(AsyncMutex::new(link)),
        };
        client.connected(&mut *client.link.lock().await).await?;
        Ok(client)
    }

    async fn connected(&self, link: &mut Link) -> Result<(), ClientError> {
        if link.writer.is_some() && lock(&link.waiting).is_some() {
            return Ok(());
        }
        let no_server = |error| ClientError::NoServer { path: self.path.display().to_string(), error };
        let (reader, mut writer) = UnixStream::connect(&self.path).await.map_err(no_server)?.into_split();
        let mut reader = BufReader::with_capacity(64 << 10, reader);
        if let Some(token) = &self.token {
            writer.write_all(message::hello(token, false).as_bytes()).await.map_err(ClientError::Lost)?;
            let mut answer = String::new();
            reader.read_line(&mut answer).await.map_err(ClientError::Lost)?;
            message::welcome(&answer)?;
        }
        link.writer = Some(writer);
        link.waiting = Arc::new(Mutex::new(Some(BTreeMap::new())));
        let waiting = Arc::clone(&link.waiting);
        tokio::spawn(async move {
            let mut lines = reader.lines();
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
            // Whoever gives up in the middle of a line takes the writer with it: the next one gets a connection of its own, instead of one
            // where its line would go on where this one has ended.
            let mut writer = link.writer.take().ok_or_else(lost)?;
            writer.write_all(line.as_bytes()).await.map_err(ClientError::Lost)?;
            link.writer = Some(writer);
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
