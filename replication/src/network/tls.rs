//! Certificates.

/// Why credentials cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Not PEM, or not what it should be.
    #[error("{what}: {why}")]
    Bad {
        /// Which of them.
        what: String,
        /// What is wrong.
        why: String,
    },
}
