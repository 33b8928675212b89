//! Frames: a length and as many bytes, with a bound for each kind.

use bytes::{Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;

/// Most bytes of a hello, a vote, an answer.
pub const SMALL: usize = 64 << 10;
/// Most bytes of an append request: a message of the usual size, or one that holds a single batch of the largest size.
pub const APPEND: usize = 24 << 20;
/// Most bytes of forwarded inputs: those of the largest batch.
pub const FORWARD: usize = 16 << 20;
/// Most bytes of a detoured datagram: the largest packet and a few words.
pub const DETOUR: usize = 8 << 10;
/// Most bytes of a question to the floor above, and of its answer.
pub const ASK: usize = 16 << 20;
/// Room is made for a frame in steps of this size, as its bytes arrive: who announces much must send much.
const STEP: usize = 1 << 20;

/// Encodes a value as a frame into `buffer`, replacing what is in it.
///
/// # Errors
/// When the value cannot be encoded or has more than 2^32 bytes.
pub fn encode<T: Serialize>(value: &T, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.clear();
    buffer.extend_from_slice(&[0; 4]);
    *buffer = postcard::to_extend(value, std::mem::take(buffer)).map_err(io::Error::other)?;
    let len = u32::try_from(buffer.len() - 4).map_err(io::Error::other)?;
    buffer[..4].copy_from_slice(&len.to_le_bytes());
    Ok(())
}

/// Writes a value as a frame. `buffer` is reused.
///
/// # Errors
/// When the stream is gone.
pub async fn write<T: Serialize>(stream: &mut quinn::SendStream, value: &T, buffer: &mut Vec<u8>) -> io::Result<()> {
    encode(value, buffer)?;
    stream.write_all(buffer).await.map_err(io::Error::other)
}

/// Writes bytes as a frame.
///
/// # Errors
/// When the stream is gone, or the bytes are too many for a length.
pub async fn write_bytes(stream: &mut quinn::SendStream, bytes: Bytes) -> io::Result<()> {
    let len = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    let head = Bytes::copy_from_slice(&len.to_le_bytes());
    stream.write_all_chunks(&mut [head, bytes]).await.map_err(io::Error::other)
}

/// Reads a frame of at most `max` bytes; `None` at the stream's end.
///
/// # Errors
/// When the stream breaks, or announces more than `max` bytes.
pub async fn read_bytes(stream: &mut quinn::RecvStream, max: usize) -> io::Result<Option<Bytes>> {
    let mut head = [0; 4];
    match stream.read_exact(&mut head).await {
        Ok(()) => {}
        Err(quinn::ReadExactError::FinishedEarly(0)) => return Ok(None),
        Err(error) => return Err(io::Error::other(error)),
    }
    let len = u32::from_le_bytes(head) as usize;
    if len > max {
        return Err(io::Error::other(format!("a frame of {len} bytes where {max} are allowed")));
    }
    let mut bytes = BytesMut::new();
    while bytes.len() < len {
        let from = bytes.len();
        bytes.resize(len.min(from + STEP), 0);
        stream.read_exact(&mut bytes[from..]).await.map_err(io::Error::other)?;
    }
    Ok(Some(bytes.freeze()))
}

/// Reads a value of at most `max` bytes; `None` at the stream's end.
///
/// # Errors
/// As for [`read_bytes`], and when the bytes are no such value.
pub async fn read<T: DeserializeOwned>(stream: &mut quinn::RecvStream, max: usize) -> io::Result<Option<T>> {
    let Some(bytes) = read_bytes(stream, max).await? else { return Ok(None) };
    postcard::from_bytes(&bytes).map(Some).map_err(io::Error::other)
}
