//! Why a backup could not be written or read.

use std::io;

use crate::store::error::StoreError;
use crate::store::format::{FORMAT, OLDEST_FORMAT};

use super::form::VERSION;

/// Why a backup could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Another kind of file.
    #[error("it is not a backup of flashsale, or its first bytes are damaged")]
    NotABackup,
    /// A later program wrote it.
    #[error("it has form {found}, and this program knows {VERSION} at most; use a newer flashsale")]
    NewerForm {
        /// The form in the file.
        found: u32,
    },
    /// A store that another program wrote is in it.
    #[error(
        "the store in it has format {found}, and this program reads {OLDEST_FORMAT} to {FORMAT}; use the flashsale \
         that wrote it"
    )]
    OtherFormat {
        /// The format of the store.
        found: u32,
    },
    /// Its end is missing.
    #[error("it is cut off after {at} bytes")]
    CutOff {
        /// Bytes that are there.
        at: u64,
    },
    /// Bytes were altered.
    #[error("it is damaged near byte {at}: {what}")]
    Damaged {
        /// Where the damaged part begins.
        at: u64,
        /// What does not fit.
        what: &'static str,
    },
    /// It could not be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}
