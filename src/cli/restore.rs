//! `flashsale restore`.

use std::path::PathBuf;

use clap::Args;

use crate::maintenance::{self, Restored};

use super::output::say;
use super::run::{CommandError, Definition, Run};
use super::shared_args::StoreArgs;

/// Check a backup, and put its store into the data directory
#[derive(Debug, Args)]
pub(super) struct Restore {
    /// Backup to restore
    #[arg(value_name = "FILE")]
    backup: PathBuf,
    #[command(flatten)]
    store: StoreArgs,
    /// Replace the store if the directory has one; the old store is renamed and kept, and its new name is printed
    #[arg(long)]
    force: bool,
}

impl Run for Restore {
    fn run(self, _: Definition) -> Result<(), CommandError> {
        let data_dir = &self.store.data_dir;
        let Restored { contents, fork, kept } = maintenance::restore(&self.backup, data_dir, self.force)?;
        say(&format!("{} holds the store {}", data_dir.display(), maintenance::moment(&contents)))?;
        say(&format!("the new history is {}; the next order gets number {}", fork.id, fork.first_order))?;
        match kept {
            Some(kept) => say(&format!("what the directory held before is kept as {}", kept.display())),
            None => Ok(()),
        }
    }
}
