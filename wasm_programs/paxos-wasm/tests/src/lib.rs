//! Clusters of real processes, for tests and measurements: started, killed, looked into, and asked as users do.
//!
//! | file | idea |
//! |---|---|
//! | [`settings`] | a configuration, and free ports for it |
//! | [`cluster`] | its processes |
//! | [`load`] | a load on it in the background, judged in the end |
//! | [`wires`] | the connections between its nodes, to be delayed, held and cut |

#![forbid(unsafe_code)]

pub mod cluster;
pub mod load;
pub mod settings;
pub mod wires;

pub use cluster::Cluster;
pub use load::Load;
pub use settings::Settings;

use std::path::{Path, PathBuf};

/// The folder of the workspace.
#[must_use]
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_owned)
}

/// Where `cargo build` and `cargo build --release` put what they make.
#[must_use]
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

/// A native program.
///
/// # Errors
/// When it has not been built.
pub fn program(name: &str) -> Result<PathBuf, String> {
    let file = target().join("release").join(name);
    if file.exists() {
        return Ok(file);
    }
    Err(format!(
        "{} is missing: run 'cargo build && cargo build --release' in {} first",
        file.display(),
        workspace().display()
    ))
}
