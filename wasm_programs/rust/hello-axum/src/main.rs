//! hello-axum: a server on axum, which differs from one on Linux by the line that names `TcpListener`.
//!
//! ```text
//! hello-axum [ADDRESS]         default 0.0.0.0:8080
//!
//! GET  /               hello, world
//! GET  /hello/NAME     hello, NAME
//! POST /count          counts, and answers {"count": N}
//! POST /echo           the body
//! GET  /slow           an answer after 100 ms, while others are served
//! ```

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use replicode_guest::tokio::TcpListener;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let app = Router::new()
        .route("/", get(|| async { "hello, world\n" }))
        .route("/hello/{name}", get(|Path(name): Path<String>| async move { format!("hello, {name}\n") }))
        .route("/count", post(count))
        .route("/echo", post(|body: String| async { body }))
        .route("/slow", get(slow))
        .with_state(Arc::new(AtomicU64::new(0)));
    let address = std::env::args().nth(1).unwrap_or_else(|| "0.0.0.0:8080".to_string());
    axum::serve(TcpListener::bind(address).await?, app).await
}

async fn count(State(count): State<Arc<AtomicU64>>) -> Json<Value> {
    Json(json!({"count": count.fetch_add(1, Ordering::Relaxed) + 1}))
}

async fn slow() -> &'static str {
    tokio::time::sleep(Duration::from_millis(100)).await;
    "slept\n"
}
