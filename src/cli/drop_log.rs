//! `flashsale drop-log`.

use clap::Args;

use crate::maintenance::{Dropped, LostLog, MaintenanceError};

use super::output::say;
use super::run::{CommandError, Definition, Run};
use super::shared_args::StoreArgs;

/// Show what a stopped store loses if its write-ahead log is missing or damaged; with --yes, continue without that log
#[derive(Debug, Args)]
pub(super) struct DropLog {
    #[command(flatten)]
    store: StoreArgs,
    /// Continue without the lost records; without this flag nothing is changed
    #[arg(long)]
    yes: bool,
}

impl Run for DropLog {
    fn run(self, _: Definition) -> Result<(), CommandError> {
        let lost = LostLog::find(&self.store.data_dir)?;
        // What cannot be shown is not dropped either.
        say(&lost)?;
        if !self.yes {
            return Err(MaintenanceError::NotConfirmed(lost.store().display().to_string()).into());
        }
        let Dropped { fork, kept } = lost.drop_log()?;
        say(&format!("the new history is {}; the next order gets number {}", fork.id, fork.first_order))?;
        match kept {
            Some(kept) => say(&format!("the old log is kept as {}", kept.display())),
            None => Ok(()),
        }
    }
}
