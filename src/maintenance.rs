//! What can be done to a store while no server runs on it.

use std::fmt;
use std::path::Path;

use crate::store::{self, Findings, Medium, OpenError, Store, StoreError};

/// Why a store could not be looked at.
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

/// What a check found.
#[derive(Debug)]
pub struct Report {
    findings: Findings,
}

impl Report {
    /// Whether nothing is wrong.
    pub const fn is_sound(&self) -> bool {
        self.findings.problems.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Findings { records, orders, products, problems } = &self.findings;
        writeln!(f, "checked {records} records of the history, {orders} orders and {products} products")?;
        for problem in problems {
            writeln!(f, "  wrong: {problem}")?;
        }
        match problems.len() {
            0 => write!(f, "everything adds up"),
            wrong => write!(f, "{wrong} things do not add up"),
        }
    }
}

/// Checks the store in a data directory.
pub fn verify(data_dir: &Path) -> Result<Report, MaintenanceError> {
    let file = store::file_in(data_dir);
    if !file.is_file() {
        return Err(MaintenanceError::Missing(file.display().to_string()));
    }
    let (store, _) = Store::open(Medium::File(file))?;
    Ok(Report { findings: store.verify()? })
}
