//! What can be done to a store beside running a server on it: check it, back it up, restore it, export it.

use std::path::{Path, PathBuf};

use crate::store::{self, OpenError, StoreError};

mod progress;
mod verify;

pub use verify::{Report, verify};

/// Why something could not be done to a store.
#[derive(Debug, thiserror::Error)]
pub enum MaintenanceError {
    /// There is none.
    #[error("there is no store at {0}; set DATA_DIR to where it is")]
    Missing(String),
    /// It could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It could not be read.
    #[error("the store cannot be read: {0}")]
    Read(#[from] StoreError),
}

/// The store's file in a data directory, if it is there.
fn existing_store(data_dir: &Path) -> Result<PathBuf, MaintenanceError> {
    let file = store::file_in(data_dir);
    match file.is_file() {
        true => Ok(file),
        false => Err(MaintenanceError::Missing(file.display().to_string())),
    }
}
