//! TLS with the host's random numbers.
//!
//! Everything is rustls and ring as on a real node, but for the key exchange, which in ring draws from the system: here both
//! sides hash their two public numbers. Whoever listens could do that too. Nobody does, and what it costs is not what a
//! simulation is about.

use replicode_log::{Digest, NodeId};
use replicode_replication::TlsIdentity;
use replicode_replication::host;
use replicode_replication::network::tls::{Authority, TlsError};
use rustls::crypto::{
    ActiveKeyExchange, CryptoProvider, GetRandomFailed, SecureRandom, SharedSecret, SupportedKxGroup,
};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::pki_types::{PrivatePkcs8KeyDer, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{Error, NamedGroup};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The cluster's number, which names stand in certificates for.
pub const CLUSTER: [u8; 16] = [7; 16];

#[derive(Debug)]
struct HostRandom;

impl SecureRandom for HostRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        host::fill(bytes).map_err(|_| GetRandomFailed)
    }
}

#[derive(Debug)]
struct OpenExchange;

struct Exchanging([u8; 32]);

impl SupportedKxGroup for OpenExchange {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let mut number = [0; 32];
        host::fill(&mut number).map_err(|_| Error::FailedToGetRandomBytes)?;
        Ok(Box::new(Exchanging(number)))
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

impl ActiveKeyExchange for Exchanging {
    fn complete(self: Box<Self>, theirs: &[u8]) -> Result<SharedSecret, Error> {
        let (low, high) = if self.0[..] < *theirs { (&self.0[..], theirs) } else { (theirs, &self.0[..]) };
        let secret = Digest::of(&[low, high].concat());
        Ok(SharedSecret::from(secret.bytes().to_vec()))
    }

    fn pub_key(&self) -> &[u8] {
        &self.0
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

/// The wall clock of whoever asks.
#[derive(Debug)]
pub struct WallTime;

impl TimeProvider for WallTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_nanos(host::wall_unix_ns())))
    }
}

/// See the module.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    let make = || {
        let real = rustls::crypto::ring::default_provider();
        Arc::new(CryptoProvider { kx_groups: vec![&OpenExchange], secure_random: &HostRandom, ..real })
    };
    PROVIDER.get_or_init(make).clone()
}

/// A key from a number (RFC 8410, section 7: the head of a PKCS #8 file, and 32 bytes).
fn key(number: u8) -> Result<rcgen::KeyPair, TlsError> {
    const HEAD: [u8; 16] =
        [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    let der = [&HEAD[..], &[number; 32]].concat();
    let made = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(der), &rcgen::PKCS_ED25519);
    made.map_err(|why| TlsError::Bad { what: "a key of the simulation".to_string(), why: why.to_string() })
}

/// The credentials of a node: the same in all worlds.
///
/// # Errors
/// When they cannot be made.
pub fn identity(node: NodeId) -> Result<TlsIdentity, TlsError> {
    Authority::with_key(CLUSTER, key(0xff)?)?.node_with_key(node, &key(node.get() as u8)?)
}
