//! `flashsale verify`.

use std::path::PathBuf;

use clap::Args;

use crate::maintenance;

use super::output::say;
use super::run::{CommandError, Definition, Run};
use super::shared_args::StoreArgs;

/// Check a stopped store or a backup: its history has no gap, its tables match the history, and its sums add up
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// Backup to check, instead of the store in --data-dir
    #[arg(value_name = "FILE.backup")]
    backup: Option<PathBuf>,
    #[command(flatten)]
    store: StoreArgs,
    /// Directory for working files, which are about as large as the orders, or the backup; if unset, the directory of
    /// what is checked
    #[arg(long, value_name = "DIR")]
    scratch_dir: Option<PathBuf>,
}

impl Run for Verify {
    fn run(self, _: Definition) -> Result<(), CommandError> {
        let scratch_dir = self.scratch_dir.as_deref();
        let report = match &self.backup {
            None => maintenance::verify(&self.store.data_dir, scratch_dir)?,
            Some(backup) => {
                let (contents, report) = maintenance::verify_backup(backup, scratch_dir)?;
                say(&format!("{} holds the store {}", backup.display(), maintenance::moment(&contents)))?;
                report
            }
        };
        say(&report)?;
        match (report.is_sound(), self.backup) {
            (true, _) => Ok(()),
            (false, None) => Err(CommandError::Unsound),
            (false, Some(_)) => Err(CommandError::UnsoundBackup),
        }
    }
}
