//! What a start of the mirrors can fail with.

use std::io;

/// Why mirrors cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// Their settings.
    #[error("{0}")]
    Settings(String),
    /// The operating system.
    #[error("the thread of a mirror cannot be started: {0}")]
    Thread(#[from] io::Error),
}
