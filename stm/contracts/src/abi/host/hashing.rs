//! Hashes and signatures of bytes in memory.

use super::{Answer, Context};
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::Digest;

/// See the table.
pub fn blake3(cx: &mut Context<'_>, to: u32, from: u32, len: u32) -> Answer<()> {
    let hash = *::blake3::hash(cx.bytes(from, len)?).as_bytes();
    cx.put(to, &hash)
}

/// See the table.
pub fn sha256(cx: &mut Context<'_>, to: u32, from: u32, len: u32) -> Answer<()> {
    let hash = sha2::Sha256::digest(cx.bytes(from, len)?);
    cx.put(to, &hash)
}

/// See the table.
pub fn ed25519_verify(cx: &mut Context<'_>, key: u32, signature: u32, from: u32, len: u32) -> Answer<u32> {
    let (key, signature) = (cx.array::<32>(key)?, cx.array::<64>(signature)?);
    let message = cx.bytes(from, len)?;
    let holds = VerifyingKey::from_bytes(&key)
        .is_ok_and(|key| key.verify_strict(message, &Signature::from_bytes(&signature)).is_ok());
    Ok(u32::from(holds))
}
