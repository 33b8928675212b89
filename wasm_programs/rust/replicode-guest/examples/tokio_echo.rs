//! An echo server on port 7 with tokio. Build it for replicode with
//! `RUSTFLAGS="--cfg tokio_unstable" cargo build --release --target wasm32-wasip1 --features tokio --example tokio_echo`.

use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let listener = replicode_guest::tokio::bind(([0, 0, 0, 0], 7))?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(n @ 1..) = stream.read(&mut buffer).await {
                if stream.write_all(&buffer[..n]).await.is_err() {
                    return;
                }
            }
        });
    }
}
