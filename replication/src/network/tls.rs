//! Certificates: the cluster's own authority, one certificate per node, and who is who after a handshake.
//!
//! A node's certificate names it as `node-<number>.<cluster>.replicode`. A dialler asks for the name of the node it wants; an
//! acceptor checks the name of the node that the other one says it is. So a valid certificate of the same authority is
//! not enough to speak for another node.

use crate::config::TlsIdentity;
pub use crate::host::read_credentials as load;
use replicode_log::NodeId;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use std::fmt::Display;
use std::sync::Arc;

/// The protocol's name in the handshake.
const ALPN: &[u8] = b"replicode/1";

/// Why credentials cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Not PEM, not a certificate or key, or not what it should be.
    #[error("{what} cannot be used: {why}")]
    Bad {
        /// Which of them.
        what: String,
        /// What is wrong.
        why: String,
    },
    /// A file cannot be read.
    #[error("cannot read the key file {file}: {why}; {}", way_out(.why))]
    Read {
        /// The file.
        file: String,
        /// The system's reason.
        why: std::io::Error,
    },
    /// Others than the owner may read the key.
    #[error(
        "the key file {file} has mode {mode:o}: others may read it. set it to 600, and make a new key if it was exposed"
    )]
    Exposed {
        /// The file.
        file: String,
        /// Its permission bits.
        mode: u32,
    },
}

/// What to do about a key file that cannot be read.
fn way_out(why: &std::io::Error) -> &'static str {
    match why.kind() {
        std::io::ErrorKind::PermissionDenied => "start the node as the user whose file it is",
        std::io::ErrorKind::NotFound => "put it back: it was made with the cluster, and nobody can make another",
        _ => "put back the file that was made with the cluster: nobody can make another",
    }
}

fn bad(what: impl Into<String>, why: impl Display) -> TlsError {
    TlsError::Bad { what: what.into(), why: why.to_string() }
}

/// The name by which a node is known in certificates.
#[must_use]
pub fn node_name(node: NodeId, cluster: &[u8; 16]) -> String {
    format!("node-{}.{}.replicode", node.get(), crate::log_store::segment::hex(cluster))
}

/// A new key. Ed25519 (RFC 8032): its signatures are of one length and draw no random numbers. What earlier versions made
/// is of another kind, and is as good.
fn new_key(what: &str) -> Result<rcgen::KeyPair, TlsError> {
    rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).map_err(|error| bad(what, error))
}

/// A cluster's authority: makes certificates for its nodes. Its key is not needed once they are made.
pub struct Authority {
    cluster: [u8; 16],
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    cert: String,
}

impl Authority {
    /// A new authority for a cluster.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn new(cluster: [u8; 16]) -> Result<Self, TlsError> {
        Self::with_key(cluster, new_key("a new authority")?)
    }

    /// An authority whose key is given, such as one of a simulation.
    ///
    /// # Errors
    /// When the key cannot be used.
    pub fn with_key(cluster: [u8; 16], key: rcgen::KeyPair) -> Result<Self, TlsError> {
        let failed = |error| bad("a new authority", error);
        let mut params = rcgen::CertificateParams::new(Vec::new()).map_err(failed)?;
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
        params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
        let common_name = format!("replicode cluster {}", crate::log_store::segment::hex(&cluster));
        params.distinguished_name.push(rcgen::DnType::CommonName, common_name);
        let cert = params.self_signed(&key).map_err(failed)?.pem();
        Ok(Self { cluster, issuer: rcgen::Issuer::new(params, key), cert })
    }

    /// Credentials for a node. Valid for as long as the format allows: who is a member is decided by the cluster's
    /// configuration, not by a date.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn node(&self, node: NodeId) -> Result<TlsIdentity, TlsError> {
        self.node_with_key(node, &new_key(&format!("a certificate for {node}"))?)
    }

    /// Credentials for a node whose key is given.
    ///
    /// # Errors
    /// When the key cannot be used.
    pub fn node_with_key(&self, node: NodeId, key: &rcgen::KeyPair) -> Result<TlsIdentity, TlsError> {
        let failed = |error| bad(format!("a certificate for {node}"), error);
        let name = node_name(node, &self.cluster);
        let mut params = rcgen::CertificateParams::new(vec![name]).map_err(failed)?;
        params.distinguished_name.push(rcgen::DnType::CommonName, node.to_string());
        params.extended_key_usages =
            vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth, rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        let cert = params.signed_by(key, &self.issuer).map_err(failed)?;
        Ok(TlsIdentity { ca: self.cert.clone(), cert: cert.pem(), key: key.serialize_pem() })
    }
}

/// Both sides' settings for handshakes.
#[derive(Clone)]
pub struct Handshake {
    /// When dialling.
    pub client: Arc<quinn::crypto::rustls::QuicClientConfig>,
    /// When accepting.
    pub server: Arc<quinn::crypto::rustls::QuicServerConfig>,
    /// A secret of the node's that outlives its process: peers that still speak to the process before are told so by it
    /// (RFC 9000, 10.3.2).
    pub lasting: [u8; 32],
}

/// Checks credentials and makes settings of them: TLS 1.3 only, certificates on both sides, no early data, nothing
/// resumed.
///
/// # Errors
/// [`TlsError::Bad`] names what cannot be used.
pub fn handshake(identity: &TlsIdentity, node: NodeId, cluster: &[u8; 16]) -> Result<Handshake, TlsError> {
    let parse = |what: &'static str, pem: &str| {
        CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| bad(what, error))
    };
    let ca = parse("the authority's certificate (ca.pem)", &identity.ca)?;
    let cert = parse("this node's certificate (node.pem)", &identity.cert)?;
    check_name(&cert, node, cluster).map_err(|why| bad("this node's certificate (node.pem)", why))?;
    let key = || {
        PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).map_err(|error| bad("this node's key (node.key)", error))
    };
    let mut roots = rustls::RootCertStore::empty();
    roots.add(ca).map_err(|error| bad("the authority's certificate", error))?;
    let roots = Arc::new(roots);
    let (provider, time) = (crate::host::tls(), crate::host::tls_time());
    let failed = |error: rustls::Error| bad("this node's credentials", error);

    let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone()).build();
    let verifier = verifier.map_err(|error| bad("the authority's certificate", error))?;
    let versions: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];
    let mut server = rustls::ServerConfig::builder_with_details(provider.clone(), time.clone())
        .with_protocol_versions(versions)
        .map_err(failed)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![cert.clone()], key()?)
        .map_err(failed)?;
    server.alpn_protocols = vec![ALPN.to_vec()];
    server.send_tls13_tickets = 0;
    let mut client = rustls::ClientConfig::builder_with_details(provider, time)
        .with_protocol_versions(versions)
        .map_err(failed)?
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![cert], key()?)
        .map_err(failed)?;
    client.alpn_protocols = vec![ALPN.to_vec()];
    client.resumption = rustls::client::Resumption::disabled();
    let unsuitable = |error| bad("this node's credentials", error);
    Ok(Handshake {
        client: Arc::new(client.try_into().map_err(unsuitable)?),
        server: Arc::new(server.try_into().map_err(unsuitable)?),
        lasting: blake3::derive_key(
            "replicode 2026-11 QUIC resets and connection ids of a node",
            identity.key.as_bytes(),
        ),
    })
}

/// Whether a certificate names a node.
///
/// # Errors
/// Why not.
pub fn check_name(cert: &CertificateDer<'_>, node: NodeId, cluster: &[u8; 16]) -> Result<(), String> {
    let name = node_name(node, cluster);
    let server_name = ServerName::try_from(name.clone()).map_err(|error| error.to_string())?;
    let cert = ParsedCertificate::try_from(cert).map_err(|error| error.to_string())?;
    rustls::client::verify_server_name(&cert, &server_name).map_err(|_| format!("it does not name {name}"))
}

/// Checks who is at the other end of a connection.
///
/// # Errors
/// Why it is not that node.
pub fn check_peer(connection: &quinn::Connection, node: NodeId, cluster: &[u8; 16]) -> Result<(), String> {
    let identity = connection.peer_identity().ok_or("the peer showed no certificate")?;
    let certs =
        identity.downcast::<Vec<CertificateDer<'static>>>().map_err(|_| "the peer's identity is no certificate")?;
    let cert = certs.first().ok_or("the peer showed no certificate")?;
    check_name(cert, node, cluster).map_err(|why| format!("the peer's certificate is not that of {node}: {why}"))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the tests are on the real host")]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn node(n: u64) -> NodeId {
        NodeId::new(n).unwrap_or_else(|_| unreachable!("tests use valid numbers"))
    }

    #[test]
    fn a_certificate_is_for_one_node_of_one_cluster() -> Result<(), TlsError> {
        let authority = Authority::new([7; 16])?;
        let identity = authority.node(node(2))?;
        assert!(handshake(&identity, node(2), &[7; 16]).is_ok());
        assert!(handshake(&identity, node(3), &[7; 16]).is_err_and(|error| error.to_string().contains("node-3.")));
        assert!(handshake(&identity, node(2), &[8; 16]).is_err());
        let swapped = TlsIdentity { key: authority.node(node(2))?.key, ..identity.clone() };
        assert!(handshake(&swapped, node(2), &[7; 16]).is_err(), "a key that does not belong to the certificate");
        let garbage = TlsIdentity { ca: "nothing".to_string(), ..identity };
        assert!(handshake(&garbage, node(2), &[7; 16]).is_err_and(|error| error.to_string().contains("authority")));
        Ok(())
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() -> Result<(), Box<dyn std::error::Error>> {
        let dir = std::env::temp_dir().join(format!("replicode-tls-{}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        let file = |name: &str| dir.join(name);
        let identity = Authority::new([7; 16])?.node(node(1))?;
        for (name, pem) in [("ca", &identity.ca), ("cert", &identity.cert), ("key", &identity.key)] {
            std::fs::write(file(name), pem)?;
        }
        std::fs::set_permissions(file("key"), std::fs::Permissions::from_mode(0o640))?;
        let exposed = load(&file("ca"), &file("cert"), &file("key"));
        assert!(matches!(exposed, Err(TlsError::Exposed { mode: 0o640, .. })));
        std::fs::set_permissions(file("key"), std::fs::Permissions::from_mode(0o600))?;
        let loaded = load(&file("ca"), &file("cert"), &file("key"))?;
        assert_eq!(loaded.key, identity.key);
        std::fs::remove_dir_all(&dir)?;
        Ok(())
    }
}
